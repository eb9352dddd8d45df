/* copies: the statements that clients prepared, as backends have them: under names of our own, shared by the sessions.
 *
 * An unnamed statement whose text comes again is made a copy too, so that the server need not parse and plan it each time (Odyssey's
 * pool_reserve_prepared_statement does so). Only PostgreSQL's "cached plan must not change result type" (RevalidateCachedQuery() of plancache.c)
 * could tell it from the unnamed one: where nothing else has happened in the transaction the segment is taken back to that statement and run again
 * with a new copy, and where something may have happened, what returns rows is sent as it came.
 */
#include "route/snapshot.h"
#include "sql/fingerprint.h"
#include "session/session.h"
#include "session/units.h"

enum { OUT_SIZE_MAX = 128 << 20, REUSED_SIZE_MAX = 64 << 10 };

/* ---- which statements are shared ---- */

struct statement *copies_statement(struct session *session, enum statement_form form, struct slice sql, struct slice text, const uint32_t *types,
				   size_t type_count)
{
	const struct fingerprint *fingerprint = units_fingerprint(session, sql);
	struct statement_key key = {
		.form = form, .text = text, .types = types, .type_count = type_count, .settings = session->settings,
		.schema_version = session->snapshot->version, .database = session->database_name, .user = session->user,
		.apart = session->pins & PIN_TEMPORARY || session->definitions || (fingerprint && literals_tell_time(fingerprint, sql)),
	};

	return statement_intern(&session->worker->pools.statements, &key);
}

bool copies_may_serve(const struct plan *plan)
{
	const struct shape *shape = plan->shapes.items;

	return plan->shapes.count == 1 &&
	       (shape->kind == STMT_INSERT || shape->kind == STMT_UPDATE || shape->kind == STMT_DELETE || shape->kind == STMT_MERGE ||
		(shape->kind == STMT_SELECT && !shape->set_config));
}

static bool comes_again(const struct statement *statement)
{
	return statement->shared && statement->text.size <= REUSED_SIZE_MAX && statement_seen(statement);
}

bool copies_worthwhile(const struct statement *statement)
{
	bool again = comes_again(statement);

	if (!again)
		statement_see(statement);
	return again;
}

bool copies_return_rows(const struct plan *plan)
{
	return plan->shapes.items[0].kind == STMT_SELECT || plan->shapes.items[0].returning;
}

bool copies_serve(const struct session *session, const struct leg *leg, const struct prepared *prepared)
{
	if (prepared->name[0])
		return true;
	if (!prepared->reused || session->pins & PIN_TEMPORARY || session->definitions)
		return false;
	return !copies_return_rows(prepared->plan) || (session->tx_status == 'I' && !leg->executed);
}

/* ---- on a backend ---- */

static void note_parse(struct session *session, struct leg *leg, struct statement *statement, bool copy, bool hidden)
{
	struct answer *answer = answers_push(session, ANSWER_PARSE);

	answer->hidden = hidden;
	answer->statement = statement_ref(statement);
	answer->copy = copy;
	leg->needs_sync = true;
	if (copy)
		return;
	statement_unref(leg->backend->unnamed);
	leg->backend->unnamed = statement_ref(statement);
}

/* A copy that SQL made is made by SQL again: its parameter types are in its text. */
static void send_prepare(struct session *session, struct leg *leg, struct statement *statement, struct buf *out)
{
	struct answer *answer;
	struct buf sql;

	buf_init(&sql, OUT_SIZE_MAX);
	buf_printf(&sql, "PREPARE %s", statement->name);
	buf_add_slice(&sql, statement->text);
	message_parse(out, "", buf_slice(&sql), NULL, 0);
	buf_release(&sql);
	buf_add(out, "B\0\0\0\14\0\0\0\0\0\0\0\0", 13);
	message_execute(out, "", 0);
	answers_push(session, ANSWER_PARSE)->hidden = true;
	answers_push(session, ANSWER_BIND)->hidden = true;
	answer = answers_push(session, ANSWER_EXECUTE);
	answer->hidden = answer->copy = true;
	answer->statement = statement_ref(statement);
	statement_unref(leg->backend->unnamed);
	leg->backend->unnamed = NULL;
	leg->needs_sync = true;
}

/* Gives the backend the copy of `prepared` that the client expects it to have; its name there. A text that was read under other settings is read
 * under these again, and then as a named copy, since an unnamed one would not outlive the settings' return. */
const char *copies_ensure(struct session *session, struct leg *leg, const struct prepared *prepared)
{
	struct statement *statement = prepared->statement;
	bool elsewhere = statement->settings->analysis != session->settings->analysis;
	bool unnamed = !copies_serve(session, leg, prepared);
	const char *name;
	struct buf out;

	if (unnamed && leg->backend->unnamed == statement)
		return "";
	unnamed &= !elsewhere;
	name = unnamed ? "" : statement->name;
	if (!unnamed && backend_has_prepared(leg->backend, statement))
		return name;
	if (elsewhere)
		leg_settings_within(leg, session->settings, statement->settings);
	buf_init(&out, OUT_SIZE_MAX);
	if (prepared->from_sql) {
		send_prepare(session, leg, statement, &out);
	} else {
		message_parse(&out, name, statement->text, statement->types, statement->type_count);
		note_parse(session, leg, statement, !unnamed, true);
	}
	if (!unnamed)
		leg_add_copy(leg, statement, &out);
	leg_send(leg, buf_slice(&out));
	buf_release(&out);
	if (elsewhere)
		leg_settings_within(leg, statement->settings, session->settings);
	return name;
}

/* Whether the next message is a Bind or Describe of the unnamed statement. */
static bool is_used_next(const struct session *session)
{
	const struct unit *next = &session->units[session->unit_at + 1];
	struct cursor cursor;

	if (session->unit_at + 1 == session->unit_count || (next->kind != UNIT_BIND && next->kind != UNIT_DESCRIBE))
		return false;
	cursor = cursor_of(unit_body(session, next));
	if (next->kind == UNIT_BIND)
		cursor_cstr(&cursor);
	else if (cursor_u8(&cursor) != 'S')
		return false;
	return !cursor_cstr(&cursor).size && !cursor.failed;
}

bool copies_parse_waits(const struct session *session, const struct plan *plan, const struct statement *statement)
{
	bool executed = false;

	LIST_EACH(&session->legs, node)
		executed |= CONTAINER_OF(node, struct leg, place)->executed;
	return session->policy->reuse_unnamed && !session->answer_count && session->tx_status != 'E' && !(session->pins & PIN_TEMPORARY) &&
	       !session->definitions && copies_may_serve(plan) && (!copies_return_rows(plan) || (session->tx_status == 'I' && !executed)) &&
	       is_used_next(session) && comes_again(statement);
}

/* The schema may have changed without our knowing: for a name, the server is asked whether the statement still can be read; for the unnamed
 * statement, what comes next will tell. */
void copies_parse(struct session *session, struct leg *leg, const struct prepared *prepared, struct prepared *before)
{
	bool named = prepared->name[0] != '\0';
	struct answer *answer;
	struct buf out;

	if (!named || session->tx_status != 'I' || leg->executed) {
		answers_note_undo(session, answers_empty(session, '1'), slice_of(prepared->name), prepared->statement, before);
		return;
	}
	buf_init(&out, 64);
	message_describe(&out, 'S', prepared->statement->name);
	leg_send(leg, buf_slice(&out));
	buf_release(&out);
	leg->needs_sync = true;
	answer = answers_push(session, ANSWER_DESCRIBE);
	answer->as_parse = answer->first_use = true;
	answers_note_undo(session, answer, slice_of(prepared->name), prepared->statement, before);
}

void copies_used(struct session *session, struct prepared *prepared, struct answer *answer, struct slice name)
{
	answer->statement = statement_ref(prepared->statement);
	answer->statement_name = arena_slice(&session->arena, name);
	if (!prepared->used_in)
		prepared->used_in = session->segment;
	answer->first_use = prepared->used_in == session->segment;
}

/* Nothing that was sent from the unit of the first answer on has happened. */
void copies_take_back(struct session *session, struct leg *leg)
{
	struct answer *sync;

	session->unit_at = answers_head(session)->unit;
	session->parse_owed = answers_head(session)->owes_parse;
	answers_take_back(session);
	portals_lose(session);
	session->skipping = session->copy_sync_owed = false;
	session->rewinding = true;
	sync = answers_head(session);
	if (!sync) {
		leg_send(leg, SLICE_LIT("S\0\0\0\4"));
		sync = answers_push(session, ANSWER_SYNC);
	}
	sync->hidden = true;
	sync->refused = false;
}

bool copies_heal(struct session *session, struct leg *leg, struct slice error)
{
	struct answer *head = answers_head(session);
	struct statement *statement = head ? head->statement : NULL;
	bool early = session->tx_status == 'I' && !leg->in_tx && !leg->told;
	bool stale = slice_is(error_field(error, 'R'), "RevalidateCachedQuery");
	struct prepared *prepared;
	struct slice name;

	if (!statement || head->kind == ANSWER_EXECUTE || head->kind == ANSWER_CLOSE || (!stale && !head->automatic))
		return false;
	if (stale)
		statement_retire(statement);
	if (!early || (!head->automatic && !head->first_use))
		return false;           /* PostgreSQL might say the same, or it is too late */
	session->as_written = head->automatic;
	statement_ref(statement);
	name = head->statement_name;
	copies_take_back(session, leg);
	prepared = session->as_written ? NULL : prepared_find(session, name);   /* as it was then */
	if (prepared && prepared->statement == statement) {
		prepared->statement = statement_anew(statement);
		statement_unref(statement);
	}
	statement_unref(statement);
	if (stale)
		local_refresh(session); /* the schema was changed without our knowing */
	return true;
}
