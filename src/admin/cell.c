#include "admin/cell.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/boolean.h"
#include "catalog/catalog.h"

static int invalid(enum value_type type, const char *text, struct err *err)
{
	return err_set(err, ERR_INVALID_TEXT, "invalid input syntax for type %s: \"%.200s\"", value_type_name(type), text);
}

/* `end` is where reading stopped; blanks may follow. */
static bool at_end(const char *text, const char *end)
{
	bool read = end != text;

	while (isspace((unsigned char)*end))
		end++;
	return read && !*end;
}

static int read_bool(const char *text, struct cell_number *ret, struct err *err)
{
	const char *begin = text;
	size_t size;
	bool value;

	while (isspace((unsigned char)*begin))
		begin++;
	size = strlen(begin);
	while (size && isspace((unsigned char)begin[size - 1]))
		size--;
	if (!boolean_read(begin, size, &value))
		return invalid(TYPE_BOOL, text, err);
	ret->integer = value;
	return 0;
}

static int read_int(const char *text, struct cell_number *ret, struct err *err)
{
	char *end;

	errno = 0;
	ret->integer = strtoll(text, &end, 10);
	if (!at_end(text, end))
		return invalid(TYPE_INT8, text, err);
	if (errno == ERANGE)
		return err_set(err, ERR_OUT_OF_RANGE, "value \"%.200s\" is out of range for type bigint", text);
	return 0;
}

static int read_float(const char *text, struct cell_number *ret, struct err *err)
{
	char *end;

	/* strtod() reads hexadecimal too, which PostgreSQL does not */
	if (strpbrk(text, "xX"))
		return invalid(TYPE_FLOAT8, text, err);
	errno = 0;
	ret->real = strtod(text, &end);
	if (!at_end(text, end))
		return invalid(TYPE_FLOAT8, text, err);
	if (isnan(ret->real)) {
		err_set(err, ERR_UNSUPPORTED, "NaN is not supported in the nanu schema");
		err_hint(err, "Compare with a number, or with IS NULL.");
		return ERR_UNSUPPORTED;
	}
	if (errno == ERANGE && (ret->real == 0 || isinf(ret->real)))
		return err_set(err, ERR_OUT_OF_RANGE, "\"%.200s\" is out of range for type double precision", text);
	return 0;
}

int cell_read(enum value_type type, const char *text, struct cell_number *ret, struct err *err)
{
	switch (type) {
	case TYPE_BOOL:
		return read_bool(text, ret, err);
	case TYPE_INT8:
		return read_int(text, ret, err);
	case TYPE_FLOAT8:
		return read_float(text, ret, err);
	case TYPE_TIME:
		err_set(err, ERR_UNSUPPORTED, "timestamps cannot be given to the nanu schema");
		err_hint(err, "Compare with now(), or with a column.");
		return ERR_UNSUPPORTED;
	case TYPE_UNKNOWN:
	case TYPE_TEXT:
	case TYPE_COUNT_:
		break;
	}
	return 0;
}

char *cell_float_text(double real, struct arena *arena)
{
	char text[40];

	if (isinf(real))
		return arena_strdup(arena, real > 0 ? "Infinity" : "-Infinity");
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, real);
		if (strtod(text, NULL) == real)
			break;
	}
	return arena_strdup(arena, text);
}

char *cell_time_text(int64_t us, struct arena *arena)
{
	int64_t second = us / 1000000, fraction = us % 1000000;
	char text[64], part[16] = "";
	struct tm tm;
	time_t at;

	if (fraction < 0) {
		fraction += 1000000;
		second--;
	}
	at = (time_t)second;
	gmtime_r(&at, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	if (fraction)
		snprintf(part, sizeof(part), ".%06d", (int)fraction);
	for (size_t size = strlen(part); size && part[size - 1] == '0'; size--)
		part[size - 1] = '\0';
	return arena_printf(arena, "%s%s+00", text, part);
}

static int64_t read_signed(struct slice bytes)
{
	uint64_t bits = (unsigned char)bytes.data[0] & 0x80 ? UINT64_MAX : 0;

	for (size_t i = 0; i < bytes.size; i++)
		bits = bits << 8 | (unsigned char)bytes.data[i];
	return (int64_t)bits;
}

int cell_from_binary(uint32_t type, struct slice bytes, struct arena *arena, const char **ret, struct err *err)
{
	static const struct { uint32_t type; size_t size; } sizes[] = {
		{ OID_BOOL, 1 }, { OID_INT2, 2 }, { OID_INT4, 4 }, { OID_OID, 4 }, { OID_INT8, 8 }, { OID_FLOAT4, 4 }, { OID_FLOAT8, 8 },
	};
	union { uint64_t bits; double real; } wide;
	union { uint32_t bits; float real; } narrow;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (sizes[i].type == type && bytes.size != sizes[i].size)
			return err_set(err, ERR_INVALID_TEXT, "incorrect binary data format in bind parameter");
	switch (type) {
	case OID_BOOL:
		*ret = bytes.data[0] ? "true" : "false";
		return 0;
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
		*ret = arena_printf(arena, "%lld", (long long)read_signed(bytes));
		return 0;
	case OID_OID:
		*ret = arena_printf(arena, "%u", (uint32_t)read_signed(bytes));
		return 0;
	case OID_FLOAT4:
		narrow.bits = (uint32_t)read_signed(bytes);
		*ret = cell_float_text((double)narrow.real, arena);
		return 0;
	case OID_FLOAT8:
		wide.bits = (uint64_t)read_signed(bytes);
		*ret = cell_float_text(wide.real, arena);
		return 0;
	case 0:
	case OID_TEXT:
	case OID_VARCHAR:
	case OID_BPCHAR:
	case OID_NAME:
	case OID_UNKNOWN:
		if (memchr(bytes.data, 0, bytes.size)) {
			err_set(err, ERR_INVALID_TEXT, "invalid byte sequence for encoding \"UTF8\": 0x00");
			err_sqlstate(err, "22021");
			return ERR_INVALID_TEXT;
		}
		*ret = arena_strndup(arena, bytes.data, bytes.size);
		return 0;
	}
	err_set(err, ERR_UNSUPPORTED, "the nanu schema takes no binary parameters of the type %s", type_name(type));
	err_hint(err, "Send the parameter as text.");
	return ERR_UNSUPPORTED;
}
