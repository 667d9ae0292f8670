/* SPDX-License-Identifier: MIT */
/*
 * green/group.h - tasks that belong together: groups, pools, nurseries
 *
 * A group knows its members until they end; with a limit it is a pool, where who
 * wants to add waits for room.  A nursery is a stretch of code that does not
 * end before the tasks it has started, and ends them all if one fails.
 */
#ifndef GREEN_GROUP_H
#define GREEN_GROUP_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

struct greenlet;
struct green_group;

/*
 * green_group_create - an empty group; the caller's until green_group_destroy
 *
 * LIMIT: how many members it has at most; 0: any number.  It belongs to the calling kernel thread.
 * Switches: no.  Returns: the group; NULL with errno ENOMEM
 */
struct green_group *green_group_create(size_t limit);

/*
 * green_group_destroy - its members, if any, go on without it; NULL is fine
 *
 * Switches: no.  Returns: 0; -1 with errno EBUSY: somebody waits for room, joins or kills
 */
int green_group_destroy(struct green_group *group);

/*
 * green_group_spawn - make a task as a member, waiting while there is no room
 *
 * The group holds the handle and gives it back when the task ends; what the task returns is
 * dropped.
 *
 * Switches: yes, if it must wait.
 * Returns: 0; -1 with errno EINVAL, ENOMEM, EAGAIN as green_spawn, EPERM, ESHUTDOWN (it is being killed), and those
 * of green/sync.h
 */
int green_group_spawn(struct green_group *group, void *(*function)(void *), void *arg, int timeout_ms);

/*
 * green_group_add - make TASK, which the caller goes on holding, a member, waiting while there is no room
 *
 * It leaves when it ends; one that has ended, or is a member, is left as it is.
 * Switches: yes, if it must wait.
 * Returns: as green_group_spawn; ESRCH: TASK belongs to a kernel thread that has ended
 */
int green_group_add(struct green_group *group, struct greenlet *task, int timeout_ms);

/* green_group_discard - TASK is no member any more.  Returns: true if it was. */
bool green_group_discard(struct green_group *group, struct greenlet *task);

bool green_group_contains(const struct green_group *group, const struct greenlet *task);

/*
 * green_group_size - how many members there are.  green_group_room - how many more there may be; SIZE_MAX without
 * a limit
 */
size_t green_group_size(const struct green_group *group);
size_t green_group_room(const struct green_group *group);

/* green_group_wait_room - until there is room.  Switches: yes, unless there is.  Returns: as in green/sync.h */
int green_group_wait_room(struct green_group *group, int timeout_ms);

/*
 * green_group_join - wait until it has no members
 *
 * FLAGS: as for green_join_all; those that failed since the last join count.
 * Switches: yes, unless it has none.
 */
int green_group_join(struct green_group *group, int flags, int timeout_ms);

/*
 * green_group_kill - ask all members to end, and wait until it has none
 *
 * Meanwhile nobody may join it (ESHUTDOWN).  As green_kill_all otherwise.
 * Switches: yes, unless it has none.
 */
int green_group_kill(struct green_group *group, int timeout_ms);

/*
 * green_group_apply - run FUNCTION(ARG) in a member and return what that returns
 *
 * A caller who is a member runs it itself, so that a full group cannot lock itself up.
 *
 * Switches: yes.
 * Returns: its value; NULL with the errno of its error, which is pending then, or as green_group_spawn
 */
void *green_group_apply(struct green_group *group, void *(*function)(void *), void *arg);

/*
 * green_group_map - run FUNCTION(ITEMS[i]) for each of COUNT items in members, and put what they return into RESULTS[i]
 *
 * RESULTS may be ITEMS, or NULL; nothing is put there if one fails.  A caller who is a member does all of it itself.
 * Switches: yes.
 * Returns: 0 when all have ended well; -1 as soon as one fails, with its errno and its error pending; the others go on.
 */
int green_group_map(struct green_group *group, void *(*function)(void *), void *const *items, void **results,
		    size_t count);

/* --- results as they come, of inputs as they come --- */

struct green_mapping;

enum green_mapping_order { GREEN_ORDERED, GREEN_UNORDERED };

/*
 * green_mapping_create - run FUNCTION for each item that NEXT gives, at most AHEAD of the results read
 *
 * NEXT(SOURCE, &item) returns 1 with an item, 0 at the end, -1 with errno for an error, which
 * the reader gets in its place.  It is called in a task of its own, so it may block.
 * AHEAD: how many results may wait to be read; at least 1.
 *
 * Switches: no.
 * Returns: the mapping; NULL with errno EINVAL (no GROUP, FUNCTION or NEXT, or AHEAD is 0), ENOMEM or EAGAIN
 */
struct green_mapping *green_mapping_create(struct green_group *group, void *(*function)(void *),
					   int (*next)(void *source, void **item), void *source,
					   enum green_mapping_order order, size_t ahead);

/*
 * green_mapping_next - the next result: in the order of the items, or of their ends
 *
 * Switches: yes, if it must wait.
 * Returns: 1 with *RESULT; 0 after the last; -1 with the errno of an item that failed, whose error is pending (call
 * again for the next), or as in green/sync.h
 */
int green_mapping_next(struct green_mapping *mapping, void **result, int timeout_ms);

/*
 * green_mapping_destroy - no more items are begun, those that run are cancelled, all at once, and waited for; NULL is fine
 *
 * Switches: yes.
 */
void green_mapping_destroy(struct green_mapping *mapping);

/* --- nurseries --- */

/* Lies on the stack of who opens it; what is in it is the library's own. */
struct green_nursery {
	long opaque[16];
};

/*
 * green_nursery_open - tasks of NURSERY end before green_nursery_close returns
 *
 * Switches: no.  Returns: 0; -1 with errno ENOMEM (no hub)
 */
int green_nursery_open(struct green_nursery *nursery);

/*
 * green_nursery_spawn - make a task in NURSERY; any greenlet of the thread may, until it is closed and empty
 *
 * If it ends in error, other than by being cancelled, all others are cancelled, and so is who opened the nursery.
 *
 * Switches: no.
 * Returns: 0; -1 with errno as green_spawn, EPERM, or ESHUTDOWN: NURSERY is ending
 */
int green_nursery_spawn(struct green_nursery *nursery, void *(*function)(void *), void *arg);

/*
 * green_nursery_close - wait until all its tasks have ended
 *
 * Called with an error pending, or killed meanwhile, it cancels them first, and goes on waiting.  The request by
 * which the nursery itself cancelled the caller is undone.
 *
 * Switches: yes, unless they have ended.
 * Returns: 0; -1 with the errno of the error that is pending in the caller: one that was before, so that no kill
 * is lost, else that of the first that failed; EPERM: another greenlet has opened it; EDEADLK: the wait can never
 * end, and it is still open
 */
int green_nursery_close(struct green_nursery *nursery);

/*
 * green_nursery_failures - after green_nursery_close: how many failed
 *
 * The codes of the first COUNT, 8 at most, go to CODES.
 */
size_t green_nursery_failures(const struct green_nursery *nursery, int *codes, size_t count);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
