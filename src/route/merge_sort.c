#include "route/merge_sort.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"

enum { SORT_FIRST_CAPACITY = 64 };

void merge_heap_init(struct merge_heap *heap, size_t stream_count, const struct merge_order_key *keys, size_t key_count)
{
	*heap = (struct merge_heap){ .keys = keys, .key_count = key_count };
	heap->items = mem_calloc(stream_count, sizeof(*heap->items));
}

void merge_heap_release(struct merge_heap *heap)
{
	mem_free(heap->items);
	heap->items = NULL;
}

/* Equal rows come in the order of their streams, so that the same input gives the same output. */
static bool comes_before(const struct merge_heap *heap, const struct merge_heap_item *a, const struct merge_heap_item *b)
{
	int order = merge_row_compare(a->row, b->row, heap->keys, heap->key_count);

	return order < 0 || (order == 0 && a->stream < b->stream);
}

void merge_heap_add(struct merge_heap *heap, const struct merge_row *row, size_t stream)
{
	struct merge_heap_item item = { .row = row, .stream = stream };
	size_t at = heap->count++;

	for (; at > 0 && comes_before(heap, &item, &heap->items[(at - 1) / 2]); at = (at - 1) / 2)
		heap->items[at] = heap->items[(at - 1) / 2];
	heap->items[at] = item;
}

size_t merge_heap_first(const struct merge_heap *heap)
{
	return heap->items[0].stream;
}

void merge_heap_drop_first(struct merge_heap *heap)
{
	struct merge_heap_item item = heap->items[--heap->count];
	size_t at = 0;

	for (size_t child = 1; child < heap->count; at = child, child = 2 * at + 1) {
		if (child + 1 < heap->count && comes_before(heap, &heap->items[child + 1], &heap->items[child]))
			child++;
		if (!comes_before(heap, &heap->items[child], &item))
			break;
		heap->items[at] = heap->items[child];
	}
	heap->items[at] = item;
}

void merge_sort_init(struct merge_sort *sort, uint64_t row_max, const struct merge_order_key *keys, size_t key_count,
		     size_t *held_bytes)
{
	*sort = (struct merge_sort){ .row_max = row_max, .keys = keys, .key_count = key_count, .held_bytes = held_bytes };
}

void merge_sort_release(struct merge_sort *sort)
{
	for (size_t i = 0; i < sort->count; i++)
		merge_row_free(sort->rows[i], sort->held_bytes);
	mem_free(sort->rows);
	sort->rows = NULL;
	sort->count = 0;
}

static int compare(const struct merge_sort *sort, const struct merge_row *a, const struct merge_row *b)
{
	return merge_row_compare(a, b, sort->keys, sort->key_count);
}

/* Puts `row` in place of the last in order, which stands at the top of a heap; that one goes. */
static void replace_last(struct merge_sort *sort, struct merge_row *row)
{
	size_t at = 0;

	if (compare(sort, row, sort->rows[0]) >= 0) {
		merge_row_free(row, sort->held_bytes);
		return;
	}
	merge_row_free(sort->rows[0], sort->held_bytes);
	for (size_t child = 1; child < sort->count; at = child, child = 2 * at + 1) {
		if (child + 1 < sort->count && compare(sort, sort->rows[child + 1], sort->rows[child]) > 0)
			child++;
		if (compare(sort, sort->rows[child], row) <= 0)
			break;
		sort->rows[at] = sort->rows[child];
	}
	sort->rows[at] = row;
}

int merge_sort_add(struct merge_sort *sort, struct merge_row *row, struct err *err)
{
	size_t at;

	if (sort->row_max == 0) {
		merge_row_free(row, sort->held_bytes);
		return 0;
	}
	if (sort->count == sort->row_max) {
		replace_last(sort, row);
		return 0;
	}
	if (sort->count == sort->capacity) {
		sort->capacity = sort->capacity ? 2 * sort->capacity : SORT_FIRST_CAPACITY;
		if (sort->capacity * sizeof(struct merge_row *) > MERGE_MEMORY_MAX) {
			merge_row_free(row, sort->held_bytes);
			return err_set(err, ERR_LIMIT, "sorting the groups of all shards needs too many rows in the router");
		}
		sort->rows = mem_realloc(sort->rows, sort->capacity * sizeof(struct merge_row *));
	}
	for (at = sort->count++; at > 0 && compare(sort, row, sort->rows[(at - 1) / 2]) > 0; at = (at - 1) / 2)
		sort->rows[at] = sort->rows[(at - 1) / 2];
	sort->rows[at] = row;
	return 0;
}

static int compare_for_qsort(const void *a, const void *b, void *context)
{
	return compare(context, *(struct merge_row *const *)a, *(struct merge_row *const *)b);
}

struct merge_row *merge_sort_next(struct merge_sort *sort)
{
	struct merge_row *row;

	if (!sort->sorted && sort->count)
		qsort_r(sort->rows, sort->count, sizeof(struct merge_row *), compare_for_qsort, sort);
	sort->sorted = true;
	if (sort->taken == sort->count)
		return NULL;
	row = sort->rows[sort->taken];
	sort->rows[sort->taken++] = NULL;
	return row;
}
