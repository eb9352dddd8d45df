/* query: the simple protocol: one text, perhaps of several statements, and one ReadyForQuery. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "route/hint.h"
#include "route/snapshot.h"
#include "session/listen.h"
#include "session/own_settings.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/side.h"
#include "session/units.h"

/* ---- answered here ---- */

void query_say_tag(struct session *session, const char *tag, bool ready)
{
	struct buf out;

	buf_init(&out, 1024);
	message_complete(&out, tag);
	answers_text(session, buf_slice(&out));
	buf_release(&out);
	if (ready)
		effects_ready(session, session->tx_status);
}

static void say_warning(struct session *session, const char *sqlstate, const char *text)
{
	struct buf out;

	buf_init(&out, 1024);
	message_notice(&out, "WARNING", sqlstate, text);
	answers_text(session, buf_slice(&out));
	buf_release(&out);
}

bool query_sets_modes(const struct session *session, const struct shape *shape)
{
	return session->tx_status == 'T' && session->tx_begin.size && list_empty(&session->legs) && !session->savepoint_count && !shape->name;
}

/* PostgreSQL refuses them behind the first query of a transaction, of which a pipeline without a Sync is one. */
static int check_modes(const struct session *session, const struct shape *shape, struct err *err)
{
	bool isolation = shape->tx_isolation && strcmp(shape->tx_isolation, "read committed") != 0;
	bool late = false;

	LIST_EACH(&session->legs, node)
		late |= CONTAINER_OF(node, struct leg, place)->needs_sync || CONTAINER_OF(node, struct leg, place)->in_tx;
	if (!late || (!isolation && !shape->tx_deferrable && !shape->tx_not_deferrable))
		return 0;
	err_set(err, ERR_TX_STATE, "SET TRANSACTION %s must be called before any query", isolation ? "ISOLATION LEVEL" : "[NOT] DEFERRABLE");
	err_sqlstate(err, "25001");
	return err->code;
}

int query_begin_deferred(struct session *session, const struct shape *shape, struct err *err)
{
	if (session->tx_status != 'I')
		say_warning(session, "25001", "there is already a transaction in progress");
	if (check_modes(session, shape, err) < 0)
		return err->code;
	if (session->tx_status == 'I') {
		effects_begin(session, shape);
		session->tx_status = 'T';
	} else if (query_sets_modes(session, shape)) {
		effects_set_modes(session, shape);
	} else if (shape->tx_read_only || shape->tx_read_write || shape->tx_isolation_given) {
		err_set(err, ERR_UNSUPPORTED, "BEGIN within a transaction block cannot change its modes here");
		err_hint(err, "Say them in the first BEGIN, or with SET TRANSACTION before the first statement.");
		return err->code;
	}
	query_say_tag(session, shape->tx_start ? "START TRANSACTION" : "BEGIN", false);
	return 1;
}

static uint64_t shards_in_tx(const struct session *session)
{
	uint64_t shards = 0;

	LIST_EACH(&session->legs, node) {
		const struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (leg->in_tx)
			shards |= UINT64_C(1) << leg->shard;
	}
	return shards;
}

static size_t legs_in_tx(const struct session *session)
{
	return (size_t)__builtin_popcountll(shards_in_tx(session));
}

static struct leg *failed_leg(const struct session *session)
{
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->failed)
			return CONTAINER_OF(node, struct leg, place);
	return NULL;
}

/* legs_begin() */
static bool a_leg_begins(const struct session *session)
{
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->state == LEG_SETTING_UP)
			return session->tx_status == 'T';
	return false;
}

int query_tx_end(struct session *session, struct plan *plan, struct slice sql, bool extended, struct err *err)
{
	const struct shape *shape = plan->items[0].shape;
	bool commit = shape->kind == STMT_COMMIT && session->tx_status == 'T';
	size_t count = legs_in_tx(session);
	int rc;

	if (a_leg_begins(session))
		return SPREAD_WAITS;
	if (session->tx_status == 'I' || (count == 1 && (session->tx_status == 'T' || failed_leg(session))))
		return 0;
	if (shape->kind == STMT_PREPARE_TX && session->tx_status == 'T' && session_shard_count(session) == 1)
		return 0;               /* of nothing: its server begins for it */
	if ((shape->kind == STMT_PREPARE_TX && (count || session->tx_status == 'T')) || (shape->tx_chain && count)) {
		err_set(err, ERR_UNSUPPORTED, "a transaction over several shards cannot end this way yet");
		err_hint(err, "Use plain COMMIT or ROLLBACK.");
		return err->code;
	}
	/* Who commits what was lost without his knowing must hear that it was. */
	if (shape->kind == STMT_COMMIT && err_take(&session->tx_error, err)) {
		units_drop_tx(session);
		return err->code;
	}
	if (count == 0) {
		session->failed = !commit;
		effects_end_tx(session, commit);
		session->tx_status = 'I';
		if (shape->tx_chain) {
			effects_begin(session, shape);
			session->tx_status = 'T';
		} else {
			reads_end_tx(session);
		}
		query_say_tag(session, commit ? "COMMIT" : "ROLLBACK", !extended);
		return 1;
	}
	rc = spread_start(session, plan, commit ? SLICE_LIT("COMMIT") : SLICE_LIT("ROLLBACK"), extended, false, err);
	return rc == 0 ? SPREAD_WAITS : rc;
}

/* ---- a text of several statements ---- */

/* What concerns the transaction as a whole must reach every server that has part in it. */
static bool concerns_tx(enum stmt_kind kind)
{
	switch (kind) {
	case STMT_BEGIN:
	case STMT_COMMIT:
	case STMT_ROLLBACK:
	case STMT_PREPARE_TX:
	case STMT_SAVEPOINT:
	case STMT_RELEASE:
	case STMT_ROLLBACK_TO:
	case STMT_SET:
	case STMT_RESET:
	case STMT_SET_CONSTRAINTS:
	case STMT_SET_TRANSACTION:
		return true;
	default:
		return false;
	}
}

static int go_apart(struct err *err)
{
	err_set(err, ERR_UNSUPPORTED, "the statements of this query go to different shards");
	err_hint(err, "Send the statements one by one.");
	return err->code;
}

/* All of them must go to one shard together, or all be definitions. 0 with *ret_shards and *ret_spread. */
static int route_several(struct session *session, const struct plan *plan, struct slice sql, uint64_t *ret_shards, bool *ret_spread,
			 struct err *err)
{
	uint64_t open = shards_in_tx(session);
	bool fixed = false, transaction = false;

	*ret_shards = UINT64_C(1) << units_any_shard(session);
	*ret_spread = false;
	for (size_t i = 0; i < plan->shapes.count; i++) {
		const struct plan_item *item = &plan->items[i];
		enum stmt_kind kind = item->shape->kind;
		uint64_t shards;
		int rc = units_route(session, plan, i, sql, NULL, NULL, &shards, err);

		if (rc < 0)
			return rc;
		transaction |= kind == STMT_BEGIN || kind == STMT_COMMIT || kind == STMT_ROLLBACK;
		if (kind == STMT_PREPARE || kind == STMT_EXECUTE || kind == STMT_DEALLOCATE || item->kind == ROUTE_LOCAL ||
		    own_is_setting(item->shape)) {
			err_set(err, ERR_UNSUPPORTED, "%s cannot be sent together with other statements in one query",
				own_is_setting(item->shape) ? "a setting of nanu's own" :
				item->kind == ROUTE_LOCAL     ? "a SELECT from the nanu schema" :
								stmt_kind_sql(kind));
			err_hint(err, "Send the statements one by one.");
			return err->code;
		}
		if (open && concerns_tx(kind)) {
			if (open & (open - 1) || *ret_spread || (fixed && open != *ret_shards))
				return go_apart(err);
			fixed = true;
			*ret_shards = open;
			continue;
		}
		if (item->kind == ROUTE_ANY)
			continue;
		if (item->kind == ROUTE_ALL && (!fixed || *ret_spread)) {
			*ret_spread = fixed = true;
			continue;
		}
		if (*ret_spread || (shards & (shards - 1)) || (fixed && shards != *ret_shards))
			return go_apart(err);
		fixed = true;
		*ret_shards = shards;
	}
	if (*ret_spread && transaction) {
		err_set(err, ERR_UNSUPPORTED, "definitions for all shards cannot share a query with BEGIN, COMMIT or ROLLBACK");
		err_hint(err, "Send the statements one by one.");
		return err->code;
	}
	return 0;
}

/* ---- one text ---- */

static bool ends_failed(enum stmt_kind kind)
{
	return kind == STMT_COMMIT || kind == STMT_ROLLBACK || kind == STMT_PREPARE_TX || kind == STMT_ROLLBACK_TO;
}

static bool needs_every_leg(const struct session *session, const struct shape *shape)
{
	uint64_t legs = legs_shards(session);

	switch (shape->kind) {
	case STMT_CLOSE:
		return !shape->name && legs & (legs - 1);       /* CLOSE ALL */
	case STMT_SAVEPOINT:
	case STMT_RELEASE:
	case STMT_ROLLBACK_TO:
	case STMT_SET:
	case STMT_RESET:
	case STMT_SET_CONSTRAINTS:
	case STMT_SET_TRANSACTION:
		return legs_in_tx(session) > 1;
	default:
		return false;
	}
}

static int send_text(struct session *session, const struct unit *unit, struct plan *plan, int shard, struct err *err)
{
	struct answer *answer;
	struct slice body;
	struct leg *leg;
	int rc;

	session->repairs = plan->shapes.count == 1 ? plan->items[0].shape : NULL;
	rc = sequences_on(session, plan, shard, &leg, err);

	if (rc <= 0)
		return rc;
	body = unit_body(session, unit);
	if (automatic_send(session, leg, plan, slice_make(body.data, body.size - 1)))
		return 1;
	leg_send(leg, unit_raw(session, unit));
	statement_unref(leg->backend->unnamed);
	leg->backend->unnamed = NULL;
	answer = answers_push(session, ANSWER_QUERY);
	answer->plan = plan_ref(plan);
	return 1;
}

static int send_one(struct session *session, const struct unit *unit, struct plan *plan, uint64_t shards, struct err *err)
{
	for (size_t i = 0; i < plan->shapes.count; i++) {
		int rc = units_join(session, shards, &plan->items[i], err);

		if (rc < 0)
			return rc;
	}
	return send_text(session, unit, plan, __builtin_ctzll(shards), err);
}

static int run_planned(struct session *session, const struct unit *unit, struct plan *plan, struct slice sql, struct err *err)
{
	const struct plan_item *item = &plan->items[0];
	const struct shape *shape = item->shape;
	const struct leg *failed = failed_leg(session);
	bool several_shards = session_shard_count(session) > 1, spread = false;
	uint64_t shards = 1;
	int rc;

	if (plan->shapes.count == 0 || shape->kind == STMT_EMPTY) {
		struct buf out;

		buf_init(&out, 16);
		message_empty(&out, 'I');
		answers_text(session, buf_slice(&out));
		buf_release(&out);
		effects_ready(session, session->tx_status);
		return 1;
	}
	rc = units_aborted(session, plan->shapes.count == 1 ? shape : NULL, err);
	if (rc == 0 && plan->hint)
		rc = reads_hint_check(session, plan, err);
	if (rc == 0 && session->side == SIDE_REPLICA)
		rc = side_check(session, plan, err);
	if (rc < 0)
		return rc;
	if (session->tx_status == 'E' && failed && !ends_failed(shape->kind))
		return send_text(session, unit, plan, failed->shard, err);      /* the server refuses it in its own words */
	if (plan->shapes.count > 1) {
		rc = route_several(session, plan, sql, &shards, &spread, err);
		if (rc < 0)
			return rc;
		if (spread)
			return spread_start(session, plan, sql, false, false, err);
		rc = listen_follows(session) ? listen_want(session, plan, err) : 1;
		if (rc <= 0)
			return rc;
		return send_one(session, unit, plan, shards, err);
	}
	switch (shape->kind) {
	case STMT_BEGIN:
		if (!several_shards && !reads_begins_later(session, plan))
			break;
		if (session->answer_count) {
			units_flush(session);
			return 0;
		}
		rc = query_begin_deferred(session, shape, err);
		if (rc > 0 && units_mid_segment(session))
			legs_begin(session);
		if (rc > 0)
			effects_ready(session, session->tx_status);
		return rc;
	case STMT_SET_TRANSACTION:
		if (!query_sets_modes(session, shape))
			break;
		effects_set_modes(session, shape);
		query_say_tag(session, "SET", true);
		return 1;
	case STMT_COMMIT:
	case STMT_ROLLBACK:
	case STMT_PREPARE_TX:
		rc = query_tx_end(session, plan, sql, false, err);
		if (rc != 0)
			return rc == SPREAD_WAITS ? 0 : rc;
		break;
	case STMT_DEALLOCATE:
		return names_deallocate_query(session, plan, sql, err);
	case STMT_LISTEN:
	case STMT_UNLISTEN:
		if (listen_follows(session))
			return listen_run(session, plan, false, err);
		break;
	default:
		break;
	}
	if (own_is_setting(shape) && shape->kind != STMT_SHOW) {
		rc = own_set(session, shape, err);
		if (rc == 0)
			query_say_tag(session, shape->kind == STMT_SET ? "SET" : "RESET", true);
		return rc == 0 ? 1 : rc;
	}
	if (names_concern(shape))
		return names_query(session, plan, sql, err);
	if (needs_every_leg(session, shape))
		return spread_start(session, plan, sql, false, false, err);
	rc = units_route(session, plan, 0, sql, NULL, NULL, &shards, err);
	if (rc < 0)
		return rc;
	switch (item->kind) {
	case ROUTE_LOCAL:
		return local_start(session, sql, NULL, NULL, LOCAL_QUERY, 0, err);
	case ROUTE_ALL:
	case ROUTE_ALL_LOOSE:
		if (several_shards)
			return spread_start(session, plan, sql, false, item->kind == ROUTE_ALL_LOOSE, err);
		break;
	case ROUTE_ANY:
		if (!hint_names_shard(plan->hint))
			shards = UINT64_C(1) << cursors_statement_shard(session, shape);
		break;
	default:
		break;
	}
	if (shards & (shards - 1))
		return fan_start(session, plan, sql, NULL, NULL, shards, FAN_QUERY, err);
	rc = send_one(session, unit, plan, shards, err);
	if (rc == 0 && session->tx_status == 'I' && !session->planned) {
		session->planned = plan_ref(plan);
		session->planned_shards = shards;
	}
	return rc;
}

/* The plan that the query waited with, unless what it rests on has changed meanwhile. */
static struct plan *planned_before(struct session *session)
{
	struct plan *plan = session->planned;

	session->planned = NULL;
	if (plan && plan->snapshot_version == session->snapshot->version && session->tx_status == 'I')
		return plan;
	plan_unref(plan);
	return NULL;
}

int query_run(struct session *session, const struct unit *unit, struct err *err)
{
	struct slice body = unit_body(session, unit);
	struct cursor cursor = cursor_of(body);
	struct slice sql = cursor_cstr(&cursor);
	struct plan *plan;
	int rc;

	if (session->answer_count) {            /* of extended-protocol messages that no Sync ended */
		units_flush(session);
		return 0;
	}
	if (cursor.failed || cursor_left(&cursor))
		return err_set(err, ERR_PROTOCOL, "invalid string in message");
	plan = planned_before(session);
	if (plan) {
		rc = send_one(session, unit, plan, session->planned_shards, err);
		if (rc == 0)
			session->planned = plan_ref(plan);
		plan_unref(plan);
		return rc;
	}
	plan = units_plan(session, sql);
	rc = units_fresh(session, &plan, sql);
	if (rc > 0) {
		prepared_remove(session, (struct slice){ "", 0 });
		rc = run_planned(session, unit, plan, sql, err);
		if (rc < 0)
			units_check_end(session, plan, rc);
	}
	plan_unref(plan);
	return rc;
}

/* A fast-path function call (PostgreSQL documentation, 55.2.5): the home shard's, as it stands. */
int query_function(struct session *session, const struct unit *unit, int shard, struct err *err)
{
	const struct catalog *catalog = session->snapshot->catalogs[session->database];
	struct cursor cursor = cursor_of(unit_body(session, unit));
	struct leg *leg;
	uint32_t oid;
	int rc;

	if (session->answer_count) {            /* an error of theirs skips this one too */
		units_flush(session);
		return 0;
	}
	oid = cursor_u32(&cursor);
	if ((oid >= OID_FIRST_OF_USERS || !catalog || catalog_reads_tables_by_oid(catalog, oid)) && session_shard_count(session) > 1 &&
	    session_database(session)->table_count) {
		err_set(err, ERR_UNSUPPORTED, "a function that is called by its number may touch sharded tables, of which it would see one shard only");
		err_hint(err, "Call it by its name, with SELECT.");
		return err->code;
	}
	rc = reads_primaries(session, UINT64_C(1) << shard, err);
	if (rc > 0)
		rc = units_on(session, shard, &leg, err);
	if (rc <= 0)
		return rc;
	reads_wrote(session, NULL);
	leg_send(leg, unit_raw(session, unit));
	effects_dirty(session, leg);
	answers_push(session, ANSWER_QUERY);
	return 1;
}
