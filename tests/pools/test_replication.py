"""Clients that replicate, with PostgreSQL's own programs, through the router in session mode."""
import os
import subprocess

import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PASSWORD, PROGRAMS, SUPERUSER
from harness.wait import wait_until
from harness.wire import Refused, Wire, fields

ROWS = 2000


@pytest.fixture(scope="module")
def cluster(start_cluster):
    return start_cluster(shards=1, workers=2, pool_size=1, pool_mode="session")


def program(cluster, name, *arguments, dbname=None, **more):
    where = ["-h", "127.0.0.1", "-p", str(cluster.router.port), "-U", SUPERUSER] if dbname is None else ["-d", cluster.conninfo(SUPERUSER, PASSWORD, dbname)]
    return subprocess.run([PROGRAMS / name, *where, *map(str, arguments)], env=dict(os.environ, PGPASSWORD=PASSWORD), capture_output=True, text=True,
                          timeout=60, check=False, **more)


def replicate(cluster, how, user=SUPERUSER, password=PASSWORD, database=DATABASE):
    return Wire(cluster.router.port, user, password, database, replication=how, application_name="one that replicates")


def test_a_base_backup_is_whole(cluster, tmp_path):
    """With its log streamed beside it, by a second connection; the server's own program checks the sums."""
    cluster.execute("CREATE TABLE filled AS SELECT n, repeat('x', 100) FROM generate_series(1, 50000) n")
    done = program(cluster, "pg_basebackup", "-D", tmp_path / "base", "-X", "stream", "-c", "fast")
    assert done.returncode == 0, done.stderr
    checked = subprocess.run([PROGRAMS / "pg_verifybackup", tmp_path / "base"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_the_log_is_received(cluster, tmp_path):
    """Byte by byte as the server has it, up to where it was asked for."""
    cluster.execute("CREATE TABLE logged AS SELECT generate_series(1, 20000) n")
    end, segment, size = cluster.execute("SELECT lsn, file_name, file_offset FROM pg_current_wal_lsn() lsn, pg_walfile_name_offset(lsn)")[0]
    cluster.execute("CREATE TABLE later AS SELECT generate_series(1, 20000) n")  # it ends with what comes behind that
    done = program(cluster, "pg_receivewal", "-D", tmp_path, "-n", "--no-sync", "-E", end)
    assert done.returncode == 0, done.stderr
    received = (tmp_path / f"{segment}.partial").read_bytes()[:size]
    assert size > 0 and received == (cluster.servers[0].data / "pg_wal" / segment).read_bytes()[:size]


def test_changes_are_received_logically(cluster, tmp_path):
    cluster.execute("CREATE TABLE changed (n int)")
    made = program(cluster, "pg_recvlogical", "--slot=test", "--create-slot", "-P", "test_decoding", dbname=DATABASE)
    assert made.returncode == 0, made.stderr
    cluster.execute(f"INSERT INTO changed SELECT generate_series(1, {ROWS})")
    with cluster.servers[0].connect(cluster.node_database) as node:
        end = node.execute("SELECT pg_current_wal_lsn()").fetchone()[0]
    file = tmp_path / "changes"
    done = program(cluster, "pg_recvlogical", "--slot=test", "--start", "-f", file, "-E", end, "--no-loop", dbname=DATABASE)
    assert done.returncode == 0, done.stderr
    assert file.read_text().count("table public.changed: INSERT") == ROWS
    assert program(cluster, "pg_recvlogical", "--slot=test", "--drop-slot", dbname=DATABASE).returncode == 0


def test_a_server_subscribes_through_the_router(cluster, farm):
    publisher, subscriber = cluster.servers[0], farm.servers_for(2)[1]
    name = farm.new_database_name()
    with publisher.connect(cluster.node_database) as conn:
        conn.execute("CREATE TABLE published (n int PRIMARY KEY)")
        conn.execute(f"INSERT INTO published SELECT generate_series(1, {ROWS})")
        conn.execute("CREATE PUBLICATION p FOR TABLE published")
    with subscriber.connect() as conn:
        conn.execute(f"CREATE DATABASE {name}")
    try:
        with subscriber.connect(name) as conn:
            count = "SELECT count(*) FROM published"
            conn.execute("CREATE TABLE published (n int PRIMARY KEY)")
            conn.execute(f"CREATE SUBSCRIPTION {name} CONNECTION '{cluster.conninfo(SUPERUSER, PASSWORD)}' PUBLICATION p")
            wait_until(lambda: conn.execute(count).fetchone() == (ROWS,), "the rows are there")
            with publisher.connect(cluster.node_database) as other:
                other.execute(f"DELETE FROM published WHERE n > {ROWS // 2}")
            wait_until(lambda: conn.execute(count).fetchone() == (ROWS // 2,), "the change is there")
            assert ("replication",) in cluster.execute("SELECT state FROM nanu.backends")
            conn.execute(f"DROP SUBSCRIPTION {name}")
    finally:
        with subscriber.connect() as conn:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("how", ["true", "on", "1", "yes", "database"])
def test_replication_commands_are_answered_by_the_server(cluster, how):
    with replicate(cluster, how) as wire, cluster.connect_node(user=SUPERUSER, password=PASSWORD) as node:
        assert len(wire.rows("IDENTIFY_SYSTEM")[0]) == 4
        assert node.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'one that replicates' AND backend_type = 'walsender'").fetchone() == (1,)
    wait_until(lambda: cluster.execute("SELECT count(*) FROM nanu.backends WHERE state = 'replication'") == [(0,)], "its backend goes with it")


def test_what_is_no_replication_is_an_ordinary_session(cluster):
    with replicate(cluster, "off") as wire:
        assert wire.one("SELECT 1") == "1"
    assert refused(cluster, "perhaps") == "22023"


def refused(cluster, how, **more):
    """The SQLSTATE of a login that is refused."""
    with pytest.raises(Refused) as caught:
        replicate(cluster, how, **more)
    return caught.value.fields["C"]


def test_the_server_says_who_may_replicate(cluster):
    assert refused(cluster, "true", user=USER, password=USER_PASSWORD) == "42501"


def test_a_server_that_goes_away_ends_it(cluster):
    with replicate(cluster, "true") as wire, cluster.connect_node(user=SUPERUSER, password=PASSWORD) as node:
        wire.rows("IDENTIFY_SYSTEM")
        node.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'one that replicates'")
        assert fields(wire.until("E")[-1][1])["C"] == "57P01"
        assert wire.until()[-1][0] == "closed"


def test_rules_know_who_replicates(start_cluster):
    """As in pg_hba.conf: "all" is not for those who replicate a whole server."""
    everybody = {"type": "host", "method": "scram-sha-256"}
    cluster = start_cluster(shards=1, workers=1, pool_mode="session", hba=[everybody])
    assert refused(cluster, "true") == "28000"
    with replicate(cluster, "database") as wire:
        assert wire.rows("IDENTIFY_SYSTEM")
    cluster.router.settings["hba"] = [dict(everybody, databases=["replication"])] + [everybody]
    cluster.router.configure()
    cluster.execute("SELECT nanu.reload()")
    with replicate(cluster, "true") as wire:
        assert wire.rows("IDENTIFY_SYSTEM")


def test_in_transaction_mode_and_over_shards_it_is_refused(start_cluster):
    assert refused(start_cluster(shards=1, workers=1), "true") == "0A000"
    assert refused(start_cluster(shards=2, workers=1, pool_mode="session"), "database") == "0A000"


def test_a_pause_ends_it(start_cluster):
    cluster = start_cluster(shards=1, workers=1, users=[{"name": SUPERUSER, "pool_mode": "session"}])
    with replicate(cluster, "true") as wire, cluster.connect() as admin:
        assert wire.rows("IDENTIFY_SYSTEM")
        admin.execute(f"SELECT nanu.pause('{DATABASE}')")
        assert wire.until()[-1][0] == "closed"
        admin.execute(f"SELECT nanu.resume('{DATABASE}')")
