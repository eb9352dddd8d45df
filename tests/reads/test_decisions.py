"""What leaves the primary is decided as PostgreSQL itself would: statements of all kinds, each explained, run through nanu with replicas in use and
directly, and, where nanu would send it to a replica, on that replica."""
import re

import psycopg
import pytest

from harness.cluster import USER, USER_PASSWORD
from harness.postgres import PASSWORD, SUPERUSER
from harness.wait import wait_until
from transparency.both import WAYS
from transparency.cases_sql import SCRIPTS, SETUP

from .scene import beside

ONE_LOOP = "uring"

MAKES = re.compile(r"create|into|alter|prepare transaction|insert|update|delete|setval|nextval|truncate|copy|merge|drop|import", re.I)
OF_MOMENT = re.compile(r"random|clock_timestamp|now\(|current_time|localtime|timeofday|gen_random|uuid", re.I)
ALONE = {name: statements[0] for name, statements in SCRIPTS.items() if len(statements) == 1}
READING = {name: sql for name, sql in ALONE.items() if not MAKES.search(sql)}
REPLICA = "Node: a replica, where nanu.consistency allows it"

# What a replica would take, and nanu keeps on the primary: code that may do anything, what is a server's own, what it cannot look into.
KEPT = re.compile(r"\b(tell|warn|fail|many)\(|pg_\w+|information_schema|current_setting|set_config|txid|version\(|explain|show|lo_|dblink|has_\w+_privilege"
                  r"|inet_|setseed|currval|lastval|query_to_xml|table_to_xml|ts_stat|to_reg|no_such|nope|tablesample|FROM b|format_type|col_description|obj_description", re.I)


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=1, replicas=1, workers=1, consistency="eventual")
    with made.servers[0].connect(made.node_database) as conn:
        if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = 'other'").fetchone():
            conn.execute(f"CREATE ROLE other; GRANT other TO {USER}")
        conn.execute(f"ALTER DATABASE {made.node_database} SET search_path = work, public")
    with made.servers[0].connect(made.node_database) as conn:
        conn.execute(SETUP)
    made.catch_up()
    made.router.stop()  # the schema is known from its start
    made.router.start()
    wait_until(lambda: made.execute("SELECT bool_and(serves) FROM nanu.replication WHERE role = 'replica'") == [(True,)], "the replica serves")
    return made


@pytest.fixture(scope="module")
def both(cluster, farm):
    return beside(cluster, farm, SETUP, by=(SUPERUSER, PASSWORD), search_path="work, public")


@pytest.mark.parametrize("name", READING)
def test_replicas_answer_as_the_primary_does(both, name):
    both.compare(name, [step for make in WAYS.values() for step in make([READING[name]])], makes_objects=False)


def reads(cluster):
    (number,), = cluster.execute("SELECT value FROM nanu.stats WHERE name = 'replica_reads'")
    return number


def test_many_left_the_primary(cluster):
    """The test above says nothing if all of it stayed there."""
    assert reads(cluster) > 500


def leaves(conn, sql):
    """Whether nanu would let a replica serve it; None: it cannot be parsed."""
    try:
        return REPLICA in [line for line, in conn.execute("SELECT nanu.explain(%s)", [sql])]
    except psycopg.errors.SyntaxError:
        return None


def test_each_decision_is_postgresqls(cluster):
    left, wrong = 0, []
    with cluster.connect() as conn, on_replica(cluster) as replica:
        for name, sql in ALONE.items():
            left += bool(leaves(conn, sql))
            refused = refusal(replica, sql)
            if leaves(conn, sql) and refused:
                wrong.append(f"{name}: a replica refuses it: {refused}")
            elif leaves(conn, sql) is False and not refused and not KEPT.search(sql) and re.match(r"\s*(select|with|values|table)\b", sql, re.I):
                wrong.append(f"{name}: a replica takes it, and nothing keeps it on the primary: {sql[:200]}")
    assert not wrong, "\n".join(wrong)
    assert left >= 100


# VOLATILE, but a replica answers as well as the primary; STABLE, but of the server that is asked.
READS_TEXT = re.compile(r"(table|schema|database)_to_xml")  # its arguments say which tables: it could not be told what of
HARMLESS = {"clock_timestamp", "gen_random_uuid", "pg_sleep", "pg_sleep_for", "pg_sleep_until", "random", "timeofday"}
OF_SERVER = re.compile(r"current_setting|inet_server_|pg_backend_pid|pg_conf_load_time|pg_current_snapshot|pg_current_xact_id"
                       r"|pg_postmaster_start_time|pg_sequence_last_value|txid_current|version$|pg_stat_|pg_show_")


def test_functions_leave_by_their_volatility(cluster):
    """Every function of PostgreSQL's own, called with NULLs."""
    with on_replica(cluster) as replica, cluster.connect() as conn:
        functions = replica.execute(
            "SELECT proname, provolatile = 'v', (SELECT coalesce(string_agg('NULL::' || format_type(a, NULL), ', '), '') FROM unnest(proargtypes) a),"
            " EXISTS (SELECT FROM pg_proc o WHERE o.proname = p.proname AND o.provolatile = 'v') FROM pg_proc p"
            " WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT EXISTS (SELECT FROM pg_type t"
            "  WHERE t.oid = ANY (proargtypes || prorettype) AND t.typtype = 'p' AND t.typname <> 'void')").fetchall()
        wrong, asked = [], 0
        for name, volatile, arguments, some_volatile in functions:
            sql = f'SELECT pg_catalog."{name}"({arguments})'
            expected = (not some_volatile or name in HARMLESS) and not OF_SERVER.match(name) and not READS_TEXT.match(name)
            decided = leaves(conn, sql)
            if decided and volatile and name not in HARMLESS:
                wrong.append(f"{sql}: it is VOLATILE, and leaves the primary")
            if decided != expected:
                wrong.append(f"{sql}: leaves: {decided}, by its volatility: {expected}")
            if decided and name not in HARMLESS:
                asked += 1
                if refusal(replica, sql):
                    wrong.append(f"{sql}: a replica refuses it: {refusal(replica, sql)}")
        assert not wrong, "\n".join(wrong[:50])
        assert asked >= 1000


def on_replica(cluster):
    return cluster.replicas[0][0].connect(cluster.node_database, user=USER, password=USER_PASSWORD)


def refusal(replica, sql):
    """Why a replica does not take it: what it says of itself, and not of the statement."""
    try:
        replica.execute(sql)
    except psycopg.Error as error:
        text = str(error)
        if error.sqlstate in ("25006",) or "recovery" in text:
            return text
    return None


# ---- what stands around a query ----

@pytest.fixture(scope="module")
def views(cluster):
    """The view of every query that can be one -> the query."""
    made = {}
    with cluster.connect_node() as conn:
        conn.execute("CREATE SCHEMA views")
        for number, sql in enumerate(READING.values()):
            try:
                conn.execute(f"CREATE VIEW views.v{number} AS {sql}")
            except psycopg.Error:       # it is none
                continue
            made[f"views.v{number}"] = sql
    cluster.execute("CREATE TABLE views.known_now ()")
    cluster.catch_up()
    return made


def test_a_view_leaves_as_its_query_does(cluster, views):
    assert len(views) >= 80
    with cluster.connect() as conn, on_replica(cluster) as replica:
        left = {view: leaves(conn, f"SELECT * FROM {view}") for view in views}
        wrong = [f"{sql}: leaves: {leaves(conn, sql)}, as a view: {left[view]}" for view, sql in views.items() if leaves(conn, sql) != left[view]]
        wrong += [f"{views[view]}: a replica refuses its view" for view in views if left[view] and refusal(replica, f"SELECT * FROM {view}")]
    assert not wrong, "\n".join(wrong)
    assert sum(left.values()) >= 50


def test_replicas_answer_of_views_as_the_primary_does(cluster, views):
    def answer(conn, view):
        try:
            return conn.execute(f"SELECT v::text FROM {view} v").fetchall()
        except psycopg.Error as error:
            return error.sqlstate
    with cluster.connect() as conn, cluster.connect_node() as direct:
        steady = [view for view, sql in views.items() if leaves(conn, f"SELECT * FROM {view}") and not OF_MOMENT.search(sql)]
        before = reads(cluster)
        wrong = [f"{views[view]}: {answer(conn, view)}, and not {answer(direct, view)}" for view in steady if answer(conn, view) != answer(direct, view)]
        assert not wrong, "\n".join(wrong)
        assert reads(cluster) - before >= len(steady)


def test_a_copy_leaves_as_its_query_does(cluster):
    wrong, left = [], 0
    with cluster.connect() as conn:
        for name, sql in READING.items():
            copy = f"COPY ({sql.strip().rstrip(';')}\n) TO STDOUT"
            decided = leaves(conn, copy)
            left += bool(decided)
            if decided is not None and decided != leaves(conn, sql):
                wrong.append(f"{name}: leaves: {leaves(conn, sql)}, copied: {decided}")
    assert not wrong, "\n".join(wrong)
    assert left >= 100


OBJECTS = """
CREATE SCHEMA deep; SET search_path = deep, public;
CREATE EXTENSION postgres_fdw SCHEMA public; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;
CREATE FOREIGN TABLE far (a int) SERVER elsewhere;
CREATE SEQUENCE numbers; CREATE UNLOGGED TABLE light (a int); CREATE TABLE base (a int); INSERT INTO base VALUES (1), (2);
CREATE TABLE parts (a int) PARTITION BY LIST (a); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1); INSERT INTO parts VALUES (1);
CREATE TABLE mixed (a int) PARTITION BY LIST (a); CREATE TABLE mixed_1 PARTITION OF mixed FOR VALUES IN (1);
CREATE FOREIGN TABLE mixed_2 PARTITION OF mixed FOR VALUES IN (2) SERVER elsewhere;
CREATE TABLE guarded (a int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON guarded USING (public.tell('x') IS NOT NULL);
CREATE FUNCTION stays(int) RETURNS int STABLE LANGUAGE sql AS 'SELECT $1 + 1';
CREATE FUNCTION moves(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1';
CREATE FUNCTION given(int DEFAULT moves(1)) RETURNS int STABLE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION adds(int, int) RETURNS int LANGUAGE sql AS 'SELECT $1 + coalesce($2, 0)';
CREATE AGGREGATE total(int) (SFUNC = adds, STYPE = int, INITCOND = '0');
CREATE VIEW unsteady AS SELECT moves(a) FROM base; CREATE VIEW plain AS SELECT a FROM base; CREATE VIEW plainer AS SELECT a FROM plain;
"""

# The query of a view -> whether the view leaves the primary.
VIEWS = {
    "SELECT a FROM base": True, "SELECT a FROM plainer JOIN plain USING (a)": True, "SELECT a FROM parts": True, "SELECT stays(a) FROM base": True,
    "SELECT random() < 2 AS r, clock_timestamp() IS NOT NULL AS c": True, "SELECT count(*), sum(a) OVER () FROM base GROUP BY a": True,
    "SELECT current_user, current_date IS NULL AS d": True, "SELECT 'a:relid 1259 :hasForUpdate true'::text AS \":relid 1259 :hasForUpdate true\"": True,
    "SELECT pg_sleep(0) IS NULL AS n": True, "VALUES (1), (2)": True, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n": True,
    "SELECT g FROM generate_series(1, (SELECT max(a) FROM base)) g": True,
    "SELECT moves(a) FROM base": False, "SELECT * FROM unsteady": False, "SELECT a FROM base WHERE a IN (SELECT moves(a) FROM parts)": False,
    "WITH w AS (SELECT moves(1) AS m) SELECT a FROM base, w": False, "SELECT m FROM moves(1) m": False, "SELECT given()": False, "SELECT total(a) FROM base": False,
    "SELECT row_number() OVER (ORDER BY moves(a)) FROM base": False, "SELECT nextval('deep.numbers')": False, "SELECT last_value FROM numbers": False,
    "SELECT currval('deep.numbers')": False, "SELECT setval('deep.numbers', 5)": False, "SELECT set_config('work_mem', '1MB', false)": False,
    "SELECT pg_try_advisory_lock(5)": False, "SELECT a FROM base FOR UPDATE": False, "SELECT a FROM (SELECT a FROM base FOR SHARE) s": False,
    "SELECT relname FROM pg_class": False, "SELECT pid FROM pg_stat_activity": False, "SELECT table_name FROM information_schema.tables": False,
    "SELECT version()": False, "SELECT inet_server_port()": False, "SELECT current_setting('port')": False, "SELECT pg_is_in_recovery()": False,
    "SELECT a FROM light": False, "SELECT a FROM far": False, "SELECT a FROM mixed": False, "SELECT a FROM guarded": False,
    "SELECT a FROM base TABLESAMPLE SYSTEM (100)": False, "SELECT pg_current_xact_id()": False, "SELECT query_to_xml('SELECT 1', true, true, '')": False,
    "SELECT lo_create(0)": False, "SELECT pg_notify('a', 'b') IS NULL AS n": False,
}

# Beside those of VIEWS; of the table that is filled with the rows of a query.
COPIES = {
    "COPY deep.base TO STDOUT": True, "COPY deep.base (a) TO STDOUT (FORMAT csv, HEADER)": True, "COPY deep.base TO STDOUT (FORMAT binary)": True,
    "COPY (SELECT a FROM deep.plainer) TO STDOUT": True, "COPY (VALUES (1)) TO STDOUT": True, "COPY deep.parts_1 TO STDOUT": True,
    "COPY deep.light TO STDOUT": False, "COPY deep.far TO STDOUT": False, "COPY deep.numbers TO STDOUT": False, "COPY deep.guarded TO STDOUT": False, "COPY pg_class TO STDOUT": False,
    "COPY deep.base FROM STDIN": False, "COPY deep.base TO '/nonexistent/a'": False, "COPY deep.base TO PROGRAM 'false'": False,
    "COPY (SELECT deep.moves(1)) TO STDOUT": False, "COPY (SELECT a FROM deep.base FOR UPDATE) TO STDOUT": False,
    "COPY (DELETE FROM deep.base RETURNING a) TO STDOUT": False, "COPY (SELECT 1) TO PROGRAM 'false'": False,
    "EXPLAIN SELECT a FROM deep.base": False, "DECLARE c CURSOR WITH HOLD FOR SELECT a FROM deep.base": False, "CREATE TEMPORARY TABLE t AS SELECT a FROM deep.base": False,
    "SELECT * FROM deep.kept": True,        # a materialized view has its rows, whatever made them
}

# The body of a function that is said to be STABLE -> whether what calls it leaves the primary.
BODIES = {
    ("sql", "SELECT max(a) FROM deep.base"): True, ("sql", "SELECT count(*)::int FROM deep.plainer, deep.parts"): True, ("sql", "SELECT deep.stays(1)"): True,
    ("sql", "SELECT 1 AS \"last_value of a sequence\""): True, ("sql", "SELECT length('SELECT last_value FROM deep.numbers')"): True,
    ("sql", "SELECT last_value::int FROM deep.numbers"): False, ("sql", "SELECT a FROM deep.light"): False, ("sql", "SELECT a FROM deep.far"): False,
    ("sql", "SELECT deep.moves(1)"): False, ("sql", "SELECT a FROM deep.unsteady u(a)"): False, ("sql", "SELECT deep.total(a)::int FROM deep.base"): False,
    ("sql", "SELECT (current_setting('transaction_read_only') = 'on')::int"): False, ("sql", "SELECT pg_is_in_recovery()::int"): False,
    ("sql", "SELECT count(*)::int FROM pg_stat_activity"): False, ("sql", "SELECT count(*)::int FROM pg_class"): False,
    ("sql", "SELECT count(*)::int FROM information_schema.tables"): False, ("sql", "SELECT a FROM deep.guarded"): False,
    ("plpgsql", "DECLARE tables int; columns int := 1; BEGIN SELECT max(a) + columns INTO tables FROM deep.base; RETURN tables; END"): True,
    ("plpgsql", "BEGIN IF false THEN RETURN deep.again(); END IF; RETURN deep.stays(1); END"): True,
    ("plpgsql", "BEGIN PERFORM deep.writes(); RETURN 1; EXCEPTION WHEN OTHERS THEN RETURN 0; END"): False,
    ("plpgsql", "DECLARE n int; BEGIN EXECUTE 'SELECT last_value FROM deep.numbers' INTO n; RETURN n; END"): False,
    ("plpgsql", "BEGIN RETURN deep.sleepless(); END"): False,
}
FUNCTIONS = """
CREATE FUNCTION deep.again() RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN deep.again(); END';
CREATE FUNCTION deep.writes() RETURNS void LANGUAGE sql AS 'INSERT INTO deep.base VALUES (3)';
CREATE FUNCTION deep.sleepless() RETURNS int STABLE LANGUAGE sql BEGIN ATOMIC; SELECT 1; END;
CREATE FUNCTION deep.by_default(bigint DEFAULT pg_sequence_last_value('deep.numbers')) RETURNS int STABLE LANGUAGE sql AS 'SELECT $1::int';
CREATE FUNCTION deep.locks_by_default(bool DEFAULT pg_try_advisory_lock(77)) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION deep.believed() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT last_value::int FROM deep.numbers';
"""


@pytest.fixture(scope="module")
def deep(cluster):
    """Whether each leaves, by the statement."""
    with cluster.servers[0].connect(cluster.node_database) as conn:
        conn.execute(OBJECTS)
        for number, sql in enumerate(VIEWS):
            conn.execute(f"CREATE VIEW deep.v{number} AS {sql}")
        conn.execute(FUNCTIONS)
        for number, (language, body) in enumerate(BODIES):
            conn.execute(f"CREATE FUNCTION deep.f{number}() RETURNS int STABLE LANGUAGE {language} AS $body${body}$body$")
        conn.execute("CREATE MATERIALIZED VIEW deep.kept AS SELECT deep.moves(a) AS a FROM deep.base; GRANT USAGE ON SCHEMA deep TO PUBLIC;"
                     f"GRANT ALL ON ALL TABLES IN SCHEMA deep TO {USER}; GRANT ALL ON ALL SEQUENCES IN SCHEMA deep TO {USER}")
    cluster.execute("CREATE TABLE public.known_too ()")
    cluster.catch_up()
    return {**{f"TABLE deep.v{number}": expected for number, expected in enumerate(VIEWS.values())}, **COPIES,
            **{f"SELECT deep.f{number}()": expected for number, expected in enumerate(BODIES.values())}, "SELECT deep.believed()": True, "SELECT deep.by_default()": False, "SELECT deep.locks_by_default()": False}


def test_what_a_view_a_copy_or_a_function_does_is_looked_into(cluster, deep):
    with cluster.connect() as conn, on_replica(cluster) as replica:
        decided = {sql: leaves(conn, sql) for sql in deep}
        assert decided == deep
        assert [sql for sql in deep if deep[sql] and not sql.startswith("COPY") and refusal(replica, sql)] == []


def test_copies_come_from_replicas(cluster, deep):
    def copied(conn, sql):
        with conn.cursor() as cursor, cursor.copy(sql) as copy:
            return b"".join(copy)
    chosen = [sql for sql in COPIES if COPIES[sql] and sql.startswith("COPY")]
    with cluster.connect() as conn, cluster.connect_node() as direct:
        before = reads(cluster)
        for sql in chosen:
            assert copied(conn, sql) == copied(direct, sql)
        assert reads(cluster) - before == len(chosen)
