/* SPDX-License-Identifier: MIT */
/* real.c - finds the real calls: the next definition after the shim, libc's or that of another preloaded library */
#include "real.h"

struct real green__real_table;

void real_resolve(void)
{
#define REAL(name) *(void **)(void *)&green__real_table.name = dlsym(RTLD_NEXT, #name);
#include "real.def"
#undef REAL
}
