/* SPDX-License-Identifier: MIT */
/* test_interrupts_task.c - waits for tasks, futures and kernel threads, cut short in every way */
#include <semaphore.h>

#include "green.h"
#include "interrupts.h"
#include "support.h"

/* --- several tasks: one that ends when it may, and not before --- */

static struct green_event may_end;

static void *stubborn(void *arg)
{
	while (green_event_wait(&may_end, -1))
		green_error_clear();
	return arg;
}

static void begin_task(struct scene *scene)
{
	may_end = (struct green_event) GREEN_EVENT_INIT;
	scene->object = green_spawn(stubborn, scene);
	green_yield();
}

static void let_end(struct scene *scene)
{
	(void)scene;
	green_event_set(&may_end);
}

static void end_task(struct scene *scene)
{
	ck_assert_ptr_eq(join(scene->object), scene);
}

static int call_join_all(struct scene *scene, int timeout_ms)
{
	struct greenlet *tasks[] = { NULL, scene->object };

	return green_join_all(tasks, 2, 0, timeout_ms);
}

static int call_join_all_or_error(struct scene *scene, int timeout_ms)
{
	struct greenlet *tasks[] = { scene->object };

	return green_join_all(tasks, 1, GREEN_STOP_AT_ERROR, timeout_ms);
}

static int call_kill_all(struct scene *scene, int timeout_ms)
{
	struct greenlet *tasks[] = { scene->object };

	return green_kill_all(tasks, 1, timeout_ms);
}

static int call_kill_with(struct scene *scene, int timeout_ms)
{
	return green_kill_with(scene->object, EIO, NULL, timeout_ms);
}

/* --- futures; some calls cancel what they give up, so each has a shield of its own --- */

static void begin_future(struct scene *scene)
{
	scene->object = green_future_create();
	ck_assert_ptr_nonnull(scene->object);
}

static void decide(struct scene *scene)
{
	ck_assert_int_eq(green_future_set(scene->object, scene), 0);
}

static void end_future(struct scene *scene)
{
	ck_assert_int_eq(green_future_state(scene->object), GREEN_VALUE);
	green_future_destroy(scene->object);
}

static int call_future_get(struct scene *scene, int timeout_ms)
{
	void *value = NULL;
	int result = green_future_get(scene->object, &value, timeout_ms);

	ck_assert_ptr_eq(value, result ? NULL : scene);
	return result;
}

static int call_future_wait(struct scene *scene, int timeout_ms)
{
	return green_future_wait(scene->object, timeout_ms);
}

static int call_wait_futures(struct scene *scene, int timeout_ms)
{
	struct green_future *futures[] = { scene->object };
	long done = green_wait_futures(futures, 1, GREEN_ALL_DONE, timeout_ms);

	if (done == 0)
		errno = ETIMEDOUT;
	return done == 1 ? 0 : -1;
}

static int call_next_done(struct scene *scene, int timeout_ms)
{
	struct green_future *futures[] = { NULL, scene->object };
	size_t place = 0;

	if (!green_next_done(futures, 2, &place, timeout_ms))
		return -1;
	ck_assert_uint_eq(place, 1);
	return 0;
}

static int given_back(struct green_future *future, int result)
{
	int error = errno;

	green_future_destroy(future);
	errno = error;
	return result;
}

static int call_gather(struct scene *scene, int timeout_ms)
{
	struct green_future *shield = green_shield(scene->object);
	void *value = NULL;
	int result = green_gather(&shield, 1, &value, timeout_ms);

	if (!result)
		ck_assert_ptr_eq(value, scene);
	return given_back(shield, result);
}

static int call_wait_for(struct scene *scene, int timeout_ms)
{
	struct green_future *shield = green_shield(scene->object);

	return given_back(shield, green_wait_for(shield, NULL, timeout_ms));
}

/* --- kernel threads: each job lasts until it is let go --- */

static sem_t go, begun;

static void *job(void *arg)
{
	sem_post(&begun);
	while (sem_wait(&go))
		;
	return arg;
}

static void submit(struct scene *scene)
{
	struct green_future *future = green_native_pool_submit(scene->object, job, NULL);

	scene->filled += future != NULL;
	green_future_destroy(future);
}

static void begin_pool(struct scene *scene)
{
	sem_init(&go, 0, 0);
	sem_init(&begun, 0, 0);
	scene->object = green_native_pool_create(1);
	submit(scene);
	/* From now on it takes no place in the queue. */
	while (sem_wait(&begun))
		;
}

/* Until the next one would have to wait. */
static void begin_full_pool(struct scene *scene)
{
	struct green_timeout limit;
	size_t before;

	begin_pool(scene);
	do {
		before = scene->filled;
		green_timeout_start(&limit, 5);
		submit(scene);
		green_timeout_end(&limit);
	} while (scene->filled > before);
}

static void let_go(struct scene *scene)
{
	(void)scene;
	sem_post(&go);
}

static void end_pool(struct scene *scene)
{
	for (int i = 0; i < (int)scene->filled + CALLERS; i++)
		sem_post(&go);
	green_native_pool_destroy(scene->object);
	sem_destroy(&go);
	sem_destroy(&begun);
}

static int call_submit(struct scene *scene, int unused)
{
	struct green_future *future = green_native_pool_submit(scene->object, job, NULL);

	(void)unused;
	return future ? given_back(future, 0) : -1;
}

static int call_pool_join(struct scene *scene, int timeout_ms)
{
	return green_native_pool_join(scene->object, timeout_ms);
}

/* --- groups: one place, whose task ends when it may --- */

static void *ends_at_once(void *arg)
{
	return arg;
}

static void begin_group(struct scene *scene)
{
	may_end = (struct green_event) GREEN_EVENT_INIT;
	scene->object = green_group_create(1);
	ck_assert_int_eq(green_group_spawn(scene->object, stubborn, NULL, 0), 0);
	green_yield();
}

static void end_group(struct scene *scene)
{
	ck_assert_int_eq(green_group_join(scene->object, 0, 4000), 0);
	ck_assert_uint_eq(green_group_room(scene->object), 1);
	ck_assert_int_eq(green_group_destroy(scene->object), 0);
}

static int call_group_spawn(struct scene *scene, int timeout_ms)
{
	return green_group_spawn(scene->object, ends_at_once, NULL, timeout_ms);
}

static int call_group_add(struct scene *scene, int timeout_ms)
{
	struct greenlet *task = green_spawn(stubborn, NULL);
	int result = green_group_add(scene->object, task, timeout_ms), error = errno;

	green_destroy(task);
	errno = error;
	return result;
}

static int call_group_wait_room(struct scene *scene, int timeout_ms)
{
	return green_group_wait_room(scene->object, timeout_ms);
}

static int call_group_join(struct scene *scene, int timeout_ms)
{
	return green_group_join(scene->object, 0, timeout_ms);
}

static int call_group_kill(struct scene *scene, int timeout_ms)
{
	return green_group_kill(scene->object, timeout_ms);
}

static int call_group_apply(struct scene *scene, int unused)
{
	(void)unused;
	return green_group_apply(scene->object, ends_at_once, scene) == scene ? 0 : -1;
}

static int call_group_map(struct scene *scene, int unused)
{
	void *items[] = { scene, scene->object };
	int result = green_group_map(scene->object, ends_at_once, items, NULL, 2);

	(void)unused;
	return result;
}

/* --- a mapping whose items come one by one --- */

static struct green_semaphore items_made;
static struct green_mapping *mapping;

static int next_item(void *source, void **item)
{
	*item = source;
	return green_semaphore_acquire(&items_made, -1) ? 0 : 1;
}

static void begin_mapping(struct scene *scene)
{
	items_made = (struct green_semaphore) GREEN_SEMAPHORE_INIT(0);
	scene->object = green_group_create(2);
	mapping = green_mapping_create(scene->object, ends_at_once, next_item, scene, GREEN_ORDERED, 2);
	ck_assert_ptr_nonnull(mapping);
}

static void make_item(struct scene *scene)
{
	(void)scene;
	green_semaphore_release(&items_made);
}

static int call_mapping_next(struct scene *scene, int timeout_ms)
{
	void *result = NULL;
	int got = green_mapping_next(mapping, &result, timeout_ms);

	ck_assert_ptr_eq(result, got == 1 ? scene : NULL);
	return got == 1 ? 0 : -1;
}

static void end_mapping(struct scene *scene)
{
	green_mapping_destroy(mapping);
	ck_assert_int_eq(green_group_join(scene->object, 0, 4000), 0);
	ck_assert_int_eq(green_group_destroy(scene->object), 0);
}

static const struct interrupted_call rows[] = {
	{ "green_join_all", ALL_AT_ONCE, true, false, false, begin_task, call_join_all, let_end, end_task },
	{ "green_join_all or an error", ALL_AT_ONCE, true, false, false, begin_task, call_join_all_or_error, let_end, end_task },
	{ "green_kill_all", ALL_AT_ONCE, true, false, false, begin_task, call_kill_all, let_end, end_task },
	{ "green_kill_with", ALL_AT_ONCE, true, false, false, begin_task, call_kill_with, let_end, end_task },
	{ "green_future_get", ALL_AT_ONCE, true, false, false, begin_future, call_future_get, decide, end_future },
	{ "green_future_wait", ALL_AT_ONCE, true, false, false, begin_future, call_future_wait, decide, end_future },
	{ "green_wait_futures", ALL_AT_ONCE, true, false, false, begin_future, call_wait_futures, decide, end_future },
	{ "green_next_done", ALL_AT_ONCE, true, false, false, begin_future, call_next_done, decide, end_future },
	{ "green_gather", ALL_AT_ONCE, true, false, false, begin_future, call_gather, decide, end_future },
	{ "green_wait_for", ALL_AT_ONCE, true, false, false, begin_future, call_wait_for, decide, end_future },
	{ "green_group_spawn", ALL_AT_ONCE, true, false, false, begin_group, call_group_spawn, let_end, end_group },
	{ "green_group_add", ALL_AT_ONCE, true, false, false, begin_group, call_group_add, let_end, end_group },
	{ "green_group_wait_room", ALL_AT_ONCE, true, false, false, begin_group, call_group_wait_room, let_end, end_group },
	{ "green_group_join", ALL_AT_ONCE, true, false, false, begin_group, call_group_join, let_end, end_group },
	{ "green_group_kill", ALL_AT_ONCE, true, false, false, begin_group, call_group_kill, let_end, end_group },
	{ "green_group_apply", ALL_AT_ONCE, false, false, false, begin_group, call_group_apply, let_end, end_group },
	{ "green_group_map", ALL_AT_ONCE, false, false, false, begin_group, call_group_map, let_end, end_group },
	{ "green_mapping_next", ONE_EACH, true, false, true, begin_mapping, call_mapping_next, make_item, end_mapping },
	{ "green_native_pool_submit", ONE_EACH, false, false, false, begin_full_pool, call_submit, let_go, end_pool },
	{ "green_native_pool_join", ALL_AT_ONCE, true, false, false, begin_pool, call_pool_join, let_go, end_pool },
};

/* CK13, U19: whatever cuts the wait short takes nothing with it */
START_TEST(a_wait_that_is_cut_short_loses_nothing)
{
	call_interrupted(&rows[_i / ways_count()], _i % ways_count());
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("interrupts_task", WITH_HUB);

	tcase_add_loop_test(tests, a_wait_that_is_cut_short_loses_nothing, 0, (int)ARRAY_LENGTH(rows) * ways_count());
	return suite_end();
}
