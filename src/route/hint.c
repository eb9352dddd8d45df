#include "route/hint.h"

#include <string.h>

#include "route/plan.h"
#include "topo/topology.h"

enum { HINT_ITEMS_MAX = 16 };

/* Those that a statement may have of its own. */
static const char *const settings_known[] = { "nanu.consistency", "nanu.max_staleness", "nanu.read_from", "nanu.read_wait", "nanu.read_fallback" };

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static struct slice trimmed(struct slice text)
{
	while (text.size && is_space(text.data[0]))
		text = slice_make(text.data + 1, text.size - 1);
	while (text.size && is_space(text.data[text.size - 1]))
		text.size--;
	return text;
}

const char *hint_value(const struct hint *hint, const char *name)
{
	for (size_t i = 0; hint && i < hint->count; i++)
		if (strcmp(hint->names[i], name) == 0)
			return hint->values[i];
	return NULL;
}

static const char *known_setting(struct slice name)
{
	for (size_t i = 0; i < sizeof(settings_known) / sizeof(settings_known[0]); i++)
		if (slice_is(name, settings_known[i] + strlen("nanu.")))
			return settings_known[i];
	return NULL;
}

static int find_shard(const struct topology *topology, const struct database *database, struct arena *arena, struct hint *hint, const char *name,
		      struct err *err)
{
	hint->shard_name = name;
	for (size_t i = 0; i < database->shard_count; i++)
		if (strcmp(topology->shards[database->shards[i]].name, name) == 0)
			hint->shard = (int)i;
	if (hint->shard >= 0)
		return 0;
	err_set(err, ERR_INVALID_VALUE, "the hint names shard \"%s\", which database \"%s\" does not have", name, database->name);
	err_hint(err, "Its shards are %s.", database_shard_names(topology, database, arena));
	return ERR_INVALID_VALUE;
}

static int malformed(struct slice text, struct err *err)
{
	err_set(err, ERR_INVALID_VALUE, "the hint \"%.*s\" cannot be read", SLICE_FMT(text));
	err_hint(err, "Write it as /* nanu: consistency=strong, shard=s2 */.");
	return ERR_INVALID_VALUE;
}

static int read_item(struct slice item, const struct topology *topology, const struct database *database, struct arena *arena, struct hint *hint,
		     struct err *err)
{
	const char *equals = item.size ? memchr(item.data, '=', item.size) : NULL;
	struct slice name, value;
	const char *setting;

	if (!equals || hint->count == HINT_ITEMS_MAX)
		return malformed(hint->text, err);
	name = trimmed(slice_make(item.data, (size_t)(equals - item.data)));
	value = trimmed(slice_make(equals + 1, (size_t)(item.data + item.size - equals - 1)));
	if (!name.size || !value.size)
		return malformed(hint->text, err);
	setting = known_setting(name);
	if (hint_value(hint, setting ? setting : "") || (slice_is(name, "shard") && hint->shard_name))
		return err_set(err, ERR_INVALID_VALUE, "the hint says \"%.*s\" twice", SLICE_FMT(name));
	if (slice_is(name, "shard"))
		return find_shard(topology, database, arena, hint, arena_strndup(arena, value.data, value.size), err);
	if (!setting) {
		err_set(err, ERR_INVALID_VALUE, "unrecognized hint \"%.*s\"", SLICE_FMT(name));
		err_hint(err, "Hints are consistency, max_staleness, read_from, read_wait, read_fallback and shard.");
		return ERR_INVALID_VALUE;
	}
	hint->names[hint->count] = setting;
	hint->values[hint->count++] = arena_strndup(arena, value.data, value.size);
	return 0;
}

int hint_read(struct slice text, const struct topology *topology, const struct database *database, struct arena *arena, const struct hint **ret_hint,
	      struct err *err)
{
	struct hint *hint = arena_calloc(arena, 1, sizeof(*hint));
	struct slice rest;

	hint->text = rest = arena_slice(arena, text);
	hint->names = arena_calloc(arena, HINT_ITEMS_MAX, sizeof(*hint->names));
	hint->values = arena_calloc(arena, HINT_ITEMS_MAX, sizeof(*hint->values));
	hint->shard = -1;
	*ret_hint = hint;
	if (memmem(text.data, text.size, "*/", 2) || memmem(text.data, text.size, "/*", 2) || memmem(text.data, text.size, "--", 2)) {
		err_set(err, ERR_INVALID_VALUE, "a statement can have one hint");
		err_hint(err, "Write it as /* nanu: consistency=strong, shard=s2 */, in one comment.");
		return ERR_INVALID_VALUE;
	}
	for (;;) {
		const char *comma = rest.size ? memchr(rest.data, ',', rest.size) : NULL;
		size_t size = comma ? (size_t)(comma - rest.data) : rest.size;
		int rc = read_item(slice_make(rest.data, size), topology, database, arena, hint, err);

		if (rc < 0 || !comma)
			return rc;
		rest = slice_make(comma + 1, rest.size - size - 1);
	}
}

int hint_suits(const struct hint *hint, const struct plan_item *item, size_t count, struct err *err)
{
	switch (item->shape->kind) {
	case STMT_SELECT:
	case STMT_INSERT:
	case STMT_UPDATE:
	case STMT_DELETE:
	case STMT_MERGE:
		break;
	default:
		err_set(err, ERR_INVALID_VALUE, "%s cannot have a hint", stmt_kind_sql(item->shape->kind));
		err_hint(err, "SELECT, INSERT, UPDATE, DELETE and MERGE can. SET what is to hold for a session or a transaction.");
		return ERR_INVALID_VALUE;
	}
	if (hint->shard < 0 || item->kind == ROUTE_REFUSED)
		return 0;
	if (count == 1 && (item->kind == ROUTE_ANY || item->kind == ROUTE_KEYED || (item->kind == ROUTE_HOME && hint->shard == 0)))
		return 0;
	err_set(err, ERR_INVALID_VALUE, "the hint names shard \"%s\", where this statement cannot run", hint->shard_name);
	err_hint(err, count > 1			? "Send the statements one by one." :
		      item->kind == ROUTE_HOME ? "Its tables are not sharded, and stand on the home shard alone." :
						 "It concerns all shards, or the router itself: leave the hint out.");
	return ERR_INVALID_VALUE;
}

int hint_route(const struct hint *hint, const struct plan_item *item, uint64_t *shards, struct err *err)
{
	uint64_t named = UINT64_C(1) << hint->shard;

	if (item->kind == ROUTE_ANY)
		*shards = named;
	if (*shards == named)
		return 0;
	err_set(err, ERR_INVALID_VALUE, "the hint names shard \"%s\", which is not where the shard key leads", hint->shard_name);
	err_hint(err, "Leave shard out of the hint.");
	return ERR_INVALID_VALUE;
}
