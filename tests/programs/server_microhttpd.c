/* SPDX-License-Identifier: MIT */
/* server_microhttpd.c - answers each request with its own path, by libmicrohttpd with a thread per connection */
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method,
			      const char *version, const char *data, size_t *size, void **state)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	static char seen;

	(void)context, (void)method, (void)version, (void)data, (void)size;
	/* The first call only tells of the head: who answers then gives up the connection. */
	if (*state == NULL) {
		*state = &seen;
		return MHD_YES;
	}
	response = MHD_create_response_from_buffer(strlen(url), (void *)url, MHD_RESPMEM_MUST_COPY);
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

int main(void)
{
	sigset_t end;
	int number;
	struct MHD_Daemon *daemon;

	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &end, NULL);
	daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL,
				  NULL, answer, NULL, MHD_OPTION_CONNECTION_LIMIT, 2000U, MHD_OPTION_END);
	if (daemon == NULL)
		return 1;
	printf("listening on %u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	fflush(stdout);
	sigwait(&end, &number);
	MHD_stop_daemon(daemon);
	return 0;
}
