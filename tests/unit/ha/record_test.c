#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ha/record.h"

enum { A = 1, B = 2, C = 4 };

/* Led by b since epoch 3; its timeline 3 began at 3000, timeline 2 at 2000. */
static struct record example(void)
{
	return (struct record){
		.leadership = { .epoch = 3, .change = 12, .beat = 1009, .leader = 1, .heir = LEADER_NOBODY, .writable = true, .electable = B | C, .flushed = 0x100003148,
				.quorum_count = 2, .quorums = { { .leader = 0 }, { .members = A | C, .count = 1, .leader = 1 } } },
		.member_count = 3, .members = { "n1a", "n \"1\" b", "n1c" }, .system = UINT64_C(17711296226229800249), .era_count = 3,
		.eras = { { 1, 1, 0 }, { 2, 2, 2000 }, { 3, 3, 3000 } },
	};
}

static void what_is_written_is_read(void **state)
{
	struct record record = example(), read;
	char *text = record_to_json(&record);
	struct err err;

	(void)state;
	assert_int_equal(record_from_json(text, &read, &err), 0);
	assert_memory_equal(&read, &record, sizeof(read));
	mem_free(text);
	record.leadership.leader = LEADER_NOBODY;
	record.leadership.heir = 2;
	text = record_to_json(&record);
	assert_int_equal(record_from_json(text, &read, &err), 0);
	assert_memory_equal(&read, &record, sizeof(read));
	mem_free(text);
}

/* With one part of the text replaced; what is said of it. */
static void refused(const char *part, const char *by, const char *why)
{
	struct record record = example(), read;
	char *text = record_to_json(&record), *at = strstr(text, part), damaged[2048];
	struct err err;

	assert_non_null(at);
	snprintf(damaged, sizeof(damaged), "%.*s%s%s", (int)(at - text), text, by, at + strlen(part));
	assert_int_equal(record_from_json(damaged, &read, &err), ERR_CONFIG);
	assert_non_null(strstr(err.message, why));
	mem_free(text);
}

static void what_is_damaged_is_refused(void **state)
{
	(void)state;
	refused("{\"epoch\"", "\"epoch\"", "no JSON");
	refused("\"epoch\":3", "\"epoch\":0", "epoch");
	refused("\"change\":12", "\"change\":-12", "change");
	refused("\"beat\":1009", "\"beat\":\"1009\"", "beat");
	refused("\"leader\":\"n \\\"1\\\" b\",\"heir\"", "\"leader\":\"n1d\",\"heir\"", "leader");
	refused("\"heir\":null", "\"hair\":null", "heir");
	refused("\"electable\":[", "\"electable\":[\"n1d\",", "electable");
	refused("\"count\":1", "\"count\":3", "quorums");
	refused("\"system\":\"17", "\"system\":17, \"\":\"", "system");
	refused("\"timeline\":2", "\"timeline\":1", "eras");
	refused("\"timeline\":2", "\"timeline\":4294967296", "eras");
	refused("\"eras\":[{", "\"eras\":[],\"\":[{", "eras");
}

static struct history on(uint32_t timeline, size_t count, const struct ancestor *ancestors)
{
	struct history history = { .timeline = timeline, .count = count };

	for (size_t i = 0; i < count; i++)
		history.ancestors[i] = ancestors[i];
	return history;
}

static void lineage_is(const struct record *record, const struct history *history, uint64_t flushed, bool leads, enum lineage lineage, uint64_t of_the_shard)
{
	uint64_t found;

	assert_int_equal(record_lineage(record, history, flushed, leads, &found), lineage);
	assert_int_equal(found, of_the_shard);
}

static void what_lies_beyond_a_fork_is_ones_own(void **state)
{
	struct record record = example();
	struct history first = on(1, 0, NULL), second = on(2, 1, (struct ancestor[]){ { 1, 2000 } });
	struct history third = on(3, 2, (struct ancestor[]){ { 1, 2000 }, { 2, 3000 } });

	(void)state;
	lineage_is(&record, &third, 5000, false, LINEAGE_SAME, 5000);
	lineage_is(&record, &second, 2500, false, LINEAGE_SAME, 2500);
	lineage_is(&record, &second, 3000, false, LINEAGE_SAME, 3000);
	lineage_is(&record, &second, 3001, false, LINEAGE_OWN, 3000);
	lineage_is(&record, &first, 1999, false, LINEAGE_SAME, 1999);
	lineage_is(&record, &first, 9000, false, LINEAGE_OWN, 2000);
}

static void a_timeline_of_that_number_may_be_another_one(void **state)
{
	struct record record = example();
	struct history elsewhere = on(3, 2, (struct ancestor[]){ { 1, 2000 }, { 2, 2900 } }), unknown = on(7, 1, (struct ancestor[]){ { 1, 1500 } });

	(void)state;
	lineage_is(&record, &elsewhere, 3500, false, LINEAGE_OWN, 2900);
	lineage_is(&record, &elsewhere, 2950, false, LINEAGE_OWN, 2900);
	lineage_is(&record, &unknown, 4000, false, LINEAGE_OWN, 1500);
}

static void who_was_promoted_just_now_leads(void **state)
{
	struct record record = example();
	struct history fourth = on(4, 3, (struct ancestor[]){ { 1, 2000 }, { 2, 3000 }, { 3, 4000 } });

	(void)state;
	lineage_is(&record, &fourth, 4100, true, LINEAGE_OWN, 4000);    /* it has been primary all the time */
	record.leadership.writable = false;
	lineage_is(&record, &fourth, 4100, false, LINEAGE_OWN, 4000);
	lineage_is(&record, &fourth, 4100, true, LINEAGE_SAME, 4100);
	record.leadership.epoch = 4;
	record_add_era(&record, 4, 4000);
	lineage_is(&record, &fourth, 4100, false, LINEAGE_SAME, 4100);
	assert_int_equal(record.eras[3].epoch, 4);
}

static void who_missed_the_last_leader_may_lead(void **state)
{
	struct record record = example(), read;
	struct history fourth = on(4, 2, (struct ancestor[]){ { 1, 2000 }, { 2, 2500 } }), third = on(3, 2, (struct ancestor[]){ { 1, 2000 }, { 2, 3000 } });
	struct history late = on(4, 2, (struct ancestor[]){ { 1, 2000 }, { 2, 3500 } }), other = on(4, 2, (struct ancestor[]){ { 1, 1900 }, { 2, 2500 } });
	struct err err;
	char *text;

	(void)state;
	record.leadership.writable = false;
	lineage_is(&record, &fourth, 2600, false, LINEAGE_OWN, 2500);
	lineage_is(&record, &fourth, 2600, true, LINEAGE_SAME, 2600);
	lineage_is(&record, &late, 3600, true, LINEAGE_OWN, 3000);
	lineage_is(&record, &other, 2600, true, LINEAGE_OWN, 2500);
	record_add_era(&record, 4, 2500);
	lineage_is(&record, &fourth, 2600, false, LINEAGE_SAME, 2600);
	lineage_is(&record, &third, 3100, false, LINEAGE_OWN, 2500);
	text = record_to_json(&record);
	assert_int_equal(record_from_json(text, &read, &err), 0);
	assert_int_equal(read.era_count, 3);
	assert_int_equal(read.eras[2].timeline, 4);
	mem_free(text);
}

static void of_many_eras_the_newest_are_kept(void **state)
{
	struct record record = example();

	(void)state;
	for (uint32_t timeline = 4; timeline < 4 + ERAS_MAX; timeline++)
		record_add_era(&record, timeline, timeline * 1000);
	assert_int_equal(record.era_count, ERAS_MAX);
	assert_int_equal(record.eras[0].timeline, 4);
	assert_int_equal(record.eras[ERAS_MAX - 1].timeline, 3 + ERAS_MAX);
}

static void members_are_numbered_as_the_reader_does(void **state)
{
	static const char *const other[] = { "n1c", "n1d", "n1a", "n \"1\" b" }, *const fewer[] = { "n1a", "n1c" };
	struct record record = example(), before = record;
	const struct leadership *leadership = &record.leadership;

	(void)state;
	assert_false(record_arrange(&record, fewer, 2));
	assert_memory_equal(&record, &before, sizeof(record));
	assert_true(record_arrange(&record, other, 4));
	assert_int_equal(leadership->leader, 3);
	assert_int_equal(leadership->electable, 8 | 1);
	assert_int_equal(leadership->quorums[0].leader, 2);
	assert_int_equal(leadership->quorums[1].leader, 3);
	assert_int_equal(leadership->quorums[1].members, 4 | 1);
	assert_int_equal(record.member_count, 4);
	assert_string_equal(record.members[1], "n1d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_is_damaged_is_refused),
		cmocka_unit_test(what_lies_beyond_a_fork_is_ones_own),
		cmocka_unit_test(a_timeline_of_that_number_may_be_another_one),
		cmocka_unit_test(who_was_promoted_just_now_leads),
		cmocka_unit_test(who_missed_the_last_leader_may_lead),
		cmocka_unit_test(of_many_eras_the_newest_are_kept),
		cmocka_unit_test(members_are_numbered_as_the_reader_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
