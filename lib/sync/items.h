/* SPDX-License-Identifier: MIT */
/* items.h - the items of a queue, in the order in which they are to be taken; knows no greenlets */
#ifndef GREEN_SYNC_ITEMS_H
#define GREEN_SYNC_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)

struct item {
	void *item;
	uint64_t order; /* of those that compare equal, the lowest comes first */
};

/*
 * A ring, whose size is a power of two, with the first at FIRST; or, with COMPARE, a binary heap with the
 * first at 0.
 */
struct items {
	struct item *at;
	size_t first, count, room;
	uint64_t added;
	bool newest_first;
	int (*compare)(const void *, const void *);
};

/* green__items_room - memory for more items than AT has room for, for green__items_move; NULL if there is none */
struct item *green__items_room(size_t room, size_t *more);

/* green__items_move - keep the items in AT, which has ROOM; what they lay in is the caller's */
struct item *green__items_move(struct items *items, struct item *at, size_t room);

/* green__items_add - there is room.  green__items_take, green__items_first - there is one */
void green__items_add(struct items *items, void *item);
void *green__items_take(struct items *items);
void *green__items_first(const struct items *items);

/* green__items_check - true if the order of a heap and the counts hold; for tests */
bool green__items_check(const struct items *items);

#pragma GCC visibility pop

#endif
