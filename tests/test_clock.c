/* SPDX-License-Identifier: MIT */
/* test_clock.c - monotonic time and deadlines that saturate */
#include "support.h"

START_TEST(time_never_goes_back)
{
	int64_t last = clock_now();

	for (int i = 0; i < 10000; i++) {
		int64_t now = clock_now();

		ck_assert_int_ge(now, last);
		last = now;
	}
}
END_TEST

START_TEST(after_adds_to_now)
{
	int64_t before = clock_now();
	int64_t moment = clock_after(5 * NS_PER_SECOND);

	ck_assert_int_ge(moment, before + 5 * NS_PER_SECOND);
	ck_assert_int_le(moment, clock_now() + 5 * NS_PER_SECOND);
}
END_TEST

START_TEST(after_a_negative_time_is_now)
{
	int64_t before = clock_now();

	ck_assert_int_ge(clock_after(-1), before);
	ck_assert_int_le(clock_after(INT64_MIN), clock_now());
}
END_TEST

START_TEST(too_far_saturates_instead_of_wrapping)
{
	ck_assert_int_eq(clock_after(CLOCK_NEVER), CLOCK_NEVER);
	ck_assert_int_eq(clock_after(CLOCK_NEVER - 1), CLOCK_NEVER);
}
END_TEST

START_TEST(milliseconds_count_as_in_poll)
{
	int64_t before = clock_now();

	ck_assert_int_eq(clock_after_ms(-1), CLOCK_NEVER);
	ck_assert_int_eq(clock_after_ms(INT32_MIN), CLOCK_NEVER);
	ck_assert_int_ge(clock_after_ms(0), before);
	ck_assert_int_ge(clock_after_ms(INT32_MAX), before + INT32_MAX * NS_PER_MS);
	ck_assert_int_lt(clock_after_ms(INT32_MAX), CLOCK_NEVER);
}
END_TEST

START_TEST(valid_takes_what_the_kernel_takes)
{
	struct timespec good = { 0, NS_PER_SECOND - 1 };
	struct timespec bad[] = { { 0, NS_PER_SECOND }, { 0, -1 }, { -1, 0 } };

	ck_assert(clock_valid(&good));
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		ck_assert(!clock_valid(&bad[i]));
}
END_TEST

START_TEST(timespecs_come_back_as_they_went)
{
	struct timespec time = clock_to_timespec(12 * NS_PER_SECOND + 345);

	ck_assert_int_eq(time.tv_sec, 12);
	ck_assert_int_eq(time.tv_nsec, 345);
	ck_assert_int_eq(clock_from_timespec(&time), 12 * NS_PER_SECOND + 345);
	time = clock_to_timespec(-1);
	ck_assert(time.tv_sec == 0 && time.tv_nsec == 0);
}
END_TEST

START_TEST(timespecs_saturate)
{
	struct timespec far = { INT64_MAX, 0 }, edge = { INT64_MAX / NS_PER_SECOND, NS_PER_SECOND - 1 }, past = { -5, 7 };

	ck_assert_int_eq(clock_from_timespec(&far), CLOCK_NEVER);
	ck_assert_int_eq(clock_from_timespec(&edge), CLOCK_NEVER);
	ck_assert_int_eq(clock_from_timespec(&past), 0);
}
END_TEST

START_TEST(a_deadline_of_the_wall_clock_becomes_monotonic)
{
	struct timespec wall;
	int64_t expected = clock_now() + 10 * NS_PER_SECOND;
	int64_t difference;

	clock_gettime(CLOCK_REALTIME, &wall);
	wall.tv_sec += 10;
	difference = clock_deadline(CLOCK_REALTIME, &wall) - expected;
	ck_assert_int_ge(difference, -NS_PER_MS);
	ck_assert_int_le(difference, TOLERANCE_MS * NS_PER_MS);
}
END_TEST

START_TEST(a_deadline_of_the_monotonic_clock_stays)
{
	struct timespec time = { 5, 6 }, far = { INT64_MAX, 0 };

	ck_assert_int_eq(clock_deadline(CLOCK_MONOTONIC, &time), 5 * NS_PER_SECOND + 6);
	ck_assert_int_eq(clock_deadline(CLOCK_REALTIME, &far), CLOCK_NEVER);
}
END_TEST

START_TEST(a_deadline_that_has_passed_is_now)
{
	struct timespec past = { 1, 0 };
	int64_t before = clock_now();
	int64_t moment = clock_deadline(CLOCK_REALTIME, &past);

	ck_assert_int_ge(moment, before);
	ck_assert_int_le(moment, clock_now());
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("clock", WITHOUT_HUB);

	tcase_add_test(tcase, time_never_goes_back);
	tcase_add_test(tcase, after_adds_to_now);
	tcase_add_test(tcase, after_a_negative_time_is_now);
	tcase_add_test(tcase, too_far_saturates_instead_of_wrapping);
	tcase_add_test(tcase, milliseconds_count_as_in_poll);
	tcase_add_test(tcase, valid_takes_what_the_kernel_takes);
	tcase_add_test(tcase, timespecs_come_back_as_they_went);
	tcase_add_test(tcase, timespecs_saturate);
	tcase_add_test(tcase, a_deadline_of_the_wall_clock_becomes_monotonic);
	tcase_add_test(tcase, a_deadline_of_the_monotonic_clock_stays);
	tcase_add_test(tcase, a_deadline_that_has_passed_is_now);
	return suite_end();
}
