"""Unnamed statements that come again are kept prepared on the backends; nothing that a client hears tells."""
import contextlib

import psycopg
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.wire import Bind, Close, Describe, Execute, Flush, Parse, Query, Sync, Wire, columns, fields, row, rows_of, run

COPIES = "SELECT statement, (generic_plans + custom_plans)::int FROM pg_prepared_statements WHERE name LIKE 'nanu%' AND statement LIKE '%{}%'"


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=1, workers=1, pool_size=1)
    with made.servers[0].connect(made.node_database) as conn:
        if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = 'other'").fetchone():
            conn.execute(f"CREATE ROLE other; GRANT other TO {USER}")
    return made


@pytest.fixture
def wire(cluster):
    with connect(cluster) as made:
        fill(made)
        yield made


def fill(wire):
    wire.rows("DROP SCHEMA IF EXISTS work CASCADE")
    wire.rows("CREATE SCHEMA work")
    wire.rows("CREATE TABLE work.t (id int PRIMARY KEY, name text)")
    wire.rows("INSERT INTO work.t VALUES (1, 'one'), (2, 'two')")


def connect(cluster, **startup):
    return Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE, **startup)


@contextlib.contextmanager
def node(cluster):
    with cluster.servers[0].connect(cluster.node_database) as conn:
        conn.execute(f"SET ROLE {USER}")
        yield conn


def heard(answer):
    return "".join(kind for kind, _ in answer)


def error(answer):
    found, = [fields(body) for kind, body in answer if kind == "E"]
    return found


def ask(wire, sql, *values):
    return rows_of(wire.ask(run(sql, values), Sync))


def copies(wire, part):
    return wire.rows(COPIES.format(part))


def test_a_text_that_comes_again_is_parsed_once(wire):
    answers = [wire.ask(run("SELECT name FROM work.t WHERE id = $1 -- again", [2]), Sync) for _ in range(5)]
    assert all(answer == answers[0] for answer in answers) and rows_of(answers[0]) == [["two"]]
    assert heard(answers[0]).replace("T", "").replace("n", "") == "12DCZ"
    assert copies(wire, "-- again") == [("SELECT name FROM work.t WHERE id = $1 -- again", "4")]


def test_a_text_that_came_once_is_not_kept(wire):
    ask(wire, "SELECT name FROM work.t WHERE id = $1 -- once", 2)
    assert copies(wire, "-- once") == []


@pytest.mark.parametrize("sql", ["SELECT 'now'::timestamptz -- clock", "SELECT E'\\156ow'::timestamptz -- clock",
                                 "SELECT timestamptz 'Today 10:00', 'now'::text::timestamptz, clock_timestamp() -- clock",
                                 "SELECT 'n' -- clock\n 'ow'::timestamptz", "SELECT ('(n\"o\"w)'::work.moment).at -- clock"])
def test_a_literal_that_tells_the_time_tells_it_each_time(wire, sql):
    wire.rows("CREATE TYPE work.moment AS (at timestamptz)")
    seen = [ask(wire, sql)[0][-1] for _ in range(4)]
    assert len(set(seen)) == 4
    assert copies(wire, "-- clock") == []


def test_a_named_statement_that_tells_the_time_is_nobody_elses(cluster, wire):
    first = rows_of(wire.ask(Parse("SELECT 'now'::timestamptz", "n"), Bind(statement="n"), Execute(), Sync))
    with connect(cluster) as other:
        second = rows_of(other.ask(Parse("SELECT 'now'::timestamptz", "n"), Bind(statement="n"), Execute(), Sync))
    assert first != second
    wire.rows("PREPARE p AS SELECT 'now'::timestamptz")
    first = wire.rows("EXECUTE p")
    with connect(cluster) as other:
        other.rows("PREPARE p AS SELECT 'now'::timestamptz")
        assert other.rows("EXECUTE p") != first


def test_constants_are_read_under_the_settings_of_the_session(cluster, wire):
    sql = "SELECT extract(epoch FROM '2020-01-02 00:00'::timestamptz)::int, '01/02/2020'::date - '2020-01-01'::date"
    with connect(cluster, TimeZone="Asia/Seoul") as east, connect(cluster, DateStyle="ISO, DMY") as european:
        for _ in range(4):
            assert ask(wire, sql) == [["1577923200", "1"]]
            assert ask(east, sql) == [["1577890800", "1"]]
            assert ask(european, sql) == [["1577923200", "31"]]
        wire.rows("SET TimeZone = 'Asia/Seoul'")
        assert ask(wire, sql) == [["1577890800", "1"]]


def test_names_are_read_under_the_search_path_and_the_role_of_the_session(cluster, wire):
    wire.rows("CREATE SCHEMA work2")
    wire.rows("CREATE TABLE work2.t AS SELECT 3 AS id, 'three'::text AS name")
    try:
        with connect(cluster, search_path="work") as one, connect(cluster, search_path="work2") as other:
            for _ in range(4):
                assert ask(one, "SELECT max(name) FROM t") == [["two"]]
                assert ask(other, "SELECT max(name) FROM t") == [["three"]]
            one.rows("SET ROLE other")
            assert ask(one, "SELECT current_user") == ask(one, "SELECT current_user") == [["other"]]
            assert ask(other, "SELECT current_user") == [[USER]]
            assert error(one.ask(run("SELECT max(name) FROM t"), Sync))["C"] in ("42501", "42P01")
            assert ask(other, "SELECT max(name) FROM t") == [["three"]]
    finally:
        wire.rows("DROP SCHEMA work2 CASCADE")


def test_a_temporary_table_hides_another(wire):
    wire.rows("SET search_path = work")
    assert [ask(wire, "SELECT count(*) FROM t") for _ in range(3)] == [[["2"]]] * 3
    wire.rows("CREATE TEMP TABLE other_one (a int)")
    assert ask(wire, "SELECT count(*) FROM t") == [["2"]]
    wire.rows("CREATE TEMP TABLE t (a int)")
    assert ask(wire, "SELECT count(*) FROM t") == [["0"]]
    assert rows_of(wire.ask(Parse("SELECT count(*) FROM t", "named"), Bind(statement="named"), Execute(), Sync)) == [["0"]]
    wire.rows("DISCARD ALL")


CHANGES = {
    "another type": ("ALTER TABLE work.t ALTER name TYPE int USING length(name)", "SELECT name FROM work.t WHERE id = $1", ["two"], ["3"]),
    "another column": ("ALTER TABLE work.t ADD more int DEFAULT 7", "SELECT * FROM work.t WHERE id = $1", ["2", "two"], ["2", "two", "7"]),
    "a column less": ("ALTER TABLE work.t DROP name", "SELECT * FROM work.t WHERE id = $1", ["2", "two"], ["2"]),
    "another table": ("ALTER TABLE work.t RENAME TO old; CREATE TABLE work.t AS SELECT 2 AS id, 5 AS n", "SELECT * FROM work.t WHERE id = $1",
                      ["2", "two"], ["2", "5"]),
}


@pytest.mark.parametrize("way", ["past the router", "here", "in this transaction"])
@pytest.mark.parametrize("name", CHANGES)
def test_nothing_is_heard_of_a_changed_schema(cluster, wire, name, way):
    change, sql, before, after = CHANGES[name]
    for _ in range(3):
        assert ask(wire, sql, 2) == [before]
    if way == "past the router":
        with node(cluster) as conn:
            conn.execute(change)
    else:
        wire.rows("BEGIN" if way == "in this transaction" else "SELECT 1")
        for statement in change.split(";"):
            wire.rows(statement)
    answer = wire.ask(Parse(sql), Describe("S"), Bind([2]), Describe("P"), Execute(), Sync)
    assert rows_of(answer) == [after]
    assert heard(answer) == "1tT2TDCZ"
    assert len(columns(next(body for kind, body in answer if kind == "T"))) == len(after)
    if way == "in this transaction":
        assert wire.status() == "T"
        wire.rows("ROLLBACK")
        after = before
    for _ in range(3):
        assert ask(wire, sql, 2) == [after]


@pytest.mark.parametrize("place", ["first", "after another", "in a block", "first of a block", "flushed", "before a copy", "before an error"])
def test_nothing_is_heard_of_a_changed_schema_wherever_the_statement_stands(cluster, wire, place):
    sql = "SELECT * FROM work.t WHERE id = $1"
    for _ in range(3):
        assert ask(wire, sql, 2) == [["2", "two"]]
    if place == "in a block":
        wire.rows("BEGIN")
        assert ask(wire, "SELECT 1") == [["1"]]
    with node(cluster) as conn:
        conn.execute("ALTER TABLE work.t ADD more int DEFAULT 7")
    expected = [["2", "two", "7"]]
    if place == "after another":
        answer = wire.ask(run("SELECT 1"), run(sql, [2]), run("INSERT INTO work.t VALUES (3, 'three')"), run(sql, [3]), Sync)
        assert rows_of(answer) == [["1"], *expected, ["3", "three", "7"]]
    elif place == "first of a block":
        assert rows_of(wire.ask(run("BEGIN"), run(sql, [2]), Sync)) == expected
        assert ask(wire, sql, 2) == expected
        wire.rows("COMMIT")
    elif place == "flushed":
        wire.send(Parse(sql), Bind([2], results=[0]), Describe("P"), Execute(), Flush)
        assert rows_of(wire.until("C")) == expected
        assert rows_of(wire.ask(run(sql, [2]), Sync)) == expected
    elif place == "before a copy":
        answer = wire.ask(run(sql, [2]), run("COPY work.t TO STDOUT"), Sync)
        assert rows_of(answer) == expected and [body for kind, body in answer if kind == "d"] == [b"1\tone\t7\n", b"2\ttwo\t7\n"]
    elif place == "before an error":
        answer = wire.ask(Parse("SELECT 1", "kept"), run(sql, [2]), run("SELECT nothing"), run(sql, [1]), Sync)
        assert error(answer)["C"] == "42703"
        assert [row(body)[0] for kind, body in answer if kind == "D"] == [b"2"]
        assert rows_of(wire.ask(Bind(statement="kept"), Execute(), Close("S", "kept"), Sync)) == [["1"]]
    else:
        assert ask(wire, sql, 2) == expected
    if place == "in a block":
        assert wire.status() == "T"
        wire.rows("COMMIT")
    assert ask(wire, sql, 1) == [["1", "one", "7"]]


def test_a_named_statement_prepared_after_the_change_is_another_than_one_before(cluster, wire):
    sql = "SELECT * FROM work.t WHERE id = $1"
    with connect(cluster) as early, connect(cluster) as late:
        assert rows_of(early.ask(Parse(sql, "s"), Bind([2], "s"), Execute(), Sync)) == [["2", "two"]]
        with node(cluster) as conn:
            conn.execute("ALTER TABLE work.t ADD more int DEFAULT 7")
        assert rows_of(late.ask(Parse(sql, "s"), Describe("S", "s"), Bind([2], "s"), Execute(), Sync)) == [["2", "two", "7"]]
        refused = error(early.ask(Bind([2], "s"), Execute(), Sync))
        assert refused["C"] == "0A000" and refused["M"] == "cached plan must not change result type"
        early.ask(Close("S", "s"), Sync)
        assert rows_of(early.ask(Parse(sql, "s"), Bind([2], "s"), Execute(), Sync)) == [["2", "two", "7"]]
        assert rows_of(late.ask(Bind([2], "s"), Execute(), Sync)) == [["2", "two", "7"]]


def test_errors_do_not_name_the_copy(wire):
    sql = "SELECT name FROM work.t WHERE id = $1"
    for _ in range(3):
        ask(wire, sql, 2)
    told = error(wire.ask(Parse(sql), Bind([1, 2]), Sync))
    assert told["M"] == 'bind message supplies 2 parameters, but prepared statement "" requires 1'
    told = error(wire.ask(Parse(sql), Bind(["x"]), Sync))
    assert told["W"] == "unnamed portal parameter $1 = '...'"
    assert ask(wire, sql, 2) == [["two"]]


def test_an_unnamed_statement_outlives_its_segment(wire):
    sql = "SELECT name FROM work.t WHERE id = $1"
    for _ in range(2):
        ask(wire, sql, 2)
    wire.ask(Parse(sql), Sync)
    wire.ask(Parse("BEGIN", "b"), Bind(statement="b"), Execute(), Sync)
    assert rows_of(wire.ask(Bind([1]), Execute(), Sync)) == [["one"]]
    assert rows_of(wire.ask(Bind([2]), Execute(), Sync)) == [["two"]]
    wire.rows("COMMIT")


def test_it_can_be_turned_off(start_own):
    cluster = start_own(shards=1, workers=1, pool_size=1, reuse_unnamed="off")
    with connect(cluster) as wire:
        for _ in range(4):
            ask(wire, "SELECT 5 -- off")
        assert copies(wire, "-- off") == []


# ---- simple queries (auto_prepare) ----

@pytest.fixture(scope="module")
def automatic(start_cluster):
    return start_cluster(shards=1, workers=1, pool_size=1, auto_prepare="on")


@pytest.fixture
def simple(automatic):
    with connect(automatic) as made:
        fill(made)
        yield made


def test_simple_queries_that_differ_in_integers_are_one_statement(simple):
    for id_, name in [(1, "one"), (2, "two"), (-1, None), (3000000000, None), (2, "two")]:
        answer = simple.ask(Query(f"SELECT name FROM work.t WHERE id = {id_} -- lifted"))
        assert rows_of(answer) == ([[name]] if name else []) and heard(answer).replace("D", "") == "TCZ"
    for id_ in (11, 12, 13, 14):
        assert heard(simple.ask(Query(f"INSERT INTO work.t VALUES ({id_}, 'x') -- lifted"))) == "CZ"
    found = dict(copies(simple, "-- lifted"))
    assert sorted(found) == ["INSERT INTO work.t VALUES ($1, 'x') -- lifted", "SELECT name FROM work.t WHERE id = $1 -- lifted"]
    assert simple.one("SELECT count(*) FROM work.t WHERE id > 10") == "4"


def test_errors_of_simple_queries_are_those_of_the_text_as_it_was_written(simple):
    for sql in ("SELECT name FROM work.t WHERE id = 1 AND nothing = 2", "SELECT name FROM work.t WHERE id = 1 AND name = 5",
                "SELECT 1 / (id - 1) FROM work.t WHERE id = 1", "INSERT INTO work.t VALUES (1, 'again')"):
        told = [simple.ask(Query(sql)) for _ in range(4)]
        assert all(answer == told[0] for answer in told)
        found = error(told[0])
        assert found["C"] in ("42703", "42883", "22012", "23505")
        if found["C"].startswith("42"):
            assert int(found["P"]) > len("SELECT name FROM work.t WHERE id = 1 AND ")


@pytest.mark.parametrize("name", CHANGES)
def test_simple_queries_hear_nothing_of_a_changed_schema(automatic, simple, name):
    change, sql, before, after = CHANGES[name]
    for _ in range(3):
        assert simple.query(sql.replace("$1", "2")) and rows_of(simple.ask(Query(sql.replace("$1", "2")))) == [before]
    with node(automatic) as conn:
        conn.execute(change)
    for _ in range(3):
        assert rows_of(simple.ask(Query(sql.replace("$1", "2")))) == [after]


def test_in_a_block_only_what_returns_no_rows_is_prepared(automatic, simple):
    for id_ in (21, 22, 23):
        simple.rows(f"INSERT INTO work.t VALUES ({id_}, 'x')")
        simple.rows(f"SELECT name FROM work.t WHERE id = {id_}")
    simple.rows("BEGIN")
    simple.rows("INSERT INTO work.t VALUES (24, 'x')")
    with node(automatic) as conn:
        conn.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            conn.execute("ALTER TABLE work.t ADD more int DEFAULT 7")
    assert simple.rows("SELECT * FROM work.t WHERE id = 24") == [("24", "x")]
    simple.rows("ROLLBACK")
    assert simple.rows("SELECT * FROM work.t WHERE id = 24") == []


@pytest.mark.parametrize("sql", ["SELECT current_query() FROM work.t WHERE id = 1 AND id + {} > 0", "SELECT asks() FROM work.t WHERE id < {} + 2 LIMIT 1",
                                 "SELECT query FROM work.asked WHERE id < {} + 2 LIMIT 1"])
def test_the_query_that_is_shown_is_the_one_that_was_written(simple, sql):
    simple.rows("CREATE OR REPLACE FUNCTION asks() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN current_query(); END'")
    simple.rows("CREATE VIEW work.asked AS SELECT id, current_query() AS query FROM work.t")
    for number in (1, 2, 3):
        assert simple.one(sql.format(number)) == sql.format(number)


def test_a_trigger_writes_down_the_query_that_was_written(simple):
    simple.rows("CREATE TABLE work.log (query text)")
    simple.rows("CREATE FUNCTION work.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO work.log VALUES (current_query()); RETURN NULL; END'")
    simple.rows("CREATE TRIGGER t AFTER INSERT ON work.t FOR EACH STATEMENT EXECUTE FUNCTION work.note()")
    queries = [f"INSERT INTO work.t VALUES ({number}, 'x')" for number in range(10, 14)]
    for query in queries:
        simple.rows(query)
    assert [query for query, in simple.rows("SELECT query FROM work.log")] == queries


def test_a_simple_query_sees_itself_run_as_one(simple):
    for _ in range(3):
        assert simple.one("SELECT now() = statement_timestamp() FROM work.t WHERE id = 1") == "t"
        assert simple.rows("SELECT name FROM pg_cursors WHERE is_holdable IS NOT NULL AND length(name) < 1") == []


@pytest.mark.parametrize("sql", ["UPDATE work.small SET a = {} WHERE id = 77", "UPDATE work.small SET n = {} WHERE id = 77",
                                 "SELECT * FROM work.small WHERE id = 5 AND a = 1 / ({} - 100000)"])
def test_a_constant_that_does_not_fit_is_refused_although_no_row_has_it(simple, sql):
    """A generic plan would not have met it; PostgreSQL takes one after five others."""
    simple.rows("CREATE TABLE work.small (id int PRIMARY KEY, a smallint, n numeric(4, 1))")
    for number in range(8):
        assert simple.error(sql.format(number)) is None
    assert simple.error(sql.format(100000)) in ("22003", "22012")


@pytest.mark.parametrize("sql", ["INSERT INTO work.t VALUES (1, 'again') RETURNING id",
                                 "WITH made AS (INSERT INTO work.t VALUES (1, 'again') RETURNING id) SELECT id FROM made WHERE id > 0"])
def test_columns_of_what_fails_while_it_changes_rows_are_not_told(simple, sql):
    for _ in range(4):
        assert heard(simple.ask(Query(sql))) == "EZ"


# ---- what the server remarks upon ----

LONG = "x" * 70


@pytest.mark.parametrize("sql", [f"SELECT id AS {LONG} FROM work.t WHERE id = 1", "SELECT remarks(1) FROM work.t WHERE id = 1"])
@pytest.mark.parametrize("ask", [Query, lambda sql: run(sql) + Sync, lambda sql: Close("S", "s") + Parse(sql, "s") + Bind(statement="s") + Execute() + Sync],
                         ids=["simple", "unnamed", "named"])
def test_what_the_server_says_while_it_reads_or_plans_is_heard_each_time(automatic, simple, sql, ask):
    simple.rows("CREATE OR REPLACE FUNCTION remarks(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'seen'; RETURN $1; END $$")
    with connect(automatic) as other:
        for wire in (simple, other, other, simple, simple):
            assert heard(wire.ask(ask(sql))).count("N") == 1
    with connect(automatic, client_min_messages="warning") as quiet:
        for _ in range(4):
            assert heard(quiet.ask(ask(sql))).count("N") == 0
        assert heard(simple.ask(ask(sql))).count("N") == 1


# ---- definitions that do not show ----

def test_a_function_that_a_do_block_makes_is_the_one_that_is_called(cluster, wire):
    sql = "SELECT work.which(1::smallint)"
    wire.rows("CREATE FUNCTION work.which(int) RETURNS text LANGUAGE sql AS $$ SELECT 'int' $$")
    for _ in range(3):
        assert ask(wire, sql) == [["int"]]
    wire.rows("DO $do$ BEGIN CREATE FUNCTION work.which(smallint) RETURNS text LANGUAGE sql AS $$ SELECT 'smallint' $$; END $do$")
    assert ask(wire, sql) == [["smallint"]]
    with connect(cluster) as other:
        assert ask(other, sql) == [["smallint"]]
