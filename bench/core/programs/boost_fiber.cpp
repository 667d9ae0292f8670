/* SPDX-License-Identifier: MIT */
/* boost_fiber.cpp - Boost.Fiber */
#include <boost/fiber/all.hpp>
#include <chrono>
#include <cstdlib>
#include <mutex>

#include "harness.h"

namespace fibers = boost::fibers;
namespace this_fiber = boost::this_fiber;

enum { SMALL_STACK = 64 * 1024 };

template <typename Function> static void in_two(Function function, long times)
{
	fibers::fiber other(function, times / 2);

	function(times / 2);
	other.join();
}

static void run_yield(long times)
{
	in_two([](long half) {
		for (long i = 0; i < half; i++)
			this_fiber::yield();
	}, times);
}

static void run_spawn(long times)
{
	for (long i = 0; i < times; i++)
		fibers::fiber([] {}).join();
}

static fibers::mutex mutex;

/* A mutex and two conditions: there is no semaphore. */
struct Turns {
	fibers::mutex mutex;
	fibers::condition_variable changed[2];
	int turn = 0;

	void take(int mine, long times, bool limited)
	{
		std::unique_lock<fibers::mutex> lock(mutex);

		for (long i = 0; i < times; i++) {
			while (turn != mine) {
				if (limited)
					changed[mine].wait_for(lock, std::chrono::seconds(60));
				else
					changed[mine].wait(lock);
			}
			turn = !mine;
			changed[turn].notify_one();
		}
	}
};

static void hand_over(long times, bool limited)
{
	Turns turns;
	fibers::fiber other([&] { turns.take(1, times / 2, limited); });

	turns.take(0, times / 2, limited);
	other.join();
}

static void run_park(long times)
{
	hand_over(times, false);
}

static void run_timer_wait(long times)
{
	hand_over(times, true);
}

static void run_mutex_free(long times)
{
	for (long i = 0; i < times; i++) {
		mutex.lock();
		mutex.unlock();
	}
}

static void run_mutex_busy(long times)
{
	in_two([](long half) {
		for (long i = 0; i < half; i++) {
			mutex.lock();
			this_fiber::yield();
			mutex.unlock();
		}
	}, times);
}

template <typename Channel> static void pass(Channel &channel, long times)
{
	fibers::fiber getter([&] {
		void *item;

		for (long i = 0; i < times; i++)
			channel.pop(item);
	});

	for (long i = 0; i < times; i++)
		channel.push(nullptr);
	getter.join();
}

/* One of its places always stays empty. */
static void run_queue(long times)
{
	fibers::buffered_channel<void *> channel(2);

	pass(channel, times);
}

static void run_queue_free(long times)
{
	fibers::buffered_channel<void *> channel(2);
	void *item;

	for (long i = 0; i < times; i++) {
		channel.push(nullptr);
		channel.pop(item);
	}
}

static void run_channel(long times)
{
	fibers::unbuffered_channel<void *> channel;

	pass(channel, times);
}

static void run_memory_small(long count)
{
	fibers::mutex never;

	never.lock();
	bench_hold("begin");
	for (long i = 0; i < count; i++)
		fibers::fiber(std::allocator_arg, fibers::fixedsize_stack(SMALL_STACK), [&] { never.lock(); }).detach();
	this_fiber::yield();
	bench_hold("ready");
	_Exit(EXIT_SUCCESS);
}

const struct bench_case bench_cases[] = {
	{ "yield", run_yield },
	{ "spawn", run_spawn },
	{ "park", run_park },
	{ "timer_wait", run_timer_wait },
	{ "mutex_free", run_mutex_free },
	{ "mutex_busy", run_mutex_busy },
	{ "queue", run_queue },
	{ "queue_free", run_queue_free },
	{ "channel", run_channel },
	{ "memory_small", run_memory_small },
	{ nullptr, nullptr },
};
