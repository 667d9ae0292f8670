/* SPDX-License-Identifier: MIT */
/* keys.c - thread-specific data: values, destructors and their rounds, limits, deletion */
#include "posix.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/wait.h>

static pthread_key_t keys[4];
static int calls[4], last;

static void count_0(void *value) { calls[0]++; last = (int)(long)value; }
static void count_1(void *value) { calls[1]++; last = (int)(long)value; }

static void new_key(pthread_key_t *key, void (*destructor)(void *))
{
	errno = pthread_key_create(key, destructor);
	must(errno == 0, "pthread_key_create");
}

static void *look(void *argument)
{
	say("at first %ld", (long)pthread_getspecific(keys[0]));
	tell("set", pthread_setspecific(keys[0], argument));
	say("then %ld", (long)pthread_getspecific(keys[0]));
	return NULL;
}

static void values(void)
{
	new_key(&keys[0], NULL);
	say("at first %ld", (long)pthread_getspecific(keys[0]));
	tell("set", pthread_setspecific(keys[0], (void *)5L));
	in_thread(look, (void *)6L);
	in_thread(look, (void *)7L);
	say("mine %ld", (long)pthread_getspecific(keys[0]));
	tell("delete", pthread_key_delete(keys[0]));
	tell("set of a deleted one", pthread_setspecific(keys[0], NULL));
	say("get of a deleted one %ld", (long)pthread_getspecific(keys[0]));
	tell("delete again", pthread_key_delete(keys[0]));
	new_key(&keys[1], NULL);
	say("a fresh key %ld", (long)pthread_getspecific(keys[1]));
	tell("no such key", pthread_setspecific(PTHREAD_KEYS_MAX, "x"));
	say("no such key %ld", (long)pthread_getspecific(PTHREAD_KEYS_MAX));
	tell("delete no such key", pthread_key_delete(PTHREAD_KEYS_MAX));
}

static void *set_both(void *argument)
{
	pthread_setspecific(keys[0], (void *)11L);
	pthread_setspecific(keys[1], argument);
	return NULL;
}

static void destructors(void)
{
	new_key(&keys[0], count_0);
	new_key(&keys[1], count_1);
	in_thread(set_both, NULL);
	say("calls %d and %d, value %d", calls[0], calls[1], last);
	in_thread(set_both, (void *)3L);
	say("calls %d and %d, value %d", calls[0], calls[1], last);
	pthread_setspecific(keys[0], (void *)1L);
	pthread_setspecific(keys[0], NULL);
	say("calls %d", calls[0]);
}

/* A destructor sees NULL in its own key, and may set it again, a fixed number of times. */
static int rounds, seen_set;

static void set_again(void *value)
{
	rounds++;
	seen_set += pthread_getspecific(keys[0]) != NULL;
	pthread_setspecific(keys[0], value);
}

static void *set_first(void *unused)
{
	pthread_setspecific(keys[0], "x");
	return unused;
}

static void destructor_rounds(void)
{
	new_key(&keys[0], set_again);
	in_thread(set_first, NULL);
	say("rounds %d of %d, own value seen %d", rounds, PTHREAD_DESTRUCTOR_ITERATIONS, seen_set);
	in_thread(set_first, NULL);
	say("rounds %d", rounds);
}

/* A destructor may set another key, whose own destructor then runs. */
static void set_other(void *value)
{
	calls[2]++;
	pthread_setspecific(keys[1], value);
}

static void destructor_chain(void)
{
	new_key(&keys[0], set_other);
	new_key(&keys[1], count_1);
	new_key(&keys[2], set_other);
	in_thread(set_first, NULL);
	say("calls %d, then %d", calls[2], calls[1]);
}

static void create_key(void *value)
{
	(void)value;
	new_key(&keys[3], count_1);
	pthread_setspecific(keys[3], (void *)44L);
}

static void key_of_a_destructor(void)
{
	new_key(&keys[0], create_key);
	in_thread(set_first, NULL);
	say("calls %d, value %d", calls[1], last);
}

static void *exit_with_value(void *unused)
{
	pthread_setspecific(keys[0], (void *)12L);
	pthread_exit(unused);
}

static void *cancelled_with_value(void *unused)
{
	pthread_setspecific(keys[0], (void *)13L);
	pthread_cancel(pthread_self());
	pthread_testcancel();
	return unused;
}

static void every_way_out(void)
{
	new_key(&keys[0], count_0);
	in_thread(exit_with_value, NULL);
	say("calls %d, value %d", calls[0], last);
	in_thread(cancelled_with_value, NULL);
	say("calls %d, value %d", calls[0], last);
}

/* Cleanup handlers come first. */
static void cleanup(void *unused)
{
	say("cleanup handler, value %ld", (long)pthread_getspecific(keys[0]));
	(void)unused;
}

static void say_destructor(void *value)
{
	say("destructor, value %ld", (long)value);
}

static void *leave_in_cleanup(void *unused)
{
	pthread_setspecific(keys[0], (void *)14L);
	pthread_cleanup_push(cleanup, NULL);
	pthread_exit(unused);
	pthread_cleanup_pop(0);
	return unused;
}

static void after_cleanup(void)
{
	new_key(&keys[0], say_destructor);
	in_thread(leave_in_cleanup, NULL);
}

/* No destructor runs for a key that was deleted while the thread lived, nor at the end of the process. */
static int stage;

static void *set_and_wait(void *unused)
{
	pthread_setspecific(keys[0], (void *)15L);
	post(&stage, 1);
	await(&stage, 2);
	return unused;
}

static void deleted_meanwhile(void)
{
	pthread_t thread;

	new_key(&keys[0], count_0);
	thread = spawn(set_and_wait, NULL);
	await(&stage, 1);
	tell("delete", pthread_key_delete(keys[0]));
	post(&stage, 2);
	join(thread);
	say("calls %d", calls[0]);
}

static void reused_meanwhile(void)
{
	pthread_t thread;

	new_key(&keys[0], count_0);
	thread = spawn(set_and_wait, NULL);
	await(&stage, 1);
	pthread_key_delete(keys[0]);
	new_key(&keys[1], count_1);
	tell_truth("the same number", keys[0] == keys[1]);
	post(&stage, 2);
	join(thread);
	say("calls %d and %d", calls[0], calls[1]);
}

static void not_at_exit(void)
{
	new_key(&keys[0], say_destructor);
	pthread_setspecific(keys[0], (void *)16L);
	spawn(set_and_wait, NULL);
	await(&stage, 1);
	exit(0);
}

static void limit(void)
{
	static pthread_key_t all[PTHREAD_KEYS_MAX + 1];
	int count = 0, error = 0, right = 0;

	while (count <= PTHREAD_KEYS_MAX && !error) {
		error = pthread_key_create(&all[count], NULL);
		count += !error;
	}
	tell("in the end", error);
	tell_truth("nearly all", count > PTHREAD_KEYS_MAX - 10);
	for (int i = 0; i < count; i++)
		pthread_setspecific(all[i], &all[i]);
	for (int i = 0; i < count; i++)
		right += pthread_getspecific(all[i]) == &all[i];
	tell_truth("all right", right == count);
	tell("delete", pthread_key_delete(all[5]));
	tell("create", pthread_key_create(&all[5], NULL));
	tell_truth("empty", !pthread_getspecific(all[5]));
}

static void *set_all(void *unused)
{
	for (pthread_key_t key = 0; key < PTHREAD_KEYS_MAX; key++)
		pthread_setspecific(key, (void *)1L);
	return unused;
}

static void many_destructors(void)
{
	pthread_key_t key;
	int made = 0;

	while (pthread_key_create(&key, count_0) == 0)
		made++;
	in_thread(set_all, NULL);
	tell_truth("one call for each", calls[0] == made);
	in_thread(set_all, NULL);
	tell_truth("one call for each", calls[0] == 2 * made);
}

/* A destructor may wait. */
static void wait_in_destructor(void *value)
{
	pause_ms(20);
	calls[0]++;
	free(value);
}

static void *allocate(void *unused)
{
	pthread_setspecific(keys[0], malloc(100));
	return unused;
}

static void waiting_destructor(void)
{
	pthread_t threads[10];

	new_key(&keys[0], wait_in_destructor);
	for (int i = 0; i < 10; i++)
		threads[i] = spawn(allocate, NULL);
	for (int i = 0; i < 10; i++)
		join(threads[i]);
	say("calls %d", calls[0]);
}

static void *exit_in_destructor_body(void *unused)
{
	pthread_setspecific(keys[0], (void *)1L);
	return unused;
}

/* The main thread's destructors run if it leaves by pthread_exit. */
static void *last_word(void *argument)
{
	void *result;

	pthread_join(*(pthread_t *)argument, &result);
	say("main has ended");
	exit(0);
}

static void of_main(void)
{
	static pthread_t self;

	self = pthread_self();
	new_key(&keys[0], say_destructor);
	pthread_setspecific(keys[0], (void *)17L);
	in_thread(exit_in_destructor_body, NULL);
	spawn(last_word, &self);
	pthread_exit(NULL);
}

static void in_child(void *unused)
{
	(void)unused;
	say("in the child %ld", (long)pthread_getspecific(keys[0]));
	in_thread(look, (void *)3L);
}

static void forked(void)
{
	new_key(&keys[0], say_destructor);
	pthread_setspecific(keys[0], (void *)18L);
	reap("child", child_of(in_child, NULL));
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "values", .run = values },
		{ .name = "destructors", .run = destructors },
		{ .name = "destructor_rounds", .run = destructor_rounds },
		{ .name = "destructor_chain", .run = destructor_chain },
		{ .name = "key_of_a_destructor", .run = key_of_a_destructor },
		{ .name = "every_way_out", .run = every_way_out },
		{ .name = "after_cleanup", .run = after_cleanup },
		{ .name = "deleted_meanwhile", .run = deleted_meanwhile },
		{ .name = "reused_meanwhile", .run = reused_meanwhile },
		{ .name = "not_at_exit", .run = not_at_exit },
		{ .name = "limit", .run = limit },
		{ .name = "many_destructors", .run = many_destructors },
		{ .name = "waiting_destructor", .run = waiting_destructor },
		{ .name = "of_main", .run = of_main, .flags = MAIN_ONLY },
		{ .name = "forked", .run = forked },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
