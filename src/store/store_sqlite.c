#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"
#include "store/store_kind.h"

enum {
	FORMAT_VERSION = 2,             /* PRAGMA user_version */
	APPLICATION_ID = 0x6e616e75,    /* "nanu" */
	BUSY_MS_MAX = 5000,
	WATCH_POLL_MS = 50,             /* how soon another process's change, and a lease's end, is seen */
	BOOT_SIZE = 64,
};

/* What every statement knows: ?8 is this start of the machine, ?9 the time since. A lease of another start has ended: its holder is gone. */
#define LIVE_LEASES "(SELECT id FROM lease WHERE boot = ?8 AND ends_ms > ?9)"

enum statement_name {
	GET, COUNTER, LIST, EXPIRED,
	PURGE, PURGE_LEASES, COUNT, LEASED, INSERT, UPDATE, REMOVE,
	GRANT, KEEP, REVOKE, STATEMENT_COUNT
};

static const char *const statements[STATEMENT_COUNT] = {
	[GET] = "SELECT value, revision FROM entry WHERE key = ?1 AND (lease = 0 OR lease IN " LIVE_LEASES ")",
	[COUNTER] = "SELECT max(value, coalesce((SELECT max(revision) FROM entry), 0)) FROM counter",
	[LIST] = "SELECT key, value, revision FROM entry WHERE substr(key, 1, length(?1)) = ?1 AND (lease = 0 OR lease IN " LIVE_LEASES ")"
		 " ORDER BY key LIMIT ?2",
	[EXPIRED] = "SELECT EXISTS (SELECT 1 FROM entry WHERE lease <> 0 AND lease NOT IN " LIVE_LEASES ")",
	[PURGE] = "DELETE FROM entry WHERE lease <> 0 AND lease NOT IN " LIVE_LEASES,
	[PURGE_LEASES] = "DELETE FROM lease WHERE id NOT IN " LIVE_LEASES,
	[COUNT] = "UPDATE counter SET value = max(value, coalesce((SELECT max(revision) FROM entry), 0)) + 1",
	[LEASED] = "SELECT ?1 IN " LIVE_LEASES,
	[INSERT] = "INSERT INTO entry (key, value, revision, lease) SELECT ?1, ?2, value, ?4 FROM counter WHERE true ON CONFLICT DO NOTHING",
	[UPDATE] = "UPDATE entry SET value = ?2, revision = (SELECT value FROM counter), lease = ?4 WHERE key = ?1 AND revision = ?3",
	[REMOVE] = "DELETE FROM entry WHERE key = ?1 AND revision = ?3",
	[GRANT] = "INSERT INTO lease (ttl_ms, boot, ends_ms) VALUES (?1, ?8, ?9 + ?1)",
	[KEEP] = "UPDATE lease SET ends_ms = ?9 + ttl_ms WHERE id = ?1 AND id IN " LIVE_LEASES,
	[REVOKE] = "DELETE FROM lease WHERE id = ?1",
};

/* One connection, one statement at a time under `lock`. `changed` wakes the watchers of this process at once; what other processes change is
 * seen by looking again every WATCH_POLL_MS. */
struct sqlite_store {
	struct store store;
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENT_COUNT];
	char boot[BOOT_SIZE];
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool interrupted;
};

static struct sqlite_store *of(struct store *store)
{
	return CONTAINER_OF(store, struct sqlite_store, store);
}

static int sqlite_error(const struct sqlite_store *store, const char *what, struct err *err)
{
	return err_set(err, ERR_IO, "the store cannot %s: %s", what, store->db ? sqlite3_errmsg(store->db) : "out of memory");
}

static int run(struct sqlite_store *store, const char *sql, const char *what, struct err *err)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sqlite_error(store, what, err);
}

/* The first column of the first row. */
static int ask_number(struct sqlite_store *store, const char *sql, int *ret_number, struct err *err)
{
	sqlite3_stmt *prepared;
	int rc = 0;

	if (sqlite3_prepare_v2(store->db, sql, -1, &prepared, NULL) != SQLITE_OK)
		return sqlite_error(store, "be read", err);
	if (sqlite3_step(prepared) == SQLITE_ROW)
		*ret_number = sqlite3_column_int(prepared, 0);
	else
		rc = sqlite_error(store, "be read", err);
	sqlite3_finalize(prepared);
	return rc;
}

/* Refuses a file that is somebody else's or of a later nanu. 1: it is ours; 0: it is empty. */
static int look_at_format(struct sqlite_store *store, const char *path, struct err *err)
{
	int application = 0, version = 0, objects = 0;
	int rc = ask_number(store, "PRAGMA application_id", &application, err);

	if (rc == 0)
		rc = ask_number(store, "PRAGMA user_version", &version, err);
	if (rc == 0)
		rc = ask_number(store, "SELECT count(*) FROM sqlite_schema", &objects, err);
	if (rc < 0)
		return rc;
	if (application != APPLICATION_ID && (application != 0 || version != 0 || objects != 0))
		return err_set(err, ERR_CONFIG, "%s is an SQLite file, but not a store of nanu", path);
	if (version > FORMAT_VERSION) {
		rc = err_set(err, ERR_CONFIG, "the store %s has format %d, and this nanu knows formats up to %d", path, version,
			     FORMAT_VERSION);
		err_hint(err, "Start the newer nanu that wrote it.");
		return rc;
	}
	return application == APPLICATION_ID;
}

/* Makes an empty file ours, and one of an older format one of this. In one write transaction, so that two processes may open the same new file.
 * A process of the older nanu that still has it open (a take-over) goes on: what it knows of the tables is still there. */
static int settle_format(struct sqlite_store *store, const char *path, struct err *err)
{
	int version = 0, rc = look_at_format(store, path, err);

	if (rc > 0)
		rc = ask_number(store, "PRAGMA user_version", &version, err);
	if (rc == 0 && version == 0)
		rc = run(store,
			 "CREATE TABLE entry (key text PRIMARY KEY, value text NOT NULL, revision integer NOT NULL) WITHOUT ROWID;"
			 "PRAGMA application_id = 1851879029",
			 "create its table", err);
	if (rc == 0 && version < FORMAT_VERSION)
		rc = run(store,
			 "ALTER TABLE entry ADD COLUMN lease integer NOT NULL DEFAULT 0;"
			 "CREATE TABLE lease (id integer PRIMARY KEY AUTOINCREMENT, ttl_ms integer NOT NULL, boot text NOT NULL, ends_ms integer NOT NULL);"
			 "CREATE TABLE counter (value integer NOT NULL);"
			 "INSERT INTO counter SELECT coalesce(max(revision), 0) FROM entry;"
			 "PRAGMA user_version = 2",
			 "create its tables", err);
	return rc;
}

_Static_assert(APPLICATION_ID == 1851879029 && FORMAT_VERSION == 2, "the pragmas above");

static int open_format(struct sqlite_store *store, const char *path, struct err *err)
{
	int rc = run(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", "switch to WAL mode", err);

	if (rc == 0)
		rc = run(store, "BEGIN IMMEDIATE", "be locked", err);
	if (rc < 0)
		return rc;
	rc = settle_format(store, path, err);
	if (rc < 0) {
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
		return rc;
	}
	return run(store, "COMMIT", "be written", err);
}

static int prepare_all(struct sqlite_store *store, struct err *err)
{
	for (int i = 0; i < STATEMENT_COUNT; i++)
		if (sqlite3_prepare_v3(store->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL) != SQLITE_OK)
			return sqlite_error(store, "be read", err);
	return 0;
}

static void read_boot(struct sqlite_store *store)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file)
		return;         /* leases then outlive a restart of the machine by their time to live at most: its clock begins anew */
	if (fscanf(file, "%63s", store->boot) != 1)
		store->boot[0] = '\0';
	fclose(file);
}

/* SQLite would make the file readable to everyone. */
static int create_private(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_set(err, ERR_IO, "cannot open the store %s: %s", path, strerror(errno));
	close(fd);
	return 0;
}

static void close_sqlite(struct store *base)
{
	struct sqlite_store *store = of(base);

	for (int i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(store->statements[i]);
	sqlite3_close(store->db);
	pthread_cond_destroy(&store->changed);
	pthread_mutex_destroy(&store->lock);
	mem_free(store);
}

/* ---- statements, under the lock ---- */

static sqlite3_stmt *statement(struct sqlite_store *store, enum statement_name name)
{
	sqlite3_stmt *prepared = store->statements[name];

	sqlite3_reset(prepared);
	sqlite3_clear_bindings(prepared);
	sqlite3_bind_text(prepared, 8, store->boot, -1, SQLITE_STATIC);
	sqlite3_bind_int64(prepared, 9, (sqlite3_int64)store_now_ms());
	return prepared;
}

/* A statement without rows; returns how many rows it changed. */
static int change(struct sqlite_store *store, sqlite3_stmt *prepared, struct err *err)
{
	int rc = sqlite3_step(prepared) == SQLITE_DONE ? sqlite3_changes(store->db) : sqlite_error(store, "be written", err);

	sqlite3_reset(prepared);
	return rc;
}

/* A statement of one row with one number. */
static int number(struct sqlite_store *store, sqlite3_stmt *prepared, int64_t *ret_number, struct err *err)
{
	int rc = 0;

	if (sqlite3_step(prepared) == SQLITE_ROW)
		*ret_number = sqlite3_column_int64(prepared, 0);
	else
		rc = sqlite_error(store, "be read", err);
	sqlite3_reset(prepared);
	return rc;
}

static char *text(sqlite3_stmt *prepared, int column)
{
	const void *value = sqlite3_column_text(prepared, column);

	return mem_strndup(value ? value : "", (size_t)sqlite3_column_bytes(prepared, column));
}

static int get_locked(struct sqlite_store *store, const char *key, struct store_entry *ret_entry, struct err *err)
{
	sqlite3_stmt *get = statement(store, GET);
	int rc;

	*ret_entry = (struct store_entry){ 0 };
	sqlite3_bind_text(get, 1, key, -1, SQLITE_STATIC);
	rc = sqlite3_step(get);
	if (rc == SQLITE_ROW) {
		ret_entry->value = text(get, 0);
		ret_entry->revision = (uint64_t)sqlite3_column_int64(get, 1);
	}
	rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : sqlite_error(store, "be read", err);
	sqlite3_reset(get);
	return rc;
}

static int begin(struct sqlite_store *store, struct err *err)
{
	return run(store, "BEGIN IMMEDIATE", "be locked", err);
}

/* Ends what begin() began; `rc` is how it went. */
static int end(struct sqlite_store *store, int rc, struct err *err)
{
	if (rc == 0)
		rc = run(store, "COMMIT", "be written", err);
	if (rc < 0)
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	else
		pthread_cond_broadcast(&store->changed);
	return rc;
}

/* What was written under leases that have ended goes; the counter tells those who wait for changes. Within a transaction. */
static int purge(struct sqlite_store *store, struct err *err)
{
	int rc = change(store, statement(store, PURGE), err);

	if (rc > 0)
		rc = change(store, statement(store, COUNT), err);
	if (rc >= 0)
		rc = change(store, statement(store, PURGE_LEASES), err);
	return rc < 0 ? rc : 0;
}

/* "a?b" -> file:a%3Fb?options */
static char *uri_of(const char *path, const char *options)
{
	size_t size = 3 * strlen(path) + strlen(options) + 8, used = 0;
	char *uri = mem_alloc(size);

	used += (size_t)snprintf(uri, size, "file:");
	for (; *path; path++)
		used += (size_t)snprintf(uri + used, size - used, strchr("?#%", *path) ? "%%%02X" : "%c", (unsigned char)*path);
	snprintf(uri + used, size - used, "?%s", options);
	return uri;
}

/* SQLite needs its journals beside the file. */
static int check_folder(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash == path ? mem_strdup("/") : slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");
	int rc = 0;

	if (access(folder, W_OK | X_OK) < 0)
		rc = err_set(err, ERR_IO, "cannot open the store %s: %s: %s", path, folder, strerror(errno));
	mem_free(folder);
	return rc;
}

/* A file without a journal is read as it stands; one with a journal is in use, or was, and its newest rows are in there. */
static int look(const char *path, const char *key, struct store_entry *ret_entry, struct err *err)
{
	/* Of every format; leases, which the older one does not have, are for keys that nobody looks at like this. */
	static const char get[] = "SELECT value, revision FROM entry WHERE key = ?1";
	struct sqlite_store store = { 0 };
	sqlite3_stmt *prepared = NULL;
	size_t wal_size = strlen(path) + 5;
	char *wal = mem_alloc(wal_size), *uri;
	int rc;

	snprintf(wal, wal_size, "%s-wal", path);
	uri = uri_of(path, access(wal, F_OK) == 0 ? "mode=ro" : "immutable=1");
	if (sqlite3_open_v2(uri, &store.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) != SQLITE_OK)
		rc = sqlite_error(&store, "be opened", err);
	else
		rc = look_at_format(&store, path, err);
	if (rc > 0) {
		rc = sqlite3_prepare_v2(store.db, get, -1, &prepared, NULL);
		sqlite3_bind_text(prepared, 1, key, -1, SQLITE_STATIC);
		if (rc == SQLITE_OK)
			rc = sqlite3_step(prepared);
		if (rc == SQLITE_ROW)
			*ret_entry = (struct store_entry){ text(prepared, 0), (uint64_t)sqlite3_column_int64(prepared, 1) };
		rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : sqlite_error(&store, "be read", err);
	}
	sqlite3_finalize(prepared);
	sqlite3_close(store.db);
	mem_free(uri);
	mem_free(wal);
	return rc;
}

int store_look_sqlite(const char *path, const char *key, struct store_entry *ret_entry, struct err *err)
{
	int rc = check_folder(path, err);

	*ret_entry = (struct store_entry){ 0 };
	if (rc < 0 || (access(path, F_OK) < 0 && errno == ENOENT))
		return rc;
	if (access(path, R_OK | W_OK) < 0)
		return err_set(err, ERR_IO, "cannot open the store %s: %s", path, strerror(errno));
	return look(path, key, ret_entry, err);
}

/* ---- what store.h says ---- */

static int get_sqlite(struct store *base, const char *key, struct store_entry *ret_entry, struct err *err)
{
	struct sqlite_store *store = of(base);
	int rc;

	pthread_mutex_lock(&store->lock);
	rc = get_locked(store, key, ret_entry, err);
	pthread_mutex_unlock(&store->lock);
	return rc;
}

static int check_lease(struct sqlite_store *store, uint64_t lease, struct err *err)
{
	sqlite3_stmt *leased = statement(store, LEASED);
	int64_t live = 0;
	int rc;

	if (lease == 0)
		return 0;
	sqlite3_bind_int64(leased, 1, (sqlite3_int64)lease);
	rc = number(store, leased, &live, err);
	return rc < 0 || live ? rc : err_set(err, ERR_NOT_FOUND, "the lease has ended");
}

static int write_entry(struct sqlite_store *store, const char *key, uint64_t revision, const char *value, uint64_t lease, struct err *err)
{
	sqlite3_stmt *prepared = statement(store, !value ? REMOVE : revision ? UPDATE : INSERT);
	int rc;

	sqlite3_bind_text(prepared, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(prepared, 3, (sqlite3_int64)revision);
	if (value) {
		sqlite3_bind_text(prepared, 2, value, -1, SQLITE_STATIC);
		sqlite3_bind_int64(prepared, 4, (sqlite3_int64)lease);
	}
	rc = change(store, prepared, err);
	if (rc == 0)
		return err_set(err, ERR_CONFLICT, "\"%s\" in the store is no longer at revision %llu", key, (unsigned long long)revision);
	return rc < 0 ? rc : 0;
}

static int swap_sqlite(struct store *base, const char *key, uint64_t revision, const char *value, uint64_t lease, uint64_t *ret_revision,
		       struct err *err)
{
	struct sqlite_store *store = of(base);
	int64_t now = 0;
	int rc;

	pthread_mutex_lock(&store->lock);
	rc = begin(store, err);
	if (rc == 0) {
		rc = purge(store, err);
		if (rc == 0)
			rc = check_lease(store, lease, err);
		if (rc == 0)
			rc = change(store, statement(store, COUNT), err);
		if (rc >= 0)
			rc = write_entry(store, key, revision, value, lease, err);
		if (rc == 0)
			rc = number(store, statement(store, COUNTER), &now, err);
		rc = end(store, rc, err);
	}
	pthread_mutex_unlock(&store->lock);
	if (rc == 0)
		*ret_revision = value ? (uint64_t)now : 0;
	return rc;
}

static int list_sqlite(struct store *base, const char *prefix, struct store_item **ret_items, size_t *ret_count, struct err *err)
{
	struct sqlite_store *store = of(base);
	struct store_item *items = mem_calloc(STORE_LIST_MAX, sizeof(*items));
	sqlite3_stmt *list;
	size_t count = 0;
	int rc;

	pthread_mutex_lock(&store->lock);
	list = statement(store, LIST);
	sqlite3_bind_text(list, 1, prefix, -1, SQLITE_STATIC);
	sqlite3_bind_int64(list, 2, STORE_LIST_MAX + 1);
	while ((rc = sqlite3_step(list)) == SQLITE_ROW && count < STORE_LIST_MAX)
		items[count++] = (struct store_item){ text(list, 0), text(list, 1), (uint64_t)sqlite3_column_int64(list, 2) };
	if (rc == SQLITE_ROW)
		rc = err_set(err, ERR_LIMIT, "the store has more than %d keys that begin with \"%s\"", STORE_LIST_MAX, prefix);
	else
		rc = rc == SQLITE_DONE ? 0 : sqlite_error(store, "be read", err);
	sqlite3_reset(list);
	pthread_mutex_unlock(&store->lock);
	if (rc < 0) {
		store_items_free(items, count);
		return rc;
	}
	*ret_items = items;
	*ret_count = count;
	return 0;
}

/* ---- leases ---- */

static int grant_sqlite(struct store *base, unsigned ttl_ms, uint64_t *ret_lease, struct err *err)
{
	struct sqlite_store *store = of(base);
	sqlite3_stmt *grant;
	int rc;

	pthread_mutex_lock(&store->lock);
	grant = statement(store, GRANT);
	sqlite3_bind_int64(grant, 1, ttl_ms);
	rc = change(store, grant, err);
	*ret_lease = (uint64_t)sqlite3_last_insert_rowid(store->db);
	pthread_mutex_unlock(&store->lock);
	return rc < 0 ? rc : 0;
}

static int keep_sqlite(struct store *base, uint64_t lease, struct err *err)
{
	struct sqlite_store *store = of(base);
	sqlite3_stmt *keep;
	int rc;

	pthread_mutex_lock(&store->lock);
	keep = statement(store, KEEP);
	sqlite3_bind_int64(keep, 1, (sqlite3_int64)lease);
	rc = change(store, keep, err);
	pthread_mutex_unlock(&store->lock);
	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "the lease has ended");
	return rc < 0 ? rc : 0;
}

static int revoke_sqlite(struct store *base, uint64_t lease, struct err *err)
{
	struct sqlite_store *store = of(base);
	sqlite3_stmt *revoke;
	int rc;

	pthread_mutex_lock(&store->lock);
	rc = begin(store, err);
	if (rc == 0) {
		revoke = statement(store, REVOKE);
		sqlite3_bind_int64(revoke, 1, (sqlite3_int64)lease);
		rc = change(store, revoke, err);
		if (rc >= 0)
			rc = purge(store, err);
		rc = end(store, rc, err);
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}

/* ---- waiting ---- */

static struct timespec add_ms(struct timespec time, unsigned ms)
{
	time.tv_sec += ms / 1000;
	time.tv_nsec += (long)(ms % 1000) * 1000000;
	if (time.tv_nsec >= 1000000000) {
		time.tv_sec++;
		time.tv_nsec -= 1000000000;
	}
	return time;
}

static bool before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* What somebody waits for: look() returns 1 when it has come, 0 when not yet. */
struct awaited {
	int (*look)(struct sqlite_store *store, struct awaited *awaited, struct err *err);
	const char *key;
	uint64_t revision;
	struct store_entry *ret_entry;
};

static int look_at_key(struct sqlite_store *store, struct awaited *awaited, struct err *err)
{
	int rc = get_locked(store, awaited->key, awaited->ret_entry, err);

	if (rc < 0)
		return rc;
	if (awaited->ret_entry->revision != awaited->revision)
		return 1;
	mem_free(awaited->ret_entry->value);
	*awaited->ret_entry = (struct store_entry){ 0 };
	return 0;
}

static int look_at_counter(struct sqlite_store *store, struct awaited *awaited, struct err *err)
{
	int64_t expired = 0, now = 0;
	int rc = number(store, statement(store, EXPIRED), &expired, err);

	if (rc == 0 && expired) {
		rc = begin(store, err);
		if (rc == 0)
			rc = end(store, purge(store, err), err);
	}
	if (rc == 0)
		rc = number(store, statement(store, COUNTER), &now, err);
	if (rc < 0 || (uint64_t)now == awaited->revision)
		return rc;
	awaited->revision = (uint64_t)now;
	return 1;
}

static int await(struct sqlite_store *store, struct awaited *awaited, unsigned wait_ms, struct err *err)
{
	struct timespec now, until, next;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &now);
	until = add_ms(now, wait_ms);
	pthread_mutex_lock(&store->lock);
	for (;;) {
		rc = awaited->look(store, awaited, err);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (rc != 0 || store->interrupted || !before(&now, &until))
			break;
		next = add_ms(now, WATCH_POLL_MS);
		pthread_cond_timedwait(&store->changed, &store->lock, before(&next, &until) ? &next : &until);
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}

static int watch_sqlite(struct store *base, const char *key, uint64_t revision, unsigned wait_ms, struct store_entry *ret_entry, struct err *err)
{
	struct awaited awaited = { .look = look_at_key, .key = key, .revision = revision, .ret_entry = ret_entry };

	return await(of(base), &awaited, wait_ms, err);
}

static int changed_sqlite(struct store *base, uint64_t *revision, unsigned wait_ms, struct err *err)
{
	struct awaited awaited = { .look = look_at_counter, .revision = *revision };
	int rc = await(of(base), &awaited, wait_ms, err);

	*revision = awaited.revision;
	return rc;
}

static void interrupt_sqlite(struct store *base)
{
	struct sqlite_store *store = of(base);

	pthread_mutex_lock(&store->lock);
	store->interrupted = true;
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->lock);
}

/* ---- life ---- */

static const struct store_kind sqlite_kind = {
	.close = close_sqlite, .interrupt = interrupt_sqlite, .get = get_sqlite, .swap = swap_sqlite, .watch = watch_sqlite, .changed = changed_sqlite,
	.list = list_sqlite, .lease_grant = grant_sqlite, .lease_keep = keep_sqlite, .lease_revoke = revoke_sqlite,
};

int store_open_sqlite(const char *path, struct store **ret_store, struct err *err)
{
	struct sqlite_store *store;
	pthread_condattr_t clock;
	int rc = create_private(path, err);

	if (rc < 0)
		return rc;
	store = mem_calloc(1, sizeof(*store));
	store->store.kind = &sqlite_kind;
	read_boot(store);
	pthread_mutex_init(&store->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&store->changed, &clock);
	pthread_condattr_destroy(&clock);
	if (sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, NULL) != SQLITE_OK)
		rc = sqlite_error(store, "be opened", err);
	else
		sqlite3_busy_timeout(store->db, BUSY_MS_MAX);
	if (rc == 0)
		rc = open_format(store, path, err);
	if (rc == 0)
		rc = prepare_all(store, err);
	if (rc < 0) {
		close_sqlite(&store->store);
		return rc;
	}
	*ret_store = &store->store;
	return 0;
}
