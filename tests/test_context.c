/* SPDX-License-Identifier: MIT */
/* test_context.c - make and swap, without greenlets */
#include <execinfo.h>
#include <fenv.h>
#include <setjmp.h>
#include <signal.h>

#include "support.h"
#include "switch/context.h"
#include "switch/sanitizer.h"
#include "switch/stack.h"

static struct context outside, inside;
static struct stack *stack;
static struct sanitizer_stack outside_notes, inside_notes;

static void go_in(void)
{
	struct context *self;

	sanitizer_leave(&outside_notes, &inside_notes, 0);
	self = green__context_swap(&outside, &inside);
	sanitizer_arrive(&outside_notes, NULL);
	ck_assert_ptr_eq(self, &outside);
}

static void go_out(void)
{
	struct context *self;

	sanitizer_leave(&inside_notes, &outside_notes, 0);
	self = green__context_swap(&inside, &outside);
	sanitizer_arrive(&inside_notes, NULL);
	ck_assert_ptr_eq(self, &inside);
}

static void begin(void (*entry)(void *), void *arg)
{
	size_t size;

	stack = green__stack_take(256 * 1024);
	ck_assert_ptr_nonnull(stack);
	size = (size_t)((char *)stack - stack->low);
	sanitizer_main(&outside_notes);
	sanitizer_create(&inside_notes, stack->low, size);
	green__context_make(&inside, stack->low, size, entry, arg);
}

static void end(void)
{
	sanitizer_destroy(&inside_notes, stack->low, (size_t)((char *)stack - stack->low));
	green__stack_release(stack);
}

/* The first thing that every entry does: tell the tools where control came from. */
static void arrived(void)
{
	sanitizer_arrive(&inside_notes, &outside_notes);
}

static int steps;
static void *seen_arg;
static uintptr_t seen_frame;

static void count_steps(void *arg)
{
	arrived();
	seen_arg = arg;
	seen_frame = (uintptr_t)__builtin_frame_address(0);
	for (;;) {
		steps++;
		go_out();
	}
}

START_TEST(the_entry_gets_its_argument_on_its_own_stack)
{
	begin(count_steps, &steps);
	go_in();
	ck_assert_ptr_eq(seen_arg, &steps);
	ck_assert(seen_frame > (uintptr_t)stack->low && seen_frame < (uintptr_t)stack);
	ck_assert_uint_eq(seen_frame % 16, 0);
	end();
}
END_TEST

START_TEST(control_goes_back_and_forth)
{
	begin(count_steps, NULL);
	for (int i = 1; i <= 10000; i++) {
		go_in();
		ck_assert_int_eq(steps, i);
	}
	end();
}
END_TEST

/* More live values than there are callee-saved registers, each of which must survive the swap. */
static uint64_t mix(void (*swap)(void), uint64_t seed)
{
	uint64_t a = seed * 3, b = seed * 5, c = seed * 7, d = seed * 11, e = seed * 13, f = seed * 17, g = seed * 19;

	for (int i = 0; i < 50; i++) {
		swap();
		a += b ^ 1;
		b += c ^ 2;
		c += d ^ 3;
		d += e ^ 4;
		e += f ^ 5;
		f += g ^ 6;
		g += a ^ 7;
	}
	return a ^ b ^ c ^ d ^ e ^ f ^ g;
}

static void nothing(void)
{
}

static void mix_for_ever(void *unused)
{
	(void)unused;
	arrived();
	for (uint64_t seed = 1;; seed++)
		mix(go_out, seed);
}

START_TEST(callee_saved_registers_survive)
{
	begin(mix_for_ever, NULL);
	for (uint64_t seed = 100; seed < 120; seed++)
		ck_assert_uint_eq(mix(go_in, seed), mix(nothing, seed));
	end();
}
END_TEST

/* More of them than any CPU saves, as above: the results are the same to the last bit or wrong. */
static double mix_floats(void (*swap)(void), double seed)
{
	double a = seed + 1, b = seed + 2, c = seed + 3, d = seed + 4, e = seed + 5, f = seed + 6, g = seed + 7, h = seed + 8,
	       i = seed + 9;

	for (int round = 0; round < 50; round++) {
		swap();
		a = a / 2 + b;
		b = b / 3 + c;
		c = c / 4 + d;
		d = d / 5 + e;
		e = e / 6 + f;
		f = f / 7 + g;
		g = g / 8 + h;
		h = h / 9 + i;
		i = i / 10 + 1;
	}
	return a + b + c + d + e + f + g + h + i;
}

static void mix_floats_for_ever(void *unused)
{
	(void)unused;
	arrived();
	for (double seed = 1;; seed++)
		mix_floats(go_out, seed);
}

START_TEST(callee_saved_floating_point_registers_survive)
{
	begin(mix_floats_for_ever, NULL);
	for (double seed = 100; seed < 120; seed++)
		ck_assert_double_eq(mix_floats(go_in, seed), mix_floats(nothing, seed));
	end();
}
END_TEST

/* All the bits that say how the CPU computes. */
static uint64_t control_words(void)
{
#if defined(__x86_64__)
	uint16_t x87;
	uint32_t sse;

	__asm__ volatile("fnstcw %0" : "=m"(x87));
	__asm__ volatile("stmxcsr %0" : "=m"(sse));
	return (uint64_t)x87 << 32 | sse;
#elif defined(__aarch64__)
	uint64_t fpcr;

	__asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
	return fpcr;
#else
	return (uint64_t)fegetround();
#endif
}

static void round_upwards(void *unused)
{
	(void)unused;
	arrived();
	for (;;) {
		steps = fegetround();
		fesetround(FE_UPWARD);
		go_out();
	}
}

START_TEST(g9_floating_point_control_words_belong_to_the_context)
{
	uint64_t control = control_words();

	begin(round_upwards, NULL);
	go_in();
	ck_assert_int_eq(steps, FE_TONEAREST);
	ck_assert_uint_eq(control_words(), control);
	fesetround(FE_DOWNWARD);
	go_in();
	ck_assert_int_eq(steps, FE_UPWARD);
	ck_assert_int_eq(fegetround(), FE_DOWNWARD);
	fesetround(FE_TONEAREST);
	end();
}
END_TEST

static void show_rounding(void *unused)
{
	(void)unused;
	arrived();
	steps = fegetround();
	go_out();
}

START_TEST(g9_a_new_context_inherits_the_control_words_of_its_maker)
{
	fesetround(FE_TOWARDZERO);
	begin(show_rounding, NULL);
	fesetround(FE_TONEAREST);
	go_in();
	ck_assert_int_eq(steps, FE_TOWARDZERO);
	ck_assert_int_eq(fegetround(), FE_TONEAREST);
	end();
}
END_TEST

static void block_usr1(void *unused)
{
	sigset_t set;

	(void)unused;
	arrived();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	go_out();
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	steps = sigismember(&set, SIGUSR1);
	go_out();
}

START_TEST(g9_the_signal_mask_belongs_to_the_kernel_thread)
{
	sigset_t set;

	begin(block_usr1, NULL);
	go_in();
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	ck_assert_int_eq(sigismember(&set, SIGUSR1), 1);
	sigemptyset(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	steps = -1;
	go_in();
	ck_assert_int_eq(steps, 0);
	end();
}
END_TEST

static GREEN_NOINLINE int descend(int depth)
{
	volatile char frame[100];

	frame[depth % 100] = 1;
	if (depth == 0) {
		go_out();
		return 0;
	}
	return descend(depth - 1) + frame[depth % 100];
}

static void descend_deep(void *unused)
{
	(void)unused;
	arrived();
	steps = descend(200);
	go_out();
}

START_TEST(a_deep_chain_of_calls_survives)
{
	begin(descend_deep, NULL);
	go_in();
	ck_assert_int_eq(steps, 0);
	go_in();
	ck_assert_int_eq(steps, 200);
	end();
}
END_TEST

static void walk(void *unused)
{
	void *frames[50];

	(void)unused;
	arrived();
	steps = backtrace(frames, 50);
	go_out();
}

START_TEST(a_walk_of_the_stack_ends_at_the_first_function)
{
	void *frames[2];

	backtrace(frames, 2); /* it loads a library at its first call */
	begin(walk, NULL);
	go_in();
	ck_assert_int_ge(steps, 1);
	ck_assert_int_le(steps, 5);
	end();
}
END_TEST

static void jump(void *unused)
{
	jmp_buf place;

	(void)unused;
	arrived();
	if (setjmp(place) == 0) {
		go_out();
		longjmp(place, 1);
	}
	steps = 77;
	go_out();
}

START_TEST(e9_longjmp_works_inside_one_context)
{
	begin(jump, NULL);
	go_in();
	go_in();
	ck_assert_int_eq(steps, 77);
	end();
}
END_TEST

static void on_signal(int number)
{
	(void)number;
	steps++;
}

START_TEST(a_signal_may_land_on_any_instruction)
{
	struct itimerspec often = { { 0, 20000 }, { 0, 20000 } };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	timer_t timer;
	int64_t start = clock_now();

	signal(SIGALRM, on_signal);
	ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	begin(mix_for_ever, NULL);
	timer_settime(timer, 0, &often, NULL);
	while (ms_since(start) < 100)
		ck_assert_uint_eq(mix(go_in, 42), mix(nothing, 42));
	timer_delete(timer);
	ck_assert_int_gt(steps, 0);
	end();
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("context " CONTEXT_NAME, WITHOUT_HUB);

	tcase_add_test(tcase, the_entry_gets_its_argument_on_its_own_stack);
	tcase_add_test(tcase, control_goes_back_and_forth);
	tcase_add_test(tcase, callee_saved_registers_survive);
	tcase_add_test(tcase, callee_saved_floating_point_registers_survive);
	tcase_add_test(tcase, g9_floating_point_control_words_belong_to_the_context);
	tcase_add_test(tcase, g9_a_new_context_inherits_the_control_words_of_its_maker);
	tcase_add_test(tcase, g9_the_signal_mask_belongs_to_the_kernel_thread);
	tcase_add_test(tcase, a_deep_chain_of_calls_survives);
	tcase_add_test(tcase, a_walk_of_the_stack_ends_at_the_first_function);
	tcase_add_test(tcase, e9_longjmp_works_inside_one_context);
	tcase_add_test(tcase, a_signal_may_land_on_any_instruction);
	return suite_end();
}
