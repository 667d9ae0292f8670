// SPDX-License-Identifier: MIT
// cxx_threads.cpp - what the C++20 library offers for threads, and exceptions in flight while threads switch
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace std::chrono_literals;

static void say(const std::string &line)
{
	std::string whole = line + "\n";

	if (write(STDOUT_FILENO, whole.data(), whole.size()) < 0)
		_exit(99);
}

static void threads_and_mutex()
{
	std::mutex lock;
	std::vector<std::thread> threads;
	long sum = 0;

	for (int i = 0; i < 8; i++)
		threads.emplace_back([&, i] {
			for (int round = 0; round < 20; round++) {
				std::lock_guard held(lock);
				long seen = sum;
				if (round == 0)
					std::this_thread::sleep_for(100us);
				sum = seen + i;
			}
		});
	for (auto &thread : threads)
		thread.join();
	say("mutex: " + std::to_string(sum));
	std::timed_mutex timed;
	std::unique_lock held(timed);
	std::thread([&] { say(timed.try_lock_for(5ms) ? "taken" : "timed mutex: not taken"); }).join();
}

static void conditions()
{
	std::mutex lock;
	std::condition_variable turn;
	int next = 0;
	std::vector<std::thread> threads;

	for (int i = 0; i < 5; i++)
		threads.emplace_back([&, i] {
			std::unique_lock held(lock);
			turn.wait(held, [&] { return next == i; });
			say("turn " + std::to_string(i));
			next++;
			turn.notify_all();
		});
	for (auto &thread : threads)
		thread.join();
	std::unique_lock held(lock);
	say(turn.wait_for(held, 5ms) == std::cv_status::timeout ? "condition: time is up" : "condition: woken");
	std::condition_variable_any any;
	std::shared_mutex shared;
	std::unique_lock other(shared);
	say(any.wait_for(other, 5ms, [] { return false; }) ? "any: true" : "any: time is up");
}

static void shared_locks()
{
	std::shared_mutex lock;
	std::barrier both(2);
	std::vector<std::thread> threads;
	std::atomic<int> readers = 0;

	for (int i = 0; i < 2; i++)
		threads.emplace_back([&] {
			std::shared_lock held(lock);
			readers++;
			both.arrive_and_wait();
		});
	for (auto &thread : threads)
		thread.join();
	std::unique_lock writer(lock);
	say("shared: " + std::to_string(readers) + " readers at once, try " +
	    std::to_string(std::async(std::launch::async, [&] { return lock.try_lock_shared(); }).get()));
}

static void futures()
{
	std::latch asked(1);
	auto slow = std::async(std::launch::async, [&] {
		asked.wait();
		return 42;
	});
	auto wrong = std::async(std::launch::async, []() -> int { throw std::runtime_error("from async"); });

	say(slow.wait_for(0ms) == std::future_status::timeout ? "future: not yet" : "future: ready");
	asked.count_down();
	say("future: " + std::to_string(slow.get()));
	try {
		wrong.get();
	} catch (const std::runtime_error &error) {
		say(std::string("future: ") + error.what());
	}
	std::promise<std::string> promise;
	std::thread giver([&] { promise.set_value_at_thread_exit("kept"); });
	say("promise: " + promise.get_future().get());
	giver.join();
	std::packaged_task<int(int)> task([](int x) { return x * 2; });
	auto result = task.get_future();
	std::thread(std::move(task), 21).join();
	say("task: " + std::to_string(result.get()));
}

static void atomic_waits()
{
	std::atomic<int> word = 0;
	std::thread waiter([&] {
		word.wait(0);
		say("atomic: " + std::to_string(word));
		word = 2;
		word.notify_one();
	});

	std::this_thread::sleep_for(2ms);
	word = 1;
	word.notify_all();
	word.wait(1);
	waiter.join();
	std::atomic_flag flag;
	std::thread setter([&] {
		flag.test_and_set();
		flag.notify_all();
	});
	flag.wait(false);
	setter.join();
	say("flag: set");
}

static void semaphores_and_latches()
{
	std::counting_semaphore<10> items(0);
	std::binary_semaphore done(0);
	std::latch ready(3);
	std::vector<std::thread> threads;

	for (int i = 0; i < 3; i++)
		threads.emplace_back([&] {
			ready.arrive_and_wait();
			items.release();
		});
	for (int i = 0; i < 3; i++)
		items.acquire();
	for (auto &thread : threads)
		thread.join();
	say(done.try_acquire_for(5ms) ? "semaphore: taken" : "semaphore: time is up");
	int rounds = 0;
	std::barrier meeting(4, [&]() noexcept { rounds++; });
	threads.clear();
	for (int i = 0; i < 4; i++)
		threads.emplace_back([&] {
			for (int round = 0; round < 10; round++)
				meeting.arrive_and_wait();
		});
	for (auto &thread : threads)
		thread.join();
	say("barrier: " + std::to_string(rounds) + " rounds");
}

static void stop_tokens()
{
	std::mutex lock;
	std::condition_variable_any wake;
	int seen = 0;
	{
		std::jthread worker([&](std::stop_token stop) {
			std::unique_lock held(lock);
			seen = wake.wait(held, stop, [] { return false; }) ? 1 : 2;
		});
		std::this_thread::sleep_for(2ms);
	}
	say("stop: " + std::to_string(seen));
	std::stop_source source;
	bool called = false;
	std::stop_callback callback(source.get_token(), [&] { called = true; });
	std::jthread([&] { source.request_stop(); }).join();
	say(called ? "callback: called" : "callback: not called");
}

/* A blocking call inside a catch block: the other thread runs its own catch block in between. */
static std::string in_catch(int number, int fd)
{
	std::string story;
	try {
		throw number;
	} catch (int caught) {
		char byte = 'x';
		for (int round = 0; round < 3; round++) {
			if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
				return "no peer";
			try {
				throw std::runtime_error("inner " + std::to_string(number));
			} catch (const std::exception &inner) {
				std::this_thread::sleep_for(1ms);
				story += inner.what() + std::string(", ");
			}
		}
		story += std::to_string(caught);
		try {
			throw;
		} catch (int again) {
			story += ", again " + std::to_string(again);
		}
	}
	return story + ", in flight " + std::to_string(std::uncaught_exceptions());
}

static void exceptions()
{
	int pair[2];
	std::string stories[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		_exit(99);
	std::thread first([&] { stories[0] = in_catch(1, pair[0]); });
	std::thread second([&] { stories[1] = in_catch(2, pair[1]); });
	first.join();
	second.join();
	say("catch: " + stories[0]);
	say("catch: " + stories[1]);
	close(pair[0]);
	close(pair[1]);
}

struct Sleeper {
	std::string &story;
	int number;
	/* Unwinding stops in the middle, while another thread unwinds too. */
	~Sleeper()
	{
		std::this_thread::sleep_for(1ms);
		story += "~" + std::to_string(number) + "/" + std::to_string(std::uncaught_exceptions()) + " ";
	}
};

static void unwind_through(std::string &story, int number)
{
	Sleeper one{story, number}, two{story, number + 10};

	throw std::runtime_error("through " + std::to_string(number));
}

static void unwinding()
{
	std::string stories[3];
	std::vector<std::thread> threads;

	for (int i = 0; i < 3; i++)
		threads.emplace_back([&, i] {
			try {
				unwind_through(stories[i], i);
			} catch (const std::exception &error) {
				stories[i] += error.what();
			}
		});
	for (auto &thread : threads)
		thread.join();
	for (auto &story : stories)
		say("unwound: " + story);
	std::exception_ptr carried;
	std::thread([&] {
		try {
			throw std::logic_error("carried");
		} catch (...) {
			carried = std::current_exception();
		}
	}).join();
	try {
		std::rethrow_exception(carried);
	} catch (const std::logic_error &error) {
		say(error.what());
	}
}

static std::mutex order_lock;
static std::vector<std::string> order;

struct Local {
	std::string name;
	explicit Local(const char *given) : name(given) {}
	~Local()
	{
		std::lock_guard held(order_lock);
		order.push_back(name);
	}
};

static thread_local Local first_local("first");
static thread_local int counter = 7;

static void thread_locals()
{
	std::vector<std::thread> threads;
	std::atomic<int> sum = 0;

	std::thread([] {
		first_local.name += " (touched)";
		thread_local Local second("second");
		second.name += " (touched)";
		std::this_thread::sleep_for(1ms);
	}).join();
	for (auto &line : order)
		say("destroyed " + line);
	for (int i = 0; i < 5; i++)
		threads.emplace_back([&, i] {
			counter += i;
			std::this_thread::sleep_for(1ms);
			sum += counter;
		});
	for (auto &thread : threads)
		thread.join();
	say("counters: " + std::to_string(sum) + ", own " + std::to_string(counter));
}

struct Slow {
	static inline std::atomic<int> made = 0;
	int value;
	Slow() : value(++made) { std::this_thread::sleep_for(5ms); }
};

static Slow &the_slow_one()
{
	static Slow slow;

	return slow;
}

static void static_locals()
{
	std::vector<std::thread> threads;
	std::atomic<int> sum = 0;

	for (int i = 0; i < 10; i++)
		threads.emplace_back([&] { sum += the_slow_one().value; });
	for (auto &thread : threads)
		thread.join();
	say("static local: made " + std::to_string(Slow::made) + ", sum " + std::to_string(sum));
}

/* The first call fails by an exception: the next one that waited must do it again. */
static void called_once()
{
	std::once_flag flag;
	std::atomic<int> tried = 0, failed = 0;
	std::vector<std::thread> threads;

	for (int i = 0; i < 6; i++)
		threads.emplace_back([&] {
			try {
				std::call_once(flag, [&] {
					int turn = ++tried;
					std::this_thread::sleep_for(1ms);
					if (turn == 1)
						throw std::runtime_error("first");
				});
			} catch (const std::runtime_error &) {
				failed++;
			}
		});
	for (auto &thread : threads)
		thread.join();
	say("once: tried " + std::to_string(tried) + ", failed " + std::to_string(failed));
}

int main()
{
	threads_and_mutex();
	conditions();
	shared_locks();
	futures();
	atomic_waits();
	semaphores_and_latches();
	stop_tokens();
	exceptions();
	unwinding();
	thread_locals();
	static_locals();
	called_once();
}
