/* SPDX-License-Identifier: MIT */
/*
 * dump.c - all greenlets of a hub, or of all hubs, as text for people
 *
 * Only its own thread may look at a hub's greenlets, so the others are asked: each writes its
 * part into memory when it takes in what was left for it, and who asked waits for that.
 */
#include "inspect/dump.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/sys.h"
#include "green/debug.h"
#include "green/io.h"
#include "hub/task.h"
#include "inspect/backtrace.h"
#include "inspect/info.h"

enum { DEEPEST = 20, FRAMES = 32, STEP = 2 };

#define LOOK_AGAIN (1 * NS_PER_MS)

/* --- one line --- */

static void say_seconds(struct text *text, const char *before, int64_t ms, const char *after)
{
	if (ms >= 0)
		green__text_say(text, "%s%lld.%03d s%s", before, (long long)(ms / 1000), (int)(ms % 1000), after);
}

static void say_descriptors(struct text *text, const struct green_info *info)
{
	static const char *const uses[] = { "", " to read", " to write", " to read or write" };

	if (info->fd < 0)
		green__text_say(text, "waits for no descriptor");
	else
		green__text_say(text, "waits for descriptor %d%s", info->fd, uses[info->events & 3]);
	if (info->descriptors > 1)
		green__text_say(text, " and %zu more", info->descriptors - 1);
}

static void say_wait(struct text *text, const struct green_info *info)
{
	const struct greenlet *task = info->object;

	if (info->waits_for == green__wait_sleep)
		green__text_say(text, "sleeps");
	else if (info->waits_for == green__wait_descriptors)
		say_descriptors(text, info);
	else if (info->waits_for == green__wait_join)
		green__text_say(text, "waits for the end of %s (%llu)", green_name(task), (unsigned long long)task->id);
	else if (info->object)
		green__text_say(text, "waits for %s at %p", info->waits_for, info->object);
	else
		green__text_say(text, "waits for %s", info->waits_for);
	say_seconds(text, ", for ", info->waiting_ms, "");
	say_seconds(text, ", ", info->left_ms, " left");
}

static void say_state(struct text *text, const struct green_info *info)
{
	if (info->waits_for)
		say_wait(text, info);
	else if (info->state == GREEN_PARKED)
		green__text_say(text, "waits for events");
	else if (info->state == GREEN_SUSPENDED)
		green__text_say(text, "suspended in a switch");
	else
		green__text_say(text, "%s", green_state_name(info->state));
	if (info->error && info->state != GREEN_ENDED)
		green__text_say(text, ", with %s pending", green_error_name(info->error));
	else if (info->error && info->error != GREEN_EXIT)
		green__text_say(text, " with %s", green_error_name(info->error));
}

static size_t kib(size_t bytes)
{
	return (bytes + 1023) / 1024;
}

void green__dump_line(struct text *text, const struct greenlet *greenlet)
{
	size_t used = green_stack_used(greenlet);
	struct green_info info;

	green__info(greenlet, &info);
	green__text_say(text, "%s (%llu, %s): ", info.name, (unsigned long long)info.id, info.kind);
	say_state(text, &info);
	if (used)
		green__text_say(text, "; %zu of %zu KiB of stack used", kib(used), kib(info.stack_size));
	green__text_say(text, "\n");
}

static void dump_recorded(struct text *text, const struct greenlet *greenlet, enum green_record what, int indent)
{
	const char *title = what == GREEN_RECORD_SPAWN ? "made at" : "the error was thrown at";
	uintptr_t frames[FRAMES];
	ssize_t count = green_recorded(greenlet, what, (void **)frames, FRAMES);

	if (count <= 0)
		return;
	green__text_say(text, "%*s%s\n", indent, "", title);
	green__text_frames(text, frames, (size_t)count, indent + STEP);
}

void green__dump_stack(struct text *text, const struct greenlet *greenlet, int indent)
{
	uintptr_t frames[FRAMES];

	green__text_frames(text, frames, green__backtrace(greenlet, frames, FRAMES), indent);
	dump_recorded(text, greenlet, GREEN_RECORD_ERROR, indent);
	dump_recorded(text, greenlet, GREEN_RECORD_SPAWN, indent);
}

/* --- the tree of who made whom --- */

enum { NOBODY = -1 };

/* Numbers of others in the same array. */
struct member {
	const struct greenlet *greenlet;
	long first, last, next; /* children, sibling; or NOBODY */
	long above;
};

static size_t count_greenlets(const struct flow *flow)
{
	size_t count = 0;

	list_for_each(node, &flow->all)
		count++;
	return count;
}

/* Greenlets are on their list, and so in the array, in the order of their ids. */
static long find(const struct member *members, long count, uint64_t id)
{
	long from = 0;

	while (from < count) {
		long middle = from + (count - from) / 2;

		if (members[middle].greenlet->id == id)
			return middle;
		if (members[middle].greenlet->id < id)
			from = middle + 1;
		else
			count = middle;
	}
	return NOBODY;
}

static void add_child(struct member *members, long above, long child)
{
	struct member *parent = &members[above];

	members[child].above = above;
	if (parent->last == NOBODY)
		parent->first = child;
	else
		members[parent->last].next = child;
	parent->last = child;
}

/* Whose spawner is gone stands below the first, which is mostly main. */
static long fill(struct member *members, const struct flow *flow)
{
	long count = 0;

	list_for_each(node, &flow->all) {
		const struct greenlet *greenlet = container_of(node, struct greenlet, all);
		long above = find(members, count, greenlet->spawner);

		members[count] = (struct member){ greenlet, NOBODY, NOBODY, NOBODY, NOBODY };
		if (count > 0)
			add_child(members, above == NOBODY ? 0 : above, count);
		count++;
	}
	return count;
}

/* The next one from the top down, and how much deeper it stands. */
static long next_of(const struct member *members, long at, int *depth)
{
	if (members[at].first != NOBODY) {
		++*depth;
		return members[at].first;
	}
	while (at != NOBODY && members[at].next == NOBODY) {
		at = members[at].above;
		--*depth;
	}
	return at == NOBODY ? NOBODY : members[at].next;
}

static void dump_members(struct text *text, const struct member *members, int flags)
{
	int depth = 1;

	for (long at = 0; at != NOBODY; at = next_of(members, at, &depth)) {
		int indent = STEP * (depth < DEEPEST ? depth : DEEPEST);

		green__text_say(text, "%*s", indent, "");
		green__dump_line(text, members[at].greenlet);
		if (flags & GREEN_DUMP_STACKS)
			green__dump_stack(text, members[at].greenlet, indent + 2 * STEP);
	}
}

static void dump_numbers(struct text *text, const struct hub *hub)
{
	struct green_hub_info info;

	green__hub_numbers(hub, &info);
	green__text_say(text, "hub of kernel thread %d: %zu greenlets, %zu wait for their turn; ", (int)info.thread,
			info.greenlets, info.ready);
	green__text_say(text, "%llu made, %llu switches, %llu waits, ", (unsigned long long)info.created,
			(unsigned long long)info.switches, (unsigned long long)info.parks);
	green__text_say(text, "%llu iterations, %llu looks for events\n", (unsigned long long)info.iterations,
			(unsigned long long)info.epoll_waits);
}

int green__dump_flow(struct text *text, struct flow *flow, int flags)
{
	size_t count = count_greenlets(flow);
	struct member *members = green__fault_injected() ? NULL : malloc(count * sizeof(*members));

	if (!members)
		return -ENOMEM;
	if (flow->hub)
		dump_numbers(text, flow->hub);
	else
		green__text_say(text, "kernel thread %ld without a hub: %zu greenlets\n", sys_call(SYS_gettid), count);
	if (fill(members, flow))
		dump_members(text, members, flags);
	free(members);
	return text->error;
}

static bool flags_good(int flags)
{
	if (!(flags & ~GREEN_DUMP_STACKS))
		return true;
	errno = EINVAL;
	return false;
}

int green_dump(int fd, int flags)
{
	struct flow *flow = green__flow();
	struct text text;
	int error;

	if (!flow || !flags_good(flags))
		return -1;
	green__text_to(&text, fd);
	error = green__dump_flow(&text, flow, flags);
	if (!error)
		error = green__text_flush(&text);
	return (int)sys_result(error);
}

/* --- all hubs --- */

/* One hub is asked.  Who asked and the hub each have a share; whoever is last frees it. */
struct question {
	struct question *next;
	struct remote remote;
	struct blocked_thread thread;
	int flags;
	unsigned shares; /* atomic */
	int answered;    /* atomic: TEXT is whole */
	struct text text;
};

static void share_drop(struct question *question)
{
	if (__atomic_sub_fetch(&question->shares, 1, __ATOMIC_ACQ_REL))
		return;
	green__text_free(&question->text);
	free(question);
}

/* On the hub that was asked, perhaps long after anybody waits for it. */
static void answer(struct hub *hub, struct remote *remote)
{
	struct question *question = container_of(remote, struct question, remote);

	if (__atomic_load_n(&question->shares, __ATOMIC_ACQUIRE) == 2) {
		green__dump_flow(&question->text, hub->flow, question->flags);
		__atomic_store_n(&question->answered, 1, __ATOMIC_RELEASE);
	}
	share_drop(question);
}

struct round {
	struct question *first, **last;
	const struct flow *self;
	int flags;
	int error;
};

static bool ask(struct hub *hub, void *argument)
{
	struct round *round = argument;
	struct question *question;

	if (hub->flow == round->self)
		return true;
	question = green__fault_injected() ? NULL : calloc(1, sizeof(*question));
	if (!question) {
		round->error = -ENOMEM;
		return false;
	}
	question->remote.run = answer;
	green__blocked_thread(hub, &question->thread);
	question->flags = round->flags;
	question->shares = 2;
	green__text_in_memory(&question->text);
	*round->last = question;
	round->last = &question->next;
	green__hub_post(hub, &question->remote);
	return true;
}

static void pause_shortly(struct hub *hub)
{
	struct timespec pause = clock_to_timespec(LOOK_AGAIN);

	if (hub)
		green__sleep(hub, clock_after(LOOK_AGAIN), WAIT_PLAIN);
	else
		sys_call(SYS_nanosleep, &pause, NULL);
}

void green__dump_blocked(struct text *text, pid_t thread, const struct blocked *blocked)
{
	green__text_say(text, "hub of kernel thread %d: kept by %s (%llu), at\n", (int)thread, blocked->name,
			(unsigned long long)blocked->id);
	green__text_frames(text, blocked->frames, blocked->count, 3 * STEP);
}

/* True if it has answered by DEADLINE. */
static bool take_answer(struct text *text, struct question *question, struct hub *hub, int64_t deadline)
{
	struct blocked blocked;

	while (!__atomic_load_n(&question->answered, __ATOMIC_ACQUIRE) && clock_now() < deadline)
		pause_shortly(hub);
	if (__atomic_load_n(&question->answered, __ATOMIC_ACQUIRE)) {
		green__text_add(text, question->text.bytes, question->text.used);
		return true;
	}
	green__blocked_signal(0);
	green__blocked_look(&question->thread, &blocked);
	green__dump_blocked(text, question->thread.id, &blocked);
	return false;
}

int green__dump_hubs(struct text *text, int flags, int timeout_ms)
{
	struct flow *flow = green__current ? green__current->flow : NULL;
	struct round round = { .last = &round.first, .self = flow, .flags = flags };
	int64_t deadline = clock_after_ms(timeout_ms);
	int silent = 0;

	if (flow)
		round.error = green__dump_flow(text, flow, flags);
	if (!round.error)
		green__hubs_visit(ask, &round);
	while (round.first) {
		struct question *question = round.first;

		round.first = question->next;
		silent += !take_answer(text, question, flow ? flow->hub : NULL, deadline);
		share_drop(question);
	}
	return round.error ? round.error : silent;
}

int green_dump_all(int fd, int flags, int timeout_ms)
{
	struct text text;
	int silent, error;

	if (!flags_good(flags))
		return -1;
	green__text_to(&text, fd);
	silent = green__dump_hubs(&text, flags, timeout_ms);
	error = green__text_flush(&text);
	return (int)sys_result(error ? error : silent);
}
