/* A store behind a pipe: each line of input is a JSON array, a function of store/store.h with its arguments; each line of output is its answer.
 *
 *	store_driver sqlite PATH
 *	store_driver etcd '{"hosts": "http://…", "prefix": "/test/", "timeout_ms": 5000, "user": …, "password": …, "ca_file": …, …}'
 */
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/store.h"

enum { THREADS_MAX = 16 };

static struct store *store;

static json_t *answer(int rc, const struct err *err)
{
	if (rc >= 0)
		return json_pack("{s:i}", "rc", rc);
	return json_pack("{s:s, s:s, s:s, s:s}", "error", err_code_name(rc), "sqlstate", err->sqlstate, "message", err->message, "hint", err->hint);
}

static json_t *with_entry(json_t *object, struct store_entry *entry)
{
	json_object_set_new(object, "revision", json_integer((json_int_t)entry->revision));
	json_object_set_new(object, "value", entry->value ? json_string(entry->value) : json_null());
	mem_free(entry->value);
	return object;
}

static const char *text_at(const json_t *line, size_t i)
{
	return json_string_value(json_array_get(line, i));
}

static uint64_t number_at(const json_t *line, size_t i)
{
	return (uint64_t)json_integer_value(json_array_get(line, i));
}

/* ---- many threads that each add one to the same number, again and again ---- */

struct race { const char *key; int rounds, done, conflicts, unknown, failed; };

static void *run_race(void *argument)
{
	struct race *race = argument;

	while (race->done + race->unknown < race->rounds && race->failed < 1000) {
		struct store_entry entry;
		char next[32];
		int rc = store_get(store, race->key, &entry, NULL);

		if (rc < 0) {
			race->failed++;
			continue;
		}
		snprintf(next, sizeof(next), "%d", entry.value ? atoi(entry.value) + 1 : 1);
		rc = store_swap(store, race->key, entry.revision, next, NULL, NULL);
		mem_free(entry.value);
		race->done += rc == 0;
		race->conflicts += rc == ERR_CONFLICT;
		race->unknown += rc == ERR_UNKNOWN_OUTCOME;
		race->failed += rc != 0 && rc != ERR_CONFLICT && rc != ERR_UNKNOWN_OUTCOME;
	}
	return NULL;
}

static json_t *run_races(const char *key, size_t threads, int rounds)
{
	struct race races[THREADS_MAX], sum = { 0 };
	pthread_t ids[THREADS_MAX];

	for (size_t i = 0; i < threads && i < THREADS_MAX; i++) {
		races[i] = (struct race){ .key = key, .rounds = rounds };
		pthread_create(&ids[i], NULL, run_race, &races[i]);
	}
	for (size_t i = 0; i < threads && i < THREADS_MAX; i++) {
		pthread_join(ids[i], NULL);
		sum.done += races[i].done;
		sum.conflicts += races[i].conflicts;
		sum.unknown += races[i].unknown;
		sum.failed += races[i].failed;
	}
	return json_pack("{s:i, s:i, s:i, s:i}", "done", sum.done, "conflicts", sum.conflicts, "unknown", sum.unknown, "failed", sum.failed);
}

/* ---- the functions ---- */

static json_t *run_get(const json_t *line, struct err *err)
{
	struct store_entry entry;
	int rc = store_get(store, text_at(line, 1), &entry, err);

	return with_entry(answer(rc, err), &entry);
}

static json_t *run_swap(const json_t *line, struct err *err)
{
	uint64_t revision = 0;
	int rc = store_swap_leased(store, text_at(line, 1), number_at(line, 2), text_at(line, 3), number_at(line, 4), &revision, err);
	json_t *object = answer(rc, err);

	json_object_set_new(object, "revision", json_integer((json_int_t)revision));
	return object;
}

static json_t *run_watch(const json_t *line, struct err *err)
{
	struct store_entry entry;
	int rc = store_watch(store, text_at(line, 1), number_at(line, 2), (unsigned)number_at(line, 3), &entry, err);

	return with_entry(answer(rc, err), &entry);
}

static json_t *run_changed(const json_t *line, struct err *err)
{
	uint64_t revision = number_at(line, 1);
	json_t *object = answer(store_changed(store, &revision, (unsigned)number_at(line, 2), err), err);

	json_object_set_new(object, "revision", json_integer((json_int_t)revision));
	return object;
}

static json_t *run_list(const json_t *line, struct err *err)
{
	struct store_item *items;
	size_t count;
	json_t *object = answer(store_list(store, text_at(line, 1), &items, &count, err), err), *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_pack("[s, s, I]", items[i].key, items[i].value, (json_int_t)items[i].revision));
	json_object_set_new(object, "items", array);
	store_items_free(items, count);
	return object;
}

static json_t *run_grant(const json_t *line, struct err *err)
{
	uint64_t lease = 0;
	json_t *object = answer(store_lease_grant(store, (unsigned)number_at(line, 1), &lease, err), err);

	json_object_set_new(object, "lease", json_integer((json_int_t)lease));
	return object;
}

static json_t *run_keep(const json_t *line, struct err *err)
{
	return answer(store_lease_keep(store, number_at(line, 1), err), err);
}

static json_t *run_revoke(const json_t *line, struct err *err)
{
	return answer(store_lease_revoke(store, number_at(line, 1), err), err);
}

static json_t *run_fill(const json_t *line, struct err *err)
{
	size_t size = number_at(line, 2);
	char *value = mem_alloc(size + 1);
	json_t *object;

	memset(value, 'x', size);
	value[size] = '\0';
	object = answer(store_swap(store, text_at(line, 1), 0, value, NULL, err), err);
	mem_free(value);
	return object;
}

static json_t *run_race_line(const json_t *line, struct err *err)
{
	return run_races(text_at(line, 1), number_at(line, 2), (int)number_at(line, 3));
}

static const struct { const char *name; json_t *(*run)(const json_t *line, struct err *err); } functions[] = {
	{ "get", run_get }, { "swap", run_swap }, { "watch", run_watch }, { "changed", run_changed }, { "list", run_list },
	{ "grant", run_grant }, { "keep", run_keep }, { "revoke", run_revoke }, { "fill", run_fill }, { "race", run_race_line },
};

static int open_etcd(const char *text, struct err *err)
{
	struct etcd_options options = { .prefix = "/test/" };
	int timeout_ms = 5000, rc;
	json_t *json = json_loads(text, 0, NULL);

	if (json_unpack(json, "{s:s, s?s, s?i, s?s, s?s, s?s, s?s, s?s}", "hosts", &options.hosts, "prefix", &options.prefix, "timeout_ms", &timeout_ms,
			"user", &options.user, "password", &options.password, "ca_file", &options.ca_file, "cert_file", &options.cert_file,
			"key_file", &options.key_file) < 0)
		return err_set(err, ERR_CONFIG, "what options?");
	options.timeout_ms = (unsigned)timeout_ms;
	rc = store_open_etcd(&options, &store, err);
	json_decref(json);
	return rc;
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t capacity = 0;
	struct err err = { 0 };
	int rc = argc < 3 ? -1 : strcmp(argv[1], "sqlite") == 0 ? store_open_sqlite(argv[2], &store, &err) : open_etcd(argv[2], &err);
	json_t *said = answer(rc, &err);

	for (;;) {
		json_t *asked = NULL;

		json_dumpf(said, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		json_decref(said);
		if (rc < 0 || getline(&line, &capacity, stdin) < 0)
			break;
		asked = json_loads(line, 0, NULL);
		said = json_null();
		err = (struct err){ 0 };
		for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
			if (asked && strcmp(functions[i].name, text_at(asked, 0)) == 0)
				said = functions[i].run(asked, &err);
		json_decref(asked);
	}
	free(line);
	store_close(store);
	return rc < 0 ? 1 : 0;
}
