/* SPDX-License-Identifier: MIT */
/* green_tasks.c - the shape of a threaded server: a task per connection, green_read and green_write */
#include <signal.h>
#include <stdint.h>

#include <green.h>

#include "listen.h"

static void *serve(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char bytes[CHUNK];
	ssize_t n;

	do {
		n = green_read(fd, bytes, sizeof(bytes));
	} while (n > 0 && green_write(fd, bytes, (size_t)n) == n);
	green_close(fd);
	return NULL;
}

int main(void)
{
	int listener = listen_on(green_socket), fd;

	signal(SIGPIPE, SIG_IGN); /* write has no MSG_NOSIGNAL */
	while ((fd = green_accept(listener, NULL, NULL)) >= 0)
		green_destroy(green_spawn(serve, (void *)(intptr_t)fd));
	return 1;
}
