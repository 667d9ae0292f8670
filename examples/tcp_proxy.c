/* SPDX-License-Identifier: MIT */
/* tcp_proxy.c - passes connections on to another server: two tasks each, one per direction, each closed on its own */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <green.h>

enum {
	BACKLOG = 1024,
	PAUSE_MS = 10,
};

/* The look-up of one name: asked by a task, answered on a kernel thread. */
struct lookup {
	char host[256];
	char port[16];
	struct addrinfo *found;
	int error;
};

/* One direction of a connection; lives on the stack of the task that serves the connection. */
struct direction {
	int from, to;
};

static struct lookup target;

/* getaddrinfo blocks in libc, where no hub can wait for it, so it runs where blocking hurts nobody. */
static void *look_up(void *argument)
{
	struct lookup *lookup = argument;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };

	lookup->error = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->found);
	return NULL;
}

static int connect_to(const struct addrinfo *address)
{
	int fd = green_socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, address->ai_protocol);

	if (fd >= 0 && green_connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
		green_close(fd);
		fd = -1;
	}
	return fd;
}

/* The name is looked up for each connection, as it may move; the first address that answers is taken. */
static int connect_to_target(void)
{
	struct lookup lookup = target;
	int fd = -1;

	lookup.error = EAI_MEMORY; /* if not even the kernel thread can be had */
	green_offload(look_up, &lookup);
	if (lookup.error) {
		fprintf(stderr, "tcp_proxy: %s: %s\n", lookup.host, gai_strerror(lookup.error));
		return -1;
	}
	for (struct addrinfo *address = lookup.found; address && fd < 0; address = address->ai_next)
		fd = connect_to(address);
	if (fd < 0)
		fprintf(stderr, "tcp_proxy: %s:%s: cannot connect\n", lookup.host, lookup.port);
	freeaddrinfo(lookup.found);
	return fd;
}

/*
 * Copy until one side stops.  The end of the stream is passed on and leaves the
 * other direction alone; a receiver that is gone stops the sender; a sender that
 * broke off ends both directions.
 */
static void *copy(void *argument)
{
	struct direction *direction = argument;
	char bytes[16384];
	ssize_t n;

	do {
		n = green_recv(direction->from, bytes, sizeof(bytes), 0);
	} while (n > 0 && green_send(direction->to, bytes, (size_t)n, MSG_NOSIGNAL) == n);
	if (n > 0)
		shutdown(direction->from, SHUT_RD);
	else
		shutdown(direction->to, n == 0 ? SHUT_WR : SHUT_RDWR);
	return NULL;
}

/* Two descriptors that are connected: this task copies one way, a second one the other. */
static void pass_on(int client, int server)
{
	struct direction up = { client, server }, down = { server, client };
	struct greenlet *second = green_spawn(copy, &down);

	if (!second)
		return;
	copy(&up);
	green_join(second, NULL, -1);
	green_destroy(second);
}

static void *serve(void *argument)
{
	int client = (int)(intptr_t)argument;
	int server = connect_to_target();

	if (server >= 0) {
		pass_on(client, server);
		green_close(server);
	}
	green_close(client);
	return NULL;
}

static bool start_task(int fd)
{
	struct greenlet *task = green_spawn(serve, (void *)(intptr_t)fd);

	if (!task)
		green_close(fd);
	green_destroy(task);
	return task != NULL;
}

static void accept_for_ever(int listener)
{
	for (;;) {
		int fd = green_accept(listener, NULL, NULL);

		if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd < 0 || !start_task(fd))
			green_sleep(PAUSE_MS); /* out of descriptors or memory: a connection that ends gives some back */
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
		perror("tcp_proxy");
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

static bool is_port(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	return text[0] >= '0' && text[0] <= '9' && !*end && port <= 65535;
}

/* HOST:PORT, where an IPv6 address stands in brackets: [::1]:80 */
static bool parse_target(const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;

	if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	}
	if (length == 0 || length >= sizeof(target.host) || !is_port(colon + 1) || strlen(colon + 1) >= sizeof(target.port))
		return false;
	memcpy(target.host, text, length);
	strcpy(target.port, colon + 1);
	return true;
}

int main(int argc, char **argv)
{
	if (argc != 3 || !is_port(argv[1]) || !parse_target(argv[2])) {
		fprintf(stderr, "usage: tcp_proxy PORT HOST:PORT   (0 as the first port lets the system choose)\n");
		return 2;
	}
	raise_descriptor_limit();
	accept_for_ever(listen_on((uint16_t)strtoul(argv[1], NULL, 10)));
}
