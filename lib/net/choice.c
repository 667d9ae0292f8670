/* SPDX-License-Identifier: MIT */
/*
 * choice.c - wait for the first of several things
 *
 * Exactly one may happen, though several may become possible at once, on other kernel threads, too.
 * So nothing is taken while the caller is entered anywhere: if, on the way in, one turns out to be
 * possible, the caller leaves them all again and looks anew, unless somebody has woken it meanwhile.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/sys.h"
#include "net/choice.h"
#include "sync/queue.h"

enum {
	FEW = 4,         /* choices that need no memory of their own */
	LOOKS_MAX = 64,  /* calls in a row that need not wait, before others get a turn */
};

#define LOOK_AGAIN (5 * NS_PER_MS) /* where epoll cannot tell */

/* --- what is asked for --- */

static bool is_open(const struct green_choice *choice)
{
	return choice->kind != GREEN_CHOICE_NONE && !choice->happened;
}

static const struct choice_kind *kind_of(const struct green_choice *choice)
{
	return &green__choice_kinds[choice->kind];
}

static int check_one(const struct green_choice *choice)
{
	if ((unsigned)choice->kind >= CHOICE_KINDS || !kind_of(choice)->take || (kind_of(choice)->has_object && !choice->object))
		return -EINVAL;
	return kind_of(choice)->check ? kind_of(choice)->check(choice) : 0;
}

/* Who gets from a channel into which it would put could meet nobody but itself. */
static bool meets_itself(const struct green_choice *choices, size_t count, const struct green_choice *get)
{
	if (get->kind != GREEN_CHOICE_GET || !green__queue_is_channel(get->object))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (is_open(&choices[i]) && choices[i].kind == GREEN_CHOICE_PUT && choices[i].object == get->object)
			return true;
	}
	return false;
}

/* How many can still happen, or -errno. */
static long check_all(const struct green_choice *choices, size_t count)
{
	long open = 0;

	for (size_t i = 0; i < count; i++) {
		int error = is_open(&choices[i]) ? check_one(&choices[i]) : 0;

		if (!error && is_open(&choices[i]) && meets_itself(choices, count, &choices[i]))
			error = -EINVAL;
		if (error)
			return error;
		open += is_open(&choices[i]);
	}
	return open;
}

/* --- one wait --- */

struct wait {
	struct waiter waiter;
	struct place *places;
	size_t entered;
	unsigned shared, fds; /* how many of those */
	int64_t deadline;     /* when to look again, if not CLOCK_NEVER */
};

/* The first that can happen does: its place; or -errno. */
static long take_first(struct green_choice *choices, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int error = is_open(&choices[i]) ? kind_of(&choices[i])->take(&choices[i]) : -EBUSY;

		if (error != -EBUSY)
			return error ? error : (long)i;
	}
	return -EBUSY;
}

/* What is no descriptor, or always ready, shows at the next look; of others that epoll does not take, looks have to tell. */
static int fd_refused(struct wait *wait, int error)
{
	if (error == -EBADF || error == -EPERM)
		return -EBUSY;
	wait->deadline = clock_after(LOOK_AGAIN);
	return 0;
}

/* 0, or -EBUSY: it could happen now. */
static int enter_one(struct wait *wait, struct green_choice *choice)
{
	const struct choice_kind *kind = kind_of(choice);
	struct place *place = &wait->places[wait->entered];
	int error;

	place->choice = choice;
	place->waiter = &wait->waiter;
	error = kind->enter(place);
	if (error)
		return kind->is_fd ? fd_refused(wait, error) : error;
	wait->shared += kind->is_shared;
	wait->fds += kind->is_fd;
	wait->entered++;
	return 0;
}

static int enter_all(struct wait *wait, struct green_choice *choices, size_t count)
{
	int error = 0;

	for (size_t i = 0; i < count && !error; i++) {
		if (is_open(&choices[i]))
			error = enter_one(wait, &choices[i]);
	}
	return error;
}

/* Returns the choice by which the wait was ended with what was waited for, or NULL. */
static struct green_choice *leave_all(struct wait *wait)
{
	struct green_choice *chosen = NULL;

	for (size_t i = 0; i < wait->entered; i++) {
		struct place *place = &wait->places[i];

		kind_of(place->choice)->leave(place);
		if (kind_of(place->choice)->hands_over && place->entry.woken)
			chosen = place->choice;
	}
	return chosen;
}

static int park(struct wait *wait, int64_t deadline)
{
	struct hub *hub = wait->waiter.greenlet->flow->hub;
	bool hinted = wait->deadline < deadline;
	int error;

	hub->shared += wait->shared != 0;
	hub->fd_waits += wait->fds != 0;
	error = green__park(&wait->waiter, hinted ? wait->deadline : deadline);
	hub->shared -= wait->shared != 0;
	hub->fd_waits -= wait->fds != 0;
	return error == -ETIMEDOUT && hinted ? 0 : error;
}

/*
 * Wait until something may have happened
 *
 * Returns: 0 with the choice that has happened in *CHOSEN, or NULL to look again; -errno
 */
static int wait_once(struct green_choice *choices, size_t count, struct place *places, int64_t deadline,
		     struct green_choice **chosen)
{
	struct wait wait = { .places = places, .deadline = CLOCK_NEVER };
	struct flow *flow = green__current->flow;
	int error;

	critical_enter(flow);
	green__waiter_init(&wait.waiter, WAIT_RAISABLE, "choice", choices);
	error = enter_all(&wait, choices, count);
	/* To change one's mind is to end the wait oneself; if somebody was faster, that is what has happened. */
	if (!error || !green__wake(&wait.waiter, 0))
		error = park(&wait, deadline);
	*chosen = leave_all(&wait);
	critical_leave(flow);
	if (*chosen)
		(*chosen)->error = -error;
	/* A descriptor that was closed shows at the next look. */
	return *chosen || error == -EBUSY || error == -EBADF ? 0 : green__raised_error(error);
}

static long choose_with(struct green_choice *choices, size_t count, struct place *places, int64_t deadline)
{
	struct green_choice *chosen = NULL;
	long found;
	int error = 0;

	while ((found = take_first(choices, count)) == -EBUSY) {
		if (deadline == 0)
			return -ETIMEDOUT;
		error = wait_once(choices, count, places, deadline, &chosen);
		if (error)
			return error;
		if (chosen)
			return chosen - choices;
	}
	return found;
}

static void memory_free(struct place **memory)
{
	free(*memory);
}

/* Forced unwinding may pass through, hence the clean-up attribute.  OPEN choices can still happen. */
static long choose(struct green_choice *choices, size_t count, size_t open, int64_t deadline)
{
	struct place few[FEW];
	CLEANUP(memory_free) struct place *memory = NULL;
	long found;

	if (open > FEW && !(memory = green__fault_injected() ? NULL : malloc(open * sizeof(*memory))))
		return -ENOMEM;
	found = choose_with(choices, count, memory ? memory : few, deadline);
	if (found < 0)
		return found;
	choices[found].happened = true;
	if (kind_of(&choices[found])->is_fd && ++green__current->burst >= LOOKS_MAX)
		green__yield(green__current->flow->hub);
	return found;
}

/* --- the calls --- */

static int64_t deadline_of(int timeout_ms)
{
	return timeout_ms ? clock_after_ms(timeout_ms) : 0;
}

int green_choose(struct green_choice *choices, size_t count, int timeout_ms)
{
	long result;

	if (!green__hub())
		return -1;
	result = check_all(choices, count);
	if (result == 0)
		result = -EINVAL;
	if (result > 0)
		result = choose(choices, count, (size_t)result, deadline_of(timeout_ms));
	return (int)sys_result(result);
}

int green_choose_many(struct green_choice *choices, size_t count, size_t wanted, int timeout_ms)
{
	int64_t deadline = deadline_of(timeout_ms);
	long result = 0;
	int happened = 0;

	if (!green__hub())
		return -1;
	while ((size_t)happened < wanted) {
		result = check_all(choices, count);
		if (result > 0)
			result = choose(choices, count, (size_t)result, deadline);
		else if (result == 0)
			break;
		if (result < 0)
			break;
		happened++;
	}
	return result < 0 && result != -ETIMEDOUT ? (int)sys_result(result) : happened;
}
