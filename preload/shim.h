/* SPDX-License-Identifier: MIT */
/*
 * shim.h - what all rooms of the shim share: the process's state and the question "am I green?"
 *
 * Until the first pthread_create the process has no hub, and every wrapper makes
 * the plain call.  Then its first thread becomes the main greenlet of a hub, and
 * what pthread_create returns are tasks with thread-local storage of their own.
 * Threads that the shim did not make are foreign: they always get the plain call.
 */
#ifndef GREEN_PRELOAD_SHIM_H
#define GREEN_PRELOAD_SHIM_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/sys.h"
#include "hub/hub.h"
#include "real.h"

/* A replaced function: its own name, or an alias of it. */
#define WRAPPER __attribute__((visibility("default")))

/* Another name for TARGET, with all that its declaration promises. */
#ifdef __clang__
#define ALIAS(name, target) WRAPPER extern __typeof__(target) name __attribute__((alias(#target)))
#else
#define ALIAS(name, target) WRAPPER extern __typeof__(target) name __attribute__((alias(#target), copy(target)))
#endif

/* What pthread_cleanup_push is made of; <pthread.h> hides it from code compiled with -fexceptions. */
extern void __pthread_register_cancel(__pthread_unwind_buf_t *buffer);
extern void __pthread_unregister_cancel(__pthread_unwind_buf_t *buffer);
extern void __pthread_unwind_next(__pthread_unwind_buf_t *buffer) __attribute__((noreturn));

/* As long as the kernel's own clock allows at no cost (preempt.c). */
#define TIMESLICE_DEFAULT INT64_C(-1)

struct shim {
	struct hub *hub;         /* NULL until the first pthread_create */
	bool stood_down;         /* threads are real ones, because the self-check failed or there was no hub to be had */
	bool lacks_hub;          /* the last attempt to make one failed */
	bool verbose;
	bool foreign;            /* a foreign thread has used a lock: it may also use one inside libc, unseen */
	union {
		struct {
			uint8_t in_vfork_child; /* the parent's memory is a child's for the moment: touch nothing */
			uint8_t pinned;         /* a handler has interrupted libc, which must not be left to others */
		};
		uint16_t plain;         /* not 0: every call is the plain one */
	};
	size_t stack_size;       /* GREEN_STACK, 0 if not given */
	int64_t timeslice;       /* GREEN_TIMESLICE: 0 is off; TIMESLICE_DEFAULT if not given */
	uintptr_t alt_low;       /* the carrier's signal stack; a handler on it must not park */
	size_t alt_size;
	uintptr_t native_tp;     /* the TLS block of the process's first thread, or in a child of the one that forked */
	struct stats *stats;     /* the file of GREEN_STATS, or memory of our own */
};

extern struct shim shim __attribute__((visibility("hidden")));

/*
 * shim_hub - the hub on which the caller may park, NULL if it must make the plain call
 *
 * NULL for a foreign thread, before the hub is born, in a vfork child, on the
 * signal stack, in a handler that interrupted libc, and while nobody else is there
 * to run meanwhile.
 */
static inline struct hub *shim_hub(void)
{
	struct greenlet *self = green__current;

	if (likely(!self) || unlikely(shim.plain))
		return NULL;
	if (self->flow->living <= 2 || (uintptr_t)__builtin_frame_address(0) - shim.alt_low < shim.alt_size)
		return NULL;
	return self->flow->hub;
}

/* shim_greenlet - true if the caller runs on the carrier, whether or not it may park now */
static inline bool shim_greenlet(void)
{
	return shim.hub && green__current && green__current->flow == shim.hub->flow && !shim.in_vfork_child;
}

/* shim_stats_after_fork - in the child: counters of its own */
void shim_stats_after_fork(void);

/* shim_birth - make the hub, with the calling first thread as its main greenlet; false if it cannot be */
bool shim_birth(void);

/* shim_made_real_thread - where no hub could be made libc could make a thread: from now on all are real ones */
void shim_made_real_thread(void);

/* shim_loads - the program loads library NAME: with some of them all threads must be real ones, if it is not too late */
void shim_loads(const char *name);

/* shim_say - one line on stderr, "green: ..." */
void shim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * shim_interrupted - a wait ended with -EINTR: run the handlers of the signals that came
 *
 * RESTARTABLE: SA_RESTART restarts the call.  CANCEL: the call is a cancellation point.
 * Returns: true if the call is to go on.
 */
bool shim_interrupted(bool restartable, bool cancel);

/* shim_call_begins - a call that handlers may end begins now: those that have run before do not count */
void shim_call_begins(void);

/* shim_cancellation_point - shim_call_begins, and pthread_testcancel, if somebody has asked for it */
void shim_cancellation_point(void);

#endif
