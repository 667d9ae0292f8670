/* SPDX-License-Identifier: MIT */
/*
 * console.c - a debug console in the running program, on a UNIX socket of its user's
 *
 * The socket file gets its mode before it has a name: bind takes it from the open
 * socket, so there is no moment at which others could connect.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/sys.h"
#include "green/debug.h"
#include "green/io.h"
#include "green/socket.h"
#include "green/time.h"
#include "hub/task.h"
#include "inspect/dump.h"

enum { CLIENTS_MAX = 8, LINE_SIZE = 128, OTHERS_MS = 1000, PAUSE_MS = 100 };

struct client {
	struct greenlet *task; /* NULL: the place is free */
	int fd;                /* -1 when it is done */
};

static struct {
	struct greenlet *listener; /* NULL: there is no console */
	pid_t process;
	int fd;
	struct sockaddr_un address;
	struct client clients[CLIENTS_MAX];
} console;

/* --- commands --- */

static void say_help(struct text *text)
{
	static const char help[] = "list         the greenlets of this thread\n"
				   "stacks [ID]  where they are, or where one is\n"
				   "dump         all threads' greenlets with their stacks\n"
				   "stats        what the hub has done\n"
				   "kill ID      ask a task to end\n"
				   "quit         close this connection\n";

	green__text_add(text, help, sizeof(help) - 1);
}

static struct greenlet *find(const char *number)
{
	struct flow *flow = green__current->flow;
	char *end;
	unsigned long long id = strtoull(number, &end, 10);

	if (end == number || *end)
		return NULL;
	list_for_each(node, &flow->all) {
		struct greenlet *greenlet = container_of(node, struct greenlet, all);

		if (greenlet->id == id)
			return greenlet;
	}
	return NULL;
}

static void say_one(struct text *text, const char *number)
{
	struct greenlet *greenlet = find(number);

	if (!greenlet) {
		green__text_say(text, "no greenlet has the number %s\n", number);
		return;
	}
	green__dump_line(text, greenlet);
	green__dump_stack(text, greenlet, 4);
}

static void kill_one(struct text *text, const char *number)
{
	struct greenlet *task = find(number);

	if (!task || task->kind != GREENLET_TASK || green_dead(task)) {
		green__text_say(text, "no task has the number %s\n", number);
		return;
	}
	critical_enter(task->flow);
	green__raise(task, GREEN_EXIT, NULL);
	if (task != green__current && task->state == GREENLET_ACTIVE && !task->scheduled)
		green__task_start(task->flow->hub, task);
	critical_leave(task->flow);
	green__text_say(text, "%s (%s) was asked to end\n", green_name(task), number);
}

static void say_stats(struct text *text)
{
	struct green_hub_info info;

	if (green_get_hub_info(&info))
		return;
	green__text_say(text, "thread %d\ngreenlets %zu\nready %zu\n", (int)info.thread, info.greenlets, info.ready);
	green__text_say(text, "created %llu\niterations %llu\nswitches %llu\nparks %llu\nepoll_waits %llu\n",
			(unsigned long long)info.created, (unsigned long long)info.iterations,
			(unsigned long long)info.switches, (unsigned long long)info.parks,
			(unsigned long long)info.epoll_waits);
}

/* Writes the answer to LINE into TEXT; false to end. */
static bool obey(struct text *text, char *line)
{
	static const char spaces[] = " \t\r\n";
	char *rest, *word = strtok_r(line, spaces, &rest), *argument = word ? strtok_r(NULL, spaces, &rest) : NULL;

	if (!word)
		return true;
	if (strcmp(word, "quit") == 0)
		return false;
	if (strcmp(word, "list") == 0)
		green__dump_flow(text, green__current->flow, 0);
	else if (strcmp(word, "stacks") == 0 && argument)
		say_one(text, argument);
	else if (strcmp(word, "stacks") == 0)
		green__dump_flow(text, green__current->flow, GREEN_DUMP_STACKS);
	else if (strcmp(word, "dump") == 0)
		green__dump_hubs(text, GREEN_DUMP_STACKS, OTHERS_MS);
	else if (strcmp(word, "stats") == 0)
		say_stats(text);
	else if (strcmp(word, "kill") == 0 && argument)
		kill_one(text, argument);
	else
		say_help(text);
	return true;
}

/* --- connections --- */

/* One line without its end, as much of it as fits; false at the end of the stream. */
static bool read_line(int fd, char *line, size_t size)
{
	size_t used = 0;
	char byte;

	while (green_read(fd, &byte, 1) == 1) {
		if (byte == '\n') {
			line[used] = '\0';
			return true;
		}
		if (used + 1 < size)
			line[used++] = byte;
	}
	return false;
}

static bool answer(int fd, char *line)
{
	struct text text;
	bool more;

	green__text_in_memory(&text);
	more = obey(&text, line);
	green__text_say(&text, "green> ");
	if (more)
		more = !text.error && green_send(fd, text.bytes, text.used, MSG_NOSIGNAL) == (ssize_t)text.used;
	green__text_free(&text);
	return more;
}

static void *serve(void *arg)
{
	struct client *client = arg;
	char line[LINE_SIZE] = "help";
	bool more = answer(client->fd, line);

	while (more && read_line(client->fd, line, sizeof(line)))
		more = answer(client->fd, line);
	green_close(client->fd);
	client->fd = -1;
	return NULL;
}

static bool is_allowed(int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t size = sizeof(peer);

	if (sys_call(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return false;
	return peer.uid == 0 || peer.uid == (uid_t)sys_call(SYS_geteuid);
}

static struct client *free_place(void)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &console.clients[i];

		if (client->task && !green_dead(client->task))
			continue;
		green_destroy(client->task);
		client->task = NULL;
		return client;
	}
	return NULL;
}

/* A wait that nothing but a user at the console could end is a deadlock. */
static void become_service(struct greenlet *task, const char *name)
{
	task->service = true;
	green_set_name(task, name);
}

static void welcome(int fd)
{
	struct client *client = is_allowed(fd) ? free_place() : NULL;

	if (client) {
		client->fd = fd;
		client->task = green_spawn(serve, client);
	}
	if (!client || !client->task)
		green_close(fd);
	else
		become_service(client->task, "console-client");
}

static void *listen_for_ever(void *unused)
{
	for (;;) {
		int fd = green_accept4(console.fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			welcome(fd);
		else if (errno == ECANCELED || errno == EBADF || green_sleep(PAUSE_MS))
			return unused;
	}
}

/* --- begin and end --- */

/* True if the socket that has the name belongs to nobody who lives; then it is gone. */
static bool removed_dead(const struct sockaddr_un *address)
{
	long fd = sys_call(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat status;
	long error;

	if (sys_failed(fd))
		return false;
	error = sys_call(SYS_connect, fd, address, sizeof(*address));
	sys_call(SYS_close, fd);
	if (error != -ECONNREFUSED || lstat(address->sun_path, &status) || !S_ISSOCK(status.st_mode))
		return false;
	return sys_call(SYS_unlinkat, AT_FDCWD, address->sun_path, 0) == 0;
}

static long bind_and_listen(int fd, const struct sockaddr_un *address)
{
	long error = sys_call(SYS_fchmod, fd, 0600);

	if (!error)
		error = sys_call(SYS_bind, fd, address, sizeof(*address));
	if (error == -EADDRINUSE && removed_dead(address))
		error = sys_call(SYS_bind, fd, address, sizeof(*address));
	return error ? error : sys_call(SYS_listen, fd, CLIENTS_MAX);
}

/* The socket, or -1 with errno. */
static int open_socket(const char *path)
{
	long error;
	int fd;

	console.address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(console.address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(console.address.sun_path, path);
	fd = green_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	error = fd < 0 ? 0 : bind_and_listen(fd, &console.address);
	if (error) {
		green_close(fd);
		errno = (int)-error;
		fd = -1;
	}
	return fd;
}

/* In a forked child there is none, and with the thread that had it it has ended. */
static bool exists(void)
{
	return console.listener && console.process == sys_call(SYS_getpid) && !green_dead(console.listener);
}

int green_console_start(const char *path)
{
	if (!path || exists()) {
		errno = path ? EALREADY : EINVAL;
		return -1;
	}
	memset(console.clients, 0, sizeof(console.clients));
	console.listener = NULL;
	console.fd = open_socket(path);
	if (console.fd < 0)
		return -1;
	console.process = (pid_t)sys_call(SYS_getpid);
	console.listener = green_spawn(listen_for_ever, NULL);
	if (!console.listener) {
		sys_call(SYS_unlinkat, AT_FDCWD, path, 0);
		green_close(console.fd);
		return -1;
	}
	become_service(console.listener, "console");
	return 0;
}

static void end(struct greenlet *task)
{
	if (!task)
		return;
	green_kill(task, -1);
	green_destroy(task);
}

int green_console_stop(void)
{
	if (!exists() || !green__current || console.listener->flow != green__current->flow) {
		errno = exists() ? EPERM : EINVAL;
		return -1;
	}
	if (green__current->kind == GREENLET_HUB) {
		errno = EDEADLK;
		return -1;
	}
	sys_call(SYS_unlinkat, AT_FDCWD, console.address.sun_path, 0);
	end(console.listener);
	console.listener = NULL;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		end(console.clients[i].task);
		console.clients[i].task = NULL;
	}
	green_close(console.fd);
	return 0;
}
