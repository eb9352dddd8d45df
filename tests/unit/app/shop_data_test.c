#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "app/shop_data.h"

enum { ROWS_WANTED = 100000, TEXT_MAX = 64 << 20 };

struct shop { struct buf users, orders, items; struct shop_counts counts; };

static void shop_init(struct shop *shop)
{
	memset(shop, 0, sizeof(*shop));
	buf_init(&shop->users, TEXT_MAX);
	buf_init(&shop->orders, TEXT_MAX);
	buf_init(&shop->items, TEXT_MAX);
}

static void shop_release(struct shop *shop)
{
	buf_release(&shop->users);
	buf_release(&shop->orders);
	buf_release(&shop->items);
}

static void fill(struct shop *shop, uint64_t user)
{
	shop_user(user, &shop->users, &shop->orders, &shop->items, &shop->counts);
}

static void the_shop_is_large_enough(void **state)
{
	struct shop shop;

	shop_init(&shop);
	for (uint64_t user = 1; user <= SHOP_USERS; user++)
		fill(&shop, user);
	assert_int_equal(shop.counts.users, SHOP_USERS);
	assert_true(shop.counts.orders >= SHOP_USERS && shop.counts.items >= shop.counts.orders);
	assert_true(shop.counts.users + shop.counts.orders + shop.counts.items >= ROWS_WANTED);
	assert_false(shop.users.failed || shop.orders.failed || shop.items.failed);
	shop_release(&shop);
}

static void a_user_is_always_the_same(void **state)
{
	struct shop alone, after_others;

	shop_init(&alone);
	shop_init(&after_others);
	fill(&alone, 42);
	fill(&after_others, 7);
	buf_clear(&after_others.users);
	buf_clear(&after_others.orders);
	buf_clear(&after_others.items);
	fill(&after_others, 42);
	assert_string_equal(alone.users.data, after_others.users.data);
	assert_string_equal(alone.orders.data, after_others.orders.data);
	assert_string_equal(alone.items.data, after_others.items.data);
	shop_release(&alone);
	shop_release(&after_others);
}

/* All rows of one statement must have one key, or the router would have to split it. */
static void a_statement_has_the_rows_of_one_user(void **state)
{
	struct shop shop;

	shop_init(&shop);
	for (uint64_t user = 1; user <= 100; user++) {
		char mine[32];
		unsigned rows = 0;
		const struct buf *both[] = { &shop.orders, &shop.items };

		buf_clear(&shop.orders);
		buf_clear(&shop.items);
		fill(&shop, user);
		snprintf(mine, sizeof(mine), "(%d, ", (int)user);
		for (int i = 0; i < 2; i++) {
			for (const char *at = strstr(both[i]->data, "VALUES"); (at = strchr(at, '(')); at++, rows++)
				assert_memory_equal(at, mine, strlen(mine));
		}
		assert_true(rows >= 2);
	}
	shop_release(&shop);
}

static void quotes_in_names_are_doubled(void **state)
{
	struct shop shop;

	shop_init(&shop);
	for (uint64_t user = 1; user <= SHOP_USERS; user++)
		fill(&shop, user);
	for (size_t at = 0; at < shop.users.size; at += strlen(shop.users.data + at) + 1) {
		const char *name = strstr(shop.users.data + at, " O'");

		if (name)
			assert_memory_equal(name, " O''Brien", 9);
	}
	shop_release(&shop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shop_is_large_enough),
		cmocka_unit_test(a_user_is_always_the_same),
		cmocka_unit_test(a_statement_has_the_rows_of_one_user),
		cmocka_unit_test(quotes_in_names_are_doubled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
