/* SPDX-License-Identifier: MIT */
/* boost_context.cpp - Boost.Context: its raw switch, and its fiber, which owns a stack */
#include <boost/context/detail/fcontext.hpp>
#include <boost/context/fiber.hpp>
#include <cstddef>
#include <utility>

#include "harness.h"

namespace context = boost::context;
namespace raw = boost::context::detail;

enum { STACK = 64 * 1024 };

alignas(64) static char stack[STACK];

static void back(raw::transfer_t from)
{
	for (;;)
		from = raw::jump_fcontext(from.fctx, nullptr);
}

static void run_fcontext(long times)
{
	raw::transfer_t other = { raw::make_fcontext(stack + STACK, STACK, back), nullptr };

	for (long i = 0; i < times / 2; i++)
		other = raw::jump_fcontext(other.fctx, nullptr);
}

static void run_fiber(long times)
{
	bool over = false;
	context::fiber other([&over](context::fiber &&from) {
		while (!over)
			from = std::move(from).resume();
		return std::move(from);
	});

	for (long i = 0; i < times / 2; i++)
		other = std::move(other).resume();
	over = true;
	other = std::move(other).resume();
}

static void run_create(long times)
{
	for (long i = 0; i < times; i++)
		context::fiber([](context::fiber &&from) { return std::move(from); }).resume();
}

const struct bench_case bench_cases[] = {
	{ "switch", run_fcontext },
	{ "switch_fiber", run_fiber },
	{ "create", run_create },
	{ nullptr, nullptr },
};
