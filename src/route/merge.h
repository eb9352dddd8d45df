/* merge: N sorted or partial row streams -> the one stream that a single PostgreSQL would send.
 *
 * Rows come as DataRow message bodies (column count, then length and bytes of each column) of the statement that fanout.c wrote for the
 * shards: first the columns that the client sees, in the formats it asked for, then hidden ones in binary that the merge works on.
 * Memory is bounded by limits.h:MERGE_MEMORY_MAX; a stream is consumed row by row. No I/O; one thread.
 *
 *     push ──▶ stream queues ──▶ k-way merge by order or groups ──▶ equal rows once, or groups combined ──▶ sort, if groups
 *              (a few rows)      (or as they come)                                                          are wanted otherwise
 *                                                                                              ──▶ OFFSET, LIMIT ──▶ take
 *
 * Hidden text is compared as the node sends it: the session's client_encoding is the node's own encoding, or the caller does not merge.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct collation;                       /* value.h: how text compares */

struct merge_key {                      /* one ORDER BY, GROUP BY or DISTINCT column */
	int column;                     /* index in the shard's row; its format is binary */
	const struct collation *collation;      /* for text types; NULL: not known to the planner, and why */
	const char *no_collation_why;
	bool descending;
	bool nulls_first;
};

enum merge_aggregate_kind {
	AGGREGATE_COUNT,                /* sum of int8 counts -> int8 */
	AGGREGATE_SUM,                  /* of what the shards' sum() returned: int8, numeric (exact); float, interval, money: refused */
	AGGREGATE_MIN, AGGREGATE_MAX,   /* by value order of the type */
	AGGREGATE_AVG,                  /* column: sum, column_count: count; integer and numeric -> numeric as PostgreSQL scales it */
};

/* One column that the client sees, or, behind those, an aggregate that only `order` needs. Output i of the visible ones stands in column
 * i of the shards' rows, so that their RowDescription, cut to output_count columns, is the client's. */
struct merge_output {
	enum { OUTPUT_COPY, OUTPUT_AGGREGATE } kind;    /* COPY: column i of the row (for groups: of the group's first row); MIN and
							 * MAX copy column i of the row that has the least or greatest value */
	enum merge_aggregate_kind aggregate;
	int aggregate_column;           /* hidden, binary; for `order` it holds the aggregate's final value (AVG: the average) */
	int aggregate_count_column;     /* AVG */
	bool has_default;               /* COALESCE(aggregate, …): when it is NULL, so it is on every shard, and what they show is shown */
	int default_column;             /* has_default: hidden, binary: the COALESCE, for `order` */
	const struct collation *collation;      /* MIN and MAX of text; NULL: see struct merge_key */
	const char *no_collation_why;
	const char *name;               /* as written, for messages: "sum(price)"; or NULL */
	int16_t format;                 /* 0 text, 1 binary; set by the caller before merge_new(): COUNT, SUM and AVG are printed in it,
					 * as the type of column i: their own, or for int8 a smaller integer (count(*)::int) */
};

struct merge_spec {
	struct merge_output *outputs;
	size_t output_count;            /* that the client sees */
	size_t hidden_output_count;     /* aggregates behind them in `outputs`, for `order` alone */
	size_t shard_column_count;      /* columns in the shards' rows, hidden ones included */
	struct merge_key *order;        /* the order in which the client wants rows; the shards send this order unless `grouped` */
	size_t order_count;
	bool grouped;                   /* aggregates are combined: one row a group, or one row in all when group_count == 0 */
	struct merge_key *groups;       /* the shards send rows in this order, so that groups meet; when order_count == 0 the client gets
					 * them in this order too, otherwise they are sorted by `order` in memory */
	size_t group_count;
	bool distinct;                  /* equal rows (by `order`, which then covers every output column) once */
	bool has_limit, has_offset;
	/* LIMIT and OFFSET of the client; the shards were told limit + offset. Filled in per execution: fanout_limits(). */
	uint64_t limit, offset;
};

struct merge;

/* `column_types` are the type OIDs of the shards' rows (shard_column_count of them), for comparing; ERR_UNSUPPORTED when the order of
 * one is not known here. The merge keeps its own copy of the spec; collations and texts in it must outlive it. */
must_use int merge_new(const struct merge_spec *spec, size_t stream_count, const uint32_t *column_types, struct merge **ret_merge,
		       struct err *err);
void merge_free(struct merge *merge);

/* Gives the next row of one stream; `row` is a DataRow body and is copied as needed. The caller gives rows of a stream only while
 * merge_wants() says so, which bounds memory. ERR_LIMIT at MERGE_MEMORY_MAX, ERR_PROTOCOL for a malformed row,
 * ERR_OUT_OF_RANGE when a sum leaves int8. Once merge_done(), rows are dropped. */
must_use int merge_push(struct merge *merge, size_t stream, struct slice row, struct err *err);
void merge_end(struct merge *merge, size_t stream);             /* the stream has no more rows */
bool merge_wants(const struct merge *merge, size_t stream);     /* it cannot go on without this stream's next row (or has room) */

/* Takes what is ready: appends whole DataRow messages ('D', length, body) to `out` until it holds `size_enough` bytes or more.
 * Returns the number of rows appended (0: it waits for more input, or has ended), or a negative error: ERR_OUT_OF_RANGE; ERR_LIMIT,
 * also when `out` is full; ERR_WRONG_STATE when a stream turns out not to be in order. */
must_use int64_t merge_take(struct merge *merge, struct buf *out, size_t size_enough, struct err *err);
bool merge_done(const struct merge *merge);                     /* all rows were taken, or LIMIT was reached */
