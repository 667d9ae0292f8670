/* SPDX-License-Identifier: MIT */
/*
 * hook_dl.c - nobody enters ld.so while a greenlet is parked inside it
 *
 * A constructor that dlopen runs may park, and ld.so's lock is held meanwhile.
 * The lock is recursive and records its owner's id, so whether somebody else has it
 * can be read.  It lies just before the lock that dl_iterate_phdr holds, which is
 * found by looking, inside a call of that, for a lock that we own.
 */
#include <link.h>
#include <string.h>

#include "hub/task.h"
#include "preempt.h"
#include "shim.h"
#include "thread.h"
#include "tls.h"

#define LOOK_AGAIN (1 * NS_PER_MS)

enum { GLOBAL_BYTES = 8192 };

static pthread_mutex_t *load_lock;

static bool owned(const pthread_mutex_t *lock, int tid)
{
	return lock->__data.__lock == 1 && lock->__data.__owner == tid && lock->__data.__count == 1 &&
	       lock->__data.__kind == PTHREAD_MUTEX_RECURSIVE;
}

static int find_in_callback(struct dl_phdr_info *info, size_t size, void *global)
{
	int tid = *tls_tid((uintptr_t)pthread_self());

	(void)info;
	(void)size;
	for (char *at = (char *)global + sizeof(pthread_mutex_t); at < (char *)global + GLOBAL_BYTES; at += 8) {
		pthread_mutex_t *lock = (pthread_mutex_t *)(void *)at;

		if (owned(lock, tid) && lock[-1].__data.__kind == PTHREAD_MUTEX_RECURSIVE && lock[-1].__data.__lock == 0) {
			load_lock = &lock[-1];
			return 1;
		}
	}
	return 1;
}

void dl_find_lock(void)
{
	static bool looked;
	char *global;

	if (looked)
		return;
	looked = true;
	global = dlsym(RTLD_DEFAULT, "_rtld_global");
	if (global)
		real(dl_iterate_phdr)(find_in_callback, global);
}

int dl_inside(void)
{
	int tid = *tls_tid((uintptr_t)pthread_self());

	/* Its neighbour is held while dl_iterate_phdr calls back. */
	return load_lock && (load_lock[0].__data.__owner == tid || load_lock[1].__data.__owner == tid);
}

static bool held_by_other(const pthread_mutex_t *lock, int tid)
{
	return lock->__data.__owner && lock->__data.__owner != tid;
}

/* A program's own calls may have made a hub before the birth; until that nobody knows where a thread's id is, or the locks. */
static struct hub *hub_to_wait_on(void)
{
	return shim.hub ? shim_hub() : NULL;
}

/* The owner may be on a helper, so the lock is looked at again by the clock. */
static void wait_for_list(void)
{
	struct hub *hub = hub_to_wait_on();
	int tid = *tls_tid((uintptr_t)pthread_self());

	if (!hub)
		return;
	dl_find_lock();
	while (load_lock && held_by_other(&load_lock[1], tid))
		green__sleep(hub, clock_after(LOOK_AGAIN), WAIT_PLAIN);
}

static void wait_outside(void)
{
	struct hub *hub = hub_to_wait_on();
	int tid = *tls_tid((uintptr_t)pthread_self());

	wait_for_list();
	while (hub && load_lock && held_by_other(&load_lock[0], tid)) {
		green__sleep(hub, clock_after(LOOK_AGAIN), WAIT_PLAIN);
		wait_for_list();
	}
}

__attribute__((visibility("hidden"))) void *dl_wait_dlopen(const char *name)
{
	if (name)
		shim_loads(name);
	wait_outside();
	return (void *)(uintptr_t)real(dlopen);
}

__attribute__((visibility("hidden"))) void *dl_wait_dlmopen(void)
{
	wait_outside();
	return (void *)(uintptr_t)real(dlmopen);
}

/* A look in one library, libc above all, finds what replaces it. */
static void *find_in(void *handle, const char *name)
{
	return real_replacement(real(dlsym)(handle, name));
}

__attribute__((visibility("hidden"))) void *dl_wait_dlsym(void *handle)
{
	wait_outside();
	return handle == RTLD_NEXT || handle == RTLD_DEFAULT ? (void *)(uintptr_t)real(dlsym) : (void *)(uintptr_t)find_in;
}

WRAPPER int dlclose(void *handle)
{
	wait_outside();
	return real(dlclose)(handle);
}

WRAPPER int dladdr(const void *address, Dl_info *info)
{
	wait_outside();
	return real(dladdr)(address, info);
}

WRAPPER int dladdr1(const void *address, Dl_info *info, void **extra, int flags)
{
	wait_outside();
	return real(dladdr1)(address, info, extra, flags);
}

WRAPPER int dlinfo(void *handle, int request, void *to)
{
	wait_outside();
	return real(dlinfo)(handle, request, to);
}

/* It leaves the outer lock alone, and a thread that a constructor waits for must be able to start meanwhile. */
WRAPPER int dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data)
{
	wait_for_list();
	return real(dl_iterate_phdr)(callback, data);
}
