/* SPDX-License-Identifier: MIT */
/*
 * chat_server.c - rooms to talk in, a line at a time; the client is nc
 *
 * Each client has two tasks: one reads what it types, one writes what it is told.  Between everybody and the
 * writer is a bounded queue, and nobody waits for room in it: to read slowly costs lines, then the connection,
 * and never anybody else's time.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <green.h>

#include "options.h"

enum {
	MAX_LINE = 512,      /* bytes that a client may type before the end of the line */
	MAX_NAME = 20,       /* of a person or a room */
	MAX_TEXT = 640,      /* a line with the name of who said it */
	MAX_QUEUE = 64,      /* lines that wait for one reader */
	SEND_BUFFER = 16384, /* and the bytes of them that the kernel holds */
	LOOK_MS = 200,       /* how often a writer that is stuck asks whether it has waited long enough */
	FAREWELL_MS = 500,   /* for the last words; a stopped server grants a second for all clean-up */
};

struct client {
	struct client *next;
	struct green_stream *stream;
	struct green_queue *lines; /* char * from malloc, for the writer */
	int64_t full_since;        /* green_now when LINES was first found full; 0: there is room */
	unsigned lost;             /* lines for which there was no room since */
	char name[MAX_NAME + 1];   /* empty until it is known */
	char room[MAX_NAME + 1];
};

static struct client *clients; /* all who have a name */
static unsigned clients_limit = 1000;
static int idle_ms = 600000, slow_ms = 10000;

/* --- to one client --- */

static bool put(struct client *to, const char *line)
{
	char *copy = strdup(line);

	if (copy && green_queue_put(to->lines, copy, 0) == 0)
		return true;
	free(copy);
	return false;
}

/* Never waits. Where lines are missing a line says how many. */
static void post(struct client *to, const char *line)
{
	char note[MAX_TEXT];

	snprintf(note, sizeof(note), "*** %u lines are lost: read faster", to->lost);
	if (to->lost && put(to, note))
		to->lost = 0;
	if (!to->lost && put(to, line))
		return;
	to->lost++;
	if (!to->full_since)
		to->full_since = green_now();
}

static __attribute__((format(printf, 2, 3))) void say(struct client *to, const char *format, ...)
{
	char text[MAX_TEXT];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	post(to, text);
}

/* To all others in the room of FROM. */
static __attribute__((format(printf, 2, 3))) void tell_room(const struct client *from, const char *format, ...)
{
	char text[MAX_TEXT];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (struct client *to = clients; to; to = to->next)
		if (to != from && strcmp(to->room, from->room) == 0)
			post(to, text);
}

static struct client *find(const char *name)
{
	struct client *client = clients;

	while (client && strcasecmp(client->name, name) != 0)
		client = client->next;
	return client;
}

/* The first of reader and writer to find that CLIENT is gone tells the others. */
static void leave(struct client *client, const char *why)
{
	struct client **place = &clients;

	while (*place && *place != client)
		place = &(*place)->next;
	if (*place) {
		*place = client->next;
		tell_room(client, "*** %s %s", client->name, why);
	}
}

/* --- the writer --- */

static bool too_slow(const struct client *client)
{
	return client->full_since && green_now() - client->full_since > slow_ms * INT64_C(1000000);
}

/* Wait until the kernel has taken everything, at most MILLISECONDS.  *LATE: it has not. */
static bool drain(struct client *client, int milliseconds, bool *late)
{
	struct green_timeout limit;
	int result;

	green_timeout_start(&limit, milliseconds);
	result = green_stream_drain(client->stream);
	*late = green_timeout_end(&limit) && result < 0;
	return result == 0;
}

/* A line goes out whole before the next one leaves the queue, so the stream never holds more than one. */
static bool write_line(struct client *client, const char *line)
{
	bool late = false, done = green_stream_print(client->stream, "%s\n", line) == 0;

	if (!done)
		return false;
	do {
		done = drain(client, LOOK_MS, &late);
	} while (!done && late && !too_slow(client));
	return done;
}

/* Who did not read for a while may do so now, and learns why this is the end.  That the stream is closed ends the reader. */
static void hang_up(struct client *client)
{
	bool late, slow = too_slow(client);

	if (slow) {
		leave(client, "read too slowly and is out");
		green_stream_print(client->stream, "*** you read too slowly: good bye\n");
	}
	if (slow && drain(client, FAREWELL_MS, &late))
		green_stream_close(client->stream);
	else
		green_stream_abort(client->stream);
}

static void *writer_main(void *argument)
{
	struct client *client = argument;
	void *line;
	bool good = true;

	while (good && green_queue_get(client->lines, &line, -1) == 0) {
		client->full_since = 0;
		good = write_line(client, line);
		free(line);
	}
	if (!good)
		hang_up(client);
	return NULL;
}

/* --- what a client can do --- */

static bool is_name(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return length > 0 && length <= MAX_NAME && !text[length];
}

static void join(struct client *client, char *room)
{
	if (!is_name(room)) {
		say(client, "*** a room's name is 1 to %d letters, digits, - or _", MAX_NAME);
		return;
	}
	tell_room(client, "*** %s goes to room %s", client->name, room);
	strcpy(client->room, room);
	tell_room(client, "*** %s comes in", client->name);
	say(client, "*** you are in room %s", room);
}

/* However many there are, it is one line. */
static void who(struct client *client, char *unused)
{
	char *text = NULL;
	size_t size = 0;
	FILE *list = open_memstream(&text, &size);

	(void)unused;
	if (!list)
		return;
	fprintf(list, "*** in room %s:", client->room);
	for (struct client *other = clients; other; other = other->next)
		if (strcmp(other->room, client->room) == 0)
			fprintf(list, " %s", other->name);
	if (fclose(list) == 0)
		post(client, text);
	free(text);
}

/* Returns: true if NAME is free to be CLIENT's; else it was told why not */
static bool may_be_called(struct client *client, const char *name)
{
	struct client *other = find(name);

	if (!is_name(name))
		say(client, "*** a name is 1 to %d letters, digits, - or _", MAX_NAME);
	else if (other && other != client)
		say(client, "*** %s is here already", name);
	return is_name(name) && (!other || other == client);
}

static void nick(struct client *client, char *name)
{
	if (!may_be_called(client, name))
		return;
	tell_room(client, "*** %s is called %s now", client->name, name);
	strcpy(client->name, name);
	say(client, "*** you are called %s", name);
}

static void message(struct client *client, char *argument)
{
	char *name = strsep(&argument, " ");
	struct client *to = find(name);

	if (to && argument)
		say(to, "[%s, to you] %s", client->name, argument);
	else
		say(client, to ? "*** /msg NAME TEXT" : "*** nobody is called %s", name);
}

/* The line that a client typed.  Returns: false if it wants to go */
static bool obey(struct client *client, char *line)
{
	static const struct {
		const char *name;
		void (*run)(struct client *client, char *argument);
	} commands[] = { { "/join", join }, { "/msg", message }, { "/nick", nick }, { "/who", who } };
	char *argument = line, *command = strsep(&argument, " ");

	if (strcmp(command, "/quit") == 0)
		return false;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(command, commands[i].name) == 0) {
			commands[i].run(client, argument ? argument : "");
			return true;
		}
	say(client, "*** there are /join ROOM, /msg NAME TEXT, /nick NAME, /who and /quit");
	return true;
}

/* --- the reader --- */

/* Others' terminals obey control characters. */
static void disarm(char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			*text = ' ';
}

/* Returns: true with a LINE; false when there will be none, and the client was told why */
static bool read_line(struct client *client, char *line)
{
	struct green_timeout limit;
	ssize_t size;
	int error;

	green_timeout_start(&limit, idle_ms);
	size = green_stream_read_line(client->stream, line, MAX_LINE + 1);
	error = size < 0 ? errno : 0;
	if (green_timeout_end(&limit) && error)
		say(client, "*** you said nothing for %g seconds: good bye", idle_ms / 1000.0);
	else if (error == EMSGSIZE)
		say(client, "*** a line has %d bytes at most: good bye", MAX_LINE);
	else if (error == ECANCELED)
		say(client, "*** the server ends: good bye");
	if (size > 0)
		disarm(line);
	return size > 0;
}

static bool introduce(struct client *client)
{
	char line[MAX_LINE + 1];

	say(client, "*** what is your name?");
	while (read_line(client, line)) {
		if (may_be_called(client, line)) {
			strcpy(client->name, line);
			client->next = clients;
			clients = client;
			join(client, (char[]){ "lobby" });
			return true;
		}
	}
	return false;
}

/* Who pastes many lines at once lets the writers run after each of them. */
static void converse(struct client *client)
{
	char line[MAX_LINE + 1];

	while (read_line(client, line)) {
		if (line[0] == '/' && !obey(client, line))
			break;
		if (line[0] && line[0] != '/')
			tell_room(client, "[%s] %s", client->name, line);
		green_yield();
	}
	leave(client, "has left");
}

/* The writer ends when it has written what is queued, or at the latest when the stream is aborted. */
static void finish(struct client *client, struct greenlet *writer)
{
	void *line;

	green_queue_shut_down(client->lines, false);
	if (green_join(writer, NULL, FAREWELL_MS) < 0) {
		green_stream_abort(client->stream);
		green_join(writer, NULL, -1);
	}
	green_destroy(writer);
	while (green_queue_get(client->lines, &line, 0) == 0)
		free(line);
}

static void serve(struct green_stream *stream, void *unused)
{
	struct client client = { .stream = stream, .lines = green_queue_create(GREEN_FIFO, MAX_QUEUE) };
	struct greenlet *writer = client.lines ? green_spawn(writer_main, &client) : NULL;
	int size = SEND_BUFFER;

	(void)unused;
	if (writer) {
		green_setsockopt(green_stream_fd(stream), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		if (introduce(&client))
			converse(&client);
		green_hold_errors(); /* the server's end leaves us a second to clean up, and that waits */
		finish(&client, writer);
		green_release_errors();
	}
	green_queue_destroy(client.lines);
}

/* --- main --- */

static const struct program program = {
	.name = "chat_server",
	.arguments = "PORT",
	.what = "Rooms to talk in; the client is nc.  PORT 0 lets the system choose.  What begins with / is a command, /help lists them.",
	.min_arguments = 1,
	.max_arguments = 1,
	.options = (const struct option[]){
		{ "clients", "at a time; further ones wait", .number = &clients_limit, .least = 1, .most = 100000 },
		{ "idle", "seconds without a word, until a client is sent away", .seconds_ms = &idle_ms },
		{ "slow", "seconds without room for its lines, until one is", .seconds_ms = &slow_ms },
		{ 0 } },
};

/* At SIGTERM each reader is asked to end at once; no client is waited for to end by itself. */
static struct green_server *open_server(const char *port)
{
	struct green_server *server = green_server_create(&(struct green_server_options){
		.host = "127.0.0.1", .service = port, .stream_handler = serve, .limit = clients_limit,
		.stop_timeout_ms = 1, .stop_on_sigterm = true });

	/* Who has read the line may send SIGTERM at once. */
	if (server && green_server_start(server) == 0) {
		printf("listening on %u\n", green_server_port(server));
		fflush(stdout);
		return server;
	}
	perror("chat_server");
	exit(1);
}

int main(int argc, char **argv)
{
	struct green_server *server;
	unsigned port;
	int count;

	options_parse(&program, argc, argv, &count);
	if (!options_number(argv[0], 0, 65535, &port))
		options_refuse(&program, argv[0], "no port");
	server = open_server(argv[0]);
	if (green_server_run(server) < 0) {
		perror("chat_server");
		return 1;
	}
	green_server_destroy(server);
	return 0;
}
