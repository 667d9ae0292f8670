/* SPDX-License-Identifier: MIT */
/* test_duration.c - lengths of time as people write them */
#include "base/duration.h"
#include "support.h"

static const struct {
	const char *text;
	int64_t nanoseconds;
} good[] = {
	{ "50us", 50000 }, { "100us", 100000 }, { "0500us", 500000 }, { "1ms", 1000000 }, { "2ms", 2000000 },
	{ "1s", 1000000000 }, { "10s", INT64_C(10000000000) }, { "10000ms", INT64_C(10000000000) },
	{ "10000000us", INT64_C(10000000000) }, { "off", 0 },
};

static const char *const bad[] = {
	"", "2", "0", "0us", "49us", "0ms", "0s", "11s", "10001ms", "10000001us", "ms", "us", "s", "2 ms", " 2ms", "2ms ",
	"2MS", "2m", "2u", "2ns", "2msec", "2.5ms", "-2ms", "+2ms", "0x2ms", "2mss", "2ks", "of", "offs", "Off", "on",
	"9223372036854775808us", "18446744073709551617ms", "99999999999999999999999999s", "2ms\n",
};

START_TEST(a_duration_is_read)
{
	int64_t nanoseconds = 4711;

	ck_assert_msg(duration_parse(good[_i].text, &nanoseconds) == 0, "\"%s\" was refused", good[_i].text);
	ck_assert_int_eq(nanoseconds, good[_i].nanoseconds);
}
END_TEST

START_TEST(what_is_no_duration_is_refused_and_nothing_written)
{
	int64_t nanoseconds = 4711;

	ck_assert_msg(duration_parse(bad[_i], &nanoseconds) == -1, "\"%s\" was taken", bad[_i]);
	ck_assert_int_eq(nanoseconds, 4711);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("duration", WITHOUT_HUB);

	tcase_add_loop_test(tcase, a_duration_is_read, 0, ARRAY_LENGTH(good));
	tcase_add_loop_test(tcase, what_is_no_duration_is_refused_and_nothing_written, 0, ARRAY_LENGTH(bad));
	return suite_end();
}
