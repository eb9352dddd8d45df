/* history: what many sessions asked for and were told, and when, by the one monotonic clock of the machine that asked.
 *
 * Two tables, one whole and one over shards, have the same rows: registers, which one session at a time writes in growing numbers, and counters,
 * which anybody adds one to. So the values of every key grow, and of two values of one key it is plain which is older. Everything begins with 0.
 * Events stand in the order in which they ended; those of one session so stand in the order in which it asked. An event that never ended is a write
 * whose answer did not come: it may have happened, or may still. Not for several threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum level { LEVEL_EVENTUAL, LEVEL_BOUNDED, LEVEL_MONOTONIC, LEVEL_READ_YOUR_WRITES, LEVEL_CAUSAL, LEVEL_STRONG, LEVEL_COUNT };
enum event_kind {
	EVENT_READ,
	EVENT_WRITE,                    /* of a register */
	EVENT_ADD,                      /* to a counter; what that is then is told as a read is */
	EVENT_TAKE, EVENT_GIVE,         /* nanu.token was told to the session, and by it; the value is the token's number, and there is no key */
};
enum { TABLE_WHOLE, TABLE_SHARDED, TABLE_COUNT };

extern const char *const level_names[LEVEL_COUNT];
extern const char *const table_names[TABLE_COUNT];

#define NEVER_NS UINT64_MAX

struct event {
	uint64_t begun_ns;              /* before it was sent */
	uint64_t ended_ns;              /* when its answer had come; or NEVER_NS */
	uint32_t session;
	uint32_t value;                 /* what was read, or written; of an addition that never ended: 0 */
	uint16_t key;
	uint16_t port;                  /* of the node that told it; 0: nobody did */
	uint8_t kind;                   /* enum event_kind */
	bool first;                     /* of a statement, which may read several keys; those stand together */
	bool block;                     /* in a transaction block */
};

struct told {                           /* a session */
	enum level level;
	uint16_t place;                 /* those with the same one follow each other */
	uint16_t user;                  /* nanu.user; 0: none */
};

struct history {
	struct event *events;
	struct told *sessions;
	size_t event_count, event_room, session_count, session_room;
	uint16_t registers, counters;   /* in each table */
	uint16_t places, users;         /* numbers end before these */
	uint32_t tokens;
	uint64_t max_staleness_ns;      /* of `bounded` */
};

void history_init(struct history *history, uint16_t registers, uint16_t counters, uint16_t places, uint64_t max_staleness_ns);
void history_release(struct history *history);
uint32_t history_session(struct history *history, enum level level, uint16_t place, uint16_t user);     /* a new one's number */
void history_add(struct history *history, const struct event *event);

/* The key of the row `id` of a table: registers come first, then the counters. */
uint16_t history_key(const struct history *history, int table, unsigned id);
size_t history_key_count(const struct history *history);
bool history_is_counter(const struct history *history, uint16_t key);
/* "counter 5 of sharded" */
void history_key_name(const struct history *history, uint16_t key, char *ret_name, size_t size);
