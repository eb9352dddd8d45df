"""EXECUTE of what SQL's PREPARE made: it reads where its statement would, and the client hears what the primary says."""
import os
import signal

import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.wait import wait_until
from harness.wire import Bind, Describe, Execute, Parse, Query, Sync, Wire, rows_of
from .scene import count_up, paused, reads_of, serving, stat

ONE_LOOP = "epoll"


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=1, replicas=2, workers=1)
    made.execute("CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t SELECT i, 'n' || i FROM generate_series(1, 100) i;"
                 "CREATE SEQUENCE numbers; CREATE TABLE counter (n int NOT NULL); INSERT INTO counter VALUES (0);"
                 "CREATE FUNCTION draws() RETURNS bigint IMMUTABLE LANGUAGE sql AS $$SELECT nextval('numbers')$$")
    made.catch_up()
    serving(made)
    return made


def wire_of(cluster, level):
    wire = Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE)
    wire.ask(Query(f"SET nanu.consistency = '{level}'"))
    return wire


def said(wire, sql):
    return rows_of(wire.ask(Query(sql)))


def test_it_reads_from_replicas(cluster):
    with wire_of(cluster, "eventual") as wire:
        wire.ask(Query("PREPARE one(int) AS SELECT name FROM t WHERE id = $1"))
        with reads_of(cluster, 8):
            assert [said(wire, f"EXECUTE one({i})") for i in range(1, 9)] == [[[f"n{i}"]] for i in range(1, 9)]
        with reads_of(cluster, 1):
            wire.ask(Query("BEGIN READ ONLY"))
            assert said(wire, "EXECUTE one(7)") == said(wire, "EXECUTE one(3 + 4)") == [["n7"]]
            wire.ask(Query("COMMIT"))


@pytest.mark.parametrize("statement", [
    "EXECUTE adds(1)", "EXECUTE draws_one", "EXECUTE one(nextval('numbers')::int)", "EXPLAIN EXECUTE one(7)", "CREATE TEMPORARY TABLE made AS EXECUTE one(7)",
    "EXECUTE locks", "EXECUTE nobody"])
def test_what_is_the_primarys_stays_there(cluster, statement):
    with wire_of(cluster, "eventual") as wire:
        for text in ["one(int) AS SELECT name FROM t WHERE id = $1", "adds(int) AS UPDATE counter SET n = n + $1", "draws_one AS SELECT nextval('numbers')",
                     "locks AS SELECT name FROM t FOR UPDATE"]:
            wire.ask(Query(f"PREPARE {text}"))
        with reads_of(cluster, 0):
            for _ in range(2):
                wire.ask(Query(statement))


def test_explain_says_so(cluster):
    with cluster.connect() as conn:
        for statement, node in [("EXECUTE one(7)", "that of the statement that was prepared"), ("EXECUTE one(nextval('numbers')::int)", "the primary"),
                                ("EXPLAIN EXECUTE one(7)", "the primary")]:
            assert f"Node: {node}" in [line for line, in conn.execute("SELECT nanu.explain(%s)", [statement])]


TALK = ["PREPARE one(int) AS SELECT name FROM t WHERE id = $1", "EXECUTE one(7)", "EXECUTE one(7)", "EXECUTE one('8')", "EXECUTE one('x')", "EXECUTE one(1, 2)", "EXECUTE one",
        "PREPARE one AS SELECT 1", "PREPARE part(int) AS SELECT 1 / $1", "EXECUTE part(0)", "EXECUTE part(1)", "EXECUTE part(0)", "BEGIN READ ONLY", "EXECUTE part(0)",
        "EXECUTE one(7)", "ROLLBACK", "BEGIN READ ONLY", "EXECUTE one(9)", "COMMIT", "PREPARE late AS SELECT 1 WHERE draws() > 0", "EXECUTE late", "EXECUTE late",
        "PREPARE none AS SELECT", "EXECUTE none", "DEALLOCATE one", "EXECUTE one(7)", "EXECUTE part(1) ; SELECT 1", "DEALLOCATE ALL", "EXECUTE part(1)"]


def test_the_client_hears_what_the_primary_says(cluster):
    with wire_of(cluster, "eventual") as wire, wire_of(cluster, "strong") as strong:
        before = stat(cluster, "replica_reads"), stat(cluster, "replica_retries")
        for sql in TALK:
            assert wire.ask(Query(sql)) == strong.ask(Query(sql)), sql
        # What draws, twice, and the wrong numbers of arguments, of which a replica may be told too early.
        assert stat(cluster, "replica_reads") > before[0] + 5 and stat(cluster, "replica_retries") == before[1] + 4


def test_by_the_extended_protocol_it_is_the_primarys(cluster):
    with wire_of(cluster, "eventual") as wire, wire_of(cluster, "strong") as strong:
        for asked in [[Query(TALK[0])]] + [[Parse("EXECUTE one(7)"), Bind(), Describe("P"), Execute(), Sync]] * 2:
            with reads_of(cluster, 0):
                assert wire.ask(*asked) == strong.ask(*asked)


def test_a_replica_that_lacks_what_it_is_of_is_not_noticed(cluster):
    with wire_of(cluster, "eventual") as wire, paused(*cluster.replicas[0]):
        cluster.execute("CREATE TABLE fresh (id int); INSERT INTO fresh VALUES (5)")
        wire.ask(Query("PREPARE young AS SELECT id FROM fresh"))
        before = stat(cluster, "replica_retries")
        assert said(wire, "EXECUTE young") == said(wire, "EXECUTE young") == [["5"]]
        assert stat(cluster, "replica_retries") == before + 2
        with reads_of(cluster, 1):
            assert said(wire, "SELECT name FROM t WHERE id = 1") == [["n1"]]
    cluster.catch_up()
    with wire_of(cluster, "eventual") as wire:
        wire.ask(Query("PREPARE young AS SELECT id FROM fresh"))
        with reads_of(cluster, 2):
            assert said(wire, "EXECUTE young") == said(wire, "EXECUTE young") == [["5"]]


def test_it_sees_what_its_session_wrote(cluster):
    with cluster.connect() as conn:
        conn.execute("SET nanu.consistency = 'session'")
        conn.execute("SET nanu.read_wait = '10s'")
        conn.execute("PREPARE counted AS SELECT n FROM counter")
        conn.execute("PREPARE counting(int) AS UPDATE counter SET n = n + $1")
        with reads_of(cluster, 20):
            for _ in range(20):
                newest = count_up(cluster)
                assert conn.execute("EXECUTE counting(1)", prepare=False).rowcount == 1
                assert conn.execute("EXECUTE counted", prepare=False).fetchone() == (newest + 1,)


@pytest.mark.parametrize("known", [True, False], ids=["known to the replica", "new to it"])
def test_it_outlives_the_replica_that_was_asked(start_own, known):
    cluster = start_own(shards=1, replicas=1, workers=1)
    cluster.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (7)")
    cluster.catch_up()
    serving(cluster)

    def lent():
        return cluster.execute("SELECT pid, state = 'lent' FROM nanu.backends WHERE node = 'n1r1'")[0]

    with wire_of(cluster, "eventual") as wire:
        wire.ask(Query("PREPARE one AS SELECT id FROM t"))
        assert said(wire, "EXECUTE one" if known else "SELECT id FROM t") == [["7"]]
        pid, _ = lent()
        os.kill(pid, signal.SIGSTOP)
        wire.send(Query("EXECUTE one"))
        wait_until(lambda: lent()[1], "the replica is asked")
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        assert rows_of(wire.until()) == [["7"]]
        assert said(wire, "EXECUTE one") == [["7"]]
