/* fanout: one SELECT over sharded tables -> the SELECT that each shard runs and the merge of their rows.
 *
 * The caller has proven that every join is colocated; this decides whether the rest (ordering, grouping, aggregates, limits) can be
 * merged exactly, and refuses otherwise with the reason (ERR_UNSUPPORTED, with a hint). The shard's statement is deparsed by
 * libpg_query. Pure: text in, text out.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct catalog;
struct merge_spec;

struct fanout_value {                   /* LIMIT or OFFSET: a number, or a parameter that Bind brings */
	bool given;
	int param;                      /* from 1; 0: `number` */
	uint64_t number;
};

struct fanout {
	const char *sql;                /* what each shard runs; parameters keep their numbers */
	struct merge_spec *spec;
	size_t visible_count;           /* leading columns of the shards' rows that keep the client's own formats; others binary */
	struct fanout_value limit, offset;
};

/* `sql` is one SELECT without subqueries, CTEs and set operations; `catalog` resolves its columns and functions.
 * Everything lives in `arena`. */
must_use int fanout_plan(struct slice sql, const struct catalog *catalog, struct arena *arena, struct fanout **ret_fanout,
			 struct err *err);
