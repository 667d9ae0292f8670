/* SPDX-License-Identifier: MIT */
/* green_sock.c - the shape of asyncio's sock_recv and sock_sendall: a task per connection, green_recv and green_send */
#include <stdint.h>

#include <green.h>

#include "listen.h"

static void *serve(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char bytes[CHUNK];
	ssize_t n;

	do {
		n = green_recv(fd, bytes, sizeof(bytes), 0);
	} while (n > 0 && green_send(fd, bytes, (size_t)n, MSG_NOSIGNAL) == n);
	green_close(fd);
	return NULL;
}

int main(void)
{
	int listener = listen_on(green_socket), fd;

	while ((fd = green_accept(listener, NULL, NULL)) >= 0)
		green_destroy(green_spawn(serve, (void *)(intptr_t)fd));
	return 1;
}
