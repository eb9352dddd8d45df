#include "route/merge_row.h"

#include <endian.h>

#include "base/limits.h"
#include "base/mem.h"
#include "route/value.h"

static int malformed(struct err *err)
{
	return err_set(err, ERR_PROTOCOL, "a shard sent a malformed row");
}

static int too_large(struct err *err)
{
	err_set(err, ERR_LIMIT, "merging the shards' rows needs more than %d MiB in the router", MERGE_MEMORY_MAX >> 20);
	err_hint(err, "Narrow the statement with WHERE or LIMIT, or order it by its GROUP BY columns.");
	return ERR_LIMIT;
}

static uint32_t u32_at(const char *data)
{
	uint32_t word;

	memcpy(&word, data, sizeof(word));
	return be32toh(word);
}

static int find_columns(struct merge_row *row, size_t column_count, struct err *err)
{
	const char *data = row->body.data;
	size_t at = 2, size = row->body.size;

	for (size_t i = 0; i < column_count; i++) {
		int32_t length;

		if (size - at < 4)
			return malformed(err);
		length = (int32_t)u32_at(data + at);
		at += 4;
		if (length < -1 || (length > 0 && size - at < (size_t)length))
			return malformed(err);
		row->columns[i] = (struct merge_column){ .offset = (uint32_t)at, .size = length };
		at += length > 0 ? (size_t)length : 0;
	}
	return at == size ? 0 : malformed(err);
}

int merge_row_new(struct slice body, size_t column_count, size_t *held_bytes, struct merge_row **ret_row, struct err *err)
{
	size_t head = sizeof(struct merge_row) + column_count * sizeof(struct merge_column);
	struct merge_row *row;
	char *copy;
	int code;

	if (body.size < 2 || (size_t)((unsigned char)body.data[0] << 8 | (unsigned char)body.data[1]) != column_count)
		return malformed(err);
	if (body.size > MERGE_MEMORY_MAX || *held_bytes + head + body.size > MERGE_MEMORY_MAX)
		return too_large(err);
	row = mem_try_realloc(NULL, head + body.size);
	if (!row)
		return err_memory(err);
	copy = (char *)row + head;
	memcpy(copy, body.data, body.size);
	row->next = NULL;
	row->held_bytes = head + body.size;
	row->body = slice_make(copy, body.size);
	code = find_columns(row, column_count, err);
	if (code < 0) {
		mem_free(row);
		return code;
	}
	*held_bytes += row->held_bytes;
	*ret_row = row;
	return 0;
}

void merge_row_free(struct merge_row *row, size_t *held_bytes)
{
	if (!row)
		return;
	*held_bytes -= row->held_bytes;
	mem_free(row);
}

int merge_row_check(const struct merge_row *row, const struct merge_order_key *keys, size_t key_count, struct err *err)
{
	for (size_t i = 0; i < key_count; i++) {
		struct slice value = merge_row_value(row, keys[i].key.column);

		if (value.data && !value_valid(keys[i].type, value))
			return malformed(err);
	}
	return 0;
}

static int compare_key(struct slice a, struct slice b, const struct merge_order_key *key)
{
	int order;

	if (!a.data || !b.data) {
		if (!a.data && !b.data)
			return 0;
		return (a.data == NULL) == key->key.nulls_first ? -1 : 1;
	}
	order = value_compare(key->type, key->key.collation, a, b);
	return !key->key.descending ? order : order > 0 ? -1 : order < 0;
}

int merge_row_compare(const struct merge_row *a, const struct merge_row *b, const struct merge_order_key *keys, size_t key_count)
{
	for (size_t i = 0; i < key_count; i++) {
		int order = compare_key(merge_row_value(a, keys[i].key.column), merge_row_value(b, keys[i].key.column), &keys[i]);

		if (order != 0)
			return order;
	}
	return 0;
}
