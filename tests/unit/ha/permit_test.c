#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ha/permit.h"

static struct permit_answer example(void)
{
	return (struct permit_answer){
		.member = "n \"1\" b", .permit_us = 2113000, .hold_us = 400000, .revision = 812,
		.record = { .leadership = { .epoch = 3, .change = 12, .leader = 1, .heir = LEADER_NOBODY, .writable = true, .quorum_count = 1 }, .member_count = 2,
			    .members = { "n1a", "n \"1\" b" }, .system = 7, .era_count = 1, .eras = { { 1, 1, 0 } } },
	};
}

static void what_is_written_is_read(void **state)
{
	struct permit_answer answer = example(), read;
	char *text = permit_answer_to_json(&answer);
	struct err err;

	(void)state;
	assert_int_equal(permit_answer_from_json(text, strlen(text), &read, &err), 0);
	assert_memory_equal(&read, &answer, sizeof(read));
	mem_free(text);
}

static void who_has_seen_no_record_sends_none(void **state)
{
	struct permit_answer answer = { .member = "n1a", .hold_us = UINT64_MAX }, read;
	char *text = permit_answer_to_json(&answer);
	struct err err;

	(void)state;
	assert_null(strstr(text, "record"));
	assert_null(strstr(text, "hold_us"));
	assert_int_equal(permit_answer_from_json(text, strlen(text), &read, &err), 0);
	assert_memory_equal(&read, &answer, sizeof(read));
	mem_free(text);
}

static void damaged(const char *text)
{
	struct permit_answer read;
	struct err err;

	assert_int_equal(permit_answer_from_json(text, strlen(text), &read, &err), ERR_CONFIG);
}

static void questions_are_read_as_they_were_written(void **state)
{
	const int64_t lent[] = { -1, 0, 7 };
	struct permit_question read;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(lent) / sizeof(lent[0]); i++) {
		struct permit_question question = { "r \"1\"", lent[i] };
		char *text = permit_question_to_json(&question);

		assert_int_equal(permit_question_from_json(text, strlen(text), &read, &err), 0);
		assert_true(read.lent == lent[i] && strcmp(read.router, question.router) == 0);
		mem_free(text);
	}
	assert_int_equal(permit_question_from_json("{}", 2, &read, &err), ERR_CONFIG);
	assert_int_equal(permit_question_from_json("{\"router\":\"\",\"lent\":-3}", 24, &read, &err), ERR_CONFIG);
}

static void what_is_no_answer_is_refused(void **state)
{
	struct permit_answer answer = example();
	char *text = permit_answer_to_json(&answer);

	(void)state;
	damaged("");
	damaged("[]");
	damaged("{\"member\":\"n1a\"}");
	damaged("{\"permit_us\":5}");
	damaged("{\"member\":\"n1a\",\"permit_us\":-5}");
	damaged("{\"member\":\"n1a\",\"permit_us\":5,\"hold_us\":-1}");
	damaged("{\"member\":\"n1a\",\"permit_us\":5,\"revision\":1,\"record\":{}}");
	memcpy(strstr(text, "revision"), "reVision", strlen("revision"));
	damaged(text);
	mem_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(who_has_seen_no_record_sends_none),
		cmocka_unit_test(questions_are_read_as_they_were_written),
		cmocka_unit_test(what_is_no_answer_is_refused),
	};

	return cmocka_run_group_tests_name("permit", tests, NULL, NULL);
}
