/* understand: what it costs to know where a statement goes: lexer, fingerprint, plan cache, key, shard. No connection, no I/O.
 *
 *   build/bench/understand              nanoseconds a statement, the best of several rounds
 *   build/bench/understand COUNT        understands the first statement COUNT times and says nothing: for counting instructions
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "catalog/catalog.h"
#include "route/plan_cache.h"
#include "route/snapshot.h"
#include "sql/fingerprint.h"
#include "topo/topology.h"

enum { ROUNDS = 10, CALLS = 100000, KEYS = 64, TEXT_SIZE_MAX = 256 };

static const char topology_text[] =
	"{\"epoch\": 1, \"nodes\": ["
	"{\"name\": \"n1\", \"host\": \"127.0.0.1\", \"port\": 1, \"region\": \"\", \"zone\": \"\", \"role\": \"primary\", \"shard\": \"s1\"},"
	"{\"name\": \"n2\", \"host\": \"127.0.0.1\", \"port\": 2, \"region\": \"\", \"zone\": \"\", \"role\": \"primary\", \"shard\": \"s2\"}],"
	"\"shards\": [{\"name\": \"s1\", \"primary\": \"n1\"}, {\"name\": \"s2\", \"primary\": \"n2\"}],"
	"\"databases\": [{\"name\": \"bench\", \"node_database\": \"bench\", \"shards\": [\"s1\", \"s2\"], \"tables\": ["
	"{\"schema\": \"public\", \"name\": \"pgbench_accounts\", \"key_column\": \"aid\", \"key_type\": 23, \"colocation\": 1,"
	" \"placement\": {\"name\": \"hash\", \"slices\": [{\"from\": \"-9223372036854775808\", \"shard\": \"s1\"}, {\"from\": \"0\", \"shard\": \"s2\"}]}}"
	"]}]}";

static const char *const statements[] = {
	"SELECT abalance FROM pgbench_accounts WHERE aid = %d;",
	"UPDATE pgbench_accounts SET abalance = abalance + -1234 WHERE aid = %d;",
	"SELECT \"a\".\"aid\", \"a\".\"abalance\" FROM \"pgbench_accounts\" \"a\" WHERE \"a\".\"aid\" IN (%d, 2, 3, 4, 5, 6, 7, 8) ORDER BY 1",
};

/* The statement at hand with one key after the other: the fingerprinter remembers the text that it saw last. */
static char texts[KEYS][TEXT_SIZE_MAX];

static struct plan_cache plans;
static struct fingerprinter *fingerprinter;
static struct plan_context context;

static void fail(const char *message)
{
	fprintf(stderr, "understand: %s\n", message);
	exit(1);
}

static struct snapshot *make_snapshot(void)
{
	struct catalog_column columns[] = {
		{ .name = "aid", .type = OID_INT4, .typmod = -1, .attnum = 1, .not_null = true, .primary_at = 1 },
		{ .name = "bid", .type = OID_INT4, .typmod = -1, .attnum = 2 },
		{ .name = "abalance", .type = OID_INT4, .typmod = -1, .attnum = 3 },
	};
	struct catalog *catalog = catalog_new(1);
	struct topology *topology;
	struct err err = { 0 };

	catalog->search_path[0] = "public";
	catalog->search_path_count = 1;
	catalog_add_table(catalog, &(struct catalog_table){ .schema = "public", .name = "pgbench_accounts", .oid = OID_FIRST_OF_USERS, .kind = 'r',
							    .persistence = 'p', .columns = columns, .column_count = 3 });
	if (topology_from_json(topology_text, &topology, &err) < 0)
		fail(err.message);
	return snapshot_new(1, topology, &catalog, NULL);
}

/* As a session does for a simple query. Returns its shards, 0 after an error. */
static uint64_t understand(struct slice sql)
{
	struct plan_values values = { .sql = sql, .standard_strings = true, .own_encoding = true };
	uint64_t shards = 0;
	struct plan *plan;
	struct err err = { 0 };

	if (fingerprint_make(fingerprinter, sql, true, &values.fingerprint, &err) < 0)
		fail(err.message);
	plan = plan_cache_get(&plans, &context, sql, values.fingerprint);
	if (plan_route(&context, &plan->items[0], &values, &shards, &err) < 0)
		fail(err.message);
	plan_unref(plan);
	return shards;
}

static uint64_t only_fingerprint(struct slice sql)
{
	const struct fingerprint *fingerprint;

	return fingerprint_make(fingerprinter, sql, true, &fingerprint, NULL) == 0 ? fingerprint->hash[0] : 0;
}

static void repeat(uint64_t (*step)(struct slice), long count)
{
	struct slice sql[KEYS];

	for (size_t i = 0; i < KEYS; i++)
		sql[i] = slice_of(texts[i]);
	for (long i = 0; i < count; i++)
		if (step(sql[i % KEYS]) == 0)
			fail("no shard");
}

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Nanoseconds a call. */
static double measure(uint64_t (*step)(struct slice))
{
	double best = 0;

	for (int round = 0; round < ROUNDS; round++) {
		double begin = now_ns(), each;

		repeat(step, CALLS);
		each = (now_ns() - begin) / CALLS;
		if (round == 0 || each < best)
			best = each;
	}
	return best;
}

static void write_texts(const char *statement)
{
	const char *key = strstr(statement, "%d");

	for (int i = 0; i < KEYS; i++)
		snprintf(texts[i], TEXT_SIZE_MAX, "%.*s%d%s", (int)(key - statement), statement, 12345 + i, key + 2);
}

int main(int argc, char **argv)
{
	fingerprinter = fingerprinter_new(true);
	plan_cache_init(&plans);
	context.snapshot = make_snapshot();
	for (size_t i = 0; i < (argc > 1 ? 1 : sizeof(statements) / sizeof(statements[0])); i++) {
		write_texts(statements[i]);
		if (argc > 1)
			repeat(understand, atol(argv[1]));
		else
			printf("%6.1f ns, of which fingerprint %6.1f ns: %s\n", measure(understand), measure(only_fingerprint), texts[0]);
	}
	plan_cache_release(&plans);
	fingerprinter_free(fingerprinter);
	snapshot_unref((struct snapshot *)(uintptr_t)context.snapshot);
	return 0;
}
