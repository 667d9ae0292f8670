/* SPDX-License-Identifier: MIT */
/* memory.c - malloc, stdio and the loader under load */
#include "torture.h"

#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 40 };

struct block {
	unsigned char *bytes;
	size_t size;
	unsigned char mark;
};

static void check_block(const struct block *block)
{
	for (size_t i = 0; i < block->size; i += 97)
		demand(block->bytes[i] == block->mark, "memory belongs to two");
	if (block->size)
		demand(block->bytes[block->size - 1] == block->mark, "memory belongs to two");
}

static void change_block(struct worker *worker, struct block *block)
{
	size_t size = pick(worker, 10) ? pick(worker, 2000) : pick(worker, 300000);

	check_block(block);
	if (pick(worker, 3) == 0) {
		free(block->bytes);
		block->bytes = NULL;
	}
	block->bytes = realloc(block->bytes, size + 1);
	demand(block->bytes, "realloc");
	block->size = size + 1;
	block->mark = (unsigned char)pick(worker, 256);
	memset(block->bytes, block->mark, block->size);
}

void do_memory(struct worker *worker)
{
	struct block blocks[BLOCKS] = { { 0 } };

	for (unsigned i = 0; i < 150; i++)
		change_block(worker, &blocks[pick(worker, BLOCKS)]);
	for (unsigned i = 0; i < BLOCKS; i++) {
		check_block(&blocks[i]);
		free(blocks[i].bytes);
	}
}

static void write_text(struct worker *worker, FILE *file, unsigned lines)
{
	for (unsigned i = 0; i < lines; i++)
		demand(fprintf(file, "worker %u line %u %.3f\n", worker->number, i, i / 8.0) > 0, "fprintf");
}

static void read_text(struct worker *worker, FILE *file, unsigned lines)
{
	char line[100];
	unsigned number, at, seen = 0;
	double value;

	while (fgets(line, sizeof(line), file)) {
		demand(sscanf(line, "worker %u line %u %lf", &number, &at, &value) == 3, "sscanf");
		demand(number == worker->number && at == seen && value == seen / 8.0, "a line is another's");
		seen++;
	}
	demand(seen == lines, "lines got lost");
}

void do_stdio(struct worker *worker)
{
	unsigned lines = pick(worker, 200);
	char *text = NULL;
	size_t size = 0;
	FILE *file = pick(worker, 2) ? tmpfile() : open_memstream(&text, &size);

	demand(file, "a stream");
	write_text(worker, file, lines);
	if (text == NULL && size == 0 && fflush(file) == 0 && text == NULL) {
		rewind(file);
	} else {
		fclose(file);
		file = size ? fmemopen(text, size, "r") : fopen("/dev/null", "r");
		demand(file, "fmemopen");
	}
	read_text(worker, file, lines);
	fclose(file);
	free(text);
}

/* The library may go when the last of the workers that use it closes it, and come again. */
void do_library(struct worker *worker)
{
	static const char *const names[] = { "libresolv.so.2", "libutil.so.1", "libanl.so.1", "libm.so.6", "libstdc++.so.6" };
	void *library = dlopen(names[pick(worker, 5)], pick(worker, 2) ? RTLD_NOW : RTLD_LAZY);

	demand(library, "dlopen");
	demand(!dlsym(library, "no_such_symbol"), "dlsym");
	sched_yield();
	demand(dlclose(library) == 0, "dlclose");
}
