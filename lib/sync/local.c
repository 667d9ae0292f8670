/* SPDX-License-Identifier: MIT */
/*
 * local.c - variables of which each greenlet has its own
 *
 * A greenlet has a table of the variables that it has used, found by their keys: a hash table with
 * linear probing, at most half full, from which nothing is ever removed.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/sys.h"
#include "green/local.h"
#include "switch/greenlet.h"

enum {
	ROOM_MIN = 8,
	ROUNDS = 4, /* how often the values of a greenlet are destroyed that doing so has brought forth again */
};

struct slot {
	unsigned long key; /* 0: unused */
	struct green_local *local;
	void *value;
};

struct table {
	struct locals locals;
	size_t count, room; /* room: a power of two */
	struct slot slots[];
};

static unsigned long last_key; /* atomic */

/* The first to ask gives LOCAL its key. */
static unsigned long key_of(struct green_local *local)
{
	unsigned long key = __atomic_load_n(&local->key, __ATOMIC_RELAXED), new;

	if (likely(key))
		return key;
	new = __atomic_add_fetch(&last_key, 1, __ATOMIC_RELAXED);
	if (__atomic_compare_exchange_n(&local->key, &key, new, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return new;
	return key;
}

/* Where KEY is, or would be. */
static struct slot *find(struct table *table, unsigned long key)
{
	size_t place = key & (table->room - 1);

	while (table->slots[place].key && table->slots[place].key != key)
		place = (place + 1) & (table->room - 1);
	return &table->slots[place];
}

/* Only what there was when a round began: a value that comes while others are destroyed waits for the next. */
static void destroy_round(struct greenlet *self)
{
	struct table *table = container_of(self->locals, struct table, locals);

	self->locals = NULL;
	for (size_t i = 0; i < table->room; i++) {
		struct slot *slot = &table->slots[i];

		if (slot->value && slot->local->destroy)
			slot->local->destroy(slot->value);
	}
	free(table);
}

/* What the greenlet ends with is set aside meanwhile. */
static void destroy_all(struct greenlet *self)
{
	int error = self->error;
	void *error_value = self->error_value;

	self->error = 0;
	self->error_value = NULL;
	self->error_untold = false;
	for (int round = 0; self->locals && round < ROUNDS; round++)
		destroy_round(self);
	if (self->locals)
		free(container_of(self->locals, struct table, locals));
	self->locals = NULL;
	self->error = error;
	self->error_value = error_value;
}

static struct table *table_create(size_t room)
{
	struct table *table = green__fault_injected() ? NULL : calloc(1, sizeof(*table) + room * sizeof(struct slot));

	if (!table)
		return NULL;
	table->locals.ended = destroy_all;
	table->room = room;
	return table;
}

/* SELF's table, with room for one more; NULL if there is no memory. */
static struct table *table_with_room(struct greenlet *self)
{
	struct table *old = self->locals ? container_of(self->locals, struct table, locals) : NULL, *new;

	if (old && 2 * old->count < old->room)
		return old;
	new = table_create(old ? 2 * old->room : ROOM_MIN);
	if (!new)
		return NULL;
	for (size_t i = 0; old && i < old->room; i++) {
		if (old->slots[i].key)
			*find(new, old->slots[i].key) = old->slots[i];
	}
	new->count = old ? old->count : 0;
	free(old);
	self->locals = &new->locals;
	return new;
}

/* The slot of LOCAL in SELF's table; NULL if it has none. */
static struct slot *known(struct greenlet *self, struct green_local *local)
{
	struct slot *slot;

	if (!self->locals)
		return NULL;
	slot = find(container_of(self->locals, struct table, locals), key_of(local));
	return slot->key ? slot : NULL;
}

static int remember(struct greenlet *self, struct green_local *local, void *value)
{
	struct slot *slot = known(self, local);
	struct table *table;

	if (!slot) {
		table = table_with_room(self);
		if (!table)
			return -ENOMEM;
		table->count++;
		slot = find(table, key_of(local));
	}
	*slot = (struct slot) { key_of(local), local, value };
	return 0;
}

/* CREATE may use other variables, so the place is looked for afterwards. */
static void *make(struct greenlet *self, struct green_local *local)
{
	void *value = local->create();

	if (value && remember(self, local, value)) {
		if (local->destroy)
			local->destroy(value);
		value = NULL;
	}
	if (!value)
		errno = ENOMEM;
	return value;
}

void *green_local_get(struct green_local *local)
{
	struct greenlet *self = green_current();
	struct slot *slot = self ? known(self, local) : NULL;

	if (likely(slot != NULL))
		return slot->value;
	return self && local->create ? make(self, local) : NULL;
}

int green_local_set(struct green_local *local, void *value)
{
	struct greenlet *self = green_current();

	if (!self)
		return -1;
	return (int)sys_result(remember(self, local, value));
}
