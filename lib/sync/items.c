/* SPDX-License-Identifier: MIT */
/* items.c - the items of a queue, in the order in which they are to be taken */
#include <stdlib.h>

#include "base/fault.h"
#include "sync/items.h"

enum { ROOM_MIN = 16 };

struct item *green__items_room(size_t room, size_t *more)
{
	*more = room ? 2 * room : ROOM_MIN;
	if (green__fault_injected() || *more > SIZE_MAX / 2 / sizeof(struct item))
		return NULL;
	return malloc(*more * sizeof(struct item));
}

static struct item *at(const struct items *items, size_t place)
{
	return &items->at[(items->first + place) & (items->room - 1)];
}

struct item *green__items_move(struct items *items, struct item *to, size_t room)
{
	struct item *from = items->at;

	for (size_t i = 0; i < items->count; i++)
		to[i] = *at(items, i);
	items->at = to;
	items->first = 0;
	items->room = room;
	return from;
}

static bool before(const struct items *items, const struct item *a, const struct item *b)
{
	int order = items->compare(a->item, b->item);

	return order < 0 || (order == 0 && a->order < b->order);
}

/* Put ITEM at PLACE or above it, moving down what comes after it. */
static void rise(struct items *items, size_t place, struct item item)
{
	while (place > 0 && before(items, &item, &items->at[(place - 1) / 2])) {
		items->at[place] = items->at[(place - 1) / 2];
		place = (place - 1) / 2;
	}
	items->at[place] = item;
}

/* Put ITEM at the top or below it, moving up what comes before it. */
static void sink(struct items *items, struct item item)
{
	size_t place = 0, below;

	while ((below = 2 * place + 1) < items->count) {
		if (below + 1 < items->count && before(items, &items->at[below + 1], &items->at[below]))
			below++;
		if (!before(items, &items->at[below], &item))
			break;
		items->at[place] = items->at[below];
		place = below;
	}
	items->at[place] = item;
}

void green__items_add(struct items *items, void *item)
{
	struct item added = { item, items->added++ };
	size_t place = items->count;

	__atomic_store_n(&items->count, place + 1, __ATOMIC_RELAXED);
	if (items->compare)
		rise(items, place, added);
	else
		*at(items, place) = added;
}

void *green__items_first(const struct items *items)
{
	return at(items, items->newest_first ? items->count - 1 : 0)->item;
}

void *green__items_take(struct items *items)
{
	void *item = green__items_first(items);

	__atomic_store_n(&items->count, items->count - 1, __ATOMIC_RELAXED);
	if (items->compare)
		sink(items, items->at[items->count]);
	else if (!items->newest_first)
		items->first = (items->first + 1) & (items->room - 1);
	return item;
}

bool green__items_check(const struct items *items)
{
	if (items->count > items->room || (items->room & (items->room - 1)))
		return false;
	for (size_t i = 1; items->compare && i < items->count; i++) {
		if (before(items, &items->at[i], &items->at[(i - 1) / 2]))
			return false;
	}
	return true;
}
