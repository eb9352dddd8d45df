#include "statement_make.h"

#define PICK(dice, list) (list)[dice_roll(dice, (uint32_t)(sizeof(list) / sizeof((list)[0])))]

enum { DEPTH_MAX = 4 };

static void query(struct dice *dice, struct buf *out, int depth);
static void expression(struct dice *dice, struct buf *out, int depth);

static void literal(struct dice *dice, struct buf *out)
{
	static const char *const literals[] = {
		"1", "42", "0", "3000000000", "9223372036854775808", "1.5", ".5", "1e3", "'a'", "'now'", "'it''s'", "E'a\\'b'",
		"$$d$$", "$q$'$q$", "B'101'", "X'1F'", "'{1,2}'", "U&'\\0061'", "U&'!0061' UESCAPE '!'", "N'n'", "- 5", "-7", "- - 1",
		"-(3)", "+4", "null", "true", "false", "$1", "$2", "''",
	};

	buf_add_text(out, PICK(dice, literals));
}

static void column(struct dice *dice, struct buf *out)
{
	static const char *const columns[] = {
		"a", "b", "id", "t.id", "u.a", "s.t.id", "\"Q\"", "\"id\"", "\"select\"", "t.\"limit\"", "t.order", "\xc3\xa9t\xc3\xa9",
		"date", "name", "U&\"a\"", "value", "key", "t.limit", "\"a\"\"b\"",
	};

	buf_add_text(out, PICK(dice, columns));
}

static void type(struct dice *dice, struct buf *out)
{
	static const char *const types[] = {
		"text", "int", "int4", "int8", "bigint", "uuid", "varchar", "varchar(10)", "numeric(10, 2)", "date", "timestamp",
		"timestamp(3) with time zone", "regclass", "interval", "int[]", "text[]", "date[]", "mytype", "s.mytype", "mytype(5)",
		"character varying(3)", "pg_catalog.int4", "jsonb", "double precision", "\"char\"", "int[3]", "numeric", "bit(3)",
		"interval day to second(2)", "text::date", "bit varying(5)", "int array[4]",
	};

	buf_add_text(out, PICK(dice, types));
}

static void list(struct dice *dice, struct buf *out, int depth)
{
	static const char *const lists[] = {
		"1, 2, 3", "1", "'a', 'b'", "1, 2.5", "-1, 2", "1, null", "'a'::date, 'b'", "$1, $2", "B'1', X'2'", "1.5, 2.5, 1e5",
		"E'a', 'b', $$c$$", "1 , /* x */ 2", "date 'x', 'y'", "'a', 1", "(1), (2)",
	};

	if (dice_roll(dice, 4))
		buf_add_text(out, PICK(dice, lists));
	else
		expression(dice, out, depth + 1);
}

static void call(struct dice *dice, struct buf *out, int depth)
{
	static const char *const names[] = {
		"f", "lower", "nextval", "s.f", "\"nextval\"", "set_config", "coalesce", "pg_advisory_lock", "nanu.explain",
		"to_regclass", "date", "count", "max", "pg_catalog.now", "regclass", "\"F\"", "greatest", "nullif", "U&\"nextval\"",
	};

	buf_add_text(out, PICK(dice, names));
	buf_add_text(out, "(");
	expression(dice, out, depth + 1);
	buf_add_text(out, ", ");
	literal(dice, out);
	if (dice_roll(dice, 6) == 0)
		buf_add_text(out, " order by 1");
	buf_add_text(out, ")");
	if (dice_roll(dice, 8) == 0)
		buf_add_text(out, " filter (where a > 5)");
	if (dice_roll(dice, 8) == 0)
		buf_add_text(out, " over (partition by a order by b, 2 rows between 1 preceding and 2 following)");
}

static void expression(struct dice *dice, struct buf *out, int depth)
{
	static const char *const operators[] = {
		" = ", " <> ", "!=", " < ", ">=", "<=", "+", "-", "*", "/", "||", " -> ", " ->> ", " @> ", " <-> ", " and ", " or ",
		" like ", " ilike ", " is distinct from ", "%", "^", " ? ", "=-", "<-", " operator(pg_catalog.=) ", " operator(s.=) ",
		" similar to ", "-", " at time zone ", " collate \"C\" || ",
	};
	static const char *const typed[] = {
		"date '2020-01-01'", "interval '1 day'", "interval(3) '1'", "interval '1' second(2)", "numeric(3,1) '1'", "mytype 'x'",
		"s.mytype 'x'", "timestamp with time zone 'now'", "\"date\" 'x'", "current_timestamp(3)", "current_user", "bit '101'",
		"char 'a'", "double precision '1'", "localtime(2)", "time(2) '10:00'", "character varying(3) 'abcd'", "float(5) '1'",
	};
	static const char *const special[] = {
		"extract(epoch from a)", "extract('epoch' from a)", "substring('abc' from 1 for 2)", "position('a' in 'abc')",
		"trim(both 'x' from 'xax')", "overlay('a' placing 'b' from 1)", "case a when 1 then 'x' when 2 then 'y' else 'z' end",
		"a between 1 and 5", "a[1]", "a[1:2]", "(t).a", "row('now', 5)::t", "('a', 'b')::t", "exists (select 1)",
		"array[[1,2],[3,4]]", "array['now', 'x']::date[]", "cast(array['now'] as date[])", "cast(('now') as date)",
		"(('x'))::mytype", "array(select 1)", "a is null", "not a", "grouping(a)", "count(*)", "count(distinct a)",
		"percentile_cont(0.5) within group (order by 1)", "xmlelement(name x, 5)", "a like 'x' escape '!'", "- - a",
		"cast(null as varchar(5))", "(row('a', row('now'))::t)", "treat('x' as date)", "a not in (1, 2)", "default",
	};

	if (depth > DEPTH_MAX) {
		column(dice, out);
		return;
	}
	switch (dice_roll(dice, 14)) {
	case 0: case 1: literal(dice, out); return;
	case 2: column(dice, out); return;
	case 3: case 4: case 5:
		expression(dice, out, depth + 1);
		buf_add_text(out, PICK(dice, operators));
		expression(dice, out, depth + 1);
		return;
	case 6: buf_add_text(out, PICK(dice, typed)); return;
	case 7: buf_add_text(out, PICK(dice, special)); return;
	case 8: call(dice, out, depth); return;
	case 9:
		buf_add_text(out, dice_roll(dice, 2) ? "(" : "((");
		literal(dice, out);
		buf_add_text(out, ")::");
		type(dice, out);
		return;
	case 10:
		literal(dice, out);
		buf_add_text(out, "::");
		type(dice, out);
		return;
	case 11:
		buf_add_text(out, "cast(");
		expression(dice, out, depth + 1);
		buf_add_text(out, " as ");
		type(dice, out);
		buf_add_text(out, ")");
		return;
	case 12:
		column(dice, out);
		buf_add_text(out, dice_roll(dice, 2) ? " in (" : " = any (array[");
		list(dice, out, depth);
		buf_add_text(out, ")");
		return;
	default:
		buf_add_text(out, "(");
		query(dice, out, depth + 1);
		buf_add_text(out, ")");
	}
}

static void condition(struct dice *dice, struct buf *out, int depth)
{
	static const char *const conjuncts[] = {
		"id = 5", "5 = id", "id = -5", "t.id = u.id", "id in (1, 2, 3)", "id = any ('{1,2}')", "id = any ('{1,2}'::int[])",
		"id = any ($1)", "id = any (array[1, 2])", "(a, b) = (1, 'x')", "row(a, b) = row($1, u.b)", "name = 'x'", "id = 'x'::uuid",
		"id = '5'::int", "id = cast('5' as int8)", "d = date '2020-01-01'", "id = 1.5", "id = null", "flag = true", "id = N'x'",
		"id in (1)", "name in ('a', 'b', 'c')", "name in ('a')", "id in (1, 2.5)", "id in (-1, -2)", "id = any (array['a']::uuid[])",
	};

	buf_add_text(out, PICK(dice, conjuncts));
	for (uint32_t i = dice_roll(dice, 3); i > 0; i--) {
		buf_add_text(out, dice_roll(dice, 5) ? " and " : " or ");
		if (dice_roll(dice, 2))
			buf_add_text(out, PICK(dice, conjuncts));
		else
			expression(dice, out, depth + 1);
	}
}

static void from(struct dice *dice, struct buf *out, int depth)
{
	static const char *const tables[] = {
		"t", "t, u", "t join u on t.id = u.id", "t left join u on t.id = u.id and u.x = 5", "t join u using (id)",
		"t full join u using (id)", "s.t as x", "only t", "t natural join u", "t tablesample bernoulli(5) repeatable (7)",
		"generate_series(1, 10) g", "(values (1, 'a'), (2, 'b')) v(a, b)", "q", "t cross join lateral f(t.id, 5) x",
		"(t join u on t.id = 5) as j(a, b)", "rows from (f(1), g('x')) with ordinality", "t, (select 1 as a limit 5) z",
		"json_to_recordset('[]') as x(a int, b varchar(5))",
	};

	buf_add_text(out, " from ");
	buf_add_text(out, PICK(dice, tables));
	if (dice_roll(dice, 2)) {
		buf_add_text(out, " where ");
		condition(dice, out, depth);
	}
}

static void tail(struct dice *dice, struct buf *out)
{
	static const char *const tails[] = {
		" order by 1", " order by a, 2 desc nulls last", " limit 5", " limit 10 offset 20", " group by 1, 2", " group by a having count(*) > 5",
		" order by (1)", " order by 1 limit 5", " fetch first 5 rows only", " fetch first 5 rows with ties", " for update",
		" group by rollup (1, 2), 3", " group by grouping sets ((1), (2), ())", " order by case a when 5 then 1 else 2 end",
		" order by f(5, 'x') limit 1 for update of t", " union select 5", " union all select 1 order by 1 limit 3",
		" window w as (order by 1) order by 2", " order by a using <, 2", " order by id <-> '[1,2]' limit 5", " limit all",
		" order by t.limit, 1", " offset 5 rows", " except values (1), (2)", "", "",
	};

	buf_add_text(out, PICK(dice, tails));
}

static void query(struct dice *dice, struct buf *out, int depth)
{
	static const char *const heads[] = { "select ", "select ", "select distinct ", "select distinct on (1, a) ", "select all " };

	if (depth > 2) {
		buf_add_text(out, "select 1 from t where id = 'x'");
		return;
	}
	if (dice_roll(dice, 8) == 0) {
		buf_add_text(out, dice_roll(dice, 2) ? "with q as (" : "with recursive q as materialized (");
		query(dice, out, depth + 1);
		buf_add_text(out, ") ");
	}
	if (dice_roll(dice, 12) == 0) {
		buf_add_text(out, "values (1, 'a'), (2, $1)");
		return;
	}
	buf_add_text(out, PICK(dice, heads));
	expression(dice, out, depth + 1);
	for (uint32_t i = dice_roll(dice, 3); i > 0; i--) {
		buf_add_text(out, dice_roll(dice, 4) ? ", " : " as x, ");
		expression(dice, out, depth + 1);
	}
	if (dice_roll(dice, 5))
		from(dice, out, depth);
	tail(dice, out);
}

static void rows(struct dice *dice, struct buf *out)
{
	for (uint32_t i = 1 + dice_roll(dice, 3), first = 1; i > 0; i--, first = 0) {
		buf_add_text(out, first ? " values (" : ", (");
		expression(dice, out, 3);
		buf_add_text(out, ", ");
		literal(dice, out);
		buf_add_text(out, ")");
	}
}

static void write_statement(struct dice *dice, struct buf *out)
{
	static const char *const conflicts[] = {
		"", "", " on conflict do nothing", " on conflict (a) where b > 5 do update set b = excluded.b, c = 5 where t.x = 'y'",
		" returning *", " returning a, 5, nextval('s')",
	};

	switch (dice_roll(dice, 4)) {
	case 0:
		buf_add_text(out, dice_roll(dice, 2) ? "insert into t (a, b)" : "insert into s.t");
		if (dice_roll(dice, 3)) {
			rows(dice, out);
		} else {
			buf_add_text(out, " ");
			query(dice, out, 1);
		}
		buf_add_text(out, PICK(dice, conflicts));
		return;
	case 1:
		buf_add_text(out, "update t set a = ");
		expression(dice, out, 2);
		buf_add_text(out, ", (b, c) = (1, 'x') from u where ");
		condition(dice, out, 1);
		return;
	case 2:
		buf_add_text(out, "delete from t using u where ");
		condition(dice, out, 1);
		return;
	default:
		buf_add_text(out, "merge into t using u on t.id = u.id and ");
		condition(dice, out, 2);
		buf_add_text(out, " when matched and t.a = 5 then update set a = 'x' when not matched then insert (a) values (5)");
	}
}

static void utility_statement(struct dice *dice, struct buf *out)
{
	static const char *const statements[] = {
		"set search_path to a, 'b'", "set local time zone 'utc'", "begin isolation level serializable", "prepare p as select $1, 5",
		"execute p(1, 'x', -5)", "copy t (a) from stdin with (format csv)", "create table t (a varchar(5) default 'x')",
		"create function f() returns int begin atomic select 5; select 6; end", "explain select * from t where a = 5",
		"declare c cursor for select 1", "fetch 5 from c", "create index on t (a) where b = 5", "lock t", "truncate t, u",
		"alter table t alter a type varchar(7)", "notify x, 'y'", "do $$ begin end $$", "show all", "reset a.b", "call f(1, 'x')",
		"create view v as select 5 from t where a = 'x'", "select 1; select 2", "set x = 5; select 5 from t where id = 7",
		"create temp table x as select 5", "select set_config('a.b', 'c', true)", "select 1 into x from t where id = 5",
	};

	buf_add_text(out, PICK(dice, statements));
}

void statement_make(struct dice *dice, struct buf *out)
{
	if (dice_roll(dice, 20) == 0)
		buf_add_text(out, "/* nanu: shard=s1 */ ");
	switch (dice_roll(dice, 10)) {
	case 0: utility_statement(dice, out); return;
	case 1: case 2: case 3: write_statement(dice, out); return;
	default: query(dice, out, 0);
	}
}

void salad_make(struct dice *dice, struct buf *out)
{
	static const char *const pieces[] = {
		"a", "B", "_x", "$", "$1", "$1a", "$$", "$a$", "$a", "a$b", "'", "''", "\"", "\"\"", "E'", "e'\\", "U&'", "u&\"", "U&", "N'", "b'",
		"X'", "'a'", "\"a\"", "\\", "\\'", "\\u0041", "\\U0001F600", "\\ud83d\\ude00", "\\ud83d", "\\x4", "\\101", "--", "-", "/*", "*/",
		"/", "*", "\n", "\r", "\t", "\f", "\v", " ", "  ", "1", "12", "1.", ".", "..", ".5", "1e", "1e5", "1E+", "1e-7", "1..2", "0x1F",
		"1_000", "9999999999", "99999999999999999999", ":", "::", ":=", "=", "=>", "<", "<=", ">", ">=", "<>", "!=", "!", "@", "#", "%",
		"^", "&", "|", "`", "?", "~", "+", "@-", "=-", "<-", "+-", "*-", "?-", "%-", "(", ")", "[", "]", ",", ";", "{", "}", "\xc3\xa9",
		"\xff", "select", "UESCAPE '!'", "'a'\n'b'", "'a' --x\n'b'", "'a' /*x*/\n'b'", "'a'\n-'b'", "nchar", "in (1, 2)", "array[1]", "e",
		"0", "<<=>>", "-->", "/*/", "/**/", "/* nanu: x */", "\x7f", "\x01", "->>", "#>>", "||/", "!!=-", "~-+", "<=-", "=>-",
	};

	for (uint32_t i = 1 + dice_roll(dice, 12); i > 0; i--) {
		buf_add_text(out, PICK(dice, pieces));
		if (dice_roll(dice, 4) == 0)
			buf_add_text(out, " ");
	}
}

void text_mutate(struct dice *dice, struct slice text, struct buf *out)
{
	static const char bytes[] = "'\"$\\-/*()[];,.:=<>!@ \n1aE&U\xc3";
	uint32_t rate = 4 + dice_roll(dice, 40);

	for (size_t i = 0; i < text.size; i++) {
		uint32_t what = dice_roll(dice, rate * 3);

		if (what == 0)
			continue;
		if (what == 1)
			buf_add_u8(out, (uint8_t)bytes[dice_roll(dice, sizeof(bytes) - 1)]);
		buf_add_u8(out, (uint8_t)text.data[i]);
		if (what == 2)
			buf_add_u8(out, (uint8_t)text.data[i]);
	}
}
