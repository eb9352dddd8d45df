#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ha/leadership.h"

enum { A = 1, B = 2, C = 4 };

static struct leadership record_with(struct quorum quorum)
{
	return (struct leadership){ .epoch = 3, .change = 5, .beat = 7, .quorum_count = 1, .quorums = { quorum } };
}

static void states_are_ordered_by_epoch_then_change_then_beat(void **state)
{
	struct leadership first = record_with((struct quorum){ 0 }), second = first;

	(void)state;
	assert_false(leadership_later(&first, &second));
	second.beat++;
	assert_true(leadership_later(&second, &first));
	first.change++;
	assert_true(leadership_later(&first, &second));
	second.epoch++;
	assert_true(leadership_later(&second, &first));
}

static void enough_are_those_of_whom_every_quorum_has_one(void **state)
{
	struct leadership any_one = record_with((struct quorum){ .members = B | C, .count = 1, .leader = 0 });
	struct leadership both = record_with((struct quorum){ .members = B | C, .count = 2, .leader = 0 });
	struct leadership none = record_with((struct quorum){ .leader = 0 });

	(void)state;
	assert_false(leadership_certain(&any_one, B));
	assert_true(leadership_certain(&any_one, B | C));
	assert_true(leadership_certain(&any_one, A));           /* on whose node it was written */
	assert_true(leadership_certain(&both, C));
	assert_false(leadership_certain(&both, 0));
	assert_true(leadership_certain(&none, 0));
}

static void every_quorum_that_is_remembered_counts(void **state)
{
	struct leadership record = record_with((struct quorum){ .members = B, .count = 1, .leader = 0 });

	(void)state;
	assert_true(leadership_add_quorum(&record, &(struct quorum){ .members = C, .count = 1, .leader = 0 }));
	assert_int_equal(record.quorum_count, 2);
	assert_false(leadership_certain(&record, B));
	assert_false(leadership_certain(&record, C));
	assert_true(leadership_certain(&record, B | C));
}

static void a_quorum_that_is_there_becomes_the_last(void **state)
{
	struct quorum first = { .members = B, .count = 1, .leader = 0 }, second = { .members = C, .count = 1, .leader = 0 };
	struct leadership record = record_with(first);

	(void)state;
	assert_true(leadership_add_quorum(&record, &second));
	assert_true(leadership_add_quorum(&record, &first));
	assert_int_equal(record.quorum_count, 2);
	assert_true(quorum_equal(&record.quorums[1], &first));
}

static void there_is_no_room_for_more_than_some(void **state)
{
	struct leadership record = record_with((struct quorum){ .members = B, .count = 1, .leader = 0 });

	(void)state;
	for (int leader = 1; leader < QUORUMS_MAX; leader++)
		assert_true(leadership_add_quorum(&record, &(struct quorum){ .members = B, .count = 1, .leader = leader }));
	assert_false(leadership_add_quorum(&record, &(struct quorum){ .members = B, .count = 1, .leader = QUORUMS_MAX }));
	assert_int_equal(record.quorum_count, QUORUMS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_are_ordered_by_epoch_then_change_then_beat),
		cmocka_unit_test(enough_are_those_of_whom_every_quorum_has_one),
		cmocka_unit_test(every_quorum_that_is_remembered_counts),
		cmocka_unit_test(a_quorum_that_is_there_becomes_the_last),
		cmocka_unit_test(there_is_no_room_for_more_than_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
