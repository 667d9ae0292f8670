/* SPDX-License-Identifier: MIT */
/* size.h - reads a stack size as people write it: 65536, 64k, 8M, 1g */
#ifndef GREEN_BASE_SIZE_H
#define GREEN_BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>

/* The sizes that size_parse accepts lie between these two, both included. */
#define SIZE_LEAST (UINT64_C(16) << 10)
#define SIZE_MOST (UINT64_C(1) << 30)

/* What every message says about a text that size_parse refuses. */
#define SIZE_RULE "not a size (bytes, or a number followed by k, m or g; 16k to 1g)"

static inline int size__shift(char suffix)
{
	switch (suffix) {
	case 'k': case 'K':
		return 10;
	case 'm': case 'M':
		return 20;
	case 'g': case 'G':
		return 30;
	default:
		return 0;
	}
}

/*
 * size_parse - turn TEXT into a number of bytes
 *
 * TEXT is decimal digits and at most one suffix, nothing before, between or
 * after them: k, m and g (or K, M, G) mean 2^10, 2^20 and 2^30 bytes. It needs
 * neither errno nor the locale nor memory, so it also serves before libc is
 * ready. *BYTES is written on success only.
 *
 * Switches: no.
 * Returns:  0; -1 when TEXT is no such number, or less than SIZE_LEAST or more
 *           than SIZE_MOST
 */
static inline int size_parse(const char *text, size_t *bytes)
{
	uint64_t value = 0;
	int shift;

	if (*text < '0' || *text > '9')
		return -1;
	/* VALUE stays small enough here for neither step below to overflow. */
	for (; *text >= '0' && *text <= '9'; text++) {
		value = value * 10 + (uint64_t)(*text - '0');
		if (value > SIZE_MOST)
			return -1;
	}
	shift = size__shift(*text);
	if (shift != 0)
		text++;
	value <<= shift;
	if (*text != '\0' || value < SIZE_LEAST || value > SIZE_MOST)
		return -1;
	*bytes = (size_t)value;
	return 0;
}

#endif
