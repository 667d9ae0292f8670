/* SPDX-License-Identifier: MIT */
/*
 * c_st.c - State Threads: a thread of its own for each connection, st_read and st_write
 *
 * Over poll: Debian's package is built without epoll, its other way is select.
 */
#include <st.h>
#include <sys/socket.h>

#include "listen.h"

static void *serve(void *connection)
{
	char bytes[CHUNK];
	ssize_t n;

	do {
		n = st_read(connection, bytes, sizeof(bytes), ST_UTIME_NO_TIMEOUT);
	} while (n > 0 && st_write(connection, bytes, (size_t)n, ST_UTIME_NO_TIMEOUT) == n);
	st_netfd_close(connection);
	return NULL;
}

int main(void)
{
	st_netfd_t listener, connection;

	if (st_set_eventsys(ST_EVENTSYS_POLL) < 0 || st_init() < 0)
		return 1;
	listener = st_netfd_open_socket(listen_on(socket));
	while ((connection = st_accept(listener, NULL, NULL, ST_UTIME_NO_TIMEOUT)))
		if (!st_thread_create(serve, connection, 0, 0))
			return 1;
	return 1;
}
