#include <inttypes.h>

#include "admin/explain.h"
#include "route/fanout.h"
#include "route/merge.h"

static void put_columns(struct buf *out, const struct merge_spec *spec, const struct merge_key *keys, size_t count, bool directions)
{
	for (size_t i = 0; i < count; i++) {
		buf_add_text(out, i ? ", " : "");
		if ((size_t)keys[i].column < spec->output_count)
			buf_printf(out, "column %d", keys[i].column + 1);
		else
			buf_add_text(out, "a column that only the merge sees");
		if (!directions)
			continue;
		buf_add_text(out, keys[i].descending ? " descending" : " ascending");
		if (keys[i].nulls_first != keys[i].descending)
			buf_add_text(out, keys[i].nulls_first ? " with NULLs first" : " with NULLs last");
	}
}

static void put_aggregates(struct buf *out, const struct merge_spec *spec)
{
	static const char *const words[] = {
		[AGGREGATE_COUNT] = "the sum of the shards' counts", [AGGREGATE_SUM] = "the sum of the shards' sums",
		[AGGREGATE_MIN] = "the least of the shards' minima", [AGGREGATE_MAX] = "the greatest of the shards' maxima",
		[AGGREGATE_AVG] = "the shards' sums divided by their counts",
	};

	for (size_t i = 0; i < spec->output_count + spec->hidden_output_count; i++) {
		const struct merge_output *output = &spec->outputs[i];

		if (output->kind == OUTPUT_AGGREGATE)
			buf_printf(out, "  %s is %s\n", output->name ? output->name : "an aggregate", words[output->aggregate]);
	}
}

static void put_limit(struct buf *out, const struct fanout_value *value, const char *before, const char *after)
{
	if (!value->given)
		return;
	if (value->param)
		buf_printf(out, "  %s$%d%s\n", before, value->param, after);
	else
		buf_printf(out, "  %s%" PRIu64 "%s\n", before, value->number, after);
}

void explain_merge(const struct fanout *fanout, struct buf *out)
{
	const struct merge_spec *spec = fanout->spec;

	buf_add_text(out, "Merge:\n");
	if (spec->grouped && !spec->group_count)
		buf_add_text(out, "  one row of each shard becomes one row\n");
	if (spec->grouped && spec->group_count) {
		buf_add_text(out, "  rows of equal groups meet in the order of ");
		put_columns(out, spec, spec->groups, spec->group_count, true);
		buf_add_text(out, " and become one row\n");
	}
	if (spec->grouped)
		put_aggregates(out, spec);
	if (spec->order_count) {
		buf_add_text(out, spec->grouped ? "  the groups are then sorted by " : "  the shards' sorted rows are merged by ");
		put_columns(out, spec, spec->order, spec->order_count, true);
		buf_add_u8(out, '\n');
	} else if (!spec->grouped) {
		buf_add_text(out, "  rows are passed on as they come, in no order\n");
	}
	if (spec->distinct)
		buf_add_text(out, "  of equal rows one is kept\n");
	put_limit(out, &fanout->offset, "the first ", " rows are left out");
	put_limit(out, &fanout->limit, "it ends after ", " rows");
}
