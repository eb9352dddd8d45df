/* query: the simple protocol: one text, perhaps of several statements, and one ReadyForQuery. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "route/snapshot.h"
#include "session/session.h"
#include "session/units.h"
#include "sql/rewrite.h"

enum { QUERY_SIZE_MAX = 128 << 20 };

/* ---- answered here ---- */

static void say_tag(struct session *session, const char *tag, bool ready)
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

void query_begin_deferred(struct session *session, const struct shape *shape)
{
	if (session->tx_status == 'I') {
		effects_begin(session, shape);
		session->tx_status = 'T';
	} else {
		say_warning(session, "25001", "there is already a transaction in progress");
	}
	say_tag(session, shape->tx_start ? "START TRANSACTION" : "BEGIN", false);
}

static size_t legs_in_tx(const struct session *session)
{
	size_t count = 0;

	LIST_EACH(&session->legs, node)
		count += CONTAINER_OF(node, struct leg, place)->in_tx;
	return count;
}

static bool server_failed(const struct session *session)
{
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->failed)
			return true;
	return false;
}

int query_tx_end(struct session *session, struct plan *plan, struct slice sql, bool extended, struct err *err)
{
	const struct shape *shape = plan->items[0].shape;
	bool commit = shape->kind == STMT_COMMIT && session->tx_status == 'T';
	size_t count = legs_in_tx(session);
	int rc;

	if (session->tx_status == 'I' || (count == 1 && (session->tx_status == 'T' || server_failed(session))))
		return 0;
	if (shape->kind == STMT_PREPARE_TX || (shape->tx_chain && count)) {
		err_set(err, ERR_UNSUPPORTED, "a transaction over several shards cannot end this way yet");
		err_hint(err, "Use plain COMMIT or ROLLBACK.");
		return err->code;
	}
	if (count == 0) {
		session->failed = !commit;
		effects_end_tx(session, commit);
		session->tx_status = 'I';
		if (shape->tx_chain) {
			effects_begin(session, shape);
			session->tx_status = 'T';
		}
		say_tag(session, commit ? "COMMIT" : "ROLLBACK", !extended);
		return 1;
	}
	rc = spread_start(session, plan, commit ? SLICE_LIT("COMMIT") : SLICE_LIT("ROLLBACK"), extended, false, err);
	return rc == 0 ? SPREAD_WAITS : rc;
}

/* ---- SQL PREPARE, EXECUTE, DEALLOCATE ---- */

static int undefined(struct slice name, struct err *err)
{
	return err_set(err, ERR_UNDEFINED_STATEMENT, "prepared statement \"%.*s\" does not exist", SLICE_FMT(name));
}

static int send_query(struct session *session, struct leg *leg, struct plan *plan, struct slice sql)
{
	struct answer *answer;
	struct buf out;
	size_t begin;

	buf_init(&out, QUERY_SIZE_MAX);
	begin = frame_begin(&out, 'Q');
	buf_add_slice(&out, sql);
	buf_add_u8(&out, 0);
	frame_end(&out, begin);
	leg_send(leg, buf_slice(&out));
	buf_release(&out);
	statement_unref(leg->backend->unnamed);
	leg->backend->unnamed = NULL;
	answer = answers_push(session, ANSWER_QUERY);
	answer->plan = plan_ref(plan);
	return 1;
}

static int run_prepare(struct session *session, struct plan *plan, struct slice sql, struct err *err)
{
	const struct shape *shape = plan->items[0].shape;
	struct slice name = slice_of(shape->name), tail, inner;
	struct statement *statement;
	struct answer *answer;
	struct plan *inner_plan;
	struct rewrite rewrite;
	struct leg *leg;
	struct buf text, close;
	uint32_t *types;
	int rc;

	if (prepared_find(session, name))
		return err_set(err, ERR_DUPLICATE_STATEMENT, "prepared statement \"%s\" already exists", shape->name);
	if (session->prepared.count >= STATEMENTS_MAX)
		return err_set(err, ERR_LIMIT, "a session may prepare %d statements", STATEMENTS_MAX);
	rc = units_on(session, units_any_shard(session), &leg, err);
	if (rc <= 0)
		return rc;
	buf_init(&text, QUERY_SIZE_MAX);
	rc = rewrite_execute(sql, session_standard_strings(session), SLICE_LIT("x"), &text, &rewrite, err);
	buf_clear(&text);
	if (rc < 0) {
		buf_release(&text);
		return rc;
	}
	tail = slice_make(sql.data + rewrite.offset + rewrite.size, sql.size - rewrite.offset - rewrite.size);
	types = arena_calloc(&session->arena, shape->prepare_type_count + 1, sizeof(*types));
	for (size_t i = 0; i < shape->prepare_type_count; i++)
		types[i] = plan_type_named(shape->prepare_types[i]);
	statement = statement_intern(&session->worker->pools.statements, STATEMENT_SQL, tail, types, shape->prepare_type_count, session->settings,
				     session->snapshot->version, session->database_name, session->user);
	inner = slice_make(statement->text.data + (sql.data + shape->prepare_query_offset - tail.data),
			   sql.size - shape->prepare_query_offset);
	inner_plan = units_plan(session, inner);
	prepared_add(session, name, statement, inner_plan, inner, true);
	plan_unref(inner_plan);
	if (backend_has_prepared(leg->backend, statement)) {
		say_tag(session, "PREPARE", true);
	} else {
		buf_init(&close, 1024);
		if (backend_add_prepared(leg->backend, statement, &close)) {
			buf_add(&close, "S\0\0\0\4", 5);
			leg_send(leg, buf_slice(&close));
			leg->setup_left++;
			leg->state = LEG_SETTING_UP;
		}
		buf_release(&close);
		buf_printf(&text, "PREPARE %s", statement->name);
		buf_add_slice(&text, tail);
		send_query(session, leg, plan, buf_slice(&text));
		answer = &session->answers[(session->answer_first + session->answer_count - 1) % session->answer_capacity];
		answer->statement = statement_ref(statement);
		answer->copy = answer->registered = true;
		answer->statement_name = arena_slice(&session->arena, name);
	}
	buf_release(&text);
	statement_unref(statement);
	return 1;
}

static int route_execute(struct session *session, const struct prepared *prepared, const struct shape *execute, struct slice sql,
			 uint64_t *ret_shards, struct err *err)
{
	struct plan_context context = session_plan_context(session);
	struct plan_values outer = { .sql = sql, .standard_strings = session_standard_strings(session),
		.own_encoding = session_own_encoding(session) };
	struct plan_values values = { .sql = prepared->sql, .standard_strings = outer.standard_strings,
		.own_encoding = outer.own_encoding, .param_types = prepared->statement->types,
		.param_type_count = prepared->statement->type_count, .execute = execute,
		.execute_values = &outer };
	const struct fingerprint *found;

	if (fingerprint_make(session->worker->fingerprinter, prepared->sql, outer.standard_strings, &found, NULL) == 0)
		values.fingerprint = found;
	if (fingerprint_make(session->worker->second_fingerprinter, sql, outer.standard_strings, &found, NULL) == 0)
		outer.fingerprint = found;
	return plan_route(&context, &prepared->plan->items[0], &values, ret_shards, err);
}

static int run_execute(struct session *session, struct plan *plan, const struct shape *shape, struct slice sql, struct err *err)
{
	struct slice name = slice_of(shape->name ? shape->name : "");
	struct prepared *prepared = name.size ? prepared_find(session, name) : NULL;
	const struct plan_item *item;
	struct rewrite rewrite;
	const char *copy;
	uint64_t shards;
	struct leg *leg;
	struct buf text;
	int rc;

	if (!prepared)
		return undefined(name, err);
	item = &prepared->plan->items[0];
	rc = route_execute(session, prepared, shape, sql, &shards, err);
	if (rc < 0)
		return rc;
	if (item->kind == ROUTE_LOCAL || (shards & (shards - 1))) {
		err_set(err, ERR_UNSUPPORTED, "EXECUTE of a statement over several shards is not supported yet");
		err_hint(err, "Send the statement itself, or prepare it through the driver's protocol.");
		return err->code;
	}
	if (item->kind == ROUTE_ANY)
		shards = UINT64_C(1) << units_any_shard(session);
	rc = units_join(session, shards, item, err);
	if (rc == 0)
		rc = units_on(session, __builtin_ctzll(shards), &leg, err);
	if (rc <= 0)
		return rc;
	rc = units_ensure(session, leg, prepared, &copy, err);
	if (rc <= 0)
		return rc;
	if (leg->needs_sync) {
		leg_send(leg, SLICE_LIT("S\0\0\0\4"));
		answers_push(session, ANSWER_SYNC)->hidden = true;
	}
	buf_init(&text, QUERY_SIZE_MAX);
	rc = rewrite_execute(sql, session_standard_strings(session), slice_of(copy), &text, &rewrite, err);
	if (rc == 0)
		rc = send_query(session, leg, plan, buf_slice(&text));
	buf_release(&text);
	return rc;
}

int query_deallocate(struct session *session, const struct shape *shape, bool ready, struct err *err)
{
	if (shape->name) {
		struct prepared *prepared = prepared_find(session, slice_of(shape->name));

		if (!prepared)
			return undefined(slice_of(shape->name), err);
		prepared_remove(session, slice_of(shape->name));
	} else {
		prepared_remove_all(session);
	}
	say_tag(session, shape->name ? "DEALLOCATE" : "DEALLOCATE ALL", ready);
	return 1;
}

/* ---- a text of several statements ---- */

/* All of them must go to one shard together, or all be definitions. 0 with *ret_shards and *ret_spread. */
static int route_several(struct session *session, const struct plan *plan, struct slice sql, uint64_t *ret_shards, bool *ret_spread,
			 struct err *err)
{
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
		if (kind == STMT_PREPARE || kind == STMT_EXECUTE || kind == STMT_DEALLOCATE || item->kind == ROUTE_LOCAL) {
			err_set(err, ERR_UNSUPPORTED, "%s cannot be sent together with other statements in one query", stmt_kind_name(kind));
			err_hint(err, "Send the statements one by one.");
			return err->code;
		}
		if (item->kind == ROUTE_ANY)
			continue;
		if (item->kind == ROUTE_ALL && (!fixed || *ret_spread)) {
			*ret_spread = fixed = true;
			continue;
		}
		if (*ret_spread || (shards & (shards - 1)) || (fixed && shards != *ret_shards)) {
			err_set(err, ERR_UNSUPPORTED, "the statements of this query go to different shards");
			err_hint(err, "Send the statements one by one.");
			return err->code;
		}
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

static bool needs_every_leg(const struct session *session, enum stmt_kind kind)
{
	switch (kind) {
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

static int send_one(struct session *session, const struct unit *unit, struct plan *plan, uint64_t shards, const struct plan_item *item,
		    struct err *err)
{
	struct answer *answer;
	struct leg *leg;
	int rc = units_join(session, shards, item, err);

	if (rc == 0)
		rc = units_on(session, __builtin_ctzll(shards), &leg, err);
	if (rc <= 0)
		return rc;
	leg_send(leg, unit_raw(session, unit));
	statement_unref(leg->backend->unnamed);
	leg->backend->unnamed = NULL;
	answer = answers_push(session, ANSWER_QUERY);
	answer->plan = plan_ref(plan);
	return 1;
}

static int run_planned(struct session *session, const struct unit *unit, struct plan *plan, struct slice sql, struct err *err)
{
	const struct plan_item *item = &plan->items[0];
	const struct shape *shape = item->shape;
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
	if (rc < 0)
		return rc;
	if (plan->shapes.count > 1) {
		rc = route_several(session, plan, sql, &shards, &spread, err);
		if (rc < 0)
			return rc;
		if (spread)
			return spread_start(session, plan, sql, false, false, err);
		return send_one(session, unit, plan, shards, item, err);
	}
	switch (shape->kind) {
	case STMT_BEGIN:
		if (!several_shards)
			break;
		query_begin_deferred(session, shape);
		effects_ready(session, session->tx_status);
		return 1;
	case STMT_COMMIT:
	case STMT_ROLLBACK:
	case STMT_PREPARE_TX:
		rc = query_tx_end(session, plan, sql, false, err);
		if (rc != 0)
			return rc == SPREAD_WAITS ? 0 : rc;
		break;
	case STMT_PREPARE:
		return item->kind == ROUTE_REFUSED ? (*err = item->refusal, err->code) : run_prepare(session, plan, sql, err);
	case STMT_EXECUTE:
		return run_execute(session, plan, shape, sql, err);
	case STMT_EXPLAIN:
		if (shape->inner && shape->inner->kind == STMT_EXECUTE)
			return run_execute(session, plan, shape->inner, sql, err);
		break;
	case STMT_DEALLOCATE:
		return query_deallocate(session, shape, true, err);
	default:
		break;
	}
	if (needs_every_leg(session, shape->kind))
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
		shards = UINT64_C(1) << units_any_shard(session);
		break;
	default:
		break;
	}
	if (shards & (shards - 1))
		return fan_start(session, plan, sql, NULL, NULL, shards, FAN_QUERY, err);
	return send_one(session, unit, plan, shards, item, err);
}

int query_run(struct session *session, const struct unit *unit, struct err *err)
{
	struct slice body = unit_body(session, unit);
	struct cursor cursor = cursor_of(body);
	struct slice sql = cursor_cstr(&cursor);
	struct plan *plan;
	int rc;

	if (cursor.failed || cursor_left(&cursor))
		return err_set(err, ERR_PROTOCOL, "invalid string in message");
	plan = units_plan(session, sql);
	rc = units_fresh(session, &plan, sql);
	if (rc > 0) {
		prepared_remove(session, (struct slice){ "", 0 });
		rc = run_planned(session, unit, plan, sql, err);
	}
	plan_unref(plan);
	return rc;
}

/* A fast-path function call (PostgreSQL documentation, 55.2.5): the home shard's, as it stands. */
int query_function(struct session *session, const struct unit *unit, int shard, struct err *err)
{
	struct leg *leg;
	int rc = units_on(session, shard, &leg, err);

	if (rc <= 0)
		return rc;
	leg_send(leg, unit_raw(session, unit));
	leg->backend->dirty = true;
	answers_push(session, ANSWER_QUERY);
	return 1;
}
