/* settings: what a session changed with SET, as an immutable, interned set.
 *
 * Two equal sets of one worker are one pointer, so "does this backend carry this session's settings?" is a comparison of pointers.
 * A set belongs to its table (one a worker) and is counted by references; the empty set is there always.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/slice.h"

struct settings_table {
	struct map sets;                /* its own bytes -> struct settings */
	struct settings *empty;
};

enum setting_form {
	SETTING_RAW,                    /* a value as start-up packets and set_config() have it */
	SETTING_SQL,                    /* what followed SET name TO; DEFAULT is one */
};

struct setting {
	const char *name;               /* lower case */
	const char *value;
	enum setting_form form;
	const char *text;               /* of those in a set: the value as the server keeps it, from either form; NULL: DEFAULT */
};

struct settings {
	struct settings_table *table;
	unsigned refs;
	struct slice key;               /* form, name, zero, value, zero, … in order of name: what makes it equal */
	size_t count;
	struct settings *analysis;      /* the part that changes what a statement means; itself when it all does. Owned */
	struct setting items[];
};

void settings_table_init(struct settings_table *table);
void settings_table_release(struct settings_table *table);

struct settings *settings_ref(struct settings *settings);
void settings_unref(struct settings *settings);         /* NULL is allowed */
void settings_assign(struct settings **place, struct settings *settings);       /* refs the new, unrefs the old */

/* The same set with one more (or another, or with value NULL without that) setting; a new reference. NULL when there are SETTINGS_MAX. */
struct settings *settings_with(struct settings *settings, const char *name, const char *value, enum setting_form form);
const struct setting *settings_find(const struct settings *settings, const char *name);

/* Appends the SQL that turns `from` into `to`: "RESET a;SET b TO …;SELECT pg_catalog.set_config(…);". `call`: SELECT, or PERFORM in PL/pgSQL. */
void settings_diff(const struct settings *from, const struct settings *to, const char *call, struct buf *sql);
void settings_add_local(const struct setting *item, struct buf *sql);   /* appends the SQL that sets it until the end of the transaction */
void settings_quote(struct buf *sql, const char *text);         /* as an SQL string literal, safe under either string setting */
