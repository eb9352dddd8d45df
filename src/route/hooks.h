/* hooks: what runs unseen with a statement, because its tables have triggers, defaults, checks, policies, rules, foreign keys with actions.
 *
 * Such code runs on one server. It may read and write tables of its own shard; what it does to a sharded table would concern one shard's
 * rows only, so a statement that would set it going is refused. Inside of route/, and of admin/shard_table.c.
 */
#pragma once

#include <stdbool.h>

struct catalog;
struct catalog_table;
struct database;
struct err;
struct plan_item;
struct resolver;
struct shape;

/* Refuses the statement when the code of one of its tables may touch sharded tables. `shape` is the one whose tables and columns are looked at. True:
 * it was refused. */
bool hooks_refuse(const struct resolver *resolver, const struct shape *shape, struct plan_item *item);

/* Notes in item->redefines the name of what the definition makes other than the catalog has it: a table with code that is not known yet, a
 * view, a function, a new name of a sharded table, or its name for another. */
void hooks_note_redefined(const struct resolver *resolver, struct plan_item *item);

/* Refuses the statement when a function that it calls, or one that its expressions run without a call (operators, casts, domains, row.name), may touch
 * what it would see of one shard only: sharded tables; `strict`, beside rows of sharded tables: any table. */
bool hooks_refuse_expressions(const struct resolver *resolver, const struct shape *shape, bool strict, struct plan_item *item);

/* The same for the code of a DO. */
bool hooks_refuse_code(const struct resolver *resolver, struct plan_item *item);

/* Whether what a CREATE TRIGGER names is known, and touches no table. */
bool hooks_known_strictly(const struct resolver *resolver);

/* Whether a table can be sharded as it is: its code may touch no table, and nothing that each shard has of its own. False with the reason. */
bool hooks_allow_sharding(const struct database *database, const struct catalog *catalog, const struct catalog_table *table, struct err *err);
