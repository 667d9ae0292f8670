/* SPDX-License-Identifier: MIT */
/* test_rwlock.c - many readers or one writer, first come first served */
#include "green.h"
#include "support.h"
#include "sync/waitq.h"

static struct green_rwlock lock = GREEN_RWLOCK_INIT;
static struct green_event go;
static int readers, most, writers, order[8], served;

static void *reads(void *number)
{
	if (green_rwlock_read(&lock, -1))
		return "failed";
	order[served++] = (int)(intptr_t)number;
	ck_assert_int_eq(writers, 0);
	most = ++readers > most ? readers : most;
	green_event_wait(&go, -1);
	readers--;
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
	return NULL;
}

static void *writes(void *number)
{
	if (green_rwlock_write(&lock, -1))
		return "failed";
	order[served++] = (int)(intptr_t)number;
	ck_assert_int_eq(++writers, 1);
	ck_assert_int_eq(readers, 0);
	green_event_wait(&go, -1);
	writers--;
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
	return NULL;
}

START_TEST(readers_share_and_a_writer_has_it_alone)
{
	struct greenlet *tasks[4] = {
		parked(reads, (void *)0), parked(reads, (void *)1), parked(writes, (void *)2), parked(reads, (void *)3),
	};

	ck_assert_int_eq(served, 2);
	assert_fails(green_rwlock_read(&lock, 0) == -1, ETIMEDOUT);
	assert_fails(green_rwlock_write(&lock, 0) == -1, ETIMEDOUT);
	green_event_set(&go);
	for (int i = 0; i < 4; i++) {
		ck_assert_ptr_null(join(tasks[i]));
		ck_assert_int_eq(order[i], i);
	}
	ck_assert_int_eq(most, 2);
	ck_assert_int_eq(green_rwlock_write(&lock, 0), 0);
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
}
END_TEST

START_TEST(readers_who_come_together_go_in_together)
{
	struct greenlet *tasks[3];

	ck_assert_int_eq(green_rwlock_write(&lock, -1), 0);
	for (intptr_t i = 0; i < 3; i++)
		tasks[i] = parked(reads, (void *)i);
	ck_assert_int_eq(served, 0);
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
	green_yield();
	ck_assert_int_eq(most, 3);
	green_event_set(&go);
	for (int i = 0; i < 3; i++)
		join(tasks[i]);
}
END_TEST

START_TEST(only_who_has_it_gives_it_back)
{
	struct greenlet *task;

	assert_fails(green_rwlock_unlock(&lock) == -1, EPERM);
	task = parked(writes, NULL);
	assert_fails(green_rwlock_unlock(&lock) == -1, EPERM);
	green_event_set(&go);
	join(task);
	assert_fails(green_rwlock_unlock(&lock) == -1, EPERM);
}
END_TEST

START_TEST(its_writer_cannot_have_it_again)
{
	ck_assert_int_eq(green_rwlock_write(&lock, -1), 0);
	assert_fails(green_rwlock_write(&lock, -1) == -1, EDEADLK);
	assert_fails(green_rwlock_read(&lock, 0) == -1, EDEADLK);
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
}
END_TEST

START_TEST(ck13_a_writer_that_gives_up_holds_up_nobody)
{
	struct greenlet *writer, *reader;

	ck_assert_int_eq(green_rwlock_read(&lock, -1), 0);
	writer = parked(writes, (void *)1);
	reader = parked(reads, (void *)2);
	ck_assert_int_eq(served, 0);
	kill_soon(writer);
	green_yield();
	green_yield();
	ck_assert_int_eq(served, 1);
	ck_assert_int_eq(order[0], 2);
	green_event_set(&go);
	join(reader);
	join(writer);
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
}
END_TEST

START_TEST(ck13_one_that_is_killed_first_is_passed_over)
{
	struct greenlet *first, *second;

	ck_assert_int_eq(green_rwlock_read(&lock, -1), 0);
	first = parked(writes, (void *)1);
	second = parked(writes, (void *)2);
	kill_soon(first);
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
	green_event_set(&go);
	ck_assert_ptr_null(join(second));
	join(first);
	ck_assert_int_eq(served, 1);
	ck_assert_int_eq(order[0], 2);
}
END_TEST

START_TEST(ck13_woken_first_it_has_it)
{
	struct greenlet *task;

	ck_assert_int_eq(green_rwlock_read(&lock, -1), 0);
	task = parked(writes, NULL);
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
	kill_soon(task);
	join(task);
	ck_assert_int_eq(served, 1);
	ck_assert_int_eq(green_rwlock_write(&lock, 0), 0);
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
}
END_TEST

static void *runs_out_of_time(void *unused)
{
	struct green_timeout limit;
	int64_t start = clock_now();

	(void)unused;
	assert_fails(green_rwlock_write(&lock, 30) == -1, ETIMEDOUT);
	assert_took(start, 30);
	ck_assert_int_eq(green_timeout_start(&limit, 30), 0);
	assert_fails(green_rwlock_write(&lock, -1) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	return NULL;
}

START_TEST(to6_the_time_is_over)
{
	ck_assert_int_eq(green_rwlock_read(&lock, -1), 0);
	join(green_spawn(runs_out_of_time, NULL));
	ck_assert_int_eq(green_rwlock_read(&lock, 0), 0);
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
}
END_TEST

static void uses_it_in_the_loop(void)
{
	assert_fails(green_rwlock_write(&lock, -1) == -1, EDEADLK);
	ck_assert_int_eq(green_rwlock_read(&lock, -1), 0);
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
}

START_TEST(h3_ck6_a_callback_does_not_wait_for_it)
{
	ck_assert_int_eq(green_rwlock_read(&lock, -1), 0);
	in_hub(uses_it_in_the_loop);
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
}
END_TEST

START_TEST(h2_a_reader_that_would_write_waits_for_itself)
{
	ck_assert_int_eq(green_rwlock_read(&lock, -1), 0);
	assert_fails(green_rwlock_write(&lock, -1) == -1, EDEADLK);
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
}
END_TEST

/* --- other kernel threads --- */

enum { THREADS = 3, TASKS = 4, ROUNDS = 400 };

static int reading, writing; /* atomic */
static long guarded, written;

static void one_write(int i)
{
	long before;

	if (green_rwlock_write(&lock, i % 9 == 0 ? 1 : -1)) {
		ck_assert_int_eq(errno, ETIMEDOUT);
		return;
	}
	ck_assert_int_eq(__atomic_add_fetch(&writing, 1, __ATOMIC_SEQ_CST), 1);
	ck_assert_int_eq(__atomic_load_n(&reading, __ATOMIC_SEQ_CST), 0);
	before = guarded;
	if (i % 2)
		green_yield();
	guarded = before + 1;
	__atomic_add_fetch(&written, 1, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&writing, 1, __ATOMIC_SEQ_CST);
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
}

static void one_read(int i)
{
	if (green_rwlock_read(&lock, i % 7 == 0 ? 1 : -1)) {
		ck_assert_int_eq(errno, ETIMEDOUT);
		return;
	}
	__atomic_add_fetch(&reading, 1, __ATOMIC_SEQ_CST);
	ck_assert_int_eq(__atomic_load_n(&writing, __ATOMIC_SEQ_CST), 0);
	if (i % 2)
		green_yield();
	__atomic_sub_fetch(&reading, 1, __ATOMIC_SEQ_CST);
	ck_assert_int_eq(green_rwlock_unlock(&lock), 0);
}

static void *reads_and_writes(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 3 == 0)
			one_write(i);
		else
			one_read(i);
	}
	return NULL;
}

static void *on_a_thread(void *unused)
{
	struct greenlet *tasks[TASKS];

	for (int i = 0; i < TASKS; i++)
		tasks[i] = green_spawn(reads_and_writes, unused);
	for (int i = 0; i < TASKS; i++)
		join(tasks[i]);
	return NULL;
}

START_TEST(y5_it_guards_between_greenlets_of_several_threads)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, on_a_thread, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(guarded, written);
	ck_assert_int_gt(written, 0);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("rwlock", WITH_HUB);

	tcase_add_test(tcase, readers_share_and_a_writer_has_it_alone);
	tcase_add_test(tcase, readers_who_come_together_go_in_together);
	tcase_add_test(tcase, only_who_has_it_gives_it_back);
	tcase_add_test(tcase, its_writer_cannot_have_it_again);
	tcase_add_test(tcase, ck13_a_writer_that_gives_up_holds_up_nobody);
	tcase_add_test(tcase, ck13_one_that_is_killed_first_is_passed_over);
	tcase_add_test(tcase, ck13_woken_first_it_has_it);
	tcase_add_test(tcase, to6_the_time_is_over);
	tcase_add_test(tcase, h3_ck6_a_callback_does_not_wait_for_it);
	tcase_add_test(tcase, h2_a_reader_that_would_write_waits_for_itself);
	tcase_add_test(tcase, y5_it_guards_between_greenlets_of_several_threads);
	return suite_end();
}
