/* SPDX-License-Identifier: MIT */
/* error.c - the error that is pending in a greenlet, and where it goes at the end */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "green/debug.h"
#include "switch/greenlet.h"

void green__error_set(struct greenlet *greenlet, int code, void *value)
{
	greenlet->error = code;
	greenlet->error_value = value;
	greenlet->error_untold = true;
	if (unlikely(green__recording & GREEN_RECORD_ERROR))
		green__recorder(greenlet, GREEN_RECORD_ERROR);
}

void *green__received(struct greenlet *self)
{
	if (likely(!self->error_untold))
		return self->value;
	self->error_untold = false;
	errno = green_error_number(self->error);
	return NULL;
}

bool green__error_is_code(int code)
{
	return code > 0 && code <= GREEN_TIMEOUT;
}

bool green__error_asks_for_end(int code)
{
	return code == GREEN_EXIT || code == GREEN_CANCELLED;
}

bool green__error_fails_next(const struct greenlet *greenlet)
{
	return greenlet->error_untold || green__error_asks_for_end(greenlet->error);
}

/* What asks for the end stays with the consumer, too: only that one can refuse. */
void green__error_inherit(struct greenlet *body)
{
	struct greenlet *above = body;

	while (above->kind == GREENLET_GENERATOR && !green__error_fails_next(above))
		above = above->parent;
	if (above == body || !green__error_fails_next(above))
		return;
	green__error_set(body, above->error, above->error_value);
	if (!green__error_asks_for_end(above->error)) {
		above->error = 0;
		above->error_untold = false;
	}
}

void green__error_keep(struct error_kept *kept)
{
	struct greenlet *self = green__current;

	*kept = (struct error_kept) { self->error, self->error_untold, self->error_value, errno };
}

void green__error_put_back(const struct error_kept *kept)
{
	struct greenlet *self = green__current;

	self->error = kept->code;
	self->error_untold = kept->untold;
	self->error_value = kept->value;
	errno = kept->number;
}

/* The hub and idle generators take nothing, the dead cannot, and who has not started never does when it gets an error. */
static bool passes_on(const struct greenlet *greenlet, int error)
{
	if (greenlet->state == GREENLET_DEAD || greenlet->state == GREENLET_IDLE)
		return true;
	if (greenlet->kind == GREENLET_HUB)
		return greenlet != green__current;
	return error && greenlet->state == GREENLET_UNSTARTED && !greenlet->scheduled;
}

void *green__deliver(struct delivery *delivery)
{
	struct greenlet *to = acting_for(delivery->to);

	for (; passes_on(to, delivery->error); to = acting_for(to->parent)) {
		if (to->state == GREENLET_UNSTARTED && to->kind != GREENLET_HUB)
			green__greenlet_ends(to);
		/* Asked to end, they have ended. */
		if (delivery->error == GREEN_EXIT)
			delivery->error = 0;
	}
	delivery->to = to;
	if (!delivery->error)
		return delivery->value;
	green__error_set(to, delivery->error, delivery->value);
	if (to->scheduled)
		to->flow->raised(to);
	return NULL;
}

int green_error(void **value)
{
	struct greenlet *self = green__current;

	if (value)
		*value = self ? self->error_value : NULL;
	return self ? self->error : 0;
}

void green_error_clear(void)
{
	struct greenlet *self = green__current;

	if (self) {
		self->error = 0;
		self->error_value = NULL;
		self->error_untold = false;
	}
}

bool green_error_is_control(int code)
{
	return code >= GREEN_EXIT && code <= GREEN_TIMEOUT;
}

int green_error_number(int code)
{
	if (code == GREEN_TIMEOUT)
		return ETIMEDOUT;
	return green_error_is_control(code) ? ECANCELED : code;
}

const char *green_error_name(int code)
{
	static const char *const control[] = { "GREEN_EXIT", "GREEN_CANCELLED", "GREEN_TIMEOUT" };
	const char *name = code == 0 ? "0" : code < 0 ? NULL : strerrorname_np(code);

	if (green_error_is_control(code))
		return control[code - GREEN_EXIT];
	return name ? name : "unknown";
}
