#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
	int value;
	struct list_node node;
};

static void check(const struct list *list, const int values[], size_t count)
{
	size_t i = 0;

	assert_int_equal(list->count, count);
	assert_int_equal(list_empty(list), count == 0);
	LIST_EACH(list, node)
		assert_int_equal(CONTAINER_OF(node, struct item, node)->value, values[i++]);
	assert_int_equal(i, count);
	for (struct list_node *node = list_last(list); i > 0; node = node->prev)
		assert_int_equal(CONTAINER_OF(node, struct item, node)->value, values[--i]);
}

static void both_ends_take_and_the_front_gives(void **state)
{
	struct item one = { 1 }, two = { 2 }, three = { 3 };
	struct list list;

	list_init(&list);
	check(&list, NULL, 0);
	assert_null(list_first(&list));
	assert_null(list_last(&list));
	assert_null(list_pop_front(&list));
	list_push_back(&list, &two.node);
	list_push_front(&list, &one.node);
	list_push_back(&list, &three.node);
	check(&list, (int[]){ 1, 2, 3 }, 3);
	assert_ptr_equal(list_pop_front(&list), &one.node);
	assert_false(list_node_linked(&one.node));
	check(&list, (int[]){ 2, 3 }, 2);
}

static void a_node_leaves_from_anywhere_and_comes_again(void **state)
{
	struct item items[] = { { 0 }, { 1 }, { 2 }, { 3 } };
	struct list list;

	list_init(&list);
	for (int i = 0; i < 4; i++) {
		assert_false(list_node_linked(&items[i].node));
		list_push_back(&list, &items[i].node);
		assert_true(list_node_linked(&items[i].node));
	}
	list_remove(&list, &items[1].node);
	check(&list, (int[]){ 0, 2, 3 }, 3);
	list_remove(&list, &items[3].node);
	list_remove(&list, &items[0].node);
	check(&list, (int[]){ 2 }, 1);
	list_push_front(&list, &items[3].node);
	check(&list, (int[]){ 3, 2 }, 2);
	assert_null(list_next(&list, &items[2].node));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_take_and_the_front_gives),
		cmocka_unit_test(a_node_leaves_from_anywhere_and_comes_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
