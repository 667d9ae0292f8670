/* SPDX-License-Identifier: MIT */
/*
 * owners.h - descriptors that tell one thread, by a signal, that they are ready: F_SETOWN_EX with F_OWNER_TID
 *
 * The kernel does not know the ids of green threads, so it tells the carrier; the
 * signal's si_fd says whose it is.
 */
#ifndef GREEN_PRELOAD_OWNERS_H
#define GREEN_PRELOAD_OWNERS_H

#include "thread.h"

/* owners_call - fcntl(FD, COMMAND, ARGUMENT), if that is about a green thread as owner: true, with *RESULT */
bool owners_call(int fd, int command, long argument, long *result);

/* owners_closing - FD is about to be closed */
void owners_closing(int fd);

/* owners_thread - the thread that INFO, which came from the kernel, is for; KNOWN false if it is no owned descriptor's */
struct thread *owners_thread(const siginfo_t *info, bool *known);

/* owners_disguise - what a handler sees of INFO, for a program that has not asked for si_fd by F_SETSIG */
void owners_disguise(siginfo_t *info);

/* owners_thread_ends - nobody is told any more of what THREAD owned */
void owners_thread_ends(const struct thread *thread);

void owners_after_fork(void);

#endif
