/* SPDX-License-Identifier: MIT */
/* stack.c - memory for stacks: slabs, guards, recycling */
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/fault.h"
#include "base/spinlock.h"
#include "base/sys.h"
#include "switch/stack.h"

/*
 * A guard marker (Linux 6.13) lives in the page table and costs no mapping; an
 * mprotect guard splits the mapping in two, which ends near vm.max_map_count/2
 * stacks.  MADV_DONTNEED leaves both kinds alone.
 */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define STACK_LIVE UINT64_C(0x676e65726776696c)
#define STACK_FREE UINT64_C(0x676e657267656572)

enum {
	PAGE = 4096,
	PAGE_TABLE_SPAN = 2 * 1024 * 1024, /* what one page of page table maps */
	SLAB_BYTES = 64 * 1024 * 1024,
	SLAB_STACKS_MAX = 256,
	COLOURS = 16,     /* tops of stacks start on this many different cache lines */
	COLOUR_STEP = 64,
	CACHE_STACKS = 8,              /* free stacks that a kernel thread has at hand, which keep their pages, too */
	KEEP_STACKS = 16,              /* free stacks of a class that keep their pages, whatever those are */
	KEEP_BYTES = 16 * 1024 * 1024, /* pages that all others may keep, as far as is known */
	LOOK_EVERY = 64,               /* so many releases are judged by a look at one */
	LOOK_PAGES = 64,               /* upmost pages of a stack that are looked at */
	CLASSES_MAX = 256,
	STAGGER = 9 * PAGE, /* eight entries of a table of pages lie on one line of the cache */
};

struct slab {
	struct slab *next; /* green slabs, newest first; never removed, so a handler may walk */
	char *base;
	size_t slot;       /* bytes from one guard to the next */
	unsigned count;
	_Atomic unsigned carved;
};

struct stack_class {
	size_t slot;         /* guard and usable bytes */
	struct stack *free;
	size_t free_count; /* atomic, for a look without the lock */
	struct slab *slab;   /* the one that still has slots to carve */
	unsigned looks;      /* releases of which one in LOOK_EVERY was looked at, roughly; atomic as TOUCHED is */
	size_t touched;      /* bytes below its top page that a stack has used when it is released, on average of late */
};

static struct spinlock pool_lock;
static struct stack_class classes[CLASSES_MAX];
static size_t kept; /* the sum of stack.kept; atomic, for a look without the lock */
static _Atomic(struct slab *) slabs;
static _Atomic int markers = -1; /* -1 unknown, 0 mprotect, 1 guard markers */

static bool guard_install(char *page)
{
	long result;

	if (markers != 0) {
		result = sys_call(SYS_madvise, page, PAGE, MADV_GUARD_INSTALL);
		if (!sys_failed(result)) {
			markers = 1;
			return true;
		}
		if (markers == 1)
			return false;
		markers = 0;
	}
	return !sys_failed(sys_call(SYS_mprotect, page, PAGE, PROT_NONE));
}

bool green__stack_has_guard_markers(void)
{
	if (markers < 0) {
		struct stack *stack = green__stack_take(STACK_SIZE_MIN);

		if (stack)
			green__stack_release(stack);
	}
	return markers == 1;
}

/* Descriptors lie together: on a slab of its own each would cost a page, and a page of page table. */
static struct slab *descriptor_take(void)
{
	static struct slab *next, *end;
	long mapped;

	if (next == end) {
		mapped = sys_call(SYS_mmap, 0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (sys_failed(mapped))
			return NULL;
		next = (struct slab *)mapped;
		end = next + PAGE / sizeof(*next);
	}
	return next++;
}

static uintptr_t map(size_t bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
	long mapped = sys_call(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);

	return sys_failed(mapped) ? 0 : (uintptr_t)mapped;
}

static struct slab *slab_map(size_t slot, unsigned count)
{
	size_t bytes = slot * count;
	uintptr_t base = map(bytes);
	struct slab *slab = base ? descriptor_take() : NULL;

	if (!slab) {
		if (base)
			sys_call(SYS_munmap, base, bytes);
		return NULL;
	}
	sys_call(SYS_madvise, base, bytes, MADV_NOHUGEPAGE);
	*slab = (struct slab){ .next = slabs, .base = (char *)base, .slot = slot, .count = count };
	slabs = slab;
	return slab;
}

/* Where the process may have little address space, nothing is taken in advance. */
static bool address_space_limited(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	sys_call(SYS_prlimit64, 0, RLIMIT_AS, NULL, &limit);
	return limit.rlim_cur != RLIM_INFINITY;
}

static struct slab *slab_create(size_t slot)
{
	size_t count = address_space_limited() ? 1 : SLAB_BYTES / slot;
	struct slab *slab;

	if (count < 1)
		count = 1;
	if (count > SLAB_STACKS_MAX)
		count = SLAB_STACKS_MAX;
	slab = slab_map(slot, (unsigned)count);
	if (!slab && count > 1)
		slab = slab_map(slot, 1);
	return slab;
}

static struct stack *stack_in_slot(const struct slab *slab, unsigned number)
{
	char *end = slab->base + (number + 1) * slab->slot;

	return (struct stack *)(void *)(end - number % COLOURS * COLOUR_STEP - sizeof(struct stack));
}

/* Cut the next stack out of CLASS's slab; NULL with *ERROR. */
static struct stack *stack_carve(struct stack_class *class, int *error)
{
	struct slab *slab = class->slab;
	struct stack *stack;
	char *start;

	*error = ENOMEM;
	if (!slab || slab->carved == slab->count)
		slab = class->slab = slab_create(class->slot);
	if (!slab)
		return NULL;
	start = slab->base + slab->carved * slab->slot;
	*error = EAGAIN;
	if (!guard_install(start))
		return NULL;
	stack = stack_in_slot(slab, slab->carved);
	slab->carved++;
	stack->low = start + PAGE;
	stack->size = (size_t)((char *)(stack + 1) - stack->low);
	stack->guard = PAGE;
	stack->class = class;
	return stack;
}

static struct stack_class *class_find(size_t slot)
{
	for (size_t i = 0; i < CLASSES_MAX; i++) {
		if (classes[i].slot == slot)
			return &classes[i];
		if (classes[i].slot == 0) {
			classes[i].slot = slot;
			return &classes[i];
		}
	}
	return NULL;
}

/*
 * Sizes are rounded, more coarsely as they grow, so that the number of classes stays small.  The tops of large stacks
 * lie in tables of pages of their own, at a different place in each: else all those places were one set of the cache.
 */
static size_t slot_size(size_t size)
{
	size_t wanted = size + sizeof(struct stack) + COLOURS * COLOUR_STEP + PAGE;
	size_t step = PAGE, more;

	while (step * 8 < wanted)
		step *= 2;
	more = step > PAGE_TABLE_SPAN / 8 ? STAGGER : 0;
	return ((wanted - more + step - 1) & ~(step - 1)) + more;
}

struct stack *green__stack_take(size_t size)
{
	struct stack_class *class;
	struct stack *stack = NULL;
	int error = ENOMEM;

	if (size > SIZE_MAX / 4 || green__fault_injected()) {
		errno = ENOMEM;
		return NULL;
	}
	spinlock_lock(&pool_lock);
	class = class_find(slot_size(size < STACK_SIZE_MIN ? STACK_SIZE_MIN : size));
	if (class && class->free) {
		stack = class->free;
		class->free = stack->next_free;
		__atomic_store_n(&kept, kept - stack->kept, __ATOMIC_RELAXED);
		__atomic_store_n(&class->free_count, class->free_count - 1, __ATOMIC_RELAXED);
	} else if (class) {
		stack = stack_carve(class, &error);
	}
	spinlock_unlock(&pool_lock);
	if (!stack) {
		errno = error;
		return NULL;
	}
	stack->magic = STACK_LIVE;
	return stack;
}

struct stack *green__stack_take_near(struct stack_cache *cache, size_t size)
{
	struct stack *stack = cache->free;

	if (likely(stack && cache->size == size && !green__fault_injected())) {
		cache->free = stack->next_free;
		cache->count--;
		stack->magic = STACK_LIVE;
		return stack;
	}
	if (cache->size != size)
		green__stack_cache_flush(cache);
	stack = green__stack_take(size);
	if (stack) {
		cache->size = size;
		cache->class = stack->class;
	}
	return stack;
}

struct stack *green__stack_wrap(void *memory, size_t size)
{
	uintptr_t top = ((uintptr_t)memory + size) & ~(uintptr_t)63;
	struct stack *stack = (struct stack *)(top - sizeof(*stack));

	stack->low = memory;
	stack->size = (size_t)((char *)(stack + 1) - stack->low);
	stack->guard = 0;
	stack->class = NULL;
	stack->magic = STACK_LIVE;
	return stack;
}

/* The page at the top stays anyway: who releases the stack stands on it, or has just been there. */
static uintptr_t top_page(const struct stack *stack)
{
	return (uintptr_t)stack & ~(uintptr_t)(PAGE - 1);
}

/* How many bytes below its top page STACK has used; all, if it is likely that it went deeper than is looked. */
static size_t bytes_touched(const struct stack *stack)
{
	unsigned char resident[LOOK_PAGES];
	uintptr_t low = (uintptr_t)stack->low, end = top_page(stack);
	size_t pages = (end - low) / PAGE, touched = 0;

	if (pages > LOOK_PAGES)
		pages = LOOK_PAGES;
	if (sys_failed(sys_call(SYS_mincore, end - pages * PAGE, pages * PAGE, resident)))
		return end - low;
	for (size_t i = 0; i < pages; i++)
		touched += resident[i] & 1;
	return touched == LOOK_PAGES ? end - low : touched * PAGE;
}

/* What is likely of STACK, for to ask the kernel about each would be as slow as to let it take the pages. */
static size_t probably_touched(struct stack_class *class, const struct stack *stack)
{
	unsigned looks = __atomic_load_n(&class->looks, __ATOMIC_RELAXED);
	size_t average = __atomic_load_n(&class->touched, __ATOMIC_RELAXED);

	__atomic_store_n(&class->looks, looks + 1, __ATOMIC_RELAXED);
	if (looks % LOOK_EVERY == 0) {
		size_t touched = bytes_touched(stack);

		average = looks ? (average + touched) / 2 : touched;
		__atomic_store_n(&class->touched, average, __ATOMIC_RELAXED);
	}
	return average;
}

/* The kernel takes 500 ns for it, also where there is hardly anything to take. */
static void give_pages_back(const struct stack *stack)
{
	sys_call(SYS_madvise, stack->low, top_page(stack) - (uintptr_t)stack->low, MADV_DONTNEED);
}

/* Returns: what of its pages STACK, which is being released, may keep. */
static uint32_t keep_pages(struct stack_class *class, const struct stack *stack)
{
	size_t touched;

	if (__atomic_load_n(&class->free_count, __ATOMIC_RELAXED) < KEEP_STACKS)
		return 0;
	touched = probably_touched(class, stack);
	if (touched <= KEEP_BYTES && __atomic_load_n(&kept, __ATOMIC_RELAXED) <= KEEP_BYTES - touched)
		return (uint32_t)touched;
	give_pages_back(stack);
	return 0;
}

static void mark_free(struct stack *stack)
{
	if (stack->magic != STACK_LIVE)
		__builtin_trap();
	stack->magic = STACK_FREE;
}

static void give_to_pool(struct stack *stack)
{
	struct stack_class *class = stack->class;

	stack->kept = keep_pages(class, stack);
	spinlock_lock(&pool_lock);
	__atomic_store_n(&kept, kept + stack->kept, __ATOMIC_RELAXED);
	stack->next_free = class->free;
	class->free = stack;
	__atomic_store_n(&class->free_count, class->free_count + 1, __ATOMIC_RELAXED);
	spinlock_unlock(&pool_lock);
}

void green__stack_release(struct stack *stack)
{
	if (!stack->class)
		return;
	mark_free(stack);
	give_to_pool(stack);
}

void green__stack_release_near(struct stack_cache *cache, struct stack *stack)
{
	if (stack->class != cache->class || !cache->class || cache->count == CACHE_STACKS) {
		green__stack_release(stack);
		return;
	}
	mark_free(stack);
	stack->next_free = cache->free;
	cache->free = stack;
	cache->count++;
}

void green__stack_cache_flush(struct stack_cache *cache)
{
	while (cache->free) {
		struct stack *stack = cache->free;

		cache->free = stack->next_free;
		give_to_pool(stack);
	}
	*cache = (struct stack_cache) { .class = NULL };
}

bool green__stack_is_guard(uintptr_t address)
{
	for (struct slab *slab = slabs; slab; slab = slab->next) {
		uintptr_t base = (uintptr_t)slab->base;

		if (address >= base && address < base + slab->carved * slab->slot)
			return (address - base) % slab->slot < PAGE;
	}
	return false;
}

struct stack *green__stack_at(uintptr_t address)
{
	for (struct slab *slab = slabs; slab; slab = slab->next) {
		uintptr_t base = (uintptr_t)slab->base;

		if (address >= base && address < base + slab->carved * slab->slot)
			return stack_in_slot(slab, (unsigned)((address - base) / slab->slot));
	}
	return NULL;
}

void green__stack_after_fork(void)
{
	spinlock_init(&pool_lock);
}
