"""SELECTs over several shards that replicas serve."""
import itertools
import threading
import time

import psycopg
import pytest

from harness.background import in_background
from harness.wait import wait_until

from .scene import connect, paused, reads_of, serving, stat

ONE_LOOP = "uring"
ROWS = 200
numbers = itertools.count(1)


def prepare(cluster):
    with cluster.connect() as conn:
        conn.execute("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)")
        conn.execute("SELECT nanu.shard_table('t', key => 'id')")
        for i in range(ROWS):
            conn.execute("INSERT INTO t VALUES (%s, 0)", [i])
    cluster.catch_up()
    serving(cluster)
    return cluster


@pytest.fixture(scope="module")
def cluster(start_cluster):
    return prepare(start_cluster(shards=2, replicas=2, workers=1, max_lag=0))


@pytest.mark.parametrize("prepare", [False, True])
@pytest.mark.parametrize("level", ["eventual", "bounded", "monotonic", "session"])
def test_every_shard_is_read_from_a_replica(cluster, level, prepare):
    with connect(cluster, level) as conn:
        conn.execute("SET nanu.read_wait = '10s'")
        before = stat(cluster, "replica_reads")
        assert conn.execute("SELECT count(*), min(id), max(id) FROM t", prepare=prepare).fetchone() == (ROWS, 0, ROWS - 1)
        assert stat(cluster, "replica_reads") == before + 2 + prepare  # psycopg prepares apart, on one shard


def test_strong_ones_are_read_from_the_primaries(cluster):
    with cluster.connect() as conn, reads_of(cluster, 0):
        assert conn.execute("SELECT count(*) FROM t").fetchone() == (ROWS,)


@pytest.mark.parametrize("level", ["session", "causal"])
def test_they_show_what_the_session_wrote_on_each_shard(cluster, level):
    with connect(cluster, level) as conn:
        with paused(*cluster.replicas[0]):
            for i in range(0, 20):
                conn.execute("UPDATE t SET n = n + 1 WHERE id = %s", [i])
            shown = conn.execute("SELECT sum(n) FROM t WHERE id < 20").fetchone()
        before, = conn.execute("SELECT sum(n) FROM t WHERE id < 20").fetchone()
        assert shown == (before,)


def n_of(conn, number):
    return conn.execute("SELECT n FROM t WHERE id = %s", [number]).fetchone()[0]


@pytest.mark.parametrize("begin", ["BEGIN READ ONLY", "BEGIN", None])
def test_a_causal_session_is_shown_what_the_writer_of_one_shard_knew_of_another(cluster, begin):
    here, there = (conn.execute("SELECT min(id) FROM t").fetchone()[0] for conn in (cluster.connect_node(shard=shard) for shard in (0, 1)))
    with paused(*cluster.replicas[1]), connect(cluster, "eventual") as writer:
        wrote = writer.execute("UPDATE t SET n = n + 1 WHERE id = %s RETURNING n", [there]).fetchone()[0]
        writer.execute("UPDATE t SET n = %s WHERE id = %s", [wrote, here])
        for replica in cluster.replicas[0]:
            with replica.connect(cluster.node_database) as conn:
                wait_until(lambda: n_of(conn, here) == wrote, "the replica shows it")
        for _ in range(4):
            with connect(cluster, "causal") as conn:
                if begin:
                    conn.execute(begin)
                assert (n_of(conn, here), n_of(conn, there)) == (wrote, wrote)


def test_a_read_only_transaction_reads_all_shards_from_replicas(cluster):
    with connect(cluster, "eventual") as conn, reads_of(cluster, 2):
        conn.execute("BEGIN READ ONLY")
        assert conn.execute("SELECT count(*) FROM t").fetchone() == (ROWS,)
        assert conn.execute("SELECT count(*) FROM t WHERE id < 50").fetchone() == (50,)
        conn.execute("COMMIT")


@pytest.mark.parametrize("prepare", [False, True])
def test_what_a_replica_refuses_is_asked_of_the_primaries(cluster, prepare):
    """A function that is said to be IMMUTABLE, and is not."""
    cluster.execute("CREATE OR REPLACE FUNCTION missing_there(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN"
                    " IF pg_is_in_recovery() THEN RAISE insufficient_privilege; END IF; RETURN $1; END$$")
    cluster.catch_up()
    before = stat(cluster, "replica_retries")
    with connect(cluster, "eventual") as conn:
        assert conn.execute("SELECT count(missing_there(id)) FROM t", prepare=prepare).fetchone() == (ROWS,)
    assert stat(cluster, "replica_retries") > before


def test_errors_are_the_statement_s(cluster):
    with connect(cluster, "eventual") as conn:
        with pytest.raises(psycopg.errors.DivisionByZero):
            conn.execute("SELECT max(1 / (id - 7)) FROM t")
        assert conn.execute("SELECT count(*) FROM t").fetchone() == (ROWS,)


@pytest.fixture
def own_primaries(farm):
    primaries = [farm.extra_server(f"fan{next(numbers)}") for _ in range(2)]
    for primary in primaries:
        farm.replicas_for(primary, 2)
    yield primaries
    for primary in primaries:
        for server in [*farm.replicas.pop(primary), primary]:
            server.stop()


def test_a_replica_that_dies_is_not_noticed(own_primaries, start_own):
    cluster = prepare(start_own(servers=own_primaries, replicas=2, workers=1))
    victim = cluster.replicas[1][0]
    stop, reads = threading.Event(), [0] * 16

    def read(i):
        with connect(cluster, "eventual") as conn:
            while not stop.is_set():
                assert conn.execute("SELECT count(*), sum(n) FROM t").fetchone() == (ROWS, 0)
                assert len(conn.execute("SELECT id FROM t ORDER BY id").fetchall()) == ROWS
                reads[i] += 1

    def disturb():
        try:
            for _ in range(3):
                wait_until(lambda: min(reads) > 2, "everybody reads")
                victim.program.stop(9)
                killed = time.monotonic()
                serving(cluster, ["n1r1", "n1r2", "n2r2"])
                assert time.monotonic() - killed < 2
                victim.start()
                serving(cluster)
                reads[:] = [0] * len(reads)
        finally:
            stop.set()
    in_background(disturb, *(lambda i=i: read(i) for i in range(16)))


# ---- transaction blocks over shards ----

def ids(cluster):
    """One of each shard."""
    found = []
    for shard in range(2):
        with cluster.connect_node(shard) as conn:
            found.append(conn.execute("SELECT min(id) FROM t").fetchone()[0])
    return found


@pytest.mark.parametrize("level", ["strong", "session"])
@pytest.mark.parametrize("end, more", [("COMMIT", 1), ("ROLLBACK", 0)])
def test_a_block_that_ends_at_once_within_a_pipeline_has_ended(cluster, level, end, more):
    """Its server was still beginning it: what came before was acknowledged, and lost."""
    with connect(cluster, level) as conn:
        before, = conn.execute("SELECT n FROM t WHERE id = 1").fetchone()
        with conn.pipeline():
            for statement in ["UPDATE t SET n = n + 1 WHERE id = 1", "BEGIN", end]:
                conn.execute(statement)
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert cluster.execute("SELECT n FROM t WHERE id = 1") == [(before + more,)]


@pytest.mark.parametrize("level", ["strong", "session"])
def test_what_was_set_within_a_pipeline_before_begin_commits_nothing(cluster, level):
    with connect(cluster, level) as conn:
        before, = conn.execute("SELECT n FROM t WHERE id = 1").fetchone()
        with conn.pipeline():
            for statement in ["SET default_transaction_isolation = 'repeatable read'", "SET work_mem = '7MB'", "UPDATE t SET n = n + 1 WHERE id = 1", "BEGIN READ ONLY"]:
                conn.execute(statement)
            shown = conn.execute("SHOW work_mem").fetchone()
            conn.execute("ROLLBACK")
        assert shown == ("7MB",)
        assert conn.execute("SELECT n FROM t WHERE id = 1").fetchone() == (before,)
        assert conn.execute("SHOW work_mem").fetchone() != ("7MB",)


@pytest.mark.parametrize("level", ["strong", "session"])
def test_modes_that_come_too_late_within_a_pipeline_are_refused(cluster, level):
    with connect(cluster, level) as conn:
        before, = conn.execute("SELECT n FROM t WHERE id = 1").fetchone()
        with pytest.raises(psycopg.errors.ActiveSqlTransaction), conn.pipeline():
            conn.execute("UPDATE t SET n = n + 1 WHERE id = 1")
            conn.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert conn.execute("SELECT n FROM t WHERE id = 1").fetchone() == (before,)


@pytest.mark.parametrize("level", ["strong", "session"])
@pytest.mark.parametrize("end", ["COMMIT AND CHAIN", "ROLLBACK AND CHAIN"])
def test_a_chain_keeps_its_modes_on_the_next_shard(cluster, level, end):
    here, there = ids(cluster)
    with connect(cluster, level) as conn:
        conn.execute("BEGIN READ ONLY")
        conn.execute("SELECT n FROM t WHERE id = %s", [here])
        conn.execute(end)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            conn.execute("UPDATE t SET n = n + 1 WHERE id = %s", [there])
        conn.execute("ROLLBACK")


@pytest.mark.parametrize("level", ["strong", "session"])
def test_a_second_begin_says_more_of_the_modes(cluster, level):
    with connect(cluster, level) as conn:
        conn.execute("BEGIN")
        conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        assert conn.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            conn.execute("UPDATE t SET n = n + 1 WHERE id = 1")
        conn.execute("ROLLBACK")
        conn.execute("BEGIN")
        conn.execute("SELECT n FROM t WHERE id = 1")
        with pytest.raises(psycopg.Error) as caught:
            conn.execute("BEGIN READ ONLY")
        assert caught.value.sqlstate == "0A000"
        conn.execute("ROLLBACK")


@pytest.mark.parametrize("select", ["SELECT id, n FROM t WHERE id IN ({}, {}) ORDER BY n", "SELECT id, n FROM t WHERE n > 0 AND id >= {} AND id <= {} ORDER BY n"])
def test_causal_shows_no_effect_without_its_cause(cluster, select):
    """Of the replica that shows the effect nothing tells that another shard's is behind."""
    with cluster.connect() as conn:
        ports = {}
        for i in range(20):
            ports.setdefault(conn.execute("SELECT inet_server_port() FROM t WHERE id = %s", [i]).fetchone()[0], i)
        keys = list(ports.values())[:2]
    cluster.catch_up()
    with connect(cluster, "causal") as reader, connect(cluster, "causal") as writer:
        reader.execute("SET nanu.read_wait = '1ms'")
        for cause, effect in (keys, keys[::-1]):
            shard = [server.port for server in cluster.servers].index({key: port for port, key in ports.items()}[cause])
            cluster.execute("UPDATE t SET n = 1000 WHERE id = %s", [cause])
            cluster.execute("UPDATE t SET n = 1000 WHERE id = %s", [effect])
            cluster.catch_up()
            with paused(*cluster.replicas[shard]):
                cluster.execute("UPDATE t SET n = 2000 WHERE id = %s", [cause])
                assert writer.execute("/* nanu: consistency=strong */ SELECT n FROM t WHERE id = %s", [cause], prepare=False).fetchone() == (2000,)
                writer.execute("UPDATE t SET n = 3000 WHERE id = %s", [effect])
                rows = {}

                def effect_shows():
                    rows.update(reader.execute(select.format(*sorted(keys)), prepare=False).fetchall())
                    return rows[effect] == 3000
                wait_until(effect_shows, "the effect shows")
                assert rows[cause] == 2000
