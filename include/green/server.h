/* SPDX-License-Identifier: MIT */
/*
 * green/server.h - servers: accept, a task for each client, back-pressure, a graceful end
 *
 *	static void serve(int fd, void *unused)
 *	{
 *		while ((size = green_recv(fd, buffer, sizeof(buffer), 0)) > 0)
 *			green_send(fd, buffer, size, 0);
 *	}
 *
 *	struct green_server *server = green_server_create(&(struct green_server_options){
 *		.host = "127.0.0.1", .service = "7777", .handler = serve, .limit = 1000, .stop_on_sigterm = true });
 *
 *	return green_server_run(server);
 */
#ifndef GREEN_SERVER_H
#define GREEN_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

struct green_server;
struct green_stream;

struct green_server_options {
	const char *host, *service; /* as for green_listen */
	int fd;                     /* if HOST and SERVICE are NULL: a listening socket, which is the server's from now on; it gets O_NONBLOCK */
	int flags, backlog;         /* as for green_listen */

	/* One of these.  Each runs in a task of its own for each client; the connection is closed when it returns. */
	void (*handler)(int fd, void *arg);
	void (*stream_handler)(struct green_stream *stream, void *arg);
	void *arg;
	/* Makes the stream for stream_handler from FD, in the client's task: a TLS handshake.  NULL: green_stream_create.  If it fails FD is closed. */
	struct green_stream *(*open_stream)(int fd, void *arg);

	size_t limit;          /* clients at a time; further ones wait in the kernel's backlog; 0: any number */
	int max_accept;        /* clients accepted before others have their turn; 0: 100, or 1 if FD is given, which others may share */
	int stop_timeout_ms;   /* how long green_server_stop lets clients go on; 0: 1000; -1: for ever */
	bool stop_on_sigterm;  /* SIGTERM and SIGINT do green_server_stop */
	/* Told of errors of accept and of spawn (errno), and how long the server pauses; NULL: nobody. */
	void (*trouble)(struct green_server *server, int error, int pause_ms, void *arg);
};

/*
 * green_server_create - a server that listens but does not accept yet; the caller's until green_server_destroy
 *
 * Switches: yes, if HOST is a name.
 * Returns: the server; NULL with errno of green_listen, EINVAL, or ENOMEM
 */
struct green_server *green_server_create(const struct green_server_options *options);

/* green_server_start - accept from now on, in a task.  Returns: 0; -1 with errno EALREADY, EBADF (it is stopped), ENOMEM, EAGAIN */
int green_server_start(struct green_server *server);

/* green_server_pause, green_server_resume - leave new clients in the backlog; go on */
void green_server_pause(struct green_server *server);
void green_server_resume(struct green_server *server);

/* green_server_address - where it listens; as getsockname(2) */
int green_server_address(const struct green_server *server, struct sockaddr *address, socklen_t *length);

/* green_server_port - the port, for "127.0.0.1:0" and the like; 0 if it has none */
unsigned green_server_port(const struct green_server *server);

/* green_server_clients - how many are being served */
size_t green_server_clients(const struct green_server *server);

/*
 * green_server_stop - accept no more, let the clients end, then kill those who have not
 *
 * The path of a UNIX socket that green_server_create has made is removed, if that is still what is there and it is absolute.
 * After stop_timeout_ms each gets GREEN_EXIT, and a second more.  May be called by a handler, whose own end is not waited for.
 * Switches: yes.
 * Returns: 0 if all have ended; -1 with errno ETIMEDOUT if some refuse, or as in green/sync.h
 */
int green_server_stop(struct green_server *server);

/* green_server_run - start it if need be, and wait until it is stopped.  Switches: yes.  Returns: 0; -1 with errno: what ended it (EBADF: its socket was closed ...) */
int green_server_run(struct green_server *server);

/* green_server_destroy - stop it if it is not, killing its clients at once, and free it; NULL is fine.  Switches: yes. */
void green_server_destroy(struct green_server *server);

/* --- datagrams --- */

struct green_datagram_server;

struct green_datagram {
	const void *bytes;
	size_t size;
	struct sockaddr_storage from;
	socklen_t from_length;
};

struct green_datagram_options {
	const char *host, *service; /* as for green_listen, without "unix:" */
	int fd;                     /* if both are NULL: a bound datagram socket, the server's from now on */
	int flags;
	/* Runs in a task of its own for each datagram, which is gone when it returns. */
	void (*handler)(struct green_datagram_server *server, const struct green_datagram *datagram, void *arg);
	void *arg;
	size_t limit;               /* tasks at a time; meanwhile the kernel keeps what comes; 0: any number */
	size_t max_size;            /* of a datagram, longer ones are cut; 0: 8192 */
};

/*
 * green_datagram_server_create - a server that is bound but does not receive yet; the caller's until green_datagram_server_destroy
 *
 * Switches: yes, if HOST is a name.
 * Returns: the server; NULL with errno as green_server_create
 */
struct green_datagram_server *green_datagram_server_create(const struct green_datagram_options *options);

/* green_datagram_server_start - receive from now on, in a task.  Switches: no.  Returns: as green_server_start */
int green_datagram_server_start(struct green_datagram_server *server);

/* green_datagram_server_send - answer; one at a time.  Switches: yes, if it must wait.  Returns: 0; -1 with errno of sendto(2) */
int green_datagram_server_send(struct green_datagram_server *server, const void *bytes, size_t size, const struct sockaddr *to, socklen_t length);

/* green_datagram_server_port - the port to which it is bound; 0 if it has none */
unsigned green_datagram_server_port(const struct green_datagram_server *server);

/*
 * green_datagram_server_stop - receive no more, let the tasks end, and kill those who have not after TIMEOUT_MS
 *
 * Then it waits a second more.  -1: for ever.  Switches: yes.
 * Returns: 0 if all have ended; -1 with errno ETIMEDOUT if some refuse, or as in green/sync.h
 */
int green_datagram_server_stop(struct green_datagram_server *server, int timeout_ms);

/* green_datagram_server_destroy - stop it, killing its tasks at once, and free it; NULL is fine.  Switches: yes. */
void green_datagram_server_destroy(struct green_datagram_server *server);

/* --- several cores, and sockets from elsewhere --- */

/*
 * green_workers_run - run FUNCTION(NUMBER, ARG) in COUNT kernel threads, each with a hub of its own, and wait for all of them
 *
 * NUMBER counts from 0; COUNT 0: one for each core that the process may use.  With servers that listen with
 * GREEN_REUSE_PORT the kernel spreads the clients.  The caller's thread is one of them.
 *
 * Switches: FUNCTION does.
 * Returns: 0 if all have returned 0; -1 with errno: EAGAIN (fewer threads could be made: none has begun), ECHILD (one has returned something else), EINVAL, ENOMEM
 */
int green_workers_run(unsigned count, int (*function)(unsigned number, void *arg), void *arg);

/*
 * green_listen_fds - listening sockets that a service manager has passed on (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES)
 *
 * They are made close-on-exec, and the variables are removed, so that no child takes them for its own.  The first is *FIRST, the
 * others follow it.
 * Returns: how many; 0 if there are none for this process; -1 with errno EINVAL: the variables make no sense
 */
int green_listen_fds(int *first);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
