#include "ha/record.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "catalog/ask.h"

enum { LSN_TEXT_SIZE = 32 };

/* ---- writing ---- */

static json_t *lsn_json(uint64_t lsn)
{
	return json_sprintf("%X/%X", (unsigned)(lsn >> 32), (unsigned)lsn);
}

static json_t *name_json(const struct record *record, int member)
{
	return member == LEADER_NOBODY ? json_null() : json_string(record->members[member]);
}

static json_t *names_json(const struct record *record, uint32_t members)
{
	json_t *names = json_array();

	for (size_t i = 0; i < record->member_count; i++)
		if (members >> i & 1)
			json_array_append_new(names, json_string(record->members[i]));
	return names;
}

char *record_to_json(const struct record *record)
{
	const struct leadership *leadership = &record->leadership;
	json_t *quorums = json_array(), *eras = json_array(), *json;
	char *text, *copy;

	for (size_t i = 0; i < leadership->quorum_count; i++) {
		const struct quorum *quorum = &leadership->quorums[i];

		json_array_append_new(quorums, json_pack("{s:o, s:o, s:i}", "leader", name_json(record, quorum->leader), "members",
							 names_json(record, quorum->members), "count", (int)quorum->count));
	}
	for (size_t i = 0; i < record->era_count; i++)
		json_array_append_new(eras, json_pack("{s:I, s:I, s:o}", "epoch", (json_int_t)record->eras[i].epoch, "timeline",
						      (json_int_t)record->eras[i].timeline, "begin", lsn_json(record->eras[i].begin)));
	json = json_pack("{s:I, s:I, s:I, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "epoch", (json_int_t)leadership->epoch, "change",
			 (json_int_t)leadership->change, "beat", (json_int_t)leadership->beat, "leader", name_json(record, leadership->leader), "heir",
			 name_json(record, leadership->heir), "writable", leadership->writable, "flushed", lsn_json(leadership->flushed), "members",
			 names_json(record, UINT32_MAX), "electable", names_json(record, leadership->electable), "quorums", quorums, "system",
			 json_sprintf("%" PRIu64, record->system), "eras", eras);
	text = json_dumps(json, JSON_COMPACT);
	copy = mem_strdup(text ? text : "");
	json_decref(json);
	free(text);
	return copy;
}

/* ---- reading ---- */

static bool read_number(const json_t *json, const char *name, uint64_t *ret_number)
{
	const json_t *value = json_object_get(json, name);

	*ret_number = (uint64_t)json_integer_value(value);
	return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool read_lsn(const json_t *json, const char *name, uint64_t *ret_lsn)
{
	const char *text = json_string_value(json_object_get(json, name));

	*ret_lsn = text ? ask_lsn(text) : 0;
	return text;
}

static bool read_member(const struct record *record, const json_t *value, int *ret_member)
{
	*ret_member = json_is_string(value) ? record_member(record, json_string_value(value)) : LEADER_NOBODY;
	return json_is_null(value) || *ret_member != LEADER_NOBODY;
}

static bool read_members(const struct record *record, const json_t *names, uint32_t *ret_members)
{
	const json_t *name;
	size_t i;
	int member;

	*ret_members = 0;
	json_array_foreach(names, i, name) {
		if (!read_member(record, name, &member) || member == LEADER_NOBODY)
			return false;
		*ret_members |= UINT32_C(1) << member;
	}
	return json_is_array(names);
}

static bool read_names(const json_t *names, struct record *record)
{
	const json_t *name;
	size_t i;

	if (json_array_size(names) == 0 || json_array_size(names) > MEMBERS_MAX)
		return false;
	json_array_foreach(names, i, name) {
		if (!json_is_string(name) || json_string_length(name) >= NAME_SIZE_MAX)
			return false;
		snprintf(record->members[i], NAME_SIZE_MAX, "%s", json_string_value(name));
	}
	record->member_count = json_array_size(names);
	return true;
}

static bool read_quorums(const json_t *quorums, struct record *record)
{
	struct leadership *leadership = &record->leadership;
	const json_t *json;
	size_t i;

	if (json_array_size(quorums) == 0 || json_array_size(quorums) > QUORUMS_MAX)
		return false;
	json_array_foreach(quorums, i, json) {
		struct quorum *quorum = &leadership->quorums[i];
		uint64_t count;

		if (!read_number(json, "count", &count) || !read_member(record, json_object_get(json, "leader"), &quorum->leader) ||
		    quorum->leader == LEADER_NOBODY || !read_members(record, json_object_get(json, "members"), &quorum->members) ||
		    count > (uint64_t)__builtin_popcount(quorum->members))
			return false;
		quorum->count = (unsigned)count;
	}
	leadership->quorum_count = json_array_size(quorums);
	return true;
}

static bool read_eras(const json_t *eras, struct record *record)
{
	const json_t *json;
	size_t i;

	if (json_array_size(eras) == 0 || json_array_size(eras) > ERAS_MAX)
		return false;
	json_array_foreach(eras, i, json) {
		struct era *era = &record->eras[i];
		uint64_t timeline;

		if (!read_number(json, "epoch", &era->epoch) || !read_number(json, "timeline", &timeline) || !read_lsn(json, "begin", &era->begin) ||
		    timeline == 0 || timeline > UINT32_MAX || (i && (era->begin < era[-1].begin || timeline <= era[-1].timeline)))
			return false;
		era->timeline = (uint32_t)timeline;
	}
	record->era_count = json_array_size(eras);
	return true;
}

/* What is wrong; NULL: nothing. */
static const char *read_record(const json_t *json, struct record *record)
{
	struct leadership *leadership = &record->leadership;
	const char *system = json_string_value(json_object_get(json, "system"));

	if (!read_names(json_object_get(json, "members"), record))
		return "members";
	if (!read_number(json, "epoch", &leadership->epoch) || !read_number(json, "change", &leadership->change) ||
	    !read_number(json, "beat", &leadership->beat) || leadership->epoch == 0)
		return "epoch, change or beat";
	if (!read_member(record, json_object_get(json, "leader"), &leadership->leader) ||
	    !read_member(record, json_object_get(json, "heir"), &leadership->heir))
		return "leader or heir";
	leadership->writable = json_is_true(json_object_get(json, "writable"));
	if (!read_lsn(json, "flushed", &leadership->flushed))
		return "flushed";
	if (!read_members(record, json_object_get(json, "electable"), &leadership->electable))
		return "electable";
	if (!read_quorums(json_object_get(json, "quorums"), record))
		return "quorums";
	record->system = system ? strtoull(system, NULL, 10) : 0;
	if (!record->system)
		return "system";
	return read_eras(json_object_get(json, "eras"), record) ? NULL : "eras";
}

int record_from_json(const char *text, struct record *ret_record, struct err *err)
{
	json_error_t why;
	json_t *json = json_loads(text, 0, &why);
	const char *wrong;

	if (!json)
		return err_set(err, ERR_CONFIG, "the shard's record is no JSON: %s", why.text);
	memset(ret_record, 0, sizeof(*ret_record));
	wrong = read_record(json, ret_record);
	json_decref(json);
	return wrong ? err_set(err, ERR_CONFIG, "the shard's record is damaged: %s", wrong) : 0;
}

static uint32_t rearranged(uint32_t members, const int *places)
{
	uint32_t found = 0;

	for (int i = 0; i < MEMBERS_MAX; i++)
		found |= members >> i & 1 ? UINT32_C(1) << places[i] : 0;
	return found;
}

bool record_arrange(struct record *record, const char *const *names, size_t count)
{
	struct leadership *leadership = &record->leadership;
	int places[MEMBERS_MAX] = { 0 };

	for (size_t i = 0; i < record->member_count; i++) {
		size_t j = 0;

		while (j < count && strcmp(record->members[i], names[j]) != 0)
			j++;
		if (j == count)
			return false;
		places[i] = (int)j;
	}
	leadership->leader = leadership->leader == LEADER_NOBODY ? LEADER_NOBODY : places[leadership->leader];
	leadership->heir = leadership->heir == LEADER_NOBODY ? LEADER_NOBODY : places[leadership->heir];
	leadership->electable = rearranged(leadership->electable, places);
	for (size_t i = 0; i < leadership->quorum_count; i++) {
		leadership->quorums[i].members = rearranged(leadership->quorums[i].members, places);
		leadership->quorums[i].leader = places[leadership->quorums[i].leader];
	}
	memset(record->members, 0, sizeof(record->members));
	for (size_t i = 0; i < count; i++)
		snprintf(record->members[i], NAME_SIZE_MAX, "%s", names[i]);
	record->member_count = count;
	return true;
}

int record_member(const struct record *record, const char *name)
{
	for (size_t i = 0; i < record->member_count; i++)
		if (strcmp(record->members[i], name) == 0)
			return (int)i;
	return LEADER_NOBODY;
}

/* ---- history ---- */

void record_add_era(struct record *record, uint32_t timeline, uint64_t begin)
{
	while (record->era_count && record->eras[record->era_count - 1].begin > begin)
		record->era_count--;
	if (record->era_count == ERAS_MAX)
		memmove(record->eras, record->eras + 1, --record->era_count * sizeof(record->eras[0]));
	record->eras[record->era_count++] = (struct era){ record->leadership.epoch, timeline, begin };
}

static const struct era *era_of(const struct record *record, uint32_t timeline)
{
	for (size_t i = 0; i < record->era_count; i++)
		if (record->eras[i].timeline == timeline)
			return &record->eras[i];
	return NULL;
}

static uint64_t end_of(const struct record *record, const struct era *era)
{
	return era == &record->eras[record->era_count - 1] ? UINT64_MAX : era[1].begin;
}

/* Where the timeline began, by the server's own account; 0: that is not known. */
static uint64_t begin_of(const struct history *history)
{
	return history->count ? history->ancestors[history->count - 1].end : 0;
}

/* A timeline of its own, behind all that the shard has had, that begins on one of these. */
static bool goes_on(const struct record *record, const struct history *history)
{
	const struct ancestor *parent = history->count ? &history->ancestors[history->count - 1] : NULL;
	const struct era *era = parent ? era_of(record, parent->timeline) : NULL;

	return era && history->timeline > record->eras[record->era_count - 1].timeline && parent->end <= end_of(record, era) &&
	       (era == record->eras || (history->count > 1 && parent[-1].end == era->begin));
}

enum lineage record_lineage(const struct record *record, const struct history *history, uint64_t flushed, bool leads, uint64_t *ret_flushed)
{
	const struct era *era = era_of(record, history->timeline);
	uint64_t end = 0, fork;

	/* Of this number, but another one: it began elsewhere. */
	if (era && begin_of(history) != era->begin && era != record->eras)
		era = NULL;
	if (era) {
		end = end_of(record, era);
	} else if (leads && !record->leadership.writable && goes_on(record, history)) {
		end = UINT64_MAX;       /* promoted, and not written down yet */
	} else {
		for (size_t i = 0; i < record->era_count; i++)
			if (history_fork(history, record->eras[i].timeline, &fork))
				end = fork < end_of(record, &record->eras[i]) ? fork : end_of(record, &record->eras[i]);
	}
	*ret_flushed = flushed < end ? flushed : end;
	return era || end == UINT64_MAX ? (flushed <= end ? LINEAGE_SAME : LINEAGE_OWN) : LINEAGE_OWN;
}
