/* SPDX-License-Identifier: MIT */
/* green_stream.c - the shape of asyncio's streams: a task per connection, which reads and writes a buffered stream */
#include <stdint.h>

#include <green.h>

#include "listen.h"

static void *serve(void *argument)
{
	struct green_stream *stream = argument;
	char bytes[CHUNK];
	ssize_t n;

	do {
		n = green_stream_read(stream, bytes, sizeof(bytes));
	} while (n > 0 && green_stream_write(stream, bytes, (size_t)n) == 0);
	green_stream_destroy(stream);
	return NULL;
}

int main(void)
{
	int listener = listen_on(green_socket), fd;

	while ((fd = green_accept(listener, NULL, NULL)) >= 0)
		green_destroy(green_spawn(serve, green_stream_create(fd)));
	return 1;
}
