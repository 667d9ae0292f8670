/* SPDX-License-Identifier: MIT */
/* greenlet.c - create, switch with a value, parent, end */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/fault.h"
#include "base/note.h"
#include "base/sys.h"
#include "green/debug.h"
#include "switch/greenlet.h"
#include "switch/overflow.h"
#include "switch/swap.h"
#include "switch/uncaught.h"

/* Without the attribute this file would ask for its address by a call. */
__thread struct greenlet *green__current GREEN_INITIAL_EXEC;

/* By this the shim finds a copy that is not the one it runs on. */
GREEN_NOTE;

int green__recording;
void (*green__recorder)(struct greenlet *greenlet, int what);

#if defined(__x86_64__)
intptr_t green__errno_distance, green__current_distance;

static GREEN_NOINLINE void distances_find(void)
{
	intptr_t here = (intptr_t)thread_pointer_read();

	__atomic_store_n(&green__errno_distance, (intptr_t)&errno - here, __ATOMIC_RELAXED);
	__atomic_store_n(&green__current_distance, (intptr_t)&green__current - here, __ATOMIC_RELAXED);
}

static inline void distance_expect(uintptr_t thread_pointer, const intptr_t *distance)
{
	__builtin_prefetch((void *)(thread_pointer + (uintptr_t)__atomic_load_n(distance, __ATOMIC_RELAXED)), 1);
}

/* Where all greenlets have one block it is in the cache anyway. */
static inline void thread_locals_expect(uintptr_t thread_pointer)
{
	__builtin_prefetch((void *)thread_pointer, 1);
	distance_expect(thread_pointer, &green__current_distance);
	distance_expect(thread_pointer, &green__errno_distance);
}
#else
static inline void thread_locals_expect(uintptr_t thread_pointer)
{
	(void)thread_pointer;
}

static void distances_find(void)
{
}

GREEN_NOINLINE int green__errno_exchange(int value)
{
	int before = errno;

	errno = value;
	return before;
}

GREEN_NOINLINE void green__current_set(struct greenlet *greenlet)
{
	green__current = greenlet;
}
#endif

/* glibc's way to run code when a thread ends; unlike a key's destructor it passes no function that a shim replaces. */
extern int __cxa_thread_atexit_impl(void (*function)(void *), void *arg, void *dso) __attribute__((weak));
extern void *__dso_handle __attribute__((visibility("hidden")));

void green__hub_destroy(struct flow *flow);

/* It stands or waits somewhere, or was to begin: nothing of it will run, its clean-up neither. */
static bool is_lost(const struct greenlet *greenlet)
{
	if (greenlet->kind == GREENLET_MAIN || greenlet->kind == GREENLET_HUB)
		return false;
	if (greenlet->state == GREENLET_UNSTARTED)
		return greenlet->scheduled;
	return greenlet->state == GREENLET_ACTIVE || greenlet->state == GREENLET_IDLE;
}

/* Who is told may do what it likes with all of them, so those that are told go to a list of their own meanwhile. */
static void tell_of_the_lost(struct flow *flow)
{
	uint64_t end = flow->last_id;
	struct list told;
	struct list *node;

	if (likely(!green__uncaught_heard()))
		return;
	list_init(&told);
	while ((node = list_pop(&flow->all))) {
		struct greenlet *greenlet = container_of(node, struct greenlet, all);

		list_append(&told, node);
		if (greenlet->id < end && is_lost(greenlet))
			green__uncaught(GREEN_TROUBLE_LOST, greenlet, 0, NULL);
	}
	list_splice(&flow->all, &told);
}

static void flow_destroy(void *arg)
{
	struct flow *flow = arg;

	tell_of_the_lost(flow);
	if (green__current == &flow->main && flow->main.locals)
		flow->main.locals->ended(&flow->main);
	if (flow->hub)
		green__hub_destroy(flow);
	current_set(NULL);
	green__overflow_unwatch(flow->signal_stack);
	green__flow_gone(flow);
}

static void greenlet_init(struct greenlet *greenlet, struct flow *flow, enum greenlet_kind kind)
{
	greenlet->flow = flow;
	greenlet->kind = kind;
	greenlet->thread_pointer = flow->thread_pointer;
	greenlet->id = flow->last_id++;
	list_init(&greenlet->ready);
	list_init(&greenlet->watches);
	list_init(&greenlet->limits);
	list_append(&flow->all, &greenlet->all);
	flow->living++;
}

struct flow *green__flow_make(void)
{
	int saved_errno = errno;
	struct flow *flow = green__fault_injected() ? NULL : calloc(1, sizeof(*flow));

	if (!flow) {
		errno = ENOMEM;
		return NULL;
	}
	green__thread_pointer_init();
	distances_find();
	flow->thread_pointer = thread_pointer_read();
	flow->stack_size = STACK_SIZE_DEFAULT;
	flow->stats = &flow->own_stats;
	list_init(&flow->all);
	greenlet_init(&flow->main, flow, GREENLET_MAIN);
	flow->main.state = GREENLET_ACTIVE;
	strcpy(flow->main.name, "main");
	sanitizer_main(&flow->main.sanitizer);
	current_set(&flow->main);
	/* The process's first thread ends with the process, when there is nothing left to tidy up for. */
	if (__cxa_thread_atexit_impl && sys_call(SYS_gettid) != sys_call(SYS_getpid))
		__cxa_thread_atexit_impl(flow_destroy, flow, &__dso_handle);
	flow->signal_stack = green__overflow_watch();
	/* getauxval sets errno for what an older kernel does not tell. */
	errno = saved_errno;
	return flow;
}

/* The tracer may switch itself, untraced; what this switch brings is kept meanwhile. */
static GREEN_NOINLINE void trace(struct greenlet *origin, struct greenlet *self)
{
	struct flow *flow = self->flow;
	bool untold = self->error_untold;
	void *value = self->value;
	int error;

	flow->tracing = true;
	self->error_untold = false;
	error = flow->tracer(untold ? GREEN_TRACE_THROW : GREEN_TRACE_SWITCH, origin, self, flow->tracer_argument);
	flow->tracing = false;
	self->value = value;
	self->error_untold = untold;
	if (error) {
		flow->tracer = NULL;
		flow_watch(flow);
		green__error_set(self, error, NULL);
	}
}

static GREEN_NOINLINE void tell_of_switch(struct greenlet *origin, struct greenlet *self)
{
	struct flow *flow = self->flow;

	if (flow->main_is_back && self == &flow->main && !self->scheduled)
		flow->main_is_back(flow);
	if (flow->switched)
		flow->switched(origin, self);
	if (flow->tracer && !flow->tracing)
		trace(origin, self);
}

/* AFTER is run once by whoever arrives next, when who has left is off its stack. */
static void after_set(struct flow *flow, void (*after)(struct greenlet *previous))
{
	flow->after = after;
	flow_watch(flow);
}

struct greenlet *green__arrived(struct greenlet *self)
{
	struct flow *flow = self->flow;
	void (*after)(struct greenlet *) = flow->after;

	/* What interrupted it has work to do on its stack, whatever else ended its wait. */
	if (unlikely(self->interrupted))
		flow->interrupts = 1;
	if (after) {
		after_set(flow, NULL);
		/* A handler that came here could want a stack, or end on one, while the lists of both are half changed. */
		flow->critical++;
		after(flow->previous);
		flow->critical--;
	}
	if (unlikely(flow->watched))
		tell_of_switch(after ? NULL : flow->previous, self);
	return self;
}

static void block_install(struct flow *flow, uintptr_t thread_pointer)
{
	if (unlikely(flow->leaving != NULL))
		flow->leaving(flow->thread_pointer);
	flow->thread_pointer = thread_pointer;
	thread_pointer_write(thread_pointer);
}

struct greenlet *green__swap_blocks(struct greenlet *from, struct greenlet *to)
{
	from->saved_errno = errno;
	block_install(from->flow, to->thread_pointer);
	errno_exchange(to->saved_errno);
	return swap_to(from, to);
}

void green__greenlet_expect(const struct greenlet *greenlet)
{
	context_expect(&greenlet->context);
	thread_locals_expect(greenlet->thread_pointer);
}

void *green__greenlet_switch(struct greenlet *to, void *value)
{
	return switch_away(green__current, to, value)->value;
}

void green__greenlet_resume(struct greenlet *to)
{
	struct greenlet *from = green__current;

	arrive(swap_away(from->flow, from, to));
}

void green__greenlet_leave(struct greenlet *to, void (*after)(struct greenlet *))
{
	struct greenlet *from = green__current;
	struct flow *flow = from->flow;

	after_set(flow, after);
	/* The hub uses whichever block is installed, but not one that is taken elsewhere. */
	if (!to->thread_pointer)
		block_install(flow, flow->spare_block);
	from = swap_away(flow, from, to);
	/* Another kernel thread, where this greenlet is as foreign as any code that has no flow. */
	sanitizer_arrive(&from->sanitizer, NULL);
	current_set(NULL);
}

void green__greenlet_return(struct greenlet *self, struct context *there)
{
	self->saved_errno = errno;
	arrive(container_of(green__context_swap(&self->context, there), struct greenlet, context));
}

static void greenlet_start(void *arg)
{
	struct greenlet *self = arg;

	self->state = GREENLET_ACTIVE;
	arrive(self);
	self->scheduled = false;
	critical_leave(self->flow);
	if (unlikely(self->begin != NULL) && !self->error)
		self->begin(self);
	/* Killed before it came to it.  A generator has a consumer to tell. */
	if (unlikely(self->error) && self->kind != GREENLET_GENERATOR)
		green__greenlet_finish(NULL);
	green__greenlet_finish(self->function(self->kind == GREENLET_RAW ? self->value : self->argument));
}

struct greenlet *green__greenlet_create(struct flow *flow, struct stack *stack, void *(*function)(void *),
					struct greenlet *parent)
{
	struct greenlet *greenlet = green__greenlet_on(stack);
	size_t size = (size_t)((char *)greenlet - stack->low);

	/* A call, for what the compiler has for a size that it knows takes longer. */
	memset(greenlet, 0, (size_t)((char *)stack - (char *)greenlet));
	critical_enter(flow);
	greenlet_init(greenlet, flow, GREENLET_RAW);
	greenlet->stack = stack;
	greenlet->function = function;
	greenlet->parent = parent;
	greenlet->spawner = green__current->id;
	greenlet->critical = 1;
	sanitizer_create(&greenlet->sanitizer, stack->low, size);
	green__context_make(&greenlet->context, stack->low, size, greenlet_start, greenlet);
	critical_leave(flow);
	if (unlikely(green__recording & GREEN_RECORD_SPAWN))
		green__recorder(greenlet, GREEN_RECORD_SPAWN);
	return greenlet;
}

/* Tasks are not counted: their parent is the hub, which outlives them. */
static bool has_counted_parent(const struct greenlet *greenlet)
{
	return greenlet->kind == GREENLET_RAW || greenlet->kind == GREENLET_GENERATOR;
}

void green__parent_change(struct greenlet *greenlet, struct greenlet *parent)
{
	if (greenlet->parent)
		greenlet->parent->children--;
	if (parent)
		parent->children++;
	greenlet->parent = parent;
}

/* GREENLET's memory is about to be somebody else's: whoever would end in it ends in its parent. */
static void children_move_up(struct greenlet *greenlet)
{
	list_for_each(node, &greenlet->flow->all) {
		struct greenlet *child = container_of(node, struct greenlet, all);

		if (has_counted_parent(child) && child->parent == greenlet)
			green__parent_change(child, greenlet->parent);
	}
}

/* In a forked child those who have stayed in the parent are on no list, and do not count. */
static void count_out(struct greenlet *greenlet)
{
	if (list_empty(&greenlet->all))
		return;
	greenlet->flow->living--;
	if (greenlet->kind == GREENLET_TASK)
		greenlet->flow->tasks--;
}

void green__greenlet_ends(struct greenlet *greenlet)
{
	greenlet->state = GREENLET_DEAD;
	count_out(greenlet);
}

void green__greenlet_unmake(struct greenlet *greenlet)
{
	struct stack *stack = greenlet->stack;
	struct flow *flow = greenlet->flow;

	if (unlikely(greenlet->record != NULL))
		free(greenlet->record);
	sanitizer_destroy(&greenlet->sanitizer, stack->low, (size_t)((char *)greenlet - stack->low));
	if (unlikely(flow->gone)) {
		green__stack_release(stack);
		return;
	}
	critical_enter(flow);
	green__stack_release_near(&flow->stacks, stack);
	critical_leave(flow);
}

void green__greenlet_release(struct greenlet *greenlet)
{
	if (unlikely(greenlet->children > 0))
		children_move_up(greenlet);
	if (has_counted_parent(greenlet))
		green__parent_change(greenlet, NULL);
	if (greenlet->state != GREENLET_DEAD)
		count_out(greenlet);
	list_remove(&greenlet->all);
	if (greenlet->released)
		greenlet->released(greenlet);
	green__greenlet_unmake(greenlet);
}

void green__unpin(struct greenlet *greenlet)
{
	if (--greenlet->pins == 0 && !greenlet->held && greenlet->state == GREENLET_DEAD)
		green__greenlet_release(greenlet);
}

/* Who goes on when SELF, which is dead, has nothing more to do, and with which value. */
static struct greenlet *heir_of(struct greenlet *self, void **value)
{
	struct flow *flow = self->flow;
	bool failed = self->error && self->error != GREEN_EXIT;
	struct delivery delivery = { self->parent, failed ? self->error : 0, self->error ? self->error_value : *value };

	if (self->kind == GREENLET_TASK)
		return flow->pick(flow);
	*value = green__deliver(&delivery);
	/* A parent that waits for something else cannot take a value; the hub goes on with whoever is ready. */
	return delivery.to->scheduled ? flow->pick(flow) : delivery.to;
}

void green__greenlet_finish(void *result)
{
	struct greenlet *self = green__current;
	struct flow *flow = self->flow;
	struct greenlet *heir;

	if (unlikely(self->locals != NULL))
		self->locals->ended(self);
	critical_enter(flow);
	self->result = self->error ? self->error == GREEN_EXIT ? self->error_value : NULL : result;
	/* Who is told may drop what it has of this greenlet, but it still stands on its stack. */
	self->pins++;
	if (self->ended)
		self->ended(self);
	self->pins--;
	green__greenlet_ends(self);
	heir = heir_of(self, &result);
	if (!self->held && !self->pins)
		after_set(flow, green__greenlet_release);
	green__greenlet_switch(heir, result);
	__builtin_trap();
}

struct greenlet *green_create(void *(*function)(void *), struct greenlet *parent)
{
	struct flow *flow = green__flow();
	struct stack *stack;
	struct greenlet *greenlet;

	if (!flow)
		return NULL;
	green__taken_back(flow);
	if (!function || (parent && parent->flow != flow)) {
		errno = function ? EPERM : EINVAL;
		return NULL;
	}
	stack = green__flow_stack(flow);
	if (!stack)
		return NULL;
	greenlet = green__greenlet_create(flow, stack, function, NULL);
	green__parent_change(greenlet, parent ? parent : green__current);
	greenlet->thread_pointer = green__current->thread_pointer;
	greenlet->held = true;
	return greenlet;
}

/* The errno for a switch to TARGET, with the error CODE if that is not 0; or 0. */
static int switch_error(const struct greenlet *target, const struct flow *flow, int code)
{
	/* Also a callback may throw at itself: that is how it fails. */
	if (code && target && target == green__current)
		return 0;
	if (!target || target->kind == GREENLET_HUB)
		return EINVAL;
	if (target->flow != flow)
		return target->flow->gone ? ESRCH : EPERM;
	if (green__current->kind == GREENLET_HUB)
		return EDEADLK;
	return target->scheduled || target->state == GREENLET_IDLE ? EBUSY : 0;
}

/* Go on in whoever takes DELIVERY, which may be the caller. */
static void *hand_over(struct delivery *delivery)
{
	struct greenlet *self = green__current;
	void *value = green__deliver(delivery);

	if (delivery->to == self) {
		self->value = value;
		if (unlikely(self->flow->tracer != NULL) && !self->flow->tracing)
			trace(self, self);
	} else if (!delivery->to->scheduled) {
		green__greenlet_switch(delivery->to, value);
		self->scheduled = false;
	} else if (delivery->error) {
		return NULL;
	} else {
		errno = EBUSY;
		return NULL;
	}
	return green__received(self);
}

static void *switch_to(struct greenlet *target, int code, void *value)
{
	struct flow *flow = green__flow();
	struct delivery delivery = { target, code, value };
	int error = flow ? switch_error(target, flow, code) : ENOMEM;

	if (!error && target->stand_in) {
		delivery.to = acting_for(target);
		error = switch_error(delivery.to, flow, code);
	}
	if (error) {
		errno = error;
		return NULL;
	}
	return hand_over(&delivery);
}

/* Nearly always TARGET is another one of this thread that waits in a switch, or to be begun by one. */
static bool is_suspended(const struct greenlet *target, const struct greenlet *self)
{
	return self && target && target->flow == self->flow && target->state <= GREENLET_ACTIVE && target != self &&
	       !target->scheduled && !target->stand_in && target->kind != GREENLET_HUB && self->kind != GREENLET_HUB;
}

void *green_switch(struct greenlet *target, void *value)
{
	struct greenlet *self = green__current;

	if (unlikely(!is_suspended(target, self)))
		return switch_to(target, 0, value);
	self = switch_away(self, target, value);
	self->scheduled = false;
	return likely(!self->error_untold) ? self->value : green__received(self);
}

void *green_throw(struct greenlet *target, int code, void *value)
{
	if (!green__error_is_code(code)) {
		errno = EINVAL;
		return NULL;
	}
	return switch_to(target, code, value);
}

/* Nobody else survives a fork; their stacks stay mapped in the child, but nothing leads to them. */
void green__flow_after_fork(struct flow *flow)
{
	struct greenlet *self = green__current;

	/* Handles of the others can still be given back, which takes them off this list. */
	while (!list_empty(&flow->all))
		list_init(list_pop(&flow->all));
	list_append(&flow->all, &self->all);
	list_init(&self->watches);
	flow->living = 1;
	/* The consumer of a body that forks is there as a function's caller would be. */
	for (; self->kind == GREENLET_GENERATOR; self = self->parent) {
		list_append(&flow->all, &self->parent->all);
		list_init(&self->parent->watches);
		flow->living++;
	}
	flow->tasks = self->kind == GREENLET_TASK;
	flow->main.waiter = NULL;
	after_set(flow, NULL);
	flow->interrupts = 0;
}
