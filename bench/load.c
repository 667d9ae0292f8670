/* SPDX-License-Identifier: MIT */
/* load.c - a load client: opens all its connections, keeps them all busy at once, compares every byte of the replies */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPARE_FDS = 16 };  /* descriptors that are not connections */

/* ---- the report ---- */

struct report {
	uint64_t missing, fewest, most;
	double seconds, per_second;
	bool ok;
};

static double percentile_us(const struct load *l, double share)
{
	uint64_t total = 0, below = 0;
	unsigned i = 0;

	for (unsigned j = 0; j < HISTOGRAM; j++)
		total += l->histogram[j];
	while (i < HISTOGRAM - 1 && (below += l->histogram[i]) < (uint64_t)((double)total * share + 0.5))
		i++;
	unsigned shift = i < 64 ? 0 : i / 32 - 1;
	int64_t ns = (int64_t)(((uint64_t)(i - shift * 32 + 1) << shift) - 1);
	return (double)(ns < l->slowest ? ns : l->slowest) / 1000.0;
}

static struct report sum_up(struct load *l)
{
	struct report r = { .fewest = UINT64_MAX, .seconds = (double)(l->ended - l->began) / NS_PER_SECOND };
	uint64_t promised = l->o.requests ? l->o.requests : l->sent;

	l->failed += l->opening;
	if (l->o.http && l->o.requests)
		promised -= l->failed + l->lost;  /* those could not ask, and are counted there */
	r.missing = promised - l->replies;
	l->wrong += l->surplus;
	r.per_second = r.seconds > 0 ? (double)l->replies / r.seconds : 0;
	r.ok = !r.missing && !l->wrong && !l->failed && !l->lost && !l->late;
	for (unsigned i = 0; i < l->o.connections; i++) {
		uint64_t messages = l->conns[i].in / l->o.size, replies = messages - (messages > 0);  /* not the greeting */

		r.fewest = replies < r.fewest ? replies : r.fewest;
		r.most = replies > r.most ? replies : r.most;
	}
	return r;
}

static void print_json(const struct load *l, const struct report *r)
{
	printf("{\"mode\": \"%s\", \"connections\": %u, \"lowered_from\": %u, \"opened\": %llu, \"failed\": %llu, "
	       "\"lost\": %llu, \"connect_retries\": %llu, ",
	       l->o.http ? "http" : l->o.anew ? "short" : "echo", l->o.connections, l->lowered_from,
	       (unsigned long long)l->opened, (unsigned long long)l->failed, (unsigned long long)l->lost,
	       (unsigned long long)l->retries);
	printf("\"sent\": %llu, \"replies\": %llu, \"wrong\": %llu, \"missing\": %llu, \"seconds\": %.6f, "
	       "\"per_second\": %.1f, ",
	       (unsigned long long)l->sent, (unsigned long long)l->replies, (unsigned long long)l->wrong,
	       (unsigned long long)r->missing, r->seconds, r->per_second);
	printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, ", percentile_us(l, 0.5),
	       percentile_us(l, 0.99), percentile_us(l, 0.999), (double)l->slowest / 1000.0);
	if (!l->o.http && !l->o.anew)
		printf("\"fewest_on_one\": %llu, \"most_on_one\": %llu, ", (unsigned long long)r->fewest,
		       (unsigned long long)r->most);
	printf("\"deadline_passed\": %s, \"ok\": %s}\n", l->late ? "true" : "false", r->ok ? "true" : "false");
}

static void print_text(const struct load *l, const struct report *r)
{
	printf("%u connections: %llu opened, %llu failed, %llu lost, %llu retries; %llu replies in %.3f s, %llu wrong, "
	       "%llu missing; %.0f/s; latency us p50 %.0f, p99 %.0f, max %.0f%s\n",
	       l->o.connections, (unsigned long long)l->opened, (unsigned long long)l->failed, (unsigned long long)l->lost,
	       (unsigned long long)l->retries, (unsigned long long)l->replies, r->seconds, (unsigned long long)l->wrong,
	       (unsigned long long)r->missing, r->per_second, percentile_us(l, 0.5), percentile_us(l, 0.99),
	       (double)l->slowest / 1000.0, l->late ? "; the deadline passed" : "");
}

/* ---- the command line ---- */

static const char usage[] =
	"usage: load --port P --connections N (--requests R | --seconds S) [options]\n"
	"  --host H        address or name of the server (127.0.0.1)\n"
	"  --size BYTES    length of an echo message (64)\n"
	"  --pipeline K    echo messages in flight on each connection (1)\n"
	"  --mode http     GET --path /FILE on a new connection each time, the body must equal --expect FILE\n"
	"  --mode short    one echo message on a new connection each time, which this client closes\n"
	"  --ramp K        connects in flight at a time (16)\n"
	"  --deadline S    after this all that is outstanding is missing (60)\n"
	"  --hold          print `ready` when all is open and `done` after the last reply, each time wait for a newline\n"
	"  --json          one JSON object instead of a line\n"
	"exit status: 0 every reply came and was right, 1 not so, 2 usage\n";

__attribute__((noreturn, format(printf, 1, 2))) static void refuse(const char *format, ...)
{
	va_list arguments;

	fputs("load: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(2);
}

static uint64_t whole(const char *option, const char *text, uint64_t low, uint64_t high)
{
	char *end;

	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value < low || value > high)
		refuse("--%s=%s: not a number from %llu to %llu", option, text, (unsigned long long)low,
		       (unsigned long long)high);
	return value;
}

static double positive(const char *option, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0 && value <= 86400))
		refuse("--%s=%s: not a number of seconds above 0, up to 86400", option, text);
	return value;
}

static const struct option names[] = {
	{ "host", required_argument, NULL, 'h' },     { "port", required_argument, NULL, 'p' },
	{ "connections", required_argument, NULL, 'c' }, { "size", required_argument, NULL, 's' },
	{ "requests", required_argument, NULL, 'r' }, { "seconds", required_argument, NULL, 't' },
	{ "mode", required_argument, NULL, 'm' },     { "pipeline", required_argument, NULL, 'k' },
	{ "path", required_argument, NULL, 'u' },     { "expect", required_argument, NULL, 'e' },
	{ "ramp", required_argument, NULL, 'a' },     { "deadline", required_argument, NULL, 'd' },
	{ "json", no_argument, NULL, 'j' },           { "hold", no_argument, NULL, 'o' },
	{ "help", no_argument, NULL, '?' + 128 },     { NULL, 0, NULL, 0 },
};

static void take_option(struct options *o, int which, const char *name, const char *value)
{
	switch (which) {
	case 'h': o->host = value; break;
	case 'p': whole(name, value, 1, 65535); o->port = value; break;
	case 'c': o->connections = (unsigned)whole(name, value, 1, 1000000); break;
	case 's': o->size = whole(name, value, 1, 16 << 20); break;
	case 'r': o->requests = whole(name, value, 1, UINT64_C(1) << 40); break;
	case 't': o->seconds = positive(name, value); break;
	case 'k': o->pipeline = (unsigned)whole(name, value, 1, 1024); break;
	case 'u': o->path = value; break;
	case 'e': o->expect = value; break;
	case 'a': o->ramp = (unsigned)whole(name, value, 1, 65535); break;
	case 'd': o->deadline = positive(name, value); break;
	case 'j': o->json = true; break;
	case 'o': o->hold = true; break;
	case 'm':
		o->http = !strcmp(value, "http");
		o->anew = !strcmp(value, "short");
		if (!o->http && !o->anew && strcmp(value, "echo"))
			refuse("--mode=%s: neither echo, short nor http", value);
		break;
	case '?': exit(2);  /* getopt has said why */
	default: fputs(usage, stdout); exit(0);
	}
}

static void check_options(const struct options *o)
{
	if (!o->port || !o->connections)
		refuse("--port and --connections are needed (see --help)");
	if (!o->requests == !(o->seconds > 0))
		refuse("one of --requests and --seconds is needed, not both");
	if (o->requests && o->requests < o->connections)
		refuse("--requests=%llu is less than --connections=%u, so not all of them would be busy",
		       (unsigned long long)o->requests, o->connections);
	if (o->http && (!o->path || o->path[0] != '/' || !o->expect))
		refuse("--mode=http needs --path=/NAME and --expect=FILE");
	if ((o->http || o->anew) && o->pipeline != 1)
		refuse("--pipeline is for --mode=echo");
}

static void parse(struct options *o, int argc, char **argv)
{
	int which, index = 0;

	*o = (struct options){ .host = "127.0.0.1", .size = 64, .pipeline = 1, .ramp = 16, .deadline = 60 };
	while ((which = getopt_long(argc, argv, "", names, &index)) != -1)
		take_option(o, which, names[index].name, optarg);
	if (optind < argc)
		refuse("%s: not an option (see --help)", argv[optind]);
	check_options(o);
}

/* ---- setting up ---- */

static void find_server(struct load *l)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	int error = getaddrinfo(l->o.host, l->o.port, &hints, &found);

	if (error)
		refuse("--host=%s: %s", l->o.host, gai_strerror(error));
	memcpy(&l->address, found->ai_addr, found->ai_addrlen);
	l->address_length = found->ai_addrlen;
	freeaddrinfo(found);
}

static void read_expected(struct load *l)
{
	int fd = open(l->o.expect, O_RDONLY | O_CLOEXEC);
	struct stat about;

	if (fd < 0 || fstat(fd, &about) < 0)
		refuse("--expect=%s: %s", l->o.expect, strerror(errno));
	l->body_length = (size_t)about.st_size;
	l->body = malloc(l->body_length + 1);
	if (!l->body || read(fd, l->body, l->body_length) != about.st_size)
		refuse("--expect=%s: cannot be read whole", l->o.expect);
	close(fd);
	int length = asprintf(&l->request, "GET %s HTTP/1.0\r\nHost: %s:%s\r\n\r\n", l->o.path, l->o.host, l->o.port);
	if (length < 0 || length > CHUNK)
		refuse("--path: too long");
	l->request_length = (size_t)length;
}

static void raise_limit(struct load *l)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max >= (rlim_t)l->o.connections + SPARE_FDS)
		return;
	if (limit.rlim_max <= SPARE_FDS)
		refuse("RLIMIT_NOFILE allows only %llu descriptors", (unsigned long long)limit.rlim_max);
	l->lowered_from = l->o.connections;
	l->o.connections = (unsigned)limit.rlim_max - SPARE_FDS;
	fprintf(stderr, "load: %u connections instead of %u, because RLIMIT_NOFILE allows only %llu descriptors\n",
		l->o.connections, l->lowered_from, (unsigned long long)limit.rlim_max);
}

static void make_slots(struct load *l)
{
	size_t size = l->o.connections * sizeof(*l->conns);
	int64_t *rings = calloc((size_t)l->o.connections * l->o.pipeline, sizeof(*rings));
	struct head *heads = l->o.http ? calloc(l->o.connections, sizeof(*heads)) : NULL;

	l->conns = aligned_alloc(CACHE_LINE, size);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (!rings || !l->conns || l->epoll < 0 || (l->o.http && !heads))
		refuse("cannot set up %u connections: %s", l->o.connections, strerror(errno));
	memset(l->conns, 0, size);
	for (unsigned i = 0; i < l->o.connections; i++) {
		l->conns[i].starts = l->o.pipeline > 1 ? rings + (size_t)i * l->o.pipeline : &l->conns[i].start;
		l->conns[i].head = heads ? &heads[i] : NULL;
	}
}

int main(int argc, char **argv)
{
	static struct load l;

	parse(&l.o, argc, argv);
	find_server(&l);
	if (l.o.http)
		read_expected(&l);
	raise_limit(&l);
	make_slots(&l);
	l.deadline = now() + (int64_t)(l.o.deadline * NS_PER_SECOND);
	load_traffic(&l);

	struct report r = sum_up(&l);
	(l.o.json ? print_json : print_text)(&l, &r);
	return r.ok ? 0 : 1;
}
