/* SPDX-License-Identifier: MIT */
/* test_interrupts_sync.c - waits for locks, queues and results, cut short in every way */
#include "green.h"
#include "interrupts.h"
#include "support.h"

/* --- event, semaphore --- */

static struct green_event event;
static struct green_semaphore semaphore;

static void begin_event(struct scene *scene)
{
	(void)scene;
	event = (struct green_event) GREEN_EVENT_INIT;
}

static int call_event_wait(struct scene *scene, int timeout_ms)
{
	(void)scene;
	return green_event_wait(&event, timeout_ms);
}

static void set_event(struct scene *scene)
{
	(void)scene;
	green_event_set(&event);
}

/* Those who were woken have seen it. */
static void flash_event(struct scene *scene)
{
	(void)scene;
	green_event_set(&event);
	green_event_clear(&event);
}

static void begin_semaphore(struct scene *scene)
{
	(void)scene;
	semaphore = (struct green_semaphore) GREEN_SEMAPHORE_INIT(0);
}

static int call_semaphore_acquire(struct scene *scene, int timeout_ms)
{
	(void)scene;
	return green_semaphore_acquire(&semaphore, timeout_ms);
}

static int call_semaphore_wait(struct scene *scene, int timeout_ms)
{
	(void)scene;
	return green_semaphore_wait(&semaphore, timeout_ms);
}

static void release(struct scene *scene)
{
	(void)scene;
	ck_assert_int_eq(green_semaphore_release(&semaphore), 0);
}

static void end_acquired(struct scene *scene)
{
	ck_assert_uint_eq(green_semaphore_count(&semaphore), (size_t)(scene->made - scene->served));
}

static void end_waited(struct scene *scene)
{
	ck_assert_uint_eq(green_semaphore_count(&semaphore), (size_t)scene->made);
}

/* --- locks: each who gets one gives it back, to the next --- */

static struct green_mutex mutex;
static struct green_rwlock rwlock;
static struct green_condition condition;

static void begin_mutex(struct scene *scene)
{
	(void)scene;
	mutex = (struct green_mutex) GREEN_MUTEX_INIT;
	ck_assert_int_eq(green_mutex_lock(&mutex, 0), 0);
}

static void unlock(struct scene *scene)
{
	(void)scene;
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
}

static int call_mutex_lock(struct scene *scene, int timeout_ms)
{
	int result = green_mutex_lock(&mutex, timeout_ms);

	if (!result)
		unlock(scene);
	return result;
}

static void end_mutex(struct scene *scene)
{
	(void)scene;
	ck_assert_ptr_null(green_mutex_owner(&mutex));
	ck_assert_int_eq(green_mutex_lock(&mutex, 0), 0);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
}

static void begin_condition(struct scene *scene)
{
	(void)scene;
	mutex = (struct green_mutex) GREEN_MUTEX_INIT;
	condition = (struct green_condition) GREEN_CONDITION_INIT;
}

static int call_condition_wait(struct scene *scene, int timeout_ms)
{
	int result, error;

	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	result = green_condition_wait(&condition, &mutex, timeout_ms);
	error = errno;
	ck_assert_ptr_eq(green_mutex_owner(&mutex), green_current());
	unlock(scene);
	errno = error;
	return result;
}

static void notify(struct scene *scene)
{
	(void)scene;
	ck_assert_uint_eq(green_condition_notify(&condition, 1), 1);
}

static void begin_rwlock(struct scene *scene)
{
	(void)scene;
	rwlock = (struct green_rwlock) GREEN_RWLOCK_INIT;
	ck_assert_int_eq(green_rwlock_write(&rwlock, 0), 0);
}

static void begin_read_rwlock(struct scene *scene)
{
	(void)scene;
	rwlock = (struct green_rwlock) GREEN_RWLOCK_INIT;
	ck_assert_int_eq(green_rwlock_read(&rwlock, 0), 0);
}

static void unlock_rwlock(struct scene *scene)
{
	(void)scene;
	ck_assert_int_eq(green_rwlock_unlock(&rwlock), 0);
}

static int call_rwlock_read(struct scene *scene, int timeout_ms)
{
	int result = green_rwlock_read(&rwlock, timeout_ms);

	if (!result)
		unlock_rwlock(scene);
	return result;
}

static int call_rwlock_write(struct scene *scene, int timeout_ms)
{
	int result = green_rwlock_write(&rwlock, timeout_ms);

	if (!result)
		unlock_rwlock(scene);
	return result;
}

static void end_rwlock(struct scene *scene)
{
	ck_assert_int_eq(green_rwlock_write(&rwlock, 0), 0);
	unlock_rwlock(scene);
}

/* --- queues --- */

static void begin_queue(struct scene *scene)
{
	scene->object = green_queue_create(GREEN_FIFO, 0);
	ck_assert_ptr_nonnull(scene->object);
}

static void begin_channel(struct scene *scene)
{
	scene->object = green_queue_create(GREEN_CHANNEL, 0);
	ck_assert_ptr_nonnull(scene->object);
}

static void put(struct scene *scene)
{
	ck_assert_int_eq(green_queue_put(scene->object, scene, 0), 0);
}

static void get(struct scene *scene)
{
	void *item = NULL;

	ck_assert_int_eq(green_queue_get(scene->object, &item, 0), 0);
	ck_assert_ptr_eq(item, scene);
}

static void begin_full_queue(struct scene *scene)
{
	scene->object = green_queue_create(GREEN_FIFO, 1);
	put(scene);
}

static void begin_busy_queue(struct scene *scene)
{
	begin_queue(scene);
	put(scene);
	get(scene);
}

static void task_done(struct scene *scene)
{
	ck_assert_int_eq(green_queue_task_done(scene->object), 0);
}

static int call_queue_get(struct scene *scene, int timeout_ms)
{
	void *item = NULL;
	int result = green_queue_get(scene->object, &item, timeout_ms);

	ck_assert_ptr_eq(item, result ? NULL : scene);
	return result;
}

static int call_queue_peek(struct scene *scene, int timeout_ms)
{
	void *item = NULL;
	int result = green_queue_peek(scene->object, &item, timeout_ms);

	ck_assert_ptr_eq(item, result ? NULL : scene);
	return result;
}

static int call_queue_put(struct scene *scene, int timeout_ms)
{
	return green_queue_put(scene->object, scene, timeout_ms);
}

static int call_queue_join(struct scene *scene, int timeout_ms)
{
	return green_queue_join(scene->object, timeout_ms);
}

static void end_got(struct scene *scene)
{
	ck_assert_uint_eq(green_queue_size(scene->object), (size_t)(scene->made - scene->served));
	ck_assert_int_eq(green_queue_destroy(scene->object), 0);
}

static void end_peeked(struct scene *scene)
{
	ck_assert_uint_eq(green_queue_size(scene->object), (size_t)scene->made);
	ck_assert_int_eq(green_queue_destroy(scene->object), 0);
}

static void end_put(struct scene *scene)
{
	ck_assert_uint_eq(green_queue_size(scene->object), (size_t)(1 + scene->served - scene->made));
	ck_assert_int_eq(green_queue_destroy(scene->object), 0);
}

static void end_joined(struct scene *scene)
{
	ck_assert_int_eq(green_queue_destroy(scene->object), 0);
}

/* --- one of several --- */

static struct green_event never;

static void begin_choice(struct scene *scene)
{
	begin_queue(scene);
	begin_semaphore(scene);
	ck_assert_int_eq(green_pipe2(scene->fds, 0), 0);
}

static int call_choose(struct scene *scene, int timeout_ms)
{
	struct green_choice choices[] = {
		GREEN_ACQUIRED(&semaphore), GREEN_SET(&never), GREEN_READY(scene->fds[0], GREEN_READ), GREEN_GET(scene->object)
	};
	int chosen = green_choose(choices, ARRAY_LENGTH(choices), timeout_ms);

	ck_assert_int_eq(choices[3].happened, chosen == 3);
	return chosen == 3 ? 0 : -1;
}

static int call_choose_many(struct scene *scene, int timeout_ms)
{
	struct green_choice choices[] = { GREEN_GET(scene->object), GREEN_SET(&never), GREEN_ACQUIRED(&semaphore) };
	int chosen = green_choose_many(choices, ARRAY_LENGTH(choices), 1, timeout_ms);

	if (chosen == 0)
		errno = ETIMEDOUT;
	ck_assert_int_eq(choices[0].happened, chosen == 1);
	return chosen == 1 ? 0 : -1;
}

static void end_choice(struct scene *scene)
{
	ck_assert_ptr_null(semaphore.waiters.first);
	ck_assert_ptr_null(never.waiters.first);
	close_pair(scene->fds);
	end_got(scene);
}

static const struct interrupted_call rows[] = {
	{ "green_event_wait", ALL_AT_ONCE, true, false, false, begin_event, call_event_wait, set_event, NULL },
	{ "green_event_wait for a moment", ALL_AT_ONCE, true, false, false, begin_event, call_event_wait, flash_event, NULL },
	{ "green_semaphore_acquire", ONE_EACH, true, false, false, begin_semaphore, call_semaphore_acquire, release, end_acquired },
	{ "green_semaphore_wait", ALL_AT_ONCE, true, false, false, begin_semaphore, call_semaphore_wait, release, end_waited },
	{ "green_mutex_lock", ALL_AT_ONCE, true, false, false, begin_mutex, call_mutex_lock, unlock, end_mutex },
	{ "green_condition_wait", ONE_EACH, true, false, false, begin_condition, call_condition_wait, notify, end_mutex },
	{ "green_rwlock_read", ALL_AT_ONCE, true, false, false, begin_rwlock, call_rwlock_read, unlock_rwlock, end_rwlock },
	{ "green_rwlock_write", ALL_AT_ONCE, true, false, false, begin_rwlock, call_rwlock_write, unlock_rwlock, end_rwlock },
	{ "green_rwlock_write behind a reader", ALL_AT_ONCE, true, false, false, begin_read_rwlock, call_rwlock_write, unlock_rwlock,
	  end_rwlock },
	{ "green_queue_get", ONE_EACH, true, false, false, begin_queue, call_queue_get, put, end_got },
	{ "green_queue_put", ONE_EACH, true, false, false, begin_full_queue, call_queue_put, get, end_put },
	{ "green_queue_peek", ALL_AT_ONCE, true, false, false, begin_queue, call_queue_peek, put, end_peeked },
	{ "green_queue_join", ALL_AT_ONCE, true, false, false, begin_busy_queue, call_queue_join, task_done, end_joined },
	{ "green_choose", ONE_EACH, true, false, false, begin_choice, call_choose, put, end_choice },
	{ "green_choose_many", ONE_EACH, true, false, false, begin_choice, call_choose_many, put, end_choice },
	{ "green_queue_get of a channel", ONE_EACH, true, false, false, begin_channel, call_queue_get, put, end_got },
	{ "green_queue_put to a channel", ONE_EACH, true, false, false, begin_channel, call_queue_put, get, end_joined },
};

/* CK13, U19: whatever cuts the wait short takes nothing with it */
START_TEST(a_wait_that_is_cut_short_loses_nothing)
{
	call_interrupted(&rows[_i / ways_count()], _i % ways_count());
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("interrupts_sync", WITH_HUB);

	tcase_add_loop_test(tests, a_wait_that_is_cut_short_loses_nothing, 0, (int)ARRAY_LENGTH(rows) * ways_count());
	return suite_end();
}
