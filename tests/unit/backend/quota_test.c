#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <pthread.h>

#include "backend/quota.h"

enum { THREADS = 4, LIMIT = 3, ROUNDS = 20000 };

static struct quota *shared;
static unsigned held, held_most;        /* atomic */

static void *take_and_give(void *argument)
{
	unsigned taken = 0;

	while (taken < ROUNDS) {
		unsigned now, most;

		if (!quota_take(shared, NULL)) {
			sched_yield();
			continue;
		}
		taken++;
		now = __atomic_add_fetch(&held, 1, __ATOMIC_SEQ_CST);
		most = __atomic_load_n(&held_most, __ATOMIC_SEQ_CST);
		while (now > most && !__atomic_compare_exchange_n(&held_most, &most, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			;
		__atomic_sub_fetch(&held, 1, __ATOMIC_SEQ_CST);
		quota_give(shared);
	}
	return NULL;
}

static void threads_never_hold_more_than_the_limit(void **state)
{
	struct quotas *quotas = quotas_new();
	pthread_t threads[THREADS];

	shared = quotas_get(quotas, SLICE_LIT("n1/shop/bob"), LIMIT);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(held_most <= LIMIT);
	assert_int_equal(shared->used, 0);
	quotas_free(quotas);
	quotas_free(NULL);
}

static void who_waits_is_named_to_who_gives(void **state)
{
	struct quotas *quotas = quotas_new();
	struct quota *quota = quotas_get(quotas, SLICE_LIT("key"), 1);
	struct quota_wait first = { .worker = 63 }, second = { .worker = 0 };

	assert_true(quota_take(quota, NULL));
	assert_false(quota_take(quota, NULL));
	assert_true(quota_queue(quota, &first, 0));
	assert_false(quota_queue(quota, &first, 0));
	assert_true(quota_queue(quota, &second, 0));
	assert_int_equal(quota_queue_no_more(quota, &first), 0);        /* nothing is left for who comes next */
	assert_true(quota_queue(quota, &first, 0));
	assert_int_equal(quota_give(quota), (UINT64_C(1) << 63) | 1);
	assert_int_equal(quota_queue_no_more(quota, &second), UINT64_C(1) << 63);
	assert_true(quota_take(quota, &first));
	assert_int_equal(quota_queue_no_more(quota, &first), 0);
	assert_int_equal(quota_give(quota), 0);
	quotas_free(quotas);
}

static void who_came_first_takes_first_and_goes_to_the_end(void **state)
{
	struct quotas *quotas = quotas_new();
	struct quota *quota = quotas_get(quotas, SLICE_LIT("key"), 2);
	struct quota_wait first = { .worker = 1 }, second = { .worker = 2 };

	assert_true(quota_take(quota, NULL));
	assert_true(quota_take(quota, NULL));
	quota_queue(quota, &first, 0);
	quota_queue(quota, &second, 3);
	quota_give(quota);
	assert_false(quota_take(quota, NULL));
	assert_false(quota_take(quota, &second));
	assert_true(quota_take(quota, &first));
	quota_give(quota);
	assert_false(quota_take(quota, &first));        /* behind the second now */
	assert_true(quota_take(quota, &second));
	quota_give(quota);
	quota_give(quota);
	assert_true(quota_take(quota, &second));        /* one is left for the first */
	assert_false(quota_take(quota, NULL));
	quota_queue_no_more(quota, &first);
	quota_queue_no_more(quota, &second);
	quotas_free(quotas);
}

static void one_key_is_one_quota(void **state)
{
	struct quotas *quotas = quotas_new();
	struct quota *quota = quotas_get(quotas, SLICE_LIT("key"), 2);

	assert_ptr_equal(quotas_get(quotas, SLICE_LIT("key"), 9), quota);
	assert_ptr_not_equal(quotas_get(quotas, SLICE_LIT("other"), 9), quota);
	assert_int_equal(quota->limit, 2);
	quotas_free(quotas);
}

static void it_is_known_how_few_who_waits_has(void **state)
{
	struct quotas *quotas = quotas_new();
	struct quota *quota = quotas_get(quotas, SLICE_LIT("key"), 1);
	struct quota_wait some = { .worker = 3 }, none = { .worker = 3 };

	assert_true(quota->least == QUOTA_NOBODY);
	quota_queue(quota, &some, 4);
	assert_int_equal(quota->least, 4);
	quota_queue(quota, &none, 0);
	assert_int_equal(quota->least, 0);
	quota_queue_no_more(quota, &none);
	assert_false(quota_queue(quota, &some, 5));
	assert_int_equal(quota->least, 5);
	assert_true(quota_queue(quota, &some, 2));
	assert_true(quota_take(quota, &some));
	assert_int_equal(quota->least, 3);
	quota_queue_no_more(quota, &some);
	assert_true(quota->least == QUOTA_NOBODY);
	quotas_free(quotas);
}

static void a_lowered_limit_is_told_until_enough_was_given_back(void **state)
{
	struct quotas *quotas = quotas_new();
	struct quota *quota = quotas_get(quotas, SLICE_LIT("key"), 2);

	assert_true(quota_take(quota, NULL));
	assert_true(quota_take(quota, NULL));
	assert_false(quota_over(quota));
	quota_limit(quota, 1);
	assert_true(quota_over(quota));
	quota_give(quota);
	assert_false(quota_over(quota));
	assert_false(quota_take(quota, NULL));
	quota_limit(quota, QUOTA_NONE);
	assert_true(quota_take(quota, NULL));
	quotas_free(quotas);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_never_hold_more_than_the_limit),
		cmocka_unit_test(who_waits_is_named_to_who_gives),
		cmocka_unit_test(one_key_is_one_quota),
		cmocka_unit_test(who_came_first_takes_first_and_goes_to_the_end),
		cmocka_unit_test(it_is_known_how_few_who_waits_has),
		cmocka_unit_test(a_lowered_limit_is_told_until_enough_was_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
