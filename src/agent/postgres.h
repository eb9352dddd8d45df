/* postgres: the node on this machine from outside: its processes, its files, and what it says over a connection. Blocks; one thread at a time, but for
 * postgres_running().
 *
 * Source: PostgreSQL 15, "Server Programs", "Log-Shipping Standby Servers", pg_rewind, pg_controldata.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/process.h"
#include "route/history.h"

struct postgres {
	char *data;                     /* its data folder */
	const char *programs;           /* folder of postgres, pg_controldata, pg_rewind */
	const char *log;                /* its output is appended here */
	const struct identity *identity;
	uint16_t port;
	char *const *options;           /* more arguments for the server; ends with NULL */
	const char *conninfo;           /* libpq's, as superuser */
	const char *knock;              /* the same without a password, for PQping(), which needs none */
};

/* What its control file says. */
struct postgres_control {
	uint64_t system;
	bool clean;                     /* it was shut down, and not in recovery */
	uint32_t timeline;              /* of the latest checkpoint, or what a standby has got to since */
	uint64_t checkpoint;            /* where the latest checkpoint's record begins */
};
/* Of a node that does not run. ERR_IO, ERR_LIMIT. */
must_use int postgres_control(const struct postgres *postgres, struct postgres_control *ret_control, struct err *err);
/* The timeline's, from its file. ERR_IO: it is not there; ERR_LIMIT: it is larger than such files are. */
must_use int postgres_history(const struct postgres *postgres, uint32_t timeline, struct history *ret_history, struct err *err);

bool postgres_running(const struct postgres *postgres);        /* there is a postmaster */
bool postgres_is_standby(const struct postgres *postgres);     /* it is one, or would start as one */

/* Begins to start it; it is a standby if it has a standby.signal. ERR_IO. */
must_use int postgres_start(const struct postgres *postgres, struct process *ret_process, struct err *err);
/* Fast shutdown begins: sessions end, standbys get what there is. */
void postgres_shut_down(const struct postgres *postgres);

/* Of a standby: from whom it receives from now on; `upstream`: libpq's, without a database; "": from nobody. Without a connection it does not run, and
 * is made a standby first. ERR_IO, ERR_WRONG_STATE. */
must_use int postgres_follow(const struct postgres *postgres, PGconn *conn, const char *upstream, const char *slot, struct err *err);
/* A standby on timeline `own`, promoted after this, takes none up to `last`, which others have had: whose number is free it tells by the files of their
 * histories, and such are made, that it takes for forks before its own time. ERR_IO.
 * Source: PostgreSQL 15, timeline.c: findNewestTimeLine(); xlogrecovery.c: rescanLatestTimeLine(). */
must_use int postgres_pass_timelines(const struct postgres *postgres, uint32_t own, uint32_t last, struct err *err);
/* Begins to; 0 also when it had left recovery before. */
must_use int postgres_promote(PGconn *conn, struct err *err);
/* Returns when it has left recovery. ERR_WRONG_STATE: it has not. */
must_use int postgres_promoted(PGconn *conn, unsigned wait_ms, struct err *err);
/* Commits on it wait for these (synchronous_standby_names) from now on; without a connection it does not run, and they will. ERR_IO;
 * ERR_LIMIT: its postgresql.auto.conf, which is written anew, is too large to be taken over. */
must_use int postgres_wait_for(const struct postgres *postgres, PGconn *conn, const char *names, struct err *err);
/* For whom they would, of a node that does not run; "": for nobody. */
void postgres_waits_for_stopped(const struct postgres *postgres, char *ret_names, size_t size);
/* A node that does not run becomes as `source` was when they parted, and a standby that receives from `upstream`. Until all of that is so there is a file
 * `mark`. ERR_IO: it failed, and the mark stays: what is there is of no use. The sources' password comes by the environment (PGPASSWORD). */
must_use int postgres_rewind(const struct postgres *postgres, char *source, const char *upstream, const char *slot, const char *mark, struct err *err);
/* The same by a copy of all that `source` has, beside what the node has (DATA.clone), whose place it takes in one step when it is whole and durable; what the
 * node had is left as DATA.replaced, in place of what a clone before left there. The mark goes. ERR_IO. */
must_use int postgres_clone(const struct postgres *postgres, char *source, const char *upstream, const char *slot, const char *mark, struct err *err);
