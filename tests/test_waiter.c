/* SPDX-License-Identifier: MIT */
/* test_waiter.c - park and wake: the first of wake, timeout and interrupt decides */
#include <sched.h>

#include "green.h"
#include "hub/waiter.h"
#include "support.h"

enum { WAKERS = 4, WAITS_EACH = 2000 };

static struct waiter waiter;

static int64_t in_ms(int ms)
{
	return clock_after_ms(ms);
}

/* A wait that another thread ends, so that main is not told EDEADLK. */
static int park_external(struct waiter *w, int64_t deadline)
{
	struct hub *hub = green__hub();
	int result;

	hub->external++;
	result = green__park(w, deadline);
	hub->external--;
	return result;
}

START_TEST(a_wake_before_the_park_ends_it_at_once)
{
	uint64_t parks = green__hub()->flow->stats->parks;

	green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
	ck_assert(green__wake(&waiter, -EIO));
	ck_assert_int_eq(green__park(&waiter, CLOCK_NEVER), -EIO);
	ck_assert_uint_eq(green__hub()->flow->stats->parks, parks);
}
END_TEST

static void *wake_it(void *result)
{
	return (void *)(intptr_t)green__wake(&waiter, (int)(intptr_t)result);
}

START_TEST(park_returns_what_the_wake_carries)
{
	struct greenlet *task;

	for (int result = 0; result > -100; result -= 33) {
		green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
		task = green_spawn(wake_it, (void *)(intptr_t)result);
		ck_assert_int_eq(green__park(&waiter, CLOCK_NEVER), result);
		ck_assert_ptr_nonnull(join(task));
	}
}
END_TEST

START_TEST(time_ends_a_wait)
{
	int64_t start = clock_now();

	green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
	ck_assert_int_eq(green__park(&waiter, in_ms(20)), -ETIMEDOUT);
	assert_took(start, 20);
	ck_assert(!green__wake(&waiter, 0));
}
END_TEST

START_TEST(a_deadline_that_has_passed_lets_others_run_and_times_out)
{
	struct greenlet *task = green_spawn(wake_it, (void *)-EIO);

	green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
	/* The other one runs in the pass before the timers. */
	ck_assert_int_eq(green__park(&waiter, 1), -EIO);
	join(task);
	green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
	ck_assert_int_eq(green__park(&waiter, 1), -ETIMEDOUT);
}
END_TEST

START_TEST(the_first_wake_decides)
{
	green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
	ck_assert(green__wake(&waiter, -EIO));
	ck_assert(!green__wake(&waiter, 0));
	ck_assert_int_eq(green__park(&waiter, CLOCK_NEVER), -EIO);
}
END_TEST

START_TEST(a_wake_stops_the_timer)
{
	struct greenlet *task = green_spawn(wake_it, NULL);

	green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
	ck_assert_int_eq(green__park(&waiter, in_ms(30)), 0);
	ck_assert_int_eq(timerq_next(&green__hub()->timers), CLOCK_NEVER);
	join(task);
}
END_TEST

START_TEST(time_counts_from_the_beginning_not_from_the_last_look)
{
	int64_t start = clock_now(), deadline = in_ms(60);
	int result;

	/* A wait that is woken again and again keeps its absolute deadline. */
	do {
		struct greenlet *task = green_spawn(wake_it, NULL);

		green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
		result = green__park(&waiter, deadline);
		join(task);
		green_sleep(7);
		/* The deadline may come just before the wake, and then it ends the wait. */
		ck_assert(result == 0 || (result == -ETIMEDOUT && clock_now() >= deadline));
	} while (clock_now() < deadline);
	assert_took(start, 60);
}
END_TEST

static void *interrupt_main(void *main)
{
	green__interrupt(main);
	return NULL;
}

START_TEST(an_interrupt_ends_an_interruptible_wait)
{
	struct greenlet *task = green_spawn(interrupt_main, green_current());

	green__waiter_init(&waiter, WAIT_INTERRUPTIBLE, "test", NULL);
	ck_assert_int_eq(green__park(&waiter, in_ms(1000)), -EINTR);
	ck_assert(!green_current()->interrupted);
	join(task);
}
END_TEST

START_TEST(an_interrupt_leaves_a_plain_wait_alone_and_ends_the_next_interruptible_one)
{
	struct greenlet *task = green_spawn(interrupt_main, green_current());

	green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
	ck_assert_int_eq(green__park(&waiter, in_ms(20)), -ETIMEDOUT);
	green__waiter_init(&waiter, WAIT_INTERRUPTIBLE, "test", NULL);
	ck_assert_int_eq(green__park(&waiter, CLOCK_NEVER), -EINTR);
	join(task);
}
END_TEST

START_TEST(a_wake_that_was_first_is_not_lost_to_an_interrupt)
{
	green__waiter_init(&waiter, WAIT_INTERRUPTIBLE, "test", NULL);
	ck_assert(green__wake(&waiter, 0));
	green__interrupt(green_current());
	ck_assert_int_eq(green__park(&waiter, CLOCK_NEVER), 0);
	ck_assert(green_current()->interrupted);
}
END_TEST

static int handlers_run;

static void no_timer_runs(void)
{
	ck_assert_uint_eq(green__current->flow->hub->timers.count, 0);
	handlers_run++;
}

/* They may jump away, or fork. */
START_TEST(while_handlers_run_in_a_wait_its_timer_does_not)
{
	int64_t before = clock_now();
	struct greenlet *task;

	green__hub()->run_handlers = no_timer_runs;
	task = green_spawn(interrupt_main, green_current());
	green__waiter_init(&waiter, WAIT_RAISABLE, "test", NULL);
	ck_assert_int_eq(green__park(&waiter, in_ms(20)), -ETIMEDOUT);
	ck_assert_int_ge(clock_now() - before, 20 * NS_PER_MS);
	ck_assert_int_eq(handlers_run, 1);
	ck_assert_uint_eq(green__hub()->timers.count, 0);
	green__hub()->run_handlers = NULL;
	join(task);
}
END_TEST

START_TEST(main_that_nobody_can_wake_gets_edeadlk)
{
	green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
	ck_assert_int_eq(green__park(&waiter, CLOCK_NEVER), -EDEADLK);
	ck_assert(!green__wake(&waiter, 0));
}
END_TEST

/* Wakes from other kernel threads. */

static void *wake_later(void *unused)
{
	usleep(20000);
	ck_assert(green__wake(&waiter, -EIO));
	return unused;
}

START_TEST(another_thread_wakes_a_sleeping_hub)
{
	int64_t start = clock_now();
	pthread_t thread;

	green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
	ck_assert_int_eq(pthread_create(&thread, NULL, wake_later, NULL), 0);
	ck_assert_int_eq(park_external(&waiter, in_ms(10000)), -EIO);
	assert_took(start, 20);
	pthread_join(thread, NULL);
	ck_assert_int_eq(timerq_next(&green__hub()->timers), CLOCK_NEVER);
}
END_TEST

static void *wake_now(void *unused)
{
	ck_assert(green__wake(&waiter, 0));
	return unused;
}

START_TEST(another_thread_may_wake_before_the_park)
{
	green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
	in_thread(wake_now, NULL);
	ck_assert_int_eq(park_external(&waiter, CLOCK_NEVER), 0);
}
END_TEST

/* One waiter at a time is offered to each waking thread. */
static struct exchange {
	struct waiter *offered;
	int wakes;
} exchanges[WAKERS];

static void *waking_thread(void *arg)
{
	struct exchange *exchange = arg;
	struct waiter *w;

	for (int i = 0; i < WAITS_EACH; i++) {
		while (!(w = __atomic_exchange_n(&exchange->offered, NULL, __ATOMIC_ACQ_REL)))
			sched_yield();
		if (!green__wake(w, 0))
			return "somebody else has woken it";
	}
	return NULL;
}

static void *wait_many_times(void *arg)
{
	struct exchange *exchange = arg;

	for (int i = 0; i < WAITS_EACH; i++) {
		struct waiter w;

		green__waiter_init(&w, WAIT_PLAIN, "test", NULL);
		__atomic_store_n(&exchange->offered, &w, __ATOMIC_RELEASE);
		ck_assert_int_eq(park_external(&w, CLOCK_NEVER), 0);
		exchange->wakes++;
	}
	return NULL;
}

START_TEST(thousands_of_wakes_from_several_threads_all_arrive)
{
	pthread_t threads[WAKERS];
	struct greenlet *tasks[WAKERS];
	void *complaint;

	for (int i = 0; i < WAKERS; i++) {
		tasks[i] = green_spawn(wait_many_times, &exchanges[i]);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, waking_thread, &exchanges[i]), 0);
	}
	for (int i = 0; i < WAKERS; i++) {
		join(tasks[i]);
		pthread_join(threads[i], &complaint);
		ck_assert_msg(!complaint, "%s", (char *)complaint);
		ck_assert_int_eq(exchanges[i].wakes, WAITS_EACH);
	}
}
END_TEST

/* The waker holds the lock for the whole wake, so that the waiter it found cannot go away. */
static pthread_mutex_t race_lock = PTHREAD_MUTEX_INITIALIZER;
static struct waiter *racing;
static bool race_over;
static int race_wakes;

static void *racing_thread(void *unused)
{
	unsigned seed = 3;

	while (!__atomic_load_n(&race_over, __ATOMIC_ACQUIRE)) {
		pthread_mutex_lock(&race_lock);
		if (racing)
			race_wakes += green__wake(racing, 0);
		racing = NULL;
		pthread_mutex_unlock(&race_lock);
		usleep(rand_r(&seed) % 300);
	}
	return unused;
}

START_TEST(a_race_of_wakes_and_timeouts_has_one_winner_each)
{
	pthread_t thread;
	int wakes = 0, timeouts = 0;

	ck_assert_int_eq(pthread_create(&thread, NULL, racing_thread, NULL), 0);
	for (int i = 0; i < 1000; i++) {
		struct waiter w;
		int result;

		green__waiter_init(&w, WAIT_PLAIN, "test", NULL);
		pthread_mutex_lock(&race_lock);
		racing = &w;
		pthread_mutex_unlock(&race_lock);
		result = park_external(&w, clock_after(100 * 1000));
		pthread_mutex_lock(&race_lock);
		racing = NULL;
		pthread_mutex_unlock(&race_lock);
		ck_assert(result == 0 || result == -ETIMEDOUT);
		wakes += result == 0;
		timeouts += result == -ETIMEDOUT;
	}
	__atomic_store_n(&race_over, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	ck_assert_int_eq(wakes, race_wakes);
	ck_assert_int_eq(wakes + timeouts, 1000);
}
END_TEST

static struct remote posts[100];
static int posts_seen;

static void post_seen(struct hub *hub, struct remote *remote)
{
	ck_assert_ptr_eq(hub, green__current->flow->hub);
	ck_assert_ptr_eq(remote, &posts[posts_seen]);
	posts_seen++;
}

static void *post_all(void *hub)
{
	for (size_t i = 0; i < ARRAY_LENGTH(posts); i++) {
		posts[i].run = post_seen;
		green__hub_post(hub, &posts[i]);
	}
	return NULL;
}

START_TEST(h9_what_is_posted_runs_in_the_hub_in_order)
{
	in_thread(post_all, green__hub());
	ck_assert_int_eq(posts_seen, 0);
	green_sleep(5);
	ck_assert_int_eq(posts_seen, ARRAY_LENGTH(posts));
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("waiter", WITH_HUB);

	tcase_add_test(tcase, a_wake_before_the_park_ends_it_at_once);
	tcase_add_test(tcase, park_returns_what_the_wake_carries);
	tcase_add_test(tcase, time_ends_a_wait);
	tcase_add_test(tcase, a_deadline_that_has_passed_lets_others_run_and_times_out);
	tcase_add_test(tcase, the_first_wake_decides);
	tcase_add_test(tcase, a_wake_stops_the_timer);
	tcase_add_test(tcase, time_counts_from_the_beginning_not_from_the_last_look);
	tcase_add_test(tcase, an_interrupt_ends_an_interruptible_wait);
	tcase_add_test(tcase, an_interrupt_leaves_a_plain_wait_alone_and_ends_the_next_interruptible_one);
	tcase_add_test(tcase, a_wake_that_was_first_is_not_lost_to_an_interrupt);
	tcase_add_test(tcase, while_handlers_run_in_a_wait_its_timer_does_not);
	tcase_add_test(tcase, main_that_nobody_can_wake_gets_edeadlk);
	tcase_add_test(tcase, another_thread_wakes_a_sleeping_hub);
	tcase_add_test(tcase, another_thread_may_wake_before_the_park);
	tcase_add_test(tcase, thousands_of_wakes_from_several_threads_all_arrive);
	tcase_add_test(tcase, a_race_of_wakes_and_timeouts_has_one_winner_each);
	tcase_add_test(tcase, h9_what_is_posted_runs_in_the_hub_in_order);
	return suite_end();
}
