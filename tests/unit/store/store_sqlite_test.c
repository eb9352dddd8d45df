#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/store.h"

enum { SOON_MS = 10000 };               /* "at once" on a busy machine; nothing waits this long when all is well */

static char folder[64], path[96];

static int make_folder(void **state)
{
	strcpy(folder, "/tmp/nanu-test-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/nanu.db", folder);
	return 0;
}

static int drop_folder(void **state)
{
	char name[128];
	static const char *const ends[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
	return rmdir(folder);
}

static struct store *open_store(void)
{
	struct store *store = NULL;
	struct err err = { 0 };

	if (store_open_sqlite(path, &store, &err) < 0)
		fail_msg("%s", err.message);
	return store;
}

static void expect(struct store *store, const char *key, const char *value, uint64_t revision)
{
	struct store_entry entry;

	assert_int_equal(store_get(store, key, &entry, NULL), 0);
	assert_int_equal(entry.revision, revision);
	if (value)
		assert_string_equal(entry.value, value);
	else
		assert_null(entry.value);
	mem_free(entry.value);
}

static void what_was_written_is_read_also_after_reopening(void **state)
{
	struct store *store = open_store();
	uint64_t revision = 0;

	expect(store, "a", NULL, 0);
	assert_int_equal(store_swap(store, "a", 0, "one", &revision, NULL), 0);
	assert_int_equal(revision, 1);
	assert_int_equal(store_swap(store, "a", 1, "two ä", &revision, NULL), 0);
	assert_int_equal(revision, 2);
	expect(store, "b", NULL, 0);
	store_close(store);
	store = open_store();
	expect(store, "a", "two ä", 2);
	store_close(store);
}

static void a_swap_under_an_old_revision_is_refused(void **state)
{
	struct store *store = open_store();
	struct err err;

	assert_int_equal(store_swap(store, "a", 1, "x", NULL, &err), ERR_CONFLICT);
	assert_int_equal(store_swap(store, "a", 0, "one", NULL, &err), 0);
	assert_int_equal(store_swap(store, "a", 0, "x", NULL, &err), ERR_CONFLICT);
	assert_int_equal(store_swap(store, "a", 2, "x", NULL, &err), ERR_CONFLICT);
	expect(store, "a", "one", 1);
	store_close(store);
}

static void the_file_is_private(void **state)
{
	struct store *store = open_store();
	struct stat info;

	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	store_close(store);
}

static void foreign_and_newer_files_are_refused(void **state)
{
	static const struct {
		const char *sql;
		int code;
		const char *reason;
	} cases[] = {
		{ "CREATE TABLE mine (x)", ERR_CONFIG, "not a store of nanu" },
		{ "DROP TABLE mine; PRAGMA application_id = 1851879029; PRAGMA user_version = 3", ERR_CONFIG, "format 3" },
	};
	FILE *file;
	struct err err;
	struct store *store = NULL;
	sqlite3 *db;

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, cases[i].sql, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
		assert_int_equal(store_open_sqlite(path, &store, &err), cases[i].code);
		assert_non_null(strstr(err.message, cases[i].reason));
	}
	file = fopen(path, "we");
	for (int i = 0; i < 200; i++)
		fputs("not a database", file);
	fclose(file);
	assert_int_equal(store_open_sqlite(path, &store, &err), ERR_IO);
	assert_non_null(strstr(err.message, "not a database"));
	assert_int_equal(store_open_sqlite("/nonexistent/x.db", &store, &err), ERR_IO);
	assert_null(store);
}

static void a_watch_without_change_ends_in_time(void **state)
{
	struct store *store = open_store();
	struct store_entry entry;

	assert_int_equal(store_watch(store, "a", 0, 0, &entry, NULL), 0);
	assert_int_equal(store_watch(store, "a", 0, 60, &entry, NULL), 0);
	assert_int_equal(store_swap(store, "a", 0, "one", NULL, NULL), 0);
	assert_int_equal(store_watch(store, "a", 0, 0, &entry, NULL), 1);
	assert_string_equal(entry.value, "one");
	mem_free(entry.value);
	store_close(store);
}

struct watcher {
	struct store *store;
	struct store_entry entry;
	int rc;
};

static void *watch(void *argument)
{
	struct watcher *watcher = argument;

	watcher->rc = store_watch(watcher->store, "a", 0, SOON_MS, &watcher->entry, NULL);
	return NULL;
}

/* Through the same handle, as threads of one router; and through another, as another process would. */
static void watch_sees_a_swap_through(bool same_handle)
{
	struct store *store = open_store(), *other = same_handle ? store : open_store();
	struct watcher watcher = { .store = store };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, watch, &watcher), 0);
	assert_int_equal(store_swap(other, "a", 0, "news", NULL, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(watcher.rc, 1);
	assert_string_equal(watcher.entry.value, "news");
	assert_int_equal(watcher.entry.revision, 1);
	mem_free(watcher.entry.value);
	if (!same_handle)
		store_close(other);
	store_close(store);
}

static void watch_sees_a_swap_of_this_process(void **state)
{
	watch_sees_a_swap_through(true);
}

static void watch_sees_a_swap_of_another_process(void **state)
{
	watch_sees_a_swap_through(false);
}

enum { RACERS = 4, RACE_ROUNDS = 50 };

/* Adds one to a shared counter, again when somebody was faster. */
static void *race(void *argument)
{
	struct store *store = argument;

	for (int round = 0; round < RACE_ROUNDS;) {
		struct store_entry entry;
		char next[32];
		int rc;

		if (store_get(store, "n", &entry, NULL) < 0)
			return (void *)1;
		snprintf(next, sizeof(next), "%d", entry.value ? atoi(entry.value) + 1 : 1);
		rc = store_swap(store, "n", entry.revision, next, NULL, NULL);
		mem_free(entry.value);
		if (rc == 0)
			round++;
		else if (rc != ERR_CONFLICT)
			return (void *)1;
	}
	return NULL;
}

/* Two handles, two threads each: no increment may be lost. */
static void racing_swaps_lose_nothing(void **state)
{
	struct store *stores[2] = { open_store(), open_store() };
	pthread_t threads[RACERS];
	void *failed;

	for (int i = 0; i < RACERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, stores[i % 2]), 0);
	for (int i = 0; i < RACERS; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	expect(stores[0], "n", "200", RACERS * RACE_ROUNDS);
	store_close(stores[0]);
	store_close(stores[1]);
}

static void look_at(const char *key, const char *value, uint64_t revision)
{
	struct store_entry entry;
	struct err err = { 0 };

	if (store_look_sqlite(path, key, &entry, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(entry.revision, revision);
	assert_string_equal(entry.value ? entry.value : "", value);
	mem_free(entry.value);
}

static void a_look_finds_what_is_there_and_makes_nothing(void **state)
{
	struct store *store;
	char name[128];

	strcat(path, "?x#%41");         /* nothing of it is SQLite's to read */
	look_at("a", "", 0);
	assert_int_equal(access(path, F_OK), -1);
	store = open_store();
	assert_int_equal(store_swap(store, "a", 0, "one", NULL, NULL), 0);
	look_at("a", "one", 1);         /* while it is in use */
	look_at("b", "", 0);
	store_close(store);
	snprintf(name, sizeof(name), "%s-wal", path);
	assert_int_equal(access(name, F_OK), -1);
	look_at("a", "one", 1);
	assert_int_equal(access(name, F_OK), -1);
}

static void a_look_has_the_errors_of_opening(void **state)
{
	struct store_entry entry;
	struct err err;
	sqlite3 *db;
	FILE *file;

	assert_int_equal(store_look_sqlite("/nonexistent/folder/nanu.db", "a", &entry, &err), ERR_IO);
	assert_int_equal(store_look_sqlite(folder, "a", &entry, &err), ERR_IO);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE mine (x)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(store_look_sqlite(path, "a", &entry, &err), ERR_CONFIG);
	assert_non_null(strstr(err.message, "not a store of nanu"));
	file = fopen(path, "we");
	for (int i = 0; i < 200; i++)
		fputs("not a database", file);
	fclose(file);
	assert_int_equal(store_look_sqlite(path, "a", &entry, &err), ERR_IO);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(what_was_written_is_read_also_after_reopening),
		STORE_TEST(a_swap_under_an_old_revision_is_refused),
		STORE_TEST(the_file_is_private),
		STORE_TEST(foreign_and_newer_files_are_refused),
		STORE_TEST(a_watch_without_change_ends_in_time),
		STORE_TEST(watch_sees_a_swap_of_this_process),
		STORE_TEST(watch_sees_a_swap_of_another_process),
		STORE_TEST(racing_swaps_lose_nothing),
		STORE_TEST(a_look_finds_what_is_there_and_makes_nothing),
		STORE_TEST(a_look_has_the_errors_of_opening),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
