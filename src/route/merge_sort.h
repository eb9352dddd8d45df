/* merge_sort: the heap that merges sorted streams, and the sort in memory of finished groups.
 *
 * Both keep rows in a binary heap under merge_row_compare(). The heap of streams holds one row of each stream; the sort holds all rows,
 * or, when no more than `row_max` of them will be asked for, only the first that many.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "route/merge_row.h"

struct merge_heap {
	struct merge_heap_item {
		const struct merge_row *row;    /* borrowed */
		size_t stream;
	} *items;
	size_t count;
	const struct merge_order_key *keys;
	size_t key_count;
};

void merge_heap_init(struct merge_heap *heap, size_t stream_count, const struct merge_order_key *keys, size_t key_count);
void merge_heap_release(struct merge_heap *heap);
void merge_heap_add(struct merge_heap *heap, const struct merge_row *row, size_t stream);
size_t merge_heap_first(const struct merge_heap *heap);         /* the stream with the least row; the heap is not empty */
void merge_heap_drop_first(struct merge_heap *heap);

struct merge_sort {
	struct merge_row **rows;        /* owned */
	size_t count, capacity;
	uint64_t row_max;
	size_t taken;                   /* rows given back so far; NULL in `rows` */
	bool sorted;
	const struct merge_order_key *keys;
	size_t key_count;
	size_t *held_bytes;
};

void merge_sort_init(struct merge_sort *sort, uint64_t row_max, const struct merge_order_key *keys, size_t key_count,
		     size_t *held_bytes);
void merge_sort_release(struct merge_sort *sort);
/* Takes the row. ERR_LIMIT when the array of rows alone would pass MERGE_MEMORY_MAX. */
must_use int merge_sort_add(struct merge_sort *sort, struct merge_row *row, struct err *err);
struct merge_row *merge_sort_next(struct merge_sort *sort);     /* the caller's from now on; NULL at the end. No more adding. */
