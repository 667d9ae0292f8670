// SPDX-License-Identifier: MIT
// test_cxx.cpp - the public headers in C++, and exceptions on greenlets (E9); the last line counts as the suites' does
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <green.h>

static int passed, failed, destroyed;

#define CLAIM(condition) claim(condition, #condition, __LINE__)

static void claim(bool holds, const char *text, int line)
{
	if (holds)
		return;
	failed++;
	std::printf("test_cxx.cpp:%d: %s does not hold\n", line, text);
}

struct counted {
	~counted() { destroyed++; }
};

static void *to_parent(void *value)
{
	return green_switch(green_parent(green_current()), value);
}

static void throws_deep(int depth)
{
	counted here;

	if (depth == 0) {
		to_parent(nullptr);
		throw std::runtime_error("deep");
	}
	throws_deep(depth - 1);
}

// Throws and catches what was suspended in the middle of it by switches.
static void *catches_own(void *value)
{
	for (;;) {
		bool caught = false;

		try {
			throws_deep(5);
		} catch (const std::runtime_error &error) {
			caught = std::string(error.what()) == "deep";
		}
		CLAIM(caught);
		value = to_parent(value);
		if (!value)
			return nullptr;
	}
}

static void exceptions_stay_in_their_greenlet()
{
	struct greenlet *greenlets[2] = { green_create(catches_own, nullptr), green_create(catches_own, nullptr) };
	int token;

	for (int i = 0; i < 40; i++)
		green_switch(greenlets[i % 2], &token);
	// Each round is two switches, and unwinds six frames.
	CLAIM(destroyed == 2 * 10 * 6);
	for (struct greenlet *greenlet : greenlets) {
		green_switch(greenlet, nullptr);
		CLAIM(green_dead(greenlet));
		CLAIM(green_destroy(greenlet) == 0);
	}
}

// An error becomes an exception, the exception an error: how a C++ program wraps the calls.
static void *rethrows(void *)
{
	try {
		counted here;

		if (green_sleep(10000) < 0)
			throw green_error(nullptr);
	} catch (int code) {
		CLAIM(code == GREEN_EXIT);
		return nullptr;
	}
	CLAIM(!"slept on");
	return nullptr;
}

static void a_kill_becomes_an_exception()
{
	struct greenlet *task = green_spawn(rethrows, nullptr);

	destroyed = 0;
	green_yield();
	CLAIM(green_kill(task, -1) == 0);
	CLAIM(destroyed == 1);
	CLAIM(green_destroy(task) == 0);
}

static void *numbers(struct green_generator *self, void *limit)
{
	counted here;

	for (intptr_t i = 0; i < reinterpret_cast<intptr_t>(limit); i++) {
		if (green_generator_yield(self, reinterpret_cast<void *>(i), nullptr) < 0)
			break;
	}
	return nullptr;
}

static void a_generator_that_is_closed_destroys_its_objects()
{
	struct green_generator *generator = green_generator_create(numbers, reinterpret_cast<void *>(9));

	destroyed = 0;
	CLAIM(green_generator_next(generator, nullptr) == 1);
	CLAIM(destroyed == 0);
	CLAIM(green_generator_destroy(generator) == 0);
	CLAIM(destroyed == 1);
}

static void *throws_out(void *value)
{
	if (!value)
		throw 1;
	return value;
}

// The frame at which a greenlet begins is the end of every unwinder's walk, so std::terminate aborts.
static void crossing_the_base_frame_aborts()
{
	int status = 0;
	pid_t pid;

	std::fflush(nullptr);
	pid = fork();
	if (pid == 0) {
		std::set_terminate([] { _exit(44); });
		try {
			green_switch(green_create(throws_out, nullptr), nullptr);
		} catch (int) {
			_exit(1);
		}
		_exit(2);
	}
	waitpid(pid, &status, 0);
	CLAIM(WIFEXITED(status) && WEXITSTATUS(status) == 44);
}

static void run(void (*test)())
{
	int before = failed;

	test();
	if (failed > before)
		failed = before + 1;
	else
		passed++;
}

int main()
{
	run(exceptions_stay_in_their_greenlet);
	run(a_kill_becomes_an_exception);
	run(a_generator_that_is_closed_destroys_its_objects);
	run(crossing_the_base_frame_aborts);
	std::printf("%d passed, %d failed, 0 skipped\n", passed, failed);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
