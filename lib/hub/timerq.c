/* SPDX-License-Identifier: MIT */
/* timerq.c - deadlines in order; knows no greenlets */
#include "hub/timerq.h"

#include <limits.h>
#include <string.h>

enum {
	FEW = 8, /* timers that are put into order before their time, so as to sleep until the first is due */
};

#define TICK (INT64_C(1) << TIMER_TICK)

/* The first moment of what NS lies in, where a slot's length is 2^SHIFT. */
static int64_t begin_of(int64_t ns, unsigned shift)
{
	return ns & -(INT64_C(1) << shift);
}

static unsigned shift_of(unsigned slot)
{
	return TIMER_TICK + (slot >> TIMER_DIGIT) * TIMER_DIGIT;
}

/* When the time has come to NOW: whoever is due before the end of a finest slot. */
static int64_t near_at(int64_t now)
{
	return begin_of(now, TIMER_TICK) + TICK;
}

void green__timerq_init(struct timerq *queue, int64_t now)
{
	memset(queue, 0, sizeof(*queue));
	heap_init(&queue->heap);
	queue->near = near_at(now);
	queue->opens = CLOCK_NEVER;
	queue->told = INT64_MIN;
}

static void put_near(struct timerq *queue, struct timer *timer)
{
	timer->far = false;
	heap_enter(&queue->heap, &timer->node);
}

void green__timerq_far(struct timerq *queue, struct timer *timer)
{
	int64_t deadline = timer->node.key;
	uint64_t differs = (uint64_t)(deadline ^ (queue->near - 1)) >> TIMER_TICK;
	unsigned wheel = (63 - (unsigned)__builtin_clzll(differs)) / TIMER_DIGIT;
	unsigned shift = TIMER_TICK + wheel * TIMER_DIGIT;
	unsigned slot = (wheel << TIMER_DIGIT) + ((uint64_t)deadline >> shift) % (1 << TIMER_DIGIT);
	struct timer *next;

	if (unlikely(wheel >= TIMER_WHEELS)) {
		put_near(queue, timer);
		return;
	}
	next = queue->slots[slot];
	timer->far = true;
	timer->next = next;
	timer->at = &queue->slots[slot];
	queue->slots[slot] = timer;
	if (next)
		next->at = &timer->next;
	queue->used[slot / 64] |= UINT64_C(1) << slot % 64;
	if (begin_of(deadline, shift) < queue->opens)
		queue->opens = begin_of(deadline, shift);
}

/* The used slot that begins first; TIMER_SLOTS if there is none. */
static unsigned first_used(const struct timerq *queue)
{
	for (unsigned word = 0; word < TIMER_SLOTS / 64; word++) {
		if (queue->used[word])
			return 64 * word + (unsigned)__builtin_ctzll(queue->used[word]);
	}
	return TIMER_SLOTS;
}

/* All digits above the one that tells SLOT are those of the time the queue has come to. */
static int64_t slot_begin(const struct timerq *queue, unsigned slot)
{
	unsigned shift = shift_of(slot);

	return begin_of(queue->near - 1, shift + TIMER_DIGIT) + ((int64_t)(slot % (1 << TIMER_DIGIT)) << shift);
}

static void look_ahead(struct timerq *queue)
{
	unsigned slot = first_used(queue);

	queue->opens = slot < TIMER_SLOTS ? slot_begin(queue, slot) : CLOCK_NEVER;
}

/* Take all timers out of SLOT; they are linked by NEXT. */
static struct timer *empty(struct timerq *queue, unsigned slot)
{
	struct timer *first = queue->slots[slot];

	queue->slots[slot] = NULL;
	queue->used[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	return first;
}

/* The time has come to that of the first used slot: its timers go to finer ones, or into the heap. */
static void open_first(struct timerq *queue)
{
	unsigned slot = first_used(queue);
	struct timer *timer, *next;

	queue->near = near_at(slot_begin(queue, slot));
	for (timer = empty(queue, slot); timer; timer = next) {
		next = timer->next;
		if (timer->node.key < queue->near)
			put_near(queue, timer);
		else
			green__timerq_far(queue, timer);
	}
	look_ahead(queue);
}

static bool has_few(const struct timer *first)
{
	int count = 0;

	for (; first && count <= FEW; first = first->next)
		count++;
	return count <= FEW;
}

/* Put the timers of the first used slot into order, unless they are many. */
static bool look_into_first(struct timerq *queue)
{
	unsigned slot = first_used(queue);
	struct timer *timer, *next;

	if (slot == TIMER_SLOTS || !has_few(queue->slots[slot]))
		return false;
	for (timer = empty(queue, slot); timer; timer = next) {
		next = timer->next;
		put_near(queue, timer);
	}
	look_ahead(queue);
	return true;
}

int64_t green__timerq_sleep(struct timerq *queue)
{
	while (queue->count && timerq_next(queue) == queue->opens && look_into_first(queue))
		;
	return timerq_next(queue);
}

/* The first timer, if it is due at NOW. */
static struct timer *due(struct timerq *queue, int64_t now)
{
	struct heap_node *first = heap_first(&queue->heap);

	while (queue->opens <= now && !(first && first->key < queue->opens)) {
		open_first(queue);
		first = heap_first(&queue->heap);
	}
	return first && first->key <= now ? container_of(first, struct timer, node) : NULL;
}

/* Fire what is due at NOW and older than LIMIT, at most COUNT; false if COUNT was too few. */
static bool fire(struct timerq *queue, int64_t now, unsigned count)
{
	struct timer *timer;

	while ((timer = due(queue, now)) && timer->node.order < queue->limit) {
		if (count-- == 0)
			return false;
		timer_stop(queue, timer);
		timer->fired(timer);
	}
	return true;
}

/*
 * A timer that FIRED starts anew has a later order than this pass began with, so no pass is endless.
 * A long one takes several calls.  When newer ones have come before those that are left, one call
 * fires them all, for else new ones might come before the old ones for ever.
 */
void green__timerq_run(struct timerq *queue, int64_t now)
{
	uint64_t limit = queue->heap.inserted;
	bool again = queue->unfinished;

	if (!again)
		queue->limit = limit;
	queue->unfinished = !fire(queue, now, TIMERS_AT_ONCE);
	if (again && !queue->unfinished) {
		queue->limit = limit;
		fire(queue, now, UINT_MAX);
	}
	/* Nothing lies in a slot that has begun. */
	if (now >= queue->near && now < queue->opens)
		queue->near = near_at(now);
}

/* How many timers lie in SLOT; SIZE_MAX if a rule is broken. */
static size_t check_slot(const struct timerq *queue, unsigned slot)
{
	struct timer *const *at = &queue->slots[slot];
	int64_t begin;
	size_t count = 0;

	if (!*at)
		return 0;
	begin = slot_begin(queue, slot);
	if (!(queue->used[slot / 64] >> slot % 64 & 1) || begin < queue->opens || begin < queue->near)
		return SIZE_MAX;
	for (; *at; at = &(*at)->next, count++) {
		const struct timer *timer = *at;

		if (timer->at != at || !timer->pending || !timer->far || begin_of(timer->node.key, shift_of(slot)) != begin)
			return SIZE_MAX;
	}
	return count;
}

bool green__timerq_check(const struct timerq *queue)
{
	size_t count = queue->heap.count;

	for (unsigned slot = 0; slot < TIMER_SLOTS; slot++) {
		size_t here = check_slot(queue, slot);

		if (here == SIZE_MAX)
			return false;
		count += here;
	}
	return count == queue->count && heap_check(&queue->heap);
}
