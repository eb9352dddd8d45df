#include "app/shop.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "app/progress.h"

enum {
	LOADERS = 4,                    /* connections; more than a small machine has cores for */
	BATCH = 50,                     /* users sent before their results are read */
	POLL_MS = 20,
	STATEMENT_MAX = 64 << 10,
	STATEMENTS_EACH = 3,            /* of one user; a Sync follows */
};

static const char *const before[] = {
	"DROP TABLE IF EXISTS order_items",
	"DROP TABLE IF EXISTS orders",
	"DROP TABLE IF EXISTS users",
	"CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL, city text NOT NULL,"
	" country text NOT NULL, joined date NOT NULL)",
	"CREATE TABLE orders (user_id bigint NOT NULL, id bigint NOT NULL, status text NOT NULL, total numeric(12, 2) NOT NULL,"
	" placed timestamp NOT NULL, PRIMARY KEY (user_id, id))",
	"CREATE TABLE order_items (user_id bigint NOT NULL, order_id bigint NOT NULL, line_no integer NOT NULL, product text NOT NULL,"
	" quantity integer NOT NULL, price numeric(12, 2) NOT NULL, PRIMARY KEY (user_id, order_id, line_no))",
	"SELECT nanu.shard_table('users', key => 'id', placement => 'hash')",
	"SELECT nanu.shard_table('orders', key => 'user_id', placement => 'hash')",
	"SELECT nanu.shard_table('order_items', key => 'user_id', placement => 'hash')",
};
static const char *const after[] = {
	"CREATE INDEX users_city ON users (city)",
	"CREATE INDEX orders_placed ON orders (placed)",
	"CREATE INDEX order_items_product ON order_items (product)",
};

struct load {
	atomic_uint users_done;
	atomic_uint loaders_done;
	atomic_bool stop;               /* somebody failed, or was asked to stop */
};

/* One connection and its share of the users: every LOADERS-th, from `first` on. */
struct loader {
	struct load *load;
	PGconn *conn;
	pthread_t thread;
	uint64_t first;
	struct shop_counts counts;
	int rc;
	struct err err;
};

static void ignore_notice(void *context, const char *message)
{
}

static int server_error(PGconn *conn, const PGresult *result, const char *what, struct err *err)
{
	const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	const char *hint = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_HINT) : NULL;
	int rc = err_set(err, ERR_INTERNAL, "the shop cannot be loaded: %s", message ? message : PQerrorMessage(conn));

	err_detail(err, "%s", what);
	if (hint)
		err_hint(err, "%s", hint);
	return rc;
}

static int connect_to(const char *conninfo, PGconn **ret_conn, struct err *err)
{
	PGconn *conn = PQconnectdb(conninfo);

	*ret_conn = conn;
	PQsetNoticeProcessor(conn, ignore_notice, NULL);
	return PQstatus(conn) == CONNECTION_OK ? 0 : server_error(conn, NULL, "connecting to the router", err);
}

static int execute(PGconn *conn, const char *sql, struct err *err)
{
	PGresult *result = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(result);
	int rc = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? 0 : server_error(conn, result, sql, err);

	PQclear(result);
	return rc;
}

/* On its own thread, so that the line on the terminal moves and a signal is heard while the router works. */
struct script {
	PGconn *conn;
	const char *const *statements;
	size_t count;
	atomic_size_t done;
	atomic_bool ended;
	int rc;
	struct err err;
};

static void *run_script(void *argument)
{
	struct script *script = argument;

	for (size_t i = 0; script->rc == 0 && i < script->count; i++) {
		script->rc = execute(script->conn, script->statements[i], &script->err);
		atomic_fetch_add(&script->done, 1);
	}
	atomic_store(&script->ended, true);
	return NULL;
}

/* Whoever waits for this connection, in whatever thread, gets an error at once. */
static void cut(PGconn *conn)
{
	shutdown(PQsocket(conn), SHUT_RDWR);
}

static int run_statements(const char *conninfo, const char *const *statements, size_t count, struct err *err)
{
	struct script script = { .statements = statements, .count = count };
	pthread_t thread;
	int rc = connect_to(conninfo, &script.conn, err);

	if (rc == 0 && pthread_create(&thread, NULL, run_script, &script) != 0)
		rc = err_set(err, ERR_NOMEM, "cannot start a thread");
	if (rc < 0) {
		PQfinish(script.conn);
		return rc;
	}
	while (rc == 0 && !atomic_load(&script.ended)) {
		rc = progress_wait(NULL, 0, POLL_MS, err);
		progress_set((double)atomic_load(&script.done) / (double)count);
	}
	if (rc < 0)
		cut(script.conn);
	pthread_join(thread, NULL);
	PQfinish(script.conn);
	if (rc == 0 && script.rc < 0) {
		*err = script.err;
		rc = script.rc;
	}
	return rc;
}

static int send_user(PGconn *conn, uint64_t user, struct buf statements[STATEMENTS_EACH], struct shop_counts *counts)
{
	for (int i = 0; i < STATEMENTS_EACH; i++)
		buf_clear(&statements[i]);
	shop_user(user, &statements[0], &statements[1], &statements[2], counts);
	for (int i = 0; i < STATEMENTS_EACH; i++)
		if (statements[i].failed || !PQsendQueryParams(conn, statements[i].data, 0, NULL, NULL, NULL, NULL, 0))
			return -1;
	return PQpipelineSync(conn) ? 0 : -1;
}

/* Reads what belongs to one user: a result and a NULL for each statement, then the Sync. */
static int read_user(PGconn *conn, struct err *err)
{
	for (int statements = 0;;) {
		PGresult *result = PQgetResult(conn);
		ExecStatusType status = PQresultStatus(result);

		if (!result) {
			if (PQstatus(conn) != CONNECTION_OK || ++statements > STATEMENTS_EACH)
				return server_error(conn, NULL, "reading results", err);
			continue;
		}
		if (status != PGRES_COMMAND_OK && status != PGRES_PIPELINE_SYNC) {
			int rc = server_error(conn, result, "inserting rows", err);

			PQclear(result);
			return rc;
		}
		PQclear(result);
		if (status == PGRES_PIPELINE_SYNC)
			return 0;
	}
}

/* `next` is the first user to send; it moves on by what was loaded. */
static int load_batch(struct loader *loader, struct buf statements[STATEMENTS_EACH], uint64_t *next)
{
	PGconn *conn = loader->conn;
	unsigned sent = 0;
	int rc = 0;

	for (; rc == 0 && sent < BATCH && *next <= SHOP_USERS; sent++, *next += LOADERS)
		if (send_user(conn, *next, statements, &loader->counts) < 0)
			rc = server_error(conn, NULL, "sending rows", &loader->err);
	for (unsigned i = 0; rc == 0 && i < sent; i++) {
		rc = read_user(conn, &loader->err);
		atomic_fetch_add(&loader->load->users_done, 1);
	}
	return rc;
}

static void *run_loader(void *argument)
{
	struct loader *loader = argument;
	struct load *load = loader->load;
	struct buf statements[STATEMENTS_EACH];
	uint64_t next = loader->first;

	for (int i = 0; i < STATEMENTS_EACH; i++)
		buf_init(&statements[i], STATEMENT_MAX);
	/* A shop that a crash takes away is loaded again: no need to wait for the disk 10,000 times. */
	loader->rc = execute(loader->conn, "SET synchronous_commit = off", &loader->err);
	if (loader->rc == 0 && !PQenterPipelineMode(loader->conn))
		loader->rc = server_error(loader->conn, NULL, "entering pipeline mode", &loader->err);
	while (loader->rc == 0 && next <= SHOP_USERS && !atomic_load(&load->stop))
		loader->rc = load_batch(loader, statements, &next);
	if (loader->rc < 0)
		atomic_store(&load->stop, true);
	for (int i = 0; i < STATEMENTS_EACH; i++)
		buf_release(&statements[i]);
	atomic_fetch_add(&load->loaders_done, 1);
	return NULL;
}

static int watch_loaders(struct load *load, unsigned count, struct err *err)
{
	while (atomic_load(&load->loaders_done) < count) {
		int rc = progress_wait(NULL, 0, POLL_MS, err);

		if (rc < 0)
			return rc;
		progress_set((double)atomic_load(&load->users_done) / SHOP_USERS);
	}
	return 0;
}

/* Ends a loader, adds up what it did, and keeps the first error. */
static int end_loader(struct loader *loader, int rc, struct shop_counts *counts, struct err *err)
{
	if (rc < 0)
		cut(loader->conn);
	pthread_join(loader->thread, NULL);
	PQfinish(loader->conn);
	counts->users += loader->counts.users;
	counts->orders += loader->counts.orders;
	counts->items += loader->counts.items;
	if (rc == 0 && loader->rc < 0)
		*err = loader->err;
	return rc < 0 ? rc : loader->rc;
}

static int load_rows(const char *conninfo, struct shop_counts *ret_counts, struct err *err)
{
	struct load load = { 0 };
	struct loader loaders[LOADERS];
	unsigned count = 0;
	int rc = 0;

	while (rc == 0 && count < LOADERS) {
		struct loader *loader = &loaders[count];

		*loader = (struct loader){ .load = &load, .first = count + 1 };
		rc = connect_to(conninfo, &loader->conn, err);
		if (rc == 0 && pthread_create(&loader->thread, NULL, run_loader, loader) != 0)
			rc = err_set(err, ERR_NOMEM, "cannot start a thread");
		if (rc == 0)
			count++;
		else
			PQfinish(loader->conn);
	}
	if (rc == 0)
		rc = watch_loaders(&load, count, err);
	if (rc < 0)
		atomic_store(&load.stop, true);
	*ret_counts = (struct shop_counts){ 0 };
	for (unsigned i = 0; i < count; i++)
		rc = end_loader(&loaders[i], rc, ret_counts, err);
	return rc;
}

int shop_load(const char *conninfo, struct shop_counts *ret_counts, struct err *err)
{
	int rc;

	progress_begin("making tables and sharding them");
	rc = run_statements(conninfo, before, sizeof(before) / sizeof(before[0]), err);
	if (rc == 0) {
		progress_end("tables made and sharded by user");
		progress_begin("loading the shop through the router");
		rc = load_rows(conninfo, ret_counts, err);
	}
	if (rc == 0) {
		progress_end("%u users, %u orders, %u order items loaded", ret_counts->users, ret_counts->orders, ret_counts->items);
		progress_begin("making indexes");
		rc = run_statements(conninfo, after, sizeof(after) / sizeof(after[0]), err);
	}
	if (rc < 0) {
		progress_drop();
		return rc;
	}
	progress_end("indexes made");
	return 0;
}
