/* The normal form: what vanishes, what is lifted, and above all what must be kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "sql/fingerprint.h"

static struct fingerprinter *fingerprinter;

static int set_up(void **state)
{
	fingerprinter = fingerprinter_new(false);
	return 0;
}

static int tear_down(void **state)
{
	fingerprinter_free(fingerprinter);
	return 0;
}

static const struct fingerprint *make_in(const char *sql, bool standard_strings)
{
	const struct fingerprint *fingerprint;

	assert_int_equal(fingerprint_make(fingerprinter, slice_of(sql), standard_strings, &fingerprint, NULL), 0);
	return fingerprint;
}

static const struct fingerprint *make(const char *sql)
{
	return make_in(sql, true);
}

static void expect(const char *sql, const char *normal)
{
	const struct fingerprint *fingerprint = make(sql);
	char *found = mem_strndup(fingerprint->normal.data, fingerprint->normal.size);

	assert_string_equal(found, normal);
	mem_free(found);
}

struct pair {
	const char *sql, *normal;
};

#define EXPECT_ALL(pairs) \
	for (size_t i_ = 0; i_ < sizeof(pairs) / sizeof((pairs)[0]); i_++) \
		expect((pairs)[i_].sql, (pairs)[i_].normal)

static void whitespace_comments_and_case_vanish(void **state)
{
	static const struct pair pairs[] = {
		{ "SELECT  a\n,B -- x\nFROM/* y /* z */ */t ;", "select a , b from t" },
		{ "select $1::int", "select $1 :: int" },
		{ "", "" }, { " ; ; ", "" }, { ";select a", "; select a" },
		{ "select a;; select b;", "select a ; select b" },
		{ "select \xc3\x89", "select \xc3\x89" },
	};

	EXPECT_ALL(pairs);
}

static void quotes_stay_where_they_mean_something(void **state)
{
	static const struct pair pairs[] = {
		{ "select \"a\", \"A\", \"a b\", \"1a\", \"a\"\"b\"", "select a , \"A\" , \"a b\" , \"1a\" , \"a\"\"b\"" },
		{ "select \"select\", \"char\", \"user\", \"date\"", "select \"select\" , \"char\" , \"user\" , date" },
		{ "select U&\"a\"", "select U&\"a\"" },
	};

	EXPECT_ALL(pairs);
}

static void literals_are_lifted_by_class(void **state)
{
	static const struct pair pairs[] = {
		{ "select 1, 007, 9223372036854775807", "select ?i , ?i , ?i" },
		{ "select 9223372036854775808, 1.5, 1e5, .5, 1.", "select ?d , ?d , ?d , ?d , ?d" },
		{ "select 'a', E'a', $$a$$, U&'a', 'a'\n'b'", "select ?s , ?s , ?s , ?s , ?s" },
		{ "select U&'!0061' UESCAPE '!'", "select ?s" },
		{ "select b'1', X'f'", "select ?b , ?b" },
		{ "select -1, +1, - - 1", "select - ?i , + ?i , - - ?i" },
		{ "select null, true, false", "select null , true , false" },
		{ "select * from t limit 5 offset 6", "select * from t limit ?i offset ?i" },
		{ "select 1 fetch first 5 rows only", "select ?i fetch first ?i rows only" },
		{ "insert into t values (1, 'a'), (2, 'b')", "insert into t values ( ?i , ?s ) , ( ?i , ?s )" },
		{ "update t set a = 'x' where b = 5", "update t set a = ?s where b = ?i" },
		{ "(select 1)", "( select ?i )" }, { "values (1)", "values ( ?i )" },
	};

	EXPECT_ALL(pairs);
}

static void lists_of_one_class_collapse(void **state)
{
	static const struct pair pairs[] = {
		{ "select 1 from t where a in (1)", "select ?i from t where a in ( ?i )" },
		{ "select 1 from t where a in (1,2 , 3)", "select ?i from t where a in ( ?i )" },
		{ "select 1 from t where a not in ('a', E'b')", "select ?i from t where a not in ( ?s )" },
		{ "select 1 from t where a in (1, 2.5)", "select ?i from t where a in ( ?i , ?d )" },
		{ "select 1 from t where a in (1, -2)", "select ?i from t where a in ( ?i , - ?i )" },
		{ "select 1 from t where a in (1, null)", "select ?i from t where a in ( ?i , null )" },
		{ "select 1 from t where a in ('a'::date, 'b')", "select ?i from t where a in ( 'a' :: date , ?s )" },
		{ "select array[1,2,3], array['a', 'b']", "select array [ ?i ] , array [ ?s ]" },
		{ "select array[[1,2],[3]]", "select array [ [ ?i , ?i ] , [ ?i ] ]" },
		{ "select t.in (1, 2), a[1]", "select t . in ( ?i , ?i ) , a [ ?i ]" },
		{ "select a in (1, 2", "select a in ( ?i , ?i" },
	};

	EXPECT_ALL(pairs);
}

static void statements_that_are_not_queries_keep_all(void **state)
{
	static const struct pair pairs[] = {
		{ "set a = 5", "set a = 5" }, { "explain select 5", "explain select 5" }, { "execute p(5, 'x')", "execute p ( 5 , 'x' )" },
		{ "prepare p as select 'A'", "prepare p as select 'A'" }, { "copy t from 'f' (delimiter ',')", "copy t from 'f' ( delimiter ',' )" },
		{ "create table t (a int default 5)", "create table t ( a int default 5 )" },
		{ "set a = 5; select 5", "set a = 5 ; select ?i" },
		{ "select 5; set a = 5", "select ?i ; set a = 5" },
		{ "create function f() begin atomic select 5; select 6; end", "create function f ( ) begin atomic select 5 ; select 6 ; end" },
		{ "select in_(1) from t where a in (1, 2); set x = 1, 2", "select in_ ( ?i ) from t where a in ( ?i ) ; set x = 1 , 2" },
		{ "5 select", "5 select" },
	};

	EXPECT_ALL(pairs);
}

static void positions_are_kept(void **state)
{
	static const struct pair pairs[] = {
		{ "select a from t order by 1, 2 desc limit 5", "select a from t order by 1 , 2 desc limit ?i" },
		{ "select a from t order by (1)", "select a from t order by ( 1 )" },
		{ "select a from t group by 1 having b > 5 order by 2 offset 3", "select a from t group by 1 having b > ?i order by 2 offset ?i" },
		{ "select a from t group by rollup (1, 2)", "select a from t group by rollup ( 1 , 2 )" },
		{ "select distinct on (1, a) 5", "select distinct on ( 1 , a ) ?i" },
		{ "select (select a from u order by 1), 5", "select ( select a from u order by 1 ) , ?i" },
		{ "select a order by 1 union select 5", "select a order by 1 union select ?i" },
		{ "select a from t order by t.limit, 1", "select a from t order by t . limit , 1" },
		{ "select a from t order by b <-> '[1]', 1.5, 1", "select a from t order by b <-> ?s , ?d , 1" },
		{ "select sum(a) over (partition by 5 order by 1)", "select sum ( a ) over ( partition by ?i order by 1 )" },
		{ "select a from t group by (1); select 5", "select a from t group by ( 1 ) ; select ?i" },
		{ "select a from t order by a in (1, 2)", "select a from t order by a in ( 1 , 2 )" },
	};

	EXPECT_ALL(pairs);
}

static void modifiers_are_kept(void **state)
{
	static const struct pair pairs[] = {
		{ "select a::varchar(10), 5::numeric(10, 2)", "select a :: varchar ( 10 ) , ?i :: numeric ( 10 , 2 )" },
		{ "select cast(a as character varying(3))", "select cast ( a as character varying ( 3 ) )" },
		{ "select a::s.mytype(5), a::mytype(6)", "select a :: s . mytype ( 5 ) , a :: mytype ( 6 )" },
		{ "select current_timestamp(3), interval '1' second(2)", "select current_timestamp ( 3 ) , interval '1' second ( 2 )" },
		{ "with x as materialized (select 5) select 6", "with x as materialized ( select ?i ) select ?i" },
		{ "with x as (select 5) select 6", "with x as ( select ?i ) select ?i" },
		{ "select f(5)", "select f ( ?i )" },
	};

	EXPECT_ALL(pairs);
}

static void typed_literals_are_kept(void **state)
{
	static const struct pair pairs[] = {
		{ "select date '2020-01-01', mytype 'x', s.mytype 'x', \"T\" 'x'", "select date '2020-01-01' , mytype 'x' , s . mytype 'x' , \"T\" 'x'" },
		{ "select interval '1 day', numeric(3,1) '1.5'", "select interval '1 day' , numeric ( 3 , 1 ) '1.5'" },
		{ "select N'a'", "select nchar 'a'" },
		{ "select a where b like 'x' and 'y' = c", "select a where b like ?s and ?s = c" },
		{ "select case when a then 'x' else 'y' end", "select case when a then ?s else ?s end" },
		{ "select a between 'x' and 'y', a in ('x'), not 'x'", "select a between ?s and ?s , a in ( ?s ) , not ?s" },
		{ "select distinct 'x' from t limit '5'", "select distinct ?s from t limit ?s" },
		{ "select t.like 'x'", "select t . like 'x'" },
	};

	EXPECT_ALL(pairs);
}

static void cast_strings_are_kept_unless_the_type_is_plain(void **state)
{
	static const struct pair pairs[] = {
		{ "select 'a'::text, 'a'::varchar(5), '1'::int8, '1'::integer, 'u'::uuid, '1'::numeric",
		  "select ?s :: text , ?s :: varchar ( 5 ) , ?s :: int8 , ?s :: integer , ?s :: uuid , ?s :: numeric" },
		{ "select '{1}'::int[], '{a}'::text[][], '{a}'::text array", "select ?s :: int [ ] , ?s :: text [ ] [ ] , ?s :: text array" },
		{ "select 'now'::timestamp, 't'::regclass, 'x'::s.text", "select 'now' :: timestamp , 't' :: regclass , 'x' :: s . text" },
		{ "select 'x'::text::date, 'x'::pg_catalog.int4", "select 'x' :: text :: date , ?s :: pg_catalog . int4" },
		{ "select ('now')::date, (('now'))::date, ('x')::int", "select ( 'now' ) :: date , ( ( 'now' ) ) :: date , ( ?s ) :: int" },
		{ "select cast('now' as date), cast('x' as text), cast(('now') as date)",
		  "select cast ( 'now' as date ) , cast ( ?s as text ) , cast ( ( 'now' ) as date )" },
		{ "select array['now']::date[], array['a']::text[], cast(array['now'] as date[])",
		  "select array [ 'now' ] :: date [ ] , array [ ?s ] :: text [ ] , cast ( array [ 'now' ] as date [ ] )" },
		{ "select array[['now'], ['b']]::date[]", "select array [ [ 'now' ] , [ 'b' ] ] :: date [ ]" },
		{ "select ('now', 'x')::t, row('now', row('y'))::t", "select ( 'now' , 'x' ) :: t , row ( 'now' , row ( 'y' ) ) :: t" },
		{ "select (a->>'x')::date, f('x')::date, ('a' || 'b')::date", "select ( a ->> ?s ) :: date , f ( ?s ) :: date , ( ?s || ?s ) :: date" },
	};

	EXPECT_ALL(pairs);
}

static void arguments_that_name_things_are_kept(void **state)
{
	static const struct pair pairs[] = {
		{ "select nextval('s'), \"nextval\"('s'), pg_catalog.nextval('s'), NEXTVAL('s')",
		  "select nextval ( 's' ) , nextval ( 's' ) , pg_catalog . nextval ( 's' ) , nextval ( 's' )" },
		{ "select currval('s'), setval('s', 5), set_config('a', 'b', true), current_setting('a')",
		  "select currval ( 's' ) , setval ( 's' , 5 ) , set_config ( 'a' , 'b' , true ) , current_setting ( 'a' )" },
		{ "select to_regclass('t'), pg_advisory_lock(5), nanu.explain('x'), nanu.f(g(5))",
		  "select to_regclass ( 't' ) , pg_advisory_lock ( 5 ) , nanu . explain ( 'x' ) , nanu . f ( g ( 5 ) )" },
		{ "select f(nextval('s'), 's'), U&\"nextval\"('s'), \"Nextval\"('s')",
		  "select f ( nextval ( 's' ) , ?s ) , U&\"nextval\" ( 's' ) , \"Nextval\" ( ?s )" },
		{ "select regclass('t'), date('now')", "select regclass ( 't' ) , date ( 'now' )" },
	};

	EXPECT_ALL(pairs);
}

static void slots_number_the_literals(void **state)
{
	const struct fingerprint *fingerprint = make("select 'a'::date, 1 from t where a in (2, 3) and b = 'x' order by 1");

	assert_int_equal(fingerprint->literal_count, 6);
	assert_int_equal(fingerprint->slot_count, 5);
	assert_true(fingerprint->literals[0].kept);
	assert_int_equal(fingerprint->literals[2].slot, 2);
	assert_int_equal(fingerprint->literals[3].slot, 2);
	assert_int_equal(fingerprint->literals[3].offset, 42);
	assert_int_equal(fingerprint->literals[4].slot, 3);
	assert_true(fingerprint->literals[5].kept);
}

static void the_normal_form_does_not_depend_on_standard_strings(void **state)
{
	const struct fingerprint *fingerprint = make_in("select date 'a\\'b', 'x\\'y'", false);

	assert_true(slice_is(fingerprint->normal, "select date E'a\\'b' , ?s"));
	assert_false(fingerprint->standard_strings);
}

static void params_and_further_statements_are_noted(void **state)
{
	assert_int_equal(make("select $2, $1")->param_max, 2);
	assert_int_equal(make("select $99999999999")->param_max, INT32_MAX);
	assert_false(make("select 1;")->several);
	assert_true(make("select 1; select 2")->several);
	assert_false(make("create rule r as on insert to t do (select 1; select 2)")->several);
}

static void a_leading_hint_is_shown_and_not_normal(void **state)
{
	static const char sql[] = " -- x\n/* y */ /* nanu: shard=s2, consistency=strong */ select 1 /* nanu: no */";
	const struct fingerprint *fingerprint = make(sql);

	assert_true(slice_is(slice_make(sql + fingerprint->hint_offset, fingerprint->hint_size), "shard=s2, consistency=strong"));
	assert_true(slice_is(fingerprint->normal, "select ?i"));
	assert_int_equal(make("select /* nanu: x */ 1")->hint_offset, 0);
	assert_int_equal(make("/* other */ select 1")->hint_offset, 0);
	assert_int_equal(make("-- Nanu: x\nselect 1")->hint_offset, 9);
	assert_int_equal(make("-- NANU: x \nselect 1")->hint_size, 1);
	assert_int_equal(make("/*NANU:x*/select 1")->hint_offset, 7);
	assert_int_equal(make("- nanu: x\nselect 1")->hint_offset, 0);
	assert_int_equal(make("-- /* nanu: x */\nselect 1")->hint_offset, 0);
	assert_int_equal(make("/* /* nanu: x */ */ select 1")->hint_offset, 0);
	assert_int_equal(make("/**/ --\n/*nanu:*/select 1")->hint_offset, 15);
}

static void hashes_differ_where_normal_forms_do(void **state)
{
	uint64_t hash = make("select a from t where b = 1")->hash[0];

	assert_int_equal(make("SELECT a FROM t WHERE b = 7")->hash[0], hash);
	assert_int_not_equal(make("SELECT a FROM t WHERE b = 7.0")->hash[0], hash);
	assert_int_not_equal(make("SELECT a FROM t WHERE b = -7")->hash[0], hash);
}

static void what_the_scanner_refuses_is_an_error(void **state)
{
	const struct fingerprint *fingerprint;
	struct err err;

	assert_int_equal(fingerprint_make(fingerprinter, slice_of("select 'a"), true, &fingerprint, &err), ERR_SYNTAX);
	assert_string_equal(err.message, "unterminated quoted string");
	assert_null(fingerprint);
	assert_int_equal(fingerprint_make(fingerprinter, slice_make("", (size_t)STATEMENT_SIZE_MAX + 1), true, &fingerprint, &err),
			 ERR_LIMIT);
}

static void brackets_without_partners_do_no_harm(void **state)
{
	static const struct pair pairs[] = {
		{ "select ) ] ( [ 1", "select ) ] ( [ ?i" }, { "select (1]", "select ( ?i ]" }, { "in (", "in (" }, { "(", "(" },
		{ "select array[", "select array [" }, { "select a in (1,)", "select a in ( ?i , )" }, { "select ('a')::", "select ( 'a' ) ::" },
	};

	EXPECT_ALL(pairs);
}

static void long_texts_are_taken_and_forgotten(void **state)
{
	enum { COUNT = 200000 };
	char *text = mem_alloc(COUNT * 3 + 32), *at = text + sprintf(text, "select a in (0");
	const struct fingerprint *fingerprint;

	for (int i = 0; i < COUNT; i++)
		at += sprintf(at, ",%d", i % 10);
	sprintf(at, ")");
	fingerprint = make(text);
	assert_int_equal(fingerprint->literal_count, COUNT + 1);
	assert_int_equal(fingerprint->slot_count, 1);
	assert_true(slice_is(make("select 1")->normal, "select ?i"));
	mem_free(text);
}

/* What is looked at around a literal is bounded: these took minutes while it was not. */
static void hostile_texts_cost_no_square(void **state)
{
	static const struct { const char *link, *middle, *tail; } texts[] = {
		{ "(", "'x'", ")" }, { "(", "", "" }, { "array[", "'x'", "]" }, { "cast(", "'x'", " as int)" }, { "f(", "1", ")" },
		{ "in (", "1", ")" }, { "a.", "b(1)", "" }, { "::text[", "1", "]" }, { "'x'::int[][", "", "" }, { "/*", "", "" },
		{ "$a", "", "" }, { "'", "", "" }, { "in (1,2,3,", "", "" }, { "/* nanu", " select", "" }, { "row(", "'x'", ")::t" },
	};
	enum { COUNT = 300000 };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct fingerprint *fingerprint;
		char *text = mem_alloc(COUNT * (strlen(texts[i].link) + strlen(texts[i].tail)) + 64), *at = stpcpy(text, "select ");

		for (int k = 0; k < COUNT; k++)
			at = stpcpy(at, texts[i].link);
		at = stpcpy(at, texts[i].middle);
		for (int k = 0; k < COUNT; k++)
			at = stpcpy(at, texts[i].tail);
		(void)!fingerprint_make(fingerprinter, slice_of(text), true, &fingerprint, NULL);
		mem_free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whitespace_comments_and_case_vanish),
		cmocka_unit_test(quotes_stay_where_they_mean_something),
		cmocka_unit_test(literals_are_lifted_by_class),
		cmocka_unit_test(lists_of_one_class_collapse),
		cmocka_unit_test(statements_that_are_not_queries_keep_all),
		cmocka_unit_test(positions_are_kept),
		cmocka_unit_test(modifiers_are_kept),
		cmocka_unit_test(typed_literals_are_kept),
		cmocka_unit_test(cast_strings_are_kept_unless_the_type_is_plain),
		cmocka_unit_test(arguments_that_name_things_are_kept),
		cmocka_unit_test(slots_number_the_literals),
		cmocka_unit_test(the_normal_form_does_not_depend_on_standard_strings),
		cmocka_unit_test(params_and_further_statements_are_noted),
		cmocka_unit_test(a_leading_hint_is_shown_and_not_normal),
		cmocka_unit_test(hashes_differ_where_normal_forms_do),
		cmocka_unit_test(what_the_scanner_refuses_is_an_error),
		cmocka_unit_test(brackets_without_partners_do_no_harm),
		cmocka_unit_test(long_texts_are_taken_and_forgotten),
		cmocka_unit_test(hostile_texts_cost_no_square),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
