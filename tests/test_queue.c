/* SPDX-License-Identifier: MIT */
/* test_queue.c - queues of pointers between greenlets */
#include <stdio.h>

#include "base/fault.h"
#include "green.h"
#include "support.h"
#include "sync/items.h"
#include "sync/waitq.h"

static struct green_queue *queue;
static intptr_t got[16];
static int gets, puts_done;

static void *item(intptr_t number)
{
	return (void *)number;
}

static intptr_t get_now(void)
{
	void *taken = NULL;

	ck_assert_int_eq(green_queue_get(queue, &taken, 0), 0);
	return (intptr_t)taken;
}

static void put_now(intptr_t number)
{
	ck_assert_int_eq(green_queue_put(queue, item(number), 0), 0);
}

static void *getter(void *unused)
{
	void *taken = NULL;

	(void)unused;
	if (green_queue_get(queue, &taken, -1))
		return (void *)(intptr_t)errno;
	got[gets++] = (intptr_t)taken;
	return NULL;
}

static void *putter(void *number)
{
	if (green_queue_put(queue, number, -1))
		return (void *)(intptr_t)errno;
	puts_done++;
	return NULL;
}

static void with(enum green_queue_kind kind, size_t limit)
{
	queue = green_queue_create(kind, limit);
	ck_assert_ptr_nonnull(queue);
}

static void destroyed(void)
{
	ck_assert_int_eq(green_queue_destroy(queue), 0);
}

/* --- order --- */

START_TEST(q1_first_in_first_out)
{
	void *seen;

	with(GREEN_FIFO, 0);
	assert_fails(green_queue_get(queue, &seen, 0) == -1, ETIMEDOUT);
	assert_fails(green_queue_peek(queue, &seen, 0) == -1, ETIMEDOUT);
	ck_assert(green_queue_empty(queue));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 100; i++)
			put_now(i);
		ck_assert_uint_eq(green_queue_size(queue), 100);
		ck_assert_int_eq(green_queue_peek(queue, &seen, 0), 0);
		ck_assert_ptr_eq(seen, item(0));
		for (int i = 0; i < 100; i++)
			ck_assert_int_eq(get_now(), i);
	}
	ck_assert(!green_queue_full(queue));
	destroyed();
}
END_TEST

START_TEST(q1_a_ring_that_goes_round_keeps_the_order_when_it_grows)
{
	intptr_t first = 0, next = 0;

	with(GREEN_FIFO, 0);
	for (int round = 1; round < 60; round++) {
		for (int i = 0; i < round; i++)
			put_now(next++);
		for (int i = 0; i < round - 1; i++)
			ck_assert_int_eq(get_now(), first++);
	}
	while (first < next)
		ck_assert_int_eq(get_now(), first++);
	destroyed();
}
END_TEST

START_TEST(q5_last_in_first_out)
{
	with(GREEN_LIFO, 0);
	for (int i = 0; i < 40; i++)
		put_now(i);
	for (int i = 39; i >= 20; i--)
		ck_assert_int_eq(get_now(), i);
	put_now(99);
	ck_assert_int_eq(get_now(), 99);
	ck_assert_int_eq(get_now(), 19);
	destroyed();
}
END_TEST

/* By tens only, so that some are equal. */
static int by_tens(const void *a, const void *b)
{
	return (int)((intptr_t)a / 10 - (intptr_t)b / 10);
}

START_TEST(q5_the_least_first_and_equal_ones_in_order)
{
	static const intptr_t in[] = { 31, 12, 30, 11, 55, 10, 39, 1 }, out[] = { 1, 12, 11, 10, 31, 30, 39, 55 };
	void *seen;

	queue = green_queue_create_priority(by_tens, 0);
	for (size_t i = 0; i < ARRAY_LENGTH(in); i++)
		put_now(in[i]);
	ck_assert_int_eq(green_queue_peek(queue, &seen, 0), 0);
	ck_assert_ptr_eq(seen, item(1));
	for (size_t i = 0; i < ARRAY_LENGTH(out); i++)
		ck_assert_int_eq(get_now(), out[i]);
	destroyed();
}
END_TEST

START_TEST(q5_the_heap_holds_at_random)
{
	struct items items = { .compare = by_tens };
	unsigned seed = (unsigned)clock_now();
	size_t more;

	printf("seed %u\n", seed);
	for (int i = 0; i < 3000; i++) {
		if (items.count == items.room) {
			struct item *memory = green__items_room(items.room, &more);

			free(green__items_move(&items, memory, more));
		}
		if (rand_r(&seed) % 5 < 3 || !items.count)
			green__items_add(&items, item(rand_r(&seed) % 500));
		else
			green__items_take(&items);
		ck_assert(green__items_check(&items));
	}
	for (intptr_t last = 0; items.count;) {
		intptr_t next = (intptr_t)green__items_take(&items);

		ck_assert_int_ge(next / 10, last / 10);
		last = next;
	}
	free(items.at);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
	void *seen;

	assert_fails(!green_queue_create(GREEN_CHANNEL, 1), EINVAL);
	assert_fails(!green_queue_create(17, 0), EINVAL);
	assert_fails(!green_queue_create_priority(NULL, 0), EINVAL);
	with(GREEN_CHANNEL, 0);
	assert_fails(green_queue_peek(queue, &seen, -1) == -1, EINVAL);
	destroyed();
	ck_assert_int_eq(green_queue_destroy(NULL), 0);
}
END_TEST

/* --- waiting --- */

START_TEST(q1_q2_getters_are_served_in_order_before_anybody_else)
{
	struct greenlet *tasks[3];
	void *mine;

	with(GREEN_FIFO, 0);
	for (int i = 0; i < 3; i++)
		tasks[i] = parked(getter, NULL);
	for (int i = 1; i <= 3; i++) {
		put_now(i);
		ck_assert_uint_eq(green_queue_size(queue), 0);
		assert_fails(green_queue_get(queue, &mine, 0) == -1, ETIMEDOUT);
	}
	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_null(join(tasks[i]));
		ck_assert_int_eq(got[i], i + 1);
	}
	destroyed();
}
END_TEST

START_TEST(q1_putters_wait_for_room_and_keep_their_order)
{
	struct greenlet *tasks[3];

	with(GREEN_FIFO, 2);
	put_now(1);
	put_now(2);
	ck_assert(green_queue_full(queue));
	assert_fails(green_queue_put(queue, item(9), 0) == -1, ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		tasks[i] = parked(putter, item(3 + i));
	ck_assert_uint_eq(green_queue_size(queue), 2);
	for (int i = 1; i <= 5; i++)
		ck_assert_int_eq(get_now(), i);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_null(join(tasks[i]));
	ck_assert_int_eq(puts_done, 3);
	destroyed();
}
END_TEST

START_TEST(ck13_u19_a_getter_that_was_killed_first_loses_no_item)
{
	struct greenlet *first, *second;

	with(GREEN_FIFO, 0);
	first = parked(getter, NULL);
	second = parked(getter, NULL);
	kill_soon(first);
	put_now(1);
	ck_assert_ptr_null(join(second));
	ck_assert_ptr_null(join(first));
	ck_assert_int_eq(gets, 1);
	first = parked(getter, NULL);
	kill_soon(first);
	put_now(2);
	join(first);
	ck_assert_int_eq(gets, 1);
	ck_assert_int_eq(get_now(), 2);
	destroyed();
}
END_TEST

START_TEST(ck13_as4_a_getter_that_got_it_first_has_it)
{
	struct greenlet *first;

	with(GREEN_FIFO, 0);
	first = parked(getter, NULL);
	put_now(1);
	kill_soon(first);
	ck_assert_ptr_null(join(first));
	ck_assert_int_eq(got[0], 1);
	destroyed();
}
END_TEST

START_TEST(ck13_a_putter_that_was_killed_first_has_put_nothing)
{
	struct greenlet *first, *second;

	with(GREEN_FIFO, 1);
	put_now(1);
	first = parked(putter, item(2));
	second = parked(putter, item(3));
	kill_soon(first);
	ck_assert_int_eq(get_now(), 1);
	ck_assert_int_eq(get_now(), 3);
	join(first);
	join(second);
	ck_assert_int_eq(puts_done, 1);
	/* And one whose item was taken first has put it. */
	put_now(4);
	first = parked(putter, item(5));
	ck_assert_int_eq(get_now(), 4);
	kill_soon(first);
	join(first);
	ck_assert_int_eq(puts_done, 2);
	ck_assert_int_eq(get_now(), 5);
	destroyed();
}
END_TEST

/* Getters find those on the queue who wanted to put, and the reverse, on their way out. */
START_TEST(ck13_those_on_their_way_out_hold_up_nobody)
{
	struct greenlet *first, *second;

	with(GREEN_FIFO, 1);
	put_now(1);
	first = parked(putter, item(2));
	kill_soon(first);
	ck_assert_int_eq(get_now(), 1);
	second = green_spawn(getter, NULL);
	join(first);
	green_yield();
	put_now(3);
	ck_assert_ptr_null(join(second));
	ck_assert_int_eq(got[0], 3);
	destroyed();
}
END_TEST

static void *peeks(void *unused)
{
	void *seen = NULL;

	(void)unused;
	ck_assert_int_eq(green_queue_peek(queue, &seen, -1), 0);
	return seen;
}

START_TEST(q1_who_peeks_takes_nothing)
{
	struct greenlet *tasks[3];

	with(GREEN_FIFO, 0);
	tasks[0] = parked(peeks, NULL);
	tasks[1] = parked(getter, NULL);
	tasks[2] = parked(peeks, NULL);
	put_now(1);
	ck_assert_ptr_eq(join(tasks[0]), item(1));
	join(tasks[1]);
	put_now(2);
	ck_assert_ptr_eq(join(tasks[2]), item(2));
	ck_assert_int_eq(got[0], 1);
	ck_assert_int_eq(get_now(), 2);
	destroyed();
}
END_TEST

START_TEST(to6_the_time_is_over)
{
	struct green_timeout limit;
	int64_t start = clock_now();
	void *taken;

	with(GREEN_FIFO, 1);
	assert_fails(green_queue_get(queue, &taken, 30) == -1, ETIMEDOUT);
	assert_took(start, 30);
	put_now(1);
	start = clock_now();
	assert_fails(green_queue_put(queue, item(2), 30) == -1, ETIMEDOUT);
	assert_took(start, 30);
	ck_assert_int_eq(green_timeout_start(&limit, 30), 0);
	assert_fails(green_queue_put(queue, item(2), -1) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	ck_assert_int_eq(get_now(), 1);
	ck_assert(green_queue_empty(queue));
	destroyed();
}
END_TEST

START_TEST(one_that_somebody_waits_for_is_not_destroyed)
{
	struct greenlet *task;

	with(GREEN_FIFO, 0);
	task = parked(getter, NULL);
	assert_fails(green_queue_destroy(queue) == -1, EBUSY);
	put_now(1);
	join(task);
	put_now(2);
	destroyed();
}
END_TEST

START_TEST(h2_nobody_will_put_or_get)
{
	void *taken;

	with(GREEN_FIFO, 1);
	assert_fails(green_queue_get(queue, &taken, -1) == -1, EDEADLK);
	put_now(1);
	assert_fails(green_queue_put(queue, item(2), -1) == -1, EDEADLK);
	assert_fails(green_queue_join(queue, -1) == -1, EDEADLK);
	destroyed();
}
END_TEST

static void uses_it_in_the_loop(void)
{
	void *taken;

	assert_fails(green_queue_get(queue, &taken, -1) == -1, EDEADLK);
	assert_fails(green_queue_get(queue, &taken, 0) == -1, ETIMEDOUT);
	put_now(7);
	put_now(8);
	assert_fails(green_queue_put(queue, item(9), -1) == -1, EDEADLK);
}

START_TEST(q3_h3_ck6_a_callback_never_waits)
{
	struct greenlet *task;

	with(GREEN_FIFO, 1);
	task = parked(getter, NULL);
	in_hub(uses_it_in_the_loop);
	join(task);
	ck_assert_int_eq(got[0], 7);
	ck_assert_int_eq(get_now(), 8);
	destroyed();
}
END_TEST

/* --- channels --- */

START_TEST(q7_put_and_get_of_a_channel_wait_for_each_other)
{
	struct greenlet *tasks[3];
	void *taken;

	with(GREEN_CHANNEL, 0);
	ck_assert(green_queue_empty(queue));
	ck_assert(green_queue_full(queue));
	assert_fails(green_queue_put(queue, item(1), 0) == -1, ETIMEDOUT);
	assert_fails(green_queue_get(queue, &taken, 0) == -1, ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		tasks[i] = parked(putter, item(1 + i));
	ck_assert(!green_queue_empty(queue));
	ck_assert_uint_eq(green_queue_size(queue), 0);
	kill_soon(tasks[1]);
	ck_assert_int_eq(get_now(), 1);
	ck_assert_int_eq(get_now(), 3);
	assert_fails(green_queue_get(queue, &taken, 0) == -1, ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		join(tasks[i]);
	ck_assert_int_eq(puts_done, 2);
	for (int i = 0; i < 2; i++)
		tasks[i] = parked(getter, NULL);
	ck_assert(!green_queue_full(queue));
	kill_soon(tasks[0]);
	put_now(4);
	assert_fails(green_queue_put(queue, item(5), 0) == -1, ETIMEDOUT);
	join(tasks[0]);
	join(tasks[1]);
	ck_assert_int_eq(got[0], 4);
	destroyed();
}
END_TEST

/* --- accounts and the end --- */

static void *works(void *unused)
{
	void *taken;

	(void)unused;
	while (green_queue_get(queue, &taken, -1) == 0) {
		green_sleep(5);
		gets++;
		ck_assert_int_eq(green_queue_task_done(queue), 0);
	}
	return (void *)(intptr_t)errno;
}

START_TEST(q4_join_waits_until_all_is_done)
{
	struct greenlet *task;

	with(GREEN_FIFO, 0);
	ck_assert_int_eq(green_queue_join(queue, -1), 0);
	assert_fails(green_queue_task_done(queue) == -1, EINVAL);
	for (int i = 0; i < 5; i++)
		put_now(i);
	ck_assert_uint_eq(green_queue_unfinished(queue), 5);
	assert_fails(green_queue_join(queue, 0) == -1, ETIMEDOUT);
	task = green_spawn(works, NULL);
	assert_fails(green_queue_join(queue, 7) == -1, ETIMEDOUT);
	ck_assert_int_eq(green_queue_join(queue, -1), 0);
	ck_assert_int_eq(gets, 5);
	assert_fails(green_queue_task_done(queue) == -1, EINVAL);
	green_queue_shut_down(queue, false);
	ck_assert_ptr_eq(join(task), item(ESHUTDOWN));
	destroyed();
}
END_TEST

START_TEST(q4_what_a_putter_waits_with_counts_once_it_is_in)
{
	struct greenlet *task;

	with(GREEN_FIFO, 1);
	put_now(1);
	task = parked(putter, item(2));
	ck_assert_uint_eq(green_queue_unfinished(queue), 1);
	get_now();
	ck_assert_uint_eq(green_queue_unfinished(queue), 2);
	join(task);
	destroyed();
}
END_TEST

START_TEST(q4_a_shut_down_queue_is_emptied)
{
	struct greenlet *task;
	void *taken;

	with(GREEN_FIFO, 2);
	put_now(1);
	put_now(2);
	task = parked(putter, item(3));
	green_queue_shut_down(queue, false);
	ck_assert_ptr_eq(join(task), item(ESHUTDOWN));
	assert_fails(green_queue_put(queue, item(3), -1) == -1, ESHUTDOWN);
	ck_assert_int_eq(get_now(), 1);
	ck_assert_int_eq(green_queue_peek(queue, &taken, -1), 0);
	ck_assert_int_eq(get_now(), 2);
	assert_fails(green_queue_get(queue, &taken, -1) == -1, ESHUTDOWN);
	assert_fails(green_queue_peek(queue, &taken, -1) == -1, ESHUTDOWN);
	green_queue_shut_down(queue, false);
	destroyed();
}
END_TEST

START_TEST(q4_getters_of_a_queue_that_is_shut_down_fail)
{
	struct greenlet *tasks[2];

	with(GREEN_CHANNEL, 0);
	tasks[0] = parked(getter, NULL);
	tasks[1] = parked(getter, NULL);
	green_queue_shut_down(queue, true);
	for (int i = 0; i < 2; i++)
		ck_assert_ptr_eq(join(tasks[i]), item(ESHUTDOWN));
	destroyed();
}
END_TEST

static void *joins(void *unused)
{
	(void)unused;
	return item(green_queue_join(queue, -1));
}

START_TEST(q4_shut_down_at_once_what_is_in_it_counts_as_done)
{
	struct greenlet *task;
	void *taken;

	with(GREEN_FIFO, 0);
	for (int i = 0; i < 5; i++)
		put_now(i);
	get_now();
	task = parked(joins, NULL);
	green_queue_shut_down(queue, true);
	ck_assert_uint_eq(green_queue_size(queue), 0);
	ck_assert_uint_eq(green_queue_unfinished(queue), 1);
	assert_fails(green_queue_get(queue, &taken, -1) == -1, ESHUTDOWN);
	ck_assert_int_eq(green_queue_task_done(queue), 0);
	ck_assert_ptr_null(join(task));
	destroyed();
}
END_TEST

#ifdef GREEN_DEBUG
START_TEST(out_of_memory_the_item_is_the_callers)
{
	green__fault_at(1);
	assert_fails(!green_queue_create(GREEN_FIFO, 0), ENOMEM);
	with(GREEN_FIFO, 0);
	for (int i = 0; i < 16; i++)
		put_now(i);
	green__fault_at(1);
	assert_fails(green_queue_put(queue, item(16), -1) == -1, ENOMEM);
	ck_assert_uint_eq(green_queue_unfinished(queue), 16);
	put_now(16);
	for (int i = 0; i <= 16; i++)
		ck_assert_int_eq(get_now(), i);
	destroyed();
}
END_TEST
#else
START_TEST(out_of_memory_the_item_is_the_callers)
{
	skipped("faults are injected in builds with --enable-debug only");
}
END_TEST
#endif

/* --- at random --- */

/*
 * Putters put numbers that rise, getters note what they get, a third party kills and replaces them and lets their time be over.
 * What was put was got once and in order, whatever happened.
 */
enum { PUTTERS = 4, GETTERS = 4, EVENTS = 4000, NUMBERS = 1 << 16 };

struct party {
	struct greenlet *task;
	unsigned seed;
	int number;
	bool stop;
};

static struct party putters[PUTTERS], getters[GETTERS];
static unsigned char state[PUTTERS][NUMBERS]; /* 1: put, 2: got */
static int next_of[PUTTERS], last_of[GETTERS + 1][PUTTERS];

/* Each getter sees the items of one putter in order; who runs first of two that were served is another matter. */
static void note_got(int getter, intptr_t what)
{
	int from = (int)(what >> 16), number = (int)(what & 0xffff);

	ck_assert_int_le(state[from][number], 1);
	state[from][number] += 2;
	ck_assert_int_lt(last_of[getter][from], number);
	last_of[getter][from] = number;
}

static void *gets_at_random(void *arg)
{
	struct party *self = arg;
	void *taken;

	while (!self->stop && green_error(NULL) == 0) {
		if (green_queue_get(queue, &taken, rand_r(&self->seed) % 4 - 1) == 0)
			note_got(self->number, (intptr_t)taken);
		else
			ck_assert_int_ne(errno, EDEADLK);
		if (rand_r(&self->seed) % 3 == 0)
			green_yield();
	}
	return NULL;
}

/* One more number than there are would be taken for the next putter's first; how many fit between two events is the scheduler's. */
static void *puts_at_random(void *arg)
{
	struct party *self = arg;

	while (!self->stop && green_error(NULL) == 0) {
		intptr_t what;

		if (next_of[self->number] == NUMBERS - 1) {
			green_yield();
			continue;
		}
		what = ++next_of[self->number];
		if (green_queue_put(queue, item((intptr_t)self->number << 16 | what), rand_r(&self->seed) % 4 - 1) == 0)
			state[self->number][what] |= 1;
		if (rand_r(&self->seed) % 3 == 0)
			green_yield();
	}
	return NULL;
}

static void start(struct party *party, void *(*function)(void *), int number, unsigned seed)
{
	*party = (struct party) { .number = number, .seed = seed };
	party->task = green_spawn(function, party);
	ck_assert_ptr_nonnull(party->task);
}

static void replace(struct party *party, void *(*function)(void *), unsigned *seed)
{
	kill_soon(party->task);
	if (rand_r(seed) % 2)
		green_yield();
	join(party->task);
	start(party, function, party->number, (unsigned)rand_r(seed));
}

static void end(struct party *party)
{
	party->stop = true;
	ck_assert_int_eq(green_kill(party->task, -1), 0);
	green_destroy(party->task);
}

static void at_random(enum green_queue_kind kind, size_t limit)
{
	unsigned seed = (unsigned)clock_now();
	void *taken;

	printf("seed %u\n", seed);
	fflush(stdout);
	with(kind, limit);
	for (int i = 0; i < PUTTERS; i++)
		start(&putters[i], puts_at_random, i, (unsigned)rand_r(&seed));
	for (int i = 0; i < GETTERS; i++)
		start(&getters[i], gets_at_random, i, (unsigned)rand_r(&seed));
	for (int i = 0; i < EVENTS && next_of[0] < NUMBERS - 1; i++) {
		int which = rand_r(&seed) % (PUTTERS + GETTERS);

		if (which < PUTTERS)
			replace(&putters[which], puts_at_random, &seed);
		else
			replace(&getters[which - PUTTERS], gets_at_random, &seed);
		if (rand_r(&seed) % 8 == 0)
			green_sleep(1);
	}
	for (int i = 0; i < PUTTERS; i++)
		end(&putters[i]);
	for (int i = 0; i < GETTERS; i++)
		end(&getters[i]);
	while (green_queue_get(queue, &taken, 0) == 0)
		note_got(GETTERS, (intptr_t)taken);
	for (int i = 0; i < PUTTERS; i++) {
		ck_assert_int_gt(last_of[0][i] + last_of[1][i], 0);
		for (int number = 0; number < NUMBERS; number++)
			ck_assert_msg(state[i][number] % 3 == 0, "%d of %d: %d", number, i, state[i][number]);
	}
	destroyed();
}

START_TEST(q2_u19_at_random_nothing_is_lost_or_doubled)
{
	at_random(GREEN_FIFO, _i);
}
END_TEST

START_TEST(q2_q7_at_random_nothing_is_lost_in_a_channel)
{
	at_random(GREEN_CHANNEL, 0);
}
END_TEST

/* --- other kernel threads --- */

enum { THREADS = 4, TASKS = 3, ITEMS = 1500 };

static unsigned char arrived[THREADS * TASKS][ITEMS]; /* atomic */
static int producing; /* atomic */

static void *produces(void *arg)
{
	intptr_t number = (intptr_t)arg;

	for (intptr_t i = 0; i < ITEMS; i++) {
		while (green_queue_put(queue, item(number << 16 | (i + 1)), i % 13 ? -1 : 1))
			ck_assert_int_eq(errno, ETIMEDOUT);
	}
	if (__atomic_sub_fetch(&producing, 1, __ATOMIC_SEQ_CST) == 0)
		green_queue_shut_down(queue, false);
	return NULL;
}

static void *consumes(void *unused)
{
	intptr_t last[THREADS * TASKS] = { 0 };
	void *taken;

	(void)unused;
	for (int i = 0;; i++) {
		intptr_t number;

		if (green_queue_get(queue, &taken, i % 11 ? -1 : 1)) {
			if (errno == ESHUTDOWN)
				return NULL;
			ck_assert_int_eq(errno, ETIMEDOUT);
			continue;
		}
		number = (intptr_t)taken >> 16;
		ck_assert_int_gt((intptr_t)taken & 0xffff, last[number]);
		last[number] = (intptr_t)taken & 0xffff;
		__atomic_add_fetch(&arrived[number][last[number] - 1], 1, __ATOMIC_RELAXED);
	}
}

/* Threads 0 and 1 produce, 2 and 3 consume. */
static void *on_a_thread(void *arg)
{
	intptr_t thread = (intptr_t)arg;
	struct greenlet *tasks[TASKS];

	for (intptr_t i = 0; i < TASKS; i++)
		tasks[i] = green_spawn(thread < 2 ? produces : consumes, item(thread * TASKS + i));
	for (int i = 0; i < TASKS; i++)
		join(tasks[i]);
	return NULL;
}

static void between_threads(enum green_queue_kind kind, size_t limit)
{
	pthread_t threads[THREADS];

	with(kind, limit);
	producing = 2 * TASKS;
	for (intptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, on_a_thread, item(i)), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 2 * TASKS; i++) {
		for (int number = 0; number < ITEMS; number++)
			ck_assert_int_eq(arrived[i][number], 1);
	}
	destroyed();
}

START_TEST(q8_y5_producers_and_consumers_on_several_threads)
{
	between_threads(GREEN_FIFO, _i == 3 ? 0 : (size_t)_i);
}
END_TEST

START_TEST(q8_y5_a_channel_between_threads)
{
	between_threads(GREEN_CHANNEL, 0);
}
END_TEST

static void *puts_without_a_hub(void *unused)
{
	(void)unused;
	usleep(30000);
	ck_assert_int_eq(green_queue_put(queue, item(5), -1), 0);
	ck_assert_int_eq(green_queue_put(queue, item(6), -1), 0);
	ck_assert_ptr_null(green__current);
	return NULL;
}

START_TEST(y5_a_thread_without_greenlets_puts)
{
	pthread_t thread;
	void *taken;

	with(GREEN_FIFO, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, puts_without_a_hub, NULL), 0);
	ck_assert_int_eq(green_queue_get(queue, &taken, -1), 0);
	ck_assert_ptr_eq(taken, item(5));
	pthread_join(thread, NULL);
	ck_assert_int_eq(get_now(), 6);
	destroyed();
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("queue", WITH_HUB);

	tcase_add_test(tcase, q1_first_in_first_out);
	tcase_add_test(tcase, q1_a_ring_that_goes_round_keeps_the_order_when_it_grows);
	tcase_add_test(tcase, q5_last_in_first_out);
	tcase_add_test(tcase, q5_the_least_first_and_equal_ones_in_order);
	tcase_add_test(tcase, q5_the_heap_holds_at_random);
	tcase_add_test(tcase, what_makes_no_sense_is_refused);
	tcase_add_test(tcase, q1_q2_getters_are_served_in_order_before_anybody_else);
	tcase_add_test(tcase, q1_putters_wait_for_room_and_keep_their_order);
	tcase_add_test(tcase, ck13_u19_a_getter_that_was_killed_first_loses_no_item);
	tcase_add_test(tcase, ck13_as4_a_getter_that_got_it_first_has_it);
	tcase_add_test(tcase, ck13_a_putter_that_was_killed_first_has_put_nothing);
	tcase_add_test(tcase, ck13_those_on_their_way_out_hold_up_nobody);
	tcase_add_test(tcase, q1_who_peeks_takes_nothing);
	tcase_add_test(tcase, to6_the_time_is_over);
	tcase_add_test(tcase, one_that_somebody_waits_for_is_not_destroyed);
	tcase_add_test(tcase, h2_nobody_will_put_or_get);
	tcase_add_test(tcase, q3_h3_ck6_a_callback_never_waits);
	tcase_add_test(tcase, q7_put_and_get_of_a_channel_wait_for_each_other);
	tcase_add_test(tcase, q4_join_waits_until_all_is_done);
	tcase_add_test(tcase, q4_what_a_putter_waits_with_counts_once_it_is_in);
	tcase_add_test(tcase, q4_a_shut_down_queue_is_emptied);
	tcase_add_test(tcase, q4_getters_of_a_queue_that_is_shut_down_fail);
	tcase_add_test(tcase, q4_shut_down_at_once_what_is_in_it_counts_as_done);
	tcase_add_test(tcase, out_of_memory_the_item_is_the_callers);
	tcase_add_loop_test(tcase, q2_u19_at_random_nothing_is_lost_or_doubled, 0, 3);
	tcase_add_test(tcase, q2_q7_at_random_nothing_is_lost_in_a_channel);
	tcase_add_loop_test(tcase, q8_y5_producers_and_consumers_on_several_threads, 1, 4);
	tcase_add_test(tcase, q8_y5_a_channel_between_threads);
	tcase_add_test(tcase, y5_a_thread_without_greenlets_puts);
	return suite_end();
}
