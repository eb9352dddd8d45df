#include "route/value.h"

#include <endian.h>
#include <string.h>

#include "catalog/catalog.h"
#include "route/collation.h"
#include "route/numeric.h"

enum { UUID_SIZE = 16, TIMETZ_SIZE = 12, INTERVAL_SIZE = 16 };

static const int64_t SECOND_US = 1000000;
static const int64_t DAY_US = INT64_C(24) * 3600 * 1000000;

enum order {
	ORDER_NONE,                     /* not ordered here */
	ORDER_SIGNED,                   /* big-endian two's complement of any size up to 8 */
	ORDER_UNSIGNED,
	ORDER_FLOAT,
	ORDER_NUMERIC,
	ORDER_BYTES,
	ORDER_TEXT, ORDER_PADDED_TEXT,
	ORDER_TIMETZ,
	ORDER_INTERVAL,
};

static enum order order_of(uint32_t type, size_t *ret_size)
{
	*ret_size = 0;
	switch (type) {
	case OID_BOOL:
		*ret_size = 1;
		return ORDER_UNSIGNED;
	case OID_INT2:
		*ret_size = 2;
		return ORDER_SIGNED;
	case OID_INT4:
	case OID_DATE:
		*ret_size = 4;
		return ORDER_SIGNED;
	case OID_INT8:
	case OID_TIME:
	case OID_TIMESTAMP:
	case OID_TIMESTAMPTZ:
		*ret_size = 8;
		return ORDER_SIGNED;
	case OID_OID:
		*ret_size = 4;
		return ORDER_UNSIGNED;
	case OID_FLOAT4:
		*ret_size = 4;
		return ORDER_FLOAT;
	case OID_FLOAT8:
		*ret_size = 8;
		return ORDER_FLOAT;
	case OID_NUMERIC:
		return ORDER_NUMERIC;
	case OID_TEXT:
	case OID_VARCHAR:
	case OID_NAME:
		return ORDER_TEXT;
	case OID_BPCHAR:
		return ORDER_PADDED_TEXT;
	case OID_BYTEA:
		return ORDER_BYTES;
	case OID_UUID:
		*ret_size = UUID_SIZE;
		return ORDER_BYTES;
	case OID_TIMETZ:
		*ret_size = TIMETZ_SIZE;
		return ORDER_TIMETZ;
	case OID_INTERVAL:
		*ret_size = INTERVAL_SIZE;
		return ORDER_INTERVAL;
	}
	return ORDER_NONE;
}

bool value_orderable(uint32_t type)
{
	size_t size;

	return order_of(type, &size) != ORDER_NONE;
}

bool value_collatable(uint32_t type)
{
	size_t size;
	enum order order = order_of(type, &size);

	return order == ORDER_TEXT || order == ORDER_PADDED_TEXT;
}

bool value_valid(uint32_t type, struct slice bytes)
{
	size_t size;
	enum order order = order_of(type, &size);

	if (order == ORDER_NONE || (size && bytes.size != size))
		return false;
	return order != ORDER_NUMERIC || numeric_valid(bytes);
}

static uint64_t unsigned_of(struct slice bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes.size; i++)
		value = value << 8 | (unsigned char)bytes.data[i];
	return value;
}

static int64_t signed_of(struct slice bytes)
{
	unsigned spare = (unsigned)(8 - bytes.size) * 8;

	return (int64_t)(unsigned_of(bytes) << spare) >> spare;
}

static double float_of(struct slice bytes)
{
	uint64_t bits = unsigned_of(bytes);
	uint32_t narrow_bits = (uint32_t)bits;
	float narrow;
	double wide;

	if (bytes.size == sizeof(narrow)) {
		memcpy(&narrow, &narrow_bits, sizeof(narrow));
		return (double)narrow;
	}
	memcpy(&wide, &bits, sizeof(wide));
	return wide;
}

/* NaN is equal to itself and larger than all else; the zeros are equal. */
static int compare_floats(double a, double b)
{
	bool nan_a = __builtin_isnan(a), nan_b = __builtin_isnan(b);

	if (nan_a || nan_b)
		return nan_a - nan_b;
	return (a > b) - (a < b);
}

static int compare_bytes(struct slice a, struct slice b)
{
	return collation_compare(collation_bytes(), a, b);
}

static struct slice without_padding(struct slice text)
{
	while (text.size > 0 && text.data[text.size - 1] == ' ')
		text.size--;
	return text;
}

static struct slice part(struct slice bytes, size_t offset, size_t size)
{
	return slice_make(bytes.data + offset, size);
}

/* timetz_cmp_internal: by the time at Greenwich, then by zone (seconds west of it). */
static int compare_timetz(struct slice a, struct slice b)
{
	int64_t zone_a = signed_of(part(a, 8, 4)), zone_b = signed_of(part(b, 8, 4));
	__int128 time_a = signed_of(part(a, 0, 8)) + (__int128)zone_a * SECOND_US;
	__int128 time_b = signed_of(part(b, 0, 8)) + (__int128)zone_b * SECOND_US;

	if (time_a != time_b)
		return time_a > time_b ? 1 : -1;
	return (zone_a > zone_b) - (zone_a < zone_b);
}

/* interval_cmp_value: a month has 30 days and a day 24 hours. */
static __int128 interval_span(struct slice bytes)
{
	int64_t time = signed_of(part(bytes, 0, 8)), days = signed_of(part(bytes, 8, 4)), months = signed_of(part(bytes, 12, 4));

	return time + (__int128)(days + months * 30) * DAY_US;
}

int value_compare(uint32_t type, const struct collation *collation, struct slice a, struct slice b)
{
	size_t size;

	switch (order_of(type, &size)) {
	case ORDER_NONE:
		return 0;
	case ORDER_SIGNED:
		return (signed_of(a) > signed_of(b)) - (signed_of(a) < signed_of(b));
	case ORDER_UNSIGNED:
		return (unsigned_of(a) > unsigned_of(b)) - (unsigned_of(a) < unsigned_of(b));
	case ORDER_FLOAT:
		return compare_floats(float_of(a), float_of(b));
	case ORDER_NUMERIC:
		return numeric_compare(a, b);
	case ORDER_BYTES:
		return compare_bytes(a, b);
	case ORDER_TEXT:
		return collation_compare(collation, a, b);
	case ORDER_PADDED_TEXT:
		return collation_compare(collation, without_padding(a), without_padding(b));
	case ORDER_TIMETZ:
		return compare_timetz(a, b);
	case ORDER_INTERVAL:
		return (interval_span(a) > interval_span(b)) - (interval_span(a) < interval_span(b));
	}
	return 0;
}

bool value_equal(uint32_t type, struct slice a, struct slice b)
{
	return value_compare(type, collation_bytes(), a, b) == 0;
}
