/* SPDX-License-Identifier: MIT */
/* signal.c - signals of the process, noted by a handler and told to the hubs that want them */
#include "hub/signal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/spinlock.h"
#include "base/sys.h"
#include "hub/watcher.h"

enum { SIGNALS = 64 };

/* What one hub wants. */
struct signals {
	struct list hubs;       /* on the list of those the handler tells */
	struct hub *hub;
	uint64_t wanted;        /* bit N - 1 for signal N */
	unsigned counts[SIGNALS + 1];
	uint64_t got;           /* atomic */
	int posted;             /* atomic: REMOTE is among what was left for the hub */
	struct remote remote;
	struct list watchers;   /* struct watcher.signal */
	struct list waits;      /* struct signal_wait.link */
};

/* What the process has for each signal. */
static struct {
	unsigned users, lookers;
	struct sigaction before;
} table[SIGNALS + 1];

/*
 * Who changes anything holds this lock with all signals blocked; so the handler,
 * which runs with all of them blocked as well, waits for other threads only.
 */
static struct spinlock lock;
static struct list all = LIST_INIT(all);

static uint64_t bit(int number)
{
	return UINT64_C(1) << (number - 1);
}

static uint64_t lock_all(void)
{
	uint64_t every = ~LIBC_SIGNALS, mask = 0;

	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &every, &mask, sizeof(mask));
	spinlock_lock(&lock);
	return mask;
}

static void unlock_all(uint64_t mask)
{
	spinlock_unlock(&lock);
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

/* --- the handler --- */

static void tell_hubs(int number)
{
	list_for_each(node, &all) {
		struct signals *signals = container_of(node, struct signals, hubs);

		if (!(signals->wanted & bit(number)))
			continue;
		__atomic_or_fetch(&signals->got, bit(number), __ATOMIC_SEQ_CST);
		if (!__atomic_exchange_n(&signals->posted, 1, __ATOMIC_SEQ_CST))
			green__hub_post(signals->hub, &signals->remote);
	}
}

/* What the program has set is called, too, as long as nobody has asked for the signal itself. */
static void call_before(const struct sigaction *before, int number, siginfo_t *info, void *context)
{
	if (number == SIGCHLD && (before->sa_flags & SA_NOCLDSTOP) &&
	    (info->si_code == CLD_STOPPED || info->si_code == CLD_CONTINUED))
		return;
	if (before->sa_flags & SA_SIGINFO)
		before->sa_sigaction(number, info, context);
	else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
		before->sa_handler(number);
}

static void handle(int number, siginfo_t *info, void *context)
{
	int saved_errno = errno;
	struct sigaction before;
	bool looked_at;

	spinlock_lock(&lock);
	tell_hubs(number);
	looked_at = table[number].users == table[number].lookers;
	before = table[number].before;
	spinlock_unlock(&lock);
	if (looked_at)
		call_before(&before, number, info, context);
	errno = saved_errno;
}

/* --- who wants what --- */

static int install(int number)
{
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };

	sigfillset(&action.sa_mask);
	return sigaction(number, &action, &table[number].before) < 0 ? -errno : 0;
}

bool green__signal_valid(int number)
{
	static const uint64_t never = UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1) |
				      UINT64_C(1) << (SIGSEGV - 1) | UINT64_C(1) << (SIGBUS - 1) |
				      UINT64_C(1) << (SIGFPE - 1) | UINT64_C(1) << (SIGILL - 1) |
				      UINT64_C(1) << (SIGTRAP - 1) | UINT64_C(1) << (SIGSYS - 1);

	return number > 0 && number <= SIGNALS && !((never | LIBC_SIGNALS) & bit(number));
}

static void taken_in(struct hub *hub, struct remote *remote);

static struct signals *signals_of(struct hub *hub)
{
	struct signals *signals = hub->signals;
	uint64_t mask;

	if (signals)
		return signals;
	signals = green__fault_injected() ? NULL : calloc(1, sizeof(*signals));
	if (!signals)
		return NULL;
	signals->hub = hub;
	signals->remote.run = taken_in;
	list_init(&signals->watchers);
	list_init(&signals->waits);
	hub->signals = signals;
	mask = lock_all();
	list_append(&all, &signals->hubs);
	unlock_all(mask);
	return signals;
}

int green__signal_wanted(struct hub *hub, int number, bool looks)
{
	struct signals *signals = signals_of(hub);
	uint64_t mask;
	int error = 0;

	if (!signals)
		return -ENOMEM;
	mask = lock_all();
	if (table[number].users == 0)
		error = install(number);
	if (!error) {
		table[number].users++;
		table[number].lookers += looks;
		signals->counts[number]++;
		signals->wanted |= bit(number);
	}
	unlock_all(mask);
	return error;
}

void green__signal_unwanted(struct hub *hub, int number, bool looks)
{
	struct signals *signals = hub->signals;
	uint64_t mask = lock_all();

	if (--signals->counts[number] == 0)
		signals->wanted &= ~bit(number);
	table[number].lookers -= looks;
	if (--table[number].users == 0)
		sigaction(number, &table[number].before, NULL);
	unlock_all(mask);
}

/* --- in the hub --- */

static bool tell_wait(struct signals *signals, int number, bool looks)
{
	bool told = false;
	struct list *next;

	for (struct list *node = signals->waits.next; node != &signals->waits; node = next) {
		struct signal_wait *wait = container_of(node, struct signal_wait, link);

		next = node->next;
		if (wait->looks != looks || !(wait->set & bit(number)) || !green__wake(wait->waiter, 0))
			continue;
		list_remove(&wait->link);
		wait->number = number;
		told = true;
		if (!looks)
			break;
	}
	return told;
}

static void tell(struct signals *signals, int number)
{
	tell_wait(signals, number, true);
	tell_wait(signals, number, false);
	list_for_each(node, &signals->watchers) {
		struct watcher *watcher = container_of(node, struct watcher, signal);

		if (watcher->number == number && watcher->events == 0)
			green__watcher_happened(watcher, number);
	}
}

static void taken_in(struct hub *hub, struct remote *remote)
{
	struct signals *signals = container_of(remote, struct signals, remote);
	uint64_t got;

	(void)hub;
	/* From here on the handler posts again. */
	__atomic_store_n(&signals->posted, 0, __ATOMIC_SEQ_CST);
	got = __atomic_exchange_n(&signals->got, 0, __ATOMIC_SEQ_CST);
	for (int number = 1; number <= SIGNALS; number++) {
		if (got & bit(number))
			tell(signals, number);
	}
}

/* The lowest of SET, then those above, until one cannot be had; what was had before is given back. */
int green__signal_wait_begin(struct hub *hub, struct signal_wait *wait)
{
	int number, error = 0;

	wait->number = 0;
	list_init(&wait->link);
	for (number = 1; number <= SIGNALS && !error; number++) {
		if (wait->set & bit(number))
			error = green__signal_wanted(hub, number, wait->looks);
	}
	if (!error) {
		list_append(&hub->signals->waits, &wait->link);
		return 0;
	}
	for (number -= 2; number > 0; number--) {
		if (wait->set & bit(number))
			green__signal_unwanted(hub, number, wait->looks);
	}
	return error;
}

void green__signal_wait_end(struct hub *hub, struct signal_wait *wait)
{
	uint64_t late = __atomic_load_n(&hub->signals->got, __ATOMIC_SEQ_CST) & wait->set;

	/* It has come while the wait ended otherwise, and is nobody else's. */
	if (!wait->number && !wait->looks && late) {
		wait->number = __builtin_ctzll(late) + 1;
		__atomic_and_fetch(&hub->signals->got, ~bit(wait->number), __ATOMIC_SEQ_CST);
	}
	list_remove(&wait->link);
	for (int number = 1; number <= SIGNALS; number++) {
		if (wait->set & bit(number))
			green__signal_unwanted(hub, number, wait->looks);
	}
}

/* --- watchers --- */

static void ended(struct watcher *watcher)
{
	list_remove(&watcher->signal);
	green__signal_unwanted(watcher->hub, watcher->number, false);
}

static const struct watcher_kind signal_kind = { .stop = ended };

int green_watch_signal(struct green_watcher *green_watcher, int number, green_watch_function *function, void *data)
{
	struct watcher *watcher;
	int error;

	if (!green__signal_valid(number)) {
		errno = EINVAL;
		return -1;
	}
	watcher = green__watcher_begin(green_watcher, &signal_kind, function, data);
	if (!watcher)
		return -1;
	critical_enter(watcher->hub->flow);
	error = green__signal_wanted(watcher->hub, number, false);
	if (!error) {
		watcher->number = number;
		list_append(&watcher->hub->signals->watchers, &watcher->signal);
		green__watcher_start(watcher);
		green_watcher_keep(green_watcher, false);
	}
	critical_leave(watcher->hub->flow);
	if (error)
		watcher->hub = NULL;
	return (int)sys_result(error);
}

/* --- the hub's end, and fork --- */

/* Whatever the hub wanted is wanted no more, and what was left for it is not told. */
static void give_up(struct signals *signals)
{
	uint64_t mask = lock_all();

	list_remove(&signals->hubs);
	for (int number = 1; number <= SIGNALS; number++) {
		if (signals->counts[number] == 0)
			continue;
		table[number].users -= signals->counts[number];
		if (table[number].users == 0)
			sigaction(number, &table[number].before, NULL);
	}
	unlock_all(mask);
	signals->hub->signals = NULL;
	free(signals);
}

void green__signals_destroy(struct hub *hub)
{
	if (hub->signals)
		give_up(hub->signals);
}

/* Other hubs are gone, and none of this one's waits is left. */
void green__signals_forked(struct hub *hub)
{
	spinlock_init(&lock);
	list_init(&all);
	for (int number = 1; number <= SIGNALS; number++) {
		if (table[number].users > 0)
			sigaction(number, &table[number].before, NULL);
		table[number].users = table[number].lookers = 0;
	}
	if (hub && hub->signals) {
		free(hub->signals);
		hub->signals = NULL;
	}
}
