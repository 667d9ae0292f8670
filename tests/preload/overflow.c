/* SPDX-License-Identifier: MIT */
/* overflow.c - recursion without an end in a thread: the guard page stops it by SIGSEGV */
#include "plain.h"

#include <string.h>
#include <sys/resource.h>

/* Read from memory, so that the compiler sees neither an end nor a loop. */
static volatile int endless = 1;

static int deeper(int depth)
{
	volatile char room[2000];

	memset((char *)room, depth, sizeof(room));
	return endless ? deeper(depth + 1) + room[depth % 2000] : depth;
}

static void *fall(void *argument)
{
	pause_ms(10);
	say("falling");
	return (void *)(long)(deeper(0) + (argument != NULL));
}

int main(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	join(spawn(fall, NULL));
	say("not reached");
	return 0;
}
