/* SPDX-License-Identifier: MIT */
/*
 * green/generator.h - generators: functions that hand out one value after the other, each when it is asked for
 *
 * A generator has a body, which runs on a greenlet of its own.  Whoever asks for the
 * next value, its consumer, waits while the body runs to its next yield, which may
 * lie in any function that the body calls.
 *
 *	static void *numbers(struct green_generator *self, void *limit)
 *	{
 *		for (intptr_t i = 0; i < (intptr_t)limit; i++) {
 *			if (green_generator_yield(self, (void *)i, NULL) < 0)
 *				break;          // closed: nobody wants the rest
 *		}
 *		return NULL;
 *	}
 *
 *	generator = green_generator_create(numbers, (void *)10);
 *	while (green_generator_next(generator, &value) == 1)
 *		printf("%d\n", (int)(intptr_t)value);
 *	green_generator_destroy(generator);
 *
 * While the body runs it acts for its consumer.  It may make blocking calls: its
 * greenlet parks, and the consumer goes on waiting.  What is meant for the consumer
 * meanwhile, such as a kill, the end of a time limit, a throw or a switch, reaches the
 * body.  An error that is pending when the body returns becomes the consumer's.
 *
 * No call needs a hub, and no step allocates memory.  A generator belongs to the kernel
 * thread that made it.
 */
#ifndef GREEN_GENERATOR_H
#define GREEN_GENERATOR_H

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

struct green_generator;

/*
 * green_generator_create - make a generator whose values come from BODY(itself, ARGUMENT)
 *
 * Nothing of BODY runs before the first green_generator_next.  What it returns is told
 * with the end.  The handle is the caller's until green_generator_destroy; the
 * stack, of the size that green_set_stack_size has set, goes back as soon as BODY has
 * returned.
 *
 * Switches: no.
 * Returns: the generator; NULL with errno
 *   EINVAL  BODY is NULL
 *   ENOMEM, EAGAIN  no memory, no more guarded stacks
 */
struct green_generator *green_generator_create(void *(*body)(struct green_generator *self, void *argument), void *argument);

/*
 * green_generator_next, green_generator_send - let GENERATOR go on until it has the next value
 *
 * The yield in which it waits hands SENT to the body; next sends NULL.  A body that
 * has not started has no yield to take anything, so the first call must send NULL.
 * VALUE may be NULL if the value does not matter.
 *
 * Switches: yes, to the body and back.
 * Returns: 1: *VALUE is the next value.  0: GENERATOR is over; *VALUE is what the
 * body returned, and NULL if it was over before.  -1 with errno
 *   EBUSY   it runs, or another generator delegates to it; or the caller is the hub
 *   EINVAL  GENERATOR is NULL, or SENT is not and the body has not started
 *   EPERM   it belongs to another kernel thread; ESRCH: to one that has ended
 *   ENOMEM  it is the thread's first call, and there is no memory
 *   others  the body ended with an error, which is now pending in the caller: see
 *           green_error.  GENERATOR is over
 */
int green_generator_next(struct green_generator *generator, void **value);
int green_generator_send(struct green_generator *generator, void *sent, void **value);

/*
 * green_generator_throw - let the yield in which GENERATOR waits fail with the error CODE, THROWN pending
 *
 * Codes are those of green_throw.  A body that clears the error may go on and yield; else
 * the error comes back to the caller.  One that has not started ends without its body
 * being called, and one that is over stays so: the error comes back at once.  GREEN_EXIT
 * comes back as the end with the value THROWN.
 *
 * Switches: as green_generator_send.
 * Returns: as green_generator_send; EINVAL also if CODE is no code
 */
int green_generator_throw(struct green_generator *generator, int code, void *thrown, void **value);

/*
 * green_generator_close - end GENERATOR before it is over
 *
 * The yield in which it waits fails with GREEN_EXIT, so that the body can clean up and
 * return.  *RESULT, unless RESULT is NULL, gets what it returns if it has cleared the
 * error, else NULL.  One that has not started never will; one that is over stays so.
 *
 * Switches: to a body that has started, and back.
 * Returns: 0; -1 with errno
 *   EBUSY   it runs, or another generator delegates to it; or the body has yielded
 *           again instead of ending: that value is lost, and GENERATOR may be used on
 *   others  as green_generator_next
 */
int green_generator_close(struct green_generator *generator, void **result);

/*
 * green_generator_destroy - close GENERATOR and give the handle back; NULL is fine
 *
 * An error with which the body ends is dropped: close it first to know of it.  One
 * whose kernel thread has ended is given back without clean-up, by any thread.
 *
 * Switches: as green_generator_close.
 * Returns: 0; -1 with errno EBUSY or EPERM as green_generator_close, and the handle is as good as before
 */
int green_generator_destroy(struct green_generator *generator);

/*
 * green_generator_yield - hand VALUE to the consumer of SELF and wait until it asks again
 *
 * To be called in the body of SELF, or in what it calls.  *SENT, unless SENT is NULL,
 * gets what the consumer sends.  A body should return when this fails: one that goes on
 * yielding cannot be closed.
 *
 * Switches: yes, to the consumer.
 * Returns: 0; -1 with errno
 *   ECANCELED  SELF is being closed: GREEN_EXIT is pending
 *   EINVAL     SELF is NULL, or it is not its body that calls
 *   others     what the consumer throws
 */
int green_generator_yield(struct green_generator *self, void *value, void **sent);

/*
 * green_generator_delegate - let SELF yield all that INNER has yet to yield
 *
 * Until INNER is over, whatever is asked of SELF, sent, thrown or closed, goes to INNER
 * at once, however many generators delegate to each other.  *RESULT, unless RESULT is
 * NULL, gets what INNER's body returned, NULL if it was over before.  A close of SELF
 * closes INNER first.  INNER's handle stays the caller's.
 *
 * Switches: yes, to INNER.
 * Returns: 0; -1 with errno
 *   EBUSY   INNER runs, or another generator delegates to it
 *   EINVAL  either is NULL, or it is not the body of SELF that calls
 *   EPERM, ESRCH  as green_generator_next
 *   ECANCELED  SELF is being closed: GREEN_EXIT is pending
 *   others  INNER's body ended with an error, which is pending in the caller
 */
int green_generator_delegate(struct green_generator *self, struct green_generator *inner, void **result);

/* green_generator_state - what GENERATOR is doing */
enum green_generator_state {
	GREEN_GENERATOR_CREATED,   /* its body has not been called yet */
	GREEN_GENERATOR_RUNNING,   /* its consumer waits for it */
	GREEN_GENERATOR_SUSPENDED, /* it waits in a yield, its own or that of one to which it delegates */
	GREEN_GENERATOR_CLOSED,    /* it is over, or its kernel thread has ended */
};

enum green_generator_state green_generator_state(const struct green_generator *generator);

/* green_generator_state_name - "suspended" and the like; a constant text */
const char *green_generator_state_name(enum green_generator_state state);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
