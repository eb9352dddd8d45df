/* relay: what a leg's backend says -> the answers that are awaited -> the client.
 *
 * Rows hop through without being looked into; everything else is matched with the head of the queue of answers.
 */
#include "base/log.h"
#include "session/deadlines.h"
#include "session/listen.h"
#include "session/primaries.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/units.h"

static struct session *session_of(const struct backend *backend)
{
	return backend->held_by;
}

static struct leg *leg_of(const struct backend *backend)
{
	return backend->leg;
}

static inline enum reply_mode mode_of(struct backend *backend, char type)
{
	struct session *session = session_of(backend);
	struct leg *leg = leg_of(backend);
	struct answer *head;

	if (leg->setup_left || session->spread)
		return REPLY_WHOLE;
	if (session->fan)
		return fan_header(session, leg, type);
	if (type != 'D' && type != 'd' && type != 'V')
		return REPLY_WHOLE;
	head = answers_head(session);
	if (head && (head->hidden || head->refused))
		return REPLY_SKIP;
	reads_release(session);
	return REPLY_PASS;
}

static HEDGE_COLD enum reply_mode header_of_hedged(struct backend *backend, char type)
{
	struct leg *leg = leg_of(backend);

	if (!leg->setup_left)
		hedge_heard(leg, type);
	return mode_of(backend, type);
}

static enum reply_mode header(struct backend *backend, char type, uint32_t size)
{
	(void)size;
	return __builtin_expect(leg_of(backend)->hedged, false) ? header_of_hedged(backend, type) : mode_of(backend, type);
}

static void pass(struct backend *backend, struct slice bytes)
{
	session_write(session_of(backend), bytes);
}

/* The message with its header, which stands right before its body in whatever buffer holds it. */
static struct slice whole_message(struct slice body)
{
	return slice_make(body.data - FRAME_HEADER_SIZE, body.size + FRAME_HEADER_SIZE);
}

static void tell_renamed(struct session *session, const struct renamed *renamed, struct slice body)
{
	struct buf out;

	buf_init(&out, REPLY_WHOLE_SIZE_MAX);
	renamed_error(renamed, slice_is(params_get(session->params, "client_encoding"), "UTF8"), body, &out);
	session_write_buf(session, &out);
	buf_release(&out);
}

/* The server calls the statement by its copy's name. */
static void tell_of_copy(struct session *session, const struct answer *answer, struct slice body)
{
	struct buf out;
	size_t begin;

	buf_init(&out, REPLY_WHOLE_SIZE_MAX);
	begin = frame_begin(&out, 'E');
	renamed_copy(answer->statement->name, answer->statement_name, body, &out);
	frame_end(&out, begin);
	session_write_buf(session, &out);
	buf_release(&out);
}

static void complete(struct session *session, struct leg *leg, struct answer *head, struct slice body)
{
	struct cursor cursor = cursor_of(body);
	struct slice tag = cursor_cstr(&cursor);

	if (head->plan)
		effects_complete(session, leg, head->plan, head->item, tag);
	head->item++;
}

/* A copy that could not be made for a simple query: that was its error, and the next one is not heard. */
static void mute_query(struct session *session)
{
	struct answer *head = answers_head(session), *next;

	if (!head || !head->hidden || session->answer_count < 2)
		return;
	next = answers_at(session, 1);
	next->refused = next->kind == ANSWER_QUERY;
}

static void failed(struct session *session, struct leg *leg, struct slice body)
{
	struct answer *head = answers_head(session);

	session->failed = true;
	session->copy_in = false;
	session->worker->counters.errors += !(head && head->refused);
	if (head && head->plan)
		effects_failed(session, head->plan, head->item);
	if (head && head->kind == ANSWER_QUERY) {
		answers_undo(session, head, true);
		return;
	}
	/* The server skips the rest up to Sync, and so do we. */
	answers_skip_to_sync(session);
	mute_query(session);
	session->skipping = !answers_head(session) && !session->copy_sync_owed;
	if (session->copy_sync_owed) {
		session->copy_sync_owed = false;
		units_end_parts(session, false);
		leg_send(leg, SLICE_LIT("S\0\0\0\4"));
		answers_push(session, ANSWER_SYNC);
	}
}

static void ready(struct session *session, struct leg *leg, char tx_status)
{
	struct answer *head = answers_head(session);
	bool hidden = head && head->hidden;

	leg->in_tx = tx_status != 'I';
	leg->failed = tx_status == 'E';
	leg->answered |= leg->bound;
	leg->needs_sync = leg->executed = leg->wrote = leg->told = leg->bound = session->rewinding = false;
	session->copy_in = false;
	if (tx_status == 'I' && !session->failed)
		settings_assign(&leg->base, leg->backend->settings);
	leg->looked &= leg->in_tx;
	if (head && head->refused && tx_status == 'T')
		tx_status = 'E';
	if (head && (head->kind == ANSWER_QUERY || head->kind == ANSWER_SYNC))
		answers_pop(session);
	if (!hidden) {
		reads_release(session);
		effects_ready(session, tx_status);
	}
	session_resume(session);
}

/* After a FATAL error the node closes the connection: the client hears of both in one. */
static bool is_last_word(struct slice body)
{
	struct slice severity = error_field(body, 'V');

	return slice_is(severity, "FATAL") || slice_is(severity, "PANIC");
}

/* Whether the notice is about the answer's statement. Not what only somebody who looks for faults asks for: LOG, DEBUG. */
static bool is_remark(const struct answer *answer, struct slice notice)
{
	struct slice severity = error_field(notice, 'V');

	return answer->statement && (answer->kind == ANSWER_PARSE || answer->kind == ANSWER_BIND || answer->kind == ANSWER_DESCRIBE) &&
	       (slice_is(severity, "WARNING") || slice_is(severity, "NOTICE") || slice_is(severity, "INFO"));
}

/* The beginning of a transaction that is made late on another server has this, too. */
static bool begins_again(const struct answer *answer)
{
	for (size_t i = 0; answer->plan && i < answer->plan->shapes.count; i++)
		switch (answer->plan->items[i].shape->kind) {
		case STMT_BEGIN:
		case STMT_SAVEPOINT:
		case STMT_PREPARE:
		case STMT_SHOW:
			break;
		default:
			return false;
		}
	return answer->plan != NULL;
}

/* Whether the server said so while it read the statement, rather than what Bind gave it: then Parse would have said it. */
static bool is_of_reading(const struct answer *answer, struct slice error)
{
	return answer->kind == ANSWER_PARSE || error_field(error, 'P').size;
}

static int whole(struct backend *backend, char type, struct slice body, struct err *err)
{
	struct session *session = session_of(backend);
	struct leg *leg = leg_of(backend);
	struct answer *head;
	bool hidden, remark;

	if (leg_setup_message(leg, type, body))
		return backend->state == BACKEND_CLOSED ? err_set(err, ERR_BACKEND_LOST, "closed") : 0;
	if (type == 'S') {
		session_report(session, backend->params, whole_message(body));
		return 0;
	}
	if (type == 'A') {
		if (listen_passes(session, body))
			session_write(session, whole_message(body));
		return 0;
	}
	if (type == 'E' && !session->copy_broken && is_last_word(body)) {
		backend_keep_error(backend, body);
		return 0;
	}
	if (type == 'E' && session->query_timed_out)
		body = deadlines_error(session, body);
	if (session->fan)
		return fan_message(session, leg, type, body, err);
	if (session->spread)
		return spread_message(session, leg, type, body, err);
	head = answers_head(session);
	hidden = head && head->hidden;
	if (type == 'Z') {
		if (body.size != 1)
			return err_set(err, ERR_PROTOCOL, "malformed ReadyForQuery");
		if (session->copy_broken)
			return err_set(err, ERR_PROTOCOL, "the copy had failed when something else came within it");
		ready(session, leg, body.data[0]);
		return 0;
	}
	if (type == 'G' && (!head || leg != session->current))
		return err_set(err, ERR_PROTOCOL, "the node began a copy that nobody asked for");
	reads_hold(session, leg);
	if (type == 'E' && (copies_heal(session, leg, body) || reads_again(session, leg, body)))
		return 0;
	if (type == 'E')
		reads_release(session);
	remark = type == 'N' && head && is_remark(head, body);
	if (remark)
		head->statement->remarked = true;
	if (head && head->owes_parse && (type != 'N' || head->kind != ANSWER_PARSE)) {
		head->owes_parse = false;
		if (type == 'E' && is_of_reading(head, body))
			prepared_remove(session, SLICE_LIT(""));
		else
			session_write(session, SLICE_LIT("1\0\0\0\4"));
	}
	if (head && head->as_parse && (type == 't' || type == 'T' || type == 'n')) {
		if (type == 't')
			return 0;
		session_write(session, SLICE_LIT("1\0\0\0\4"));
		answers_pop(session);
		if (!session->answer_count)
			session_resume(session);
		return 0;
	}
	if (type == 't' && head && head->kind == ANSWER_DESCRIBE && head->statement) {
		head->held = arena_slice(&session->arena, whole_message(body));
		return 0;
	}
	if (head && head->held.size) {
		session_write(session, head->held);
		head->held.size = 0;
	}
	leg->told |= head && type != '1';        /* without one it is of the node, which may be about to go */
	if (leg->replica && head && !hidden) {
		leg->bound |= type == '2';
		leg->answered |= (type == 'C' || type == 's' || type == 'V') && !begins_again(head);
	}
	if (type == 'E' && head && head->renamed)
		tell_renamed(session, head->renamed, body);
	else if (type == 'E' && head && (head->kind == ANSWER_BIND || head->kind == ANSWER_DESCRIBE) && head->statement)
		tell_of_copy(session, head, body);
	else if (type == 'E' ? !(head && head->refused) : !hidden || (remark && (head->automatic || head->owes_parse)))
		session_write(session, whole_message(body));
	switch (type) {
	case '1':
	case '2':
	case '3':
	case 's':
		if (type == 's' && head && head->plan)
			effects_suspended(session, leg, head->plan);
		if (head && head->kind != ANSWER_QUERY)
			answers_pop(session);
		break;
	case 'T':
	case 'n':
		if (head && head->kind == ANSWER_DESCRIBE)
			answers_pop(session);
		break;
	case 'C':
	case 'I':
		if (head) {
			complete(session, leg, head, body);
			if (head->kind == ANSWER_EXECUTE)
				answers_pop(session);
		}
		break;
	case 'G':
		session->copy_in = true;
		session->copy_left = 0;
		session->copy_sync_owed = false;
		input_copy(session);
		break;
	case 'E':
		failed(session, leg, body);
		break;
	default:
		break;
	}
	if (type == 'C' || type == 'I' || type == 's' || !session->answer_count)
		reads_release(session);
	if (!session->answer_count)
		session_resume(session);
	return 0;
}

static void read_some(struct backend *backend)
{
	struct session *session = session_of(backend);

	if (session->fan)
		fan_read(session, leg_of(backend));
	else
		session_pause_source(session);
	session_check_memory(session);
}

static void drained(struct backend *backend)
{
	struct session *session = session_of(backend);

	if (session->copy_in || session->copy_left)
		input_copy(session);
}

/* ---- the node goes away ---- */

/* Whether what the leg was asked for may have been committed without a word of it. */
static bool commits(const struct session *session, const struct leg *leg)
{
	if (leg->replica)
		return false;
	if (session->tx_status == 'I' && leg->wrote)
		return true;
	for (size_t i = 0; i < session->answer_count; i++) {
		const struct answer *answer = answers_at(session, i);

		for (size_t item = 0; answer->plan && item < answer->plan->shapes.count; item++)
			if (answer->plan->items[item].shape->kind == STMT_COMMIT || (session->tx_status == 'I' && answer->plan->items[item].writes))
				return true;
	}
	return false;
}

static void lost(struct backend *backend, const struct err *why)
{
	struct session *session = session_of(backend);
	struct leg *leg = leg_of(backend);
	bool mid_message = backend->reply.left > 0 && backend->reply.mode == REPLY_PASS;
	bool working = session->answer_count && leg == session->current;
	bool spread = session->spread != NULL, fan = session->fan != NULL;
	struct err err = *why;

	leg->backend = NULL;
	leg->state = LEG_LOST;
	err_keep(&leg->err, why);
	leg->setup_left = 0;
	session->probing = false;
	if (session->state == SESSION_LOGIN) {
		login_backend(session);
		return;
	}
	if (leg->hedged && hedge_lost(leg))
		return;
	if (fan) {
		fan_lost(session, leg, why);
		return;
	}
	if (spread) {
		spread_lost(session, leg, why);
		return;
	}
	if (session->copy_broken) {
		session_finish(session);
		return;
	}
	if (mid_message) {
		session_cut(session, why);
		return;
	}
	if (session->copy_in || session->copy_left || (session->pins & ~(unsigned)PIN_MODE)) {
		session_fatal(session, why);
		return;
	}
	if (session->rewinding) {       /* nothing of it is missed: it all goes to another one */
		session->rewinding = false;
		answers_clear(session);
		leg_release(leg, false);
		session_resume(session);
		return;
	}
	reads_hold(session, leg);
	if (working && reads_again(session, leg, (struct slice){ 0 })) {
		leg_release(leg, false);
		session_resume(session);
		return;
	}
	reads_release(session);
	if (working) {
		if (units_all_answered(session, leg)) {
			units_lost(session, leg, NULL);
			return;
		}
		if (commits(session, leg)) {
			err_set(&err, ERR_UNKNOWN_OUTCOME, "the connection to the node was lost before it answered: it is not known whether the change was made");
			err_detail(&err, "%s", why->message);
			err_hint(&err, "Read the data to find out, before repeating the statement.");
		} else {
			primaries_explain(leg, why, &err);
		}
		units_lost(session, leg, &err);
		return;
	}
	if (leg->spent || primaries_may_begin_again(leg)) {     /* what it refused, or has only begun, is to run elsewhere */
		leg_release(leg, false);
		session_resume(session);
		return;
	}
	primaries_explain(leg, why, &err);
	if (leg->in_tx) {
		err_keep(&session->tx_error, &err);
		session->tx_status = 'E';
	} else if (leg->executed) {
		err_keep(&session->lost_error, &err);
	} else if (session->state == SESSION_WORKING && !session->ready_owed) {
		session_resume(session);        /* legs_want() tells */
		return;
	}
	leg_release(leg, false);
	legs_mended(session);
	session_resume(session);
}

const struct backend_holder leg_holder = { header, whole, pass, read_some, drained, lost };
