#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/store.h"

enum {
	FORMAT_VERSION = 1,             /* PRAGMA user_version */
	APPLICATION_ID = 0x6e616e75,    /* "nanu" */
	BUSY_MS_MAX = 5000,
	WATCH_POLL_MS = 50,             /* how soon another process's change is seen */
};

/* One connection, one statement at a time under `lock`. `changed` wakes the watchers of this process at once; what other processes change is
 * seen by looking again every WATCH_POLL_MS. */
struct store {
	sqlite3 *db;
	sqlite3_stmt *get, *insert, *update;
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

static int sqlite_error(const struct store *store, const char *what, struct err *err)
{
	return err_set(err, ERR_IO, "the store cannot %s: %s", what, store->db ? sqlite3_errmsg(store->db) : "out of memory");
}

static int run(struct store *store, const char *sql, const char *what, struct err *err)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sqlite_error(store, what, err);
}

/* The first column of the first row. */
static int ask_number(struct store *store, const char *sql, int *ret_number, struct err *err)
{
	sqlite3_stmt *statement;
	int rc = 0;

	if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK)
		return sqlite_error(store, "be read", err);
	if (sqlite3_step(statement) == SQLITE_ROW)
		*ret_number = sqlite3_column_int(statement, 0);
	else
		rc = sqlite_error(store, "be read", err);
	sqlite3_finalize(statement);
	return rc;
}

/* Refuses a file that is somebody else's or of a later nanu. 1: it is ours; 0: it is empty. */
static int look_at_format(struct store *store, const char *path, struct err *err)
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

/* Makes an empty file ours. In one write transaction, so that two processes may open the same new file. */
static int settle_format(struct store *store, const char *path, struct err *err)
{
	int rc = look_at_format(store, path, err);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	return run(store,
		   "CREATE TABLE entry (key text PRIMARY KEY, value text NOT NULL, revision integer NOT NULL) WITHOUT ROWID;"
		   "PRAGMA application_id = 1851879029;"
		   "PRAGMA user_version = 1",
		   "create its table", err);
}

_Static_assert(APPLICATION_ID == 1851879029 && FORMAT_VERSION == 1, "the pragmas above");

static int open_format(struct store *store, const char *path, struct err *err)
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

static int prepare_all(struct store *store, struct err *err)
{
	static const char get[] = "SELECT value, revision FROM entry WHERE key = ?1";
	static const char insert[] = "INSERT INTO entry (key, value, revision) VALUES (?1, ?2, 1) ON CONFLICT DO NOTHING";
	static const char update[] = "UPDATE entry SET value = ?2, revision = revision + 1 WHERE key = ?1 AND revision = ?3";

	if (sqlite3_prepare_v3(store->db, get, -1, SQLITE_PREPARE_PERSISTENT, &store->get, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v3(store->db, insert, -1, SQLITE_PREPARE_PERSISTENT, &store->insert, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v3(store->db, update, -1, SQLITE_PREPARE_PERSISTENT, &store->update, NULL) != SQLITE_OK)
		return sqlite_error(store, "be read", err);
	return 0;
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

int store_open_sqlite(const char *path, struct store **ret_store, struct err *err)
{
	struct store *store;
	pthread_condattr_t clock;
	int rc = create_private(path, err);

	if (rc < 0)
		return rc;
	store = mem_calloc(1, sizeof(*store));
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
		store_close(store);
		return rc;
	}
	*ret_store = store;
	return 0;
}

static int get_locked(struct store *store, const char *key, struct store_entry *ret_entry, struct err *err)
{
	int rc;

	*ret_entry = (struct store_entry){ 0 };
	sqlite3_bind_text(store->get, 1, key, -1, SQLITE_STATIC);
	rc = sqlite3_step(store->get);
	if (rc == SQLITE_ROW) {
		const void *value = sqlite3_column_text(store->get, 0);

		ret_entry->value = mem_strndup(value ? value : "", (size_t)sqlite3_column_bytes(store->get, 0));
		ret_entry->revision = (uint64_t)sqlite3_column_int64(store->get, 1);
	}
	rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : sqlite_error(store, "be read", err);
	sqlite3_reset(store->get);
	return rc;
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
static int look(struct store *store, const char *path, const char *key, struct store_entry *ret_entry, struct err *err)
{
	static const char get[] = "SELECT value, revision FROM entry WHERE key = ?1";
	char *wal = mem_alloc(strlen(path) + 5), *uri;
	int rc;

	sprintf(wal, "%s-wal", path);
	uri = uri_of(path, access(wal, F_OK) == 0 ? "mode=ro" : "immutable=1");
	if (sqlite3_open_v2(uri, &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) != SQLITE_OK)
		rc = sqlite_error(store, "be opened", err);
	else
		rc = look_at_format(store, path, err);
	if (rc > 0 && sqlite3_prepare_v2(store->db, get, -1, &store->get, NULL) != SQLITE_OK)
		rc = sqlite_error(store, "be read", err);
	mem_free(uri);
	mem_free(wal);
	return rc > 0 ? get_locked(store, key, ret_entry, err) : rc;
}

int store_look_sqlite(const char *path, const char *key, struct store_entry *ret_entry, struct err *err)
{
	struct store store = { 0 };
	int rc = check_folder(path, err);

	*ret_entry = (struct store_entry){ 0 };
	if (rc < 0 || (access(path, F_OK) < 0 && errno == ENOENT))
		return rc;
	if (access(path, R_OK | W_OK) < 0)
		return err_set(err, ERR_IO, "cannot open the store %s: %s", path, strerror(errno));
	rc = look(&store, path, key, ret_entry, err);
	sqlite3_finalize(store.get);
	sqlite3_close(store.db);
	return rc;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	sqlite3_finalize(store->get);
	sqlite3_finalize(store->insert);
	sqlite3_finalize(store->update);
	sqlite3_close(store->db);
	pthread_cond_destroy(&store->changed);
	pthread_mutex_destroy(&store->lock);
	mem_free(store);
}

int store_get(struct store *store, const char *key, struct store_entry *ret_entry, struct err *err)
{
	int rc;

	pthread_mutex_lock(&store->lock);
	rc = get_locked(store, key, ret_entry, err);
	pthread_mutex_unlock(&store->lock);
	return rc;
}

static int swap_locked(struct store *store, const char *key, uint64_t revision, const char *value, struct err *err)
{
	sqlite3_stmt *statement = revision ? store->update : store->insert;
	int rc;

	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
	if (revision)
		sqlite3_bind_int64(statement, 3, (sqlite3_int64)revision);
	rc = sqlite3_step(statement);
	if (rc != SQLITE_DONE)
		rc = sqlite_error(store, "be written", err);
	else if (sqlite3_changes(store->db) == 0)
		rc = err_set(err, ERR_CONFLICT, "\"%s\" in the store is no longer at revision %llu", key,
			     (unsigned long long)revision);
	else
		rc = 0;
	sqlite3_reset(statement);
	return rc;
}

int store_swap(struct store *store, const char *key, uint64_t revision, const char *value, uint64_t *ret_revision, struct err *err)
{
	int rc;

	pthread_mutex_lock(&store->lock);
	rc = swap_locked(store, key, revision, value, err);
	if (rc == 0) {
		if (ret_revision)
			*ret_revision = revision + 1;
		pthread_cond_broadcast(&store->changed);
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}

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

/* One look: 1 when the revision is another one, 0 when it is the same. */
static int look_locked(struct store *store, const char *key, uint64_t revision, struct store_entry *ret_entry, struct err *err)
{
	int rc = get_locked(store, key, ret_entry, err);

	if (rc < 0)
		return rc;
	if (ret_entry->revision != revision)
		return 1;
	mem_free(ret_entry->value);
	*ret_entry = (struct store_entry){ 0 };
	return 0;
}

int store_watch(struct store *store, const char *key, uint64_t revision, unsigned wait_ms, struct store_entry *ret_entry,
		struct err *err)
{
	struct timespec now, end, next;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = add_ms(now, wait_ms);
	pthread_mutex_lock(&store->lock);
	for (;;) {
		rc = look_locked(store, key, revision, ret_entry, err);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (rc != 0 || !before(&now, &end))
			break;
		next = add_ms(now, WATCH_POLL_MS);
		pthread_cond_timedwait(&store->changed, &store->lock, before(&next, &end) ? &next : &end);
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}
