/* SPDX-License-Identifier: MIT */
/* ceiling.c - locks with a priority ceiling */
#include "ceiling.h"

#include <linux/futex.h>
#include <limits.h>

#include "parking.h"

/* The lock's word: the ceiling above, below it 0 for free, 1 for taken, 2 if somebody may wait in the kernel. */
enum {
	CEILING_SHIFT = 19,
	TAKEN = 1,
	WAITED_FOR = 2,
	TYPE_MASK = 3,
};

static int ceiling_of(int word)
{
	return (int)((unsigned)word >> CEILING_SHIFT);
}

static int free_word(int word)
{
	return (int)((unsigned)word >> CEILING_SHIFT << CEILING_SHIFT);
}

/* Nobody takes a lock above its ceiling, and nobody reaches a ceiling that is not allowed to him. */
static int judge(int ceiling)
{
	struct sched_param parameters;
	int policy, error = pthread_getschedparam(pthread_self(), &policy, &parameters);

	if (error)
		return error;
	if (parameters.sched_priority > ceiling)
		return EINVAL;
	return parameters.sched_priority == ceiling ? 0 : scheduling_judge(policy, ceiling);
}

static int lock_again(pthread_mutex_t *mutex)
{
	if (mutex->__data.__count == UINT32_MAX)
		return EAGAIN;
	mutex->__data.__count++;
	return 0;
}

static bool take(int *word, int expected)
{
	return __atomic_compare_exchange_n(word, &expected, expected | TAKEN, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

int ceiling_trylock(pthread_mutex_t *mutex)
{
	int type = mutex->__data.__kind & TYPE_MASK;
	int seen = __atomic_load_n(&mutex->__data.__lock, __ATOMIC_SEQ_CST);
	int error;

	if (mutex->__data.__owner == thread_self()->tid && type == PTHREAD_MUTEX_ERRORCHECK)
		return EDEADLK;
	if (mutex->__data.__owner == thread_self()->tid && type == PTHREAD_MUTEX_RECURSIVE)
		return lock_again(mutex);
	error = judge(ceiling_of(seen));
	if (error)
		return error;
	if (!take(&mutex->__data.__lock, free_word(seen)))
		return EBUSY;
	mutex->__data.__owner = thread_self()->tid;
	mutex->__data.__count = 1;
	mutex->__data.__nusers++;
	return 0;
}

int ceiling_unlock(pthread_mutex_t *mutex)
{
	int type = mutex->__data.__kind & TYPE_MASK;
	bool owned = mutex->__data.__owner == thread_self()->tid;
	int word = __atomic_load_n(&mutex->__data.__lock, __ATOMIC_SEQ_CST);

	if ((type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK) && !owned)
		return EPERM;
	if (type == PTHREAD_MUTEX_RECURSIVE && --mutex->__data.__count)
		return 0;
	mutex->__data.__owner = 0;
	mutex->__data.__nusers--;
	word = __atomic_exchange_n(&mutex->__data.__lock, free_word(word), __ATOMIC_SEQ_CST);
	if (word & WAITED_FOR)
		sys_call(SYS_futex, &mutex->__data.__lock, FUTEX_WAKE, 1);
	return 0;
}

/* Whoever changes a ceiling may be above it. */
static int take_unjudged(void *object)
{
	int *word = &((pthread_mutex_t *)object)->__data.__lock;

	return take(word, free_word(__atomic_load_n(word, __ATOMIC_SEQ_CST))) ? 0 : EBUSY;
}

static int ceiling_swap(pthread_mutex_t *mutex, int ceiling, int taken)
{
	int before = __atomic_exchange_n(&mutex->__data.__lock, (int)((unsigned)ceiling << CEILING_SHIFT) | taken, __ATOMIC_SEQ_CST);

	if (before & WAITED_FOR)
		sys_call(SYS_futex, &mutex->__data.__lock, FUTEX_WAKE, INT_MAX);
	parking_wake(mutex, INT_MAX, PARKING_ALL);
	return ceiling_of(before);
}

int ceiling_change(pthread_mutex_t *mutex, int ceiling, int *old)
{
	struct lock_call call = { .object = mutex, .attempt = take_unjudged, .busy = EBUSY, .deadline = CLOCK_NEVER };
	int type = mutex->__data.__kind & TYPE_MASK;
	bool owned = mutex->__data.__owner == thread_self()->tid;
	int before;

	if (ceiling < sched_get_priority_min(SCHED_FIFO) || ceiling > sched_get_priority_max(SCHED_FIFO))
		return EINVAL;
	if (owned && type == PTHREAD_MUTEX_ERRORCHECK)
		return EDEADLK;
	if (owned && type == PTHREAD_MUTEX_RECURSIVE) {
		before = ceiling_swap(mutex, ceiling, TAKEN);
	} else {
		parking_lock(&call);
		before = ceiling_swap(mutex, ceiling, 0);
	}
	if (old)
		*old = before;
	return 0;
}
