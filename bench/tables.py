"""pgbench's tables, on one server and over shards; rows to be merged."""
import subprocess

from harness.postgres import PROGRAMS

from targets import TRUSTED

SCALE = 10
MERGED_ROWS = 1_000_000
PGBENCH = """
CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84)) WITH (fillfactor = 100);
CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int, filler char(88));
CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84));
CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
"""


def load(server):
    """Database bench, as pgbench makes it."""
    with server.connect() as conn:
        conn.execute("CREATE DATABASE bench")
    subprocess.run([PROGRAMS / "pgbench", "-i", "-q", "-s", str(SCALE), server.conninfo("bench")], check=True, capture_output=True)


def trust_somebody(server):
    """A user who needs no password there."""
    with server.connect() as conn:
        conn.execute(f"CREATE ROLE {TRUSTED} SUPERUSER LOGIN")
        hba = server.data / "pg_hba.conf"
        hba.write_text(f"host all {TRUSTED} 127.0.0.1/32 trust\n{hba.read_text()}")
        conn.execute("SELECT pg_reload_conf()")


def create_sharded(servers):
    for server in servers:
        with server.connect() as conn:
            conn.execute("CREATE DATABASE sharded")


def of_shard(i, count, column="g"):
    """A condition that rows of shard i fulfil: the slice of the hash that placement `hash` gives to it."""
    whole, half = 1 << 64, 1 << 63
    return f"hashint8extended({column}, 0) BETWEEN {-half + i * (whole // count)} AND {-half + (i + 1) * (whole // count) - 1}"


def load_sharded(servers, targets):
    """The same rows in database `sharded`: each server makes those whose hash is in its slice. targets: every nanu over these servers, for each has
    a store of its own."""
    for target in targets:
        with target.connect() as conn:
            for statement in filter(str.strip, PGBENCH.split(";")) if target is targets[0] else ():
                conn.execute(statement)
            for table in ("pgbench_accounts", "pgbench_history"):
                conn.execute(f"SELECT nanu.shard_table('{table}', key => 'aid')")
    for i, server in enumerate(servers):
        with server.connect("sharded") as conn:
            conn.execute(f"INSERT INTO pgbench_accounts SELECT g, (g - 1) / 100000 + 1, 0, '' FROM generate_series(1, {SCALE} * 100000) g"
                         f" WHERE {of_shard(i, len(servers))}")
            conn.execute("VACUUM ANALYZE pgbench_accounts")
    with servers[0].connect("sharded") as conn:
        conn.execute(f"INSERT INTO pgbench_branches SELECT g, 0, '' FROM generate_series(1, {SCALE}) g")
        conn.execute(f"INSERT INTO pgbench_tellers SELECT g, (g - 1) / 10 + 1, 0, '' FROM generate_series(1, {SCALE} * 10) g")


MERGED = "CREATE TABLE merged (id bigint PRIMARY KEY, name text NOT NULL, value int NOT NULL)"


def fill_merged(conn, condition="true"):
    conn.execute(f"INSERT INTO merged SELECT g, 'name of ' || g, g % 1000 FROM generate_series(1, {MERGED_ROWS}) g WHERE {condition}")
    conn.execute("VACUUM ANALYZE merged")
