#include "route/resolve.h"

#include <string.h>

#include "base/map.h"
#include "catalog/catalog.h"
#include "place/place.h"
#include "route/snapshot.h"
#include "sql/set_value.h"
#include "topo/topology.h"

static bool system_schema(const char *schema)
{
	return strcmp(schema, "pg_catalog") == 0 || strcmp(schema, "information_schema") == 0 || strcmp(schema, "pg_toast") == 0;
}

/* ---- names of tables ---- */

/* The schemas that the session's search_path names, in their order. PostgreSQL looks into pg_catalog first, unless it has a place of its own. */
static bool read_search_path(struct resolver *resolver)
{
	const char **names, **path;
	bool has_catalog = false;
	size_t count;

	if (!resolver->context->search_path)
		return true;
	if (!set_value_split(resolver->arena, resolver->context->search_path, &names, &count))
		return false;
	path = arena_alloc(resolver->arena, (count + 1) * sizeof(*path));
	for (size_t i = 0; i < count; i++) {
		path[i + 1] = strcmp(names[i], "$user") == 0 ? arena_strdup(resolver->arena, resolver->context->role) : names[i];
		has_catalog |= strcmp(names[i], "pg_catalog") == 0;
	}
	path[0] = "pg_catalog";
	resolver->search_path = path + has_catalog;
	resolver->search_path_count = count + !has_catalog;
	return true;
}

static const struct catalog_table *find_table(const struct resolver *resolver, const char *schema, const char *name)
{
	const struct catalog_table *found = NULL;

	if (!resolver->catalog)
		return NULL;
	if (schema || !resolver->context->search_path)
		return catalog_table(resolver->catalog, schema, name);
	for (size_t i = 0; !found && i < resolver->search_path_count; i++)
		found = catalog_table(resolver->catalog, resolver->search_path[i], name);
	return found;
}

const struct catalog_table *resolve_name(const struct resolver *resolver, const char *name)
{
	return name ? find_table(resolver, NULL, name) : NULL;
}

static struct resolved_table resolve_table(const struct resolver *resolver, const struct table_ref *ref)
{
	struct resolved_table result = { .typmod = -1 };
	const struct catalog_column *key;

	if (ref->kind != TABLE_REF_RELATION)
		return result;
	if (ref->schema && strcmp(ref->schema, "nanu") == 0) {
		result.local = true;
		return result;
	}
	result.table = find_table(resolver, ref->schema, ref->name);
	if (!result.table) {
		/* Not read yet, or no node could be read: a name that is sharded in some schema is taken for that. */
		result.everywhere = ref->schema && system_schema(ref->schema);
		result.unknown = !result.everywhere;
		for (size_t i = 0; i < resolver->database->table_count; i++)
			if (strcmp(resolver->database->tables[i].name, ref->name) == 0)
				result.sharded = &resolver->database->tables[i];
		return result;
	}
	result.everywhere = system_schema(result.table->schema);
	result.sharded = database_table(resolver->database, result.table->schema, result.table->name);
	if (result.sharded) {
		key = catalog_column(result.table, result.sharded->key_column);
		result.typmod = key ? key->typmod : -1;
	}
	return result;
}

static int refuse_path(struct err *err)
{
	err_set(err, ERR_UNSUPPORTED, "the search_path of this session cannot be followed");
	err_hint(err, "Set it to a plain list of names: SET search_path = a, \"B c\".");
	return ERR_UNSUPPORTED;
}

/* A statement that names nothing that the path would have to find. */
static bool needs_no_path(const struct shape *shape)
{
	switch (shape->kind) {
	case STMT_EMPTY:
	case STMT_BEGIN:
	case STMT_COMMIT:
	case STMT_ROLLBACK:
	case STMT_SAVEPOINT:
	case STMT_RELEASE:
	case STMT_ROLLBACK_TO:
	case STMT_PREPARE_TX:
	case STMT_COMMIT_PREPARED:
	case STMT_ROLLBACK_PREPARED:
	case STMT_SET:
	case STMT_RESET:
	case STMT_SHOW:
	case STMT_DISCARD:
	case STMT_SET_TRANSACTION:
	case STMT_DEALLOCATE:
	case STMT_CLOSE:
		return true;
	default:
		return shape->set_config;
	}
}

int resolver_init(struct resolver *resolver, const struct plan_context *context, const struct shape *shape, struct arena *arena,
		  struct err *err)
{
	*resolver = (struct resolver){ .context = context, .shape = shape, .arena = arena };
	resolver->database = &context->snapshot->topology->databases[context->database];
	resolver->catalog = context->snapshot->catalogs[context->database];
	if (!read_search_path(resolver) && !needs_no_path(shape))
		return refuse_path(err);
	resolver->tables = arena_calloc(arena, shape->table_count + 1, sizeof(*resolver->tables));
	for (size_t i = 0; i < shape->table_count; i++)
		resolver->tables[i] = resolve_table(resolver, &shape->tables[i]);
	return 0;
}

int resolve_relation(const struct plan_context *context, const char *schema, const char *name, struct arena *arena,
		     const struct catalog_table **ret_table, struct err *err)
{
	struct resolver resolver = { .context = context, .arena = arena, .catalog = context->snapshot->catalogs[context->database] };

	if (!read_search_path(&resolver))
		return refuse_path(err);
	*ret_table = find_table(&resolver, schema, name);
	return 0;
}

int resolve_catalog(const struct plan_context *context, struct arena *arena, const struct catalog **ret_catalog, struct err *err)
{
	struct resolver resolver = { .context = context, .arena = arena };
	struct catalog *own;

	*ret_catalog = context->snapshot->catalogs[context->database];
	if (!*ret_catalog || !context->search_path)
		return 0;
	if (!read_search_path(&resolver) || resolver.search_path_count > CATALOG_SEARCH_PATH_MAX)
		return refuse_path(err);
	own = arena_alloc(arena, sizeof(*own));
	*own = **ret_catalog;           /* borrowed, but for its path */
	own->search_path_count = 0;
	for (size_t i = 0; i < resolver.search_path_count; i++)
		own->search_path[own->search_path_count++] = resolver.search_path[i];
	*ret_catalog = own;
	return 0;
}

/* ---- names of columns ---- */

static bool scope_within(const struct shape *shape, int inner, int outer)
{
	while (inner >= 0 && inner != outer)
		inner = shape->scopes[inner].parent;
	return inner == outer;
}

static bool names(const struct table_ref *table, const struct column_ref *ref)
{
	if (table->alias)
		return !ref->qualifier_schema && strcmp(table->alias, ref->qualifier) == 0;
	if (table->kind != TABLE_REF_RELATION && table->kind != TABLE_REF_CTE)
		return false;
	if (ref->qualifier_schema && (!table->schema || strcmp(table->schema, ref->qualifier_schema) != 0))
		return false;
	return strcmp(table->name, ref->qualifier) == 0;
}

/* In one scope: the table, -1 when none has it, -2 when that cannot be told. */
static int column_in_scope(const struct resolver *resolver, int scope, const struct column_ref *ref)
{
	int found = -1;

	for (size_t i = 0; i < resolver->shape->table_count; i++) {
		const struct table_ref *table = &resolver->shape->tables[i];

		if (table->scope != scope)
			continue;
		if (ref->qualifier) {
			if (names(table, ref))
				found = found == -1 ? (int)i : -2;
			continue;
		}
		if (!resolver->tables[i].table || table->column_aliases)
			return -2;      /* what it has is not known */
		if (catalog_column(resolver->tables[i].table, ref->name))
			found = found == -1 ? (int)i : -2;
	}
	return found;
}

int resolve_column(const struct resolver *resolver, int scope, const struct column_ref *ref)
{
	for (; scope >= 0; scope = resolver->shape->scopes[scope].parent) {
		int found = column_in_scope(resolver, scope, ref);

		if (found == -2)
			return -1;
		if (found >= 0)
			return resolver->shape->tables[found].column_aliases ? -1 : found;
	}
	return -1;
}

/* The sharded table whose shard key `ref` is, or -1. */
static int key_of(const struct resolver *resolver, int scope, const struct column_ref *ref)
{
	int table = resolve_column(resolver, scope, ref);

	if (table < 0 || !resolver->tables[table].sharded || strcmp(resolver->tables[table].sharded->key_column, ref->name) != 0)
		return -1;
	return table;
}

/* ---- what holds a key ---- */

static void add_list(const struct resolver *resolver, struct pin *pin, const struct value *values, size_t count, bool array)
{
	size_t at = pin->list_count;

	for (size_t i = 0; i < at; i++)
		if (pin->lists[i] == values)
			return;
	if (at % 8 == 0) {
		const struct value **lists = arena_alloc(resolver->arena, (at + 8) * sizeof(*lists));
		size_t *sizes = arena_alloc(resolver->arena, (at + 8) * sizeof(*sizes));
		bool *arrays = arena_alloc(resolver->arena, (at + 8) * sizeof(*arrays));

		for (size_t i = 0; i < at; i++) {
			lists[i] = pin->lists[i];
			sizes[i] = pin->list_sizes[i];
			arrays[i] = pin->list_arrays[i];
		}
		pin->lists = lists;
		pin->list_sizes = sizes;
		pin->list_arrays = arrays;
	}
	pin->lists[at] = values;
	pin->list_sizes[at] = count;
	pin->list_arrays[at] = array;
	pin->list_count++;
}

/* What a literal means to the one key it means to the other: blanks at the end count for text and not for bpchar. */
static bool read_alike(uint32_t a, uint32_t b)
{
	return key_types_meet(a, b) && (a == b || (a != OID_BPCHAR && b != OID_BPCHAR));
}

/* A list may pass from table `from` to `to` over an equality written in `scope`: only where that equality holds for every row of `to` that
 * matters, which is in its own scope and those below. */
static bool pass(const struct resolver *resolver, struct pin *pins, const int *pin_of, int scope, int from, int to)
{
	const struct shape *shape = resolver->shape;
	struct pin *source = &pins[pin_of[from]], *target = &pins[pin_of[to]];
	size_t before = target->list_count;

	if (!scope_within(shape, shape->tables[to].scope, scope) || !read_alike(source->table->key_type, target->table->key_type))
		return false;
	/* What holds a table of an inner scope does not hold a table outside of it. */
	if (!scope_within(shape, shape->tables[to].scope, shape->tables[from].scope))
		return false;
	for (size_t i = 0; i < source->list_count; i++)
		add_list(resolver, target, source->lists[i], source->list_sizes[i], source->list_arrays[i]);
	return target->list_count > before;
}

static bool within(int table, int first, int end)
{
	return table >= first && table < end;
}

/* Whether the table stands on a side of the join whose rows are shown only where the condition holds, so that those with other keys can be
 * left out: either side of an inner join, the nullable side of a LEFT or RIGHT one. (Of a FULL JOIN a row that matches nothing is shown with
 * NULL for the other side's key, and is left out where that key is known.) */
static bool conditional_side(const struct join *join, int table)
{
	bool left = within(table, join->first, join->middle), right = within(table, join->middle, join->end);

	return (left && join->kind != JOIN_LEFT) || (right && join->kind != JOIN_RIGHT);
}

/* Whether lists may pass over the equality from one table to the other. `strong` tells the tables that are never NULL in their scope's rows: a
 * join whose nullable side has such a one has matched in every row, and its condition holds. */
static bool may_pass(const struct resolver *resolver, const struct equality *equality, bool *strong, int from, int to)
{
	const struct table_ref *tables = resolver->shape->tables;
	const struct join *join;

	if (equality->strength == EQUALITY_FILTER) {
		strong[to] |= tables[to].scope == equality->scope;
		return true;
	}
	if (equality->join < 0)
		return false;
	join = &resolver->shape->joins[equality->join];
	if (join->kind == JOIN_FULL)
		return (within(from, join->first, join->middle) && within(to, join->middle, join->end)) ||
		       (within(to, join->first, join->middle) && within(from, join->middle, join->end));
	if (strong[from] && conditional_side(join, from) && tables[to].scope == equality->scope) {
		strong[to] = true;
		return true;
	}
	return conditional_side(join, to);
}

/* Passes lists over equalities between columns until nothing changes. */
static void pass_all(const struct resolver *resolver, struct pin *pins, const int *pin_of, bool *strong)
{
	const struct shape *shape = resolver->shape;
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < shape->equality_count; i++) {
			const struct equality *equality = &shape->equalities[i];
			int left, right;

			if (!equality->is_column)
				continue;
			left = key_of(resolver, equality->scope, &equality->left);
			right = key_of(resolver, equality->scope, &equality->right);
			if (left < 0 || right < 0 || left == right)
				continue;
			bool left_strong = strong[left], right_strong = strong[right];

			if (may_pass(resolver, equality, strong, left, right))
				changed |= pass(resolver, pins, pin_of, equality->scope, left, right);
			if (may_pass(resolver, equality, strong, right, left))
				changed |= pass(resolver, pins, pin_of, equality->scope, right, left);
			changed |= left_strong != strong[left] || right_strong != strong[right];
		}
	}
}

void resolve_pins(const struct resolver *resolver, struct pin *ret_pins, int *ret_tables, size_t *ret_count)
{
	const struct shape *shape = resolver->shape;
	int *pin_of = arena_alloc(resolver->arena, (shape->table_count + 1) * sizeof(*pin_of));
	bool *strong = arena_calloc(resolver->arena, shape->table_count + 1, sizeof(*strong));
	size_t count = 0;

	for (size_t i = 0; i < shape->table_count; i++) {
		pin_of[i] = -1;
		if (!resolver->tables[i].sharded)
			continue;
		ret_pins[count] = (struct pin){ .table = resolver->tables[i].sharded, .typmod = resolver->tables[i].typmod };
		ret_tables[count] = (int)i;
		pin_of[i] = (int)count++;
	}
	*ret_count = count;
	for (size_t i = 0; i < shape->equality_count; i++) {
		const struct equality *equality = &shape->equalities[i];
		int table;

		if (equality->is_column || equality->strength != EQUALITY_FILTER)
			continue;
		table = key_of(resolver, equality->scope, &equality->left);
		if (table >= 0 && scope_within(shape, shape->tables[table].scope, equality->scope))
			add_list(resolver, &ret_pins[pin_of[table]], equality->values, equality->value_count, equality->array);
		if (table >= 0 && shape->tables[table].scope == equality->scope)
			strong[table] = true;
	}
	pass_all(resolver, ret_pins, pin_of, strong);
}

static struct slice list_key(const struct pin *pin, size_t list)
{
	return slice_make((const char *)&pin->lists[list], sizeof(pin->lists[list]));
}

const bool *resolve_shared_params(const struct resolver *resolver, const struct pin *pins, size_t pin_count)
{
	const struct shape *shape = resolver->shape;
	size_t param_count = (size_t)shape->param_max;
	unsigned *uses = arena_calloc(resolver->arena, param_count + 1, sizeof(*uses));
	bool *shared = arena_calloc(resolver->arena, param_count + 1, sizeof(*shared));
	struct map seen = { 0 };

	/* A list that has passed between tables is one use. */
	for (size_t i = 0; param_count && i < pin_count; i++) {
		for (size_t j = 0; j < pins[i].list_count; j++) {
			bool counted = pins[i].table->key_type == OID_BPCHAR || map_get(&seen, list_key(&pins[i], j));

			for (size_t k = 0; k < pins[i].list_sizes[j] && !counted; k++)
				if (pins[i].lists[j][k].kind == VALUE_PARAM && !pins[i].lists[j][k].cast && !pins[i].list_arrays[j] &&
				    (size_t)pins[i].lists[j][k].param <= param_count)
					uses[pins[i].lists[j][k].param - 1]++;
		}
		for (size_t j = 0; j < pins[i].list_count; j++)
			map_set(&seen, list_key(&pins[i], j), &seen);
	}
	map_release(&seen);
	for (size_t i = 0; i < param_count; i++)
		shared[i] = shape->param_uses[i] > 1 && shape->param_uses[i] != uses[i];
	return shared;
}

/* ---- joins that each shard can make for itself ---- */

struct groups {                         /* tables of which only rows of one shard meet */
	const struct resolver *resolver;
	int *group;
};

/* The equality's two tables, when it makes rows of equal keys meet, which stand on one shard. */
static bool links(const struct resolver *resolver, const struct equality *equality, int *ret_left, int *ret_right)
{
	const struct sharded_table *left, *right;

	if (!equality->is_column)
		return false;
	*ret_left = key_of(resolver, equality->scope, &equality->left);
	*ret_right = key_of(resolver, equality->scope, &equality->right);
	if (*ret_left < 0 || *ret_right < 0)
		return false;
	left = resolver->tables[*ret_left].sharded;
	right = resolver->tables[*ret_right].sharded;
	return left->colocation == right->colocation && key_types_meet(left->key_type, right->key_type);
}

static void unite(struct groups *groups, int left, int right)
{
	int from = groups->group[left], to = groups->group[right];

	for (size_t i = 0; i < groups->resolver->shape->table_count; i++)
		if (groups->group[i] == from)
			groups->group[i] = to;
}

/* Whether the sharded tables of a range are all in one group. */
static bool together(const struct groups *groups, int first, int end)
{
	int found = -1;

	for (int i = first; i < end; i++) {
		if (!groups->resolver->tables[i].sharded)
			continue;
		if (found < 0)
			found = groups->group[i];
		else if (groups->group[i] != found)
			return false;
	}
	return true;
}

/* What the join's own condition unites. An outer join shows rows without a match too, so its condition links its two sides, each of which must
 * be together by itself; and, since it holds for all that the nullable side shows, tables within that side. It says nothing of tables
 * within the other side. */
static void unite_join(struct groups *groups, int at)
{
	const struct shape *shape = groups->resolver->shape;
	const struct join *join = &shape->joins[at];

	for (int crossing = 0; crossing < 2; crossing++)
		for (size_t i = 0; i < shape->equality_count; i++) {
			int left, right;
			bool left_first, right_first, crosses;

			if (shape->equalities[i].join != at || !links(groups->resolver, &shape->equalities[i], &left, &right) ||
			    !within(left, join->first, join->end) || !within(right, join->first, join->end))
				continue;
			left_first = within(left, join->first, join->middle);
			right_first = within(right, join->first, join->middle);
			crosses = left_first != right_first;
			if (join->kind != JOIN_INNER && crosses != (bool)crossing)
				continue;
			if (join->kind == JOIN_INNER ||
			    (crosses && together(groups, join->first, join->middle) && together(groups, join->middle, join->end)) ||
			    (!crosses && join->kind == (left_first ? JOIN_RIGHT : JOIN_LEFT)))
				unite(groups, left, right);
		}
}

bool resolve_colocated(const struct resolver *resolver)
{
	const struct shape *shape = resolver->shape;
	struct groups groups = { .resolver = resolver, .group = arena_alloc(resolver->arena, (shape->table_count + 1) * sizeof(int)) };
	int left, right;

	for (size_t i = 0; i < shape->table_count; i++)
		groups.group[i] = (int)i;
	for (size_t i = 0; i < shape->equality_count; i++)
		if (shape->equalities[i].strength == EQUALITY_FILTER && links(resolver, &shape->equalities[i], &left, &right))
			unite(&groups, left, right);
	for (size_t i = 0; i < shape->join_count; i++)
		unite_join(&groups, (int)i);
	return together(&groups, 0, (int)shape->table_count);
}
