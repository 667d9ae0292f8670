/* SPDX-License-Identifier: MIT */
/* green_context.c - the context switch below greenlets; linked statically, for it is no public call */
#include "harness.h"
#include "switch/context.h"

enum { STACK = 64 * 1024 };

static _Alignas(64) char stack[STACK];
static struct context here, there;

static void back(void *unused)
{
	(void)unused;
	for (;;)
		green__context_swap(&there, &here);
}

static void run_switch(long times)
{
	green__context_make(&there, stack, sizeof(stack), back, 0);
	for (long i = 0; i < times / 2; i++)
		green__context_swap(&here, &there);
}

const struct bench_case bench_cases[] = {
	{ "switch", run_switch },
	{ 0, 0 },
};
