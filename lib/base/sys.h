/* SPDX-License-Identifier: MIT */
/*
 * sys.h - the real system calls, which no preloaded library can catch
 *
 * The runtime must never call the libc functions that its own shim replaces, or
 * a read inside the hub would come back to the hub.  These return what the
 * kernel returns: a result, or -errno.  errno itself is never touched, because
 * scheduler code runs with any greenlet's thread-local storage installed.
 */
#ifndef GREEN_BASE_SYS_H
#define GREEN_BASE_SYS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

/* Signals 32 and 33, which libc keeps for itself, must reach every kernel thread: a change of user ids waits for the answer. */
#define LIBC_SIGNALS (UINT64_C(3) << 31)

#if defined(__x86_64__)
static inline long sys_call6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static inline long sys_call6(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#else
#include <unistd.h>

/* By libc, which no shim replaces on these CPUs; what it does to errno is undone. */
static inline long sys_call6(long number, long a, long b, long c, long d, long e, long f)
{
	int saved_errno = errno;
	long result = syscall(number, a, b, c, d, e, f);

	if (result == -1) {
		result = -errno;
		errno = saved_errno;
	}
	return result;
}
#endif

#define sys_pick7(number, a, b, c, d, e, f, ...) \
	sys_call6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* sys_call(SYS_x, up to six arguments) - the kernel's own answer: a result, or -errno */
#define sys_call(...) sys_pick7(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

/*
 * sys_look - as sys_call, for a poll, select or wait that only looks
 *
 * A signal that is pending ends even those with EINTR; having looked is all that
 * was wanted, so they look again.
 */
#define sys_look(...) \
	__extension__({ \
		long look_result; \
		do { \
			look_result = sys_call(__VA_ARGS__); \
		} while (look_result == -EINTR); \
		look_result; \
	})

static inline bool sys_failed(long result)
{
	return (unsigned long)result >= (unsigned long)-4095;
}

/* sys_lacks - true if the kernel had no memory for what was asked: it may have some a moment later */
static inline bool sys_lacks(long result)
{
	return result == -ENOMEM || result == -ENOSPC || result == -ENOBUFS;
}

/* sys_result - the libc convention: RESULT, or -1 with errno; for the outermost floor only */
static inline long sys_result(long result)
{
	if (sys_failed(result)) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

#endif
