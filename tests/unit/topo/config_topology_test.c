#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scratch.h"
#include "topo/config.h"
#include "topo/topology.h"

#define NODES "nodes:\n  - {name: n1, host: a}\n  - {name: n2, host: b}\n  - {name: n3, host: c}\n"
#define IN_ORDER "shards:\n  - {name: s1, nodes: [n1, n3]}\n  - {name: s2, nodes: [n2]}\n"
#define REVERSED "shards:\n  - {name: s2, nodes: [n2]}\n  - {name: s1, nodes: [n1, n3]}\n"

static int make(const char *text, const struct topology *stored, struct topology **ret_topology, struct err *err)
{
	struct config *config = NULL;
	int rc;

	if (config_read(scratch_write(text), &config, err) < 0)
		fail_msg("%s", err->message);
	rc = config_topology(config, stored, ret_topology, err);
	config_unref(config);
	return rc;
}

static struct topology *make_good(const char *text, const struct topology *stored)
{
	struct topology *topology = NULL;
	struct err err = { 0 };

	if (make(text, stored, &topology, &err) < 0)
		fail_msg("%s", err.message);
	return topology;
}

/* Database shop with table orders over s1 and s2. */
static struct topology *stored_topology(void)
{
	struct topology *first = make_good(NODES IN_ORDER "databases:\n  - {name: shop}\n", NULL), *second;
	struct sharded_table table = {
		.schema = "public", .name = "orders", .key_column = "user_id", .key_type = 20, .key_kind = KEY_INT,
	};
	struct arena arena;

	arena_init(&arena, 1024);
	table.placement = placement_hash(&arena, 2);
	assert_int_equal(topology_with_table(first, "shop", &table, &second, NULL), 0);
	arena_release(&arena);
	topology_unref(first);
	return second;
}

static void the_first_topology_is_the_configuration(void **state)
{
	struct topology *topology = make_good(NODES IN_ORDER "databases:\n  - {name: shop, node_database: x, shards: [s2]}\n", NULL);

	assert_int_equal(topology->epoch, 1);
	assert_int_equal(topology->nodes[0].role, NODE_PRIMARY);
	assert_int_equal(topology->nodes[2].role, NODE_REPLICA);
	assert_int_equal(topology->nodes[2].shard, 0);
	assert_int_equal(topology->shards[1].primary, 1);
	assert_string_equal(topology->databases[0].node_database, "x");
	assert_int_equal(topology->databases[0].shards[0], 1);
	assert_int_equal(topology->databases[0].table_count, 0);
	topology_unref(topology);
}

static void the_same_configuration_keeps_the_epoch(void **state)
{
	struct topology *stored = stored_topology();
	struct topology *topology = make_good(NODES IN_ORDER "databases:\n  - {name: shop}\n", stored);

	assert_int_equal(topology->epoch, stored->epoch);
	assert_non_null(database_table(&topology->databases[0], "public", "orders"));
	topology_unref(topology);
	topology_unref(stored);
}

static void another_configuration_raises_the_epoch_and_keeps_the_tables(void **state)
{
	struct topology *stored = stored_topology();
	struct topology *topology = make_good(NODES IN_ORDER "databases:\n  - {name: shop}\n  - {name: more}\n", stored);

	assert_int_equal(topology->epoch, stored->epoch + 1);
	assert_int_equal(topology_database(topology, "shop")->table_count, 1);
	assert_int_equal(topology_database(topology, "more")->table_count, 0);
	topology_unref(topology);
	topology_unref(stored);
}

/* Rows stay where they are: a slice follows its shard's name, not the place of the name in the file. */
static void slices_follow_their_shards_by_name(void **state)
{
	struct topology *stored = stored_topology();
	struct topology *topology = make_good(NODES REVERSED "databases:\n  - {name: shop, shards: [s1, s2]}\n", stored);
	const struct database *database = topology_database(topology, "shop");
	const struct placement *placement = database_table(database, "public", "orders")->placement;

	assert_string_equal(topology->shards[database->shards[placement->shards[0]]].name, "s1");
	assert_string_equal(topology->shards[database->shards[placement->shards[1]]].name, "s2");
	topology_unref(topology);
	topology_unref(stored);
}

static void what_would_lose_rows_is_refused(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ NODES IN_ORDER "databases:\n  - {name: other}\n", "is not in the configuration" },
		{ NODES IN_ORDER "databases:\n  - {name: shop, shards: [s1]}\n", "has rows on shard \"s2\"" },
		{ NODES IN_ORDER "databases:\n  - {name: shop, shards: [s2, s1]}\n", "home shard" },
		{ NODES REVERSED "databases:\n  - {name: shop}\n", "home shard" },
	};
	struct topology *stored = stored_topology();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct topology *topology = NULL;
		struct err err = { 0 };

		assert_int_equal(make(cases[i].text, stored, &topology, &err), ERR_CONFIG);
		assert_null(topology);
		if (!strstr(err.message, cases[i].reason))
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.message, cases[i].reason);
		assert_true(*err.hint);
	}
	topology_unref(stored);
}

/* Database shop over s1 and s2, and node n4, added to s1 while the router ran. */
static struct topology *with_added_node(void)
{
	struct topology *stored = stored_topology(), *with;
	const struct node node = { .name = "n4", .host = "d", .port = 5432, .region = "", .zone = "z", .weight = 7, .role = NODE_REPLICA, .shard = 0, .added = true,
				   .upstream = "n3", .slot = "n4" };

	assert_int_equal(topology_with_node(stored, &node, &with, NULL), 0);
	topology_unref(stored);
	return with;
}

static void an_added_node_stays_beside_those_of_the_file(void **state)
{
	struct topology *stored = with_added_node();
	struct topology *same = make_good(NODES IN_ORDER "databases:\n  - {name: shop}\n", stored);
	struct topology *turned = make_good(NODES REVERSED "databases:\n  - {name: shop, shards: [s1, s2]}\n", stored);
	const struct node *node = &turned->nodes[topology_node(turned, "n4")];

	assert_int_equal(same->epoch, stored->epoch);
	assert_true(same->nodes[topology_node(same, "n4")].added);
	assert_int_equal(turned->epoch, stored->epoch + 1);
	assert_string_equal(turned->shards[node->shard].name, "s1");
	assert_string_equal(node->zone, "z");
	assert_int_equal(node->weight, 7);
	assert_string_equal(node->slot, "n4");
	assert_string_equal(node->upstream, "n3");
	topology_unref(same);
	topology_unref(turned);
	topology_unref(stored);
}

/* By its name, wherever it is then, or by its address, whatever it is called then. */
static void a_node_that_the_file_names_belongs_to_the_file(void **state)
{
	static const char *const lines[] = { "  - {name: n4, host: elsewhere}\n", "  - {name: n5, host: d}\n" };
	struct topology *stored = with_added_node();

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct topology *topology;
		char text[512];

		snprintf(text, sizeof(text), NODES "%sshards:\n  - {name: s1, nodes: [n1, n3, n%zu]}\n  - {name: s2, nodes: [n2]}\n"
			 "databases:\n  - {name: shop}\n", lines[i], i + 4);
		topology = make_good(text, stored);
		assert_int_equal(topology->node_count, 4);
		assert_int_equal(topology->epoch, stored->epoch + 1);
		for (size_t j = 0; j < topology->node_count; j++)
			assert_false(topology->nodes[j].added);
		topology_unref(topology);
	}
	topology_unref(stored);
}

/* s1 has a replica, n3. */
static void replication_stays_as_it_was_chosen(void **state)
{
	struct topology *stored = stored_topology(), *chosen, *next = NULL;
	struct topology *turned;
	struct err err;

	assert_int_equal(topology_with_replication(stored, "s1", &(struct replication_rule){ REPLICATION_SYNC, 0, true }, &chosen, NULL), 0);
	turned = make_good(NODES REVERSED "databases:\n  - {name: shop, shards: [s1, s2]}\n", chosen);
	assert_int_equal(turned->shards[1].replication.mode, REPLICATION_SYNC);
	assert_true(turned->shards[1].replication.degrades);
	assert_int_equal(turned->shards[0].replication.mode, REPLICATION_ASYNC);
	assert_int_equal(make("nodes:\n  - {name: n1, host: a}\n  - {name: n2, host: b}\nshards:\n  - {name: s1, nodes: [n1]}\n"
			      "  - {name: s2, nodes: [n2]}\ndatabases:\n  - {name: shop}\n", chosen, &next, &err), ERR_CONFIG);
	assert_null(next);
	assert_non_null(strstr(err.hint, "nanu.set_replication('s1', 'async')"));
	topology_unref(turned);
	topology_unref(chosen);
	topology_unref(stored);
}

static void an_added_node_whose_shard_goes_is_not_forgotten(void **state)
{
	struct topology *stored = make_good("nodes:\n  - {name: n1, host: a}\n  - {name: n2, host: b}\nshards:\n  - {name: s1, nodes: [n1]}\n"
					    "  - {name: s2, nodes: [n2]}\ndatabases:\n  - {name: shop, shards: [s2]}\n", NULL), *with, *next = NULL;
	const struct node node = { .name = "n4", .host = "d", .port = 5432, .region = "", .zone = "", .role = NODE_REPLICA, .shard = 0, .added = true,
				   .upstream = "", .slot = "" };
	struct err err;

	assert_int_equal(topology_with_node(stored, &node, &with, NULL), 0);
	assert_int_equal(make("nodes:\n  - {name: n2, host: b}\nshards:\n  - {name: s2, nodes: [n2]}\ndatabases:\n  - {name: shop}\n", with, &next, &err),
			 ERR_CONFIG);
	assert_null(next);
	assert_non_null(strstr(err.message, "belongs to shard \"s1\""));
	assert_non_null(strstr(err.hint, "nanu.remove_node('n4')"));
	topology_unref(with);
	topology_unref(stored);
}

static const char *primary_of(const struct topology *topology, const char *shard)
{
	return topology->nodes[topology->shards[topology_shard(topology, shard)].primary].name;
}

/* It is said by the nodes themselves, and the file only once. */
static void who_was_found_to_be_the_primary_stays_it_while_roles_are_followed(void **state)
{
	struct topology *stored = stored_topology(), *followed, *next;

	assert_int_equal(topology_with_primary(stored, topology_node(stored, "n3"), &followed, NULL), 0);
	assert_string_equal(primary_of(followed, "s1"), "n3");
	next = make_good(NODES REVERSED "databases:\n  - {name: shop, shards: [s1, s2]}\n", followed);
	assert_string_equal(primary_of(next, "s1"), "n3");
	assert_string_equal(primary_of(next, "s2"), "n2");
	topology_unref(next);
	next = make_good("follow_roles: off\n" NODES IN_ORDER "databases:\n  - {name: shop}\n", followed);
	assert_string_equal(primary_of(next, "s1"), "n1");
	topology_unref(next);
	/* A node that the shard has no more cannot be it. */
	next = make_good("nodes:\n  - {name: n1, host: a}\n  - {name: n2, host: b}\nshards:\n  - {name: s1, nodes: [n1]}\n  - {name: s2, nodes: [n2]}\n"
			 "databases:\n  - {name: shop}\n", followed);
	assert_string_equal(primary_of(next, "s1"), "n1");
	topology_unref(next);
	topology_unref(followed);
	topology_unref(stored);
}

/* Its slot was one of the primary before; what streams from it does so still. */
static void an_added_node_that_is_promoted_streams_from_nobody(void **state)
{
	struct topology *stored = with_added_node(), *promoted, *next, *without;
	const struct node *node;

	assert_int_equal(topology_without_node(stored, "n3", &without, NULL), ERR_CONFIG);
	assert_int_equal(topology_with_primary(stored, topology_node(stored, "n3"), &promoted, NULL), 0);
	assert_string_equal(promoted->nodes[topology_node(promoted, "n4")].upstream, "");
	topology_unref(promoted);
	assert_int_equal(topology_with_primary(stored, topology_node(stored, "n4"), &promoted, NULL), 0);
	next = make_good(NODES IN_ORDER "databases:\n  - {name: shop}\n", promoted);
	node = &next->nodes[topology_node(next, "n4")];
	assert_string_equal(primary_of(next, "s1"), "n4");
	assert_string_equal(node->upstream, "");
	assert_string_equal(node->slot, "");
	assert_int_equal(next->epoch, promoted->epoch);
	topology_unref(next);
	topology_unref(promoted);
	topology_unref(stored);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_topology_is_the_configuration),
		cmocka_unit_test(the_same_configuration_keeps_the_epoch),
		cmocka_unit_test(another_configuration_raises_the_epoch_and_keeps_the_tables),
		cmocka_unit_test(slices_follow_their_shards_by_name),
		cmocka_unit_test(what_would_lose_rows_is_refused),
		cmocka_unit_test(an_added_node_stays_beside_those_of_the_file),
		cmocka_unit_test(a_node_that_the_file_names_belongs_to_the_file),
		cmocka_unit_test(an_added_node_whose_shard_goes_is_not_forgotten),
		cmocka_unit_test(who_was_found_to_be_the_primary_stays_it_while_roles_are_followed),
		cmocka_unit_test(an_added_node_that_is_promoted_streams_from_nobody),
		cmocka_unit_test(replication_stays_as_it_was_chosen),
	};

	return cmocka_run_group_tests(tests, NULL, scratch_remove);
}
