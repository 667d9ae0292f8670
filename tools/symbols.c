/* SPDX-License-Identifier: MIT */
/* symbols.c - looks a name up in the list that the build has made a table of */
#include "symbols.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	const char *name;
	enum symbol_class class;
};

/* Sorted by name. */
static const struct entry table[] = {
#include "symbols.inc"
};

static int compare(const void *name, const void *entry)
{
	return strcmp(name, ((const struct entry *)entry)->name);
}

enum symbol_class symbols_listed(const char *name)
{
	const struct entry *found = bsearch(name, table, sizeof(table) / sizeof(table[0]), sizeof(table[0]), compare);

	return found != NULL ? found->class : SYMBOL_UNKNOWN;
}
