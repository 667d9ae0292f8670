/* SPDX-License-Identifier: MIT */
/* test_fault_services.c - processes, servers, names, watchers and tools: each of their requests for memory fails once */
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "green.h"
#include "support.h"

enum { FEW = 4, MANY = 40 };

/* errno outlives what is given back after a failure. */
#define keeping_errno(...) \
	do { \
		int kept_ = errno; \
		__VA_ARGS__; \
		errno = kept_; \
	} while (0)

static void *identity(void *arg)
{
	return arg;
}

/* --- processes --- */

static int communicate(struct green_process *process)
{
	struct green_text out = { NULL, 0 }, err = { NULL, 0 };
	int result = green_process_communicate(process, "some words", 10, &out, &err, -1);

	if (!result) {
		ck_assert_uint_eq(out.size, 10);
		ck_assert_mem_eq(out.bytes, "some words", 10);
	}
	keeping_errno(free(out.bytes); free(err.bytes));
	return result;
}

static int use_process(void)
{
	char *argv[] = { "cat", NULL };
	struct green_process_options options = { .argv = argv, .in = GREEN_PIPE, .out = GREEN_PIPE, .err = GREEN_PIPE };
	struct green_process *process = green_process_start(&options);
	int result = process ? communicate(process) : -1;

	keeping_errno(
		if (process) {
			green_process_kill(process, SIGKILL);
			green_process_wait(process, NULL, -1);
			green_process_destroy(process);
		}
	);
	return result;
}

static int use_system(void)
{
	int status = green_system("exit 3");

	/* A shell that cannot be started is one that ends with 127. */
	if (status == -1)
		return -1;
	ck_assert_int_eq(WEXITSTATUS(status), 3);
	return 0;
}

static pid_t child_that_ends(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(5);
	ck_assert_int_gt(pid, 0);
	return pid;
}

static int use_waitpid(void)
{
	pid_t pid = child_that_ends();
	int status = 0, result = green_waitpid(pid, &status, 0) == pid ? 0 : -1;

	if (result)
		keeping_errno(waitpid(pid, &status, 0));
	ck_assert_int_eq(WEXITSTATUS(status), 5);
	return result;
}

/* Both ask for the same then, and both meet the fault: each has a hub to make. */
static int use_fork(void)
{
	pid_t pid = green_fork();
	int status, result;

	if (pid == 0)
		_exit(green_sleep(1) && ((errno != ENOMEM && errno != EMFILE) || green_sleep(1)));
	if (pid < 0)
		return -1;
	result = green_sleep(1);
	keeping_errno(ck_assert_int_eq(waitpid(pid, &status, 0), pid));
	ck_assert_int_eq(status, 0);
	return result;
}

static void on_number(int number, void *arg)
{
	(void)number;
	(void)arg;
}

static int use_signal_task(void)
{
	int result = green_signal_task(SIGUSR2, on_number, NULL);

	if (!result) {
		raise(SIGUSR2);
		result = green_sleep(3);
		keeping_errno(ck_assert_int_eq(green_signal_task(SIGUSR2, NULL, NULL), 0));
	}
	return result;
}

static int use_signal_wait(void)
{
	sigset_t set, before;
	int result;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	pthread_kill(pthread_self(), SIGUSR2);
	result = green_signal_wait(&set, 5000);
	keeping_errno(
		struct timespec now = { 0, 0 };

		if (result != SIGUSR2)
			sigtimedwait(&set, NULL, &now);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	);
	return result == SIGUSR2 ? 0 : -1;
}

/* --- servers --- */

static void echo(int fd, void *arg)
{
	char byte;

	if (green_recv(fd, &byte, 1, 0) == 1 && green_send(fd, &byte, 1, MSG_NOSIGNAL) < 0)
		green_error_clear();
	(void)arg;
}

static void echo_stream(struct green_stream *stream, void *arg)
{
	char line[16];

	if (green_stream_read_line(stream, line, sizeof(line)) == 2)
		green_stream_write(stream, line, 2);
	(void)arg;
}

/* A server that had no memory for a client may have closed the connection. */
static int ask(unsigned port)
{
	char service[8], answer[4];
	int fd, result;

	snprintf(service, sizeof(service), "%u", port);
	fd = green_dial("127.0.0.1", service, 5000);
	if (fd < 0)
		return -1;
	result = green_send(fd, "x\n", 2, MSG_NOSIGNAL) == 2 ? 0 : -1;
	if (!result && green_recv(fd, answer, sizeof(answer), 0) <= 0) {
		errno = ENOMEM;
		result = -1;
	}
	keeping_errno(green_close(fd));
	return result;
}

static int use_server_of(struct green_server_options options)
{
	struct green_server *server;
	int result;

	options.host = "127.0.0.1";
	options.service = "0";
	server = green_server_create(&options);
	result = server ? green_server_start(server) : -1;
	if (!result)
		result = ask(green_server_port(server));
	keeping_errno(green_server_destroy(server));
	return result;
}

static int use_server(void)
{
	return use_server_of((struct green_server_options) { .handler = echo });
}

static int use_stream_server(void)
{
	return use_server_of((struct green_server_options) { .stream_handler = echo_stream, .limit = 2 });
}

static void answer(struct green_datagram_server *server, const struct green_datagram *datagram, void *arg)
{
	green_datagram_server_send(server, datagram->bytes, datagram->size, (const struct sockaddr *)&datagram->from, datagram->from_length);
	(void)arg;
}

/* What there was no memory for is lost, as datagrams may be. */
static int ask_datagram(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((in_port_t)port) };
	int fd = green_socket(AF_INET, SOCK_DGRAM, 0), events = 0;
	char byte = 'x';

	if (fd < 0)
		return -1;
	for (int i = 0; i < 100 && events == 0; i++) {
		if (green_sendto(fd, &byte, 1, 0, (struct sockaddr *)&address, sizeof(address)) != 1)
			events = -1;
		else if ((events = green_wait_fd(fd, GREEN_READ, 50)) < 0 && errno == ETIMEDOUT)
			events = 0;
	}
	keeping_errno(green_close(fd));
	ck_assert_int_ne(events, 0);
	return events > 0 ? 0 : -1;
}

static int use_datagram_server(void)
{
	struct green_datagram_options options = { .host = "127.0.0.1", .service = "0", .handler = answer };
	struct green_datagram_server *server = green_datagram_server_create(&options);
	int result = server ? green_datagram_server_start(server) : -1;

	if (!result)
		result = ask_datagram(green_datagram_server_port(server));
	keeping_errno(green_datagram_server_destroy(server));
	return result;
}

static int naps(unsigned number, void *arg)
{
	(void)number;
	(void)arg;
	return green_sleep(1) ? -errno : 0;
}

/* A worker that could not go on is told as a child that failed. */
static int use_workers(void)
{
	int result = green_workers_run(3, naps, NULL);

	if (result && errno == ECHILD)
		errno = ENOMEM;
	return result;
}

static int use_dialled_stream(void)
{
	struct sockaddr_in address;
	struct green_stream *stream;
	char service[8], *all = NULL;
	int listening = listener(&address), fd = -1, result;

	snprintf(service, sizeof(service), "%u", ntohs(address.sin_port));
	stream = green_stream_dial("127.0.0.1", service, 5000);
	if (stream)
		fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
	result = stream && write(fd, "abc", 3) == 3 && shutdown(fd, SHUT_WR) == 0 && green_stream_read_all(stream, &all, 100) == 3 &&
		!green_stream_print(stream, "%0500d", 1) && !green_stream_drain(stream) ? 0 : -1;
	keeping_errno(
		free(all);
		green_stream_destroy(stream);
		if (fd >= 0)
			close(fd);
		close(listening);
	);
	return result;
}

/* --- names --- */

static int code_to_errno(int code)
{
	if (!code)
		return 0;
	if (code != EAI_SYSTEM)
		errno = code == EAI_MEMORY ? ENOMEM : code == EAI_AGAIN ? EAGAIN : EINVAL;
	return -1;
}

static int look_up(void)
{
	const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	int result = code_to_errno(green_getaddrinfo("localhost", "80", &hints, &found));

	if (!result) {
		ck_assert_ptr_nonnull(found);
		green_freeaddrinfo(found);
	}
	return result;
}

static int look_up_backwards(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char host[100], service[32];

	return code_to_errno(green_getnameinfo((struct sockaddr *)&address, sizeof(address), host, sizeof(host), service, sizeof(service), 0));
}

static int use_cares(void)
{
	struct green_resolver_options cares = { .kind = GREEN_RESOLVER_CARES, .timeout_ms = 100, .tries = 1, .servers = "127.0.0.1:1" };
	struct green_resolver_options usual = { .kind = GREEN_RESOLVER_THREADS };
	int result = green_resolver_use(&cares);

	if (result && errno == ENOSYS)
		return look_up();
	if (!result)
		result = look_up();
	/* The same answer to whoever asks for the same name meanwhile. */
	keeping_errno(while (green_resolver_use(&usual) && errno == ENOMEM));
	return result;
}

/* --- several --- */

static int nursery(void)
{
	struct green_nursery nursery;
	int result = green_nursery_open(&nursery), error;

	if (result)
		return result;
	for (int i = 0; !result && i < FEW; i++)
		result = green_nursery_spawn(&nursery, identity, NULL);
	error = errno;
	/* What spawning met ends the nursery as well, unless somebody takes it. */
	if (green_nursery_close(&nursery) && !result)
		return -1;
	errno = error;
	return result;
}

static int gives_three(void *source, void **item)
{
	*item = source;
	return (*(int *)source)++ < 3;
}

static int mapping(void)
{
	struct green_group *group = green_group_create(3);
	int count = 0, result = -1;
	struct green_mapping *mapping = group ? green_mapping_create(group, identity, gives_three, &count, GREEN_ORDERED, 2) : NULL;
	void *value;

	while (mapping && (result = green_mapping_next(mapping, &value, -1)) > 0)
		ck_assert_ptr_eq(value, &count);
	keeping_errno(
		green_mapping_destroy(mapping);
		if (group)
			green_group_destroy(group);
	);
	return result;
}

static int choose(void)
{
	struct green_event events[MANY] = { [MANY - 1] = { .set = true } };
	struct green_choice choices[MANY];

	for (int i = 0; i < MANY; i++)
		choices[i] = (struct green_choice)GREEN_SET(&events[i]);
	if (green_choose(choices, MANY, -1) != MANY - 1)
		return -1;
	events[MANY - 1].set = false;
	if (green_choose(choices, MANY, 1) >= 0)
		return 0;
	return errno == ETIMEDOUT ? 0 : -1;
}

static int futures(void)
{
	struct green_future *all[MANY];
	int count = 0, result = 0;

	for (; !result && count < MANY; count++) {
		all[count] = green_future_create();
		if (!all[count])
			break;
		green_future_set(all[count], NULL);
	}
	result = count == MANY ? green_gather(all, MANY, NULL, -1) : -1;
	if (!result)
		result = green_wait_futures(all, MANY, GREEN_ALL_DONE, -1) == MANY ? 0 : -1;
	keeping_errno(while (count > 0) green_future_destroy(all[--count]));
	return result;
}

static int apply(void)
{
	struct green_group *group = green_group_create(0);
	int token, result = group && green_group_apply(group, identity, &token) == &token ? 0 : -1;

	keeping_errno(if (group) green_group_destroy(group));
	return result;
}

/* --- watchers --- */

static int watched;

static void note(struct green_watcher *watcher, int events)
{
	(void)events;
	watched++;
	green_watcher_stop(watcher);
}

/* A watcher that was started is called; one that was not says why. */
static int started(int result, struct green_watcher *watcher)
{
	watched = 0;
	for (int i = 0; !result && !watched && i < 1000; i++)
		result = green_sleep(1);
	keeping_errno(green_watcher_stop(watcher));
	return result;
}

static int watch_fd(void)
{
	struct green_watcher watcher = { 0 };
	int fds[2], result;

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	result = started(green_watch_fd(&watcher, fds[0], GREEN_READ, note, NULL), &watcher);
	keeping_errno(close(fds[0]); close(fds[1]));
	return result;
}

static int watch_timer(void)
{
	struct green_watcher watcher = { 0 };

	return started(green_watch_timer(&watcher, 1, 1, note, NULL), &watcher);
}

static int watch_signal(void)
{
	struct green_watcher watcher = { 0 };
	int result = green_watch_signal(&watcher, SIGUSR2, note, NULL);

	if (!result)
		raise(SIGUSR2);
	return started(result, &watcher);
}

static int watch_child(void)
{
	struct green_watcher watcher = { 0 };
	pid_t pid = child_that_ends();
	int result = started(green_watch_child(&watcher, pid, note, NULL), &watcher);

	keeping_errno(waitpid(pid, NULL, 0));
	return result;
}

static int watch_path(void)
{
	struct green_watcher watcher = { 0 };
	char path[64];
	int fd, result;

	snprintf(path, sizeof(path), "/tmp/green-fault-%d", (int)getpid());
	result = green_watch_path(&watcher, path, 5, note, NULL);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	result = started(result, &watcher);
	keeping_errno(close(fd); unlink(path));
	return result;
}

static int watch_wake(void)
{
	struct green_watcher watcher = { 0 };
	int result = green_watch_wake(&watcher, note, NULL);

	if (!result)
		green_watcher_send(&watcher);
	return started(result, &watcher);
}

static int watch_turns(void)
{
	static int (*const kinds[])(struct green_watcher *, green_watch_function *, void *) = {
		green_watch_idle, green_watch_prepare, green_watch_check,
	};
	struct green_watcher watcher = { 0 };

	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		if (started(kinds[i](&watcher, note, NULL), &watcher))
			return -1;
	}
	return 0;
}

static int from_outside(void)
{
	int fd = green_hub_fd();

	return fd < 0 || green_hub_turn() < 0 ? -1 : 0;
}

/* --- tools --- */

static int dumps(void)
{
	struct greenlet *task = green_spawn(identity, NULL);
	int null = open("/dev/null", O_WRONLY), result = -1;

	if (task)
		result = green_dump(null, GREEN_DUMP_STACKS) || green_dump_all(null, 0, 5000) ? -1 : 0;
	keeping_errno(
		close(null);
		if (task) {
			green_join(task, NULL, -1);
			green_destroy(task);
		}
	);
	return result;
}

/* A stack that cannot be remembered is not, and nobody is told. */
static int records(void)
{
	struct greenlet *task;
	int result;

	ck_assert_int_eq(green_record(GREEN_RECORD_SPAWN | GREEN_RECORD_ERROR), 0);
	task = green_spawn(identity, NULL);
	result = task ? green_join(task, NULL, -1) : -1;
	keeping_errno(
		green_record(0);
		if (task)
			green_destroy(task);
	);
	return result;
}

static int monitors(void)
{
	struct green_monitor options = { .silent = true };
	int result = green_monitor_start(&options);

	if (!result) {
		result = green_sleep(2);
		keeping_errno(green_monitor_stop());
	}
	return result;
}

static void check(void *arg)
{
	(void)arg;
}

static int monitors_check(void)
{
	struct green_monitor options = { .silent = true };
	int result = green_monitor_start(&options);

	if (!result) {
		result = green_monitor_check(check, NULL, 5);
		keeping_errno(
			green_monitor_check(check, NULL, 0);
			green_monitor_stop();
		);
	}
	return result;
}

/* A client that there is no memory for finds its connection closed. */
static int talk_to_console(const char *path)
{
	struct green_stream *stream = green_stream_dial(path, NULL, 5000);
	char line[200];
	int result = stream && green_stream_write(stream, "stats\n", 6) == 0 ? 0 : -1;
	ssize_t size = 0;

	if (!result && (size = green_stream_read_line(stream, line, sizeof(line))) <= 0)
		result = -1;
	if (result && (size == 0 || errno == ECONNRESET || errno == EPIPE) && stream)
		errno = ENOMEM;
	keeping_errno(green_stream_destroy(stream));
	return result;
}

static int console(void)
{
	char path[64], dialled[80];
	int result;

	snprintf(path, sizeof(path), "/tmp/green-fault-console-%d", (int)getpid());
	snprintf(dialled, sizeof(dialled), "unix:%s", path);
	result = green_console_start(path);
	if (result)
		return result;
	result = talk_to_console(dialled);
	keeping_errno(ck_assert_int_eq(green_console_stop(), 0));
	return result;
}

static const struct {
	const char *name;
	int (*go)(void);
} rows[] = {
	{ "green_process_communicate", use_process },
	{ "green_system", use_system },
	{ "green_waitpid", use_waitpid },
	{ "green_fork", use_fork },
	{ "green_signal_task", use_signal_task },
	{ "green_signal_wait", use_signal_wait },
	{ "green_server_start", use_server },
	{ "green_server_create", use_stream_server },
	{ "green_datagram_server_start", use_datagram_server },
	{ "green_workers_run", use_workers },
	{ "green_stream_dial", use_dialled_stream },
	{ "green_getaddrinfo", look_up },
	{ "green_getnameinfo", look_up_backwards },
	{ "green_resolver_use", use_cares },
	{ "green_nursery_spawn", nursery },
	{ "green_mapping_create", mapping },
	{ "green_choose", choose },
	{ "green_wait_futures", futures },
	{ "green_group_apply", apply },
	{ "green_watch_fd", watch_fd },
	{ "green_watch_timer", watch_timer },
	{ "green_watch_signal", watch_signal },
	{ "green_watch_child", watch_child },
	{ "green_watch_path", watch_path },
	{ "green_watch_wake", watch_wake },
	{ "green_watch_idle", watch_turns },
	{ "green_hub_fd", from_outside },
	{ "green_dump", dumps },
	{ "green_record", records },
	{ "green_monitor_start", monitors },
	{ "green_monitor_check", monitors_check },
	{ "green_console_start", console },
};

/* E11, R4: every request of every call that asks for memory */
START_TEST(each_request_of_a_service_may_fail)
{
	requests_fail(rows[_i].name, rows[_i].go);
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("fault_services", WITHOUT_HUB);

	tcase_add_loop_test(tests, each_request_of_a_service_may_fail, 0, ARRAY_LENGTH(rows));
	return suite_end();
}
