/* SPDX-License-Identifier: MIT */
/* green_server.c - the shape of gevent's StreamServer: the library accepts, and calls a handler for each connection */
#include <green.h>

#include "listen.h"

static void serve(int fd, void *unused)
{
	char bytes[CHUNK];
	ssize_t n;

	(void)unused;
	do {
		n = green_recv(fd, bytes, sizeof(bytes), 0);
	} while (n > 0 && green_send(fd, bytes, (size_t)n, MSG_NOSIGNAL) == n);
}

int main(void)
{
	struct green_server_options options = { .fd = listen_on(green_socket), .handler = serve };
	struct green_server *server = green_server_create(&options);

	return !server || green_server_run(server) < 0;
}
