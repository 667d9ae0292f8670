/* SPDX-License-Identifier: MIT */
/*
 * hook_cookie.c - streams whose reading and writing is the program's own
 *
 * libc calls the program's functions with the stream locked.  If a tick switched
 * away from one, the next thread to use the stream would wait for it inside libc,
 * and the carrier with it; so they run in a shelter.
 */
#include <stdio.h>
#include <stdlib.h>

#include "preempt.h"
#include "shim.h"

/* What libc takes for the cookie; it goes with the stream. */
struct cookie {
	void *cookie;
	cookie_io_functions_t functions;
};

static ssize_t cookie_read(void *arg, char *buffer, size_t size)
{
	struct cookie *own = arg;
	uintptr_t shelter = shelter_enter();
	ssize_t result = own->functions.read(own->cookie, buffer, size);

	shelter_leave(shelter);
	return result;
}

static ssize_t cookie_write(void *arg, const char *buffer, size_t size)
{
	struct cookie *own = arg;
	uintptr_t shelter = shelter_enter();
	ssize_t result = own->functions.write(own->cookie, buffer, size);

	shelter_leave(shelter);
	return result;
}

static int cookie_seek(void *arg, off64_t *offset, int whence)
{
	struct cookie *own = arg;
	uintptr_t shelter = shelter_enter();
	int result = own->functions.seek(own->cookie, offset, whence);

	shelter_leave(shelter);
	return result;
}

static int cookie_close(void *arg)
{
	struct cookie *own = arg;
	uintptr_t shelter = shelter_enter();
	int result = own->functions.close ? own->functions.close(own->cookie) : 0;

	shelter_leave(shelter);
	free(own);
	return result;
}

/* A function that the program leaves out stays left out: libc has its own answer there. */
WRAPPER FILE *fopencookie(void *cookie, const char *mode, cookie_io_functions_t functions)
{
	cookie_io_functions_t ours = {
		.read = functions.read ? cookie_read : NULL,
		.write = functions.write ? cookie_write : NULL,
		.seek = functions.seek ? cookie_seek : NULL,
		.close = cookie_close,
	};
	struct cookie *own = malloc(sizeof(*own));
	FILE *file;

	if (!own)
		return NULL;
	own->cookie = cookie;
	own->functions = functions;
	file = real(fopencookie)(own, mode, ours);
	if (!file)
		free(own);
	return file;
}
