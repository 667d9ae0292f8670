/* SPDX-License-Identifier: MIT */
/* robust.c - locks that outlive their owner */
#include "robust.h"

#include <linux/futex.h>
#include <stdlib.h>

#include "native.h"
#include "parking.h"
#include "tls.h"

/* A shared lock that some green pthread has in the carrier's name. */
struct held {
	struct held *next;
	pthread_mutex_t *mutex;
	struct thread *owner;
};

static struct held *all_held;

static struct held **find(const pthread_mutex_t *mutex)
{
	struct held **link = &all_held;

	while (*link && (*link)->mutex != mutex)
		link = &(*link)->next;
	return link;
}

static void forget(struct held **link)
{
	struct held *held = *link;

	*link = held->next;
	free(held);
}

static int word_of(const pthread_mutex_t *mutex)
{
	return __atomic_load_n(&mutex->__data.__lock, __ATOMIC_SEQ_CST);
}

static bool carrier_has(const pthread_mutex_t *mutex)
{
	return (word_of(mutex) & FUTEX_TID_MASK) == *tls_tid(shim.native_tp);
}

/* Who of this process has MUTEX; what the first thread took before it was green is noted nowhere. */
static struct thread *owner_of(const pthread_mutex_t *mutex)
{
	const struct held *held = *find(mutex);

	if (held)
		return held->owner;
	return carrier_has(mutex) ? threads.main : NULL;
}

static int on_carrier(int (*call)(pthread_mutex_t *), pthread_mutex_t *mutex)
{
	struct native_scope scope;
	int result;

	native_enter(&scope);
	result = call(mutex);
	native_leave(&scope);
	return result;
}

int robust_trylock(void *object)
{
	pthread_mutex_t *mutex = object;
	struct thread *owner = owner_of(mutex);
	struct held *held = owner ? NULL : malloc(sizeof(*held));
	int result;

	if (owner ? owner != thread_self() : !held)
		return owner ? EBUSY : EAGAIN;
	result = on_carrier(real(pthread_mutex_trylock), mutex);
	if (owner || (result && result != EOWNERDEAD)) {
		free(held);
		return result;
	}
	*held = (struct held) { .next = all_held, .mutex = mutex, .owner = thread_self() };
	all_held = held;
	return result;
}

int robust_unlock(pthread_mutex_t *mutex)
{
	struct held **link = find(mutex);
	int result;

	if (owner_of(mutex) != thread_self())
		return EPERM;
	result = on_carrier(real(pthread_mutex_unlock), mutex);
	if (*link && !carrier_has(mutex))
		forget(link);
	return result;
}

int robust_consistent(pthread_mutex_t *mutex)
{
	return on_carrier(real(pthread_mutex_consistent), mutex);
}

/* --- the end of a thread --- */

static pthread_mutex_t *mutex_of(void **entry)
{
	return (pthread_mutex_t *)(void *)((char *)entry - offsetof(pthread_mutex_t, __data.__list.__next));
}

/* The lowest bit of an entry's address says that the lock lends priority. */
static void **entry_at(void *word)
{
	return (void **)((uintptr_t)word & ~(uintptr_t)1);
}

/* An entry is two words, of which the second is pointed to. */
static void unlink_entry(void **entry)
{
	entry_at(entry[0])[-1] = entry[-1];
	entry_at(entry[-1])[0] = entry[0];
	entry[-1] = entry[0] = NULL;
}

static void owner_died(pthread_mutex_t *mutex)
{
	int *word = &mutex->__data.__lock;

	__atomic_store_n(word, (word_of(mutex) & (int)FUTEX_WAITERS) | FUTEX_OWNER_DIED, __ATOMIC_SEQ_CST);
	sys_call(SYS_futex, word, FUTEX_WAKE, 1);
	parking_wake(word, 1, PARKING_ALL);
}

static void abandon_own(struct thread *thread)
{
	void **head = tls_robust_list(thread->block);
	void *next;

	for (void *word = *head; entry_at(word) != head; word = next) {
		pthread_mutex_t *mutex = mutex_of(entry_at(word));

		next = *entry_at(word);
		/* The carrier's list holds those of others too. */
		if ((word_of(mutex) & FUTEX_TID_MASK) != thread->tid || (*find(mutex) && (*find(mutex))->owner != thread))
			continue;
		unlink_entry(entry_at(word));
		owner_died(mutex);
	}
}

void robust_abandon(struct thread *thread)
{
	struct held **link = &all_held;

	abandon_own(thread);
	while (*link) {
		pthread_mutex_t *mutex = (*link)->mutex;

		if ((*link)->owner != thread) {
			link = &(*link)->next;
			continue;
		}
		forget(link);
		if (!carrier_has(mutex))
			continue;
		unlink_entry((void **)(void *)&mutex->__data.__list.__next);
		owner_died(mutex);
	}
}

void robust_after_fork(void)
{
	while (all_held)
		forget(&all_held);
}
