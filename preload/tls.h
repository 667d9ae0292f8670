/* SPDX-License-Identifier: MIT */
/*
 * tls.h - a block of thread-local storage, as glibc makes it, for each green pthread
 *
 * Such a block is what the thread pointer points to: errno, __thread variables,
 * the locale and what glibc keeps of a thread all lie in it.  Blocks are recycled,
 * never freed, because only the end of a real thread frees all that hangs on one.
 */
#ifndef GREEN_PRELOAD_TLS_H
#define GREEN_PRELOAD_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* tls_check - find out how this glibc lays out a block, and try one; NULL, or why it cannot be done */
const char *tls_check(void);

/* tls_take - a block for a thread with id TID and the stack of SIZE bytes at LOW; 0 if there is no memory */
uintptr_t tls_take(pid_t tid, void *low, size_t size);

/* tls_start - first thing on a new thread, with its block installed: libc's and every module's data as at a thread's start */
void tls_start(void);

/* tls_put - the thread of BLOCK has ended and been joined */
void tls_put(uintptr_t block);

extern size_t tls_tid_offset __attribute__((visibility("hidden")));

/* tls_tid - where BLOCK keeps its thread's id, which locks record as their owner */
static inline int *tls_tid(uintptr_t block)
{
	return (int *)(block + tls_tid_offset);
}

/* tls_robust_list - the head of BLOCK's list of robust locks that its thread holds */
void **tls_robust_list(uintptr_t block);

/* tls_cancel_deferred - set or clear libc's note that BLOCK's thread is cancelled only at cancellation points */
void tls_cancel_deferred(uintptr_t block, bool deferred);

/* tls_cancel_anywhere - what libc's note says; cleanup handlers change it too, inside libc */
bool tls_cancel_anywhere(uintptr_t block);

/* tls_cancel_unfinished - true if libc has begun to cancel BLOCK's thread and leaves the rest to a signal */
bool tls_cancel_unfinished(uintptr_t block);

/* tls_in_loader - true while BLOCK's thread has ld.so look a symbol up, which dlclose in any thread would wait for */
bool tls_in_loader(uintptr_t block);

/* tls_destructors - run C++'s thread_local destructors of the calling thread */
void tls_destructors(void);

/* tls_after_fork - in the child libc has forgotten all blocks but the caller's */
void tls_after_fork(void);

#endif
