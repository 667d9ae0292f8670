// SPDX-License-Identifier: MIT
// cxx.cpp - what C++ adds: destructors and catch (...) at exit and cancellation, exceptions per thread, std's own calls
extern "C" {
#include "posix.h"
}

#include <atomic>
#include <barrier>
#include <condition_variable>
#include <cxxabi.h>
#include <exception>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace {

struct teller {
	const char *name;
	explicit teller(const char *given) : name(given) {}
	~teller() { say("destructor of %s", name); }
};

int stage;

void *leave(void *)
{
	teller outer("outer");
	{
		teller inner("inner");
		pthread_exit(reinterpret_cast<void *>(5L));
	}
}

void exit_unwinds()
{
	say("result %ld", reinterpret_cast<long>(in_thread(leave, nullptr)));
}

void *wait_for_cancel(void *)
{
	teller outer("outer");
	try {
		teller inner("inner");
		post(&stage, 1);
		for (;;)
			pause();
	} catch (abi::__forced_unwind &) {
		say("caught the forced unwind");
		throw;
	} catch (...) {
		say("never here");
		throw;
	}
	return nullptr;
}

void cancel_unwinds()
{
	pthread_t thread = spawn(wait_for_cancel, nullptr);

	await(&stage, 1);
	pthread_cancel(thread);
	tell_truth("cancelled", join(thread) == PTHREAD_CANCELED);
}

void *catch_all(void *)
{
	try {
		post(&stage, 1);
		for (;;)
			pause();
	} catch (...) {
		say("caught");
		throw;
	}
	return nullptr;
}

void catch_all_rethrows()
{
	pthread_t thread = spawn(catch_all, nullptr);

	await(&stage, 1);
	pthread_cancel(thread);
	tell_truth("cancelled", join(thread) == PTHREAD_CANCELED);
}

void *swallow(void *)
{
	try {
		pthread_exit(nullptr);
	} catch (...) {
	}
	return nullptr;
}

// libstdc++ ends the process then.
void swallowed(void *)
{
	in_thread(swallow, nullptr);
}

void swallowing_is_fatal()
{
	reap("child", child_of(swallowed, nullptr));
}

void *throw_out(void *)
{
	throw std::runtime_error("nobody catches this");
}

void thrown_out(void *)
{
	in_thread(throw_out, nullptr);
}

void uncaught_is_fatal()
{
	reap("child", child_of(thrown_out, nullptr));
}

// --- exceptions in flight belong to their thread ---

void *throw_and_switch(void *argument)
{
	long own = reinterpret_cast<long>(argument), right = 0;

	for (int i = 0; i < 20; i++) {
		try {
			throw own;
		} catch (long &caught) {
			sched_yield();
			pause_ms(1);
			right += caught == own;
			try {
				throw;
			} catch (long &again) {
				right += again == own;
			}
		}
	}
	return reinterpret_cast<void *>(right);
}

void exceptions_in_flight()
{
	pthread_t threads[8];
	long right = 0;

	for (long i = 0; i < 8; i++)
		threads[i] = spawn(throw_and_switch, reinterpret_cast<void *>(i));
	for (auto &thread : threads)
		right += reinterpret_cast<long>(join(thread));
	say("right %ld", right);
}

// --- pthread_once and call_once with exceptions ---

pthread_once_t once = PTHREAD_ONCE_INIT;
int runs;

void throw_first()
{
	if (runs++ == 0) {
		pause_ms(20);
		throw 1;
	}
}

void *run_once(void *)
{
	try {
		pthread_once(&once, throw_first);
	} catch (int) {
		return reinterpret_cast<void *>(1L);
	}
	return nullptr;
}

void once_that_throws()
{
	pthread_t threads[4];
	long thrown = 0;

	for (auto &thread : threads)
		thread = spawn(run_once, nullptr);
	for (auto &thread : threads)
		thrown += reinterpret_cast<long>(join(thread));
	say("runs %d, thrown %ld", runs, thrown);
}

void call_once_that_throws()
{
	std::once_flag flag;
	std::vector<std::thread> threads;
	std::atomic<int> thrown{0};

	for (int i = 0; i < 4; i++) {
		threads.emplace_back([&] {
			try {
				std::call_once(flag, throw_first);
			} catch (int) {
				thrown++;
			}
		});
	}
	for (auto &thread : threads)
		thread.join();
	say("runs %d, thrown %d", runs, thrown.load());
}

std::atomic<int> made{0};

struct slow_static {
	slow_static()
	{
		pause_ms(30);
		made++;
	}
};

void *use_static(void *)
{
	static slow_static one;

	return &one;
}

void function_statics()
{
	pthread_t threads[5];
	void *first = nullptr;
	int same = 0;

	for (auto &thread : threads)
		thread = spawn(use_static, nullptr);
	for (auto &thread : threads) {
		void *result = join(thread);

		first = first ? first : result;
		same += result == first;
	}
	say("made %d, same %d", made.load(), same);
}

// --- thread_local objects ---

struct counted {
	static std::atomic<int> alive, ended;
	int own = 0;
	counted() { alive++; }
	~counted() { alive--; ended++; }
};
std::atomic<int> counted::alive{0}, counted::ended{0};

thread_local counted local;

void *use_local(void *)
{
	for (int i = 0; i < 10; i++) {
		local.own++;
		sched_yield();
	}
	return reinterpret_cast<void *>(static_cast<long>(local.own));
}

void *use_local_and_exit(void *)
{
	local.own++;
	pthread_exit(nullptr);
}

void thread_locals()
{
	long sum = 0;

	for (int i = 0; i < 5; i++)
		sum += reinterpret_cast<long>(in_thread(use_local, nullptr));
	in_thread(use_local_and_exit, nullptr);
	say("sum %ld, alive %d, ended %d", sum, counted::alive.load(), counted::ended.load());
}

thread_local std::string text = "fresh";

void *change_text(void *argument)
{
	std::string before = text;

	text = static_cast<const char *>(argument);
	sched_yield();
	say("%s, then %s", before.c_str(), text.c_str());
	return nullptr;
}

void thread_local_strings()
{
	in_thread(change_text, const_cast<char *>("one"));
	in_thread(change_text, const_cast<char *>("two"));
	say("mine %s", text.c_str());
}

// --- the standard library ---

void mutexes()
{
	std::timed_mutex timed;
	std::recursive_mutex recursive;
	std::shared_mutex shared;
	std::shared_timed_mutex shared_timed;
	using namespace std::chrono_literals;

	timed.lock();
	shared.lock();
	shared_timed.lock_shared();
	recursive.lock();
	recursive.lock();
	std::thread([&] {
		say("timed: %d", timed.try_lock_for(20ms));
		say("timed: %d", timed.try_lock_until(std::chrono::system_clock::now() + 20ms));
		say("recursive: %d", recursive.try_lock());
		say("shared: %d", shared.try_lock_shared());
		say("shared timed: %d", shared_timed.try_lock_for(20ms));
		bool got = shared_timed.try_lock_shared_for(20ms);

		say("shared timed, shared: %d", got);
		if (got)
			shared_timed.unlock_shared();
	}).join();
	recursive.unlock();
	recursive.unlock();
	shared_timed.unlock_shared();
	shared.unlock();
	timed.unlock();
	try {
		std::unique_lock<std::mutex> none;

		none.lock();
	} catch (std::system_error &error) {
		say("no mutex: %d", error.code().value() == EPERM);
	}
}

void waits()
{
	std::counting_semaphore<10> semaphore(0);
	std::latch latch(3);
	std::barrier barrier(3);
	std::atomic<int> flag{0}, passed{0};
	std::vector<std::jthread> threads;

	for (int i = 0; i < 3; i++) {
		threads.emplace_back([&] {
			flag.wait(0);
			semaphore.acquire();
			latch.arrive_and_wait();
			for (int round = 0; round < 10; round++)
				barrier.arrive_and_wait();
			passed++;
		});
	}
	flag = 1;
	flag.notify_all();
	semaphore.release(3);
	for (auto &thread : threads)
		thread.join();
	say("passed %d, semaphore %d", passed.load(), semaphore.try_acquire());
}

void futures()
{
	std::promise<int> promise;
	std::future<int> future = promise.get_future();
	using namespace std::chrono_literals;

	say("not yet: %d", future.wait_for(20ms) == std::future_status::timeout);
	std::thread([&] { promise.set_value(42); }).join();
	say("value %d", future.get());
	auto failing = std::async(std::launch::async, []() -> int { throw std::runtime_error("from the thread"); });
	try {
		failing.get();
	} catch (std::runtime_error &error) {
		say("%s", error.what());
	}
	auto sum = std::async(std::launch::async, [] { return 20 + 22; });
	say("sum %d", sum.get());
}

void stop_tokens()
{
	std::mutex mutex;
	std::condition_variable_any condition;
	std::atomic<bool> stopped{false};

	{
		std::jthread thread([&](std::stop_token token) {
			std::unique_lock lock(mutex);

			condition.wait(lock, token, [] { return false; });
			stopped = token.stop_requested();
		});
		pause_ms(20);
	}
	say("stopped %d", stopped.load());
}

void thread_errors()
{
	std::thread none;

	try {
		none.join();
	} catch (std::system_error &error) {
		say("join of none: %d", error.code() == std::errc::invalid_argument);
	}
	std::thread self;
	self = std::thread([&] {
		while (!self.joinable())
			std::this_thread::yield();
		try {
			self.join();
		} catch (std::system_error &error) {
			say("join of itself: %d", error.code() == std::errc::resource_deadlock_would_occur);
		}
	});
	pause_ms(30);
	self.join();
	tell_truth("processors are counted", std::thread::hardware_concurrency() > 0);
}

void at_thread_exit()
{
	std::mutex mutex;
	std::condition_variable condition;
	bool ready = false;
	std::unique_lock lock(mutex);

	std::thread thread([&] {
		std::unique_lock inner(mutex);

		ready = true;
		std::notify_all_at_thread_exit(condition, std::move(inner));
	});
	condition.wait(lock, [&] { return ready; });
	thread.join();
	say("told at the thread's exit");
}

} // namespace

int main(int argc, char **argv)
{
	static const posix_case cases[] = {
		{ "exit_unwinds", exit_unwinds, 0, 0 },
		{ "cancel_unwinds", cancel_unwinds, 0, 0 },
		{ "catch_all_rethrows", catch_all_rethrows, 0, 0 },
		{ "swallowing_is_fatal", swallowing_is_fatal, 0, 0 },
		{ "uncaught_is_fatal", uncaught_is_fatal, 0, 0 },
		{ "exceptions_in_flight", exceptions_in_flight, 0, 0 },
		{ "once_that_throws", once_that_throws, 0, 0 },
		{ "call_once_that_throws", call_once_that_throws, 0, 0 },
		{ "function_statics", function_statics, 0, 0 },
		{ "thread_locals", thread_locals, 0, 0 },
		{ "thread_local_strings", thread_local_strings, 0, 0 },
		{ "mutexes", mutexes, 0, 0 },
		{ "waits", waits, 0, 0 },
		{ "futures", futures, 0, 0 },
		{ "stop_tokens", stop_tokens, 0, 0 },
		{ "thread_errors", thread_errors, 0, 0 },
		{ "at_thread_exit", at_thread_exit, 0, 0 },
		{ nullptr, nullptr, 0, 0 },
	};

	return posix_main(argc, argv, cases);
}
