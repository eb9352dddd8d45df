/* load: clients that read and write through routers, in one thread, and the history of what they were told.
 *
 * A client has one session after another: with all of what sessions can differ in, protocol, length, router, durability. Its number in the history is
 * its place. While `settling`, everybody reads everything again and again, until it has what was acknowledged last.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "history.h"
#include "operation.h"

enum { ROUTERS_MAX = 8, STATES_MAX = 16, USERS = 6, TOKENS_KEPT = 8, TOKEN_SIZE = 512 };

struct client;

struct load_options {
	const char *routers[ROUTERS_MAX];       /* libpq's conninfo */
	unsigned router_count;
	bool levels[LEVEL_COUNT];
	unsigned clients_per_level;
	uint16_t counters;
	unsigned max_staleness_ms;
	bool durable;                   /* synchronous_commit is on, always */
	uint64_t operations;            /* of each level, at least: values read or written */
	uint64_t seed;
	unsigned settle_s_max;
};

struct carried { char text[TOKEN_SIZE]; uint32_t number; };      /* a token, on its way from one session to others */
struct failure { char state[6]; bool in_block; uint64_t count; char first[160]; };

struct load {
	const struct load_options *options;
	struct history history;
	struct draws draws;
	struct client **clients;
	unsigned client_count, settled;
	bool stopping;                  /* nobody begins anything */
	bool settling;
	struct carried carried[TOKENS_KEPT];    /* the newest of token_count ones */
	uint32_t token_count;
	uint32_t *acknowledged;         /* for each key, the newest value */
	uint64_t operations[LEVEL_COUNT], unsettled[LEVEL_COUNT];
	uint64_t total;
	bool enough;                    /* was told */
	struct failure failures[STATES_MAX];    /* by SQLSTATE */
	size_t failure_count;
	int epoll;
	double loading_s;
};

uint64_t load_now_ns(void);
/* Runs all of it. On stdout: "begun", "N" now and then (operations so far), "enough" when each level has had `operations`; it goes on until "quiet" comes on
 * stdin: what disturbed the servers is over. */
void load_run(struct load *load, const struct load_options *options);
void load_release(struct load *load);

/* ---- for the clients ---- */

void load_told(struct load *load, const struct event *event);
void load_failed(struct load *load, bool in_block, const char *state, const char *message);
