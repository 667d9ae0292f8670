// SPDX-License-Identifier: MIT
// dl_objects.cpp - a C++ module whose functions wait with live objects; dynamic.c, a C program, loads it
#include <string>
#include <unistd.h>

namespace {

struct Object {
	std::string name;
	void (*say)(const char *);
	~Object() { say(("destructor of " + name).c_str()); }
};

}

extern "C" void module_wait(const char *name, void (*say)(const char *), void (*wait)(void))
{
	Object outer{std::string("outer ") + name, say}, inner{std::string("inner ") + name, say};

	wait();
	say("the wait has returned");
}

extern "C" int module_throw(int number)
{
	try {
		throw number;
	} catch (int caught) {
		usleep(2000);
		try {
			throw std::string("inner");
		} catch (const std::string &) {
			usleep(2000);
		}
		return caught;
	}
}
