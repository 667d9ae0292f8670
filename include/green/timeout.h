/* SPDX-License-Identifier: MIT */
/*
 * green/timeout.h - a time limit for a stretch of code
 *
 *	struct green_timeout limit;
 *
 *	green_timeout_start(&limit, 200);
 *	n = green_recv(fd, buffer, sizeof(buffer), 0);
 *	...
 *	if (green_timeout_end(&limit))
 *		return say_too_slow();
 *
 * When the time is over the calling greenlet gets the error GREEN_TIMEOUT, whose value
 * is the struct: the call that it waits in, or the next one that would wait, fails
 * once with ETIMEDOUT.  What computes is not interrupted.  Scopes nest; each
 * tells its own end from that of the others, so each asks green_timeout_end, and passes
 * the failure on if the answer is false.
 */
#ifndef GREEN_TIMEOUT_H
#define GREEN_TIMEOUT_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

/* Lies where the program puts it, mostly on the stack; what is in it is the library's own. */
struct green_timeout {
	int64_t opaque[12];
};

/*
 * green_timeout_start - begin TIMEOUT: the calling greenlet has MILLISECONDS from now
 *
 * -1: no limit.  0: over as soon as it waits.  TIMEOUT stays in place until
 * green_timeout_end, which the same greenlet must call before it ends.
 * In the child of a fork those of the greenlet that forked go on.
 *
 * Switches: no.
 * Returns: 0; -1 with errno ENOMEM or EMFILE (no hub could be made)
 */
int green_timeout_start(struct green_timeout *timeout, int milliseconds);

/*
 * green_timeout_left - how many milliseconds TIMEOUT has left, rounded up
 *
 * Switches: no.
 * Returns: the time, not more than INT_MAX; 0: it is over; -1: it has no limit, or is ended
 */
int green_timeout_left(const struct green_timeout *timeout);

/*
 * green_timeout_reset - TIMEOUT, which has begun, has MILLISECONDS from now, more or fewer than before; -1: no limit
 *
 * For what may last as long as it makes progress.  Any greenlet of the kernel thread may; the one that began
 * TIMEOUT is meant all the same.
 *
 * Switches: no.
 * Returns: 0; -1 with errno ETIMEDOUT (its time is over already, and that stays so), EINVAL (it is ended), EPERM
 * (another kernel thread's)
 */
int green_timeout_reset(struct green_timeout *timeout, int milliseconds);

/*
 * green_timeout_end - end TIMEOUT; once more is harmless
 *
 * The error that it has thrown, if that is still pending, is cleared.
 *
 * Switches: no.
 * Returns: true if its time was over before, so that some call has failed or was about to
 */
bool green_timeout_end(struct green_timeout *timeout);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
