/* SPDX-License-Identifier: MIT */
/*
 * audit_parts.h - what the rooms of the audit share
 *
 *   audit.c          the watch: when the carrier is in a call, and how long
 *   audit_stack.c    who made the call: a copy of the stack, and its frames
 *   audit_names.c    names of calls, functions and files
 *   audit_report.c   what was found, and the text about it
 *
 * All but audit.c runs on the watching kernel thread alone.
 */
#ifndef GREEN_PRELOAD_AUDIT_PARTS_H
#define GREEN_PRELOAD_AUDIT_PARTS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SNAPSHOT_BYTES = 64 * 1024,
	FRAMES_MAX = 24,
};

/* What the carrier is kept by; else the number of a system call. */
enum {
	KEPT_BY_FAULT = -1,     /* a page that has to be read or made first */
	KEPT_BY_COMPUTING = -2,
};

/* --- audit_stack.c --- */

/* A piece of a stack, from where the thread was upwards. */
struct snapshot {
	uintptr_t pc, sp;
	uintptr_t bp; /* 0: not known */
	size_t size;
	unsigned char stack[SNAPSHOT_BYTES] __attribute__((aligned(16)));
};

/* snapshot_take - copy the stack from SP on; also from a signal handler, and where there may be nothing to copy */
void snapshot_take(struct snapshot *snapshot, uintptr_t pc, uintptr_t sp, uintptr_t bp);

/* snapshot_walk - write the program counters of the frames into FRAMES, the innermost first; how many, at least 1 */
size_t snapshot_walk(const struct snapshot *snapshot, uintptr_t frames[FRAMES_MAX]);

/* --- audit_names.c --- */

/* Where an address lies: all empty if nobody knows. */
struct place {
	char file[256];
	char function[128];  /* empty: the file has no name for it */
	uintptr_t offset;    /* in FUNCTION, or in FILE if that is empty */
};

/* place_find - tell where ADDRESS lies; a return address is told by the call before it */
void place_find(struct place *place, uintptr_t address, bool is_return);

/* place_name - the last part of its file's name, as a library is called; "" if that is not known */
const char *place_name(const struct place *place);

/* call_name - the name of system call NUMBER, NULL if it has none */
const char *call_name(long number);

/* call_is_of_files - true if such a call waits for a disk or for memory, never for another thread or process */
bool call_is_of_files(long number);

/* --- audit_report.c --- */

/* report_add - something kept the carrier for so many NANOSECONDS, as SNAPSHOT shows */
void report_add(long number, const struct snapshot *snapshot, int64_t nanoseconds);

/* report_write - write to FD what was found, worst first; nothing if nothing was, unless ALWAYS */
void report_write(int fd, bool always);

/* report_line - one line to FD */
void report_line(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* report_changed - true if anything was added since the last report_write */
bool report_changed(void);

/* report_clear - nothing was found yet */
void report_clear(void);

#endif
