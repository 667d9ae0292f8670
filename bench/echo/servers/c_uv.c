/* SPDX-License-Identifier: MIT */
/* c_uv.c - libuv: a callback for what has come, uv_try_write first and uv_write for what the socket did not take */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "listen.h"

struct later {
	uv_write_t request;
	char bytes[];
};

static void forget(uv_handle_t *handle)
{
	free(handle);
}

static void drop(uv_stream_t *stream)
{
	if (!uv_is_closing((uv_handle_t *)stream))
		uv_close((uv_handle_t *)stream, forget);
}

static void lend(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
	static char bytes[CHUNK];

	(void)handle;
	(void)wanted;
	*buffer = uv_buf_init(bytes, sizeof(bytes));
}

static void written(uv_write_t *request, int status)
{
	uv_stream_t *stream = request->handle;

	free(request);
	if (status < 0)
		drop(stream);
}

static void write_later(uv_stream_t *stream, const char *bytes, size_t length)
{
	struct later *later = malloc(sizeof(*later) + length);
	uv_buf_t buffer;

	if (!later)
		abort();
	memcpy(later->bytes, bytes, length);
	buffer = uv_buf_init(later->bytes, (unsigned)length);
	if (uv_write(&later->request, stream, &buffer, 1, written) < 0) {
		free(later);
		drop(stream);
	}
}

static void came(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	uv_buf_t out = uv_buf_init(buffer->base, n > 0 ? (unsigned)n : 0);
	int sent;

	if (n == 0)
		return;
	sent = n < 0 ? (int)n : uv_try_write(stream, &out, 1);
	if (sent == UV_EAGAIN)
		sent = 0;
	if (sent < 0)
		drop(stream);
	else if (sent < n)
		write_later(stream, buffer->base + sent, (size_t)(n - sent));
}

static void connected(uv_stream_t *server, int status)
{
	uv_tcp_t *client = status < 0 ? NULL : malloc(sizeof(*client));

	if (!client)
		return;
	uv_tcp_init(server->loop, client);
	if (uv_accept(server, (uv_stream_t *)client) < 0 || uv_read_start((uv_stream_t *)client, lend, came) < 0)
		drop((uv_stream_t *)client);
}

int main(void)
{
	uv_loop_t *loop = uv_default_loop();
	uv_tcp_t server;

	signal(SIGPIPE, SIG_IGN);
	uv_tcp_init(loop, &server);
	if (uv_tcp_open(&server, listen_on(socket)) < 0 || uv_listen((uv_stream_t *)&server, BACKLOG, connected) < 0)
		return 1;
	return uv_run(loop, UV_RUN_DEFAULT);
}
