"""Clients that choose by themselves: shop@replica, shop@primary, a second port; and what libpq's target_session_attrs makes of them."""
import subprocess

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from harness.cluster import DATABASE, USER
from harness.postgres import PROGRAMS
from harness.program import free_port
from reads.scene import count_up, counted, paused, reads_of, serving

REPLICA, PRIMARY = f"{DATABASE}@replica", f"{DATABASE}@primary"


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=1, replicas=2, workers=2, replica_port=free_port())
    made.execute("CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL); INSERT INTO counter VALUES (1, 0); CREATE SEQUENCE numbers;"
                 "CREATE FUNCTION lets_write() RETURNS void LANGUAGE plpgsql AS"
                 " $$BEGIN PERFORM set_config('default_transaction_read_only', 'off', false); END$$;"
                 "CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS $$UPDATE counter SET n = n + 1 RETURNING n$$")
    made.catch_up()
    serving(made)
    return made


def on_replica_port(cluster, **more):
    info = cluster.conninfo().replace(f"port={cluster.router.port}", f"port={cluster.router.settings['replica_port']}")
    return psycopg.connect(info, autocommit=True, **more)


@pytest.fixture(params=["by name", "by port"])
def reader(request, cluster):
    with cluster.connect(dbname=REPLICA) if request.param == "by name" else on_replica_port(cluster) as conn:
        yield conn


def test_it_reads_from_replicas(cluster, reader):
    assert reader.execute("SHOW nanu.consistency").fetchone() == ("eventual",)
    cluster.catch_up()
    before = counted(reader)
    with paused(*cluster.replicas[0]):
        assert count_up(cluster) == before + 1
        with reads_of(cluster, 2):
            assert counted(reader) == before and counted(reader) == before
    reader.execute("SET nanu.consistency = strong")
    with reads_of(cluster, 0):
        assert counted(reader) == before + 1
    reader.execute("RESET nanu.consistency")
    assert reader.execute("SHOW nanu.consistency").fetchone() == ("eventual",)


@pytest.mark.parametrize("begin", ["BEGIN", "START TRANSACTION ISOLATION LEVEL REPEATABLE READ", "BEGIN READ ONLY"])
def test_so_do_its_transaction_blocks(cluster, reader, begin):
    with reads_of(cluster, 1):
        reader.execute(begin)
        counted(reader)
        counted(reader)
        reader.execute("COMMIT")
    with reader.transaction(), reads_of(cluster, 1):
        counted(reader)


def says_that_it_is_a_standby(reader):
    assert reader.info.parameter_status("in_hot_standby") == "on"
    assert reader.info.parameter_status("default_transaction_read_only") == "on"
    for _ in range(2):
        assert reader.execute("SHOW transaction_read_only").fetchone() == ("on",)
        assert reader.execute("SHOW in_hot_standby").fetchone() == ("on",)
        assert reader.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        assert reader.execute("SELECT pg_catalog.pg_is_in_recovery()", prepare=True).fetchone() == (True,)
        assert reader.execute("SELECT pg_is_in_recovery(), inet_server_port() > 0, current_setting('in_hot_standby')").fetchone() == (True, True, "on")
        assert reader.execute("SELECT pg_last_wal_replay_lsn() IS NULL, pg_is_wal_replay_paused()").fetchone() == (False, False)
    for begin in ("BEGIN", "BEGIN READ ONLY", "BEGIN ISOLATION LEVEL REPEATABLE READ"):
        reader.execute(begin)
        assert reader.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        assert reader.execute("SHOW in_hot_standby").fetchone() == ("on",)
        reader.execute("COMMIT")
        reader.execute(begin)
        assert reader.execute("SHOW in_hot_standby").fetchone() == ("on",)
        reader.execute("COMMIT")
    assert reader.info.parameter_status("in_hot_standby") == "on"


def test_it_says_that_it_is_a_standby(reader):
    says_that_it_is_a_standby(reader)


def test_so_does_one_of_several_shards(start_own):
    cluster = start_own(shards=2, replicas=1)
    serving(cluster)
    with cluster.connect(dbname=REPLICA) as reader:
        says_that_it_is_a_standby(reader)


@pytest.mark.parametrize("statement", [
    "INSERT INTO counter VALUES (2, 0)", "UPDATE counter SET n = 0", "DELETE FROM counter", "CREATE TABLE never (id int)", "TRUNCATE counter",
    "WITH gone AS (DELETE FROM counter RETURNING n) SELECT * FROM gone", "COPY counter FROM STDIN", "SELECT nextval('numbers')", "SELECT writes()",
    "SELECT n FROM counter FOR UPDATE", "DO $$BEGIN UPDATE counter SET n = 0; END$$", "VACUUM counter",
    "BEGIN READ WRITE", "SET default_transaction_read_only = off", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SELECT set_config('default_transaction_read_only', 'off', false)", "BEGIN; UPDATE counter SET n = 0",
    "LISTEN it", "NOTIFY it", "SELECT pg_notify('it', '')", "SELECT lo_create(0)", "SELECT lo_from_bytea(0, 'x')", "SELECT nanu.shard_table('counter', key => 'id')",
    "DO $$BEGIN COMMIT; SET default_transaction_read_only = off; UPDATE counter SET n = 0; END$$"])
def test_it_cannot_write(cluster, reader, statement):
    before = cluster.execute("SELECT n FROM counter")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as caught:
        reader.execute(statement, prepare=False)
    if statement.split()[0] in ("INSERT", "UPDATE", "DELETE", "SET", "BEGIN"):
        assert PRIMARY in caught.value.diag.message_hint
    reader.execute("ROLLBACK")
    assert reader.execute("SHOW transaction_read_only").fetchone() == ("on",)
    assert cluster.execute("SELECT n FROM counter") == before


def test_nor_when_a_function_would_let_it(cluster, reader):
    before = cluster.execute("SELECT n FROM counter")
    reader.execute("SELECT lets_write()")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader.execute("SELECT writes()")
    reader.execute("RESET ALL")
    reader.execute("DISCARD ALL")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader.execute("SELECT writes()")
    assert cluster.execute("SELECT n FROM counter") == before


def test_a_cursor_that_is_held_stays_where_it_was_made(reader):
    reader.execute("DECLARE held CURSOR WITH HOLD FOR SELECT n FROM generate_series(1, 3) n")
    for n in range(1, 4):
        assert reader.execute("FETCH held").fetchone() == (n,)
    reader.execute("CLOSE held")


def test_who_asks_for_both_is_told(cluster):
    with pytest.raises(psycopg.OperationalError, match="cannot be \"off\" for who reads from replicas"):
        cluster.connect(dbname=REPLICA, options="-c default_transaction_read_only=off")
    with cluster.connect(dbname=REPLICA, options="-c nanu.consistency=monotonic") as conn:
        assert conn.execute("SHOW nanu.consistency").fetchone() == ("monotonic",)


def test_who_keeps_a_server_process_cannot(start_own):
    cluster = start_own(shards=1, replicas=1, workers=1, pool_mode="session")
    with pytest.raises(psycopg.OperationalError, match="cannot have pool_mode session"):
        cluster.connect(dbname=REPLICA)
    with cluster.connect(dbname=PRIMARY) as conn:
        assert conn.execute("SHOW in_hot_standby").fetchone() == ("off",)


def test_the_primarys_side_is_strong(start_own):
    cluster = start_own(shards=1, replicas=1, workers=1, consistency="eventual")
    cluster.execute("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)")
    cluster.catch_up()
    serving(cluster)
    with cluster.connect(dbname=PRIMARY) as conn:
        assert conn.execute("SHOW nanu.consistency").fetchone() == ("strong",)
        assert conn.info.parameter_status("in_hot_standby") == "off"
        with paused(*cluster.replicas[0]):
            newest = conn.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()[0]
            assert counted(conn) == newest
        assert conn.execute("SELECT current_database()").fetchone() == (cluster.node_database,)


def test_the_name_is_not_the_sessions_database(cluster, reader):
    assert cluster.execute("SELECT DISTINCT database FROM nanu.sessions WHERE user_name = %s", [USER]) == [(DATABASE,)]


@pytest.mark.parametrize("order", ["primary first", "replicas first"])
@pytest.mark.parametrize("wanted", ["read-write", "primary", "read-only", "standby", "prefer-standby", "any"])
def test_target_session_attrs_chooses_the_port(cluster, wanted, order):
    """Of several hosts: one that is down, and two ports of one router."""
    ports = [cluster.router.port, cluster.router.settings["replica_port"]]
    if order == "replicas first":
        ports.reverse()
    hosts = dict(host=",".join(["127.0.0.1"] * 3), port=",".join(str(port) for port in [free_port(), *ports]))
    chosen = ports[0] if wanted == "any" else cluster.router.port if wanted in ("read-write", "primary") else cluster.router.settings["replica_port"]
    with psycopg.connect(cluster.conninfo(), **hosts, target_session_attrs=wanted, autocommit=True) as conn:
        assert conn.execute("SHOW transaction_read_only").fetchone() == ("off" if chosen == cluster.router.port else "on",)
        assert conn.info.port == chosen


@pytest.mark.parametrize("wanted, name", [("read-only", DATABASE), ("standby", DATABASE), ("primary", REPLICA), ("read-write", REPLICA)])
def test_target_session_attrs_refuses_the_other(cluster, wanted, name):
    with pytest.raises(psycopg.OperationalError):
        cluster.connect(dbname=name, target_session_attrs=wanted)


def test_a_take_over_hands_both_ports_over(start_own):
    cluster = start_own(shards=1, replicas=1, workers=2, replica_port=free_port())
    before = cluster.router.take_over()
    with on_replica_port(cluster) as conn:
        assert conn.execute("SHOW transaction_read_only").fetchone() == ("on",)
    with cluster.connect() as conn:
        assert conn.execute("SHOW transaction_read_only").fetchone() == ("off",)
    before.popen.wait(30)


def test_pg_dump_works(cluster):
    """It sets a parameter that not every server has, by a query of pg_settings."""
    info = conninfo_to_dict(cluster.conninfo(dbname=REPLICA))
    dump = subprocess.run([PROGRAMS / "pg_dump", "-h", "127.0.0.1", "-p", info["port"], "-U", info["user"], info["dbname"]], capture_output=True, text=True,
                          env={"PGPASSWORD": info["password"]}, timeout=60)
    assert dump.returncode == 0, dump.stderr
    assert "COPY public.counter" in dump.stdout


def test_what_pg_settings_has_is_set_and_nothing_else(cluster):
    with cluster.connect() as conn:
        assert conn.execute("SELECT set_config(name, '7MB', false) FROM pg_settings WHERE name = 'work_mem'").fetchall() == [("7MB",)]
        assert conn.execute("SELECT set_config(name, '7MB', false) FROM pg_settings WHERE name = 'never_heard_of'").fetchall() == []
        assert conn.execute("SHOW work_mem").fetchone() == ("7MB",)
        assert conn.execute("SELECT pins FROM nanu.sessions WHERE pid = %s", [conn.info.backend_pid]).fetchone() in ((None,), ("",))
    with cluster.connect() as conn:
        assert conn.execute("SHOW work_mem").fetchone() != ("7MB",)
