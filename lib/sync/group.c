/* SPDX-License-Identifier: MIT */
/*
 * group.c - tasks that belong together, without a limit or with one
 *
 * Who wants to add a member takes a place first.  A member that ends hands its place
 * to who waits longest, so nobody overtakes, and one who was woken has it.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/sys.h"
#include "green/task.h"
#include "sync/group.h"

struct green_group {
	struct flow *flow;
	size_t limit;             /* 0: none */
	size_t places;            /* of members, and of those who will bring one */
	size_t size;
	size_t failures;          /* of members, since the last join */
	unsigned killing;         /* calls that do */
	struct list members;
	struct green_waitq room;  /* who waits for a place, or only until there is one */
	struct green_waitq rest;  /* who waits for the end of members */
};

struct member {
	struct list link;
	struct task_watch watch;
	struct green_group *group;
	struct greenlet *task; /* pinned */
};

/* --- places and members --- */

/* The first who wants it has it; those before who only wait until there is one are told. */
static void hand_place_on(struct green_group *group)
{
	struct waitq_entry *entry;

	waitq_lock(&group->room);
	while ((entry = green__waitq_wake(&group->room, 0)) && entry->item)
		;
	if (!entry)
		group->places--;
	waitq_unlock(&group->room);
}

static bool has_room(const struct green_group *group)
{
	return (!group->limit || group->places < group->limit) && waitq_empty(&group->room);
}

/* Until there is a place, which is the caller's then if TAKES; 0 or -errno. */
static int wait_for_place(struct green_group *group, bool takes, int timeout_ms)
{
	struct waitq_entry entry = { .item = takes ? NULL : group };
	int error = WAITQ_AGAIN;

	waitq_lock(&group->room);
	while (error == WAITQ_AGAIN) {
		if (group->killing) {
			error = -ESHUTDOWN;
		} else if (has_room(group)) {
			group->places += takes;
			error = 0;
		} else {
			error = green__waitq_wait(&group->room, &entry, "room in a group", timeout_ms);
		}
	}
	waitq_unlock(&group->room);
	return error;
}

static void tell_those_at_rest(struct green_group *group)
{
	waitq_lock(&group->rest);
	green__waitq_wake_all(&group->rest, 0);
	waitq_unlock(&group->rest);
}

static void leave(struct member *member)
{
	struct green_group *group = member->group;

	list_remove(&member->watch.link);
	list_remove(&member->link);
	group->size--;
	hand_place_on(group);
	green__unpin(member->task);
	free(member);
}

static void member_ended(struct task_watch *watch, struct greenlet *task)
{
	struct member *member = container_of(watch, struct member, watch);
	struct green_group *group = member->group;
	bool failed = green__task_failed(task);

	group->failures += failed;
	leave(member);
	if (failed || group->size == 0)
		tell_those_at_rest(group);
}

static struct member *member_create(void)
{
	struct member *member = green__fault_injected() ? NULL : malloc(sizeof(*member));

	if (!member)
		errno = ENOMEM;
	return member;
}

/* MEMBER has a place. */
static void enter(struct green_group *group, struct member *member, struct greenlet *task)
{
	member->group = group;
	member->task = task;
	task->pins++;
	list_append(&group->members, &member->link);
	green__task_watch(task, &member->watch, member_ended);
	group->size++;
}

static struct member *member_of(const struct green_group *group, const struct greenlet *task)
{
	list_for_each(node, &group->members) {
		struct member *member = container_of(node, struct member, link);

		if (member->task == task)
			return member;
	}
	return NULL;
}

/* --- groups --- */

struct green_group *green_group_create(size_t limit)
{
	struct hub *hub = green__hub();
	struct green_group *group = hub && !green__fault_injected() ? calloc(1, sizeof(*group)) : NULL;

	if (!group) {
		errno = ENOMEM;
		return NULL;
	}
	group->flow = hub->flow;
	group->limit = limit;
	list_init(&group->members);
	return group;
}

int green_group_destroy(struct green_group *group)
{
	if (!group)
		return 0;
	if (!waitq_empty(&group->room) || !waitq_empty(&group->rest) || group->killing)
		return (int)sys_result(-EBUSY);
	critical_enter(group->flow);
	while (!list_empty(&group->members))
		leave(container_of(group->members.next, struct member, link));
	critical_leave(group->flow);
	free(group);
	return 0;
}

/* A place in GROUP for the caller; 0, or -1 with errno. */
static int take_place(struct green_group *group, int timeout_ms)
{
	struct hub *hub = green__hub();

	if (!hub || group->flow != hub->flow)
		return (int)sys_result(hub ? -EPERM : -ENOMEM);
	return (int)sys_result(wait_for_place(group, true, timeout_ms));
}

/* A member for who has a place, which is handed on if there is no memory. */
static struct member *member_for_place(struct green_group *group)
{
	struct member *member = member_create();

	if (!member)
		hand_place_on(group);
	return member;
}

static void give_up(struct green_group *group, struct member *member)
{
	free(member);
	hand_place_on(group);
}

int green_group_spawn(struct green_group *group, void *(*function)(void *), void *arg, int timeout_ms)
{
	struct member *member;
	struct greenlet *task;

	if (!function)
		return (int)sys_result(-EINVAL);
	if (take_place(group, timeout_ms) || !(member = member_for_place(group)))
		return -1;
	task = green_spawn(function, arg);
	if (!task) {
		give_up(group, member);
		return -1;
	}
	critical_enter(group->flow);
	enter(group, member, task);
	task->held = false;
	critical_leave(group->flow);
	return 0;
}

struct green_future *green__group_submit(struct green_group *group, void *(*function)(void *), void *arg)
{
	struct green_future *future;
	struct member *member;

	if (take_place(group, -1) || !(member = member_for_place(group)))
		return NULL;
	future = green_future_spawn(function, arg);
	if (!future) {
		give_up(group, member);
		return NULL;
	}
	critical_enter(group->flow);
	enter(group, member, future->task);
	critical_leave(group->flow);
	return future;
}

int green_group_add(struct green_group *group, struct greenlet *task, int timeout_ms)
{
	struct member *member;

	if (!green__task_is_good(task))
		return (int)sys_result(-EINVAL);
	if (task->flow != group->flow)
		return (int)sys_result(task->flow->gone ? -ESRCH : -EPERM);
	if (member_of(group, task))
		return 0;
	if (take_place(group, timeout_ms) || !(member = member_for_place(group)))
		return -1;
	if (task->state == GREENLET_DEAD || member_of(group, task)) {
		give_up(group, member);
		return 0;
	}
	critical_enter(group->flow);
	enter(group, member, task);
	critical_leave(group->flow);
	return 0;
}

bool green_group_discard(struct green_group *group, struct greenlet *task)
{
	struct member *member = member_of(group, task);

	if (!member)
		return false;
	critical_enter(group->flow);
	leave(member);
	if (group->size == 0)
		tell_those_at_rest(group);
	critical_leave(group->flow);
	return true;
}

bool green_group_contains(const struct green_group *group, const struct greenlet *task)
{
	return member_of(group, task) != NULL;
}

size_t green_group_size(const struct green_group *group)
{
	return group->size;
}

size_t green_group_room(const struct green_group *group)
{
	return group->limit ? group->limit - group->places : SIZE_MAX;
}

int green_group_wait_room(struct green_group *group, int timeout_ms)
{
	return (int)sys_result(wait_for_place(group, false, timeout_ms));
}

/* --- joining and killing --- */

/* Until there are no members or, with STOP, one has failed. */
static int wait_for_rest(struct green_group *group, bool stop, int timeout_ms)
{
	int64_t deadline = clock_after_ms(timeout_ms);
	struct waitq_entry entry;
	int error = 0;

	waitq_lock(&group->rest);
	while (group->size && !(stop && group->failures) && (!error || error == WAITQ_AGAIN))
		error = green__waitq_wait(&group->rest, &entry, "group", clock_ms_until(deadline));
	waitq_unlock(&group->rest);
	return error == WAITQ_AGAIN ? 0 : error;
}

int green_group_join(struct green_group *group, int flags, int timeout_ms)
{
	bool stop = flags & GREEN_STOP_AT_ERROR;
	int error = flags & ~GREEN_STOP_AT_ERROR ? -EINVAL : wait_for_rest(group, stop, timeout_ms);

	if (!error) {
		error = stop && group->failures ? -ECHILD : 0;
		group->failures = 0;
	}
	return (int)sys_result(error);
}

static void refuse_those_who_wait(struct green_group *group)
{
	waitq_lock(&group->room);
	green__waitq_wake_all(&group->room, -ESHUTDOWN);
	waitq_unlock(&group->room);
}

int green_group_kill(struct green_group *group, int timeout_ms)
{
	int error;

	group->killing++;
	critical_enter(group->flow);
	refuse_those_who_wait(group);
	list_for_each(node, &group->members)
		green__task_ask(container_of(node, struct member, link)->task, GREEN_EXIT, NULL);
	critical_leave(group->flow);
	error = wait_for_rest(group, false, timeout_ms);
	group->killing--;
	return (int)sys_result(error);
}

/* --- results --- */

void *green_group_apply(struct green_group *group, void *(*function)(void *), void *arg)
{
	struct green_future *future;
	void *value = NULL;

	if (!function) {
		errno = EINVAL;
		return NULL;
	}
	if (green__current && member_of(group, green__current))
		return function(arg);
	future = green__group_submit(group, function, arg);
	if (!future)
		return NULL;
	green_future_get(future, &value, -1);
	green_future_destroy(future);
	return value;
}

/* A member who maps does all of it, so that a full group cannot lock itself up. */
static int map_alone(void *(*function)(void *), void *const *items, void **results, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		void *result = function(items[i]);

		if (green_error(NULL))
			return (int)sys_result(-green_error_number(green_error(NULL)));
		if (results)
			results[i] = result;
	}
	return 0;
}

static bool has_failed(struct green_future *const *futures, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (green_future_state(futures[i]) > GREEN_VALUE)
			return true;
	}
	return false;
}

/* Begins one for each item until one fails; how many.  *ERROR: an errno if one could not be begun. */
static size_t begin_all(struct green_group *group, struct green_future **futures, void *(*function)(void *),
			void *const *items, size_t count, int *error)
{
	size_t begun = 0;

	*error = 0;
	while (begun < count && !has_failed(futures, begun)) {
		futures[begun] = green__group_submit(group, function, items[begun]);
		if (!futures[begun]) {
			*error = errno;
			break;
		}
		begun++;
	}
	return begun;
}

static int map_in_members(struct green_group *group, struct green_future **futures, void *(*function)(void *),
			  void *const *items, void **results, size_t count)
{
	int error;
	size_t begun = begin_all(group, futures, function, items, count, &error);

	/* One that has failed already is found at once. */
	if (!error && green_gather(futures, begun, begun == count ? results : NULL, -1))
		error = errno;
	for (size_t i = 0; i < begun; i++)
		green_future_destroy(futures[i]);
	return (int)sys_result(-error);
}

int green_group_map(struct green_group *group, void *(*function)(void *), void *const *items, void **results,
		    size_t count)
{
	struct green_future **futures;
	int result;

	if (!function)
		return (int)sys_result(-EINVAL);
	if (green__current && member_of(group, green__current))
		return map_alone(function, items, results, count);
	futures = green__fault_injected() ? NULL : calloc(count + 1, sizeof(struct green_future *));
	if (!futures)
		return (int)sys_result(-ENOMEM);
	result = map_in_members(group, futures, function, items, results, count);
	free(futures);
	return result;
}
