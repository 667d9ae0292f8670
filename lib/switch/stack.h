/* SPDX-License-Identifier: MIT */
/*
 * stack.h - memory for stacks: slabs, guards, recycling
 *
 * One mapping holds many stacks, each with a guard page at its low end.  What
 * the owner needs to know of a stack lies at its top, on the page that the first
 * frame touches anyway.  Stacks of one size are recycled, last in, first out;
 * a few of each size and about 16 MiB of the others keep their pages meanwhile.
 * Slabs are never unmapped.  All calls are safe from any kernel thread.
 */
#ifndef GREEN_SWITCH_STACK_H
#define GREEN_SWITCH_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)

struct stack_class;

/* Lies at the top of the stack that it describes. */
struct stack {
	char *low;                 /* lowest byte that may be used */
	size_t size;               /* bytes from LOW to the end of this struct */
	uint32_t guard;            /* bytes below LOW that fault, 0 for memory given by the user */
	uint32_t kept;             /* while nobody has it: bytes that it may have kept beyond what each class may */
	struct stack_class *class; /* who recycles it, NULL for memory given by the user */
	struct stack *next_free;   /* on CLASS's list while nobody has it */
	uint64_t magic;            /* STACK_LIVE or STACK_FREE: finds a double release */
};

enum {
	STACK_SIZE_MIN = 16 * 1024, /* what the calls below accept at least */
	STACK_SIZE_DEFAULT = 248 * 1024, /* with its guard a slot of 256 KB, of which eight share a page of page table */
};

/*
 * green__stack_take - a stack with at least SIZE usable bytes below the returned struct
 *
 * Returns: the stack; NULL with errno ENOMEM (no address space) or EAGAIN (no
 * more guards: mprotect guards end near the limit of mappings).
 */
struct stack *green__stack_take(size_t size);

/* Stacks of one size that one kernel thread has at hand, so that no lock is needed.  Ready when it is zero. */
struct stack_cache {
	size_t size;               /* that was asked for last */
	struct stack_class *class; /* that such stacks are of, NULL before the first */
	struct stack *free;
	unsigned count;
};

/* green__stack_take_near, green__stack_release_near - by way of CACHE, of which only its kernel thread knows; critical */
struct stack *green__stack_take_near(struct stack_cache *cache, size_t size);
void green__stack_release_near(struct stack_cache *cache, struct stack *stack);

/* green__stack_cache_flush - everybody may have the stacks in CACHE */
void green__stack_cache_flush(struct stack_cache *cache);

/* green__stack_wrap - describe MEMORY of SIZE bytes, which stays the caller's, as a stack without guard */
struct stack *green__stack_wrap(void *memory, size_t size);

/* green__stack_release - give STACK back; nobody may be running on it */
void green__stack_release(struct stack *stack);

/* green__stack_is_guard - true if ADDRESS lies in the guard of a stack of ours; safe in a signal handler */
bool green__stack_is_guard(uintptr_t address);

/* green__stack_at - the stack that ADDRESS lies in, if it is one of those mapped here; from any thread or signal handler */
struct stack *green__stack_at(uintptr_t address);

/* green__stack_after_fork - in a forked child, where no other kernel thread can hold the lock any more */
void green__stack_after_fork(void);

/* green__stack_has_guard_markers - true where guards cost no mapping of their own (Linux 6.13) */
bool green__stack_has_guard_markers(void);

#pragma GCC visibility pop

#endif
