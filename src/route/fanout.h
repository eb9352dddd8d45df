/* fanout: one SELECT over sharded tables -> the SELECT that each shard runs and the merge of their rows.
 *
 * The caller has proven that every row of the answer comes from exactly one shard (joins are colocated, no outer join keeps rows of a
 * reference table, at least one table is sharded), that names mean what `catalog` says (its search_path is the session's), that
 * standard_conforming_strings is on, and that the text's tree is not too deep (shape_parse() did). This decides whether the rest (ordering,
 * grouping, aggregates, limits) can be merged exactly, and refuses otherwise with the reason (ERR_UNSUPPORTED, with a hint). The shard's
 * statement is deparsed by libpg_query. Pure: text in, text out.
 *
 * The shards' rows begin with the client's own columns, unchanged: cut to `visible_count`, their RowDescription is the client's. Hidden
 * columns follow, always in binary. A value that more than one row of an equal group or DISTINCT could show (numeric 1.0 and 1.00) is
 * that of any of them, as in PostgreSQL.
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
must_use int fanout_plan(struct slice sql, bool standard_strings, const struct catalog *catalog, struct arena *arena,
			 struct fanout **ret_fanout, struct err *err);

struct fanout_param {                   /* as Bind brings it */
	uint32_t type;                  /* OID that Parse gave, or 0 */
	int16_t format;                 /* 0 text, 1 binary */
	struct slice value;             /* .data NULL: NULL */
};

/* Puts LIMIT and OFFSET of one execution into `spec` (a copy of fanout->spec). Errors are PostgreSQL's: ERR_INVALID_VALUE with 2201W or
 * 2201X for a negative one, ERR_INVALID_TEXT, ERR_OUT_OF_RANGE; ERR_UNSUPPORTED for a parameter that is no integer. */
must_use int fanout_limits(const struct fanout *fanout, const struct fanout_param *params, size_t param_count, struct merge_spec *spec,
			   struct err *err);
