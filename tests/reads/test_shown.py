"""Replicas may show a commit before their primary does: who was shown it by one goes on at the primary when that shows it, too."""
import contextlib
import itertools
import os
import random
import signal
import threading
import time

import psycopg
import pytest

from harness.wait import wait_until

from .scene import connect, count_up, counted, it_waits, serving

ONE_LOOP = "epoll"
WRITERS = 4
numbers = itertools.count(1)
MINDING = ["monotonic", "session", "causal"]


@pytest.fixture(scope="module")
def cluster(farm, start_cluster):
    server = farm.extra_server(f"shown{next(numbers)}", {"max_prepared_transactions": "5", "commit_delay": "1000", "commit_siblings": "1"})
    made = start_cluster(servers=[server], replicas=2, workers=2)
    made.execute("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0); CREATE TABLE other (n int);"
                 " CREATE FUNCTION served_by() RETURNS int IMMUTABLE LANGUAGE sql AS $$SELECT current_setting('port')::int$$")
    made.catch_up()
    yield made
    made.owned = []
    for each in [*farm.replicas.pop(server), server]:
        each.stop()


def synchronous(cluster, names):
    with cluster.servers[0].connect() as conn:
        conn.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        conn.execute("SELECT pg_reload_conf()")
        wait_until(lambda: conn.execute("SHOW synchronous_standby_names").fetchone() == (names,), "it is set")


@contextlib.contextmanager
def waiting_commit(cluster):
    """A write that waits for a standby that never comes, until the end or until what is given is called. Replicas show it."""
    def write():
        cluster.execute("UPDATE counter SET n = n + 1")
    before, = cluster.execute("SELECT n FROM counter")[0]
    writer = threading.Thread(target=write)
    synchronous(cluster, "nobody")
    writer.start()

    def end():
        synchronous(cluster, "")
        writer.join(10)
    try:
        for replica in cluster.replicas[0]:
            with replica.connect(cluster.node_database) as conn:
                wait_until(lambda: conn.execute("SELECT n FROM counter").fetchone() == (before + 1,), "the replica shows it")
        yield before + 1, end
    finally:
        end()


@contextlib.contextmanager
def once_it_waits(cluster, conn, act):
    def run():
        with cluster.connect() as other:
            it_waits(other, conn)
            act()
    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize("level", MINDING)
@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ", None])
def test_who_was_shown_it_waits_for_the_primary(cluster, level, begin):
    with connect(cluster, level) as conn:
        counted(conn)
        with waiting_commit(cluster) as (newest, end):
            assert counted(conn) == newest
            if begin:
                conn.execute(begin)
            with once_it_waits(cluster, conn, end):
                assert conn.execute("INSERT INTO other SELECT n FROM counter RETURNING n").fetchone() == (newest,)
            assert conn.execute("SELECT n FROM counter FOR UPDATE").fetchone() == (newest,)
            if begin:
                conn.execute("COMMIT")


@pytest.mark.parametrize("level", MINDING)
@pytest.mark.parametrize("statement", ["INSERT INTO other SELECT n FROM counter", "SELECT n FROM counter FOR SHARE", "DELETE FROM other"])
def test_and_is_told_if_it_never_does(cluster, level, statement):
    with connect(cluster, level) as conn:
        with waiting_commit(cluster) as (newest, end):
            assert counted(conn) == newest
            with pytest.raises(psycopg.Error) as caught:
                conn.execute(statement)
            assert caught.value.sqlstate == "57P03" and "one that waits for synchronous standbys" in caught.value.diag.message_detail
            assert counted(conn) == newest
        conn.execute(statement)


@pytest.mark.parametrize("level", [*MINDING, "strong"])
@pytest.mark.parametrize("begin", [None, "BEGIN", "BEGIN READ ONLY", "BEGIN ISOLATION LEVEL REPEATABLE READ"])
def test_so_does_who_has_the_token_of_one(cluster, level, begin):
    """Also where the primary serves, in a transaction block too."""
    with connect(cluster, "causal") as one, connect(cluster, level) as two:
        with waiting_commit(cluster) as (newest, end):
            assert counted(one) == newest
            two.execute(f"SET nanu.token = '{one.execute('SHOW nanu.token').fetchone()[0]}'")
            later = threading.Timer(0.3, end)
            later.start()
            if begin:
                two.execute(begin)
            assert counted(two) == newest
            later.join()
            if begin:
                two.execute("COMMIT")


def restarted(cluster, replica):
    """It has replayed the commit before, and begins with a list of transactions that has it as one that runs."""
    for server in [cluster.servers[0], replica]:
        with server.connect() as conn:
            conn.execute("CHECKPOINT")
        replica.catch_up()
    replica.stop()
    replica.start()
    wait_until(lambda: cluster.execute("SELECT trouble FROM nanu.replication WHERE node = 'n1r1'") != [(None,)], "it is known to hide commits")
    serving(cluster)


def test_a_replica_that_starts_may_hide_what_another_shows(cluster):
    replica = cluster.replicas[0][0]

    def counted_at(conn):
        return conn.execute("SELECT n, served_by() FROM counter", prepare=False).fetchone()

    with contextlib.ExitStack() as stack:
        conns = [stack.enter_context(connect(cluster, level)) for level in MINDING]
        eventual = stack.enter_context(connect(cluster, "eventual"))
        with waiting_commit(cluster) as (newest, end):
            for conn in conns:
                assert counted(conn) == newest
            restarted(cluster, replica)
            for waits in True, False:
                assert {counted_at(eventual) for _ in range(8)} >= {(newest - 1, replica.port)}
                for conn in conns:
                    assert {counted(conn) for _ in range(8)} == {newest}
                if waits:
                    end()           # it is acknowledged now, and still the replica does not show it
        count_up(cluster)
        for conn in conns:
            wait_until(lambda: counted_at(conn) == (newest + 1, replica.port), "it is read from again")
        assert cluster.execute("SELECT trouble FROM nanu.replication WHERE node = 'n1r1'") == [(None,)]


def test_a_wait_can_be_cancelled(cluster):
    with connect(cluster, "session") as conn, waiting_commit(cluster):
        counted(conn)
        with once_it_waits(cluster, conn, conn.cancel), pytest.raises(psycopg.errors.QueryCanceled):
            conn.execute("DELETE FROM other")


@pytest.mark.parametrize("level", ["eventual", "bounded"])
def test_who_promises_nothing_does_not_wait(cluster, level):
    with connect(cluster, level) as conn, waiting_commit(cluster) as (newest, _):
        conn.execute("SET synchronous_commit = off")
        assert counted(conn) == newest
        assert conn.execute("INSERT INTO other SELECT n FROM counter RETURNING n").fetchone() == (newest - 1,)


@pytest.mark.parametrize("level", ["monotonic", "session"])
def test_who_was_shown_nothing_by_replicas_does_not_wait(cluster, level):
    with connect(cluster, level) as conn:
        conn.execute("SELECT n FROM counter FOR SHARE")
        with waiting_commit(cluster) as (newest, _), conn.transaction():
            assert conn.execute("SELECT n FROM counter").fetchone() == (newest - 1,)


@pytest.mark.parametrize("level", MINDING)
def test_without_a_replica_that_will_do_the_primary_serves_when_it_shows_it(cluster, level):
    with connect(cluster, level) as conn, waiting_commit(cluster) as (newest, end):
        assert counted(conn) == newest
        with contextlib.ExitStack() as stack:
            for node in "n1r1", "n1r2":
                cluster.execute("SELECT nanu.drain(%s)", [node])
                stack.callback(cluster.execute, "SELECT nanu.resume(node => %s)", [node])
            with pytest.raises(psycopg.Error) as caught:
                counted(conn)
            assert caught.value.sqlstate == "57P03"
            end()
            assert counted(conn) == newest


@contextlib.contextmanager
def in_transaction(cluster, *statements, end="ROLLBACK"):
    """A long one, that has changed something."""
    with cluster.servers[0].connect(cluster.node_database) as conn:
        conn.execute("BEGIN")
        conn.execute("INSERT INTO other VALUES (-1)")
        for statement in statements:
            conn.execute(statement)
        yield
        conn.execute(end)


@pytest.mark.parametrize("level", MINDING)
@pytest.mark.parametrize("statements,end", [([], "ROLLBACK"), (["SAVEPOINT s", "INSERT INTO other VALUES (-2)"], "COMMIT"),
                                            (["PREPARE TRANSACTION 'long'"], "ROLLBACK PREPARED 'long'")])
def test_a_long_transaction_keeps_nobody_waiting(cluster, level, statements, end):
    with connect(cluster, level) as conn, in_transaction(cluster, *statements, end=end):
        for _ in range(5):
            wrote, = conn.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
            conn.execute("SET nanu.read_wait = '5s'")
            assert counted(conn) == wrote


@pytest.mark.parametrize("level", ["monotonic", "causal"])
def test_without_replicas_the_primary_is_as_it_was(farm, start_own, level):
    server = farm.extra_server(f"shown{next(numbers)}")
    own = start_own(servers=[server], replicas=1, consistency=level)
    own.execute("CREATE TABLE other (n int)")
    own.catch_up()
    replica, = farm.replicas.pop(server)
    try:
        with own.connect() as conn:
            conn.execute("INSERT INTO other VALUES (1)")
            replica.stop()
            wait_until(lambda: own.execute("SELECT reachable FROM nanu.replication WHERE role = 'replica'") == [(False,)], "it is known to be gone")
            for _ in range(2):
                with conn.transaction():
                    for n in range(3):
                        conn.execute("INSERT INTO other VALUES (%s)", [n])
                        conn.execute("SELECT count(*) FROM other")
    finally:
        own.owned = []
        server.stop()


def test_a_long_statement_neither(cluster):
    sleeper = threading.Thread(target=lambda: cluster.execute("INSERT INTO other SELECT -3 FROM pg_sleep(3)"))
    with connect(cluster, "session") as conn:
        sleeper.start()
        try:
            for _ in range(20):
                counted(conn)
                conn.execute("UPDATE counter SET n = n + 1")
            assert sleeper.is_alive()
        finally:
            sleeper.join()


def test_strong_reads_of_replicas_and_transactions_agree(farm, start_own):
    server = farm.extra_server(f"shown{next(numbers)}")
    own = start_own(servers=[server], replicas=1, strong_reads="replicas", max_lag=0)
    try:
        own.execute("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)")
        own.catch_up()
        with own.connect() as conn, own.connect() as other:
            conn.execute("SET nanu.read_wait = '5s'")
            with waiting_commit(own) as (newest, end):
                assert counted(conn) == newest
                other.execute("BEGIN")
                with pytest.raises(psycopg.Error) as caught:
                    other.execute("SELECT n FROM counter FOR SHARE SKIP LOCKED")
                assert caught.value.sqlstate == "57P03"
                other.execute("ROLLBACK")
                end()
                with other.transaction():
                    assert other.execute("SELECT n FROM counter FOR SHARE").fetchone() == (newest,)
    finally:
        own.owned = []
        for each in [*farm.replicas.pop(server), server]:
            each.stop()


def backends(server, database):
    with server.connect() as conn:
        return [pid for pid, in conn.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend' AND application_name = 'writer'",
                                             [database])]


def test_a_commit_whose_process_does_not_get_on_is_waited_for(cluster):
    """In an asynchronous shard: another one's flush, after which replicas get it, is not its end."""
    done, went_back, reads = threading.Event(), [], 0
    cluster.execute("CREATE TABLE counters (id int PRIMARY KEY, n int)")
    cluster.execute(f"INSERT INTO counters SELECT id, 0 FROM generate_series(1, {WRITERS}) id")
    cluster.catch_up()
    every = "SELECT n FROM counters ORDER BY id"

    def write(number):
        with cluster.connect_node(application_name="writer") as conn:
            while not done.is_set():
                conn.execute("UPDATE counters SET n = n + 1 WHERE id = %s", [number])

    def stop_and_go():
        pids = backends(cluster.servers[0], cluster.node_database)
        while not done.is_set():
            pid = random.choice(pids)
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.01)
            os.kill(pid, signal.SIGCONT)

    threads = [threading.Thread(target=write, args=[number]) for number in range(1, WRITERS + 1)]
    for each in threads:
        each.start()
    wait_until(lambda: len(backends(cluster.servers[0], cluster.node_database)) == WRITERS, "they write")
    threads.append(threading.Thread(target=stop_and_go))
    threads[-1].start()
    with connect(cluster, "session") as conn:
        conn.execute("SET nanu.read_wait = '1s'")       # who read at the primary would stay there
        end = time.monotonic() + 4
        while time.monotonic() < end:
            seen = conn.execute(every).fetchall()
            with conn.transaction():
                now = conn.execute(every).fetchall()
            reads += 1
            went_back += [pair for pair in zip(seen, now) if pair[0] > pair[1]]
    done.set()
    for each in threads:
        each.join()
    assert reads > 100 and not went_back
