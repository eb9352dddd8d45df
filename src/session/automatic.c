/* automatic: simple queries that come again, but for their integers, run as prepared statements (auto_prepare).
 *
 * The integers that may be parameters are lifted out of the text (sql/lift.h); what is left is a copy like that of an unnamed statement
 * (copies.c). The client hears what it would have heard: RowDescription, rows, CommandComplete, ReadyForQuery. When the server refuses before it
 * runs anything, the text is sent as it was written, for PostgreSQL's own words and positions.
 */
#include "route/snapshot.h"
#include "session/session.h"
#include "session/units.h"
#include "sql/lift.h"

enum { AUTOMATIC_SIZE_MAX = 64 << 10 };

/* PostgreSQL says what columns there are before the rows of a SELECT, but after what changes and returns rows has done all that it does. */
static bool is_described_late(const struct shape *shape)
{
	return shape->returning || shape->cte_writes;
}

static struct statement *lifted_statement(struct session *session, const struct plan *plan, struct slice sql, struct lifted *ret_lifted)
{
	const struct fingerprint *fingerprint = units_fingerprint(session, sql);
	struct buf *text = &session->worker->lifted;

	buf_clear(text);
	if (!fingerprint || sql.size > AUTOMATIC_SIZE_MAX || !lift(plan->shapes.items, fingerprint, sql, text, ret_lifted) || text->failed)
		return NULL;
	return copies_statement(session, STATEMENT_PARSE, sql, buf_slice(text), ret_lifted->types, ret_lifted->count);
}

static void send_prepared(struct session *session, struct leg *leg, struct plan *plan, const char *copy, const struct lifted *lifted, bool rows)
{
	struct buf *out = &session->worker->lifted;
	struct answer *answer;
	size_t begin;

	buf_clear(out);
	begin = frame_begin(out, 'B');
	buf_add_u8(out, 0);
	buf_add_cstr(out, copy);
	buf_add_u16(out, 0);
	buf_add_u16(out, (uint16_t)lifted->count);
	for (size_t i = 0; i < lifted->count; i++) {
		buf_add_u32(out, (uint32_t)(lifted->values[i].size + lifted->negative[i]));
		if (lifted->negative[i])
			buf_add_u8(out, '-');
		buf_add_slice(out, lifted->values[i]);
	}
	buf_add_u16(out, 0);
	frame_end(out, begin);
	answers_push(session, ANSWER_BIND)->hidden = true;
	if (rows) {
		message_describe(out, 'P', "");
		answers_push(session, ANSWER_DESCRIBE);
	}
	message_execute(out, "", 0);
	answer = answers_push(session, ANSWER_EXECUTE);
	answer->plan = plan_ref(plan);
	buf_add(out, "S\0\0\0\4", 5);
	answers_push(session, ANSWER_SYNC);
	leg->needs_sync = leg->executed = true;
	leg_send(leg, buf_slice(out));
}

bool automatic_send(struct session *session, struct leg *leg, struct plan *plan, struct slice sql)
{
	struct prepared prepared = { .name = (char[]){ "" }, .plan = plan, .reused = true };
	size_t answers = session->answer_count;
	struct lifted lifted;
	const char *copy;
	bool sent;

	if (!session->policy->auto_prepare || session->as_written || session->tx_status == 'E' || leg->needs_sync || !copies_may_serve(plan) ||
	    plan->items[0].telling || is_described_late(plan->shapes.items) || !copies_serve(session, leg, &prepared))
		return false;
	prepared.statement = lifted_statement(session, plan, sql, &lifted);
	if (!prepared.statement)
		return false;
	prepared.sql = prepared.statement->text;
	sent = copies_worthwhile(prepared.statement) && (session->tx_status == 'I' || backend_has_prepared(leg->backend, prepared.statement));
	if (sent) {
		copy = copies_ensure(session, leg, &prepared);
		send_prepared(session, leg, plan, copy, &lifted, copies_return_rows(plan));
		for (size_t i = answers; i < session->answer_count; i++) {
			struct answer *answer = answers_at(session, i);

			answer->automatic = true;
			if (!answer->statement)
				answer->statement = statement_ref(prepared.statement);
		}
	}
	statement_unref(prepared.statement);
	return sent;
}
