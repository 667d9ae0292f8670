/* SPDX-License-Identifier: MIT */
/* list.h - intrusive, circular, doubly linked list; must not use anything but compiler.h */
#ifndef GREEN_BASE_LIST_H
#define GREEN_BASE_LIST_H

#include <stdbool.h>

#include "base/compiler.h"

/*
 * A list head and a node are the same thing.  A node that is on no list points
 * to itself, so removing it twice is harmless and "is it on a list" is a test.
 */
struct list {
	struct list *next;
	struct list *prev;
};

#define LIST_INIT(name) { &(name), &(name) }

static inline void list_init(struct list *node)
{
	node->next = node;
	node->prev = node;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_insert_between(struct list *node, struct list *prev, struct list *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

/* list_append - put NODE, which is on no list, at the end of HEAD */
static inline void list_append(struct list *head, struct list *node)
{
	list_insert_between(node, head->prev, head);
}

/* list_prepend - put NODE, which is on no list, at the front of HEAD */
static inline void list_prepend(struct list *head, struct list *node)
{
	list_insert_between(node, head, head->next);
}

/* list_remove - take NODE off its list, if it is on one */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* list_pop - take off and return the first node of HEAD, NULL if there is none */
static inline struct list *list_pop(struct list *head)
{
	struct list *node = head->next;

	if (node == head)
		return NULL;
	list_remove(node);
	return node;
}

/* list_splice - move everything on FROM to the end of TO */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_for_each(node, head) \
	for (struct list *node = (head)->next; node != (head); node = node->next)

/* list_check - true if every link of HEAD is answered by its neighbour */
static inline bool list_check(const struct list *head)
{
	const struct list *node = head;

	do {
		if (node->next->prev != node || node->prev->next != node)
			return false;
		node = node->next;
	} while (node != head);
	return true;
}

#endif
