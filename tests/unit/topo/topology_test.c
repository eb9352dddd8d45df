#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "topo/topology.h"

#define NODES \
	"{\"name\": \"n1\", \"host\": \"10.0.0.1\", \"port\": 5432, \"region\": \"eu\", \"zone\": \"a\", \"role\": \"primary\", " \
	"\"shard\": \"s1\"}," \
	"{\"name\": \"n2\", \"host\": \"/run/pg\", \"port\": 5433, \"region\": \"\", \"zone\": \"\", \"role\": \"primary\", " \
	"\"shard\": \"s2\"}," \
	"{\"name\": \"n3\", \"host\": \"10.0.0.3\", \"port\": 5432, \"region\": \"\", \"zone\": \"\", \"role\": \"replica\", " \
	"\"shard\": \"s1\", \"weight\": 3}"
#define NODES_TURNED \
	"{\"name\": \"n3\", \"host\": \"10.0.0.3\", \"port\": 5432, \"region\": \"\", \"zone\": \"\", \"role\": \"replica\", " \
	"\"shard\": \"s1\", \"weight\": 3}," \
	"{\"name\": \"n2\", \"host\": \"/run/pg\", \"port\": 5433, \"region\": \"\", \"zone\": \"\", \"role\": \"primary\", " \
	"\"shard\": \"s2\"}," \
	"{\"name\": \"n1\", \"host\": \"10.0.0.1\", \"port\": 5432, \"region\": \"eu\", \"zone\": \"a\", \"role\": \"primary\", " \
	"\"shard\": \"s1\"}"
#define SHARDS "{\"name\": \"s1\", \"primary\": \"n1\"}, {\"name\": \"s2\", \"primary\": \"n2\"}"
#define REPLICATED(mode, count, missing) \
	"{\"name\": \"s1\", \"primary\": \"n1\", \"replication\": {\"mode\": \"" mode "\", \"count\": " count ", \"when_missing\": \"" missing "\"}}, " \
	"{\"name\": \"s2\", \"primary\": \"n2\"}"
#define TABLE(slices) \
	"{\"schema\": \"public\", \"name\": \"orders\", \"key_column\": \"user_id\", \"key_type\": 20, \"colocation\": 1, " \
	"\"placement\": {\"name\": \"hash\", \"slices\": [" slices "]}}"
#define LOWEST "{\"from\": \"-9223372036854775808\", \"shard\": \"s1\"}"
#define HALF "{\"from\": \"0\", \"shard\": \"s2\"}"
#define TEXT_OF(nodes, shards, database_shards, tables) \
	"{\"epoch\": 7, \"nodes\": [" nodes "], \"shards\": [" shards "], \"databases\": [{\"name\": \"shop\", " \
	"\"node_database\": \"shop_1\", \"shards\": [" database_shards "], \"tables\": [" tables "]}]}"
#define WHOLE TEXT_OF(NODES, SHARDS, "\"s1\", \"s2\"", TABLE(LOWEST ", " HALF))

static struct topology *read_text(const char *text)
{
	struct topology *topology = NULL;
	struct err err = { 0 };

	if (topology_from_json(text, &topology, &err) < 0)
		fail_msg("%s", err.message);
	return topology;
}

static void text_becomes_structs(void **state)
{
	struct topology *topology = read_text(WHOLE);
	const struct database *database = topology_database(topology, "shop");
	const struct sharded_table *table = database_table(database, "public", "orders");

	assert_int_equal(topology->epoch, 7);
	assert_int_equal(topology->node_count, 3);
	assert_string_equal(topology->nodes[1].host, "/run/pg");
	assert_int_equal(topology->nodes[1].shard, 1);
	assert_int_equal(topology->nodes[2].role, NODE_REPLICA);
	assert_int_equal(topology->shards[1].primary, 1);
	assert_string_equal(database->node_database, "shop_1");
	assert_int_equal(table->key_type, 20);
	assert_int_equal(table->key_kind, KEY_INT);
	assert_int_equal(table->placement->bounds[0] == INT64_MIN, 1);
	assert_int_equal(table->placement->shards[1], 1);
	assert_null(topology_database(topology, "Shop"));
	assert_null(database_table(database, "other", "orders"));
	topology_unref(topology);
}

static void a_table_that_is_being_sharded_says_by_whom(void **state)
{
	struct topology *topology = read_text(WHOLE), *next = NULL, *again;
	struct sharded_table table = *database_table(topology_database(topology, "shop"), "public", "orders");
	char *json;

	table.being_sharded = true;
	table.sharded_by = "r1/7-abc";
	assert_int_equal(topology_with_table(topology, "shop", &table, &next, NULL), 0);
	json = topology_to_json(next);
	again = read_text(json);
	assert_true(database_table(topology_database(again, "shop"), "public", "orders")->being_sharded);
	assert_string_equal(database_table(topology_database(again, "shop"), "public", "orders")->sharded_by, "r1/7-abc");
	mem_free(json);
	topology_unref(again);
	topology_unref(next);
	json = topology_to_json(topology);
	assert_null(strstr(json, "being_sharded"));
	mem_free(json);
	topology_unref(topology);
}

static void text_form_survives_the_round_trip(void **state)
{
	struct topology *first = read_text(WHOLE), *second;
	char *text = topology_to_json(first), *again;

	second = read_text(text);
	again = topology_to_json(second);
	assert_string_equal(text, again);
	mem_free(text);
	mem_free(again);
	topology_unref(first);
	topology_unref(second);
}

static void every_cut_of_the_text_is_refused(void **state)
{
	struct topology *topology = read_text(WHOLE);
	char *text = topology_to_json(topology);

	for (size_t size = strlen(text) - 1; size > 0; size--) {
		struct topology *cut = NULL;
		struct err err = { 0 };

		text[size] = '\0';
		assert_int_equal(topology_from_json(text, &cut, &err), ERR_CONFIG);
		assert_null(cut);
	}
	mem_free(text);
	topology_unref(topology);
}

static void wrong_texts_are_refused_with_the_reason(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "", "not JSON" },
		{ "[]", "root" },
		{ "{\"epoch\": 0, \"nodes\": [], \"shards\": [], \"databases\": []}", "epoch" },
		{ TEXT_OF("", SHARDS, "\"s1\"", ""), "has no primary" },
		{ TEXT_OF(NODES, "", "", ""), "belongs to no shard" },
		{ TEXT_OF(NODES "," NODES, SHARDS, "\"s1\"", ""), "two nodes are named \"n1\"" },
		{ TEXT_OF(NODES, SHARDS ", {\"name\": \"s1\", \"primary\": \"n1\"}", "\"s1\"", ""), "two shards are named" },
		{ TEXT_OF(NODES, "{\"name\": \"s1\", \"primary\": \"n3\"}, {\"name\": \"s2\", \"primary\": \"n2\"}", "\"s1\"", ""),
		  "is not a primary" },
		{ TEXT_OF(NODES, SHARDS, "", ""), "has no shards" },
		{ TEXT_OF(NODES, REPLICATED("semi-sync", "2", "block"), "\"s1\"", ""), "waits for 2 replicas, and has 1" },
		{ TEXT_OF(NODES, REPLICATED("semi-sync", "-1", "block"), "\"s1\"", ""), "in no valid way" },
		{ TEXT_OF(NODES, REPLICATED("async", "0", "block"), "\"s1\"", ""), "in no valid way" },
		{ TEXT_OF(NODES, REPLICATED("sync", "1", "block"), "\"s1\"", ""), "in no valid way" },
		{ TEXT_OF(NODES, REPLICATED("sync", "0", "hope"), "\"s1\"", ""), "in no valid way" },
		{ TEXT_OF(NODES, REPLICATED("often", "0", "block"), "\"s1\"", ""), "in no valid way" },
		{ TEXT_OF(NODES, SHARDS, "\"s9\"", ""), "\"s9\", which is not there" },
		{ TEXT_OF(NODES, SHARDS, "\"s1\", \"s1\"", ""), "twice" },
		{ TEXT_OF(NODES, SHARDS, "\"s1\", \"s2\"", TABLE("")), "does not begin at the lowest hash" },
		{ TEXT_OF(NODES, SHARDS, "\"s1\", \"s2\"", TABLE(HALF)), "does not begin at the lowest hash" },
		{ TEXT_OF(NODES, SHARDS, "\"s1\", \"s2\"", TABLE(LOWEST ", " HALF ", " HALF)), "do not ascend at slice 2" },
		{ TEXT_OF(NODES, SHARDS, "\"s1\"", TABLE(LOWEST ", " HALF)), "which database \"shop\" does not have" },
		{ TEXT_OF(NODES, SHARDS, "\"s1\", \"s2\"", TABLE(LOWEST) "," TABLE(LOWEST)), "stands there twice" },
		{ TEXT_OF(NODES, SHARDS, "\"s1\"", TABLE("{\"from\": \"99999999999999999999\", \"shard\": \"s1\"}")), "no valid bound" },
		{ TEXT_OF(NODES, SHARDS, "\"s1\"", "7"), "tables" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct topology *topology = NULL;
		struct err err = { 0 };

		assert_int_equal(topology_from_json(cases[i].text, &topology, &err), ERR_CONFIG);
		assert_null(topology);
		if (!strstr(err.message, cases[i].reason))
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.message, cases[i].reason);
	}
}

static struct sharded_table users_table(struct arena *arena, size_t shard_count, int colocation)
{
	return (struct sharded_table){
		.schema = "public", .name = "users", .key_column = "id", .key_type = 20, .key_kind = KEY_INT,
		.placement = placement_hash(arena, shard_count), .colocation = colocation,
	};
}

static void a_table_is_added_without_touching_the_old_topology(void **state)
{
	struct topology *old = read_text(WHOLE), *new;
	const struct sharded_table *table;
	struct sharded_table users;
	struct arena arena;

	arena_init(&arena, 1024);
	users = users_table(&arena, 2, 2);
	assert_int_equal(topology_with_table(old, "shop", &users, &new, NULL), 0);
	arena_release(&arena);
	assert_int_equal(old->databases[0].table_count, 1);
	topology_unref(old);
	assert_int_equal(new->epoch, 8);
	assert_int_equal(new->databases[0].table_count, 2);
	table = database_table(&new->databases[0], "public", "users");
	assert_string_equal(table->key_column, "id");
	assert_int_equal(table->placement->slice_count, 2);
	topology_unref(new);
}

static void a_table_that_is_there_is_replaced(void **state)
{
	struct topology *old = read_text(WHOLE), *new;
	struct sharded_table orders;
	struct arena arena;

	arena_init(&arena, 1024);
	orders = users_table(&arena, 1, 3);
	orders.name = "orders";
	assert_int_equal(topology_with_table(old, "shop", &orders, &new, NULL), 0);
	assert_int_equal(new->databases[0].table_count, 1);
	assert_string_equal(new->databases[0].tables[0].key_column, "id");
	assert_int_equal(old->databases[0].tables[0].placement->slice_count, 2);
	arena_release(&arena);
	topology_unref(old);
	topology_unref(new);
}

static void a_table_that_breaks_a_promise_is_refused(void **state)
{
	struct topology *old = read_text(WHOLE), *new = NULL;
	struct sharded_table users;
	struct arena arena;
	struct err err;

	arena_init(&arena, 1024);
	users = users_table(&arena, 3, 2);
	assert_int_equal(topology_with_table(old, "shop", &users, &new, &err), ERR_CONFIG);
	users = users_table(&arena, 1, 1);
	assert_int_equal(topology_with_table(old, "shop", &users, &new, &err), ERR_CONFIG);
	assert_non_null(strstr(err.message, "placed unlike"));
	users = users_table(&arena, 2, 2);
	users.name = "\xff";
	assert_int_equal(topology_with_table(old, "shop", &users, &new, &err), ERR_CONFIG);
	assert_int_equal(topology_with_table(old, "nowhere", &users, &new, &err), ERR_NOT_FOUND);
	assert_null(new);
	arena_release(&arena);
	topology_unref(old);
}

static void a_table_goes(void **state)
{
	struct topology *old = read_text(WHOLE), *gone, *again;
	struct err err;

	assert_int_equal(topology_without_table(old, "shop", "public", "orders", &gone, NULL), 0);
	assert_int_equal(gone->epoch, 8);
	assert_int_equal(gone->databases[0].table_count, 0);
	assert_int_equal(topology_without_table(gone, "shop", "public", "orders", &again, &err), ERR_NOT_FOUND);
	topology_unref(gone);
	topology_unref(old);
}

static struct node added_node(const char *name, const char *host)
{
	return (struct node){ .name = name, .host = host, .port = 5432, .region = "eu", .zone = "", .role = NODE_REPLICA, .shard = 1, .added = true, .upstream = "",
			      .slot = "n4_slot" };
}

static void a_node_is_added_and_taken_out_again(void **state)
{
	struct topology *old = read_text(WHOLE), *with, *without, *again;
	struct node node = added_node("n4", "10.0.0.4");
	char *text;

	assert_int_equal(topology_with_node(old, &node, &with, NULL), 0);
	assert_int_equal(old->node_count, 3);
	topology_unref(old);
	assert_int_equal(with->epoch, 8);
	assert_int_equal(topology_node(with, "n4"), 3);
	assert_int_equal(with->nodes[3].shard, 1);
	text = topology_to_json(with);
	again = read_text(text);
	mem_free(text);
	assert_true(again->nodes[3].added);
	assert_string_equal(again->nodes[3].slot, "n4_slot");
	assert_false(again->nodes[0].added);
	assert_string_equal(again->nodes[0].slot, "");
	assert_int_equal(topology_without_node(again, "n4", &without, NULL), 0);
	assert_int_equal(without->epoch, 9);
	assert_int_equal(topology_node(without, "n4"), -1);
	topology_unref(with);
	topology_unref(again);
	topology_unref(without);
}

/* Shards find their primaries by index. */
static void primaries_are_found_when_a_node_before_them_goes(void **state)
{
	struct topology *old = read_text(TEXT_OF(NODES_TURNED, SHARDS, "\"s1\", \"s2\"", "")), *without;

	assert_int_equal(topology_without_node(old, "n3", &without, NULL), 0);
	assert_string_equal(without->nodes[without->shards[0].primary].name, "n1");
	assert_string_equal(without->nodes[without->shards[1].primary].name, "n2");
	topology_unref(old);
	topology_unref(without);
}

static void a_node_that_breaks_a_promise_is_refused(void **state)
{
	struct topology *old = read_text(WHOLE), *new = NULL;
	struct node node = added_node("n1", "10.0.0.4");
	struct err err;

	assert_int_equal(topology_with_node(old, &node, &new, &err), ERR_CONFIG);
	assert_non_null(strstr(err.message, "two nodes are named \"n1\""));
	node = added_node("n4", "10.0.0.1");
	assert_int_equal(topology_with_node(old, &node, &new, &err), ERR_CONFIG);
	assert_non_null(strstr(err.message, "is node \"n1\" already"));
	node = added_node("n4", "10.0.0.4");
	node.role = NODE_PRIMARY;
	assert_int_equal(topology_with_node(old, &node, &new, &err), ERR_CONFIG);
	node = added_node("n4", "10.0.0.4");
	node.shard = 2;
	assert_int_equal(topology_with_node(old, &node, &new, &err), ERR_CONFIG);
	node = added_node("\xff", "10.0.0.4");
	assert_int_equal(topology_with_node(old, &node, &new, &err), ERR_CONFIG);
	assert_int_equal(topology_without_node(old, "n1", &new, &err), ERR_CONFIG);
	assert_non_null(strstr(err.message, "is the primary of shard \"s1\""));
	assert_int_equal(topology_without_node(old, "n9", &new, &err), ERR_NOT_FOUND);
	assert_null(new);
	topology_unref(old);
}

/* Of s1, which has a replica. */
static void replication_is_chosen_and_survives_the_text(void **state)
{
	const struct replication_rule rule = { REPLICATION_SEMI_SYNC, 1, true };
	struct topology *old = read_text(WHOLE), *new, *again, *less = NULL;
	struct err err;
	char *text;

	assert_int_equal(old->shards[0].replication.mode, REPLICATION_ASYNC);
	assert_int_equal(topology_with_replication(old, "s1", &rule, &new, NULL), 0);
	text = topology_to_json(new);
	again = read_text(text);
	mem_free(text);
	assert_int_equal(again->epoch, 8);
	assert_int_equal(again->shards[0].replication.mode, REPLICATION_SEMI_SYNC);
	assert_int_equal(again->shards[0].replication.count, 1);
	assert_true(again->shards[0].replication.degrades);
	assert_int_equal(again->shards[1].replication.mode, REPLICATION_ASYNC);
	assert_int_equal(topology_without_node(again, "n3", &less, &err), ERR_CONFIG);
	assert_non_null(strstr(err.message, "waits for 1 replica, and has 0"));
	assert_int_equal(topology_with_replication(old, "s2", &rule, &less, &err), ERR_CONFIG);
	assert_int_equal(topology_with_replication(old, "s2", &(struct replication_rule){ REPLICATION_SYNC, 0, false }, &less, &err), ERR_CONFIG);
	assert_int_equal(topology_with_replication(old, "s1", &(struct replication_rule){ REPLICATION_SEMI_SYNC, 0, false }, &less, &err), ERR_CONFIG);
	assert_int_equal(topology_with_replication(old, "s9", &rule, &less, &err), ERR_NOT_FOUND);
	assert_null(less);
	topology_unref(old);
	topology_unref(new);
	topology_unref(again);
}

static void shard_names_read_as_a_list(void **state)
{
	struct topology *topology = read_text(WHOLE);
	struct arena arena;

	arena_init(&arena, 256);
	assert_string_equal(database_shard_names(topology, &topology->databases[0], &arena), "s1, s2");
	arena_release(&arena);
	topology_unref(topology);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_becomes_structs),
		cmocka_unit_test(a_table_that_is_being_sharded_says_by_whom),
		cmocka_unit_test(text_form_survives_the_round_trip),
		cmocka_unit_test(every_cut_of_the_text_is_refused),
		cmocka_unit_test(wrong_texts_are_refused_with_the_reason),
		cmocka_unit_test(a_table_is_added_without_touching_the_old_topology),
		cmocka_unit_test(a_table_that_is_there_is_replaced),
		cmocka_unit_test(a_table_that_breaks_a_promise_is_refused),
		cmocka_unit_test(a_table_goes),
		cmocka_unit_test(a_node_is_added_and_taken_out_again),
		cmocka_unit_test(primaries_are_found_when_a_node_before_them_goes),
		cmocka_unit_test(a_node_that_breaks_a_promise_is_refused),
		cmocka_unit_test(replication_is_chosen_and_survives_the_text),
		cmocka_unit_test(shard_names_read_as_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
