/* SPDX-License-Identifier: MIT */
/* ftp_session.c - one client: its task reads commands and answers, also while the task of a transfer is at work */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ftp.h"

enum {
	MAX_WRONG_PASSWORDS = 3,
	WRONG_PASSWORD_MS = 500, /* so that guessing takes long; nobody else waits */
};

int64_t ftp_now_ms(void)
{
	return green_now() / 1000000;
}

void ftp_reply(struct ftp_session *session, int code, const char *text)
{
	green_stream_print(session->control, "%d %s\r\n", code, text);
}

void ftp_reply_errno(struct ftp_session *session)
{
	if (errno == EXDEV)
		ftp_reply(session, 550, "That leads out of your directory.");
	else
		ftp_reply(session, errno == ENOSPC || errno == EDQUOT ? 452 : 550, strerror(errno));
}

static void reply_done(struct ftp_session *session, int code, int result)
{
	if (result < 0)
		ftp_reply_errno(session);
	else
		ftp_reply(session, code, "Done.");
}

/* ---- login ---- */

static void log_out(struct ftp_session *session)
{
	if (session->root >= 0)
		close(session->root);
	session->root = -1;
	session->user = NULL;
	strcpy(session->directory, "/");
	session->rename_from[0] = '\0';
}

static void user(struct ftp_session *session, const char *name)
{
	log_out(session);
	snprintf(session->name, sizeof(session->name), "%s", name);
	ftp_reply(session, 331, "Your password, please.");
}

/* The password "*" is for anonymous users: any will do. */
static const struct ftp_user *find_user(const struct ftp_server *server, const char *name, const char *password)
{
	for (size_t i = 0; i < server->user_count; i++) {
		const struct ftp_user *user = &server->users[i];

		if (!strcmp(user->name, name) && (!strcmp(user->password, "*") || !strcmp(user->password, password)))
			return user;
	}
	return NULL;
}

static void pass(struct ftp_session *session, const char *password)
{
	const struct ftp_user *user = find_user(session->server, session->name, password);

	log_out(session);
	if (!user) {
		green_sleep(WRONG_PASSWORD_MS);
		session->over = ++session->wrong_passwords == MAX_WRONG_PASSWORDS;
		ftp_reply(session, session->over ? 421 : 530, "Wrong name or password.");
		return;
	}
	session->root = open(user->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (session->root < 0) {
		ftp_reply_errno(session);
		return;
	}
	session->user = user;
	ftp_reply(session, 230, user->read_only ? "Welcome; you may read." : "Welcome.");
}

/* ---- small answers ---- */

static void quit(struct ftp_session *session, const char *unused)
{
	(void)unused;
	session->over = true;
	ftp_reply(session, 221, "Goodbye.");
}

static void noop(struct ftp_session *session, const char *unused)
{
	(void)unused;
	ftp_reply(session, 200, "Yes.");
}

static void syst(struct ftp_session *session, const char *unused)
{
	(void)unused;
	ftp_reply(session, 215, "UNIX Type: L8");
}

static void feat(struct ftp_session *session, const char *unused)
{
	(void)unused;
	green_stream_print(session->control, "211-Features:\r\n EPSV\r\n MDTM\r\n PASV\r\n REST STREAM\r\n SIZE\r\n211 End\r\n");
}

/* Files go as they are, whatever the type. */
static void type(struct ftp_session *session, const char *type)
{
	bool known = strlen(type) == 1 && strchr("AIai", type[0]);

	ftp_reply(session, known ? 200 : 504, known ? "Yes." : "A or I.");
}

static void rest(struct ftp_session *session, const char *offset)
{
	char *end;
	long long number = strtoll(offset, &end, 10);

	if (offset[0] < '0' || offset[0] > '9' || *end) {
		ftp_reply(session, 501, "REST takes a number of bytes.");
		return;
	}
	session->restart = number;
	ftp_reply(session, 350, "For the next transfer.");
}

/* With a transfer, that says 426 first. */
static void abor(struct ftp_session *session, const char *unused)
{
	(void)unused;
	ftp_reply(session, 226, ftp_transfer_abort(session) ? "Aborted." : "There is no transfer.");
}

/* ---- directories ---- */

/* A quote within the name is doubled. */
static void pwd(struct ftp_session *session, const char *unused)
{
	char quoted[2 * FTP_PATH], *to = quoted;

	(void)unused;
	for (const char *from = session->directory; *from; from++) {
		if (*from == '"')
			*to++ = '"';
		*to++ = *from;
	}
	*to = '\0';
	green_stream_print(session->control, "257 \"%s\"\r\n", quoted);
}

static void cwd(struct ftp_session *session, const char *argument)
{
	char path[FTP_PATH];
	int fd = ftp_path(session, argument, path) ? ftp_open(session, path, O_PATH | O_DIRECTORY) : -1;

	if (fd >= 0) {
		close(fd);
		strcpy(session->directory, path);
	}
	reply_done(session, 250, fd);
}

static void cdup(struct ftp_session *session, const char *unused)
{
	(void)unused;
	cwd(session, "..");
}

static void mkd(struct ftp_session *session, const char *argument)
{
	char path[FTP_PATH];

	reply_done(session, 257, ftp_path(session, argument, path) ? ftp_make_directory(session, path) : -1);
}

static void rmd(struct ftp_session *session, const char *argument)
{
	char path[FTP_PATH];

	reply_done(session, 250, ftp_path(session, argument, path) ? ftp_remove_directory(session, path) : -1);
}

/* ---- files ---- */

static void dele(struct ftp_session *session, const char *argument)
{
	char path[FTP_PATH];

	reply_done(session, 250, ftp_path(session, argument, path) ? ftp_remove_file(session, path) : -1);
}

static void rnfr(struct ftp_session *session, const char *argument)
{
	bool fits = ftp_path(session, argument, session->rename_from);

	ftp_reply(session, fits ? 350 : 553, fits ? "And the new name?" : strerror(errno));
}

static void rnto(struct ftp_session *session, const char *argument)
{
	char path[FTP_PATH];

	if (!session->rename_from[0])
		ftp_reply(session, 503, "First RNFR.");
	else
		reply_done(session, 250, ftp_path(session, argument, path) ? ftp_rename(session, session->rename_from, path) : -1);
	session->rename_from[0] = '\0';
}

/* A regular file.  Returns: its descriptor, or -1 after the client has been told */
static int open_file(struct ftp_session *session, const char *argument, int flags, struct stat *status)
{
	char path[FTP_PATH];
	int fd = ftp_path(session, argument, path) ? ftp_open(session, path, flags) : -1;

	if (fd >= 0 && fstat(fd, status) == 0 && S_ISREG(status->st_mode))
		return fd;
	if (fd < 0)
		ftp_reply_errno(session);
	else
		ftp_reply(session, 550, "It is no file.");
	if (fd >= 0)
		close(fd);
	return -1;
}

static void size(struct ftp_session *session, const char *argument)
{
	struct stat status;
	int fd = open_file(session, argument, O_PATH, &status);

	if (fd < 0)
		return;
	close(fd);
	green_stream_print(session->control, "213 %lld\r\n", (long long)status.st_size);
}

static void mdtm(struct ftp_session *session, const char *argument)
{
	char date[32];
	struct stat status;
	struct tm tm;
	int fd = open_file(session, argument, O_PATH, &status);

	if (fd < 0)
		return;
	close(fd);
	strftime(date, sizeof(date), "%Y%m%d%H%M%S", gmtime_r(&status.st_mtime, &tm));
	ftp_reply(session, 213, date);
}

/* ---- transfers ---- */

static void pasv(struct ftp_session *session, const char *unused)
{
	char host[FTP_HOST];
	int port = strchr(session->host, ':') ? -1 : ftp_listen(session);

	(void)unused;
	if (port < 0) {
		ftp_reply(session, 425, "It cannot be had; try EPSV.");
		return;
	}
	strcpy(host, session->host);
	for (char *dot = host; (dot = strchr(dot, '.')); )
		*dot = ',';
	green_stream_print(session->control, "227 Entering Passive Mode (%s,%d,%d).\r\n", host, port / 256, port % 256);
}

static void epsv(struct ftp_session *session, const char *argument)
{
	int port = strcasecmp(argument, "ALL") ? ftp_listen(session) : 0;

	if (port < 0)
		ftp_reply(session, 425, "No port can be had.");
	else if (port == 0)
		ftp_reply(session, 200, "Yes.");
	else
		green_stream_print(session->control, "229 Entering Extended Passive Mode (|||%d|)\r\n", port);
}

static void retr(struct ftp_session *session, const char *argument)
{
	struct stat status;
	int fd = open_file(session, argument, O_RDONLY, &status);

	if (fd < 0)
		return;
	session->transfer.offset = session->restart;
	ftp_transfer_start(session, ftp_send_file, fd);
}

static void receive(struct ftp_session *session, const char *argument, bool append)
{
	struct stat status;
	int fd = open_file(session, argument, O_WRONLY | O_CREAT, &status);
	off_t offset = append ? status.st_size : session->restart;

	if (fd < 0)
		return;
	if (offset > status.st_size || ftruncate(fd, offset) < 0) {
		ftp_reply(session, 554, "The file is not that long.");
		close(fd);
		return;
	}
	session->transfer.offset = offset;
	ftp_transfer_start(session, ftp_receive_file, fd);
}

static void stor(struct ftp_session *session, const char *argument)
{
	receive(session, argument, false);
}

static void appe(struct ftp_session *session, const char *argument)
{
	receive(session, argument, true);
}

/* Options as of ls are passed over. */
static void list(struct ftp_session *session, const char *argument)
{
	char path[FTP_PATH];
	int fd;

	if (argument[0] == '-')
		argument += strcspn(argument, " ");
	argument += strspn(argument, " ");
	fd = ftp_path(session, argument, path) ? ftp_open(session, path, O_RDONLY) : -1;
	if (fd < 0) {
		ftp_reply_errno(session);
		return;
	}
	session->transfer.names_only = false;
	snprintf(session->transfer.name, sizeof(session->transfer.name), "%s", argument);
	ftp_transfer_start(session, ftp_send_listing, fd);
}

static void nlst(struct ftp_session *session, const char *argument)
{
	list(session, argument);
	session->transfer.names_only = true; /* its task has not run yet */
}

/* ---- commands ---- */

enum {
	ANYBODY = 1,   /* also before the login */
	WRITES = 2,
	CONNECTS = 4,  /* needs PASV or EPSV */
	AT_ONCE = 8,   /* does not wait for the end of a transfer */
	ARGUMENT = 16, /* must have one */
};

static const struct command {
	char name[5];
	int flags;
	void (*function)(struct ftp_session *session, const char *argument);
} commands[] = {
	{ "ABOR", AT_ONCE, abor },
	{ "APPE", WRITES | CONNECTS | ARGUMENT, appe },
	{ "CDUP", 0, cdup },
	{ "CWD", ARGUMENT, cwd },
	{ "DELE", WRITES | ARGUMENT, dele },
	{ "EPSV", 0, epsv },
	{ "FEAT", ANYBODY, feat },
	{ "LIST", CONNECTS, list },
	{ "MDTM", ARGUMENT, mdtm },
	{ "MKD", WRITES | ARGUMENT, mkd },
	{ "NLST", CONNECTS, nlst },
	{ "NOOP", ANYBODY, noop },
	{ "PASS", ANYBODY, pass },
	{ "PASV", 0, pasv },
	{ "PWD", 0, pwd },
	{ "QUIT", ANYBODY, quit },
	{ "REST", ARGUMENT, rest },
	{ "RETR", CONNECTS | ARGUMENT, retr },
	{ "RMD", WRITES | ARGUMENT, rmd },
	{ "RNFR", WRITES | ARGUMENT, rnfr },
	{ "RNTO", WRITES | ARGUMENT, rnto },
	{ "SIZE", ARGUMENT, size },
	{ "STOR", WRITES | CONNECTS | ARGUMENT, stor },
	{ "SYST", ANYBODY, syst },
	{ "TYPE", ARGUMENT, type },
	{ "USER", ANYBODY | ARGUMENT, user },
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcasecmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

static void run(struct ftp_session *session, const struct command *command, const char *argument)
{
	if (!command)
		ftp_reply(session, 502, "Unknown command.");
	else if (!session->user && !(command->flags & ANYBODY))
		ftp_reply(session, 530, "Log in first.");
	else if ((command->flags & WRITES) && session->user->read_only)
		ftp_reply(session, 550, "You may only read.");
	else if ((command->flags & CONNECTS) && session->listener < 0)
		ftp_reply(session, 425, "First PASV or EPSV.");
	else if ((command->flags & ARGUMENT) && !*argument)
		ftp_reply(session, 501, "What?");
	else
		command->function(session, argument);
	if (command && (command->flags & CONNECTS))
		session->restart = 0;
}

/* Returns: false if the session must end */
static bool obey(struct ftp_session *session, char *line)
{
	const struct command *command;
	char *argument;

	while ((unsigned char)*line >= 0xf0) /* Telnet's interrupt, which comes before ABOR */
		line++;
	argument = line + strcspn(line, " ");
	if (*argument)
		*argument++ = '\0';
	command = find_command(line);
	if (!(command && command->flags & AT_ONCE) && ftp_transfer_wait(session) < 0)
		return false;
	run(session, command, argument);
	return !session->over;
}

/* ---- waiting for commands ---- */

/* The time without a command counts from the end of a transfer. */
static int idle_left_ms(const struct ftp_session *session)
{
	int64_t idle_ms = session->transfer.running ? 0 : ftp_now_ms() - session->active_ms;

	return idle_ms < session->server->idle_ms ? session->server->idle_ms - (int)idle_ms : 0;
}

static ssize_t read_line(struct ftp_session *session, char *line, size_t size)
{
	struct green_timeout limit;
	ssize_t length;
	bool late;

	do {
		if (green_timeout_start(&limit, idle_left_ms(session)) < 0)
			return -1;
		length = green_stream_read_line(session->control, line, size);
		late = green_timeout_end(&limit);
	} while (length < 0 && late && idle_left_ms(session) > 0);
	session->active_ms = ftp_now_ms();
	return length;
}

/* Returns: whether there is one; if not, the client has been told why */
static bool next_command(struct ftp_session *session, char *line, size_t size)
{
	ssize_t length = 0;

	session->waiting = true;
	ftp_dismiss(session);
	length = read_line(session, line, size);
	session->waiting = false;
	if (length < 0 && session->server->stopping) {
		green_error_clear();
		ftp_reply(session, 421, "The server ends.");
	} else if (length < 0) {
		ftp_reply(session, errno == EMSGSIZE ? 500 : 421, errno == EMSGSIZE ? "Too long." : "You said nothing for too long.");
	}
	return length > 0;
}

void ftp_dismiss(struct ftp_session *session)
{
	if (session->server->stopping && session->waiting && !session->transfer.running)
		green_cancel(session->task);
}

/* ---- the session ---- */

/* Clients send ABOR as urgent data, whose last byte would otherwise not be among the others. */
static bool take_urgent_as_any(int fd)
{
	return setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &(int){ 1 }, sizeof(int)) == 0;
}

static bool begin(struct ftp_session *session)
{
	struct sockaddr_storage ours, peer;
	socklen_t ours_length = sizeof(ours), peer_length = sizeof(peer);
	int fd = green_stream_fd(session->control);

	session->active_ms = ftp_now_ms();
	strcpy(session->directory, "/");
	session->next = session->server->sessions;
	session->server->sessions = session;
	return take_urgent_as_any(fd) && getsockname(fd, (struct sockaddr *)&ours, &ours_length) == 0 &&
	       getpeername(fd, (struct sockaddr *)&peer, &peer_length) == 0 &&
	       ftp_host_of((struct sockaddr *)&ours, ours_length, session->host) &&
	       ftp_host_of((struct sockaddr *)&peer, peer_length, session->peer);
}

static void end(struct ftp_session *session)
{
	struct ftp_session **link = &session->server->sessions;

	ftp_transfer_abort(session);
	log_out(session);
	while (*link != session)
		link = &(*link)->next;
	*link = session->next;
}

void ftp_serve(struct green_stream *control, void *server)
{
	struct ftp_session session = { .server = server, .control = control, .task = green_current(), .root = -1, .listener = -1 };
	char line[FTP_PATH + 64];

	if (begin(&session)) {
		ftp_reply(&session, 220, "Ready.");
		while (next_command(&session, line, sizeof(line)) && obey(&session, line))
			;
	}
	end(&session);
}
