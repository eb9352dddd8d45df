#include "session/reads.h"

#include <string.h>

#include "route/hint.h"
#include "route/node_status.h"
#include "route/plan.h"
#include "route/snapshot.h"
#include "session/own_settings.h"
#include "session/session.h"
#include "session/side.h"
#include "session/units.h"

enum { WRITTEN_US = 2000 };             /* until it is looked for where the replicas are, after a write: others may write too */

static enum reading reading(const struct session *session, const struct plan *plan)
{
	return session->side == SIDE_REPLICA ? plan->reading_there : plan->reading;
}

static bool only_reads(const struct session *session, const struct plan *plan)
{
	return session->side == SIDE_REPLICA ? plan->reads_there : plan->reads;
}

/* A segment goes to a replica as a whole: a query, or one statement that is parsed at most, and what uses it or others that read. */
static bool segment_reads(struct session *session, const struct hint *hint)
{
	const struct unit *now = &session->units[session->unit_at];
	struct slice parsed = { 0 };
	struct cursor cursor;

	if (now->kind == UNIT_QUERY)
		return true;
	if (now->kind == UNIT_PARSE) {
		cursor = cursor_of(unit_body(session, now));
		parsed = cursor_cstr(&cursor);
	}
	for (const struct unit *unit = now + 1; unit < session->units + session->unit_count; unit++) {
		const struct prepared *prepared;
		struct slice name;

		if (unit->kind == UNIT_PARSE || unit->left)
			return false;
		if (unit->kind != UNIT_BIND)
			continue;
		cursor = cursor_of(unit_body(session, unit));
		cursor_cstr(&cursor);
		name = cursor_cstr(&cursor);
		if (parsed.data && slice_eq(name, parsed))
			continue;
		prepared = prepared_find(session, name);
		if (!prepared || !only_reads(session, prepared->plan) || prepared->plan->hint != hint)
			return false;
	}
	return session->units[session->unit_count - 1].kind == UNIT_SYNC;
}

/* What only the primary can do follows what a replica was asked for. */
static bool leave(struct session *session, struct leg *leg)
{
	if (session->answer_count && leg == session->current) {
		units_flush(session);
		return false;
	}
	if (leg->state == LEG_LOST) {
		reads_put_aside(session, leg);
		leg_release(leg, false);
		return true;
	}
	if (leg->state != LEG_READY)
		return false;
	if (leg->needs_sync) {
		leg_sync_hidden(leg);
		return false;
	}
	if (leg->in_tx) {
		leg_hide(leg, "ROLLBACK");
		return false;
	}
	if (session->tx_status == 'T')
		leg_end_tx(leg, false);
	if (session->pins) {            /* what is held there by code that nobody looked into: it ends */
		leg->backend->dirty = true;
		session->probe_pins = true;
	}
	leg_release(leg, true);
	return true;
}

int reads_hint_check(struct session *session, const struct plan *plan, struct err *err)
{
	for (size_t i = 0; i < plan->shapes.count; i++)
		if (plan->items[i].kind == ROUTE_REFUSED) {
			*err = plan->items[i].refusal;
			return err->code;
		}
	for (size_t i = 0; i < plan->hint->count; i++) {
		int rc = own_check_one(session, plan->hint->names[i], plan->hint->values[i], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* What cannot be granted to one statement by itself. */
static int check_hint_here(const struct session *session, const struct hint *hint, struct err *err)
{
	const struct reads *reads = session->reads;
	const char *by = hint_value(hint, OWN_READ_FROM);

	if (hint && hint->count && session->tx_status == 'T' && reads->in_tx) {
		err_set(err, ERR_TX_STATE, "a hint cannot change what a transaction block that reads from a replica may see");
		err_hint(err, "SET what is to hold before BEGIN READ ONLY, or leave READ ONLY out.");
		return err->code;
	}
	if (by && own_choice(read_from_names, by) == READ_FROM_PRIMARY && reads->level == CONSISTENCY_STRONG && !reads->primary) {
		err_set(err, ERR_INVALID_VALUE, "strong reads of this database are the replicas' (strong_reads): one cannot be the primary's");
		err_hint(err, "The primary may not show yet what a replica has shown: choose another consistency.");
		return err->code;
	}
	return 0;
}

/* A statement asks for its legs: 1; or why its hint cannot be granted. */
static int take_question(struct session *session, const struct hint *hint, struct err *err)
{
	if (!session->reads)
		reads_make(session);
	reads_ask_now(session);
	if (!hint && !session->reads->hinted)
		return 1;
	reads_read_settings(session, hint);
	return check_hint_here(session, hint, err) < 0 ? err->code : 1;
}

static bool has_replica(const struct session *session)
{
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->replica)
			return true;
	return false;
}

/* A transaction block that is the replicas' is the primary's after all, if nothing was asked of one yet, and the session has chosen that since, or the
 * statement does what others, or the session later, must find where they look, or may ask for what only the primary has. */
static int check_block(struct session *session, const struct plan *plan, struct err *err)
{
	struct reads *reads = session->reads;

	if (!has_replica(session)) {
		reads->in_tx = !reads->primary && !plan->holds && !plan->sets_unseen && reading(session, plan) == READING_ANYWHERE && !plan->dirties;
		return 1;
	}
	if (reads->chose_primary) {
		err_set(err, ERR_TX_STATE, "a transaction block that reads from a replica cannot go on at the primary");
		err_hint(err, "SET what is to hold before the first statement of the block, or before BEGIN.");
		return err->code;
	}
	if (plan->holds) {
		err_set(err, ERR_TX_STATE, "a transaction block that reads from a replica cannot take advisory locks, or make cursors WITH HOLD");
		err_detail(err, "Sessions on the primary would not see the lock, and the session not the cursor.");
	} else if (plan->sets_unseen) {
		err_set(err, ERR_TX_STATE, "a transaction block that reads from a replica cannot set what only that could tell afterwards");
		err_detail(err, "SET of a setting by its name, and set_config() with constants, are known to the router.");
	} else if (reading(session, plan) == READING_OWN) {
		err_set(err, ERR_TX_STATE, "a transaction block that reads from a replica cannot ask for what each server has of its own");
		err_detail(err, "That is where sequences are, what is in unlogged tables, and statistics.");
	} else {
		return 1;
	}
	err_hint(err, "Have it be the first statement of the block, which the primary serves then, or leave READ ONLY out.");
	return err->code;
}

static bool is_missing(const struct leg *leg)
{
	return !leg || leg->state == LEG_LOST || leg->spent;
}

static bool lacks_one(struct session *session, uint64_t shards)
{
	if (list_empty(&session->legs))
		return true;
	for (; shards; shards &= shards - 1)
		if (is_missing(leg_find(session, __builtin_ctzll(shards))))
			return true;
	return false;
}

bool reads_leave(struct session *session)
{
	struct list_node *node = list_first(&session->legs);

	while (node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		node = list_next(&session->legs, node);
		if (leg->replica && !leave(session, leg))
			return false;
	}
	return true;
}

void reads_end_tx(struct session *session)
{
	if (!session->reads)
		return;
	session->reads->in_tx = false;
	session->reads->looked_on = 0;
	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		leg->spent |= leg->replica != NULL;
	}
}

/* Of the shards of a statement, one after the other. */
static int choose_on(struct session *session, int shard, bool only, bool stays, struct err *err)
{
	const struct reads *reads = session->reads;
	struct leg *leg = leg_find(session, shard);
	int rc = 1;

	if (leg && leg->replica && (leg->spent || (!stays && session->tx_status == 'I'))) {
		if (!leave(session, leg))
			return 0;
		leg = NULL;
	}
	if (session->tx_status != 'I')
		return reads_wait_in_tx(session, leg, shard, only, err);
	if (reads->token && only && reads->level >= CONSISTENCY_MONOTONIC)
		rc = reads_token_resolve(session, shard, err);
	if (rc <= 0 || (leg && leg->replica && !is_missing(leg)))
		return rc;
	return reads->may && is_missing(leg) ? reads_wait(session, shard, err) : reads_wait_shown(session, shard, err);
}

static int choose(struct session *session, const struct plan *plan, uint64_t shards, struct err *err)
{
	bool only = only_reads(session, plan), stays;
	enum reads_left left = reads_left(session);
	struct reads *reads;
	int rc = take_question(session, plan->hint, err);

	if (rc < 0)
		return rc;
	reads = session->reads;
	reads->pinned = session->pins != 0;
	reads->looks = plan->looks;
	reads->reads_on |= shards;
	stays = only && left != LEFT_PRIMARY;
	reads->wrote |= !only && plan->may_write;
	if (session->tx_status == 'T' && reads->in_tx)
		rc = check_block(session, plan, err);
	if (session->tx_status != 'I')
		reads->may = reads->in_tx && session->tx_status == 'T' && left != LEFT_PRIMARY;
	else
		reads->may = stays && !reads->primary && !session->pins && lacks_one(session, shards) && segment_reads(session, plan->hint);
	if (reads->may && (session->tx_status == 'I' || !session->answer_count))
		reads->unit = session->unit_at + (session->units[session->unit_at].kind == UNIT_PARSE);
	if (reads->may && list_empty(&session->legs) && session->tx_status == 'I' && !reads->token && !reads_waits(reads))
		return 1;
	for (; rc > 0 && shards; shards &= shards - 1)
		rc = choose_on(session, __builtin_ctzll(shards), only, stays, err);
	if (rc < 0 && rc != ERR_CANCELED)
		reads_count_refused(session);
	return rc;
}

/* One query outside of a transaction block, and nothing that would keep it from any replica. */
static inline bool is_easy(const struct session *session, const struct plan *plan)
{
	const struct reads *reads = session->reads;

	return reads && reads->easy && plan->reads && !plan->hint && session->tx_status == 'I' && !session->pins && list_empty(&session->legs) && !reads->token &&
	       reads->asked_in != session->segment && session->units[session->unit_at].kind == UNIT_QUERY &&
	       reads->room_for == session->snapshot->version && !reads_outdated(session);
}

static int choose_easily(struct session *session, const struct plan *plan, uint64_t shards)
{
	struct reads *reads = session->reads;

	reads->asked_in = session->segment;
	reads->asked_us = 0;
	reads->unit = session->unit_at;
	reads->reads_on |= shards;
	reads->looks = plan->looks;
	reads->pinned = false;
	reads->may = true;
	return 1;
}

int reads_choose(struct session *session, const struct plan *plan, uint64_t shards, struct err *err)
{
	return is_easy(session, plan) ? choose_easily(session, plan, shards) : choose(session, plan, shards, err);
}

void reads_ask_now(struct session *session)
{
	struct reads *reads = session->reads;

	if (reads_outdated(session))
		reads_read_settings(session, NULL);
	if (reads->asked_in == session->segment)
		return;
	reads_make_room(session);
	reads->asked_in = session->segment;
	reads->asked_us = 0;
}

void reads_wrote(struct session *session, const struct plan *plan)
{
	if (!session->reads)
		return;
	session->reads->wrote |= !plan || plan->may_write;
	session->reads->may = false;
}

int reads_primaries(struct session *session, uint64_t shards, struct err *err)
{
	int rc = 1;

	if (!session->reads)
		return 1;
	reads_ask_now(session);
	session->reads->looks = true;
	session->reads->reads_on |= shards;
	for (; rc > 0 && shards; shards &= shards - 1) {
		const struct leg *leg = leg_find(session, __builtin_ctzll(shards));

		if (!leg || !leg->replica)
			rc = reads_wait_shown(session, __builtin_ctzll(shards), err);
	}
	return rc;
}

void reads_begin_tx(struct session *session)
{
	const struct tx_modes *modes = &session->tx_modes;
	struct reads *reads = session->reads;
	bool only_reads = modes->access == TX_READ_ONLY || (modes->access == TX_DEFAULT && side_only_reads(session));

	if (!reads)
		return;
	if (reads_outdated(session))
		reads_read_settings(session, NULL);
	/* A standby does not have SERIALIZABLE. */
	reads->in_tx = only_reads && !(modes->isolation && strcmp(modes->isolation, "serializable") == 0) && !reads->primary && !session->pins;
}

void reads_failed(struct session *session, bool writes)
{
	struct reads *reads = session->reads;

	if (writes || !reads->or_fails) {
		reads->left = LEFT_PRIMARY;
		reads->may = false;
		reads->wrote |= writes;
	} else {
		reads->left = reads_left(session) == LEFT_ANY ? LEFT_ANOTHER : LEFT_NONE;
	}
	reads->failed_in = session->segment;
}

void reads_give_up(struct session *session, const struct leg *leg)
{
	if (!leg->refused)              /* by what the session has set */
		reads_put_aside(session, leg);
	reads_failed(session, false);
}

/* That replicas have it is looked for before the session reads again. */
static void demand(const struct session *session, uint64_t as_of_us)
{
	LIST_EACH(&session->legs, node) {
		const struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (reads_replicas(session, leg->shard)->count)
			node_status_demand(reads_primary(session, leg->shard), as_of_us, as_of_us + WRITTEN_US);
	}
}

void reads_forget_shown(struct reads *reads)
{
	reads->read_us = reads->others_us = reads_now_us();
	reads->read_on = reads->reads_on = 0;
	if (reads->read_from)
		memset(reads->read_from, 0xff, reads->shard_count * sizeof(*reads->read_from));
}

/* The session has been answered. */
static void note_shown(struct reads *reads)
{
	uint64_t now_us = reads_now_us();

	if (reads->reads_on & (reads->reads_on - 1))    /* several */
		reads->others_us = now_us;
	else if (reads->reads_on && reads->reads_on != reads->read_on)
		reads->others_us = reads->read_us;
	if (reads->reads_on)
		reads->read_on = reads->reads_on;
	reads->reads_on = 0;
	reads->read_us = now_us;
}

void reads_ready(struct session *session, bool in_tx)
{
	struct reads *reads = session->reads;
	bool wrote;

	if (!reads)
		return;
	if (in_tx) {
		if (reads->level == CONSISTENCY_CAUSAL)
			note_shown(reads);
		return;
	}
	wrote = reads->wrote;
	reads->wrote = reads->in_tx = false;
	reads->looked_on = 0;
	if (!wrote && !reads_minds(reads))
		return;
	note_shown(reads);
	if (wrote)
		reads->wrote_us = reads->read_us;
	if (wrote && reads->user_wrote_us)
		reads_user_wrote(reads->user_wrote_us, reads->read_us);
	if ((wrote && reads->level >= CONSISTENCY_READ_YOUR_WRITES && reads->level <= CONSISTENCY_CAUSAL) ||
	    (reads->level == CONSISTENCY_CAUSAL && session_shard_count(session) > 1))
		demand(session, reads->read_us);
}
