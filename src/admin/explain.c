#include "admin/explain.h"

#include <string.h>

#include "admin/admin.h"
#include "admin/call.h"
#include "base/limits.h"
#include "catalog/catalog.h"
#include "route/fanout.h"
#include "route/plan.h"
#include "route/resolve.h"
#include "route/snapshot.h"
#include "session/job.h"
#include "sql/fingerprint.h"
#include "sql/shape.h"
#include "topo/topology.h"

struct explanation {
	struct job *job;
	struct plan_context context;
	const struct topology *topology;
	const struct database *database;
	struct slice sql;
	const struct fingerprint *fingerprint;  /* NULL: none could be made */
	struct plan *plan;
	struct buf out;
};

/* ---- shape ---- */

static void put_tables(struct explanation *explanation, const struct shape *shape)
{
	struct buf *out = &explanation->out;
	struct resolver resolver;

	if (resolver_init(&resolver, &explanation->context, shape, &explanation->job->arena, NULL) < 0)
		return;
	for (size_t i = 0; i < shape->table_count; i++) {
		const struct table_ref *ref = &shape->tables[i];
		const struct resolved_table *table = &resolver.tables[i];

		if (ref->kind != TABLE_REF_RELATION)
			continue;
		buf_printf(out, "  %s %s%s%s: ", ref->target ? "writes" : "reads", ref->schema ? ref->schema : "", ref->schema ? "." : "", ref->name);
		if (table->local)
			buf_add_text(out, "answered by the router\n");
		else if (table->sharded)
			buf_printf(out, "sharded by %s(%s)\n", table->sharded->placement->name, table->sharded->key_column);
		else if (table->everywhere)
			buf_add_text(out, "a catalog, which every shard has\n");
		else
			buf_printf(out, "not sharded, on the home shard%s\n", table->unknown ? "; not known to the router" : "");
	}
}

/* How many literals stand in one slot: the lists of IN and ARRAY[…] collapse. */
static size_t count_literals(const struct fingerprint *fingerprint, int slot)
{
	size_t count = 0;

	for (size_t i = 0; fingerprint && i < fingerprint->literal_count; i++)
		count += (int)fingerprint->literals[i].slot == slot;
	return count;
}

static void put_value(struct buf *out, const struct fingerprint *fingerprint, const struct value *value)
{
	size_t count = value->kind == VALUE_LITERAL ? count_literals(fingerprint, value->slot) : 0;

	if (value->kind == VALUE_PARAM)
		buf_printf(out, "$%d", value->param);
	else if (count > 1)
		buf_printf(out, "one of %zu constants", count);
	else
		buf_add_text(out, value->kind == VALUE_LITERAL ? "constant" : value->kind == VALUE_NULL ? "NULL" : "value");
}

static void put_keys(struct explanation *explanation, const struct plan_item *item)
{
	struct buf *out = &explanation->out;

	for (size_t i = 0; i < item->pin_count; i++) {
		const struct pin *pin = &item->pins[i];

		if (item->shape->kind == STMT_INSERT && i > 0)
			break;          /* one pin a row, all alike */
		for (size_t j = 0; j < pin->list_count; j++) {
			buf_printf(out, "  key %s.%s %s ", pin->table->name, pin->table->key_column,
				   pin->list_arrays[j] ? "= ANY" : pin->list_sizes[j] > 1 ? "IN" : "=");
			for (size_t k = 0; k < pin->list_sizes[j]; k++) {
				buf_add_text(out, k ? ", " : "");
				put_value(out, explanation->fingerprint, &pin->lists[j][k]);
			}
			buf_add_text(out, "\n");
		}
		if (!pin->list_count)
			buf_printf(out, "  key %s.%s is not given\n", pin->table->name, pin->table->key_column);
	}
	if (item->shape->kind == STMT_INSERT && item->pin_count > 1)
		buf_printf(out, "  %zu rows\n", item->pin_count);
}

static void put_clauses(struct explanation *explanation, const struct shape *shape)
{
	const struct scope *scope = &shape->scopes[0];
	const struct { bool set; const char *name; } clauses[] = {
		{ scope->distinct, "DISTINCT" }, { scope->group_by, "GROUP BY" }, { scope->having, "HAVING" }, { scope->window, "window functions" },
		{ scope->order_by, "ORDER BY" }, { scope->limit, "LIMIT" }, { scope->offset, "OFFSET" }, { scope->set_operation, "set operation" },
		{ scope->locking, "row locks" }, { shape->scope_count > 1, "subqueries" }, { shape->returning, "RETURNING" },
		{ shape->on_conflict, "ON CONFLICT" },
	};
	bool first = true;

	for (size_t i = 0; i < sizeof(clauses) / sizeof(clauses[0]); i++) {
		if (!clauses[i].set)
			continue;
		buf_printf(&explanation->out, "%s%s", first ? "  with " : ", ", clauses[i].name);
		first = false;
	}
	buf_add_text(&explanation->out, first ? "" : "\n");
	for (size_t i = 0; i < shape->function_count; i++)
		buf_printf(&explanation->out, "%s%s()", i ? ", " : "  calls ", shape->functions[i].name);
	buf_add_text(&explanation->out, shape->function_count ? "\n" : "");
}

/* ---- route ---- */

static const char *route_words(enum route_kind kind)
{
	switch (kind) {
	case ROUTE_ANY:
		return "every shard would answer alike";
	case ROUTE_HOME:
		return "tables that are not sharded stand there";
	case ROUTE_KEYED:
		return "the shard key says where the rows are";
	case ROUTE_FANOUT:
		return "rows may be on every shard; the answers are merged";
	case ROUTE_ALL:
		return "it changes every shard, in one transaction";
	case ROUTE_ALL_LOOSE:
		return "it runs on every shard, in no common transaction";
	case ROUTE_LOCAL:
		return "the nanu schema; no node is asked";
	case ROUTE_REFUSED:
		break;
	}
	return "it cannot be answered exactly";
}

static void put_refusal(struct explanation *explanation, const struct err *err)
{
	buf_printf(&explanation->out, "Refused: %s (SQLSTATE %s)\n", err->message, err->sqlstate);
	if (*err->detail)
		buf_printf(&explanation->out, "  %s\n", err->detail);
	if (*err->hint)
		buf_printf(&explanation->out, "  Hint: %s\n", err->hint);
}

static void put_shards(struct explanation *explanation, uint64_t shards)
{
	bool first = true;

	for (size_t i = 0; i < explanation->database->shard_count; i++) {
		if (!(shards & UINT64_C(1) << i))
			continue;
		buf_printf(&explanation->out, "%s%s", first ? "Shards: " : ", ",
			   explanation->topology->shards[explanation->database->shards[i]].name);
		first = false;
	}
	buf_add_u8(&explanation->out, '\n');
}

static int param_of(const struct plan_item *item)
{
	for (size_t i = 0; i < item->pin_count; i++)
		for (size_t j = 0; j < item->pins[i].list_count; j++)
			for (size_t k = 0; k < item->pins[i].list_sizes[j]; k++)
				if (item->pins[i].lists[j][k].kind == VALUE_PARAM)
					return item->pins[i].lists[j][k].param;
	return 0;
}

static void put_fanout(struct explanation *explanation, struct slice text)
{
	struct arena *arena = &explanation->job->arena;
	const struct catalog *catalog = explanation->context.snapshot->catalogs[explanation->context.database];
	struct fanout *fanout;
	struct err err;

	if (!catalog) {
		buf_add_text(&explanation->out, "How rows are merged is not known: the schema could not be read yet.\n");
		return;
	}
	if (resolve_catalog(&explanation->context, arena, &catalog, &err) < 0 ||
	    fanout_plan(text, explanation->job->standard_strings, catalog, arena, &fanout, &err) < 0) {
		put_refusal(explanation, &err);
		return;
	}
	buf_printf(&explanation->out, "Each shard runs: %s\n", fanout->sql);
	explain_merge(fanout, &explanation->out);
}

static void put_route(struct explanation *explanation, const struct plan_item *item, struct slice text)
{
	const struct plan_values values = { .sql = explanation->sql, .fingerprint = explanation->fingerprint,
					    .standard_strings = explanation->job->standard_strings };
	int param = item->kind == ROUTE_KEYED ? param_of(item) : 0;
	uint64_t shards = 0;
	struct err err;

	buf_printf(&explanation->out, "Route: %s: %s\n", route_kind_name(item->kind), route_words(item->kind));
	if (item->kind == ROUTE_LOCAL)
		return;
	buf_printf(&explanation->out, "Node: %s\n", item->reads ? "a replica, where nanu.consistency allows it" :
							item->calls_read ? "that of the statement that was prepared" : "the primary");
	if (param) {
		buf_printf(&explanation->out, "Shards: as $%d says\n", param);
		return;
	}
	if (plan_route(&explanation->context, item, &values, &shards, &err) < 0) {
		put_refusal(explanation, &err);
		return;
	}
	if (item->kind == ROUTE_ANY)
		buf_add_text(&explanation->out, "Shards: any one\n");
	else
		put_shards(explanation, shards);
	if (item->kind == ROUTE_FANOUT || (item->kind == ROUTE_KEYED && shards & (shards - 1)))
		put_fanout(explanation, text);
}

/* ---- the statement ---- */

static void put_item(struct explanation *explanation, size_t index)
{
	const struct plan *plan = explanation->plan;
	const struct plan_item *item = &plan->items[index];
	struct slice text = slice_make(explanation->sql.data + plan->shapes.offsets[index], plan->shapes.sizes[index]);

	if (plan->shapes.count > 1)
		buf_printf(&explanation->out, "%sStatement %zu of %zu: %s\n", index ? "\n" : "", index + 1, plan->shapes.count,
			   stmt_kind_name(item->shape->kind));
	else
		buf_printf(&explanation->out, "Statement: %s\n", stmt_kind_name(item->shape->kind));
	put_tables(explanation, item->shape);
	put_keys(explanation, item);
	put_clauses(explanation, item->shape);
	put_route(explanation, item, text);
}

/* One row a line. */
static void answer_lines(struct job *job, const struct call *call, const struct buf *out)
{
	size_t count = 0, line = 0;

	for (size_t i = 0; i < out->size; i++)
		count += out->data[i] == '\n';
	job->columns = arena_alloc(&job->arena, sizeof(*job->columns));
	job->columns[0] = (struct local_column){ call->column, OID_TEXT };
	job->column_count = 1;
	job->values = arena_calloc(&job->arena, count + 1, sizeof(*job->values));
	for (const char *at = out->data; line < count; line++) {
		const char *end = memchr(at, '\n', (size_t)(out->data + out->size - at));

		job->values[line] = arena_strndup(&job->arena, at, (size_t)(end - at));
		at = end + 1;
	}
	job->row_count = count;
	job->tag = arena_printf(&job->arena, "SELECT %zu", count);
}

static int explain(struct explanation *explanation, const struct call *call)
{
	struct job *job = explanation->job;
	struct shapes shapes;
	int rc;

	explanation->plan = plan_new(&explanation->context, explanation->sql, explanation->fingerprint);
	if (!explanation->plan->parsed) {
		rc = shape_parse(explanation->sql, explanation->fingerprint, &job->arena, &shapes, &job->err);
		return rc < 0 ? rc : err_set(&job->err, ERR_SYNTAX, "the statement cannot be parsed");
	}
	for (size_t i = 0; i < explanation->plan->shapes.count; i++)
		put_item(explanation, i);
	if (explanation->out.failed)
		return err_set(&job->err, ERR_LIMIT, "the explanation has more than %d MB", ADMIN_ANSWER_SIZE_MAX >> 20);
	answer_lines(job, call, &explanation->out);
	return 0;
}

int admin_explain(struct admin *admin, struct job *job, const struct call *call)
{
	static const char *const names[] = { "statement", NULL };
	const char *text = call_arg(call, 0, "statement", NULL);
	struct explanation explanation = { .job = job };
	struct fingerprinter *fingerprinter;
	struct snapshot *snapshot;
	int rc = call_check(call, names, &job->err);

	if (rc < 0)
		return rc;
	if (!text)
		return err_set(&job->err, ERR_INVALID_VALUE, "nanu.explain needs a statement: nanu.explain('SELECT …')");
	snapshot = admin->snapshot(admin->program);
	explanation.topology = snapshot->topology;
	explanation.database = topology_database(snapshot->topology, job->database);
	explanation.sql = slice_of(text);
	buf_init(&explanation.out, ADMIN_ANSWER_SIZE_MAX);
	fingerprinter = fingerprinter_new(false);
	if (!explanation.database) {
		rc = err_set(&job->err, ERR_NO_DATABASE, "database \"%s\" does not exist", job->database);
	} else {
		explanation.context = (struct plan_context){ .snapshot = snapshot, .search_path = job->search_path, .role = job->role,
							     .database = (int)(explanation.database - snapshot->topology->databases) };
		if (fingerprint_make(fingerprinter, explanation.sql, job->standard_strings, &explanation.fingerprint, NULL) < 0)
			explanation.fingerprint = NULL;
		rc = explain(&explanation, call);
	}
	plan_unref(explanation.plan);
	fingerprinter_free(fingerprinter);
	buf_release(&explanation.out);
	snapshot_unref(snapshot);
	return rc;
}
