/* input: the client's bytes -> segments of units; CopyData straight through. */
#include <arpa/inet.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "session/deadlines.h"
#include "session/replication.h"
#include "session/session.h"
#include "session/slow.h"
#include "session/units.h"
#include "topo/config.h"

enum {
	SEGMENT_SIZE_ENOUGH = 256 << 10,        /* a pipeline longer than this is worked on before its Sync has come */
	INPUT_SIZE_WAITING_MAX = 64 << 10,      /* what is read ahead while a segment is worked on */
	BIND_SIZE_KEPT = 1 << 20,               /* a larger one begins before it has come whole */
	COPY_END_SIZE_MAX = 64 << 10,
	LARGE_SIZE = 256 << 10,                 /* from here on it is made sure first that there is memory to work with what came */
	LARGE_FACTOR = 8,
};

static const struct { char type; enum unit_kind kind; bool ends; } unit_types[] = {
	{ 'Q', UNIT_QUERY, true }, { 'P', UNIT_PARSE, false }, { 'B', UNIT_BIND, false }, { 'D', UNIT_DESCRIBE, false },
	{ 'E', UNIT_EXECUTE, false }, { 'C', UNIT_CLOSE, false }, { 'S', UNIT_SYNC, true }, { 'H', UNIT_FLUSH, true },
	{ 'F', UNIT_FUNCTION, true },
};

static void break_protocol(struct session *session, const struct err *err)
{
	session_fatal(session, err);
}

/* ---- COPY FROM STDIN ---- */

/* Also after the copy has failed: the server waits for the end of a message whose beginning it has. */
static bool copying(const struct session *session)
{
	return session->copy_in || session->copy_left;
}

/* What does not belong within a copy: the server refuses it by its type, before it looks at the length. Should the copy have failed there by now, the
 * message would be run, and nobody here would know what it did: an impossible length makes the server close the connection then, too. */
static void refuse_within_copy(struct session *session, char type)
{
	const char header[FRAME_HEADER_SIZE] = { type };

	leg_send(session->current, slice_make(header, sizeof(header)));
}

/* Passes the client's copy messages on to the leg; true when bytes were used up to where it can go. */
static size_t copy_through(struct session *session, struct slice bytes)
{
	size_t used = 0;

	while ((session->copy_in || session->copy_left) && used < bytes.size) {
		const char *at = bytes.data + used;
		size_t have = bytes.size - used;
		uint32_t length;

		if (session->copy_left) {
			size_t part = have < session->copy_left ? have : session->copy_left;

			leg_send(session->current, slice_make(at, part));
			session->copy_left -= (uint32_t)part;
			used += part;
			continue;
		}
		if (have < FRAME_HEADER_SIZE)
			break;
		memcpy(&length, at + 1, sizeof(length));
		length = ntohl(length);
		if (length < 4 || length > INT32_MAX) {
			struct err err;

			err_set(&err, ERR_PROTOCOL, "invalid message length");
			break_protocol(session, &err);
			return bytes.size;
		}
		if (at[0] == 'd') {
			leg_send(session->current, slice_make(at, FRAME_HEADER_SIZE));
			session->copy_left = length - 4;
			used += FRAME_HEADER_SIZE;
			continue;
		}
		if (length + 1 > COPY_END_SIZE_MAX) {
			struct err err;

			err_set(&err, ERR_PROTOCOL, "unexpected message type 0x%02X during COPY from stdin", (unsigned char)at[0]);
			break_protocol(session, &err);
			return bytes.size;
		}
		if (have < length + 1)
			break;
		used += length + 1;
		if (at[0] == 'H' || at[0] == 'S')
			continue;               /* PostgreSQL ignores these within COPY */
		session->copy_broken = at[0] != 'c' && at[0] != 'f';
		session->copy_in = false;
		if (session->copy_broken) {
			refuse_within_copy(session, at[0]);
			continue;
		}
		leg_send(session->current, slice_make(at, length + 1));
		/* With the extended protocol, the server answers when it is flushed. */
		if (answers_head(session) && answers_head(session)->kind == ANSWER_EXECUTE)
			leg_send(session->current, SLICE_LIT("H\0\0\0\4"));
	}
	if (copying(session) && session->current->backend && stream_over_limit(&session->current->backend->stream))
		stream_receive(&session->stream, false);        /* until the leg has drained */
	if (!copying(session))
		session_resume(session);
	return used;
}

/* ---- segments ---- */

static int add_unit(struct session *session, const struct message *message, size_t offset, size_t size, bool *ret_ends, struct err *err)
{
	for (size_t i = 0; i < sizeof(unit_types) / sizeof(unit_types[0]); i++) {
		if (unit_types[i].type != message->type)
			continue;
		if (session->unit_count % 16 == 0) {
			struct unit *units = arena_alloc(&session->arena, (session->unit_count + 16) * sizeof(*units));

			if (session->unit_count)
				memcpy(units, session->units, session->unit_count * sizeof(*units));
			session->units = units;
		}
		session->units[session->unit_count++] = (struct unit){ unit_types[i].kind, offset, size };
		*ret_ends = unit_types[i].ends;
		return 0;
	}
	return err_set(err, ERR_PROTOCOL, "invalid frontend message type %d", (unsigned char)message->type);
}

static bool is_copy_message(char type)
{
	return type == 'd' || type == 'c' || type == 'f';
}

/* Ends the segment before its Sync: what was sent must be answered. */
static int flush_here(struct session *session, size_t at, struct err *err)
{
	const struct message flush = { .type = 'H' };
	bool ends;
	int rc = add_unit(session, &flush, at, 0, &ends, err);

	return rc < 0 ? rc : 1;
}

static bool is_large_bind(struct slice part)
{
	struct cursor cursor = cursor_of(part);

	return cursor_u8(&cursor) == 'B' && cursor_u32(&cursor) > BIND_SIZE_KEPT && !cursor.failed;
}

/* A message that is not kept whole, of which the beginning, `part`, has come: a Bind that tells where it goes, or what is too large. 1: it can begin,
 * or what stands before it must be done first; 0: not yet. */
static int begin_large(struct session *session, size_t at, struct slice part, struct err *err)
{
	struct slice body = slice_make(part.data + FRAME_HEADER_SIZE, part.size - FRAME_HEADER_SIZE);
	struct cursor cursor = cursor_of(part);
	struct message message = { .type = (char)cursor_u8(&cursor) };
	uint32_t length = cursor_u32(&cursor);
	bool ends, may;
	int rc;

	if (session->unit_count)
		return flush_here(session, at, err);
	if (is_copy_message(message.type)) {
		session->in_used = at;
		input_drop(session, length + 1);
		return 0;
	}
	may = message.type == 'B' && length <= MESSAGE_SIZE_MAX && (session->skipping || bind_may_begin(session, body));
	if (message.type == 'B' && !may && body.size < session->worker->config->statement_size_max)
		return 0;
	rc = add_unit(session, &message, at, part.size, &ends, err);
	if (rc < 0)
		return rc;
	session->units[0].left = (uint32_t)(length + 1 - part.size);
	session->units[0].too_large = !may;
	session->in_used = at + part.size;
	return flush_here(session, at, err);
}

/* Collects units until the segment is complete: 1; 0: more must come; negative: the client broke the protocol. */
static int collect(struct session *session, struct err *err)
{
	size_t at = 0;
	bool ends = false;

	session->unit_count = session->unit_at = 0;
	session->in_used = 0;
	for (;;) {
		struct slice rest = slice_make(session->in.data + at, session->in.size - at);
		struct message message;
		size_t size;
		int rc = frame_next(rest, session->worker->config->statement_size_max, &message, &size, err);

		if (rc == ERR_PROTOCOL) {       /* where the next message begins cannot be known: PostgreSQL goes without a word too */
			log_info("input", "session=%u.%u peer=%s msg=\"closed: a message of impossible length\"", session->worker->index,
				 session->number, session_peer(session).text);
			session_finish(session);
			return 0;
		}
		if (rc == ERR_LIMIT || (rc == 0 && is_large_bind(rest))) {
			rc = begin_large(session, at, rest, err);
			if (rc)
				return rc;
		}
		if (rc < 0)
			return rc;
		if (rc == 0)
			break;
		if (message.type == 'X') {
			session_finish(session);
			return 0;
		}
		if (!is_copy_message(message.type)) {
			rc = add_unit(session, &message, at, size, &ends, err);
			if (rc < 0)
				return rc;
		} else if (session->unit_count) {       /* for a COPY that these units begin: they must be answered first */
			return flush_here(session, at, err);
		}                                       /* else it is a stray message, which PostgreSQL ignores too */
		at += size;
		session->in_used = at;
		if (ends)
			return 1;
	}
	if (session->unit_count == 0 || at <= SEGMENT_SIZE_ENOUGH)
		return 0;
	return flush_here(session, at, err);
}

void input_go(struct session *session)
{
	struct err err;
	int rc;

	if (session->state != SESSION_READY || session->in.size == 0)
		return;
	session_equip(session);
	rc = collect(session, &err);
	if (session->state == SESSION_CLOSED)
		return;
	if (rc < 0) {
		break_protocol(session, &err);
		return;
	}
	if (rc == 0) {
		if (session->unit_count == 0 && session->in_used) {
			buf_drop_front(&session->in, session->in_used);
			session->in_used = 0;
		}
		session_rest(session);
		return;
	}
	if (session->in_used > LARGE_SIZE && !mem_possible(session->in_used * LARGE_FACTOR)) {
		err_memory(&err);
		err_detail(&err, "Too little is left for a statement of %zu bytes.", session->in_used);
		break_protocol(session, &err);
		return;
	}
	session->state = SESSION_WORKING;
	session->failed = session->skipping;     /* of an error before this, whose Sync is to come */
	session->segment++;
	session->segment_us = loop_now_us(session->worker->loop);
	deadlines_working(session);
	units_go(session);
}

void input_done(struct session *session)
{
	struct worker *worker = session->worker;
	uint64_t us;

	slow_log(session);
	session->flushed = session->unit_count && session->units[session->unit_count - 1].kind == UNIT_FLUSH;
	buf_drop_front(&session->in, session->in_used);
	session->in_used = 0;
	session->unit_count = session->unit_at = 0;
	session_rest(session);
	session->state = SESSION_READY;
	us = loop_now_us(worker->loop) - session->segment_us;
	worker->counters.statement_us += us;
	worker->counters.durations[63 - __builtin_clzll(us | 1)]++;
	legs_finish(session);
	if (session->state != SESSION_READY)
		return;
	deadlines_idle(session);
	stream_receive(&session->stream, true);
	if (session->in.size)
		session_resume(session);
}

void input_copy(struct session *session)
{
	size_t size = session->in.size - session->in_used, used;
	char *rest;

	stream_receive(&session->stream, true);
	if (size == 0)
		return;
	rest = session->in.data + session->in_used;
	used = copy_through(session, slice_make(rest, size));
	if (session->state == SESSION_CLOSED)
		return;
	memmove(rest, rest + used, size - used);
	session->in.size -= used;
}

void input_pass(struct session *session, uint32_t left)
{
	session->copy_left = left;
	input_copy(session);
}

void input_drop(struct session *session, uint32_t left)
{
	size_t have = session->in.size - session->in_used;
	size_t part = have < left ? have : left;
	char *rest = session->in.data + session->in_used;

	memmove(rest, rest + part, have - part);
	session->in.size -= part;
	session->drop_left = left - (uint32_t)part;
}

void input_received(struct session *session, const char *data, size_t size)
{
	struct slice bytes = slice_make(data, size);
	struct err err;
	size_t used;

	session->worker->counters.received_bytes += size;
	if (session->relayed && session->state == SESSION_WORKING) {
		replication_received(session, bytes);
		return;
	}
	if (session->drop_left) {
		used = size < session->drop_left ? size : session->drop_left;
		session->drop_left -= (uint32_t)used;
		bytes = slice_make(data + used, size - used);
	}
	if (copying(session) && session->in.size == session->in_used) {
		used = copy_through(session, bytes);
		if (session->state == SESSION_CLOSED)
			return;
		bytes = slice_make(bytes.data + used, bytes.size - used);
	}
	if (bytes.size == 0)
		return;
	if (session->state == SESSION_READY)
		session_equip(session);
	if (!buf_try_reserve(&session->in, bytes.size)) {
		err_memory(&err);
		break_protocol(session, &err);
		return;
	}
	buf_add_slice(&session->in, bytes);
	if (session->in.failed) {
		err_set(&err, ERR_LIMIT, "more than statement_size_max was sent ahead");
		break_protocol(session, &err);
		return;
	}
	switch (session->state) {
	case SESSION_LOGIN:
		login_received(session);
		break;
	case SESSION_READY:
		input_go(session);
		break;
	case SESSION_WORKING:
		if (copying(session)) {
			input_copy(session);
		} else if (session->in.size - session->in_used > INPUT_SIZE_WAITING_MAX) {
			stream_receive(&session->stream, false);
		}
		break;
	case SESSION_CLOSED:
	case SESSION_STATE_COUNT_:
		break;
	}
}
