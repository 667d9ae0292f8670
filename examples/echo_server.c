/* SPDX-License-Identifier: MIT */
/* echo_server.c - libgreen's own shape of a server: a task per connection, blocking calls, every byte sent back */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <green.h>

enum {
	BACKLOG = 1024,
	PAUSE_MS = 10, /* after an accept or a spawn that found no descriptor or memory */
};

static void *serve(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char bytes[4096];
	ssize_t n;

	do {
		n = green_recv(fd, bytes, sizeof(bytes), 0);
	} while (n > 0 && green_send(fd, bytes, (size_t)n, MSG_NOSIGNAL) == n);
	green_close(fd);
	return NULL;
}

/* Nobody joins the task, so its handle goes back at once; it is freed when it ends. */
static int start_task(int fd)
{
	struct greenlet *task = green_spawn(serve, (void *)(intptr_t)fd);

	if (!task) {
		green_close(fd);
		return -1;
	}
	green_destroy(task);
	return 0;
}

/* These concern one connection that is gone already; of everything else only a pause can help. */
static int is_passing(int error)
{
	return error == ECONNABORTED || error == EPROTO || error == EINTR;
}

static void accept_for_ever(int listener)
{
	for (;;) {
		int fd = green_accept(listener, NULL, NULL);

		if (fd < 0 && is_passing(errno))
			continue;
		if (fd < 0 || start_task(fd) < 0)
			green_sleep(PAUSE_MS); /* a connection that ends meanwhile gives some back */
	}
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = green_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
		perror("echo_server");
		exit(1);
	}
	printf("listening on %d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	char *end = NULL;
	unsigned long port = argc == 2 ? strtoul(argv[1], &end, 10) : 0;

	if (argc > 2 || (argc == 2 && (argv[1][0] < '0' || argv[1][0] > '9' || *end)) || port > 65535) {
		fprintf(stderr, "usage: echo_server [PORT]   (0, the default, lets the system choose)\n");
		return 2;
	}
	raise_descriptor_limit();
	accept_for_ever(listen_on((uint16_t)port));
}
