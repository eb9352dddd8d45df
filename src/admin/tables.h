/* tables: the tables of the nanu schema: what each is called, its columns, and where its rows come from.
 *
 * The table of tables is constant. Rows are made anew for each statement, of the tables that it names alone, into SQLite's tables of that
 * statement. Nothing here asks a node. Names of columns are none that PostgreSQL reserves ("user", "limit", "primary", …).
 */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin/admin.h"
#include "admin/report.h"
#include "admin/translate.h"

struct config;
struct replication_watch;
struct role_watch;
struct services;
struct snapshot;

struct filling {                        /* one table being filled */
	sqlite3_stmt *insert;
	int at;                         /* the column that comes next */
	int rc;                         /* SQLite's, of the first failure */
	const struct config *config;
	const struct snapshot *snapshot;
	struct replication_watch *watch;
	struct role_watch *roles;
	const struct reports *reports;  /* with what the named tables need */
	struct store_view store;
	struct arena *arena;
};

struct admin_column { const char *name; enum value_type type; const char *description; };

struct admin_table {
	const char *name, *description;
	const struct admin_column *columns;
	size_t column_count;
	unsigned reports;               /* what `fill` needs of REPORT_…; REPORT_NONE: no report */
	void (*fill)(struct filling *filling);
};

enum { REPORT_NONE = 0, REPORT_COUNTERS = 8 };

extern const struct admin_table admin_tables[];
extern const size_t admin_table_count;

/* The index of the table of this name (without "nanu."), or -1. */
int tables_find(const char *name);

/* The next column of the row; row_end() begins the next row. NULL texts are NULL. */
void row_text(struct filling *filling, const char *text);
void row_int(struct filling *filling, int64_t number);
void row_size(struct filling *filling, uint64_t number);
void row_bool(struct filling *filling, bool flag);
void row_null(struct filling *filling);
void row_end(struct filling *filling);

/* tables_topology.c */
void fill_databases(struct filling *filling);
void fill_nodes(struct filling *filling);
void fill_shards(struct filling *filling);
void fill_tables(struct filling *filling);
void fill_slices(struct filling *filling);
void fill_topology(struct filling *filling);

/* tables_replication.c */
void fill_replication(struct filling *filling);

/* tables_workers.c */
void fill_pools(struct filling *filling);
void fill_backends(struct filling *filling);
void fill_sessions(struct filling *filling);
void fill_workers(struct filling *filling);
void fill_stats(struct filling *filling);
void fill_reads(struct filling *filling);
void fill_router(struct filling *filling);
void fill_routers(struct filling *filling);
