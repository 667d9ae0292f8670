/* SPDX-License-Identifier: MIT */
/* test_size.c - stack sizes as people write them */
#include "base/size.h"
#include "support.h"

static const struct {
	const char *text;
	size_t bytes;
} good[] = {
	{ "16384", 16384 }, { "65536", 65536 }, { "0065536", 65536 }, { "16k", 16384 },
	{ "64k", 65536 }, { "64K", 65536 }, { "8m", 8 << 20 }, { "8M", 8 << 20 },
	{ "1g", 1 << 30 }, { "1G", 1 << 30 }, { "1073741824", 1 << 30 }, { "1024m", 1 << 30 },
	{ "20000", 20000 },
};

static const char *const bad[] = {
	"", "k", "abc", "0", "16383", "15k", "0g", "1073741825", "1025m", "2g", "-64k", "+64k", " 64k", "64k ", "64kb",
	"64 k", "6.4m", "0x10000", "64t", "18446744073709551616", "18446744073709617152", "99999999999999999999999999",
	"1048577k", "65536\n",
};

START_TEST(a_size_is_read)
{
	size_t bytes = 0;

	ck_assert_msg(size_parse(good[_i].text, &bytes) == 0, "\"%s\" was refused", good[_i].text);
	ck_assert_uint_eq(bytes, good[_i].bytes);
}
END_TEST

START_TEST(what_is_no_size_is_refused_and_nothing_written)
{
	size_t bytes = 4711;

	ck_assert_msg(size_parse(bad[_i], &bytes) == -1, "\"%s\" was taken as %zu", bad[_i], bytes);
	ck_assert_uint_eq(bytes, 4711);
}
END_TEST

START_TEST(errno_is_left_alone)
{
	size_t bytes;

	errno = EXDEV;
	size_parse("64k", &bytes);
	size_parse("99999999999999999999999999", &bytes);
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("size", WITHOUT_HUB);

	tcase_add_loop_test(tcase, a_size_is_read, 0, ARRAY_LENGTH(good));
	tcase_add_loop_test(tcase, what_is_no_size_is_refused_and_nothing_written, 0, ARRAY_LENGTH(bad));
	tcase_add_test(tcase, errno_is_left_alone);
	return suite_end();
}
