/* merge_row: one row of a shard, taken apart once, and how two of them compare.
 *
 * A row owns its bytes and lives until merge_row_free(); `held_bytes` counts what all rows of one merge hold.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "route/merge.h"

struct merge_column {
	uint32_t offset;                /* into body */
	int32_t size;                   /* -1: NULL */
};

struct merge_row {
	struct merge_row *next;         /* in a stream's queue */
	size_t held_bytes;
	struct slice body;              /* the DataRow's */
	struct merge_column columns[];
};

/* A key with what merge_new() learnt of it. */
struct merge_order_key {
	struct merge_key key;
	uint32_t type;
};

/* Copies `body`, which must have `column_count` columns. ERR_PROTOCOL when it is malformed, ERR_LIMIT when *held_bytes would pass
 * MERGE_MEMORY_MAX. */
must_use int merge_row_new(struct slice body, size_t column_count, size_t *held_bytes, struct merge_row **ret_row, struct err *err);
void merge_row_free(struct merge_row *row, size_t *held_bytes);

static inline struct slice merge_row_value(const struct merge_row *row, int column)     /* .data NULL: NULL */
{
	const struct merge_column *at = &row->columns[column];

	return at->size < 0 ? slice_make(NULL, 0) : slice_make(row->body.data + at->offset, (size_t)at->size);
}

/* ERR_PROTOCOL unless every key's column is NULL or a value of the key's type. */
must_use int merge_row_check(const struct merge_row *row, const struct merge_order_key *keys, size_t key_count, struct err *err);

int merge_row_compare(const struct merge_row *a, const struct merge_row *b, const struct merge_order_key *keys, size_t key_count);
