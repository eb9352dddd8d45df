"""read_from hedged: what one replica does not answer soon, a second one is asked too; the first answer counts, and the other replica is left as it was."""
import contextlib
import os
import random
import socket
import time

import psycopg
import pytest

from harness.background import in_background
from harness.wait import wait_until

from .scene import reads_of, serving, stat

ROWS, BURST = 200, 20
# What a server does to whoever asks: how long it sleeps is the statement's to say, by the port of the server that it comes to.
SLOW = """CREATE FUNCTION slow(port int, seconds float8) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
    $$BEGIN IF inet_server_port() = port THEN PERFORM pg_sleep(seconds); END IF; RETURN port; END$$"""
READ = "SELECT name FROM t WHERE id = %s"


def make(cluster):
    cluster.execute(f"CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t SELECT i, 'name ' || i FROM generate_series(1, {ROWS}) i")
    cluster.execute(SLOW)
    cluster.catch_up()
    serving(cluster)
    return cluster


@pytest.fixture(scope="module")
def cluster(start_cluster):
    return make(start_cluster(shards=1, replicas=2, workers=1, consistency="eventual", read_from="hedged"))


@pytest.fixture
def conn(cluster):
    with cluster.connect() as conn:
        learn(conn)
        yield conn


def learn(conn, count=120):
    """The router comes to know how long reads take, and may ask twice again."""
    for i in range(count):
        conn.execute(READ, [i % ROWS + 1])


def ports(cluster):
    return [replica.port for replica in cluster.replicas[0]]


def idle_again(cluster):
    def ready():
        rows = cluster.execute("SELECT sum(lent) FROM nanu.pools WHERE node LIKE 'n1r%'")
        return rows == [(0,)] and not any(asleep(replica) for replica in cluster.replicas[0])
    wait_until(ready, "no replica works, and every backend is back in its pool")


def asleep(replica):
    with replica.connect() as conn:
        return conn.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchone()[0]


WAYS = {
    "simple": lambda conn, port: psycopg.ClientCursor(conn).execute("SELECT slow(%s, 10), name FROM t WHERE id = 7", [port]),
    "extended": lambda conn, port: conn.execute("SELECT slow(%s, 10), name FROM t WHERE id = 7", [port], prepare=False),
    "prepared": lambda conn, port: conn.execute("SELECT slow(%s, 10), name FROM t WHERE id = 7", [port], prepare=True),
    "pipelined": lambda conn, port: conn.execute("SELECT slow(%s, 10), name FROM t WHERE id = 7", [port], binary=True),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_second_answers_when_the_first_stalls(cluster, conn, way):
    won, began = stat(cluster, "hedges_won"), time.monotonic()
    for _ in range(4):
        for port in ports(cluster):
            learn(conn, 20)
            assert WAYS[way](conn, port).fetchall() == [(str(port), "name 7")]
    assert time.monotonic() - began < 10
    assert stat(cluster, "hedges_won") > won
    idle_again(cluster)
    learn(conn)


def test_errors_are_answers(cluster, conn):
    for _ in range(4):
        for port in ports(cluster):
            learn(conn, 20)
            with pytest.raises(psycopg.errors.DivisionByZero):
                conn.execute("SELECT slow(%s, 0.5), 1 / (id - id) FROM t WHERE id = 1", [port])
    assert conn.execute(READ, [1]).fetchone() == ("name 1",)
    idle_again(cluster)


def test_what_a_server_remarks_is_heard_once(cluster, conn):
    cluster.execute("""CREATE FUNCTION remarks(port int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
        $$BEGIN RAISE NOTICE 'here'; IF inet_server_port() = port THEN PERFORM pg_sleep(0.3); END IF; RETURN port; END$$""")
    cluster.catch_up()
    heard = []
    conn.add_notice_handler(lambda notice: heard.append(notice.message_primary))
    for _ in range(4):
        for port in ports(cluster):
            learn(conn, 20)
            assert conn.execute("SELECT remarks(%s) FROM t WHERE id = 1", [port]).fetchone() == (str(port),)
    assert heard == ["here"] * 8
    idle_again(cluster)


def test_it_does_not_mix_answers_up(cluster):
    """Many races, with statements that one replica has prepared and the other has not, and with settings."""
    seed = random.randrange(1 << 32)

    def read(number):
        chance = random.Random(seed + number)
        with cluster.connect() as conn:
            learn(conn)
            for i in range(250):
                id, which = chance.randint(1, ROWS), chance.randint(0, 40)
                port = chance.choice([0] * 6 + ports(cluster))
                if chance.random() < 0.1:
                    conn.execute(f"SET extra_float_digits = {chance.randint(0, 3)}")
                    assert conn.execute("SELECT setting FROM pg_settings WHERE name = 'extra_float_digits'").fetchone()
                row = conn.execute(f"SELECT id, name, {which}, slow(%s, 0.02) FROM t WHERE id = %s", [port, id], prepare=chance.random() < 0.8).fetchone()
                assert row == (id, f"name {id}", which, str(port)), seed
    def look():
        """At the backends, those that serve nobody among them."""
        while not done:
            assert cluster.execute("SELECT session FROM nanu.backends")

    def read_all():
        try:
            in_background(*(lambda n=n: read(n) for n in range(6)))
        finally:
            done.append(True)
    before, done = stat(cluster, "hedged_reads"), []
    in_background(read_all, look)
    assert stat(cluster, "hedged_reads") - before > 10, seed
    idle_again(cluster)


def test_the_load_that_it_adds_is_bounded(cluster, conn):
    """All reads are slow now: not all of them are asked twice."""
    before = stat(cluster, "hedged_reads")
    with contextlib.ExitStack() as open_ones:
        conns = [open_ones.enter_context(cluster.connect()) for _ in range(8)]

        def read(one):
            for _ in range(60):
                one.execute("SELECT pg_sleep(0.02)::text FROM t LIMIT 1")
        in_background(*(lambda one=one: read(one) for one in conns))
    assert 0 < stat(cluster, "hedged_reads") - before <= 8 * 60 * 0.07 + BURST
    learn(conn, 400)


def test_transaction_blocks_and_writes_are_asked_once(cluster, conn):
    before = stat(cluster, "hedged_reads")
    for _ in range(20):
        conn.execute("BEGIN READ ONLY")
        for port in ports(cluster):
            conn.execute("SELECT slow(%s, 0.03) FROM t LIMIT 1", [port])
        conn.execute("COMMIT")
    conn.execute("UPDATE t SET name = name WHERE id = 1 RETURNING pg_sleep(0.3)")
    assert stat(cluster, "hedged_reads") == before


def test_cancelling_ends_both(cluster, conn):
    """Both replicas are slow."""
    first, second = ports(cluster)

    def cancel():
        wait_until(lambda: all(asleep(replica) for replica in cluster.replicas[0]), "both run it")
        conn.cancel()

    def read():
        with pytest.raises(psycopg.errors.QueryCanceled):
            conn.execute("SELECT slow(%s, 10), slow(%s, 10) FROM t LIMIT 1", [first, second])
    in_background(read, cancel)
    assert conn.execute(READ, [1]).fetchone() == ("name 1",)
    idle_again(cluster)


def test_who_leaves_ends_both(cluster):
    first, second = ports(cluster)
    conn = cluster.connect()
    learn(conn)

    def leave():
        wait_until(lambda: all(asleep(replica) for replica in cluster.replicas[0]), "both run it")
        socket.socket(fileno=os.dup(conn.fileno())).shutdown(socket.SHUT_RDWR)

    def read():
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT slow(%s, 10), slow(%s, 10) FROM t LIMIT 1", [first, second])
    in_background(read, leave)
    idle_again(cluster)


@pytest.mark.parametrize("which", ["the first", "the second", "both"])
def test_one_that_dies_is_not_noticed(own_servers, start_own, which):
    cluster = make(start_own(servers=[own_servers], replicas=2, workers=1, consistency="eventual", read_from="hedged"))
    first, second = ports(cluster)

    def kill():
        wait_until(lambda: all(asleep(replica) for replica in cluster.replicas[0]), "both run it")
        asked_first = min(cluster.replicas[0], key=began)
        victims = [replica for replica in cluster.replicas[0] if which == "both" or (replica is asked_first) == (which == "the first")]
        for victim in victims:
            victim.program.stop(9)

    with cluster.connect() as conn:
        learn(conn)
        answer, _ = in_background(lambda: conn.execute("SELECT slow(%s, 2), slow(%s, 2), name FROM t WHERE id = 3", [first, second]).fetchone(), kill)
        assert answer == (str(first), str(second), "name 3")
        assert conn.execute(READ, [1]).fetchone() == ("name 1",)


def began(replica):
    with replica.connect() as conn:
        return conn.execute("SELECT min(query_start) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchone()[0]


def test_with_one_replica_that_serves_nobody_is_asked_twice(cluster, conn):
    cluster.execute("SELECT nanu.drain('n1r1')")
    try:
        before = stat(cluster, "hedged_reads")
        with reads_of(cluster, 1):
            assert conn.execute("SELECT slow(%s, 0.3), name FROM t WHERE id = 2", [ports(cluster)[1]]).fetchone()[1] == "name 2"
        assert stat(cluster, "hedged_reads") == before
    finally:
        cluster.execute("SELECT nanu.resume(node => 'n1r1')")
