#include "admin/query.h"

#include <sqlite3.h>
#include <string.h>

#include "admin/admin.h"
#include "admin/functions.h"
#include "admin/params.h"
#include "admin/tables.h"
#include "admin/translate.h"
#include "admin/cell.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/env.h"
#include "route/snapshot.h"
#include "session/job.h"

enum { STEPS_BETWEEN_LOOKS = 10000, DDL_SIZE_MAX = 16 << 10, SQLITE_TEXT_SIZE_MAX = 16 << 20 };

struct query {
	struct admin *admin;
	struct job *job;
	struct translation translation;
	struct functions functions;
	struct snapshot *snapshot;
	struct reports reports;
	uint64_t deadline_us;
	sqlite3 *db;
	size_t answer_size;
	const char *const *params;
};

static uint64_t now_us(void)
{
	return env_system()->now_us(env_system()->world);
}

static int took_too_long(void *argument)
{
	return now_us() > ((const struct query *)argument)->deadline_us;
}

static int limited(struct err *err, int code, const char *what)
{
	err_set(err, code, "%s", what);
	err_hint(err, "Narrow it with WHERE, or with LIMIT.");
	return code;
}

static int sqlite_failed(struct query *query, int rc)
{
	struct err *err = &query->job->err;

	if (query->functions.err.code) {
		*err = query->functions.err;
		return err->code;
	}
	if ((rc & 0xff) == SQLITE_INTERRUPT)
		return limited(err, ERR_CANCELED, arena_printf(&query->job->arena, "the statement on the nanu schema took longer than %d ms", ADMIN_TIME_MS_MAX));
	if ((rc & 0xff) == SQLITE_NOMEM)
		return err_set(err, ERR_NOMEM, "out of memory for a statement on the nanu schema");
	if ((rc & 0xff) == SQLITE_TOOBIG)
		return limited(err, ERR_LIMIT, arena_printf(&query->job->arena, "a value grew beyond %d bytes", SQLITE_TEXT_SIZE_MAX));
	/* what sum() says; nothing else is left to overflow */
	if (strcmp(sqlite3_errmsg(query->db), "integer overflow") == 0)
		return err_set(err, ERR_OUT_OF_RANGE, "bigint out of range");
	return err_set(err, ERR_SYNTAX, "%s", sqlite3_errmsg(query->db));
}

/* ---- the tables ---- */

static int create_table(struct query *query, const struct admin_table *table, sqlite3_stmt **ret_insert)
{
	struct buf create, insert;
	int rc;

	buf_init(&create, DDL_SIZE_MAX);
	buf_init(&insert, DDL_SIZE_MAX);
	/* Columns without a type: SQLite converts nothing on its own. */
	buf_printf(&create, "CREATE TABLE main.%s (", table->name);
	buf_printf(&insert, "INSERT INTO main.%s VALUES (", table->name);
	for (size_t i = 0; i < table->column_count; i++) {
		buf_printf(&create, "%s\"%s\"", i ? ", " : "", table->columns[i].name);
		buf_printf(&insert, "%s", i ? ", ?" : "?");
	}
	buf_add_cstr(&create, ")");
	buf_add_cstr(&insert, ")");
	rc = sqlite3_exec(query->db, create.data, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(query->db, insert.data, -1, ret_insert, NULL);
	buf_release(&create);
	buf_release(&insert);
	return rc;
}

static int fill_table(struct query *query, const struct admin_table *table)
{
	struct filling filling = { .config = query->admin->config, .snapshot = query->snapshot, .reports = &query->reports,
				   .watch = query->admin->watch, .roles = query->admin->roles, .arena = &query->job->arena };
	int rc = create_table(query, table, &filling.insert);

	if (rc == SQLITE_OK && !query->job->describe_only) {
		query->admin->store(query->admin->program, filling.arena, &filling.store);
		table->fill(&filling);
		rc = filling.rc;
	}
	sqlite3_finalize(filling.insert);
	return rc;
}

static int fill_tables_named(struct query *query)
{
	unsigned wanted = 0;
	int rc = SQLITE_OK;

	for (size_t i = 0; i < admin_table_count; i++)
		if (query->translation.tables & UINT64_C(1) << i)
			wanted |= admin_tables[i].reports;
	if (wanted && !query->job->describe_only)
		reports_init(&query->reports, query->admin->services, wanted);
	for (size_t i = 0; rc == SQLITE_OK && i < admin_table_count; i++)
		if (query->translation.tables & UINT64_C(1) << i)
			rc = fill_table(query, &admin_tables[i]);
	return rc;
}

/* ---- parameters ---- */

static int bind_value(struct query *query, sqlite3_stmt *statement, int place, const struct translated_value *value)
{
	const struct job *job = query->job;
	const char *text = value->text;
	struct cell_number number = { 0 };
	int rc;

	if (value->param) {
		if ((size_t)value->param > job->param_count) {
			err_set(&query->job->err, ERR_SYNTAX, "there is no parameter $%d", value->param);
			err_sqlstate(&query->job->err, "42P02");
			return ERR_SYNTAX;
		}
		text = query->params[value->param - 1];
	}
	if (text) {
		rc = cell_read(value->type, text, &number, &query->job->err);
		if (rc < 0)
			return rc;
	}
	if (!text)
		rc = sqlite3_bind_null(statement, place);
	else if (value->type == TYPE_FLOAT8)
		rc = sqlite3_bind_double(statement, place, number.real);
	else if (value->type == TYPE_BOOL || value->type == TYPE_INT8)
		rc = sqlite3_bind_int64(statement, place, number.integer);
	else
		rc = sqlite3_bind_text(statement, place, text, -1, SQLITE_TRANSIENT);
	return rc == SQLITE_OK ? 0 : sqlite_failed(query, rc);
}

/* ---- the answer ---- */

static int read_column(struct query *query, sqlite3_stmt *statement, int column, const char **ret)
{
	struct arena *arena = &query->job->arena;
	int stored = sqlite3_column_type(statement, column);

	*ret = NULL;
	if (stored == SQLITE_NULL)
		return 0;
	switch (query->translation.columns[column].type) {
	case TYPE_BOOL:
		*ret = sqlite3_column_int(statement, column) ? "t" : "f";
		return 0;
	case TYPE_FLOAT8:
		*ret = cell_float_text(sqlite3_column_double(statement, column), arena);
		break;
	case TYPE_TIME:
		*ret = cell_time_text(sqlite3_column_int64(statement, column), arena);
		break;
	case TYPE_INT8:
		if (stored != SQLITE_INTEGER)
			return err_set(&query->job->err, ERR_OUT_OF_RANGE, "bigint out of range");
		*ret = arena_printf(arena, "%lld", (long long)sqlite3_column_int64(statement, column));
		break;
	case TYPE_UNKNOWN:
	case TYPE_TEXT:
	case TYPE_COUNT_:
		*ret = arena_strndup(arena, (const char *)sqlite3_column_text(statement, column), (size_t)sqlite3_column_bytes(statement, column));
		break;
	}
	query->answer_size += strlen(*ret) + 1;
	if (query->answer_size > ADMIN_ANSWER_SIZE_MAX)
		return limited(&query->job->err, ERR_LIMIT,
			       arena_printf(arena, "the answer of the nanu schema has more than %d MB", ADMIN_ANSWER_SIZE_MAX >> 20));
	return 0;
}

static int read_rows(struct query *query, sqlite3_stmt *statement)
{
	struct job *job = query->job;
	size_t width = job->column_count, capacity = 0;
	const char **values = NULL;
	int rc = 0, step;

	while (rc == 0 && (step = sqlite3_step(statement)) != SQLITE_DONE) {
		if (step != SQLITE_ROW) {
			rc = sqlite_failed(query, step);
			break;
		}
		if (job->row_count == ADMIN_ROWS_MAX) {
			rc = err_set(&job->err, ERR_LIMIT, "the answer of the nanu schema has more than %d rows", ADMIN_ROWS_MAX);
			err_hint(&job->err, "Narrow it with WHERE, or with LIMIT.");
			break;
		}
		if (job->row_count == capacity) {
			capacity = capacity ? capacity * 2 : 64;
			values = mem_realloc(values, capacity * width * sizeof(*values));
		}
		for (size_t i = 0; rc == 0 && i < width; i++)
			rc = read_column(query, statement, (int)i, &values[job->row_count * width + i]);
		job->row_count++;
	}
	if (rc == 0 && job->row_count) {
		job->values = arena_alloc(&job->arena, job->row_count * width * sizeof(*values));
		memcpy(job->values, values, job->row_count * width * sizeof(*values));
	}
	mem_free(values);
	job->tag = arena_printf(&job->arena, "SELECT %zu", job->row_count);
	return rc;
}

static int run(struct query *query)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(query->db, query->translation.sql, -1, &statement, NULL);

	if (rc != SQLITE_OK)
		return sqlite_failed(query, rc);
	rc = 0;
	for (size_t i = 0; rc == 0 && !query->job->describe_only && i < query->translation.value_count; i++)
		rc = bind_value(query, statement, (int)i + 1, &query->translation.values[i]);
	if (rc == 0 && !query->job->describe_only)
		rc = read_rows(query, statement);
	sqlite3_finalize(statement);
	return rc;
}

/* ---- one statement ---- */

static void describe(struct query *query)
{
	const struct translation *translation = &query->translation;
	struct job *job = query->job;

	job->columns = arena_calloc(&job->arena, translation->column_count + 1, sizeof(*job->columns));
	job->column_count = translation->column_count;
	for (size_t i = 0; i < translation->column_count; i++)
		job->columns[i] = (struct local_column){ translation->columns[i].name, value_type_oid(translation->columns[i].type) };
	job->described_count = translation->param_count;
	job->described_types = arena_calloc(&job->arena, translation->param_count + 1, sizeof(*job->described_types));
	for (size_t i = 0; i < translation->param_count; i++)
		job->described_types[i] = i < job->param_type_count && job->param_types[i] ? job->param_types[i] :
			value_type_oid(translation->param_types[i + 1]);
}

static int open_database(struct query *query)
{
	int rc = sqlite3_open_v2(":memory:", &query->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc != SQLITE_OK)
		return rc;
	sqlite3_limit(query->db, SQLITE_LIMIT_LENGTH, SQLITE_TEXT_SIZE_MAX);
	rc = sqlite3_exec(query->db, "PRAGMA journal_mode = OFF; PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
	return rc == SQLITE_OK ? functions_add(query->db, &query->functions) : rc;
}

int admin_query(struct admin *admin, struct job *job)
{
	const struct translate_request request = { .sql = job->sql, .param_types = job->param_types, .param_type_count = job->param_type_count,
						   .user = job->user, .database = job->database };
	struct query query = { .admin = admin, .job = job };
	int rc = translate(&request, &job->arena, &query.translation, &job->err);

	if (rc < 0)
		return rc;
	describe(&query);
	rc = params_text(job, job->described_types, &query.params, &job->err);
	if (rc < 0)
		return rc;
	query.functions = (struct functions){ .arena = &job->arena, .now_us = (int64_t)env_system()->wall_us(env_system()->world) };
	query.snapshot = admin->snapshot(admin->program);
	rc = open_database(&query);
	if (rc == SQLITE_OK)
		rc = fill_tables_named(&query);
	if (rc == SQLITE_OK) {
		query.deadline_us = now_us() + ADMIN_TIME_MS_MAX * UINT64_C(1000);
		sqlite3_progress_handler(query.db, STEPS_BETWEEN_LOOKS, took_too_long, &query);
		rc = run(&query);
	} else {
		rc = sqlite_failed(&query, rc);
	}
	sqlite3_close(query.db);
	reports_release(&query.reports);
	snapshot_unref(query.snapshot);
	return rc;
}
