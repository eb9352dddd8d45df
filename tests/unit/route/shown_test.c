#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "route/shown.h"

static void sampled(struct shown *shown, uint64_t begun_us, uint64_t xmin, uint64_t xmax, uint64_t next, const uint64_t *xids, size_t count)
{
	struct running running = { .xmin = xmin, .xmax = xmax, .next = next, .xids = xids, .count = count };

	shown_sampled(shown, begun_us, begun_us * 10, &running);
}

static void where_nothing_runs_it_is_as_of_its_sample(void **state)
{
	struct shown shown = { 0 };

	sampled(&shown, 100, 50, 50, 50, NULL, 0);
	assert_int_equal(shown.as_of_us, 100);
	sampled(&shown, 200, 60, 60, 60, NULL, 0);
	assert_int_equal(shown.as_of_us, 200);
}

static void what_runs_unseen_behind_the_newest_that_ended_counts(void **state)
{
	struct shown shown = { 0 };

	sampled(&shown, 100, 50, 50, 51, NULL, 0);
	assert_int_equal(shown.as_of_us, 0);
	sampled(&shown, 200, 50, 50, 51, NULL, 0);
	assert_int_equal(shown.as_of_us, 0);
	sampled(&shown, 300, 51, 51, 51, NULL, 0);
	assert_int_equal(shown.as_of_us, 300);
}

static void it_is_as_of_a_sample_when_all_that_ran_then_have_ended(void **state)
{
	struct shown shown = { 0 };

	sampled(&shown, 100, 50, 52, 54, (uint64_t[]){ 50 }, 1);
	sampled(&shown, 200, 53, 60, 62, (uint64_t[]){ 53, 55 }, 2);    /* 53 had its number at 100 */
	assert_int_equal(shown.as_of_us, 0);
	sampled(&shown, 300, 55, 64, 65, (uint64_t[]){ 55, 62 }, 2);
	assert_int_equal(shown.as_of_us, 100);
	sampled(&shown, 400, 65, 65, 66, NULL, 0);                      /* none of those that ran at 300 */
	assert_int_equal(shown.as_of_us, 300);
}

static void who_stays_is_asked_about_where_it_may_be_committed(void **state)
{
	struct shown shown = { 0 };
	struct doubts committed;
	const struct doubts *doubts;

	sampled(&shown, 100, 50, 52, 53, (uint64_t[]){ 50 }, 1);
	assert_null(shown_doubts(&shown));                    /* they may be brief */
	sampled(&shown, 200, 50, 60, 61, (uint64_t[]){ 50, 52, 55 }, 3);
	doubts = shown_doubts(&shown);
	assert_non_null(doubts);
	assert_int_equal(doubts->count, 2);
	assert_int_equal(doubts->xids[0], 50);
	assert_int_equal(doubts->xids[1], 52);
	assert_int_equal(doubts->lsn, 1000);

	committed = (struct doubts){ .number = doubts->number, .count = 1, .xids = { 52 } };
	shown_told(&shown, &committed);
	sampled(&shown, 300, 50, 60, 61, (uint64_t[]){ 50, 52 }, 2);    /* it still waits for others */
	assert_int_equal(shown.as_of_us, 0);
	assert_null(shown_doubts(&shown));
	sampled(&shown, 400, 50, 61, 61, (uint64_t[]){ 50 }, 1);        /* 50 is only long */
	assert_int_equal(shown.as_of_us, 100);

	sampled(&shown, 500, 50, 61, 61, (uint64_t[]){ 50 }, 1);
	shown_told(&shown, &committed);                                 /* of an earlier question */
	sampled(&shown, 600, 50, 61, 61, (uint64_t[]){ 50 }, 1);
	assert_int_equal(shown.as_of_us, 100);
	assert_non_null(shown_doubts(&shown));
	committed = (struct doubts){ .number = doubts->number };
	shown_told(&shown, &committed);
	sampled(&shown, 700, 50, 61, 61, (uint64_t[]){ 50 }, 1);
	assert_int_equal(shown.as_of_us, 400);
}

static void what_is_open_there_is_not_committing(void **state)
{
	struct shown shown = { 0 };
	struct doubts open;

	sampled(&shown, 100, 50, 53, 53, (uint64_t[]){ 50, 51, 52 }, 3);
	sampled(&shown, 200, 50, 61, 61, (uint64_t[]){ 50, 51, 60 }, 3);
	assert_int_equal(shown_doubts(&shown)->count, 2);
	open = (struct doubts){ .number = shown.doubts.number, .count = 2, .xids = { 51, 60 } };
	shown_cleared(&shown, &open);
	sampled(&shown, 300, 50, 61, 61, (uint64_t[]){ 50, 51, 60 }, 3);        /* it need not be found twice */
	assert_int_equal(shown.as_of_us, 0);
	assert_int_equal(shown_doubts(&shown)->count, 1);
	assert_int_equal(shown_doubts(&shown)->xids[0], 50);
	open = (struct doubts){ .number = shown.doubts.number - 1, .count = 1, .xids = { 50 } };
	shown_cleared(&shown, &open);                                           /* of an earlier question */
	sampled(&shown, 400, 50, 61, 61, (uint64_t[]){ 50, 51, 60 }, 3);
	assert_int_equal(shown.as_of_us, 0);
	open.number++;
	shown_cleared(&shown, &open);
	assert_null(shown_doubts(&shown));                                      /* nothing is left to ask about */
	sampled(&shown, 500, 50, 61, 61, (uint64_t[]){ 50, 51, 60 }, 3);
	assert_int_equal(shown.as_of_us, 100);
	sampled(&shown, 600, 50, 61, 61, (uint64_t[]){ 50, 51, 60 }, 3);        /* that is not known of another moment */
	assert_int_equal(shown.as_of_us, 100);
	assert_int_equal(shown_doubts(&shown)->count, 3);
}

static void what_a_replica_has_committed_may_be_found_open_no_more(void **state)
{
	struct shown shown = { 0 };
	struct doubts both;

	sampled(&shown, 100, 50, 52, 52, (uint64_t[]){ 50, 51 }, 2);
	sampled(&shown, 200, 50, 52, 52, (uint64_t[]){ 50, 51 }, 2);
	both = (struct doubts){ .number = shown.doubts.number, .count = 1, .xids = { 51 } };
	shown_cleared(&shown, &both);
	both.xids[0] = 50;
	shown_told(&shown, &both);
	sampled(&shown, 300, 50, 52, 52, (uint64_t[]){ 50, 51 }, 2);
	assert_int_equal(shown.as_of_us, 0);
	sampled(&shown, 400, 51, 52, 52, (uint64_t[]){ 51 }, 1);
	assert_int_equal(shown.as_of_us, 100);
}

static void of_too_many_nobody_is_asked(void **state)
{
	struct shown shown = { 0 };

	sampled(&shown, 100, 50, 50, 50 + DOUBTS_MAX, NULL, 0);
	sampled(&shown, 200, 50, 50, 50 + DOUBTS_MAX, NULL, 0);
	assert_true(shown_in_doubt(&shown));
	assert_null(shown_doubts(&shown));
	sampled(&shown, 300, 51, 51, 51 + DOUBTS_MAX, NULL, 0);
	assert_non_null(shown_doubts(&shown));
	assert_int_equal(shown_doubts(&shown)->count, DOUBTS_MAX - 1);
}

static void of_another_history_nothing_is_sought(void **state)
{
	struct shown shown = { 0 };

	sampled(&shown, 100, 50, 50, 51, NULL, 0);
	shown_forget(&shown);
	sampled(&shown, 200, 40, 40, 40, NULL, 0);
	assert_int_equal(shown.as_of_us, 200);
}

static void numbers_that_were_given_away_before_a_crash_are_not_waited_for(void **state)
{
	struct shown shown = { 0 };

	sampled(&shown, 100, 50, 50, 250, NULL, 0);
	sampled(&shown, 200, 60, 60, 60, NULL, 0);
	assert_int_equal(shown.as_of_us, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_nothing_runs_it_is_as_of_its_sample),
		cmocka_unit_test(what_runs_unseen_behind_the_newest_that_ended_counts),
		cmocka_unit_test(it_is_as_of_a_sample_when_all_that_ran_then_have_ended),
		cmocka_unit_test(who_stays_is_asked_about_where_it_may_be_committed),
		cmocka_unit_test(what_is_open_there_is_not_committing),
		cmocka_unit_test(what_a_replica_has_committed_may_be_found_open_no_more),
		cmocka_unit_test(of_too_many_nobody_is_asked),
		cmocka_unit_test(of_another_history_nothing_is_sought),
		cmocka_unit_test(numbers_that_were_given_away_before_a_crash_are_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
