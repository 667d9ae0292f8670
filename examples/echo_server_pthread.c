/* SPDX-License-Identifier: MIT */
/* echo_server_pthread.c - the oldest kind of server: a thread per connection, blocking calls, every byte sent back */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int send_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

static void *serve(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char bytes[4096];
	ssize_t n;

	do {
		n = recv(fd, bytes, sizeof(bytes), 0);
	} while ((n > 0 && send_all(fd, bytes, (size_t)n) == 0) || (n < 0 && errno == EINTR));
	close(fd);
	return NULL;
}

static void start_thread(int fd)
{
	pthread_attr_t detached;
	pthread_t thread;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	int error = pthread_create(&thread, &detached, serve, (void *)(intptr_t)fd);
	pthread_attr_destroy(&detached);
	if (error) {
		fprintf(stderr, "echo_server_pthread: no thread for a connection: %s\n", strerror(error));
		close(fd);
	}
}

static void accept_for_ever(int listener)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0)
			start_thread(fd);
		else if (errno != EINTR && errno != ECONNABORTED)
			nanosleep(&pause, NULL);  /* out of descriptors or memory: a connection that ends gives some back */
	}
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
		perror("echo_server_pthread");
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
		fprintf(stderr, "usage: echo_server_pthread [PORT]   (0, the default, lets the system choose)\n");
		return 2;
	}
	raise_descriptor_limit();
	accept_for_ever(listen_on((uint16_t)port));
}
