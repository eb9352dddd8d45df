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

char *permit_question_to_json(const char *router)
{
	return dump(json_pack("{s:s}", "router", router));
}

char *permit_answer_to_json(const struct permit_answer *answer)
{
	json_t *json = json_pack("{s:s, s:I}", "member", answer->member, "permit_us", (json_int_t)answer->permit_us);
	char *record;

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
	const json_t *permit = json_object_get(json, "permit_us");
	int rc;

	*ret_answer = (struct permit_answer){ 0 };
	if (!member || !json_is_integer(permit) || json_integer_value(permit) < 0) {
		json_decref(json);
		return err_set(err, ERR_CONFIG, "the agent's answer is damaged: member, or permit_us");
	}
	snprintf(ret_answer->member, sizeof(ret_answer->member), "%s", member);
	ret_answer->permit_us = (uint64_t)json_integer_value(permit);
	rc = read_record(json, ret_answer, err);
	json_decref(json);
	return rc;
}
