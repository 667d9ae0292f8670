/* SPDX-License-Identifier: MIT */
/* test_heap.c - the intrusive pairing heap */
#include "base/heap.h"
#include "support.h"

enum { MANY = 2000 };

static struct heap heap;
static struct heap_node nodes[MANY];

static void insert(int i, int64_t key)
{
	nodes[i].key = key;
	heap_insert(&heap, &nodes[i]);
	ck_assert(heap_check(&heap));
}

/* Take out the first node; its index, -1 if there is none. */
static int taken(void)
{
	struct heap_node *first = heap_first(&heap);

	if (!first)
		return -1;
	heap_remove(&heap, first);
	ck_assert(heap_check(&heap));
	return (int)(first - nodes);
}

START_TEST(an_empty_heap_has_no_first)
{
	heap_init(&heap);
	ck_assert_ptr_null(heap_first(&heap));
	ck_assert(heap_check(&heap));
}
END_TEST

START_TEST(the_smallest_key_leaves_first)
{
	heap_init(&heap);
	insert(0, 30);
	insert(1, -10);
	insert(2, 20);
	ck_assert_int_eq(taken(), 1);
	ck_assert_int_eq(taken(), 2);
	ck_assert_int_eq(taken(), 0);
	ck_assert_int_eq(taken(), -1);
}
END_TEST

START_TEST(equal_keys_leave_in_the_order_they_came)
{
	heap_init(&heap);
	for (int i = 0; i < 100; i++)
		insert(i, 7);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(taken(), i);
}
END_TEST

START_TEST(a_node_that_comes_again_is_the_last_of_its_key)
{
	heap_init(&heap);
	insert(0, 1);
	insert(1, 1);
	heap_remove(&heap, &nodes[0]);
	insert(0, 1);
	ck_assert_int_eq(taken(), 1);
	ck_assert_int_eq(taken(), 0);
}
END_TEST

START_TEST(the_extreme_keys_keep_their_order)
{
	heap_init(&heap);
	insert(0, INT64_MAX);
	insert(1, INT64_MIN);
	insert(2, 0);
	ck_assert_int_eq(taken(), 1);
	ck_assert_int_eq(taken(), 2);
	ck_assert_int_eq(taken(), 0);
}
END_TEST

START_TEST(any_node_can_be_removed)
{
	/* Removing the first leaves trees of several levels, so that roots, siblings and leaves are met. */
	for (int victim = 1; victim < 16; victim++) {
		int64_t last = INT64_MIN;

		heap_init(&heap);
		for (int i = 0; i < 16; i++)
			insert(i, i * 7 % 16);
		taken();
		if (nodes[victim].key != 0)
			heap_remove(&heap, &nodes[victim]);
		ck_assert(heap_check(&heap));
		for (int i = taken(); i >= 0; i = taken()) {
			ck_assert_int_ne(i, victim);
			ck_assert_int_ge(nodes[i].key, last);
			last = nodes[i].key;
		}
	}
}
END_TEST

START_TEST(random_insertions_and_removals_stay_sorted)
{
	unsigned seed = 1;
	int64_t last = INT64_MIN;

	heap_init(&heap);
	for (int i = 0; i < MANY; i++) {
		nodes[i].key = rand_r(&seed) % 500;
		heap_insert(&heap, &nodes[i]);
	}
	for (int i = 0; i < MANY; i += 3)
		heap_remove(&heap, &nodes[i]);
	ck_assert(heap_check(&heap));
	for (struct heap_node *first = heap_first(&heap); first; first = heap_first(&heap)) {
		ck_assert_int_ge(first->key, last);
		last = first->key;
		heap_remove(&heap, first);
	}
	ck_assert_uint_eq(heap.count, 0);
}
END_TEST

START_TEST(check_finds_a_wrong_order_and_a_wrong_count)
{
	heap_init(&heap);
	insert(0, 1);
	insert(1, 2);
	nodes[1].key = 0;
	ck_assert(!heap_check(&heap));
	nodes[1].key = 2;
	heap.count++;
	ck_assert(!heap_check(&heap));
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("heap", WITHOUT_HUB);

	tcase_add_test(tcase, an_empty_heap_has_no_first);
	tcase_add_test(tcase, the_smallest_key_leaves_first);
	tcase_add_test(tcase, equal_keys_leave_in_the_order_they_came);
	tcase_add_test(tcase, a_node_that_comes_again_is_the_last_of_its_key);
	tcase_add_test(tcase, the_extreme_keys_keep_their_order);
	tcase_add_test(tcase, any_node_can_be_removed);
	tcase_add_test(tcase, random_insertions_and_removals_stay_sorted);
	tcase_add_test(tcase, check_finds_a_wrong_order_and_a_wrong_count);
	return suite_end();
}
