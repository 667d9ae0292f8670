/* SPDX-License-Identifier: MIT */
/* test_list.c - the intrusive list */
#include "base/list.h"
#include "support.h"

struct item {
	struct list link;
	int number;
};

static struct list head = LIST_INIT(head);
static struct item items[5];

static void items_init(int count)
{
	list_init(&head);
	for (int i = 0; i < count; i++) {
		items[i].number = i;
		list_append(&head, &items[i].link);
	}
}

static int popped(struct list *list)
{
	struct list *node = list_pop(list);

	ck_assert(list_check(list));
	return node ? container_of(node, struct item, link)->number : -1;
}

START_TEST(a_new_list_is_empty)
{
	items_init(0);
	ck_assert(list_empty(&head));
	ck_assert_ptr_null(list_pop(&head));
	ck_assert(list_check(&head));
}
END_TEST

START_TEST(what_is_appended_leaves_in_order)
{
	items_init(3);
	ck_assert_int_eq(popped(&head), 0);
	ck_assert_int_eq(popped(&head), 1);
	ck_assert_int_eq(popped(&head), 2);
	ck_assert_int_eq(popped(&head), -1);
}
END_TEST

START_TEST(what_is_prepended_leaves_first)
{
	items_init(2);
	items[4].number = 4;
	list_prepend(&head, &items[4].link);
	ck_assert_int_eq(popped(&head), 4);
	ck_assert_int_eq(popped(&head), 0);
}
END_TEST

START_TEST(removing_from_the_middle_keeps_the_rest)
{
	items_init(3);
	list_remove(&items[1].link);
	ck_assert(list_check(&head));
	ck_assert_int_eq(popped(&head), 0);
	ck_assert_int_eq(popped(&head), 2);
}
END_TEST

START_TEST(removing_twice_is_harmless)
{
	items_init(2);
	list_remove(&items[0].link);
	list_remove(&items[0].link);
	ck_assert(list_empty(&items[0].link));
	ck_assert_int_eq(popped(&head), 1);
	ck_assert(list_empty(&head));
}
END_TEST

START_TEST(a_popped_node_is_on_no_list)
{
	items_init(2);
	list_pop(&head);
	ck_assert(list_empty(&items[0].link));
	list_append(&head, &items[0].link);
	ck_assert_int_eq(popped(&head), 1);
	ck_assert_int_eq(popped(&head), 0);
}
END_TEST

START_TEST(splice_moves_everything_to_the_end)
{
	struct list other = LIST_INIT(other);

	items_init(2);
	items[2].number = 2;
	items[3].number = 3;
	list_append(&other, &items[2].link);
	list_append(&other, &items[3].link);
	list_splice(&head, &other);
	ck_assert(list_empty(&other));
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(popped(&head), i);
}
END_TEST

START_TEST(splice_of_nothing_changes_nothing)
{
	struct list other = LIST_INIT(other);

	items_init(1);
	list_splice(&head, &other);
	ck_assert(list_check(&head));
	ck_assert_int_eq(popped(&head), 0);
	list_splice(&head, &other);
	ck_assert(list_empty(&head));
}
END_TEST

START_TEST(for_each_sees_all_in_order)
{
	int expected = 0;

	items_init(5);
	list_for_each(node, &head)
		ck_assert_int_eq(container_of(node, struct item, link)->number, expected++);
	ck_assert_int_eq(expected, 5);
}
END_TEST

START_TEST(check_finds_a_broken_link)
{
	items_init(3);
	items[1].link.prev = &items[2].link;
	ck_assert(!list_check(&head));
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("list", WITHOUT_HUB);

	tcase_add_test(tcase, a_new_list_is_empty);
	tcase_add_test(tcase, what_is_appended_leaves_in_order);
	tcase_add_test(tcase, what_is_prepended_leaves_first);
	tcase_add_test(tcase, removing_from_the_middle_keeps_the_rest);
	tcase_add_test(tcase, removing_twice_is_harmless);
	tcase_add_test(tcase, a_popped_node_is_on_no_list);
	tcase_add_test(tcase, splice_moves_everything_to_the_end);
	tcase_add_test(tcase, splice_of_nothing_changes_nothing);
	tcase_add_test(tcase, for_each_sees_all_in_order);
	tcase_add_test(tcase, check_finds_a_broken_link);
	return suite_end();
}
