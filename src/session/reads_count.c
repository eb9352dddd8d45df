#include "session/reads_count.h"

#include "route/plan.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/side.h"

const struct read_choice_name read_choice_names[READ_CHOICE_COUNT] = {
	{ READ_FIT, "replica", "fit", "it shows what the level asks for" },
	{ READ_WAITED, "replica", "waited", "the same, after it was waited for: read_wait, strong_reads" },
	{ READ_RETRIED_THERE, "replica", "retried", "another replica refused it, or was lost" },
	{ READ_NONE_FIT, "primary", "none_fit", "no replica shows what the level asks for, or those that do are drained, put aside or excluded by max_lag" },
	{ READ_TURN, "primary", "turn", "it takes its turn among the replicas: read_primary" },
	{ READ_RETRIED, "primary", "retried", "a replica refused it, or was lost" },
	{ READ_NEEDS_PRIMARY, "primary", "needs_primary", "it may change something, locks rows, or asks for what a replica does not know" },
	{ READ_IN_TRANSACTION, "primary", "in_transaction", "in a transaction block that is not READ ONLY from its beginning" },
	{ READ_PIPELINED, "primary", "pipelined", "it came in one pipeline, or one text, with other statements; or is an EXECUTE sent by the extended protocol" },
	{ READ_PINNED, "primary", "pinned", "its session keeps its backend: pins of nanu.sessions" },
	{ READ_SETTING, "primary", "setting", "strong_reads, read_from or SERIALIZABLE want it" },
	{ READ_NO_REPLICA, "primary", "no_replica", "the shard has none, or none with a weight" },
	{ READ_REFUSED, "none", "refused", "nobody could serve it: its client got an error" },
};

/* Of SQL EXECUTE, what it executes; NULL: nothing that is known. */
static const struct plan_item *what_runs(struct session *session, const struct plan_item *item)
{
	const struct prepared *prepared;

	if (item->shape->kind != STMT_EXECUTE)
		return item;
	prepared = item->shape->name ? prepared_find(session, slice_of(item->shape->name)) : NULL;
	return prepared && prepared->plan->shapes.count ? &prepared->plan->items[0] : NULL;
}

static bool is_read(const struct shape *shape)
{
	return (shape->kind == STMT_SELECT && !shape->cte_writes) || (shape->kind == STMT_COPY && !shape->copy_from && shape->copy_stdio);
}

/* Of several reasons, the one that holds longest. */
static enum read_choice choice_of(const struct session *session, const struct leg *leg, const struct plan_item *said, const struct plan_item *runs)
{
	const struct reads *reads = session->reads;
	bool failed = reads->failed_in == session->segment;

	if (leg->replica)
		return failed ? READ_RETRIED_THERE : reads->waited_in == session->segment ? READ_WAITED : READ_FIT;
	if (!(session->side == SIDE_REPLICA ? runs->reads_there : runs->reads) || (said != runs && !said->calls_read))
		return READ_NEEDS_PRIMARY;
	if (failed)
		return READ_RETRIED;
	if (reads->pinned)
		return READ_PINNED;
	return session->tx_status != 'I' && !reads->in_tx ? READ_IN_TRANSACTION : leg->choice;
}

static void count(struct session *session, enum consistency level, enum read_choice choice)
{
	session->worker->counters.reads[level == CONSISTENCY_SESSION ? CONSISTENCY_READ_YOUR_WRITES : level][choice]++;
}

static __attribute__((noinline)) void count_any(struct session *session, const struct leg *leg, const struct plan *plan, size_t item)
{
	const struct reads *reads = session->reads;
	const struct plan_item *said = &plan->items[item], *runs = what_runs(session, said);
	enum consistency level = reads->level;

	if (!leg || !runs || !is_read(runs->shape))
		return;
	if (plan->hint || reads->hinted || reads_outdated(session))     /* another statement may have asked since */
		level = reads_level(session, plan->hint);
	count(session, level, choice_of(session, leg, said, runs));
}

/* Most are a replica's, chosen as the session still is. */
void reads_count(struct session *session, const struct leg *leg, const struct plan *plan, size_t item)
{
	const struct reads *reads = session->reads;

	if (reads->easy && leg && leg->replica && plan->reads && plan->items[item].shape->kind == STMT_SELECT && !plan->hint &&
	    reads->failed_in != session->segment && reads->waited_in != session->segment && !reads_outdated(session))
		count(session, reads->level, READ_FIT);
	else
		count_any(session, leg, plan, item);
}

void reads_count_refused(struct session *session)
{
	count(session, session->reads->level, READ_REFUSED);
}
