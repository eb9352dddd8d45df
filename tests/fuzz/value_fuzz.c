/* Values as clients and nodes write them: a key read from its text is the key of its binary form; an order is an order; a number survives a sum.
 *
 * The first byte chooses what is read and the second the type; the rest is the value, or two of them with their border in the third byte.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/catalog.h"
#include "place/place.h"
#include "route/numeric.h"
#include "route/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t key_types[] = { OID_INT2, OID_INT4, OID_INT8, OID_TEXT, OID_VARCHAR, OID_BPCHAR, OID_UUID, OID_BYTEA, OID_DATE,
	OID_TIMESTAMP, OID_TIMESTAMPTZ };
static const uint32_t types[] = { OID_INT2, OID_INT4, OID_INT8, OID_OID, OID_BOOL, OID_FLOAT4, OID_FLOAT8, OID_NUMERIC, OID_TEXT, OID_VARCHAR,
	OID_BPCHAR, OID_NAME, OID_BYTEA, OID_UUID, OID_DATE, OID_TIME, OID_TIMETZ, OID_TIMESTAMP, OID_TIMESTAMPTZ, OID_INTERVAL };

#define CHOOSE(list, number) (list)[(number) % (sizeof(list) / sizeof((list)[0]))]

static size_t int_size(uint32_t type)
{
	return type == OID_INT2 ? 2 : type == OID_INT4 || type == OID_DATE ? 4 : 8;
}

/* The key's value as a binary parameter has it. */
static struct slice wire(uint32_t type, const struct key *key, char room[8])
{
	uint64_t big = htobe64((uint64_t)key->integer);
	size_t size = int_size(type);

	if (key->kind != KEY_INT)
		return key->bytes;
	memcpy(room, (const char *)&big + 8 - size, size);
	return slice_make(room, size);
}

static void read_key(uint32_t type, struct slice text, struct arena *arena)
{
	struct key key, again;
	char room[8];

	if (key_from_binary(type, type, text, arena, &key, NULL) == 0)
		key_hash(&key);
	if (key_from_text(type, text, arena, &key, NULL) < 0)
		return;
	if (key_from_binary(type, type, wire(type, &key, room), arena, &again, NULL) < 0)
		abort();
	if (key.kind != again.kind || key_hash(&key) != key_hash(&again))
		abort();
	key_assign(type, 4 + 3, &key);
}

static int sign(int order)
{
	return (order > 0) - (order < 0);
}

static void compare(uint32_t type, struct slice a, struct slice b)
{
	const struct collation *collation = value_collatable(type) ? collation_bytes() : NULL;
	int order;

	if (!value_valid(type, a) || !value_valid(type, b))
		return;
	order = value_compare(type, collation, a, b);
	if (value_compare(type, collation, a, a) != 0 || sign(order) != -sign(value_compare(type, collation, b, a)))
		abort();
	if (value_equal(type, a, b) != (order == 0))
		abort();
}

static bool print(const struct numeric_sum *sum, struct buf *out)
{
	buf_clear(out);
	if (numeric_sum_print(sum, 1, out, NULL) < 0)
		return false;
	if (!numeric_valid(buf_slice(out)))
		abort();
	return true;
}

/* What is printed is, summed by itself, printed the same. */
static void sum(struct slice a, struct slice b)
{
	struct numeric_sum sum;
	struct buf out, again;

	if (!numeric_valid(a) || !numeric_valid(b))
		return;
	buf_init(&out, 1 << 20);
	buf_init(&again, 1 << 20);
	numeric_sum_init(&sum);
	numeric_sum_add(&sum, a);
	numeric_sum_add(&sum, b);
	if (print(&sum, &out)) {
		numeric_sum_clear(&sum);
		numeric_sum_add(&sum, buf_slice(&out));
		if (!print(&sum, &again) || !slice_eq(buf_slice(&out), buf_slice(&again)) || numeric_compare(buf_slice(&out), buf_slice(&again)) != 0)
			abort();
	}
	buf_clear(&out);
	if (numeric_sum_divide(&sum, 1 + (uint8_t)a.data[0], 1, &out, NULL) == 0 && !numeric_valid(buf_slice(&out)))
		abort();
	buf_clear(&out);
	if (numeric_sum_print(&sum, 0, &out, NULL) == 0 && out.size == 0)
		abort();
	numeric_sum_release(&sum);
	buf_release(&again);
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice a, b;
	struct arena arena;
	size_t border;

	if (size < 3)
		return 0;
	border = 3 + data[2] % (size - 2);
	a = slice_make(data + 3, border - 3);
	b = slice_make(data + border, size - border);
	arena_init(&arena, 1024);
	switch (data[0] % 3) {
	case 0:
		read_key(CHOOSE(key_types, data[1]), arena_slice(&arena, slice_make(data + 3, size - 3)), &arena);
		break;
	case 1:
		compare(CHOOSE(types, data[1]), a, b);
		break;
	default:
		sum(a, b);
	}
	arena_release(&arena);
	return 0;
}
