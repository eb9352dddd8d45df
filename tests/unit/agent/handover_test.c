#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/handover.h"

enum { NOW = 100000000, SECOND = 1000000, DRAIN = 5 * SECOND };

static const char *const names[] = { "n1a", "n1b", "n1c" };

/* a leads; b and c stream, c has more. */
static struct situation example(void)
{
	struct situation s = { .profile = &profile_fast, .self = 0, .members = 7, .heir = LEADER_NOBODY, .revision = 5,
			       .record = { .epoch = 3, .leader = 0, .heir = LEADER_NOBODY, .writable = true, .electable = 7, .quorum_count = 1 } };

	s.own.node = MEMBER_PRIMARY;
	for (int i = 1; i < 3; i++)
		s.views[i] = (struct member_view){ .asked_at = NOW, .said = { .node = MEMBER_STANDBY, .streaming = true, .flushed = 1000 + (uint64_t)i } };
	return s;
}

static void still_there(struct situation *s, uint64_t now)
{
	s->views[1].asked_at = s->views[2].asked_at = now;
}

static void begun(struct handover *h, const struct situation *s, int heir)
{
	struct err err;

	*h = (struct handover){ 0 };
	assert_int_equal(handover_hold_us(h, NOW), UINT64_MAX);
	assert_int_equal(handover_begin(h, s, names, heir, DRAIN, NOW, &err), 0);
}

static void it_holds_then_drains_then_shuts_down_then_another_leads(void **state)
{
	struct situation s = example();
	struct handover h;
	uint64_t now = NOW + SECOND;

	(void)state;
	begun(&h, &s, LEADER_NOBODY);
	assert_int_equal(h.heir, 2);
	assert_in_range(handover_hold_us(&h, NOW), 1, SECOND);
	handover_heard(&h, "r1", -1, NOW);
	handover_heard(&h, "r2", 0, NOW);
	handover_heard(&h, "", -1, NOW);
	still_there(&s, now);
	handover_step(&h, &s, names, now);
	assert_int_equal(h.phase, HANDOVER_DRAINS);
	assert_int_equal(handover_hold_us(&h, now), 0);
	handover_heard(&h, "r1", 2, now);
	handover_step(&h, &s, names, now);
	assert_int_equal(h.phase, HANDOVER_DRAINS);
	handover_heard(&h, "r1", 0, now);
	handover_step(&h, &s, names, now);
	assert_int_equal(h.phase, HANDOVER_SHUTS_DOWN);
	assert_int_equal(s.heir, 2);
	s.own.node = MEMBER_DOWN;
	s.views[2].said.streaming = false;
	handover_step(&h, &s, names, now);
	assert_int_equal(h.phase, HANDOVER_SHUTS_DOWN);
	s.record.epoch = 4;
	s.record.leader = 2;
	s.record.writable = false;
	handover_step(&h, &s, names, now);
	assert_int_equal(h.phase, HANDOVER_SHUTS_DOWN);
	s.record.writable = true;
	handover_step(&h, &s, names, now);
	assert_int_equal(h.phase, HANDOVER_NONE);
	assert_true(h.done && h.ended_at == now && s.heir == LEADER_NOBODY);
}

static void what_does_not_end_in_time_keeps_the_primary(void **state)
{
	struct situation s = example();
	struct handover h;
	uint64_t now = NOW + 7 * SECOND;

	(void)state;
	begun(&h, &s, 1);
	still_there(&s, now);
	handover_heard(&h, "r1", 3, now);
	handover_step(&h, &s, names, now);
	assert_int_equal(h.phase, HANDOVER_NONE);
	assert_true(h.ended_at && !h.done && s.heir == LEADER_NOBODY);
	assert_non_null(strstr(h.outcome, "3 backends were still lent by r1"));
}

static void a_router_that_asks_no_more_is_not_waited_for(void **state)
{
	struct situation s = example();
	struct handover h;
	uint64_t now = NOW + 3 * SECOND;

	(void)state;
	begun(&h, &s, 1);
	handover_heard(&h, "r1", 3, NOW);
	handover_heard(&h, "r2", 0, now);
	still_there(&s, now);
	handover_step(&h, &s, names, now);
	assert_int_equal(h.phase, HANDOVER_SHUTS_DOWN);
}

static void an_heir_that_is_lost_ends_it(void **state)
{
	struct situation s = example();
	struct handover h;

	(void)state;
	begun(&h, &s, 1);
	handover_heard(&h, "r1", 3, NOW + 2 * SECOND);
	handover_step(&h, &s, names, NOW + 2 * SECOND);
	assert_true(h.phase == HANDOVER_NONE && !h.done && strstr(h.outcome, "n1b does not follow closely"));
	begun(&h, &s, 1);
	handover_step(&h, &s, names, NOW + SECOND / 2);
	assert_int_equal(h.phase, HANDOVER_SHUTS_DOWN);
	handover_step(&h, &s, names, NOW + 2 * SECOND);
	assert_true(h.phase == HANDOVER_NONE && !h.done);
}

static void refused(struct situation *s, int heir, const char *why)
{
	struct handover h = { 0 };
	struct err err;

	assert_int_equal(handover_begin(&h, s, names, heir, DRAIN, NOW, &err), ERR_WRONG_STATE);
	assert_non_null(strstr(err.message, why));
}

static void what_cannot_be_is_refused(void **state)
{
	struct situation s = example();
	struct handover h;
	struct err err;

	(void)state;
	begun(&h, &s, 1);
	assert_int_equal(handover_begin(&h, &s, names, 1, DRAIN, NOW, &err), ERR_WRONG_STATE);
	refused(&s, 0, "leads already");
	s.views[1].said.streaming = false;
	refused(&s, 1, "does not follow closely enough");
	s.views[2].said.sick = true;
	refused(&s, LEADER_NOBODY, "no other node follows closely enough");
	s.record.leader = 1;
	refused(&s, 2, "does not lead");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_holds_then_drains_then_shuts_down_then_another_leads),
		cmocka_unit_test(what_does_not_end_in_time_keeps_the_primary),
		cmocka_unit_test(a_router_that_asks_no_more_is_not_waited_for),
		cmocka_unit_test(an_heir_that_is_lost_ends_it),
		cmocka_unit_test(what_cannot_be_is_refused),
	};

	return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
