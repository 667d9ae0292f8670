/* SPDX-License-Identifier: MIT */
/* backtrace.h - the stacks of greenlets, and those that were remembered */
#ifndef GREEN_INSPECT_BACKTRACE_H
#define GREEN_INSPECT_BACKTRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "inspect/text.h"
#include "switch/greenlet.h"

/* green__backtrace - as green_backtrace, of a greenlet of the calling thread that has a stack to walk; else 0 */
size_t green__backtrace(const struct greenlet *greenlet, uintptr_t *frames, size_t count);

/* green__text_frames - a line for each of COUNT frames, indented */
void green__text_frames(struct text *text, const uintptr_t *frames, size_t count, int indent);

/* green__tell_overflow - for green__overflow_stack */
void green__tell_overflow(const ucontext_t *context);

#endif
