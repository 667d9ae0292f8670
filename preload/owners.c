/* SPDX-License-Identifier: MIT */
/* owners.c - descriptors that tell one thread, by a signal, that they are ready */
#include "owners.h"

#include <fcntl.h>
#include <stdlib.h>

#include "hub/task.h"
#include "shim.h"
#include "sigparts.h"

/* Of what is owned; the list is short, for hardly any program does this. */
struct owned {
	struct list link;
	struct thread *thread; /* NULL: it has ended */
	pid_t tid;
	int fd;
	int number;            /* what the program has chosen by F_SETSIG; 0: SIGIO, without the descriptor */
};

static struct list owned = { &owned, &owned };

static struct owned *find(int fd)
{
	list_for_each(node, &owned) {
		struct owned *one = container_of(node, struct owned, link);

		if (one->fd == fd)
			return one;
	}
	return NULL;
}

static struct flow *flow_enter(void)
{
	critical_enter(green__current->flow);
	return green__current->flow;
}

static void forget(struct owned *one)
{
	struct flow *flow;

	if (!one)
		return;
	flow = flow_enter();
	list_remove(&one->link);
	critical_leave(flow);
	free(one);
}

static struct owned *remember(int fd)
{
	struct owned *one = find(fd);
	struct flow *flow;

	if (one)
		return one;
	one = calloc(1, sizeof(*one));
	if (!one)
		return NULL;
	one->fd = fd;
	one->number = (int)sys_call(SYS_fcntl, fd, F_GETSIG, 0);
	flow = flow_enter();
	list_append(&owned, &one->link);
	critical_leave(flow);
	return one;
}

/* Only with a number of its own, which may be SIGIO, does a signal tell of which descriptor it is. */
static long set_number(int fd, int number)
{
	if (number >= 0 && number <= SIGNALS)
		action_guard(number ? number : SIGIO);
	return sys_call(SYS_fcntl, fd, F_SETSIG, number ? number : SIGIO);
}

static long set_owner(int fd, struct thread *thread)
{
	struct f_owner_ex carrier = { F_OWNER_TID, threads.main->tid };
	long result = sys_call(SYS_fcntl, fd, F_SETOWN_EX, &carrier);
	struct owned *one;

	if (result)
		return result;
	one = remember(fd);
	if (!one)
		return -ENOMEM;
	one->thread = thread;
	one->tid = thread->tid;
	return set_number(fd, one->number);
}

/* Somebody else is told from now on, in the way that the program has chosen. */
static void unset_owner(struct owned *one)
{
	if (one)
		sys_call(SYS_fcntl, one->fd, F_SETSIG, one->number);
	forget(one);
}

static long set_owner_ex(int fd, const struct f_owner_ex *owner, bool *mine)
{
	struct thread *thread = owner->type == F_OWNER_TID ? thread_with_id(owner->pid) : NULL;

	if (thread)
		return set_owner(fd, thread);
	unset_owner(find(fd));
	*mine = false;
	return 0;
}

static long choose_number(struct owned *one, int number)
{
	long result = set_number(one->fd, number);

	if (result == 0)
		one->number = number;
	return result;
}

static long show_owner(const struct owned *one, struct f_owner_ex *owner)
{
	owner->type = F_OWNER_TID;
	owner->pid = one->tid;
	return 0;
}

bool owners_call(int fd, int command, long argument, long *result)
{
	struct owned *one = find(fd);
	bool mine = true;

	if (command == F_SETOWN_EX)
		*result = set_owner_ex(fd, (const struct f_owner_ex *)argument, &mine);
	else if (command == F_SETOWN && argument > 0 && thread_with_id((pid_t)argument))
		*result = sys_call(SYS_fcntl, fd, F_SETOWN, threads.main->tid);
	else if (command == F_SETSIG && one)
		*result = choose_number(one, (int)argument);
	else if (command == F_GETSIG && one)
		*result = one->number;
	else if (command == F_GETOWN_EX && one)
		*result = show_owner(one, (struct f_owner_ex *)argument);
	else if (command == F_GETOWN && one)
		*result = one->tid;
	else
		mine = false;
	if (command == F_SETOWN)
		unset_owner(one);
	return mine;
}

void owners_closing(int fd)
{
	if (!list_empty(&owned))
		forget(find(fd));
}

/* Others than these use the same codes for something else. */
static bool tells_of_descriptor(const siginfo_t *info)
{
	return info->si_code >= POLL_IN && info->si_code <= POLL_HUP && (info->si_signo == SIGIO || info->si_signo >= SIGRTMIN);
}

struct thread *owners_thread(const siginfo_t *info, bool *known)
{
	struct owned *one = tells_of_descriptor(info) ? find(info->si_fd) : NULL;

	*known = one && (one->number ? one->number : SIGIO) == info->si_signo;
	return *known ? one->thread : NULL;
}

void owners_disguise(siginfo_t *info)
{
	struct owned *one = tells_of_descriptor(info) ? find(info->si_fd) : NULL;

	if (one && one->number == 0)
		*info = (siginfo_t){ .si_signo = info->si_signo, .si_code = SI_KERNEL };
}

void owners_thread_ends(const struct thread *thread)
{
	list_for_each(node, &owned) {
		struct owned *one = container_of(node, struct owned, link);

		if (one->thread == thread)
			one->thread = NULL;
	}
}

void owners_after_fork(void)
{
	list_init(&owned);
}
