#include "route/merge.h"

#include <assert.h>
#include <endian.h>

#include "base/limits.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "route/merge_group.h"
#include "route/merge_row.h"
#include "route/merge_sort.h"
#include "route/value.h"

/* A stream is asked for more while its queue is smaller than this, so that reading and merging go in batches: at 64 streams a quarter of
 * MERGE_MEMORY_MAX. */
enum { STREAM_QUEUE_SIZE = MERGE_MEMORY_MAX / 4 / SHARDS_MAX, DATA_ROW = 'D' };

struct stream {
	struct merge_row *first, **end;
	size_t queued_bytes;
	bool ended;
};

struct merge {
	struct merge_spec spec;
	struct stream *streams;
	size_t stream_count;
	size_t held_bytes;

	struct merge_order_key *keys;           /* by which the streams are sorted; none: rows pass as they come */
	size_t key_count;
	struct merge_heap heap;                 /* keys: one item for each stream that has a row */
	size_t missing_count;                   /* streams that have no row, and may get one */
	size_t next_stream;                     /* no keys: the stream to look at first */

	struct merge_row *last;                 /* keys, not grouped: the next row must not come before it; distinct: must differ */
	struct merge_group *group;              /* grouped */
	struct merge_order_key *final_keys;     /* grouped: the client's order, if not that of the groups */
	struct merge_sort sort;                 /* final_keys */
	bool input_done, output_done;

	uint64_t skip, left;                    /* OFFSET and LIMIT still to go */
};

static int refuse_key(const struct merge_key *key, uint32_t type, struct err *err)
{
	if (!value_orderable(type)) {
		err_set(err, ERR_UNSUPPORTED, "the router does not order values of the type %s", type_name(type));
		err_detail(err, "The rows of several shards are merged by ORDER BY, DISTINCT or GROUP BY of such a column.");
		err_hint(err, "Cast the column to a built-in scalar type (an enum to text), or add the shard key to WHERE.");
	} else {
		err_set(err, ERR_UNSUPPORTED, "the rows of several shards cannot be merged by a text of this collation");
		err_detail(err, "%s", key->no_collation_why ? key->no_collation_why : "Its collation is not known to the router.");
		err_hint(err, "Add COLLATE \"C\" to the expression, or the shard key to WHERE.");
	}
	return ERR_UNSUPPORTED;
}

static int learn_keys(const struct merge_key *keys, size_t count, const uint32_t *types, struct merge_order_key **ret_keys,
		      struct err *err)
{
	struct merge_order_key *learnt = mem_calloc(count + 1, sizeof(*learnt));

	for (size_t i = 0; i < count; i++) {
		uint32_t type = types[keys[i].column];

		if (!value_orderable(type) || (value_collatable(type) && !keys[i].collation)) {
			mem_free(learnt);
			return refuse_key(&keys[i], type, err);
		}
		learnt[i] = (struct merge_order_key){ .key = keys[i], .type = type };
	}
	*ret_keys = learnt;
	return 0;
}

/* How many rows will be asked for, as far as a sort need know. */
static uint64_t rows_wanted(const struct merge *merge)
{
	if (!merge->spec.has_limit || merge->left > UINT64_MAX - merge->skip)
		return UINT64_MAX;
	return merge->left + merge->skip;
}

static int set_up_order(struct merge *merge, const uint32_t *types, struct err *err)
{
	const struct merge_spec *spec = &merge->spec;
	uint32_t *final_types;
	int code;

	if (!spec->grouped) {
		merge->key_count = spec->order_count;
		return learn_keys(spec->order, spec->order_count, types, &merge->keys, err);
	}
	merge->key_count = spec->group_count;
	code = learn_keys(spec->groups, spec->group_count, types, &merge->keys, err);
	if (code < 0)
		return code;
	final_types = mem_alloc((spec->shard_column_count + 1) * sizeof(*final_types));
	code = merge_group_new(&merge->spec, types, final_types, &merge->group, err);
	if (code == 0 && spec->order_count)
		code = learn_keys(spec->order, spec->order_count, final_types, &merge->final_keys, err);
	mem_free(final_types);
	return code;
}

int merge_new(const struct merge_spec *spec, size_t stream_count, const uint32_t *column_types, struct merge **ret_merge,
	      struct err *err)
{
	size_t output_count = spec->output_count + spec->hidden_output_count;
	struct merge *merge = mem_calloc(1, sizeof(*merge));
	int code;

	assert(spec->output_count <= spec->shard_column_count);
	assert(!(spec->distinct && spec->grouped));
	merge->spec = *spec;
	merge->spec.outputs = mem_alloc((output_count + 1) * sizeof(*spec->outputs));
	if (output_count)
		memcpy(merge->spec.outputs, spec->outputs, output_count * sizeof(*spec->outputs));
	merge->streams = mem_calloc(stream_count + 1, sizeof(*merge->streams));
	merge->stream_count = merge->missing_count = stream_count;
	for (size_t i = 0; i < stream_count; i++)
		merge->streams[i].end = &merge->streams[i].first;
	merge->skip = spec->has_offset ? spec->offset : 0;
	merge->left = spec->has_limit ? spec->limit : UINT64_MAX;
	merge->output_done = merge->left == 0;
	code = set_up_order(merge, column_types, err);
	if (code < 0) {
		merge_free(merge);
		return code;
	}
	merge_heap_init(&merge->heap, stream_count, merge->keys, merge->key_count);
	merge_sort_init(&merge->sort, rows_wanted(merge), merge->final_keys, merge->spec.order_count, &merge->held_bytes);
	*ret_merge = merge;
	return 0;
}

void merge_free(struct merge *merge)
{
	if (!merge)
		return;
	for (size_t i = 0; i < merge->stream_count; i++) {
		while (merge->streams[i].first) {
			struct merge_row *row = merge->streams[i].first;

			merge->streams[i].first = row->next;
			merge_row_free(row, &merge->held_bytes);
		}
	}
	merge_row_free(merge->last, &merge->held_bytes);
	merge_group_free(merge->group, &merge->held_bytes);
	if (merge->sort.held_bytes)
		merge_sort_release(&merge->sort);
	merge_heap_release(&merge->heap);
	mem_free(merge->keys);
	mem_free(merge->final_keys);
	mem_free(merge->streams);
	mem_free(merge->spec.outputs);
	mem_free(merge);
}

int merge_push(struct merge *merge, size_t stream, struct slice body, struct err *err)
{
	struct stream *into = &merge->streams[stream];
	struct merge_row *row;
	int code;

	assert(stream < merge->stream_count && !into->ended);
	if (merge->output_done)
		return 0;
	code = merge_row_new(body, merge->spec.shard_column_count, &merge->held_bytes, &row, err);
	if (code < 0)
		return code;
	code = merge_row_check(row, merge->keys, merge->key_count, err);
	if (code < 0) {
		merge_row_free(row, &merge->held_bytes);
		return code;
	}
	if (!into->first) {
		merge->missing_count--;
		if (merge->key_count)
			merge_heap_add(&merge->heap, row, stream);
	}
	*into->end = row;
	into->end = &row->next;
	into->queued_bytes += row->held_bytes;
	return 0;
}

void merge_end(struct merge *merge, size_t stream)
{
	struct stream *ended = &merge->streams[stream];

	if (ended->ended)
		return;
	ended->ended = true;
	if (!ended->first)
		merge->missing_count--;
}

bool merge_wants(const struct merge *merge, size_t stream)
{
	const struct stream *from = &merge->streams[stream];

	if (merge->output_done || from->ended)
		return false;
	return !from->first || from->queued_bytes < STREAM_QUEUE_SIZE;
}

static struct merge_row *pop(struct merge *merge, size_t stream)
{
	struct stream *from = &merge->streams[stream];
	struct merge_row *row = from->first;

	from->first = row->next;
	if (!from->first) {
		from->end = &from->first;
		if (!from->ended)
			merge->missing_count++;
	}
	from->queued_bytes -= row->held_bytes;
	row->next = NULL;
	return row;
}

/* Any row: streams take turns, each giving all that it has. */
static struct merge_row *next_of_any(struct merge *merge)
{
	for (size_t i = 0; i < merge->stream_count; i++) {
		size_t stream = (merge->next_stream + i) % merge->stream_count;

		if (merge->streams[stream].first) {
			merge->next_stream = stream;
			return pop(merge, stream);
		}
	}
	return NULL;
}

/* The next input row in order. NULL: wait for a stream, or, with *ret_end, no more will come. */
static struct merge_row *next_input(struct merge *merge, bool *ret_end)
{
	struct merge_row *row;
	size_t stream;

	*ret_end = false;
	if (merge->key_count == 0) {
		row = next_of_any(merge);
		*ret_end = !row && merge->missing_count == 0;
		return row;
	}
	if (merge->missing_count > 0)
		return NULL;
	if (merge->heap.count == 0) {
		*ret_end = true;
		return NULL;
	}
	stream = merge_heap_first(&merge->heap);
	row = pop(merge, stream);
	merge_heap_drop_first(&merge->heap);
	if (merge->streams[stream].first)
		merge_heap_add(&merge->heap, merge->streams[stream].first, stream);
	return row;
}

/* Were a node's order not the router's, merging would give wrong answers without a sign. It shows here: as soon as a stream goes back,
 * so does what is merged. */
static int out_of_order(struct err *err)
{
	err_set(err, ERR_WRONG_STATE, "a shard sent its rows in an order that is not the router's");
	err_detail(err, "The collation may differ between the node's machine and the router's, or the session's encoding from the database's.");
	err_hint(err, "Order by the expression COLLATE \"C\", or reload the schema.");
	return ERR_WRONG_STATE;
}

/* Each of the next three gives: 1 and a row, 0 to wait, ROWS_END, or an error. */
enum { ROWS_END = 2 };

static int next_plain(struct merge *merge, struct merge_row **ret_row, struct err *err)
{
	for (;;) {
		bool end;
		struct merge_row *row = next_input(merge, &end);
		int order = -1;

		if (!row)
			return end ? ROWS_END : 0;
		if (merge->last)
			order = merge_row_compare(merge->last, row, merge->keys, merge->key_count);
		if (order < 0 || (order == 0 && !merge->spec.distinct)) {
			*ret_row = row;
			return 1;
		}
		merge_row_free(row, &merge->held_bytes);
		if (order > 0)
			return out_of_order(err);
	}
}

static int next_group(struct merge *merge, struct merge_row **ret_row, struct err *err)
{
	int code;

	if (merge->input_done)
		return ROWS_END;
	for (;;) {
		bool end;
		struct merge_row *row = next_input(merge, &end);
		int order = 0;

		if (!row && !end)
			return 0;
		if (!row) {
			merge->input_done = true;
			if (!merge_group_open(merge->group) && merge->spec.group_count > 0)
				return ROWS_END;
			code = merge_group_finish(merge->group, &merge->held_bytes, ret_row, err);
			return code < 0 ? code : 1;
		}
		if (merge_group_open(merge->group))
			order = merge_row_compare(merge_group_first(merge->group), row, merge->keys, merge->key_count);
		if (order > 0) {
			merge_row_free(row, &merge->held_bytes);
			return out_of_order(err);
		}
		if (order == 0) {
			code = merge_group_add(merge->group, row, &merge->held_bytes, err);
			if (code < 0)
				return code;
			continue;
		}
		code = merge_group_finish(merge->group, &merge->held_bytes, ret_row, err);
		if (code < 0) {
			merge_row_free(row, &merge->held_bytes);
			return code;
		}
		code = merge_group_add(merge->group, row, &merge->held_bytes, err);
		if (code < 0) {
			merge_row_free(*ret_row, &merge->held_bytes);
			return code;
		}
		return 1;
	}
}

/* Groups sorted as the client wants them: nothing comes before all groups are there. */
static int next_sorted_group(struct merge *merge, struct merge_row **ret_row, struct err *err)
{
	while (!merge->sort.sorted) {
		struct merge_row *row;
		int code = next_group(merge, &row, err);

		if (code == 0 || code < 0)
			return code;
		if (code == ROWS_END)
			break;
		code = merge_sort_add(&merge->sort, row, err);
		if (code < 0)
			return code;
	}
	*ret_row = merge_sort_next(&merge->sort);
	return *ret_row ? 1 : ROWS_END;
}

static int next_output(struct merge *merge, struct merge_row **ret_row, struct err *err)
{
	if (!merge->spec.grouped)
		return next_plain(merge, ret_row, err);
	return merge->final_keys ? next_sorted_group(merge, ret_row, err) : next_group(merge, ret_row, err);
}

/* The visible columns stand in front: they go out as they came. */
static void send_row(const struct merge *merge, const struct merge_row *row, struct buf *out)
{
	size_t count = merge->spec.output_count, end = 2;

	if (count > 0) {
		const struct merge_column *last = &row->columns[count - 1];

		end = last->offset + (last->size > 0 ? (size_t)last->size : 0);
	}
	buf_add_u8(out, DATA_ROW);
	buf_add_u32(out, (uint32_t)(4 + end));
	buf_add_u16(out, (uint16_t)count);
	buf_add(out, row->body.data + 2, end - 2);
}

static void give_up_row(struct merge *merge, struct merge_row *row)
{
	if (!merge->spec.grouped && (merge->key_count > 0 || merge->spec.distinct)) {
		merge_row_free(merge->last, &merge->held_bytes);
		merge->last = row;
		return;
	}
	merge_row_free(row, &merge->held_bytes);
}

int64_t merge_take(struct merge *merge, struct buf *out, size_t size_enough, struct err *err)
{
	int64_t count = 0;

	while (!merge->output_done && out->size < size_enough) {
		struct merge_row *row;
		int code = next_output(merge, &row, err);

		if (code < 0)
			return code;
		if (code == 0)
			return count;
		if (code == ROWS_END) {
			merge->output_done = true;
			return count;
		}
		if (merge->skip > 0) {
			merge->skip--;
		} else {
			send_row(merge, row, out);
			count++;
			merge->output_done = --merge->left == 0;
		}
		give_up_row(merge, row);
		if (out->failed)
			return err_set(err, ERR_LIMIT, "a row is larger than the router's buffer for answers");
	}
	return count;
}

bool merge_done(const struct merge *merge)
{
	return merge->output_done;
}
