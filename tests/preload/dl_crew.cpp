// SPDX-License-Identifier: MIT
// dl_crew.cpp - a C++ module with a std::thread of its own, whose routine is libstdc++'s; loaded by workers.c
#include <thread>

extern "C" void crew_run(void *(*body)(void *), void *argument);

extern "C" void crew_run(void *(*body)(void *), void *argument)
{
	std::thread([=] { body(argument); }).join();
}
