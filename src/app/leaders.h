/* leaders: who leads the shards whose nodes have agents, and until when, asked of these agents again and again (ha/permit.h).
 *
 *     the leader's agent, three times a second ──▶ a permit ──▶ node_status: until when statements may run on its node as the primary's
 *     nobody gives one: all agents of the shard, 50 times a second, until one does
 *     the record has another leader, who takes writes ──▶ `changed`: the topology is to follow
 *
 * An agent's word may be old, and never ahead of the store: what is known of a shard's leader only goes on to later epochs. A thread of its own asks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"

struct config;
struct leaders;
struct snapshot;

struct leaders_calls {                  /* on the thread that asks */
	void *program;
	void (*changed)(void *program);
	void (*permitted)(void *program);       /* a permit has begun, or ended; or a node does not hand over after all */
	/* How many of its backends are, when none is lent any more from `hold_us` on; -1: that is not known yet. */
	int64_t (*lent)(void *program, const char *node, uint64_t hold_us);
};

struct leader_seen {
	uint64_t epoch;
	bool writable;                  /* its node takes writes */
	char node[NAME_SIZE_MAX];       /* "": nobody leads */
};

/* ERR_CONFIG: the agents cannot be asked as the configuration has it. */
must_use int leaders_new(const struct config *config, struct leaders **ret_leaders, struct err *err);
void leaders_free(struct leaders *leaders);             /* NULL is allowed */
must_use int leaders_start(struct leaders *leaders, const char *router, const struct leaders_calls *calls, struct err *err);
void leaders_stop(struct leaders *leaders);

/* Asks the agents of these nodes from now on. Before the snapshot is anybody's: a node with an agent serves as a primary only within a permit. */
void leaders_follow(struct leaders *leaders, const struct config *config, const struct snapshot *snapshot);
/* False: nothing is known. */
bool leaders_read(struct leaders *leaders, const char *shard, struct leader_seen *ret);
