/* SPDX-License-Identifier: MIT */
/*
 * test_helper.c - a greenlet makes one call on another kernel thread, and comes back
 *
 * Only a greenlet with thread-local storage of its own can leave.  These borrow the
 * storage of kernel threads that do nothing but sleep meanwhile.
 */
#include <linux/futex.h>
#include <sys/syscall.h>

#include "base/sys.h"
#include "green.h"
#include "hub/helper.h"
#include "hub/task.h"
#include "support.h"
#include "switch/thread_pointer.h"

/* --- lent blocks --- */

struct lender {
	pthread_t thread;
	uintptr_t block; /* atomic */
	int over;        /* futex word */
};

static void *lend(void *arg)
{
	struct lender *lender = arg;

	__atomic_store_n(&lender->block, thread_pointer_read(), __ATOMIC_RELEASE);
	while (!__atomic_load_n(&lender->over, __ATOMIC_ACQUIRE))
		sys_call(SYS_futex, &lender->over, FUTEX_WAIT_PRIVATE, 0, NULL);
	green__current = NULL;
	return NULL;
}

static uintptr_t borrow(struct lender *lender)
{
	memset(lender, 0, sizeof(*lender));
	ck_assert_int_eq(pthread_create(&lender->thread, NULL, lend, lender), 0);
	while (!__atomic_load_n(&lender->block, __ATOMIC_ACQUIRE))
		usleep(1000);
	return lender->block;
}

static void give_back(struct lender *lender)
{
	__atomic_store_n(&lender->over, 1, __ATOMIC_RELEASE);
	sys_call(SYS_futex, &lender->over, FUTEX_WAKE_PRIVATE, 1);
	pthread_join(lender->thread, NULL);
}

static struct greenlet *spawn_on(uintptr_t block, void *(*function)(void *), void *arg)
{
	struct hub *hub = green__hub();
	struct greenlet *task = green__task_create(hub, green__stack_take(256 * 1024), function, arg);

	task->held = true;
	task->thread_pointer = block;
	green__task_start(hub, task);
	return task;
}

/* True if the test can run: tools keep notes of their own in the storage that is borrowed here. */
static bool borrowing_works(void)
{
	if (tools_watch())
		skipped("the storage of another thread cannot be borrowed beside a tool that keeps its own there");
	return !tools_watch();
}

static struct lender spare;

static void lend_spare(void)
{
	green__hub()->flow->spare_block = borrow(&spare);
}

static void take_spare_back(void)
{
	green__hub()->flow->spare_block = 0;
	give_back(&spare);
}

/* --- what greenlets do --- */

struct journey {
	bool left;
	pid_t before, away, after;
	bool foreign; /* green__current was NULL there */
	int error;    /* errno that was set there, as it was seen here */
	int ms;
};

static pid_t kernel_id(void)
{
	return (pid_t)sys_call(SYS_gettid);
}

static GREEN_NOINLINE bool has_current(void)
{
	return green__current != NULL;
}

static GREEN_NOINLINE void set_error(int error)
{
	errno = error;
}

static GREEN_NOINLINE int error_now(void)
{
	return errno;
}

static void *travel(void *arg)
{
	struct journey *journey = arg;
	struct away away;

	journey->before = kernel_id();
	journey->left = green__leave(green__hub(), &away);
	if (!journey->left)
		return NULL;
	journey->away = kernel_id();
	journey->foreign = !has_current();
	usleep((useconds_t)journey->ms * 1000);
	set_error(EXDEV);
	green__come_back(&away);
	journey->after = kernel_id();
	journey->error = error_now();
	return journey;
}

START_TEST(nobody_leaves_a_flow_without_a_spare_block)
{
	struct journey journey = { .ms = 0 };

	join(green_spawn(travel, &journey));
	ck_assert(!journey.left);
	ck_assert_uint_eq(green__helpers(), 0);
}
END_TEST

START_TEST(a_greenlet_goes_on_elsewhere_and_comes_back_with_its_errno)
{
	struct journey journey = { .ms = 5 };
	struct lender lender;

	if (!borrowing_works())
		return;
	lend_spare();
	join(spawn_on(borrow(&lender), travel, &journey));
	ck_assert(journey.left);
	ck_assert_int_eq(journey.before, kernel_id());
	ck_assert_int_ne(journey.away, journey.before);
	ck_assert(journey.foreign);
	ck_assert_int_eq(journey.after, journey.before);
	ck_assert_int_eq(journey.error, EXDEV);
	give_back(&lender);
	take_spare_back();
}
END_TEST

static int ticks;

static void *tick(void *unused)
{
	for (int i = 0; i < 10; i++) {
		green_sleep(2);
		ticks++;
	}
	return unused;
}

START_TEST(others_run_while_one_is_away)
{
	struct journey journey = { .ms = 100 };
	struct lender lender;
	int64_t start = clock_now();

	if (!borrowing_works())
		return;
	lend_spare();
	ticks = 0;
	struct greenlet *ticking = green_spawn(tick, NULL);

	join(spawn_on(borrow(&lender), travel, &journey));
	assert_took(start, 100);
	ck_assert_int_eq(ticks, 10);
	join(ticking);
	give_back(&lender);
	take_spare_back();
}
END_TEST

START_TEST(each_that_is_away_has_a_helper_and_the_next_takes_the_one_used_last)
{
	struct journey first = { .ms = 60 }, second = { .ms = 30 }, third = { .ms = 0 };
	struct lender one, two;
	struct greenlet *slow, *quick;

	if (!borrowing_works())
		return;
	lend_spare();
	slow = spawn_on(borrow(&one), travel, &first);
	quick = spawn_on(borrow(&two), travel, &second);
	join(quick);
	join(spawn_on(two.block, travel, &third));
	join(slow);
	ck_assert_int_ne(first.away, second.away);
	ck_assert_int_eq(third.away, second.away);
	ck_assert_uint_eq(green__helpers(), 2);
	ck_assert_uint_ne(green__helper_block(first.away), 0);
	ck_assert_uint_eq(green__helper_block(kernel_id()), 0);
	give_back(&one);
	give_back(&two);
	take_spare_back();
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("helper", WITH_HUB);

	green__thread_pointer_init();
	tcase_add_test(tcase, nobody_leaves_a_flow_without_a_spare_block);
	tcase_add_test(tcase, a_greenlet_goes_on_elsewhere_and_comes_back_with_its_errno);
	tcase_add_test(tcase, others_run_while_one_is_away);
	tcase_add_test(tcase, each_that_is_away_has_a_helper_and_the_next_takes_the_one_used_last);
	return suite_end();
}
