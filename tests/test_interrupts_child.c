/* SPDX-License-Identifier: MIT */
/* test_interrupts_child.c - waits for children, signals and an idle hub, cut short in every way */
#include <fcntl.h>
#include <signal.h>

#include "green.h"
#include "interrupts.h"
#include "support.h"

/* A child that ends when the other end of its input is closed. */
static void begin_process(struct scene *scene)
{
	char *argv[] = { "cat", NULL };

	ck_assert_int_eq(green_pipe2(scene->fds, O_CLOEXEC), 0);
	scene->object = green_process_start(&(struct green_process_options) { .argv = argv, .in = scene->fds[0], .out = GREEN_PIPE });
	ck_assert_ptr_nonnull(scene->object);
	ck_assert_int_eq(green_close(scene->fds[0]), 0);
}

static void end_input(struct scene *scene)
{
	ck_assert_int_eq(green_close(scene->fds[1]), 0);
}

static void end_process(struct scene *scene)
{
	ck_assert_int_eq(green_process_wait(scene->object, NULL, -1), 0);
	green_process_destroy(scene->object);
}

static int call_process_wait(struct scene *scene, int timeout_ms)
{
	int status = -1, result = green_process_wait(scene->object, &status, timeout_ms);

	ck_assert_int_eq(status, result);
	return result;
}

static int call_communicate(struct scene *scene, int timeout_ms)
{
	struct green_text out = { NULL, 0 };
	int result = green_process_communicate(scene->object, NULL, 0, &out, NULL, timeout_ms);

	free(out.bytes);
	return result;
}

static int call_signal_wait(struct scene *scene, int timeout_ms)
{
	sigset_t set;
	int number;

	(void)scene;
	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	number = green_signal_wait(&set, timeout_ms);
	ck_assert(number == SIGURG || number == -1);
	return number == SIGURG ? 0 : -1;
}

static void raise_signal(struct scene *scene)
{
	(void)scene;
	ck_assert_int_eq(raise(SIGURG), 0);
}

static int call_idle(struct scene *scene, int unused)
{
	(void)scene;
	(void)unused;
	return green_idle();
}

static const struct interrupted_call rows[] = {
	{ "green_process_wait", ALL_AT_ONCE, true, false, false, begin_process, call_process_wait, end_input, end_process },
	{ "green_process_communicate", ALL_AT_ONCE, true, false, false, begin_process, call_communicate, end_input, end_process },
	{ "green_signal_wait", ONE_EACH, true, false, false, NULL, call_signal_wait, raise_signal, NULL },
	{ "green_idle", COMES_ITSELF, false, false, false, NULL, call_idle, NULL, NULL },
};

/* CK11, CK12, CK13: killed, cancelled or out of time at every moment. */
START_TEST(ck11_each_wait_cut_short_in_every_way)
{
	call_interrupted(&rows[_i / ways_count()], _i % ways_count());
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("interrupts_child", WITH_HUB);

	tcase_add_loop_test(tcase, ck11_each_wait_cut_short_in_every_way, 0, (int)ARRAY_LENGTH(rows) * ways_count());
	return suite_end();
}
