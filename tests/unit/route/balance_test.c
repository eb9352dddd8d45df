#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "route/balance.h"
#include "route/node_load.h"

enum { A = 3, B = 5, C = 8, SECOND = 1000000 };

static const int three[] = { A, B, C };

/* ---- turns ---- */

static void expect_turns(unsigned a, unsigned b, unsigned c, const char *expected)
{
	const unsigned weights[] = { a, b, c };
	size_t count;
	int *turns = balance_turns(three, weights, 3, &count);
	char said[32] = "";

	for (size_t i = 0; i < count && i + 1 < sizeof(said); i++)
		said[i] = turns[i] == A ? 'A' : turns[i] == B ? 'B' : 'C';
	assert_string_equal(said, expected);
	assert_int_equal(turns == NULL, count == 0);
	mem_free(turns);
}

static void turns_are_in_proportion_to_weights_and_spread(void **state)
{
	expect_turns(1, 1, 1, "ABC");
	expect_turns(7, 7, 7, "ABC");
	expect_turns(2, 1, 1, "ABCA");
	expect_turns(50, 10, 0, "AAABAA");
	expect_turns(0, 0, 4, "C");
	expect_turns(0, 0, 0, "");
}

/* ---- the choice ---- */

/* How often each is taken, of `turns` turns. */
static void expect_choices(enum read_from by, const struct candidate candidates[3], size_t turns, unsigned a, unsigned b, unsigned c)
{
	const unsigned weights[] = { candidates[0].weight, candidates[1].weight, candidates[2].weight };
	unsigned taken[9] = { 0 };
	size_t count;
	int *list = balance_turns(three, weights, 3, &count);

	for (size_t turn = 0; turn < turns; turn++)
		taken[balance_choose(by, candidates, 3, list, count, turn)]++;
	assert_int_equal(taken[A], a);
	assert_int_equal(taken[B], b);
	assert_int_equal(taken[C], c);
	mem_free(list);
}

static void the_least_loaded_is_who_has_least_for_his_weight(void **state)
{
	struct candidate candidates[] = { { A, 1, .under_way = 3 }, { B, 1, .under_way = 2 }, { C, 1, .under_way = 4 } };

	expect_choices(READ_FROM_LEAST_LOADED, candidates, 6, 0, 6, 0);
	candidates[2].weight = 2;               /* (4 + 1) / 2 */
	expect_choices(READ_FROM_LEAST_LOADED, candidates, 4, 0, 0, 4);
	candidates[2].weight = 1;
	candidates[0].under_way = 2;
	expect_choices(READ_FROM_LEAST_LOADED, candidates, 6, 3, 3, 0);
}

static void the_fastest_is_who_answers_first_with_what_he_has_to_do(void **state)
{
	struct candidate candidates[] = { { A, 1, .read_us = 900 }, { B, 1, .read_us = 1000 }, { C, 1, .read_us = 5000 } };

	expect_choices(READ_FROM_FASTEST, candidates, 6, 6, 0, 0);
	candidates[0].under_way = 1;
	expect_choices(READ_FROM_FASTEST, candidates, 6, 0, 6, 0);
	candidates[2].read_us = 0;              /* of whom nothing is known is asked, but once */
	expect_choices(READ_FROM_FASTEST, candidates, 6, 0, 0, 6);
	candidates[2].under_way = 1;
	expect_choices(READ_FROM_FASTEST, candidates, 6, 0, 6, 0);
}

static void the_nearest_take_turns(void **state)
{
	struct candidate candidates[] = { { A, 1, .distance = 1 }, { B, 2, .distance = 0 }, { C, 1, .distance = 0 } };

	expect_choices(READ_FROM_NEAREST, candidates, 9, 0, 6, 3);
	candidates[0].distance = 0;
	expect_choices(READ_FROM_NEAREST, candidates, 8, 2, 4, 2);
	expect_choices(READ_FROM_ROUND_ROBIN, candidates, 8, 2, 4, 2);
}

static void a_zone_is_nearer_than_a_region(void **state)
{
	assert_int_equal(balance_distance("eu", "eu-a", "eu", "eu-a"), 0);
	assert_int_equal(balance_distance("eu", "eu-a", "eu", "eu-b"), 1);
	assert_int_equal(balance_distance("eu", NULL, "eu", "eu-b"), 1);
	assert_int_equal(balance_distance("eu", "a", "us", "a"), 2);
	assert_int_equal(balance_distance(NULL, "rack1", "", "rack1"), 0);
	assert_int_equal(balance_distance(NULL, NULL, "", ""), 2);
	assert_int_equal(balance_distance(NULL, NULL, "eu", ""), 2);
}

/* ---- what is measured ---- */

static void a_longer_time_counts_at_once_and_a_shorter_one_with_time(void **state)
{
	struct node_load load = { 0 };

	assert_true(node_load_read_us(&load, 1, SECOND) == 0);
	node_load_measured(&load, 1, 1000, SECOND);
	assert_in_range((uint64_t)node_load_read_us(&load, 1, SECOND), 999, 1000);
	node_load_measured(&load, 1, 200000, SECOND);
	assert_in_range((uint64_t)node_load_read_us(&load, 1, SECOND), 199999, 200000);
	node_load_measured(&load, 1, 1000, SECOND);
	assert_in_range((uint64_t)node_load_read_us(&load, 1, SECOND), 199999, 200000);
	node_load_measured(&load, 1, 1000, SECOND + NODE_LOAD_DECAY_US);
	assert_in_range((uint64_t)node_load_read_us(&load, 1, SECOND + NODE_LOAD_DECAY_US), 100000, 101000);
	assert_true(node_load_read_us(&load, 0, SECOND) == 0);
}

static void what_nobody_adds_to_fades(void **state)
{
	struct node_load load = { 0 };

	node_load_measured(&load, 0, 200000, SECOND);
	assert_in_range((uint64_t)node_load_read_us(&load, 0, SECOND + 9 * (uint64_t)NODE_LOAD_DECAY_US), 19000, 20001);
	assert_in_range((uint64_t)node_load_read_us(&load, 0, 0), 199999, 200000);
}

static void what_is_under_way_is_counted_over_workers(void **state)
{
	struct node_load load = { 0 };

	node_load_begin(&load, 0);
	node_load_begin(&load, 2);
	node_load_begin(&load, 2);
	assert_int_equal(node_load_under_way(&load, 2), 1);
	assert_int_equal(node_load_under_way(&load, 3), 3);
	node_load_end(&load, 2);
	assert_int_equal(node_load_under_way(&load, 3), 2);
}

/* Times from 1 to 1000 us, each as often: five of 100 are slower. */
static void most_reads_are_faster_than_what_is_slow(void **state)
{
	struct node_load load = { 0 };
	unsigned slower = 0;

	assert_int_equal(node_load_slow_us(&load, 1), 0);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t took_us = i * 617 % 1000 + 1;

		slower += i >= 10000 && took_us > node_load_slow_us(&load, 1);
		node_load_measured(&load, 1, took_us, SECOND + i);
	}
	assert_in_range(slower, 400, 600);
	assert_int_equal(node_load_slow_us(&load, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_are_in_proportion_to_weights_and_spread),
		cmocka_unit_test(the_least_loaded_is_who_has_least_for_his_weight),
		cmocka_unit_test(the_fastest_is_who_answers_first_with_what_he_has_to_do),
		cmocka_unit_test(the_nearest_take_turns),
		cmocka_unit_test(a_zone_is_nearer_than_a_region),
		cmocka_unit_test(a_longer_time_counts_at_once_and_a_shorter_one_with_time),
		cmocka_unit_test(what_nobody_adds_to_fades),
		cmocka_unit_test(most_reads_are_faster_than_what_is_slow),
		cmocka_unit_test(what_is_under_way_is_counted_over_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
