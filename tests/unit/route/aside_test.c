#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "route/aside.h"

enum { SECOND = 1000000 };

static void what_works_is_open_to_all(void **state)
{
	struct aside aside = { 0 };
	bool trial;

	assert_true(aside_open(&aside, 0));
	assert_true(aside_ask(&aside, 0, &trial));
	assert_false(trial);
}

static void each_failure_in_a_row_doubles_the_pause_to_a_limit(void **state)
{
	struct aside aside = { 0 };
	uint64_t now = SECOND, pause = ASIDE_FIRST_US;
	bool trial;

	for (int i = 0; i < 20; i++) {
		assert_true(aside_failed(&aside, now, now));
		assert_false(aside_open(&aside, now + pause - 1));
		assert_true(aside_open(&aside, now + pause));
		now += pause;
		assert_true(aside_ask(&aside, now, &trial));
		assert_true(trial);
		pause = pause * 2 < ASIDE_US_MAX ? pause * 2 : ASIDE_US_MAX;
	}
	aside_worked(&aside);
	assert_true(aside_open(&aside, now));
	assert_true(aside_failed(&aside, now, now));
	assert_true(aside_open(&aside, now + ASIDE_FIRST_US));
}

/* Sixty-four sessions have statements there when it breaks: they are one failure, whenever they hear of it. */
static void what_fails_together_is_one_failure(void **state)
{
	struct aside aside = { 0 };

	assert_true(aside_failed(&aside, SECOND, 2 * SECOND));
	assert_false(aside_failed(&aside, SECOND, 2 * SECOND + 1));
	assert_false(aside_failed(&aside, 2 * SECOND, 2 * SECOND + ASIDE_FIRST_US + 1));
	assert_int_equal(aside.failures, 1);
	assert_true(aside_failed(&aside, 2 * SECOND + ASIDE_FIRST_US, 2 * SECOND + ASIDE_FIRST_US + 1));
	assert_int_equal(aside.failures, 2);
}

static void one_tries_before_others_do(void **state)
{
	struct aside aside = { 0 };
	uint64_t now = SECOND + ASIDE_FIRST_US;
	bool trial;

	aside_failed(&aside, SECOND, SECOND);
	assert_true(aside_ask(&aside, now, &trial));
	assert_true(trial);
	assert_false(aside_open(&aside, now));
	assert_false(aside_ask(&aside, now, &trial));
	assert_true(aside_open(&aside, now + ASIDE_TRIAL_US));  /* who tried has not heard anything */
	assert_true(aside_ask(&aside, now + ASIDE_TRIAL_US, &trial));
	aside_worked(&aside);
	assert_true(aside_ask(&aside, now + ASIDE_TRIAL_US, &trial));
	assert_false(trial);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_works_is_open_to_all),
		cmocka_unit_test(each_failure_in_a_row_doubles_the_pause_to_a_limit),
		cmocka_unit_test(what_fails_together_is_one_failure),
		cmocka_unit_test(one_tries_before_others_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
