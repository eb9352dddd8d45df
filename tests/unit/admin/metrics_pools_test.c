#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "admin/metrics.h"
#include "admin/report.h"
#include "admin/scene.h"
#include "base/limits.h"
#include "base/mem.h"
#include "route/snapshot.h"
#include "topo/topology.h"

enum { WORKERS = 2 };

static const struct node nodes[] = { { .name = "n1", .shard = 0 }, { .name = "n2", .shard = 1 } };
static const struct shard shards[] = { { .name = "s1" }, { .name = "s2" } };
static struct topology topology = { .nodes = nodes, .node_count = 2, .shards = shards, .shard_count = 2 };
static struct snapshot snapshot = { .topology = &topology };

/* What the workers' pools look like to Prometheus; mem_free() it. */
static char *told(struct report_pool *pools[WORKERS], const size_t counts[WORKERS])
{
	struct report items[WORKERS] = { { .pools = pools[0], .pool_count = counts[0] }, { .pools = pools[1], .pool_count = counts[1] } };
	struct reports reports = { .items = items, .count = WORKERS };
	struct arena arena;
	struct scene scene = { .snapshot = &snapshot, .reports = &reports, .arena = &arena };
	struct buf out;

	arena_init(&arena, 4096);
	buf_init(&out, METRICS_SIZE_MAX);
	metrics_pools(&scene, &out);
	buf_add_u8(&out, 0);
	assert_false(out.failed);
	arena_release(&arena);
	return out.data;
}

static size_t lines_of(const char *text, const char *beginning)
{
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, beginning)); at++)
		count += at == text || at[-1] == '\n';
	return count;
}

static void has_line(const char *text, const char *line)
{
	if (lines_of(text, line) != 1)
		fail_msg("not once in:\n%s\n%s", line, text);
}

static void a_pool_is_summed_over_the_workers(void **state)
{
	struct report_pool one[] = {
		{ .node = "n2", .database = "shop", .user = "bob", .idle = 1, .lent = 2, .waiting = 3, .size_max = 20, .opened_total = 5, .wait_us = 1500000,
		  .statements = { [STMT_SELECT] = 5, [STMT_INSERT] = 2 } },
		{ .node = "gone", .database = "shop", .user = "bob", .idle = 1 },
	};
	struct report_pool two[] = {
		{ .node = "n2", .database = "shop", .user = "bob", .idle = 10, .opening = 4, .size_max = 20, .opened_total = 6, .statements = { [STMT_SELECT] = 70 } },
		{ .node = "n2", .database = "shop", .user = "eve", .cleaning = 9, .failed_total = 8, .size_max = 5, .statements = { [STMT_SELECT] = 3 } },
	};
	char *text = told((struct report_pool *[]){ one, two }, (size_t[]){ 2, 2 });

	has_line(text, "nanu_pool_connections{node=\"n2\",shard=\"s2\",database=\"shop\",user=\"bob\",state=\"idle\"} 11\n");
	has_line(text, "nanu_pool_connections{node=\"n2\",shard=\"s2\",database=\"shop\",user=\"bob\",state=\"lent\"} 2\n");
	has_line(text, "nanu_pool_connections{node=\"n2\",shard=\"s2\",database=\"shop\",user=\"bob\",state=\"opening\"} 4\n");
	has_line(text, "nanu_pool_connections{node=\"n2\",shard=\"s2\",database=\"shop\",user=\"eve\",state=\"cleaning\"} 9\n");
	has_line(text, "nanu_pool_connections{node=\"gone\",shard=\"\",database=\"shop\",user=\"bob\",state=\"idle\"} 1\n");
	has_line(text, "nanu_pool_connections_max{node=\"n2\",shard=\"s2\",database=\"shop\",user=\"bob\"} 20\n");
	has_line(text, "nanu_pool_waiting_sessions{node=\"n2\",shard=\"s2\",database=\"shop\",user=\"bob\"} 3\n");
	has_line(text, "nanu_pool_opened_total{node=\"n2\",shard=\"s2\",database=\"shop\",user=\"bob\"} 11\n");
	has_line(text, "nanu_pool_failed_total{node=\"n2\",shard=\"s2\",database=\"shop\",user=\"eve\"} 8\n");
	has_line(text, "nanu_pool_wait_seconds_total{node=\"n2\",shard=\"s2\",database=\"shop\",user=\"bob\"} 1.500000\n");
	has_line(text, "nanu_pool_statements_total{node=\"n2\",shard=\"s2\",database=\"shop\",user=\"bob\"} 77\n");
	mem_free(text);
}

static void statements_are_summed_over_the_users_and_stay_apart_by_kind(void **state)
{
	struct report_pool one[] = {
		{ .node = "n1", .database = "shop", .user = "bob", .statements = { [STMT_SELECT] = 5, [STMT_INSERT] = 2 } },
		{ .node = "n1", .database = "bank", .user = "bob", .statements = { [STMT_SELECT] = 1 } },
	};
	struct report_pool two[] = {
		{ .node = "n1", .database = "shop", .user = "eve", .statements = { [STMT_SELECT] = 70 } },
		{ .node = "n2", .database = "shop", .user = "eve" },
	};
	char *text = told((struct report_pool *[]){ one, two }, (size_t[]){ 2, 2 });

	assert_int_equal(lines_of(text, "nanu_shard_statements_total{"), 3);
	has_line(text, "nanu_shard_statements_total{shard=\"s1\",node=\"n1\",database=\"shop\",kind=\"select\"} 75\n");
	has_line(text, "nanu_shard_statements_total{shard=\"s1\",node=\"n1\",database=\"shop\",kind=\"insert\"} 2\n");
	has_line(text, "nanu_shard_statements_total{shard=\"s1\",node=\"n1\",database=\"bank\",kind=\"select\"} 1\n");
	mem_free(text);
}

/* Each with one statement of every kind. */
static struct report_pool *databases(size_t count)
{
	struct report_pool *pools = mem_calloc(count, sizeof(*pools));

	for (size_t i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "d%zu", i);
		pools[i] = (struct report_pool){ .node = "n1", .database = mem_strdup(name), .user = "bob" };
		for (size_t kind = 0; kind < STMT_KIND_COUNT_; kind++)
			pools[i].statements[kind] = 1;
	}
	return pools;
}

static void drop_databases(struct report_pool *pools, size_t count)
{
	for (size_t i = 0; i < count; i++)
		mem_free((char *)(uintptr_t)pools[i].database);
	mem_free(pools);
}

static void of_too_many_databases_statements_are_summed_and_none_is_lost(void **state)
{
	enum { MANY = METRICS_POOLS_MAX / STMT_KIND_COUNT_ };

	for (size_t count = MANY; count <= MANY + 1; count++) {
		struct report_pool *pools = databases(count);
		char *text = told((struct report_pool *[]){ pools, NULL }, (size_t[]){ count, 0 }), line[200];

		assert_int_equal(lines_of(text, "nanu_shard_statements_total{"), (count > MANY ? 1 : count) * STMT_KIND_COUNT_);
		snprintf(line, sizeof(line), "nanu_shard_statements_total{shard=\"s1\",node=\"n1\",database=\"%s\",kind=\"select\"} %zu\n", count > MANY ? "" : "d0",
			 count > MANY ? count : (size_t)1);
		has_line(text, line);
		mem_free(text);
		drop_databases(pools, count);
	}
}

/* `count` users on one worker, each with one statement. */
static struct report_pool *crowd(size_t count)
{
	struct report_pool *pools = mem_calloc(count, sizeof(*pools));

	for (size_t i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "u%zu", i);
		pools[i] = (struct report_pool){ .node = i % 2 ? "n1" : "n2", .database = "shop", .user = mem_strdup(name), .statements = { [STMT_SELECT] = 1 }, .size_max = 3 };
	}
	return pools;
}

static void drop_crowd(struct report_pool *pools, size_t count)
{
	for (size_t i = 0; i < count; i++)
		mem_free((char *)(uintptr_t)pools[i].user);
	mem_free(pools);
}

static void as_many_pools_as_are_told_one_by_one_are(void **state)
{
	struct report_pool *pools = crowd(METRICS_POOLS_MAX);
	char *text = told((struct report_pool *[]){ pools, pools }, (size_t[]){ METRICS_POOLS_MAX, METRICS_POOLS_MAX });

	assert_int_equal(lines_of(text, "nanu_pool_statements_total{"), METRICS_POOLS_MAX);
	has_line(text, "nanu_pool_statements_total{node=\"n2\",shard=\"s2\",database=\"shop\",user=\"u0\"} 2\n");
	mem_free(text);
	drop_crowd(pools, METRICS_POOLS_MAX);
}

static void of_more_the_users_are_summed_and_nothing_is_lost(void **state)
{
	struct report_pool *pools = crowd(METRICS_POOLS_MAX + 1);
	char *text = told((struct report_pool *[]){ pools, NULL }, (size_t[]){ METRICS_POOLS_MAX + 1, 0 });

	assert_int_equal(lines_of(text, "nanu_pool_statements_total{"), 2);
	has_line(text, "nanu_pool_statements_total{node=\"n1\",shard=\"s1\",database=\"shop\",user=\"\"} 1000\n");
	has_line(text, "nanu_pool_statements_total{node=\"n2\",shard=\"s2\",database=\"shop\",user=\"\"} 1001\n");
	assert_int_equal(lines_of(text, "nanu_pool_connections_max"), 0);
	mem_free(text);
	drop_crowd(pools, METRICS_POOLS_MAX + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pool_is_summed_over_the_workers),
		cmocka_unit_test(statements_are_summed_over_the_users_and_stay_apart_by_kind),
		cmocka_unit_test(of_too_many_databases_statements_are_summed_and_none_is_lost),
		cmocka_unit_test(as_many_pools_as_are_told_one_by_one_are),
		cmocka_unit_test(of_more_the_users_are_summed_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
