/* SPDX-License-Identifier: MIT */
/*
 * hook_wait.c - waits in the kernel that no descriptor tells the end of: file locks, System V and POSIX messages
 *
 * Each call is tried without waiting first, and the thread goes to a helper only
 * if it would have to wait.
 */
#include <aio.h>
#include <mqueue.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <syslog.h>
#include <sys/mman.h>
#include <termios.h>
#include <wordexp.h>

#include "migrate.h"

/* --- file locks --- */

WRAPPER int flock(int fd, int operation)
{
	if (!shim_hub() || (operation & LOCK_NB))
		return real(flock)(fd, operation);
	return (int)TRIED(sys_call(SYS_flock, fd, operation | LOCK_NB), EWOULDBLOCK, true, real(flock)(fd, operation));
}

/* libc's lockf calls its own fcntl. */
static long lockf_attempt(int fd, off64_t length)
{
	long result = migrate_result(real(lockf64)(fd, F_TLOCK, length));

	return result == -EACCES ? -EAGAIN : result;
}

WRAPPER int lockf64(int fd, int command, off64_t length)
{
	if (command != F_LOCK || !shim_hub())
		return real(lockf64)(fd, command, length);
	shim_cancellation_point();
	return (int)TRIED(lockf_attempt(fd, length), EAGAIN, true, real(lockf64)(fd, command, length));
}

ALIAS(lockf, lockf64);

/* --- System V --- */

WRAPPER int msgsnd(int queue, const void *message, size_t size, int flags)
{
	if (!shim_hub() || (flags & IPC_NOWAIT))
		return real(msgsnd)(queue, message, size, flags);
	shim_cancellation_point();
	return (int)TRIED(sys_call(SYS_msgsnd, queue, message, size, flags | IPC_NOWAIT), EAGAIN, false,
			  real(msgsnd)(queue, message, size, flags));
}

WRAPPER ssize_t msgrcv(int queue, void *message, size_t size, long type, int flags)
{
	if (!shim_hub() || (flags & IPC_NOWAIT))
		return real(msgrcv)(queue, message, size, type, flags);
	shim_cancellation_point();
	return TRIED(sys_call(SYS_msgrcv, queue, message, size, type, flags | IPC_NOWAIT), ENOMSG, false,
		     real(msgrcv)(queue, message, size, type, flags));
}

/* True if one of the operations is to wait, and COUNT is what the kernel takes as a rule. */
static bool may_wait(const struct sembuf *operations, size_t count)
{
	if (count == 0 || count > 500)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!(operations[i].sem_flg & IPC_NOWAIT))
			return true;
	}
	return false;
}

/* All or nothing: with every operation told not to wait, the call changes nothing if one would have to. */
static long semaphores_try(int set, const struct sembuf *operations, size_t count)
{
	struct sembuf impatient[count];

	memcpy(impatient, operations, sizeof(impatient));
	for (size_t i = 0; i < count; i++)
		impatient[i].sem_flg |= IPC_NOWAIT;
	return sys_call(SYS_semtimedop, set, impatient, count, NULL);
}

WRAPPER int semtimedop(int set, struct sembuf *operations, size_t count, const struct timespec *timeout)
{
	long result;

	if (!shim_hub() || !may_wait(operations, count))
		return real(semtimedop)(set, operations, count, timeout);
	if (!timeout)
		return (int)TRIED(semaphores_try(set, operations, count), EAGAIN, false,
				  real(semtimedop)(set, operations, count, timeout));
	result = semaphores_try(set, operations, count);
	return result == -EAGAIN ? MIGRATED(real(semtimedop)(set, operations, count, timeout)) : (int)sys_result(result);
}

WRAPPER int semop(int set, struct sembuf *operations, size_t count)
{
	return semtimedop(set, operations, count, NULL);
}

/* --- POSIX message queues: a time in the past means a try --- */

static const struct timespec long_ago = { 0, 0 };

/* True if a message was put into QUEUE at once or cannot be, with *RESULT. */
static bool sent_at_once(mqd_t queue, const char *message, size_t size, unsigned priority, long *result)
{
	shim_cancellation_point();
	*result = sys_call(SYS_mq_timedsend, queue, message, size, priority, &long_ago);
	return *result != -ETIMEDOUT;
}

WRAPPER int mq_timedsend(mqd_t queue, const char *message, size_t size, unsigned priority, const struct timespec *abstime)
{
	long result;

	if (shim_hub() && sent_at_once(queue, message, size, priority, &result))
		return (int)sys_result(result);
	return MIGRATED(real(mq_timedsend)(queue, message, size, priority, abstime));
}

WRAPPER int mq_send(mqd_t queue, const char *message, size_t size, unsigned priority)
{
	if (!shim_hub())
		return real(mq_send)(queue, message, size, priority);
	shim_cancellation_point();
	return (int)TRIED(sys_call(SYS_mq_timedsend, queue, message, size, priority, &long_ago), ETIMEDOUT, true,
			  real(mq_send)(queue, message, size, priority));
}

static bool received_at_once(mqd_t queue, char *message, size_t size, unsigned *priority, long *result)
{
	shim_cancellation_point();
	*result = sys_call(SYS_mq_timedreceive, queue, message, size, priority, &long_ago);
	return *result != -ETIMEDOUT;
}

WRAPPER ssize_t mq_timedreceive(mqd_t queue, char *message, size_t size, unsigned *priority, const struct timespec *abstime)
{
	long result;

	if (shim_hub() && received_at_once(queue, message, size, priority, &result))
		return sys_result(result);
	return MIGRATED(real(mq_timedreceive)(queue, message, size, priority, abstime));
}

WRAPPER ssize_t mq_receive(mqd_t queue, char *message, size_t size, unsigned *priority)
{
	if (!shim_hub())
		return real(mq_receive)(queue, message, size, priority);
	shim_cancellation_point();
	return TRIED(sys_call(SYS_mq_timedreceive, queue, message, size, priority, &long_ago), ETIMEDOUT, true,
		     real(mq_receive)(queue, message, size, priority));
}

/* --- the rest --- */

WRAPPER int aio_suspend(const struct aiocb *const list[], int count, const struct timespec *timeout)
{
	return MIGRATED(real(aio_suspend)(list, count, timeout));
}

WRAPPER int lio_listio(int mode, struct aiocb *const list[restrict], int count, struct sigevent *restrict event)
{
	return mode == LIO_WAIT ? MIGRATED(real(lio_listio)(mode, list, count, event)) : real(lio_listio)(mode, list, count, event);
}

/* Files of more than 2 GB have calls of their own only where long is shorter; elsewhere it is a second name. */
WRAPPER int aio_suspend64(const struct aiocb64 *const list[], int count, const struct timespec *timeout)
{
	return aio_suspend((const struct aiocb *const *)list, count, timeout);
}

WRAPPER int lio_listio64(int mode, struct aiocb64 *const list[restrict], int count, struct sigevent *restrict event)
{
	return lio_listio(mode, (struct aiocb *const *)list, count, event);
}

WRAPPER int tcdrain(int fd)
{
	return MIGRATED(real(tcdrain)(fd));
}

WRAPPER int tcsendbreak(int fd, int duration)
{
	return MIGRATED(real(tcsendbreak)(fd, duration));
}

WRAPPER int tcsetattr(int fd, int when, const struct termios *attributes)
{
	return when == TCSANOW ? real(tcsetattr)(fd, when, attributes) : MIGRATED(real(tcsetattr)(fd, when, attributes));
}

WRAPPER int wordexp(const char *words, wordexp_t *expansion, int flags)
{
	return MIGRATED(real(wordexp)(words, expansion, flags));
}

/* Who sends has syslog's lock while it waits; these take the same. */
WRAPPER void openlog(const char *ident, int option, int facility)
{
	MIGRATED((real(openlog)(ident, option, facility), 0));
}

WRAPPER void closelog(void)
{
	MIGRATED((real(closelog)(), 0));
}

WRAPPER int setlogmask(int mask)
{
	return MIGRATED(real(setlogmask)(mask));
}

WRAPPER void vsyslog(int priority, const char *format, va_list arguments)
{
	MIGRATED((real(vsyslog)(priority, format, arguments), 0));
}

WRAPPER void syslog(int priority, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsyslog(priority, format, arguments);
	va_end(arguments);
}

extern void __syslog_chk(int priority, int flag, const char *format, ...);

WRAPPER void __vsyslog_chk(int priority, int flag, const char *format, va_list arguments)
{
	MIGRATED((real(__vsyslog_chk)(priority, flag, format, arguments), 0));
}

WRAPPER void __syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	__vsyslog_chk(priority, flag, format, arguments);
	va_end(arguments);
}

/* --- between pipes and descriptors, inside the kernel --- */

/* Whether they will wait both ends together decide, and nobody can be asked beforehand. */
WRAPPER ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t size, unsigned flags)
{
	return MIGRATED(real(splice)(in, in_offset, out, out_offset, size, flags));
}

WRAPPER ssize_t tee(int in, int out, size_t size, unsigned flags)
{
	return MIGRATED(real(tee)(in, out, size, flags));
}

WRAPPER ssize_t vmsplice(int fd, const struct iovec *vector, size_t count, unsigned flags)
{
	return MIGRATED(real(vmsplice)(fd, vector, count, flags));
}

/* --- until a disk has it --- */

WRAPPER int fsync(int fd)
{
	return MIGRATED(real(fsync)(fd));
}

WRAPPER int fdatasync(int fd)
{
	return MIGRATED(real(fdatasync)(fd));
}

WRAPPER void sync(void)
{
	MIGRATED((real(sync)(), 0));
}

WRAPPER int syncfs(int fd)
{
	return MIGRATED(real(syncfs)(fd));
}

WRAPPER int msync(void *start, size_t length, int flags)
{
	return flags & MS_SYNC ? MIGRATED(real(msync)(start, length, flags)) : real(msync)(start, length, flags);
}

WRAPPER int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags)
{
	return MIGRATED(real(sync_file_range)(fd, offset, length, flags));
}

WRAPPER ssize_t copy_file_range(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t size, unsigned flags)
{
	return MIGRATED(real(copy_file_range)(in, in_offset, out, out_offset, size, flags));
}
