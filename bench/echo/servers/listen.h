/* SPDX-License-Identifier: MIT */
/* listen.h - how every C server of the benchmark begins: it listens on a free port of 127.0.0.1 and says which */
#ifndef LISTEN_H
#define LISTEN_H

/* How many bytes each server asks for at a time, in every language. */
enum { CHUNK = 4096, BACKLOG = 1024 };

/*
 * listen_on - a listening socket that MAKE has made: socket(2), or green_socket, which registers it with the hub
 *
 * Prints `listening on PORT`.  Ends the process if that cannot be done.
 */
int listen_on(int (*make)(int domain, int type, int protocol));

#endif
