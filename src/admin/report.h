/* report: what every worker says of itself at one moment: counters, pools, backends, sessions.
 *
 * Each worker writes its own report on its own thread while the control plane waits; from then on it is the control plane's. Texts are copies.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "session/worker.h"

struct visit;

enum { REPORT_POOLS = 1, REPORT_BACKENDS = 2, REPORT_SESSIONS = 4, REPORT_HOLDS = 16, REPORT_SUMS = 32 };

/* What sessions are doing. */
enum report_doing { DOING_LOGIN, DOING_NOTHING, DOING_NOTHING_IN_TRANSACTION, DOING_STATEMENTS, DOING_COUNT };

struct report_pool {
	const char *node, *database, *user;
	size_t idle, lent, opening, cleaning, waiting;
	unsigned size_max, used;        /* over all workers */
	uint64_t opened_total, failed_total, lent_total, wait_total, wait_us;
	uint64_t statements[STMT_KIND_COUNT_];
	const char *last_failure;       /* NULL: the last opening succeeded */
	bool unreachable;               /* and it failed because nobody answered */
	uint64_t aside_us;              /* for so long nothing is read from it; 0: it may be tried */
};

struct report_backend {
	const char *node, *database, *user, *state;
	char tx_status;
	uint32_t pid;
	uint32_t session;               /* 0: not lent */
	bool dirty;
	size_t prepared;
	uint64_t queries, age_us;
};

struct report_session {
	uint32_t number;
	const char *user, *database, *peer, *state, *pins, *shards, *server_pids, *application_name;
	char tx_status;
	size_t channels, prepared, settings, legs;
	uint64_t age_us, statements;
};

struct report_hold { enum hold what; const char *name; };       /* paused, drained, disabled */

struct report {                         /* of one worker */
	struct arena arena;
	const char *engine;
	struct worker_counters counters;
	uint64_t statements;            /* of every kind */
	uint64_t doing[DOING_COUNT];    /* REPORT_SUMS: sessions */
	uint64_t sent_bytes;            /* REPORT_SUMS: to sessions that have ended, and to those that are there */
	uint64_t plan_hits, plan_misses, plans, uptime_us;
	uint64_t session_count;         /* there are, whether asked for or not */
	struct report_pool *pools;
	size_t pool_count;
	struct report_backend *backends;
	size_t backend_count;
	struct report_session *sessions;
	struct report_hold *holds;
	size_t hold_count;
	size_t sessions_told;           /* in `sessions` */
};

struct reports {
	unsigned wanted;                /* of REPORT_… */
	struct report *items;           /* one a worker */
	unsigned count;
};

/* Asks every worker. Not from a worker's thread. */
void reports_init(struct reports *reports, struct services *services, unsigned wanted);
void reports_release(struct reports *reports);

/* Of all workers. */
uint64_t reports_reads(const struct reports *reports, unsigned level, enum read_choice choice);

/* Whether it is held, as every worker knows; with REPORT_HOLDS. */
bool reports_hold(const struct reports *reports, enum hold what, const char *name);

/* The same for who must not wait for ever. *ret_reports is to be read when visit_wait() says that all have, and goes with the visit. */
struct visit *reports_visit(struct services *services, unsigned wanted, const struct reports **ret_reports);
