/* SPDX-License-Identifier: MIT */
/*
 * blocked.c - where a kernel thread is whose hub does not come round, looked at from another one
 *
 * What the kernel tells of a thread in /proc/self/task/ID/syscall:
 *   - "running", if it is on a CPU or could be;
 *   - else the number of its system call, the arguments, and at the end its stack
 *     pointer and program counter.  A signal would end many such calls early, so none is sent.
 */
#include "inspect/blocked.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "base/action.h"
#include "base/clock.h"
#include "base/spinlock.h"
#include "inspect/walk.h"

#define PATIENCE (200 * NS_PER_MS)

enum { IDLE, WANTED, FILLING, FULL };

/* One look at a time; the handler fills in what is wanted of its own thread. */
static struct {
	struct spinlock lock;
	int number; /* of the signal; 0: none was chosen */
	int state;  /* atomic, futex: IDLE to WANTED to FILLING to FULL */
	pid_t thread;
	uint64_t id;
	char name[GREENLET_NAME_SIZE];
	struct snapshot stack;
} look;

static bool change_state(int from, int to)
{
	return __atomic_compare_exchange_n(&look.state, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* --- the handler --- */

static void set_name(uint64_t id, const char *name)
{
	look.id = id;
	memcpy(look.name, name, sizeof(look.name));
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	struct registers registers;
	(void)number;
	(void)info;
	if (look.thread != sys_call(SYS_gettid) || !change_state(WANTED, FILLING))
		return;
	if (green__current)
		set_name(green__current->id, green__current->name);
	registers_of_ucontext(context, &registers);
	green__snapshot_take(&look.stack, &registers);
	__atomic_store_n(&look.state, FULL, __ATOMIC_RELEASE);
	sys_call(SYS_futex, &look.state, FUTEX_WAKE_PRIVATE, 1);
}

static bool is_free(int number)
{
	struct action old;

	return action_exchange(number, NULL, &old) == 0 && !old.handler;
}

static int choose(int number)
{
	struct action action;

	for (int i = SIGRTMAX; !number && i >= SIGRTMIN; i--)
		number = is_free(i) ? i : 0;
	if (!number)
		return -EAGAIN;
	green__action_handled(&action, on_signal, SA_RESTART | SA_ONSTACK);
	if (action_exchange(number, &action, NULL))
		return -EINVAL;
	look.number = number;
	return 0;
}

int green__blocked_signal(int number)
{
	int error = 0;

	spinlock_lock(&look.lock);
	if (!look.number || (number && number != look.number))
		error = choose(number);
	spinlock_unlock(&look.lock);
	return error;
}

/* --- who looks --- */

/* True if it waits in a system call; then REGISTERS has where. */
static bool read_call(pid_t thread, struct registers *registers)
{
	char path[64], text[256];
	char *place;
	long fd, size;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)thread);
	fd = sys_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (sys_failed(fd))
		return false;
	size = sys_call(SYS_read, fd, text, sizeof(text) - 1);
	sys_call(SYS_close, fd);
	if (size <= 0 || text[0] == 'r')
		return false;
	/* The last two words are what is wanted, however many arguments stand before them. */
	text[size] = '\0';
	*registers = (struct registers){ .pc = 0 };
	place = strrchr(text, ' ');
	if (!place)
		return false;
	registers->pc = strtoul(place, NULL, 16);
	*place = '\0';
	place = strrchr(text, ' ');
	if (place)
		registers->sp = strtoul(place, NULL, 16);
	return registers->sp != 0;
}

/* The greenlets of a thread are not to be walked from another one, but stacks tell whose they are. */
static void name_by_stack(const struct blocked_thread *thread, uintptr_t sp)
{
	struct stack *stack = green__stack_at(sp);
	const struct greenlet *greenlet = stack ? green__greenlet_on(stack) : NULL;

	set_name(greenlet ? greenlet->id : 0, greenlet ? greenlet->name : thread->main_name);
}

static void wait_for_handler(void)
{
	int64_t end = clock_now() + PATIENCE;
	int state;

	while ((state = __atomic_load_n(&look.state, __ATOMIC_ACQUIRE)) != FULL) {
		struct timespec left = clock_to_timespec(end - clock_now());

		if (end <= clock_now() && change_state(WANTED, IDLE))
			return;
		sys_call(SYS_futex, &look.state, FUTEX_WAIT_PRIVATE, state, &left);
	}
}

/* True if the thread has told where it is. */
static bool ask(pid_t thread)
{
	bool told;

	if (!look.number)
		return false;
	look.thread = thread;
	__atomic_store_n(&look.state, WANTED, __ATOMIC_RELEASE);
	if (sys_call(SYS_tgkill, sys_call(SYS_getpid), thread, look.number) == 0)
		wait_for_handler();
	told = look.state == FULL;
	look.state = IDLE;
	return told;
}

void green__blocked_thread(const struct hub *hub, struct blocked_thread *thread)
{
	thread->id = hub->thread;
	memcpy(thread->main_name, hub->flow->main.name, sizeof(thread->main_name));
}

void green__blocked_look(const struct blocked_thread *thread, struct blocked *blocked)
{
	struct registers registers;
	bool found;

	spinlock_lock(&look.lock);
	look.name[0] = '\0';
	found = read_call(thread->id, &registers);
	if (found) {
		name_by_stack(thread, registers.sp);
		green__snapshot_take(&look.stack, &registers);
	} else {
		found = ask(thread->id);
	}
	blocked->id = look.id;
	memcpy(blocked->name, look.name, sizeof(blocked->name));
	blocked->count = found ? green__snapshot_walk(&look.stack, blocked->frames, BLOCKED_FRAMES) : 0;
	spinlock_unlock(&look.lock);
	if (!found)
		snprintf(blocked->name, sizeof(blocked->name), "unknown");
	else if (!blocked->name[0])
		snprintf(blocked->name, sizeof(blocked->name), "greenlet-%llu", (unsigned long long)blocked->id);
}

void green__blocked_after_fork(void)
{
	spinlock_init(&look.lock);
	look.state = IDLE;
}
