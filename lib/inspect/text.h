/* SPDX-License-Identifier: MIT */
/* text.h - text that is written to a descriptor piece by piece, or grows in memory */
#ifndef GREEN_INSPECT_TEXT_H
#define GREEN_INSPECT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum { TEXT_PIECE = 512 };

struct text {
	int fd;      /* where it goes, unless */
	bool grows;  /* it stays in memory */
	int error;   /* the first one, as -errno; nothing more is taken then */
	size_t used, size;
	char *bytes; /* PIECE, or memory of malloc */
	char piece[TEXT_PIECE];
};

/* text_to - TEXT goes to FD, with plain system calls; from a signal handler, too */
void green__text_to(struct text *text, int fd);

/* text_in_memory - TEXT grows until green__text_free */
void green__text_in_memory(struct text *text);
void green__text_free(struct text *text);

void green__text_add(struct text *text, const void *bytes, size_t size);

/* text_say - at most TEXT_PIECE bytes of printf's */
void green__text_say(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* text_flush - what is left goes to the descriptor; 0, or the first error as -errno */
int green__text_flush(struct text *text);

#endif
