/* What the session learns of statements that are not queries: settings, transactions, prepared statements, definitions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sql/fingerprint.h"
#include "sql/shape.h"

static struct fingerprinter *fingerprinter;
static struct arena arena;

static int set_up(void **state)
{
	fingerprinter = fingerprinter_new(false);
	arena_init(&arena, 16 << 10);
	return 0;
}

static int tear_down(void **state)
{
	fingerprinter_free(fingerprinter);
	arena_release(&arena);
	return 0;
}

static const struct shape *parse(const char *sql)
{
	const struct fingerprint *fingerprint;
	struct shapes shapes;
	struct err err = { 0 };

	assert_int_equal(fingerprint_make(fingerprinter, slice_of(sql), true, &fingerprint, &err), 0);
	if (shape_parse(slice_of(sql), fingerprint, &arena, &shapes, &err) < 0)
		fail_msg("%s: %s", sql, err.message);
	assert_int_equal(shapes.count, 1);
	return &shapes.items[0];
}

static void expect_kind(const char *sql, enum stmt_kind kind)
{
	const struct shape *shape = parse(sql);

	if (shape->kind != kind)
		fail_msg("%s: %s, expected %s", sql, stmt_kind_name(shape->kind), stmt_kind_name(kind));
}

static void expect_setting(const char *sql, const char *name, const char *value, enum set_scope scope)
{
	const struct shape *shape = parse(sql);

	assert_string_equal(shape->setting, name);
	if (value)
		assert_string_equal(shape->setting_value, value);
	else
		assert_null(shape->setting_value);
	assert_int_equal(shape->set_scope, scope);
	assert_false(shape->set_config_opaque);
}

static void every_statement_has_its_kind(void **state)
{
	static const struct { const char *sql; enum stmt_kind kind; } cases[] = {
		{ "", STMT_EMPTY }, { "values (1)", STMT_SELECT }, { "table t", STMT_SELECT }, { "start transaction", STMT_BEGIN },
		{ "end", STMT_COMMIT }, { "abort", STMT_ROLLBACK }, { "savepoint a", STMT_SAVEPOINT }, { "release a", STMT_RELEASE },
		{ "rollback to savepoint a", STMT_ROLLBACK_TO }, { "prepare transaction 'x'", STMT_PREPARE_TX },
		{ "commit prepared 'x'", STMT_COMMIT_PREPARED }, { "rollback prepared 'x'", STMT_ROLLBACK_PREPARED },
		{ "set a = 1", STMT_SET }, { "reset a", STMT_RESET }, { "reset all", STMT_RESET }, { "show a", STMT_SHOW },
		{ "discard plans", STMT_DISCARD }, { "set transaction read only", STMT_SET_TRANSACTION },
		{ "set session characteristics as transaction read write", STMT_SET },
		{ "set constraints all deferred", STMT_SET_CONSTRAINTS }, { "prepare p as select 1", STMT_PREPARE },
		{ "execute p", STMT_EXECUTE }, { "deallocate p", STMT_DEALLOCATE }, { "declare c cursor for select 1", STMT_DECLARE },
		{ "fetch c", STMT_FETCH }, { "move 5 from c", STMT_FETCH }, { "close c", STMT_CLOSE }, { "listen a", STMT_LISTEN },
		{ "unlisten a", STMT_UNLISTEN }, { "notify a", STMT_NOTIFY }, { "copy t to stdout", STMT_COPY },
		{ "explain select 1", STMT_EXPLAIN }, { "call f()", STMT_CALL }, { "do $$ $$", STMT_DO }, { "lock t", STMT_LOCK },
		{ "truncate t", STMT_TRUNCATE }, { "create table t (a int)", STMT_CREATE_TABLE },
		{ "create table t as select 1", STMT_CREATE_TABLE_AS }, { "select 1 into t", STMT_CREATE_TABLE_AS },
		{ "create materialized view v as select 1", STMT_CREATE_TABLE_AS }, { "alter table t add a int", STMT_ALTER_TABLE },
		{ "alter table t owner to x", STMT_ALTER_TABLE }, { "alter index i set (fillfactor = 50)", STMT_DDL },
		{ "alter table t rename to u", STMT_RENAME }, { "alter table t set schema s", STMT_RENAME },
		{ "drop table t", STMT_DROP }, { "drop function f", STMT_DROP }, { "drop schema s", STMT_DROP },
		{ "create index on t (a)", STMT_CREATE_INDEX }, { "create view v as select 1", STMT_DDL },
		{ "create function f() returns int language sql as 'select 1'", STMT_DDL }, { "create type t as enum ('a')", STMT_DDL },
		{ "grant select on t to x", STMT_DDL }, { "comment on table t is 'x'", STMT_DDL }, { "create schema s", STMT_DDL },
		{ "create sequence s", STMT_DDL }, { "create extension x", STMT_DDL }, { "create trigger x after insert on t execute function f()", STMT_DDL },
		{ "create policy p on t", STMT_DDL }, { "create publication p", STMT_DDL }, { "create statistics s on a, b from t", STMT_DDL },
		{ "create domain d as int", STMT_DDL }, { "create aggregate a (int) (sfunc = f, stype = int)", STMT_DDL },
		{ "alter default privileges grant select on tables to x", STMT_DDL }, { "create rule r as on insert to t do nothing", STMT_DDL },
		{ "vacuum t", STMT_MAINTENANCE }, { "analyze", STMT_MAINTENANCE }, { "reindex table t", STMT_MAINTENANCE },
		{ "cluster t", STMT_MAINTENANCE }, { "checkpoint", STMT_MAINTENANCE }, { "refresh materialized view v", STMT_MAINTENANCE },
		{ "create database d", STMT_CLUSTER_DDL }, { "drop database d", STMT_CLUSTER_DDL }, { "create role r", STMT_CLUSTER_DDL },
		{ "alter role r set a = 1", STMT_CLUSTER_DDL }, { "drop role r", STMT_CLUSTER_DDL }, { "grant a to b", STMT_CLUSTER_DDL },
		{ "alter database d rename to e", STMT_CLUSTER_DDL }, { "grant connect on database d to x", STMT_CLUSTER_DDL },
		{ "comment on database d is 'x'", STMT_CLUSTER_DDL }, { "create tablespace s location '/x'", STMT_CLUSTER_DDL },
		{ "alter system set a = 1", STMT_CLUSTER_DDL }, { "create subscription s connection 'x' publication p", STMT_CLUSTER_DDL },
		{ "alter database d owner to x", STMT_CLUSTER_DDL }, { "load 'x'", STMT_OTHER },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_kind(cases[i].sql, cases[i].kind);
}

static void settings_can_be_replayed(void **state)
{
	expect_setting("SET Search_Path TO a, \"B c\", 'it''s'", "search_path", "'a', 'B c', 'it''s'", SET_SESSION);
	expect_setting("set local a.B = 5", "a.b", "5", SET_LOCAL);
	expect_setting("set a = -1.5", "a", "-1.5", SET_SESSION);
	expect_setting("set a = on", "a", "'on'", SET_SESSION);
	expect_setting("set a = true", "a", "'true'", SET_SESSION);
	expect_setting("set a = E'x\\\\y'", "a", "E'x\\\\y'", SET_SESSION);
	expect_setting("set session a to default", "a", NULL, SET_SESSION);
	expect_setting("set time zone 'utc'", "timezone", "'utc'", SET_SESSION);
	expect_setting("set time zone -7", "timezone", "-7", SET_SESSION);
	expect_setting("set time zone local", "timezone", NULL, SET_SESSION);
	expect_setting("set local time zone interval '-08:00' hour to minute", "timezone", "'INTERVAL ''-08:00'''", SET_LOCAL);
	expect_setting("set names 'utf8'", "client_encoding", "'utf8'", SET_SESSION);
	expect_setting("set schema 'x'", "search_path", "'x'", SET_SESSION);
	expect_setting("set role none", "role", "'none'", SET_SESSION);
	expect_setting("set local role x", "role", "'x'", SET_LOCAL);
	expect_setting("set session authorization x", "session_authorization", "'x'", SET_SESSION);
	expect_setting("set session authorization default", "session_authorization", NULL, SET_SESSION);
	expect_setting("reset A", "a", NULL, SET_SESSION);
	expect_setting("show Time Zone", "timezone", NULL, SET_SESSION);
	expect_setting("show all", "all", NULL, SET_SESSION);
	assert_true(parse("set a from current")->set_current);
	assert_true(parse("set time zone interval '-8' hour")->set_config_opaque);
	assert_true(parse("reset all")->reset_all);
	assert_null(parse("reset all")->setting);
	assert_true(parse("discard all")->reset_all && parse("discard all")->discard_temp);
	assert_true(parse("discard temp")->discard_temp && !parse("discard temp")->discard_plans);
	assert_false(parse("discard sequences")->reset_all);
}

static void set_config_is_followed_only_when_alone_and_constant(void **state)
{
	static const char *const opaque[] = {
		"select set_config($1, 'b', false)", "select set_config('a', $1, false)", "select set_config('a', 'b', $1)",
		"select set_config('a', 'b', false), 1, set_config('a', 'c', false)", "select set_config('a', x, false) from t",
		"select f(set_config('a', 'b', false))", "insert into t values (set_config('a', 'b', false))",
		"select set_config('a', 'b', false) where true", "explain analyze select set_config('a', 'b', false)",
		"select set_config(name, 'b', false) from pg_settings where name like 'a'", "select set_config(name, 'b', false) from pg_settings",
		"select set_config(name, 'b', false) from s.pg_settings where name = 'a'", "select set_config(name, name, false) from pg_settings where name = 'a'",
		"select set_config(name, 'b', false) from pg_settings p where name = 'a'", "select set_config(name, 'b', false) from pg_settings where setting = 'a'",
		"select set_config('a', 'b', false) from pg_settings where name = 'a'", "select set_config(name, 'b', false) from pg_settings where name <> 'a'",
		"select (select set_config('a', 'b', false))", "call f(set_config('a', 'b', false))",
	};

	expect_setting("select set_config('A', 'b''c', false)", "a", "'b''c'", SET_SESSION);
	expect_setting("select pg_catalog.set_config('a', 'b', true) as x", "a", "'b'", SET_LOCAL);
	expect_setting("select set_config('search_path', ' a,\"B c\" , D', false)", "search_path", "' a,\"B c\" , D'", SET_SESSION);
	expect_setting("select set_config('search_path', '', false)", "search_path", "''", SET_SESSION);
	expect_setting("select set_config(name, 'b, c', false) from pg_settings where name = 'a'", "a", "'b, c'", SET_SESSION);
	expect_setting("select set_config(name, 'b', true) from pg_catalog.pg_settings where name = 'a'", "a", "'b'", SET_LOCAL);
	for (size_t i = 0; i < sizeof(opaque) / sizeof(opaque[0]); i++) {
		const struct shape *shape = parse(opaque[i]);

		if (!shape->set_config_opaque || shape->set_config)
			fail_msg("%s is taken as followed", opaque[i]);
	}
	assert_false(parse("select s.set_config('a', 'b', false)")->set_config_opaque);
}

static void a_custom_setting_for_a_transaction_needs_not_be_followed(void **state)
{
	static const char *const passing[] = {
		"select set_config('a.b', $1, true)", "select set_config('a.b', $1, true), set_config('a.c', x, true) from t",
		"insert into t values (set_config('a.b', $1, true))",
	};
	static const char *const opaque[] = {
		"select set_config('a.b', $1, false)", "select set_config('a.b', $1, $2)", "select set_config('a', $1, true)", "select set_config($1, 'x', true)",
		"select set_config('a.b', $1, true), set_config('a.c', $2, false)", "explain analyze select set_config('a.b', $1, true)",
		"prepare p as select set_config('a.b', $1, true)",
	};

	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		if (!parse(passing[i])->set_config_passing || parse(passing[i])->set_config_opaque)
			fail_msg("%s is not taken as passing", passing[i]);
	for (size_t i = 0; i < sizeof(opaque) / sizeof(opaque[0]); i++)
		if (parse(opaque[i])->set_config_passing || !parse(opaque[i])->set_config_opaque)
			fail_msg("%s is taken as passing", opaque[i]);
	assert_false(parse("select set_config('a.b', 'c', true)")->set_config_passing);
}

static void parameters_of_set_config_are_known_when_bound(void **state)
{
	static const char *const others[] = {
		"select set_config('a', $1::int, false)", "select set_config('a', $1::varchar(3), false)", "select set_config('a', 'b', $1::text)", "select set_config('a', $1 || 'b', false)", "select set_config('a', x, $1) from t",
		"select set_config('a', 'b', false)", "select set_config('a', $1, false), set_config('a.b', $1, true)", "select lower($1)",
		"select set_config('a', $1, false) where true", "select set_config('a', null, false)", "prepare p as select set_config('a', $1, false)",
	};
	const struct set_config_arg *args = parse("select set_config('a', $2::varchar, $1::bool)")->set_config_args;

	assert_string_equal(args[0].text, "a");
	assert_null(args[1].text);
	assert_int_equal(args[1].param, 2);
	assert_int_equal(args[2].param, 1);
	assert_string_equal(parse("select set_config($1, cast($2 as pg_catalog.text), true)")->set_config_args[2].text, "true");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (parse(others[i])->set_config_args)
			fail_msg("%s is taken as known when bound", others[i]);
}

static void transactions_tell_their_modes(void **state)
{
	const struct shape *shape = parse("begin isolation level repeatable read, read only, deferrable");

	assert_true(shape->tx_read_only && shape->tx_isolation_given && !shape->tx_read_write);
	assert_string_equal(shape->tx_isolation, "repeatable read");
	assert_true(parse("start transaction read write")->tx_read_write);
	assert_true(parse("commit and chain")->tx_chain);
	assert_false(parse("rollback and no chain")->tx_chain);
	assert_string_equal(parse("savepoint \"A b\"")->name, "A b");
	assert_string_equal(parse("rollback to a")->name, "a");
	assert_string_equal(parse("prepare transaction 'gid'")->name, "gid");
	assert_true(parse("set session characteristics as transaction read only")->tx_session_characteristics);
	assert_true(parse("set session characteristics as transaction read only")->tx_read_only);
	assert_string_equal(parse("set transaction isolation level serializable")->tx_isolation, "serializable");
	assert_string_equal(parse("set transaction snapshot '00-1'")->name, "00-1");
}

static void wrapped_statements_are_inside_and_outside(void **state)
{
	const struct shape *shape = parse("prepare \"P\" (int) as select f(a) from t where id = $1");

	assert_string_equal(shape->name, "P");
	assert_int_equal(shape->prepare_query_offset, 21);
	assert_int_equal(shape->inner->kind, STMT_SELECT);
	assert_int_equal(shape->inner->equality_count, 1);
	assert_int_equal(shape->inner->equalities[0].scope, 0);
	assert_int_equal(shape->table_count, 1);
	assert_string_equal(shape->tables[0].name, "t");
	assert_int_equal(shape->function_count, 1);
	assert_int_equal(shape->tables[0].scope, 1);
	assert_int_equal(shape->scopes[1].parent, 0);
	assert_int_equal(shape->param_max, 1);

	shape = parse("create temp table x as select * from t where id = 5");
	assert_true(shape->temporary);
	assert_int_equal(shape->table_count, 2);
	assert_true(shape->tables[0].target && !shape->tables[1].target);
	assert_string_equal(shape->tables[0].name, "x");

	shape = parse("select a into unlogged x from t union select b from u");
	assert_int_equal(shape->table_count, 3);
	assert_int_equal(shape->inner->table_count, 2);
	assert_true(shape->inner->scopes[0].set_operation);

	shape = parse("explain (analyze false, verbose) delete from t");
	assert_false(shape->explain_analyze);
	assert_int_equal(shape->inner->kind, STMT_DELETE);
	assert_true(shape->tables[0].target);
	assert_true(parse("explain analyze select 1")->explain_analyze);
	assert_true(parse("explain (analyze on) select 1")->explain_analyze);

	shape = parse("declare c insensitive scroll cursor with hold for select 1");
	assert_true(shape->cursor_hold);
	assert_string_equal(shape->name, "c");
	assert_false(parse("declare c cursor for select 1")->cursor_hold);

	shape = parse("explain create table x as execute p(5)");
	assert_int_equal(shape->inner->kind, STMT_CREATE_TABLE_AS);
	assert_int_equal(shape->inner->inner->kind, STMT_EXECUTE);
}

static void executes_give_their_arguments(void **state)
{
	const struct shape *shape = parse("execute p(1, 'x'::uuid, f(), -2)");

	assert_string_equal(shape->name, "p");
	assert_int_equal(shape->execute_arg_count, 4);
	assert_int_equal(shape->execute_args[0].slot, 0);
	assert_string_equal(shape->execute_args[1].cast, "uuid");
	assert_int_equal(shape->execute_args[2].kind, VALUE_OPAQUE);
	assert_true(shape->execute_args[3].negated);
	assert_int_equal(shape->function_count, 1);
}

static void all_is_no_name(void **state)
{
	assert_null(parse("deallocate all")->name);
	assert_null(parse("close all")->name);
	assert_null(parse("unlisten *")->name);
	assert_string_equal(parse("deallocate prepare p")->name, "p");
}

static void copies_tell_columns_and_options(void **state)
{
	const struct shape *shape = parse("copy s.t (a, \"B\") from stdin with (format csv, header, force_null (a, b), encoding 'utf8') where f(a)");

	assert_true(shape->copy_from && shape->copy_stdio && shape->copy_where && shape->tables[0].target);
	assert_int_equal(shape->insert_column_count, 2);
	assert_string_equal(shape->insert_columns[1], "B");
	assert_int_equal(shape->option_count, 4);
	assert_string_equal(shape->options[0].name, "format");
	assert_string_equal(shape->options[0].value, "csv");
	assert_null(shape->options[1].value);
	assert_string_equal(shape->options[2].value, "a,b");
	assert_int_equal(shape->function_count, 1);

	shape = parse("copy t from stdin csv delimiter ';' null 'x'");
	assert_string_equal(shape->options[0].value, "csv");
	assert_string_equal(shape->options[1].value, ";");
	assert_false(parse("copy t to '/f'")->copy_stdio);
	assert_false(parse("copy t to program 'x'")->copy_stdio);
	assert_false(parse("copy t to stdout")->tables[0].target);
	assert_int_equal(parse("copy (select * from t) to stdout")->inner->kind, STMT_SELECT);
}

static void temporary_objects_are_seen(void **state)
{
	static const char *const temporary[] = {
		"create temp table t (a int)", "create table pg_temp.t (a int)", "create temporary view v as select 1", "create temp sequence s",
		"drop table pg_temp.t", "create function pg_temp.f() returns int language sql as ''", "create type pg_temp.e as enum ('a')",
		"select * from pg_temp_3.t", "insert into pg_temp.t values (1)", "select 1 into temp x", "create local temp table t (a int)",
		"create domain pg_temp.d as int",
	};

	for (size_t i = 0; i < sizeof(temporary) / sizeof(temporary[0]); i++)
		if (!parse(temporary[i])->temporary)
			fail_msg("%s", temporary[i]);
	assert_false(parse("create table t (a int)")->temporary);
	assert_false(parse("create unlogged table t (a int)")->temporary);
}

static void definitions_name_what_they_change_first(void **state)
{
	const struct shape *shape = parse("create table t (a int references u (b) default nextval('s'), like v) inherits (w)");

	assert_int_equal(shape->table_count, 4);
	assert_string_equal(shape->tables[0].name, "t");
	assert_true(shape->tables[0].target);
	for (size_t i = 1; i < 4; i++)
		assert_false(shape->tables[i].target);
	assert_string_equal(shape->functions[0].name, "nextval");

	shape = parse("create table p partition of t for values from (1) to (5)");
	assert_string_equal(shape->tables[0].name, "p");
	assert_string_equal(shape->tables[1].name, "t");

	shape = parse("create view v as select * from t where f(a)");
	assert_string_equal(shape->tables[0].name, "v");
	assert_int_equal(shape->table_count, 2);
	assert_int_equal(shape->function_count, 1);

	shape = parse("create function f() returns int begin atomic select g(a) from t; end");
	assert_string_equal(shape->tables[0].name, "t");
	assert_string_equal(shape->functions[0].name, "g");
}

static void changes_of_tables_are_told(void **state)
{
	const struct shape *shape = parse("alter table s.t drop a, alter b type text using f(b), add c int default g(), drop constraint d");

	assert_string_equal(shape->tables[0].schema, "s");
	assert_int_equal(shape->altered_column_count, 2);
	assert_string_equal(shape->altered_columns[1], "b");
	assert_int_equal(shape->function_count, 2);

	shape = parse("alter table t rename to u");
	assert_true(shape->rename_table && !shape->rename_column);
	assert_string_equal(shape->rename_to, "u");
	assert_string_equal(shape->tables[0].name, "t");

	shape = parse("alter table t rename a to b");
	assert_true(shape->rename_column && !shape->rename_table);
	assert_string_equal(shape->name, "a");
	assert_string_equal(shape->rename_to, "b");
	assert_false(parse("alter table t rename constraint a to b")->rename_column);
	assert_false(parse("alter index i rename to j")->rename_table);

	shape = parse("alter table t set schema s");
	assert_true(shape->rename_table);
	assert_null(shape->rename_to);
	assert_string_equal(shape->rename_schema, "s");

	shape = parse("drop table if exists a, s.b cascade");
	assert_true(shape->drop_tables);
	assert_int_equal(shape->table_count, 2);
	assert_string_equal(shape->tables[1].schema, "s");
	assert_false(parse("drop view v")->drop_tables);
	assert_string_equal(parse("drop view v")->tables[0].name, "v");
	assert_int_equal(parse("truncate a, b")->table_count, 2);
	assert_true(parse("truncate a, b")->tables[1].target);
}

static void concurrent_work_is_no_matter_for_transactions(void **state)
{
	assert_true(parse("create index concurrently on t (a)")->concurrently);
	assert_true(parse("drop index concurrently i")->concurrently);
	assert_true(parse("reindex table concurrently t")->concurrently);
	assert_true(parse("alter table t detach partition p concurrently")->concurrently);
	assert_false(parse("create index on t (a)")->concurrently);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_statement_has_its_kind),
		cmocka_unit_test(settings_can_be_replayed),
		cmocka_unit_test(set_config_is_followed_only_when_alone_and_constant),
		cmocka_unit_test(a_custom_setting_for_a_transaction_needs_not_be_followed),
		cmocka_unit_test(parameters_of_set_config_are_known_when_bound),
		cmocka_unit_test(transactions_tell_their_modes),
		cmocka_unit_test(wrapped_statements_are_inside_and_outside),
		cmocka_unit_test(executes_give_their_arguments),
		cmocka_unit_test(all_is_no_name),
		cmocka_unit_test(copies_tell_columns_and_options),
		cmocka_unit_test(temporary_objects_are_seen),
		cmocka_unit_test(definitions_name_what_they_change_first),
		cmocka_unit_test(changes_of_tables_are_told),
		cmocka_unit_test(concurrent_work_is_no_matter_for_transactions),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
