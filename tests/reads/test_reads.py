"""Which node a session's reads come from, at each consistency level, and what the client hears when a replica cannot serve."""
import os
import signal
import threading
import time

import psycopg
import pytest

from harness.background import in_background
from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.wait import wait_until
from harness.wire import Bind, Describe, Execute, Parse, Query, Sync, Wire, fields, rows_of
from .scene import connect, count_up, counted, paused, reads_of, serving, stat

LEVELS = ["eventual", "bounded", "monotonic", "read_your_writes", "session", "causal", "strong"]


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=1, replicas=2, workers=1)
    with made.connect() as conn:
        conn.execute("CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t SELECT i, 'n' || i FROM generate_series(1, 100) i;"
                     "CREATE SEQUENCE numbers; CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL); INSERT INTO counter VALUES (1, 0);"
                     "CREATE FUNCTION draws(int DEFAULT 0) RETURNS bigint IMMUTABLE LANGUAGE sql AS $$SELECT nextval('numbers')$$;"
                     "CREATE VIEW v AS SELECT * FROM t; CREATE UNLOGGED TABLE u (id int)")
    made.catch_up()
    serving(made)
    return made


# ---- the settings ----

def test_the_level_is_a_setting(cluster):
    with cluster.connect() as conn:
        assert conn.execute("SHOW nanu.consistency").fetchone() == ("strong",)
        assert conn.execute("SHOW nanu.max_staleness").fetchone() == ("5000ms",)
        for level in LEVELS:
            assert conn.execute(f"SET nanu.consistency TO {level}").statusmessage == "SET"
            assert conn.execute("SHOW nanu.consistency", prepare=True).fetchone() == (level,)
        conn.execute("SET nanu.max_staleness = '2s'")
        assert conn.execute("SHOW nanu.max_staleness").fetchone() == ("2s",)
        assert conn.execute("RESET nanu.consistency").statusmessage == "RESET"
        assert conn.execute("SHOW nanu.consistency").fetchone() == ("strong",)
        conn.execute("RESET ALL")
        assert conn.execute("SHOW nanu.max_staleness").fetchone() == ("5000ms",)


def test_it_follows_transactions(cluster):
    with cluster.connect(autocommit=False) as conn:
        conn.execute("SET nanu.consistency = eventual")
        conn.rollback()
        assert conn.execute("SHOW nanu.consistency").fetchone() == ("strong",)
        conn.execute("SET LOCAL nanu.consistency = bounded")
        assert conn.execute("SHOW nanu.consistency").fetchone() == ("bounded",)
        conn.commit()
        assert conn.execute("SHOW nanu.consistency").fetchone() == ("strong",)
        conn.execute("SAVEPOINT a")
        conn.execute("SET nanu.consistency = eventual")
        conn.execute("ROLLBACK TO a")
        assert conn.execute("SHOW nanu.consistency").fetchone() == ("strong",)


@pytest.mark.parametrize("statement, state", [("SET nanu.consistency = quick", "22023"), ("SET nanu.max_staleness = 'soon'", "22023"),
                                              ("SET nanu.max_staleness = -1", "22023"), ("SET nanu.nothing = 1", "42704"), ("SHOW nanu.nothing", "42704")])
def test_what_is_none_is_refused(cluster, statement, state):
    with cluster.connect() as conn:
        for prepare in [False, True]:
            with pytest.raises(psycopg.Error) as caught:
                conn.execute(statement, prepare=prepare)
            assert caught.value.sqlstate == state and caught.value.diag.message_hint
        assert conn.execute("SHOW nanu.consistency").fetchone() == ("strong",)


@pytest.mark.parametrize("statement", ["SELECT set_config('nanu.consistency', 'eventual', false)", "SET nanu.consistency = eventual; SELECT 1"])
def test_servers_must_not_keep_it(cluster, statement):
    with cluster.connect() as conn:
        with pytest.raises(psycopg.errors.FeatureNotSupported) as caught:
            conn.execute(statement)
        assert caught.value.diag.message_hint


def test_it_comes_with_the_start_up_packet(cluster):
    with psycopg.connect(cluster.conninfo() + " options='-c nanu.consistency=monotonic'") as conn:
        assert conn.execute("SHOW nanu.consistency").fetchone() == ("monotonic",)
    with pytest.raises(psycopg.OperationalError, match='invalid value for parameter "nanu.consistency": "no"'):
        psycopg.connect(cluster.conninfo() + " options='-c nanu.consistency=no'")


def test_a_database_and_a_user_may_have_it_otherwise(start_own):
    cluster = start_own(shards=1, replicas=1, consistency="eventual", users=[{"name": "postgres", "consistency": "session"}])
    with cluster.connect() as conn:
        assert conn.execute("SHOW nanu.consistency").fetchone() == ("eventual",)
        conn.execute("SET nanu.consistency = strong")
        assert conn.execute("SHOW nanu.consistency").fetchone() == ("strong",)
    with cluster.connect(user="postgres", password="postgres") as conn:
        assert conn.execute("SHOW nanu.consistency").fetchone() == ("session",)


@pytest.mark.parametrize("owner", ["ROLE app", "DATABASE app", "SYSTEM"])
def test_it_is_not_kept_where_the_router_does_not_look(cluster, owner):
    with cluster.connect() as conn:
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="would not be heeded"):
            conn.execute(f'ALTER {owner} SET "Nanu".consistency = causal')
        conn.execute("ALTER ROLE app RESET nanu.consistency")  # what was kept before


def test_servers_are_not_told(cluster):
    with connect(cluster, "strong") as conn:
        assert conn.execute("SELECT current_setting('nanu.consistency', true)").fetchone() == (None,)


# ---- who serves ----

@pytest.mark.parametrize("level", LEVELS)
def test_reads_leave_the_primary_unless_they_are_strong(cluster, level):
    with connect(cluster, level) as conn:
        if level == "causal":  # a replica must show all that was shown to anybody before the session heard of the last answer
            conn.execute("SET nanu.read_wait = '10s'")
        if level != "eventual" and level != "bounded":
            wait_until(lambda: reads_leave(cluster, conn) == (level != "strong"), "what the session was shown is on the replicas")
        with reads_of(cluster, 0 if level == "strong" else 4):  # psycopg prepares apart
            for prepare in [False, True, None]:
                assert conn.execute("SELECT name FROM t WHERE id = 7", prepare=prepare).fetchone() == ("n7",)


def reads_leave(cluster, conn):
    before = stat(cluster, "replica_reads")
    conn.execute("SELECT count(*) FROM t")
    return stat(cluster, "replica_reads") > before


def test_they_take_turns(cluster):
    def served():
        return {name: statements for name, statements in
                cluster.execute("SELECT node, sum(lent_total) FROM nanu.pools WHERE node LIKE 'n1r%%' GROUP BY node")}
    with connect(cluster, "eventual") as conn:
        for _ in range(2):
            conn.execute("SELECT 1 FROM t", prepare=False)
        before = served()
        for _ in range(20):
            conn.execute("SELECT 1 FROM t", prepare=False)
        assert {node: count - before[node] for node, count in served().items()} == {"n1r1": 10, "n1r2": 10}


@pytest.mark.parametrize("statement", [
    "INSERT INTO t VALUES (-1, '') RETURNING id", "SELECT id FROM t WHERE id = 1 FOR UPDATE", "SELECT nextval('numbers')",
    "WITH gone AS (DELETE FROM t WHERE id = -1 RETURNING id) SELECT * FROM gone", "SELECT last_value FROM numbers", "SELECT * FROM u",
    "SELECT pg_advisory_xact_lock(1)", "SELECT txid_current()", "SELECT pg_is_in_recovery()", "SELECT current_setting('transaction_read_only')",
    "SELECT * FROM pg_stat_activity LIMIT 1", "SELECT relname FROM pg_class LIMIT 1", "EXPLAIN SELECT * FROM t", "SELECT set_config('work_mem', '1MB', true)",
    "SELECT * INTO TEMPORARY copied FROM t", "COPY (SELECT nextval('numbers')) TO STDOUT", "SHOW transaction_read_only", "VALUES (nextval('numbers'))"])
def test_what_is_the_primarys_stays_there(cluster, statement):
    with connect(cluster, "eventual") as conn, reads_of(cluster, 0):
        if statement.startswith("COPY"):
            with conn.cursor().copy(statement) as copy:
                assert list(copy)
        else:
            conn.execute(statement)
    cluster.execute("DELETE FROM t WHERE id = -1")


def test_a_session_that_is_pinned_reads_from_the_primary(cluster):
    with connect(cluster, "eventual") as conn:
        conn.execute("CREATE TEMPORARY TABLE mine (id int)")
        with reads_of(cluster, 0):
            assert conn.execute("SELECT count(*) FROM mine").fetchone() == (0,)
            assert conn.execute("SELECT count(*) FROM t").fetchone() == (100,)
        conn.execute("DROP TABLE mine")
        wait_until(lambda: reads_leave(cluster, conn), "nothing pins it any more")


def test_settings_hold_on_replicas_too(cluster):
    with connect(cluster, "eventual") as conn:
        conn.execute("SET TimeZone = 'Asia/Seoul'")
        conn.execute("SET search_path = pg_catalog, public")
        with reads_of(cluster, 2):
            assert conn.execute("SELECT '2024-01-01 00:00:00+00'::timestamptz::text FROM t LIMIT 1").fetchone() == ("2024-01-01 09:00:00+09",)
            assert conn.execute("SELECT name FROM t WHERE id = %s", [5]).fetchone() == ("n5",)


# ---- what they may see ----

def test_eventual_shows_what_the_replica_has(cluster):
    with connect(cluster, "eventual") as conn, connect(cluster, "strong") as strong:
        before = counted(strong)
        cluster.catch_up()
        with paused(*cluster.replicas[0]):
            assert count_up(cluster) == before + 1
            assert counted(conn) == before and counted(strong) == before + 1
        cluster.catch_up()
        assert counted(conn) == before + 1


@pytest.mark.parametrize("level", ["read_your_writes", "session", "causal"])
def test_a_session_reads_what_it_wrote(cluster, level):
    with connect(cluster, level) as conn:
        with paused(*cluster.replicas[0]):
            for _ in range(3):
                wrote, = conn.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
                assert counted(conn) == wrote
        wait_until(lambda: reads_leave(cluster, conn), "the replicas have what was written")
        assert counted(conn) == wrote


def test_writes_in_transactions_and_functions_count(cluster):
    with connect(cluster, "session", autocommit=False) as conn, paused(*cluster.replicas[0]):
        conn.rollback()
        conn.execute("SET nanu.consistency = session")
        wrote, = conn.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
        conn.commit()
        conn.autocommit = True
        assert counted(conn) == wrote
        conn.execute("DO $$BEGIN UPDATE counter SET n = n + 1; END$$")
        assert counted(conn) == wrote + 1


def test_monotonic_never_goes_back(cluster):
    first, second = cluster.replicas[0]
    with connect(cluster, "monotonic") as conn:
        cluster.catch_up()
        with paused(first):
            newest = count_up(cluster)
            second.catch_up()
            wait_until(lambda: counted(conn) == newest, "the session has been shown the newest")
            assert all(counted(conn) == newest for _ in range(50))


def test_what_the_primary_showed_counts_too(cluster):
    """In a transaction of its own, behind a replica that was read before."""
    with connect(cluster, "monotonic") as conn:
        wait_until(lambda: reads_leave(cluster, conn), "a replica serves")
        with paused(*cluster.replicas[0]):
            newest = count_up(cluster)
            conn.execute("BEGIN")
            assert counted(conn) == newest
            conn.execute("COMMIT")
            assert all(counted(conn) == newest for _ in range(10))


def test_what_was_shown_at_another_level_counts_too(cluster):
    first, second = cluster.replicas[0]
    with connect(cluster, "eventual") as conn:
        cluster.catch_up()
        with paused(first):
            newest = count_up(cluster)
            second.catch_up()
            wait_until(lambda: counted(conn) == newest and counted(conn) < newest, "it is shown the new by one replica, and the old by the other")
            conn.execute("SET nanu.consistency = monotonic")
            assert all(counted(conn) == newest for _ in range(10))


def test_bounded_shows_nothing_older(cluster):
    with connect(cluster, "bounded") as conn:
        conn.execute("SET nanu.max_staleness = '500ms'")
        cluster.catch_up()
        with paused(*cluster.replicas[0]):
            newest = count_up(cluster)
            wrote_s = time.monotonic()
            wait_until(lambda: counted(conn) == newest, "it is not bounded any more, and the primary serves")
            assert time.monotonic() - wrote_s < 2
            with reads_of(cluster, 0):
                counted(conn)
        wait_until(lambda: reads_leave(cluster, conn), "the replicas serve again")


def test_a_replica_too_far_behind_serves_nothing(start_own):
    cluster = start_own(shards=1, replicas=2, workers=1, max_lag=400)
    cluster.execute("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)")
    cluster.catch_up()
    serving(cluster)
    with connect(cluster, "eventual") as conn:
        with paused(cluster.replicas[0][0]):
            cluster.execute("UPDATE counter SET n = 1")
            serving(cluster, ["n1r2"])
            (excluded, lag_ms), = cluster.execute("SELECT excluded, lag_ms FROM nanu.replication WHERE node = 'n1r1'")
            assert excluded and lag_ms >= 400
            cluster.replicas[0][1].catch_up()
            assert all(counted(conn) == 1 for _ in range(10))
        serving(cluster)


def test_a_replica_that_was_too_far_behind_comes_back_slowly(start_own):
    cluster = start_own(shards=1, replicas=2, workers=1, max_lag=400)
    cluster.execute("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0);"
                    "CREATE FUNCTION here() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT inet_server_port()'")
    cluster.catch_up()
    serving(cluster)
    slow = cluster.replicas[0][0]
    with connect(cluster, "eventual") as conn:
        def share():
            return sum(conn.execute("SELECT here(), n FROM counter", prepare=False).fetchone()[0] == slow.port for _ in range(300)) / 300
        wait_until(lambda: 0.4 < share() < 0.6, "both serve")
        with paused(slow):
            cluster.execute("UPDATE counter SET n = 1")
            serving(cluster, ["n1r2"])
            assert share() == 0
        wait_until(lambda: share() > 0, "it is back")
        assert share() < 0.3
        wait_until(lambda: 0.4 < share() < 0.6, "it has its whole share again")


def test_the_lag_is_told(cluster):
    cluster.catch_up()
    wait_until(lambda: all(lag is not None and lag < 300 for lag, in cluster.execute("SELECT lag_ms FROM nanu.replication WHERE role = 'replica'")),
               "replicas that have everything are not behind")
    with paused(cluster.replicas[0][0]):
        count_up(cluster)
        began = time.monotonic()
        wait_until(lambda: cluster.execute("SELECT lag_ms FROM nanu.replication WHERE node = 'n1r1'")[0][0] >= 700, "it falls behind")
        assert 0.6 <= time.monotonic() - began <= 1.2
        (lag_bytes, other), = cluster.execute("SELECT max(lag_bytes) FILTER (WHERE node = 'n1r1'), max(lag_ms) FILTER (WHERE node = 'n1r2')"
                                              " FROM nanu.replication")
        assert lag_bytes > 0 and other < 300


@pytest.mark.parametrize("level", ["monotonic", "session", "causal"])
def test_who_was_shown_nothing_may_begin_with_any_replica(cluster, level):
    cluster.catch_up()
    with paused(*cluster.replicas[0]):
        newest = count_up(cluster)
        with cluster.connect(options=f"-c nanu.consistency={level}") as conn, reads_of(cluster, 1):
            assert counted(conn) == newest - 1


# ---- transactions ----

def test_a_read_only_transaction_is_a_replicas(cluster):
    with connect(cluster, "eventual") as conn:
        before = counted(conn)
        cluster.catch_up()
        with paused(*cluster.replicas[0]), reads_of(cluster, 1):
            conn.execute("BEGIN READ ONLY")
            count_up(cluster)
            assert counted(conn) == before
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                conn.execute("UPDATE counter SET n = 0")
            conn.execute("ROLLBACK")


def test_other_transactions_are_the_primarys(cluster):
    with connect(cluster, "eventual") as conn, paused(*cluster.replicas[0]), reads_of(cluster, 0):
        newest = count_up(cluster)
        for begin in ["BEGIN", "BEGIN READ WRITE", "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY"]:
            conn.execute(begin)
            assert counted(conn) == newest
            conn.execute("COMMIT")


# ---- what a replica cannot do ----

def wire_of(cluster, level):
    wire = Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE)
    wire.ask(Query(f"SET nanu.consistency = {level}"))
    return wire


WAYS = {
    "simple": lambda sql: [Query(sql)],
    "extended": lambda sql: [Parse(sql), Bind(), Describe("P"), Execute(), Sync],
    "described": lambda sql: [Parse(sql, "named"), Describe("S", "named"), Bind(statement="named"), Execute(), Sync],
    "in portions": lambda sql: [Parse(sql), Bind(), Execute("", 1), Execute("", 1), Sync],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("statement", [
    "SELECT name FROM t WHERE id < 3 ORDER BY id", "SELECT 1 WHERE draws() > 0", "SELECT * FROM missing", "SELECT 1/0", "SELECT * FROM v WHERE id = 1",
    "COPY t TO STDOUT", "COPY (SELECT id FROM v ORDER BY id) TO STDOUT (FORMAT binary)", "COPY (SELECT 1 WHERE false) TO STDOUT",
    "COPY (SELECT 1 WHERE draws() > 0) TO STDOUT", "COPY v TO STDOUT", "COPY (SELECT 1/0) TO STDOUT"])
def test_the_client_hears_what_the_primary_says(cluster, way, statement):
    """draws() says that it is IMMUTABLE, and calls nextval(): a replica refuses that."""
    with wire_of(cluster, "eventual") as wire, wire_of(cluster, "strong") as strong:
        for _ in range(2 if way != "described" else 1):
            assert wire.ask(*WAYS[way](statement)) == strong.ask(*WAYS[way](statement))
        assert rows_of(wire.ask(Query("SELECT name FROM t WHERE id = 1"))) == rows_of(strong.ask(Query("SELECT name FROM t WHERE id = 1")))


def test_what_a_replica_refuses_runs_again_on_the_primary(cluster):
    with connect(cluster, "eventual") as conn:
        before = stat(cluster, "replica_retries")
        assert conn.execute("SELECT draws() > 0").fetchone() == (True,)
        assert stat(cluster, "replica_retries") == before + 1


def test_a_copy_that_a_replica_refuses_runs_again_until_its_first_row_has_left(cluster):
    rows = b"".join(b"%d\n" % i for i in range(1, 20001))
    with wire_of(cluster, "eventual") as wire:
        before = stat(cluster, "replica_retries")
        heard = wire.ask(Query("COPY (SELECT draws() > 0) TO STDOUT"))
        assert [(kind, body) for kind, body in heard if kind != "H"] == [("d", b"t\n"), ("c", b""), ("C", b"COPY 1\0"), ("Z", b"I")]
        assert stat(cluster, "replica_retries") == before + 1
        heard = wire.ask(Query("COPY (SELECT i FROM generate_series(1, 20001) i WHERE i <= 20000 OR draws(i) > 0) TO STDOUT"))
        told = b"".join(body for kind, body in heard if kind == "d")
        assert fields(heard[-2][1])["C"] == "25006" and told and rows.startswith(told)
        assert stat(cluster, "replica_retries") == before + 1


def test_what_a_replica_refuses_disturbs_nobody(cluster):
    with connect(cluster, "eventual") as conn:
        for _ in range(20):
            with pytest.raises(psycopg.errors.UndefinedTable):
                conn.execute("SELECT * FROM missing")
            assert conn.execute("SELECT draws() > 0").fetchone() == (True,)
            assert cluster.execute("SELECT bool_and(serves) FROM nanu.replication WHERE role = 'replica'") == [(True,)]


def test_more_than_can_be_held_back_is_heard(cluster):
    """Six megabytes of notices before the first row."""
    cluster.execute("CREATE FUNCTION talks() RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
                    " $$BEGIN FOR i IN 1..60 LOOP RAISE NOTICE '%', repeat('x', 100000); END LOOP; RETURN 7; END$$")
    cluster.catch_up()
    with wire_of(cluster, "eventual") as wire, wire_of(cluster, "strong") as strong, reads_of(cluster, 1):
        assert wire.ask(Query("SELECT talks()")) == strong.ask(Query("SELECT talks()"))


def test_a_serializable_session_reads_from_the_primary(cluster):
    with connect(cluster, "eventual") as conn:
        conn.execute("SET default_transaction_isolation = 'serializable'")
        with reads_of(cluster, 0):
            conn.execute("BEGIN READ ONLY")
            assert conn.execute("SELECT count(*) FROM t").fetchone() == (100,)
            conn.execute("COMMIT")
            assert conn.execute("SELECT count(*) FROM t").fetchone() == (100,)


def test_a_conflict_with_recovery_is_not_heard(cluster):
    """The replica cancels a query that keeps it from replaying a lock."""
    cluster.execute("CREATE TABLE locked AS SELECT i FROM generate_series(1, 10) i")
    cluster.catch_up()
    replicas = cluster.replicas[0]
    try:
        for replica in replicas:
            with replica.connect() as conn:
                conn.execute("ALTER SYSTEM SET max_standby_streaming_delay = '100ms'")
                conn.execute("SELECT pg_reload_conf()")
        with connect(cluster, "eventual") as conn:
            before = stat(cluster, "replica_retries")
            answer, _ = in_background(lambda: conn.execute("SELECT count(*), max(pg_sleep(1)::text) FROM locked").fetchone(),
                                      lambda: (wait_until(lambda: any(busy(replica) for replica in replicas), "it runs"),
                                               cluster.execute("TRUNCATE locked; INSERT INTO locked VALUES (1)")))
            assert answer[0] in (1, 10)
            assert stat(cluster, "replica_retries") == before + 1
    finally:
        for replica in replicas:
            with replica.connect() as conn:
                conn.execute("ALTER SYSTEM RESET max_standby_streaming_delay")
                conn.execute("SELECT pg_reload_conf()")


def busy(server):
    with server.connect() as conn:
        return conn.execute("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%FROM locked'").fetchone()


# ---- replicas that go away ----

@pytest.fixture
def fragile(own_servers, start_own):
    """A cluster whose servers are its own, and stopped after it."""
    cluster = start_own(servers=[own_servers], replicas=2, workers=1)
    cluster.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)")
    cluster.catch_up()
    serving(cluster)
    return cluster


def test_a_replica_that_dies_is_not_noticed(fragile):
    """64 clients read; one replica is killed, and started again."""
    victim = fragile.replicas[0][0]
    stop, reads = threading.Event(), [0] * 64

    def read(i):
        with connect(fragile, "eventual") as conn:
            while not stop.is_set():
                assert conn.execute("SELECT id FROM t WHERE id = %s", [i + 1]).fetchone() == (i + 1,)
                reads[i] += 1

    def disturb():
        try:
            wait_until(lambda: min(reads) > 5, "everybody reads")
            victim.program.stop(9)
            killed = time.monotonic()
            serving(fragile, ["n1r2"])
            assert time.monotonic() - killed < 2
            at = list(reads)
            wait_until(lambda: all(now > then + 5 for now, then in zip(reads, at)), "everybody goes on")
            victim.start()
            serving(fragile)
        finally:
            stop.set()

    in_background(disturb, *(lambda i=i: read(i) for i in range(64)))


@pytest.mark.parametrize("known", [True, False], ids=["known to the replica", "new to it"])
def test_a_name_outlives_the_replica_that_was_asked(start_own, known):
    """The connection to it is lost before it has said anything to Parse."""
    cluster = start_own(shards=1, replicas=1, workers=1)
    cluster.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (7)")
    cluster.catch_up()
    serving(cluster)

    def lent(node):
        return cluster.execute(f"SELECT pid, state = 'lent' FROM nanu.backends WHERE node = '{node}' AND prepared > 0")[0]

    with wire_of(cluster, "eventual") as wire:
        wire.ask(Parse("SELECT id FROM t", "one"), Sync)
        pid, _ = lent("n1r1")
        os.kill(pid, signal.SIGSTOP)
        wire.send(Parse("SELECT id FROM t" if known else "SELECT id + 1 FROM t", "other"), Sync)
        wait_until(lambda: lent("n1r1")[1], "the replica is asked")
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        assert wire.until() == [("1", b""), ("Z", b"I")]
        assert rows_of(wire.ask(Bind(statement="other"), Execute(), Sync)) == [["7" if known else "8"]]


def test_a_portal_over_several_shards_outlives_the_replica_that_was_asked(start_own):
    """The connection to it is lost before it has said anything to Describe; the router itself keeps what Bind said."""
    cluster = start_own(shards=2, replicas=1, workers=1)
    cluster.execute("CREATE TABLE t (id int PRIMARY KEY)")
    cluster.execute("SELECT nanu.shard_table('t', key => 'id')")
    for i in range(4):
        cluster.execute("INSERT INTO t VALUES (%s)", [i])
    cluster.catch_up()
    serving(cluster)
    asked = [Bind(statement="all"), Describe("P"), Execute(), Sync]

    def lent():
        return cluster.execute("SELECT pid, state = 'lent' FROM nanu.backends WHERE node = 'n1r1' AND prepared > 0")[0]

    with wire_of(cluster, "eventual") as wire:
        wire.ask(Parse("SELECT id FROM t ORDER BY id", "all"), Sync)
        expected = wire.ask(*asked)
        assert rows_of(expected) == [["0"], ["1"], ["2"], ["3"]]
        pid, _ = lent()
        os.kill(pid, signal.SIGSTOP)
        wire.send(*asked)
        wait_until(lambda: lent()[1], "the replica is asked")
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        assert wire.until() == expected


def test_without_any_replica_the_primary_serves(fragile):
    with connect(fragile, "eventual") as conn:
        for replica in fragile.replicas[0]:
            replica.stop()
        for i in range(1, 20):
            assert conn.execute("SELECT id FROM t WHERE id = %s", [i]).fetchone() == (i,)
        for replica in fragile.replicas[0]:
            replica.start()
        serving(fragile)
