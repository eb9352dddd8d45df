/* reads_again: what a replica says is held back until it has said a row; what it refuses, or cannot answer, runs again elsewhere. See reads.h. */
#include <string.h>

#include "route/node_status.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/units.h"

enum { HELD_SIZE_MAX = 4 << 20, SPARE_SIZE_MAX = 8 << 10 };

void reads_again_init(struct reads *reads)
{
	buf_init(&reads->held, HELD_SIZE_MAX);
}

/* Nothing was done on the leg before: a transaction block began with what it is asked. */
static bool is_first(const struct session *session, const struct leg *leg)
{
	if (session->tx_status == 'I')
		return true;
	return session->tx_status == 'T' && session->reads->in_tx && session->reads->asked_in == session->segment && !leg->answered && session->legs.count == 1;
}

bool reads_are_unheard(const struct session *session, const struct leg *leg)
{
	return is_first(session, leg) && (session->reads->holding || (reads_left(session) == LEFT_ANY && !leg->told));
}

void reads_hold_now(struct session *session, struct leg *leg)
{
	if (leg->trial && leg->state == LEG_READY)
		reads_worked(leg);
	if (!is_first(session, leg) || (!session->reads->copying && (reads_left(session) != LEFT_ANY || leg->told)))
		return;
	leg->told = !session->reads->copying && leg->backend && reply_succeeds(&leg->backend->reply);
	session->reads->holding |= !leg->told;
}

/* What is held is short, mostly, and soon said: its memory is the worker's. */
static void swap_spare(struct session *session)
{
	struct buf spare = session->worker->spare_held;

	session->worker->spare_held = session->reads->held;
	session->reads->held = spare;
	session->reads->held.size_max = HELD_SIZE_MAX;
}

static void forget_held(struct session *session)
{
	struct buf *held = &session->reads->held;

	if (held->data && !session->worker->spare_held.data && held->capacity <= SPARE_SIZE_MAX) {
		buf_clear(held);
		swap_spare(session);
	} else {
		buf_release(held);
	}
}

void reads_keep(struct session *session, struct slice bytes)
{
	struct buf *held = &session->reads->held;

	if (held->size + bytes.size > HELD_SIZE_MAX) {
		reads_say_held(session);
		session_write(session, bytes);
		return;
	}
	if (!held->data)
		swap_spare(session);
	buf_add_slice(held, bytes);
}

void reads_say_held(struct session *session)
{
	struct reads *reads = session->reads;

	reads->holding = false;
	if (reads->held.size)
		session_write_buf(session, &reads->held);
	forget_held(session);
}

bool reads_is_of_replica(struct slice error)
{
	static const char *const classes[] = { "08", "0A", "25", "3F", "40", "42", "55", "57P", "58", "XX" };
	struct slice state = error_field(error, 'C');

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (state.size == 5 && strncmp(state.data, classes[i], strlen(classes[i])) == 0)
			return true;
	return false;
}

void reads_retry(struct session *session, struct leg *leg, struct slice error)
{
	if (!error.size) {
		reads_give_up(session, leg);
		return;
	}
	leg->spent = true;              /* what it refused is no fault of its own: others read on */
	reads_failed(session, slice_is(error_field(error, 'C'), "25006"));
}

/* How often one of these messages is held. */
static unsigned count_held(const struct reads *reads, char type)
{
	unsigned count = 0;

	for (size_t at = 0; at + FRAME_HEADER_SIZE <= reads->held.size;) {
		struct cursor cursor = cursor_of(slice_make(reads->held.data + at + 1, 4));

		count += reads->held.data[at] == type;
		at += 1 + cursor_u32(&cursor);
	}
	return count;
}

bool reads_again(struct session *session, struct leg *leg, struct slice error)
{
	struct reads *reads = session->reads;
	struct answer *head = answers_head(session);
	bool lost = !error.size, parsed;

	/* Notifications must not be dropped with the rest, and two statements not be parsed again. */
	if (!reads || !reads->holding || !leg->replica || !head || (!lost && !reads->copying && !reads_is_of_replica(error)) ||
	    count_held(reads, '1') > 1 || count_held(reads, 'A'))
		return false;
	parsed = head->owes_parse || count_held(reads, '1');
	reads->holding = reads->copying = false;
	forget_held(session);
	reads_retry(session, leg, error);
	session->worker->counters.replica_retries++;
	if ((head->kind == ANSWER_PARSE && !head->hidden) || head->as_parse)
		reads->unit = head->unit;
	if (lost) {
		while (session->answer_count) {
			answers_take_back(session);
			if (answers_head(session))
				answers_pop(session);
		}
		portals_lose(session);
		session->skipping = session->copy_sync_owed = false;
	} else if (head->kind == ANSWER_QUERY) {
		head->hidden = session->rewinding = true;
	} else {
		copies_take_back(session, leg);
	}
	session->unit_at = reads->unit;
	session->parse_owed = parsed;
	return true;
}
