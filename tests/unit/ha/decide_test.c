/* What single decisions are; that they do together what they should is the simulation's (tests/simulate). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ha/decide.h"

enum { SECOND = 1000000 };

static const uint64_t BEGAN = 1000 * (uint64_t)SECOND;

/* Member 0 leads, its commits wait for nobody, and member 1 has all of it but `behind`. */
static struct situation leading(enum member_condition node, uint64_t behind, uint64_t now)
{
	struct situation s = { .profile = &profile_fast, .self = 0, .members = 3, .loss_bytes_max = 100, .revision = 7, .seen_at = now, .read_at = now, .renewed_at = now,
		.heir = LEADER_NOBODY, .own = { .node = node, .flushed = 5000 } };

	s.record = (struct leadership){ .epoch = 2, .change = 3, .leader = 0, .heir = LEADER_NOBODY, .writable = true, .electable = 3, .quorum_count = 1 };
	s.views[1] = (struct member_view){ .asked_at = now, .said = { .node = MEMBER_STANDBY, .streaming = true, .flushed = 5000 - behind } };
	return s;
}

static struct decision then(struct memory *memory, enum member_condition node, uint64_t behind, uint64_t after_us)
{
	struct situation s = leading(node, behind, BEGAN + after_us);

	return decide(&s, memory, BEGAN + after_us);
}

static void a_node_that_does_not_come_up_is_left_to_others(void **state)
{
	struct memory memory = { 0 };

	(void)state;
	assert_int_equal(then(&memory, MEMBER_PRIMARY, 0, 0).node, WISH_PRIMARY);
	assert_int_equal(then(&memory, MEMBER_DOWN, 0, SECOND).record.leader, 0);
	assert_int_equal(then(&memory, MEMBER_UNKNOWN, 0, 29 * SECOND).record.leader, 0);
	assert_int_equal(then(&memory, MEMBER_UNKNOWN, 0, 31 * SECOND).node, WISH_STOPPED);
	assert_int_equal(then(&memory, MEMBER_DOWN, 101, 31 * SECOND).record.leader, 0);        /* who would lose more than they may */
	assert_int_equal(then(&memory, MEMBER_DOWN, 100, 31 * SECOND).record.leader, LEADER_NOBODY);
	assert_int_equal(then(&memory, MEMBER_PRIMARY, 0, 32 * SECOND).node, WISH_PRIMARY);     /* it was up before anybody else was asked */
	assert_int_equal(then(&memory, MEMBER_DOWN, 0, 33 * SECOND).record.leader, 0);
}

static void nobody_leaves_while_a_start_may_be_under_way(void **state)
{
	struct situation s = leading(MEMBER_DOWN, 0, BEGAN + 40 * (uint64_t)SECOND);
	struct memory memory = { .led_epoch = 2, .up_at = BEGAN };

	(void)state;
	s.may_start = true;
	assert_int_equal(decide(&s, &memory, BEGAN + 40 * (uint64_t)SECOND).node, WISH_STOPPED);
	assert_false(decide(&s, &memory, BEGAN + 40 * (uint64_t)SECOND).swap);
	s.may_start = false;
	assert_int_equal(decide(&s, &memory, BEGAN + 40 * (uint64_t)SECOND).record.leader, LEADER_NOBODY);
}

static void of_a_node_that_was_not_looked_at_nothing_is_decided(void **state)
{
	struct memory memory = { 0 };

	(void)state;
	assert_int_equal(then(&memory, MEMBER_UNKNOWN, 0, 0).node, WISH_LEAVE);
}

static void until_the_mode_is_known_what_commits_wait_for_stays(void **state)
{
	struct situation s = leading(MEMBER_PRIMARY, 0, BEGAN);
	struct memory memory = { 0 };

	(void)state;
	s.rule = (struct replication_rule){ .mode = REPLICATION_SEMI_SYNC, .count = 1 };
	assert_int_equal(decide(&s, &memory, BEGAN).record.quorum_count, 2);
	s.rule_unknown = true;
	assert_int_equal(decide(&s, &memory, BEGAN).record.quorum_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_that_does_not_come_up_is_left_to_others),
		cmocka_unit_test(nobody_leaves_while_a_start_may_be_under_way),
		cmocka_unit_test(of_a_node_that_was_not_looked_at_nothing_is_decided),
		cmocka_unit_test(until_the_mode_is_known_what_commits_wait_for_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
