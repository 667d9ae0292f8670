/* SPDX-License-Identifier: MIT */
/* green_blocking.c - cooperative calls, but no second task: one connection after the other */
#include <green.h>

#include "listen.h"

static void serve(int fd)
{
	char bytes[CHUNK];
	ssize_t n;

	do {
		n = green_recv(fd, bytes, sizeof(bytes), 0);
	} while (n > 0 && green_send(fd, bytes, (size_t)n, MSG_NOSIGNAL) == n);
}

int main(void)
{
	int listener = listen_on(green_socket), fd;

	while ((fd = green_accept(listener, NULL, NULL)) >= 0) {
		serve(fd);
		green_close(fd);
	}
	return 1;
}
