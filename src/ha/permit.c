#include "ha/permit.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

static char *dump(json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT), *copy = mem_strdup(text ? text : "");

	free(text);
	json_decref(json);
	return copy;
}

char *permit_question_to_json(const struct permit_question *question)
{
	json_t *json = json_pack("{s:s}", "router", question->router);

	if (question->lent >= 0)
		json_object_set_new(json, "lent", json_integer((json_int_t)question->lent));
	return dump(json);
}

int permit_question_from_json(const char *text, size_t size, struct permit_question *ret_question, struct err *err)
{
	json_t *json = json_loadb(text, size, 0, NULL);
	const char *router = json_string_value(json_object_get(json, "router"));
	const json_t *lent = json_object_get(json, "lent");
	int rc = router && (!lent || (json_is_integer(lent) && json_integer_value(lent) >= 0)) ? 0 : err_set(err, ERR_CONFIG, "the router's question is damaged");

	*ret_question = (struct permit_question){ .lent = lent ? (int64_t)json_integer_value(lent) : -1 };
	snprintf(ret_question->router, sizeof(ret_question->router), "%s", router ? router : "");
	json_decref(json);
	return rc;
}

char *permit_answer_to_json(const struct permit_answer *answer)
{
	json_t *json = json_pack("{s:s, s:I}", "member", answer->member, "permit_us", (json_int_t)answer->permit_us);
	char *record;

	if (answer->hold_us != UINT64_MAX)
		json_object_set_new(json, "hold_us", json_integer((json_int_t)answer->hold_us));
	if (answer->revision) {
		record = record_to_json(&answer->record);
		json_object_set_new(json, "revision", json_integer((json_int_t)answer->revision));
		json_object_set_new(json, "record", json_loads(record, 0, NULL));
		mem_free(record);
	}
	return dump(json);
}

static int read_record(const json_t *json, struct permit_answer *answer, struct err *err)
{
	json_t *record = json_object_get(json, "record");
	char *text;
	int rc;

	if (!record)
		return 0;
	text = json_dumps(record, JSON_COMPACT);
	rc = record_from_json(text ? text : "", &answer->record, err);
	free(text);
	answer->revision = (uint64_t)json_integer_value(json_object_get(json, "revision"));
	return rc == 0 && !answer->revision ? err_set(err, ERR_CONFIG, "the agent's answer is damaged: revision") : rc;
}

int permit_answer_from_json(const char *text, size_t size, struct permit_answer *ret_answer, struct err *err)
{
	json_t *json = json_loadb(text, size, 0, NULL);
	const char *member = json_string_value(json_object_get(json, "member"));
	const json_t *permit = json_object_get(json, "permit_us"), *hold = json_object_get(json, "hold_us");
	int rc;

	*ret_answer = (struct permit_answer){ 0 };
	if (!member || !json_is_integer(permit) || json_integer_value(permit) < 0 || (hold && (!json_is_integer(hold) || json_integer_value(hold) < 0))) {
		json_decref(json);
		return err_set(err, ERR_CONFIG, "the agent's answer is damaged: member, permit_us or hold_us");
	}
	snprintf(ret_answer->member, sizeof(ret_answer->member), "%s", member);
	ret_answer->permit_us = (uint64_t)json_integer_value(permit);
	ret_answer->hold_us = hold ? (uint64_t)json_integer_value(hold) : UINT64_MAX;
	rc = read_record(json, ret_answer, err);
	json_decref(json);
	return rc;
}
