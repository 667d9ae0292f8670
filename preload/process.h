/* SPDX-License-Identifier: MIT */
/* process.h - fork and its kin */
#ifndef GREEN_PRELOAD_PROCESS_H
#define GREEN_PRELOAD_PROCESS_H

/* process_watch_forks - at start, before anybody else: libc tells of every fork, also of those inside itself */
void process_watch_forks(void);

/* process_fork_raw - a fork that the program makes by the system call NUMBER itself; 0, the child's pid, or -errno */
long process_fork_raw(long number, const long a[6]);

/* hook_sync.c: a pthread_once that the fork cut off is begun again */
void once_after_fork(void);

#endif
