/* SPDX-License-Identifier: MIT */
/*
 * green/error.h - errors that one greenlet throws into another
 *
 * A thrown error is pending in its target.  The call in which the target waits
 * fails once with the errno that belongs to it, and green_error tells code and value
 * until green_error_clear.  A function that returns while an error is pending has
 * failed: its return value does not count, and whoever would have got it gets the
 * error.  Each greenlet has at most one; of two the newer stays.
 *
 * GREEN_EXIT and GREEN_CANCELLED ask for the end: until they are cleared, every call
 * that would park the greenlet fails with ECANCELED, so that clean-up does not hang
 * and knows why.  To return with GREEN_EXIT pending is a good end.
 */
#ifndef GREEN_ERROR_H
#define GREEN_ERROR_H

#include <stdbool.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

/* Codes from 1 to 4095 are errno values: ordinary errors.  These are for control: general error handling should pass them on. */
enum green_code {
	GREEN_EXIT = 4096, /* end, please; errno ECANCELED */
	GREEN_CANCELLED,   /* what is waited for will not come, because it or the greenlet was cancelled; errno ECANCELED */
	GREEN_TIMEOUT,     /* a scope's time is over; errno ETIMEDOUT */
};

struct greenlet;

/*
 * green_throw - go on in TARGET with the error CODE pending there
 *
 * A TARGET that waits in green_switch sees that call fail.  One that has not
 * started ends without its function being called.  A dead one stands for its nearest
 * living ancestor.  Where TARGET is not there to take it, GREEN_EXIT arrives as the
 * plain value VALUE, any other code as an error.  TARGET may be the caller.
 * VALUE goes with the code; nobody copies or frees it.
 *
 * Switches: yes, unless the error comes back to the caller at once.
 * Returns: as green_switch; NULL with errno
 *   EINVAL  TARGET is NULL or the hub, or CODE is no code
 *   EPERM   TARGET belongs to another kernel thread
 *   ESRCH   TARGET's kernel thread has ended
 *   EBUSY   TARGET waits in a blocking call or for its turn: only the hub may resume it
 */
void *green_throw(struct greenlet *target, int code, void *value);

/* green_error - the code that is pending in the calling greenlet, 0 if none; *VALUE, unless VALUE is NULL, gets its value */
int green_error(void **value);

/* green_error_clear - nothing is pending in the calling greenlet any more */
void green_error_clear(void);

/* green_error_is_control - true of GREEN_EXIT, GREEN_CANCELLED and GREEN_TIMEOUT, which only who armed them should clear */
bool green_error_is_control(int code);

/* green_error_number - the errno with which a call fails for CODE */
int green_error_number(int code);

/* green_error_name - "GREEN_EXIT", "ENOENT" and the like; a constant text */
const char *green_error_name(int code);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
