/* SPDX-License-Identifier: MIT */
/* own_copy.h - finds a second copy of the library in the process */
#ifndef PRELOAD_OWN_COPY_H
#define PRELOAD_OWN_COPY_H

#include <stdbool.h>

/*
 * True if the program, or a library of its, was linked with an archive of libgreen.
 *
 * That copy has hubs of its own, which wait in the kernel and hold up all green threads.
 */
bool own_copy_is_there(void);

#endif
