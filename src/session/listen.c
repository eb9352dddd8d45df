#include "session/listen.h"

#include <arpa/inet.h>
#include <string.h>

#include "backend/pool.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/loop.h"
#include "session/session.h"
#include "session/units.h"
#include "sql/rewrite.h"

enum { RETRY_US = 50000 };

/* ---- sets of channels ---- */

struct channels {                       /* immutable, counted */
	unsigned refs;
	size_t count;
	char *names[];
};

static struct channels *channels_ref(struct channels *channels)
{
	if (channels)
		channels->refs++;
	return channels;
}

void listen_unmark(struct channels *channels)
{
	if (!channels || --channels->refs > 0)
		return;
	for (size_t i = 0; i < channels->count; i++)
		mem_free(channels->names[i]);
	mem_free(channels);
}

static bool channels_have(const struct channels *channels, const char *name)
{
	for (size_t i = 0; channels && i < channels->count; i++)
		if (strcmp(channels->names[i], name) == 0)
			return true;
	return false;
}

static size_t channels_count(const struct channels *channels)
{
	return channels ? channels->count : 0;
}

/* The same with one more, or without one; NULL: none. */
static struct channels *channels_changed(const struct channels *channels, const char *name, bool more)
{
	struct channels *changed = mem_alloc(sizeof(*changed) + (channels_count(channels) + 1) * sizeof(char *));

	*changed = (struct channels){ .refs = 1 };
	for (size_t i = 0; i < channels_count(channels); i++)
		if (strcmp(channels->names[i], name) != 0)
			changed->names[changed->count++] = mem_strdup(channels->names[i]);
	if (more)
		changed->names[changed->count++] = mem_strdup(name);
	if (changed->count)
		return changed;
	listen_unmark(changed);
	return NULL;
}

/* ---- one backend for many ---- */

struct channel {
	char *name;
	struct list listens;            /* of struct listen */
};

struct listen {                         /* of one session to one channel */
	struct list_node of_channel, of_session;
	struct channel *channel;
	struct hearing *hearing;
	uint64_t asked;                 /* the number of its LISTEN: what comes before the answer to it was said earlier */
};

struct listening {
	struct worker *worker;
	struct pool *pool;
	struct backend *backend;        /* or NULL */
	bool open;
	struct map channels;            /* name -> struct channel */
	struct list sessions;           /* of struct hearing */
	struct list waits;              /* of struct hearing, in order of what they wait for */
	uint64_t asked, answered;       /* queries */
	uint64_t give_up_us;            /* when it cannot be opened */
	struct timer retry;
	bool busy;                      /* its lists are walked: it goes later */
};

struct hearing {                        /* of one session */
	struct session *session;
	struct listening *listening;
	struct list_node place, wait;
	struct list listens;
	struct channels *now, *committed;
	uint64_t waits_for;             /* the number of a query, when it waits */
	bool settles, settled;          /* its ReadyForQuery waits; or has waited */
	bool joined;                    /* a channel, in the transaction under way */
	struct err *failed;             /* or NULL: why it waits in vain */
	struct buf unheard;             /* NotificationResponses that came at another time than they can be told */
};

static const struct backend_holder holder;

static void ask(struct listening *listening, const char *command, const char *channel)
{
	struct buf sql, out;

	buf_init(&sql, 256);
	buf_init(&out, 512);
	buf_add_text(&sql, command);
	if (channel)
		rewrite_quote_name(slice_of(channel), &sql);
	buf_add_u8(&sql, 0);
	message_query(&out, sql.data);
	backend_send(listening->backend, buf_slice(&out));
	listening->asked++;
	buf_release(&sql);
	buf_release(&out);
}

static void tidy(struct listening *listening)
{
	struct backend *backend = listening->backend;
	struct err why;

	if (listening->busy || listening->sessions.count)
		return;
	listening->backend = NULL;
	loop_disarm(listening->worker->loop, &listening->retry);
	err_set(&why, ERR_WRONG_STATE, "nobody listens any more");
	if (backend)
		backend_close(backend, &why);
	map_remove(&listening->worker->listenings, slice_make((const char *)&listening->pool, sizeof(listening->pool)));
	listening->pool->kept--;
	map_release(&listening->channels);
	mem_free(listening);
}

static struct listening *listening_of(struct worker *worker, struct pool *pool)
{
	struct slice key = slice_make((const char *)&pool, sizeof(pool));
	struct listening *listening = map_get(&worker->listenings, key);

	if (listening)
		return listening;
	listening = mem_calloc(1, sizeof(*listening));
	listening->worker = worker;
	listening->pool = pool;
	pool->kept++;
	list_init(&listening->sessions);
	list_init(&listening->waits);
	map_set(&worker->listenings, key, listening);
	return listening;
}

static void channel_leave(struct listen *listen)
{
	struct listening *listening = listen->hearing->listening;
	struct channel *channel = listen->channel;

	list_remove(&channel->listens, &listen->of_channel);
	list_remove(&listen->hearing->listens, &listen->of_session);
	mem_free(listen);
	if (!list_empty(&channel->listens))
		return;
	if (listening->open)
		ask(listening, "UNLISTEN ", channel->name);
	map_remove(&listening->channels, slice_of(channel->name));
	mem_free(channel->name);
	mem_free(channel);
}

static void listen_ask(struct listen *listen)
{
	struct listening *listening = listen->hearing->listening;

	ask(listening, "LISTEN ", listen->channel->name);
	listen->asked = listening->asked;
}

static struct listen *channel_join(struct hearing *hearing, const char *name)
{
	struct listening *listening = hearing->listening;
	struct channel *channel = map_get(&listening->channels, slice_of(name));
	struct listen *listen;

	if (!channel) {
		channel = mem_calloc(1, sizeof(*channel));
		channel->name = mem_strdup(name);
		list_init(&channel->listens);
		map_set(&listening->channels, slice_of(name), channel);
	}
	LIST_EACH(&hearing->listens, node) {
		listen = CONTAINER_OF(node, struct listen, of_session);
		if (listen->channel == channel)
			return listen;
	}
	listen = mem_calloc(1, sizeof(*listen));
	listen->channel = channel;
	listen->hearing = hearing;
	hearing->joined = true;
	list_push_back(&channel->listens, &listen->of_channel);
	list_push_back(&hearing->listens, &listen->of_session);
	if (listening->open)
		listen_ask(listen);
	return listen;
}

/* ---- waiting for its answers ---- */

static void wait_for_all(struct hearing *hearing)
{
	hearing->waits_for = hearing->listening->asked;
	if (!list_node_linked(&hearing->wait))
		list_push_back(&hearing->listening->waits, &hearing->wait);
}

static void wait_over(struct hearing *hearing)
{
	struct session *session = hearing->session;

	list_remove(&hearing->listening->waits, &hearing->wait);
	if (hearing->settles)
		legs_mended(session);   /* it may end with this, and its hearing too */
	session_resume(session);
}

static void answered(struct listening *listening)
{
	listening->answered++;
	while (!list_empty(&listening->waits)) {
		struct hearing *hearing = CONTAINER_OF(list_first(&listening->waits), struct hearing, wait);

		if (hearing->waits_for > listening->answered)
			return;
		wait_over(hearing);
	}
}

/* Nobody has heard anything by it yet: those who wait are told why. */
static void not_opened(struct listening *listening, const struct err *why)
{
	listening->busy = true;
	while (!list_empty(&listening->waits)) {
		struct hearing *hearing = CONTAINER_OF(list_first(&listening->waits), struct hearing, wait);

		while (!list_empty(&hearing->listens))
			channel_leave(CONTAINER_OF(list_first(&hearing->listens), struct listen, of_session));
		err_keep(&hearing->failed, why);
		wait_over(hearing);
	}
	listening->busy = false;
	tidy(listening);
}

static void open_now(struct listening *listening)
{
	uint64_t now_us = loop_now_us(listening->worker->loop);
	struct err err;

	if (pool_open_apart(listening->pool, "listening", &holder, listening, NULL, NULL, &listening->backend, &err) == 0)
		return;
	if (err.code == ERR_SHUTDOWN || (err.code == ERR_POOL_FULL && now_us >= listening->give_up_us))
		not_opened(listening, &err);
	else                            /* a database that is paused is waited for, as by every statement */
		loop_arm(listening->worker->loop, &listening->retry, RETRY_US);
}

static void try_again(struct timer *timer)
{
	open_now(CONTAINER_OF(timer, struct listening, retry));
}

/* ---- what it hears ---- */

static void end_behind(struct session *session)
{
	struct err err;

	err_set(&err, ERR_LIMIT, "more than %d bytes of notifications are waiting for this client", LISTEN_UNREAD_SIZE_MAX);
	err_hint(&err, "A session that listens must read, and not stay in a transaction for long.");
	session_terminate(session, &err);
}

static bool is_ascii(struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if ((unsigned char)text.data[i] >= 0x80)
			return false;
	return true;
}

/* Its number is the server process's that notified, which is no client's own. What is not ASCII is in the server's encoding. */
static void write_told(struct session *session, struct slice message)
{
	uint32_t own = htonl(worker_pid(session->worker->index, session->number)), nobody = 0;
	bool same = memcmp(message.data + FRAME_HEADER_SIZE, &own, sizeof(own)) == 0;
	size_t head = FRAME_HEADER_SIZE + sizeof(own);
	struct err err;

	if (!session_own_encoding(session) && !is_ascii(slice_make(message.data + head, message.size - head))) {
		err_set(&err, ERR_UNSUPPORTED, "a notification cannot be told in the client's encoding, which is not the server's");
		err_hint(&err, "Leave client_encoding as it is, or change it before LISTEN.");
		session_terminate(session, &err);
		return;
	}
	if (!same) {
		session_write(session, message);
		return;
	}
	session_write(session, slice_make(message.data, FRAME_HEADER_SIZE));
	session_write(session, slice_make((const char *)&nobody, sizeof(nobody)));
	session_write(session, slice_make(message.data + head, message.size - head));
}

static bool is_idle(const struct session *session)
{
	if (session->state != SESSION_READY || session->tx_status != 'I')
		return false;
	LIST_EACH(&session->legs, node)
		if (CONTAINER_OF(node, struct leg, place)->needs_sync)
			return false;   /* an implicit transaction */
	return true;
}

static void hand_over(struct hearing *hearing, const char *channel, struct slice message)
{
	struct session *session = hearing->session;

	if (is_idle(session) && !hearing->unheard.size) {
		if (!channels_have(hearing->committed, channel))
			return;
		write_told(session, message);
		if (session->stream.out_bytes > LISTEN_UNREAD_SIZE_MAX)
			end_behind(session);
		return;
	}
	buf_add_slice(&hearing->unheard, message);
	if (hearing->unheard.failed)
		end_behind(session);
}

/* `body`: process number, channel, payload; its header stands before it. */
static void notified(struct listening *listening, struct slice body)
{
	struct slice message = slice_make(body.data - FRAME_HEADER_SIZE, body.size + FRAME_HEADER_SIZE);
	struct cursor cursor = cursor_of(body);
	struct channel *channel;
	struct slice name;

	cursor_u32(&cursor);
	name = cursor_cstr(&cursor);
	channel = cursor.failed ? NULL : map_get(&listening->channels, name);
	for (struct list_node *node = channel ? list_first(&channel->listens) : NULL, *next; node; node = next) {
		const struct listen *listen = CONTAINER_OF(node, struct listen, of_channel);

		next = list_next(&channel->listens, node);      /* with the last, the channel may go */
		if (listen->asked <= listening->answered)
			hand_over(listen->hearing, name.data, message);
	}
}

static enum reply_mode header(struct backend *backend, char type, uint32_t size)
{
	return REPLY_WHOLE;
}

static int whole(struct backend *backend, char type, struct slice body, struct err *err)
{
	struct listening *listening = backend->held_by;

	if (type == 'E') {
		backend_keep_error(backend, body);
		*err = backend->why;
		return err->code;
	}
	listening->busy = true;
	if (type == 'A')
		notified(listening, body);
	else if (type == 'Z')
		answered(listening);
	listening->busy = false;
	tidy(listening);
	return backend->state == BACKEND_CLOSED ? err_set(err, ERR_BACKEND_LOST, "closed") : 0;
}

static void pass(struct backend *backend, struct slice bytes)
{
}

static void nothing(struct backend *backend)
{
}

static void lost(struct backend *backend, const struct err *why)
{
	struct listening *listening = backend->held_by;
	bool open = listening->open;
	struct err err;

	listening->backend = NULL;
	listening->open = false;
	listening->asked = listening->answered = 0;
	if (!open) {
		not_opened(listening, why);
		return;
	}
	err_set(&err, ERR_BACKEND_LOST, "the connection that listens for this session was lost");
	err_detail(&err, "%s", why->message);
	err_hint(&err, "Notifications may have been missed: connect and LISTEN again.");
	listening->busy = true;
	for (struct list_node *node = list_first(&listening->sessions), *next; node; node = next) {
		next = list_next(&listening->sessions, node);
		session_terminate(CONTAINER_OF(node, struct hearing, place)->session, &err);
	}
	listening->busy = false;
	tidy(listening);
}

static void opened(struct backend *backend)
{
	struct listening *listening = backend->held_by;
	size_t position = 0;
	struct slice key;
	void *item;

	if (!backend->params->own_encoding) {
		struct err err;

		err_set(&err, ERR_UNSUPPORTED, "node \"%s\" gives user \"%s\" another client_encoding than its own", listening->pool->node,
			listening->pool->user);
		backend_lose(backend, &err);
		return;
	}
	listening->open = true;
	while (map_next(&listening->channels, &position, &key, &item))
		LIST_EACH(&((struct channel *)item)->listens, node)
			listen_ask(CONTAINER_OF(node, struct listen, of_channel));
	LIST_EACH(&listening->waits, node)
		CONTAINER_OF(node, struct hearing, wait)->waits_for = listening->asked;
}

static const struct backend_holder holder = { header, whole, pass, nothing, nothing, lost, opened };

/* ---- a session's part ---- */

bool listen_follows(const struct session *session)
{
	return !(session->pins & (PIN_MODE | PIN_LISTEN)) && session_own_encoding(session);
}

static int hearing_of(struct session *session, struct err *err)
{
	struct hearing *hearing = session->hearing;
	struct pool *pool;

	if (hearing && !list_empty(&hearing->listens))
		return 0;
	pool = legs_pool(session, 0, err);      /* the home shard may be elsewhere by now */
	if (!pool)
		return err->code;
	if (!hearing) {
		session->hearing = hearing = mem_calloc(1, sizeof(*hearing));
		hearing->session = session;
		list_init(&hearing->listens);
		buf_init(&hearing->unheard, LISTEN_UNREAD_SIZE_MAX);
	} else if (hearing->listening->pool == pool) {
		return 0;
	} else {
		list_remove(&hearing->listening->sessions, &hearing->place);
		tidy(hearing->listening);
	}
	hearing->listening = listening_of(session->worker, pool);
	list_push_back(&hearing->listening->sessions, &hearing->place);
	return 0;
}

int listen_want(struct session *session, const struct plan *plan, struct err *err)
{
	struct hearing *hearing;
	struct listening *listening;
	bool ready = true;
	int rc;

	if (session->hearing && err_take(&session->hearing->failed, err))
		return err->code;
	for (size_t i = 0; i < plan->shapes.count; i++) {
		const struct shape *shape = plan->items[i].shape;

		if (shape->kind != STMT_LISTEN)
			continue;
		rc = hearing_of(session, err);
		if (rc < 0)
			return rc;
		hearing = session->hearing;
		if (hearing->listens.count >= LISTEN_CHANNELS_MAX)
			return err_set(err, ERR_LIMIT, "a session may listen to %d channels", LISTEN_CHANNELS_MAX);
		ready &= channel_join(hearing, shape->name)->asked <= hearing->listening->answered && hearing->listening->open;
	}
	if (ready)
		return 1;
	hearing = session->hearing;
	listening = hearing->listening;
	wait_for_all(hearing);
	if (!listening->backend && !listening->retry.place) {
		listening->retry.fire = try_again;
		listening->give_up_us = listening->pool->wait_ms_max ? loop_now_us(listening->worker->loop) + (uint64_t)listening->pool->wait_ms_max * 1000 :
								       UINT64_MAX;
		open_now(listening);
	}
	return 0;
}

int listen_run(struct session *session, struct plan *plan, bool extended, struct err *err)
{
	enum stmt_kind kind = plan->items[0].shape->kind;
	const char *tag = kind == STMT_LISTEN ? "LISTEN" : "UNLISTEN";
	int rc = kind == STMT_LISTEN ? listen_want(session, plan, err) : 1;

	if (rc <= 0)
		return rc;
	effects_complete(session, NULL, plan, 0, slice_of(tag));
	query_say_tag(session, tag, !extended);
	return 1;
}

static void set_now(struct hearing *hearing, struct channels *now)
{
	listen_unmark(hearing->now);
	hearing->now = now;
}

void listen_effect(struct session *session, const struct shape *shape)
{
	struct hearing *hearing = session->hearing;

	if (!hearing)
		return;
	if (shape->kind == STMT_LISTEN && listen_follows(session))
		set_now(hearing, channels_changed(hearing->now, shape->name, true));
	else if (shape->kind == STMT_UNLISTEN && shape->name)
		set_now(hearing, channels_changed(hearing->now, shape->name, false));
	else if (shape->kind != STMT_LISTEN)
		set_now(hearing, NULL);
}

bool listen_changed(const struct session *session)
{
	return session->hearing && (session->hearing->joined || session->hearing->now != session->hearing->committed);
}

void listen_end_tx(struct session *session, bool committed)
{
	struct hearing *hearing = session->hearing;

	if (!hearing)
		return;
	if (committed) {
		listen_unmark(hearing->committed);
		hearing->committed = channels_ref(hearing->now);
	} else {
		set_now(hearing, channels_ref(hearing->committed));
	}
	hearing->joined = false;
	for (struct list_node *node = list_first(&hearing->listens), *next; node; node = next) {
		struct listen *listen = CONTAINER_OF(node, struct listen, of_session);

		next = list_next(&hearing->listens, node);
		if (!channels_have(hearing->committed, listen->channel->name))
			channel_leave(listen);
	}
}

struct channels *listen_mark(const struct session *session)
{
	return session->hearing ? channels_ref(session->hearing->now) : NULL;
}

void listen_back(struct session *session, struct channels *mark)
{
	if (session->hearing)
		set_now(session->hearing, channels_ref(mark));
}

bool listen_settle(struct session *session)
{
	struct hearing *hearing = session->hearing;

	if (!hearing || hearing->settled || !hearing->committed)
		return false;
	if (!hearing->settles) {
		hearing->settles = true;
		ask(hearing->listening, "", NULL);
		wait_for_all(hearing);
		return true;
	}
	if (list_node_linked(&hearing->wait))
		return true;
	hearing->settles = false;
	hearing->settled = true;
	return false;
}

void listen_tell(struct session *session)
{
	struct hearing *hearing = session->hearing;
	struct message message;
	size_t at = 0, size;
	struct buf unheard;
	struct err err;

	if (!hearing)
		return;
	hearing->settled = false;
	unheard = hearing->unheard;
	buf_init(&hearing->unheard, LISTEN_UNREAD_SIZE_MAX);
	while (session->hearing && frame_next(slice_make(unheard.data + at, unheard.size - at), LISTEN_UNREAD_SIZE_MAX, &message, &size, &err) > 0) {
		struct cursor cursor = cursor_of(message.body);

		cursor_u32(&cursor);
		if (channels_have(hearing->committed, cursor_cstr(&cursor).data))
			write_told(session, slice_make(unheard.data + at, size));
		at += size;
	}
	buf_release(&unheard);
}

/* A backend listens by itself for a session that keeps it; what the session hears by the other way, it is not told twice. */
bool listen_passes(const struct session *session, struct slice body)
{
	struct cursor cursor = cursor_of(body);

	cursor_u32(&cursor);
	return session->pins & (PIN_MODE | PIN_LISTEN) && !(session->hearing && channels_have(session->hearing->committed, cursor_cstr(&cursor).data));
}

int listen_show(struct session *session, const struct plan *plan, struct leg *leg, struct err *err)
{
	const struct channels *channels = session->hearing ? session->hearing->committed : NULL;
	struct buf sql;
	bool asks = false;

	for (size_t i = 0; channels && i < plan->shapes.count; i++)
		for (size_t j = 0; j < plan->items[i].shape->function_count; j++)
			asks |= strcmp(plan->items[i].shape->functions[j].name, "pg_listening_channels") == 0;
	if (!asks || leg->listens)
		return 1;
	if (leg->in_tx || leg->needs_sync)
		return err_set(err, ERR_UNSUPPORTED, "pg_listening_channels() is not known within a transaction, as another connection listens");
	buf_init(&sql, LISTEN_CHANNELS_MAX * (2 * NAME_SIZE_MAX + 16));
	for (size_t i = 0; i < channels->count; i++) {
		buf_add_text(&sql, "LISTEN ");
		rewrite_quote_name(slice_of(channels->names[i]), &sql);
		buf_add_u8(&sql, ';');
	}
	buf_add_u8(&sql, 0);
	leg_hide(leg, sql.data);
	buf_release(&sql);
	leg->listens = leg->backend->dirty = true;
	return 0;
}

void listen_release(struct session *session)
{
	struct hearing *hearing = session->hearing;

	if (!hearing)
		return;
	session->hearing = NULL;
	while (!list_empty(&hearing->listens))
		channel_leave(CONTAINER_OF(list_first(&hearing->listens), struct listen, of_session));
	if (list_node_linked(&hearing->wait))
		list_remove(&hearing->listening->waits, &hearing->wait);
	list_remove(&hearing->listening->sessions, &hearing->place);
	tidy(hearing->listening);
	listen_unmark(hearing->now);
	listen_unmark(hearing->committed);
	err_forget(&hearing->failed);
	buf_release(&hearing->unheard);
	mem_free(hearing);
}

unsigned listen_count(const struct session *session)
{
	return session->hearing ? (unsigned)channels_count(session->hearing->committed) : 0;
}
