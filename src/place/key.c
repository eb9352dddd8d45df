#include <endian.h>
#include <string.h>

#include "catalog/catalog.h"
#include "place/key_time.h"
#include "place/place.h"

enum { UUID_SIZE = 16, TYPMOD_HEADER = 4 };

/* The types that can be hash keys: how each is hashed, its wire size (0: any), and its name in messages. */
static const struct key_type {
	uint32_t oid;
	enum key_kind kind;
	size_t wire_size;
	const char *name;
} key_types[] = {
	{ OID_INT2,        KEY_INT,   2,         "smallint"                    },
	{ OID_INT4,        KEY_INT,   4,         "integer"                     },
	{ OID_INT8,        KEY_INT,   8,         "bigint"                      },
	{ OID_DATE,        KEY_INT,   4,         "date"                        },
	{ OID_TIMESTAMP,   KEY_INT,   8,         "timestamp without time zone" },
	{ OID_TIMESTAMPTZ, KEY_INT,   8,         "timestamp with time zone"    },
	{ OID_TEXT,        KEY_TEXT,  0,         "text"                        },
	{ OID_VARCHAR,     KEY_TEXT,  0,         "character varying"           },
	{ OID_BPCHAR,      KEY_TEXT,  0,         "character"                   },
	{ OID_UUID,        KEY_BYTES, UUID_SIZE, "uuid"                        },
	{ OID_BYTEA,       KEY_BYTES, 0,         "bytea"                       },
};

static const struct key_type *key_type_of(uint32_t oid)
{
	for (size_t i = 0; i < sizeof(key_types) / sizeof(key_types[0]); i++)
		if (key_types[i].oid == oid)
			return &key_types[i];
	return NULL;
}

static int unsupported_type(uint32_t type, struct err *err)
{
	err_set(err, ERR_UNSUPPORTED, "a column of the type %s cannot be a hash shard key", type_name(type));
	err_hint(err, "Choose a key of type smallint, integer, bigint, text, varchar, char, uuid, bytea, date or timestamp.");
	return ERR_UNSUPPORTED;
}

int key_kind_of_type(uint32_t type, enum key_kind *ret_kind, struct err *err)
{
	const struct key_type *known = key_type_of(type);

	if (!known)
		return unsupported_type(type, err);
	*ret_kind = known->kind;
	return 0;
}

static int invalid_text(const struct key_type *type, struct slice text, struct err *err)
{
	return err_set(err, ERR_INVALID_TEXT, "invalid input syntax for type %s: \"%.*s\"", type->name,
		       text.size > 200 ? 200 : (int)text.size, text.data);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct slice without_blanks_behind(struct slice text)
{
	while (text.size > 0 && text.data[text.size - 1] == ' ')
		text.size--;
	return text;
}

/* pg_strtoint16, 32 and 64 of numutils.c: spaces around, one sign, decimal digits. */
static int integer_from_text(const struct key_type *type, struct slice text, int64_t *ret_value, struct err *err)
{
	static const int64_t maxima[] = { [2] = INT16_MAX, [4] = INT32_MAX, [8] = INT64_MAX };
	struct slice rest = text;
	uint64_t value = 0, limit = (uint64_t)maxima[type->wire_size];
	bool negative = false, digits = false, too_large = false;

	while (rest.size > 0 && is_space(rest.data[0]))
		rest.data++, rest.size--;
	while (rest.size > 0 && is_space(rest.data[rest.size - 1]))
		rest.size--;
	if (rest.size > 0 && (rest.data[0] == '-' || rest.data[0] == '+')) {
		negative = rest.data[0] == '-';
		rest.data++, rest.size--;
		limit += negative;
	}
	for (; rest.size > 0 && rest.data[0] >= '0' && rest.data[0] <= '9'; rest.data++, rest.size--) {
		too_large |= value > UINT64_MAX / 10 - 1;
		value = value * 10 + (uint64_t)(rest.data[0] - '0');
		too_large |= value > limit;
		digits = true;
	}
	/* PostgreSQL reads from the left and reports what it meets first. */
	if (too_large)
		return err_set(err, ERR_OUT_OF_RANGE, "value \"%.*s\" is out of range for type %s",
			       text.size > 200 ? 200 : (int)text.size, text.data, type->name);
	if (!digits || rest.size > 0)
		return invalid_text(type, text, err);
	*ret_value = (int64_t)(negative ? 0 - value : value);
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* string_to_uuid of uuid.c: braces around, a hyphen allowed after every second byte. */
static int uuid_from_text(const struct key_type *type, struct slice text, struct arena *arena, struct slice *ret_bytes, struct err *err)
{
	char *bytes = arena_alloc(arena, UUID_SIZE);
	size_t at = 0;
	bool braces = text.size > 0 && text.data[0] == '{';

	at += braces;
	for (size_t i = 0; i < UUID_SIZE; i++) {
		if (text.size < at + 2 || hex_digit(text.data[at]) < 0 || hex_digit(text.data[at + 1]) < 0)
			return invalid_text(type, text, err);
		bytes[i] = (char)(hex_digit(text.data[at]) << 4 | hex_digit(text.data[at + 1]));
		at += 2;
		if (at < text.size && text.data[at] == '-' && i % 2 == 1 && i < UUID_SIZE - 1)
			at++;
	}
	if (braces && (at >= text.size || text.data[at++] != '}'))
		return invalid_text(type, text, err);
	if (at != text.size)
		return invalid_text(type, text, err);
	*ret_bytes = slice_make(bytes, UUID_SIZE);
	return 0;
}

/* byteain and hex_decode of encode.c: blanks may stand between bytes, not within one. */
static int bytea_from_text(struct slice text, struct arena *arena, struct slice *ret_bytes, struct err *err)
{
	char *bytes;
	size_t size = 0;

	if (text.size < 2 || text.data[0] != '\\' || text.data[1] != 'x')
		return err_set(err, ERR_UNSUPPORTED, "a bytea shard key in escape format is not read by the router");
	bytes = arena_alloc(arena, text.size / 2);
	for (size_t i = 2; i < text.size; i++) {
		char c = text.data[i];

		if (c == ' ' || c == '\n' || c == '\t' || c == '\r')
			continue;
		if (hex_digit(c) < 0 || i + 1 >= text.size || hex_digit(text.data[i + 1]) < 0) {
			err_set(err, ERR_INVALID_TEXT, "invalid hexadecimal data");
			err_sqlstate(err, "22023");
			return ERR_INVALID_TEXT;
		}
		bytes[size++] = (char)(hex_digit(c) << 4 | hex_digit(text.data[++i]));
	}
	*ret_bytes = slice_make(bytes, size);
	return 0;
}

static int time_from_text(const struct key_type *type, struct slice text, int64_t *ret_value, struct err *err)
{
	bool understood = type->oid == OID_DATE ? key_time_date(text, ret_value) :
			  type->oid == OID_TIMESTAMP ? key_time_timestamp(text, ret_value) : key_time_timestamptz(text, ret_value);

	if (understood)
		return 0;
	return err_set(err, ERR_UNSUPPORTED, "a %s shard key is read by the router in full ISO form only", type->name);
}

int key_from_text(uint32_t type, struct slice text, struct arena *arena, struct key *ret_key, struct err *err)
{
	const struct key_type *known = key_type_of(type);

	if (!known)
		return unsupported_type(type, err);
	*ret_key = (struct key){ .kind = known->kind };
	switch (known->kind) {
	case KEY_INT:
		if (type == OID_DATE || type == OID_TIMESTAMP || type == OID_TIMESTAMPTZ)
			return time_from_text(known, text, &ret_key->integer, err);
		return integer_from_text(known, text, &ret_key->integer, err);
	case KEY_TEXT:
		ret_key->bytes = type == OID_BPCHAR ? without_blanks_behind(text) : text;
		return 0;
	case KEY_BYTES:
		if (type == OID_UUID)
			return uuid_from_text(known, text, arena, &ret_key->bytes, err);
		return bytea_from_text(text, arena, &ret_key->bytes, err);
	}
	return unsupported_type(type, err);
}

static bool is_integer(uint32_t type)
{
	return type == OID_INT2 || type == OID_INT4 || type == OID_INT8;
}

bool key_types_meet(uint32_t a, uint32_t b)
{
	return a == b || (is_integer(a) && is_integer(b)) || (a == OID_TEXT && (b == OID_VARCHAR || b == OID_BPCHAR)) ||
	       (b == OID_TEXT && (a == OID_VARCHAR || a == OID_BPCHAR));
}

static bool comparable(uint32_t type, uint32_t from)
{
	if (type == from || (is_integer(type) && is_integer(from)))
		return true;
	if (type == OID_BPCHAR)
		return from == OID_TEXT || from == OID_VARCHAR;
	return (type == OID_TEXT && from == OID_VARCHAR) || (type == OID_VARCHAR && from == OID_TEXT);
}

static int64_t integer_from_wire(struct slice bytes)
{
	uint16_t two;
	uint32_t four;
	uint64_t eight;

	switch (bytes.size) {
	case sizeof(two):
		memcpy(&two, bytes.data, sizeof(two));
		return (int16_t)be16toh(two);
	case sizeof(four):
		memcpy(&four, bytes.data, sizeof(four));
		return (int32_t)be32toh(four);
	default:
		memcpy(&eight, bytes.data, sizeof(eight));
		return (int64_t)be64toh(eight);
	}
}

int key_from_binary(uint32_t type, uint32_t from, struct slice bytes, struct arena *arena, struct key *ret_key, struct err *err)
{
	const struct key_type *known = key_type_of(type), *given = key_type_of(from);

	if (!known)
		return unsupported_type(type, err);
	if (!given || !comparable(type, from))
		return err_set(err, ERR_UNSUPPORTED, "a parameter of another type is compared with a shard key of type %s", known->name);
	if (given->wire_size && bytes.size != given->wire_size) {
		err_set(err, ERR_INVALID_TEXT, "incorrect binary data format for type %s", given->name);
		err_sqlstate(err, "22P03");
		return ERR_INVALID_TEXT;
	}
	*ret_key = (struct key){ .kind = known->kind };
	switch (known->kind) {
	case KEY_INT:
		ret_key->integer = integer_from_wire(bytes);
		return 0;
	case KEY_TEXT:
		ret_key->bytes = type == OID_BPCHAR ? without_blanks_behind(bytes) : bytes;
		return 0;
	case KEY_BYTES:
		ret_key->bytes = arena_slice(arena, bytes);
		return 0;
	}
	return unsupported_type(type, err);
}

void key_assign(uint32_t type, int32_t typmod, struct key *key)
{
	size_t keep = 0, characters = 0;

	if (type != OID_VARCHAR || typmod < TYPMOD_HEADER)
		return;
	/* A character begins wherever a byte is not a continuation of UTF-8. */
	for (; keep < key->bytes.size; keep++) {
		if (((unsigned char)key->bytes.data[keep] & 0xc0) == 0x80)
			continue;
		if (characters++ == (size_t)(typmod - TYPMOD_HEADER))
			break;
	}
	for (size_t i = keep; i < key->bytes.size; i++)
		if (key->bytes.data[i] != ' ')
			return;
	key->bytes.size = keep;
}
