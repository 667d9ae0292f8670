/* SPDX-License-Identifier: MIT */
/* c_select.c - one thread that asks select which of its connections have something */
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"

static void serve(int fd, fd_set *open)
{
	char bytes[CHUNK];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

	if (n > 0 && send(fd, bytes, (size_t)n, MSG_NOSIGNAL) == n)
		return;
	FD_CLR(fd, open);
	close(fd);
}

int main(void)
{
	int listener = listen_on(socket), highest = listener;
	fd_set open, ready;

	FD_ZERO(&open);
	FD_SET(listener, &open);
	while (ready = open, select(highest + 1, &ready, NULL, NULL, NULL) > 0) {
		for (int fd = listener + 1; fd <= highest; fd++)
			if (FD_ISSET(fd, &ready))
				serve(fd, &open);
		if (FD_ISSET(listener, &ready)) {
			int fd = accept(listener, NULL, NULL);

			if (fd < 0 || fd >= FD_SETSIZE)
				return 1;
			FD_SET(fd, &open);
			highest = fd > highest ? fd : highest;
		}
	}
	return 1;
}
