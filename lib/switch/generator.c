/* SPDX-License-Identifier: MIT */
/*
 * generator.c - bodies that yield values to whoever asks for the next one, on greenlets alone
 *
 * The greenlet of a generator is IDLE while nobody waits for it: then it can neither be
 * switched to nor receive what a child of it ends with.  While it runs, its parent is
 * the consumer, and the consumer's stand_in is the greenlet that acts for it.
 *
 * Delegation costs nothing per value.  OUTER and INNER point to each other, and ROOT and LEAF
 * from end to end: a request to the outermost one resumes the innermost one, whose yield answers
 * the request itself.  Only the end of an inner one goes to the body that delegates.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "green/generator.h"
#include "switch/swap.h"

/* What somebody wants of a generator; on the stack of who waits for it. */
struct request {
	struct greenlet *consumer;
	int result;  /* as green_generator_next; 1 until the body has ended */
	int code;    /* of the error with which the body ended, if RESULT is -1 */
	void *value; /* returned or thrown; what is yielded comes with the switch */
};

struct green_generator {
	struct greenlet *greenlet;     /* NULL once it is over: the stack is somebody else's then */
	struct request *request;       /* of the consumer, while the body runs; of OUTER, as long as that delegates */
	struct flow *rests_in;         /* while it waits in a yield for whoever asks next */
	struct green_generator *outer; /* it delegates to this one */
	struct green_generator *inner; /* this one delegates to it */
	struct green_generator *root;  /* of one without INNER: whose consumer its values go to, often its own */
	struct green_generator *leaf;  /* of one without OUTER: who yields its values, often itself */
	bool started;
	bool throwing;                 /* the yield that goes on is to fail */
	bool asked;                    /* GREEN_EXIT comes from close or throw: to end with it is good */
	bool closing;                  /* when INNER has been closed, this one is to be */
	void *(*body)(struct green_generator *, void *);
	void *argument;
};

/* LEAF, which delegates to nobody, yields the values of ROOT, to which nobody does. */
static void tie(struct green_generator *root, struct green_generator *leaf)
{
	root->leaf = leaf;
	leaf->root = root;
}

static int failed(int error)
{
	errno = error;
	return -1;
}

/* CODE and VALUE are pending in the caller, and its call fails with them. */
static int failed_with(int code, void *value)
{
	green__error_set(green__current, code, value);
	green__received(green__current);
	return -1;
}

/* --- the side of the body --- */

/* Whoever would end in GREENLET, and is about to be its ancestor, ends in its parent of before. */
static void parent_change(struct greenlet *greenlet, struct greenlet *parent)
{
	for (struct greenlet *above = parent; above; above = above->parent) {
		if (above->parent == greenlet) {
			green__parent_change(above, greenlet->parent);
			break;
		}
	}
	green__parent_change(greenlet, parent);
}

/* What SELF's body ended with answers REQUEST; an error is not the greenlet's any more. */
static void answer(const struct green_generator *self, struct request *request, void *result)
{
	void *thrown;
	int code = green_error(&thrown);

	green_error_clear();
	request->result = code && !(code == GREEN_EXIT && self->asked) ? -1 : 0;
	request->code = code;
	request->value = code ? thrown : result;
}

/* The greenlet ends in its parent: the consumer, or the body that has delegated. */
static void *run(void *generator)
{
	struct green_generator *self = generator, *outer;
	struct greenlet *greenlet = green__current, *consumer;
	void *result;

	self->started = true;
	/* A tracer may have thrown something at its first instruction. */
	result = likely(!greenlet->error) ? self->body(self, self->argument) : NULL;
	answer(self, self->request, result);
	outer = self->outer;
	consumer = self->root->request->consumer;
	self->greenlet = NULL;
	self->request = NULL;
	self->outer = NULL;
	greenlet->held = false;
	if (outer) {
		outer->inner = NULL;
		tie(self->root, outer);
		outer->greenlet->state = GREENLET_ACTIVE;
	}
	consumer->stand_in = outer ? outer->greenlet : NULL;
	return NULL;
}

int green_generator_yield(struct green_generator *self, void *value, void **sent)
{
	struct greenlet *greenlet = green__current;
	struct greenlet *consumer;
	struct green_generator *root;

	if (unlikely(!self || !greenlet || self->greenlet != greenlet))
		return failed(EINVAL);
	root = self->root;
	consumer = root->request->consumer;
	root->request = NULL;
	root->rests_in = greenlet->flow;
	consumer->stand_in = NULL;
	greenlet->state = GREENLET_IDLE;
	greenlet = switch_away(greenlet, consumer, value);
	self = greenlet->argument;
	if (unlikely(self->throwing)) {
		self->throwing = false;
		green__received(greenlet);
		return -1;
	}
	if (sent)
		*sent = greenlet->value;
	return 0;
}

/* --- the side of the consumer --- */

/* The errno for a use of GENERATOR by the caller, or 0. */
static int refusal(const struct green_generator *generator)
{
	const struct flow *flow = green__flow();

	if (!flow || !generator)
		return flow ? EINVAL : ENOMEM;
	if (!generator->greenlet)
		return 0;
	if (generator->greenlet->flow != flow)
		return generator->greenlet->flow->gone ? ESRCH : EPERM;
	return generator->outer || generator->request || green__current->kind == GREENLET_HUB ? EBUSY : 0;
}

/* Nearly always GENERATOR waits in a yield for its next consumer, who is the caller again. */
static bool may_resume(const struct green_generator *generator, const struct greenlet *self)
{
	return self && generator && generator->rests_in == self->flow && generator->greenlet->parent == self &&
	       self->kind != GREENLET_HUB;
}

static inline int told(int result, void *from, void **value)
{
	if (value)
		*value = from;
	return result;
}

/* The body has not yielded, but ended. */
static GREEN_NOINLINE int told_of_end(const struct request *request, void **value)
{
	return request->result < 0 ? failed_with(request->code, request->value) : told(0, request->value, value);
}

/* Go on in GENERATOR, whose parent is SELF, or in whom it delegates to, and wait for what comes. */
static inline int resume(struct green_generator *generator, struct greenlet *self, void *sent, void **value)
{
	struct greenlet *greenlet = generator->leaf->greenlet;
	struct request request;

	request.consumer = self;
	request.result = 1;
	generator->request = &request;
	generator->rests_in = NULL;
	greenlet->state = GREENLET_ACTIVE;
	self->stand_in = greenlet;
	self = switch_away(self, greenlet, sent);
	return likely(request.result == 1) ? told(1, self->value, value) : told_of_end(&request, value);
}

static GREEN_NOINLINE int resume_as_parent(struct green_generator *generator, void *sent, void **value)
{
	struct greenlet *self = green__current;

	if (generator->greenlet->parent != self)
		parent_change(generator->greenlet, self);
	return resume(generator, self, sent, value);
}

/* The same with an error. */
static int resume_with(struct green_generator *generator, int code, void *thrown, void **value)
{
	struct green_generator *target = generator->leaf;
	int result;

	green__error_set(target->greenlet, code, thrown);
	target->throwing = true;
	generator->asked = code == GREEN_EXIT;
	result = resume_as_parent(generator, NULL, value);
	generator->asked = false;
	return result;
}

/* It has not started, is over, has another consumer than before, or may not be resumed by the caller. */
static GREEN_NOINLINE int start(struct green_generator *generator, void *sent, void **value)
{
	int error = refusal(generator);

	if (error)
		return failed(error);
	if (!generator->greenlet)
		return told(0, NULL, value);
	return sent && !generator->started ? failed(EINVAL) : resume_as_parent(generator, sent, value);
}

int green_generator_send(struct green_generator *generator, void *sent, void **value)
{
	struct greenlet *self = green__current;

	if (unlikely(!may_resume(generator, self)))
		return start(generator, sent, value);
	return resume(generator, self, sent, value);
}

int green_generator_next(struct green_generator *generator, void **value)
{
	struct greenlet *self = green__current;

	if (unlikely(!may_resume(generator, self)))
		return start(generator, NULL, value);
	return resume(generator, self, NULL, value);
}

/* It has not started, so nothing is to be cleaned up. */
static void never_start(struct green_generator *generator)
{
	struct greenlet *greenlet = generator->greenlet;

	generator->greenlet = NULL;
	greenlet->held = false;
	green__greenlet_release(greenlet);
}

int green_generator_throw(struct green_generator *generator, int code, void *thrown, void **value)
{
	int error = green__error_is_code(code) ? refusal(generator) : EINVAL;

	if (error)
		return failed(error);
	if (generator->greenlet && generator->started)
		return resume_with(generator, code, thrown, value);
	if (generator->greenlet)
		never_start(generator);
	return code == GREEN_EXIT ? told(0, thrown, value) : failed_with(code, thrown);
}

/* Those that wait for an inner one, and still do. */
static void mark_closing(struct green_generator *generator, bool closing)
{
	for (; generator->inner; generator = generator->inner)
		generator->closing = closing;
}

int green_generator_close(struct green_generator *generator, void **result)
{
	int error = refusal(generator), outcome;

	if (error)
		return failed(error);
	if (generator->greenlet && !generator->started)
		never_start(generator);
	if (!generator->greenlet)
		return told(0, NULL, result);
	mark_closing(generator, true);
	outcome = resume_with(generator, GREEN_EXIT, NULL, result);
	mark_closing(generator, false);
	return outcome == 1 ? failed(EBUSY) : outcome;
}

/* What a thread that has ended has left: nobody runs on the stack any more. */
static int destroy_lost(struct green_generator *generator)
{
	if (!green__orphan_release(generator->greenlet))
		return failed(EPERM);
	free(generator);
	return 0;
}

int green_generator_destroy(struct green_generator *generator)
{
	struct error_kept kept;
	int error;

	if (!generator)
		return 0;
	error = refusal(generator);
	if (error == ESRCH)
		return destroy_lost(generator);
	if (error)
		return failed(error);
	green__error_keep(&kept);
	green_generator_close(generator, NULL);
	green__error_put_back(&kept);
	if (generator->greenlet)
		return failed(EBUSY);
	free(generator);
	return 0;
}

/* --- both --- */

/* INNER's greenlet takes the place of SELF's; returns when INNER's body has returned. */
static void go_on_in(struct green_generator *self, struct green_generator *inner, struct request *request)
{
	struct greenlet *greenlet = green__current, *next = inner->leaf->greenlet;

	tie(self->root, inner->leaf);
	self->inner = inner;
	inner->outer = self;
	inner->request = request;
	inner->rests_in = NULL;
	parent_change(inner->greenlet, greenlet);
	self->root->request->consumer->stand_in = next;
	greenlet->state = GREENLET_IDLE;
	next->state = GREENLET_ACTIVE;
	green__greenlet_switch(next, NULL);
}

int green_generator_delegate(struct green_generator *self, struct green_generator *inner, void **result)
{
	struct request request = { .consumer = green__current };
	int error = refusal(inner);
	bool closing;

	if (!error && (!self || self->greenlet != green__current))
		error = EINVAL;
	if (error)
		return failed(error);
	if (inner->greenlet)
		go_on_in(self, inner, &request);
	/* Told once, by whichever error: what is delegated to afterwards, by a cleanup for instance, is not being closed. */
	closing = self->closing;
	self->closing = false;
	if (request.result < 0)
		return failed_with(request.code, request.value);
	if (closing)
		return failed_with(GREEN_EXIT, NULL);
	return told(0, request.value, result);
}

/* --- making, and questions --- */

struct green_generator *green_generator_create(void *(*body)(struct green_generator *, void *), void *argument)
{
	struct flow *flow = green__flow();
	struct green_generator *generator;
	struct stack *stack;

	if (!flow || !body) {
		errno = flow ? EINVAL : ENOMEM;
		return NULL;
	}
	green__taken_back(flow);
	stack = green__flow_stack(flow);
	if (!stack)
		return NULL;
	generator = green__fault_injected() ? NULL : calloc(1, sizeof(*generator));
	if (!generator) {
		green__stack_release(stack);
		errno = ENOMEM;
		return NULL;
	}
	tie(generator, generator);
	generator->body = body;
	generator->argument = argument;
	generator->greenlet = green__greenlet_create(flow, stack, run, NULL);
	generator->greenlet->kind = GREENLET_GENERATOR;
	generator->greenlet->state = GREENLET_IDLE;
	generator->greenlet->argument = generator;
	generator->greenlet->thread_pointer = green__current->thread_pointer;
	generator->greenlet->held = true;
	green__parent_change(generator->greenlet, green__current);
	return generator;
}

enum green_generator_state green_generator_state(const struct green_generator *generator)
{
	if (!generator->greenlet || generator->greenlet->state == GREENLET_LOST)
		return GREEN_GENERATOR_CLOSED;
	while (generator->outer)
		generator = generator->outer;
	if (generator->request)
		return GREEN_GENERATOR_RUNNING;
	return generator->started ? GREEN_GENERATOR_SUSPENDED : GREEN_GENERATOR_CREATED;
}

const char *green_generator_state_name(enum green_generator_state state)
{
	static const char *const names[] = {
		[GREEN_GENERATOR_CREATED] = "created", [GREEN_GENERATOR_RUNNING] = "running",
		[GREEN_GENERATOR_SUSPENDED] = "suspended", [GREEN_GENERATOR_CLOSED] = "closed",
	};

	return (unsigned)state < ARRAY_LENGTH(names) ? names[state] : "unknown";
}
