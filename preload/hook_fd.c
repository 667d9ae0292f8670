/* SPDX-License-Identifier: MIT */
/* hook_fd.c - the life of descriptors: open, duplicate, set flags, close */
#include <linux/fs.h>
#include <limits.h>
#include <linux/vt.h>
#include <scsi/sg.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "green/io.h"
#include "hub/descriptor.h"
#include "hub/fd.h"
#include "file.h"
#include "migrate.h"
#include "owners.h"
#include "shim.h"
#include "stream.h"

static bool hub_owns(int fd)
{
	return shim.hub && !shim.in_vfork_child && green__loop_owns(&shim.hub->loop, fd);
}

/* A foreign thread closes: the waiters are the hub's to wake. */
struct remote_close {
	struct remote remote;
	int fd;
};

static void close_remotely(struct hub *hub, struct remote *remote)
{
	struct remote_close *closing = container_of(remote, struct remote_close, remote);

	green__fd_closing(hub, closing->fd);
	free(closing);
}

/* FD is about to be closed or replaced. */
static void closing(int fd)
{
	struct remote_close *remote;

	if (shim.in_vfork_child)
		return;
	if (shim_greenlet()) {
		green__fd_closing(shim.hub, fd);
		owners_closing(fd);
	} else if (shim.hub && (remote = malloc(sizeof(*remote)))) {
		remote->fd = fd;
		remote->remote.run = close_remotely;
		green__hub_post(shim.hub, &remote->remote);
	}
	green__descriptor_forget(fd);
}

int descriptor_new(int result)
{
	if (result >= 0 && shim_greenlet())
		green__loop_stay_above(&shim.hub->loop, result);
	return result;
}

/* RESULT is a descriptor that the call just made. */
static int made(int result, enum descriptor_kind kind, bool nonblocking)
{
	if (result >= 0 && !shim.in_vfork_child)
		green__descriptor_made(result, kind, nonblocking);
	return descriptor_new(result);
}

/* NEW stands for OLD's open file from now on. */
static int duplicated(int old, int new)
{
	struct descriptor *source;

	if (new < 0 || shim.in_vfork_child)
		return new;
	source = green__descriptor(old);
	green__descriptor_shared(old);
	if (source && (source->flags & DESCRIPTOR_KNOWN))
		green__descriptor_made(new, source->kind, false);
	else
		green__descriptor_forget(new);
	green__descriptor_shared(new);
	return descriptor_new(new);
}

/* A socket with SO_LINGER keeps who closes it until all is sent, a file of another host until that has answered. */
static bool close_may_wait(int fd)
{
	struct descriptor *descriptor = shim_hub() ? green__descriptor(fd) : NULL;

	return descriptor && (descriptor->flags & (DESCRIPTOR_LINGERS | DESCRIPTOR_FAR));
}

WRAPPER int close(int fd)
{
	bool waits = close_may_wait(fd);

	if (hub_owns(fd))
		return (int)sys_result(-EBADF);
	closing(fd);
	return waits ? MIGRATED(real(close)(fd)) : real(close)(fd);
}

ALIAS(__close, close);

WRAPPER int dup(int fd)
{
	return hub_owns(fd) ? (int)sys_result(-EBADF) : duplicated(fd, real(dup)(fd));
}

/* The program wants a number that the hub uses: the hub goes elsewhere. */
static int make_room(int old, int new)
{
	if (hub_owns(old))
		return (int)sys_result(-EBADF);
	if (hub_owns(new))
		return (int)sys_result(green__loop_move(&shim.hub->loop, new));
	if (old != new && new >= 0)
		closing(new);
	return 0;
}

WRAPPER int dup2(int old, int new)
{
	if (make_room(old, new))
		return -1;
	return old == new ? real(dup2)(old, new) : duplicated(old, real(dup2)(old, new));
}

ALIAS(__dup2, dup2);

WRAPPER int dup3(int old, int new, int flags)
{
	if (make_room(old, new))
		return -1;
	return duplicated(old, real(dup3)(old, new, flags));
}

/* Tried without waiting first. */
static long lock_attempt(int fd, int command, long argument)
{
	long result = sys_call(SYS_fcntl, fd, command == F_SETLKW ? F_SETLK : F_OFD_SETLK, argument);

	return result == -EACCES ? -EAGAIN : result;
}

static int wait_for_lock(int fd, int command, long argument)
{
	shim_cancellation_point();
	return (int)TRIED(lock_attempt(fd, command, argument), EAGAIN, true, real(fcntl64)(fd, command, argument));
}

static bool is_about_owner(int command)
{
	return command == F_SETOWN || command == F_GETOWN || command == F_SETOWN_EX || command == F_GETOWN_EX ||
	       command == F_SETSIG || command == F_GETSIG;
}

/* fcntl's third argument is passed as a word, whatever the command makes of it. */
static int do_fcntl(int fd, int command, long argument)
{
	long owner;
	int result;

	if (hub_owns(fd))
		return (int)sys_result(-EBADF);
	if (command == F_SETLKW || command == F_OFD_SETLKW)
		return wait_for_lock(fd, command, argument);
	if (is_about_owner(command) && shim_greenlet() && owners_call(fd, command, argument, &owner))
		return (int)sys_result(owner);
	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		descriptor_new((int)argument);
	result = (int)sys_result(sys_call(SYS_fcntl, fd, command, argument));
	if (result < 0)
		return result;
	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		return duplicated(fd, result);
	if (command == F_SETFL && !shim.in_vfork_child)
		green__descriptor_set_nonblocking(fd, argument & O_NONBLOCK);
	return result;
}

WRAPPER int fcntl64(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	return do_fcntl(fd, command, argument);
}

ALIAS(fcntl, fcntl64);
ALIAS(__fcntl, fcntl64);

/* Requests that wait: for a terminal to send or a line to change, for a console, for a disk. */
static bool request_waits(unsigned long request)
{
	switch (request) {
	case TCSBRK:
	case TCSBRKP:
	case TCSETSW:
	case TCSETSF:
	case TIOCMIWAIT:
	case VT_WAITACTIVE:
	case SG_IO:
	case BLKFLSBUF:
	case BLKDISCARD:
	case BLKZEROOUT:
	case FIFREEZE:
	case FITHAW:
	case FITRIM:
	case FICLONE:
	case FICLONERANGE:
		return true;
	default:
		return false;
	}
}

WRAPPER int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	long argument;
	long result;

	va_start(arguments, request);
	argument = va_arg(arguments, long);
	va_end(arguments);
	if (hub_owns(fd))
		return (int)sys_result(-EBADF);
	result = request_waits(request) ? MIGRATED(sys_call(SYS_ioctl, fd, request, argument))
					: sys_call(SYS_ioctl, fd, request, argument);
	if (request == FIONBIO && result == 0 && !shim.in_vfork_child)
		green__descriptor_set_nonblocking(fd, *(const int *)argument != 0);
	return (int)sys_result(result);
}

/* Who looks which numbers are open finds none of the hub's. */
WRAPPER int fstat64(int fd, struct stat64 *status)
{
	return hub_owns(fd) ? (int)sys_result(-EBADF) : real(fstat64)(fd, status);
}

/* Where long has 64 bits the two structures are one. */
WRAPPER int fstat(int fd, struct stat *status)
{
	return fstat64(fd, (struct stat64 *)status);
}

/* --- ranges, around the hub's own --- */

static int close_part(unsigned first, unsigned last, unsigned flags)
{
	unsigned end = (unsigned)green__descriptors_end();

	if (first > last)
		return 0;
	for (unsigned fd = first; !(flags & CLOSE_RANGE_CLOEXEC) && fd <= last && fd < end; fd++)
		closing((int)fd);
	return (int)sys_call(SYS_close_range, first, last, flags);
}

WRAPPER int close_range(unsigned first, unsigned last, int flags)
{
	int own[2] = { -1, -1 };
	int result = 0;

	if (first > last || shim.in_vfork_child)
		return real(close_range)(first, last, flags);
	if (!shim.hub)
		return (int)sys_result(close_part(first, last, (unsigned)flags));
	own[0] = shim.hub->loop.epoll_fd < shim.hub->loop.wake_fd ? shim.hub->loop.epoll_fd : shim.hub->loop.wake_fd;
	own[1] = shim.hub->loop.epoll_fd + shim.hub->loop.wake_fd - own[0];
	for (int i = 0; i < 2 && !result; i++) {
		if (own[i] < 0 || (unsigned)own[i] < first || (unsigned)own[i] > last)
			continue;
		if ((unsigned)own[i] > first)
			result = close_part(first, (unsigned)own[i] - 1, (unsigned)flags);
		first = (unsigned)own[i] + 1;
	}
	if (!result && first <= last)
		result = close_part(first, last, (unsigned)flags);
	return (int)sys_result(result);
}

WRAPPER void closefrom(int first)
{
	close_range(first < 0 ? 0 : (unsigned)first, UINT_MAX, 0);
}

/* --- makers --- */

WRAPPER int pipe2(int fds[2], int flags)
{
	int result;

	if (shim.in_vfork_child)
		return real(pipe2)(fds, flags);
	result = green_pipe2(fds, flags);
	if (result == 0)
		descriptor_new(fds[0] > fds[1] ? fds[0] : fds[1]);
	return result;
}

WRAPPER int pipe(int fds[2])
{
	return pipe2(fds, 0);
}

WRAPPER int eventfd(unsigned value, int flags)
{
	return made(real(eventfd)(value, flags), DESCRIPTOR_POLLED, flags & EFD_NONBLOCK);
}

WRAPPER int epoll_create(int size)
{
	return made(real(epoll_create)(size), DESCRIPTOR_POLLED, false);
}

WRAPPER int epoll_create1(int flags)
{
	return made(real(epoll_create1)(flags), DESCRIPTOR_POLLED, false);
}

/* The hub's descriptors do not exist for the program. */
WRAPPER int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
	if (hub_owns(epoll_fd) || hub_owns(fd))
		return (int)sys_result(-EBADF);
	return real(epoll_ctl)(epoll_fd, operation, fd, event);
}

WRAPPER int timerfd_create(int clock, int flags)
{
	return made((int)sys_result(sys_call(SYS_timerfd_create, clock, flags)), DESCRIPTOR_POLLED, flags & TFD_NONBLOCK);
}

WRAPPER int inotify_init1(int flags)
{
	return made((int)sys_result(sys_call(SYS_inotify_init1, flags)), DESCRIPTOR_POLLED, flags & IN_NONBLOCK);
}

WRAPPER int inotify_init(void)
{
	return inotify_init1(0);
}

/* --- open: the mode is there only if a file may be made --- */

/* Opening a FIFO waits for the other end. */
static bool waits_for_peer(int directory, const char *path, int flags)
{
	struct stat status;

	if (!shim_hub() || (flags & (O_NONBLOCK | O_PATH)) || (flags & O_ACCMODE) == O_RDWR)
		return false;
	return sys_call(SYS_newfstatat, directory, path, &status, 0) == 0 && S_ISFIFO(status.st_mode);
}

static int do_openat(int directory, const char *path, int flags, mode_t mode)
{
	int result;

	shim_cancellation_point();
	if (waits_for_peer(directory, path, flags) || ((flags & O_TRUNC) && file_holds_much(directory, path)))
		result = MIGRATED(real(openat64)(directory, path, flags, mode));
	else
		result = real(openat64)(directory, path, flags, mode);
	made(result, DESCRIPTOR_UNCLASSIFIED, flags & O_NONBLOCK);
	if (result >= 0 && (flags & (O_DSYNC | O_DIRECT)) && !shim.in_vfork_child)
		green__descriptor_lasting(result);
	return result;
}

#define OPEN_MODE(mode) \
	mode_t mode = 0; \
	if (flags & (O_CREAT | O_TMPFILE)) { \
		va_list arguments; \
		va_start(arguments, flags); \
		mode = va_arg(arguments, mode_t); \
		va_end(arguments); \
	}

WRAPPER int open64(const char *path, int flags, ...)
{
	OPEN_MODE(mode)
	return do_openat(AT_FDCWD, path, flags, mode);
}

ALIAS(open, open64);
ALIAS(__open, open64);
ALIAS(__open64, open64);

WRAPPER int openat64(int directory, const char *path, int flags, ...)
{
	OPEN_MODE(mode)
	return do_openat(directory, path, flags, mode);
}

ALIAS(openat, openat64);

WRAPPER int __open64_2(const char *path, int flags)
{
	return do_openat(AT_FDCWD, path, flags, 0);
}

ALIAS(__open_2, __open64_2);

WRAPPER int __openat64_2(int directory, const char *path, int flags)
{
	return do_openat(directory, path, flags, 0);
}

ALIAS(__openat_2, __openat64_2);

WRAPPER int creat64(const char *path, mode_t mode)
{
	return do_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

ALIAS(creat, creat64);

/* --- streams: libc opens and closes their descriptors inside itself --- */

/* What open is told for MODE, as far as it matters to a FIFO. */
static int flags_of(const char *mode)
{
	return strchr(mode, '+') ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY;
}

static FILE *stream_made(FILE *file)
{
	if (file)
		made(fileno(file), DESCRIPTOR_UNCLASSIFIED, false);
	return file;
}

WRAPPER FILE *fopen64(const char *path, const char *mode)
{
	if (waits_for_peer(AT_FDCWD, path, flags_of(mode)))
		return stream_made(MIGRATED(real(fopen64)(path, mode)));
	return stream_made(real(fopen64)(path, mode));
}

ALIAS(fopen, fopen64);

/* The new file has the old one's number. */
WRAPPER FILE *freopen64(const char *path, const char *mode, FILE *file)
{
	int fd = fileno(file);

	stream_closing(file);
	if (fd >= 0)
		closing(fd);
	if (path && waits_for_peer(AT_FDCWD, path, flags_of(mode)))
		return stream_made(MIGRATED(real(freopen64)(path, mode, file)));
	return stream_made(real(freopen64)(path, mode, file));
}

ALIAS(freopen, freopen64);

/* On a helper the child is given the thread's own signal mask. */
WRAPPER FILE *popen(const char *command, const char *mode)
{
	return stream_made(MIGRATED(real(popen)(command, mode)));
}

/* What could not be written has been lost before libc closed the stream, so libc does not know of it. */
static int closed(int result, int error)
{
	if (result || !error)
		return result;
	errno = error;
	return EOF;
}

WRAPPER int fclose(FILE *file)
{
	int fd = file ? fileno(file) : -1;
	int error = file ? stream_closing(file) : 0;
	FILE *guarded;

	if (fd >= 0)
		closing(fd);
	guarded = stream_guard(file);
	stream_unlock(&guarded);
	return closed(real(fclose)(file), error);
}

/* libc waits for the command's end inside itself. */
WRAPPER int pclose(FILE *file)
{
	int fd = file ? fileno(file) : -1;
	int error = file ? stream_closing(file) : 0;

	if (fd >= 0)
		closing(fd);
	return closed(MIGRATED(real(pclose)(file)), error);
}
