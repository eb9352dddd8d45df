#include "backend/backend.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "backend/cancel.h"
#include "backend/node_login.h"
#include "backend/pool.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/tls.h"
#include "proto/message.h"
#include "topo/config.h"

static const struct stream_events stream_events, asking_events;
static const struct reply_events reply_events;

enum { CLEAN_SIZE_MAX = BACKEND_STATEMENTS_MAX * 40 + 1024 };

struct prepared_copy {
	struct list_node place;         /* in backend->prepared_order */
	struct statement *statement;    /* a reference */
	uint64_t number;                /* of those ever made here */
};

const char *backend_state_name(enum backend_state state)
{
	static const char *const names[BACKEND_STATE_COUNT_] = { "opening", "login", "idle", "lent", "cleaning", "retiring", "closed" };

	return names[state];
}

void backend_send(struct backend *backend, struct slice bytes)
{
	stream_write(&backend->stream, bytes);
}

static void send_buf(struct backend *backend, struct buf *out)
{
	backend_send(backend, buf_slice(out));
	buf_release(out);
}

/* ---- the end ---- */

static void dial(struct backend *backend);

static void closed(struct stream *stream)
{
	struct backend *backend = CONTAINER_OF(stream, struct backend, stream);

	if (backend->state <= BACKEND_LOGIN) {  /* not the end: the other way is tried */
		pool_move(backend, BACKEND_OPENING);
		dial(backend);
		return;
	}
	if (backend->cancel)
		cancel_forget(backend->cancel);
	backend_forget_all_prepared(backend);
	map_release(&backend->prepared);
	statement_unref(backend->unnamed);
	settings_unref(backend->settings);
	settings_unref(backend->startup);
	params_unref(backend->params);
	reply_release(&backend->reply);
	node_login_free(backend->login);
	mem_free(backend);
}

void backend_close(struct backend *backend, const struct err *why)
{
	if (backend->state == BACKEND_CLOSED)
		return;
	backend->why = *why;
	loop_disarm(backend->pool->pools->loop, &backend->timer);
	pool_lost(backend, why);
	stream_close(&backend->stream);
}

void backend_retire(struct backend *backend)
{
	pool_move(backend, BACKEND_RETIRING);
	err_set(&backend->why, ERR_WRONG_STATE, "not needed any more");
	backend_send(backend, SLICE_LIT("X\0\0\0\4"));
	loop_arm(backend->stream.loop, &backend->timer, (uint64_t)backend->pool->pools->config->connect_ms_max * 1000);
}

void backend_lose(struct backend *backend, const struct err *why)
{
	const struct backend_holder *holder = backend->state == BACKEND_LENT || backend->apart ? backend->holder : NULL;

	if (backend->state == BACKEND_CLOSED)
		return;
	backend_close(backend, why);
	if (holder)
		holder->lost(backend, why);
}

static void ended(struct stream *stream, int error)
{
	struct backend *backend = CONTAINER_OF(stream, struct backend, stream);
	const char *problem = tls_problem(stream);
	struct err why = backend->why;

	if (backend->state <= BACKEND_LOGIN && node_login_again(backend->login, why.code ? why.sqlstate : "", problem != NULL)) {
		backend->why = (struct err){ 0 };
		reply_release(&backend->reply);
		reply_init(&backend->reply);
		stream_close(stream);
		return;
	}
	if (!why.code && problem)
		err_set(&why, backend->state <= BACKEND_LOGIN ? ERR_CONNECT : ERR_BACKEND_LOST, "TLS with node \"%s\" failed: %s",
			backend->pool->node, problem);
	if (!why.code)
		err_set(&why, backend->state <= BACKEND_LOGIN ? ERR_CONNECT : ERR_BACKEND_LOST, "node \"%s\" closed the connection%s%s",
			backend->pool->node, error ? ": " : "", error ? strerror(error) : "");
	backend_lose(backend, &why);
}

/* ---- opening ---- */

/* The timer is not moved each time that the backend is lent and given back: it may be early. */
static void idle_for_long(struct backend *backend)
{
	uint64_t max_us = pool_idle_us_max(backend->pool), idle_us = loop_now_us(backend->stream.loop) - backend->idle_since_us;

	if (max_us && idle_us >= max_us)
		backend_retire(backend);
	else if (max_us)
		loop_arm(backend->stream.loop, &backend->timer, max_us - idle_us);
}

static void timed_out(struct timer *timer)
{
	struct backend *backend = CONTAINER_OF(timer, struct backend, timer);
	struct err why = backend->why;

	if (backend->state == BACKEND_LENT)
		return;
	if (backend->state == BACKEND_IDLE) {
		idle_for_long(backend);
		return;
	}
	if (!why.code)
		err_set(&why, ERR_CONNECT, "node \"%s\" did not answer within connect_ms_max (%u ms)", backend->pool->node,
			backend->pool->pools->config->connect_ms_max);
	backend_lose(backend, &why);
}

static void dial(struct backend *backend)
{
	const struct node_address *address = &backend->address;
	struct loop *loop = backend->pool->pools->loop;
	int fd, on = 1;

	stream_init(&backend->stream, loop, node_login_asks_tls(backend->login) ? &asking_events : &stream_events);
	fd = socket(address->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		err_set(&backend->why, ERR_CONNECT, "cannot open a socket to node \"%s\": %m", backend->pool->node);
		loop_arm(loop, &backend->timer, 0);     /* the pool hears of it from the loop, as of every other failure */
		return;
	}
	if (address->address.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	stream_connect(&backend->stream, fd, (const struct sockaddr *)&address->address, address->size);
}

struct backend *backend_open(struct pool *pool)
{
	struct backend *backend = mem_calloc(1, sizeof(*backend));
	struct loop *loop = pool->pools->loop;

	backend->pool = pool;
	backend->address = pool->address;
	backend->login = node_login_new(pool);
	backend->generation = pool->generation;
	backend->id = ++pool->pools->last_backend;
	backend->settings = settings_ref(pool->pools->settings.empty);
	backend->params = params_empty(&pool->pools->params);
	backend->opened_us = loop_now_us(loop);
	backend->timer.fire = timed_out;
	list_init(&backend->prepared_order);
	reply_init(&backend->reply);
	loop_arm(loop, &backend->timer, (uint64_t)pool->pools->config->connect_ms_max * 1000);
	dial(backend);
	return backend;
}

static void start_up(struct backend *backend)
{
	struct buf out;
	size_t begin;

	buf_init(&out, STARTUP_SIZE_MAX);
	begin = message_startup(&out, backend->pool->user, backend->pool->database);
	if (backend->replication) {
		message_startup_parameter(&out, "replication", backend->replication);
		for (size_t i = 0; i < backend->startup->count; i++)
			message_startup_parameter(&out, backend->startup->items[i].name, backend->startup->items[i].value);
	}
	message_startup_end(&out, begin);
	send_buf(backend, &out);
}

static void connected(struct stream *stream, int error)
{
	struct backend *backend = CONTAINER_OF(stream, struct backend, stream);
	struct err why;

	if (error) {
		err_set(&why, ERR_CONNECT, "cannot connect to node \"%s\": %s", backend->pool->node, strerror(error));
		backend_lose(backend, &why);
		return;
	}
	pool_move(backend, BACKEND_LOGIN);
	if (node_login_asks_tls(backend->login))
		backend_send(backend, SSL_REQUEST);
	else
		start_up(backend);
	stream_receive(stream, true);
}

/* What comes first after an SSLRequest. */
static void tls_answered(struct stream *stream, const char *data, size_t size)
{
	struct backend *backend = CONTAINER_OF(stream, struct backend, stream);
	bool must = node_login_needs_tls(backend->login);
	struct err err;

	stream->events = &stream_events;
	if (node_login_tls_answered(backend->login, stream, must, slice_make(data, size), &err) < 0)
		backend_lose(backend, &err);
	else
		start_up(backend);
}

static void learn_parameter(struct backend *backend, struct slice body)
{
	struct cursor cursor = cursor_of(body);
	struct slice name = cursor_cstr(&cursor), value = cursor_cstr(&cursor);
	struct params *params;

	if (cursor.failed)
		return;
	if (backend->pool->replica && slice_is(name, "in_hot_standby"))
		value = SLICE_LIT("off");       /* who reads from a replica has a session of its shard, which can be written */
	params = params_with(backend->params, name, value);
	params_unref(backend->params);
	backend->params = params;
}

void backend_keep_error(struct backend *backend, struct slice body)
{
	struct slice state = error_field(body, 'C'), text = error_field(body, 'M'), hint = error_field(body, 'H');

	err_set(&backend->why, backend->state <= BACKEND_LOGIN ? ERR_CONNECT : ERR_BACKEND_LOST, "node \"%s\": %.*s", backend->pool->node,
		SLICE_FMT(text));
	if (hint.size)
		err_hint(&backend->why, "%.*s", SLICE_FMT(hint));
	if (state.size == 5)
		err_sqlstate(&backend->why, state.data);
}

/* ---- messages outside a lending: opening, idle, cleaning ---- */

static int own_message(struct backend *backend, char type, struct slice body, struct err *err)
{
	struct cursor cursor = cursor_of(body);

	switch (type) {
	case 'R':
		if (!backend->login)
			return err_set(err, ERR_PROTOCOL, "node \"%s\" asked for authentication again", backend->pool->node);
		return node_login_authenticate(backend, body, err);
	case 'S':
		learn_parameter(backend, body);
		return 0;
	case 'K':
		backend->cancel_pid = cursor_u32(&cursor);
		backend->cancel_secret = cursor_u32(&cursor);
		return 0;
	case 'E':
		backend_keep_error(backend, body);
		if (backend->state == BACKEND_CLEANING) {
			*err = backend->why;
			return err->code;
		}
		return 0;
	case 'Z':
		backend->tx_status = (char)cursor_u8(&cursor);
		if (backend->state == BACKEND_CLEANING) {
			settings_assign(&backend->settings, backend->pool->pools->settings.empty);
			backend->dirty = false;
		}
		node_login_free(backend->login);
		backend->login = NULL;
		if (backend->state == BACKEND_LOGIN || backend->state == BACKEND_CLEANING)
			pool_opened(backend);
		return 0;
	default:
		return 0;               /* notices, notifications, CommandComplete of DISCARD */
	}
}

static enum reply_mode reply_header(void *owner, char type, uint32_t size)
{
	struct backend *backend = owner;

	return backend->state == BACKEND_LENT ? backend->holder->header(backend, type, size) : REPLY_WHOLE;
}

static int reply_whole(void *owner, char type, struct slice body, struct err *err)
{
	struct backend *backend = owner;

	if (backend->state == BACKEND_CLOSED)
		return err_set(err, ERR_BACKEND_LOST, "closed");
	if (backend->state != BACKEND_LENT)
		return own_message(backend, type, body, err);
	if (type == 'S')
		learn_parameter(backend, body);
	if (type == 'Z' && body.size == 1)
		backend->tx_status = body.data[0];
	return backend->holder->whole(backend, type, body, err);
}

static void reply_pass(void *owner, struct slice bytes)
{
	struct backend *backend = owner;

	if (backend->state == BACKEND_LENT)
		backend->holder->pass(backend, bytes);
}

static const struct reply_events reply_events = { reply_header, reply_whole, reply_pass };

static void received(struct stream *stream, const char *data, size_t size)
{
	struct backend *backend = CONTAINER_OF(stream, struct backend, stream);
	struct err err;

	if (backend->state == BACKEND_LENT && !pool_is_permitted(backend->pool)) {
		err_set(&err, ERR_BACKEND_LOST, "node \"%s\" is not known to lead its shard any more", backend->pool->node);
		backend_lose(backend, &err);
	} else if (reply_feed(&backend->reply, &reply_events, backend, slice_make(data, size), &err) < 0) {
		backend_lose(backend, &err);
	} else if (backend->state == BACKEND_LENT) {
		backend->holder->read(backend);
	}
}

static void drained(struct stream *stream)
{
	struct backend *backend = CONTAINER_OF(stream, struct backend, stream);

	if (backend->state == BACKEND_LENT)
		backend->holder->drained(backend);
}

static const struct stream_events stream_events = {
	.connected = connected, .received = received, .ended = ended, .drained = drained, .closed = closed,
};
static const struct stream_events asking_events = { .connected = connected, .received = tls_answered, .ended = ended, .closed = closed };

/* ---- prepared copies ---- */

static struct slice id_key(const struct statement *statement)
{
	return slice_make(&statement->id, sizeof(statement->id));
}

bool backend_has_prepared(const struct backend *backend, const struct statement *statement)
{
	return map_get(&backend->prepared, id_key(statement)) != NULL;
}

static void drop(struct backend *backend, struct prepared_copy *copy)
{
	list_remove(&backend->prepared_order, &copy->place);
	map_remove(&backend->prepared, id_key(copy->statement));
	statement_unref(copy->statement);
	mem_free(copy);
}

struct statement *backend_add_prepared(struct backend *backend, struct statement *statement, struct buf *out)
{
	struct statement *forgotten = NULL;

	if (backend->prepared.count >= BACKEND_STATEMENTS_MAX) {
		struct prepared_copy *oldest = CONTAINER_OF(list_first(&backend->prepared_order), struct prepared_copy, place);

		message_close(out, 'S', oldest->statement->name);
		forgotten = statement_ref(oldest->statement);
		drop(backend, oldest);
	}
	backend_restore_prepared(backend, statement);
	return forgotten;
}

void backend_restore_prepared(struct backend *backend, struct statement *statement)
{
	struct prepared_copy *copy = mem_calloc(1, sizeof(*copy));

	copy->statement = statement_ref(statement);
	copy->number = ++backend->copies_made;
	list_push_back(&backend->prepared_order, &copy->place);
	map_set(&backend->prepared, id_key(statement), copy);
}

void backend_drop_prepared(struct backend *backend, const struct statement *statement)
{
	struct prepared_copy *copy = map_get(&backend->prepared, id_key(statement));

	if (copy)
		drop(backend, copy);
}

void backend_forget_all_prepared(struct backend *backend)
{
	struct list_node *node;

	while ((node = list_first(&backend->prepared_order)))
		drop(backend, CONTAINER_OF(node, struct prepared_copy, place));
	statement_unref(backend->unnamed);
	backend->unnamed = NULL;
}

/* ---- between two sessions ---- */

void backend_clean(struct backend *backend)
{
	struct list_node *node;
	struct buf sql, out;

	pool_move(backend, BACKEND_CLEANING);
	statement_unref(backend->unnamed);
	backend->unnamed = NULL;
	buf_init(&sql, CLEAN_SIZE_MAX);
	buf_init(&out, CLEAN_SIZE_MAX * 2);
	buf_add_text(&sql, "CLOSE ALL;SET SESSION AUTHORIZATION DEFAULT;RESET ROLE;RESET ALL;UNLISTEN *;SELECT pg_catalog.pg_advisory_unlock_all();"
			   "DISCARD TEMP");
	while ((node = list_last(&backend->prepared_order)) && CONTAINER_OF(node, struct prepared_copy, place)->number > backend->copies_before) {
		struct prepared_copy *copy = CONTAINER_OF(node, struct prepared_copy, place);

		buf_printf(&sql, ";DEALLOCATE %s", copy->statement->name);
		drop(backend, copy);
	}
	buf_add_u8(&sql, 0);
	message_query(&out, sql.data);
	buf_release(&sql);
	send_buf(backend, &out);
	loop_arm(backend->stream.loop, &backend->timer, (uint64_t)backend->pool->pools->config->connect_ms_max * 1000);
}
