/* SPDX-License-Identifier: MIT */
/* duration.h - reads a length of time as people write it: 500us, 2ms, 1s */
#ifndef GREEN_BASE_DURATION_H
#define GREEN_BASE_DURATION_H

#include <stdint.h>

/* The lengths that duration_parse accepts lie between these two nanosecond counts, both included. */
#define DURATION_LEAST (INT64_C(50) * 1000)
#define DURATION_MOST (INT64_C(10) * 1000 * 1000 * 1000)

/* What every message says about a text that duration_parse refuses. */
#define DURATION_RULE "not a time (a number followed by us, ms or s; 50us to 10s), nor off"

static inline int64_t duration__unit(const char *suffix)
{
	if (suffix[0] == 's' && suffix[1] == '\0')
		return INT64_C(1000000000);
	if (suffix[0] == '\0' || suffix[1] != 's' || suffix[2] != '\0')
		return 0;
	return suffix[0] == 'm' ? INT64_C(1000000) : suffix[0] == 'u' ? INT64_C(1000) : 0;
}

/*
 * duration_parse - turn TEXT into nanoseconds
 *
 * TEXT is decimal digits and one of the units us, ms and s, nothing before,
 * between or after them; or the word "off", which is 0.  As size_parse it needs
 * neither errno nor the locale nor memory.  *NANOSECONDS is written on success only.
 *
 * Switches: no.
 * Returns:  0; -1 when TEXT is no such time, or less than DURATION_LEAST or more
 *           than DURATION_MOST
 */
static inline int duration_parse(const char *text, int64_t *nanoseconds)
{
	int64_t value = 0, unit;

	if (text[0] == 'o' && text[1] == 'f' && text[2] == 'f' && text[3] == '\0') {
		*nanoseconds = 0;
		return 0;
	}
	if (*text < '0' || *text > '9')
		return -1;
	/* VALUE stays small enough here for neither step below to overflow. */
	for (; *text >= '0' && *text <= '9'; text++) {
		value = value * 10 + (*text - '0');
		if (value > DURATION_MOST / 1000)
			return -1;
	}
	unit = duration__unit(text);
	if (unit == 0 || value > DURATION_MOST / unit || value * unit < DURATION_LEAST)
		return -1;
	*nanoseconds = value * unit;
	return 0;
}

#endif
