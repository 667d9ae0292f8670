/* SPDX-License-Identifier: MIT */
/* real.c - finds the real calls: the next definition after the shim, libc's or that of another preloaded library */
#include "real.h"

#include <stdint.h>

struct real green__real_table;

/* dlsym is replaced as well, but dlvsym is not; the version is that of the glibc in which it moved into libc, or of its port. */
static void *(*find_dlsym(void))(void *, const char *)
{
	static const char *const versions[] = { "GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17" };
	void *found = NULL;

	for (size_t i = 0; i < ARRAY_LENGTH(versions) && !found; i++)
		found = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
	return (void *(*)(void *, const char *))(uintptr_t)found;
}

void real_resolve(void)
{
	void *(*find)(void *, const char *) = find_dlsym();

#define REAL(name) *(void **)(void *)&green__real_table.name = find(RTLD_NEXT, #name);
#include "real.def"
#undef REAL
}

void *real_replacement(void *address)
{
#define REAL(name) \
	if (address == (void *)(uintptr_t)green__real_table.name) \
		return (void *)(uintptr_t)name;
	if (address) {
#include "real.def"
	}
#undef REAL
	return address;
}
