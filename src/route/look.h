/* look: what code leads to: functions, the hooks of tables, what expressions run without a call.
 *
 * Code runs on one server, and may touch tables of that server's shard only. With `strict` it runs beside rows of sharded tables, wherever
 * these are: then it may touch no table at all, nor what each server has of its own. Otherwise it runs on the home shard, and may touch no sharded table. A look
 * stops at the first thing found, and says in `opaque` or `sharded` what that is. Lives on the stack, for one question. Inside of route/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"
#include "catalog/catalog.h"

struct database;
struct function_ref;
struct resolver;
struct shape;

enum { LOOK_TABLES_MAX = 128, LOOK_FUNCTIONS_MAX = 128 };

struct look {
	const struct database *database;
	const struct catalog *catalog;
	bool strict;
	const struct catalog_table *tables[LOOK_TABLES_MAX];    /* seen already, and for which events */
	unsigned events[LOOK_TABLES_MAX];
	size_t table_count;
	const struct catalog_function *functions[LOOK_FUNCTIONS_MAX];
	size_t function_count;
	enum { CALM_UNKNOWN, CALM, CALM_NOT } calm;     /* look_calm() */
	struct slice redefined;         /* names of what the transaction itself gave other code */
	const char *opaque;             /* found: what may do anything */
	const char *sharded;            /* found: a sharded table */
	const char *table;              /* found, strict: any table, or what each server has of its own */
};

struct look look_of(const struct resolver *resolver, bool strict);

/* True: harmless. False with what was found. */
bool look_function(struct look *look, const struct catalog_function *function);
bool look_call(struct look *look, const struct function_ref *call);
bool look_table(struct look *look, const struct catalog_table *table, unsigned events);
bool look_hook(struct look *look, const struct catalog_hook *hook, unsigned events);
bool look_code(struct look *look, const char *code);    /* SQL or PL/pgSQL */

/* Whether all that expressions run without a call is harmless (catalog->hidden). */
bool look_calm(struct look *look);

/* What is not, and may run with an expression of the statement, or NULL. An attribute that is a function (row.name) too is told in look->opaque or
 * the like, with *ret_field being its name. `resolver` has the tables of `shape`. */
const struct catalog_hidden *look_hidden(struct look *look, const struct resolver *resolver, const struct shape *shape, const char **ret_field);

/* Whether the hidden code may run with an expression of the statement. `resolver` has the tables of `shape`. */
bool look_may_run(const struct catalog_hidden *hidden, const struct resolver *resolver, const struct shape *shape);

/* Whether hidden code that is not harmless comes with values of types of the user's own. */
bool look_wary(struct look *look);
