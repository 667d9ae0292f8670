/* SPDX-License-Identifier: MIT */
/* ftp_server.c - an FTP server, passive mode: its users, its limits, and its end on SIGTERM */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ftp.h"

static const char usage[] =
	"usage: ftp_server USERS PORT [OPTION...]   (0 as the port lets the system choose)\n"
	"USERS is a file with a line for each user: NAME:PASSWORD:DIRECTORY, or NAME:PASSWORD:DIRECTORY:ro for one who only\n"
	"reads.  The password * takes any, as anonymous users want it.\n"
	"  --host=ADDRESS       where to listen (127.0.0.1)\n"
	"  --clients=COUNT      served at a time; further ones wait (1000)\n"
	"  --idle=SECONDS       without a command until a client is sent away (300)\n"
	"  --stalled=SECONDS    in which nothing moves until a transfer is given up (60)\n"
	"  --grace=SECONDS      that transfers have to end after SIGTERM (10)\n";

struct options {
	const char *users, *port, *host;
	unsigned clients, idle, stalled, grace;
};

/* ---- users ---- */

/* NAME:PASSWORD:DIRECTORY[:ro], of which USER keeps the parts. */
static bool parse_user(char *line, struct ftp_user *user)
{
	user->name = strsep(&line, ":");
	user->password = line ? strsep(&line, ":") : NULL;
	user->directory = line ? strsep(&line, ":") : NULL;
	user->read_only = line && !strcmp(line, "ro");
	return user->directory && *user->name && *user->password && *user->directory && (!line || user->read_only);
}

static bool add_user(struct ftp_server *server, char *line)
{
	struct ftp_user *users = realloc(server->users, (server->user_count + 1) * sizeof(*users));

	if (!users)
		return false;
	server->users = users;
	return parse_user(line, &users[server->user_count++]);
}

/* The lines stay in memory as long as the server. */
static bool read_users(struct ftp_server *server, const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	bool good = file;

	while (good && getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (!line[0] || line[0] == '#')
			continue;
		good = add_user(server, line);
		line = NULL;
		size = 0;
	}
	free(line);
	if (!file)
		perror(path);
	else if (!good)
		fprintf(stderr, "ftp_server: %s: not NAME:PASSWORD:DIRECTORY\n", path);
	if (file)
		fclose(file);
	return good;
}

/* ---- options ---- */

static bool parse_number(const char *text, unsigned max, unsigned *number)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*number = (unsigned)value;
	return text[0] >= '0' && text[0] <= '9' && !*end && value <= max;
}

/* --NAME=NUMBER */
static bool parse_option(const char *text, const char *name, unsigned *number)
{
	size_t length = strlen(name);

	return !strncmp(text, name, length) && parse_number(text + length, 1000000, number);
}

static bool parse(int argc, char **argv, struct options *options)
{
	unsigned port;

	if (argc < 3 || !parse_number(argv[2], 65535, &port))
		return false;
	options->users = argv[1];
	options->port = argv[2];
	for (int i = 3; i < argc; i++) {
		if (!strncmp(argv[i], "--host=", 7))
			options->host = argv[i] + 7;
		else if (!parse_option(argv[i], "--clients=", &options->clients) && !parse_option(argv[i], "--idle=", &options->idle) &&
			 !parse_option(argv[i], "--stalled=", &options->stalled) && !parse_option(argv[i], "--grace=", &options->grace))
			return false;
	}
	return true;
}

/* ---- the server ---- */

/* A task of its own at SIGTERM: who waits for a command is sent away, transfers may end within the time of grace. */
static void stop(int number, void *arg)
{
	struct ftp_server *server = arg;

	(void)number;
	if (server->stopping)
		return;
	server->stopping = true;
	for (struct ftp_session *session = server->sessions; session; session = session->next)
		ftp_dismiss(session);
	green_server_stop(server->green);
}

static void tell_trouble(struct green_server *green, int error, int pause_ms, void *arg)
{
	(void)green, (void)arg;
	fprintf(stderr, "ftp_server: %s; no new clients for %d ms\n", strerror(error), pause_ms);
}

/* Each client may need five. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Without openat2 (Linux 5.6) the users could not be kept in their directories. */
static bool can_confine(void)
{
	int fd = ftp_open_beneath(AT_FDCWD, ".", O_PATH);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int serve(struct ftp_server *server, const struct options *options)
{
	int result;

	server->green = green_server_create(&(struct green_server_options){
		.host = options->host, .service = options->port, .stream_handler = ftp_serve, .arg = server,
		.limit = options->clients, .stop_timeout_ms = options->grace ? (int)options->grace * 1000 : 1, .trouble = tell_trouble });
	if (!server->green || green_signal_task(SIGTERM, stop, server) < 0 || green_signal_task(SIGINT, stop, server) < 0)
		return -1;
	printf("listening on %u\n", green_server_port(server->green));
	fflush(stdout);
	result = green_server_run(server->green);
	green_server_destroy(server->green);
	return result;
}

int main(int argc, char **argv)
{
	struct options options = { .host = "127.0.0.1", .clients = 1000, .idle = 300, .stalled = 60, .grace = 10 };
	struct ftp_server server = { 0 };

	if (!parse(argc, argv, &options)) {
		fputs(usage, stderr);
		return 2;
	}
	if (!read_users(&server, options.users))
		return 2;
	server.idle_ms = (int)options.idle * 1000;
	server.data_ms = (int)options.stalled * 1000;
	raise_descriptor_limit();
	if (!can_confine() || serve(&server, &options) < 0) {
		perror("ftp_server");
		return 1;
	}
	return 0;
}
