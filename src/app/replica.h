/* replica: one streaming replica in the making: base backup, slot, catching up.
 *
 *     replica_begin() ─▶ pg_basebackup runs (replica_part()) ─▶ replica_end() ─▶ its server is started ─▶ replica_follow()
 *
 * The backup is made in DATA.adding, which becomes DATA when it is whole. Until then a temporary slot of our own connection keeps the WAL that the
 * replica will need, and goes with us, however we end; only then the replica has a slot of its own, and is started at once. Used by the main thread.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/process.h"
#include "base/arena.h"
#include "base/limits.h"

struct replica {
	/* filled by the caller */
	struct arena *arena;
	const char *name;               /* the node's; its application_name on the primary */
	const char *data, *log;
	const char *programs;           /* folder of pg_basebackup */
	const struct identity *identity;
	const char *max_rate;           /* as pg_basebackup has it: "50M"; NULL: none */
	const char *settings;           /* lines for its postgresql.auto.conf; "": none */
	bool scratch;                   /* what is written need not outlive a crash of the machine */
	/* its own */
	PGconn *primary;
	struct process backup;
	long log_begin;                 /* where the backup's part of the log begins */
	bool making;                    /* DATA.adding is ours */
};

/* What is known of a slot on the primary. */
enum slot_state { SLOT_NONE, SLOT_LOST, SLOT_READY };   /* not there; without the WAL that its replica needs; good */
must_use int replica_slot_state(PGconn *primary, const char *name, enum slot_state *ret_state, struct err *err);
/* Drops it if it is there, and cuts off who uses it. */
must_use int replica_drop_slot(PGconn *primary, const char *name, struct err *err);

/* Begins the base backup of the primary, or of a replica; takes the connection, as one who may replicate, also when it fails. ERR_WRONG_STATE: a slot of this name is there. */
must_use int replica_begin(struct replica *replica, PGconn *primary, struct err *err);
/* How much of the backup is done, 0 to 1; below 0: not known yet. */
double replica_part(const struct replica *replica);
/* When pg_basebackup has ended: DATA is there, with a slot on the primary. ERR_IO says how the backup failed. */
must_use int replica_end(struct replica *replica, struct err *err);
/* Ends it: stops a backup, and lets go of the primary. */
void replica_release(struct replica *replica);

/* Waits until the started replica streams and has replayed what the node that it streams from had a moment ago; one that is delayed on purpose, until it
 * has flushed that. Moves the progress bar. ERR_CONNECT: it does not
 * stream, or gets no further, for stall_ms_max, or `server` has ended; ERR_CANCELED. */
must_use int replica_follow(PGconn *upstream, const char *name, const struct process *server, bool delayed, int stall_ms_max, struct err *err);

/* The mark of a replica whose making is not over, with its name in it: DATA has it from the first moment until the router knows the node. NULL: it
 * has none. */
#define REPLICA_MARK "nanu.adding"
const char *replica_marked(struct arena *arena, const char *data);
void replica_unmark(struct arena *arena, const char *data);
