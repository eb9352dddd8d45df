/* hint: what a comment at the beginning of a statement tells the router of it: a text such as "consistency=strong, shard=s2", behind "nanu:".
 *
 * Settings of the router's own hold for that statement alone, as if it had SET them; `shard` says where a statement runs that any shard could take, or
 * must not run elsewhere. Part of a plan, and lives as long as that. What is not understood, or cannot be done, is refused: 22023.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct database;
struct plan_item;
struct topology;

struct hint {
	struct slice text;
	const char **names, **values;   /* of settings: "nanu.consistency", "strong" */
	size_t count;
	int shard;                      /* index among the database's shards; -1: none is named */
	const char *shard_name;
};

/* What it sets this setting of the router's to; NULL: nothing, or there is no hint. */
const char *hint_value(const struct hint *hint, const char *name);

/* Reads it, in `arena`; values of settings are for whoever knows them to look at. ERR_INVALID_VALUE. */
must_use int hint_read(struct slice text, const struct topology *topology, const struct database *database, struct arena *arena, const struct hint **ret_hint,
		       struct err *err);

/* Whether this statement of a text of `count` can have it at all. ERR_INVALID_VALUE. */
must_use int hint_suits(const struct hint *hint, const struct plan_item *item, size_t count, struct err *err);

static inline bool hint_names_shard(const struct hint *hint)
{
	return hint && hint->shard >= 0;
}

/* The statement goes to `shards`: those, or, as any will do, the one that is named. ERR_INVALID_VALUE: the one that is named is not it. */
must_use int hint_route(const struct hint *hint, const struct plan_item *item, uint64_t *shards, struct err *err);
