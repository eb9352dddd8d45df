/* Whatever clients and nodes say, in whatever pieces, and wherever they fall silent: a worker serves it, ends it, and has nothing left of it; and
 * what a client hears is messages.
 *
 * The worker is a real one, on an engine whose sockets are in memory. The first byte's bits: 1 the first client has logged in; 2 nodes answer
 * properly by themselves; 4, 8 which user he is. Then come steps: a byte (bits 0-2 what happens, 3-4 to whom, 5-7 the size of pieces, 0: whole),
 * a byte of size and so many bytes:
 *   0 a client's bytes          2 a node's bytes          4 a client goes          6 time passes
 *   1 a client's message        3 a node's message        5 a node's connection ends   7 a node answers properly what it was last asked
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backend/quota.h"
#include "backend/users.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/engine.h"
#include "net/env.h"
#include "proto/frame.h"
#include "route/snapshot.h"
#include "session/admission.h"
#include "session/job.h"
#include "session/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 2, SERVERS_MAX = 16, INBOX_SIZE_MAX = 1 << 20, TURNS_MAX = 5000, STEP_MS = 100 };

static const char config_text[] =
	"io: epoll\nusers_file: users\nnode_tls: disable\nclient_tls: disable\nauth_from_nodes: false\nconnect_ms_max: 2000\nauto_prepare: on\n"
	"hba:\n  - {type: local, users: [t, admin], method: trust}\n  - {type: local, users: [m], method: md5}\n"
	"  - {type: local, users: [p], method: password}\n  - {type: local, method: scram-sha-256}\n"
	"nodes: [{name: n1, host: 127.0.0.1}, {name: n2, host: 127.0.0.1, port: 5433}]\n"
	"shards: [{name: s1, nodes: [n1]}, {name: s2, nodes: [n2]}]\ndatabases: [{name: d}]\n";
static const char topology_text[] =
	"{\"epoch\": 1, \"nodes\": [{\"name\": \"n1\", \"host\": \"127.0.0.1\", \"port\": 5432, \"region\": \"\", \"zone\": \"\", \"role\": \"primary\","
	" \"shard\": \"s1\"}, {\"name\": \"n2\", \"host\": \"127.0.0.1\", \"port\": 5433, \"region\": \"\", \"zone\": \"\", \"role\": \"primary\","
	" \"shard\": \"s2\"}], \"shards\": [{\"name\": \"s1\", \"primary\": \"n1\"}, {\"name\": \"s2\", \"primary\": \"n2\"}], \"databases\": [{\"name\":"
	" \"d\", \"node_database\": \"d\", \"shards\": [\"s1\", \"s2\"], \"tables\": [{\"schema\": \"public\", \"name\": \"t\", \"key_column\": \"k\","
	" \"key_type\": 20, \"colocation\": 1, \"placement\": {\"name\": \"hash\", \"slices\": [{\"from\": \"-9223372036854775808\", \"shard\": \"s1\"},"
	" {\"from\": \"0\", \"shard\": \"s2\"}]}}]}]}";

struct client {
	struct stream *stream;          /* NULL: not yet, or gone */
	bool begun, spoken_to;
	char header[FRAME_HEADER_SIZE]; /* of the message that it hears */
	size_t header_size, left;
};

struct server {
	struct stream *stream;
	bool connected, started;
	char tx_status;
	struct buf inbox;
};

static struct world {
	struct services services;
	struct config *config;
	struct snapshot *snapshot;
	struct worker worker, *workers[1];
	const struct engine *sockets;   /* the engine that the worker opened */
	uint64_t now_us;
	int peer_fds[2];                /* what clients are, but for their bytes */
	struct slice input;
	bool obedient;
	const char *user;
	unsigned turns;
	struct client clients[CLIENTS];
	struct server servers[SERVERS_MAX];
	size_t server_count;
} world;

/* ---- clients ---- */

/* The messages that a client hears are whole, but for the last. */
static void hear(struct client *client, struct slice bytes)
{
	while (bytes.size) {
		size_t part = client->left < bytes.size ? client->left : bytes.size;
		uint32_t length;

		client->left -= part;
		bytes = slice_make(bytes.data + part, bytes.size - part);
		if (!bytes.size)
			return;
		client->header[client->header_size++] = bytes.data[0];
		bytes = slice_make(bytes.data + 1, bytes.size - 1);
		if (client->header_size == 1 && client->header[0] == 'N' && !client->spoken_to) {
			client->header_size = 0;        /* the answer to an SSLRequest */
			continue;
		}
		client->spoken_to = true;
		if (client->header_size < FRAME_HEADER_SIZE)
			continue;
		memcpy(&length, client->header + 1, sizeof(length));
		length = ntohl(length);
		if (length < 4 || length > INT32_MAX)
			abort();
		client->left = length - 4;
		client->header_size = 0;
	}
}

static struct client *client_of(const struct stream *stream)
{
	for (int i = 0; i < CLIENTS; i++)
		if (world.clients[i].stream == stream)
			return &world.clients[i];
	return NULL;
}

static void say(struct stream *stream, struct slice bytes)
{
	if (stream && stream->recv_wanted && !stream->closing && !stream->recv_ended)
		engine_received(stream, bytes.data, bytes.size);
}

static void begin_client(struct client *client, bool login)
{
	char text[64] = "\0\0\0\0\0\3\0\0user";
	size_t size = 13 + strlen(world.user) + 1;

	client->begun = true;
	session_new(&world.worker, dup(world.peer_fds[0]));
	client->stream = &CONTAINER_OF(world.worker.sessions.head.prev, struct session, place)->stream;
	if (!login)
		return;
	memcpy(text + 13, world.user, strlen(world.user));
	memcpy(text + size, "database\0d\0", 12);
	size += 12;
	text[3] = (char)size;
	say(client->stream, slice_make(text, size));
}

/* ---- nodes ---- */

static void add_message(struct buf *out, char type, const char *body, size_t size)
{
	size_t begin = frame_begin(out, type);

	buf_add(out, body, size);
	frame_end(out, begin);
}

static void greet(struct buf *out)
{
	static const char *const params[][2] = { { "client_encoding", "UTF8" }, { "server_encoding", "UTF8" }, { "server_version", "15.4" },
		{ "standard_conforming_strings", "on" }, { "DateStyle", "ISO, MDY" }, { "TimeZone", "UTC" } };

	message_auth(out, AUTH_CODE_OK, (struct slice){ 0 });
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++)
		message_parameter(out, slice_of(params[i][0]), slice_of(params[i][1]));
	message_key_data(out, 7, 7);
	message_ready(out, 'I');
}

static bool has(struct slice text, const char *part)
{
	return memmem(text.data, text.size, part, strlen(part)) != NULL;
}

static void answer_query(struct server *server, struct slice sql, struct buf *out)
{
	size_t begin;

	if (has(sql, "BEGIN"))
		server->tx_status = 'T';
	else if (has(sql, "COMMIT") || has(sql, "ROLLBACK"))
		server->tx_status = 'I';
	if (has(sql, "FROM STDIN")) {
		add_message(out, 'G', "\0\0\0", 3);
		return;
	}
	if (has(sql, "SELECT") || has(sql, "select")) {
		begin = message_row_description_begin(out, 1);
		message_row_description_add(out, "k", 20, 8, -1, 0);
		frame_end(out, begin);
		add_message(out, 'D', "\0\1\0\0\0\1" "5", 7);
	}
	message_complete(out, "SELECT 1");
	message_ready(out, server->tx_status);
}

static void answer(struct server *server, const struct message *message, struct buf *out)
{
	switch (message->type) {
	case 'Q': answer_query(server, message->body, out); return;
	case 'P': message_empty(out, '1'); return;
	case 'B': message_empty(out, '2'); return;
	case 'C': message_empty(out, '3'); return;
	case 'D':
		if (message->body.size && message->body.data[0] == 'S')
			add_message(out, 't', "\0", 2);
		message_empty(out, 'n');
		return;
	case 'E': case 'c': message_complete(out, "SELECT 0"); return;
	case 'S': message_ready(out, server->tx_status); return;
	default: return;
	}
}

/* Answers the next thing that the node was asked; false: there is none. */
static bool answer_next(struct server *server)
{
	struct stream *stream = server->stream;
	struct message message = { 0 };
	struct startup startup;
	struct buf out;
	size_t size;

	buf_init(&out, INBOX_SIZE_MAX);
	if (!server->started) {
		if (startup_read(buf_slice(&server->inbox), &startup, &size, NULL) <= 0)
			return false;
		server->started = true;
		if (startup.kind == STARTUP_SESSION)
			greet(&out);
	} else {
		if (frame_next(buf_slice(&server->inbox), INBOX_SIZE_MAX, &message, &size, NULL) <= 0)
			return false;
		answer(server, &message, &out);
	}
	buf_drop_front(&server->inbox, size);
	if (message.type == 'X')
		engine_ended(stream, 0);
	else if (out.size)
		say(stream, buf_slice(&out));
	buf_release(&out);
	return true;
}

/* ---- the engine ---- */

static void no_start(struct loop *loop, struct stream *stream)
{
}

static void connect_server(struct loop *loop, struct stream *stream, const struct sockaddr *address, socklen_t size)
{
	struct server *server = &world.servers[world.server_count];

	if (world.server_count == SERVERS_MAX) {
		stream->connect_error = ECONNREFUSED;
		return;         /* it is never told: connect_ms_max ends it */
	}
	world.server_count++;
	*server = (struct server){ .stream = stream, .tx_status = 'I' };
	buf_init(&server->inbox, INBOX_SIZE_MAX);
}

static void send_all(struct loop *loop, struct stream *stream)
{
	struct client *client = client_of(stream);

	while (stream->out_bytes && !stream->closing) {
		struct iovec iov[IOV_MAX_SEND];
		size_t count = engine_iov(stream, iov, IOV_MAX_SEND), sent = 0;

		for (size_t i = 0; i < count; sent += iov[i++].iov_len) {
			if (client)
				hear(client, slice_make(iov[i].iov_base, iov[i].iov_len));
			for (size_t n = 0; n < world.server_count; n++)
				if (world.servers[n].stream == stream)
					buf_add(&world.servers[n].inbox, iov[i].iov_base, iov[i].iov_len);
		}
		engine_sent(stream, (long)sent);
	}
	if (list_node_linked(&stream->dirty))
		list_remove(&loop->dirty, &stream->dirty);
}

static void forget(struct loop *loop, struct stream *stream)
{
	struct client *client = client_of(stream);

	if (client)
		client->stream = NULL;
	for (size_t n = 0; n < world.server_count; n++) {
		if (world.servers[n].stream != stream)
			continue;
		buf_release(&world.servers[n].inbox);
		world.servers[n] = world.servers[--world.server_count];
		return;
	}
}

/* ---- steps ---- */

static struct slice take(size_t size)
{
	struct slice taken = slice_make(world.input.data, size < world.input.size ? size : world.input.size);

	world.input = slice_make(taken.data + taken.size, world.input.size - taken.size);
	return taken;
}

static struct stream *listener(unsigned what, unsigned whom)
{
	struct client *client = &world.clients[whom % CLIENTS];

	if (what & 2)
		return whom < world.server_count ? world.servers[whom].stream : NULL;
	if (!client->begun)
		begin_client(client, true);
	return client->stream;
}

/* Its stream may go with any piece. */
static void speak(unsigned what, unsigned whom, size_t piece_max, struct slice bytes)
{
	while (bytes.size) {
		size_t size = piece_max && piece_max < bytes.size ? piece_max : bytes.size;

		say(listener(what, whom), slice_make(bytes.data, size));
		bytes = slice_make(bytes.data + size, bytes.size - size);
	}
}

static void step(void)
{
	struct slice head = take(2), body = take(head.size == 2 ? (uint8_t)head.data[1] : 0);
	unsigned op = (uint8_t)head.data[0], what = op & 7, whom = op >> 3 & 3;
	struct stream *stream;
	struct buf message;

	switch (what) {
	case 0: case 2:
		speak(what, whom, op >> 5, body);
		return;
	case 1: case 3:
		if (!body.size)
			return;
		buf_init(&message, 1 << 10);
		add_message(&message, body.data[0], body.data + 1, body.size - 1);
		speak(what, whom, op >> 5, buf_slice(&message));
		buf_release(&message);
		return;
	case 4: case 5:
		stream = listener(what == 5 ? 2 : 0, whom);
		if (stream && !stream->connecting)
			engine_ended(stream, op >> 5 ? ECONNRESET : 0);
		return;
	case 6:
		world.now_us += (uint64_t)body.size * STEP_MS * 1000;
		return;
	default:
		if (whom < world.server_count && world.servers[whom].connected)
			answer_next(&world.servers[whom]);
	}
}

/* False: all are gone. */
static bool end_one(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		if (world.clients[i].stream && !world.clients[i].stream->recv_ended) {
			engine_ended(world.clients[i].stream, 0);
			return true;
		}
	}
	if (world.server_count)
		engine_ended(world.servers[0].stream, 0);
	return world.server_count;
}

/* One thing a turn, as a kernel might: what is closed, what connects, what nodes answer, the next step; in the end the worker stops. */
static void take_turn(struct loop *loop, uint64_t wait_us)
{
	engine_awake(loop);
	if (++world.turns > TURNS_MAX)
		abort();        /* it would not end */
	while (!list_empty(&loop->ready))
		engine_close_over(CONTAINER_OF(list_pop_front(&loop->ready), struct stream, ready));
	for (size_t i = 0; i < world.server_count; i++) {
		struct server *server = &world.servers[i];

		if (!server->connected) {
			server->connected = true;
			engine_connected(server->stream, 0);
			return;
		}
		if (world.obedient && answer_next(server))
			return;
	}
	if (wait_us == 0)
		return;         /* something is to be done first */
	if (world.input.size)
		step();
	else if (!end_one() && !world.worker.stopping)
		worker_post_stop(&world.worker);
	else
		world.now_us += 1000 * 1000;
}

static void no_wake(struct loop *loop, int fd)
{
}

static const struct engine engine_world = { "world", NULL, NULL, no_start, connect_server, no_start, send_all, forget, no_wake, take_turn };

static uint64_t world_now_us(void *of)
{
	return world.now_us;
}

static void world_random(void *of, void *out, size_t size)
{
	memset(out, 7, size);
}

static const struct env env_world = { world_now_us, world_now_us, world_random, NULL };

/* ---- the rest of the program ---- */

static void deliver(struct letter *letter, void *worker)
{
	struct job *job = CONTAINER_OF(letter, struct job, letter);
	struct session *session = worker_session(worker, job->session);

	if (session)
		local_answered(session, job);
	job_free(job);
}

static void submit(struct services *services, struct job *job)
{
	job->letter.deliver = deliver;
	job->rc = err_set(&job->err, ERR_CONNECT, "there is no control plane here");
	if (job->loop)
		loop_post(job->loop, &job->letter);
	else
		job_free(job);
}

static void no_predecessor(int predecessor, uint32_t pid, uint32_t secret)
{
}

static struct catalog *make_catalog(void)
{
	static const char *const functions[] = { "count", "sum", "min", "max", "avg", "lower", "now", "nextval", "set_config" };
	struct catalog_column columns[] = { { .name = "k", .type = OID_INT8, .attnum = 1 }, { .name = "v", .type = OID_TEXT, .attnum = 2 } };
	struct catalog *catalog = catalog_new(1);

	catalog->search_path[catalog->search_path_count++] = "public";
	strcpy(catalog->encoding, "UTF8");
	for (const char **name = (const char *[]){ "t", "u", NULL }; *name; name++)
		catalog_add_table(catalog, &(struct catalog_table){ .schema = "public", .name = *name, .oid = 16384, .kind = 'r',
								    .persistence = 'p', .columns = columns, .column_count = 2 });
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		catalog_add_function(catalog, &(struct catalog_function){ .schema = "pg_catalog", .name = functions[i], .aggregate = i < 5,
									  .volatility = i < 6 ? VOLATILITY_IMMUTABLE : VOLATILITY_VOLATILE,
									  .builtin = true });
	return catalog;
}

static void make_world(void)
{
	int fd = memfd_create("config", MFD_CLOEXEC);
	struct catalog *catalog = make_catalog();
	struct topology *topology;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, config_text, sizeof(config_text) - 1) < 0 || config_read(path, &world.config, NULL) < 0 ||
	    topology_from_json(topology_text, &topology, NULL) < 0)
		abort();
	close(fd);
	log_level_min = LOG_FATAL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, world.peer_fds) < 0)
		abort();
	world.now_us = 1000 * 1000;
	world.snapshot = snapshot_new(1, topology, &catalog, NULL);
	world.workers[0] = &world.worker;
	world.services = (struct services){ .config = world.config, .users = users_new(), .quotas = quotas_new(), .workers = world.workers,
		.worker_count = 1, .admission = admission_new(), .predecessor = -1, .forward_cancel = no_predecessor, .submit = submit };
	for (const char **name = (const char *[]){ "t", "admin", "m", "p", "s", NULL }; *name; name++)
		if (users_set(world.services.users, *name, "secret", NULL) < 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const users[] = { "t", "m", "p", "s" };
	struct loop *loop;

	if (size == 0)
		return 0;
	if (!world.config)
		make_world();
	world.input = slice_make(data + 1, size - 1);
	world.obedient = data[0] & 2;
	world.user = users[data[0] >> 2 & 3];
	world.turns = 0;
	memset(world.clients, 0, sizeof(world.clients));
	if (worker_init(&world.worker, &world.services, 0, world.snapshot, NULL, 0, NULL) < 0)
		abort();
	loop = world.worker.loop;
	world.sockets = loop->engine;
	loop->engine = &engine_world;
	loop->env = &env_world;
	loop->now_us = world.now_us;
	loop->woken = true;             /* nobody sleeps here */
	begin_client(&world.clients[0], data[0] & 1);
	worker_run(&world.worker);
	if (world.worker.open_streams || world.services.client_count || world.server_count)
		abort();
	loop->engine = world.sockets;
	worker_release(&world.worker);
	return 0;
}
