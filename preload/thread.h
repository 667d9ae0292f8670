/* SPDX-License-Identifier: MIT */
/* thread.h - what the shim knows of one green pthread, the main one included */
#ifndef GREEN_PRELOAD_THREAD_H
#define GREEN_PRELOAD_THREAD_H

#include "parking.h"
#include "pending.h"
#include "scheduling.h"
#include "shim.h"

/*
 * Lies in the thread's own TLS block, so a pthread_t leads to it without any table.
 * On a foreign thread's block it is all zero.  What every call looks at comes first:
 * green__current lies just before, so that they mostly share a cache line.
 */
struct thread {
	struct greenlet *greenlet; /* NULL: foreign, or it has ended */
	uintptr_t block;           /* its TLS block, which is its pthread_t; 0: no green pthread */
	pid_t tid;                 /* synthetic and unique; the main thread's is the process's */
	int ended;                 /* futex word: 1 once it is off its stack; joiners wait for it */
	bool detached;
	bool foreign_joiner;       /* a foreign thread sleeps on ENDED */
	bool initial;              /* it runs on the stack that the process came with */
	bool recycled;             /* tls.c: the block has served another thread before */
	bool unlinked;             /* tls.c: libc has forgotten the block at a fork */
	bool cancel_requested;
	bool handled;              /* a handler has run since its last call began; HANDLED_RESTART: with SA_RESTART */
	bool handled_restart;
	unsigned joiners;          /* how many wait for its end */
	unsigned files_held;       /* FILE locks taken by flockfile: libc would block the carrier on one of them */
	uintptr_t shelter;         /* preempt.c: below it on the stack no tick switches away; 0: none */
	void *(*routine)(void *);
	void *argument;
	void *result;
	void *stack_low;           /* as pthread_getattr_np shows it */
	size_t stack_size, guard_size;
	uint64_t mask;             /* soft signal mask, bit N-1 for signal N */
	uint64_t mask_before;      /* the mask of before the present call, if MASK_LENT */
	uint64_t waiting;          /* signals that it waits for in sigwait and the like; else 0 */
	struct pending pending;    /* signals that are this thread's to take */
	bool mask_lent;            /* MASK is only for the length of one call */
	bool signals_on;           /* handlers may run on it */
	bool signals_over;         /* it is ending */
	pid_t helper;              /* migrate.c: the kernel thread that carries it for one call, else 0 */
	struct migration *migration;
	stack_t alternate;         /* what it has told sigaltstack */
	bool named;                /* hook_name.c: NAME holds its name; else it is what the initial thread is called */
	char name[16];             /* of the initial thread the kernel keeps it */
	int64_t cpu_used;          /* hook_clock.c: up to its last switch away, once anybody has asked */
	struct scheduling scheduling;
	struct parked aside;       /* hook_sync.c: its place in a wait while handlers run, if ASIDE_FRAME */
	uintptr_t aside_frame;     /* the frame that takes it back */
	struct list link;          /* threads.all while alive */
	struct thread *next_free;  /* tls.c */
};

struct threads {
	struct list all;
	struct thread *main;
	unsigned alive;
	pid_t last_tid;
};

extern struct threads threads __attribute__((visibility("hidden")));
extern __thread struct thread green__thread GREEN_INITIAL_EXEC __attribute__((visibility("hidden")));

/* thread_tid_next - an id for one more thread, above all that the kernel gives out */
pid_t thread_tid_next(void);

/* thread_self - the descriptor on the caller's TLS block, green or not */
static inline struct thread *thread_self(void)
{
	return &green__thread;
}

/* thread_is_green - true of a green pthread that is not away on a helper */
static inline bool thread_is_green(void)
{
	return shim_greenlet() && thread_self()->block;
}

/* thread_of_block - the descriptor on another block */
struct thread *thread_of_block(uintptr_t block);

/* thread_of - the green pthread that ID names, NULL if it names none */
static inline struct thread *thread_of(pthread_t id)
{
	struct thread *thread = thread_of_block((uintptr_t)id);

	return thread->block == (uintptr_t)id ? thread : NULL;
}

/* thread_with_id - the living green pthread with id TID, NULL if there is none */
struct thread *thread_with_id(pid_t tid);

enum { THREAD_KEPT = 3 };

/* thread_kept_addresses - one address in each module whose data survives recycling */
void thread_kept_addresses(uintptr_t kept[THREAD_KEPT]);

/* threads_birth - make the calling first thread the first green one */
void threads_birth(void);

/* threads_after_fork - in the child only the caller is left */
void threads_after_fork(void);

/* thread_main_exited - the main thread has called pthread_exit: its clean-up is done; never returns */
void thread_main_exited(void) __attribute__((noreturn));

/* name_begin - THREAD, which the caller creates, begins with the caller's name */
void name_begin(struct thread *thread);

/* name_after_fork - in the child the kernel thread takes the name of SELF */
void name_after_fork(struct thread *self);

/* clocks_after_fork - in the child SELF's CPU time begins anew */
void clocks_after_fork(struct thread *self);

/* cond_give_up - at the end of the calling thread: a handler may have jumped out of a wait */
void cond_give_up(void);

/* keys_run_destructors - at the end of the calling thread */
void keys_run_destructors(void);

#endif
