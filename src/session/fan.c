/* fan: one SELECT on several legs, its rows merged into one answer.
 *
 * Each leg gets Parse, Bind, Describe, Execute and Sync of the shards' statement. Rows wait in the leg's small buffer until the merge wants
 * them; a leg whose buffer is full is not read, a client that is behind stops the merge, and so memory is bounded.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "backend/cancel.h"
#include "base/limits.h"
#include "base/mem.h"
#include "route/fanout.h"
#include "route/merge.h"
#include "route/snapshot.h"
#include "session/reads.h"
#include "session/session.h"
#include "session/units.h"

enum { LEG_ROWS_ENOUGH = 64 << 10, LEG_ROWS_MAX = 72 << 20, FAN_OUT_ENOUGH = 64 << 10, FAN_OUT_MAX = 128 << 20 };

struct fan_leg {
	struct leg *leg;                /* NULL when it was lost */
	struct buf rows;                /* length (4 bytes) and body of each DataRow that waits */
	size_t taken;                   /* bytes of `rows` that the merge has */
	struct slice description;       /* RowDescription's body; in the session's arena */
	bool described, ended, ready;
};

struct fan {
	enum fan_form form;
	struct plan *plan;
	struct fanout *fanout;          /* in the session's arena */
	struct merge_spec spec;
	struct merge *merge;            /* once all legs described their rows */
	struct fan_leg *legs;
	size_t leg_count;
	uint16_t *result_formats;       /* of the visible columns: one for all, or one each */
	size_t result_format_count;
	uint32_t unit;                  /* of the segment */
	bool heard;                     /* the client has been given a row, and what was said before; until then it all is in `out` */
	bool again;                     /* a replica failed it before: it runs again on primaries */
	bool failed;
	struct buf error;               /* the ErrorResponse that the client gets */
	uint64_t rows;
	struct buf out;
};

void fan_free(struct fan *fan)
{
	if (!fan)
		return;
	for (size_t i = 0; i < fan->leg_count; i++)
		buf_release(&fan->legs[i].rows);
	mem_free(fan->legs);
	merge_free(fan->merge);
	plan_unref(fan->plan);
	buf_release(&fan->error);
	buf_release(&fan->out);
	mem_free(fan);
}

static struct fan_leg *fan_leg_of(struct fan *fan, const struct leg *leg)
{
	for (size_t i = 0; i < fan->leg_count; i++)
		if (fan->legs[i].leg == leg)
			return &fan->legs[i];
	return NULL;
}

/* ---- sending ---- */

static uint16_t visible_format(const struct fan *fan, size_t column)
{
	if (fan->result_format_count == 0)
		return 0;
	if (fan->result_format_count == 1)
		return fan->result_formats[0];
	return column < fan->result_format_count ? fan->result_formats[column] : 0;
}

static void compose(struct fan *fan, const struct bind *bind, const struct statement *statement, struct buf *out)
{
	size_t visible = fan->fanout->visible_count, all = fan->spec.shard_column_count, begin;

	message_parse(out, "", slice_of(fan->fanout->sql), statement ? statement->types : NULL, statement ? statement->type_count : 0);
	begin = frame_begin(out, 'B');
	buf_add_u8(out, 0);
	buf_add_u8(out, 0);
	if (bind) {
		/* Formats and values of the parameters, as the client sent them. */
		const char *from = bind->statement.data + bind->statement.size + 1;

		buf_add(out, from, (size_t)(bind->result_formats.data - from));
	} else {
		buf_add_u32(out, 0);
	}
	buf_add_u16(out, (uint16_t)all);
	for (size_t i = 0; i < all; i++)
		buf_add_u16(out, i < visible ? visible_format(fan, i) : 1);
	frame_end(out, begin);
	message_describe(out, 'P', "");
	message_execute(out, "", 0);
	buf_add(out, "S\0\0\0\4", 5);
}

static int limits(struct fan *fan, const struct bind *bind, const struct statement *statement, struct arena *arena, struct err *err)
{
	size_t count = bind ? bind->param_count : 0;
	struct fanout_param *params = arena_calloc(arena, count + 1, sizeof(*params));

	for (size_t i = 0; i < count; i++) {
		int format = 0;

		if (!bind_param(bind, (int)i + 1, &params[i].value, &format))
			params[i].value = (struct slice){ NULL, 0 };
		params[i].format = (int16_t)format;
		params[i].type = statement && i < statement->type_count ? statement->types[i] : 0;
	}
	return fanout_limits(fan->fanout, params, count, &fan->spec, err);
}

static void read_formats(struct fan *fan, const struct bind *bind, struct arena *arena)
{
	struct cursor cursor;

	if (!bind)
		return;
	cursor = cursor_of(bind->result_formats);
	fan->result_format_count = cursor_u16(&cursor);
	fan->result_formats = arena_alloc(arena, (fan->result_format_count + 1) * sizeof(*fan->result_formats));
	for (size_t i = 0; i < fan->result_format_count; i++)
		fan->result_formats[i] = cursor_u16(&cursor);
}

static int check_session(const struct session *session, struct err *err)
{
	if (!session->snapshot->catalogs[session->database])
		return err_set(err, ERR_WRONG_STATE, "the router has not been able to read the schema yet");
	if (!session_own_encoding(session)) {
		err_set(err, ERR_UNSUPPORTED, "statements over several shards need client_encoding to be the server's encoding");
		err_hint(err, "SET client_encoding TO %s.", params_get(session->params, "server_encoding").data);
		return err->code;
	}
	if (!session_standard_strings(session)) {
		err_set(err, ERR_UNSUPPORTED, "statements over several shards need standard_conforming_strings = on");
		err_hint(err, "SET standard_conforming_strings TO on.");
		return err->code;
	}
	return 0;
}

/* Legs that have only parsed and described so far are synchronised; one that has executed is in an implicit transaction of the client's. */
static int synchronised(struct session *session, struct err *err)
{
	bool all = true;

	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (leg->executed && session->tx_status == 'I') {
			err_set(err, ERR_UNSUPPORTED, "a statement over several shards cannot share a pipeline with other statements yet");
			err_hint(err, "Send a Sync (leave the pipeline) before it.");
			return err->code;
		}
		if (leg->needs_sync) {
			leg_sync_hidden(leg);
			all = false;
		}
	}
	return all;
}

int fan_start(struct session *session, struct plan *plan, struct slice sql, const struct bind *bind, const struct statement *statement,
	      uint64_t shards, enum fan_form form, struct err *err)
{
	struct plan_context context;
	const struct catalog *catalog;
	struct fan *fan;
	struct buf out;
	int rc;

	if (session->answer_count) {
		units_flush(session);
		return 0;
	}
	rc = check_session(session, err);
	if (rc == 0)
		rc = units_join(session, shards, &plan->items[0], err);
	if (rc < 0)
		return rc;
	rc = reads_step(session, plan, shards, err);
	if (rc <= 0)
		return rc;
	rc = legs_want(session, shards, false, err);
	if (rc <= 0)
		return rc;
	rc = synchronised(session, err);
	if (rc <= 0)
		return rc;
	fan = mem_calloc(1, sizeof(*fan));
	fan->form = form;
	fan->unit = session->unit_at;
	buf_init(&fan->error, REPLY_WHOLE_SIZE_MAX + REPLY_HEADER_SIZE);
	buf_init(&fan->out, FAN_OUT_MAX);
	context = session_plan_context(session);
	rc = resolve_catalog(&context, &session->arena, &catalog, err);
	if (rc == 0)
		rc = fanout_plan(sql, session_standard_strings(session), catalog, &session->arena, &fan->fanout, err);
	if (rc == 0) {
		fan->spec = *fan->fanout->spec;
		rc = limits(fan, bind, statement, &session->arena, err);
	}
	if (rc < 0) {
		fan_free(fan);
		return rc;
	}
	read_formats(fan, bind, &session->arena);
	for (size_t i = 0; i < fan->spec.output_count + fan->spec.hidden_output_count; i++)
		fan->spec.outputs[i].format = (int16_t)visible_format(fan, i);
	fan->plan = plan_ref(plan);
	fan->leg_count = (size_t)__builtin_popcountll(shards);
	fan->legs = mem_calloc(fan->leg_count, sizeof(*fan->legs));
	session->fan = fan;
	session->worker->counters.fanouts++;
	buf_init(&out, FAN_OUT_MAX);
	compose(fan, bind, statement, &out);
	for (size_t i = 0; i < fan->leg_count; i++, shards &= shards - 1) {
		struct leg *leg = leg_find(session, __builtin_ctzll(shards));

		fan->legs[i].leg = leg;
		buf_init(&fan->legs[i].rows, LEG_ROWS_MAX);
		leg->working = true;
		leg->looked = session->tx_status == 'T';
		statement_unref(leg->backend->unnamed);
		leg->backend->unnamed = NULL;
		leg_send(leg, buf_slice(&out));
	}
	buf_release(&out);
	return 1;
}

/* ---- the end ---- */

static void fail(struct session *session, const struct err *err)
{
	struct fan *fan = session->fan;

	if (!fan->failed && err)
		message_error(&fan->error, "ERROR", err);
	fan->failed = true;
	/* The others work for nothing now. */
	for (size_t i = 0; i < fan->leg_count; i++)
		if (fan->legs[i].leg && !fan->legs[i].ready)
			cancel_send(fan->legs[i].leg->backend);
}

static bool is_unheard(const struct session *session)
{
	return !session->fan->heard && session->tx_status == 'I' && reads_left(session) == LEFT_ANY;
}

bool fan_may_lose(const struct session *session)
{
	return session->fan->failed || is_unheard(session);
}

/* The client has heard nothing: what a replica refused, or took with it, is asked of others once all legs are ready again. */
static bool again(struct session *session, struct leg *leg, struct slice error)
{
	struct fan *fan = session->fan;

	if (fan->again && leg->replica) {
		leg->spent = true;
		if (!error.size)
			reads_put_aside(session, leg);
		return true;
	}
	if (!leg->replica || !is_unheard(session) || (error.size && !reads_is_of_replica(error)))
		return false;
	fan->again = true;
	fail(session, NULL);
	reads_retry(session, leg, error);
	session->worker->counters.replica_retries++;
	return true;
}

static void begin_again(struct session *session)
{
	struct fan *fan = session->fan;

	for (size_t i = 0; i < fan->leg_count; i++)
		if (fan->legs[i].leg)
			fan->legs[i].leg->working = false;
	session->unit_at = fan->unit;
	session->fan = NULL;
	fan_free(fan);
	session_resume(session);
}

static void finish(struct session *session)
{
	struct fan *fan = session->fan;
	bool in_tx = session->tx_status == 'T', failed = fan->failed;
	char tag[64];

	for (size_t i = 0; i < fan->leg_count; i++)
		if (fan->legs[i].leg)
			fan->legs[i].leg->working = false;
	for (size_t i = 0; !failed && i < fan->leg_count; i++)
		if (fan->legs[i].leg && fan->legs[i].leg->backend) {
			fan->legs[i].leg->backend->pool->statements[fan->plan->items[0].shape->kind]++;
			if (session->reads)
				reads_count(session, fan->legs[i].leg, fan->plan, 0);
		}
	if (failed) {
		session->failed = true;
		session->worker->counters.errors++;
		session_write_buf(session, &fan->out);
		session_write(session, buf_slice(&fan->error));
		if (in_tx)
			session->tx_status = 'E';
	} else {
		session_write_buf(session, &fan->out);
		snprintf(tag, sizeof(tag), "SELECT %llu", (unsigned long long)fan->rows);
		message_complete(&fan->out, tag);
		session_write_buf(session, &fan->out);
		session->worker->counters.rows_merged += fan->rows;
		effects_complete(session, NULL, fan->plan, 0, slice_of(tag));
	}
	session->fan = NULL;
	if (fan->form == FAN_QUERY)
		effects_ready(session, session->tx_status);
	else if (failed)
		session->skipping = true;
	fan_free(fan);
	session_resume(session);
}

static void maybe_finish(struct session *session)
{
	struct fan *fan = session->fan;

	for (size_t i = 0; i < fan->leg_count; i++)
		if (fan->legs[i].leg && !fan->legs[i].ready)
			return;
	if (fan->again)
		begin_again(session);
	else if (fan->failed || (fan->merge && merge_done(fan->merge) && !stream_over_limit(&session->stream)))
		finish(session);
}

/* ---- rows ---- */

/* Gives the merge what it wants and the client what is ready. */
static void pump(struct session *session)
{
	struct fan *fan = session->fan;
	bool moved = true;
	struct err err;

	while (fan->merge && !fan->failed && moved && !stream_over_limit(&session->stream)) {
		int64_t took;

		moved = false;
		for (size_t i = 0; i < fan->leg_count && !fan->failed; i++) {
			struct fan_leg *leg = &fan->legs[i];

			while (merge_wants(fan->merge, i) && leg->taken < leg->rows.size) {
				uint32_t size;

				memcpy(&size, leg->rows.data + leg->taken, sizeof(size));
				if (merge_push(fan->merge, i, slice_make(leg->rows.data + leg->taken + 4, size), &err) < 0) {
					fail(session, &err);
					break;
				}
				leg->taken += 4 + (size_t)size;
				moved = true;
			}
			if (leg->taken == leg->rows.size) {
				buf_clear(&leg->rows);
				leg->taken = 0;
				if (leg->ended) {
					merge_end(fan->merge, i);
					leg->ended = false;
					moved = true;
				}
			}
		}
		if (fan->failed)
			break;
		took = merge_take(fan->merge, &fan->out, FAN_OUT_ENOUGH, &err);
		if (took < 0)
			fail(session, &err);
		else if (took > 0)
			moved = true;
		fan->rows += took > 0 ? (uint64_t)took : 0;
		fan->heard |= fan->rows > 0;
		if (fan->heard)
			session_write_buf(session, &fan->out);
	}
	for (size_t i = 0; i < fan->leg_count; i++) {
		struct fan_leg *leg = &fan->legs[i];
		bool full = !fan->failed && leg->rows.size - leg->taken > LEG_ROWS_ENOUGH && !(fan->merge && merge_done(fan->merge));

		if (leg->leg && leg->leg->backend)
			stream_receive(&leg->leg->backend->stream, !full);
		if (leg->taken > LEG_ROWS_ENOUGH) {
			buf_drop_front(&leg->rows, leg->taken);
			leg->taken = 0;
		}
	}
	maybe_finish(session);
}

static int check_descriptions(struct session *session, struct err *err)
{
	struct fan *fan = session->fan;
	uint32_t *types = arena_calloc(&session->arena, fan->spec.shard_column_count + 1, sizeof(*types));

	for (size_t i = 0; i < fan->leg_count; i++) {
		struct cursor cursor = cursor_of(fan->legs[i].description);
		size_t count = cursor_u16(&cursor);

		if (count != fan->spec.shard_column_count)
			return err_set(err, ERR_INTERNAL, "shard %zu answered with %zu columns instead of %zu", i, count,
				       fan->spec.shard_column_count);
		for (size_t j = 0; j < count; j++) {
			struct column_description column = row_description_next(&cursor);

			if (i == 0)
				types[j] = column.type;
			if (types[j] != column.type || cursor.failed) {
				err_set(err, ERR_UNSUPPORTED, "the type of column \"%.*s\" has another OID on each shard, which is not supported yet",
					SLICE_FMT(column.name));
				err_hint(err, "Cast it to text.");
				return err->code;
			}
		}
	}
	return merge_new(&fan->spec, fan->leg_count, types, &fan->merge, err);
}

/* The client's RowDescription is the first shard's, cut to what the client sees. */
static void tell_description(struct session *session)
{
	struct fan *fan = session->fan;
	struct cursor cursor = cursor_of(fan->legs[0].description);
	size_t begin = frame_begin(&fan->out, 'T');
	const char *from;

	cursor_u16(&cursor);
	from = cursor.at;
	for (size_t i = 0; i < fan->spec.output_count; i++)
		row_description_next(&cursor);
	buf_add_u16(&fan->out, (uint16_t)fan->spec.output_count);
	buf_add(&fan->out, from, (size_t)(cursor.at - from));
	frame_end(&fan->out, begin);
}

static void described(struct session *session, struct fan_leg *leg, struct slice body)
{
	struct fan *fan = session->fan;
	struct err err;

	leg->described = true;
	leg->description = arena_slice(&session->arena, body);
	for (size_t i = 0; i < fan->leg_count; i++)
		if (!fan->legs[i].described)
			return;
	if (check_descriptions(session, &err) < 0)
		fail(session, &err);
	else if (fan->form == FAN_QUERY)
		tell_description(session);
}

enum reply_mode fan_header(struct session *session, struct leg *leg, char type)
{
	struct fan *fan = session->fan;

	return type == 'D' && (fan->failed || (fan->merge && merge_done(fan->merge))) ? REPLY_SKIP : REPLY_WHOLE;
}

int fan_message(struct session *session, struct leg *backend_leg, char type, struct slice body, struct err *err)
{
	struct fan *fan = session->fan;
	struct fan_leg *leg = fan_leg_of(fan, backend_leg);
	uint32_t size = (uint32_t)body.size;

	if (!leg)
		return err_set(err, ERR_PROTOCOL, "unexpected message from the node");
	switch (type) {
	case 'T':
		described(session, leg, body);
		break;
	case 'D':
		if (!buf_try_reserve(&leg->rows, sizeof(size) + body.size))
			return err_memory(err);
		buf_add(&leg->rows, &size, sizeof(size));
		buf_add_slice(&leg->rows, body);
		if (leg->rows.failed)
			return err_set(err, ERR_LIMIT, "rows of a fan-out are too large to be merged");
		break;
	case 'C':
		leg->ended = true;
		break;
	case 'E':
		if (!fan->failed && !again(session, backend_leg, body)) {
			buf_add(&fan->error, body.data - FRAME_HEADER_SIZE, body.size + FRAME_HEADER_SIZE);
			fan->failed = true;
			fail(session, NULL);
		}
		break;
	case 'Z':
		leg->ready = true;
		backend_leg->in_tx = body.size && body.data[0] != 'I';
		backend_leg->failed = body.size && body.data[0] == 'E';
		break;
	case 'N':
		buf_add_slice(&fan->out, slice_make(body.data - FRAME_HEADER_SIZE, body.size + FRAME_HEADER_SIZE));
		if (fan->heard)
			session_write_buf(session, &fan->out);
		break;
	default:
		break;
	}
	return 0;
}

void fan_read(struct session *session, struct leg *leg)
{
	pump(session);
}

void fan_drained(struct session *session)
{
	pump(session);
}

void fan_lost(struct session *session, struct leg *backend_leg, const struct err *why)
{
	struct fan *fan = session->fan;
	struct fan_leg *leg = fan_leg_of(fan, backend_leg);

	if (leg && leg->ready && !backend_leg->in_tx) {         /* all that it had to say is here */
		leg->leg = NULL;
		leg_release(backend_leg, false);
		return;
	}
	if (leg) {
		leg->leg = NULL;
		leg->ready = true;
	}
	if (fan->failed || !again(session, backend_leg, (struct slice){ 0 }))
		fail(session, why);
	leg_release(backend_leg, false);
	maybe_finish(session);
}
