#include "route/fanout.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "route/fanout_check.h"
#include "route/fanout_limit.h"
#include "route/fanout_name.h"
#include "route/fanout_planner.h"

int planner_hide(struct planner *planner, PgQuery__Node *node, bool shared, int *ret_column, struct err *err)
{
	struct slice canonical = scope_canonical(&planner->scope, node);

	for (size_t i = planner->entry_count; shared && i < planner->target_count; i++) {
		if (slice_eq(planner->canonicals[i], canonical)) {
			*ret_column = (int)i;
			return 0;
		}
	}
	if (planner->target_count == TARGET_LIST_MAX)
		return check_refuse(err, "a target list that grows beyond %d entries", TARGET_LIST_MAX);
	*ret_column = (int)planner->target_count;
	planner->canonicals[planner->target_count] = canonical;
	planner->targets[planner->target_count] =
		tree_target(planner->arena, node, arena_printf(planner->arena, "nanu_%zu", planner->target_count + 1));
	planner->target_count++;
	return 0;
}

bool planner_is_constant(const PgQuery__Node *node)
{
	while (node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST)
		node = node->type_cast->arg;
	return node->node_case == PG_QUERY__NODE__NODE_A_CONST || node->node_case == PG_QUERY__NODE__NODE_PARAM_REF;
}

static int refuse_clauses(const PgQuery__SelectStmt *select, struct err *err)
{
	if (select->with_clause)
		return check_refuse(err, "WITH");
	if (select->op != PG_QUERY__SET_OPERATION__SETOP_NONE)
		return check_refuse(err, "UNION, INTERSECT or EXCEPT");
	if (select->n_values_lists)
		return check_refuse(err, "VALUES");
	if (select->into_clause)
		return check_refuse(err, "SELECT INTO");
	if (select->having_clause)
		return check_refuse(err, "HAVING");
	if (select->n_window_clause)
		return check_refuse(err, "WINDOW");
	if (select->n_locking_clause)
		return check_refuse(err, "FOR UPDATE or FOR SHARE");
	if (select->group_distinct)
		return check_refuse(err, "GROUP BY DISTINCT");
	for (size_t i = 0; i < select->n_distinct_clause; i++)
		if (select->distinct_clause[i]->node_case != PG_QUERY__NODE__NODE__NOT_SET)
			return check_refuse(err, "DISTINCT ON");
	return 0;
}

static int check_joins(const struct scope *scope, const PgQuery__Node *item, struct err *err)
{
	const PgQuery__JoinExpr *join;
	int code;

	if (item->node_case != PG_QUERY__NODE__NODE_JOIN_EXPR)
		return 0;
	join = item->join_expr;
	code = check_joins(scope, join->larg, err);
	if (code == 0)
		code = check_joins(scope, join->rarg, err);
	return code < 0 ? code : check_expression(scope, join->quals, CHECK_FILTER, err);
}

static int check_filters(const struct planner *planner, struct err *err)
{
	const PgQuery__SelectStmt *select = planner->select;

	for (size_t i = 0; i < select->n_from_clause; i++) {
		int code = check_joins(&planner->scope, select->from_clause[i], err);

		if (code < 0)
			return code;
	}
	return check_expression(&planner->scope, select->where_clause, CHECK_FILTER, err);
}

static int read_targets(struct planner *planner, struct err *err)
{
	PgQuery__SelectStmt *select = planner->select;

	planner->entry_count = planner->target_count = select->n_target_list;
	planner->entries = arena_calloc(planner->arena, planner->entry_count + 1, sizeof(*planner->entries));
	planner->targets = arena_alloc(planner->arena, TARGET_LIST_MAX * sizeof(*planner->targets));
	planner->canonicals = arena_alloc(planner->arena, TARGET_LIST_MAX * sizeof(*planner->canonicals));
	if (planner->entry_count == 0)
		return check_refuse(err, "an empty select list");
	for (size_t i = 0; i < planner->entry_count; i++) {
		PgQuery__ResTarget *target = select->target_list[i]->res_target;
		struct planner_entry *entry = &planner->entries[i];
		int code;

		*entry = (struct planner_entry){ .target = target, .name = output_name(target) };
		planner->targets[i] = select->target_list[i];
		code = aggregate_recognize(planner, target->val, &entry->aggregate, err);
		if (code == 0 && !entry->aggregate.name)
			code = check_expression(&planner->scope, target->val, CHECK_VALUE, err);
		if (code < 0)
			return code;
		entry->canonical = scope_canonical(&planner->scope, target->val);
	}
	return 0;
}

/* One output a target, and room for as many hidden ones as ORDER BY can ask for. */
static int plan_outputs(struct planner *planner, struct err *err)
{
	struct merge_spec *spec = planner->spec;
	size_t capacity = planner->entry_count + planner->select->n_sort_clause;
	int code = 0;

	spec->output_count = planner->entry_count;
	spec->outputs = arena_calloc(planner->arena, capacity, sizeof(*spec->outputs));
	for (size_t i = 0; i < planner->entry_count && code == 0; i++) {
		struct planner_entry *entry = &planner->entries[i];

		spec->outputs[i].kind = OUTPUT_COPY;
		if (!entry->aggregate.name)
			continue;
		spec->grouped = true;
		code = aggregate_add(planner, &entry->aggregate, &spec->outputs[i], err);
	}
	return code;
}

static int plan(struct planner *planner, const struct catalog *catalog, struct fanout *fanout, struct err *err)
{
	PgQuery__SelectStmt *select = planner->select;
	const struct merge_spec *spec = planner->spec;
	bool pushable;
	int code = refuse_clauses(select, err);

	if (code == 0)
		code = scope_init(&planner->scope, select, catalog, planner->arena, err);
	if (code == 0)
		code = scope_expand_stars(&planner->scope, select, err);
	if (code == 0)
		code = check_filters(planner, err);
	if (code == 0)
		code = read_targets(planner, err);
	if (code == 0)
		code = plan_outputs(planner, err);
	if (code == 0)
		code = order_plan(planner, err);
	if (code < 0)
		return code;
	select->target_list = planner->targets;
	select->n_target_list = planner->target_count;
	/* The first groups of all are among the first groups of each shard only while groups come in the order that the client wants. */
	pushable = !spec->grouped || (spec->group_count > 0 && spec->order_count == 0);
	return limit_rewrite(select, pushable, planner->arena, fanout, err);
}

int fanout_plan(struct slice sql, bool standard_strings, const struct catalog *catalog, struct arena *arena, struct fanout **ret_fanout,
		struct err *err)
{
	struct fanout *fanout = arena_calloc(arena, 1, sizeof(*fanout));
	struct planner planner = { .arena = arena };
	int code;

	fanout->spec = planner.spec = arena_calloc(arena, 1, sizeof(*fanout->spec));
	code = tree_parse_select(sql, standard_strings, arena, &planner.select, err);
	if (code == 0)
		code = plan(&planner, catalog, fanout, err);
	if (code == 0)
		code = tree_write(planner.select, standard_strings, arena, &fanout->sql, err);
	if (code < 0)
		return code;
	fanout->visible_count = planner.entry_count;
	fanout->spec->shard_column_count = planner.target_count;
	fanout->spec->has_limit = fanout->limit.given;
	fanout->spec->limit = fanout->limit.number;
	fanout->spec->has_offset = fanout->offset.given;
	fanout->spec->offset = fanout->offset.number;
	*ret_fanout = fanout;
	return 0;
}
