/* SPDX-License-Identifier: MIT */
/* services.c - flows of libgreen's larger things: watchers, processes, futures, queues, servers, tools; as library.c */
#include "plain.h"
#include "told.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "green.h"

enum { FEW = 6, ITEMS = 60, ASKED = 3, TRIES = 100 };

static void *identity(void *arg)
{
	return arg;
}

static void *naps(void *arg)
{
	tell_call("green_sleep", green_sleep(1));
	return arg;
}

/* --- watchers --- */

static int called;

static void note(struct green_watcher *watcher, int events)
{
	(void)events;
	called++;
	green_watcher_stop(watcher);
}

/* A watcher that could be started is called. */
static bool begun(const char *call, int result)
{
	called = 0;
	return tell_call(call, result) == 0;
}

static void over(const char *what, struct green_watcher *watcher)
{
	for (int i = 0; !called && i < PATIENCE_MS / 10; i++)
		green_sleep(2);
	if (!called)
		say("wrong: %s is never called", what);
	green_watcher_stop(watcher);
}

static void watch_pipe(void)
{
	struct green_watcher watcher = { 0 };
	int fds[2];

	if (tell_call("green_pipe2", green_pipe2(fds, 0)))
		return;
	if (begun("green_watch_fd", green_watch_fd(&watcher, fds[0], GREEN_READ, note, NULL))) {
		while (again(tell_call("green_write", green_write(fds[1], "x", 1))))
			;
		close(fds[1]);
		over("fd", &watcher);
	} else {
		close(fds[1]);
	}
	close(fds[0]);
}

static void watch_signal(void)
{
	struct green_watcher watcher = { 0 };

	if (!begun("green_watch_signal", green_watch_signal(&watcher, SIGUSR2, note, NULL)))
		return;
	raise(SIGUSR2);
	over("signal", &watcher);
}

static void watch_child(void)
{
	struct green_watcher watcher = { 0 };
	pid_t pid = fork();

	if (pid == 0)
		_exit(5);
	if (tell_call("fork", pid) == -1)
		return;
	if (begun("green_watch_child", green_watch_child(&watcher, pid, note, NULL)))
		over("child", &watcher);
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
}

static void watch_path(void)
{
	struct green_watcher watcher = { 0 };
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/tmp/green-faults-%d", (int)getpid());
	if (!begun("green_watch_path", green_watch_path(&watcher, path, 5, note, NULL)))
		return;
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	if (tell_call("open", fd) != -1) {
		over("path", &watcher);
		close(fd);
	}
	green_watcher_stop(&watcher);
	unlink(path);
}

static void watch_turns(void)
{
	static int (*const kinds[])(struct green_watcher *, green_watch_function *, void *) = {
		green_watch_idle, green_watch_prepare, green_watch_check,
	};
	struct green_watcher watcher = { 0 };

	for (int i = 0; i < 3; i++) {
		if (begun("green_watch_idle", kinds[i](&watcher, note, NULL)))
			over("stage", &watcher);
	}
	if (begun("green_watch_timer", green_watch_timer(&watcher, 1, 1, note, NULL)))
		over("timer", &watcher);
	if (begun("green_watch_wake", green_watch_wake(&watcher, note, NULL))) {
		green_watcher_send(&watcher);
		over("wake", &watcher);
	}
}

static void calls(void *unused)
{
	(void)unused;
	called++;
}

static void watchers(void)
{
	struct green_call call = { 0 };

	watch_pipe();
	watch_signal();
	watch_child();
	watch_path();
	watch_turns();
	if (begun("green_call_later", green_call_later(&call, 2, calls, NULL))) {
		green_hub_run(20);
		for (int i = 0; !called && i < TRIES; i++)
			green_sleep(10);
		if (!called)
			say("wrong: a call never comes");
	}
	if (tell_call("green_hub_fd", green_hub_fd()) >= 0)
		tell_call("green_hub_turn", green_hub_turn());
}

/* --- processes --- */

static void communicate(struct green_process *process)
{
	struct green_text out = { NULL, 0 }, err = { NULL, 0 };

	if (!tell_call("green_process_communicate", green_process_communicate(process, "some words", 10, &out, &err, PATIENCE_MS)) &&
	    (out.size != 10 || memcmp(out.bytes, "some words", 10)))
		say("wrong: what a process says");
	free(out.bytes);
	free(err.bytes);
}

static void talk_to_cat(void)
{
	char *argv[] = { "cat", NULL };
	struct green_process_options options = { .argv = argv, .in = GREEN_PIPE, .out = GREEN_PIPE, .err = GREEN_PIPE };
	struct green_process *process = green_process_start(&options);
	int status;

	if (tell_call("green_process_start", process ? 0 : -1))
		return;
	communicate(process);
	green_process_kill(process, SIGKILL);
	if (tell_call("green_process_wait", green_process_wait(process, &status, PATIENCE_MS)))
		green_process_wait(process, &status, PATIENCE_MS);
	green_process_destroy(process);
}

static void wait_for_fork(void)
{
	pid_t pid = green_fork();
	int status = 0;

	if (pid == 0)
		_exit(6);
	if (tell_call("green_fork", pid) == -1)
		return;
	while (again(tell_call("green_waitpid", green_waitpid(pid, &status, 0))))
		;
	if (status == 0)
		waitpid(pid, &status, 0);
	else if (status != 6 << 8)
		say("wrong: a child's status");
}

static void commands(void)
{
	int status = green_system("exit 3");

	/* A shell that could not be started is one that ends with 127. */
	if (tell_call("green_system", status) != -1 && status != 3 << 8 && status != 127 << 8)
		say("wrong: a command's status");
}

static void processes(void)
{
	for (int i = 0; i < 2; i++)
		talk_to_cat();
	wait_for_fork();
	commands();
}

/* --- several tasks --- */

static int gives_few(void *source, void **item)
{
	int *count = source;

	*item = source;
	return (*count)++ < FEW;
}

static void mapped(struct green_group *group)
{
	int count = 0;
	struct green_mapping *mapping = green_mapping_create(group, naps, gives_few, &count, GREEN_ORDERED, 2);
	void *value;
	int result, got = 0;

	if (tell_call("green_mapping_create", mapping ? 0 : -1))
		return;
	while ((result = green_mapping_next(mapping, &value, PATIENCE_MS)) == 1) {
		got++;
		if (value != &count)
			say("wrong: a mapped value");
	}
	if (!tell_call("green_mapping_next", result) && got != FEW)
		say("wrong: %d of %d were mapped", got, FEW);
	green_error_clear();
	green_mapping_destroy(mapping);
}

static void groups(void)
{
	struct green_group *group = green_group_create(3);
	void *items[FEW] = { group, group, group, group, group, group }, *results[FEW] = { NULL };

	if (tell_call("green_group_create", group ? 0 : -1))
		return;
	for (int i = 0; i < FEW; i++)
		tell_call("green_group_spawn", green_group_spawn(group, naps, NULL, PATIENCE_MS));
	if (!tell_call("green_group_map", green_group_map(group, naps, items, results, FEW)) && results[FEW - 1] != group)
		say("wrong: a value of a group");
	green_error_clear();
	mapped(group);
	tell_call("green_group_join", green_group_join(group, 0, PATIENCE_MS));
	green_group_destroy(group);
}

static void nursery(void)
{
	struct green_nursery nursery;

	if (tell_call("green_nursery_open", green_nursery_open(&nursery)))
		return;
	for (int i = 0; i < FEW; i++) {
		if (tell_call("green_nursery_spawn", green_nursery_spawn(&nursery, naps, NULL)))
			break;
	}
	tell_call("green_nursery_close", green_nursery_close(&nursery));
	green_error_clear();
}

static void futures(void)
{
	struct green_future *all[FEW];
	int count = 0;

	for (; count < FEW; count++) {
		all[count] = green_future_spawn(naps, all);
		if (tell_call("green_future_spawn", all[count] ? 0 : -1))
			break;
	}
	if (count)
		tell_call("green_gather", green_gather(all, (size_t)count, NULL, PATIENCE_MS));
	while (count > 0)
		green_future_destroy(all[--count]);
}

static void native_pool(void)
{
	struct green_native_pool *pool = green_native_pool_create(2);
	struct green_future *future;
	void *value;

	if (tell_call("green_native_pool_create", pool ? 0 : -1))
		return;
	for (int i = 0; i < FEW; i++) {
		future = green_native_pool_submit(pool, identity, pool);
		if (tell_call("green_native_pool_submit", future ? 0 : -1))
			continue;
		if (!tell_call("green_future_get", green_future_get(future, &value, PATIENCE_MS)) && value != pool)
			say("wrong: a pool's value");
		green_error_clear();
		green_future_destroy(future);
	}
	green_native_pool_destroy(pool);
}

static void several(void)
{
	groups();
	nursery();
	futures();
	native_pool();
}

/* --- queues, choices, generators --- */

static struct green_queue *queue;
static struct green_event event;

static void *puts_items(void *arg)
{
	for (intptr_t i = 1; i <= ITEMS; i++) {
		if (green_queue_put(queue, (void *)i, PATIENCE_MS)) {
			/* Else another one has said why. */
			if (errno != ESHUTDOWN)
				tell_call("green_queue_put", -1);
			green_queue_shut_down(queue, false);
			break;
		}
	}
	return arg;
}

/* A kernel thread of its own puts as well. */
static intptr_t gets_items(int putters)
{
	intptr_t sum = 0;
	void *item;

	for (int i = 0; i < putters * ITEMS; i++) {
		if (green_queue_get(queue, &item, PATIENCE_MS / 3)) {
			/* Else a putter has said why there are no more. */
			if (errno != ESHUTDOWN)
				tell_call("green_queue_get", -1);
			return -1;
		}
		sum += (intptr_t)item;
	}
	return sum;
}

static void queues(void)
{
	struct greenlet *task;
	pthread_t thread;
	int putters;

	queue = green_queue_create(GREEN_FIFO, 5);
	if (tell_call("green_queue_create", queue ? 0 : -1))
		return;
	task = task_of(puts_items, NULL);
	putters = task ? 1 : 0;
	if (pthread_create(&thread, NULL, puts_items, NULL) == 0) {
		intptr_t sum = gets_items(putters + 1);

		if (sum >= 0 && sum != (putters + 1) * ITEMS * (ITEMS + 1) / 2)
			say("wrong: the sum of all items");
		if (sum < 0)
			green_queue_shut_down(queue, true);
		pthread_join(thread, NULL);
	} else {
		say("pthread_create: EAGAIN");
		gets_items(putters);
	}
	joined(task);
	green_queue_shut_down(queue, true);
	green_queue_destroy(queue);
}

static void *sets_event(void *arg)
{
	green_sleep(2);
	green_event_set(&event);
	return arg;
}

static void choices(void)
{
	int fds[2];
	struct green_choice what[3];
	struct greenlet *task;

	if (tell_call("green_pipe2", green_pipe2(fds, 0)))
		return;
	event = (struct green_event)GREEN_EVENT_INIT;
	task = task_of(sets_event, NULL);
	what[0] = (struct green_choice)GREEN_SET(&event);
	what[1] = (struct green_choice)GREEN_READY(fds[0], GREEN_READ);
	what[2] = (struct green_choice)GREEN_JOINED(task);
	if (tell_call("green_choose", green_choose(what, task ? 3 : 2, task ? PATIENCE_MS : 5)) == 1)
		say("wrong: a pipe is readable");
	joined(task);
	close(fds[0]);
	close(fds[1]);
}

static void *yields_few(struct green_generator *self, void *value)
{
	for (int i = 0; i < FEW && green_generator_yield(self, value, NULL) == 0; i++)
		tell_call("green_sleep", green_sleep(1));
	return NULL;
}

static void generators(void)
{
	struct green_generator *generator = green_generator_create(yields_few, &event);
	int count = 0;

	if (tell_call("green_generator_create", generator ? 0 : -1))
		return;
	while (green_generator_next(generator, NULL) == 1)
		count++;
	if (count != FEW)
		say("wrong: %d values of a generator", count);
	green_generator_destroy(generator);
}

static struct green_local local[FEW];

static void locals(void)
{
	for (int i = 0; i < FEW; i++) {
		if (!tell_call("green_local_set", green_local_set(&local[i], &local[i])) && green_local_get(&local[i]) != &local[i])
			say("wrong: a local value");
	}
}

static void meetings(void)
{
	queues();
	choices();
	generators();
	locals();
}

/* --- servers --- */

static void echo(int fd, void *arg)
{
	char byte;
	long done;

	(void)arg;
	do {
		done = tell_call("green_recv", green_recv(fd, &byte, 1, 0));
	} while (again(done));
	while (done == 1 && again(tell_call("green_send", green_send(fd, &byte, 1, MSG_NOSIGNAL))))
		;
}

static void trouble(struct green_server *server, int error, int pause_ms, void *arg)
{
	(void)server;
	(void)pause_ms;
	(void)arg;
	say("accept: %s", error_name(error));
}

static int ask(unsigned port)
{
	char service[8], byte;
	int fd;
	long done;

	snprintf(service, sizeof(service), "%u", port);
	do {
		fd = green_dial("127.0.0.1", service, PATIENCE_MS);
	} while (again(tell_call("green_dial", fd)));
	if (fd == -1)
		return 0;
	do {
		done = tell_call("green_send", green_send(fd, "x", 1, MSG_NOSIGNAL));
	} while (again(done));
	while (done == 1 && again(done = tell_call("green_recv", green_recv(fd, &byte, 1, 0))))
		done = 1;
	green_close(fd);
	return done == 1 && byte == 'x';
}

static void server(void)
{
	struct green_server_options options = { .host = "127.0.0.1", .service = "0", .handler = echo, .trouble = trouble, .limit = 2 };
	struct green_server *made = green_server_create(&options);
	int answers = 0;

	if (tell_call("green_server_create", made ? 0 : -1))
		return;
	if (!tell_call("green_server_start", green_server_start(made))) {
		for (int i = 0; i < ASKED; i++)
			answers += ask(green_server_port(made));
		say("answers: %d of %d", answers, ASKED);
		tell_call("green_server_stop", green_server_stop(made));
	}
	green_server_destroy(made);
}

static void answer(struct green_datagram_server *made, const struct green_datagram *datagram, void *arg)
{
	(void)arg;
	tell_call("green_sendto", green_datagram_server_send(made, datagram->bytes, datagram->size,
							    (const struct sockaddr *)&datagram->from, datagram->from_length));
}

/* Datagrams may be lost: again. */
static bool ask_datagram(unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) }, .sin_port = htons((in_port_t)port) };
	int fd = green_socket(AF_INET, SOCK_DGRAM, 0);
	bool came = false;
	char byte = 'x';

	if (tell_call("green_socket", fd) == -1)
		return false;
	for (int i = 0; i < 20 && !came; i++) {
		tell_call("green_sendto", green_sendto(fd, &byte, 1, 0, (struct sockaddr *)&at, sizeof(at)));
		came = green_wait_fd(fd, GREEN_READ, 100) == GREEN_READ;
	}
	green_close(fd);
	return came;
}

static void datagrams(void)
{
	struct green_datagram_options options = { .host = "127.0.0.1", .service = "0", .handler = answer };
	struct green_datagram_server *made = green_datagram_server_create(&options);
	int answers = 0;

	if (tell_call("green_datagram_server_create", made ? 0 : -1))
		return;
	if (!tell_call("green_datagram_server_start", green_datagram_server_start(made))) {
		for (int i = 0; i < ASKED; i++)
			answers += ask_datagram(green_datagram_server_port(made));
		say("datagrams: %d of %d", answers, ASKED);
		tell_call("green_datagram_server_stop", green_datagram_server_stop(made, PATIENCE_MS));
	}
	green_datagram_server_destroy(made);
}

static int naps_as_worker(unsigned number, void *arg)
{
	(void)number;
	(void)arg;
	return (int)tell_call("green_sleep", green_sleep(1));
}

static void servers(void)
{
	server();
	datagrams();
}

static void workers(void)
{
	int result = green_workers_run(3, naps_as_worker, NULL);

	/* One of them has said why. */
	if (result && errno != ECHILD)
		tell_call("green_workers_run", result);
}

/* --- names --- */

static void cares(void)
{
	struct green_resolver_options wish = { .kind = GREEN_RESOLVER_CARES, .timeout_ms = 100, .tries = 1, .servers = "127.0.0.1:1" };
	struct addrinfo *found = NULL;

	if (green_resolver_use(&wish) && errno != ENOSYS) {
		tell_call("green_resolver_use", -1);
		return;
	}
	if (green_getaddrinfo("localhost", "80", NULL, &found) == 0)
		green_freeaddrinfo(found);
}

/* --- tools --- */

static void monitor(void)
{
	struct green_monitor options = { .silent = true };

	if (tell_call("green_monitor_start", green_monitor_start(&options)))
		return;
	green_sleep(5);
	if (green_monitor_stop())
		say("wrong: a monitor does not stop");
}

static void talk_to_console(const char *path)
{
	struct green_stream *stream = green_stream_dial(path, NULL, PATIENCE_MS);
	char line[200];

	if (tell_call("green_stream_dial", stream ? 0 : -1))
		return;
	/* If it is the console that could not go on, it has hung up. */
	if (tell_call("green_stream_print", green_stream_print(stream, "stats\n")) == 0 &&
	    green_stream_read_line(stream, line, sizeof(line)) < 0 && errno != ECONNRESET)
		tell_call("green_stream_read_line", -1);
	green_stream_destroy(stream);
}

static void console(void)
{
	char path[64], dialled[80];

	snprintf(path, sizeof(path), "/tmp/green-faults-console-%d", (int)getpid());
	snprintf(dialled, sizeof(dialled), "unix:%s", path);
	if (tell_call("green_console_start", green_console_start(path)))
		return;
	talk_to_console(dialled);
	if (green_console_stop())
		say("wrong: a console does not stop");
	if (unlink(path) == 0)
		say("wrong: a console's socket is left");
}

static void dumps(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct greenlet *task;

	if (tell_call("open", null) == -1)
		return;
	green_record(GREEN_RECORD_SPAWN);
	task = task_of(naps, NULL);
	tell_call("green_dump", green_dump(null, GREEN_DUMP_STACKS));
	tell_call("green_dump_all", green_dump_all(null, 0, PATIENCE_MS));
	joined(task);
	green_record(0);
	close(null);
}

static void tools(void)
{
	dumps();
	monitor();
	console();
}

/* --- the table --- */

static void check_watchers(void) { checked(watchers); }
static void check_processes(void) { checked(processes); }
static void check_several(void) { checked(several); }
static void check_meetings(void) { checked(meetings); }
static void check_servers(void) { checked(servers); }
static void check_workers(void) { checked(workers); }
static void check_cares(void) { checked(cares); }

/* What walks stacks keeps two descriptors from its first use on. */
static void check_tools(void)
{
	void *frames[4];

	green_backtrace(green_current(), frames, 4);
	checked(tools);
}

static const struct plain_case cases[] = {
	{ "watchers", check_watchers, 0 },
	{ "processes", check_processes, 0 },
	{ "several", check_several, 0 },
	{ "meetings", check_meetings, 0 },
	{ "servers", check_servers, 0 },
	{ "workers", check_workers, 0 },
	{ "cares", check_cares, 0 },
	{ "tools", check_tools, 0 },
	{ NULL, NULL, 0 },
};

int main(int argc, char **argv)
{
	catch_signals();
	return plain_main(argc, argv, cases);
}
