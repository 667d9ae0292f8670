/* SPDX-License-Identifier: MIT */
/* sigtimers.c - alarms, interval timers, POSIX timers of every kind, and other calls that tell by a signal that they are done */
#include "plain.h"

#include <aio.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <netdb.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_int handled, last_value, last_code, wrong_thread;
static sem_t go, told;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void note(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	handled++;
	last_code = info->si_code;
	last_value = info->si_code == SI_TIMER || info->si_code == SI_ASYNCIO || info->si_code == SI_MESGQ ? info->si_value.sival_int : 0;
}

static void catch(int number, int flags)
{
	struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO | flags };

	sigemptyset(&action.sa_mask);
	must(sigaction(number, &action, NULL) == 0, "sigaction");
}

static void mask(int number, int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	must(pthread_sigmask(how, &set, NULL) == 0, "pthread_sigmask");
}

static void *wait_go(void *argument)
{
	while (sem_wait(&go) == -1)
		;
	return argument;
}

static pthread_t company(void)
{
	sem_init(&go, 0, 0);
	sem_init(&told, 0, 0);
	return spawn(wait_go, NULL);
}

static void part(pthread_t thread)
{
	sem_post(&go);
	join(thread);
}

static struct itimerspec in_ms(int first, int then)
{
	return (struct itimerspec){ { then / 1000, (long)(then % 1000) * 1000000 }, { first / 1000, (long)(first % 1000) * 1000000 } };
}

static void await(int count)
{
	for (int i = 0; i < 3000 && handled < count; i++)
		pause_ms(1);
}

/* --- alarm, ualarm, setitimer --- */

static void burn(double seconds)
{
	struct timespec at;
	double start;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
	start = (double)at.tv_sec + (double)at.tv_nsec / 1e9;
	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
	while ((double)at.tv_sec + (double)at.tv_nsec / 1e9 < start + seconds && handled < 3);
}

static void *burn_until(void *argument)
{
	for (int i = 0; i < 40 && handled < 3; i++) {
		for (volatile int j = 0; j < 10000000; j++)
			;
		burn(0.01);
	}
	return argument;
}

static void interval(const char *what, int kind, int number)
{
	struct itimerval often = { { 0, 10000 }, { 0, 10000 } }, never = { { 0, 0 }, { 0, 0 } }, left;

	handled = 0;
	catch(number, SA_RESTART);
	must(setitimer(kind, &often, NULL) == 0, "setitimer");
	getitimer(kind, &left);
	if (kind == ITIMER_REAL)
		await(3);
	else
		join(spawn(burn_until, NULL));
	setitimer(kind, &never, NULL);
	say("%s: %s, set to %ld us", what, handled >= 3 ? "three or more" : "too few", (long)left.it_interval.tv_usec);
}

static void alarms(void)
{
	pthread_t thread = company();
	double start = now();

	catch(SIGALRM, 0);
	say("alarm: %u", alarm(1));
	say("again: %u", alarm(1));
	say("sleep: %s", sleep(5) >= 3 ? "woken" : "slept on");
	say_elapsed("alarm", start, 0.9, 3);
	handled = 0;
	ualarm(5000, 5000);
	await(3);
	ualarm(0, 0);
	say("ualarm: %s", handled >= 3 ? "three or more" : "too few");
	interval("real", ITIMER_REAL, SIGALRM);
	interval("virtual", ITIMER_VIRTUAL, SIGVTALRM);
	interval("prof", ITIMER_PROF, SIGPROF);
	part(thread);
}

/* --- timer_create with a signal --- */

static timer_t make(clockid_t clock, int notify, int number, int value)
{
	struct sigevent event = { .sigev_notify = notify, .sigev_signo = number, .sigev_value.sival_int = value };
	timer_t timer;

	must(timer_create(clock, &event, &timer) == 0, "timer_create");
	return timer;
}

static void signal_timers(void)
{
	pthread_t thread = company();
	struct itimerspec once = in_ms(20, 0), left;

	catch(SIGRTMIN, 0);
	timer_t timer = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 42);
	timer_settime(timer, 0, &once, NULL);
	say("sleep: %s", usleep(2000000) == -1 ? error_name(errno) : "slept on");
	say("handled %d, code %s, value %d, overrun %d", handled, last_code == SI_TIMER ? "SI_TIMER" : "another", last_value,
		timer_getoverrun(timer));
	timer_gettime(timer, &left);
	say("left: %ld", (long)left.it_value.tv_nsec);
	/* Blocked by all: what is too much is counted. */
	mask(SIGRTMIN, SIG_BLOCK);
	part(thread);
	thread = company();
	once = in_ms(10, 10);
	timer_settime(timer, 0, &once, NULL);
	pause_ms(105);
	sigset_t set;
	siginfo_t info;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	int number = sigwaitinfo(&set, &info);
	say("waited for %d, value %d, overrun %s", number == SIGRTMIN, info.si_value.sival_int,
		info.si_overrun >= 5 && info.si_overrun < 100 ? "as expected" : "another");
	say("the same: %d", info.si_overrun == timer_getoverrun(timer));
	say("delete: %s", outcome(timer_delete(timer)));
	say("delete again: %s", outcome(timer_delete(timer)));
	part(thread);
}

static void silent_timers(void)
{
	pthread_t thread = company();
	struct itimerspec once = in_ms(5000, 250), left;
	timer_t timer = make(CLOCK_REALTIME, SIGEV_NONE, 0, 0);

	timer_settime(timer, 0, &once, NULL);
	timer_gettime(timer, &left);
	say("left: %ld s, interval %ld ms", (long)left.it_value.tv_sec, left.it_interval.tv_nsec / 1000000);
	timer_delete(timer);
	part(thread);
}

/* --- for one thread --- */

static void in_thread(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	if (info->si_value.sival_int != gettid() || info->si_code != SI_TIMER)
		wrong_thread++;
	handled++;
}

static void *own_timer(void *argument)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1 };
	struct itimerspec often = in_ms(5, 5);
	int mine = 0;
	timer_t timer;

	event._sigev_un._tid = gettid();
	event.sigev_value.sival_int = gettid();
	must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
	timer_settime(timer, 0, &often, NULL);
	while (mine < 10)
		mine += usleep(1000000) == -1;
	say("delete: %s", outcome(timer_delete(timer)));
	return argument;
}

static void timers_of_threads(void)
{
	struct sigaction action = { .sa_sigaction = in_thread, .sa_flags = SA_SIGINFO };
	pthread_t threads[4];

	sigaction(SIGRTMIN + 1, &action, NULL);
	for (int i = 0; i < 4; i++)
		threads[i] = spawn(own_timer, NULL);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	say("enough: %d, in the wrong thread %d", handled >= 40, wrong_thread);
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1 };
	timer_t timer;
	event._sigev_un._tid = 1;
	say("of another process: %s", outcome(timer_create(CLOCK_MONOTONIC, &event, &timer)));
}

/* Each waits for its own timer's signal, which all block. */
static void *wait_own_timer(void *argument)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 2 };
	struct itimerspec often = in_ms(3, 3);
	siginfo_t info;
	timer_t timer;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 2);
	event._sigev_un._tid = gettid();
	event.sigev_value.sival_int = gettid();
	must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
	timer_settime(timer, 0, &often, NULL);
	for (int i = 0; i < 20; i++) {
		must(sigwaitinfo(&set, &info) > 0, "sigwaitinfo");
		wrong_thread += info.si_value.sival_int != gettid();
		handled++;
	}
	timer_delete(timer);
	return argument;
}

static void timers_waited_for(void)
{
	pthread_t threads[3];

	mask(SIGRTMIN + 2, SIG_BLOCK);
	for (int i = 0; i < 3; i++)
		threads[i] = spawn(wait_own_timer, NULL);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	say("waited %d times, for another's %d", handled, wrong_thread);
}

/* --- that call --- */

static _Thread_local int own;
static pthread_t main_thread;

static void call(union sigval value)
{
	sigset_t blocked;

	sigemptyset(&blocked);
	pthread_mutex_lock(&lock);
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	if (pthread_equal(pthread_self(), main_thread) || own != 0)
		wrong_thread++;
	last_code = sigismember(&blocked, SIGUSR1);
	own = 1;
	handled++;
	last_value = value.sival_int;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void await_calls(int count)
{
	struct timespec until = after_ms(CLOCK_REALTIME, 5000);

	pthread_mutex_lock(&lock);
	while (handled < count && pthread_cond_timedwait(&changed, &lock, &until) == 0)
		;
	pthread_mutex_unlock(&lock);
}

static timer_t make_call(clockid_t clock, int value)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = call, .sigev_value.sival_int = value };
	timer_t timer;

	must(timer_create(clock, &event, &timer) == 0, "timer_create");
	return timer;
}

static void calls(void)
{
	struct itimerspec once = in_ms(20, 0), often = in_ms(5, 5), far = in_ms(60000, 0), never = in_ms(0, 0), left;
	timer_t timer = make_call(CLOCK_MONOTONIC, 7);
	double start = now();

	main_thread = pthread_self();
	timer_settime(timer, 0, &once, NULL);
	await_calls(1);
	say_elapsed("called", start, 0.018, 2);
	say("value %d, in the wrong thread %d, blocks %d", last_value, wrong_thread, last_code);
	timer_gettime(timer, &left);
	say("left: %ld", left.it_value.tv_nsec);
	timer_settime(timer, 0, &often, NULL);
	await_calls(11);
	say("called again: %d", handled >= 11);
	timer_settime(timer, 0, &far, &left);
	say("interval was %ld ms", left.it_interval.tv_nsec / 1000000);
	timer_gettime(timer, &left);
	say("left: %ld s", (long)left.it_value.tv_sec);
	timer_settime(timer, 0, &never, NULL);
	timer_gettime(timer, &left);
	say("left: %ld s", (long)left.it_value.tv_sec);
	struct timespec at = after_ms(CLOCK_REALTIME, 30);
	timer_t other = make_call(CLOCK_REALTIME, 8);
	once.it_value = at;
	handled = 0;
	start = now();
	timer_settime(other, TIMER_ABSTIME, &once, NULL);
	await_calls(1);
	say_elapsed("at a time", start, 0.02, 2);
	say("value %d", last_value);
	once.it_value = (struct timespec){ 1, 0 };
	timer_settime(other, TIMER_ABSTIME, &once, NULL);
	await_calls(2);
	say("a time that has passed: %d", handled);
	once.it_value.tv_nsec = 1000000000;
	say("no such time: %s", outcome(timer_settime(other, 0, &once, NULL)));
	say("delete: %s, %s", outcome(timer_delete(timer)), outcome(timer_delete(other)));
	say("in the wrong thread %d", wrong_thread);
}

/* Calls do not need the others to wait for anything. */
static void calls_while_computing(void)
{
	struct itimerspec often = in_ms(10, 10), never = in_ms(0, 0);
	timer_t timer = make_call(CLOCK_MONOTONIC, 1);
	double start = now();

	timer_settime(timer, 0, &often, NULL);
	while (handled < 3 && now() < start + 3) {
		for (volatile int i = 0; i < 100000; i++)
			;
	}
	say("while main computes: %d", handled >= 3);
	handled = 0;
	while (handled < 3 && now() < start + 6)
		usleep(20000);
	say("while main sleeps: %d", handled >= 3);
	timer_settime(timer, 0, &never, NULL);
	timer_delete(timer);
}

static size_t seen_size;

static void tell_size(union sigval value)
{
	pthread_attr_t attributes;

	(void)value;
	pthread_getattr_np(pthread_self(), &attributes);
	pthread_attr_getstacksize(&attributes, &seen_size);
	pthread_attr_destroy(&attributes);
	sem_post(&told);
}

static void calls_with_attributes(void)
{
	struct itimerspec once = in_ms(5, 0);
	pthread_attr_t attributes;
	struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = tell_size };
	timer_t timer;

	sem_init(&told, 0, 0);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 300 * 1024);
	event.sigev_notify_attributes = &attributes;
	must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
	pthread_attr_destroy(&attributes);
	timer_settime(timer, 0, &once, NULL);
	while (sem_wait(&told) == -1)
		;
	say("its stack: %s", seen_size >= 290 * 1024 && seen_size <= 400 * 1024 ? "as asked" : "another");
	timer_delete(timer);
}

static void timers_and_fork(void)
{
	struct itimerspec once = in_ms(30, 0);
	timer_t timer = make_call(CLOCK_MONOTONIC, 1), plain = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);

	timer_settime(timer, 0, &once, NULL);
	pid_t pid = fork();
	if (pid == 0) {
		pause_ms(80);
		say("in the child: called %d, %s", handled, outcome(timer_settime(plain, 0, &once, NULL)));
		timer = make_call(CLOCK_MONOTONIC, 2);
		timer_settime(timer, 0, &once, NULL);
		await_calls(1);
		say("its own: called %d, value %d", handled, last_value);
		_exit(0);
	}
	reap("child", pid);
	await_calls(1);
	say("in the parent: called %d", handled);
	timer_delete(timer);
	timer_delete(plain);
}

static void timer_errors(void)
{
	pthread_t thread = company();
	struct sigevent event = { .sigev_notify = 77 };
	timer_t timer;

	say("no such kind: %s", outcome(timer_create(CLOCK_MONOTONIC, &event, &timer)));
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = 99;
	say("no such signal: %s", outcome(timer_create(CLOCK_MONOTONIC, &event, &timer)));
	event.sigev_signo = SIGUSR1;
	say("no such clock: %s", outcome(timer_create(99, &event, &timer)));
	event.sigev_notify = SIGEV_THREAD;
	event.sigev_notify_function = call;
	say("no such clock: %s", outcome(timer_create(99, &event, &timer)));
	part(thread);
}

/* --- others that tell --- */

static void message_comes(void)
{
	pthread_t thread = company();
	struct mq_attr attributes = { .mq_maxmsg = 2, .mq_msgsize = 8 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 5 };
	char name[64];

	snprintf(name, sizeof(name), "/sigtimers-%d", getpid());
	catch(SIGRTMIN, SA_RESTART);
	mqd_t queue = mq_open(name, O_RDWR | O_CREAT, 0600, &attributes);
	must(queue != -1, "mq_open");
	mq_unlink(name);
	must(mq_notify(queue, &event) == 0, "mq_notify");
	mq_send(queue, "x", 1, 0);
	await(1);
	say("told %d, code %s, value %d", handled, last_code == SI_MESGQ ? "SI_MESGQ" : "another", last_value);
	mq_close(queue);
	part(thread);
}

static void post_told(union sigval value)
{
	last_value = value.sival_int;
	sem_post(&told);
}

static void message_calls(void)
{
	pthread_t thread = company();
	struct mq_attr attributes = { .mq_maxmsg = 2, .mq_msgsize = 8 };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = post_told, .sigev_value.sival_int = 6 };
	char name[64];

	snprintf(name, sizeof(name), "/sigtimers-%d", getpid());
	mqd_t queue = mq_open(name, O_RDWR | O_CREAT, 0600, &attributes);
	must(queue != -1, "mq_open");
	mq_unlink(name);
	must(mq_notify(queue, &event) == 0, "mq_notify");
	mq_send(queue, "x", 1, 0);
	while (sem_wait(&told) == -1)
		;
	say("called, value %d", last_value);
	mq_close(queue);
	part(thread);
}

static void reads_in_background(void)
{
	pthread_t thread = company();
	char text[8] = "";
	struct aiocb block = { .aio_nbytes = 4, .aio_buf = text };
	int ends[2];

	catch(SIGRTMIN, SA_RESTART);
	must(pipe(ends) == 0, "pipe");
	block.aio_fildes = ends[0];
	block.aio_sigevent = (struct sigevent){ .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 3 };
	must(aio_read(&block) == 0, "aio_read");
	pause_ms(20);
	write_full(ends[1], "four", 4);
	await(1);
	say("told %d, value %d, read %zd: %s", handled, last_value, aio_return(&block), text);
	part(thread);
}

static void looks_up(void)
{
	pthread_t thread = company();
	struct gaicb request = { .ar_name = "127.0.0.1" }, *list[] = { &request };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };

	catch(SIGRTMIN, SA_RESTART);
	must(getaddrinfo_a(GAI_NOWAIT, list, 1, &event) == 0, "getaddrinfo_a");
	await(1);
	say("told %d, result %d", handled, gai_error(&request));
	freeaddrinfo(request.ar_result);
	part(thread);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "alarms", alarms, 3 },
		{ "signal_timers", signal_timers, 2 },
		{ "silent_timers", silent_timers, 1 },
		{ "timers_of_threads", timers_of_threads, 4 },
		{ "timers_waited_for", timers_waited_for, 3 },
		{ "calls", calls, 10 },
		{ "calls_while_computing", calls_while_computing, 6 },
		{ "calls_with_attributes", calls_with_attributes, 1 },
		{ "timers_and_fork", timers_and_fork, 1 },
		{ "timer_errors", timer_errors, 1 },
		{ "message_comes", message_comes, 1 },
		{ "message_calls", message_calls, 1 },
		{ "reads_in_background", reads_in_background, 1 },
		{ "looks_up", looks_up, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
