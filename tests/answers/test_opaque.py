"""Code that a statement runs without calling it by a name of a table: aggregates, operators, casts, domains, attributes, views, procedures. The
answer is that of one PostgreSQL, or the statement is refused."""
import psycopg
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.wire import FunctionCall, Wire, fields

ONE_LOOP = "uring"

SHARDS = 2
ROWS = 40

SCHEMA = """
    CREATE TABLE s (k bigint PRIMARY KEY, p int, t varchar(20), at timestamptz DEFAULT '2020-01-01Z', n2 bigint);
    CREATE TABLE h (id int PRIMARY KEY, v bigint, t text);
    CREATE TABLE log (what text, n bigint);
    CREATE TABLE r (a int);
    CREATE SEQUENCE numbers;
    CREATE FUNCTION cnt() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM s); END';
    CREATE FUNCTION cnt_home() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM h); END';
    CREATE FUNCTION note(what text) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES ($1); RETURN 1; END';
    CREATE FUNCTION plus_one(n bigint) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN n + 1; END';
    CREATE FUNCTION by_text(name text) RETURNS bigint LANGUAGE plpgsql AS
        'DECLARE n bigint; BEGIN EXECUTE format(''SELECT count(*) FROM %I'', name) INTO n; RETURN n; END';
    CREATE TYPE cp AS (a int);
"""


@pytest.fixture(scope="module")
def both(start_cluster):
    """The plain server and the sharded database, with the same rows."""
    one, many = start_cluster(shards=1), start_cluster(shards=SHARDS)
    for conn in one.connect_node(), many.connect():
        with conn:
            conn.execute(SCHEMA)
            if conn.info.port == many.router.port:
                conn.execute("SELECT nanu.shard_table('s', key => 'k')")
            for k in range(ROWS):
                conn.execute(f"INSERT INTO s (k, p, t) VALUES ({k}, {k % 7}, 'x{k % 5}')")
            conn.execute("INSERT INTO h VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, NULL)")
            conn.execute("INSERT INTO r VALUES (1)")
    return one, many


class Pair:
    def __init__(self, one, many):
        self.one, self.many = one, many

    def make(self, *definitions):
        for definition in definitions:
            for conn in self.one, self.many:
                conn.execute(definition)

    def same(self, *statements):
        for statement in statements:
            expected, got = ((cursor.fetchall() if cursor.description else cursor.statusmessage)
                             for cursor in (conn.execute(statement) for conn in (self.one, self.many)))
            assert expected == got, statement

    def refused(self, *statements):
        for statement in statements:
            with pytest.raises(psycopg.Error) as caught:
                got = self.many.execute(statement)
                pytest.fail(f"{statement}: {got.fetchall() if got.description else got.statusmessage}")
            assert caught.value.sqlstate == "0A000" and caught.value.diag.message_hint, (statement, caught.value)
            self.last = caught.value


@pytest.fixture
def pair(both):
    with both[0].connect_node() as one, both[1].connect() as many:
        yield Pair(one, many)


@pytest.fixture
def passing(pair):
    """What is made in the test's schema goes with it."""
    pair.make("DROP SCHEMA IF EXISTS x CASCADE", "CREATE SCHEMA x")
    yield pair
    pair.make("DROP SCHEMA x CASCADE")


# ---- expressions that run code without calling it ----

@pytest.mark.parametrize("support", ["SFUNC = x.step, STYPE = bigint, INITCOND = '0'",
                                     "SFUNC = int8pl, STYPE = bigint, INITCOND = '0', FINALFUNC = x.final",
                                     "SFUNC = int8pl, STYPE = bigint, INITCOND = '0', MSFUNC = x.step, MINVFUNC = x.step, MSTYPE = bigint"])
def test_aggregates_are_looked_into(passing, support):
    pair = passing
    pair.make("CREATE FUNCTION x.step(bigint, bigint) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM s); END'",
              "CREATE FUNCTION x.final(bigint) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM s); END'",
              f"CREATE AGGREGATE x.agg(bigint) ({support})", "CREATE AGGREGATE x.plain(bigint) (SFUNC = int8pl, STYPE = bigint, INITCOND = '0')",
              "CREATE FUNCTION x.caller() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT x.agg(id) FROM h'",
              "CREATE FUNCTION x.tr() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := (SELECT x.agg(id) FROM h); RETURN NEW; END'",
              "CREATE TABLE x.t (id int, v bigint)", "CREATE TRIGGER tr BEFORE INSERT ON x.t FOR EACH ROW EXECUTE FUNCTION x.tr()",
              "CREATE VIEW x.seen AS SELECT x.agg(id) FROM h")
    pair.refused("SELECT x.agg(id) FROM h", "SELECT x.agg(id) OVER () FROM h", "SELECT x.agg(p) FROM s WHERE k = 3", "SELECT x.agg(p) FROM s",
                 "SELECT x.caller()", "INSERT INTO x.t VALUES (1, 1)", "SELECT * FROM x.seen")
    pair.same("SELECT x.plain(id) FROM h", "SELECT x.plain(p) FROM s WHERE k = 3")


def test_operators_are_looked_into(passing):
    pair = passing
    pair.make("CREATE FUNCTION x.op(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM s); END'",
              "CREATE FUNCTION x.add(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1 + $2; END'",
              "CREATE OPERATOR public.@@@@ (LEFTARG = int, RIGHTARG = int, FUNCTION = x.op)",
              "CREATE OPERATOR public.+@+ (LEFTARG = int, RIGHTARG = int, FUNCTION = x.add)",
              "CREATE FUNCTION x.uses() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1 @@@@ 2'",
              "CREATE VIEW x.seen AS SELECT 1 @@@@ 2", "CREATE TABLE x.t (id int DEFAULT 1 @@@@ 2)")
    pair.refused("SELECT 1 @@@@ 2", "SELECT 1 OPERATOR(public.@@@@) 2", "SELECT k FROM s WHERE k = 3 AND 1 @@@@ 2 < 150",
                 "SELECT count(*) FROM s WHERE 1 @@@@ p < 150", "SELECT * FROM h WHERE id @@@@ ANY (ARRAY[1, 2]) > 0", "SELECT x.uses()",
                 "SELECT * FROM x.seen", "INSERT INTO x.t DEFAULT VALUES", "SELECT * FROM h WHERE 1 @@@@ ANY (SELECT 1) > 0",
                 "UPDATE h SET v = 1 @@@@ 2", "PREPARE q AS SELECT 1 @@@@ 2")
    pair.same("SELECT 1 +@+ 2", "SELECT k FROM s WHERE k = 3 AND 1 +@+ p > 0", "SELECT count(*) FROM s", "SELECT 1 + 2", "SELECT id FROM h ORDER BY id")


def test_an_operator_of_the_own_transaction_is_not_trusted(passing):
    passing.make("CREATE FUNCTION x.op(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM s); END'",
                 "CREATE FUNCTION x.add(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1 + $2; END'", "CREATE TYPE x.row AS (a int)")
    for definition, statement in [
        ("CREATE OPERATOR public.@@@@ (LEFTARG = int, RIGHTARG = int, FUNCTION = x.op)", "SELECT 1 @@@@ id FROM h"),
        ("CREATE DOMAIN x.dd AS int CHECK (x.op(VALUE, 1) > 0)", "SELECT id::x.dd FROM h"),
        ("CREATE AGGREGATE x.agg(int) (SFUNC = x.op, STYPE = int)", "SELECT x.agg(id) FROM h"),
        ("CREATE FUNCTION x_attribute(h) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM s'", "SELECT h.x_attribute FROM h"),
    ]:
        with pytest.raises(psycopg.Error) as caught, passing.many.transaction():
            passing.many.execute(definition)
            passing.many.execute(statement)
        assert caught.value.sqlstate == "0A000" and caught.value.diag.message_hint, caught.value
    with passing.many.transaction():
        passing.many.execute("CREATE OPERATOR public.+@+ (LEFTARG = int, RIGHTARG = int, FUNCTION = x.add)")
        passing.many.execute("CREATE DOMAIN x.small AS int CHECK (VALUE < 10)")
        assert passing.many.execute("SELECT 1 +@+ id::x.small FROM h WHERE id = 2").fetchone() == (3,)


def test_code_that_reads_home_tables_runs_on_the_home_shard(passing):
    pair = passing
    pair.make("CREATE FUNCTION x.op(int, int) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM r); END'",
              "CREATE OPERATOR public.@+@ (LEFTARG = int, RIGHTARG = int, FUNCTION = x.op)",
              "CREATE FUNCTION x_of(cp) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM r); END'",
              "CREATE FUNCTION x.dflt(n bigint DEFAULT cnt_home()) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1'")
    try:
        for k in range(8):
            pair.same(f"SELECT p FROM s WHERE k = {k}", "SELECT 1 @+@ 2", "SELECT (ROW(1)::cp).x_of", "SELECT x.dflt()")
        pair.refused("SELECT 1 @+@ p FROM s WHERE k = 3", "SELECT count(*) FROM s WHERE 1 @+@ p > 0", "SELECT x.dflt() FROM s WHERE k = 3")
    finally:
        pair.make("DROP FUNCTION x_of")


def test_casts_are_looked_into(passing):
    pair = passing
    pair.make("CREATE FUNCTION x.of(cp) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM s); END'",
              "CREATE TABLE x.t (c cp)", "INSERT INTO x.t VALUES (ROW(1))", "CREATE CAST (cp AS int) WITH FUNCTION x.of(cp) AS IMPLICIT",
              "CREATE FUNCTION x.make() RETURNS cp LANGUAGE sql IMMUTABLE AS 'SELECT ROW(1)::public.cp'")
    pair.refused("SELECT ROW(1)::cp::int", "SELECT ROW(1)::cp + 1", "SELECT c + 1 FROM x.t", "SELECT x.make() + 1", "INSERT INTO h VALUES (9, ROW(1)::cp)",
                 "SELECT (ARRAY[ROW(1)]::cp[])[1] + 1")
    pair.same("SELECT id FROM h WHERE id::text = '1'", "SELECT count(*) FROM s")
    pair.make("DROP CAST (cp AS int)")
    pair.same("SELECT (c).a FROM x.t")


def test_checks_of_domains_are_looked_into(passing):
    pair = passing
    pair.make("CREATE DOMAIN x.dd AS bigint CHECK (VALUE < cnt())", "CREATE DOMAIN x.small AS bigint CHECK (VALUE < 1000)",
              "CREATE TYPE x.holder AS (d x.dd)", "CREATE FUNCTION x.takes(x.dd) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'",
              "CREATE TABLE x.def (id int, v bigint DEFAULT 30::x.dd)", "CREATE VIEW x.seen AS SELECT 30::x.dd AS d")
    pair.refused("SELECT 30::x.dd", "SELECT CAST(30 AS x.dd)", "SELECT count(*) FROM s WHERE k::x.dd > 0", "SELECT k::x.dd FROM s WHERE k = 3",
                 "SELECT * FROM json_populate_record(NULL::x.holder, '{\"d\": 30}')", "SELECT * FROM json_to_record('{\"d\": 30}') AS j(d x.dd)",
                 "SELECT x.takes(30)", "SELECT ROW(30)::x.holder", "INSERT INTO x.def (id) VALUES (1)", "SELECT * FROM x.seen",
                 "ALTER TABLE h ADD c x.dd", "CREATE INDEX ON h ((v::x.dd))", "CREATE TEMP TABLE tt (d x.dd)",
                 "CREATE TEMP TABLE tt (LIKE x.def INCLUDING DEFAULTS)", "COPY h FROM STDIN WHERE v::x.dd > 0", "COPY h FROM STDIN WHERE cnt() > 0", "PREPARE q(x.dd) AS SELECT $1", "SELECT domain_in('30', 'x.dd'::regtype, -1)")
    pair.same("SELECT 30::x.small", "SELECT id FROM h WHERE id = 1", "INSERT INTO x.def VALUES (1, 3)")
    type = pair.many.execute("SELECT 'x.dd'::regtype::oid").fetchone()[0]
    for statement in b"SELECT $1", b"SELECT $1, v FROM h":
        result = pair.many.pgconn.exec_params(statement, [b"30"], [type])
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"0A000"
    assert pair.many.pgconn.exec_params(b"SELECT $1", [b"30"], [20]).get_value(0, 0) == b"30"


def test_attributes_that_are_functions_are_looked_into(passing):
    pair = passing
    pair.make("CREATE FUNCTION x_home(h) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM s); END'",
              "CREATE FUNCTION x_shard(s) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM s); END'",
              "CREATE FUNCTION x_any(anyelement) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM s); END'",
              "CREATE FUNCTION x_fine(h) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.t || ''!'''")
    try:
        pair.refused("SELECT h.x_home FROM h", "SELECT (h).x_home FROM h", "SELECT x_home(h) FROM h", "SELECT h.x_any FROM h", "SELECT q.x_home FROM h q",
                     "SELECT s.x_shard FROM s WHERE k = 3", "SELECT s.x_shard, count(*) FROM s GROUP BY 1")
        pair.same("SELECT h.x_fine FROM h ORDER BY 1", "SELECT h.v FROM h ORDER BY 1")
    finally:
        pair.make("DROP FUNCTION x_home, x_shard, x_any, x_fine")


def test_defaults_of_arguments_and_overloads_are_looked_into(passing):
    pair = passing
    pair.make("CREATE FUNCTION x.dflt(n bigint DEFAULT cnt()) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1'",
              "CREATE FUNCTION abs(text) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM s); END'")
    try:
        pair.refused("SELECT x.dflt()", "SELECT abs('x'::text)")
    finally:
        pair.make("DROP FUNCTION abs(text)")
    pair.same("SELECT abs(-1)")


def test_built_in_functions_that_read_tables_are_refused_by_their_number_too(both):
    with both[1].connect() as conn:
        number = conn.execute("SELECT oid FROM pg_proc WHERE proname = 'query_to_xml'").fetchone()[0]
    with Wire(both[1].router.port, USER, USER_PASSWORD, DATABASE) as wire:
        answers = wire.ask(FunctionCall(number, ["SELECT count(*) FROM s", "t", "f", ""]))
        assert [fields(body)["C"] for kind, body in answers if kind == "E"] == ["0A000"]


def test_extensions_stay_usable(passing):
    pair = passing
    pair.make(*(f'CREATE EXTENSION "{name}"' for name in ("citext", "hstore", "pgcrypto", "uuid-ossp", "pg_trgm", "tablefunc")))
    try:
        pair.make("CREATE TABLE x.t (c citext, e hstore)", "INSERT INTO x.t VALUES ('aB', 'a=>1')")
        pair.same("SELECT c = 'AB', e -> 'a' FROM x.t", "SELECT max(c) FROM x.t", "SELECT similarity('ab', 'abc'), 'word' % 'words'",
                  "SELECT encode(digest('a', 'sha1'), 'hex')", "SELECT uuid_generate_v4() IS NULL, length(gen_salt('bf'))", "SELECT t % 'x1' FROM s WHERE k = 1",
                  "SELECT k FROM s WHERE k = 3 AND t::citext = 'X3'", "SELECT count(*) FROM normal_rand(3, 0, 1)")
        pair.refused("SELECT * FROM crosstab('SELECT 1, 2, 3') AS c(a int, b int)",
                     "SELECT count(*) FROM connectby('s', 'k', 'p', '1', 0) AS c(a bigint, b int, l int)")
        # A citext of its own does not concern other types.
        pair.same("SELECT max(at) FROM s", "SELECT min(k), max(p), sum(p), count(*) FROM s", "SELECT max(t) FROM s WHERE k = 3",
                  "SELECT p, max(at), min(k) FROM s GROUP BY p ORDER BY p", "SELECT max(t), min(t COLLATE \"C\") FROM s WHERE k = 4")
        pair.refused("SELECT max(t::citext) FROM s")
        assert "max" in str(pair.last)
    finally:
        pair.make('DROP EXTENSION citext, hstore, pgcrypto, "uuid-ossp", pg_trgm, tablefunc CASCADE')


# ---- what is harmless runs ----

def test_views_over_home_tables_are_read_and_written(passing):
    pair = passing
    pair.make("CREATE VIEW x.v AS SELECT id, v, t FROM h", "CREATE VIEW x.vv AS SELECT v.id FROM x.v JOIN h USING (id)", "CREATE VIEW x.one AS SELECT 1 AS n",
              "CREATE VIEW x.f AS SELECT cnt_home() AS n, plus_one(4) AS m", "CREATE VIEW x.bad AS SELECT count(*) FROM s",
              "CREATE VIEW x.worse AS SELECT cnt() FROM h", "CREATE VIEW x.worst AS SELECT * FROM x.worse")
    pair.same("SELECT * FROM x.v ORDER BY id", "SELECT * FROM x.vv ORDER BY id", "SELECT * FROM x.one", "SELECT * FROM x.f",
              "INSERT INTO x.v VALUES (50, 1, 'n') RETURNING id", "UPDATE x.v SET t = 'm' WHERE id = 50 RETURNING v", "SELECT * FROM h WHERE id = 50",
              "DELETE FROM x.v WHERE id = 50", "SELECT count(*) FROM x.v WHERE id IN (SELECT id FROM x.vv)")
    pair.refused("SELECT * FROM x.bad", "SELECT * FROM x.worse", "SELECT * FROM x.worst", "SELECT count(*) FROM s, x.v")
    pair.refused("CREATE TEMP VIEW tv AS SELECT count(*) FROM s")
    pair.make("CREATE FUNCTION x.tr() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := (SELECT count(*) FROM s); RETURN NEW; END'",
              "CREATE TRIGGER x_tr BEFORE INSERT ON h FOR EACH ROW EXECUTE FUNCTION x.tr()")
    pair.refused("INSERT INTO x.v VALUES (51, 1, 'n')")
    pair.same("SELECT * FROM x.v ORDER BY id")


def test_functions_are_called_when_they_touch_home_tables_only(pair):
    pair.same("SELECT cnt_home()", "SELECT plus_one(v) FROM h ORDER BY 1", "SELECT note('a')", "SELECT count(*) FROM log",
              "SELECT plus_one(k) FROM s WHERE k = 3", "INSERT INTO s (k, n2) VALUES (1000, plus_one(4)) RETURNING n2", "DELETE FROM s WHERE k = 1000",
              "SELECT * FROM plus_one(3)", "UPDATE h SET v = plus_one(v) WHERE id = 1 RETURNING v")
    pair.refused("SELECT cnt()", "SELECT by_text('s')", "SELECT cnt_home() FROM s WHERE k = 3", "SELECT note('a') FROM s WHERE k = 3",
                 "SELECT plus_one(cnt())", "INSERT INTO s (k, n2) VALUES (1001, cnt_home())")


def test_procedures_and_blocks_run_when_they_touch_home_tables_only(passing):
    pair = passing
    pair.make("CREATE PROCEDURE x.fine(n int) LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (''p'', n); COMMIT; INSERT INTO log VALUES (''p'', n + 1); END'",
              "CREATE PROCEDURE x.bad() LANGUAGE plpgsql AS 'BEGIN DELETE FROM s; END'",
              "CREATE PROCEDURE x.text() LANGUAGE plpgsql AS 'BEGIN EXECUTE ''DELETE FROM s''; END'")
    pair.same("CALL x.fine(3)", "SELECT n FROM log WHERE what = 'p' ORDER BY n", "DO $$BEGIN INSERT INTO log VALUES ('do', 1); END$$",
              "DO LANGUAGE plpgsql $$DECLARE n int; BEGIN n := 1; END$$", "SELECT count(*) FROM log WHERE what = 'do'")
    pair.refused("CALL x.bad()", "CALL x.text()", "CALL x.fine(cnt()::int)", "DO $$BEGIN DELETE FROM s; END$$", "DO $$BEGIN PERFORM cnt(); END$$",
                 "DO $$BEGIN EXECUTE 'DELETE FROM ' || 's'; END$$")
    pair.same("SELECT count(*) FROM s")


def test_a_trigger_that_touches_only_its_row_runs_on_a_sharded_table(passing):
    pair = passing
    pair.make("CREATE FUNCTION x.touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.at := now(); NEW.p := plus_one(NEW.p);"
              " IF NEW.p > 1000 THEN RAISE EXCEPTION 'too many: %', NEW.p; END IF; RETURN NEW; END$$",
              "CREATE FUNCTION x.audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (TG_OP); RETURN NEW; END'",
              "CREATE FUNCTION x.number() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.p := nextval('numbers'); RETURN NEW; END$$",
              "CREATE TABLE x.t (id bigint PRIMARY KEY, p int, at timestamptz)",
              "CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON x.t FOR EACH ROW EXECUTE FUNCTION x.touch()")
    pair.many.execute("SELECT nanu.shard_table('x.t', key => 'id')")
    pair.make("CREATE TRIGGER touch BEFORE UPDATE ON s FOR EACH ROW EXECUTE FUNCTION x.touch()")
    for id in range(6):
        pair.same(f"INSERT INTO x.t VALUES ({id}, 1) RETURNING p, at IS NOT NULL", f"UPDATE x.t SET p = 4 WHERE id = {id} RETURNING p")
    pair.same("SELECT count(*), sum(p) FROM x.t", "UPDATE s SET p = 5 WHERE k = 3 RETURNING p, at > '2021-01-01'")
    for function in "audit", "number":
        pair.refused(f"CREATE TRIGGER more BEFORE UPDATE ON s FOR EACH ROW EXECUTE FUNCTION x.{function}()")
        pair.many.execute(f"CREATE TABLE x.{function} (id bigint, p int)")
        pair.many.execute(f"CREATE TRIGGER more BEFORE INSERT ON x.{function} FOR EACH ROW EXECUTE FUNCTION x.{function}()")
        pair.refused(f"SELECT nanu.shard_table('x.{function}', key => 'id')")
    pair.make("DROP TRIGGER touch ON s")


# ---- names, keys ----

def test_statements_over_several_shards_follow_search_path(passing):
    pair = passing
    pair.make("CREATE TABLE x.s (k bigint PRIMARY KEY, p int)")
    pair.many.execute("SELECT nanu.shard_table('x.s', key => 'k')")
    for k in range(9):
        pair.make(f"INSERT INTO x.s VALUES ({k}, {k})")
    for path in "public", '"$user", public', "x, public", "public, x", "x", "pg_catalog, x", "nowhere, x":
        pair.make(f"SET search_path = {path}")
        pair.same("SELECT count(*), sum(p) FROM s", "SELECT k FROM s WHERE p > 4 ORDER BY k LIMIT 3", "SELECT max(k) FROM public.s")
    pair.make("RESET search_path")
    pair.same("SELECT count(*) FROM s")


def test_foreign_keys_to_a_sharded_table(passing):
    pair = passing
    pair.refused("CREATE TABLE x.c (id bigint REFERENCES s)")
    assert "shard the table" in pair.last.diag.message_hint and "ADD FOREIGN KEY" in pair.last.diag.message_hint
    pair.many.execute("CREATE TABLE x.c (k bigint, n int)")
    pair.refused("ALTER TABLE x.c ADD FOREIGN KEY (k) REFERENCES s")
    pair.many.execute("SELECT nanu.shard_table('x.c', key => 'k')")
    pair.refused("ALTER TABLE x.c ADD FOREIGN KEY (n) REFERENCES s")
    pair.many.execute("ALTER TABLE x.c ADD FOREIGN KEY (k) REFERENCES s")
    pair.many.execute("INSERT INTO x.c VALUES (3, 3)")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        pair.many.execute("INSERT INTO x.c VALUES (3333, 3)")


def test_a_key_that_is_null_has_no_shard(passing):
    pair = passing
    pair.many.execute("CREATE TABLE x.n (k bigint, p int)")
    pair.many.execute("SELECT nanu.shard_table('x.n', key => 'k')")
    pair.refused("INSERT INTO x.n VALUES (NULL, 1)")
    assert "no shard" in str(pair.last)
    pair.refused("INSERT INTO x.n (p) VALUES (1)", "INSERT INTO x.n VALUES (DEFAULT, 1)")
    for statement in "INSERT INTO s VALUES (NULL)", "INSERT INTO s (p) VALUES (1)", "INSERT INTO s VALUES (DEFAULT)":
        with pytest.raises(psycopg.errors.NotNullViolation) as caught:
            pair.many.execute(statement)
        assert caught.value.diag.message_primary == 'null value in column "k" of relation "s" violates not-null constraint'
