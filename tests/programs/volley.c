/* SPDX-License-Identifier: MIT */
/*
 * volley.c - asks a server the same again and again on many connections at once, and compares every byte of each reply
 *
 * The reply that is expected is a file; in a second file of the same length a byte
 * that is not 0 means that its counterpart counts.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 65536, EVENTS = 64, PATIENCE_MS = 20000 };

struct file {
	char *bytes;
	size_t size;
};

struct connection {
	int fd;
	size_t greeting; /* bytes of it that are still to come */
	size_t got;      /* bytes of the present reply that have come */
};

static struct file request, reply, mask;
static struct sockaddr_in server = { .sin_family = AF_INET };
static int type = SOCK_STREAM;
static bool keep;
static size_t greeting;
static unsigned long wanted, begun, done;
static int loop;

static void give_up(const char *what)
{
	fprintf(stderr, "volley: %s after %lu replies: %s\n", what, done, strerror(errno));
	exit(1);
}

static struct file read_file(const char *path)
{
	struct file file = { malloc(1 << 20), 0 };
	FILE *from = fopen(path, "rb");

	if (!from || !file.bytes)
		give_up(path);
	file.size = fread(file.bytes, 1, 1 << 20, from);
	fclose(from);
	return file;
}

static void ask(struct connection *connection)
{
	connection->got = 0;
	if (begun == wanted)
		return;
	begun++;
	if (send(connection->fd, request.bytes, request.size, MSG_NOSIGNAL) != (ssize_t)request.size)
		give_up("cannot send");
}

static void dial(struct connection *connection)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
	int one = 1;

	connection->fd = socket(AF_INET, type, 0);
	connection->greeting = greeting;
	if (connect(connection->fd, (struct sockaddr *)&server, sizeof(server)))
		give_up("cannot connect");
	if (type == SOCK_STREAM)
		setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	epoll_ctl(loop, EPOLL_CTL_ADD, connection->fd, &event);
	if (!greeting)
		ask(connection);
}

static void compare(struct connection *connection, const char *bytes, size_t count)
{
	if (connection->got + count > reply.size)
		give_up("more than the reply");
	for (size_t i = 0; i < count; i++, connection->got++) {
		if (mask.bytes[connection->got] && bytes[i] != reply.bytes[connection->got]) {
			fprintf(stderr, "%.*s\n", (int)count, bytes);
			give_up("a wrong byte");
		}
	}
}

static void hang_up(struct connection *connection)
{
	close(connection->fd);
	connection->fd = -1;
}

/* The end of the connection is the reply's end, too. */
static void ended(struct connection *connection)
{
	if (keep || connection->got != reply.size)
		give_up("a reply is cut off");
	hang_up(connection);
	done++;
	if (begun < wanted)
		dial(connection);
}

static void arrived(struct connection *connection)
{
	static char bytes[CHUNK];
	ssize_t count = recv(connection->fd, bytes, sizeof(bytes), 0);
	size_t skipped;

	if (count < 0)
		give_up("cannot receive");
	if (count == 0) {
		ended(connection);
		return;
	}
	skipped = (size_t)count < connection->greeting ? (size_t)count : connection->greeting;
	connection->greeting -= skipped;
	compare(connection, bytes + skipped, (size_t)count - skipped);
	if (skipped && !connection->greeting) {
		ask(connection);
	} else if (keep && connection->got == reply.size) {
		done++;
		ask(connection);
	}
}

static void go(void)
{
	struct epoll_event events[EVENTS];
	int count;

	while (done < wanted) {
		count = epoll_wait(loop, events, EVENTS, PATIENCE_MS);
		if (count == 0)
			give_up("silence");
		for (int i = 0; i < count; i++)
			arrived(events[i].data.ptr);
	}
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
	struct connection *connections;
	unsigned long count;
	double start;

	if (argc != 9) {
		fputs("usage: volley tcp|once|udp PORT CONNECTIONS REQUESTS GREETING-BYTES REQUEST REPLY MASK\n", stderr);
		return 2;
	}
	keep = strcmp(argv[1], "once") != 0;
	type = strcmp(argv[1], "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
	server.sin_port = htons((unsigned short)atoi(argv[2]));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	count = strtoul(argv[3], NULL, 10);
	wanted = strtoul(argv[4], NULL, 10);
	greeting = strtoul(argv[5], NULL, 10);
	request = read_file(argv[6]);
	reply = read_file(argv[7]);
	mask = read_file(argv[8]);
	connections = calloc(count, sizeof(*connections));
	loop = epoll_create1(EPOLL_CLOEXEC);
	if (!connections || loop < 0 || reply.size != mask.size || !reply.size)
		give_up("cannot begin");
	start = seconds();
	for (unsigned long i = 0; i < count && i < wanted; i++)
		dial(&connections[i]);
	go();
	printf("%lu %.6f\n", done, seconds() - start);
	return 0;
}
