/* SPDX-License-Identifier: MIT */
/* watcher.c - what a program wants to be called for: the common part, timers, paths, stages of a round, other threads */
#include "hub/watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/sys.h"
#include "hub/outside.h"

/* --- what all have in common --- */

static void run(struct callback *callback)
{
	struct watcher *watcher = container_of(callback, struct watcher, callback);
	green_watch_function *function = watcher->function;
	int events = watcher->events;

	watcher->events = 0;
	if (watcher->over)
		green__watcher_end(watcher);
	else if (watcher->kind->again)
		watcher->kind->again(watcher);
	function((struct green_watcher *)watcher, events);
}

struct watcher *green__watcher_begin(struct green_watcher *green_watcher, const struct watcher_kind *kind,
				     green_watch_function *function, void *data)
{
	struct watcher *watcher = (struct watcher *)green_watcher;
	struct hub *hub;

	if (!function) {
		errno = EINVAL;
		return NULL;
	}
	hub = green__hub();
	if (!hub)
		return NULL;
	/* There may be very many timers, which set all the rest themselves. */
	memset(watcher, 0, kind->timed ? offsetof(struct watcher, timer) : sizeof(*watcher));
	watcher->data = data;
	watcher->function = function;
	watcher->kind = kind;
	watcher->hub = hub;
	watcher->callback.run = run;
	list_init(&watcher->callback.link);
	list_init(&watcher->active);
	return watcher;
}

/* A timer that only a watcher is called for is nothing to wait for, unless the watcher is. */
static void count_timers(struct watcher *watcher, int change)
{
	if (watcher->kind->timed && !watcher->keep)
		watcher->hub->unkept_timers += (unsigned)change;
}

void green__watcher_start(struct watcher *watcher)
{
	if (list_empty(&watcher->active))
		list_append(&watcher->hub->watchers, &watcher->active);
	watcher->keep = true;
	green__callback_expected(watcher->hub);
}

void green__watcher_happened(struct watcher *watcher, int events)
{
	watcher->events |= events;
	if (list_empty(&watcher->callback.link))
		green__callback_queue(watcher->hub, &watcher->callback);
}

void green__watcher_end(struct watcher *watcher)
{
	if (watcher->kind->stop)
		watcher->kind->stop(watcher);
	count_timers(watcher, -1);
	if (watcher->keep)
		green__callback_over(watcher->hub);
	list_remove(&watcher->callback.link);
	list_remove(&watcher->active);
	watcher->hub = NULL;
}

void green_watcher_stop(struct green_watcher *green_watcher)
{
	struct watcher *watcher = (struct watcher *)green_watcher;
	struct hub *hub = watcher->hub;

	if (!hub)
		return;
	critical_enter(hub->flow);
	green__watcher_end(watcher);
	critical_leave(hub->flow);
}

bool green_watcher_active(const struct green_watcher *watcher)
{
	return ((const struct watcher *)watcher)->hub != NULL;
}

bool green_watcher_pending(const struct green_watcher *green_watcher)
{
	const struct watcher *watcher = (const struct watcher *)green_watcher;

	return watcher->hub && !list_empty(&watcher->callback.link);
}

int green_watcher_feed(struct green_watcher *green_watcher, int events)
{
	struct watcher *watcher = (struct watcher *)green_watcher;

	if (!watcher->hub) {
		errno = EINVAL;
		return -1;
	}
	critical_enter(watcher->hub->flow);
	green__watcher_happened(watcher, events);
	critical_leave(watcher->hub->flow);
	return 0;
}

void green_watcher_keep(struct green_watcher *green_watcher, bool keep)
{
	struct watcher *watcher = (struct watcher *)green_watcher;
	struct hub *hub = watcher->hub;

	if (!hub || watcher->keep == keep)
		return;
	critical_enter(hub->flow);
	count_timers(watcher, -1);
	watcher->keep = keep;
	count_timers(watcher, 1);
	if (keep)
		green__callback_expected(hub);
	else
		green__callback_over(hub);
	critical_leave(hub->flow);
}

/* --- timers --- */

static void timer_fired(struct timer *timer)
{
	struct watcher *watcher = container_of(timer, struct watcher, timer);
	struct timerq *timers = &watcher->hub->timers;
	int64_t missed;

	if (watcher->repeat) {
		missed = (clock_now() - timer->node.key) / watcher->repeat;
		timer_start(timers, timer, timer->node.key + (missed + 1) * watcher->repeat, timer_fired);
	} else {
		watcher->over = true;
	}
	green__watcher_happened(watcher, 0);
}

static void timer_ended(struct watcher *watcher)
{
	timer_stop(&watcher->hub->timers, &watcher->timer);
}

static const struct watcher_kind timer_kind = { .stop = timer_ended, .timed = true };

int green_watch_timer(struct green_watcher *green_watcher, int after_ms, int repeat_ms, green_watch_function *function, void *data)
{
	struct watcher *watcher;

	if (after_ms < 0 || repeat_ms < 0) {
		errno = EINVAL;
		return -1;
	}
	watcher = green__watcher_begin(green_watcher, &timer_kind, function, data);
	if (!watcher)
		return -1;
	critical_enter(watcher->hub->flow);
	watcher->repeat = repeat_ms * NS_PER_MS;
	timer_start(&watcher->hub->timers, &watcher->timer, clock_after_ms(after_ms), timer_fired);
	green__watcher_start(watcher);
	critical_leave(watcher->hub->flow);
	return 0;
}

/* --- paths --- */

struct watched_path {
	struct stat seen; /* all zero where there is nothing */
	char name[];
};

static void path_look(const struct watched_path *path, struct stat *now)
{
	memset(now, 0, sizeof(*now));
	if (sys_failed(sys_call(SYS_newfstatat, AT_FDCWD, path->name, now, 0)))
		memset(now, 0, sizeof(*now));
	now->st_atim = (struct timespec) { 0, 0 };
}

static void path_due(struct timer *timer)
{
	struct watcher *watcher = container_of(timer, struct watcher, timer);
	struct stat now;

	timer_start(&watcher->hub->timers, timer, clock_after(watcher->repeat), path_due);
	path_look(watcher->path, &now);
	if (memcmp(&now, &watcher->path->seen, sizeof(now)) == 0)
		return;
	watcher->path->seen = now;
	green__watcher_happened(watcher, 0);
}

static void path_ended(struct watcher *watcher)
{
	timer_ended(watcher);
	free(watcher->path);
}

/* The timers have begun anew. */
static void path_forked(struct watcher *watcher)
{
	free(watcher->path);
}

static const struct watcher_kind path_kind = { .stop = path_ended, .forked = path_forked, .timed = true };

static struct watched_path *path_create(const char *name)
{
	size_t size = strlen(name) + 1;
	struct watched_path *path = green__fault_injected() ? NULL : malloc(sizeof(*path) + size);

	if (!path)
		return NULL;
	memcpy(path->name, name, size);
	path_look(path, &path->seen);
	return path;
}

int green_watch_path(struct green_watcher *green_watcher, const char *name, int interval_ms, green_watch_function *function, void *data)
{
	struct watched_path *path;
	struct watcher *watcher;

	if (!name || interval_ms <= 0) {
		errno = EINVAL;
		return -1;
	}
	watcher = green__watcher_begin(green_watcher, &path_kind, function, data);
	path = watcher ? path_create(name) : NULL;
	if (!path) {
		if (watcher)
			watcher->hub = NULL;
		return -1;
	}
	critical_enter(watcher->hub->flow);
	watcher->path = path;
	watcher->repeat = interval_ms * NS_PER_MS;
	timer_start(&watcher->hub->timers, &watcher->timer, clock_after(watcher->repeat), path_due);
	green__watcher_start(watcher);
	critical_leave(watcher->hub->flow);
	return 0;
}

/* --- stages of a round --- */

static const struct watcher_kind stage_kind;

/* The hub calls all on LIST, which is one of its own. */
static int watch_stage(struct watcher *watcher, struct list *list)
{
	critical_enter(watcher->hub->flow);
	list_append(list, &watcher->active);
	watcher->hub->chores = true;
	green__watcher_start(watcher);
	/* There is a round to be called in. */
	if (unlikely(watcher->hub->outside_told))
		green__outside_told(watcher->hub, 0);
	critical_leave(watcher->hub->flow);
	return 0;
}

int green_watch_idle(struct green_watcher *green_watcher, green_watch_function *function, void *data)
{
	struct watcher *watcher = green__watcher_begin(green_watcher, &stage_kind, function, data);

	return watcher ? watch_stage(watcher, &watcher->hub->idle_watchers) : -1;
}

int green_watch_prepare(struct green_watcher *green_watcher, green_watch_function *function, void *data)
{
	struct watcher *watcher = green__watcher_begin(green_watcher, &stage_kind, function, data);

	return watcher ? watch_stage(watcher, &watcher->hub->prepare_watchers) : -1;
}

int green_watch_check(struct green_watcher *green_watcher, green_watch_function *function, void *data)
{
	struct watcher *watcher = green__watcher_begin(green_watcher, &stage_kind, function, data);

	return watcher ? watch_stage(watcher, &watcher->hub->check_watchers) : -1;
}

int green_watch_fork(struct green_watcher *green_watcher, green_watch_function *function, void *data)
{
	struct watcher *watcher = green__watcher_begin(green_watcher, &stage_kind, function, data);

	return watcher ? watch_stage(watcher, &watcher->hub->fork_watchers) : -1;
}

void green__watchers_idle(struct hub *hub)
{
	list_for_each(node, &hub->idle_watchers)
		green__watcher_happened(container_of(node, struct watcher, active), 0);
}

/* Take the callbacks of all watchers on LIST to CALLBACKS, in their order. */
static void collect(struct list *callbacks, struct list *list)
{
	list_for_each(node, list) {
		struct watcher *watcher = container_of(node, struct watcher, active);

		list_remove(&watcher->callback.link);
		list_append(callbacks, &watcher->callback.link);
	}
}

void green__watchers_prepare(struct hub *hub)
{
	struct list callbacks;

	list_init(&callbacks);
	collect(&callbacks, &hub->prepare_watchers);
	green__callbacks_run_these(hub, &callbacks);
}

void green__watchers_check(struct hub *hub)
{
	struct list callbacks;

	list_init(&callbacks);
	collect(&callbacks, &hub->check_watchers);
	list_splice(&callbacks, &hub->calls);
	list_splice(&hub->calls, &callbacks);
}

/* --- other threads --- */

static void send_taken_in(struct hub *hub, struct remote *remote)
{
	struct watcher *watcher = container_of(remote, struct watcher, remote);

	(void)hub;
	/* From here on the next one posts again. */
	__atomic_store_n(&watcher->sent, 0, __ATOMIC_SEQ_CST);
	green__watcher_happened(watcher, 0);
}

/* It cannot be taken out of the middle of what was left for the hub. */
static void wake_ended(struct watcher *watcher)
{
	if (__atomic_load_n(&watcher->sent, __ATOMIC_SEQ_CST))
		green__hub_take_in(watcher->hub);
}

static const struct watcher_kind wake_kind = { .stop = wake_ended };

int green_watch_wake(struct green_watcher *green_watcher, green_watch_function *function, void *data)
{
	struct watcher *watcher = green__watcher_begin(green_watcher, &wake_kind, function, data);

	if (!watcher)
		return -1;
	critical_enter(watcher->hub->flow);
	watcher->remote.run = send_taken_in;
	green__watcher_start(watcher);
	critical_leave(watcher->hub->flow);
	return 0;
}

void green_watcher_send(struct green_watcher *green_watcher)
{
	struct watcher *watcher = (struct watcher *)green_watcher;

	if (!__atomic_exchange_n(&watcher->sent, 1, __ATOMIC_SEQ_CST))
		green__hub_post(watcher->hub, &watcher->remote);
}

/* --- the hub --- */

void green__watchers_init(struct hub *hub)
{
	list_init(&hub->watchers);
	list_init(&hub->idle_watchers);
	list_init(&hub->prepare_watchers);
	list_init(&hub->check_watchers);
	list_init(&hub->fork_watchers);
}

/* Their hub is gone or begins anew, and with it all that told of them. */
static void forget_all(struct list *list)
{
	struct list *node;

	while ((node = list_pop(list))) {
		struct watcher *watcher = container_of(node, struct watcher, active);

		if (watcher->kind->forked)
			watcher->kind->forked(watcher);
		watcher->hub = NULL;
	}
}

static void forget_all_but_forks(struct hub *hub)
{
	forget_all(&hub->watchers);
	forget_all(&hub->idle_watchers);
	forget_all(&hub->prepare_watchers);
	forget_all(&hub->check_watchers);
}

void green__watchers_finish(struct hub *hub)
{
	forget_all_but_forks(hub);
	forget_all(&hub->fork_watchers);
}

void green__watchers_forked(struct hub *hub)
{
	hub->unkept_timers = 0;
	forget_all_but_forks(hub);
	list_for_each(node, &hub->fork_watchers) {
		struct watcher *watcher = container_of(node, struct watcher, active);

		list_init(&watcher->callback.link);
		if (watcher->keep)
			green__callback_expected(hub);
		green__watcher_happened(watcher, 0);
	}
}
