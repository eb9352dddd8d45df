"""Transactions that are open on the primary, with all replicas there, some behind, or none: nobody else waits for them."""
import contextlib
import itertools
import os
import signal
import threading
import time

import pytest

from harness.wait import wait_until

from .scene import connect, counted, paused, serving

ONE_LOOP = "epoll"
SECONDS = 1.5                   # a wait for what never comes is 1 s
UNSEEN = 130                    # transactions: more than a simple statement's worth of numbers
numbers = itertools.count(1)
LEVELS = ["monotonic", "session", "causal", "strong"]
COPIED = "COPY other FROM STDIN"
SETUP = ("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0); CREATE TABLE other (n int); CREATE TABLE locked (n int);"
         " INSERT INTO locked VALUES (0)")


@pytest.fixture(scope="module")
def cluster(farm, start_cluster):
    server = farm.extra_server(f"open{next(numbers)}", {"max_connections": str(UNSEEN + 70), "autovacuum": "off"})
    made = start_cluster(servers=[server], replicas=2, max_lag=0, strong_reads="replicas")
    made.execute(SETUP)
    made.catch_up()
    serving(made)
    yield made
    made.owned = []
    for each in [*farm.replicas.pop(server), server]:
        each.stop()


@contextlib.contextmanager
def own_of(farm, start_own, name, **settings):
    server = farm.extra_server(f"{name}{next(numbers)}")
    own = start_own(servers=[server], replicas=2, max_lag=0, strong_reads="replicas", **settings)
    try:
        own.execute(SETUP)
        own.catch_up()
        serving(own)
        yield own
    finally:
        own.owned = []
        for each in [*farm.replicas.pop(server), server]:
            each.stop()


@contextlib.contextmanager
def opened(cluster, *statements):
    """A transaction of nobody's through the router, with a number."""
    with cluster.servers[0].connect(cluster.node_database) as conn:
        conn.execute("BEGIN")
        conn.execute("INSERT INTO other VALUES (-1)")
        for statement in statements:
            conn.execute(statement)
        yield conn
        conn.execute("ROLLBACK")


@contextlib.contextmanager
def many(cluster, count):
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(opened(cluster))
        yield


@contextlib.contextmanager
def copying(cluster):
    """A long statement, whose client has to go on."""
    with opened(cluster) as conn, conn.cursor().copy(COPIED) as copy:
        copy.write_row((1,))
        yield
        copy.write_row((2,))


@contextlib.contextmanager
def locked_out(cluster):
    with opened(cluster, "UPDATE locked SET n = n + 1") as one, cluster.servers[0].connect(cluster.node_database) as conn:
        conn.execute("BEGIN")
        conn.execute("INSERT INTO other VALUES (-2)")
        waiter = threading.Thread(target=lambda: conn.execute("UPDATE locked SET n = n + 2"))
        waiter.start()
        try:
            wait_until(lambda: one.execute("SELECT pg_stat_clear_snapshot(), cardinality(pg_blocking_pids(%s))", [conn.info.backend_pid]).fetchone()[1],
                       "it waits")
            yield
        finally:
            one.execute("ROLLBACK")
            waiter.join()


OPEN = {
    "idle": opened,
    "unflushed": lambda cluster: opened(cluster, "INSERT INTO other SELECT generate_series(1, 3000)"),
    "with parts": lambda cluster: opened(cluster, *["SAVEPOINT s", "INSERT INTO other VALUES (-2)"] * 3),
    "a copy": copying,
    "a lock": locked_out,
}


def goes_on(conn, turns=4):
    for _ in range(turns):
        begun = time.monotonic()
        wrote, = conn.execute("UPDATE counter SET n = n + 1 RETURNING n", prepare=False).fetchone()
        assert counted(conn) == wrote
        with conn.transaction():
            assert counted(conn) == wrote
        assert time.monotonic() - begun < SECONDS


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("what", OPEN)
def test_with_its_replicas(cluster, level, what):
    with connect(cluster, level) as conn:
        conn.execute("SET nanu.read_wait = '5s'")
        counted(conn)
        with OPEN[what](cluster):
            conn.execute("SELECT pg_sleep(0.03)")
            goes_on(conn)


@pytest.mark.parametrize("level", LEVELS)
def test_with_more_than_are_looked_at_one_by_one(cluster, level):
    with connect(cluster, level) as conn, many(cluster, UNSEEN):
        goes_on(conn)


@pytest.mark.parametrize("what", OPEN)
def test_with_replicas_that_do_not_replay(cluster, what):
    """What they have shown, the primary shows. Strong reads are for replicas here, and are refused (test_with_no_replica)."""
    with contextlib.ExitStack() as stack:
        conns = [stack.enter_context(connect(cluster, level)) for level in LEVELS[:-1]]
        stack.enter_context(OPEN[what](cluster))
        for conn in conns:
            counted(conn)
        stack.enter_context(paused(*cluster.replicas[0]))
        for conn in conns:
            goes_on(conn)


def test_a_token_from_elsewhere_with_replicas_that_do_not_replay(cluster):
    with connect(cluster, "causal") as one, opened(cluster), paused(*cluster.replicas[0]):
        one.execute("UPDATE counter SET n = n + 1")
        token, = one.execute("SHOW nanu.token").fetchone()
        for level in LEVELS[:-1]:
            with connect(cluster, level) as two:
                two.execute(f"SET nanu.token = '{token}'")
                goes_on(two)


def test_with_no_replica(farm, start_own):
    """One that has died may have shown anything until then."""
    with own_of(farm, start_own, "none") as own, contextlib.ExitStack() as stack:
        conns = [stack.enter_context(connect(own, level)) for level in LEVELS[:-1]]
        writer = stack.enter_context(connect(own, "strong"))
        for what in "idle", "with parts", "a copy":
            stack.enter_context(OPEN[what](own))
        for conn in conns:
            counted(conn)
        for replica in own.replicas[0]:
            replica.kill()
        for conn in conns:
            goes_on(conn)
        for _ in range(4):
            writer.execute("UPDATE counter SET n = n + 1")


def test_a_connection_that_was_ended_is_made_anew(cluster):
    """The one by which a primary is made to flush."""
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%pg_logical_emit_message%'"
    with connect(cluster, "strong") as conn, cluster.servers[0].connect() as admin:
        for _ in range(4):
            with OPEN["unflushed"](cluster):
                wait_until(lambda: admin.execute(ended).fetchall() == [(True,)], "it is there")
                goes_on(conn, turns=1)


def test_what_is_not_flushed_is_no_lag(cluster):
    """It would be for many seconds: nobody asks for it."""
    def lag():
        return max(ms for ms, in cluster.execute("SELECT lag_ms FROM nanu.replication WHERE role = 'replica'"))
    cluster.catch_up()
    with OPEN["unflushed"](cluster):
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            time.sleep(0.05)
            assert lag() < 700
    with cluster.servers[0].connect() as conn:
        def ended():
            return int(conn.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()[0])
        wait_until(lambda: conn.execute("SELECT pg_current_wal_insert_lsn() = pg_current_wal_flush_lsn()").fetchone()[0], "the end of it is flushed")
        before = ended()
        time.sleep(1)
        assert ended() <= before + 1    # what a server writes by itself is flushed, too


def test_a_flush_that_is_never_answered_is_given_up(cluster):
    """As of a connection that a firewall has forgotten."""
    query = "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%pg_logical_emit_message%'"
    with connect(cluster, "strong") as conn, cluster.servers[0].connect() as admin:
        with OPEN["unflushed"](cluster):
            stopped = wait_until(lambda: admin.execute(query).fetchall(), "it is there")
        for pid, in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(4):
                with opened(cluster, "INSERT INTO other SELECT generate_series(1, 3000)"):
                    counted(conn)
        finally:
            for pid, in stopped:
                os.kill(pid, signal.SIGCONT)
