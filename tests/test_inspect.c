/* SPDX-License-Identifier: MIT */
/* test_inspect.c - stacks, dumps, errors that nobody took, the console */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "green.h"
#include "hub/waiter.h"
#include "inspect/walk.h"
#include "support.h"

static char token;

static void *sleeps(void *value)
{
	green_sleep(10000);
	return value;
}

static void end(struct greenlet *task)
{
	ck_assert_int_eq(green_kill(task, -1), 0);
	ck_assert_int_eq(green_destroy(task), 0);
}

/* What FUNCTION writes to the descriptor that it gets. */
static char *written(int (*function)(int fd, int flags), int flags)
{
	static char text[65536];
	char name[] = "/tmp/green-test-XXXXXX";
	int fd = mkstemp(name);
	ssize_t size;

	ck_assert_int_ge(fd, 0);
	unlink(name);
	ck_assert_int_ge(function(fd, flags), 0);
	size = pread(fd, text, sizeof(text) - 1, 0);
	ck_assert_int_ge(size, 0);
	text[size] = '\0';
	close(fd);
	return text;
}

/* True if some line of TEXT has FIRST and, later, SECOND. */
static bool has_line(const char *text, const char *first, const char *second)
{
	for (const char *at = strstr(text, first); at; at = strstr(at + 1, first)) {
		const char *newline = strchr(at + 1, '\n'), *found = strstr(at, second);

		if (found && (!newline || found < newline))
			return true;
	}
	return false;
}

#define assert_line(text, first, second) \
	ck_assert_msg(has_line(text, first, second), "no line has \"%s\" and \"%s\":\n%s", first, second, text)

/* --- stacks --- */

/* Names that dladdr would not find, and calls that no compiler turns into jumps. */
static GREEN_NOINLINE void innermost_of_test(int ms)
{
	green_sleep(ms);
	__asm__ volatile("");
}

static GREEN_NOINLINE void middle_of_test(int ms)
{
	innermost_of_test(ms);
	__asm__ volatile("");
}

static void *outermost_of_test(void *unused)
{
	middle_of_test(10000);
	return unused;
}

static void *switches_deep(void *value)
{
	value = green_switch(green_parent(green_current()), value);
	__asm__ volatile("");
	return value;
}

static int place_of(void *const *frames, ssize_t count, const char *name)
{
	char text[256];

	for (ssize_t i = 0; i < count; i++) {
		green_frame_name(frames[i], text, sizeof(text));
		/* Compilers add a suffix to functions that they have changed. */
		if (strncmp(text, name, strlen(name)) == 0 && strchr("+.", text[strlen(name)]))
			return (int)i;
	}
	return -1;
}

static bool cannot_walk(void)
{
	if (green__walk_possible())
		return false;
	skipped("there is no libunwind");
	return true;
}

/* Faults are the tool's, and it is what the kernel tells of where a thread is. */
static bool watched(void)
{
	if (tools_watch())
		skipped("the tool comes between the thread and the kernel");
	return tools_watch();
}

START_TEST(i1_the_stack_of_a_parked_greenlet_to_its_base)
{
	struct greenlet *task = green_spawn(outermost_of_test, NULL);
	void *frames[32];
	ssize_t count;

	if (cannot_walk())
		return;
	green_yield();
	count = green_backtrace(task, frames, 32);
	ck_assert_int_gt(count, 4);
	ck_assert_int_lt(count, 32);
	ck_assert_int_gt(place_of(frames, count, "innermost_of_test"), 0);
	ck_assert_int_gt(place_of(frames, count, "middle_of_test"), place_of(frames, count, "innermost_of_test"));
	ck_assert_int_gt(place_of(frames, count, "outermost_of_test"), place_of(frames, count, "middle_of_test"));
	ck_assert_int_gt(place_of(frames, count, "greenlet_start"), place_of(frames, count, "outermost_of_test"));
	ck_assert_int_ge(place_of(frames, count, "greenlet_start"), (int)count - 3);
	ck_assert_int_eq(green_backtrace(task, frames, 2), 2);
	ck_assert_int_eq(green_backtrace(task, frames, 0), 0);
	end(task);
}
END_TEST

START_TEST(i1_the_stack_of_a_suspended_greenlet)
{
	struct greenlet *raw = green_create(switches_deep, NULL);
	void *frames[32];
	ssize_t count;

	if (cannot_walk())
		return;
	ck_assert_int_eq(green_backtrace(raw, frames, 32), 0);
	ck_assert_ptr_eq(green_switch(raw, &token), &token);
	count = green_backtrace(raw, frames, 32);
	ck_assert_int_ge(place_of(frames, count, "switches_deep"), 0);
	ck_assert_ptr_eq(green_switch(raw, NULL), NULL);
	ck_assert_int_eq(green_backtrace(raw, frames, 32), 0);
	green_destroy(raw);
}
END_TEST

static void *walks_main(void *unused)
{
	void *frames[32];
	ssize_t count = green_backtrace(green_parent(green_parent(green_current())), frames, 32);

	ck_assert_int_ge(place_of(frames, count, "i1_the_callers_and_the_mains_fn"), 0);
	return unused;
}

START_TEST(i1_the_callers_and_the_mains)
{
	struct greenlet *task = green_spawn(walks_main, NULL);
	void *frames[32];
	ssize_t count;

	if (cannot_walk())
		return;
	join(task);
	count = green_backtrace(green_current(), frames, 32);
	ck_assert_int_ge(count, 2);
	ck_assert_int_eq(place_of(frames, count, "i1_the_callers_and_the_mains_fn"), 0);
}
END_TEST

static void *walked_from_afar(void *task)
{
	void *frames[4];
	struct green_info info;

	assert_fails(green_backtrace(task, frames, 4) == -1, EPERM);
	assert_fails(green_get_info(task, &info) == -1, EPERM);
	return green_spawn(sleeps, NULL);
}

START_TEST(i1_what_has_no_stack_for_the_caller)
{
	struct greenlet *task = green_spawn(sleeps, NULL), *lost;
	struct green_info info;
	void *frames[4];

	if (cannot_walk())
		return;
	assert_fails(green_backtrace(NULL, frames, 4) == -1, EINVAL);
	assert_fails(green_backtrace(task, NULL, 4) == -1, EINVAL);
	lost = in_thread(walked_from_afar, task);
	assert_fails(green_backtrace(lost, frames, 4) == -1, ESRCH);
	assert_fails(green_get_info(lost, &info) == -1, ESRCH);
	assert_fails(green_get_info(NULL, &info) == -1, EINVAL);
	green_destroy(lost);
	end(task);
}
END_TEST

START_TEST(the_name_of_what_nobody_knows_is_its_address)
{
	char text[64], little[4];

	ck_assert_str_eq(green_frame_name((void *)0x10, text, sizeof(text)), "0x10");
	green_frame_name((void *)(uintptr_t)sleeps, little, sizeof(little));
	ck_assert_uint_eq(strlen(little), 3);
}
END_TEST

static GREEN_NOINLINE struct greenlet *spawn_of_test(void *(*function)(void *))
{
	struct greenlet *made = green_spawn(function, NULL);

	__asm__ volatile("");
	return made;
}

static GREEN_NOINLINE void throw_of_test(void)
{
	green_throw(green_current(), EIO, &token);
	__asm__ volatile("");
}

static void *fails(void *unused)
{
	throw_of_test();
	return unused;
}

START_TEST(s15_map8_where_it_was_made_and_where_it_failed)
{
	struct greenlet *task, *plain = green_spawn(sleeps, NULL);
	void *frames[10];
	ssize_t count;

	if (cannot_walk())
		return;
	assert_fails(green_record(8) == -1, EINVAL);
	ck_assert_int_eq(green_record(GREEN_RECORD_SPAWN | GREEN_RECORD_ERROR), 0);
	task = spawn_of_test(fails);
	green_yield();
	count = green_recorded(task, GREEN_RECORD_SPAWN, frames, 10);
	ck_assert_int_ge(place_of(frames, count, "spawn_of_test"), 0);
	count = green_recorded(task, GREEN_RECORD_ERROR, frames, 10);
	ck_assert_int_ge(place_of(frames, count, "throw_of_test"), 0);
	ck_assert_int_eq(green_recorded(plain, GREEN_RECORD_SPAWN, frames, 10), 0);
	assert_fails(green_recorded(NULL, GREEN_RECORD_SPAWN, frames, 10) == -1, EINVAL);
	ck_assert_int_eq(green_record(0), 0);
	ck_assert_int_eq(green_failure(task, NULL), EIO);
	green_destroy(task);
	task = spawn_of_test(sleeps);
	ck_assert_int_eq(green_recorded(task, GREEN_RECORD_SPAWN, frames, 10), 0);
	end(task);
	end(plain);
}
END_TEST

static void *uses_stack(void *pages)
{
	size_t size = (size_t)(uintptr_t)pages * 4096;
	volatile char *bytes = __builtin_alloca(size);

	for (size_t i = 0; i < size; i += 512)
		bytes[i] = 1;
	green_sleep(10000);
	return NULL;
}

START_TEST(how_much_stack_was_used)
{
	struct greenlet *little, *much;

	/* A size of its own, so that no other test's stacks are found here. */
	ck_assert_int_eq(green_set_stack_size(1 << 20), 0);
	little = green_spawn(sleeps, NULL);
	much = green_spawn(uses_stack, (void *)100);
	green_yield();
	if (!tools_watch()) {
		ck_assert_uint_gt(green_stack_used(little), 0);
		ck_assert_uint_le(green_stack_used(little), 64 * 1024);
	}
	ck_assert_uint_ge(green_stack_used(much), 100 * 4096);
	ck_assert_uint_le(green_stack_used(much), 1 << 20);
	ck_assert_uint_eq(green_stack_used(green_current()), 0);
	ck_assert_uint_eq(green_stack_used(NULL), 0);
	end(little);
	ck_assert_int_eq(green_kill(much, -1), 0);
	ck_assert_uint_eq(green_stack_used(much), 0);
	green_destroy(much);
}
END_TEST

/* --- numbers --- */

static void *reads(void *fd)
{
	char byte;

	green_read((int)(intptr_t)fd, &byte, 1);
	return NULL;
}

static void *joins(void *task)
{
	green_join(task, NULL, 5000);
	return NULL;
}

START_TEST(m5_what_each_waits_for)
{
	struct greenlet *sleeper = green_spawn(sleeps, NULL), *reader, *joiner = green_spawn(joins, sleeper), *late;
	struct green_info info;
	int fds[2];

	ck_assert_int_eq(green_pipe2(fds, 0), 0);
	reader = green_spawn(reads, (void *)(intptr_t)fds[0]);
	green_sleep(20);
	ck_assert_int_eq(green_get_info(sleeper, &info), 0);
	ck_assert_str_eq(info.waits_for, "sleep");
	ck_assert_str_eq(info.kind, "task");
	ck_assert_int_eq(info.state, GREEN_PARKED);
	ck_assert_uint_eq(info.spawner, 0);
	ck_assert_int_ge(info.waiting_ms, 10);
	ck_assert_int_le(info.left_ms, 10000 - 20);
	ck_assert_int_gt(info.left_ms, 5000);
	ck_assert_int_eq(green_get_info(joiner, &info), 0);
	ck_assert_str_eq(info.waits_for, "join");
	ck_assert_ptr_eq(info.object, sleeper);
	ck_assert_int_le(info.left_ms, 5000);
	ck_assert_int_eq(green_get_info(reader, &info), 0);
	ck_assert_str_eq(info.waits_for, "descriptor");
	ck_assert_int_eq(info.fd, fds[0]);
	ck_assert_int_eq(info.events, GREEN_READ);
	ck_assert_uint_eq(info.descriptors, 1);
	ck_assert_int_eq(info.left_ms, -1);
	late = green_spawn(sleeps, NULL);
	ck_assert_int_eq(green_get_info(late, &info), 0);
	ck_assert_str_eq(info.waits_for, "its turn");
	ck_assert_int_eq(green_get_info(green_current(), &info), 0);
	ck_assert_int_eq(info.state, GREEN_RUNNING);
	ck_assert_ptr_null(info.waits_for);
	ck_assert_str_eq(info.kind, "main");
	ck_assert_uint_eq(info.stack_size, 0);
	end(joiner);
	end(late);
	end(sleeper);
	end(reader);
	close_pair(fds);
}
END_TEST

static int counts(const struct green_info *info, void *count)
{
	(void)info;
	return ++*(int *)count == 3;
}

static int looks_for(const struct green_info *info, void *task)
{
	return info->greenlet == task ? 77 : 0;
}

START_TEST(m5_all_of_them_and_the_hub)
{
	struct greenlet *tasks[3];
	struct green_hub_info before, after;
	int count = 0;

	ck_assert_int_eq(green_get_hub_info(&before), 0);
	for (int i = 0; i < 3; i++)
		tasks[i] = green_spawn(sleeps, NULL);
	ck_assert_int_eq(green_for_each(looks_for, tasks[2]), 77);
	ck_assert_int_eq(green_for_each(looks_for, &token), 0);
	ck_assert_int_eq(green_for_each(counts, &count), 1);
	ck_assert_int_eq(count, 3);
	ck_assert_int_eq(green_get_hub_info(&after), 0);
	ck_assert_uint_eq(after.ready, 3);
	ck_assert_uint_eq(after.greenlets, before.greenlets + 3);
	ck_assert_uint_eq(after.created, before.created + 3);
	ck_assert_int_eq(after.thread, getpid());
	green_sleep(5);
	ck_assert_int_eq(green_get_hub_info(&before), 0);
	ck_assert_uint_eq(before.ready, 0);
	ck_assert_uint_gt(before.switches, after.switches);
	ck_assert_uint_gt(before.iterations, after.iterations);
	ck_assert_uint_ge(before.parks, after.parks + 4);
	ck_assert_uint_gt(before.epoll_waits, after.epoll_waits);
	for (int i = 0; i < 3; i++)
		end(tasks[i]);
}
END_TEST

/* --- dumps --- */

static struct greenlet *child_of_test;

static void *spawns(void *value)
{
	child_of_test = green_spawn(sleeps, NULL);
	green_set_name(child_of_test, "child");
	return sleeps(value);
}

START_TEST(m5_s15_a_dump_is_a_tree_of_who_made_whom)
{
	struct greenlet *parent = green_spawn(spawns, NULL), *gone = green_spawn(spawns, NULL), *orphan;
	struct greenlet *raw = green_create(switches_deep, NULL);
	const char *text, *at;

	green_set_name(parent, "parent");
	green_set_name(raw, "raw");
	green_switch(raw, NULL);
	green_sleep(10);
	orphan = child_of_test;
	green_set_name(orphan, "orphan");
	ck_assert_int_eq(green_kill(gone, -1), 0);
	green_destroy(gone);
	text = written(green_dump, 0);
	assert_line(text, "hub of kernel thread", "wait for their turn");
	assert_line(text, "\n  main (0, main): running", "");
	assert_line(text, "\n    parent (", "task): sleeps, for 0.");
	assert_line(text, "\n      child (", "task): sleeps, for 0.");
	assert_line(text, "\n    orphan (", "KiB of stack used");
	assert_line(text, "\n    raw (", "greenlet): suspended in a switch");
	assert_line(text, "\n    hub (", "waits for events");
	at = strstr(text, "parent");
	ck_assert_ptr_eq(strstr(at, "child"), strstr(strchr(at, '\n'), "child"));
	assert_fails(green_dump(1, 64) == -1, EINVAL);
	assert_fails(green_dump(-7, 0) == -1, EBADF);
	green_switch(raw, NULL);
	green_destroy(raw);
	for (int i = 0; i < 2; i++) {
		struct greenlet *task = i ? parent : orphan;

		end(task);
	}
	ck_assert_ptr_nonnull(text);
}
END_TEST

static struct greenlet *named[3];
static int found;

static int looks_for_named(const struct green_info *info, void *unused)
{
	(void)unused;
	for (int i = 0; i < 3; i++)
		found += info->greenlet == named[i];
	return 0;
}

static void *tells_of_itself(void *place)
{
	struct greenlet *self = green_current();

	ck_assert_ptr_eq(self, *(struct greenlet **)place);
	ck_assert_int_eq(green_set_name(self, "a11"), 0);
	ck_assert_int_eq(green_set_context(self, place), 0);
	green_sleep(10000);
	return NULL;
}

/* A11: the current one, all of them, name, context and stack */
START_TEST(a11_what_a_task_can_be_asked_for)
{
	void *frames[16];

	for (int i = 0; i < 3; i++)
		named[i] = green_spawn(tells_of_itself, &named[i]);
	green_yield();
	ck_assert_int_eq(green_for_each(looks_for_named, NULL), 0);
	ck_assert_int_eq(found, 3);
	ck_assert_str_eq(green_name(named[1]), "a11");
	ck_assert_ptr_eq(green_context(named[1]), &named[1]);
	if (green__walk_possible()) {
		ssize_t count = green_backtrace(named[1], frames, ARRAY_LENGTH(frames));

		ck_assert_int_ge(place_of(frames, count, "tells_of_itself"), 0);
	}
	for (int i = 0; i < 3; i++)
		end(named[i]);
	ck_assert_int_eq(green_for_each(looks_for_named, NULL), 0);
	ck_assert_int_eq(found, 3);
}
END_TEST

START_TEST(m5_a_dump_with_stacks)
{
	struct greenlet *task = green_spawn(outermost_of_test, NULL);
	const char *text;

	if (cannot_walk())
		return;
	green_yield();
	text = written(green_dump, GREEN_DUMP_STACKS);
	assert_line(text, "innermost_of_test", "");
	assert_line(text, "middle_of_test", "");
	assert_line(text, "m5_a_dump_with_stacks_fn", "");
	end(task);
}
END_TEST

/* Another thread with a hub: it goes round, or computes until it is told to stop. */
static volatile bool stop, round_began;

static void *goes_round(void *unused)
{
	struct greenlet *task = green_spawn(sleeps, NULL);

	green_set_name(task, "afar");
	round_began = true;
	while (!stop)
		green_sleep(5);
	end(task);
	return unused;
}

static GREEN_NOINLINE void computes_of_test(void)
{
	while (!stop)
		__asm__ volatile("" : : : "memory");
}

static void *computes(void *unused)
{
	green_set_name(green_current(), "kept");
	green_yield();
	round_began = true;
	computes_of_test();
	return unused;
}

static pthread_t thread_begins(void *(*function)(void *))
{
	pthread_t thread;

	stop = round_began = false;
	ck_assert_int_eq(pthread_create(&thread, NULL, function, NULL), 0);
	while (!round_began)
		green_sleep(1);
	return thread;
}

static void thread_ends(pthread_t thread)
{
	stop = true;
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

static int dumps_all(int fd, int flags)
{
	return green_dump_all(fd, flags, 5000);
}

START_TEST(m5_all_hubs_write_their_part)
{
	pthread_t thread = thread_begins(goes_round);
	struct greenlet *task = green_spawn(sleeps, NULL);
	const char *text;

	green_set_name(task, "here");
	green_yield();
	text = written(dumps_all, 0);
	assert_line(text, "    here (", "task): sleeps");
	assert_line(text, "    afar (", "task): sleeps");
	thread_ends(thread);
	end(task);
}
END_TEST

static int dumps_shortly(int fd, int flags)
{
	int silent = green_dump_all(fd, flags, 30);

	ck_assert_int_eq(silent, 1);
	return silent;
}

START_TEST(m5_a_hub_that_is_kept_is_told_with_what_keeps_it)
{
	pthread_t thread;
	const char *text;

	if (watched() || cannot_walk())
		return;
	thread = thread_begins(computes);
	text = written(dumps_shortly, 0);
	assert_line(text, "kept by kept (0), at", "");
	assert_line(text, "computes_of_test", "");
	thread_ends(thread);
}
END_TEST

/* The thread comes round after nobody waits for it any more, and ends. */
START_TEST(m5_an_answer_that_nobody_waits_for)
{
	pthread_t thread = thread_begins(computes);
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	ck_assert_int_eq(green_dump_all(fd, 0, 1), 1);
	close(fd);
	thread_ends(thread);
}
END_TEST

static void *kept_by_signal(void *unused)
{
	int64_t end = clock_now() + 3000 * NS_PER_MS;

	(void)unused;
	raise(SIGUSR1);
	while (clock_now() < end)
		__asm__ volatile("" : : : "memory");
	return NULL;
}

static void computes_while_asked(void)
{
	struct greenlet *task = green_spawn(kept_by_signal, NULL);

	green_dump_on_signal(SIGUSR1, STDERR_FILENO, 0);
	green_set_name(task, "busy");
	join(task);
}

START_TEST(ck25_a_signal_dumps_also_when_the_hub_is_kept)
{
	char text[8192];
	int status;

	if (watched() || cannot_walk())
		return;
	status = in_child(computes_while_asked, text, sizeof(text));
	ck_assert_int_eq(status, 0);
	assert_line(text, "kept by busy (", "");
	assert_line(text, "kept_by_signal", "");
}
END_TEST

static void handler_of_before(int number)
{
	(void)number;
	write(STDERR_FILENO, "before\n", 7);
}

static void asks_and_ends(void)
{
	struct greenlet *task = green_spawn(sleeps, NULL);

	green_set_name(task, "sleeper");
	signal(SIGUSR2, handler_of_before);
	green_dump_on_signal(SIGUSR2, STDERR_FILENO, 0);
	raise(SIGUSR2);
	green_sleep(300);
	green_dump_on_signal(0, 0, 0);
	raise(SIGUSR2);
	end(task);
}

START_TEST(ck25_a_signal_dumps_and_then_is_as_before)
{
	char text[8192];

	ck_assert_int_eq(in_child(asks_and_ends, text, sizeof(text)), 0);
	assert_line(text, "main (0, main): sleeps", " left");
	assert_line(text, "sleeper (", " left");
	ck_assert_str_eq(strstr(text, "before\n"), "before\n");
	assert_fails(green_dump_on_signal(-1, 2, 0) == -1, EINVAL);
	assert_fails(green_dump_on_signal(SIGKILL, 2, 0) == -1, EINVAL);
	assert_fails(green_dump_on_signal(SIGUSR1, 2, 99) == -1, EINVAL);
}
END_TEST

/* --- deadlocks --- */

static int lists(const struct green_info *info, void *list)
{
	if (info->waits_for) {
		strcat(list, info->name);
		strcat(list, ":");
		strcat(list, info->waits_for);
		strcat(list, " ");
	}
	return 0;
}

static void *waits_for_nothing(void *unused)
{
	struct waiter waiter;

	green__waiter_init(&waiter, WAIT_RAISABLE, "event", &token);
	green__park(&waiter, CLOCK_NEVER);
	return unused;
}

START_TEST(h2_ck5_after_a_deadlock_the_list_of_what_waits)
{
	struct greenlet *task = green_spawn(waits_for_nothing, NULL), *other = green_spawn(joins, task);
	char list[256] = "", expected[256];

	green_kill(other, 0);
	green_yield();
	green_set_name(task, "stuck");
	assert_fails(green_join(task, NULL, -1) == -1, EDEADLK);
	green_for_each(lists, list);
	snprintf(expected, sizeof(expected), "stuck:event ");
	ck_assert_str_eq(list, expected);
	snprintf(expected, sizeof(expected), "waits for event at %p", (void *)&token);
	assert_line(written(green_dump, 0), "stuck (", expected);
	end(task);
	green_destroy(other);
}
END_TEST

/* --- errors that nobody took --- */

static struct green_report last_report;
static char last_name[32];
static int reports;

static void notes(const struct green_report *report, void *argument)
{
	ck_assert_ptr_eq(argument, &token);
	last_report = *report;
	strcpy(last_name, green_name(report->greenlet));
	reports++;
}

START_TEST(h7_s24_an_error_that_a_task_ends_with_is_told)
{
	struct greenlet *task = green_spawn(fails, NULL), *good = green_spawn(sleeps, NULL);

	ck_assert_ptr_null(green_set_error_hook(notes, &token));
	green_set_name(task, "failing");
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert_int_eq(reports, 1);
	ck_assert_int_eq(last_report.trouble, GREEN_TROUBLE_TASK);
	ck_assert_str_eq(last_name, "failing");
	ck_assert_int_eq(last_report.code, EIO);
	ck_assert_ptr_eq(last_report.value, &token);
	/* Whoever asks gets it as well. */
	ck_assert_int_eq(green_failure(task, NULL), EIO);
	green_destroy(task);
	/* To be asked to end is no error. */
	end(good);
	ck_assert_int_eq(reports, 1);
	ck_assert_ptr_eq(green_set_error_hook(NULL, NULL), notes);
	join(green_spawn(fails, NULL));
	ck_assert_int_eq(reports, 1);
}
END_TEST

static int deliveries;

static void gets_delivery(struct greenlet *task, void *unused)
{
	void *value;

	(void)unused;
	deliveries += green_failure(task, &value) == EIO && value == &token;
}

static void *joins_failing(void *task)
{
	ck_assert_int_eq(green_join(task, NULL, 5000), 0);
	gets_delivery(task, NULL);
	return NULL;
}

START_TEST(h7_s24_it_is_told_once_and_links_and_joins_get_it_all_the_same)
{
	struct greenlet *task = green_spawn(fails, NULL);
	struct greenlet *joiners[2] = { green_spawn(joins_failing, task), green_spawn(joins_failing, task) };

	green_set_error_hook(notes, &token);
	ck_assert_int_eq(green_link(task, GREEN_ON_ERROR, gets_delivery, NULL), 0);
	ck_assert_int_eq(green_link(task, GREEN_ON_END | GREEN_LINK_IN_HUB, gets_delivery, NULL), 0);
	join(joiners[0]);
	join(joiners[1]);
	green_sleep(1);
	ck_assert_int_eq(deliveries, 4);
	ck_assert_int_eq(reports, 1);
	ck_assert_int_eq(last_report.trouble, GREEN_TROUBLE_TASK);
	green_set_error_hook(NULL, NULL);
	green_destroy(task);
}
END_TEST

static void blocks_and_fails(const struct green_report *report, void *argument)
{
	(void)argument;
	reports++;
	ck_assert_int_eq(green_error(NULL), 0);
	ck_assert(green_sleep(5) == 0 || errno == ECANCELED);
	green_throw(green_current(), ENXIO, NULL);
	ck_assert_int_eq(green_error(NULL), ENXIO);
	if (reports == 1)
		join(green_spawn(fails, NULL));
	ck_assert_int_eq(report->code, EIO);
}

START_TEST(h7_a_hook_that_blocks_and_fails_changes_nothing)
{
	struct greenlet *task = green_spawn(fails, NULL);
	void *value;

	green_set_error_hook(blocks_and_fails, NULL);
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert_int_eq(reports, 2);
	ck_assert_int_eq(green_failure(task, &value), EIO);
	ck_assert_ptr_eq(value, &token);
	green_destroy(task);
	/* Nor does one that is killed while it reports. */
	task = green_spawn(fails, NULL);
	green_yield();
	ck_assert_int_eq(green_kill(task, -1), 0);
	ck_assert_int_eq(green_failure(task, NULL), EIO);
	green_destroy(task);
	green_set_error_hook(NULL, NULL);
}
END_TEST

static void fails_in_hub(void *unused)
{
	(void)unused;
	throw_of_test();
}

static void succeeds_in_hub(void *calls)
{
	ck_assert_int_eq(green_error(NULL), 0);
	++*(int *)calls;
}

START_TEST(h7_a_callback_that_fails_is_told_and_others_go_on)
{
	struct green_call failing, good;
	int calls = 0;

	green_set_error_hook(notes, &token);
	ck_assert_int_eq(green_call_soon(&failing, fails_in_hub, NULL), 0);
	ck_assert_int_eq(green_call_soon(&good, succeeds_in_hub, &calls), 0);
	green_sleep(1);
	ck_assert_int_eq(reports, 1);
	ck_assert_int_eq(last_report.trouble, GREEN_TROUBLE_CALLBACK);
	ck_assert_int_eq(last_report.code, EIO);
	ck_assert_int_eq(calls, 1);
	green_set_error_hook(NULL, NULL);
}
END_TEST

static void fails_in_link(struct greenlet *task, void *unused)
{
	(void)task;
	(void)unused;
	throw_of_test();
}

START_TEST(h7_links_that_fail_are_told_each_and_the_others_run)
{
	struct greenlet *task = green_spawn(sleeps, NULL);
	int calls = 0;
	struct green_call good;

	green_set_error_hook(notes, &token);
	ck_assert_int_eq(green_link(task, GREEN_ON_END | GREEN_LINK_IN_HUB, fails_in_link, NULL), 0);
	ck_assert_int_eq(green_kill(task, -1), 0);
	ck_assert_int_eq(green_call_soon(&good, succeeds_in_hub, &calls), 0);
	green_sleep(1);
	ck_assert_int_eq(reports, 1);
	ck_assert_int_eq(last_report.trouble, GREEN_TROUBLE_CALLBACK);
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(green_link(task, GREEN_ON_END, fails_in_link, NULL), 0);
	green_sleep(1);
	ck_assert_int_eq(reports, 2);
	ck_assert_int_eq(last_report.trouble, GREEN_TROUBLE_TASK);
	green_set_error_hook(NULL, NULL);
	green_destroy(task);
}
END_TEST

static void fails_with_report(void)
{
	struct greenlet *task = green_spawn(fails, NULL);

	green_set_error_hook(green_report_error, NULL);
	green_record(GREEN_RECORD_ERROR);
	green_set_name(task, "unlucky");
	join(task);
}

START_TEST(h7_the_ready_hook_writes_it_down)
{
	char text[8192];

	ck_assert_int_eq(in_child(fails_with_report, text, sizeof(text)), 0);
	assert_line(text, "green: task unlucky (", "has failed with EIO, value 0x");
	if (!cannot_walk())
		assert_line(text, "throw_of_test", "");
}
END_TEST

static int reports_to(int fd, int flags)
{
	(void)flags;
	green_set_error_hook(green_report_error, &fd);
	join(green_spawn(fails, NULL));
	green_set_error_hook(NULL, NULL);
	return 0;
}

START_TEST(m8_where_it_is_written_is_the_programs_choice)
{
	assert_line(written(reports_to, 0), "green: task greenlet-", "has failed with EIO");
}
END_TEST

static struct greenlet *left[2];

static void *leaves_some(void *unused)
{
	struct greenlet *task = green_spawn(sleeps, NULL);

	left[0] = green_create(switches_deep, NULL);
	left[1] = green_create(sleeps, NULL);
	green_destroy(green_spawn(sleeps, NULL));
	green_set_name(task, "left");
	green_switch(left[0], NULL);
	green_sleep(1);
	green_destroy(task);
	return unused;
}

static int lost;

static void notes_lost(const struct green_report *report, void *argument)
{
	struct green_info info;

	(void)argument;
	ck_assert_int_eq(report->trouble, GREEN_TROUBLE_LOST);
	ck_assert_int_eq(green_get_info(report->greenlet, &info), 0);
	lost++;
	if (strcmp(info.name, "left") == 0)
		ck_assert_str_eq(info.waits_for, "sleep");
	green_sleep(1);
}

START_TEST(t4_z5_ck4_what_a_thread_leaves_behind_is_told)
{
	green_set_error_hook(notes_lost, NULL);
	in_thread(leaves_some, NULL);
	/* Two that sleep and one that is suspended; who has not begun has nothing to clean up. */
	ck_assert_int_eq(lost, 3);
	green_set_error_hook(NULL, NULL);
	ck_assert_int_eq(green_destroy(left[0]), 0);
	ck_assert_int_eq(green_destroy(left[1]), 0);
}
END_TEST

/* --- an overflow --- */

static GREEN_NOINLINE int endless_of_test(volatile int *depth)
{
	volatile char room[512];

	room[0] = (char)++*depth;
	return *depth < 0 ? 0 : endless_of_test(depth) + room[0];
}

static void *overflows(void *unused)
{
	volatile int depth = 0;

	endless_of_test(&depth);
	return unused;
}

static void overflow_with_stack(void)
{
	green_record(GREEN_RECORD_ERROR);
	join(green_spawn(overflows, NULL));
}

START_TEST(an_overflow_is_told_with_its_stack)
{
	char text[8192];
	int status;

	if (watched() || cannot_walk())
		return;
	status = in_child(overflow_with_stack, text, sizeof(text));
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	assert_line(text, "green: stack overflow in greenlet", "bytes is full");
	assert_line(text, "    endless_of_test", "");
	assert_line(text, "    and so on", "");
}
END_TEST

/* --- code that has to let others run --- */

static void compute_ms(int64_t ms)
{
	int64_t end = clock_now() + ms * NS_PER_MS;

	while (clock_now() < end)
		__asm__ volatile("");
}

START_TEST(m6_code_that_never_lets_others_run)
{
	struct green_yields scope;
	int64_t longest;

	ck_assert_int_eq(green_yields_start(&scope), 0);
	compute_ms(20);
	/* That lets nobody else run. */
	ck_assert_ptr_eq(green_switch(green_current(), &token), &token);
	assert_fails(green_yields_end(&scope, -1, &longest) == -1, EBUSY);
	ck_assert_int_ge(longest, 20);
}
END_TEST

START_TEST(m6_code_that_keeps_others_waiting)
{
	struct green_yields scope, inner;
	int64_t longest;

	ck_assert_int_eq(green_yields_start(&scope), 0);
	compute_ms(30);
	green_sleep(1);
	ck_assert_int_eq(green_yields_start(&inner), 0);
	green_sleep(1);
	ck_assert_int_eq(green_yields_end(&inner, -1, NULL), 0);
	assert_fails(green_yields_end(&scope, 29, &longest) == -1, ETIME);
	ck_assert_int_ge(longest, 30);
}
END_TEST

static void *keeps_others_waiting(void *ms)
{
	compute_ms((intptr_t)ms);
	return ms;
}

START_TEST(m6_what_others_take_is_not_its_own)
{
	struct greenlet *other = green_spawn(keeps_others_waiting, (void *)600);
	struct green_yields scope;
	int64_t longest;

	ck_assert_int_eq(green_yields_start(&scope), 0);
	green_yield();
	ck_assert_int_eq(green_yields_end(&scope, 500, &longest), 0);
	join(other);
}
END_TEST

static int traced;

static int counts_switches(enum green_trace event, struct greenlet *origin, struct greenlet *target, void *unused)
{
	(void)event;
	(void)origin;
	(void)target;
	(void)unused;
	traced++;
	return 0;
}

START_TEST(m6_code_that_behaves_beside_a_tracer_and_others_that_do_not)
{
	struct green_yields scope;
	int before;

	green_set_tracer(counts_switches, NULL);
	ck_assert_int_eq(green_yields_start(&scope), 0);
	for (int i = 0; i < 10; i++)
		green_yield();
	ck_assert_int_eq(green_yields_end(&scope, 10000, NULL), 0);
	before = traced;
	ck_assert_int_ge(before, 10);
	/* The tracer stays. */
	green_yield();
	ck_assert_int_gt(traced, before);
	green_set_tracer(NULL, NULL);
	ck_assert(!green__current->flow->watched);
}
END_TEST

/* --- the console --- */

static char path[108];

static int console_opened(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = green_socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	ck_assert_int_eq(green_connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The answer to COMMAND, up to and without the next prompt. */
static const char *told(int fd, const char *command)
{
	static char text[65536];
	size_t used = 0;
	ssize_t got;

	if (*command)
		ck_assert_int_eq(green_write(fd, command, strlen(command)), (ssize_t)strlen(command));
	do {
		got = green_read(fd, text + used, sizeof(text) - 1 - used);
		used += got > 0 ? (size_t)got : 0;
		text[used] = '\0';
	} while (got > 0 && (used < 7 || strcmp(text + used - 7, "green> ") != 0));
	if (got > 0)
		text[used - 7] = '\0';
	return text;
}

static void console_begins(void)
{
	snprintf(path, sizeof(path), "/tmp/green-console-%d", (int)getpid());
	unlink(path);
	ck_assert_int_eq(green_console_start(path), 0);
}

/* D11, H2 */
START_TEST(m10_the_console_hides_no_deadlock)
{
	static struct green_event never;

	snprintf(path, sizeof(path), "/tmp/green-console-%d", (int)getpid());
	unlink(path);
	ck_assert_int_eq(green_console_start(path), 0);
	green_yield();
	assert_fails(green_event_wait(&never, -1) == -1, EDEADLK);
	ck_assert_int_eq(green_console_stop(), 0);
}
END_TEST

START_TEST(m10_the_console_answers)
{
	struct greenlet *task = green_spawn(sleeps, NULL);
	char command[64];
	struct stat status;
	int fd;

	console_begins();
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0600);
	assert_fails(green_console_start(path) == -1, EALREADY);
	green_set_name(task, "worker");
	fd = console_opened();
	assert_line(told(fd, ""), "kill ID", "ask a task to end");
	assert_line(told(fd, "list\n"), "worker (", "task): sleeps");
	assert_line(told(fd, "stats\n"), "switches ", "");
	assert_line(told(fd, "dump\n"), "console-client (", "running");
	assert_line(told(fd, "stacks\r\n"), "main (0, main)", "");
	ck_assert_str_eq(told(fd, "\n"), "");
	assert_line(told(fd, "what?\n"), "quit ", "");
	snprintf(command, sizeof(command), "stacks %d\n", 12345);
	assert_line(told(fd, command), "no greenlet has the number 12345", "");
	assert_line(told(fd, "kill 0\n"), "no task has the number 0", "");
	ck_assert(!green_dead(task));
	for (unsigned id = 1; id < 20 && !green_dead(task); id++) {
		struct green_info info;

		ck_assert_int_eq(green_get_info(task, &info), 0);
		snprintf(command, sizeof(command), "kill %u\n", (unsigned)info.id);
		assert_line(told(fd, command), "worker (", "was asked to end");
		green_sleep(5);
	}
	ck_assert(green_dead(task));
	ck_assert_str_eq(told(fd, "quit\n"), "");
	green_close(fd);
	green_destroy(task);
	ck_assert_int_eq(green_console_stop(), 0);
	ck_assert_int_eq(access(path, F_OK), -1);
	assert_fails(green_console_stop() == -1, EINVAL);
}
END_TEST

static void stops_in_hub(void *error)
{
	*(int *)error = green_console_stop() ? errno : 0;
}

START_TEST(m10_many_connections_and_a_stop_in_the_middle)
{
	struct green_call call;
	int fds[20], error = 0;

	console_begins();
	for (int i = 0; i < 20; i++)
		fds[i] = console_opened();
	assert_line(told(fds[0], "help\n"), "quit ", "");
	green_sleep(10);
	ck_assert_int_eq(green_console_stop(), 0);
	for (int i = 0; i < 20; i++) {
		told(fds[i], "");
		green_close(fds[i]);
	}
	console_begins();
	ck_assert_int_eq(green_call_soon(&call, stops_in_hub, &error), 0);
	green_sleep(1);
	ck_assert_int_eq(error, EDEADLK);
	ck_assert_int_eq(green_console_stop(), 0);
}
END_TEST

START_TEST(m10_a_dead_socket_is_replaced_and_nothing_else)
{
	char name[200];
	int fd;

	console_begins();
	/* As if the process had ended: the name stays. */
	ck_assert_int_eq(link(path, "/tmp/green-console-test-left"), 0);
	ck_assert_int_eq(green_console_stop(), 0);
	ck_assert_int_eq(rename("/tmp/green-console-test-left", path), 0);
	ck_assert_int_eq(green_console_start(path), 0);
	ck_assert_int_eq(green_console_stop(), 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_fails(green_console_start(path) == -1, EADDRINUSE);
	ck_assert_int_eq(unlink(path), 0);
	memset(name, 'x', sizeof(name));
	name[199] = '\0';
	assert_fails(green_console_start(name) == -1, ENAMETOOLONG);
	assert_fails(green_console_start(NULL) == -1, EINVAL);
	assert_fails(green_console_start("/nowhere/at/all") == -1, ENOENT);
}
END_TEST

static struct greenlet *walked;

/* Numbers that were libunwind's are the program's now. */
static void walks_with_all_closed(void)
{
	void *frames[8];
	char byte = 'x';
	int ends[2];

	for (int fd = 3; fd < 100; fd++)
		close(fd);
	for (int i = 0; i < 4; i++) {
		if (pipe(ends) || write(ends[1], &byte, 1) != 1)
			_exit(1);
	}
	for (int i = 0; i < 3; i++) {
		if (green_backtrace(walked, frames, 8) < 2)
			_exit(2);
	}
	for (int fd = 3; fd < 11; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			_exit(3);
	}
	if (read(ends[0], &byte, 1) != 1 || byte != 'x')
		_exit(4);
	_exit(0);
}

static void *walks_after_closing(void *unused)
{
	pid_t pid;
	int status;

	walked = green_current();
	pid = fork();
	if (pid == 0)
		walks_with_all_closed();
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	return unused;
}

static int descriptors_for_programs(void)
{
	int count = 0;

	for (int fd = 3; fd < 5000; fd++) {
		int flags = fcntl(fd, F_GETFD);

		count += flags >= 0 && !(flags & FD_CLOEXEC);
	}
	return count;
}

static int inherited_before, inherited_after;

START_TEST(i1_descriptors_of_the_unwinder_are_nobodys_concern)
{
	ck_assert_int_eq(inherited_after, inherited_before);
	join(green_spawn(walks_after_closing, NULL));
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("inspect", WITH_HUB);

	/* libunwind keeps two descriptors from its first use on. */
	inherited_before = descriptors_for_programs();
	green__walk_possible();
	inherited_after = descriptors_for_programs();

	tcase_add_test(tcase, i1_the_stack_of_a_parked_greenlet_to_its_base);
	tcase_add_test(tcase, i1_the_stack_of_a_suspended_greenlet);
	tcase_add_test(tcase, i1_the_callers_and_the_mains);
	tcase_add_test(tcase, i1_what_has_no_stack_for_the_caller);
	tcase_add_test(tcase, the_name_of_what_nobody_knows_is_its_address);
	tcase_add_test(tcase, s15_map8_where_it_was_made_and_where_it_failed);
	tcase_add_test(tcase, how_much_stack_was_used);
	tcase_add_test(tcase, m5_what_each_waits_for);
	tcase_add_test(tcase, m5_all_of_them_and_the_hub);
	tcase_add_test(tcase, m5_s15_a_dump_is_a_tree_of_who_made_whom);
	tcase_add_test(tcase, m5_a_dump_with_stacks);
	tcase_add_test(tcase, a11_what_a_task_can_be_asked_for);
	tcase_add_test(tcase, m5_all_hubs_write_their_part);
	tcase_add_test(tcase, m5_a_hub_that_is_kept_is_told_with_what_keeps_it);
	tcase_add_test(tcase, m5_an_answer_that_nobody_waits_for);
	tcase_add_test(tcase, ck25_a_signal_dumps_also_when_the_hub_is_kept);
	tcase_add_test(tcase, ck25_a_signal_dumps_and_then_is_as_before);
	tcase_add_test(tcase, h2_ck5_after_a_deadlock_the_list_of_what_waits);
	tcase_add_test(tcase, h7_s24_an_error_that_a_task_ends_with_is_told);
	tcase_add_test(tcase, h7_s24_it_is_told_once_and_links_and_joins_get_it_all_the_same);
	tcase_add_test(tcase, h7_links_that_fail_are_told_each_and_the_others_run);
	tcase_add_test(tcase, h7_a_hook_that_blocks_and_fails_changes_nothing);
	tcase_add_test(tcase, h7_a_callback_that_fails_is_told_and_others_go_on);
	tcase_add_test(tcase, h7_the_ready_hook_writes_it_down);
	tcase_add_test(tcase, m8_where_it_is_written_is_the_programs_choice);
	tcase_add_test(tcase, t4_z5_ck4_what_a_thread_leaves_behind_is_told);
	tcase_add_test(tcase, an_overflow_is_told_with_its_stack);
	tcase_add_test(tcase, m6_code_that_never_lets_others_run);
	tcase_add_test(tcase, m6_code_that_keeps_others_waiting);
	tcase_add_test(tcase, m6_what_others_take_is_not_its_own);
	tcase_add_test(tcase, m6_code_that_behaves_beside_a_tracer_and_others_that_do_not);
	tcase_add_test(tcase, m10_the_console_hides_no_deadlock);
	tcase_add_test(tcase, m10_the_console_answers);
	tcase_add_test(tcase, m10_many_connections_and_a_stop_in_the_middle);
	tcase_add_test(tcase, m10_a_dead_socket_is_replaced_and_nothing_else);
	tcase_add_test(tcase, i1_descriptors_of_the_unwinder_are_nobodys_concern);
	return suite_end();
}
