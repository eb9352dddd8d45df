#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <endian.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/limits.h"
#include "catalog/catalog.h"
#include "route/merge.h"
#include "route/value.h"

enum { STREAMS_MAX = 8, NULL_KEY = INT32_MIN };

static struct arena arena;
static uint64_t seed;

static int make_arena(void **state)
{
	arena_init(&arena, 256 << 10);
	return 0;
}

static int drop_arena(void **state)
{
	arena_release(&arena);
	return 0;
}

static uint32_t roll(uint32_t sides)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 33) % sides;
}

/* A shard's row: the visible column holds the key as text, the hidden ones in binary. */
struct column {
	int size;                       /* -1: NULL */
	const char *data;
};

static struct slice row_of(const struct column *columns, size_t count)
{
	struct buf out;
	struct slice row;

	buf_init(&out, 64 << 20);
	buf_add_u16(&out, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		buf_add_u32(&out, (uint32_t)columns[i].size);
		if (columns[i].size > 0)
			buf_add(&out, columns[i].data, (size_t)columns[i].size);
	}
	row = arena_slice(&arena, buf_slice(&out));
	buf_release(&out);
	return row;
}

static struct column text_column(const char *text)
{
	return (struct column){ (int)strlen(text), text };
}

static struct column int4_column(int32_t value)
{
	uint32_t wire = htobe32((uint32_t)value);

	if (value == NULL_KEY)
		return (struct column){ -1, NULL };
	return (struct column){ 4, arena_strndup(&arena, (char *)&wire, 4) };
}

static struct column int8_column(int64_t value)
{
	uint64_t wire = htobe64((uint64_t)value);

	return (struct column){ 8, arena_strndup(&arena, (char *)&wire, 8) };
}

static const struct column null_column = { -1, NULL };

/* Rows of one test, dealt to streams; `tag` is what the visible column shows. */
struct item {
	int32_t first, second;
	int64_t number;
	char tag[48];
	size_t stream;
};

static const struct merge_spec *order_of_items;

static int compare_part(int32_t a, int32_t b, const struct merge_key *key)
{
	int order = (a > b) - (a < b);

	if (a == NULL_KEY || b == NULL_KEY)
		return a == b ? 0 : (a == NULL_KEY) == key->nulls_first ? -1 : 1;
	return key->descending ? -order : order;
}

static int compare_items(const void *left, const void *right)
{
	const struct item *a = left, *b = right;
	const struct merge_key *keys = order_of_items->grouped ? order_of_items->groups : order_of_items->order;
	int order = compare_part(a->first, b->first, &keys[0]);

	return order ? order : compare_part(a->second, b->second, &keys[1]);
}

static void make_items(struct item *items, size_t count, size_t stream_count, uint32_t spread)
{
	for (size_t i = 0; i < count; i++) {
		items[i].first = roll(10) == 0 ? NULL_KEY : (int32_t)roll(spread) - (int32_t)spread / 2;
		items[i].second = roll(10) == 0 ? NULL_KEY : (int32_t)roll(spread);
		items[i].number = (int64_t)roll(1000) - 500;
		items[i].stream = roll((uint32_t)stream_count);
		snprintf(items[i].tag, sizeof(items[i].tag), "%d/%d", items[i].first, items[i].second);
	}
}

static struct slice row_of_item(const struct item *item)
{
	struct column columns[] = { text_column(item->tag), int4_column(item->first), int4_column(item->second),
				    int8_column(item->number) };

	return row_of(columns, 4);
}

/* Pushes the streams' rows in random turns and collects what comes out, each row's visible columns joined by blanks. */
static size_t run_merge(struct merge *merge, const struct slice *rows[], const size_t counts[], size_t stream_count, char **out)
{
	size_t at[STREAMS_MAX] = { 0 }, taken = 0;
	bool ended[STREAMS_MAX] = { 0 };
	struct buf buf;

	buf_init(&buf, 64 << 20);
	while (!merge_done(merge)) {
		size_t stream = roll((uint32_t)stream_count), position = 0;
		int64_t got;

		for (uint32_t i = roll(30); i > 0 && at[stream] < counts[stream] && merge_wants(merge, stream); i--)
			assert_int_equal(merge_push(merge, stream, rows[stream][at[stream]++], NULL), 0);
		if (at[stream] == counts[stream] && !ended[stream] && roll(2)) {
			merge_end(merge, stream);
			ended[stream] = true;
		}
		buf_clear(&buf);
		got = merge_take(merge, &buf, roll(500), NULL);
		assert_true(got >= 0);
		for (int64_t i = 0; i < got; i++) {
			uint32_t length;
			uint16_t count;
			char *line = arena_strdup(&arena, "");

			assert_int_equal(buf.data[position], 'D');
			memcpy(&length, buf.data + position + 1, 4);
			memcpy(&count, buf.data + position + 5, 2);
			length = be32toh(length) + 1;
			for (size_t in = position + 7, column = 0; column < be16toh(count); column++) {
				uint32_t size;

				memcpy(&size, buf.data + in, 4);
				size = be32toh(size);
				in += 4;
				line = arena_printf(&arena, "%s%s%.*s", line, column ? " " : "", size == UINT32_MAX ? 4 : (int)size,
						    size == UINT32_MAX ? "NULL" : buf.data + in);
				in += size == UINT32_MAX ? 0 : size;
			}
			out[taken++] = line;
			position += length;
		}
		assert_int_equal(position, buf.size);
	}
	buf_release(&buf);
	return taken;
}

static const uint32_t item_types[] = { OID_TEXT, OID_INT4, OID_INT4, OID_INT8 };

/* Deals the items to streams, each in the order of `spec`, and merges. */
static size_t merge_items(const struct merge_spec *spec, struct item *items, size_t count, size_t stream_count, char **out)
{
	const struct slice *rows[STREAMS_MAX];
	size_t counts[STREAMS_MAX] = { 0 };
	struct merge *merge;
	size_t taken;

	order_of_items = spec;
	if (spec->order_count || spec->group_count)
		qsort(items, count, sizeof(*items), compare_items);
	for (size_t stream = 0; stream < stream_count; stream++) {
		struct slice *dealt = arena_alloc(&arena, (count + 1) * sizeof(*dealt));

		for (size_t i = 0; i < count; i++)
			if (items[i].stream == stream)
				dealt[counts[stream]++] = row_of_item(&items[i]);
		rows[stream] = dealt;
	}
	assert_int_equal(merge_new(spec, stream_count, item_types, &merge, NULL), 0);
	taken = run_merge(merge, rows, counts, stream_count, out);
	merge_free(merge);
	return taken;
}

static void random_key(struct merge_key *key, int column)
{
	*key = (struct merge_key){ .column = column, .descending = roll(2), .nulls_first = roll(2) };
}

static void sorted_streams_merge_into_what_sorting_all_gives(void **state)
{
	static struct item items[2000];
	static char *out[2000];

	for (seed = 1; seed < 2000; seed += 41) {
		struct merge_output output = { .kind = OUTPUT_COPY };
		struct merge_key keys[2];
		size_t count = roll(400), stream_count = 1 + roll(STREAMS_MAX), taken, expected;
		struct merge_spec spec = { .outputs = &output, .output_count = 1, .shard_column_count = 4, .order = keys, .order_count = 2 };

		random_key(&keys[0], 1);
		random_key(&keys[1], 2);
		spec.has_offset = roll(2);
		spec.offset = roll(30);
		spec.has_limit = roll(2);
		spec.limit = roll(100);
		make_items(items, count, stream_count, 20);
		taken = merge_items(&spec, items, count, stream_count, out);
		expected = spec.has_offset && spec.offset > count ? 0 : count - (spec.has_offset ? spec.offset : 0);
		if (spec.has_limit && spec.limit < expected)
			expected = spec.limit;
		assert_int_equal(taken, expected);
		for (size_t i = 0; i < taken; i++)
			assert_string_equal(out[i], items[i + (spec.has_offset ? spec.offset : 0)].tag);
		arena_reset(&arena);
	}
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void unordered_streams_lose_and_invent_no_row(void **state)
{
	static struct item items[1000];
	static char *out[1000], *expected[1000];

	for (seed = 3; seed < 1000; seed += 97) {
		struct merge_output output = { .kind = OUTPUT_COPY };
		struct merge_spec spec = { .outputs = &output, .output_count = 1, .shard_column_count = 4 };
		size_t count = roll(500), stream_count = 1 + roll(STREAMS_MAX);

		make_items(items, count, stream_count, 50);
		assert_int_equal(merge_items(&spec, items, count, stream_count, out), count);
		for (size_t i = 0; i < count; i++)
			expected[i] = items[i].tag;
		qsort(out, count, sizeof(out[0]), compare_texts);
		qsort(expected, count, sizeof(expected[0]), compare_texts);
		for (size_t i = 0; i < count; i++)
			assert_string_equal(out[i], expected[i]);
		arena_reset(&arena);
	}
}

static void distinct_shows_equal_rows_once(void **state)
{
	static struct item items[1000];
	static char *out[1000];

	for (seed = 5; seed < 1000; seed += 97) {
		struct merge_output output = { .kind = OUTPUT_COPY };
		struct merge_key keys[2];
		struct merge_spec spec = { .outputs = &output, .output_count = 1, .shard_column_count = 4, .order = keys, .order_count = 2,
					   .distinct = true };
		size_t count = roll(500), stream_count = 1 + roll(STREAMS_MAX), taken, at = 0;

		random_key(&keys[0], 1);
		random_key(&keys[1], 2);
		make_items(items, count, stream_count, 5);
		taken = merge_items(&spec, items, count, stream_count, out);
		for (size_t i = 0; i < count; i++)
			if (i == 0 || strcmp(items[i].tag, items[i - 1].tag) != 0)
				assert_string_equal(out[at++], items[i].tag);
		assert_int_equal(at, taken);
		arena_reset(&arena);
	}
}

/* Groups by the two keys: tag, sum, count, min, max of `number`. The number stands in five hidden columns, as fanout.c has it. */
static const struct merge_output group_outputs[] = {
	{ .kind = OUTPUT_COPY },
	{ .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_SUM, .aggregate_column = 7 },
	{ .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_COUNT, .aggregate_column = 8 },
	{ .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_MIN, .aggregate_column = 9 },
	{ .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_MAX, .aggregate_column = 10 },
};
static const uint32_t group_types[] = { OID_TEXT, OID_INT8, OID_INT8, OID_INT8, OID_INT8, OID_INT4, OID_INT4, OID_INT8, OID_INT8, OID_INT8,
					OID_INT8 };

static struct slice group_row(const struct item *item)
{
	struct column number = int8_column(item->number), one = int8_column(1);
	char *text = arena_printf(&arena, "%lld", (long long)item->number);
	struct column columns[] = { text_column(item->tag), text_column(text), text_column("1"), text_column(text), text_column(text),
				    int4_column(item->first), int4_column(item->second), number, one, number, number };

	return row_of(columns, 11);
}

struct total {
	const struct item *first;
	int64_t sum, count, min, max;
};

static int compare_totals(const void *a, const void *b)
{
	const struct total *left = a, *right = b;
	int order = (right->sum > left->sum) - (right->sum < left->sum);

	return order ? order : compare_items(left->first, right->first);
}

static size_t count_totals(const struct item *items, size_t count, struct total *totals)
{
	size_t total_count = 0;

	for (size_t i = 0; i < count; i++) {
		struct total *total = total_count ? &totals[total_count - 1] : NULL;

		if (!total || strcmp(total->first->tag, items[i].tag) != 0) {
			total = &totals[total_count++];
			*total = (struct total){ .first = &items[i], .min = items[i].number, .max = items[i].number };
		}
		total->sum += items[i].number;
		total->count++;
		total->min = items[i].number < total->min ? items[i].number : total->min;
		total->max = items[i].number > total->max ? items[i].number : total->max;
	}
	return total_count;
}

static void groups_combine_whatever_streams_they_come_from(void **state)
{
	static struct item items[1000];
	static struct total totals[1000];
	static char *out[1000];

	for (seed = 7; seed < 3000; seed += 97) {
		struct merge_output outputs[5];
		struct merge_key keys[2], order[3];
		size_t count = roll(500), stream_count = 1 + roll(STREAMS_MAX), taken, total_count, counts[STREAMS_MAX] = { 0 };
		const struct slice *rows[STREAMS_MAX];
		struct merge_spec spec = { .outputs = outputs, .output_count = 5, .shard_column_count = 11, .groups = keys, .group_count = 2,
					   .grouped = true, .order = order, .order_count = roll(2) ? 3 : 0 };
		struct merge *merge;

		memcpy(outputs, group_outputs, sizeof(outputs));
		random_key(&keys[0], 5);
		random_key(&keys[1], 6);
		order[0] = (struct merge_key){ .column = 7, .descending = true };
		order[1] = keys[0];
		order[2] = keys[1];
		spec.has_limit = roll(2);
		spec.limit = roll(40);
		make_items(items, count, stream_count, 5);
		order_of_items = &spec;
		qsort(items, count, sizeof(*items), compare_items);
		for (size_t stream = 0; stream < stream_count; stream++) {
			struct slice *dealt = arena_alloc(&arena, (count + 1) * sizeof(*dealt));

			for (size_t i = 0; i < count; i++)
				if (items[i].stream == stream)
					dealt[counts[stream]++] = group_row(&items[i]);
			rows[stream] = dealt;
		}
		assert_int_equal(merge_new(&spec, stream_count, group_types, &merge, NULL), 0);
		taken = run_merge(merge, rows, counts, stream_count, out);
		merge_free(merge);
		total_count = count_totals(items, count, totals);
		if (spec.order_count)
			qsort(totals, total_count, sizeof(*totals), compare_totals);
		assert_int_equal(taken, spec.has_limit && spec.limit < total_count ? spec.limit : total_count);
		for (size_t i = 0; i < taken; i++)
			assert_string_equal(out[i], arena_printf(&arena, "%s %lld %lld %lld %lld", totals[i].first->tag,
								 (long long)totals[i].sum, (long long)totals[i].count,
								 (long long)totals[i].min, (long long)totals[i].max));
		arena_reset(&arena);
	}
}

/* count, sum, avg, min of int8 over all rows: visible 0-3, hidden 4-8. */
static struct merge_output total_outputs[] = {
	{ .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_COUNT, .aggregate_column = 4 },
	{ .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_SUM, .aggregate_column = 5, .name = "sum(x)" },
	{ .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_AVG, .aggregate_column = 6, .aggregate_count_column = 7 },
	{ .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_MIN, .aggregate_column = 8 },
};
static const uint32_t total_types[] = { OID_INT8, OID_INT8, OID_NUMERIC, OID_INT8, OID_INT8, OID_INT8, OID_INT8, OID_INT8, OID_INT8 };
static const struct merge_spec total_spec = { .outputs = total_outputs, .output_count = 4, .shard_column_count = 9, .grouped = true };

static struct slice total_row(int64_t count, int64_t sum)
{
	struct column number = count ? int8_column(sum) : null_column, text = count ? text_column("shown") : null_column;
	struct column columns[] = { text_column("0"), text, text, text, int8_column(count), number, number, int8_column(count), number };

	return row_of(columns, 9);
}

static void aggregates_without_groups_give_one_row(void **state)
{
	struct slice some[] = { total_row(2, 10), total_row(1, 5) }, empty[] = { total_row(0, 0) };
	const struct slice *rows[] = { &some[0], &some[1], empty };
	size_t counts[] = { 1, 1, 1 }, none[] = { 0, 0, 0 };
	struct merge *merge;
	char *out[4];

	assert_int_equal(merge_new(&total_spec, 3, total_types, &merge, NULL), 0);
	assert_int_equal(run_merge(merge, rows, counts, 3, out), 1);
	assert_string_equal(out[0], "3 15 5.0000000000000000 shown");
	merge_free(merge);
	assert_int_equal(merge_new(&total_spec, 1, total_types, &merge, NULL), 0);
	assert_int_equal(run_merge(merge, &rows[2], counts, 1, out), 1);
	assert_string_equal(out[0], "0 NULL NULL NULL");
	merge_free(merge);
	assert_int_equal(merge_new(&total_spec, 3, total_types, &merge, NULL), 0);
	assert_int_equal(run_merge(merge, rows, none, 3, out), 1);
	assert_string_equal(out[0], "0 NULL NULL NULL");
	merge_free(merge);
}

static void a_sum_that_leaves_int8_is_an_error_and_one_that_returns_is_not(void **state)
{
	struct err err = { 0 };
	struct merge *merge;
	struct buf out;

	buf_init(&out, 1 << 20);
	for (int returns = 0; returns <= 1; returns++) {
		assert_int_equal(merge_new(&total_spec, 3, total_types, &merge, NULL), 0);
		assert_int_equal(merge_push(merge, 0, total_row(1, INT64_MAX), NULL), 0);
		assert_int_equal(merge_push(merge, 1, total_row(1, INT64_MAX), NULL), 0);
		if (returns)
			assert_int_equal(merge_push(merge, 2, total_row(1, INT64_MIN), NULL), 0);
		for (size_t i = 0; i < 3; i++)
			merge_end(merge, i);
		assert_int_equal(merge_take(merge, &out, 1000, &err), returns ? 1 : ERR_OUT_OF_RANGE);
		merge_free(merge);
	}
	assert_string_equal(err.sqlstate, "22003");
	assert_string_equal(err.message, "bigint out of range");
	buf_release(&out);
}

static void a_default_shows_only_when_every_shard_has_nothing(void **state)
{
	/* COALESCE(sum(x), 7): visible 0; hidden: the COALESCE 1, the sum 2. */
	struct merge_output output = { .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_SUM, .aggregate_column = 2, .has_default = true,
				       .default_column = 1 };
	struct merge_spec spec = { .outputs = &output, .output_count = 1, .shard_column_count = 3, .grouped = true };
	uint32_t types[] = { OID_INT8, OID_INT8, OID_INT8 };
	struct column nothing[] = { text_column("7"), int8_column(7), null_column };
	struct column something[] = { text_column("5"), int8_column(5), int8_column(5) };
	struct slice none = row_of(nothing, 3), some = row_of(something, 3);
	const struct slice *rows[] = { &none, &some };
	size_t counts[] = { 1, 1 };
	struct merge *merge;
	char *out[2];

	assert_int_equal(merge_new(&spec, 2, types, &merge, NULL), 0);
	assert_int_equal(run_merge(merge, rows, counts, 2, out), 1);
	assert_string_equal(out[0], "5");
	merge_free(merge);
	rows[1] = &none;
	assert_int_equal(merge_new(&spec, 2, types, &merge, NULL), 0);
	assert_int_equal(run_merge(merge, rows, counts, 2, out), 1);
	assert_string_equal(out[0], "7");
	merge_free(merge);
	types[1] = OID_NUMERIC;
	assert_int_equal(merge_new(&spec, 2, types, &merge, NULL), ERR_UNSUPPORTED);
}

static void a_count_is_shown_as_the_integer_that_was_asked_for(void **state)
{
	static const struct { uint32_t type; int64_t value; const char *bytes; size_t size; const char *error; } cases[] = {
		{ OID_INT2, 258, "\1\2", 2, NULL }, { OID_INT4, -2, "\xff\xff\xff\xfe", 4, NULL },
		{ OID_INT8, 3, "\0\0\0\0\0\0\0\3", 8, NULL },
		{ OID_INT2, 32768, NULL, 0, "smallint out of range" }, { OID_INT4, INT64_C(3) << 30, NULL, 0, "integer out of range" },
	};
	struct merge_output output = { .kind = OUTPUT_AGGREGATE, .aggregate = AGGREGATE_COUNT, .aggregate_column = 1, .format = 1 };
	struct merge_spec spec = { .outputs = &output, .output_count = 1, .shard_column_count = 2, .grouped = true };
	struct buf out;

	buf_init(&out, 1 << 10);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct column columns[] = { null_column, int8_column(cases[i].value) };
		uint32_t types[] = { cases[i].type, OID_INT8 };
		struct err err = { 0 };
		struct merge *merge;

		buf_clear(&out);
		assert_int_equal(merge_new(&spec, 1, types, &merge, NULL), 0);
		assert_int_equal(merge_push(merge, 0, row_of(columns, 2), NULL), 0);
		merge_end(merge, 0);
		assert_int_equal(merge_take(merge, &out, 100, &err), cases[i].error ? ERR_OUT_OF_RANGE : 1);
		if (cases[i].error)
			assert_string_equal(err.message, cases[i].error);
		else
			assert_memory_equal(out.data + out.size - cases[i].size, cases[i].bytes, cases[i].size);
		merge_free(merge);
	}
	buf_release(&out);
}

static void types_that_cannot_be_merged_exactly_are_refused_by_name(void **state)
{
	struct merge_output output = { .kind = OUTPUT_COPY };
	struct merge_key key = { .column = 0, .no_collation_why = "It is Klingon." };
	struct merge_spec spec = { .outputs = &output, .output_count = 1, .shard_column_count = 1, .order = &key, .order_count = 1 };
	uint32_t types[9], type = OID_JSONB;
	struct merge *merge = NULL;
	struct err err = { 0 };

	assert_int_equal(merge_new(&spec, 2, &type, &merge, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.message, "type jsonb"));
	type = OID_TEXT;
	assert_int_equal(merge_new(&spec, 2, &type, &merge, &err), ERR_UNSUPPORTED);
	assert_string_equal(err.detail, "It is Klingon.");
	assert_true(err.hint[0]);
	memcpy(types, total_types, sizeof(types));
	types[5] = OID_FLOAT8;
	assert_int_equal(merge_new(&total_spec, 2, types, &merge, &err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err.message, "sum(x)"));
	assert_non_null(strstr(err.hint, "numeric"));
	assert_null(merge);
}

static void malformed_rows_are_errors_and_never_crash(void **state)
{
	struct slice good = total_row(3, 77);

	for (seed = 11; seed < 20000; seed += 7) {
		struct slice bad = arena_slice(&arena, slice_make(good.data, roll((uint32_t)good.size + 1)));
		char *bytes = (char *)(uintptr_t)bad.data;
		struct merge *merge;
		struct buf out;
		int code;

		for (uint32_t i = roll(3); i > 0 && bad.size; i--)
			bytes[roll((uint32_t)bad.size)] = (char)roll(256);
		buf_init(&out, 1 << 20);
		assert_int_equal(merge_new(&total_spec, 1, total_types, &merge, NULL), 0);
		code = merge_push(merge, 0, bad, NULL);
		if (bad.size < good.size)
			assert_int_equal(code, ERR_PROTOCOL);
		merge_end(merge, 0);
		if (code == 0)
			assert_true(merge_take(merge, &out, 1000, NULL) != 0);
		merge_free(merge);
		buf_release(&out);
		arena_reset(&arena);
		good = total_row(3, 77);
	}
}

static void memory_is_bounded_and_says_so(void **state)
{
	struct merge_output outputs[5];
	struct merge_key key = { .column = 5 }, order = { .column = 7 };
	struct merge_spec spec = { .outputs = outputs, .output_count = 5, .shard_column_count = 11, .groups = &key, .group_count = 1,
				   .grouped = true, .order = &order, .order_count = 1 };
	struct merge *merge;
	struct err err = { 0 };
	struct buf out;
	int64_t code = 0;

	buf_init(&out, 1 << 20);
	memcpy(outputs, group_outputs, sizeof(outputs));
	for (int limited = 0; limited <= 1; limited++) {
		int32_t number = 0;

		spec.has_limit = limited;
		spec.limit = 10;
		assert_int_equal(merge_new(&spec, 1, group_types, &merge, NULL), 0);
		for (code = 0; number < 200000 && code == 0; number++) {
			struct item item = { .first = number, .number = number % 1000, .tag = "a long enough tag" };

			assert_true(merge_wants(merge, 0));
			code = merge_push(merge, 0, group_row(&item), &err);
			if (code == 0)
				code = merge_take(merge, &out, 1000, &err);
			arena_reset(&arena);
		}
		assert_int_equal(code, limited ? 0 : ERR_LIMIT);
		merge_free(merge);
	}
	assert_true(err.hint[0]);
	buf_release(&out);
}

static void a_stream_that_runs_ahead_is_made_to_wait(void **state)
{
	struct merge_output output = { .kind = OUTPUT_COPY };
	struct merge_key key = { .column = 1 };
	struct merge_spec spec = { .outputs = &output, .output_count = 1, .shard_column_count = 4, .order = &key, .order_count = 1 };
	struct item item = { .first = 1, .tag = "x" };
	struct merge *merge;
	struct buf out;
	size_t pushed = 0;

	buf_init(&out, 8 << 20);
	assert_int_equal(merge_new(&spec, 2, item_types, &merge, NULL), 0);
	for (; merge_wants(merge, 0); pushed++)
		assert_int_equal(merge_push(merge, 0, row_of_item(&item), NULL), 0);
	assert_true(pushed > 100 && pushed < MERGE_MEMORY_MAX / SHARDS_MAX / 20);
	assert_int_equal(merge_take(merge, &out, 1000, NULL), 0);
	assert_true(merge_wants(merge, 1));
	merge_end(merge, 1);
	assert_false(merge_wants(merge, 1));
	assert_int_equal(merge_take(merge, &out, SIZE_MAX, NULL), pushed);
	assert_true(merge_wants(merge, 0));
	assert_false(merge_done(merge));
	merge_end(merge, 0);
	assert_int_equal(merge_take(merge, &out, SIZE_MAX, NULL), 0);
	assert_true(merge_done(merge));
	merge_free(merge);
	buf_release(&out);
}

static void a_stream_out_of_order_is_an_error_and_not_a_wrong_answer(void **state)
{
	static struct item items[] = { { .first = 5, .tag = "5" }, { .first = 4, .tag = "4" } };
	struct merge_output output = { .kind = OUTPUT_COPY };
	struct merge_key key = { .column = 1 };
	struct buf out;

	buf_init(&out, 1 << 20);
	for (int grouped = 0; grouped <= 1; grouped++) {
		struct merge_spec spec = { .outputs = &output, .output_count = 1, .shard_column_count = 4, .order = &key, .order_count = 1 };
		struct err err = { 0 };
		struct merge *merge;

		if (grouped)
			spec = (struct merge_spec){ .outputs = &output, .output_count = 1, .shard_column_count = 4, .groups = &key,
						    .group_count = 1, .grouped = true };
		assert_int_equal(merge_new(&spec, 1, item_types, &merge, NULL), 0);
		for (size_t i = 0; i < 2; i++)
			assert_int_equal(merge_push(merge, 0, row_of_item(&items[i]), NULL), 0);
		merge_end(merge, 0);
		assert_int_equal(merge_take(merge, &out, 1000, &err), ERR_WRONG_STATE);
		assert_true(err.hint[0]);
		merge_free(merge);
	}
	buf_release(&out);
}

static void limit_zero_is_done_before_it_began(void **state)
{
	struct merge_output output = { .kind = OUTPUT_COPY };
	struct merge_spec spec = { .outputs = &output, .output_count = 1, .shard_column_count = 4, .has_limit = true };
	struct item item = { .first = 1, .tag = "x" };
	struct merge *merge;
	struct buf out;

	buf_init(&out, 1 << 20);
	assert_int_equal(merge_new(&spec, 1, item_types, &merge, NULL), 0);
	assert_true(merge_done(merge));
	assert_false(merge_wants(merge, 0));
	assert_int_equal(merge_push(merge, 0, row_of_item(&item), NULL), 0);
	assert_int_equal(merge_take(merge, &out, 1000, NULL), 0);
	merge_free(merge);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorted_streams_merge_into_what_sorting_all_gives),
		cmocka_unit_test(unordered_streams_lose_and_invent_no_row),
		cmocka_unit_test(distinct_shows_equal_rows_once),
		cmocka_unit_test(groups_combine_whatever_streams_they_come_from),
		cmocka_unit_test(aggregates_without_groups_give_one_row),
		cmocka_unit_test(a_sum_that_leaves_int8_is_an_error_and_one_that_returns_is_not),
		cmocka_unit_test(a_default_shows_only_when_every_shard_has_nothing),
		cmocka_unit_test(a_count_is_shown_as_the_integer_that_was_asked_for),
		cmocka_unit_test(types_that_cannot_be_merged_exactly_are_refused_by_name),
		cmocka_unit_test(malformed_rows_are_errors_and_never_crash),
		cmocka_unit_test(memory_is_bounded_and_says_so),
		cmocka_unit_test(a_stream_that_runs_ahead_is_made_to_wait),
		cmocka_unit_test(a_stream_out_of_order_is_an_error_and_not_a_wrong_answer),
		cmocka_unit_test(limit_zero_is_done_before_it_began),
	};

	return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
