"""The programs and drivers that people use, each doing what people do with it, through the router over two shards."""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

import psycopg
import psycopg2
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PROGRAMS

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PGBENCH_ROWS = 2000


@pytest.fixture(scope="module")
def cluster(start_cluster):
    return start_cluster(shards=2)


def run(argv, env=None, **more):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, env=dict(os.environ, **(env or {})), **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def psql(cluster, *commands):
    argv = [PROGRAMS / "psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", cluster.conninfo()]
    for command in commands:
        argv += ["-c", command]
    return run(argv)


def test_psql(cluster, tmp_path):
    out = psql(cluster, "CREATE TABLE psql_users (id bigint PRIMARY KEY, name text)", "SELECT nanu.shard_table('psql_users', key => 'id')",
               "INSERT INTO psql_users VALUES (1, 'one')", "INSERT INTO psql_users VALUES (2, 'two')",
               "SELECT name FROM psql_users ORDER BY id", r"\d psql_users", r"\dt", r"\l", r"\du", r"\df", r"\dn", r"\conninfo")
    assert "one\ntwo" in out and "id|bigint||not null" in out and "table|app" in out
    data = tmp_path / "data"
    data.write_text("1,a\n2,b\n")
    tmp_path.chmod(0o755)
    assert psql(cluster, "CREATE TABLE psql_plain (x int, y text)", rf"\copy psql_plain FROM '{data}' CSV", "SELECT count(*) FROM psql_plain",
                r"\copy psql_plain TO STDOUT CSV", "DROP TABLE psql_plain").splitlines()[1:5] == ["COPY 2", "2", "1,a", "2,b"]
    assert psql(cluster, "BEGIN; SELECT 1; COMMIT;", "SELECT 2") == "BEGIN\n1\nCOMMIT\n2\n"


def test_psycopg(cluster):
    with cluster.connect(autocommit=False) as conn:
        conn.execute("CREATE TABLE p3 (k uuid PRIMARY KEY, v int, t timestamptz)")
        conn.commit()
    with cluster.connect() as conn:
        conn.execute("SELECT nanu.shard_table('p3', key => 'k')")
        keys = [row[0] for row in conn.execute("SELECT gen_random_uuid() FROM generate_series(1, 30)").fetchall()]
        for number, key in enumerate(keys):
            conn.execute("INSERT INTO p3 VALUES (%s, %s, now())", [key, number])
        for prepare in (False, True):
            for binary in (False, True):
                assert conn.execute("SELECT v FROM p3 WHERE k = %s", [keys[5]], prepare=prepare, binary=binary).fetchone() == (5,)
                assert conn.execute("SELECT v FROM p3 WHERE v < %s ORDER BY v DESC", [3], prepare=prepare,
                                    binary=binary).fetchall() == [(2,), (1,), (0,)]
        with conn.pipeline():
            cursors = [conn.execute("SELECT v FROM p3 WHERE k = %s", [key]) for key in keys]
        assert [cursor.fetchone()[0] for cursor in cursors] == list(range(30))
        with conn.transaction():
            conn.execute("UPDATE p3 SET v = v + 100 WHERE k = %s", [keys[0]])
            assert conn.execute("SELECT max(v) FROM p3").fetchone() == (100,)
        with pytest.raises(ZeroDivisionError):
            with conn.transaction():
                conn.execute("DELETE FROM p3 WHERE k = %s", [keys[0]])
                raise ZeroDivisionError
        assert conn.execute("SELECT count(*) FROM p3").fetchone() == (30,)
        with conn.cursor() as cursor, cursor.copy("COPY (SELECT generate_series(1, 3)) TO STDOUT") as copy:
            assert b"".join(copy) == b"1\n2\n3\n"
        conn.execute("CREATE TABLE p3_plain (x int)")
        with conn.cursor() as cursor:
            with cursor.copy("COPY p3_plain FROM STDIN") as copy:
                for number in range(100):
                    copy.write_row([number])
            with conn.transaction(), conn.cursor("portions") as portions:
                portions.itersize = 10
                portions.execute("SELECT x FROM p3_plain ORDER BY x")
                assert [row[0] for row in portions] == list(range(100))
        with concurrent.futures.ThreadPoolExecutor(1) as background:
            sleeping = background.submit(conn.execute, "SELECT pg_sleep(60)")
            while not sleeping.done():  # a cancel that comes before the statement is at work has no effect
                conn.cancel()
                concurrent.futures.wait([sleeping], timeout=0.1)
            assert isinstance(sleeping.exception(), psycopg.errors.QueryCanceled)


def test_psycopg_named_cursors_find_their_shard(cluster):
    with cluster.connect(autocommit=False) as conn:
        conn.execute("CREATE TABLE cursed (k bigint PRIMARY KEY, v int)")
        conn.commit()
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            conn.execute("SELECT nanu.shard_table('cursed', key => 'k')")
        conn.rollback()
        conn.autocommit = True
        conn.execute("SELECT nanu.shard_table('cursed', key => 'k')")
        for key in range(8):
            conn.execute("INSERT INTO cursed VALUES (%s, %s)", [key, key])
        conn.autocommit = False
        for key in range(8):
            with conn.cursor(name=f"cursor {key}") as cursor, conn.cursor(name="other") as other:
                cursor.execute("SELECT v FROM cursed WHERE k = %s", [key])
                other.execute("SELECT v FROM cursed WHERE k = %s", [7 - key])
                assert cursor.fetchall() == [(key,)] and other.fetchall() == [(7 - key,)]
        conn.rollback()


def test_psycopg2(cluster):
    conn = psycopg2.connect(cluster.conninfo())
    with conn, conn.cursor() as cursor:
        cursor.execute("CREATE TABLE p2 (k varchar(20) PRIMARY KEY, v numeric)")
    conn.autocommit = True
    with conn.cursor() as cursor:
        cursor.execute("SELECT nanu.shard_table('p2', key => 'k')")
        for number in range(20):
            cursor.execute("INSERT INTO p2 VALUES (%s, %s)", [f"key {number}", number])
        cursor.execute("SELECT v FROM p2 WHERE k IN %s", [("key 7",)])
        assert cursor.fetchall() == [(7,)]
        cursor.execute("SELECT avg(v) FROM p2")
        assert str(cursor.fetchone()[0]) == "9.5000000000000000"
    conn.autocommit = False
    with conn, conn.cursor() as cursor:
        cursor.execute("DELETE FROM p2 WHERE k = 'key 1' RETURNING v")
        assert cursor.fetchone() == (1,)
    with conn, conn.cursor("named") as cursor:
        cursor.execute("SELECT generate_series(1, 50)")
        assert len(cursor.fetchmany(20)) == 20
    conn.close()


def test_jdbc(cluster):
    assert run(["java", "-cp", "/usr/share/java/postgresql.jar", HERE / "Check.java", str(cluster.router.port)]).endswith("ok\n")


def test_node_pg(cluster):
    env = {"NODE_PATH": f"/usr/share/nodejs:{ROOT / 'build-node' / 'node_modules'}"}
    assert run(["node", HERE / "check.js", str(cluster.router.port)], env=env) == "ok\n"


def test_django_migrations_and_orm(start_own, tmp_path):
    cluster = start_own(shards=2)
    shutil.copytree(HERE / "django_shop", tmp_path / "site")
    env = {"NANU_PORT": str(cluster.router.port), "PYTHONDONTWRITEBYTECODE": "1"}
    run([sys.executable, "-m", "django", "makemigrations", "shop", "--settings", "settings", "--pythonpath", str(tmp_path / "site")],
        env=env, cwd=tmp_path / "site")
    assert run([sys.executable, tmp_path / "site" / "check.py"], env=env, cwd=tmp_path / "site").endswith("ok\n")
    with cluster.connect_node(1) as node:  # definitions are on every shard, rows of plain tables on the home shard
        assert node.execute("SELECT count(*) FROM shop_book").fetchone() == (0,)


@pytest.fixture(scope="module")
def pgbench_tables(cluster):
    with cluster.connect() as conn:
        conn.execute("CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84))")
        conn.execute("CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int, filler char(88))")
        conn.execute("CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84))")
        conn.execute("CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))")
        conn.execute("SELECT nanu.shard_table('pgbench_accounts', key => 'aid')")
        conn.execute("SELECT nanu.shard_table('pgbench_history', key => 'aid')")
        conn.execute("INSERT INTO pgbench_branches VALUES (1, 0, '')")
        for aid in range(1, PGBENCH_ROWS + 1):
            conn.execute("INSERT INTO pgbench_accounts VALUES (%s, 1, 0, '')", [aid])
    return cluster


SCRIPTS = {  # pgbench's own -S and -N, over as many rows as there are here
    "-S": r"""
\set aid random(1, 2000)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
""",
    "-N": r"""
\set aid random(1, 2000)
\set bid 1
\set tid random(1, 10)
\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
"""}


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_pgbench_on_sharded_accounts(pgbench_tables, tmp_path, script, mode):
    cluster = pgbench_tables
    path = tmp_path / "script"
    path.write_text(SCRIPTS[script])
    out = run([PROGRAMS / "pgbench", "-n", "-f", path, "-M", mode, "-c", "16", "-j", "2", "-t", "100", "-h", "127.0.0.1", "-p",
               str(cluster.router.port), "-U", USER, DATABASE], env={"PGPASSWORD": USER_PASSWORD})
    assert "number of transactions actually processed: 1600/1600" in out and "number of failed transactions: 0" in out
    with cluster.connect() as conn:
        assert conn.execute("SELECT sum(abalance) FROM pgbench_accounts").fetchone()[0] == \
            (conn.execute("SELECT sum(delta) FROM pgbench_history").fetchone()[0] or 0)
