/* SPDX-License-Identifier: MIT */
/* dl_front.c - a library that somebody preloads to have read for itself */
#include <dlfcn.h>
#include <unistd.h>

ssize_t read(int fd, void *to, size_t size)
{
	ssize_t (*next)(int, void *, size_t) = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");

	return next(fd, to, size);
}
