#include "app/status.h"

#include <getopt.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <libsmartcols/libsmartcols.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/command.h"
#include "app/reach.h"
#include "base/err.h"
#include "catalog/catalog.h"

const char status_usage[] =
	"Usage: nanu status [OPTION ...]\n"
	"\n"
	"Asks a running router for its nodes, shards, tables, pools and workers. Without an option it looks for the\n"
	"playground in this folder, then for nanu.yaml here.\n"
	"\n"
	"  --dir DIR         the router of the playground in DIR\n"
	"  --config FILE     the router that runs with this configuration\n"
	"  --dsn URL         any connection string of PostgreSQL, with a database\n"
	"  --host HOST, --port N, --user NAME, --dbname NAME\n"
	"                    where the router is; PGPASSWORD and ~/.pgpass are heeded\n"
	"  --json            everything, as JSON\n"
	"  --help, --version\n";

/* Order, WHERE and columns are what a person wants to see; JSON has every column. */
static const struct section {
	const char *name;
	const char *title;              /* NULL: JSON only */
	const char *table_sql, *json_sql;
	bool one_row;
} sections[] = {
	{ "router", "", "SELECT version, listen, started, uptime_ms / 1000 AS uptime_s, workers, sessions, epoch FROM nanu.router",
	  "SELECT * FROM nanu.router", true },
	{ "nodes", "Nodes", "SELECT name, host, port, region, zone, role, shard, reachable, connections, lent, waiting, last_failure"
	  " FROM nanu.nodes ORDER BY name", "SELECT * FROM nanu.nodes ORDER BY name", false },
	{ "shards", "Shards", "SELECT name, database, primary_node AS primary, is_home AS home, nodes, sharded_tables AS tables, slices,"
	  " replication, sync_count AS k, when_missing, replication_state AS state"
	  " FROM nanu.shards ORDER BY database, name", "SELECT * FROM nanu.shards ORDER BY database, name", false },
	{ "tables", "Sharded tables", "SELECT database, schema, name, key_column AS key, key_type AS type, placement, slices FROM nanu.tables"
	  " ORDER BY database, schema, name", "SELECT * FROM nanu.tables ORDER BY database, schema, name", false },
	{ "pools", "Pools", "SELECT node, database, user_name AS user, sum(idle) AS idle, sum(lent) AS lent, sum(opening) AS opening,"
	  " sum(waiting) AS waiting, max(pool_size) AS size, sum(opened_total) AS opened, sum(failed_total) AS failed"
	  " FROM nanu.pools GROUP BY node, database, user_name ORDER BY node, database, user_name",
	  "SELECT * FROM nanu.pools ORDER BY worker, node, database, user_name", false },
	{ "workers", "Workers", "SELECT worker, io, sessions, sessions_total, transactions, errors, fanouts, plans, plan_hits, plan_misses"
	  " FROM nanu.workers ORDER BY worker", "SELECT * FROM nanu.workers ORDER BY worker", false },
	{ "stats", NULL, NULL, "SELECT name, value FROM nanu.stats", false },
	{ "reads", NULL, NULL, "SELECT level, role, reason, reads FROM nanu.reads WHERE reads > 0", false },
};

enum { SECTION_COUNT = sizeof(sections) / sizeof(sections[0]) };

struct options {
	struct reach reach;
	bool json;
};

static int ask(PGconn *conn, const char *sql, PGresult **ret_result, struct err *err)
{
	PGresult *result = PQexec(conn, sql);

	if (PQresultStatus(result) == PGRES_TUPLES_OK) {
		*ret_result = result;
		return 0;
	}
	err_set(err, ERR_PROTOCOL, "what answers there is no router of this version: %s", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) ?
		PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : PQerrorMessage(conn));
	PQclear(result);
	return err->code;
}

/* ---- for a person ---- */

static const char *shown(const PGresult *result, int row, int column)
{
	const char *text = PQgetvalue(result, row, column);

	if (PQftype(result, column) == OID_BOOL)
		return PQgetisnull(result, row, column) ? "?" : text[0] == 't' ? "yes" : "no";
	return text;
}

static bool empty_column(const PGresult *result, int column)
{
	for (int row = 0; row < PQntuples(result); row++)
		if (*shown(result, row, column))
			return false;
	return true;
}

/* Columns that say nothing in any row are left out. */
static int print_table(const PGresult *result, struct err *err)
{
	struct libscols_table *table = scols_new_table();
	int rc = table ? 0 : -1;

	for (int column = 0; rc == 0 && column < PQnfields(result); column++)
		if (!empty_column(result, column) &&
		    !scols_table_new_column(table, PQfname(result, column), 0, PQftype(result, column) == OID_INT8 ? SCOLS_FL_RIGHT : 0))
			rc = -1;
	for (int row = 0; rc == 0 && row < PQntuples(result); row++) {
		struct libscols_line *line = scols_table_new_line(table, NULL);
		size_t at = 0;

		for (int column = 0; line && rc == 0 && column < PQnfields(result); column++)
			if (!empty_column(result, column))
				rc = scols_line_set_data(line, at++, shown(result, row, column));
		rc = line ? rc : -1;
	}
	if (rc == 0)
		rc = scols_print_table(table);
	scols_unref_table(table);
	return rc == 0 ? 0 : err_set(err, ERR_NOMEM, "the table cannot be printed");
}

static void print_list(const PGresult *result)
{
	for (int column = 0; column < PQnfields(result); column++)
		printf("%-12s %s\n", PQfname(result, column), shown(result, 0, column));
}

static int print_section(PGconn *conn, const struct section *section, struct err *err)
{
	PGresult *result;
	int rc = ask(conn, section->table_sql, &result, err);

	if (rc < 0)
		return rc;
	if (section->one_row) {
		print_list(result);
	} else if (PQntuples(result)) {
		printf("\n%s\n", section->title);
		rc = print_table(result, err);
	}
	PQclear(result);
	return rc;
}

/* ---- JSON ---- */

static json_t *json_value(const PGresult *result, int row, int column)
{
	const char *text = PQgetvalue(result, row, column);

	if (PQgetisnull(result, row, column))
		return json_null();
	switch (PQftype(result, column)) {
	case OID_BOOL:
		return json_boolean(text[0] == 't');
	case OID_INT8:
		return json_integer(strtoll(text, NULL, 10));
	case OID_FLOAT8:
		return json_real(strtod(text, NULL));
	default:
		return json_string(text);
	}
}

static json_t *json_rows(const PGresult *result)
{
	json_t *rows = json_array();

	for (int row = 0; row < PQntuples(result); row++) {
		json_t *object = json_object();

		for (int column = 0; column < PQnfields(result); column++)
			json_object_set_new(object, PQfname(result, column), json_value(result, row, column));
		json_array_append_new(rows, object);
	}
	return rows;
}

static int add_topology(PGconn *conn, json_t *root, struct err *err)
{
	PGresult *result;
	int rc = ask(conn, "SELECT json FROM nanu.topology", &result, err);

	if (rc == 0 && PQntuples(result))
		json_object_set_new(root, "topology", json_loads(PQgetvalue(result, 0, 0), 0, NULL));
	if (rc == 0)
		PQclear(result);
	return rc;
}

static int add_section(PGconn *conn, const struct section *section, json_t *root, struct err *err)
{
	PGresult *result;
	json_t *rows;
	int rc = ask(conn, section->json_sql, &result, err);

	if (rc < 0)
		return rc;
	rows = json_rows(result);
	json_object_set(root, section->name, section->one_row ? json_array_get(rows, 0) : rows);
	json_decref(rows);
	PQclear(result);
	return 0;
}

static int print_json(PGconn *conn, struct err *err)
{
	json_t *root = json_object();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < SECTION_COUNT; i++)
		rc = add_section(conn, &sections[i], root, err);
	if (rc == 0)
		rc = add_topology(conn, root, err);
	if (rc == 0) {
		json_dumpf(root, stdout, JSON_INDENT(2));
		puts("");
	}
	json_decref(root);
	return rc;
}

/* ---- the command ---- */

static int read_options(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{ "dir", required_argument, NULL, 'd' },  { "config", required_argument, NULL, 'c' }, { "dsn", required_argument, NULL, 's' },
		{ "host", required_argument, NULL, 'h' }, { "port", required_argument, NULL, 'p' },   { "user", required_argument, NULL, 'u' },
		{ "dbname", required_argument, NULL, 'n' }, { "json", no_argument, NULL, 'j' },       { 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		struct reach *reach = &options->reach;
		const char **places[] = { ['d'] = &reach->dir, ['c'] = &reach->config, ['s'] = &reach->dsn, ['h'] = &reach->host,
					  ['p'] = &reach->port, ['u'] = &reach->user, ['n'] = &reach->dbname };

		if (option == '?')
			return -1;
		if (option == 'j')
			options->json = true;
		else
			*places[option] = optarg;
	}
	if (optind < argc) {
		fprintf(stderr, "nanu status: unexpected argument '%s'\n", argv[optind]);
		return -1;
	}
	return 0;
}

int status_main(int argc, char **argv)
{
	struct options options = { 0 };
	PGconn *conn = NULL;
	struct err err;
	int rc;

	if (read_options(argc, argv, &options) < 0)
		return command_misused("status");
	rc = reach_router(&options.reach, "nanu status", &conn, &err);
	if (rc == 0 && options.json)
		rc = print_json(conn, &err);
	for (size_t i = 0; rc == 0 && !options.json && i < SECTION_COUNT; i++)
		if (sections[i].title)
			rc = print_section(conn, &sections[i], &err);
	PQfinish(conn);
	return rc < 0 ? command_failed("status", &err) : 0;
}
