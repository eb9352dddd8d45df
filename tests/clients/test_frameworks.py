"""Frameworks and benchmarks that bring their own schema, through the router over two shards."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PROGRAMS

HERE = pathlib.Path(__file__).resolve().parent
PGBENCH_ROWS = 2000


@pytest.fixture(scope="module")
def cluster(start_cluster):
    return start_cluster(shards=2)


def run(argv, env=None, **more):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, env=dict(os.environ, **(env or {})), **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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
