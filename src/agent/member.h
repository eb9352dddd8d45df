/* member: the agent's own loop: it sees what there is to see, has decide() say what to do, and does it.
 *
 *     the record in the store ──┐
 *     the node (probe) ─────────┼──▶ situation ── decide(), 25 times a second ──▶ the node is started, stopped, promoted, …   (actor)
 *     the other agents (peers) ─┘                                          ├────▶ the record is swapped                       (swapper)
 *                                                                          └────▶ what the others are asked; until when the guard waits
 *
 * Threads: the loop, the probe, one that reads the store, one that swaps, one that acts on the node, one for each peer, one that answers. What they share
 * is under one lock, which none of them holds while it waits for anything.
 */
#pragma once

#include <signal.h>

#include "agent/guard.h"
#include "agent/postgres.h"
#include "base/limits.h"
#include "ha/decide.h"

struct mutual_tls;
struct store;

struct member_options {
	const char *shard;
	size_t count;                   /* the shard's members, as configured */
	size_t self;
	const char *names[MEMBERS_MAX];
	const char *agents[MEMBERS_MAX];        /* HOST:PORT */
	const struct mutual_tls *tls;   /* between agents; NULL: they speak plainly */
	char *conninfos[MEMBERS_MAX];           /* libpq's: of a standby that receives from this member, and of this agent */
	char *sources[MEMBERS_MAX];             /* the same for programs: the password comes by the environment, as anybody sees their arguments */
	struct postgres postgres;
	const char *folder;             /* the agent's own */
	const struct profile *profile;
	uint64_t loss_bytes_max;
	struct store *store;
	struct guard *guard;
};

/* Runs until *stop is not 0. The node is left as it is, and its guard waits for another agent until its authority ends. ERR_IO. */
must_use int member_run(const struct member_options *options, const volatile sig_atomic_t *stop, struct err *err);
