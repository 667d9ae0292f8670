/* SPDX-License-Identifier: MIT */
/* c_pth.c - GNU Pth: a thread of its own for each connection, pth_read and pth_write, over select */
#include <pth.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"

static void *serve(void *connection)
{
	int fd = (int)(intptr_t)connection;
	char bytes[CHUNK];
	ssize_t n;

	do {
		n = pth_read(fd, bytes, sizeof(bytes));
	} while (n > 0 && pth_write(fd, bytes, (size_t)n) == n);
	close(fd);
	return NULL;
}

int main(void)
{
	int listener, fd;
	pth_attr_t detached;

	signal(SIGPIPE, SIG_IGN);
	if (!pth_init())
		return 1;
	detached = pth_attr_new();
	pth_attr_set(detached, PTH_ATTR_JOINABLE, 0);
	listener = listen_on(socket);
	while ((fd = pth_accept(listener, NULL, NULL)) >= 0)
		if (!pth_spawn(detached, serve, (void *)(intptr_t)fd))
			return 1;
	return 1;
}
