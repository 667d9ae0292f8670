/* SPDX-License-Identifier: MIT */
/* choice_kinds.c - what can be waited for together: how each is taken, entered and left */
#include <errno.h>
#include <poll.h>

#include "base/sys.h"
#include "green/error.h"
#include "green/io.h"
#include "net/choice.h"
#include "net/process.h"
#include "sync/mutex.h"
#include "sync/queue.h"
#include "sync/semaphore.h"

/* --- what has a queue of waiters, which is the first field of all objects but queues of items --- */

static int enter_waitq(struct place *place, struct green_waitq *waiters, bool offers, int what)
{
	if (!offers) {
		place->entry.what = what;
		green__waitq_append(waiters, &place->entry, place->waiter);
	}
	waitq_unlock(waiters);
	return offers ? -EBUSY : 0;
}

static void leave_waitq_of(struct place *place, struct green_waitq *waiters)
{
	waitq_lock(waiters);
	green__waitq_remove(waiters, &place->entry);
	waitq_unlock(waiters);
}

static void leave_waitq(struct place *place)
{
	leave_waitq_of(place, place->choice->object);
}

/* --- queues --- */

/* A queue that is shut down has nothing more to give or take: that, too, is an end. */
static int end_of_queue(struct green_choice *choice, int error)
{
	choice->error = error == -ESHUTDOWN ? ESHUTDOWN : 0;
	return choice->error ? 0 : error;
}

static int get_take(struct green_choice *choice)
{
	struct green_waitq *waiters = green__queue_waiters(choice->object);
	int error;

	waitq_lock(waiters);
	error = green__queue_get(choice->object, &choice->value);
	waitq_unlock(waiters);
	return end_of_queue(choice, error);
}

static int put_take(struct green_choice *choice)
{
	struct green_waitq *waiters = green__queue_waiters(choice->object);
	int error;

	waitq_lock(waiters);
	while ((error = green__queue_put(choice->object, choice->value)) == WAITQ_AGAIN)
		;
	waitq_unlock(waiters);
	return end_of_queue(choice, error);
}

static int get_enter(struct place *place)
{
	struct green_queue *queue = place->choice->object;

	waitq_lock(green__queue_waiters(queue));
	return enter_waitq(place, green__queue_waiters(queue), green__queue_offers(queue, QUEUE_GETS), QUEUE_GETS);
}

static int put_enter(struct place *place)
{
	struct green_queue *queue = place->choice->object;

	place->entry.item = place->choice->value;
	waitq_lock(green__queue_waiters(queue));
	return enter_waitq(place, green__queue_waiters(queue), green__queue_offers(queue, QUEUE_PUTS), QUEUE_PUTS);
}

static void leave_queue(struct place *place)
{
	leave_waitq_of(place, green__queue_waiters(place->choice->object));
	if (place->entry.woken && place->choice->kind == GREEN_CHOICE_GET)
		place->choice->value = place->entry.item;
}

/* --- events, semaphores, mutexes --- */

static int event_take(struct green_choice *choice)
{
	struct green_event *event = choice->object;
	bool set;

	waitq_lock(&event->waiters);
	set = event->set;
	waitq_unlock(&event->waiters);
	return set ? 0 : -EBUSY;
}

static int event_enter(struct place *place)
{
	struct green_event *event = place->choice->object;

	waitq_lock(&event->waiters);
	return enter_waitq(place, &event->waiters, event->set, 0);
}

static int acquire_take(struct green_choice *choice)
{
	struct green_semaphore *semaphore = choice->object;
	bool taken;

	waitq_lock(&semaphore->waiters);
	taken = semaphore_try(semaphore);
	waitq_unlock(&semaphore->waiters);
	return taken ? 0 : -EBUSY;
}

static int acquire_enter(struct place *place)
{
	struct green_semaphore *semaphore = place->choice->object;

	waitq_lock(&semaphore->waiters);
	return enter_waitq(place, &semaphore->waiters, semaphore->count > 0, SEMAPHORE_TAKES);
}

static int lock_take(struct green_choice *choice)
{
	struct green_mutex *mutex = choice->object;
	int error;

	waitq_lock(&mutex->waiters);
	error = green__mutex_try(mutex, green__current);
	waitq_unlock(&mutex->waiters);
	return error;
}

static int lock_enter(struct place *place)
{
	struct green_mutex *mutex = place->choice->object;

	waitq_lock(&mutex->waiters);
	return enter_waitq(place, &mutex->waiters, !mutex->owner || mutex->owner == green__current, 0);
}

/* --- tasks and futures --- */

static int joined_check(const struct green_choice *choice)
{
	const struct greenlet *task = choice->object;

	if (!green__task_is_good(task))
		return -EINVAL;
	if (task->flow != green__current->flow)
		return task->flow->gone ? -ESRCH : -EPERM;
	return task == green__current ? -EDEADLK : 0;
}

static int joined_take(struct green_choice *choice)
{
	const struct greenlet *task = choice->object;

	if (task->state != GREENLET_DEAD)
		return -EBUSY;
	choice->value = task->result;
	choice->error = green__task_failed(task) ? green_error_number(task->error) : 0;
	return 0;
}

static void task_ended(struct task_watch *watch, struct greenlet *task)
{
	(void)task;
	green__wake(container_of(watch, struct place, task)->waiter, 0);
}

static int joined_enter(struct place *place)
{
	struct greenlet *task = place->choice->object;

	if (task->state == GREENLET_DEAD)
		return -EBUSY;
	green__task_watch(task, &place->task, task_ended);
	return 0;
}

static void joined_leave(struct place *place)
{
	list_remove(&place->task.link);
}

static int future_take(struct green_choice *choice)
{
	struct green_future *future = choice->object;
	int code;

	if (!green_future_done(future))
		return -EBUSY;
	code = green_future_error(future, &choice->value);
	choice->error = code ? green_error_number(code) : 0;
	if (!code)
		choice->value = future->value;
	return 0;
}

static void future_decided(struct future_watch *watch, struct green_future *future)
{
	(void)future;
	green__wake(container_of(watch, struct place, future)->waiter, 0);
}

static int future_enter(struct place *place)
{
	struct green_future *future = place->choice->object;
	int error = 0;

	green__future_lock(future);
	if (green_future_done(future))
		error = -EBUSY;
	else
		green__future_watch(future, &place->future, future_decided);
	green__future_unlock(future);
	return error;
}

static void future_leave(struct place *place)
{
	struct green_future *future = place->choice->object;

	green__future_lock(future);
	list_remove(&place->future.link);
	green__future_unlock(future);
}

/* --- descriptors --- */

static short poll_events(int events)
{
	return (short)((events & GREEN_READ ? POLLIN : 0) | (events & GREEN_WRITE ? POLLOUT : 0));
}

static int fd_check(const struct green_choice *choice)
{
	if (!poll_events(choice->events) || (choice->events & ~(GREEN_READ | GREEN_WRITE)))
		return -EINVAL;
	return choice->fd < 0 ? -EINVAL : 0;
}

/* One that is not open will never be ready: it has ended, in error. */
static int fd_take(struct green_choice *choice)
{
	struct pollfd pollfd = { .fd = choice->fd, .events = poll_events(choice->events) };
	struct timespec zero = { 0, 0 };
	long ready = sys_look(SYS_ppoll, &pollfd, 1, &zero, NULL, 8);

	green__current->flow->stats->io_calls++;
	if (ready <= 0)
		return ready == 0 ? -EBUSY : (int)ready;
	choice->error = pollfd.revents & POLLNVAL ? EBADF : 0;
	if (!(pollfd.revents & (POLLERR | POLLHUP)))
		choice->events = (pollfd.revents & POLLIN ? GREEN_READ : 0) | (pollfd.revents & POLLOUT ? GREEN_WRITE : 0);
	return 0;
}

static int enter_fd(struct place *place, int fd, uint32_t events)
{
	int error;

	place->fd = (struct fd_wait) { .fd = fd, .events = events };
	error = green__fd_enter(green__current->flow->hub, &place->fd, place->waiter);
	if (error)
		green__fd_leave(&place->fd);
	return error;
}

static int fd_enter(struct place *place)
{
	return enter_fd(place, place->choice->fd, (uint16_t)poll_events(place->choice->events));
}

static void fd_leave(struct place *place)
{
	green__fd_leave(&place->fd);
}

/* A child process has a descriptor that tells of its end. */
static int process_take(struct green_choice *choice)
{
	return green__process_reaped(choice->object) ? 0 : -EBUSY;
}

static int process_enter(struct place *place)
{
	return enter_fd(place, ((struct green_process *)place->choice->object)->pidfd, POLLIN);
}

#define QUEUE_KIND .has_object = true, .hands_over = true, .is_shared = true, .leave = leave_queue
#define WAITQ_KIND .has_object = true, .hands_over = true, .is_shared = true, .leave = leave_waitq

const struct choice_kind green__choice_kinds[CHOICE_KINDS] = {
	[GREEN_CHOICE_GET] = { QUEUE_KIND, .take = get_take, .enter = get_enter },
	[GREEN_CHOICE_PUT] = { QUEUE_KIND, .take = put_take, .enter = put_enter },
	[GREEN_CHOICE_EVENT] = { WAITQ_KIND, .take = event_take, .enter = event_enter },
	[GREEN_CHOICE_ACQUIRE] = { WAITQ_KIND, .take = acquire_take, .enter = acquire_enter },
	[GREEN_CHOICE_LOCK] = { WAITQ_KIND, .take = lock_take, .enter = lock_enter },
	[GREEN_CHOICE_JOINED] = {
		.has_object = true, .check = joined_check, .take = joined_take, .enter = joined_enter, .leave = joined_leave,
	},
	[GREEN_CHOICE_FUTURE] = {
		.has_object = true, .is_shared = true, .take = future_take, .enter = future_enter, .leave = future_leave,
	},
	[GREEN_CHOICE_PROCESS] = {
		.has_object = true, .is_fd = true, .take = process_take, .enter = process_enter, .leave = fd_leave,
	},
	[GREEN_CHOICE_FD] = { .is_fd = true, .check = fd_check, .take = fd_take, .enter = fd_enter, .leave = fd_leave },
};
