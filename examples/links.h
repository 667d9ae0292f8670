/* SPDX-License-Identifier: MIT */
/* links.h - what an HTML page refers to, without a tree of it */
#ifndef LINKS_H
#define LINKS_H

#include <stdbool.h>
#include <stddef.h>

/* Set AT to the page, which ends with a zero, and the rest to zero. */
struct links {
	const char *at;
	char tag[16]; /* in small letters, while AT is among its attributes */
};

/*
 * links_next - the next reference: an HREF or SRC, its entities decoded; TAG says of what
 *
 * Those in comments and scripts are none; those that are longer than SIZE are passed over.
 * Returns: true; false at the end of the page
 */
bool links_next(struct links *links, char *reference, size_t size);

#endif
