/* SPDX-License-Identifier: MIT */
/* real.h - the typed table of the real calls behind the replaced ones */
#ifndef GREEN_PRELOAD_REAL_H
#define GREEN_PRELOAD_REAL_H

#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"

extern int __uflow(FILE *file);
extern int __underflow(FILE *file);

/* Types come from libc's own declarations, so a signature cannot be typed wrongly. */
struct real {
#define REAL(name) __typeof__(name) *name;
#include "real.def"
#undef REAL
};

extern struct real green__real_table __attribute__((visibility("hidden")));

/* real_resolve - fill the table; safe at any time, also before any constructor has run */
void real_resolve(void);

/* real(name)(...) - call libc's NAME */
#define real(name) (likely(green__real_table.name != NULL) ? green__real_table.name : (real_resolve(), green__real_table.name))

#endif
