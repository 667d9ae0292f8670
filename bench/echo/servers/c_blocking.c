/* SPDX-License-Identifier: MIT */
/* c_blocking.c - plain system calls, one connection after the other */
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"

static void serve(int fd)
{
	char bytes[CHUNK];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
		for (ssize_t sent = 0, m; sent < n; sent += m) {
			m = send(fd, bytes + sent, (size_t)(n - sent), MSG_NOSIGNAL);
			if (m < 0)
				return;
		}
	}
}

int main(void)
{
	int listener = listen_on(socket), fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		serve(fd);
		close(fd);
	}
	return 1;
}
