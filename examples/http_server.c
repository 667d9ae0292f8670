/* SPDX-License-Identifier: MIT */
/* http_server.c - an HTTP server: options, kernel threads that share a port, the log, and the end on SIGTERM */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_server.h"

static const char usage[] =
	"usage: http_server DIRECTORY PORT [OPTION...]   (0 as the port lets the system choose)\n"
	"Serves the files of DIRECTORY; what is posted to /echo comes back.\n"
	"  --host=ADDRESS       where to listen (127.0.0.1)\n"
	"  --workers=COUNT      kernel threads that share the port (1)\n"
	"  --clients=COUNT      served by each at a time; further ones wait (10000)\n"
	"  --certificate=FILE --key=FILE   speak TLS, with these in PEM\n"
	"  --idle=SECONDS       until a connection without a request is closed (60)\n"
	"  --slow=SECONDS       that the head of a request, or a handshake, may take (10)\n"
	"  --stalled=SECONDS    in which nothing of a body moves until it is given up (30)\n"
	"  --grace=SECONDS      that requests have to end after SIGTERM (10)\n"
	"  --log=none|count|FILE   nothing; how often which status was answered, at the end; a line for each request (none)\n"
	"  --log-headers        lines have the names of headers, too, with the lengths of the values, which may be secret\n";

enum { MAX_WORKERS = 64 };

struct options {
	const char *directory, *port, *host, *certificate, *key, *log;
	unsigned workers, clients, idle, slow, stalled, grace;
	bool log_headers;
};

/* What the workers share. */
struct common {
	struct options options;
	struct http_server model;     /* with which each worker begins */
	int listeners[MAX_WORKERS];
	atomic_uint listening;
	unsigned port;
};

/* ---- options ---- */

static bool parse_number(const char *text, unsigned max, unsigned *number)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*number = (unsigned)value;
	return text[0] >= '0' && text[0] <= '9' && !*end && value <= max;
}

/* --NAME=NUMBER, from 1 on */
static bool take_number(const char *text, const char *name, unsigned *number)
{
	size_t length = strlen(name);

	return !strncmp(text, name, length) && parse_number(text + length, 1000000, number) && *number > 0;
}

static bool take_text(const char *text, const char *name, const char **value)
{
	size_t length = strlen(name);
	bool found = !strncmp(text, name, length);

	if (found)
		*value = text + length;
	return found;
}

static bool parse_option(const char *text, struct options *options)
{
	if (!strcmp(text, "--log-headers")) {
		options->log_headers = true;
		return true;
	}
	return take_text(text, "--host=", &options->host) || take_text(text, "--certificate=", &options->certificate) ||
	       take_text(text, "--key=", &options->key) || take_text(text, "--log=", &options->log) ||
	       take_number(text, "--workers=", &options->workers) || take_number(text, "--clients=", &options->clients) ||
	       take_number(text, "--idle=", &options->idle) || take_number(text, "--slow=", &options->slow) ||
	       take_number(text, "--stalled=", &options->stalled) || take_number(text, "--grace=", &options->grace);
}

static bool parse(int argc, char **argv, struct options *options)
{
	unsigned port;

	if (argc < 3 || !parse_number(argv[2], 65535, &port))
		return false;
	options->directory = argv[1];
	options->port = argv[2];
	for (int i = 3; i < argc; i++) {
		if (!parse_option(argv[i], options))
			return false;
	}
	return !options->certificate == !options->key && options->workers <= MAX_WORKERS;
}

/* ---- the log ---- */

static atomic_uint answers[600];

/* LINE for --log=count: the status stands behind the quoted request, in which there is no further quote. */
static void count_answer(const char *text, void *unused)
{
	unsigned status = (unsigned)atoi(strrchr(text, '"') + 1);

	(void)unused;
	if (status < sizeof(answers) / sizeof(*answers))
		atomic_fetch_add(&answers[status], 1);
}

static void print_counts(void)
{
	for (unsigned status = 0; status < sizeof(answers) / sizeof(*answers); status++) {
		if (answers[status])
			printf("answered %u: %u\n", status, answers[status]);
	}
}

/* A stream belongs to one hub, so each worker has its own. */
static struct green_stream *open_log(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	struct green_stream *stream = fd < 0 ? NULL : green_stream_create(fd);

	if (!stream)
		perror(path);
	if (!stream && fd >= 0)
		close(fd);
	return stream;
}

/* *STREAM: what has to be destroyed at the end, or NULL */
static bool set_log(struct http_log *log, const struct options *options, struct green_stream **stream)
{
	*stream = NULL;
	log->headers = options->log_headers;
	if (!strcmp(options->log, "none"))
		return true;
	if (!strcmp(options->log, "count")) {
		log->line = count_answer;
		return true;
	}
	*stream = open_log(options->log);
	log->line = http_log_to_stream;
	log->arg = *stream;
	return *stream;
}

/* ---- a worker ---- */

/* A task of its own at SIGTERM: who waits for a request is sent away, answers may end within the time of grace. */
static void stop(int number, void *arg)
{
	struct http_server *server = arg;

	(void)number;
	if (server->stopping)
		return;
	server->stopping = true;
	for (struct http_session *session = server->sessions; session; session = session->next)
		http_dismiss(session);
	green_server_stop(server->green);
}

static void tell_trouble(struct green_server *green, int error, int pause_ms, void *arg)
{
	(void)green, (void)arg;
	fprintf(stderr, "http_server: %s; no new clients for %d ms\n", strerror(error), pause_ms);
}

static void tell_listening(struct common *common)
{
	if (atomic_fetch_add(&common->listening, 1) + 1 < common->options.workers)
		return;
	printf("listening on %u\n", common->port);
	fflush(stdout);
}

static int run(struct http_server *server, struct common *common, int listener)
{
	int result;

	server->green = green_server_create(&(struct green_server_options){
		.fd = listener, .stream_handler = http_serve, .open_stream = http_open, .arg = server,
		.limit = common->options.clients,
		.stop_timeout_ms = (int)common->options.grace * 1000, .trouble = tell_trouble });
	if (!server->green || green_signal_task(SIGTERM, stop, server) < 0 || green_signal_task(SIGINT, stop, server) < 0 ||
	    green_server_start(server->green) < 0) {
		perror("http_server");
		return -1;
	}
	tell_listening(common);
	result = green_server_run(server->green);
	green_signal_task(SIGTERM, NULL, NULL);
	green_signal_task(SIGINT, NULL, NULL);
	green_server_destroy(server->green);
	return result;
}

static int worker(unsigned number, void *arg)
{
	struct common *common = arg;
	struct http_server server = common->model;
	struct green_stream *log;
	int result = -1;

	if (set_log(&server.log, &common->options, &log))
		result = run(&server, common, common->listeners[number]);
	green_stream_destroy(log);
	return result;
}

/* ---- all of them ---- */

static unsigned port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	char port[16];

	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0 ||
	    getnameinfo((struct sockaddr *)&address, length, NULL, 0, port, sizeof(port), NI_NUMERICSERV))
		return 0;
	return (unsigned)atoi(port);
}

/* All before any worker begins: the port of the first is that of the others. */
static bool listen_all(struct common *common)
{
	const struct options *options = &common->options;
	char port[16];

	snprintf(port, sizeof(port), "%s", options->port);
	for (unsigned i = 0; i < options->workers; i++) {
		common->listeners[i] = green_listen(options->host, port, 1024, options->workers > 1 ? GREEN_REUSE_PORT : 0);
		if (common->listeners[i] < 0)
			return false;
		common->port = port_of(common->listeners[i]);
		snprintf(port, sizeof(port), "%u", common->port);
	}
	return true;
}

static bool open_directory(struct common *common)
{
	int test;

	common->model.root = open(common->options.directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (common->model.root < 0)
		return false;
	/* Without openat2 (Linux 5.6) clients could not be kept in it. */
	test = http_open_file(common->model.root, "/");
	if (test >= 0)
		close(test);
	return test >= 0 || errno != ENOSYS;
}

static bool prepare(struct common *common)
{
	const struct options *options = &common->options;

	common->model.idle_ms = (int)options->idle * 1000;
	common->model.head_ms = (int)options->slow * 1000;
	common->model.stalled_ms = (int)options->stalled * 1000;
	if (!open_directory(common)) {
		perror(options->directory);
		return false;
	}
	if (options->certificate && !(common->model.tls = http_tls_server(options->certificate, options->key))) {
		perror(options->certificate);
		return false;
	}
	if (!listen_all(common)) {
		perror(options->port);
		return false;
	}
	return true;
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	static struct common common = {
		.options = { .host = "127.0.0.1", .log = "none", .workers = 1, .clients = 10000,
			     .idle = 60, .slow = 10, .stalled = 30, .grace = 10 },
	};
	int result;

	if (!parse(argc, argv, &common.options)) {
		fputs(usage, stderr);
		return 2;
	}
	raise_descriptor_limit();
	if (!prepare(&common))
		return 1;
	result = green_workers_run(common.options.workers, worker, &common);
	if (result < 0)
		perror("http_server");
	print_counts();
	http_tls_destroy(common.model.tls);
	return result < 0;
}
