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
	uint32_t *writers;              /* by value, the event that made it; NOBODY: none did, or who adds to a counter and was not told */
	uint32_t **known;               /* by value, the newest values of all keys that who made it knew of; NULL: not yet */
	uint32_t value_room;
	uint64_t *begun;                /* of a counter: additions, in order */
	uint32_t begun_count, begun_room;
};

struct token { uint32_t *floors, *known; };

struct place {                          /* what its session knows of, each for all keys */
	uint32_t session;
	uint32_t *floors;               /* events with the newest that it was told, or, but for monotonic, wrote itself; or NOBODY */
	uint32_t *known;                /* the newest values that it could have been told of by anybody */
	const struct token *token;      /* or NULL */
};

struct trial {
	const struct history *history;
	const uint16_t *primaries;
	size_t primary_count, key_count;
	struct key *keys;
	struct marks *users;            /* by user and key: what each had acknowledged */
	struct place *places;
	struct token *tokens;
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

static void reserve_value(struct key *key, uint32_t value)
{
	uint32_t before = key->value_room;

	if (value < before)
		return;
	key->value_room = value < 2 * before ? 2 * before : value + 16;
	key->writers = mem_realloc(key->writers, key->value_room * sizeof(*key->writers));
	key->known = mem_realloc(key->known, key->value_room * sizeof(*key->known));
	memset(key->writers + before, 0xff, (key->value_room - before) * sizeof(*key->writers));
	memset(key->known + before, 0, (key->value_room - before) * sizeof(*key->known));
}

static void note_write(struct key *key, const struct event *event, uint32_t number)
{
	bool is_told = event->kind == EVENT_WRITE || event->ended_ns != NEVER_NS;

	if (event->kind == EVENT_ADD) {
		if (key->begun_count == key->begun_room) {
			key->begun_room = key->begun_room ? 2 * key->begun_room : 16;
			key->begun = mem_realloc(key->begun, key->begun_room * sizeof(*key->begun));
		}
		key->begun[key->begun_count++] = event->begun_ns;
	}
	if (!is_told)
		return;
	reserve_value(key, event->value);
	if (key->writers[event->value] == NOBODY)
		key->writers[event->value] = number;
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
		const struct told *session = &history->sessions[event->session];
		struct key *key = &trial->keys[event->key];
		bool is_write = event->kind == EVENT_WRITE || event->kind == EVENT_ADD;

		if (is_write)
			note_write(key, event, i);
		if (event->ended_ns == NEVER_NS)
			continue;
		assert(event->ended_ns >= ended_ns);
		ended_ns = event->ended_ns;
		if (is_write)
			mark(trial, &key->acknowledged, i);
		if (is_write && session->user)
			mark(trial, &trial->users[session->user * trial->key_count + event->key], i);
		if (is_write || (event->kind == EVENT_READ && session->level == LEVEL_STRONG))
			mark(trial, &key->strong, i);
	}
	for (size_t i = 0; i < trial->key_count; i++)
		if (trial->keys[i].begun_count)
			qsort(trial->keys[i].begun, trial->keys[i].begun_count, sizeof(*trial->keys[i].begun), compare_ns);
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
	static const char *const verbs[] = { [EVENT_READ] = "read", [EVENT_WRITE] = "wrote", [EVENT_ADD] = "counted to", [EVENT_TAKE] = "took token",
		[EVENT_GIVE] = "gave token" };
	uint64_t origin_ns = history->events[0].begun_ns;

	return snprintf(text, size, "session %" PRIu32 " (%s) %s %" PRIu32 " at port %u%s from %.6f s to %.6f s", event->session,
			level_names[history->sessions[event->session].level], verbs[event->kind], event->value, event->port, event->block ? " in a block" : "",
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
	uint32_t value = event->value;

	if (value == 0)
		return true;
	if (history_is_counter(history, event->key))
		return value <= key->begun_count && key->begun[value - 1] <= event->ended_ns;
	return value < key->value_room && key->writers[value] != NOBODY && history->events[key->writers[value]].begun_ns <= event->ended_ns;
}

/* ---- who knows what ---- */

/* The event's place; its session's, who knows nothing yet when that is a new one. */
static struct place *place_of(struct trial *trial, const struct event *event)
{
	struct place *place = &trial->places[trial->history->sessions[event->session].place];
	size_t size = trial->key_count * sizeof(uint32_t);

	if (place->floors && place->session == event->session)
		return place;
	place->session = event->session;
	place->floors = mem_realloc(place->floors, size);
	place->known = mem_realloc(place->known, size);
	memset(place->floors, 0xff, size);
	memset(place->known, 0, size);
	place->token = NULL;
	return place;
}

static uint32_t *copy_of(const struct trial *trial, const uint32_t *items)
{
	return memcpy(mem_alloc(trial->key_count * sizeof(*items)), items, trial->key_count * sizeof(*items));
}

static void merge(const struct trial *trial, uint32_t *into, const uint32_t *from)
{
	for (size_t i = 0; i < trial->key_count; i++)
		into[i] = from[i] > into[i] ? from[i] : into[i];
}

/* Of a value that the session was told: what the one knew who made it. One whose answer was not heard yet has not learned anything since. */
static void learn(struct trial *trial, struct place *place, uint16_t number, uint32_t value)
{
	const struct history *history = trial->history;
	const struct key *key = &trial->keys[number];
	const struct place *other;
	uint32_t writer = value && value < key->value_room ? key->writers[value] : NOBODY;

	if (value > place->known[number])
		place->known[number] = value;
	if (writer == NOBODY)
		return;
	other = &trial->places[history->sessions[history->events[writer].session].place];
	if (key->known[value])
		merge(trial, place->known, key->known[value]);
	else if (other->known && other->session == history->events[writer].session)
		merge(trial, place->known, other->known);
}

static void note(struct trial *trial, struct place *place, uint32_t number)
{
	const struct event *event = &trial->history->events[number];
	bool is_told = event->kind != EVENT_WRITE || trial->history->sessions[event->session].level != LEVEL_MONOTONIC;
	uint32_t *floor = &place->floors[event->key];
	struct key *key = &trial->keys[event->key];

	if (is_told && (*floor == NOBODY || trial->history->events[*floor].value < event->value))
		*floor = number;
	if (event->kind != EVENT_WRITE)
		learn(trial, place, event->key, event->kind == EVENT_ADD ? event->value - 1 : event->value);
	if (event->value > place->known[event->key])
		place->known[event->key] = event->value;
	if (event->kind != EVENT_READ && event->value < key->value_room && !key->known[event->value])
		key->known[event->value] = copy_of(trial, place->known);
}

static void carry(struct trial *trial, struct place *place, const struct event *event)
{
	struct token *token = &trial->tokens[event->value];

	if (event->kind == EVENT_TAKE) {
		*token = (struct token){ copy_of(trial, place->floors), copy_of(trial, place->known) };
	} else {
		place->token = token;
		merge(trial, place->known, token->known);
	}
}

/* ---- what each level promises ---- */

static bool expect_own(struct trial *trial, const struct place *place, const struct event *event, const char *rule)
{
	return expect(trial, event, rule, place->floors[event->key]) &&
	       (!place->token || expect(trial, event, "older than its token", place->token->floors[event->key]));
}

static void judge_read(struct trial *trial, const struct place *place, const struct event *event)
{
	const struct history *history = trial->history;
	const struct told *session = &history->sessions[event->session];
	const struct key *key = &trial->keys[event->key];
	const struct marks *users = &trial->users[session->user * trial->key_count + event->key];

	switch (session->level) {
	case LEVEL_EVENTUAL:
	case LEVEL_COUNT:
		return;
	case LEVEL_BOUNDED:
		if (event->begun_ns > history->max_staleness_ns)
			expect(trial, event, "older than max_staleness", newest_before(&key->acknowledged, event->begun_ns - history->max_staleness_ns));
		return;
	case LEVEL_MONOTONIC:
		expect_own(trial, place, event, "went back");
		return;
	case LEVEL_READ_YOUR_WRITES:
	case LEVEL_CAUSAL:
		if (!expect_own(trial, place, event, "went back or lost its own write") ||
		    (session->user && !expect(trial, event, "lost its user's write", newest_before(users, event->begun_ns))))
			return;
		if (session->level == LEVEL_CAUSAL && event->value < place->known[event->key])
			accuse(trial, event, "lost what others knew", place->known[event->key] < key->value_room ? key->writers[place->known[event->key]] : NOBODY);
		return;
	case LEVEL_STRONG:
		if (expect(trial, event, "not strong", newest_before(&key->strong, event->begun_ns)))
			expect_own(trial, place, event, "went back or lost its own write");
		return;
	}
}

/* Of what one statement was told nothing need have led to the rest: no level promises one snapshot over several nodes. */
static void judge(struct trial *trial, uint32_t from, uint32_t to)
{
	const struct history *history = trial->history;
	struct place *place = place_of(trial, &history->events[from]);

	for (uint32_t i = from; i < to; i++) {
		const struct event *event = &history->events[i];
		const struct key *key = &trial->keys[event->key];

		if (event->kind == EVENT_TAKE || event->kind == EVENT_GIVE)
			carry(trial, place, event);
		else if (event->kind != EVENT_WRITE && !was_being_written(history, key, event))
			accuse(trial, event, "nobody was writing it", NOBODY);
		else if (event->kind == EVENT_READ)
			judge_read(trial, place, event);
		else if (key->writers[event->value] != i)
			accuse(trial, event, "written twice", key->writers[event->value]);
	}
	for (uint32_t i = from; i < to; i++)
		if (history->events[i].kind <= EVENT_ADD)
			note(trial, place, i);
}

/* What one statement was told stands together. */
static uint32_t end_of_statement(const struct history *history, uint32_t from)
{
	const struct event *event = &history->events[from];
	uint32_t to = from + 1;

	while (to < history->event_count && event->kind == EVENT_READ && history->events[to].kind == EVENT_READ && !history->events[to].first &&
	       history->events[to].session == event->session)
		to++;
	return to;
}

static void count(struct trial *trial, const struct event *event)
{
	struct level_verdict *level = &trial->verdict->levels[trial->history->sessions[event->session].level];
	bool is_primarys = false;

	for (size_t i = 0; i < trial->primary_count; i++)
		is_primarys |= trial->primaries[i] == event->port;
	level->statements += event->first;
	level->writes += event->kind == EVENT_WRITE || event->kind == EVENT_ADD;
	level->reads += event->kind == EVENT_READ;
	level->replica_reads += event->kind == EVENT_READ && !is_primarys;
}

static void release(struct trial *trial)
{
	for (size_t i = 0; i < trial->key_count; i++) {
		struct key *key = &trial->keys[i];

		for (uint32_t value = 0; value < key->value_room; value++)
			mem_free(key->known[value]);
		mem_free(key->known);
		mem_free(key->writers);
		mem_free(key->begun);
		mem_free(key->acknowledged.items);
		mem_free(key->strong.items);
	}
	for (size_t i = 0; i < trial->history->users * trial->key_count; i++)
		mem_free(trial->users[i].items);
	for (size_t i = 0; i < trial->history->places; i++) {
		mem_free(trial->places[i].floors);
		mem_free(trial->places[i].known);
	}
	for (uint32_t i = 0; i < trial->history->tokens; i++) {
		mem_free(trial->tokens[i].floors);
		mem_free(trial->tokens[i].known);
	}
	mem_free(trial->keys);
	mem_free(trial->users);
	mem_free(trial->places);
	mem_free(trial->tokens);
}

void verdict_find(const struct history *history, const uint16_t *primaries, size_t primary_count, struct verdict *ret_verdict)
{
	size_t key_count = history_key_count(history);
	struct trial trial = {
		.history = history, .primaries = primaries, .primary_count = primary_count, .key_count = key_count, .verdict = ret_verdict,
		.keys = mem_calloc(key_count, sizeof(*trial.keys)), .users = mem_calloc(history->users * key_count, sizeof(*trial.users)),
		.places = mem_calloc(history->places, sizeof(*trial.places)), .tokens = mem_calloc(history->tokens, sizeof(*trial.tokens)),
	};

	memset(ret_verdict, 0, sizeof(*ret_verdict));
	survey(&trial);
	for (uint32_t i = 0, to; i < history->event_count; i = to) {
		to = end_of_statement(history, i);
		if (history->events[i].ended_ns == NEVER_NS)
			continue;
		for (uint32_t j = i; j < to; j++)
			count(&trial, &history->events[j]);
		judge(&trial, i, to);
	}
	release(&trial);
}
