/* SPDX-License-Identifier: MIT */
/* dl_tls_fast.c - a module with initial-exec thread-local data and a constructor that waits; loaded by dynamic.c */
#include <unistd.h>

static __thread int counter __attribute__((tls_model("initial-exec"))) = 1000;
static int constructed;

__attribute__((constructor)) static void construct(void)
{
	usleep(20000);
	constructed = 1;
}

int module_is_constructed(void);
int module_count(void);

int module_is_constructed(void)
{
	return constructed;
}

int module_count(void)
{
	return ++counter;
}
