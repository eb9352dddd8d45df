#include "session/admission.h"
#include "session/deadlines.h"
#include "session/listen.h"
#include "session/peers.h"
#include "session/reads.h"
#include "session/replication.h"
#include "session/session.h"
#include "session/silence.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "backend/cancel.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/reserve.h"
#include "net/tls.h"
#include "route/snapshot.h"
#include "topo/config.h"

enum { SESSION_ARENA_BLOCK = 2048, TEXTS_SIZE_MAX = 16 << 20 };

static const struct stream_events events;

static void resume(struct later *later)
{
	struct session *session = CONTAINER_OF(later, struct session, resume);

	if (session->state == SESSION_WORKING)
		units_go(session);
	else if (session->state == SESSION_READY)
		input_go(session);
	session_check_memory(session);
}

static void note_peer(struct session *session, int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	uint8_t family = AF_INET;

	if (getpeername(fd, (struct sockaddr *)&address, &size) < 0)
		return;
	if (address.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&address;

		memcpy(session->peer_address, &in->sin_addr, sizeof(in->sin_addr));
		session->peer_port = in->sin_port;
	} else if (address.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address;
		bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);    /* RFC 4291, 2.5.5.2 */
		size_t skip = mapped ? sizeof(struct in6_addr) - sizeof(struct in_addr) : 0;

		memcpy(session->peer_address, in6->sin6_addr.s6_addr + skip, sizeof(in6->sin6_addr) - skip);
		session->peer_port = in6->sin6_port;
		family = mapped ? AF_INET : AF_INET6;
	} else {
		return;
	}
	session->peer_family = family;
}

struct peer session_peer(const struct session *session)
{
	bool six = session->peer_family == AF_INET6;
	struct peer peer = { .text = "local" };
	char text[INET6_ADDRSTRLEN];

	if (session->peer_family && inet_ntop(session->peer_family, session->peer_address, text, sizeof(text)))
		snprintf(peer.text, sizeof(peer.text), six ? "[%s]:%u" : "%s:%u", text, ntohs(session->peer_port));
	return peer;
}

struct slice session_address(const struct session *session)
{
	size_t size = session->peer_family == AF_INET ? sizeof(struct in_addr) : session->peer_family == AF_INET6 ? sizeof(struct in6_addr) : 0;

	return slice_make((const char *)session->peer_address, size);
}

static uint32_t in_size_max(const struct config *config)
{
	return config->statement_size_max + FRAME_HEADER_SIZE + CHUNK_SIZE * 8;
}

static int let_in(struct session *session, struct err *err)
{
	struct worker *worker = session->worker;
	int rc = admission_arrive(worker->services->admission, worker->config, session_address(session), err);

	return rc == 0 && reserve_lacks() && !reserve_fill() ? err_memory(err) : rc;
}

void session_new(struct worker *worker, int fd)
{
	struct session *session = mem_calloc(1, sizeof(*session));
	struct err err;

	stream_init(&session->stream, worker->loop, &events);
	session->worker = worker;
	session->database = -1;
	session->snapshot = snapshot_ref(worker->snapshot);
	session->since_us = loop_now_us(worker->loop);
	session->tx_status = 'I';
	session->tx_write_shard = -1;
	session->owner = ++worker->pools.last_owner;
	session->resume.run = resume;
	list_init(&session->legs);
	list_init(&session->portals);
	list_init(&session->cursors);
	buf_init(&session->in, in_size_max(worker->config));
	buf_init(&session->texts, TEXTS_SIZE_MAX);
	buf_init(&session->reports, TEXTS_SIZE_MAX);
	buf_init(&session->tx_begin, STARTUP_SIZE_MAX);
	buf_init(&session->redefined, REDEFINED_SIZE_MAX);
	arena_init(&session->arena, SESSION_ARENA_BLOCK);
	do {
		session->number = ++worker->last_number & 0xffffff;
	} while (session->number == 0 || worker_session(worker, session->number));
	session->secret = peers_secret(worker);
	map_set(&worker->by_number, slice_make(&session->number, sizeof(session->number)), session);
	list_push_back(&worker->sessions, &session->place);
	worker->counters.sessions_total++;
	worker->open_streams++;
	note_peer(session, fd);
	stream_open(&session->stream, fd);
	login_start(session);
	if (let_in(session, &err) < 0)
		session_fatal(session, &err);
	else
		stream_receive(&session->stream, true);
}

static void closed(struct stream *stream)
{
	struct session *session = CONTAINER_OF(stream, struct session, stream);

	session->worker->open_streams--;
	session->worker->counters.sent_bytes += stream->sent_bytes;
	mem_free(session);
}

/* Everything but the stream itself, which the kernel may still hold. */
static void let_go(struct session *session)
{
	struct worker *worker = session->worker;

	if (session->state == SESSION_CLOSED)
		return;
	session->state = SESSION_CLOSED;
	worker->counters.sent_bytes += session->stream.sent_bytes;
	session->stream.sent_bytes = 0;         /* what it still hears is counted when its stream is closed */
	loop_disarm(worker->loop, &session->timer);
	loop_forget(worker->loop, &session->resume);
	map_remove(&worker->by_number, slice_make(&session->number, sizeof(session->number)));
	list_remove(&worker->sessions, &session->place);
	__atomic_sub_fetch(&worker->services->client_count, 1, __ATOMIC_RELAXED);
	admission_leave(worker->services->admission, session_address(session), session->started, session->logged_in ? session->database_name : NULL,
			session->logged_in ? session->user : NULL);
	fan_free(session->fan);
	spread_free(session->spread);
	plan_unref(session->planned);
	listen_release(session);
	replication_end(session);
	legs_drop(session);
	reads_free(session);
	login_free(session->login);
	answers_clear(session);
	mem_free(session->answers);
	prepared_release(session);
	portals_clear(session);
	cursors_clear(session);
	for (size_t i = 0; i < session->savepoint_count; i++) {
		mem_free(session->savepoints[i].name);
		settings_unref(session->savepoints[i].settings);
		settings_unref(session->savepoints[i].local);
		listen_unmark(session->savepoints[i].channels);
	}
	mem_free(session->savepoints);
	settings_unref(session->initial);
	settings_unref(session->settings);
	settings_unref(session->committed);
	settings_unref(session->local);
	settings_unref(session->learned);
	params_unref(session->params);
	buf_release(&session->in);
	buf_release(&session->texts);
	buf_release(&session->reports);
	params_unref(session->reported);
	buf_release(&session->tx_begin);
	buf_release(&session->redefined);
	arena_release(&session->arena);
	snapshot_unref(session->snapshot);
	err_forget(&session->tx_error);
	err_forget(&session->lost_error);
	mem_free(session->user);
	mem_free(session->database_name);
}

void session_equip(struct session *session)
{
	struct worker *worker = session->worker;
	struct spare *spare;

	if (session->arena.blocks || session->answers || !worker->spare_count)
		return;
	spare = &worker->spares[--worker->spare_count];
	session->arena = spare->arena;
	session->answers = spare->answers;
	session->answer_capacity = spare->answers ? ANSWERS_FIRST_CAPACITY : 0;
	if (session->in.data) {
		mem_free(spare->in);
	} else {
		session->in.data = spare->in;
		session->in.capacity = spare->in_capacity;
	}
}

void session_rest(struct session *session)
{
	struct worker *worker = session->worker;
	bool full = worker->spare_count == SPARES_MAX;
	struct spare spare;

	if (session->in.size == 0 && (full || session->in.capacity > SPARE_IN_SIZE_MAX))
		buf_release(&session->in);
	if (full || session->answer_capacity > ANSWERS_FIRST_CAPACITY) {
		mem_free(session->answers);
		session->answers = NULL;
	}
	if (full)
		arena_release(&session->arena);
	else
		arena_reset(&session->arena);
	spare = (struct spare){ session->arena, session->answers };
	session->answers = NULL;
	session->answer_capacity = session->answer_first = 0;
	arena_init(&session->arena, SESSION_ARENA_BLOCK);
	if (session->in.size == 0) {
		spare.in = session->in.data;
		spare.in_capacity = session->in.capacity;
		session->in.data = NULL;
		session->in.capacity = 0;
	}
	if (spare.arena.blocks || spare.answers)
		worker->spares[worker->spare_count++] = spare;
	else
		mem_free(spare.in);
}

void session_close(struct session *session)
{
	let_go(session);
	stream_close(&session->stream);
}

void session_finish(struct session *session)
{
	let_go(session);
	stream_finish(&session->stream);
}

void session_fatal(struct session *session, const struct err *err)
{
	char quoted[600];
	struct buf out;

	if (session->state == SESSION_CLOSED)
		return;
	reads_release(session);
	if (session->relayed && session->state != SESSION_LOGIN) {      /* perhaps in the middle of a message */
		session_finish(session);
		return;
	}
	log_info("session", "session=%u.%u peer=%s user=%s database=%s sqlstate=%s msg=\"closed: %s\"", session->worker->index, session->number,
		 session_peer(session).text, session->user ? session->user : "-", session->database_name ? session->database_name : "-", err->sqlstate,
		 log_quote(err->message, quoted, sizeof(quoted)));
	buf_init(&out, STARTUP_SIZE_MAX);
	message_error(&out, "FATAL", err);
	session_write_buf(session, &out);
	buf_release(&out);
	session_finish(session);
}

/* Whether the client has the beginning of a message whose end is still to come. */
static bool mid_message(const struct session *session)
{
	LIST_EACH(&session->legs, node) {
		const struct backend *backend = CONTAINER_OF(node, struct leg, place)->backend;

		if (backend && backend->reply.left && backend->reply.mode == REPLY_PASS)
			return true;
	}
	return false;
}

void session_cut(struct session *session, const struct err *err)
{
	char quoted[600];

	log_info("session", "session=%u.%u peer=%s user=%s database=%s sqlstate=%s msg=\"closed within a message: %s\"", session->worker->index,
		 session->number, session_peer(session).text, session->user, session->database_name, err->sqlstate,
		 log_quote(err->message, quoted, sizeof(quoted)));
	session_finish(session);
}

void session_terminate(struct session *session, const struct err *err)
{
	if (session->state == SESSION_CLOSED || !mid_message(session))
		session_fatal(session, err);
	else
		session_cut(session, err);
}

void session_check_memory(struct session *session)
{
	struct err err;
	bool failed;

	if (!reserve_lacks())
		return;
	failed = reserve_failed();
	if (reserve_fill() || !failed)
		return;
	err_memory(&err);
	session_terminate(session, &err);
}

void session_cancel(struct session *session)
{
	struct err canceled;

	if (session->state != SESSION_WORKING)
		return;
	if (session->relayed)
		cancel_send(session->relayed);
	reads_cancel(session);
	hedge_stop(session);
	err_set(&canceled, ERR_CANCELED, "canceling statement due to user request");
	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (leg->state == LEG_READY && leg->backend)
			cancel_send(leg->backend);
		else if (leg->state == LEG_WAITING)
			leg_end_wait(leg, &canceled);
	}
	silence_cancel(session, &canceled);
}

void session_write(struct session *session, struct slice bytes)
{
	if (__builtin_expect(session->reads && session->reads->holding, false))
		reads_keep(session, bytes);
	else
		stream_write(&session->stream, bytes);
}

void session_write_buf(struct session *session, struct buf *buf)
{
	session_write(session, buf_slice(buf));
	buf_clear(buf);
}

/* PostgreSQL 15 reports what changed right before ReadyForQuery, and so between queries only. */
void session_report(struct session *session, struct params *params, struct slice message)
{
	if (session->params == params)
		return;
	if (!session->reports.size)
		params_assign(&session->reported, session->params);
	params_assign(&session->params, params);
	if (session->state == SESSION_WORKING)
		buf_add_slice(&session->reports, message);
	else
		session_write(session, message);
}

void session_forget_reports(struct session *session)
{
	if (session->reports.size)
		params_assign(&session->params, session->reported);
	buf_clear(&session->reports);
}

/* ---- what everything asks ---- */

bool session_standard_strings(const struct session *session)
{
	return !session->params || session->params->standard_strings;
}

bool session_own_encoding(const struct session *session)
{
	return session->params && session->params->own_encoding;
}

const struct database *session_database(const struct session *session)
{
	return &session->snapshot->topology->databases[session->database];
}

const struct shard *session_shard(const struct session *session, int shard)
{
	return &session->snapshot->topology->shards[session_database(session)->shards[shard]];
}

size_t session_shard_count(const struct session *session)
{
	return session_database(session)->shard_count;
}

/* What the session set, for this transaction or for itself; NULL: nothing. */
static const char *setting_of(const struct session *session, const char *name)
{
	const struct setting *found = session->local ? settings_find(session->local, name) : NULL;

	if (!found)                     /* all that is asked for here changes what a statement means */
		found = settings_find(session->settings->analysis, name);
	return found ? found->text : NULL;
}

static void take_settings(const struct session *session, struct plan_context *context)
{
	const char *role = setting_of(session, "role");

	if (!role || strcmp(role, "none") == 0)
		role = setting_of(session, "session_authorization");
	if (role)
		context->role = role;
	context->search_path = setting_of(session, "search_path");
}

struct plan_context session_plan_context(const struct session *session)
{
	struct plan_context context = { .snapshot = session->snapshot, .database = session->database, .role = session->user };
	const struct catalog *catalog = session->snapshot->catalogs[session->database];

	context.temporary = session->pins & PIN_TEMPORARY;
	context.redefined = buf_slice(&session->redefined);
	if (session->local || session->settings->analysis->count)
		take_settings(session, &context);
	if (!context.search_path && catalog)    /* the path of the user's own is that of him who logged in, whoever he is by now */
		context.search_path = catalog_role_path(catalog, session->user, context.role);
	return context;
}

void session_resume(struct session *session)
{
	if (session->state == SESSION_WORKING || session->state == SESSION_READY)
		loop_later(session->worker->loop, &session->resume);
}

void session_configure(struct session *session)
{
	const struct config *config = session->worker->config;

	session->in.size_max = in_size_max(config);
	if (session->policy)
		session->policy = worker_policy(session->worker, session->database_name, session->user);
	if (session->state == SESSION_LOGIN || session->relayed)
		return;
	reads_begin(session);
	deadlines_begin(session);
	if (session->state == SESSION_READY && session->tx_status == 'I' && list_empty(&session->legs))
		session_renew(session);
}

void session_pause_source(struct session *session)
{
	if (!stream_over_limit(&session->stream))
		return;
	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (!leg->backend || leg->paused)
			continue;
		leg->paused = true;
		stream_receive(&leg->backend->stream, false);
	}
}

static void drained(struct stream *stream)
{
	struct session *session = CONTAINER_OF(stream, struct session, stream);

	if (session->state == SESSION_CLOSED)
		return;
	if (session->fan) {
		fan_drained(session);
		return;
	}
	if (session->relayed)
		replication_drained(session);
	LIST_EACH(&session->legs, node) {
		struct leg *leg = CONTAINER_OF(node, struct leg, place);

		if (!leg->backend || !leg->paused)
			continue;
		leg->paused = false;
		stream_receive(&leg->backend->stream, true);
	}
}

static void received(struct stream *stream, const char *data, size_t size)
{
	struct session *session = CONTAINER_OF(stream, struct session, stream);

	input_received(session, data, size);
	session_check_memory(session);
}

static void ended(struct stream *stream, int error)
{
	struct session *session = CONTAINER_OF(stream, struct session, stream);
	const char *problem = tls_problem(stream);

	if (problem) {
		log_info("session", "session=%u.%u peer=%s msg=\"closed: TLS: %s\"", session->worker->index, session->number, session_peer(session).text,
			 problem);
		session_finish(session);        /* the client hears what TLS says of it */
	} else {
		session_close(session);
	}
}

static const struct stream_events events = { .received = received, .ended = ended, .drained = drained, .closed = closed };
