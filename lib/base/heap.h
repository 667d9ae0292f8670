/* SPDX-License-Identifier: MIT */
/* heap.h - intrusive pairing heap ordered by a 64-bit key; must not use anything but compiler.h */
#ifndef GREEN_BASE_HEAP_H
#define GREEN_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * A pairing heap never allocates, inserts in a few instructions and removes any
 * node in amortised O(log n).  Equal keys leave in the order they came, by ORDER.
 *
 * CHILD is the first child, NEXT the next sibling; PREV is the previous sibling
 * or, for a first child, the parent.  A root has no PREV.
 */
struct heap_node {
	struct heap_node *child;
	struct heap_node *next;
	struct heap_node *prev;
	int64_t key;    /* smallest first; set before heap_insert */
	uint64_t order; /* set by heap_insert, or before heap_enter */
};

struct heap {
	struct heap_node *root;
	uint64_t inserted; /* how many nodes ever came, the source of ORDER */
	size_t count;
};

static inline void heap_init(struct heap *heap)
{
	heap->root = NULL;
	heap->inserted = 0;
	heap->count = 0;
}

static inline struct heap_node *heap_first(const struct heap *heap)
{
	return heap->root;
}

static inline bool heap_before(const struct heap_node *a, const struct heap_node *b)
{
	return a->key < b->key || (a->key == b->key && a->order < b->order);
}

/* heap_meld - join two roots; the later one becomes the first child of the earlier */
static inline struct heap_node *heap_meld(struct heap_node *a, struct heap_node *b)
{
	struct heap_node *swap;

	if (!a || !b)
		return a ? a : b;
	if (heap_before(b, a)) {
		swap = a;
		a = b;
		b = swap;
	}
	b->prev = a;
	b->next = a->child;
	if (a->child)
		a->child->prev = b;
	a->child = b;
	return a;
}

/* heap_merge_siblings - the two passes that turn the children of a removed root into one tree */
static inline struct heap_node *heap_merge_siblings(struct heap_node *first)
{
	struct heap_node *pairs = NULL;
	struct heap_node *root = NULL;

	while (first) {
		struct heap_node *second = first->next;
		struct heap_node *rest = second ? second->next : NULL;

		first->next = first->prev = NULL;
		if (second)
			second->next = second->prev = NULL;
		first = heap_meld(first, second);
		first->next = pairs;
		pairs = first;
		first = rest;
	}
	while (pairs) {
		struct heap_node *rest = pairs->next;

		pairs->next = NULL;
		root = heap_meld(root, pairs);
		pairs = rest;
	}
	return root;
}

/* heap_enter - put in NODE, whose place among equal keys was decided before */
static inline void heap_enter(struct heap *heap, struct heap_node *node)
{
	node->child = node->next = node->prev = NULL;
	heap->root = heap_meld(heap->root, node);
	heap->count++;
}

static inline void heap_insert(struct heap *heap, struct heap_node *node)
{
	node->order = heap->inserted++;
	heap_enter(heap, node);
}

/* heap_remove - take out NODE, which is in HEAP, wherever it is */
static inline void heap_remove(struct heap *heap, struct heap_node *node)
{
	struct heap_node *below = heap_merge_siblings(node->child);

	if (!node->prev) {
		heap->root = below;
	} else {
		if (node->prev->child == node)
			node->prev->child = node->next;
		else
			node->prev->next = node->next;
		if (node->next)
			node->next->prev = node->prev;
		heap->root = heap_meld(heap->root, below);
	}
	node->child = node->next = node->prev = NULL;
	heap->count--;
}

/* heap_up - the next node, after NODE and all below it, in an order that has parents first; NULL at the end */
static inline const struct heap_node *heap_up(const struct heap_node *node)
{
	while (node && !node->next) {
		while (node->prev && node->prev->child != node)
			node = node->prev;
		node = node->prev;
	}
	return node ? node->next : NULL;
}

/* heap_check_node - true if those next to NODE know it and none below is before it */
static inline bool heap_check_node(const struct heap_node *node)
{
	const struct heap_node *child = node->child;

	if (child && child->prev != node)
		return false;
	for (; child; child = child->next) {
		if (heap_before(child, node) || (child->next && child->next->prev != child))
			return false;
	}
	return true;
}

/* heap_check - true if order, links and count of HEAP agree; trees may be deep, so nothing here calls itself */
static inline bool heap_check(const struct heap *heap)
{
	const struct heap_node *node = heap->root;
	size_t count = 0;

	if (node && (node->prev || node->next))
		return false;
	for (; node; node = node->child ? node->child : heap_up(node), count++) {
		if (!heap_check_node(node))
			return false;
	}
	return count == heap->count;
}

#endif
