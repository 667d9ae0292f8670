/* SPDX-License-Identifier: MIT */
/* test_choice.c - wait for the first of several things */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "green.h"
#include "hub/hub.h"
#include "support.h"
#include "sync/waitq.h"

static struct green_event event;
static struct green_semaphore semaphore;
static struct green_mutex mutex;
static struct green_queue *queue, *other;

static void queues(void)
{
	queue = green_queue_create(GREEN_FIFO, 1);
	other = green_queue_create(GREEN_FIFO, 1);
}

static void nothing_is_left(void)
{
	ck_assert_ptr_null(event.waiters.first);
	ck_assert_ptr_null(semaphore.waiters.first);
	ck_assert_ptr_null(mutex.waiters.first);
	ck_assert_int_eq(green_queue_destroy(queue), 0);
	ck_assert_int_eq(green_queue_destroy(other), 0);
	ck_assert_uint_eq(green__hub()->shared, 0);
	ck_assert_uint_eq(green__hub()->fd_waits, 0);
}

/* --- what can happen at once --- */

START_TEST(the_first_in_the_array_that_can_happen_does_and_no_other)
{
	struct green_choice choices[] = {
		{ .kind = GREEN_CHOICE_NONE }, GREEN_GET(queue), GREEN_ACQUIRED(&semaphore), GREEN_SET(&event), GREEN_LOCKED(&mutex),
	};

	queues();
	choices[1].object = queue;
	assert_fails(green_choose(choices, 4, 0) == -1, ETIMEDOUT);
	green_semaphore_release(&semaphore);
	green_event_set(&event);
	ck_assert_int_eq(green_choose(choices, 5, -1), 2);
	ck_assert(choices[2].happened);
	ck_assert_uint_eq(green_semaphore_count(&semaphore), 0);
	green_semaphore_release(&semaphore);
	ck_assert_int_eq(green_choose(choices, 5, -1), 3);
	ck_assert_int_eq(green_choose(choices, 5, 0), 4);
	ck_assert_ptr_eq(green_mutex_owner(&mutex), green_current());
	assert_fails(green_choose(choices, 5, 0) == -1, ETIMEDOUT);
	ck_assert_int_eq(green_queue_put(queue, &event, 0), 0);
	ck_assert_int_eq(green_choose(choices, 5, 0), 1);
	ck_assert_ptr_eq(choices[1].value, &event);
	assert_fails(green_choose(choices, 5, -1) == -1, EINVAL);
	ck_assert_uint_eq(green_semaphore_count(&semaphore), 1);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	nothing_is_left();
}
END_TEST

static void *fails(void *arg)
{
	green_throw(green_current(), EIO, NULL);
	return arg;
}

START_TEST(what_makes_no_sense_is_refused)
{
	struct green_choice none = { .kind = GREEN_CHOICE_NONE }, unknown = { .kind = 99 }, empty = GREEN_SET(NULL);
	struct green_choice self = GREEN_JOINED(green_current()), fd = GREEN_READY(0, 0), negative = GREEN_READY(-1, GREEN_READ);
	struct green_choice own = GREEN_LOCKED(&mutex), itself[2] = { GREEN_GET(NULL), GREEN_PUT(NULL, NULL) };

	queues();
	assert_fails(green_choose(NULL, 0, -1) == -1, EINVAL);
	assert_fails(green_choose(&none, 1, -1) == -1, EINVAL);
	assert_fails(green_choose(&unknown, 1, -1) == -1, EINVAL);
	assert_fails(green_choose(&empty, 1, -1) == -1, EINVAL);
	assert_fails(green_choose(&self, 1, -1) == -1, EINVAL);
	assert_fails(green_choose(&fd, 1, -1) == -1, EINVAL);
	assert_fails(green_choose(&negative, 1, -1) == -1, EINVAL);
	ck_assert_int_eq(green_mutex_lock(&mutex, 0), 0);
	assert_fails(green_choose(&own, 1, -1) == -1, EDEADLK);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	itself[0].object = itself[1].object = green_queue_create(GREEN_CHANNEL, 0);
	assert_fails(green_choose(itself, 2, 0) == -1, EINVAL);
	green_queue_destroy(itself[0].object);
	nothing_is_left();
}
END_TEST

/* --- waits: each kind in turn ends one --- */

static struct green_choice all[7];
static struct greenlet *chooser_task;
static int chosen;

static void *chooses(void *timeout_ms)
{
	chosen = green_choose(all, ARRAY_LENGTH(all), (int)(intptr_t)timeout_ms);
	return (void *)(intptr_t)(chosen == -1 ? errno : 0);
}

static int pair[2];
static struct greenlet *sleeper;
static struct green_future *future;
static struct green_event wake_sleeper;

static void *sleeps(void *arg)
{
	green_event_wait(&wake_sleeper, -1);
	return arg;
}

static void choose_among_all(void)
{
	queues();
	ck_assert_int_eq(green_queue_put(other, &chosen, 0), 0);
	ck_assert_int_eq(green_socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	sleeper = parked(sleeps, &pair);
	future = green_future_create();
	all[0] = (struct green_choice)GREEN_GET(queue);
	all[1] = (struct green_choice)GREEN_PUT(other, &all);
	all[2] = (struct green_choice)GREEN_SET(&event);
	all[3] = (struct green_choice)GREEN_ACQUIRED(&semaphore);
	all[4] = (struct green_choice)GREEN_JOINED(sleeper);
	all[5] = (struct green_choice)GREEN_DONE(future);
	all[6] = (struct green_choice)GREEN_READY(pair[0], GREEN_READ);
	chooser_task = parked(chooses, (void *)-1);
	ck_assert(!green_dead(chooser_task));
}

static void end_all(void)
{
	green_event_set(&wake_sleeper);
	join(sleeper);
	green_future_destroy(future);
	close_pair(pair);
	nothing_is_left();
}

/* Everything else is as it was before. */
static void assert_chosen(int expected)
{
	ck_assert_ptr_null(join(chooser_task));
	ck_assert_int_eq(chosen, expected);
	for (int i = 0; i < (int)ARRAY_LENGTH(all); i++)
		ck_assert_int_eq(all[i].happened, i == expected);
	ck_assert_int_eq(all[expected].error, 0);
}

static void *taken;

static void let_happen(int which)
{
	switch (which) {
	case 0: ck_assert_int_eq(green_queue_put(queue, &mutex, 0), 0); break;
	case 1: ck_assert_int_eq(green_queue_get(other, &taken, 0), 0); break;
	case 2: green_event_set(&event); green_event_clear(&event); break;
	case 3: green_semaphore_release(&semaphore); break;
	case 4: green_event_set(&wake_sleeper); break;
	case 5: green_future_set(future, &queue); break;
	default: ck_assert_int_eq(write(pair[1], "x", 1), 1);
	}
}

START_TEST(each_kind_ends_the_wait_and_happens_alone)
{
	void *item;

	choose_among_all();
	let_happen(_i);
	assert_chosen(_i);
	ck_assert(_i != 0 || all[0].value == &mutex);
	ck_assert(_i != 4 || all[4].value == &pair);
	ck_assert(_i != 5 || all[5].value == &queue);
	ck_assert(_i != 6 || all[6].events == GREEN_READ);
	ck_assert_uint_eq(green_queue_size(queue), 0);
	ck_assert_int_eq(green_queue_get(other, &item, 0), 0);
	ck_assert_ptr_eq(item, _i == 1 ? (void *)&all : (void *)&chosen);
	ck_assert_uint_eq(green_semaphore_count(&semaphore), 0);
	end_all();
}
END_TEST

/* Two in a row before it runs: the second stays for others. */
START_TEST(of_two_only_the_first_happens)
{
	choose_among_all();
	green_semaphore_release(&semaphore);
	ck_assert_int_eq(green_queue_put(queue, &mutex, 0), 0);
	assert_chosen(3);
	ck_assert_int_eq(green_queue_get(queue, &taken, 0), 0);
	ck_assert_ptr_eq(taken, &mutex);
	end_all();
}
END_TEST

/* CK13: killed first, nothing happens; chosen first, it has it */
START_TEST(ck13_killed_or_chosen_first)
{
	choose_among_all();
	if (_i)
		let_happen(0);
	kill_soon(chooser_task);
	if (!_i)
		let_happen(0);
	ck_assert_int_eq(green_join(chooser_task, NULL, -1), 0);
	green_destroy(chooser_task);
	ck_assert_int_eq(chosen, _i ? 0 : -1);
	ck_assert_int_eq(green_queue_get(queue, &taken, 0), _i ? -1 : 0);
	end_all();
}
END_TEST

START_TEST(to6_the_time_is_over)
{
	struct green_timeout limit;
	int64_t start;

	choose_among_all();
	green_kill(chooser_task, -1);
	green_destroy(chooser_task);
	start = clock_now();
	ck_assert_ptr_eq(chooses((void *)30), (void *)ETIMEDOUT);
	assert_took(start, 30);
	ck_assert_int_eq(green_timeout_start(&limit, 30), 0);
	ck_assert_ptr_eq(chooses((void *)-1), (void *)ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	end_all();
}
END_TEST

START_TEST(ends_in_error_are_told)
{
	struct greenlet *task = green_spawn(fails, NULL);
	struct green_choice choices[4] = { GREEN_JOINED(task), GREEN_GET(NULL), GREEN_DONE(NULL), GREEN_READY(0, GREEN_READ) };

	queues();
	future = green_future_create();
	ck_assert_int_eq(green_socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	choices[1].object = queue;
	choices[2].object = future;
	choices[3].fd = pair[0];
	ck_assert_int_eq(green_choose(choices, 4, -1), 0);
	ck_assert_int_eq(choices[0].error, EIO);
	green_queue_shut_down(queue, false);
	ck_assert_int_eq(green_choose(choices, 4, -1), 1);
	ck_assert_int_eq(choices[1].error, ESHUTDOWN);
	green_future_cancel(future);
	ck_assert_int_eq(green_choose(choices, 4, -1), 2);
	ck_assert_int_eq(choices[2].error, ECANCELED);
	close_pair(pair);
	ck_assert_int_eq(green_choose(choices, 4, -1), 3);
	ck_assert_int_eq(choices[3].error, EBADF);
	green_destroy(task);
	green_future_destroy(future);
	nothing_is_left();
}
END_TEST

static void *shuts_and_closes(void *unused)
{
	(void)unused;
	green_queue_shut_down(queue, false);
	green_yield();
	green_yield();
	green_close(pair[0]);
	return NULL;
}

START_TEST(ends_in_error_while_it_waits_are_told)
{
	struct green_choice choices[2] = { GREEN_GET(NULL), GREEN_READY(0, GREEN_READ) };
	struct greenlet *task = green_spawn(shuts_and_closes, NULL);

	queues();
	ck_assert_int_eq(green_socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	choices[0].object = queue;
	choices[1].fd = pair[0];
	ck_assert_int_eq(green_choose(choices, 2, -1), 0);
	ck_assert_int_eq(choices[0].error, ESHUTDOWN);
	ck_assert_int_eq(green_choose(choices, 2, -1), 1);
	ck_assert_int_eq(choices[1].error, EBADF);
	join(task);
	green_close(pair[1]);
	nothing_is_left();
}
END_TEST

START_TEST(the_end_of_a_child_process_ends_the_wait)
{
	char *command[] = { "/bin/sh", "-c", "sleep 0.05; exit 3", NULL };
	struct green_process_options options = { .argv = command };
	struct green_process *process = green_process_start(&options);
	struct green_choice choices[2] = { GREEN_EXITED(process), GREEN_SET(&event) };
	int status;

	queues();
	if (!process && tools_watch()) {
		skipped("no child process can be started under this tool");
		nothing_is_left();
		return;
	}
	ck_assert_ptr_nonnull(process);
	assert_fails(green_choose(choices, 2, 0) == -1, ETIMEDOUT);
	ck_assert_int_eq(green_choose(choices, 2, -1), 0);
	ck_assert_int_eq(green_process_wait(process, &status, 0), 0);
	ck_assert_int_eq(WEXITSTATUS(status), 3);
	green_process_destroy(process);
	nothing_is_left();
}
END_TEST

/* --- several --- */

static struct green_event ends[3];

static void *ends_at(void *end)
{
	green_event_wait(end, -1);
	return end;
}

START_TEST(s21_they_are_told_in_the_order_of_their_ends_or_many_at_a_time)
{
	struct greenlet *tasks[3];
	struct green_choice choices[3];
	static const int order[3] = { 1, 2, 0 };

	queues();
	for (int i = 0; i < 3; i++) {
		tasks[i] = green_spawn(ends_at, &ends[i]);
		choices[i] = (struct green_choice)GREEN_JOINED(tasks[i]);
	}
	for (int i = 0; i < 3; i++) {
		green_event_set(&ends[order[i]]);
		ck_assert_int_eq(green_choose(choices, 3, -1), order[i]);
	}
	for (int i = 0; i < 3; i++)
		choices[i].happened = false;
	ck_assert_int_eq(green_choose_many(choices, 3, 2, -1), 2);
	ck_assert(choices[0].happened && choices[1].happened && !choices[2].happened);
	ck_assert_int_eq(green_choose_many(choices, 3, 9, -1), 1);
	ck_assert_int_eq(green_choose_many(choices, 3, 1, -1), 0);
	for (int i = 0; i < 3; i++)
		join(tasks[i]);
	nothing_is_left();
}
END_TEST

START_TEST(s21_many_as_far_as_the_time_goes)
{
	struct green_choice choices[2] = { GREEN_SET(&event), GREEN_ACQUIRED(&semaphore) };
	int64_t start = clock_now();

	queues();
	green_event_set(&event);
	ck_assert_int_eq(green_choose_many(choices, 2, 2, 30), 1);
	assert_took(start, 30);
	ck_assert_int_eq(green_choose_many(choices, 2, 1, 0), 0);
	nothing_is_left();
}
END_TEST

START_TEST(there_may_be_many)
{
	enum { MANY = 40 };
	struct green_event events[MANY] = { 0 };
	struct green_choice choices[MANY];

	queues();
	for (int i = 0; i < MANY; i++)
		choices[i] = (struct green_choice)GREEN_SET(&events[i]);
	assert_fails(green_choose(choices, MANY, 5) == -1, ETIMEDOUT);
	green_event_set(&events[33]);
	ck_assert_int_eq(green_choose(choices, MANY, -1), 33);
	nothing_is_left();
}
END_TEST

static void chooses_in_the_loop(void)
{
	struct green_choice choices[2] = { GREEN_GET(queue), GREEN_SET(&event) };

	assert_fails(green_choose(choices, 2, -1) == -1, EDEADLK);
	assert_fails(green_choose(choices, 2, 0) == -1, ETIMEDOUT);
	green_event_set(&event);
	ck_assert_int_eq(green_choose(choices, 2, -1), 1);
}

START_TEST(h3_a_callback_takes_what_is_there_but_does_not_wait)
{
	queues();
	in_hub(chooses_in_the_loop);
	nothing_is_left();
}
END_TEST

START_TEST(h2_nothing_can_happen)
{
	struct green_choice choices[2] = { GREEN_GET(NULL), GREEN_SET(&event) };

	queues();
	choices[0].object = queue;
	assert_fails(green_choose(choices, 2, -1) == -1, EDEADLK);
	nothing_is_left();
}
END_TEST

/* --- at random: choosers on several kernel threads, who put and get on two queues each --- */

enum { THREADS = 3, TASKS = 3, ROUNDS = 700, QUEUES = 3 };

static struct green_queue *shared[QUEUES];
static long put_count[QUEUES], got_count[QUEUES], put_sum, got_sum, units; /* atomic */
static struct green_semaphore unit = GREEN_SEMAPHORE_INIT(2);
static int inside; /* atomic */

static void account(struct green_choice *choice, int number)
{
	switch (choice->kind) {
	case GREEN_CHOICE_GET:
		__atomic_add_fetch(&got_count[number], 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&got_sum, (intptr_t)choice->value, __ATOMIC_RELAXED);
		break;
	case GREEN_CHOICE_PUT:
		__atomic_add_fetch(&put_count[number], 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&put_sum, (intptr_t)choice->value, __ATOMIC_RELAXED);
		break;
	default:
		ck_assert_int_le(__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST), 2);
		__atomic_add_fetch(&units, 1, __ATOMIC_RELAXED);
		__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		ck_assert_int_eq(green_semaphore_release(&unit), 0);
	}
}

static void *chooses_at_random(void *arg)
{
	unsigned seed = (unsigned)(intptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		int a = rand_r(&seed) % QUEUES, b = (a + 1) % QUEUES, which;
		struct green_choice choices[3] = {
			GREEN_GET(shared[a]), GREEN_PUT(shared[b], (void *)(intptr_t)(rand_r(&seed) % 1000)), GREEN_ACQUIRED(&unit),
		};

		if (rand_r(&seed) % 3)
			choices[2].kind = GREEN_CHOICE_NONE;
		which = green_choose(choices, 3, rand_r(&seed) % 3);
		if (which < 0)
			ck_assert_int_eq(errno, ETIMEDOUT);
		else
			account(&choices[which], which == 0 ? a : b);
		for (int j = 0; j < 3; j++)
			ck_assert_int_eq(choices[j].happened, j == which);
		if (rand_r(&seed) % 4 == 0)
			green_yield();
	}
	return NULL;
}

static void *on_a_thread(void *arg)
{
	struct greenlet *tasks[TASKS];

	for (intptr_t i = 0; i < TASKS; i++)
		tasks[i] = green_spawn(chooses_at_random, (void *)((intptr_t)arg + i));
	for (int i = 0; i < TASKS; i++)
		join(tasks[i]);
	return NULL;
}

START_TEST(y5_at_random_exactly_one_happens_between_threads)
{
	intptr_t seed = (intptr_t)((unsigned)clock_now() & 0x7fffff);
	pthread_t threads[THREADS];
	long total = 0;
	void *item;

	queues();
	printf("seed %ld\n", (long)seed);
	fflush(stdout);
	for (int i = 0; i < QUEUES; i++)
		shared[i] = green_queue_create(i == 2 ? GREEN_CHANNEL : GREEN_FIFO, i == 2 ? 0 : (size_t)i + 1);
	for (intptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, on_a_thread, (void *)(seed + i * 100)), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < QUEUES; i++) {
		total += put_count[i];
		while (green_queue_get(shared[i], &item, 0) == 0) {
			got_count[i]++;
			got_sum += (intptr_t)item;
		}
		ck_assert_int_eq(got_count[i], put_count[i]);
		ck_assert_int_eq(green_queue_destroy(shared[i]), 0);
	}
	ck_assert_int_eq(got_sum, put_sum);
	ck_assert_int_gt(total, THREADS * TASKS);
	ck_assert_uint_eq(green_semaphore_count(&unit), 2);
	nothing_is_left();
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("choice", WITH_HUB);

	tcase_add_test(tcase, the_first_in_the_array_that_can_happen_does_and_no_other);
	tcase_add_test(tcase, what_makes_no_sense_is_refused);
	tcase_add_loop_test(tcase, each_kind_ends_the_wait_and_happens_alone, 0, 7);
	tcase_add_test(tcase, of_two_only_the_first_happens);
	tcase_add_loop_test(tcase, ck13_killed_or_chosen_first, 0, 2);
	tcase_add_test(tcase, to6_the_time_is_over);
	tcase_add_test(tcase, ends_in_error_are_told);
	tcase_add_test(tcase, ends_in_error_while_it_waits_are_told);
	tcase_add_test(tcase, the_end_of_a_child_process_ends_the_wait);
	tcase_add_test(tcase, s21_they_are_told_in_the_order_of_their_ends_or_many_at_a_time);
	tcase_add_test(tcase, s21_many_as_far_as_the_time_goes);
	tcase_add_test(tcase, there_may_be_many);
	tcase_add_test(tcase, h3_a_callback_takes_what_is_there_but_does_not_wait);
	tcase_add_test(tcase, h2_nothing_can_happen);
	tcase_add_test(tcase, y5_at_random_exactly_one_happens_between_threads);
	return suite_end();
}
