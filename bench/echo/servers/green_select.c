/* SPDX-License-Identifier: MIT */
/* green_select.c - one task that asks green_select which of its connections have something */
#include <green.h>

#include "listen.h"

static void serve(int fd, fd_set *open)
{
	char bytes[CHUNK];
	ssize_t n = green_recv(fd, bytes, sizeof(bytes), 0);

	if (n > 0 && green_send(fd, bytes, (size_t)n, MSG_NOSIGNAL) == n)
		return;
	FD_CLR(fd, open);
	green_close(fd);
}

int main(void)
{
	int listener = listen_on(green_socket), highest = listener;
	fd_set open, ready;

	FD_ZERO(&open);
	FD_SET(listener, &open);
	while (ready = open, green_select(highest + 1, &ready, NULL, NULL, NULL) > 0) {
		for (int fd = listener + 1; fd <= highest; fd++)
			if (FD_ISSET(fd, &ready))
				serve(fd, &open);
		if (FD_ISSET(listener, &ready)) {
			int fd = green_accept(listener, NULL, NULL);

			if (fd < 0 || fd >= FD_SETSIZE)
				return 1;
			FD_SET(fd, &open);
			highest = fd > highest ? fd : highest;
		}
	}
	return 1;
}
