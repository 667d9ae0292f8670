/* SPDX-License-Identifier: MIT */
/* interrupts.c - calls that wait, cut short in every way */
#include "green.h"
#include "interrupts.h"
#include "support.h"

#if __has_include(<green/task.h>)
#define HAVE_CANCEL 1
#endif

enum { PATIENCE_MS = 4000, SETTLED = 12 };

enum cut {
	KILLED = 1,
	CANCELLED = 2,
	SCOPE = 4,    /* a scope of time around the call */
	ARGUMENT = 8, /* the call's own time */
};

/* In which order it happens to the first of the callers. */
enum moment {
	BEFORE,       /* before it calls */
	PARKED,       /* while it waits, and nobody wakes it */
	WOKEN_FIRST,  /* after it was woken, before it runs */
	EVENT_FIRST,  /* the same, if it is the hub that has to wake it */
	WOKEN_AFTER,  /* before it is woken, and before it runs */
	TWICE,        /* while it waits, and then again */
};

static const struct way {
	const char *name;
	enum cut cut;
	enum moment moment;
	int ms;
} ways[] = {
	{ "killed before the call", KILLED, BEFORE, -1 },
	{ "killed while parked", KILLED, PARKED, -1 },
	{ "woken, then killed", KILLED, WOKEN_FIRST, -1 },
	{ "woken by the hub, then killed", KILLED, EVENT_FIRST, -1 },
	{ "killed, then woken", KILLED, WOKEN_AFTER, -1 },
	{ "a scope of no time", SCOPE, PARKED, 0 },
	{ "a scope of 1 ms", SCOPE, PARKED, 1 },
	{ "woken as the scope ends", SCOPE, WOKEN_FIRST, 2 },
	{ "the scope ends as it is woken", SCOPE, EVENT_FIRST, 2 },
	{ "two scopes in a row", SCOPE, TWICE, 1 },
	{ "no time", ARGUMENT, PARKED, 0 },
	{ "1 ms", ARGUMENT, PARKED, 1 },
	{ "woken as the time passes", ARGUMENT, WOKEN_FIRST, 2 },
	{ "the time passes as it is woken", ARGUMENT, EVENT_FIRST, 2 },
	{ "1 ms twice", ARGUMENT, TWICE, 1 },
#ifdef HAVE_CANCEL
	{ "cancelled before the call", CANCELLED, BEFORE, -1 },
	{ "cancelled while parked", CANCELLED, PARKED, -1 },
	{ "woken, then cancelled", CANCELLED, WOKEN_FIRST, -1 },
	{ "woken by the hub, then cancelled", CANCELLED, EVENT_FIRST, -1 },
	{ "cancelled, then woken", CANCELLED, WOKEN_AFTER, -1 },
#endif
};

struct caller {
	struct play *play;
	struct greenlet *task;
	int result, error, place; /* of the call; and who of the callers it was to succeed */
};

/* One call in one way. */
struct play {
	const struct interrupted_call *call;
	const struct way *way;
	struct scene scene;
	struct caller callers[CALLERS];
};

static void demand(const struct play *play, bool holds, const char *what)
{
	ck_assert_msg(holds, "%s, %s: %s", play->call->name, play->way->name, what);
}

static void ask_to_end(const struct play *play, struct greenlet *task)
{
#ifdef HAVE_CANCEL
	if (play->way->cut == CANCELLED) {
		green_cancel(task);
		return;
	}
#endif
	if (play->way->cut == KILLED)
		green_kill(task, 0);
}

/* --- who calls --- */

static void note(struct caller *caller)
{
	struct play *play = caller->play;

	if (caller->result == 0)
		caller->place = play->scene.served++;
}

/* In a scope or not, with a limit or not; what fails must fail for this reason and no other. */
static void call_cut(struct caller *caller)
{
	const struct way *way = caller->play->way;
	struct green_timeout scope;

	green_timeout_start(&scope, way->cut == SCOPE ? way->ms : -1);
	caller->result = caller->play->call->call(&caller->play->scene, way->cut == ARGUMENT ? way->ms : -1);
	caller->error = caller->result ? errno : 0;
	green_timeout_end(&scope);
	note(caller);
}

static void check_errno(const struct caller *caller)
{
	bool by_time = caller->play->way->cut & (SCOPE | ARGUMENT);

	if (caller->result)
		demand(caller->play, caller->error == (by_time ? ETIMEDOUT : ECANCELED), strerror(caller->error));
	if (by_time)
		demand(caller->play, green_error(NULL) == 0, "an error stays behind");
}

/* Who has been asked to end and got what it waited for learns of it at the next call. */
static void check_next_call(const struct caller *caller)
{
	demand(caller->play, green_sleep(PATIENCE_MS) == -1 && errno == ECANCELED, "the request to end is lost");
}

static void *calls_first(void *arg)
{
	struct caller *caller = arg;
	const struct way *way = caller->play->way;

	if (way->moment == BEFORE)
		ask_to_end(caller->play, green_current());
	call_cut(caller);
	check_errno(caller);
	if (way->moment == TWICE && caller->result) {
		call_cut(caller);
		check_errno(caller);
	}
	if (way->cut & (KILLED | CANCELLED))
		check_next_call(caller);
	return NULL;
}

static void *calls(void *arg)
{
	struct caller *caller = arg;

	caller->result = caller->play->call->call(&caller->play->scene, -1);
	demand(caller->play, caller->result == 0, "another one's call fails");
	note(caller);
	return NULL;
}

/* --- what happens to the first --- */

static void settle(void)
{
	for (int i = 0; i < SETTLED; i++)
		green_yield();
}

static void spin_ms(int ms)
{
	int64_t start = clock_now();

	while (ms_since(start) < ms)
		;
}

static void wake(struct play *play)
{
	if (play->call->wake)
		play->call->wake(&play->scene);
	play->scene.made++;
}

/* Its timer is due when the hub comes back, so it runs before those whom the hub wakes then. */
static void *asks_soon(void *play)
{
	green_sleep(1);
	ask_to_end(play, ((struct play *)play)->callers[0].task);
	return NULL;
}

static void *spins(void *unused)
{
	spin_ms(4);
	return unused;
}

/* In either case it is main that wakes, for it may own what is waited for. */
static void event_first(struct play *play)
{
	bool by_time = play->way->cut & (SCOPE | ARGUMENT);
	struct greenlet *other = green_spawn(by_time ? spins : asks_soon, play);

	if (by_time) {
		green_sleep(1);
		wake(play);
	} else {
		green_yield();
		spin_ms(4);
		wake(play);
	}
	join(other);
}

static void woken_first(struct play *play)
{
	if (play->way->cut & (SCOPE | ARGUMENT))
		spin_ms(4);
	wake(play);
	ask_to_end(play, play->callers[0].task);
}

static void happen(struct play *play)
{
	struct greenlet *first = play->callers[0].task;

	switch (play->way->moment) {
	case BEFORE:
	case TWICE:
		break;
	case PARKED:
		ask_to_end(play, first);
		break;
	case WOKEN_FIRST:
		woken_first(play);
		break;
	case EVENT_FIRST:
		event_first(play);
		break;
	case WOKEN_AFTER:
		ask_to_end(play, first);
		wake(play);
		break;
	}
}

/* --- and to the others --- */

static void ended(struct play *play, int caller)
{
	demand(play, green_join(play->callers[caller].task, NULL, PATIENCE_MS) == 0, "somebody waits for ever");
}

static int others_served(const struct play *play)
{
	int count = 0;

	for (int i = 1; i < CALLERS; i++)
		count += green_dead(play->callers[i].task);
	return count;
}

/* Each wake serves exactly one, the first or the next. */
static void serve_one_by_one(struct play *play)
{
	int wanted = CALLERS - (play->callers[0].result != 0), made = play->scene.made;

	demand(play, play->callers[0].result || made, "it succeeds, and nobody has woken it");
	if (made) {
		for (int i = 0; i < PATIENCE_MS && play->scene.served < made; i++)
			green_sleep(1);
		demand(play, play->scene.served == made, "the wake is lost");
	}
	for (; play->scene.made < wanted; made++) {
		settle();
		demand(play, play->scene.served == play->scene.made, "more are served than were woken");
		wake(play);
		for (int i = 0; i < PATIENCE_MS && play->scene.served < play->scene.made; i++)
			green_sleep(1);
	}
	ended(play, 1);
	ended(play, 2);
	demand(play, play->call->gain == ONE_OF_ALL || play->callers[1].place < play->callers[2].place, "one has overtaken another");
}

static void serve_all(struct play *play)
{
	if (!play->scene.made) {
		demand(play, play->callers[0].result && !others_served(play), "somebody is served, and nobody has been woken");
		wake(play);
	}
	ended(play, 1);
	ended(play, 2);
}

static void serve_others(struct play *play)
{
	switch (play->call->gain) {
	case ONE_EACH:
	case ONE_OF_ALL:
		serve_one_by_one(play);
		break;
	case ALL_AT_ONCE:
		serve_all(play);
		break;
	case COMES_ITSELF:
		ended(play, 1);
		ended(play, 2);
		break;
	}
}

static void start(struct play *play, int caller)
{
	play->callers[caller] = (struct caller) { .play = play, .place = -1 };
	play->callers[caller].task = green_spawn(caller ? calls : calls_first, &play->callers[caller]);
	ck_assert_ptr_nonnull(play->callers[caller].task);
}

/* One after the other: what the first has left, and then what is made for each. */
static void serve_alone(struct play *play)
{
	for (int i = 1; i < CALLERS; i++) {
		bool left = play->scene.made > play->scene.served || (play->call->gain == ALL_AT_ONCE && play->scene.made);

		start(play, i);
		settle();
		if (!left && play->call->gain != COMES_ITSELF) {
			demand(play, !green_dead(play->callers[i].task), "somebody is served, and nobody has been woken");
			wake(play);
		}
		ended(play, i);
	}
}

static void begin(struct play *play, const struct interrupted_call *call, const struct way *way)
{
	*play = (struct play) { .call = call, .way = way };
	if (call->begin)
		call->begin(&play->scene);
	for (int i = 0; i < (call->alone ? 1 : CALLERS); i++)
		start(play, i);
	settle();
}

static void finish(struct play *play)
{
	for (int i = 0; i < CALLERS; i++)
		ck_assert_int_eq(green_destroy(play->callers[i].task), 0);
	if (play->call->end)
		play->call->end(&play->scene);
	hub_checked();
}

int ways_count(void)
{
	return ARRAY_LENGTH(ways);
}

void call_interrupted(const struct interrupted_call *call, int number)
{
	const struct way *way = &ways[number];
	struct play play;

	if ((way->cut == ARGUMENT && !call->timed) || (call->uncut && way->moment == TWICE))
		return;
	begin(&play, call, way);
	happen(&play);
	ended(&play, 0);
	if (call->alone)
		serve_alone(&play);
	else
		serve_others(&play);
	demand(&play, !call->uncut || play.callers[0].result == 0, "it is cut short");
	finish(&play);
}
