/* SPDX-License-Identifier: MIT */
/*
 * unwind.c - what clean-up code needs of libgcc_s, found when it is needed
 *
 * The compiler lets code with clean-ups call these two when a stack is unwound, and
 * then libgcc_s is there: whoever unwinds has brought it.  Linked with it, every
 * program under the shim would have to load it, also the many small ones of a shell
 * or a build, and its constructor alone takes as long as all of ours.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

/* As the ABI has them; a header would export them. */
struct _Unwind_Exception;
struct _Unwind_Context;
int __gcc_personality_v0(int version, int actions, uint64_t class, struct _Unwind_Exception *exception,
			 struct _Unwind_Context *context);
void _Unwind_Resume(struct _Unwind_Exception *exception) __attribute__((noreturn));

static struct {
	__typeof__(__gcc_personality_v0) *personality;
	__typeof__(_Unwind_Resume) *resume;
} real;

/* Nobody comes here without libgcc_s, so it is found. */
static void *find(const char *name)
{
	void *library = dlopen("libgcc_s.so.1", RTLD_NOW);
	void *found = library ? dlsym(library, name) : NULL;

	if (!found)
		__builtin_trap();
	return found;
}

int __gcc_personality_v0(int version, int actions, uint64_t class, struct _Unwind_Exception *exception,
			 struct _Unwind_Context *context)
{
	if (!real.personality)
		*(void **)(void *)&real.personality = find("__gcc_personality_v0");
	return real.personality(version, actions, class, exception, context);
}

void _Unwind_Resume(struct _Unwind_Exception *exception)
{
	if (!real.resume)
		*(void **)(void *)&real.resume = find("_Unwind_Resume");
	real.resume(exception);
	__builtin_unreachable();
}
