/* SPDX-License-Identifier: MIT */
/*
 * detour.c - libc's own calls come to the shim as well
 *
 * What was overwritten cannot be called any more; so for each function there is one
 * here that makes its system call as libc did, and stands for it in the table of
 * real calls.  Only functions that are one system call each are replaced.
 */
#include "detour.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/single_threaded.h>

#include "parking.h"
#include "thread.h"

bool detoured;

/* --- what libc's functions did --- */

/* A cancellation point, as libc makes one. */
static long cancellable(long number, const long a[6])
{
	long result;
	int type;

	if (__libc_single_threaded)
		return sys_result(sys_call(number, a[0], a[1], a[2], a[3], a[4], a[5]));
	real(pthread_setcanceltype)(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	result = sys_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	real(pthread_setcanceltype)(type, NULL);
	return sys_result(result);
}

#define CANCELLABLE(...) cancellable_call(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define cancellable_call(number, a, b, c, d, e, f, ...) \
	cancellable(number, (const long[6]) { (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f) })

static ssize_t plain_read(int fd, void *buffer, size_t size)
{
	return CANCELLABLE(SYS_read, fd, buffer, size);
}

static ssize_t plain_write(int fd, const void *buffer, size_t size)
{
	return CANCELLABLE(SYS_write, fd, buffer, size);
}

static ssize_t plain_readv(int fd, const struct iovec *vector, int count)
{
	return CANCELLABLE(SYS_readv, fd, vector, count);
}

static ssize_t plain_writev(int fd, const struct iovec *vector, int count)
{
	return CANCELLABLE(SYS_writev, fd, vector, count);
}

static ssize_t plain_recv(int fd, void *buffer, size_t size, int flags)
{
	return CANCELLABLE(SYS_recvfrom, fd, buffer, size, flags);
}

static ssize_t plain_recvfrom(int fd, void *buffer, size_t size, int flags, __SOCKADDR_ARG from, socklen_t *length)
{
	return CANCELLABLE(SYS_recvfrom, fd, buffer, size, flags, from.__sockaddr__, length);
}

static ssize_t plain_recvmsg(int fd, struct msghdr *message, int flags)
{
	return CANCELLABLE(SYS_recvmsg, fd, message, flags);
}

static ssize_t plain_send(int fd, const void *buffer, size_t size, int flags)
{
	return CANCELLABLE(SYS_sendto, fd, buffer, size, flags);
}

static ssize_t plain_sendto(int fd, const void *buffer, size_t size, int flags, __CONST_SOCKADDR_ARG to,
			    socklen_t length)
{
	return CANCELLABLE(SYS_sendto, fd, buffer, size, flags, to.__sockaddr__, length);
}

static ssize_t plain_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return CANCELLABLE(SYS_sendmsg, fd, message, flags);
}

static int plain_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	return (int)CANCELLABLE(SYS_sendmmsg, fd, messages, count, flags);
}

static int plain_connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t length)
{
	return (int)CANCELLABLE(SYS_connect, fd, to.__sockaddr__, length);
}

static int plain_accept4(int fd, __SOCKADDR_ARG from, socklen_t *length, int flags)
{
	return (int)CANCELLABLE(SYS_accept4, fd, from.__sockaddr__, length, flags);
}

static int plain_close(int fd)
{
	return (int)CANCELLABLE(SYS_close, fd);
}

static pid_t plain_wait4(pid_t process, int *status, int options, struct rusage *usage)
{
	return (pid_t)CANCELLABLE(SYS_wait4, process, status, options, usage);
}

static int plain_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	return (int)CANCELLABLE(SYS_waitid, type, id, info, options);
}

/* The kernel writes what is left of the time, which poll's callers do not expect. */
static int plain_ppoll(struct pollfd *polled, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	struct timespec left = timeout ? *timeout : (struct timespec) { 0 };

	return (int)CANCELLABLE(SYS_ppoll, polled, count, timeout ? &left : NULL, mask, sizeof(uint64_t));
}

static int plain_poll(struct pollfd *polled, nfds_t count, int timeout)
{
	struct timespec left = { timeout / 1000, timeout % 1000 * NS_PER_MS };

	return (int)CANCELLABLE(SYS_ppoll, polled, count, timeout < 0 ? NULL : &left, NULL, sizeof(uint64_t));
}

static int plain_epoll_pwait(int epoll, struct epoll_event *events, int most, int timeout, const sigset_t *mask)
{
	return (int)CANCELLABLE(SYS_epoll_pwait, epoll, events, most, timeout, mask, sizeof(uint64_t));
}

static int plain_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
	return plain_epoll_pwait(epoll, events, most, timeout, NULL);
}

/* --- what libc has only for itself --- */

/* The value of CALL, which is no cancellation point here. */
#define QUIETLY(call) \
	__extension__({ \
		int state; \
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); \
		__auto_type result = call; \
		pthread_setcancelstate(state, NULL); \
		result; \
	})

static ssize_t read_quietly(int fd, void *buffer, size_t size)
{
	return QUIETLY(read(fd, buffer, size));
}

static ssize_t write_quietly(int fd, const void *buffer, size_t size)
{
	return QUIETLY(write(fd, buffer, size));
}

static int close_quietly(int fd)
{
	return QUIETLY(close(fd));
}

/* libc's locks guard memory, too, which the hub and unfinished changes need: those wait in the kernel for a moment. */
static bool may_park(void)
{
	return shim_hub() && thread_self()->greenlet == green__current && !green__current->flow->critical;
}

static void wait_while_locked(int *lock)
{
	struct parked parked;
	int result = 0;

	if (!may_park()) {
		sys_call(SYS_futex, lock, FUTEX_WAIT_PRIVATE, 2, NULL);
		return;
	}
	parking_enter(&parked, lock, WAIT_INTERRUPTIBLE);
	if (__atomic_load_n(lock, __ATOMIC_SEQ_CST) == 2)
		result = parking_wait(&parked, CLOCK_NEVER);
	parking_leave(&parked);
	if (result == -EINTR)
		shim_interrupted(true, false);
}

/* A word is 0 free, 1 locked, 2 locked and somebody may wait. */
static void lock_slowly(int *lock)
{
	int error = errno;

	while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE) != 0)
		wait_while_locked(lock);
	errno = error;
}

static void wake_one(int *lock)
{
	if (!shim.hub || !parking_wake(lock, 1, PARKING_ALL))
		sys_call(SYS_futex, lock, FUTEX_WAKE_PRIVATE, 1);
}

/* --- the changes --- */

#ifdef __x86_64__

enum { JUMP_SIZE = 13 };

/* movabs $TO, %r11; jmp *%r11 */
static void make_jump(unsigned char jump[JUMP_SIZE], const void *to)
{
	memcpy(jump, "\x49\xbb", 2);
	memcpy(jump + 2, &to, sizeof(to));
	memcpy(jump + 10, "\x41\xff\xe3", 3);
}

struct detour {
	const char *name, *version;
	const void *ours;
	void **entry; /* in the table of real calls */
	const void *plain;
	unsigned char *code;
};

#define PUBLIC(name) \
	{ #name, NULL, (const void *)(name), (void **)(void *)&green__real_table.name, (const void *)(plain_##name), NULL }
#define PRIVATE(name, ours) { #name, "GLIBC_PRIVATE", (const void *)(ours), NULL, NULL, NULL }

static struct detour detours[] = {
	PUBLIC(read),
	PUBLIC(write),
	PUBLIC(readv),
	PUBLIC(writev),
	PUBLIC(recv),
	PUBLIC(recvfrom),
	PUBLIC(recvmsg),
	PUBLIC(send),
	PUBLIC(sendto),
	PUBLIC(sendmsg),
	PUBLIC(sendmmsg),
	PUBLIC(connect),
	PUBLIC(accept4),
	PUBLIC(poll),
	PUBLIC(ppoll),
	PUBLIC(epoll_wait),
	PUBLIC(epoll_pwait),
	PUBLIC(close),
	PUBLIC(wait4),
	PUBLIC(waitid),
	PRIVATE(__read_nocancel, read_quietly),
	PRIVATE(__write_nocancel, write_quietly),
	PRIVATE(__close_nocancel, close_quietly),
	PRIVATE(__lll_lock_wait_private, lock_slowly),
	PRIVATE(__lll_lock_wake_private, wake_one),
};

static bool is_libcs(const char *path)
{
	const char *name = strrchr(path, '/');

	return !strncmp(name ? name + 1 : path, "libc.so.", 8);
}

/* Where libc has the function, if it is long enough and nobody else stands before it; else NULL, with the reason. */
static unsigned char *code_of(const struct detour *detour, const char **problem)
{
	void *found = detour->version ? dlvsym(RTLD_NEXT, detour->name, detour->version) : *detour->entry;
	const ElfW(Sym) *symbol = NULL;
	Dl_info info;

	*problem = NULL;
	if (!found || !dladdr1(found, &info, (void **)(void *)&symbol, RTLD_DL_SYMENT) || !symbol || info.dli_saddr != found)
		*problem = "this libc has no such function";
	else if (!is_libcs(info.dli_fname))
		*problem = "another preloaded library has it";
	else if (symbol->st_size < JUMP_SIZE)
		*problem = "its code is too short";
	return *problem ? NULL : found;
}

static bool find_all(void)
{
	for (size_t i = 0; i < ARRAY_LENGTH(detours); i++) {
		const char *problem;

		detours[i].code = code_of(&detours[i], &problem);
		if (!detours[i].code) {
			shim_say("--detour: %s: %s; streams wait as without it", detours[i].name, problem);
			return false;
		}
	}
	return true;
}

/* The pages that hold all of the functions. */
static void *all_pages(size_t *size)
{
	uintptr_t page = getauxval(AT_PAGESZ), low = UINTPTR_MAX, high = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(detours); i++) {
		uintptr_t code = (uintptr_t)detours[i].code;

		low = code < low ? code : low;
		high = code + JUMP_SIZE > high ? code + JUMP_SIZE : high;
	}
	low &= ~(page - 1);
	*size = ((high + page - 1) & ~(page - 1)) - low;
	return (void *)low;
}

/* Some systems allow the one way and some the other. */
static long write_code(unsigned char *code, const unsigned char *jump, long memory)
{
	long done;

	if (memory < 0) {
		memcpy(code, jump, JUMP_SIZE);
		return 0;
	}
	done = sys_call(SYS_pwrite64, memory, jump, JUMP_SIZE, code);
	return done == JUMP_SIZE ? 0 : sys_failed(done) ? done : -EIO;
}

/* From here on libc's function is ours, and our table no longer leads to it. */
static long divert(const struct detour *detour, long memory)
{
	unsigned char jump[JUMP_SIZE];
	const void *real = detour->entry ? *detour->entry : NULL;
	long result;

	make_jump(jump, detour->ours);
	if (detour->entry)
		memcpy(detour->entry, &detour->plain, sizeof(detour->plain));
	result = write_code(detour->code, jump, memory);
	if (result && detour->entry)
		memcpy(detour->entry, &real, sizeof(real));
	return result;
}

static long divert_all(long memory)
{
	long result = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(detours) && !result; i++)
		result = divert(&detours[i], memory);
	return result;
}

static long change_code(void)
{
	size_t size;
	void *pages = all_pages(&size);
	long refused = sys_call(SYS_mprotect, pages, size, PROT_READ | PROT_WRITE | PROT_EXEC);
	long memory, result;

	if (!refused) {
		divert_all(-1);
		return sys_call(SYS_mprotect, pages, size, PROT_READ | PROT_EXEC);
	}
	memory = sys_call(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (sys_failed(memory))
		return refused;
	result = divert_all(memory);
	sys_call(SYS_close, memory);
	return result;
}

bool detour_install(void)
{
	long result;

	if (!find_all())
		return false;
	result = change_code();
	detoured = result == 0;
	if (!detoured)
		shim_say("--detour: libc's code cannot be changed here: %s; streams wait as without it", strerror((int)-result));
	return detoured;
}

#else

bool detour_install(void)
{
	shim_say("--detour: not on this kind of CPU; streams wait as without it");
	return false;
}

#endif
