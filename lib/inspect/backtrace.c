/* SPDX-License-Identifier: MIT */
/* backtrace.c - the stacks of greenlets, now, and when they were made or got an error */
#include "inspect/backtrace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/sys.h"
#include "green/debug.h"
#include "inspect/place.h"
#include "inspect/walk.h"
#include "switch/overflow.h"

enum { REMEMBERED = 10, OWN_FRAMES = 6, OVERFLOW_FRAMES = 24 };

/* --- walks --- */

/* Where GREENLET's stack ends; 0 for a main greenlet's, which nobody knows. */
static uintptr_t stack_end(const struct greenlet *greenlet)
{
	return greenlet->stack ? (uintptr_t)greenlet->stack->low + greenlet->stack->size : 0;
}

/* The caller's frames, from the one that goes on at FROM, unless that is NULL; some of the outermost may be missing. */
static GREEN_NOINLINE size_t walk_here(uintptr_t *frames, size_t count, const void *from)
{
	uintptr_t own[REMEMBERED + OWN_FRAMES];
	uintptr_t *all = count > REMEMBERED ? frames : own;
	struct registers here;
	size_t done, first = 1;

	if (!registers_here(&here))
		return 0;
	done = green__walk(&here, stack_end(green__current), all, all == own ? ARRAY_LENGTH(own) : count);
	for (size_t i = 0; from && i < done; i++) {
		if (all[i] == (uintptr_t)from)
			first = i;
	}
	done = done > first ? done - first : 0;
	if (done > count)
		done = count;
	memmove(frames, all + first, done * sizeof(*frames));
	return done;
}

size_t green__backtrace(const struct greenlet *greenlet, uintptr_t *frames, size_t count)
{
	struct registers registers;

	if ((greenlet->state != GREENLET_ACTIVE && greenlet->state != GREENLET_IDLE) || greenlet->away || count == 0)
		return 0;
	if (greenlet == green__current)
		return walk_here(frames, count, NULL);
	if (!green__context_registers(&greenlet->context, &registers))
		return 0;
	return green__walk(&registers, stack_end(greenlet), frames, count);
}

/* --- the stack of who has overflowed --- */

/*
 * The greenlet may have been anywhere, in malloc or in ld.so; what this calls takes no lock but
 * libunwind's own, and if somebody holds that, the greenlet was walking a stack itself.
 */
void green__tell_overflow(const ucontext_t *context)
{
	struct registers registers;
	uintptr_t frames[OVERFLOW_FRAMES];
	struct text text;
	size_t count;

	if (!green__walk_ready() || green__walk_busy() || !registers_of_ucontext(context, &registers))
		return;
	green__text_to(&text, STDERR_FILENO);
	count = green__walk(&registers, 0, frames, OVERFLOW_FRAMES);
	green__text_frames(&text, frames, count, 4);
	if (count == OVERFLOW_FRAMES)
		green__text_say(&text, "    and so on\n");
	green__text_flush(&text);
}

/* --- the calls --- */

static int backtrace_error(const struct greenlet *greenlet, void *const *frames)
{
	if (!greenlet || !frames)
		return EINVAL;
	if (!green__current || greenlet->flow != green__current->flow)
		return greenlet->state == GREENLET_LOST ? ESRCH : EPERM;
	if (!green__walk_possible())
		return ENOSYS;
	return greenlet->away ? EBUSY : 0;
}

ssize_t green_backtrace(const struct greenlet *greenlet, void **frames, size_t count)
{
	int error = backtrace_error(greenlet, frames);

	if (error) {
		errno = error;
		return -1;
	}
	if (greenlet == green__current)
		return (ssize_t)walk_here((uintptr_t *)(void *)frames, count, __builtin_return_address(0));
	return (ssize_t)green__backtrace(greenlet, (uintptr_t *)(void *)frames, count);
}

/* --- names --- */

char *green_frame_name(const void *frame, char *text, size_t size)
{
	struct place place;

	/* The first frame of a suspended greenlet is a return address as the others are. */
	green__place_find(&place, (uintptr_t)frame, true);
	green__place_text(&place, (uintptr_t)frame, text, size);
	return text;
}

void green__text_frames(struct text *text, const uintptr_t *frames, size_t count, int indent)
{
	char name[256];

	for (size_t i = 0; i < count; i++)
		green__text_say(text, "%*s%s\n", indent, "", green_frame_name((void *)frames[i], name, sizeof(name)));
}

/* --- memory of stacks --- */

/* On the heap, of those greenlets only of which something was remembered. */
struct record {
	size_t spawn_count, error_count;
	uintptr_t spawn[REMEMBERED], error[REMEMBERED];
};

static struct record *record_of(struct greenlet *greenlet)
{
	int saved_errno = errno;

	if (!greenlet->record)
		greenlet->record = green__fault_injected() ? NULL : calloc(1, sizeof(*greenlet->record));
	errno = saved_errno;
	return greenlet->record;
}

static GREEN_NOINLINE void remember(struct greenlet *greenlet, int what)
{
	struct record *record = record_of(greenlet);

	if (!record)
		return;
	if (what == GREEN_RECORD_SPAWN)
		record->spawn_count = walk_here(record->spawn, REMEMBERED, __builtin_return_address(0));
	else
		record->error_count = walk_here(record->error, REMEMBERED, __builtin_return_address(0));
}

int green_record(int what)
{
	if (what & ~(GREEN_RECORD_SPAWN | GREEN_RECORD_ERROR)) {
		errno = EINVAL;
		return -1;
	}
	if (what && !green__walk_possible()) {
		errno = ENOSYS;
		return -1;
	}
	green__recorder = remember;
	__atomic_store_n(&green__recording, what, __ATOMIC_RELEASE);
	return 0;
}

ssize_t green_recorded(const struct greenlet *greenlet, enum green_record what, void **frames, size_t count)
{
	const struct record *record = greenlet ? greenlet->record : NULL;
	size_t known;

	if (!greenlet || (what != GREEN_RECORD_SPAWN && what != GREEN_RECORD_ERROR)) {
		errno = EINVAL;
		return -1;
	}
	if (!record)
		return 0;
	known = what == GREEN_RECORD_SPAWN ? record->spawn_count : record->error_count;
	if (count > known)
		count = known;
	if (count)
		memcpy(frames, what == GREEN_RECORD_SPAWN ? record->spawn : record->error, count * sizeof(*frames));
	return (ssize_t)count;
}
