/* SPDX-License-Identifier: MIT */
/* test_stack.c - memory for stacks: slabs, guards, recycling */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "support.h"
#include "switch/stack.h"

enum { THOUSANDS = 5000 };

/* The kernel's own answer whether the byte at ADDRESS can be read: a pipe takes it, or says EFAULT. */
static bool readable(const char *address)
{
	int fds[2];
	bool result;

	ck_assert_int_eq(pipe(fds), 0);
	result = write(fds[1], address, 1) == 1;
	close(fds[0]);
	close(fds[1]);
	return result;
}

START_TEST(a_stack_has_the_size_that_was_asked_for)
{
	size_t sizes[] = { 0, STACK_SIZE_MIN, 20000, STACK_SIZE_DEFAULT, 1 << 20, 8 << 20, 100 << 20 };

	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		struct stack *stack = green__stack_take(sizes[i]);

		ck_assert_ptr_nonnull(stack);
		ck_assert_uint_ge((uintptr_t)stack - (uintptr_t)stack->low, sizes[i] < STACK_SIZE_MIN ? STACK_SIZE_MIN : sizes[i]);
		ck_assert_uint_eq((uintptr_t)stack % 16, 0);
		stack->low[0] = 1;
		((char *)stack)[-1] = 1;
		green__stack_release(stack);
	}
}
END_TEST

START_TEST(the_page_below_a_stack_is_a_guard)
{
	struct stack *stack = green__stack_take(STACK_SIZE_DEFAULT);

	if (emulated())
		return skipped("the emulator ignores guards");
	ck_assert(readable(stack->low));
	ck_assert(!readable(stack->low - 1));
	ck_assert(!readable(stack->low - 4096));
	ck_assert(green__stack_is_guard((uintptr_t)stack->low - 1));
	ck_assert(green__stack_is_guard((uintptr_t)stack->low - 4096));
	ck_assert(!green__stack_is_guard((uintptr_t)stack->low));
	ck_assert(!green__stack_is_guard((uintptr_t)stack->low - 4097));
	ck_assert(!green__stack_is_guard(0));
	ck_assert(!green__stack_is_guard((uintptr_t)&stack));
	green__stack_release(stack);
}
END_TEST

static void touch_guard(void)
{
	volatile char *low = green__stack_take(STACK_SIZE_MIN)->low;

	signal(SIGSEGV, SIG_DFL);
	low[-1] = 1;
}

START_TEST(touching_the_guard_is_a_fault)
{
	int status = in_child(touch_guard, NULL, 0);

	if (emulated())
		return skipped("the emulator ignores guards");
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
}
END_TEST

START_TEST(thousands_of_stacks_each_have_their_guard)
{
	static struct stack *stacks[THOUSANDS];

	if (emulated())
		return skipped("the emulator ignores guards");
	for (int i = 0; i < THOUSANDS; i++) {
		stacks[i] = green__stack_take(STACK_SIZE_MIN);
		ck_assert_ptr_nonnull(stacks[i]);
		stacks[i]->low[0] = 1;
	}
	for (int i = 0; i < THOUSANDS; i++) {
		if (readable(stacks[i]->low - 1) || !green__stack_is_guard((uintptr_t)stacks[i]->low - 1))
			ck_abort_msg("stack %d has no guard", i);
	}
	for (int i = 0; i < THOUSANDS; i++)
		green__stack_release(stacks[i]);
}
END_TEST

START_TEST(the_guard_is_still_there_after_recycling)
{
	static struct stack *stacks[600];

	if (emulated())
		return skipped("the emulator ignores guards");
	/* More than are kept with their pages, so that some of them have given their pages back. */
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++) {
			stacks[i] = green__stack_take(STACK_SIZE_MIN);
			ck_assert(!readable(stacks[i]->low - 1));
			memset(stacks[i]->low, 1, STACK_SIZE_MIN);
		}
		for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++)
			green__stack_release(stacks[i]);
	}
}
END_TEST

START_TEST(what_is_released_is_taken_first)
{
	struct stack *first = green__stack_take(STACK_SIZE_DEFAULT);
	struct stack *second = green__stack_take(STACK_SIZE_DEFAULT);

	ck_assert_ptr_ne(first, second);
	green__stack_release(first);
	green__stack_release(second);
	ck_assert_ptr_eq(green__stack_take(STACK_SIZE_DEFAULT), second);
	ck_assert_ptr_eq(green__stack_take(STACK_SIZE_DEFAULT), first);
	green__stack_release(first);
	green__stack_release(second);
}
END_TEST

START_TEST(sizes_do_not_mix)
{
	struct stack *small = green__stack_take(STACK_SIZE_MIN);
	struct stack *big;

	green__stack_release(small);
	big = green__stack_take(1 << 20);
	ck_assert_ptr_ne(big, small);
	ck_assert_uint_ge(big->size, 1 << 20);
	green__stack_release(big);
}
END_TEST

static long resident_pages(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long total = 0, resident = 0;

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%ld %ld", &total, &resident), 2);
	fclose(file);
	return resident;
}

START_TEST(most_released_stacks_give_their_pages_back)
{
	static struct stack *stacks[600];
	long used;

	for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++) {
		stacks[i] = green__stack_take(128 * 1024);
		memset(stacks[i]->low, 1, 128 * 1024);
	}
	used = resident_pages();
	for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++)
		green__stack_release(stacks[i]);
	ck_assert_int_lt(resident_pages(), used - 600 * 32 / 3 * 2);
}
END_TEST

START_TEST(released_stacks_that_were_hardly_used_keep_their_pages)
{
	static struct stack *stacks[600];
	long used;

	for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++) {
		stacks[i] = green__stack_take(96 * 1024);
		memset((char *)stacks[i] - 8 * 1024, 1, 8 * 1024);
	}
	used = resident_pages();
	for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++)
		green__stack_release(stacks[i]);
	ck_assert_int_gt(resident_pages(), used - 100);
}
END_TEST

/* What a stack has probably touched is learnt anew when those of its size come to be used otherwise. */
START_TEST(stacks_that_come_to_be_used_deeper_give_their_pages_back)
{
	static struct stack *stacks[1200];
	long used = 0;

	for (int deep = 0; deep < 2; deep++) {
		for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++) {
			stacks[i] = green__stack_take(112 * 1024);
			if (deep)
				memset(stacks[i]->low, 1, 112 * 1024);
		}
		used = resident_pages();
		for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++)
			green__stack_release(stacks[i]);
	}
	ck_assert_int_lt(resident_pages(), used - 1200 * 28 / 2);
}
END_TEST

START_TEST(memory_of_the_user_is_wrapped_and_never_recycled)
{
	static char memory[64 * 1024];
	struct stack *stack = green__stack_wrap(memory, sizeof(memory));

	ck_assert_ptr_eq(stack->low, memory);
	ck_assert((char *)(stack + 1) <= memory + sizeof(memory));
	ck_assert_uint_eq(stack->guard, 0);
	green__stack_release(stack);
	ck_assert_ptr_ne(green__stack_take(32 * 1024)->low, memory);
}
END_TEST

static void release_twice(void)
{
	struct stack *stack = green__stack_take(STACK_SIZE_MIN);

	green__stack_release(stack);
	green__stack_release(stack);
}

START_TEST(a_second_release_is_found)
{
	ck_assert(WIFSIGNALED(in_child(release_twice, NULL, 0)));
}
END_TEST

START_TEST(too_much_is_enomem)
{
	assert_fails(!green__stack_take(SIZE_MAX), ENOMEM);
	assert_fails(!green__stack_take(SIZE_MAX / 8), ENOMEM);
}
END_TEST

START_TEST(no_address_space_is_enomem_and_later_there_is_some_again)
{
	struct rlimit limit, tight;
	struct stack *stack;
	int count = 0;

	if (tools_watch())
		return skipped("the tool needs address space of its own");
	getrlimit(RLIMIT_AS, &limit);
	tight = limit;
	tight.rlim_cur = 256 << 20;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &tight), 0);
	errno = 0;
	while ((stack = green__stack_take(8 << 20)))
		count++;
	ck_assert_int_eq(errno, ENOMEM);
	/* A slab that does not fit is replaced by a single stack. */
	ck_assert_int_ge(count, 8);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_ptr_nonnull(green__stack_take(8 << 20));
}
END_TEST

static void *take_and_release(void *unused)
{
	struct stack *mine[8] = { NULL };

	for (unsigned i = 0; i < 20000; i++) {
		struct stack **slot = &mine[i * 7 % 8];

		if (*slot) {
			if (*(void **)(*slot)->low != &mine)
				return "somebody else had my stack";
			green__stack_release(*slot);
		}
		*slot = green__stack_take(STACK_SIZE_MIN);
		*(void **)(*slot)->low = &mine;
	}
	for (int i = 0; i < 8; i++)
		green__stack_release(mine[i]);
	return unused;
}

START_TEST(several_threads_never_get_the_same_stack)
{
	pthread_t threads[4];
	void *complaint;

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_release, NULL), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &complaint);
		ck_assert_msg(!complaint, "%s", (char *)complaint);
	}
}
END_TEST

START_TEST(tops_of_stacks_lie_on_different_cache_lines)
{
	struct stack *stacks[16];
	unsigned lines = 0;

	for (int i = 0; i < 16; i++) {
		stacks[i] = green__stack_take(STACK_SIZE_DEFAULT);
		lines |= 1u << ((uintptr_t)stacks[i] / 64 % 32);
	}
	ck_assert_int_ge(__builtin_popcount(lines), 8);
	for (int i = 0; i < 16; i++)
		green__stack_release(stacks[i]);
}
END_TEST

/* What the kernel holds for this process's page tables. */
static long table_kb(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	long size = -1;

	while (status && fgets(line, sizeof(line), status))
		sscanf(line, "VmPTE: %ld kB", &size);
	fclose(status);
	return size;
}

START_TEST(a_large_stack_costs_one_page_of_page_table)
{
	enum { COUNT = 60, SPARE = 4 };
	long before = table_kb();

	if (tools_watch())
		return skipped("the tool has page tables of its own");
	for (int i = 0; i < COUNT; i++)
		*(volatile char *)((char *)green__stack_take(8 << 20) - 1) = 1;
	ck_assert_int_le(table_kb() - before, (COUNT + SPARE) * 4);
}
END_TEST

START_TEST(default_stacks_lie_a_power_of_two_apart)
{
	struct stack *first = green__stack_take(STACK_SIZE_DEFAULT), *second = green__stack_take(STACK_SIZE_DEFAULT);

	ck_assert_int_eq(second->low - first->low, 256 * 1024);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("stack", WITHOUT_HUB);

	tcase_add_test(tcase, a_stack_has_the_size_that_was_asked_for);
	tcase_add_test(tcase, the_page_below_a_stack_is_a_guard);
	tcase_add_test(tcase, touching_the_guard_is_a_fault);
	tcase_add_test(tcase, thousands_of_stacks_each_have_their_guard);
	tcase_add_test(tcase, the_guard_is_still_there_after_recycling);
	tcase_add_test(tcase, what_is_released_is_taken_first);
	tcase_add_test(tcase, sizes_do_not_mix);
	tcase_add_test(tcase, most_released_stacks_give_their_pages_back);
	tcase_add_test(tcase, released_stacks_that_were_hardly_used_keep_their_pages);
	tcase_add_test(tcase, stacks_that_come_to_be_used_deeper_give_their_pages_back);
	tcase_add_test(tcase, memory_of_the_user_is_wrapped_and_never_recycled);
	tcase_add_test(tcase, a_second_release_is_found);
	tcase_add_test(tcase, too_much_is_enomem);
	tcase_add_test(tcase, no_address_space_is_enomem_and_later_there_is_some_again);
	tcase_add_test(tcase, several_threads_never_get_the_same_stack);
	tcase_add_test(tcase, tops_of_stacks_lie_on_different_cache_lines);
	tcase_add_test(tcase, a_large_stack_costs_one_page_of_page_table);
	tcase_add_test(tcase, default_stacks_lie_a_power_of_two_apart);
	return suite_end();
}
