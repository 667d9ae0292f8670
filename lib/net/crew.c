/* SPDX-License-Identifier: MIT */
/* crew.c - the tasks of one server: how many there are, and how they end */
#include <errno.h>

#include "hub/task.h"
#include "net/bell.h"
#include "net/crew.h"

#define LAST_WORDS NS_PER_SECOND /* what those have who were killed */

void green__crew_init(struct crew *crew, struct hub *hub)
{
	crew->hub = hub;
	list_init(&crew->members);
	list_init(&crew->bell);
	crew->count = 0;
}

/* For struct greenlet.ended, so that it is told of those as well that are killed before they have begun. */
static void task_ended(struct greenlet *task)
{
	struct member *member = task->argument;
	struct crew *crew = member->crew;

	list_remove(&member->link);
	crew->count--;
	bell_ring(crew->hub, &crew->bell);
	/* Its owner may free the crew with it. */
	member->ended(member);
	green__task_ended(task);
}

static void *member_main(void *arg)
{
	struct member *member = arg;

	member->run(member);
	return NULL;
}

int green__crew_add(struct crew *crew, struct member *member)
{
	struct stack *stack = green__stack_take(crew->hub->flow->stack_size);

	if (!stack)
		return -errno;
	member->crew = crew;
	member->task = green__task_create(crew->hub, stack, member_main, member);
	member->task->ended = task_ended;
	list_append(&crew->members, &member->link);
	crew->count++;
	green__task_start(crew->hub, member->task);
	return 0;
}

static bool is_member(const struct crew *crew, const struct greenlet *task)
{
	list_for_each(node, &crew->members) {
		if (container_of(node, struct member, link)->task == task)
			return true;
	}
	return false;
}

int green__crew_wait(struct crew *crew, int64_t deadline)
{
	size_t left = is_member(crew, green__current) ? 1 : 0;
	int error = 0;

	while (crew->count > left && !error)
		error = bell_wait(crew->hub, &crew->bell, deadline, "tasks of a server");
	return error;
}

void green__crew_kill(struct crew *crew)
{
	critical_enter(crew->hub->flow);
	list_for_each(node, &crew->members) {
		struct greenlet *task = container_of(node, struct member, link)->task;

		if (task == green__current)
			continue;
		green__raise(task, GREEN_EXIT, NULL);
		/* One that waits in a switch is given its turn. */
		if (task->state == GREENLET_ACTIVE && !task->scheduled)
			green__task_start(crew->hub, task);
	}
	critical_leave(crew->hub->flow);
}

int green__crew_end(struct crew *crew, int grace_ms)
{
	int error = green__crew_wait(crew, clock_after_ms(grace_ms));

	if (error != -ETIMEDOUT)
		return error;
	green__crew_kill(crew);
	return green__crew_wait(crew, clock_after(LAST_WORDS));
}
