/* extended: Parse, Describe, Execute, Close and Sync; bind.c: Bind. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "route/snapshot.h"
#include "session/listen.h"
#include "session/own_settings.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/side.h"
#include "session/units.h"

enum { EXTENDED_SIZE_MAX = 128 << 20, PARSE_TYPES_MAX = 65535 };

enum portal_kind extended_kind(const struct session *session, const struct plan *plan)
{
	bool several = session_shard_count(session) > 1;
	const struct plan_item *item = &plan->items[0];

	if (plan->shapes.count != 1)
		return PORTAL_LEG;
	switch (item->shape->kind) {
	case STMT_BEGIN:
		return several || units_tx_lost(session) || reads_begins_later(session, plan) ? PORTAL_SPREAD : PORTAL_LEG;
	case STMT_COMMIT:
	case STMT_ROLLBACK:
		return several || units_tx_lost(session) || (session->reads && (session->reads->in_tx || (session->tx_status == 'T' && list_empty(&session->legs)))) ?
			       PORTAL_SPREAD : PORTAL_LEG;
	case STMT_SET_TRANSACTION:
		return query_sets_modes(session, item->shape) || (several && session->tx_status == 'T') ? PORTAL_SPREAD : PORTAL_LEG;
	case STMT_DEALLOCATE:
		return PORTAL_SPREAD;
	case STMT_LISTEN:
	case STMT_UNLISTEN:
		return listen_follows(session) ? PORTAL_SPREAD : PORTAL_LEG;
	case STMT_CLOSE:
		return several && !item->shape->name ? PORTAL_SPREAD : PORTAL_LEG;      /* CLOSE ALL */
	case STMT_ROLLBACK_TO:
		return several && session->tx_status != 'I' ? PORTAL_SPREAD : PORTAL_LEG;       /* what failed on one shard is undone on all */
	case STMT_SAVEPOINT:
	case STMT_RELEASE:
	case STMT_SET:
	case STMT_RESET:
		if (own_is_setting(item->shape))
			return PORTAL_SPREAD;
		return several && session->tx_status == 'T' ? PORTAL_SPREAD : PORTAL_LEG;
	case STMT_SET_CONSTRAINTS:
		return several && session->tx_status == 'T' ? PORTAL_SPREAD : PORTAL_LEG;
	default:
		break;
	}
	if (names_concern(item->shape))
		return PORTAL_RENAMED;
	if (item->kind == ROUTE_LOCAL)
		return PORTAL_LOCAL;
	if ((item->kind == ROUTE_ALL || item->kind == ROUTE_ALL_LOOSE) && several)
		return PORTAL_SPREAD;
	return PORTAL_LEG;
}

/* The shard for messages that any shard could take: where the rest of the segment goes, if that can be told, else where the session is.
 * `parsed` (or NULL) is what a Parse is about to call `name`. */
static int likely_shard(struct session *session, struct slice name, const struct prepared *parsed)
{
	if (session_shard_count(session) == 1 || session->tx_status == 'T')
		return units_any_shard(session);
	for (size_t i = session->unit_at; i < session->unit_count; i++) {
		const struct prepared *prepared;
		struct bind bind;
		uint64_t shards;

		if (session->units[i].kind != UNIT_BIND || bind_read(unit_body(session, &session->units[i]), &bind, NULL) < 0)
			continue;
		prepared = parsed && slice_eq(name, bind.statement) ? parsed : prepared_find(session, bind.statement);
		if (prepared && prepared->plan->shapes.count && prepared->plan->items[0].kind != ROUTE_ANY &&
		    units_route(session, prepared->plan, 0, prepared->sql, &bind, prepared->statement, &shards, NULL) == 0)
			return __builtin_ctzll(shards);
	}
	return units_any_shard(session);
}

/* ---- Parse ---- */

static int read_types(struct session *session, struct cursor *cursor, const uint32_t **ret_types, size_t *ret_count, struct err *err)
{
	size_t count = cursor_u16(cursor);
	uint32_t *types = arena_alloc(&session->arena, (count + 1) * sizeof(*types));

	for (size_t i = 0; i < count; i++)
		types[i] = cursor_u32(cursor);
	if (cursor->failed || cursor_left(cursor))
		return err_set(err, ERR_PROTOCOL, "invalid string in message");
	*ret_types = types;
	*ret_count = count;
	return 0;
}

static void send_parse(struct session *session, struct leg *leg, const struct prepared *prepared, struct prepared *before, struct slice raw)
{
	struct statement *statement = prepared->statement;
	bool copy = copies_serve(session, leg, prepared);
	struct answer *answer;
	struct buf out;

	if (copy && !leg->failed && backend_has_prepared(leg->backend, statement)) {
		copies_parse(session, leg, prepared, before);
		return;
	}
	answer = answers_push(session, ANSWER_PARSE);
	answers_note_undo(session, answer, slice_of(prepared->name), statement, before);
	leg->needs_sync = true;
	if (copy && backend_has_prepared(leg->backend, statement)) {    /* the failed transaction may still refuse it */
		buf_init(&out, EXTENDED_SIZE_MAX);
		message_parse(&out, "", statement->text, statement->types, statement->type_count);
		leg_send(leg, buf_slice(&out));
		buf_release(&out);
		statement_unref(leg->backend->unnamed);
		leg->backend->unnamed = NULL;
		return;
	}
	answer->copy = copy;
	if (!copy) {
		leg_send(leg, raw);
		statement_unref(leg->backend->unnamed);
		leg->backend->unnamed = statement_ref(statement);
		return;
	}
	buf_init(&out, EXTENDED_SIZE_MAX);
	message_parse(&out, statement->name, statement->text, statement->types, statement->type_count);
	leg_add_copy(leg, statement, &out);
	leg_send(leg, buf_slice(&out));
	buf_release(&out);
}

static int parse_planned(struct session *session, const struct unit *unit, struct plan *plan, struct slice name, struct slice sql,
			 const uint32_t *types, size_t type_count, struct err *err)
{
	const struct plan_item *item = plan->shapes.count ? &plan->items[0] : NULL;
	enum portal_kind kind = item ? extended_kind(session, plan) : PORTAL_LEG;
	struct prepared *prepared, *before;
	struct statement *statement;
	struct leg *leg = NULL;
	bool waits;
	int rc;

	rc = units_aborted(session, item ? item->shape : NULL, err);
	if (rc == 0 && plan->hint)
		rc = reads_hint_check(session, plan, err);
	if (rc == 0 && session->side == SIDE_REPLICA)
		rc = side_check(session, plan, err);
	if (rc < 0)
		return rc;
	if (name.size && prepared_find(session, name))
		return err_set(err, ERR_DUPLICATE_STATEMENT, "prepared statement \"%.*s\" already exists", SLICE_FMT(name));
	if (session->prepared.count >= STATEMENTS_MAX)
		return err_set(err, ERR_LIMIT, "a session may prepare %d statements", STATEMENTS_MAX);
	if (item && item->kind == ROUTE_REFUSED) {
		*err = item->refusal;
		return err->code;
	}
	if (kind != PORTAL_LEG && session->tx_status == 'E' && !units_tx_lost(session) && item->shape->kind != STMT_COMMIT &&
	    item->shape->kind != STMT_ROLLBACK)
		kind = PORTAL_LEG;      /* the server refuses all but the end of the transaction, which hangs on no single server */
	statement = copies_statement(session, STATEMENT_PARSE, sql, sql, types, type_count);
	waits = kind == PORTAL_LEG && !name.size && copies_parse_waits(session, plan, statement);
	if (kind == PORTAL_LEG && !waits) {
		struct prepared parsed = { .statement = statement, .plan = plan, .sql = statement->text };

		/* The leg comes first: until it is there, nothing has happened. */
		session->repairs = item && plan->shapes.count == 1 ? item->shape : NULL;
		rc = sequences_on(session, plan, item && item->kind == ROUTE_ANY && session->tx_status == 'T' ?
				  cursors_statement_shard(session, item->shape) : likely_shard(session, name, &parsed), &leg, err);
		if (rc <= 0) {
			statement_unref(statement);
			return rc;
		}
	}
	before = prepared_take(session, name);
	prepared = prepared_add(session, name, statement, plan, statement->text, false);
	prepared->reused = waits || (!name.size && session->policy->reuse_unnamed && copies_may_serve(plan) && copies_worthwhile(statement));
	if (waits) {
		prepared_free(before);
		session->parse_owed = true;
	} else if (kind == PORTAL_LEG) {
		send_parse(session, leg, prepared, before, unit_raw(session, unit));
	} else {
		answers_note_undo(session, answers_empty(session, '1'), name, statement, before);
	}
	statement_unref(statement);
	return 1;
}

int extended_parse(struct session *session, const struct unit *unit, struct err *err)
{
	struct cursor cursor = cursor_of(unit_body(session, unit));
	struct slice name = cursor_cstr(&cursor), sql = cursor_cstr(&cursor);
	const uint32_t *types = NULL;
	struct plan *plan;
	size_t count = 0;
	int rc = read_types(session, &cursor, &types, &count, err);

	if (rc < 0)
		return rc;
	plan = units_plan(session, sql);
	rc = units_fresh(session, &plan, sql);
	if (rc > 0)
		rc = parse_planned(session, unit, plan, name, sql, types, count, err);
	plan_unref(plan);
	return rc;
}

/* ---- Describe ---- */

static void say_no_data(struct session *session, bool statement)
{
	if (statement)
		answers_text(session, SLICE_LIT("t\0\0\0\6\0\0"));
	answers_empty(session, 'n');
}

static int describe_renamed(struct session *session, const struct prepared *prepared, struct err *err)
{
	struct statement *prepares;
	struct renamed *renamed;
	struct leg *leg;
	struct buf out;
	int rc = names_parse(session, prepared->plan, prepared->sql, &leg, &renamed, &prepares, err);

	if (rc <= 0)
		return rc;
	renamed_unref(renamed);
	statement_unref(prepares);
	buf_init(&out, 64);
	message_describe(&out, 'S', "");
	leg_send(leg, buf_slice(&out));
	buf_release(&out);
	answers_push(session, ANSWER_DESCRIBE);
	return 1;
}

static int describe_statement(struct session *session, const struct unit *unit, struct slice name, struct err *err)
{
	struct prepared *prepared = prepared_find(session, name);
	enum portal_kind kind;
	struct answer *answer;
	const char *copy;
	struct leg *leg;
	struct buf out;
	int shard, rc;

	if (!prepared)
		return bind_unknown(session, unit, name, ANSWER_DESCRIBE, err);
	kind = prepared->plan->shapes.count ? extended_kind(session, prepared->plan) : PORTAL_LEG;
	if (kind == PORTAL_LOCAL && session->tx_status == 'E')
		return units_abort(err);
	if (kind == PORTAL_LOCAL)
		return local_start(session, prepared->sql, NULL, prepared->statement, LOCAL_DESCRIBE_STATEMENT, 0, err);
	if (kind == PORTAL_RENAMED && prepared->plan->items[0].shape->kind != STMT_PREPARE)
		return describe_renamed(session, prepared, err);
	if (kind != PORTAL_LEG) {
		say_no_data(session, true);
		return 1;
	}
	shard = session->current && session->answer_count ? session->current->shard : likely_shard(session, name, NULL);
	rc = session->parse_owed ? sequences_on(session, prepared->plan, shard, &leg, err) : units_on(session, shard, &leg, err);
	if (rc <= 0)
		return rc;
	copy = copies_ensure(session, leg, prepared);
	buf_init(&out, 1024);
	message_describe(&out, 'S', copy);
	leg_send(leg, buf_slice(&out));
	buf_release(&out);
	leg->needs_sync = true;
	answer = answers_push(session, ANSWER_DESCRIBE);
	if (*copy)
		copies_used(session, prepared, answer, name);
	return 1;
}

/* A fan-out's portal is described by one shard, from the statement as the client wrote it. */
static int describe_fan(struct session *session, struct portal *portal, struct err *err)
{
	struct prepared stand_in = { .name = (char[]){ "nanu" }, .statement = portal->statement, .plan = portal->plan, .sql = portal->sql };
	struct slice body = buf_slice(&portal->bind);
	const char *copy;
	struct bind bind;
	struct leg *leg;
	struct buf out;
	int shard = __builtin_ctzll(portal->shards), rc = reads_step(session, portal->plan, UINT64_C(1) << shard, err);

	if (rc > 0)
		rc = units_on(session, shard, &leg, err);
	if (rc > 0)
		rc = bind_read(body, &bind, err) < 0 ? err->code : 1;
	if (rc <= 0)
		return rc;
	copy = copies_ensure(session, leg, &stand_in);
	bind.portal = (struct slice){ "", 0 };
	bind_send(session, leg, &bind, copy, NULL, body);
	answers_push(session, ANSWER_BIND)->hidden = true;
	buf_init(&out, 64);
	message_describe(&out, 'P', "");
	leg_send(leg, buf_slice(&out));
	buf_release(&out);
	answers_push(session, ANSWER_DESCRIBE);
	return 1;
}

int extended_describe(struct session *session, const struct unit *unit, struct err *err)
{
	struct cursor cursor = cursor_of(unit_body(session, unit));
	char what = (char)cursor_u8(&cursor);
	struct slice name = cursor_cstr(&cursor);
	struct portal *portal;
	struct leg *leg;
	int rc;

	if (cursor.failed || (what != 'S' && what != 'P'))
		return err_set(err, ERR_PROTOCOL, "invalid DESCRIBE message subtype %d", (unsigned char)what);
	if (what == 'S')
		return describe_statement(session, unit, name, err);
	portal = portal_find(session, name);
	if (portal && session->tx_status == 'E' && (portal->kind == PORTAL_LOCAL || portal->kind == PORTAL_FAN))
		return units_abort(err);
	if (portal && portal->kind == PORTAL_LOCAL) {
		struct bind bind;

		rc = bind_read(buf_slice(&portal->bind), &bind, err);
		return rc < 0 ? rc : local_start(session, portal->sql, &bind, portal->statement, LOCAL_DESCRIBE_PORTAL, 0, err);
	}
	if (portal && portal->kind == PORTAL_SPREAD) {
		say_no_data(session, false);
		return 1;
	}
	if (portal && portal->kind == PORTAL_FAN)
		return describe_fan(session, portal, err);
	/* A cursor that SQL declared is a portal too. */
	rc = units_on(session, portal ? portal->shard : cursors_shard(session, name), &leg, err);
	if (rc <= 0)
		return rc;
	leg_send(leg, unit_raw(session, unit));
	leg->needs_sync = true;
	answers_push(session, ANSWER_DESCRIBE);
	return 1;
}

/* ---- Execute ---- */

/* What runs on all shards commits there by itself: an error of another statement before Sync could not undo it. */
static int alone_in_pipeline(const struct session *session, struct err *err)
{
	bool alone = true;

	LIST_EACH(&session->legs, node)
		alone &= !CONTAINER_OF(node, struct leg, place)->executed;
	for (size_t i = 0; i < session->unit_count; i++)
		alone &= i == session->unit_at || session->units[i].kind != UNIT_EXECUTE;
	if (alone || session->tx_status != 'I')
		return 1;
	err_set(err, ERR_UNSUPPORTED, "a statement for all shards cannot share a pipeline with other statements yet");
	err_hint(err, "Send a Sync before and behind it, or begin a transaction first.");
	return err->code;
}

static bool ends_tx(const struct shape *shape)
{
	return shape->kind == STMT_COMMIT || shape->kind == STMT_ROLLBACK;
}

static int ran_already(const struct portal *portal, struct err *err)
{
	return err_set(err, ERR_WRONG_STATE, "portal \"%s\" cannot be run", portal->name);
}

static int execute_spread(struct session *session, struct portal *portal, struct err *err)
{
	const struct plan_item *item = &portal->plan->items[0];
	struct answer *answer;
	struct leg *leg;
	struct buf out;
	int rc;

	if (own_is_setting(item->shape)) {
		if (session->answer_count) {
			units_flush(session);
			return 0;
		}
		rc = own_set(session, item->shape, err);
		if (rc == 0)
			query_say_tag(session, item->shape->kind == STMT_SET ? "SET" : "RESET", false);
		return rc == 0 ? 1 : rc;
	}
	switch (item->shape->kind) {
	case STMT_BEGIN:
		if (session->answer_count) {
			units_flush(session);
			return 0;
		}
		if (portal->done)
			return ran_already(portal, err);
		if (session->tx_status == 'I' && !reads_leave(session))
			return 0;
		rc = query_begin_deferred(session, item->shape, err);
		if (rc < 0)
			return rc;
		portal->done = true;
		legs_begin(session);
		return 1;
	case STMT_DEALLOCATE:
	case STMT_LISTEN:
	case STMT_UNLISTEN:
		if (session->answer_count) {    /* an error of theirs must come first */
			units_flush(session);
			return 0;
		}
		if (portal->done)
			return ran_already(portal, err);
		rc = item->shape->kind == STMT_DEALLOCATE ? names_deallocate(session, item->shape, err) :
							    listen_run(session, portal->plan, true, err);
		portal->done = rc > 0;
		if (rc != 0 || item->shape->kind != STMT_DEALLOCATE)
			return rc;
		break;
	case STMT_COMMIT:
	case STMT_ROLLBACK:
		if (session->answer_count) {
			units_flush(session);
			return 0;
		}
		rc = query_tx_end(session, portal->plan, portal->sql, true, err);
		if (rc != 0)
			return rc == SPREAD_WAITS ? 0 : rc;
		if (session->tx_status == 'I')
			units_end_parts(session, item->shape->kind == STMT_COMMIT);
		break;
	case STMT_SET_TRANSACTION:
		if (query_sets_modes(session, item->shape)) {
			if (portal->done)
				return ran_already(portal, err);
			effects_set_modes(session, item->shape);
			query_say_tag(session, "SET", false);
			portal->done = true;
			return 1;
		}
		__attribute__((fallthrough));   /* to all that are in the block */
	default:
		if (session->answer_count) {
			units_flush(session);
			return 0;
		}
		rc = item->kind == ROUTE_ANY ? 1 : alone_in_pipeline(session, err);
		if (rc < 0)
			return rc;
		if (item->kind != ROUTE_ANY || legs_shards(session))
			return spread_start(session, portal->plan, portal->sql, true, item->kind == ROUTE_ALL_LOOSE, err);
		break;
	}
	/* One leg is enough: the statement goes there whole. */
	session->repairs = item->shape;
	rc = units_on(session, units_any_shard(session), &leg, err);
	if (rc <= 0)
		return rc;
	buf_init(&out, EXTENDED_SIZE_MAX);
	message_parse(&out, "", portal->sql, NULL, 0);
	buf_add(&out, "B\0\0\0\14\0\0\0\0\0\0\0\0", 13);
	message_execute(&out, "", 0);
	leg_send(leg, buf_slice(&out));
	buf_release(&out);
	leg->needs_sync = true;
	statement_unref(leg->backend->unnamed);
	leg->backend->unnamed = NULL;
	answers_push(session, ANSWER_PARSE)->hidden = true;
	answers_push(session, ANSWER_BIND)->hidden = true;
	leg->executed = true;
	session->settles = ends_tx(item->shape);
	answer = answers_push(session, ANSWER_EXECUTE);
	answer->plan = plan_ref(portal->plan);
	return 1;
}

static int execute(struct session *session, const struct unit *unit, struct err *err)
{
	struct cursor cursor = cursor_of(unit_body(session, unit));
	struct slice name = cursor_cstr(&cursor);
	uint32_t row_max = cursor_u32(&cursor);
	struct portal *portal = portal_find(session, name);
	struct answer *answer;
	struct leg *leg;
	struct bind bind;
	int rc;

	if (cursor.failed)
		return err_set(err, ERR_PROTOCOL, "insufficient data left in message");
	if (portal && session->tx_status == 'E' && (portal->kind == PORTAL_LOCAL || portal->kind == PORTAL_FAN))
		return units_abort(err);        /* bound before the transaction failed */
	if (portal && portal->kind == PORTAL_SPREAD)
		return execute_spread(session, portal, err);
	if (portal && portal->kind == PORTAL_LOCAL) {
		rc = bind_read(buf_slice(&portal->bind), &bind, err);
		return rc < 0 ? rc : local_start(session, portal->sql, &bind, portal->statement, LOCAL_EXECUTE, row_max, err);
	}
	if (portal && portal->kind == PORTAL_FAN) {
		if (row_max) {
			err_set(err, ERR_UNSUPPORTED, "fetching a result over several shards in portions is not supported yet");
			err_hint(err, "Fetch all rows at once (fetch size 0), or name the shard key in WHERE.");
			return err->code;
		}
		rc = bind_read(buf_slice(&portal->bind), &bind, err);
		return rc < 0 ? rc : fan_start(session, portal->plan, portal->sql, &bind, portal->statement, portal->shards, FAN_EXECUTE, err);
	}
	rc = units_on(session, portal ? portal->shard : cursors_shard(session, name), &leg, err);
	if (rc <= 0)
		return rc;
	if (portal && portal->prepares)
		return names_execute_prepare(session, leg, portal, unit_raw(session, unit), err);
	leg_send(leg, unit_raw(session, unit));
	leg->needs_sync = true;
	leg->executed = true;
	answer = answers_push(session, ANSWER_EXECUTE);
	if (portal) {
		const struct shape *shape = portal->plan->shapes.count ? portal->plan->items[0].shape : NULL;

		session->settles = shape && (shape->kind == STMT_SET || shape->kind == STMT_RESET || shape->set_config || (session->reads && ends_tx(shape)));
		answer->plan = plan_ref(portal->plan);
		answer->renamed = renamed_ref(portal->renamed);
	}
	return 1;
}

int extended_execute(struct session *session, const struct unit *unit, struct err *err)
{
	int rc = execute(session, unit, err);

	if (rc < 0) {
		struct cursor cursor = cursor_of(unit_body(session, unit));
		struct portal *portal = portal_find(session, cursor_cstr(&cursor));

		if (portal)
			units_check_end(session, portal->plan, rc);
	}
	return rc;
}

/* ---- Close, Sync ---- */

int extended_close(struct session *session, const struct unit *unit, struct err *err)
{
	struct cursor cursor = cursor_of(unit_body(session, unit));
	char what = (char)cursor_u8(&cursor);
	struct slice name = cursor_cstr(&cursor);
	struct portal *portal;
	struct leg *leg;
	int rc;

	if (cursor.failed || (what != 'S' && what != 'P'))
		return err_set(err, ERR_PROTOCOL, "invalid CLOSE message subtype %d", (unsigned char)what);
	if (what == 'S') {
		struct prepared *before = prepared_take(session, name);         /* the backend keeps its copy for others */

		answers_note_undo(session, answers_empty(session, '3'), name, NULL, before);
		return 1;
	}
	portal = portal_find(session, name);
	if (portal ? portal->kind != PORTAL_LEG || !leg_find(session, portal->shard) : list_empty(&session->legs)) {
		portal_remove(session, name);
		answers_empty(session, '3');
		return 1;
	}
	rc = units_on(session, portal ? portal->shard : cursors_shard(session, name), &leg, err);   /* SQL's cursors are portals too */
	if (rc <= 0)
		return rc;
	leg_send(leg, unit_raw(session, unit));
	leg->needs_sync = true;
	answers_push(session, ANSWER_CLOSE);
	portal_remove(session, name);
	return 1;
}

static bool copy_awaited(const struct session *session)
{
	for (size_t i = 0; i < session->answer_count; i++) {
		const struct answer *answer = answers_at(session, i);

		if (answer->kind == ANSWER_EXECUTE && answer->plan && answer->plan->shapes.count == 1 &&
		    answer->plan->items[0].shape->kind == STMT_COPY && answer->plan->items[0].shape->copy_from &&
		    answer->plan->items[0].shape->copy_stdio)
			return true;
	}
	return false;
}

int extended_sync(struct session *session, struct err *err)
{
	struct leg *leg = session->current;

	if (leg && leg->state == LEG_SETTING_UP)        /* legs_begin() */
		return 0;
	if (!copy_awaited(session) && !units_end_parts(session, !session->skipping))
		return 0;
	leg = session->current;
	if (leg && leg->needs_sync && leg->backend) {
		if (copy_awaited(session)) {
			/* Within COPY the server ignores a Sync: it is sent only if the copy does not begin. */
			session->copy_sync_owed = true;
			leg_send(leg, SLICE_LIT("H\0\0\0\4"));
			return 1;
		}
		leg_send(leg, SLICE_LIT("S\0\0\0\4"));
		answers_push(session, ANSWER_SYNC)->refused = session->skipping && session->tx_status == 'E';
		session->skipping = false;
		return 1;
	}
	session->skipping = false;
	if (session->answer_count)
		return 0;
	effects_ready(session, session->tx_status);
	return 1;
}
