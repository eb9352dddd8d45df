/* names: SQL's own prepared statements, PREPARE, EXECUTE and DEALLOCATE, in either protocol.
 *
 * A name that SQL gives is the session's, as one of a Parse message is; on backends the statement has its copy's name. So the text that is sent
 * differs from the client's in that name, and positions in errors are told of the client's own text (struct renamed).
 */
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "route/snapshot.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/units.h"
#include "sql/rewrite.h"

enum { NAMES_TEXT_SIZE_MAX = 128 << 20 };

/* What is sent for one statement, and where. */
struct sending {
	bool simple;                    /* by the simple protocol */
	struct leg *leg;
	struct buf text;
	struct renamed *renamed;        /* NULL: the text is the client's */
	struct statement *prepares;     /* of a PREPARE */
};

static void sending_release(struct sending *sending)
{
	buf_release(&sending->text);
	renamed_unref(sending->renamed);
	statement_unref(sending->prepares);
}

static int undefined(struct slice name, struct err *err)
{
	return err_set(err, ERR_UNDEFINED_STATEMENT, "prepared statement \"%.*s\" does not exist", SLICE_FMT(name));
}

/* The EXECUTE that EXPLAIN or CREATE TABLE AS may be wrapped around; NULL when there is none. */
static const struct shape *execute_in(const struct shape *shape)
{
	while (shape && shape->kind != STMT_EXECUTE)
		shape = shape->inner;
	return shape;
}

bool names_concern(const struct shape *shape)
{
	return shape->kind == STMT_PREPARE || execute_in(shape);
}

/* ---- which text goes where ---- */

static int make_prepare(struct session *session, const struct shape *shape, struct slice sql, struct sending *sending, struct err *err)
{
	struct rewrite rewrite;
	struct slice tail;
	uint32_t *types;
	int rc = units_on(session, units_any_shard(session), &sending->leg, err);

	if (rc <= 0)
		return rc;
	rc = rewrite_execute(sql, session_standard_strings(session), slice_of("x"), &sending->text, &rewrite, err);
	if (rc < 0)
		return rc;
	tail = slice_make(sql.data + rewrite.offset + rewrite.size, sql.size - rewrite.offset - rewrite.size);
	types = arena_calloc(&session->arena, shape->prepare_type_count + 1, sizeof(*types));
	for (size_t i = 0; i < shape->prepare_type_count; i++)
		types[i] = plan_type_named(shape->prepare_types[i]);
	sending->prepares = copies_statement(session, STATEMENT_SQL, sql, tail, types, shape->prepare_type_count);
	sending->prepares->query_offset = (size_t)(sql.data + shape->prepare_query_offset - tail.data);
	buf_clear(&sending->text);
	rc = rewrite_execute(sql, session_standard_strings(session), slice_of(sending->prepares->name), &sending->text, &rewrite, err);
	if (rc < 0)
		return rc;
	sending->renamed = renamed_new(&rewrite, sql, buf_slice(&sending->text), shape->name, sending->prepares->name);
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
		.param_type_count = prepared->statement->type_count, .execute = execute, .execute_values = &outer };
	const struct plan_item *item = &prepared->plan->items[0];
	const struct fingerprint *found;
	int rc;

	if (fingerprint_make(session->worker->fingerprinter, prepared->sql, outer.standard_strings, &found, NULL) == 0)
		values.fingerprint = found;
	if (fingerprint_make(session->worker->second_fingerprinter, sql, outer.standard_strings, &found, NULL) == 0)
		outer.fingerprint = found;
	rc = plan_route(&context, item, &values, ret_shards, err);
	if (rc < 0)
		return rc;
	if (item->kind == ROUTE_LOCAL || (*ret_shards & (*ret_shards - 1))) {
		err_set(err, ERR_UNSUPPORTED, "EXECUTE of a statement over several shards is not supported yet");
		err_hint(err, "Send the statement itself, or prepare it through the driver's protocol.");
		return err->code;
	}
	if (item->kind == ROUTE_ANY)
		*ret_shards = UINT64_C(1) << units_any_shard(session);
	return units_join(session, *ret_shards, item, err);
}

/* Makes the copy apart from what is asked of it, so that whatever a replica says of it is no answer to that: reads_again(). 1: it is there. */
static int copy_on_replica(struct session *session, struct leg *leg, const struct prepared *prepared)
{
	if (session->answer_count) {
		units_flush(session);
		return 0;
	}
	copies_ensure(session, leg, prepared);
	session->reads->copying = session->answer_count > 0;
	if (!session->reads->copying)
		return 1;
	leg_send(leg, SLICE_LIT("S\0\0\0\4"));
	answers_push(session, ANSWER_SYNC)->hidden = true;
	return 0;
}

static int make_execute(struct session *session, const struct plan_item *item, struct slice sql, struct sending *sending, struct err *err)
{
	const struct shape *execute = execute_in(item->shape);
	struct slice name = slice_of(execute->name ? execute->name : "");
	struct prepared *prepared = name.size ? prepared_find(session, name) : NULL;
	struct rewrite rewrite;
	const char *copy;
	uint64_t shards;
	int rc = 1;

	if (!prepared) {                /* the server refuses a name that nobody gave in its own words */
		if (statement_is_copy(name))
			return undefined(name, err);
		buf_add_slice(&sending->text, sql);
		return units_on(session, units_any_shard(session), &sending->leg, err);
	}
	prepared_renew(session, prepared);
	if (!prepared->plan->shapes.count)
		shards = UINT64_C(1) << units_any_shard(session);
	else if (route_execute(session, prepared, execute, sql, &shards, err) < 0)
		return err->code;
	if (sending->simple && item->calls_read) {
		rc = reads_step(session, prepared->plan, shards, err);
	} else {
		rc = reads_primaries(session, shards, err);
		reads_wrote(session, prepared->plan);
	}
	if (rc > 0)
		rc = units_on(session, __builtin_ctzll(shards), &sending->leg, err);
	if (rc > 0 && sending->leg->replica && session->tx_status == 'I')
		rc = copy_on_replica(session, sending->leg, prepared);
	if (rc <= 0)
		return rc;
	copy = copies_ensure(session, sending->leg, prepared);
	rc = rewrite_execute(sql, session_standard_strings(session), slice_of(copy), &sending->text, &rewrite, err);
	if (rc < 0)
		return rc;
	sending->renamed = renamed_new(&rewrite, sql, buf_slice(&sending->text), execute->name, copy);
	if (prepared->plan->shapes.count && prepared->plan->items[0].dirties)
		effects_dirty(session, sending->leg);
	return 1;
}

static int make(struct session *session, const struct plan *plan, struct slice sql, bool simple, struct sending *sending, struct err *err)
{
	const struct plan_item *item = &plan->items[0];

	*sending = (struct sending){ .simple = simple };
	buf_init(&sending->text, NAMES_TEXT_SIZE_MAX);
	if (item->kind == ROUTE_REFUSED) {
		*err = item->refusal;
		return err->code;
	}
	return item->shape->kind == STMT_PREPARE ? make_prepare(session, item->shape, sql, sending, err) :
	       make_execute(session, item, sql, sending, err);
}

/* ---- PREPARE ---- */

static int check_new(struct session *session, const struct shape *shape, struct err *err)
{
	if (prepared_find(session, slice_of(shape->name)))
		return err_set(err, ERR_DUPLICATE_STATEMENT, "prepared statement \"%s\" already exists", shape->name);
	if (session->prepared.count >= STATEMENTS_MAX)
		return err_set(err, ERR_LIMIT, "a session may prepare %d statements", STATEMENTS_MAX);
	return 0;
}

static void register_name(struct session *session, const struct shape *shape, struct statement *statement)
{
	struct slice inner = slice_make(statement->text.data + statement->query_offset, statement->text.size - statement->query_offset);
	struct plan *plan = units_plan(session, inner);

	prepared_add(session, slice_of(shape->name), statement, plan, inner, true);
	plan_unref(plan);
}

/* The answer that tells whether the copy was made. */
static void note_prepare(struct session *session, struct answer *answer, const struct shape *shape, struct statement *statement)
{
	answer->statement = statement_ref(statement);
	answer->copy = answer->registered = true;
	answer->statement_name = arena_slice(&session->arena, slice_of(shape->name));
}

/* ---- the simple protocol ---- */

static void send_query(struct session *session, struct plan *plan, struct sending *sending)
{
	struct leg *leg = sending->leg;
	struct answer *answer;
	struct buf out;
	size_t begin;

	if (leg->needs_sync) {          /* a copy was made in the extended protocol */
		leg_send(leg, SLICE_LIT("S\0\0\0\4"));
		answers_push(session, ANSWER_SYNC)->hidden = true;
	}
	buf_init(&out, NAMES_TEXT_SIZE_MAX);
	begin = frame_begin(&out, 'Q');
	buf_add_slice(&out, buf_slice(&sending->text));
	buf_add_u8(&out, 0);
	frame_end(&out, begin);
	leg_send(leg, buf_slice(&out));
	buf_release(&out);
	statement_unref(leg->backend->unnamed);
	leg->backend->unnamed = NULL;
	answer = answers_push(session, ANSWER_QUERY);
	answer->plan = plan_ref(plan);
	answer->renamed = renamed_ref(sending->renamed);
	if (sending->prepares)
		note_prepare(session, answer, plan->items[0].shape, sending->prepares);
}

/* Room for a new copy: the oldest may have to go first, out of the client's hearing. */
static void make_room(struct leg *leg, struct statement *statement)
{
	struct buf close;

	buf_init(&close, 1024);
	leg_add_copy(leg, statement, &close);
	if (close.size)
		leg_send(leg, buf_slice(&close));
	buf_release(&close);
}

/* The server refuses it: the name is not there, or the transaction has failed. */
static int send_as_it_is(struct session *session, struct plan *plan, struct slice sql, struct err *err)
{
	struct sending sending = { 0 };
	int rc = units_on(session, units_any_shard(session), &sending.leg, err);

	if (rc <= 0)
		return rc;
	buf_init(&sending.text, NAMES_TEXT_SIZE_MAX);
	buf_add_slice(&sending.text, sql);
	send_query(session, plan, &sending);
	sending_release(&sending);
	return 1;
}

int names_query(struct session *session, struct plan *plan, struct slice sql, struct err *err)
{
	const struct shape *shape = plan->items[0].shape;
	struct sending sending;
	int rc;

	if (session->tx_status == 'E')
		return send_as_it_is(session, plan, sql, err);
	rc = shape->kind == STMT_PREPARE && plan->items[0].kind != ROUTE_REFUSED ? check_new(session, shape, err) : 0;
	if (rc < 0)
		return rc;
	rc = make(session, plan, sql, true, &sending, err);
	if (rc > 0 && sending.prepares && backend_has_prepared(sending.leg->backend, sending.prepares)) {
		register_name(session, shape, sending.prepares);
		query_say_tag(session, "PREPARE", true);
	} else if (rc > 0) {
		if (sending.prepares) {
			register_name(session, shape, sending.prepares);
			make_room(sending.leg, sending.prepares);
		}
		send_query(session, plan, &sending);
	}
	sending_release(&sending);
	return rc;
}

int names_deallocate(struct session *session, const struct shape *shape, struct err *err)
{
	if (shape->name && !prepared_find(session, slice_of(shape->name)))
		return statement_is_copy(slice_of(shape->name)) ? undefined(slice_of(shape->name), err) : 0;
	if (shape->name)
		prepared_remove(session, slice_of(shape->name));
	else
		prepared_remove_all(session);
	query_say_tag(session, shape->name ? "DEALLOCATE" : "DEALLOCATE ALL", false);
	return 1;
}

int names_deallocate_query(struct session *session, struct plan *plan, struct slice sql, struct err *err)
{
	int rc = session->tx_status == 'E' ? 0 : names_deallocate(session, plan->items[0].shape, err);

	if (rc > 0)
		effects_ready(session, session->tx_status);
	return rc == 0 ? send_as_it_is(session, plan, sql, err) : rc;
}

/* ---- the extended protocol ---- */

int names_parse(struct session *session, struct plan *plan, struct slice sql, struct leg **ret_leg, struct renamed **ret_renamed,
		struct statement **ret_prepares, struct err *err)
{
	struct sending sending;
	struct answer *answer;
	struct buf out;
	int rc = make(session, plan, sql, false, &sending, err);

	*ret_renamed = NULL;
	*ret_prepares = NULL;
	if (rc > 0) {
		struct leg *leg = sending.leg;

		buf_init(&out, NAMES_TEXT_SIZE_MAX);
		message_parse(&out, "", buf_slice(&sending.text), NULL, 0);
		leg_send(leg, buf_slice(&out));
		buf_release(&out);
		leg->needs_sync = true;
		statement_unref(leg->backend->unnamed);
		leg->backend->unnamed = NULL;
		answer = answers_push(session, ANSWER_PARSE);
		answer->hidden = true;
		answer->renamed = renamed_ref(sending.renamed);
		*ret_leg = leg;
		*ret_renamed = renamed_ref(sending.renamed);
		*ret_prepares = sending.prepares ? statement_ref(sending.prepares) : NULL;
	}
	sending_release(&sending);
	return rc;
}

int names_execute_prepare(struct session *session, struct leg *leg, struct portal *portal, struct slice raw, struct err *err)
{
	const struct shape *shape = portal->plan->items[0].shape;
	struct answer *answer;
	int rc = check_new(session, shape, err);

	if (rc < 0)
		return rc;
	register_name(session, shape, portal->prepares);
	if (backend_has_prepared(leg->backend, portal->prepares))       /* made anew, as the portal is to be run */
		leg_close_copy(leg, portal->prepares);
	make_room(leg, portal->prepares);
	leg_send(leg, raw);
	leg->needs_sync = true;
	answer = answers_push(session, ANSWER_EXECUTE);
	answer->plan = plan_ref(portal->plan);
	answer->renamed = renamed_ref(portal->renamed);
	note_prepare(session, answer, shape, portal->prepares);
	statement_unref(portal->prepares);      /* done: the server refuses a second Execute */
	portal->prepares = NULL;
	return 1;
}
