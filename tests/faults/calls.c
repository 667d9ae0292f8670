/* SPDX-License-Identifier: MIT */
/* calls.c - the system calls that can be made to fail, and where their arguments are */
#include "calls.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#define PLAIN(name, at) { #name, SYS_##name, 0, COUNT_PLAIN, at, NO_ARGUMENT, 0 }
#define VECTOR(name) { #name, SYS_##name, 0, COUNT_VECTOR, 2, NO_ARGUMENT, 0 }
#define MESSAGE(name) { #name, SYS_##name, 0, COUNT_MESSAGE, 1, NO_ARGUMENT, 0 }
#define ON_DESCRIPTOR(name) { #name, SYS_##name, 0, COUNT_NONE, NO_ARGUMENT, NO_ARGUMENT, 0 }
#define ALONE(name) { #name, SYS_##name, NO_ARGUMENT, COUNT_NONE, NO_ARGUMENT, NO_ARGUMENT, 0 }
#define CONTROL(name, command) { name, SYS_fcntl, 0, COUNT_NONE, NO_ARGUMENT, 1, command }

#define WAITS(operation) { "futex_wait", SYS_futex, NO_ARGUMENT, COUNT_NONE, NO_ARGUMENT, 1, operation }

const struct call calls[] = {
	PLAIN(read, 2), PLAIN(write, 2), PLAIN(pread64, 2), PLAIN(pwrite64, 2), PLAIN(recvfrom, 2), PLAIN(sendto, 2),
	PLAIN(recvmmsg, 2), PLAIN(sendmmsg, 2), PLAIN(sendfile, 3), PLAIN(splice, 4),
	VECTOR(readv), VECTOR(writev), VECTOR(preadv), VECTOR(pwritev), VECTOR(preadv2), VECTOR(pwritev2),
	MESSAGE(recvmsg), MESSAGE(sendmsg),
	ON_DESCRIPTOR(accept), ON_DESCRIPTOR(accept4), ON_DESCRIPTOR(connect), ON_DESCRIPTOR(close), ON_DESCRIPTOR(dup),
	ON_DESCRIPTOR(dup3), ON_DESCRIPTOR(epoll_wait), ON_DESCRIPTOR(epoll_pwait), ON_DESCRIPTOR(epoll_pwait2),
	ON_DESCRIPTOR(epoll_ctl), ON_DESCRIPTOR(flock), ON_DESCRIPTOR(getsockopt), ON_DESCRIPTOR(setsockopt),
	ON_DESCRIPTOR(fstat), ON_DESCRIPTOR(fsync), ON_DESCRIPTOR(ioctl),
	CONTROL("fcntl_dup", F_DUPFD), CONTROL("fcntl_dup", F_DUPFD_CLOEXEC), CONTROL("fcntl_lock", F_SETLKW),
	CONTROL("fcntl_lock", F_OFD_SETLKW), CONTROL("fcntl_flags", F_GETFL), CONTROL("fcntl_flags", F_SETFL),
	ALONE(socket), ALONE(socketpair), ALONE(pipe2), ALONE(eventfd2), ALONE(epoll_create1), ALONE(timerfd_create),
	ALONE(openat), ALONE(pidfd_open), ALONE(perf_event_open), ALONE(poll), ALONE(ppoll), ALONE(select),
	ALONE(pselect6),
	WAITS(FUTEX_WAIT_PRIVATE), WAITS(FUTEX_WAIT), WAITS(FUTEX_WAIT_BITSET_PRIVATE),
	WAITS(FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME), WAITS(FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME),
	ALONE(mmap), ALONE(munmap), ALONE(mremap), ALONE(mprotect), ALONE(madvise), ALONE(brk), ALONE(clone),
	ALONE(clone3), ALONE(fork), ALONE(vfork), ALONE(wait4), ALONE(waitid), ALONE(timer_create),
	ALONE(timer_settime),
	ALONE(nanosleep), ALONE(clock_nanosleep), ALONE(rt_sigtimedwait), ALONE(rt_sigsuspend), ALONE(pause),
	ALONE(arch_prctl), ALONE(sigaltstack), ALONE(semtimedop), ALONE(msgrcv), ALONE(mq_timedreceive),
	{ NULL, 0, 0, COUNT_NONE, 0, 0, 0 },
};

const struct call *call_find(long number, const unsigned long *arguments)
{
	for (const struct call *call = calls; call->name; call++) {
		if (call->number != number)
			continue;
		if (call->picky == NO_ARGUMENT || (long)arguments[call->picky] == call->value)
			return call;
	}
	return NULL;
}

bool call_listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		if (!strncmp(at, name, length) && (at[length] == ',' || !at[length]))
			return true;
	}
	return false;
}
