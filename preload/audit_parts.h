/* SPDX-License-Identifier: MIT */
/*
 * audit_parts.h - what the rooms of the audit share
 *
 *   audit.c          the watch: when the carrier is in a call, and how long
 *   audit_names.c    names of calls
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

#include "inspect/place.h"
#include "inspect/walk.h"

enum {
	FRAMES_MAX = 24,
};

/* What the carrier is kept by; else the number of a system call. */
enum {
	KEPT_BY_FAULT = -1,     /* a page that has to be read or made first */
	KEPT_BY_COMPUTING = -2,
};

/* --- audit_names.c --- */

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
