#include "route/merge_group.h"

#include <endian.h>

#include "base/limits.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "route/numeric.h"
#include "route/value.h"

struct aggregate {
	const struct merge_output *output;
	uint32_t type;                  /* of the shards' partial values */
	uint32_t shown_type;            /* of the client's column */
	bool any;                       /* a partial value that is not NULL */
	__int128 total;                 /* COUNT, SUM of int8, and AVG's count */
	struct numeric_sum sum;         /* SUM of numeric, AVG */
	struct merge_row *winner;       /* MIN, MAX: may be the group's first row; otherwise owned */
};

struct merge_group {
	const struct merge_spec *spec;
	size_t output_count;            /* hidden ones included */
	struct aggregate *aggregates;   /* one an output; those that are copies are empty */
	int *aggregate_of_column;       /* the shards' column -> index of the aggregate whose hidden column it is, or -1 */
	struct merge_row *first;
	struct buf body;
};

static bool summable(uint32_t type)
{
	return type == OID_INT8 || type == OID_NUMERIC;
}

static int refuse_sum(const struct merge_output *output, uint32_t type, struct err *err)
{
	const char *name = output->name ? output->name : "this sum or average";

	err_set(err, ERR_UNSUPPORTED, "%s over several shards is not supported for its type", name);
	if (type == OID_FLOAT4 || type == OID_FLOAT8) {
		err_detail(err, "The last digits of a floating-point sum depend on the order of addition.");
		err_hint(err, "Cast the argument to numeric, or add the shard key to WHERE.");
	} else {
		err_detail(err, "The router adds integers and numeric only.");
		err_hint(err, "Cast the argument to numeric where that is possible, or add the shard key to WHERE.");
	}
	return ERR_UNSUPPORTED;
}

static int refuse_order(const struct merge_output *output, uint32_t type, struct err *err)
{
	const char *name = output->name ? output->name : "this minimum or maximum";

	err_set(err, ERR_UNSUPPORTED, "%s over several shards is not supported", name);
	if (!value_orderable(type)) {
		err_detail(err, "The router does not order values of the type %s.", type_name(type));
		err_hint(err, "Cast the argument to a built-in scalar type, or add the shard key to WHERE.");
	} else {
		err_detail(err, "%s", output->no_collation_why ? output->no_collation_why : "Its collation is not known to the router.");
		err_hint(err, "Add COLLATE \"C\" to the argument, or the shard key to WHERE.");
	}
	return ERR_UNSUPPORTED;
}

static int refuse_conversion(const struct merge_output *output, struct err *err)
{
	const char *name = output->name ? output->name : "this aggregate";

	err_set(err, ERR_UNSUPPORTED, "%s converted to another type is not supported in a query over several shards", name);
	err_hint(err, "Select the aggregate alone and convert it in the application, or add the shard key to WHERE.");
	return ERR_UNSUPPORTED;
}

static bool is_integer(uint32_t type)
{
	return type == OID_INT2 || type == OID_INT4 || type == OID_INT8;
}

/* COUNT, SUM and AVG are printed here, so their type has to be one that can be printed; and what stands for NULL has to be of it. */
static int check_types(const struct merge_output *output, uint32_t type, const uint32_t *types, const uint32_t *shown, struct err *err)
{
	bool copied = output->aggregate == AGGREGATE_MIN || output->aggregate == AGGREGATE_MAX;

	if (output->has_default && types[output->default_column] != type)
		return refuse_conversion(output, err);
	if (copied || !shown || *shown == type || (type == OID_INT8 && is_integer(*shown)))
		return 0;
	return refuse_conversion(output, err);
}

/* *ret_type: of the aggregate's final value. */
static int check_aggregate(const struct merge_output *output, const uint32_t *types, uint32_t *ret_type, struct err *err)
{
	uint32_t type = types[output->aggregate_column];

	*ret_type = type;
	switch (output->aggregate) {
	case AGGREGATE_COUNT:
		return type == OID_INT8 ? 0 : refuse_sum(output, type, err);
	case AGGREGATE_SUM:
		return summable(type) ? 0 : refuse_sum(output, type, err);
	case AGGREGATE_MIN:
	case AGGREGATE_MAX:
		if (!value_orderable(type) || (value_collatable(type) && !output->collation))
			return refuse_order(output, type, err);
		return 0;
	case AGGREGATE_AVG:
		if (!summable(type) || types[output->aggregate_count_column] != OID_INT8)
			return refuse_sum(output, type, err);
		*ret_type = OID_NUMERIC;
		return 0;
	}
	return refuse_sum(output, type, err);
}

int merge_group_new(const struct merge_spec *spec, const uint32_t *types, uint32_t *final_types, struct merge_group **ret_group,
		    struct err *err)
{
	size_t output_count = spec->output_count + spec->hidden_output_count;
	struct merge_group *group;

	memcpy(final_types, types, spec->shard_column_count * sizeof(*types));
	for (size_t i = 0; i < output_count; i++) {
		const struct merge_output *output = &spec->outputs[i];
		uint32_t *final_type = &final_types[output->aggregate_column];
		int code = 0;

		if (output->kind != OUTPUT_AGGREGATE)
			continue;
		code = check_aggregate(output, types, final_type, err);
		if (code == 0)
			code = check_types(output, *final_type, types, i < spec->output_count ? &types[i] : NULL, err);
		if (code < 0)
			return code;
	}
	group = mem_calloc(1, sizeof(*group));
	group->spec = spec;
	group->output_count = output_count;
	group->aggregates = mem_calloc(output_count + 1, sizeof(*group->aggregates));
	group->aggregate_of_column = mem_alloc((spec->shard_column_count + 1) * sizeof(int));
	for (size_t i = 0; i < spec->shard_column_count; i++)
		group->aggregate_of_column[i] = -1;
	for (size_t i = 0; i < output_count; i++) {
		const struct merge_output *output = &spec->outputs[i];

		group->aggregates[i].output = output;
		numeric_sum_init(&group->aggregates[i].sum);
		if (output->kind == OUTPUT_AGGREGATE) {
			group->aggregates[i].type = types[output->aggregate_column];
			group->aggregates[i].shown_type = i < spec->output_count ? types[i] : OID_INT8;
			group->aggregate_of_column[output->aggregate_column] = (int)i;
		}
	}
	buf_init(&group->body, MERGE_MEMORY_MAX);
	*ret_group = group;
	return 0;
}

static void clear(struct merge_group *group, size_t *held_bytes)
{
	for (size_t i = 0; i < group->output_count; i++) {
		struct aggregate *aggregate = &group->aggregates[i];

		if (aggregate->winner != group->first)
			merge_row_free(aggregate->winner, held_bytes);
		aggregate->winner = NULL;
		aggregate->any = false;
		aggregate->total = 0;
		numeric_sum_clear(&aggregate->sum);
	}
	merge_row_free(group->first, held_bytes);
	group->first = NULL;
}

void merge_group_free(struct merge_group *group, size_t *held_bytes)
{
	if (!group)
		return;
	clear(group, held_bytes);
	for (size_t i = 0; i < group->output_count; i++)
		numeric_sum_release(&group->aggregates[i].sum);
	buf_release(&group->body);
	mem_free(group->aggregates);
	mem_free(group->aggregate_of_column);
	mem_free(group);
}

bool merge_group_open(const struct merge_group *group)
{
	return group->first != NULL;
}

const struct merge_row *merge_group_first(const struct merge_group *group)
{
	return group->first;
}

static int64_t int8_of(struct slice wire)
{
	uint64_t word;

	memcpy(&word, wire.data, sizeof(word));
	return (int64_t)be64toh(word);
}

static bool add_sum(struct aggregate *aggregate, struct slice value)
{
	if (!value_valid(aggregate->type, value))
		return false;
	if (aggregate->type == OID_NUMERIC)
		numeric_sum_add(&aggregate->sum, value);
	else if (aggregate->output->aggregate == AGGREGATE_AVG)
		numeric_sum_add_int8(&aggregate->sum, int8_of(value));
	else
		aggregate->total += int8_of(value);
	return true;
}

static bool wins(const struct aggregate *aggregate, struct slice value)
{
	const struct merge_output *output = aggregate->output;
	int order;

	if (!aggregate->winner)
		return true;
	order = value_compare(aggregate->type, output->collation, value, merge_row_value(aggregate->winner, output->aggregate_column));
	return output->aggregate == AGGREGATE_MIN ? order < 0 : order > 0;
}

/* Whether the row was well formed. *ret_wins: it is the new winner. */
static bool add_value(struct aggregate *aggregate, const struct merge_row *row, bool *ret_wins)
{
	const struct merge_output *output = aggregate->output;
	struct slice value = merge_row_value(row, output->aggregate_column), count;

	*ret_wins = false;
	if (output->aggregate == AGGREGATE_AVG) {
		count = merge_row_value(row, output->aggregate_count_column);
		if (!count.data || !value_valid(OID_INT8, count) || int8_of(count) < 0 || (int8_of(count) == 0) != !value.data)
			return false;
		aggregate->total += int8_of(count);
	}
	if (!value.data)
		return output->aggregate != AGGREGATE_COUNT;
	aggregate->any = true;
	if (output->aggregate != AGGREGATE_MIN && output->aggregate != AGGREGATE_MAX)
		return add_sum(aggregate, value);
	if (!value_valid(aggregate->type, value))
		return false;
	*ret_wins = wins(aggregate, value);
	return true;
}

/* Several aggregates may have one row as their winner: each owns a copy, but for the group's first row. */
static int set_winner(struct merge_group *group, struct aggregate *aggregate, struct merge_row *row, size_t *held_bytes,
		      struct err *err)
{
	struct merge_row *copy = row;

	if (row != group->first) {
		int code = merge_row_new(row->body, group->spec->shard_column_count, held_bytes, &copy, err);

		if (code < 0)
			return code;
	}
	if (aggregate->winner != group->first)
		merge_row_free(aggregate->winner, held_bytes);
	aggregate->winner = copy;
	return 0;
}

int merge_group_add(struct merge_group *group, struct merge_row *row, size_t *held_bytes, struct err *err)
{
	int code = 0;

	if (!group->first)
		group->first = row;
	for (size_t i = 0; i < group->output_count && code == 0; i++) {
		bool won;

		if (group->aggregates[i].output->kind != OUTPUT_AGGREGATE)
			continue;
		if (!add_value(&group->aggregates[i], row, &won))
			code = err_set(err, ERR_PROTOCOL, "a shard sent a malformed partial aggregate");
		else if (won)
			code = set_winner(group, &group->aggregates[i], row, held_bytes, err);
	}
	if (row != group->first)
		merge_row_free(row, held_bytes);
	return code;
}

static int print_integer(__int128 value, uint32_t type, int format, struct buf *out, struct err *err)
{
	if (value > INT64_MAX || value < INT64_MIN)
		return err_set(err, ERR_OUT_OF_RANGE, "bigint out of range");
	if (type == OID_INT4 && (value > INT32_MAX || value < INT32_MIN))
		return err_set(err, ERR_OUT_OF_RANGE, "integer out of range");
	if (type == OID_INT2 && (value > INT16_MAX || value < INT16_MIN))
		return err_set(err, ERR_OUT_OF_RANGE, "smallint out of range");
	if (format == 0)
		buf_printf(out, "%lld", (long long)value);
	else if (type == OID_INT2)
		buf_add_u16(out, (uint16_t)value);
	else if (type == OID_INT4)
		buf_add_u32(out, (uint32_t)value);
	else
		buf_add_u64(out, (uint64_t)value);
	return 0;
}

/* The final value of COUNT, SUM and AVG, which are not NULL here. */
static int print_final(const struct aggregate *aggregate, bool visible, struct buf *out, struct err *err)
{
	int format = visible ? aggregate->output->format : 1;

	if (aggregate->output->aggregate == AGGREGATE_AVG && aggregate->total > INT64_MAX)
		return err_set(err, ERR_OUT_OF_RANGE, "bigint out of range");
	if (aggregate->output->aggregate == AGGREGATE_AVG)
		return numeric_sum_divide(&aggregate->sum, (int64_t)aggregate->total, format, out, err);
	if (aggregate->type == OID_NUMERIC)
		return numeric_sum_print(&aggregate->sum, format, out, err);
	return print_integer(aggregate->total, visible ? aggregate->shown_type : OID_INT8, format, out, err);
}

static void add_column(struct buf *body, struct slice value)
{
	buf_add_u32(body, value.data ? (uint32_t)value.size : UINT32_MAX);
	buf_add_slice(body, value);
}

/* What a group shows for an aggregate that is NULL. */
static struct slice null_value(const struct merge_group *group, const struct merge_output *output, int column, bool visible)
{
	if (!output->has_default || !group->first)
		return slice_make(NULL, 0);
	return merge_row_value(group->first, visible ? column : output->default_column);
}

/* One column of a finished group; `visible` is the client's copy, in its format. */
static int add_final(struct merge_group *group, const struct aggregate *aggregate, int column, bool visible, struct err *err)
{
	const struct merge_output *output = aggregate->output;
	struct buf *body = &group->body;
	size_t start = body->size;
	uint32_t length;
	int code;

	if (aggregate->winner) {
		add_column(body, merge_row_value(aggregate->winner, column));
		return 0;
	}
	if (!aggregate->any && output->aggregate != AGGREGATE_COUNT) {
		add_column(body, null_value(group, output, column, visible));
		return 0;
	}
	buf_add_u32(body, 0);
	code = print_final(aggregate, visible, body, err);
	if (code < 0 || body->failed)
		return code;
	length = htobe32((uint32_t)(body->size - start - sizeof(length)));
	memcpy(body->data + start, &length, sizeof(length));
	return 0;
}

static int build(struct merge_group *group, struct err *err)
{
	const struct merge_spec *spec = group->spec;
	int code = 0;

	buf_clear(&group->body);
	buf_add_u16(&group->body, (uint16_t)spec->shard_column_count);
	for (size_t i = 0; i < spec->shard_column_count && code == 0; i++) {
		bool visible = i < spec->output_count;
		int owner = visible && spec->outputs[i].kind == OUTPUT_AGGREGATE ? (int)i : group->aggregate_of_column[i];

		if (owner >= 0)
			code = add_final(group, &group->aggregates[owner], (int)i, visible, err);
		else
			add_column(&group->body, group->first ? merge_row_value(group->first, (int)i) : slice_make(NULL, 0));
	}
	return code;
}

int merge_group_finish(struct merge_group *group, size_t *held_bytes, struct merge_row **ret_row, struct err *err)
{
	int code = build(group, err);

	clear(group, held_bytes);
	if (code == 0 && group->body.failed)
		code = err_set(err, ERR_LIMIT, "one group's row needs more than %d MiB in the router", MERGE_MEMORY_MAX >> 20);
	if (code < 0)
		return code;
	return merge_row_new(buf_slice(&group->body), group->spec->shard_column_count, held_bytes, ret_row, err);
}
