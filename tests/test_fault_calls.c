/* SPDX-License-Identifier: MIT */
/* test_fault_calls.c - public calls that ask for memory: each of their requests fails once, on a thread whose hub is new */
#include <netinet/in.h>
#include <stdint.h>
#include <unistd.h>

#include "green.h"
#include "support.h"

enum { MANY = 100 };

static void *identity(void *arg)
{
	return arg;
}

static void on_end(struct greenlet *task, void *arg)
{
	(void)task;
	(void)arg;
}

static void on_done(struct green_future *future, void *arg)
{
	(void)future;
	(void)arg;
}

static void called(void *arg)
{
	(void)arg;
}

/* What a call has made is given back; what could not be made has left errno. */
static int kept(int result, void (*give_back)(void *), void *object)
{
	int error = errno;

	if (object)
		give_back(object);
	errno = error;
	return result;
}

static void end_task(void *task)
{
	green_join(task, NULL, -1);
	green_destroy(task);
}

static void end_queue(void *queue) { green_queue_destroy(queue); }
static void end_future(void *future) { green_future_destroy(future); }
static void end_pool(void *pool) { green_native_pool_destroy(pool); }
static void end_group(void *group) { green_group_join(group, 0, -1); green_group_destroy(group); }
static void end_stream(void *stream) { green_stream_destroy(stream); }

static int spawn(void)
{
	struct greenlet *task = green_spawn(identity, NULL);

	return kept(task ? 0 : -1, end_task, task);
}

static int spawn_later(void)
{
	struct greenlet *task = green_spawn_later(1, identity, NULL);

	return kept(task ? 0 : -1, end_task, task);
}

static int link_task(void)
{
	struct greenlet *task = green_spawn(identity, NULL);
	int result = task ? green_link(task, GREEN_ON_END, on_end, NULL) : -1;

	return kept(result, end_task, task);
}

static int join_all(void)
{
	struct greenlet *task = green_spawn(identity, NULL);
	int result = task ? green_join_all(&task, 1, GREEN_STOP_AT_ERROR, -1) : -1;

	return kept(result, end_task, task);
}

static int sleep_in_scope(void)
{
	struct green_timeout limit;
	int result = green_timeout_start(&limit, 10000);

	if (!result) {
		result = green_sleep(1);
		green_timeout_end(&limit);
	}
	return result;
}

static int offload(void)
{
	return green_offload(identity, called) ? 0 : -1;
}

static int wait_for_event(void)
{
	struct green_event event = GREEN_EVENT_INIT;

	if (green_event_wait(&event, 1) == 0 || errno == ETIMEDOUT)
		return 0;
	return -1;
}

static int use_queue_of(struct green_queue *queue)
{
	void *item;
	int result = queue ? 0 : -1, count = 0;

	for (intptr_t i = 1; !result && i <= MANY; i++) {
		result = green_queue_put(queue, (void *)i, 0);
		count += !result;
	}
	for (int i = 0; i < count; i++)
		ck_assert_int_eq(green_queue_get(queue, &item, 0), 0);
	return kept(result, end_queue, queue);
}

static int compare(const void *a, const void *b)
{
	return (intptr_t)a < (intptr_t)b ? -1 : (intptr_t)a > (intptr_t)b;
}

static int use_queue(void) { return use_queue_of(green_queue_create(GREEN_FIFO, 0)); }
static int use_priority_queue(void) { return use_queue_of(green_queue_create_priority(compare, 0)); }

static int use_local(void)
{
	static struct green_local local[20];

	for (size_t i = 0; i < ARRAY_LENGTH(local); i++) {
		if (green_local_set(&local[i], &local[i]))
			return -1;
		ck_assert_ptr_eq(green_local_get(&local[i]), &local[i]);
	}
	return 0;
}

static int use_future(void)
{
	struct green_future *future = green_future_create();
	int result = future ? green_future_link(future, on_done, NULL) : -1;

	if (!result)
		result = green_future_set(future, NULL) || green_future_get(future, NULL, -1) || green_yield();
	return kept(result, end_future, future);
}

static int spawn_future(void)
{
	struct green_future *future = green_future_spawn(identity, NULL), *one = future;
	int result = future ? green_gather(&one, 1, NULL, -1) : -1;

	return kept(result, end_future, future);
}

static int shield(void)
{
	struct green_future *inner = green_future_create(), *outer = inner ? green_shield(inner) : NULL;

	if (inner)
		ck_assert_int_eq(green_future_set(inner, NULL), 0);
	return kept(kept(outer ? 0 : -1, end_future, outer), end_future, inner);
}

static int use_native_pool(void)
{
	struct green_native_pool *pool = green_native_pool_create(2);
	struct green_future *future = pool ? green_native_pool_submit(pool, identity, pool) : NULL;
	int result = future ? green_future_get(future, NULL, -1) : -1;

	return kept(kept(result, end_future, future), end_pool, pool);
}

static int use_group(void)
{
	struct green_group *group = green_group_create(2);
	void *items[4] = { group, group, group, group };
	int result = group ? green_group_spawn(group, identity, NULL, -1) : -1;

	if (!result)
		result = green_group_map(group, identity, items, items, 4);
	return kept(result, end_group, group);
}

static int use_calls(void)
{
	struct green_call call;

	if (green_call_later(&call, 1, called, NULL) || green_sleep(3))
		return -1;
	return green_call_soon(&call, called, NULL) || green_yield() ? -1 : 0;
}

static int use_stream(void)
{
	struct green_stream *stream = NULL;
	char byte, line[16];
	int fds[2], result;

	ck_assert_int_eq(green_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(write(fds[1], "line\n", 5), 5);
	stream = green_stream_create(fds[0]);
	result = stream && green_stream_read_line(stream, line, sizeof(line)) == 5 && !green_stream_write(stream, "x", 1) &&
		!green_stream_drain(stream) && read(fds[1], &byte, 1) == 1 ? 0 : -1;
	result = kept(result, end_stream, stream);
	if (!stream)
		close(fds[0]);
	close(fds[1]);
	return result;
}

static int use_descriptors(void)
{
	struct sockaddr_in address;
	int fds[2] = { -1, -1 }, listening = listener(&address), result, error;

	fds[0] = green_socket(AF_INET, SOCK_STREAM, 0);
	result = green_connect(fds[0], (struct sockaddr *)&address, sizeof(address));
	if (!result)
		fds[1] = green_accept(listening, NULL, NULL);
	result = fds[1] < 0 || green_send(fds[0], "x", 1, 0) != 1 || green_wait_fd(fds[1], GREEN_READ, -1) != GREEN_READ ||
		green_recv(fds[1], &address, 1, 0) != 1;
	error = errno;
	close(fds[0]);
	close(listening);
	if (fds[1] >= 0)
		close(fds[1]);
	errno = error;
	return result ? -1 : 0;
}

static const struct {
	const char *name;
	int (*go)(void);
} rows[] = {
	{ "green_spawn", spawn },
	{ "green_spawn_later", spawn_later },
	{ "green_link", link_task },
	{ "green_join_all", join_all },
	{ "green_timeout_start", sleep_in_scope },
	{ "green_offload", offload },
	{ "green_event_wait", wait_for_event },
	{ "green_queue_put", use_queue },
	{ "green_queue_create_priority", use_priority_queue },
	{ "green_local_set", use_local },
	{ "green_future_link", use_future },
	{ "green_future_spawn", spawn_future },
	{ "green_shield", shield },
	{ "green_native_pool_submit", use_native_pool },
	{ "green_group_map", use_group },
	{ "green_call_later", use_calls },
	{ "green_stream_read_line", use_stream },
	{ "green_connect", use_descriptors },
};

/* E11, R4: every request of every call that asks for memory */
START_TEST(each_request_of_a_call_may_fail)
{
	requests_fail(rows[_i].name, rows[_i].go);
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("fault_calls", WITHOUT_HUB);

	tcase_add_loop_test(tests, each_request_of_a_call_may_fail, 0, ARRAY_LENGTH(rows));
	return suite_end();
}
