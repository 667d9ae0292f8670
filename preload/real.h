/* SPDX-License-Identifier: MIT */
/* real.h - the typed table of the real calls behind the replaced ones */
#ifndef GREEN_PRELOAD_REAL_H
#define GREEN_PRELOAD_REAL_H

#include <aio.h>
#include <aliases.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fmtmsg.h>
#include <grp.h>
#include <gshadow.h>
#include <link.h>
#include <mqueue.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <shadow.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <termios.h>
#include <threads.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <utmp.h>
#include <utmpx.h>
#include <wchar.h>
#include <wordexp.h>

#include "base/compiler.h"

struct __res_state;
extern int res_query(const char *name, int class, int type, unsigned char *answer, int size);
extern int res_search(const char *name, int class, int type, unsigned char *answer, int size);
extern int res_nquery(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int size);
extern int res_nsearch(struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int size);
extern int res_querydomain(const char *name, const char *domain, int class, int type, unsigned char *answer, int size);
extern int res_nquerydomain(struct __res_state *state, const char *name, const char *domain, int class, int type,
			    unsigned char *answer, int size);
extern int res_send(const unsigned char *question, int length, unsigned char *answer, int size);
extern int res_nsend(struct __res_state *state, const unsigned char *question, int length, unsigned char *answer, int size);
extern char *gets(char *line);
extern char *__gets_chk(char *line, size_t room);
extern int __uflow(FILE *file);
extern int __underflow(FILE *file);
extern int __overflow(FILE *file, int byte);
extern int __isoc99_vfscanf(FILE *file, const char *format, va_list arguments);
extern int __isoc99_vfwscanf(FILE *file, const wchar_t *format, va_list arguments);
extern int __vfwprintf_chk(FILE *file, int flag, const wchar_t *format, va_list arguments);
extern int __vfprintf_chk(FILE *file, int flag, const char *format, va_list arguments);
extern int __vdprintf_chk(int fd, int flag, const char *format, va_list arguments);
extern void __longjmp_chk(struct __jmp_buf_tag *buffer, int value) __attribute__((noreturn));
extern void __vsyslog_chk(int priority, int flag, const char *format, va_list arguments);

/* Types come from libc's own declarations, so a signature cannot be typed wrongly. */
struct real {
#define REAL(name) __typeof__(name) *name;
#include "real.def"
#undef REAL
};

extern struct real green__real_table __attribute__((visibility("hidden")));

/* real_resolve - fill the table; safe at any time, also before any constructor has run */
void real_resolve(void);

/* real_replacement - what stands for libc's function at ADDRESS under the shim: ours, or ADDRESS itself */
void *real_replacement(void *address);

/* real(name)(...) - call libc's NAME */
#define real(name) (likely(green__real_table.name != NULL) ? green__real_table.name : (real_resolve(), green__real_table.name))

#endif
