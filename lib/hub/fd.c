/* SPDX-License-Identifier: MIT */
/* fd.c - what each descriptor number is waited for, in one hub */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/sys.h"
#include "hub/descriptor.h"
#include "hub/fd.h"
#include "hub/outside.h"

enum {
	LOOKS_AT_ONCE = 64,
};

#define EDGES (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET)
#define BROKEN (EPOLLERR | EPOLLHUP)
#define LOOK_AGAIN (2 * NS_PER_MS)
#define SPECIAL (EPOLLPRI | EPOLLRDHUP | BROKEN)

struct fd_table *green__fd_table_create(struct hub *hub)
{
	struct fd_table *table = green__fault_injected() ? NULL : calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->hub = hub;
	list_init(&table->looks);
	return table;
}

void green__fd_table_destroy(struct fd_table *table)
{
	for (size_t i = 0; i < FD_CHUNKS; i++)
		free(table->chunks[i]);
	free(table);
}

static void chunk_reset(struct fd *chunk)
{
	for (size_t i = 0; i < FD_CHUNK; i++) {
		list_init(&chunk[i].waits);
		chunk[i].registered = 0;
		chunk[i].drained = chunk[i].special = false;
	}
}

void green__fd_table_reset(struct fd_table *table)
{
	list_init(&table->looks);
	for (size_t i = 0; i < FD_CHUNKS; i++) {
		if (table->chunks[i])
			chunk_reset(table->chunks[i]);
	}
}

static GREEN_NOINLINE struct fd *fd_make(struct fd_table *table, int fd)
{
	struct fd *chunk;

	if (fd < 0 || fd >= FD_CHUNK * FD_CHUNKS)
		return NULL;
	chunk = green__fault_injected() ? NULL : malloc(FD_CHUNK * sizeof(struct fd));
	if (!chunk)
		return NULL;
	chunk_reset(chunk);
	table->chunks[fd / FD_CHUNK] = chunk;
	return green__fd_find(table, fd);
}

static struct fd *fd_find_or_make(struct fd_table *table, int fd)
{
	struct fd *entry = green__fd_find(table, fd);

	return likely(entry) ? entry : fd_make(table, fd);
}

static uint64_t event_data(int fd, uint32_t generation)
{
	return (uint64_t)generation << 32 | (uint32_t)fd;
}

/* Register FD for its present life: once, for everything. */
static int register_known(struct hub *hub, int fd, struct fd *entry, uint32_t generation)
{
	int error = green__loop_control(&hub->loop, EPOLL_CTL_ADD, fd, EDGES, event_data(fd, generation));

	/* The same file came back on its number after a close that nobody saw: MOD arms the edge anew. */
	if (error == -EEXIST)
		error = green__loop_control(&hub->loop, EPOLL_CTL_MOD, fd, EDGES, event_data(fd, generation));
	if (!error) {
		entry->registered = generation;
		entry->drained = entry->special = false;
	}
	return error;
}

/* Arm FD, of which nothing may be remembered, for one event of what its waiters want. */
static int arm_once(struct hub *hub, int fd, struct fd *entry, uint32_t generation)
{
	uint32_t events = EPOLLONESHOT;
	int error;

	list_for_each(node, &entry->waits)
		events |= container_of(node, struct fd_wait, link)->events;
	error = green__loop_control(&hub->loop, EPOLL_CTL_MOD, fd, events, event_data(fd, generation));
	if (error == -ENOENT)
		error = green__loop_control(&hub->loop, EPOLL_CTL_ADD, fd, events, event_data(fd, generation));
	return error;
}

static GREEN_NOINLINE int arm_anew(struct hub *hub, int fd, struct fd *entry)
{
	struct descriptor *descriptor = green__descriptor(fd);

	if (!descriptor)
		return -ENOMEM;
	if (descriptor->flags & DESCRIPTOR_KNOWN)
		return register_known(hub, fd, entry, descriptor->generation);
	entry->registered = 0;
	return arm_once(hub, fd, entry, descriptor->generation);
}

/* Nearly always it is registered. */
static inline int arm(struct hub *hub, int fd, struct fd *entry)
{
	const struct descriptor *descriptor = green__descriptor_find(fd);

	if (likely(descriptor && (descriptor->flags & DESCRIPTOR_KNOWN) && entry->registered == descriptor->generation))
		return 0;
	return arm_anew(hub, fd, entry);
}

/* False if the wait has ended otherwise and its greenlet only has not run yet: it will not take anything. */
static bool wake_wait(struct fd_wait *wait, uint32_t events, int result)
{
	list_remove(&wait->link);
	wait->got = events;
	if (!wait->waiter) {
		wait->woken(wait, events, result);
		return false;
	}
	green__greenlet_expect(wait->waiter->greenlet);
	return green__wake(wait->waiter, result);
}

/* Wake whoever EVENTS concerns: all who only look, and of those who take the first in each direction. */
static GREEN_NOINLINE void wake_several(struct fd *entry, uint32_t events)
{
	bool taken_in = false, taken_out = false;
	struct list *next;

	for (struct list *node = entry->waits.next; node != &entry->waits; node = next) {
		struct fd_wait *wait = container_of(node, struct fd_wait, link);
		uint32_t match = events & (wait->events | BROKEN);
		bool *taken = wait->events & EPOLLOUT ? &taken_out : &taken_in;

		next = node->next;
		if (!match || (wait->takes && *taken && !(events & BROKEN)))
			continue;
		if (wake_wait(wait, match, 0) && wait->takes)
			*taken = true;
	}
}

static void wake_waiters(struct fd *entry, uint32_t events)
{
	struct list *first = entry->waits.next;
	struct fd_wait *wait = container_of(first, struct fd_wait, link);

	if (unlikely(first->next != &entry->waits))
		wake_several(entry, events);
	else if (first != &entry->waits && (events & (wait->events | BROKEN)))
		wake_wait(wait, events & (wait->events | BROKEN), 0);
}

void green__fd_expect(void *context, uint64_t data)
{
	struct hub *hub = context;
	struct fd *entry = green__fd_find(hub->fds, (int)(uint32_t)data);

	if (!entry)
		return;
	for (int line = -1; line <= 1; line++)
		__builtin_prefetch((char *)entry->waits.next + line * CACHE_LINE, 1);
}

void green__fd_event(void *context, uint64_t data, uint32_t events)
{
	struct hub *hub = context;
	int fd = (int)(uint32_t)data;
	uint32_t generation = (uint32_t)(data >> 32);
	struct descriptor *descriptor = green__descriptor(fd);
	struct fd *entry = green__fd_find(hub->fds, fd);

	if (!entry || !descriptor || descriptor->generation != generation)
		return;
	entry->drained = false;
	if (events & SPECIAL)
		entry->special = true;
	/* The end of a stream can be read. */
	if (events & EPOLLRDHUP)
		events |= EPOLLIN;
	wake_waiters(entry, events);
	/* Those that cannot be told of the next event look for themselves. */
	if (!entry->registered && !list_empty(&entry->waits) && arm_once(hub, fd, entry, generation))
		wake_waiters(entry, events | BROKEN);
}

/* Where epoll has no memory to tell of an event, whoever waits looks now and then: the end of this wait is only a hint. */
static int park_for_a_look(struct waiter *waiter, int64_t deadline)
{
	int64_t soon = clock_after(LOOK_AGAIN);
	int error = green__park(waiter, soon < deadline ? soon : deadline);

	return error == -ETIMEDOUT && soon < deadline ? 0 : error;
}

/* Behind all who have waited for longer: who was woken for nothing has its place again. */
static void enqueue(struct fd_table *table, struct fd *entry, struct fd_wait *wait)
{
	struct list *before = entry->waits.prev;

	if (!wait->place)
		wait->place = ++table->places;
	while (before != &entry->waits && container_of(before, struct fd_wait, link)->place > wait->place)
		before = before->prev;
	list_insert_between(&wait->link, before, before->next);
}

int green__fd_enter(struct hub *hub, struct fd_wait *wait, struct waiter *waiter)
{
	struct fd *entry = fd_find_or_make(hub->fds, wait->fd);

	list_init(&wait->link);
	wait->waiter = waiter;
	wait->got = 0;
	if (!entry)
		return wait->fd < 0 ? -EBADF : -ENOMEM;
	enqueue(hub->fds, entry, wait);
	return arm(hub, wait->fd, entry);
}

/* All that WAITER waits for is linked, unless there was an ERROR. */
static inline int park_for_event(struct hub *hub, struct waiter *waiter, int error, int64_t deadline)
{
	bool counts = !waiter->greenlet->service;

	hub->fd_waits += counts;
	if (likely(!error))
		error = green__park(waiter, deadline);
	else if (sys_lacks(error))
		error = park_for_a_look(waiter, deadline);
	hub->fd_waits -= counts;
	return error;
}

int green__fd_wait_one(struct hub *hub, struct fd_wait *wait, int64_t deadline, enum wait_mode mode)
{
	struct fd_waits all = { wait, 1 };
	struct waiter waiter;
	int error;

	critical_enter(hub->flow);
	green__waiter_init(&waiter, mode, green__wait_descriptors, &all);
	error = green__fd_enter(hub, wait, &waiter);
	error = park_for_event(hub, &waiter, error, deadline);
	green__fd_leave(wait);
	critical_leave(hub->flow);
	return error;
}

int green__fd_wait_many(struct hub *hub, struct fd_wait *waits, size_t count, int64_t deadline, enum wait_mode mode)
{
	struct fd_waits all = { waits, count };
	struct waiter waiter;
	int error = 0;
	size_t linked;

	critical_enter(hub->flow);
	green__waiter_init(&waiter, mode, green__wait_descriptors, &all);
	for (linked = 0; linked < count && !error; linked++)
		error = green__fd_enter(hub, &waits[linked], &waiter);
	error = park_for_event(hub, &waiter, error, deadline);
	for (size_t i = 0; i < linked; i++)
		green__fd_leave(&waits[i]);
	critical_leave(hub->flow);
	return error;
}

int green__fd_wait(struct hub *hub, int fd, uint32_t events, int64_t deadline, enum wait_mode mode)
{
	struct fd_wait wait = { .fd = fd, .events = events, .takes = true };

	return green__fd_wait_one(hub, &wait, deadline, mode);
}

/* --- what is watched --- */

/* Put WAIT on FD's list and see to it that its next event is told; 0 or -errno. */
static int link_and_arm(struct hub *hub, struct fd_wait *wait)
{
	struct fd *entry = fd_find_or_make(hub->fds, wait->fd);
	int error;

	if (!entry)
		return wait->fd < 0 ? -EBADF : -ENOMEM;
	enqueue(hub->fds, entry, wait);
	error = arm(hub, wait->fd, entry);
	if (error)
		list_remove(&wait->link);
	return error;
}

void green__fd_watch_again(struct hub *hub, struct fd_wait *wait)
{
	list_append(&hub->fds->looks, &wait->link);
	hub->chores = true;
	if (unlikely(hub->outside_told))
		green__outside_told(hub, 0);
}

int green__fd_watch(struct hub *hub, struct fd_wait *wait)
{
	int error;

	wait->waiter = NULL;
	wait->takes = false;
	wait->place = 0;
	error = link_and_arm(hub, wait);
	if (error)
		return error;
	/* Of a registered descriptor the edge may have been before. */
	list_remove(&wait->link);
	green__fd_watch_again(hub, wait);
	return 0;
}

/* What the kernel says of WAIT's descriptor now. */
static void looked_at(struct hub *hub, struct fd_wait *wait, const struct pollfd *seen)
{
	int error;

	if (seen->revents & POLLNVAL) {
		wake_wait(wait, 0, -EBADF);
	} else if (seen->revents) {
		wake_wait(wait, (uint32_t)seen->revents, 0);
	} else {
		error = link_and_arm(hub, wait);
		/* Where the kernel has no memory to tell, the next look will find out. */
		if (error)
			green__fd_watch_again(hub, wait);
	}
}

/* Nobody's function runs in between, so all of them stay. */
static void look_at_some(struct hub *hub, struct list *looks)
{
	struct fd_wait *waits[LOOKS_AT_ONCE];
	struct pollfd seen[LOOKS_AT_ONCE];
	struct timespec zero = { 0, 0 };
	unsigned count = 0;

	for (; count < LOOKS_AT_ONCE && !list_empty(looks); count++) {
		waits[count] = container_of(list_pop(looks), struct fd_wait, link);
		seen[count] = (struct pollfd) { .fd = waits[count]->fd, .events = (short)waits[count]->events };
	}
	/* What cannot be asked passes for ready, which is only a hint. */
	if (sys_look(SYS_ppoll, seen, count, &zero, NULL, 8) < 0) {
		for (unsigned i = 0; i < count; i++)
			seen[i].revents = seen[i].events;
	}
	for (unsigned i = 0; i < count; i++)
		looked_at(hub, waits[i], &seen[i]);
}

bool green__fd_look_due(const struct hub *hub)
{
	return !list_empty(&hub->fds->looks);
}

void green__fd_look(struct hub *hub)
{
	struct list looks;

	list_init(&looks);
	list_splice(&looks, &hub->fds->looks);
	while (!list_empty(&looks))
		look_at_some(hub, &looks);
}

void green__fd_wake_next(struct hub *hub, struct fd *entry, uint32_t events)
{
	struct list *next;

	critical_enter(hub->flow);
	for (struct list *node = entry->waits.next; node != &entry->waits; node = next) {
		struct fd_wait *wait = container_of(node, struct fd_wait, link);

		next = node->next;
		if (wait->takes && (wait->events & events) && wake_wait(wait, events, 0))
			break;
	}
	critical_leave(hub->flow);
}

/* Who would be looked at next hears of it as those do who wait. */
static void stop_looking(struct hub *hub, int fd)
{
	struct list *next;

	for (struct list *node = hub->fds->looks.next; node != &hub->fds->looks; node = next) {
		struct fd_wait *wait = container_of(node, struct fd_wait, link);

		next = node->next;
		if (wait->fd == fd)
			wake_wait(wait, 0, -EBADF);
	}
}

void green__fd_closing(struct hub *hub, int fd)
{
	struct fd *entry = green__fd_find(hub->fds, fd);
	struct list *node;

	if (!entry)
		return;
	critical_enter(hub->flow);
	stop_looking(hub, fd);
	/* A private file goes with its number, and its registration with it; any other would go on telling of itself. */
	if ((entry->registered && !green__descriptor_private(green__descriptor(fd))) ||
	    (!entry->registered && !list_empty(&entry->waits)))
		green__loop_control(&hub->loop, EPOLL_CTL_DEL, fd, 0, 0);
	entry->registered = 0;
	entry->drained = entry->special = false;
	while ((node = list_pop(&entry->waits)))
		wake_wait(container_of(node, struct fd_wait, link), 0, -EBADF);
	critical_leave(hub->flow);
}
