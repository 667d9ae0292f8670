/* SPDX-License-Identifier: MIT */
/* load.h - what the two halves of the load client share: its options, its connections and its counters */
#ifndef LOAD_H
#define LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

enum { ABSENT, CONNECTING, OPEN };

enum {
	CACHE_LINE = 64,
	CHUNK = 65536,             /* bytes per send and recv at most */
	HEAD_MAX = 8192,           /* the longest HTTP header that is taken for one */
	HISTOGRAM = 59 * 32 + 32,  /* latency buckets for any 64-bit number of nanoseconds */
};

/* The header of a reply as far as it has come (http). */
struct head {
	size_t length;
	char bytes[HEAD_MAX];
};

/*
 * A connection slot.  In http mode and in short mode the slot is opened anew for each request.
 *
 * The server under test shares the last level of cache with this client, so a
 * connection is one cache line here, and all share the buffers.
 */
struct conn {
	_Alignas(CACHE_LINE) int fd;
	uint8_t state;          /* ABSENT, CONNECTING or OPEN */
	bool asked;             /* a request is outstanding (http) */
	bool greeted;           /* the first message came back (echo): the server has accepted */
	bool wants_out;         /* EPOLLOUT is armed */
	bool spoiled;           /* the reply that is arriving has a wrong byte */
	bool body;              /* the header is complete (http) */
	uint64_t out, out_end;  /* bytes of the outgoing stream sent, and allowed to be sent */
	uint64_t in;            /* bytes of the incoming stream (http: of the body) compared */
	int64_t *starts;        /* when each message in flight was sent, a ring of PIPELINE */
	int64_t start;          /* which is this where there is but one */
	struct head *head;
};

_Static_assert(sizeof(struct conn) == CACHE_LINE, "a connection is one cache line");

struct options {
	const char *host, *port, *path, *expect;
	unsigned connections, pipeline, ramp;
	uint64_t requests;      /* 0: run for SECONDS instead */
	size_t size;
	double seconds, deadline;
	bool http, json, hold;
	bool anew;              /* mode short: a connection for each message */
};

struct load {
	struct options o;
	struct sockaddr_storage address;
	socklen_t address_length;
	int epoll, diag;
	struct conn *conns;
	unsigned lowered_from;  /* the connections asked for, when descriptors allow fewer */
	char *request;          /* http: what is sent, and the body that must come back */
	size_t request_length, body_length;
	unsigned char *body;

	unsigned opening;       /* connections begun whose server has not been heard of yet */
	uint64_t in_flight;     /* messages sent whose reply is outstanding */
	uint64_t opened, failed, lost, retries, surplus;
	uint64_t sent, replies, wrong;
	int64_t deadline, began, ended, held;
	bool late;
	int64_t slowest;
	uint64_t histogram[HISTOGRAM];
	unsigned char out_bytes[CHUNK], in_bytes[CHUNK];
};

static inline int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

/* Opens the connections, sends and compares until all is done or the deadline has passed, closes; counts in L. */
void load_traffic(struct load *l);

#endif
