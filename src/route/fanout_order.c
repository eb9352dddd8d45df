#include <string.h>

#include "route/fanout_check.h"
#include "route/fanout_collate.h"
#include "route/fanout_planner.h"

/* One item of ORDER BY or GROUP BY, or one column of DISTINCT. */
struct item {
	PgQuery__Node *node;            /* the expression that it stands for */
	int entry;                      /* index of the entry that it named, or -1 */
	struct aggregate_form aggregate;
	struct slice canonical;
	bool descending, nulls_first;
};

struct items {
	struct item *items;
	size_t count;
};

static int wrong(struct err *err, const char *sqlstate, const char *message)
{
	err_set(err, ERR_SYNTAX, "%s", message);
	err_sqlstate(err, sqlstate);
	return ERR_SYNTAX;
}

static int by_position(const struct planner *planner, const PgQuery__AConst *constant, const char *clause, struct item *item,
		       struct err *err)
{
	int32_t position;

	if (constant->isnull || constant->val_case != PG_QUERY__A__CONST__VAL_IVAL)
		return wrong(err, "42601", arena_printf(planner->arena, "non-integer constant in %s", clause));
	position = constant->ival->ival;
	if (position < 1 || (size_t)position > planner->entry_count)
		return wrong(err, "42P10", arena_printf(planner->arena, "%s position %d is not in select list", clause, (int)position));
	item->entry = position - 1;
	return 0;
}

static int by_name(const struct planner *planner, const char *name, const char *clause, struct item *item, struct err *err)
{
	for (size_t i = 0; i < planner->entry_count; i++) {
		if (strcmp(planner->entries[i].name, name) != 0)
			continue;
		if (item->entry >= 0 && !slice_eq(planner->entries[item->entry].canonical, planner->entries[i].canonical))
			return wrong(err, "42702", arena_printf(planner->arena, "%s \"%s\" is ambiguous", clause, name));
		if (item->entry < 0)
			item->entry = (int)i;
	}
	return 0;
}

/* findTargetlistEntrySQL92 of parse_clause.c: a number is a position, a bare name is an output column (for GROUP BY: unless FROM has a
 * column of that name), anything else an expression over the input columns. */
static int resolve(const struct planner *planner, PgQuery__Node *node, bool group, struct item *item, struct err *err)
{
	const char *clause = group ? "GROUP BY" : "ORDER BY", *name;
	int code = 0;

	*item = (struct item){ .node = node, .entry = -1 };
	if (node->node_case == PG_QUERY__NODE__NODE_A_CONST) {
		code = by_position(planner, node->a_const, clause, item, err);
	} else if (node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF && node->column_ref->n_fields == 1) {
		name = tree_name(node->column_ref->fields, 1, 0);
		if (name && !(group && scope_has(&planner->scope, name)))
			code = by_name(planner, name, clause, item, err);
	}
	if (code < 0)
		return code;
	if (item->entry >= 0) {
		item->node = planner->entries[item->entry].target->val;
		item->aggregate = planner->entries[item->entry].aggregate;
		item->canonical = planner->entries[item->entry].canonical;
	} else {
		item->canonical = scope_canonical(&planner->scope, item->node);
		code = aggregate_recognize(planner, item->node, &item->aggregate, err);
		if (code == 0 && !item->aggregate.name)
			code = check_expression(&planner->scope, item->node, CHECK_VALUE, err);
	}
	if (code == 0 && group && item->aggregate.name)
		code = wrong(err, "42803", "aggregate functions are not allowed in GROUP BY");
	return code;
}

static int read_order(const struct planner *planner, struct items *items, struct err *err)
{
	const PgQuery__SelectStmt *select = planner->select;

	items->items = arena_alloc(planner->arena, (select->n_sort_clause + 1) * sizeof(*items->items));
	items->count = 0;
	for (size_t i = 0; i < select->n_sort_clause; i++) {
		const PgQuery__SortBy *sort = select->sort_clause[i]->sort_by;
		struct item *item = &items->items[items->count++];
		int code;

		if (sort->sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_USING)
			return check_refuse(err, "ORDER BY … USING");
		code = resolve(planner, sort->node, false, item, err);
		if (code < 0)
			return code;
		item->descending = sort->sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC;
		item->nulls_first = sort->sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST ||
				    (sort->sortby_nulls != PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST && item->descending);
	}
	return 0;
}

/* GROUP BY (a, b) is GROUP BY a, b; ROW(a, b) is one value. */
static bool is_list(const PgQuery__Node *node)
{
	return node->node_case == PG_QUERY__NODE__NODE_ROW_EXPR &&
	       node->row_expr->row_format == PG_QUERY__COERCION_FORM__COERCE_IMPLICIT_CAST;
}

static int read_groups(const struct planner *planner, struct items *items, struct err *err)
{
	const PgQuery__SelectStmt *select = planner->select;
	size_t capacity = select->n_group_clause;

	for (size_t i = 0; i < select->n_group_clause; i++)
		if (is_list(select->group_clause[i]))
			capacity += select->group_clause[i]->row_expr->n_args;
	items->items = arena_alloc(planner->arena, (capacity + 1) * sizeof(*items->items));
	items->count = 0;
	for (size_t i = 0; i < select->n_group_clause; i++) {
		PgQuery__Node *node = select->group_clause[i];
		PgQuery__Node **nodes = is_list(node) ? node->row_expr->args : &node;
		size_t count = is_list(node) ? node->row_expr->n_args : 1;

		if (node->node_case == PG_QUERY__NODE__NODE_GROUPING_SET)
			return check_refuse(err, "GROUPING SETS, CUBE, ROLLUP or ()");
		for (size_t j = 0; j < count; j++) {
			int code = is_list(nodes[j]) ? check_refuse(err, "a list within a list in GROUP BY") :
						       resolve(planner, nodes[j], true, &items->items[items->count++], err);

			if (code < 0)
				return code;
		}
	}
	return 0;
}

static const struct item *find_item(const struct items *items, struct slice canonical)
{
	for (size_t i = 0; i < items->count; i++)
		if (slice_eq(items->items[i].canonical, canonical))
			return &items->items[i];
	return NULL;
}

/* A key over a hidden copy of the item. `equality_only`: the client asked for no order by it, so that text whose order the router does
 * not know may be ordered by its bytes. */
static int add_key(struct planner *planner, const struct item *item, bool equality_only, struct merge_key *key, struct err *err)
{
	struct collate_result collate;
	PgQuery__Node *node = item->node;

	collate_derive(&planner->scope, node, &collate);
	if (equality_only && !collate.collation && collate.bytes_decide) {
		node = tree_collate(planner->arena, node, "C");
		collate_derive(&planner->scope, node, &collate);
	}
	*key = (struct merge_key){ .collation = collate.collation, .no_collation_why = collate.why, .descending = item->descending,
				   .nulls_first = item->nulls_first };
	return planner_hide(planner, node, true, &key->column, err);
}

static void write_order(struct planner *planner, const struct merge_key *keys, size_t count)
{
	PgQuery__SelectStmt *select = planner->select;

	select->sort_clause = arena_alloc(planner->arena, (count + 1) * sizeof(*select->sort_clause));
	select->n_sort_clause = count;
	for (size_t i = 0; i < count; i++)
		select->sort_clause[i] = tree_sort(planner->arena, tree_integer(planner->arena, keys[i].column + 1), keys[i].descending,
						   keys[i].nulls_first);
}

static struct merge_key *new_keys(const struct planner *planner, size_t count)
{
	return arena_calloc(planner->arena, count + 1, sizeof(struct merge_key));
}

static int plan_plain(struct planner *planner, const struct items *order, struct err *err)
{
	struct merge_spec *spec = planner->spec;

	spec->order = new_keys(planner, order->count);
	for (size_t i = 0; i < order->count; i++) {
		int code = add_key(planner, &order->items[i], false, &spec->order[spec->order_count++], err);

		if (code < 0)
			return code;
	}
	write_order(planner, spec->order, spec->order_count);
	return 0;
}

static int plan_distinct(struct planner *planner, const struct items *order, struct err *err)
{
	struct merge_spec *spec = planner->spec;
	struct items entries = { .items = arena_calloc(planner->arena, planner->entry_count + 1, sizeof(struct item)) };
	int code = 0;

	for (; entries.count < planner->entry_count; entries.count++) {
		const struct planner_entry *entry = &planner->entries[entries.count];

		entries.items[entries.count] = (struct item){ .node = entry->target->val, .canonical = entry->canonical };
	}
	spec->distinct = true;
	spec->order = new_keys(planner, order->count + entries.count);
	for (size_t i = 0; i < order->count && code == 0; i++) {
		if (!find_item(&entries, order->items[i].canonical))
			return wrong(err, "42P10", "for SELECT DISTINCT, ORDER BY expressions must appear in select list");
		code = add_key(planner, &order->items[i], false, &spec->order[spec->order_count++], err);
	}
	for (size_t i = 0; i < entries.count && code == 0; i++)
		if (!find_item(order, entries.items[i].canonical) && !planner_is_constant(entries.items[i].node))
			code = add_key(planner, &entries.items[i], true, &spec->order[spec->order_count++], err);
	write_order(planner, spec->order, spec->order_count);
	return code;
}

/* When the client orders by group keys alone, the groups are made in that order and none has to be sorted. */
static bool ordered_by_groups(const struct items *order, const struct items *groups)
{
	for (size_t i = 0; i < order->count; i++)
		if (!find_item(groups, order->items[i].canonical))
			return false;
	return true;
}

static int find_aggregate(const struct planner *planner, const struct item *item)
{
	if (item->entry >= 0)
		return item->entry;
	for (size_t i = 0; i < planner->entry_count; i++)
		if (planner->entries[i].aggregate.name && slice_eq(planner->entries[i].canonical, item->canonical))
			return (int)i;
	return -1;
}

/* ORDER BY an aggregate: over its final value. One that the client does not see becomes a hidden output. */
static int add_aggregate_key(struct planner *planner, const struct item *item, struct merge_key *key, struct err *err)
{
	struct merge_spec *spec = planner->spec;
	struct collate_result collate;
	int output = find_aggregate(planner, item), code = 0;

	if (output < 0) {
		output = (int)(spec->output_count + spec->hidden_output_count++);
		code = aggregate_add(planner, &item->aggregate, &spec->outputs[output], err);
	}
	collate_derive(&planner->scope, item->node, &collate);
	*key = (struct merge_key){ .column = spec->outputs[output].aggregate_column, .collation = collate.collation,
				   .no_collation_why = collate.why, .descending = item->descending, .nulls_first = item->nulls_first };
	return code;
}

static int plan_final_order(struct planner *planner, const struct items *order, struct err *err)
{
	struct merge_spec *spec = planner->spec;
	int code = 0;

	spec->order = new_keys(planner, order->count);
	for (size_t i = 0; i < order->count && code == 0; i++) {
		struct merge_key *key = &spec->order[spec->order_count++];

		code = order->items[i].aggregate.name ? add_aggregate_key(planner, &order->items[i], key, err) :
						   add_key(planner, &order->items[i], false, key, err);
	}
	return code;
}

static int plan_groups(struct planner *planner, const struct items *order, const struct items *groups, struct err *err)
{
	struct merge_spec *spec = planner->spec;
	bool by_groups = ordered_by_groups(order, groups);
	int code = 0;

	spec->groups = new_keys(planner, order->count + groups->count);
	for (size_t i = 0; by_groups && i < order->count && code == 0; i++)
		code = add_key(planner, &order->items[i], false, &spec->groups[spec->group_count++], err);
	for (size_t i = 0; i < groups->count && code == 0; i++)
		if (!by_groups || !find_item(order, groups->items[i].canonical))
			code = add_key(planner, &groups->items[i], true, &spec->groups[spec->group_count++], err);
	if (code == 0 && !by_groups)
		code = plan_final_order(planner, order, err);
	write_order(planner, spec->groups, spec->group_count);
	return code;
}

int order_plan(struct planner *planner, struct err *err)
{
	bool distinct = planner->select->n_distinct_clause > 0, aggregates = planner->spec->grouped;
	struct items order = { 0 }, groups = { 0 };
	int code = read_order(planner, &order, err);

	if (code == 0)
		code = read_groups(planner, &groups, err);
	if (code < 0)
		return code;
	for (size_t i = 0; i < order.count; i++)
		aggregates = aggregates || order.items[i].aggregate.name;
	planner->spec->grouped = aggregates || groups.count > 0;
	if (groups.count > 0 && distinct)
		return check_refuse(err, "SELECT DISTINCT with GROUP BY");
	if (groups.count > 0)
		return plan_groups(planner, &order, &groups, err);
	/* One row in all: its order, and whether it is distinct, are the shards' to check and make no difference. */
	if (aggregates)
		return 0;
	return distinct ? plan_distinct(planner, &order, err) : plan_plain(planner, &order, err);
}
