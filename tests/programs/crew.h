/* SPDX-License-Identifier: MIT */
/* crew.h - one connection to a server per thread, through a client library that blocks: what each such program supplies */
#ifndef CREW_H
#define CREW_H

#include <stdbool.h>

/* Where the server is, from the command line: a port of 127.0.0.1, and a path or an address, as the library needs. */
extern int crew_port;
extern const char *crew_place;

/* crew_prepare - called once, before there are threads */
bool crew_prepare(void);

/* crew_open - a connection for thread NUMBER; NULL if there is none to be had, after a word on stderr */
void *crew_open(int number);

/* crew_ask - whether the answer to a question that only thread NUMBER asks is right; the server ponders for MS */
bool crew_ask(void *connection, int number, int turn, int ms);

void crew_close(void *connection);

#endif
