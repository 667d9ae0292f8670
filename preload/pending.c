/* SPDX-License-Identifier: MIT */
/* pending.c - the signals that one thread has still to take, with what is known of each */
#include "pending.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/spinlock.h"
#include "base/sys.h"

enum {
	REAL_TIME = 34, /* the first signal that is queued as often as it is sent */
	CHUNK_BYTES = 64 * 1024,
};

struct queued {
	struct queued *next;
	bool process;
	siginfo_t info;
};

/* A thread that is on a helper takes from its queue there, while others add to it on the carrier. */
static struct spinlock lock;

/* Nodes are never given back to the kernel: their number is the largest backlog there ever was. */
static struct queued *spare;
static unsigned used;

static void grow(void)
{
	long memory = sys_call(SYS_mmap, NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct queued *nodes = (struct queued *)memory;

	if (sys_failed(memory))
		return;
	for (size_t i = 0; i < CHUNK_BYTES / sizeof(*nodes); i++) {
		nodes[i].next = spare;
		spare = &nodes[i];
	}
}

static struct queued *node_take(void)
{
	struct queued *node;

	if (!spare)
		grow();
	node = spare;
	if (node) {
		spare = node->next;
		used++;
	}
	return node;
}

static void node_give(struct queued *node)
{
	node->next = spare;
	spare = node;
	used--;
}

static bool limit_reached(void)
{
	struct rlimit limit;

	return sys_call(SYS_prlimit64, 0, RLIMIT_SIGPENDING, NULL, &limit) == 0 && used >= limit.rlim_cur;
}

static int add(struct pending *pending, const siginfo_t *info, bool process, bool forced)
{
	uint64_t *set = process ? &pending->process : &pending->own;
	uint64_t bit = signal_bit(info->si_signo);
	struct queued *node;

	if (info->si_signo < REAL_TIME && (*set & bit))
		return 0;
	if (info->si_signo >= REAL_TIME && !forced && limit_reached())
		return EAGAIN;
	node = node_take();
	if (!node && info->si_signo >= REAL_TIME)
		return EAGAIN;
	*set |= bit;
	/* Without memory a standard signal is pending all the same; only what is known of it is lost. */
	if (!node)
		return 0;
	node->next = NULL;
	node->process = process;
	node->info = *info;
	*(pending->first ? &pending->last->next : &pending->first) = node;
	pending->last = node;
	return 0;
}

int pending_add(struct pending *pending, const siginfo_t *info, bool process, bool forced)
{
	int error;

	spinlock_lock(&lock);
	error = add(pending, info, process, forced);
	spinlock_unlock(&lock);
	return error;
}

static struct queued **find(struct queued **from, int number, bool process)
{
	while (*from && ((*from)->info.si_signo != number || (*from)->process != process))
		from = &(*from)->next;
	return from;
}

static void find_last(struct pending *pending)
{
	pending->last = pending->first;
	while (pending->last && pending->last->next)
		pending->last = pending->last->next;
}

/* Take the first signal NUMBER of a kind out of the list, and its bit if it was the last. */
static void take_number(struct pending *pending, int number, bool process, siginfo_t *info)
{
	struct queued **at = find(&pending->first, number, process);
	struct queued *found = *at;

	memset(info, 0, sizeof(*info));
	info->si_signo = number;
	if (found) {
		*info = found->info;
		*at = found->next;
		if (found == pending->last)
			find_last(pending);
		node_give(found);
	}
	if (!found || !*find(at, number, process))
		*(process ? &pending->process : &pending->own) &= ~signal_bit(number);
}

bool pending_take(struct pending *pending, uint64_t set, siginfo_t *info)
{
	uint64_t own, process;

	spinlock_lock(&lock);
	own = pending->own & set;
	process = pending->process & set;
	if (own | process)
		take_number(pending, __builtin_ctzll(own ? own : process) + 1, !own, info);
	spinlock_unlock(&lock);
	return own | process;
}

/* The number of the first signal in the list that is the process's and in SET. */
static int first_of_process(const struct pending *pending, uint64_t set)
{
	for (struct queued *node = pending->first; node; node = node->next) {
		if (node->process && (set & signal_bit(node->info.si_signo)))
			return node->info.si_signo;
	}
	return __builtin_ctzll(set) + 1;
}

bool pending_take_process(struct pending *pending, uint64_t set, siginfo_t *info)
{
	spinlock_lock(&lock);
	set &= pending->process;
	if (set)
		take_number(pending, first_of_process(pending, set), true, info);
	spinlock_unlock(&lock);
	return set;
}

void pending_drop(struct pending *pending, uint64_t set)
{
	siginfo_t unused;

	while (pending_take(pending, set, &unused))
		;
}

void pending_after_fork(void)
{
	spinlock_init(&lock);
	used = 0;
}
