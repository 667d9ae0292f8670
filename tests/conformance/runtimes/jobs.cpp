// SPDX-License-Identifier: MIT
// jobs.cpp - a job server as one writes it in C++20: threads, locks, timers, sockets, subprocesses and exceptions
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <functional>
#include <future>
#include <iostream>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <semaphore>
#include <shared_mutex>
#include <sstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

struct refused : std::runtime_error {
	using std::runtime_error::runtime_error;
};

unsigned checksum(const std::string &text)
{
	unsigned long value = 7;

	for (int round = 0; round < 20000; round++) {
		for (unsigned char byte : text)
			value = (value * 31 + byte) % 1000003;
	}
	return static_cast<unsigned>(value);
}

/* What COMMAND prints, its lines joined by commas; its status is thrown if it is not 0. */
std::string by_command(const std::string &command)
{
	std::unique_ptr<FILE, int (*)(FILE *)> pipe(popen(command.c_str(), "r"), pclose);
	std::string result;
	std::array<char, 128> line;

	if (!pipe)
		throw std::system_error(errno, std::generic_category(), "popen");
	while (fgets(line.data(), line.size(), pipe.get()))
		result += (result.empty() ? "" : ",") + std::string(line.data(), std::string(line.data()).find('\n'));
	if (int status = pclose(pipe.release()); status != 0)
		throw refused("status " + std::to_string(WEXITSTATUS(status)));
	return result;
}

std::string job(const std::string &kind, const std::string &text)
{
	if (kind == "sum")
		return std::to_string(checksum(text));
	if (kind == "sort")
		return by_command("printf '%s' " + text + " | tr , '\\n' | sort -r");
	if (kind == "fail")
		return by_command("exit 5");
	throw refused("no such job: " + kind);
}

std::string answer(const std::string &line)
{
	auto space = std::min(line.find(' '), line.size());

	try {
		return "ok " + job(line.substr(0, space), line.substr(std::min(space + 1, line.size())));
	} catch (const refused &refusal) {
		return std::string("refused ") + refusal.what();
	}
}

/* A connected or listening socket that speaks in lines. */
class line_socket {
	int fd;
	std::string rest;

public:
	explicit line_socket(int fd) : fd(fd)
	{
		if (fd < 0)
			throw std::system_error(errno, std::generic_category(), "socket");
	}
	line_socket(line_socket &&other) noexcept : fd(std::exchange(other.fd, -1)), rest(std::move(other.rest)) {}
	~line_socket()
	{
		if (fd >= 0)
			close(fd);
	}
	int get() const { return fd; }

	bool read_line(std::string &line)
	{
		std::array<char, 256> buffer;

		while (rest.find('\n') == std::string::npos) {
			ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);

			if (size <= 0)
				return false;
			rest.append(buffer.data(), static_cast<size_t>(size));
		}
		line = rest.substr(0, rest.find('\n'));
		rest.erase(0, line.size() + 1);
		return true;
	}

	void write_line(std::string line)
	{
		line += '\n';
		if (send(fd, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
			throw std::system_error(errno, std::generic_category(), "send");
	}
};

std::vector<std::string> client(int number, sockaddr_in address)
{
	line_socket socket(::socket(AF_INET, SOCK_STREAM, 0));
	std::vector<std::string> answers;
	std::string name = std::to_string(number);

	if (connect(socket.get(), reinterpret_cast<sockaddr *>(&address), sizeof(address)))
		throw std::system_error(errno, std::generic_category(), "connect");
	for (const auto &job : { "sum client" + name, "sort c" + name + ",a,b", std::string("nonsense x"), std::string("fail") }) {
		std::string line;

		socket.write_line(job);
		socket.read_line(line);
		answers.push_back(name + " " + job + ": " + line);
	}
	return answers;
}

void handle(line_socket socket)
{
	for (std::string line; socket.read_line(line);)
		socket.write_line(answer(line));
}

void serve(int clients)
{
	line_socket listener(::socket(AF_INET, SOCK_STREAM, 0));
	sockaddr_in address = { AF_INET, 0, { htonl(INADDR_LOOPBACK) }, {} };
	socklen_t size = sizeof(address);
	std::vector<std::future<std::vector<std::string>>> answers;
	std::vector<std::jthread> handlers;

	if (bind(listener.get(), reinterpret_cast<sockaddr *>(&address), size) || listen(listener.get(), 20) ||
	    getsockname(listener.get(), reinterpret_cast<sockaddr *>(&address), &size))
		throw std::system_error(errno, std::generic_category(), "listen");
	for (int i = 0; i < clients; i++)
		answers.push_back(std::async(std::launch::async, client, i, address));
	for (int i = 0; i < clients; i++)
		handlers.emplace_back(handle, line_socket(accept(listener.get(), nullptr, nullptr)));
	for (auto &future : answers) {
		for (const auto &line : future.get())
			std::cout << line << '\n';
	}
}

/* A timer that can be stopped by its token while it waits. */
void timers()
{
	std::mutex mutex;
	std::condition_variable_any changed;
	std::vector<std::string> fired;
	std::latch all(3);
	auto fire = [&](std::stop_token token, const char *name, std::chrono::milliseconds delay) {
		std::unique_lock lock(mutex);

		if (!changed.wait_for(lock, token, delay, [&] { return token.stop_requested(); }))
			fired.push_back(name);
		all.count_down();
	};
	std::jthread second(fire, "second", 300ms), first(fire, "first", 100ms), never(fire, "never", 600s);

	never.request_stop();
	all.wait();
	std::cout << "fired";
	for (const auto &name : fired)
		std::cout << ' ' << name;
	std::cout << '\n';
}

class bounded {
	std::counting_semaphore<4> room{ 4 };
	std::counting_semaphore<> filled{ 0 };
	std::mutex mutex;
	std::deque<int> values;

public:
	void put(int value)
	{
		room.acquire();
		{
			std::scoped_lock lock(mutex);
			values.push_back(value);
		}
		filled.release();
	}
	int take()
	{
		int value;

		filled.acquire();
		{
			std::scoped_lock lock(mutex);
			value = values.front();
			values.pop_front();
		}
		room.release();
		return value;
	}
};

void pipeline()
{
	bounded buffer;
	std::shared_mutex totals_mutex;
	std::map<int, int> totals;
	std::vector<std::future<int>> consumers;
	auto consume = [&] {
		for (int count = 0;; count++) {
			int value = buffer.take();

			if (value < 0)
				throw std::out_of_range("nothing is left");
			std::unique_lock lock(totals_mutex);
			totals[value / 1000] += value;
		}
		return 0;
	};

	for (int i = 0; i < 3; i++)
		consumers.push_back(std::async(std::launch::async, consume));
	{
		std::vector<std::jthread> producers;

		for (int base : { 0, 1000, 2000 }) {
			producers.emplace_back([&buffer, base] {
				for (int i = 0; i < 50; i++)
					buffer.put(base + i);
			});
		}
	}
	for (int i = 0; i < 3; i++)
		buffer.put(-1);
	for (auto &consumer : consumers) {
		try {
			consumer.get();
		} catch (const std::out_of_range &error) {
			std::cout << "consumer: " << error.what() << '\n';
		}
	}
	std::shared_lock lock(totals_mutex);
	for (const auto &[key, total] : totals)
		std::cout << "total " << key << ": " << total << '\n';
}

std::atomic<int> farewells;

struct farewell {
	int number = 0;
	~farewell() { farewells += number; }
};

thread_local farewell own;
std::once_flag begun;

void phases()
{
	std::atomic<int> completed = 0, started = 0;
	std::atomic<bool> go = false;
	std::barrier phase(6, [&]() noexcept { completed++; });
	{
		std::vector<std::jthread> threads;

		for (int i = 1; i <= 6; i++) {
			threads.emplace_back([&, i] {
				own.number = i;
				go.wait(false);
				std::call_once(begun, [&] { std::this_thread::sleep_for(5ms); started++; });
				for (int round = 0; round < 20; round++)
					phase.arrive_and_wait();
			});
		}
		go = true;
		go.notify_all();
	}
	std::cout << "phases " << completed << ", started " << started << ", farewells " << farewells << '\n';
}

/* Exceptions in flight in many threads at once, with others thrown and caught while the stack is unwound. */
struct careful {
	std::atomic<int> &count;

	~careful()
	{
		try {
			std::this_thread::yield();
			throw 1;
		} catch (int one) {
			count += one;
		}
	}
};

int descend(int depth, std::atomic<int> &count)
{
	careful here{ count };

	if (depth == 0)
		throw std::domain_error("the bottom");
	return descend(depth - 1, count) + 1;
}

void exceptions()
{
	std::atomic<int> destroyed = 0, caught = 0;
	{
		std::vector<std::jthread> threads;

		for (int i = 0; i < 8; i++) {
			threads.emplace_back([&] {
				for (int round = 0; round < 20; round++) {
					try {
						descend(10, destroyed);
					} catch (const std::domain_error &) {
						caught++;
					}
				}
			});
		}
	}
	std::promise<int> broken;
	auto future = broken.get_future();
	{
		std::promise<int> gone = std::move(broken);
	}
	try {
		future.get();
	} catch (const std::future_error &error) {
		std::cout << "caught " << caught << ", destroyed " << destroyed << ", "
			  << (error.code() == std::future_errc::broken_promise ? "broken promise" : "other") << '\n';
	}
}

}

int main()
{
	serve(8);
	timers();
	pipeline();
	phases();
	exceptions();
}
