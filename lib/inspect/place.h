/* SPDX-License-Identifier: MIT */
/*
 * place.h - which function and file an address lies in
 *
 * dladdr knows only what a file shows to others, and takes a lock that whoever is looked
 * at may hold.  Here the files' own symbol tables are read.
 */
#ifndef GREEN_INSPECT_PLACE_H
#define GREEN_INSPECT_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)

/* Where an address lies: all empty if nobody knows. */
struct place {
	char file[256];
	char function[128];  /* empty: the file has no name for it */
	uintptr_t offset;    /* in FUNCTION, or in FILE if that is empty */
};

/* green__place_find - tell where ADDRESS lies; a return address is told by the call before it */
void green__place_find(struct place *place, uintptr_t address, bool is_return);

/* green__place_name - the last part of its file's name, as a library is called; "" if that is not known */
const char *green__place_name(const struct place *place);

/* green__place_text - write PLACE, of ADDRESS, into TEXT, as "function+0x1f (file)" */
void green__place_text(const struct place *place, uintptr_t address, char *text, size_t size);

#pragma GCC visibility pop

#endif
