"""Reads that wait for a replica: nanu.read_wait and nanu.read_fallback; how soon what was written is known to be there; strong reads from replicas."""
import statistics
import threading
import time

import psycopg
import pytest

from harness.background import in_background
from harness.wait import wait_until

from .scene import connect, count_up, counted, it_waits, paused, reads_of, serving, stat

ONE_LOOP = "uring"

COUNTER = "CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL); INSERT INTO counter VALUES (1, 0)"


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=1, replicas=2, workers=1, sample_interval=100, max_lag=0)
    made.execute(COUNTER)
    made.catch_up()
    serving(made)
    return made


@pytest.fixture(scope="module")
def strong(start_cluster):
    """A database whose strong reads are the replicas'."""
    made = start_cluster(shards=1, replicas=2, strong_reads="replicas", max_lag=0)
    made.execute(COUNTER)
    made.catch_up()
    serving(made)
    return made


@pytest.mark.parametrize("level", ["read_your_writes", "causal"])
def test_what_was_written_is_soon_read_from_replicas(cluster, level):
    """Long before the next sample is due."""
    took = []
    with connect(cluster, level) as conn:
        for _ in range(20):
            wrote, = conn.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
            began, before = time.monotonic(), stat(cluster, "replica_reads")
            conn.execute("SET nanu.read_wait = '10s'")
            assert counted(conn) == wrote
            took.append(time.monotonic() - began)
            assert stat(cluster, "replica_reads") == before + 1
    assert statistics.median(took) < 0.05, took


def test_a_read_waits_for_a_replica(cluster):
    with connect(cluster, "session") as conn, cluster.connect() as other:
        conn.execute("SET nanu.read_wait = '1min'")
        with paused(*cluster.replicas[0]):
            wrote, = conn.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
            before = stat(cluster, "replica_reads")
            reader = threading.Thread(target=lambda: results.append(counted(conn)))
            results = []
            reader.start()
            it_waits(other, conn)
            assert not results
        reader.join(10)
        assert results == [wrote] and stat(cluster, "replica_reads") == before + 1


def test_then_the_primary_serves(cluster):
    with connect(cluster, "session") as conn, paused(*cluster.replicas[0]):
        conn.execute("SET nanu.read_wait = '200ms'")
        wrote, = conn.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
        began = time.monotonic()
        with reads_of(cluster, 0):
            assert counted(conn) == wrote
        assert 0.2 <= time.monotonic() - began < 2


@pytest.mark.parametrize("prepare", [False, True])
def test_or_nobody_if_so_chosen(cluster, prepare):
    with connect(cluster, "session") as conn:
        conn.execute("SET nanu.read_fallback = error")
        with paused(*cluster.replicas[0]):
            wrote, = conn.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
            with pytest.raises(psycopg.errors.CannotConnectNow, match="no replica of shard"):
                conn.execute("SELECT n FROM counter", prepare=prepare)
            with conn.transaction():  # not a read that a replica could serve
                assert counted(conn) == wrote
        conn.execute("SET nanu.read_wait = '10s'")
        with reads_of(cluster, 1 + prepare):  # psycopg prepares apart
            assert conn.execute("SELECT n FROM counter", prepare=prepare).fetchone() == (wrote,)


def test_the_wait_is_a_part_of_the_statements_time(cluster):
    with connect(cluster, "session") as conn, paused(*cluster.replicas[0]):
        conn.execute("SET nanu.read_wait = '1min'")
        conn.execute("SET statement_timeout = '200ms'")
        conn.execute("UPDATE counter SET n = n + 1")
        begin = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled, match="due to statement timeout"):
            counted(conn)
        assert 0.2 <= time.monotonic() - begin < 5


def test_the_wait_can_be_cancelled(cluster):
    with connect(cluster, "session") as conn, cluster.connect() as other, paused(*cluster.replicas[0]):
        conn.execute("SET nanu.read_wait = '1min'")
        wrote, = conn.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()

        def cancel():
            it_waits(other, conn)
            conn.cancel()

        def read():
            with pytest.raises(psycopg.errors.QueryCanceled):
                counted(conn)
        in_background(read, cancel)
        conn.execute("RESET nanu.read_wait")
        assert counted(conn) == wrote


def test_who_goes_while_he_waits_leaves_nothing(cluster):
    with cluster.connect() as other, paused(*cluster.replicas[0]):
        conn = connect(cluster, "session")
        conn.execute("SET nanu.read_wait = '1min'")
        conn.execute("UPDATE counter SET n = n + 1")
        conn.pgconn.send_query(b"SELECT n FROM counter")
        it_waits(other, conn)
        conn.close()
        wait_until(lambda: other.execute("SELECT count(*) FROM nanu.sessions WHERE NOT state = 'closed'").fetchone() == (1,), "it has gone")
    assert count_up(cluster)


def test_read_only_transactions_wait_too(cluster):
    with connect(cluster, "session") as conn:
        conn.execute("SET nanu.read_wait = '10s'")
        wrote, = conn.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
        with reads_of(cluster, 1):
            conn.execute("BEGIN READ ONLY")
            assert counted(conn) == wrote and counted(conn) == wrote
            conn.execute("COMMIT")


# ---- strong reads from replicas ----

def test_strong_reads_are_the_replicas(strong):
    with strong.connect() as conn, reads_of(strong, 10):
        for _ in range(10):
            wrote = count_up(strong)
            assert counted(conn) == wrote


def test_they_show_what_anybody_was_told(strong):
    """Writers tell what they wrote, of which no read that begins later may show less."""
    stop, acknowledged, seen = threading.Event(), [0], []

    def write():
        with strong.connect() as conn:
            for _ in range(300):
                acknowledged[0], = conn.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
        stop.set()

    def read():
        with strong.connect() as conn:
            while not stop.is_set():
                before = acknowledged[0]
                value = counted(conn)
                seen.append((before, value))
                assert value >= before
    with reads_of_at_least(strong, 50):
        in_background(write, *[read] * 4)
    assert len(seen) > 50


class reads_of_at_least:
    def __init__(self, cluster, count):
        self.cluster, self.count = cluster, count

    def __enter__(self):
        self.before = stat(self.cluster, "replica_reads")

    def __exit__(self, *_):
        assert stat(self.cluster, "replica_reads") - self.before >= self.count


def test_later_reads_of_a_block_are_strong_too(strong):
    with strong.connect() as conn:
        for _ in range(20):
            conn.execute("BEGIN READ ONLY")
            counted(conn)
            for _ in range(3):
                wrote = count_up(strong)
                assert counted(conn) == wrote
            conn.execute("COMMIT")


THERE = "CREATE FUNCTION there() RETURNS text IMMUTABLE LANGUAGE sql AS $$SELECT current_setting('in_hot_standby')$$"
SLOW = "SELECT n, there(), pg_sleep(1)::text FROM counter"


def reading(replicas):
    """The backends of these servers that run it, each with its server."""
    found = []
    for replica in replicas:
        with replica.connect() as conn:
            rows = conn.execute("SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(1)%' AND pid <> pg_backend_pid()").fetchall()
            found += [(replica, pid) for pid, in rows]
    return found


@pytest.mark.parametrize("times", [1, 2])
def test_another_replica_serves_when_one_fails_and_not_the_primary(start_own, times):
    strong = start_own(shards=1, replicas=2, strong_reads="replicas", max_lag=0)
    strong.execute(COUNTER)
    strong.execute(THERE)
    strong.catch_up()
    serving(strong)
    before, killed = stat(strong, "replica_retries"), []

    def kill():
        for _ in range(times):
            wait_until(lambda: set(reading(strong.replicas[0])) - set(killed), "it is read")
            for replica, pid in set(reading(strong.replicas[0])) - set(killed):
                with replica.connect() as conn:
                    conn.execute("SELECT pg_terminate_backend(%s)", [pid])
                killed.append((replica, pid))

    def read():
        with strong.connect() as conn:
            wrote = count_up(strong)
            if times == 1:
                assert conn.execute(SLOW).fetchone()[:2] == (wrote, "on")
            else:
                with pytest.raises(psycopg.OperationalError, match="terminating connection"):
                    conn.execute(SLOW)
    in_background(read, kill)
    assert len({replica for replica, _ in killed}) == times
    assert stat(strong, "replica_retries") == before + 1


REFUSED_THERE = ("CREATE FUNCTION refused_there(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
                 " $$BEGIN IF pg_is_in_recovery() THEN RAISE insufficient_privilege; END IF; RETURN $1; END$$")


@pytest.mark.parametrize("statement", ["SELECT refused_there(n) FROM counter", "EXECUTE refused"])
def test_the_primary_does_not_answer_what_replicas_refuse(start_own, statement):
    strong = start_own(shards=1, replicas=2, strong_reads="replicas", max_lag=0)
    strong.execute(f"{COUNTER}; {REFUSED_THERE}")
    strong.catch_up()
    serving(strong)
    with strong.connect() as conn:
        conn.execute("PREPARE refused AS SELECT refused_there(n) FROM counter")
        with reads_of(strong, 2), pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(statement, prepare=False)
        with reads_of(strong, 1):
            assert counted(conn) == 0


def test_a_replica_that_dies_is_not_noticed_by_strong_reads(own_servers, start_own):
    strong = start_own(servers=[own_servers], replicas=2, strong_reads="replicas", max_lag=0)
    strong.execute(COUNTER)
    strong.execute(THERE)
    strong.catch_up()
    serving(strong)
    victim, stop, reads = strong.replicas[0][0], threading.Event(), [0] * 8

    def read(i):
        with strong.connect() as conn:
            while not stop.is_set():
                before = count_up(strong) if i == 0 else 0
                value, where = conn.execute("SELECT n, there() FROM counter").fetchone()
                assert value >= before and where == "on"
                reads[i] += 1

    def disturb():
        try:
            for _ in range(3):
                at = list(reads)
                wait_until(lambda: all(now > then + 5 for now, then in zip(reads, at)), "everybody reads")
                victim.program.stop(9)
                at = list(reads)
                wait_until(lambda: all(now > then + 5 for now, then in zip(reads, at)), "everybody goes on")
                victim.start()
                serving(strong)
        finally:
            stop.set()
    in_background(*(lambda i=i: read(i) for i in range(8)), disturb)


def test_when_no_replica_can_serve_them_they_are_refused(strong):
    """The primary may show less than a replica has shown: never both ways."""
    with strong.connect() as conn:
        with paused(*strong.replicas[0]):
            count_up(strong)
            with pytest.raises(psycopg.errors.CannotConnectNow, match="at consistency strong"):
                counted(conn)
        assert counted(conn)
