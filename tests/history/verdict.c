#include "verdict.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define NOBODY UINT32_MAX

struct mark { uint64_t ns; uint32_t event; };           /* from then on nobody may be told less than this event has */

struct marks { struct mark *items; size_t count, room; };

struct key {                            /* what happened to it */
	struct marks acknowledged, strong;      /* in order, each one newer than the one before; `strong`: what strong sessions were told counts, too */
	uint64_t *begun;                /* of a register by value, 0 or NEVER_NS: nobody wrote that; of a counter in order */
	bool *made;                     /* of a counter: it was told to whoever added */
	uint32_t begun_count, begun_room;       /* largest value + 1 of a register; additions to a counter */
};

struct floor { uint32_t session; uint32_t *events; };   /* of a place: for each key the event with the newest that its session knows of, or NOBODY */

struct trial {
	const struct history *history;
	const uint16_t *primaries;
	size_t primary_count;
	struct key *keys;
	struct floor *floors;
	struct verdict *verdict;
};

/* ---- what happened, by keys ---- */

static void mark(const struct trial *trial, struct marks *marks, uint32_t number)
{
	const struct event *events = trial->history->events;

	if (marks->count && events[marks->items[marks->count - 1].event].value >= events[number].value)
		return;
	if (marks->count == marks->room) {
		marks->room = marks->room ? 2 * marks->room : 16;
		marks->items = mem_realloc(marks->items, marks->room * sizeof(*marks->items));
	}
	marks->items[marks->count++] = (struct mark){ events[number].ended_ns, number };
}

static void reserve(struct key *key, uint32_t count)
{
	uint32_t before = key->begun_room;

	if (count <= before)
		return;
	key->begun_room = count > 2 * before ? count : 2 * before;
	key->begun = mem_realloc(key->begun, key->begun_room * sizeof(*key->begun));
	memset(key->begun + before, 0, (key->begun_room - before) * sizeof(*key->begun));
}

static void note_begun(struct key *key, const struct event *event)
{
	uint32_t at = event->kind == EVENT_ADD ? key->begun_count : event->value;

	reserve(key, at + 1);
	key->begun[at] = event->begun_ns;
	key->begun_count = at >= key->begun_count ? at + 1 : key->begun_count;
}

static int compare_ns(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return (a > b) - (a < b);
}

static void survey(struct trial *trial)
{
	const struct history *history = trial->history;
	uint64_t ended_ns = 0;

	for (uint32_t i = 0; i < history->event_count; i++) {
		const struct event *event = &history->events[i];
		struct key *key = &trial->keys[event->key];
		bool is_write = event->kind != EVENT_READ;

		if (is_write)
			note_begun(key, event);
		if (event->ended_ns == NEVER_NS)
			continue;
		assert(event->ended_ns >= ended_ns);
		ended_ns = event->ended_ns;
		if (is_write)
			mark(trial, &key->acknowledged, i);
		if (is_write || history->sessions[event->session].level == LEVEL_STRONG)
			mark(trial, &key->strong, i);
	}
	for (uint16_t i = 0; i < history_key_count(history); i++) {
		struct key *key = &trial->keys[i];

		if (!history_is_counter(history, i) || !key->begun_count)
			continue;
		qsort(key->begun, key->begun_count, sizeof(*key->begun), compare_ns);
		key->made = mem_calloc(key->begun_count + 1, sizeof(*key->made));
	}
}

/* The newest event that was marked before, or NOBODY. */
static uint32_t newest_before(const struct marks *marks, uint64_t ns)
{
	size_t low = 0, high = marks->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (marks->items[middle].ns < ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? marks->items[low - 1].event : NOBODY;
}

/* ---- what must not be ---- */

static int describe(const struct history *history, const struct event *event, char *text, size_t size)
{
	static const char *const verbs[] = { [EVENT_READ] = "read", [EVENT_WRITE] = "wrote", [EVENT_ADD] = "counted to" };
	uint64_t origin_ns = history->events[0].begun_ns;

	return snprintf(text, size, "session %" PRIu32 " (%s) %s %" PRIu32 " at port %u from %.6f s to %.6f s", event->session,
			level_names[history->sessions[event->session].level], verbs[event->kind], event->value, event->port,
			(double)(int64_t)(event->begun_ns - origin_ns) / 1e9, (double)(int64_t)(event->ended_ns - origin_ns) / 1e9);
}

static void accuse(struct trial *trial, const struct event *event, const char *rule, uint32_t witness)
{
	const struct history *history = trial->history;
	struct level_verdict *level = &trial->verdict->levels[history->sessions[event->session].level];
	char *text = level->shown[level->violations], key[64];
	int length;

	if (level->violations++ >= SHOWN_MAX)
		return;
	history_key_name(history, event->key, key, sizeof(key));
	length = snprintf(text, SHOWN_SIZE, "%s: %s: ", rule, key);
	length += describe(history, event, text + length, SHOWN_SIZE - (size_t)length);
	if (witness == NOBODY)
		return;
	length += snprintf(text + length, SHOWN_SIZE - (size_t)length, ", after ");
	describe(history, &history->events[witness], text + length, SHOWN_SIZE - (size_t)length);
}

static bool expect(struct trial *trial, const struct event *event, const char *rule, uint32_t witness)
{
	if (witness == NOBODY || event->value >= trial->history->events[witness].value)
		return true;
	accuse(trial, event, rule, witness);
	return false;
}

static bool was_being_written(const struct history *history, const struct key *key, const struct event *event)
{
	uint32_t at = history_is_counter(history, event->key) ? event->value - 1 : event->value;

	if (event->value == 0)
		return true;
	return at < key->begun_count && key->begun[at] && key->begun[at] <= event->ended_ns;
}

/* The place's events; those of its session, none yet, when that is a new one. */
static uint32_t *floor_of(struct trial *trial, const struct event *event)
{
	struct floor *floor = &trial->floors[trial->history->sessions[event->session].place];
	size_t keys = history_key_count(trial->history);

	if (!floor->events || floor->session != event->session) {
		floor->session = event->session;
		floor->events = mem_realloc(floor->events, keys * sizeof(*floor->events));
		memset(floor->events, 0xff, keys * sizeof(*floor->events));
	}
	return floor->events;
}

static void judge_read(struct trial *trial, const struct event *event, uint32_t known)
{
	const struct history *history = trial->history;
	const struct key *key = &trial->keys[event->key];

	switch (history->sessions[event->session].level) {
	case LEVEL_EVENTUAL:
	case LEVEL_COUNT:
		return;
	case LEVEL_BOUNDED:
		if (event->begun_ns > history->max_staleness_ns)
			expect(trial, event, "older than max_staleness", newest_before(&key->acknowledged, event->begun_ns - history->max_staleness_ns));
		return;
	case LEVEL_MONOTONIC:
		expect(trial, event, "went back", known);
		return;
	case LEVEL_READ_YOUR_WRITES:
	case LEVEL_SESSION:
		expect(trial, event, "went back or lost its own write", known);
		return;
	case LEVEL_STRONG:
		if (expect(trial, event, "not strong", newest_before(&key->strong, event->begun_ns)))
			expect(trial, event, "went back or lost its own write", known);
		return;
	}
}

static void judge(struct trial *trial, uint32_t number)
{
	const struct history *history = trial->history;
	const struct event *event = &history->events[number];
	struct key *key = &trial->keys[event->key];
	enum level level = history->sessions[event->session].level;
	uint32_t *known = floor_of(trial, event) + event->key;

	if (event->kind != EVENT_WRITE) {
		if (!was_being_written(history, key, event))
			accuse(trial, event, "nobody was writing it", NOBODY);
		else if (event->kind == EVENT_READ)
			judge_read(trial, event, *known);
	}
	if (event->kind == EVENT_ADD && event->value <= key->begun_count) {
		if (key->made[event->value])
			accuse(trial, event, "counted twice", NOBODY);
		key->made[event->value] = true;
	}
	if (event->kind == EVENT_WRITE && level == LEVEL_MONOTONIC)
		return;                 /* it was not told what it wrote */
	if (*known == NOBODY || history->events[*known].value < event->value)
		*known = number;
}

static void count(struct trial *trial, const struct event *event)
{
	struct level_verdict *level = &trial->verdict->levels[trial->history->sessions[event->session].level];
	bool is_primarys = false;

	for (size_t i = 0; i < trial->primary_count; i++)
		is_primarys |= trial->primaries[i] == event->port;
	level->operations += event->first;
	level->writes += event->kind != EVENT_READ;
	level->reads += event->kind == EVENT_READ;
	level->replica_reads += event->kind == EVENT_READ && !is_primarys;
}

void verdict_find(const struct history *history, const uint16_t *primaries, size_t primary_count, struct verdict *ret_verdict)
{
	struct trial trial = { .history = history, .primaries = primaries, .primary_count = primary_count, .verdict = ret_verdict };
	size_t keys = history_key_count(history);

	memset(ret_verdict, 0, sizeof(*ret_verdict));
	trial.keys = mem_calloc(keys, sizeof(*trial.keys));
	trial.floors = mem_calloc(history->places, sizeof(*trial.floors));
	survey(&trial);
	for (uint32_t i = 0; i < history->event_count; i++) {
		if (history->events[i].ended_ns == NEVER_NS)
			continue;
		count(&trial, &history->events[i]);
		judge(&trial, i);
	}
	for (size_t i = 0; i < keys; i++) {
		mem_free(trial.keys[i].acknowledged.items);
		mem_free(trial.keys[i].strong.items);
		mem_free(trial.keys[i].begun);
		mem_free(trial.keys[i].made);
	}
	for (size_t i = 0; i < history->places; i++)
		mem_free(trial.floors[i].events);
	mem_free(trial.keys);
	mem_free(trial.floors);
}
