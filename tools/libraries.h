/* SPDX-License-Identifier: MIT */
/* libraries.h - which libraries a program would be started with */
#ifndef GREEN_TOOLS_LIBRARIES_H
#define GREEN_TOOLS_LIBRARIES_H

/*
 * libraries_each - call FUNCTION for each library that PROGRAM, a dynamic one for this machine and libc, would have
 *
 * The dynamic loader of this very command is asked, which maps the files and runs
 * nothing of them. PATH is NULL for a library that is not found.
 *
 * Returns: 0; -1 with errno if the loader cannot be asked
 */
int libraries_each(const char *program, void (*function)(void *context, const char *name, const char *path), void *context);

#endif
