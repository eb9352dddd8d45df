/* Whatever rows the shards send, merging them ends in well-formed rows or in an error.
 *
 * Three bytes choose the statement, the type of its columns and its options; then come rows: a byte for the stream (its top bit: the bytes are
 * columns, each with a size before it, rather than a body as it stands), a byte for the size, the bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "catalog/catalog.h"
#include "proto/frame.h"
#include "route/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAMS = 3, COLUMNS = 6, OUT_SIZE_MAX = 8 << 20, TURNS_MAX = 10000 };

static const uint32_t types[] = { OID_INT4, OID_INT8, OID_NUMERIC, OID_BOOL, OID_UUID, OID_DATE, OID_TIMESTAMPTZ, OID_INT2, OID_TEXT, OID_FLOAT8 };

static const struct merge_output copies[] = { { .kind = OUTPUT_COPY }, { .kind = OUTPUT_COPY } };
static const struct merge_output aggregates[] = {
	{ .kind = OUTPUT_COPY },
	{ .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_SUM, .aggregate_column = 4, .name = "sum(x)" },
	{ .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_MIN, .aggregate_column = 3 },
};
static const struct merge_output averages[] = {
	{ .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_COUNT, .aggregate_column = 5 },
	{ .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_AVG, .aggregate_column = 4, .aggregate_count_column = 5 },
	{ .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_MAX, .aggregate_column = 3 },
};

struct statement {
	struct merge_output outputs[3];
	struct merge_key keys[2];
	struct merge_spec spec;
	uint32_t types[COLUMNS];
};

static void choose(struct statement *statement, uint8_t kind, uint8_t type, uint8_t options)
{
	struct merge_spec *spec = &statement->spec;

	*statement = (struct statement){ 0 };
	for (int i = 0; i < COLUMNS; i++)
		statement->types[i] = i == 5 ? OID_INT8 : types[type % (sizeof(types) / sizeof(types[0]))];
	statement->types[0] = OID_TEXT;
	if (kind % 3)                   /* column 1 shows the sum, or the average */
		statement->types[1] = statement->types[4] = options & 64 ? OID_NUMERIC : OID_INT8;
	if (kind % 3 == 2) {
		statement->types[0] = OID_INT8;
		statement->types[1] = OID_NUMERIC;
	}
	statement->keys[0] = (struct merge_key){ .column = 2, .descending = options & 1, .nulls_first = options & 2 };
	statement->keys[1] = (struct merge_key){ .column = 3, .descending = options & 4, .nulls_first = options & 8 };
	*spec = (struct merge_spec){ .outputs = statement->outputs, .shard_column_count = COLUMNS, .has_limit = options & 16, .limit = options >> 4,
		.has_offset = options & 32, .offset = options & 3 };
	switch (kind % 3) {
	case 0:
		memcpy(statement->outputs, copies, sizeof(copies));
		spec->output_count = 2;
		spec->order = statement->keys;
		spec->order_count = kind / 3 % 3;
		spec->distinct = spec->order_count && options & 128;
		break;
	case 1:
		memcpy(statement->outputs, aggregates, sizeof(aggregates));
		spec->output_count = 3;
		spec->grouped = true;
		spec->groups = statement->keys;
		spec->group_count = kind / 3 % 3;
		spec->order = options & 128 ? statement->keys : NULL;
		spec->order_count = options & 128 ? spec->group_count : 0;
		break;
	default:
		memcpy(statement->outputs, averages, sizeof(averages));
		spec->output_count = 3;
		spec->grouped = true;
	}
	for (size_t i = 0; i < spec->output_count; i++)
		statement->outputs[i].format = options & 128 ? 1 : 0;
}

/* Takes what is ready, which must be rows of the visible columns. */
static int64_t take(struct merge *merge, const struct merge_spec *spec)
{
	struct message message;
	struct slice rest;
	struct buf out;
	size_t size;
	int64_t count, seen = 0;

	buf_init(&out, OUT_SIZE_MAX);
	count = merge_take(merge, &out, OUT_SIZE_MAX / 2, NULL);
	rest = buf_slice(&out);
	while (count >= 0 && rest.size) {
		struct cursor cursor;
		unsigned columns;

		if (frame_next(rest, OUT_SIZE_MAX, &message, &size, NULL) != 1 || message.type != 'D')
			abort();
		cursor = cursor_of(message.body);
		columns = cursor_u16(&cursor);
		if (columns != spec->output_count)
			abort();
		for (unsigned i = 0; i < columns; i++) {
			uint32_t column_size = cursor_u32(&cursor);

			if (column_size != UINT32_MAX)
				cursor_bytes(&cursor, column_size);
		}
		if (cursor.failed || cursor_left(&cursor))
			abort();
		seen++;
		rest = slice_make(rest.data + size, rest.size - size);
	}
	if (count >= 0 && seen != count)
		abort();
	buf_release(&out);
	return count;
}

/* A row of all columns from sizes and bytes; 255: NULL, and what is missing is NULL too. */
static void make_row(struct slice from, struct buf *row)
{
	buf_add_u16(row, COLUMNS);
	for (int i = 0; i < COLUMNS; i++) {
		size_t size = from.size ? (uint8_t)from.data[0] : 255;

		if (from.size)
			from = slice_make(from.data + 1, from.size - 1);
		if (size == 255) {
			buf_add_u32(row, UINT32_MAX);
			continue;
		}
		size = size < from.size ? size : from.size;
		buf_add_u32(row, (uint32_t)size);
		buf_add(row, from.data, size);
		from = slice_make(from.data + size, from.size - size);
	}
}

static int feed(struct merge *merge, const struct merge_spec *spec, struct slice rest)
{
	while (rest.size >= 2) {
		uint8_t head = (uint8_t)rest.data[0];
		size_t size = (uint8_t)rest.data[1];
		struct slice bytes;
		struct buf row;
		int rc = 0;

		size = size < rest.size - 2 ? size : rest.size - 2;
		bytes = slice_make(rest.data + 2, size);
		rest = slice_make(bytes.data + size, rest.size - 2 - size);
		buf_init(&row, 1 << 16);
		if (head & 128)
			make_row(bytes, &row);
		else
			buf_add_slice(&row, bytes);
		if (merge_wants(merge, head % STREAMS))
			rc = merge_push(merge, head % STREAMS, buf_slice(&row), NULL);
		buf_release(&row);
		if (rc < 0 || take(merge, spec) < 0)
			return -1;
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct statement statement;
	struct merge *merge;
	int turns = 0;

	if (size < 3)
		return 0;
	choose(&statement, data[0], data[1], data[2]);
	if (merge_new(&statement.spec, STREAMS, statement.types, &merge, NULL) < 0)
		return 0;
	if (feed(merge, &statement.spec, slice_make(data + 3, size - 3)) == 0) {
		for (size_t i = 0; i < STREAMS; i++)
			merge_end(merge, i);
		while (!merge_done(merge) && take(merge, &statement.spec) >= 0)
			if (++turns > TURNS_MAX)
				abort();
	}
	merge_free(merge);
	return 0;
}
