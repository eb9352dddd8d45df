/* values: from the literals or parameters of one execution to the shards that its pins allow. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/catalog.h"
#include "proto/message.h"
#include "route/plan.h"
#include "route/snapshot.h"
#include "topo/topology.h"

enum { VALUES_BLOCK_SIZE = 512, ARRAY_ELEMENTS_MAX = 65536 };

/* What a value says of the shards. */
enum outcome {
	OUTCOME_KEY,                    /* a key: its shard */
	OUTCOME_NONE,                   /* NULL: no row is equal to it */
	OUTCOME_INVALID,                /* PostgreSQL will refuse it, on any shard */
	OUTCOME_UNKNOWN,                /* cannot be told: any shard may hold it */
};

struct evaluation {
	const struct database *database;
	const struct plan_values *values;
	const struct pin *pin;
	const struct plan_item *item;
	struct arena *arena;
	uint64_t all;
	bool utf8;                      /* the server's encoding */
};

static bool is_int(uint32_t type)
{
	return type == OID_INT2 || type == OID_INT4 || type == OID_INT8;
}

static bool is_text(uint32_t type)
{
	return type == OID_TEXT || type == OID_VARCHAR;
}

/* Whether a value of type `from` that equals a key of type `key` has the key's hash. */
static bool same_family(uint32_t from, uint32_t key)
{
	return from == key || (is_int(from) && is_int(key)) || (is_text(from) && is_text(key));
}

/* The type of a cast as written; 0: none that is understood. */
static uint32_t type_of_cast(const char *cast)
{
	static const struct { const char *name; uint32_t type; } casts[] = {
		{ "bpchar", OID_BPCHAR }, { "date", OID_DATE }, { "timestamp", OID_TIMESTAMP }, { "timestamptz", OID_TIMESTAMPTZ },
		{ "bytea", OID_BYTEA },
		{ "int2", OID_INT2 }, { "smallint", OID_INT2 }, { "int4", OID_INT4 }, { "int", OID_INT4 }, { "integer", OID_INT4 },
		{ "int8", OID_INT8 }, { "bigint", OID_INT8 }, { "text", OID_TEXT }, { "varchar", OID_VARCHAR }, { "uuid", OID_UUID },
	};

	if (strncmp(cast, "pg_catalog.", 11) == 0)
		cast += 11;
	for (size_t i = 0; i < sizeof(casts) / sizeof(casts[0]); i++)
		if (strcmp(casts[i].name, cast) == 0)
			return casts[i].type;
	return 0;
}

static bool is_ascii(struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if ((unsigned char)text.data[i] & 0x80)
			return false;
	return true;
}

/* The key's shard. A text that the node converts to another encoding is hashed there as other bytes; one that is stored in a varchar(n) is cut. */
static enum outcome shard_of(const struct evaluation *evaluation, struct key *key, uint64_t *ret_shards)
{
	const struct pin *pin = evaluation->pin;

	if (key->kind == KEY_TEXT) {
		if (!evaluation->values->own_encoding && !is_ascii(key->bytes))
			return OUTCOME_UNKNOWN;
		if (evaluation->item->shape->kind == STMT_INSERT) {
			if (!evaluation->utf8 && !is_ascii(key->bytes))
				return OUTCOME_UNKNOWN;
			key_assign(pin->table->key_type, pin->typmod, key);
		}
	}
	*ret_shards = UINT64_C(1) << placement_shard(pin->table->placement, key);
	return OUTCOME_KEY;
}

static enum outcome from_text(const struct evaluation *evaluation, uint32_t type, struct slice text, uint64_t *ret_shards)
{
	struct key key;
	int rc = key_from_text(type, text, evaluation->arena, &key, NULL);

	if (rc == ERR_INVALID_TEXT || rc == ERR_OUT_OF_RANGE)
		return OUTCOME_INVALID;
	return rc < 0 ? OUTCOME_UNKNOWN : shard_of(evaluation, &key, ret_shards);
}

static enum outcome from_literal(const struct evaluation *evaluation, const struct value *value, const struct literal *literal,
				 uint64_t *ret_shards)
{
	uint32_t key_type = evaluation->pin->table->key_type, type = value->cast ? type_of_cast(value->cast) : key_type;
	struct slice sql = evaluation->values->sql;
	enum outcome outcome = OUTCOME_UNKNOWN;
	struct buf text;

	if (!type || !same_family(type, key_type) || literal->class == LITERAL_DECIMAL || literal->class == LITERAL_BIT)
		return OUTCOME_UNKNOWN;
	if (literal->class == LITERAL_INTEGER && !is_int(type))
		return OUTCOME_UNKNOWN;
	if (literal->class == LITERAL_INTEGER && !value->negated)
		return from_text(evaluation, value->cast ? type : OID_INT8, slice_make(sql.data + literal->offset, literal->size), ret_shards);
	buf_init(&text, (size_t)literal->size + 16);
	if (value->negated)
		buf_add_u8(&text, '-');
	if (literal_value(sql, literal, evaluation->values->standard_strings, &text, NULL) == 0 && !text.failed) {
		struct slice digits = buf_slice(&text);

		/* An integer literal is compared as the wider type: one beyond the key's own type is equal to no key, but an error when it
		 * is stored; either way any shard answers the same. */
		outcome = from_text(evaluation, literal->class == LITERAL_INTEGER && !value->cast ? OID_INT8 : type,
				    arena_slice(evaluation->arena, digits), ret_shards);
	}
	buf_release(&text);
	return outcome;
}

static enum outcome from_value(const struct evaluation *evaluation, const struct value *value, uint64_t *ret_shards);

uint32_t plan_type_named(const char *name)
{
	uint32_t type = name ? type_of_cast(name) : 0;

	return type ? type : PARAM_TYPE_OTHER;
}

/* What Parse or PREPARE said; 0: nothing. */
static uint32_t declared_type(const struct plan_values *values, int param)
{
	uint32_t type = (size_t)param <= values->param_type_count ? values->param_types[param - 1] : 0;

	return type == OID_UNKNOWN ? 0 : type;
}

static bool is_shared(const struct evaluation *evaluation, int param)
{
	const struct plan_item *item = evaluation->item;

	return item->shared_params && param <= item->shape->param_max && item->shared_params[param - 1];
}

/* A parameter of an SQL-level prepared statement is an expression of the EXECUTE. */
static enum outcome from_argument(const struct evaluation *evaluation, const struct value *value, uint64_t *ret_shards)
{
	const struct shape *execute = evaluation->values->execute;
	struct evaluation inner = *evaluation;
	enum outcome outcome;
	uint32_t declared = declared_type(evaluation->values, value->param);

	if ((size_t)value->param > execute->execute_arg_count || value->cast || value->negated)
		return OUTCOME_UNKNOWN;
	if (declared ? !same_family(declared, evaluation->pin->table->key_type) : is_shared(evaluation, value->param))
		return OUTCOME_UNKNOWN;
	inner.values = evaluation->values->execute_values;
	outcome = from_value(&inner, &execute->execute_args[value->param - 1], ret_shards);
	return outcome == OUTCOME_INVALID ? OUTCOME_UNKNOWN : outcome;  /* the PREPARE may have declared another type */
}

/* A parameter that is not declared has the type of its first use. Where that may be another one than the key's, its text may mean another
 * value: a real has seven digits, a bpchar no blanks at its end, a name 63 bytes. */
static bool may_mean_other(const struct evaluation *evaluation, int param, int format, struct slice bytes)
{
	enum { SHORT = 6, NAME_SIZE = 63 };

	if (!is_shared(evaluation, param))
		return false;
	if (format == 1)
		return true;
	if (!is_text(evaluation->pin->table->key_type))
		return bytes.size > SHORT;
	return bytes.size > NAME_SIZE || (bytes.size && bytes.data[bytes.size - 1] == ' ');
}

static enum outcome from_param(const struct evaluation *evaluation, const struct value *value, uint64_t *ret_shards)
{
	const struct plan_values *values = evaluation->values;
	uint32_t key_type = evaluation->pin->table->key_type, type = value->cast ? type_of_cast(value->cast) : key_type;
	uint32_t declared = declared_type(values, value->param);
	struct slice bytes;
	struct key key;
	int format;

	if (values->execute)
		return from_argument(evaluation, value, ret_shards);
	if (!values->bind || value->negated || !type || !same_family(type, key_type) || (declared && !same_family(declared, key_type)))
		return OUTCOME_UNKNOWN;
	if (!bind_param(values->bind, value->param, &bytes, &format))
		return OUTCOME_NONE;
	if (!declared && may_mean_other(evaluation, value->param, format, bytes))
		return OUTCOME_UNKNOWN;
	if (format == 0) {
		enum outcome outcome = from_text(evaluation, declared ? declared : type, bytes, ret_shards);

		/* Without a declared type another use of the parameter may have given it a type that reads this text. */
		return outcome == OUTCOME_INVALID && !declared ? OUTCOME_UNKNOWN : outcome;
	}
	if (key_from_binary(key_type, declared ? declared : type, bytes, evaluation->arena, &key, NULL) < 0)
		return OUTCOME_UNKNOWN;
	return shard_of(evaluation, &key, ret_shards);
}

/* ---- arrays ---- */

static bool is_space(char c)            /* array_isspace() of arrayfuncs.c */
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* One element of '{a,"b c",NULL}'; false at the end or for what is not a flat array. *ret_null tells a bare NULL. */
static bool array_text_next(struct slice *rest, struct buf *out, bool *ret_null, bool *ret_bad)
{
	const char *at = rest->data, *end = at + rest->size;
	bool quoted = false;

	buf_clear(out);
	*ret_null = false;
	while (at < end && (is_space(*at) || *at == ','))
		at++;
	if (at >= end || *at == '}')
		return false;
	if (*at == '"') {
		quoted = true;
		for (at++; at < end && *at != '"'; at++) {
			if (*at == '\\' && at + 1 < end)
				at++;
			buf_add_u8(out, (uint8_t)*at);
		}
		at++;
	} else {
		for (; at < end && *at != ',' && *at != '}'; at++) {
			if (*at == '{' || *at == '\\' || *at == '"')
				*ret_bad = true;
			buf_add_u8(out, (uint8_t)*at);
		}
		while (out->size && is_space(out->data[out->size - 1]))
			out->size--;
	}
	*ret_null = !quoted && out->size == 4 && strncasecmp(out->data, "null", 4) == 0;
	*rest = slice_make(at, at < end ? (size_t)(end - at) : 0);
	return true;
}

static enum outcome merge_outcome(enum outcome outcome, uint64_t shards, uint64_t *total)
{
	if (outcome == OUTCOME_KEY)
		*total |= shards;
	return outcome == OUTCOME_NONE ? OUTCOME_KEY : outcome;
}

static enum outcome from_array_text(const struct evaluation *evaluation, struct slice text, uint64_t *ret_shards)
{
	enum outcome outcome = OUTCOME_KEY;
	bool null, bad = false;
	struct buf element;

	while (text.size && is_space(text.data[0]))
		text = slice_make(text.data + 1, text.size - 1);
	if (text.size < 2 || text.data[0] != '{')
		return OUTCOME_UNKNOWN;
	text = slice_make(text.data + 1, text.size - 1);
	buf_init(&element, text.size + 1);
	while (outcome == OUTCOME_KEY && array_text_next(&text, &element, &null, &bad)) {
		uint64_t shards = 0;

		if (bad) {
			outcome = OUTCOME_UNKNOWN;
		} else if (!null) {
			outcome = from_text(evaluation, evaluation->pin->table->key_type, arena_slice(evaluation->arena, buf_slice(&element)),
					    &shards);
			outcome = merge_outcome(outcome, shards, ret_shards);
		}
	}
	buf_release(&element);
	return outcome;
}

/* Source: array_send() of PostgreSQL: dimensions, flags, element type, (size, lower bound) each, then the elements. */
static enum outcome from_array_binary(const struct evaluation *evaluation, struct slice bytes, uint64_t *ret_shards)
{
	struct cursor cursor = cursor_of(bytes);
	uint32_t dimensions = cursor_u32(&cursor), count;
	uint32_t key_type = evaluation->pin->table->key_type, type;

	cursor_u32(&cursor);
	type = cursor_u32(&cursor);
	if (dimensions == 0)
		return OUTCOME_KEY;
	count = cursor_u32(&cursor);
	cursor_u32(&cursor);
	if (dimensions != 1 || count > ARRAY_ELEMENTS_MAX || !same_family(type, key_type))
		return OUTCOME_UNKNOWN;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t size = cursor_u32(&cursor);
		uint64_t shards = 0;
		struct key key;

		if (size == UINT32_MAX)
			continue;
		if (key_from_binary(key_type, type, cursor_bytes(&cursor, size), evaluation->arena, &key, NULL) < 0 || cursor.failed ||
		    shard_of(evaluation, &key, &shards) != OUTCOME_KEY)
			return OUTCOME_UNKNOWN;
		*ret_shards |= shards;
	}
	return OUTCOME_KEY;
}

static bool is_in_slot(const struct fingerprint *fingerprint, size_t index, int slot)
{
	return fingerprint && index < fingerprint->literal_count && (int)fingerprint->literals[index].slot == slot;
}

/* Literals stand in the order of their slots; a statement may have very many. */
static size_t first_literal(const struct fingerprint *fingerprint, int slot)
{
	size_t low = 0, high = fingerprint ? fingerprint->literal_count : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if ((int)fingerprint->literals[middle].slot < slot)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static enum outcome from_array(const struct evaluation *evaluation, const struct value *value, uint64_t *ret_shards)
{
	const struct plan_values *values = evaluation->values;
	enum outcome outcome = OUTCOME_UNKNOWN;
	const struct literal *literal;
	struct slice bytes;
	struct buf text;
	size_t at;
	int format;

	if (value->kind == VALUE_PARAM && values->bind) {
		uint32_t declared = declared_type(values, value->param);

		if (!bind_param(values->bind, value->param, &bytes, &format))
			return OUTCOME_NONE;
		if (format == 1)
			return from_array_binary(evaluation, bytes, ret_shards);
		/* Text elements read as the key's type only where the array has that type: not declared, and not cast. */
		return declared || value->cast || may_mean_other(evaluation, value->param, 1, bytes) ? OUTCOME_UNKNOWN : from_array_text(evaluation, bytes, ret_shards);
	}
	at = first_literal(values->fingerprint, value->slot);
	if (value->kind != VALUE_LITERAL || !is_in_slot(values->fingerprint, at, value->slot))
		return OUTCOME_UNKNOWN;
	literal = &values->fingerprint->literals[at];
	if (value->cast || literal->class != LITERAL_STRING)
		return OUTCOME_UNKNOWN;
	buf_init(&text, (size_t)literal->size + 16);
	if (literal_value(values->sql, literal, values->standard_strings, &text, NULL) == 0)
		outcome = from_array_text(evaluation, buf_slice(&text), ret_shards);
	buf_release(&text);
	return outcome;
}

/* ---- lists and pins ---- */

static enum outcome from_value(const struct evaluation *evaluation, const struct value *value, uint64_t *ret_shards)
{
	const struct fingerprint *fingerprint = evaluation->values->fingerprint;
	enum outcome outcome = OUTCOME_KEY;
	bool found = false;

	switch (value->kind) {
	case VALUE_NULL:
		return OUTCOME_NONE;
	case VALUE_PARAM:
		return from_param(evaluation, value, ret_shards);
	case VALUE_LITERAL:
		for (size_t i = first_literal(fingerprint, value->slot); outcome == OUTCOME_KEY && is_in_slot(fingerprint, i, value->slot); i++) {
			uint64_t shards = 0;

			found = true;
			outcome = from_literal(evaluation, value, &fingerprint->literals[i], &shards);
			outcome = merge_outcome(outcome, shards, ret_shards);
		}
		return found ? outcome : OUTCOME_UNKNOWN;
	case VALUE_OPAQUE:
	case VALUE_TRUE:
	case VALUE_FALSE:
	case VALUE_DEFAULT:
		break;
	}
	return OUTCOME_UNKNOWN;
}

/* The shards that one pin allows. */
static enum outcome from_pin(struct evaluation *evaluation, const struct pin *pin, uint64_t *ret_shards)
{
	uint64_t allowed = evaluation->all;
	enum outcome worst = OUTCOME_KEY;

	evaluation->pin = pin;
	for (size_t i = 0; i < pin->list_count; i++) {
		uint64_t shards = 0;
		enum outcome outcome = OUTCOME_KEY;

		for (size_t j = 0; j < pin->list_sizes[i] && outcome == OUTCOME_KEY; j++) {
			const struct value *value = &pin->lists[i][j];
			uint64_t some = 0;

			outcome = pin->list_arrays[i] ? from_array(evaluation, value, &some) : from_value(evaluation, value, &some);
			if (outcome == OUTCOME_NONE && pin->list_sizes[i] > 1)
				outcome = OUTCOME_KEY;
			/* A string in a list is read as the type that all of the list have in common. */
			if (outcome == OUTCOME_INVALID && pin->list_sizes[i] > 1)
				outcome = OUTCOME_UNKNOWN;
			shards |= some;
		}
		if (outcome == OUTCOME_INVALID)
			return OUTCOME_INVALID;
		if (outcome == OUTCOME_UNKNOWN)
			worst = OUTCOME_UNKNOWN;        /* this list allows every shard */
		else
			allowed &= shards;
	}
	*ret_shards = allowed;
	return worst;
}

static int unclear_key(const struct pin *pin, struct err *err)
{
	err_set(err, ERR_UNSUPPORTED, "the value of the shard key \"%s\" cannot be told from the statement", pin->table->key_column);
	err_detail(err, "Table \"%s\" is placed by hash(%s).", pin->table->name, pin->table->key_column);
	err_hint(err, "Give the key as a constant or parameter of its own type, without an expression around it.");
	return ERR_UNSUPPORTED;
}

/* PostgreSQL would take it where the column may be null; here it belongs to no shard. */
static int null_key(const struct pin *pin, bool by_default, struct err *err)
{
	if (pin->not_null && !(by_default && pin->has_default)) {
		err_set(err, ERR_NULL_KEY, "null value in column \"%s\" of relation \"%s\" violates not-null constraint", pin->table->key_column,
			pin->table->name);
	} else {
		err_set(err, ERR_UNSUPPORTED, by_default ? "the default of the shard key \"%s\" of table \"%s\" is not known to the router" :
			"a row whose shard key \"%s\" is NULL has no shard to stand on in table \"%s\"", pin->table->key_column, pin->table->name);
		err_detail(err, "Table \"%s\" is placed by hash(%s).", pin->table->name, pin->table->key_column);
	}
	err_hint(err, "Give the shard key a value in every row.");
	return err->code;
}

static int route_insert(struct evaluation *evaluation, const struct plan_item *item, uint64_t *ret_shards, struct err *err)
{
	*ret_shards = 0;
	for (size_t row = 0; row < item->pin_count; row++) {
		uint64_t shards = 0;
		const struct value *value = item->pins[row].lists[0];
		enum outcome outcome;

		evaluation->pin = &item->pins[row];
		outcome = from_value(evaluation, value, &shards);
		if (outcome == OUTCOME_INVALID) {
			*ret_shards = 1;        /* PostgreSQL says why */
			return 0;
		}
		if (outcome == OUTCOME_NONE || value->kind == VALUE_DEFAULT) {
			return null_key(&item->pins[row], value->kind == VALUE_DEFAULT, err);
		}
		if (outcome == OUTCOME_UNKNOWN)
			return unclear_key(&item->pins[row], err);
		*ret_shards |= shards;
	}
	return 0;
}

static int route_keyed(struct evaluation *evaluation, const struct plan_item *item, uint64_t *ret_shards, struct err *err)
{
	uint64_t first = 0, common = evaluation->all;
	bool same = true;

	if (item->shape->kind == STMT_INSERT)
		return route_insert(evaluation, item, ret_shards, err);
	for (size_t i = 0; i < item->pin_count; i++) {
		uint64_t shards = 0;

		if (from_pin(evaluation, &item->pins[i], &shards) == OUTCOME_INVALID) {
			*ret_shards = 1;
			return 0;
		}
		if (i == 0)
			first = shards;
		same &= shards == first;
		common &= shards;
	}
	if (item->fanout) {
		/* One query level whose keys are all equal: what one of them excludes is excluded for all. */
		*ret_shards = common ? common : 1;
		return 0;
	}
	*ret_shards = same && first ? first : 0;
	if (same && first && (first & (first - 1)) == 0)
		return 0;
	/* No key at all in any of them: every shard would answer alike. */
	if (same && !first) {
		*ret_shards = 1;
		return 0;
	}
	for (size_t i = 0; i < item->pin_count; i++) {
		uint64_t shards;

		if (from_pin(evaluation, &item->pins[i], &shards) == OUTCOME_UNKNOWN)
			return unclear_key(&item->pins[i], err);
	}
	if (item->refusal.code) {
		*err = item->refusal;
		return err->code;
	}
	err_set(err, ERR_UNSUPPORTED, "the shard keys of this statement lead to different shards");
	err_hint(err, "Use one shard key in a statement.");
	return ERR_UNSUPPORTED;
}

int plan_route(const struct plan_context *context, const struct plan_item *item, const struct plan_values *values, uint64_t *ret_shards,
	       struct err *err)
{
	const struct database *database = &context->snapshot->topology->databases[context->database];
	uint64_t all = database->shard_count == 64 ? UINT64_MAX : (UINT64_C(1) << database->shard_count) - 1;
	const struct catalog *catalog = context->snapshot->catalogs[context->database];
	struct evaluation evaluation = { .database = database, .values = values, .item = item, .all = all,
		.utf8 = catalog && strcmp(catalog->encoding, "UTF8") == 0 };
	struct arena arena;
	struct err ignored;
	int rc = 0;

	if (!err)
		err = &ignored;
	for (size_t i = 0; item->wary && i < values->param_type_count; i++)
		if (values->param_types[i] >= OID_FIRST_OF_USERS) {
			err_set(err, ERR_UNSUPPORTED, "a parameter of a type that is not PostgreSQL's own may run code that touches sharded tables");
			err_hint(err, "Leave the type of $%zu to the server, or declare it as text.", i + 1);
			return err->code;
		}
	switch (item->kind) {
	case ROUTE_ANY:
	case ROUTE_HOME:
	case ROUTE_LOCAL:
		*ret_shards = 1;
		return 0;
	case ROUTE_FANOUT:
	case ROUTE_ALL:
	case ROUTE_ALL_LOOSE:
		*ret_shards = all;
		return 0;
	case ROUTE_REFUSED:
		*err = item->refusal;
		return err->code;
	case ROUTE_KEYED:
		break;
	}
	arena_init(&arena, VALUES_BLOCK_SIZE);
	evaluation.arena = &arena;
	rc = route_keyed(&evaluation, item, ret_shards, err);
	arena_release(&arena);
	if (rc == 0 && !item->fanout && (*ret_shards & (*ret_shards - 1))) {
		*err = item->refusal;
		rc = err->code;
	}
	return rc;
}
