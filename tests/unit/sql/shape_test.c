/* What the router learns of queries: tables, equalities, calls and clauses, each in its scope. Settings and definitions are
 * in shape_utility_test.c. */
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

static const char *describe(const char *sql)
{
	const struct fingerprint *fingerprint;
	struct shapes shapes;
	struct err err = { 0 };

	assert_int_equal(fingerprint_make(fingerprinter, slice_of(sql), true, &fingerprint, &err), 0);
	if (shape_parse(slice_of(sql), fingerprint, &arena, &shapes, &err) < 0)
		fail_msg("%s: %s", sql, err.message);
	assert_int_equal(shapes.count, 1);
	return shape_describe(&shapes.items[0], &arena);
}

static void expect(const char *sql, const char *description)
{
	assert_string_equal(describe(sql), description);
}

/* The description of `sql` has these lines that begin with `prefix`, and no others that do. */
static void expect_lines(const char *sql, const char *prefix, const char *lines)
{
	const char *at = describe(sql);
	char found[2048];
	size_t used = 0;

	for (const char *end; *at; at = end + 1) {
		end = strchr(at, '\n');
		if (strncmp(at, prefix, strlen(prefix)) == 0)
			used += (size_t)snprintf(found + used, sizeof(found) - used, "%.*s\n", (int)(end - at), at);
	}
	found[used] = '\0';
	assert_string_equal(found, lines);
}

static void expect_filters(const char *condition, const char *lines)
{
	char sql[512];

	snprintf(sql, sizeof(sql), "select from t, u where %s", condition);
	expect_lines(sql, "  filter", lines);
}

static void a_point_query_has_one_filter(void **state)
{
	expect("SELECT abalance FROM pgbench_accounts WHERE aid = 12345",
	       "select\n  scope 0 top of -1:\n  table relation \"pgbench_accounts\" in 0\n  filter in 0: \"aid\" = (slot 0)\n");
}

static void values_are_read_in_every_form(void **state)
{
	expect_filters("id = 5", "  filter in 0: \"id\" = (slot 0)\n");
	expect_filters("5 = t.id", "  filter in 0: \"t\".\"id\" = (slot 0)\n");
	expect_filters("s.t.id = $7", "  filter in 0: \"s\".\"t\".\"id\" = ($7)\n");
	expect_filters("id = -5", "  filter in 0: \"id\" = (-slot 0)\n");
	expect_filters("id = - /* x */ - 5", "  filter in 0: \"id\" = (slot 0)\n");
	expect_filters("id = -(5)", "  filter in 0: \"id\" = (-slot 0)\n");
	expect_filters("id = -0 and x = 0", "  filter in 0: \"id\" = (-slot 0)\n  filter in 0: \"x\" = (slot 1)\n");
	expect_filters("id = -1.5", "  filter in 0: \"id\" = (-slot 0)\n");
	expect_filters("id = 'x'", "  filter in 0: \"id\" = (slot 0)\n");
	expect_filters("id = 'x'::uuid", "  filter in 0: \"id\" = (slot 0::uuid)\n");
	expect_filters("id = cast($1 as int)", "  filter in 0: \"id\" = ($1::pg_catalog.int4)\n");
	expect_filters("d = date '2020-01-01'", "  filter in 0: \"d\" = (slot 0::date)\n");
	expect_filters("n = N'x'", "  filter in 0: \"n\" = (slot 0::pg_catalog.bpchar)\n");
	expect_filters("a = null and b = true and c = false",
		       "  filter in 0: \"a\" = (null)\n  filter in 0: \"b\" = (true)\n  filter in 0: \"c\" = (false)\n");
	expect_filters("a = true::text", "  filter in 0: \"a\" = (true::text)\n");
	expect_filters("id = U&'!0061' UESCAPE '!'", "  filter in 0: \"id\" = (slot 0)\n");
	expect_filters("id = 3000000000 and x = 1.0", "  filter in 0: \"id\" = (slot 0)\n  filter in 0: \"x\" = (slot 1)\n");
}

static void values_that_the_router_cannot_know_give_nothing(void **state)
{
	expect_filters("id = f(5)", "");
	expect_filters("id = 5 + 1", "");
	expect_filters("id = -$1", "");
	expect_filters("id = -(5::int)", "");
	expect_filters("id = '5'::text::int", "");
	expect_filters("id = '5'::varchar(3)", "");
	expect_filters("id = '{5}'::int[]", "");
	expect_filters("id = 'x' collate \"C\"", "");
	expect_filters("id::text = '5'", "");
	expect_filters("(t).id = 5", "");
	expect_filters("id = (select 5)", "");
	expect_filters("a.b.c.d = 5", "");
	expect_filters("id operator(s.=) 5", "");
	expect_filters("id is not distinct from 5", "");
	expect_filters("id in (1, f(2))", "");
	expect_filters("id = all (array[1])", "");
	expect_filters("id not in (1, 2)", "");
	expect_filters("id in (select 5)", "");
	expect_filters("id = any (select 5)", "");
	expect_filters("id = any (array[f(1)])", "");
	expect_filters("id = any ('{1}'::intarray)", "");
	expect_filters("id = any (array['1'::text]::int[])", "");
}

static void only_conjuncts_filter(void **state)
{
	expect_filters("a = 1 and (b = 2 and (c = 3))",
		       "  filter in 0: \"a\" = (slot 0)\n  filter in 0: \"b\" = (slot 1)\n  filter in 0: \"c\" = (slot 2)\n");
	expect_filters("a = 1 or b = 2", "");
	expect_filters("not a = 1", "");
	expect_filters("(a = 1) is true", "");
	expect_filters("case when a = 1 then true end", "");
	expect_filters("a = 1 and (b = 2 or c = 3)", "  filter in 0: \"a\" = (slot 0)\n");
	expect_filters("(a = 1) = true", "");
	expect_filters("coalesce(a = 1, true)", "");
}

static void rows_come_apart(void **state)
{
	expect_filters("(a, b) = (1, u.x)", "  filter in 0: \"a\" = (slot 0)\n  filter in 0: \"b\" = \"u\".\"x\"\n");
	expect_filters("row(a, b) = row($1, f(2))", "  filter in 0: \"a\" = ($1)\n");
	expect_filters("(a, b) in ((1, 2))", "");
	expect_filters("(a, b) <> (1, 2)", "");
}

static void lists_are_one_of(void **state)
{
	expect_filters("id in (1, 2, 3)", "  filter in 0: \"id\" = (slot 0)\n");
	expect_filters("id in (1, -2, 2.5, $1, null)", "  filter in 0: \"id\" = (slot 0, -slot 1, slot 2, $1, null)\n");
	expect_filters("id = any (array[1, 2])", "  filter in 0: \"id\" = (slot 0)\n");
	expect_filters("id = any (array['a', 'b']::uuid[])", "  filter in 0: \"id\" = (slot 0::uuid)\n");
	expect_filters("id = any ('{1,2}')", "  filter in 0: \"id\" = any (slot 0)\n");
	expect_filters("id = any ('{1,2}'::int[])", "  filter in 0: \"id\" = any (slot 0::pg_catalog.int4)\n");
	expect_filters("id = some ($1::int8[])", "  filter in 0: \"id\" = any ($1::int8)\n");
	expect_filters("id = any ($1)", "  filter in 0: \"id\" = any ($1)\n");
	expect_filters("id = any (array[]::int[])", "  filter in 0: \"id\" = ()\n");
}

static void conditions_of_inner_joins_filter_and_of_outer_joins_match(void **state)
{
	const char *sql = "select from a join b on a.id = b.id and b.x = 1 left join c on c.id = a.id and c.y = 2 where a.z = 3";

	expect_lines(sql, "  filter", "  filter in 0: \"a\".\"id\" = \"b\".\"id\"\n  filter in 0: \"b\".\"x\" = (slot 0)\n"
		     "  filter in 0: \"a\".\"z\" = (slot 2)\n");
	expect_lines(sql, "  match", "  match in 0: \"c\".\"id\" = \"a\".\"id\"\n  match in 0: \"c\".\"y\" = (slot 1)\n");
	expect_lines(sql, "  table", "  table relation \"a\" in 0\n  table relation \"b\" in 0\n  table relation \"c\" in 0 nullable\n");
	expect_lines(sql, "  scope", "  scope 0 top of -1: outer_join\n");
}

static void an_inner_join_below_a_nullable_side_matches_only(void **state)
{
	const char *sql = "select from a left join (b join c on b.id = c.id) on a.id = b.id";

	expect_lines(sql, "  filter", "");
	expect_lines(sql, "  table", "  table relation \"a\" in 0\n  table relation \"b\" in 0 nullable\n  table relation \"c\" in 0 nullable\n");
	expect_lines("select from a right join b on a.id = b.id", "  table",
		     "  table relation \"a\" in 0 nullable\n  table relation \"b\" in 0\n");
	expect_lines("select from a full join b on a.id = b.id", "  table",
		     "  table relation \"a\" in 0 nullable\n  table relation \"b\" in 0 nullable\n");
}

static void using_joins_columns_of_plain_tables(void **state)
{
	expect_lines("select from a join b x using (id, k)", "  filter",
		     "  filter in 0: \"a\".\"id\" = \"x\".\"id\"\n  filter in 0: \"a\".\"k\" = \"x\".\"k\"\n");
	expect_lines("select from a join b using (id) join c using (id)", "  filter",
		     "  filter in 0: \"a\".\"id\" = \"b\".\"id\"\n  filter in 0: \"a\".\"id\" = \"c\".\"id\"\n");
	expect_lines("select from a left join b using (id) join c using (id)", "  match", "  match in 0: \"a\".\"id\" = \"b\".\"id\"\n");
	expect_lines("select from a join b on a.x = b.x join c using (id)", "  scope", "  scope 0 top of -1: natural_join\n");
	expect_lines("select from a full join b using (id)", "  scope", "  scope 0 top of -1: natural_join outer_join\n");
	expect_lines("select from a natural join b", "  scope", "  scope 0 top of -1: natural_join\n");
	expect_lines("select from s.a join b using (id)", "  filter", "  filter in 0: \"s\".\"a\".\"id\" = \"b\".\"id\"\n");
}

static void renamed_columns_are_marked(void **state)
{
	expect_lines("select from t as x(a, b), (u join v on true) as j(c)", "  table",
		     "  table relation \"t\" as \"x\" in 0 column_aliases\n  table relation \"u\" in 0 column_aliases\n"
		     "  table relation \"v\" in 0 column_aliases\n");
}

static void subqueries_are_scopes_of_their_own(void **state)
{
	expect("select (select max(x) from a where id = 1) from (select * from b limit 5) s where exists (select from c where c.id = s.id)",
	       "select\n  scope 0 top of -1:\n  scope 1 from of 0: limit\n  scope 2 sublink of 0:\n  scope 3 sublink of 0:\n"
	       "  table subquery \"\" as \"s\" in 0 from scope 1\n  table relation \"b\" in 1\n  table relation \"a\" in 2\n"
	       "  table relation \"c\" in 3\n  filter in 2: \"id\" = (slot 0)\n  filter in 3: \"c\".\"id\" = \"s\".\"id\"\n"
	       "  function \"max\" in 2\n");
}

static void set_operations_have_arms(void **state)
{
	expect_lines("select a from t union select b from u order by 1 limit 5", "  scope",
		     "  scope 0 top of -1: set_operation order_by limit\n  scope 1 arm of 0:\n  scope 2 arm of 0:\n");
	expect_lines("(select 1 from t except select 2 from u) intersect values (1)", "  table",
		     "  table relation \"t\" in 2\n  table relation \"u\" in 3\n  table values \"\" in 4\n");
}

static void ctes_hide_tables_where_they_are_visible(void **state)
{
	expect_lines("with t as (select * from t), u as (select * from t) select from u, s.t", "  table",
		     "  table relation \"t\" in 1\n  table cte \"t\" in 2\n  table cte \"u\" in 0\n  table relation \"s\".\"t\" in 0\n");
	expect_lines("with recursive t as (select 1 union select * from t, u), u as (select 2) select from t", "  table",
		     "  table cte \"t\" in 3\n  table cte \"u\" in 3\n  table cte \"t\" in 0\n");
	expect_lines("select from (with t as (select 1) select from t) x, t", "  table",
		     "  table subquery \"\" as \"x\" in 0 from scope 1\n  table cte \"t\" in 1\n  table relation \"t\" in 0\n");
	expect_lines("with t as (select 1) insert into t select * from t", "  table",
		     "  table relation \"t\" in 0 target\n  table cte \"t\" in 2\n");
}

static void writes_in_ctes_are_seen(void **state)
{
	expect("with d as (delete from t where id = 5 returning *) select from d",
	       "select cte_writes\n  scope 0 top of -1:\n  scope 1 cte of 0:\n  table relation \"t\" in 1 target\n  table cte \"d\" in 0\n"
	       "  filter in 1: \"id\" = (slot 0)\n");
}

static void clauses_are_flagged(void **state)
{
	expect_lines("select distinct a from t", "  scope", "  scope 0 top of -1: distinct\n");
	expect_lines("select distinct on (a) a from t", "  scope", "  scope 0 top of -1: distinct_on\n");
	expect_lines("select a from t group by cube (a) having true order by a limit 1 offset 2", "  scope",
		     "  scope 0 top of -1: group_by grouping_sets having order_by limit offset\n");
	expect_lines("select a from t order by a fetch first 5 rows with ties", "  scope", "  scope 0 top of -1: order_by limit with_ties\n");
	expect_lines("select a from t limit all", "  scope", "  scope 0 top of -1:\n");
	expect_lines("select a from t for update of t", "  scope", "  scope 0 top of -1: locking\n");
	expect_lines("select a from t for update of t", "  table", "  table relation \"t\" in 0\n");
	expect_lines("select rank() over w from t window w as (order by a)", "  scope", "  scope 0 top of -1: window\n");
}

static void calls_are_found_wherever_they_hang(void **state)
{
	const char *sql = "select f1(a), array[f2()], case when f3() then f4() end, (f5()).x, a[f6():f7()], coalesce(f8(), 1), row(f9()) "
		"from t, lateral f10() g join u on f11() where f12() between f13() and f14() and a in (f15()) and b is not distinct from f16() "
		"group by f17() having f18() window w as (partition by f19() order by f20()) order by f21() limit f22() offset f23()";
	char expected[1024];
	size_t used = 0;
	const int order[] = { 10, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		used += (size_t)snprintf(expected + used, sizeof(expected) - used, "  function \"f%d\" in 0\n", order[i]);
	expect_lines(sql, "  function", expected);
	expect_lines("select xmlelement(name x, xmlattributes(f1() as y), f2()), cast(f3() as text), f4(variadic f5()), s.f6(a => f7()), "
		     "not f8(), f9() is null, f10() like f11(), (select f12()), nullif(f13(), f14()), greatest(f15())", "  function",
		     "  function \"f1\" in 0\n  function \"f2\" in 0\n  function \"f3\" in 0\n  function \"f4\" in 0\n  function \"f5\" in 0\n"
		     "  function \"s\".\"f6\" in 0\n  function \"f7\" in 0\n  function \"f8\" in 0\n  function \"f9\" in 0\n"
		     "  function \"f10\" in 0\n  function \"f11\" in 0\n  function \"f12\" in 1\n  function \"f13\" in 0\n  function \"f14\" in 0\n"
		     "  function \"f15\" in 0\n");
	expect_lines("insert into t values (f1()) on conflict (f2(a)) where f3() do update set b = f4() where f5() returning f6()", "  function",
		     "  function \"f1\" in 0\n  function \"f2\" in 0\n  function \"f3\" in 0\n  function \"f4\" in 0\n  function \"f5\" in 0\n"
		     "  function \"f6\" in 0\n");
	expect_lines("select from t tablesample bernoulli(f1()) repeatable (f2()), rows from (f3(), f4()), xmltable(f5() passing f6() columns a int default f7())",
		     "  function",
		     "  function \"bernoulli\" in 0\n  function \"f1\" in 0\n  function \"f2\" in 0\n  function \"f3\" in 0\n  function \"f4\" in 0\n"
		     "  function \"f6\" in 0\n  function \"f5\" in 0\n  function \"f7\" in 0\n");
}

static void aggregates_tell_their_forms(void **state)
{
	expect_lines("select count(*), count(distinct a), sum(a) filter (where b), max(a) over (), string_agg(a, ',' order by b), "
		     "mode() within group (order by a), pg_catalog.now() from t", "  function",
		     "  function \"count\" in 0 star\n  function \"count\" in 0 distinct\n  function \"sum\" in 0 filter\n"
		     "  function \"max\" in 0 over\n  function \"string_agg\" in 0 ordered\n  function \"mode\" in 0 within_group\n"
		     "  function \"pg_catalog\".\"now\" in 0\n");
}

static void values_of_session_and_time_are_flagged(void **state)
{
	expect_lines("select current_user", "select", "select session_value\n");
	expect_lines("select current_schema", "select", "select session_value\n");
	expect_lines("select localtimestamp(3), current_date", "select", "select time_value\n");
	expect_lines("select 1 from t where a = $3", "select", "select params 3\n");
}

static void inserts_give_rows_by_column(void **state)
{
	expect("insert into s.t (a, b) overriding system value values (1, default), (-2, f($1)) returning a",
	       "insert returning overriding params 1\n  scope 0 top of -1:\n  table relation \"s\".\"t\" in 0 target\n  function \"f\" in 0\n"
	       "  columns (\"a\", \"b\")\n  insert values\n  row (slot 0, default)\n  row (-slot 1, opaque)\n");
	expect_lines("insert into t values (1, 2), (3)", "  row", "  row (slot 0)\n  row (slot 2)\n");
	expect_lines("insert into t default values", "  insert", "  insert default\n");
	expect_lines("insert into t select * from u", "  insert", "  insert select\n");
	expect_lines("insert into t values (1), (2) limit 1", "  insert", "  insert select\n");
	expect_lines("insert into t select * from u where id = 5", "  filter", "  filter in 1: \"id\" = (slot 0)\n");
	expect_lines("insert into t values ((select 1 from u))", "  table", "  table relation \"t\" in 0 target\n  table relation \"u\" in 1\n");
}

static void updates_name_the_columns_that_they_set(void **state)
{
	expect("update only t x set a = 1, (b, c) = (select 2, 3 from v), d[1] = 4 from u where x.id = u.id and u.k = $1 returning f(x.a)",
	       "update returning params 1\n  scope 0 top of -1:\n  scope 1 sublink of 0:\n  table relation \"t\" as \"x\" in 0 target only\n"
	       "  table relation \"u\" in 0\n  table relation \"v\" in 1\n  filter in 0: \"x\".\"id\" = \"u\".\"id\"\n"
	       "  filter in 0: \"u\".\"k\" = ($1)\n  function \"f\" in 0\n  sets (\"a\", \"b\", \"c\", \"d\")\n");
	expect_lines("insert into t values (1) on conflict (a) do update set b = 1, c = 2", "  sets", "  sets (\"b\", \"c\")\n");
}

static void merges_match_and_do_not_filter(void **state)
{
	expect("merge into t using (select * from s) x on t.id = x.id and t.k = 5 when matched and f() then update set a = 1 "
	       "when not matched then insert (id, b) values (x.id, g()) when matched then delete",
	       "merge\n  scope 0 top of -1:\n  scope 1 from of 0:\n  table relation \"t\" in 0 target\n"
	       "  table subquery \"\" as \"x\" in 0 from scope 1\n  table relation \"s\" in 1\n  match in 0: \"t\".\"id\" = \"x\".\"id\"\n"
	       "  match in 0: \"t\".\"k\" = (slot 0)\n  function \"f\" in 0\n  function \"g\" in 0\n  sets (\"a\")\n");
}

static void deletes_use_other_tables(void **state)
{
	expect_lines("delete from t where current of c", "  current", "  current of \"c\"\n");
	expect("delete from t using u where t.id = u.id", "delete\n  scope 0 top of -1:\n  table relation \"t\" in 0 target\n"
	       "  table relation \"u\" in 0\n  filter in 0: \"t\".\"id\" = \"u\".\"id\"\n");
}

static void comments_do_not_disturb_the_parser(void **state)
{
	expect_lines("select from t order by a nulls /* x */ first, b nulls -- y\n last", "  scope", "  scope 0 top of -1: order_by\n");
	expect_filters("a = 'x' -- '\n 'y' and b = $$--$$ and c = E'\\'--' /* ' */", "  filter in 0: \"a\" = (slot 0)\n"
		       "  filter in 0: \"b\" = (slot 1)\n  filter in 0: \"c\" = (slot 2)\n");
}

static void backslashes_count_where_standard_strings_are_off(void **state)
{
	const struct fingerprint *fingerprint;
	struct shapes shapes;
	struct slice sql = slice_of("select from t where a = 'x\\' or b = ' and c = 5 --'");

	assert_int_equal(fingerprint_make(fingerprinter, sql, true, &fingerprint, NULL), 0);
	assert_int_equal(shape_parse(sql, fingerprint, &arena, &shapes, NULL), 0);
	assert_int_equal(shapes.items[0].equality_count, 0);
	assert_int_equal(fingerprint_make(fingerprinter, sql, false, &fingerprint, NULL), 0);
	assert_int_equal(shape_parse(sql, fingerprint, &arena, &shapes, NULL), 0);
	assert_int_equal(shapes.items[0].equality_count, 2);
}

static void without_a_fingerprint_literals_are_unknown(void **state)
{
	struct shapes shapes;

	assert_int_equal(shape_parse(slice_of("insert into t values (5, $1)"), NULL, &arena, &shapes, NULL), 0);
	assert_int_equal(shapes.items[0].insert_values[0].kind, VALUE_OPAQUE);
	assert_int_equal(shapes.items[0].insert_values[1].kind, VALUE_PARAM);
}

static void several_statements_are_several_shapes(void **state)
{
	struct shapes shapes;
	const char *sql = "select 1 ;begin; ; delete from t";

	assert_int_equal(shape_parse(slice_of(sql), NULL, &arena, &shapes, NULL), 0);
	assert_int_equal(shapes.count, 3);
	assert_int_equal(shapes.items[1].kind, STMT_BEGIN);
	assert_true(slice_is(slice_make(sql + shapes.offsets[1], shapes.sizes[1]), "begin"));
	assert_int_equal(shapes.items[2].kind, STMT_DELETE);
	assert_int_equal(shape_parse(slice_of(" -- nothing"), NULL, &arena, &shapes, NULL), 0);
	assert_int_equal(shapes.count, 1);
	assert_int_equal(shapes.items[0].kind, STMT_EMPTY);
	assert_int_equal(shapes.items[0].scope_count, 1);
}

static void what_cannot_be_parsed_is_an_error(void **state)
{
	struct shapes shapes;
	struct err err;

	assert_int_equal(shape_parse(slice_of("select from where"), NULL, &arena, &shapes, &err), ERR_SYNTAX);
	assert_int_equal(shape_parse(slice_of("select 'a"), NULL, &arena, &shapes, &err), ERR_SYNTAX);
	assert_int_equal(shape_parse(slice_make("select '\0'", 10), NULL, &arena, &shapes, &err), ERR_SYNTAX);
	assert_int_equal(shapes.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_point_query_has_one_filter),
		cmocka_unit_test(values_are_read_in_every_form),
		cmocka_unit_test(values_that_the_router_cannot_know_give_nothing),
		cmocka_unit_test(only_conjuncts_filter),
		cmocka_unit_test(rows_come_apart),
		cmocka_unit_test(lists_are_one_of),
		cmocka_unit_test(conditions_of_inner_joins_filter_and_of_outer_joins_match),
		cmocka_unit_test(an_inner_join_below_a_nullable_side_matches_only),
		cmocka_unit_test(using_joins_columns_of_plain_tables),
		cmocka_unit_test(renamed_columns_are_marked),
		cmocka_unit_test(subqueries_are_scopes_of_their_own),
		cmocka_unit_test(set_operations_have_arms),
		cmocka_unit_test(ctes_hide_tables_where_they_are_visible),
		cmocka_unit_test(writes_in_ctes_are_seen),
		cmocka_unit_test(clauses_are_flagged),
		cmocka_unit_test(calls_are_found_wherever_they_hang),
		cmocka_unit_test(aggregates_tell_their_forms),
		cmocka_unit_test(values_of_session_and_time_are_flagged),
		cmocka_unit_test(inserts_give_rows_by_column),
		cmocka_unit_test(updates_name_the_columns_that_they_set),
		cmocka_unit_test(merges_match_and_do_not_filter),
		cmocka_unit_test(deletes_use_other_tables),
		cmocka_unit_test(comments_do_not_disturb_the_parser),
		cmocka_unit_test(backslashes_count_where_standard_strings_are_off),
		cmocka_unit_test(without_a_fingerprint_literals_are_unknown),
		cmocka_unit_test(several_statements_are_several_shapes),
		cmocka_unit_test(what_cannot_be_parsed_is_an_error),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
