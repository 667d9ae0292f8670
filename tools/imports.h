/* SPDX-License-Identifier: MIT */
/* imports.h - what one ELF file wants of libc, what it exports, and its own system call instructions */
#ifndef GREEN_TOOLS_IMPORTS_H
#define GREEN_TOOLS_IMPORTS_H

#include <stdbool.h>

#include "image.h"

/*
 * imports_each - call FUNCTION with each symbol that IMAGE takes from libc
 *
 * Versions tell which library a symbol is taken from. A symbol without one may
 * come from anywhere, so it is left out.
 *
 * Returns: false if the file has no section headers by which its symbols are found
 */
bool imports_each(const struct image *image, void (*function)(void *context, const char *symbol), void *context);

/* exports_each - call FUNCTION with each symbol that IMAGE defines for others */
void exports_each(const struct image *image, void (*function)(void *context, const char *symbol), void *context);

/*
 * calls_each - call FUNCTION for each system call instruction in IMAGE, with the call's number, or -1 if it is not plain
 *
 * Only what looks like a whole call is told: an instruction without a number loaded
 * shortly before is taken for data, so there may be more of them.
 */
void calls_each(const struct image *image, void (*function)(void *context, long number), void *context);

#endif
