/* SPDX-License-Identifier: MIT */
/* parking.c - an address-keyed parking lot: what every lock's waiters wait in */
#include "parking.h"

#include "shim.h"

/* More calls that did not wait than anybody makes in a row. */
#define CROWD_BURST 64

/* How often a lock is looked at that can become free without our knowing. */
#define UNSEEN_INTERVAL (2 * NS_PER_MS)

struct parking_bucket parking_buckets[PARKING_BUCKETS];

/* A bucket's list is made at first use, so that a zeroed table is an empty one. */
static void bucket_lock(struct parking_bucket *bucket)
{
	spinlock_lock(&bucket->lock);
	if (!bucket->parked.next)
		list_init(&bucket->parked);
}

void parking_enter(struct parked *parked, const void *address, enum wait_mode mode)
{
	struct parking_bucket *bucket = parking_bucket_of(address);

	critical_enter(green__current->flow);
	green__waiter_init(&parked->waiter, mode, "lock", address);
	parked->address = address;
	parked->bits = PARKING_ALL;
	parked->lost = 0;
	bucket_lock(bucket);
	list_append(&bucket->parked, &parked->link);
	__atomic_add_fetch(&bucket->count, 1, __ATOMIC_SEQ_CST);
	spinlock_unlock(&bucket->lock);
}

int parking_wait(struct parked *parked, int64_t deadline)
{
	struct hub *hub = green__current->flow->hub;
	int error;

	/* Under the shim a wait without an end is no error: a signal may come. */
	hub->external++;
	error = green__park(&parked->waiter, deadline);
	hub->external--;
	return error;
}

static void bucket_take(struct parking_bucket *bucket, struct parked *parked)
{
	list_remove(&parked->link);
	__atomic_sub_fetch(&bucket->count, 1, __ATOMIC_SEQ_CST);
}

void parking_leave(struct parked *parked)
{
	struct parking_bucket *bucket;
	const void *address;

	/* It may be moved to another address while we look. */
	for (;;) {
		address = parked->address;
		bucket = parking_bucket_of(address);
		bucket_lock(bucket);
		if (parked->address == address)
			break;
		spinlock_unlock(&bucket->lock);
	}
	if (!list_empty(&parked->link))
		bucket_take(bucket, parked);
	spinlock_unlock(&bucket->lock);
	/* A wake from another thread that came between must be taken in before the memory goes. */
	if (parked->waiter.result <= -WAITER_FROM_OUTSIDE)
		green__park(&parked->waiter, CLOCK_NEVER);
	critical_leave(green__current->flow);
}

bool parking_taken(const struct parked *parked)
{
	struct parking_bucket *bucket = parking_bucket_of(parked->address);
	bool taken;

	bucket_lock(bucket);
	taken = list_empty(&parked->link);
	spinlock_unlock(&bucket->lock);
	return taken;
}

/* LOST is the largest number of times that one of the woken had been woken before. */
static unsigned wake(const void *address, unsigned count, uint32_t bits, unsigned *lost)
{
	struct parking_bucket *bucket = parking_bucket_of(address);
	struct flow *flow = green__current ? green__current->flow : NULL;
	struct list *next;
	unsigned woken = 0;

	if (flow)
		critical_enter(flow);
	bucket_lock(bucket);
	for (struct list *node = bucket->parked.next; node != &bucket->parked && woken < count; node = next) {
		struct parked *parked = container_of(node, struct parked, link);

		next = node->next;
		if (parked->address != address || !(parked->bits & bits))
			continue;
		bucket_take(bucket, parked);
		*lost = parked->lost > *lost ? parked->lost : *lost;
		if (green__wake(&parked->waiter, 0))
			woken++;
	}
	spinlock_unlock(&bucket->lock);
	if (flow)
		critical_leave(flow);
	return woken;
}

/*
 * Programs expect that those whom a broadcast or a barrier lets go start at about the
 * same time: so who let them go gives way at its next call that could wait.
 */
unsigned parking_wake_those(const void *address, unsigned count, uint32_t bits)
{
	unsigned lost = 0, woken = wake(address, count, bits, &lost);

	if (count > 1 && woken && green__current)
		green__current->burst += CROWD_BURST;
	return woken;
}

bool parking_wake_first(const void *address)
{
	unsigned lost = 0;

	return wake(address, 1, PARKING_ALL, &lost) && lost;
}

static struct parked *parked_under(const struct parking_bucket *bucket, const void *address)
{
	list_for_each(node, &bucket->parked) {
		struct parked *parked = container_of(node, struct parked, link);

		if (parked->address == address)
			return parked;
	}
	return NULL;
}

bool parking_occupied(const void *address)
{
	struct parking_bucket *bucket = parking_bucket_of(address);
	struct flow *flow = green__current ? green__current->flow : NULL;
	bool found;

	if (parking_empty(address))
		return false;
	if (flow)
		critical_enter(flow);
	bucket_lock(bucket);
	found = parked_under(bucket, address);
	spinlock_unlock(&bucket->lock);
	if (flow)
		critical_leave(flow);
	return found;
}

unsigned parking_move(const void *from, const void *to, unsigned count)
{
	struct parking_bucket *source = parking_bucket_of(from);
	struct parking_bucket *target = parking_bucket_of(to);
	unsigned moved = 0;

	critical_enter(green__current->flow);
	while (moved < count) {
		struct parked *parked;

		bucket_lock(source);
		parked = parked_under(source, from);
		if (parked) {
			bucket_take(source, parked);
			parked->address = to;
		}
		spinlock_unlock(&source->lock);
		if (!parked)
			break;
		bucket_lock(target);
		list_append(&target->parked, &parked->link);
		__atomic_add_fetch(&target->count, 1, __ATOMIC_SEQ_CST);
		spinlock_unlock(&target->lock);
		moved++;
	}
	critical_leave(green__current->flow);
	return moved;
}

void parking_after_fork(void)
{
	for (size_t i = 0; i < PARKING_BUCKETS; i++) {
		spinlock_init(&parking_buckets[i].lock);
		parking_buckets[i].count = 0;
		list_init(&parking_buckets[i].parked);
	}
}

static int64_t next_look(const struct lock_call *call)
{
	int64_t soon;

	if (!call->shared && !shim.foreign)
		return call->deadline;
	soon = clock_after(UNSEEN_INTERVAL);
	return soon < call->deadline ? soon : call->deadline;
}

int parking_lock(const struct lock_call *call)
{
	for (unsigned lost = 0;; lost++) {
		struct parked parked;
		int result, error = 0;

		parking_enter(&parked, call->object, WAIT_INTERRUPTIBLE);
		parked.lost = lost;
		result = call->attempt(call->object);
		if (result == call->busy)
			error = parking_wait(&parked, next_look(call));
		parking_leave(&parked);
		if (result != call->busy)
			return result;
		if (error == -EINTR && !shim_interrupted(!call->never_restarted, call->cancel) && call->interruptible)
			return EINTR;
		if (error == -ETIMEDOUT && clock_now() >= call->deadline)
			return ETIMEDOUT;
	}
}
