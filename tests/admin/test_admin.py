"""The nanu schema, nanu.explain and nanu status, on a real router."""
import datetime
import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.router import NANU
from harness.wait import PATIENCE, wait_until
from harness.wire import Bind, Describe, Execute, Parse, Query, Sync, Wire, fields

TABLES = ["columns", "router", "databases", "nodes", "replication", "shards", "tables", "slices", "topology", "pools", "backends", "sessions",
          "settings", "workers", "stats", "reads", "routers"]
TYPES = {"bigint": 20, "text": 25, "boolean": 16, "timestamp with time zone": 1184}


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=2)
    made.execute("CREATE TABLE orders (id bigint, user_id bigint, total numeric(10,2), note text)")
    made.execute("SELECT nanu.shard_table('orders', key => 'user_id')")
    made.execute("CREATE TABLE plain (id bigint PRIMARY KEY)")
    for number in range(20):
        made.execute("INSERT INTO orders VALUES (%s, %s, 1.5, 'x')", [number, number])
    return made


@pytest.fixture
def conn(cluster):
    with cluster.connect() as made:
        yield made


def explain(conn, statement):
    return [line for (line,) in conn.execute("SELECT * FROM nanu.explain(%s)", [statement])]


def line_with(lines, beginning):
    return next(line for line in lines if line.startswith(beginning))


# ---- tables ----

@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("binary", [False, True])
def test_every_table_has_the_columns_that_it_describes(conn, table, binary):
    described = conn.execute("SELECT column_name, type FROM nanu.columns WHERE table_name = %s", [table]).fetchall()
    with conn.cursor(binary=binary) as cursor:
        cursor.execute(f"SELECT * FROM nanu.{table}")
        assert [(column.name, column.type_code) for column in cursor.description] == [(name, TYPES[kind]) for name, kind in described]
        for row in cursor.fetchall():
            for value, (_, kind) in zip(row, described):
                assert value is None or isinstance(value, {"bigint": int, "text": str, "boolean": bool}.get(kind, datetime.datetime))


def test_the_columns_table_lists_every_table(conn):
    assert {name for (name,) in conn.execute("SELECT DISTINCT table_name FROM nanu.columns")} == set(TABLES)


def test_simple_and_extended_protocol_answer_alike(conn):
    statement = "SELECT name, port, shard, reachable, zone FROM nanu.nodes ORDER BY name"
    simple = conn.pgconn.exec_(statement.encode())
    extended = conn.pgconn.exec_params(statement.encode(), [])
    assert simple.status == extended.status == psycopg.pq.ExecStatus.TUPLES_OK
    rows = [[[result.get_value(row, column) for column in range(5)] for row in range(2)] for result in (simple, extended)]
    assert rows[0] == rows[1]
    assert rows[0][0][4] == b""


def test_topology_tables(cluster, conn):
    nodes = conn.execute("SELECT name, host, port, role, shard FROM nanu.nodes ORDER BY name").fetchall()
    assert nodes == [(f"n{i + 1}", "127.0.0.1", server.port, "primary", f"s{i + 1}") for i, server in enumerate(cluster.servers)]
    assert conn.execute("SELECT name, shards, home_shard, sharded_tables, schema_known FROM nanu.databases").fetchall() == \
        [(DATABASE, 2, "s1", 1, True)]
    assert conn.execute("SELECT name, primary_node, is_home, sharded_tables, slices FROM nanu.shards ORDER BY 1").fetchall() == \
        [("s1", "n1", True, 1, 1), ("s2", "n2", False, 1, 1)]
    assert conn.execute("SELECT database, schema, name, key_column, key_type, placement, being_sharded FROM nanu.tables").fetchall() == \
        [(DATABASE, "public", "orders", "user_id", "bigint", "hash", False)]
    assert conn.execute("SELECT shard, lower_bound, upper_bound FROM nanu.slices ORDER BY lower_bound").fetchall() == \
        [("s1", -2**63, -1), ("s2", 0, 2**63 - 1)]
    epoch, text = conn.execute("SELECT epoch, json FROM nanu.topology").fetchone()
    assert json.loads(text)["epoch"] == epoch


def test_settings_tell_the_value_and_the_default(conn):
    row = conn.execute("SELECT value, default_value, unit FROM nanu.settings WHERE name = 'workers'").fetchone()
    assert row == ("2", "0", "threads")
    assert conn.execute("SELECT value FROM nanu.settings WHERE name = 'node_password'").fetchone() == ("(hidden)",)


def test_a_session_sees_itself(conn):
    conn.execute("SET statement_timeout = '1min'")
    user, database, state, transaction, settings = conn.execute(
        "SELECT user_name, database, state, transaction, settings FROM nanu.sessions WHERE state = 'working'").fetchone()
    assert (user, database, state, transaction) == (USER, DATABASE, "working", "none")
    assert settings >= 1


def test_a_transaction_and_its_backend_are_seen(cluster, conn):
    with cluster.connect(autocommit=False) as other:
        other.execute("SELECT * FROM orders WHERE user_id = 1")
        (pid,) = other.execute("SELECT pg_backend_pid() FROM orders WHERE user_id = 1 LIMIT 1").fetchone()
        found = conn.execute(
            "SELECT s.transaction, s.legs, s.shards, b.node, b.state FROM nanu.sessions s"
            " JOIN nanu.backends b ON b.worker = s.worker AND b.session = s.number WHERE b.pid = %s", [pid]).fetchall()
        assert len(found) == 1
        transaction, legs, shards, node, state = found[0]
        assert (transaction, legs, state) == ("open", 1, "lent")
        assert shards.replace("s", "n") == node


def test_a_pinned_session_says_why(cluster, conn):
    with cluster.connect() as other:
        other.execute("SELECT pg_advisory_lock(1)")
        assert conn.execute("SELECT count(*) FROM nanu.sessions WHERE pins LIKE '%advisory locks%'").fetchone() == (1,)


def test_who_listens_is_seen_and_so_is_the_backend_that_does(cluster, conn):
    with cluster.connect() as other:
        other.execute("LISTEN something")
        other.execute('LISTEN "something else"')
        assert conn.execute("SELECT pins, channels FROM nanu.sessions WHERE channels > 0").fetchall() == [("", 2)]
        assert conn.execute("SELECT count(*) FROM nanu.backends WHERE state = 'listening' AND node = 'n1'").fetchone() == (1,)


def test_pools_count_their_backends(conn):
    conn.execute("SELECT count(*) FROM orders")
    rows = conn.execute("SELECT node, sum(idle + lent + cleaning), min(pool_size), sum(opened_total) FROM nanu.pools"
                        " WHERE user_name = %s GROUP BY node ORDER BY node", [USER]).fetchall()
    assert [row[0] for row in rows] == ["n1", "n2"]
    for _, backends, size, opened in rows:
        assert 1 <= backends <= opened and size == 20
    assert conn.execute("SELECT bool_and(reachable) FROM nanu.nodes").fetchone() == (True,)


def test_stats_are_sums_over_the_workers(conn):
    conn.execute("SELECT count(*) FROM orders")
    sums = dict(conn.execute("SELECT name, value FROM nanu.stats").fetchall())
    assert sums["fanouts"] >= 1 and sums["sessions"] >= 1 and sums["sessions_total"] >= sums["sessions"]
    with conn.cursor() as cursor:
        cursor.execute("SELECT * FROM nanu.workers LIMIT 1")
        assert set(sums) <= {column.name for column in cursor.description}
    assert conn.execute("SELECT count(*) FROM nanu.workers").fetchone() == (2,)
    assert conn.execute("SELECT s.value = sum(w.sessions_total) FROM nanu.stats s, nanu.workers w WHERE s.name = 'sessions_total'"
                        " GROUP BY s.value").fetchone() == (True,)


def test_the_router_says_who_it_is(conn):
    version, uptime, started, now = conn.execute("SELECT version, uptime_ms, started, now() FROM nanu.router").fetchone()
    assert subprocess.run([NANU, "--version"], capture_output=True, text=True).stdout == f"nanu {version}\n"
    assert uptime > 0
    assert started <= now


# ---- SQL ----

@pytest.mark.parametrize("statement, expected", [
    ("SELECT n.name, s.name FROM nanu.nodes n JOIN nanu.shards s ON s.primary_node = n.name ORDER BY 1 DESC", [("n2", "s2"), ("n1", "s1")]),
    ("SELECT n.name FROM nanu.nodes n LEFT JOIN nanu.shards s ON s.primary_node = n.name AND s.is_home WHERE s.name IS NULL", [("n2",)]),
    ("SELECT count(*), count(*) FILTER (WHERE is_home), min(name), string_agg(name, '+') FROM nanu.shards", [(2, 1, "s1", "s1+s2")]),
    ("SELECT is_home, count(*) FROM nanu.shards GROUP BY is_home HAVING count(*) = 1 ORDER BY is_home", [(False, 1), (True, 1)]),
    ("SELECT name FROM nanu.nodes WHERE name LIKE 'N_'", []),
    ("SELECT name FROM nanu.nodes WHERE name ILIKE 'N_' ORDER BY name LIMIT 1 OFFSET 1", [("n2",)]),
    ("SELECT name FROM nanu.nodes WHERE name LIKE 'n\\_'", []),
    ("SELECT name LIKE '', '' LIKE '', '' LIKE '%', name LIKE '%\\1', name LIKE '_', 'ä_b' LIKE '_\\__', 'aXbX' LIKE '%X' FROM nanu.nodes WHERE name = 'n1'",
     [(False, True, True, True, False, True, True)]),
    ("SELECT name FROM nanu.nodes WHERE name IN ('n2', 'x') OR name = ANY (ARRAY['y'])", [("n2",)]),
    ("SELECT name FROM nanu.nodes WHERE port BETWEEN 1 AND 65535 AND name <> 'n1' AND NOT (zone = 'x')", [("n2",)]),
    ("SELECT name::text || ':' || slices::text || is_home FROM nanu.shards ORDER BY 1", [("s1:1true",), ("s2:1false",)]),
    ("SELECT '12'::int + 1, 7 / 2, 7 % 4, 7 / 2.0, -7 / 2, round(2.5), round(2.345, 2), 'f'::bool, 1::bool", [(13, 3, 3, 3.5, -3, 2.0, 2.35, False, True)]),
    ("SELECT CASE WHEN is_home THEN 'home' ELSE name END AS what FROM nanu.shards ORDER BY what", [("home",), ("s2",)]),
    ("SELECT coalesce(NULL, name), nullif(name, 's1'), greatest(1, NULL, 3), least('b', 'a') FROM nanu.shards WHERE is_home", [("s1", None, 3, "a")]),
    ("WITH homes AS (SELECT name, slices FROM nanu.shards WHERE is_home) SELECT h.* FROM homes h", [("s1", 1)]),
    ("SELECT name FROM nanu.nodes UNION ALL SELECT name FROM nanu.shards ORDER BY name DESC LIMIT 2", [("s2",), ("s1",)]),
    ("SELECT shard FROM nanu.nodes EXCEPT SELECT name FROM nanu.shards WHERE is_home", [("s2",)]),
    ("SELECT (SELECT count(*) FROM nanu.slices WHERE shard = s.name) FROM nanu.shards s WHERE EXISTS"
     " (SELECT 1 FROM nanu.nodes WHERE shard = s.name) AND name IN (SELECT shard FROM nanu.nodes)", [(1,), (1,)]),
    ("SELECT DISTINCT role FROM nanu.nodes", [("primary",)]),
    ("SELECT concat(name, NULL, is_home, 5), name || is_home FROM nanu.shards WHERE is_home", [("s1t5", "s1true")]),
    ("SELECT current_database(), current_user, NULL, 'x' FROM nanu.router", [(DATABASE, USER, None, "x")]),
    ("SELECT a.name, b.name FROM nanu.nodes a, nanu.nodes b WHERE a.name < b.name", [("n1", "n2")]),
    ("SELECT sum(port) > 0, avg(slices), sum(slices) FROM nanu.nodes JOIN nanu.shards USING (name) ", [(None, None, None)]),
    ("SELECT name FROM nanu.nodes ORDER BY zone, name DESC NULLS LAST LIMIT NULL", [("n2",), ("n1",)]),
])
@pytest.mark.parametrize("binary", [False, True])
def test_selects(conn, statement, expected, binary):
    if "FROM" not in statement:
        statement += " FROM nanu.router"
    with conn.cursor(binary=binary) as cursor:
        assert cursor.execute(statement, prepare=binary).fetchall() == expected


@pytest.mark.parametrize("statement, parameters, expected", [
    ("SELECT name FROM nanu.shards WHERE slices = %s AND is_home = %s", [1, True], [("s1",)]),
    ("SELECT name FROM nanu.shards WHERE name = %s", ["s2"], [("s2",)]),
    ("SELECT name FROM nanu.shards WHERE name > %s ORDER BY 1 LIMIT %s", ["s1", 5], [("s2",)]),
    ("SELECT slices + %s FROM nanu.shards WHERE is_home", [2**40], [(2**40 + 1,)]),
    ("SELECT %s::text, %s::int8, %s::float8 FROM nanu.router", ["it's", 5, 1.5], [("it's", 5, 1.5)]),
    ("SELECT count(*) FROM nanu.shards HAVING count(*) > %s", [1], [(2,)]),
    ("SELECT name FROM nanu.shards WHERE name = %s", [None], []),
])
@pytest.mark.parametrize("form", ["%s", "%b", "%t"])
def test_parameters(conn, statement, parameters, expected, form):
    assert conn.execute(statement.replace("%s", form), parameters).fetchall() == expected


def test_a_prepared_statement_is_described_with_its_parameters(conn):
    statement = b"SELECT name, port, reachable FROM nanu.nodes WHERE port = $1 AND name LIKE $2 AND connections > $3"
    assert conn.pgconn.prepare(b"p", statement, [21]).status == psycopg.pq.ExecStatus.COMMAND_OK
    described = conn.pgconn.describe_prepared(b"p")
    assert [described.param_type(i) for i in range(described.nparams)] == [21, 25, 20]
    assert [(described.fname(i), described.ftype(i)) for i in range(described.nfields)] == [(b"name", 25), (b"port", 20), (b"reachable", 16)]
    found = conn.pgconn.exec_prepared(b"p", [b"1", b"%", b"0"])
    assert found.status == psycopg.pq.ExecStatus.TUPLES_OK and found.ntuples == 0


def test_what_was_inferred_for_a_parameter_may_come_in_binary(conn):
    conn.pgconn.prepare(b"q", b"SELECT name FROM nanu.shards WHERE slices = $1 AND is_home = $2")
    found = conn.pgconn.exec_prepared(b"q", [(1).to_bytes(8, "big"), b"\1"], [1, 1])
    assert found.status == psycopg.pq.ExecStatus.TUPLES_OK, found.error_message
    assert found.get_value(0, 0) == b"s1"


def test_functions_are_described_too(conn):
    conn.pgconn.prepare(b"f", b"SELECT * FROM nanu.explain($1)")
    described = conn.pgconn.describe_prepared(b"f")
    assert (described.nparams, described.param_type(0), described.fname(0), described.ftype(0)) == (1, 25, b"explain", 25)


@pytest.mark.parametrize("statement, sqlstate", [
    ("SELECT * FROM nanu.nope", "42P01"),
    ("SELECT nope FROM nanu.nodes", "42703"),
    ("SELECT nope(name) FROM nanu.nodes", "42883"),
    ("SELECT nanu.nope()", "42883"),
    ("SELECT name FROM nanu.nodes WHERE port = name", "42883"),
    ("SELECT name, count(*) FROM nanu.nodes", "42803"),
    ("SELECT name FROM nanu.nodes WHERE port = 'x'", "22P02"),
    ("SELECT 1 / (port - port) FROM nanu.nodes", "22012"),
    ("SELECT port * 9223372036854775807 FROM nanu.nodes", "22003"),
    ("SELECT sum(9223372036854775807) FROM nanu.nodes", "22003"),
    ("SELECT name::int FROM nanu.nodes", "22P02"),
    ("SELECT 70000::int2 FROM nanu.nodes", "22003"),
    ("SELECT (SELECT name FROM nanu.nodes) FROM nanu.nodes", "21000"),
    ("SELECT name FROM nanu.nodes LIMIT -1", "2201W"),
    ("SELECT name FROM nanu.nodes OFFSET -1", "2201X"),
    ("SELECT name FROM nanu.nodes WHERE name LIKE 'n\\'", "22025"),
    ("SELECT now() OVER () FROM nanu.nodes", "0A000"),
    ("DELETE FROM nanu.nodes", "0A000"),
    ("SELECT * FROM nanu.nodes, orders", "0A000"),
    ("SELECT nanu.explain('SELECT 1') FROM nanu.nodes", "0A000"),
    ("SELECT * FROM nanu.explain('SELECT 1') LIMIT 1", "0A000"),
    ("SELECT nanu.explain('SELEC 1')", "42601"),
    ("SELECT nanu.explain()", "22023"),
    ("SELECT nanu.explain(nope => 'x')", "42883"),
])
@pytest.mark.parametrize("prepare", [False, True])
def test_errors(conn, statement, sqlstate, prepare):
    with pytest.raises(psycopg.Error) as failed:
        conn.execute(statement, prepare=prepare)
    assert failed.value.sqlstate == sqlstate, failed.value
    assert conn.execute("SELECT count(*) FROM nanu.nodes").fetchone() == (2,)


def test_an_error_fails_the_transaction(cluster):
    with cluster.connect(autocommit=False) as conn:
        with pytest.raises(psycopg.errors.UndefinedColumn):
            conn.execute("SELECT nope FROM nanu.nodes")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            conn.execute("SELECT name FROM nanu.nodes")
        conn.rollback()
        assert conn.execute("SELECT count(*) FROM nanu.nodes").fetchone() == (2,)


def test_an_answer_has_a_greatest_number_of_rows(conn):
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="rows"):
        conn.execute("SELECT a.name FROM nanu.columns a, nanu.columns b, nanu.columns c".replace("a.name", "a.table_name"))


def test_a_statement_ends_in_time(conn):
    with pytest.raises(psycopg.errors.QueryCanceled):
        conn.execute("SELECT count(*) FROM nanu.columns a, nanu.columns b, nanu.columns c, nanu.columns d WHERE a.table_name || d.type = 'x'")
    assert conn.execute("SELECT count(*) FROM nanu.nodes").fetchone() == (2,)


def test_result_formats_must_fit_the_columns(conn):
    found = conn.pgconn.exec_params(b"SELECT name FROM nanu.nodes", [], result_format=0)
    assert found.ntuples == 2
    with conn.cursor() as cursor:
        cursor.execute("SELECT * FROM nanu.workers a, nanu.workers b, nanu.pools c, nanu.sessions d, nanu.nodes e", binary=True)
        assert len(cursor.description) > 64
        assert isinstance(cursor.fetchone()[-4], int)   # nanu.nodes.waiting


def test_statements_of_one_pipeline(conn):
    with conn.pipeline():
        first = conn.execute("SELECT count(*) FROM nanu.nodes")
        second = conn.execute("SELECT count(*) FROM orders WHERE user_id = %s", [3])
        third = conn.execute("SELECT name FROM nanu.shards WHERE is_home")
    assert (first.fetchone(), second.fetchone(), third.fetchone()) == ((2,), (1,), ("s1",))


# ---- explain ----

def test_explain_by_key(conn):
    lines = explain(conn, "SELECT * FROM orders WHERE user_id = 1")
    assert lines[0] == "Statement: select"
    assert "  reads orders: sharded by hash(user_id)" in lines
    assert "  key orders.user_id = constant" in lines
    assert line_with(lines, "Route: by key")
    assert line_with(lines, "Shards: ") in ("Shards: s1", "Shards: s2")


def test_explain_says_the_shard_that_holds_the_rows(cluster, conn):
    for user in range(5):
        shard = line_with(explain(conn, f"SELECT * FROM orders WHERE user_id = {user}"), "Shards: ")
        with cluster.connect_node(int(shard[-1]) - 1) as node:
            assert node.execute("SELECT count(*) FROM orders WHERE user_id = %s", [user]).fetchone() == (1,)


def test_explain_with_a_parameter(conn):
    assert "Shards: as $1 says" in explain(conn, "SELECT * FROM orders WHERE user_id = $1")


def test_explain_fan_out(conn):
    lines = explain(conn, "SELECT id, total FROM orders ORDER BY total DESC, id LIMIT 3 OFFSET 1")
    assert line_with(lines, "Route: fan-out")
    assert "Shards: s1, s2" in lines
    assert "LIMIT 4" in line_with(lines, "Each shard runs: ")
    assert "  the first 1 rows are left out" in lines and "  it ends after 3 rows" in lines
    assert any("sorted rows are merged" in line and "descending" in line for line in lines)


def test_explain_groups(conn):
    lines = explain(conn, "SELECT note, count(*) FROM orders GROUP BY note")
    assert any("equal groups" in line for line in lines)
    assert any("count" in line and "sum of the shards' counts" in line for line in lines)


def test_explain_several_keys_is_a_fan_out_over_their_shards(conn):
    lines = explain(conn, "SELECT id FROM orders WHERE user_id IN (" + ", ".join(map(str, range(20))) + ")")
    assert "  key orders.user_id = one of 20 constants" in lines
    assert "Shards: s1, s2" in lines and line_with(lines, "Each shard runs: ")


@pytest.mark.parametrize("statement, route, shards", [
    ("SELECT * FROM plain", "home shard", "Shards: s1"),
    ("SELECT 1", "any shard", "Shards: any one"),
    ("CREATE INDEX ON orders (id)", "all shards", "Shards: s1, s2"),
    ("VACUUM orders", "all shards, each for itself", "Shards: s1, s2"),
    ("INSERT INTO orders (id, user_id) VALUES (1, 1)", "by key", "Shards: s"),
])
def test_explain_other_routes(conn, statement, route, shards):
    lines = explain(conn, statement)
    assert line_with(lines, f"Route: {route}")
    assert line_with(lines, shards)


def test_explain_router(conn):
    assert line_with(explain(conn, "SELECT * FROM nanu.nodes"), "Route: router")


@pytest.mark.parametrize("statement, why", [
    ("UPDATE orders SET total = 1", "without the shard key"),
    ("UPDATE orders SET user_id = 2 WHERE user_id = 1", "would move rows"),
    ("INSERT INTO orders (id) VALUES (1)", "does not give the shard key"),
    ("SELECT * FROM nope WHERE x", None),
])
def test_explain_refused(conn, statement, why):
    lines = explain(conn, statement)
    if why:
        assert why in line_with(lines, "Refused: ")
        assert line_with(lines, "  Hint: ")
        with pytest.raises(psycopg.Error) as failed:
            conn.execute(statement)
        assert failed.value.sqlstate in line_with(lines, "Refused: ")
    else:
        assert "  reads nope: not sharded, on the home shard; not known to the router" in lines


def test_explain_several_statements(conn):
    lines = explain(conn, "SELECT 1; UPDATE orders SET total = 1 WHERE user_id = 5")
    assert "Statement 1 of 2: select" in lines and "Statement 2 of 2: update" in lines


def test_explain_in_the_select_list_and_under_another_name(conn):
    with conn.cursor() as cursor:
        cursor.execute("SELECT nanu.explain('SELECT 1')")
        assert cursor.description[0].name == "explain"
        plain = cursor.fetchall()
        cursor.execute("SELECT * FROM nanu.explain('SELECT 1') AS lines")
        assert cursor.description[0].name == "lines"
        assert cursor.fetchall() == plain


# ---- when nodes are away ----

def test_the_schema_answers_when_every_node_is_down(farm, io, start_own):
    cluster = start_own(shards=1)
    server = farm.extra_server(f"down-{io}")
    cluster.router.stop()
    cluster.router.settings["nodes"][0]["port"] = str(server.port)
    with server.connect() as conn:
        conn.execute(f"CREATE ROLE {USER} LOGIN PASSWORD 'app-secret'")
        conn.execute(f"CREATE DATABASE {cluster.node_database} OWNER {USER}")
    cluster.router.configure()
    cluster.router.start()
    cluster.execute("SELECT 1")
    server.stop()
    with cluster.connect() as conn:
        assert conn.execute("SELECT count(*) FROM nanu.nodes").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT 1")
    with cluster.connect() as conn:
        wait_until(lambda: conn.execute("SELECT reachable FROM nanu.nodes").fetchone() == (False,), "the node is seen to be down")
        assert "n1" in conn.execute("SELECT last_failure FROM nanu.nodes").fetchone()[0]
        assert explain(conn, "SELECT 1")
    cluster.router.stop()
    cluster.router.start()
    with cluster.connect() as conn:
        assert conn.execute("SELECT schema_known FROM nanu.databases").fetchone() == (False,)
        assert conn.execute("SELECT count(*) FROM nanu.sessions").fetchone() == (1,)
    assert status("--config", cluster.router.config).returncode == 0


def test_the_schema_is_read_while_a_table_is_being_altered(start_cluster):
    """Also for him who alters it: PostgreSQL would not see that he waits for himself."""
    cluster = start_cluster(shards=2)
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as one, Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as other:
        one.rows("CREATE TABLE altered (id serial, x int DEFAULT 7)")
        for statement in ("BEGIN", "ALTER TABLE altered ADD COLUMN y int DEFAULT 5", "CREATE TABLE fresh (id int)"):
            one.rows(statement)
        assert one.rows("SELECT * FROM fresh") == []
        other.rows("CREATE TABLE another (id int)")
        assert other.rows("SELECT * FROM another") == []
        one.rows("COMMIT")
        assert one.rows("INSERT INTO altered VALUES (DEFAULT) RETURNING id, x, y") == [("1", "7", "5")]


def test_the_schema_answers_while_something_else_waits_for_a_node(farm, io, start_own):
    cluster = start_own(shards=1, connect_ms_max="2000")
    server = farm.extra_server(f"hung-{io}")
    cluster.router.stop()
    cluster.router.settings["nodes"][0]["port"] = str(server.port)
    with server.connect() as conn:
        conn.execute(f"CREATE ROLE {USER} LOGIN PASSWORD 'app-secret'")
        conn.execute(f"CREATE DATABASE {cluster.node_database} OWNER {USER}")
    cluster.router.configure()
    cluster.router.start()
    with cluster.connect() as one, cluster.connect() as other, ThreadPoolExecutor(1) as pool:
        os.kill(server.program.pid, signal.SIGSTOP)
        try:
            waiting = pool.submit(one.execute, "SELECT nanu.shard_table('nope', key => 'id')")
            wait_until(lambda: other.execute("SELECT count(*) FROM nanu.sessions WHERE state = 'working'").fetchone() == (2,), "it waits")
            assert other.execute("SELECT count(*) FROM nanu.nodes").fetchone() == (1,)
            assert not waiting.done()
            with pytest.raises(psycopg.OperationalError):
                waiting.result()
        finally:
            os.kill(server.program.pid, signal.SIGCONT)
    server.stop()


# ---- nanu status ----

def status(*options):
    return subprocess.run([NANU, "status", *map(str, options)], capture_output=True, text=True, timeout=60 * PATIENCE, cwd="/")


def test_status_for_a_person(cluster):
    done = status("--config", cluster.router.config)
    assert done.returncode == 0, done.stderr
    for word in ("version", "Nodes", "Shards", "Sharded tables", "Pools", "Workers", "orders", "n2", "s2"):
        assert word in done.stdout


def test_status_as_json(cluster):
    done = status("--dsn", f"postgresql://{USER}:app-secret@127.0.0.1:{cluster.router.port}/{DATABASE}", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["router"]["workers"] == 2
    assert [node["name"] for node in told["nodes"]] == ["n1", "n2"]
    assert told["shards"][0]["is_home"] is True
    assert told["topology"]["databases"][0]["tables"][0]["name"] == "orders"
    assert {"pools", "workers", "stats", "reads", "tables"} <= set(told)


def test_status_says_when_the_router_cannot_be_reached(cluster):
    done = status("--host", "127.0.0.1", "--port", "1", "--user", "x", "--dbname", "y")
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr and not done.stdout


def test_status_says_when_a_server_answers(cluster):
    server = cluster.servers[0]
    done = status("--dsn", server.conninfo())
    assert done.returncode == 1
    assert "no router" in done.stderr


def test_status_without_a_router_here_says_what_to_give():
    done = status()
    assert done.returncode == 1
    assert "--config" in done.stderr


# ---- refusals ----

@pytest.mark.parametrize("statement", [
    "SELECT GROUPING(name) FROM nanu.nodes GROUP BY ROLLUP (name)", "SELECT name FROM nanu.nodes FOR UPDATE", "VALUES (1), ((SELECT count(*) FROM nanu.nodes))",
    "SELECT DISTINCT ON (name) name FROM nanu.nodes", "SELECT name FROM nanu.nodes ORDER BY name FETCH FIRST 1 ROW WITH TIES",
    "WITH RECURSIVE x AS (SELECT name FROM nanu.nodes) SELECT * FROM x", "SELECT name ~ 'a' FROM nanu.nodes", "SELECT name::uuid FROM nanu.nodes",
    "SELECT row_number() OVER () FROM nanu.nodes", "SELECT * FROM nanu.nodes NATURAL JOIN nanu.shards", "SELECT nanu.pause(lower('X'))",
    "SELECT nanu.explain(1 + 1)", "SELECT * FROM nanu.router WHERE started > '2024-01-01'::timestamptz", "DELETE FROM nanu.nodes",
    "SELECT * FROM nanu.nodes, orders", "COPY nanu.nodes TO STDOUT", "CREATE TABLE nanu.x (id bigint)", "CREATE TABLE copied AS SELECT * FROM nanu.nodes",
    "EXPLAIN SELECT * FROM nanu.nodes", "DECLARE c CURSOR FOR SELECT * FROM nanu.nodes", "SELECT * FROM nanu.nodes; SELECT 1",
])
def test_every_refusal_has_a_way_out(conn, statement):
    with pytest.raises(psycopg.errors.FeatureNotSupported) as caught:
        conn.execute(statement)
    assert caught.value.diag.message_hint, caught.value


def test_a_failed_transaction_answers_nothing_of_the_nanu_schema(cluster):
    with cluster.connect() as conn:
        statements = ["SELECT count(*) FROM nanu.nodes WHERE port > %s", "SELECT nanu.explain(%s::text)"]
        for statement, argument in zip(statements, [0, "SELECT 1"]):
            conn.execute(statement, [argument], prepare=True)
        for fails in "SELECT 1/0", "SELECT nope FROM orders WHERE user_id = 1", "SELECT nope FROM nanu.nodes", "SELECT sum(1/0) FROM orders":
            conn.execute("BEGIN")
            with pytest.raises(psycopg.Error):
                conn.execute(fails)
            for statement, argument in zip(statements, [0, "SELECT 1"]):
                for prepare in True, False:
                    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
                        conn.execute(statement, [argument], prepare=prepare)
            conn.execute("ROLLBACK")
            assert conn.execute(statements[0], [0], prepare=True).fetchone() == (2,)


def test_a_portal_of_the_nanu_schema_ends_with_its_transaction(cluster):
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
        wire.ask(Query("BEGIN"))
        wire.ask(Parse("SELECT count(*) FROM nanu.nodes", name="n") + Bind(statement="n", portal="p") + Sync)
        wire.ask(Query("SELECT 1/0"))
        for message in Execute("p"), Describe("P", "p"), Describe("S", "n"), Bind(statement="n"):
            answers = wire.ask(message + Sync)
            assert [fields(body)["C"] for kind, body in answers if kind == "E"] == ["25P02"], answers
