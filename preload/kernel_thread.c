/* SPDX-License-Identifier: MIT */
/* kernel_thread.c - threads that stay kernel threads, because of the library that they run */
#include "kernel_thread.h"

#include <fnmatch.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>

#include "sigparts.h"
#include "thread.h"

static char patterns[PATH_MAX]; /* GREEN_NATIVE_THREADS: names and globs, with colons between */
static char program_path[PATH_MAX];
static const char *program = program_path; /* the name of the file that the process executes */
static bool program_is_native;
static int alive;               /* futex word */

/* Their threads are made for somebody else, who is told by the first word of what the routine gets. */
static const char *const go_betweens[] = { "libstdc++.so", "libc++.so", "libglib-2.0.so", "libgreen-preload.so" };

static bool begins_with(const char *text, const char *beginning)
{
	return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* --- which library --- */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The name of the file that ADDRESS lies in; "" if it lies in none. */
static const char *library_of(const void *address)
{
	struct dl_find_object object;

	if (!address || _dl_find_object((void *)(uintptr_t)address, &object))
		return "";
	return object.dlfo_link_map->l_name[0] ? last_part(object.dlfo_link_map->l_name) : program;
}

static bool is_known(const char *library)
{
	static const char *const known[] = {
#define NATIVE(name) name,
#include "native_libraries.def"
#undef NATIVE
	};

	for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
		if (begins_with(library, known[i]))
			return true;
	}
	return false;
}

/* A name without its version stands for all versions. */
static bool matches(const char *pattern, const char *library)
{
	size_t length = strlen(pattern);

	return fnmatch(pattern, library, 0) == 0 ||
	       (strncmp(pattern, library, length) == 0 && begins_with(library + length, ".so"));
}

static bool is_asked_for(const char *library)
{
	char pattern[NAME_MAX + 1];

	for (const char *from = patterns; *from;) {
		size_t length = strcspn(from, ":");

		if (length > 0 && length < sizeof(pattern)) {
			memcpy(pattern, from, length);
			pattern[length] = '\0';
			if (matches(pattern, library))
				return true;
		}
		from += length + (from[length] == ':');
	}
	return false;
}

static bool is_native(const char *library)
{
	return *library && (is_known(library) || is_asked_for(library));
}

static bool is_go_between(const char *library)
{
	for (size_t i = 0; i < ARRAY_LENGTH(go_betweens); i++) {
		if (begins_with(library, go_betweens[i]))
			return true;
	}
	return false;
}

bool kernel_thread_wanted(void *(*routine)(void *), const void *argument)
{
	const char *library = library_of((const void *)(uintptr_t)routine);

	if (likely(library == program))
		return program_is_native;
	if (is_go_between(library) && argument)
		library = library_of(*(const void *const *)argument);
	return is_native(library);
}

/* Programs overwrite their environment to show a title. */
void kernel_thread_begin(void)
{
	const char *value = getenv("GREEN_NATIVE_THREADS");
	long length = sys_call(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", program_path, sizeof(program_path) - 1);

	program_path[sys_failed(length) ? 0 : length] = '\0';
	program = last_part(program_path);
	if (value && snprintf(patterns, sizeof(patterns), "%s", value) >= (int)sizeof(patterns))
		shim_say("GREEN_NATIVE_THREADS: too long, the end is not used");
	program_is_native = is_native(program);
}

/* --- the thread --- */

struct start {
	void *(*routine)(void *);
	void *argument;
	uint64_t mask;
};

static void one_less(int *unused)
{
	(void)unused;
	if (__atomic_sub_fetch(&alive, 1, __ATOMIC_SEQ_CST) == 0)
		sys_call(SYS_futex, &alive, FUTEX_WAKE_PRIVATE, 1);
}

/* Also ends by pthread_exit and by cancellation. */
static void *run(void *arg)
{
	struct start start = *(struct start *)arg;
	CLEANUP(one_less) int counted = 1;

	free(arg);
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &start.mask, NULL, sizeof(start.mask));
	return start.routine(start.argument);
}

/* What the new thread would block natively; BLOCKED is what the kernel blocks for the caller. */
static uint64_t mask_for(const pthread_attr_t *attributes, uint64_t blocked)
{
	const struct thread *self = thread_self();
	uint64_t mask = self->block ? self->mask : blocked;
	sigset_t set;

	if (attributes && pthread_attr_getsigmask_np(attributes, &set) == 0)
		memcpy(&mask, &set, sizeof(mask));
	return mask & ~LIBC_SIGNALS;
}

/* Everything is blocked meanwhile, so that the thread begins before anything comes to it. */
static int create(pthread_t *id, const pthread_attr_t *attributes, struct start *start)
{
	uint64_t all = ~LIBC_SIGNALS, blocked;
	int error;

	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &blocked, sizeof(all));
	start->mask = mask_for(attributes, blocked);
	__atomic_add_fetch(&alive, 1, __ATOMIC_SEQ_CST);
	error = real(pthread_create)(id, attributes, run, start);
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, NULL, sizeof(blocked));
	if (error)
		one_less(NULL);
	else
		__atomic_add_fetch(&shim.stats->native_threads, 1, __ATOMIC_RELAXED);
	return error;
}

int kernel_thread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument)
{
	struct start *start = malloc(sizeof(*start));
	int error;

	if (!start)
		return EAGAIN;
	start->routine = routine;
	start->argument = argument;
	error = create(id, attributes, start);
	if (error)
		free(start);
	return error;
}

void kernel_threads_wait(int *ended)
{
	int left;

	if (__atomic_load_n(&alive, __ATOMIC_SEQ_CST) == 0)
		return;
	/* One of them may wait for it. */
	__atomic_store_n(ended, 1, __ATOMIC_SEQ_CST);
	sys_call(SYS_futex, ended, FUTEX_WAKE_PRIVATE, INT_MAX);
	while ((left = __atomic_load_n(&alive, __ATOMIC_SEQ_CST)) > 0)
		sys_call(SYS_futex, &alive, FUTEX_WAIT_PRIVATE, left, NULL);
}

void kernel_threads_after_fork(void)
{
	alive = 0;
}
