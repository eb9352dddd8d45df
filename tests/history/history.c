#include "history.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"

const char *const level_names[LEVEL_COUNT] = { "eventual", "bounded", "monotonic", "read_your_writes", "causal", "strong" };
const char *const table_names[TABLE_COUNT] = { "whole", "sharded" };

void history_init(struct history *history, uint16_t registers, uint16_t counters, uint16_t places, uint64_t max_staleness_ns)
{
	*history = (struct history){ .registers = registers, .counters = counters, .places = places, .max_staleness_ns = max_staleness_ns };
}

void history_release(struct history *history)
{
	mem_free(history->events);
	mem_free(history->sessions);
}

uint32_t history_session(struct history *history, enum level level, uint16_t place, uint16_t user)
{
	assert(place < history->places);
	if (history->session_count == history->session_room) {
		history->session_room = history->session_room ? 2 * history->session_room : 64;
		history->sessions = mem_realloc(history->sessions, history->session_room * sizeof(*history->sessions));
	}
	history->sessions[history->session_count] = (struct told){ level, place, user };
	history->users = user >= history->users ? (uint16_t)(user + 1) : history->users;
	return (uint32_t)history->session_count++;
}

void history_add(struct history *history, const struct event *event)
{
	assert(event->session < history->session_count && event->key < history_key_count(history));
	if (history->event_count == history->event_room) {
		history->event_room = history->event_room ? 2 * history->event_room : 1024;
		history->events = mem_realloc(history->events, history->event_room * sizeof(*history->events));
	}
	if (event->kind == EVENT_TAKE && event->value >= history->tokens)
		history->tokens = event->value + 1;
	history->events[history->event_count++] = *event;
}

uint16_t history_key(const struct history *history, int table, unsigned id)
{
	unsigned rows = (unsigned)history->registers + history->counters;

	assert(table < TABLE_COUNT && id < rows);
	return (uint16_t)((unsigned)table * rows + id);
}

size_t history_key_count(const struct history *history)
{
	return TABLE_COUNT * ((size_t)history->registers + history->counters);
}

bool history_is_counter(const struct history *history, uint16_t key)
{
	return key % (history->registers + history->counters) >= history->registers;
}

void history_key_name(const struct history *history, uint16_t key, char *ret_name, size_t size)
{
	int rows = history->registers + history->counters;

	snprintf(ret_name, size, "%s %d of %s", history_is_counter(history, key) ? "counter" : "register", key % rows, table_names[key / rows]);
}
