"""A replica that sessions find broken, while the router's own connection to it works: it is put aside for longer and longer, and tried by one."""
import contextlib
import datetime
import re
import threading

import psycopg
import pytest

from harness.background import in_background
from harness.cluster import USER
from harness.wait import wait_until
from reads.gate import Gate
from reads.scene import it_waits, serving, stat

CLIENTS = 16
PAUSES_S = [0.25, 0.5, 1]


class Readers:
    """So many sessions that read all the time, and count."""

    def __init__(self, cluster, query="SELECT id FROM t WHERE id = %s"):
        self.cluster, self.query, self.stop, self.counts = cluster, query, threading.Event(), [0] * CLIENTS

    def read(self, i):
        with self.cluster.connect() as conn:
            while not self.stop.is_set():
                assert conn.execute(self.query, [i + 1]).fetchone() == (i + 1,)
                self.counts[i] += 1

    def during(self, act):
        def then_stop():
            try:
                wait_until(lambda: min(self.counts) > 5, "everybody reads")
                act()
                at = list(self.counts)
                wait_until(lambda: all(now > then + 5 for now, then in zip(self.counts, at)), "everybody goes on")
            finally:
                self.stop.set()
        in_background(then_stop, *(lambda i=i: self.read(i) for i in range(CLIENTS)))


def make(cluster):
    cluster.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)")
    cluster.catch_up()
    wait_until(lambda: cluster.execute("SELECT bool_and(serves) FROM nanu.replication WHERE role = 'replica'") == [(True,)], "all replicas serve")
    return cluster


def put_aside(cluster):
    """When the log says that it was, in seconds."""
    times = re.findall(r"^time=(\S+) level=warn part=reads node=n1r1 ", cluster.router.log.read_text(), re.M)
    return [datetime.datetime.fromisoformat(time).timestamp() for time in times]


def check_pauses(cluster, count):
    """So many failures come, each after a pause twice as long."""
    wait_until(lambda: len(put_aside(cluster)) >= count, f"it has failed {count} times")
    times = put_aside(cluster)
    for pause_s, begin, end in zip(PAUSES_S, times, times[1:]):
        assert pause_s - 0.005 <= end - begin <= pause_s + 1.5, times


# ---- nobody gets through to the node ----

@pytest.fixture
def gate(farm):
    gate = Gate(farm.replicas_for(farm.servers_for(1)[0], 2)[0].port)
    yield gate
    gate.stop()


@pytest.fixture
def gated(start_own, gate, farm):
    """The first of two replicas stands behind the gate."""
    servers = farm.servers_for(1)
    nodes = [{"name": "n1", "host": "127.0.0.1", "port": str(servers[0].port)}, {"name": "n1r1", "host": "127.0.0.1", "port": str(gate.port)},
             {"name": "n1r2", "host": "127.0.0.1", "port": str(farm.replicas_for(servers[0], 2)[1].port)}]
    return make(start_own(shards=1, replicas=2, workers=2, consistency="eventual", nodes=nodes))


def broken(cluster):
    return cluster.execute("SELECT failures, aside_ms, reachable FROM nanu.replication WHERE node = 'n1r1'")[0]


def test_a_node_that_ends_connections_is_tried_ever_more_rarely_and_by_one(gated, gate):
    def act():
        gate.close_all()
        check_pauses(gated, 1)
        refused = gate.refused          # sessions that were on their way already
        check_pauses(gated, 4)
        failures, _, reachable = broken(gated)
        assert failures >= 4 and reachable
        assert 3 <= gate.refused - refused <= failures

    Readers(gated).during(act)


def test_it_serves_again_when_one_got_through(gated, gate):
    def act():
        gate.close_all()
        wait_until(lambda: broken(gated)[0] >= 2, "it is put aside")
        gate.shut = False
        wait_until(lambda: broken(gated)[:2] == (0, None), "it serves again")
        before = lent(gated, "n1r1", USER)
        wait_until(lambda: lent(gated, "n1r1", USER) > before + 10, "and is read from by all")

    Readers(gated).during(act)


def lent(cluster, node, user):
    return cluster.execute("SELECT coalesce(sum(lent_total), 0) FROM nanu.pools WHERE node = %s AND user_name = %s", [node, user])[0][0]


# ---- it answers nobody ----

@pytest.mark.parametrize("query", ["SELECT id FROM t WHERE id = %s", "SELECT %s FROM t ORDER BY id LIMIT 1"])
def test_reads_of_a_server_that_hangs_run_elsewhere(own_servers, start_own, farm, query):
    """Its connections stay, and so did whoever waited for it. The second one is asked of all shards."""
    cluster = start_own(servers=[own_servers, farm.servers_for(1)[0]], shards=2, replicas=2, workers=2, consistency="eventual")
    with cluster.connect() as conn:
        conn.execute("CREATE TABLE t (id int PRIMARY KEY)")
        conn.execute("SELECT nanu.shard_table('t', key => 'id')")
        for i in range(CLIENTS):
            conn.execute("INSERT INTO t VALUES (%s)", [i + 1])
    cluster.catch_up()
    serving(cluster)
    victim = cluster.replicas[0][0]
    retries = stat(cluster, "replica_retries")

    def act():
        with victim.frozen():
            at = list(readers.counts)
            wait_until(lambda: all(now > then + 5 for now, then in zip(readers.counts, at)), "everybody goes on while it hangs", 10)
        wait_until(lambda: cluster.execute("SELECT bool_and(serves) FROM nanu.replication WHERE role = 'replica'") == [(True,)], "it serves again")

    readers = Readers(cluster, query)
    readers.during(act)
    assert stat(cluster, "replica_retries") > retries


def test_a_block_on_a_server_that_hangs_can_be_cancelled(own_servers, start_own):
    """Its second statement cannot run elsewhere, and the server does not heed a cancel request."""
    cluster = make(start_own(servers=[own_servers], shards=1, replicas=2, workers=2, consistency="eventual"))
    with cluster.connect() as conn:
        conn.execute("BEGIN READ ONLY")
        conn.execute("SELECT id FROM t LIMIT 1")
        victim, = [replica for replica in cluster.replicas[0] if blocks(replica)]
        with victim.frozen():
            wait_until(lambda: cluster.execute("SELECT count(*) FROM nanu.replication WHERE NOT reachable") == [(1,)], "the router knows")

            def read():
                with pytest.raises(psycopg.errors.QueryCanceled):
                    conn.execute("SELECT id FROM t")

            def cancel():
                with cluster.connect() as other:
                    it_waits(other, conn)
                conn.cancel()
            in_background(read, cancel)
            conn.execute("ROLLBACK")
            assert conn.execute("SELECT id FROM t WHERE id = 7").fetchone() == (7,)


def test_a_block_on_servers_of_every_shard_that_hang_can_be_cancelled(own_servers, other_servers, start_own):
    cluster = start_own(servers=[own_servers, other_servers], shards=2, replicas=2, workers=2, consistency="eventual")
    for sql in ["CREATE TABLE t (id int PRIMARY KEY)", "SELECT nanu.shard_table('t', key => 'id')", *(f"INSERT INTO t VALUES ({i})" for i in range(10))]:
        cluster.execute(sql)
    cluster.catch_up()
    serving(cluster)
    with cluster.connect() as conn, contextlib.ExitStack() as frozen:
        conn.execute("BEGIN READ ONLY")
        assert conn.execute("SELECT count(*) FROM t").fetchone() == (10,)
        for victim in [replica for replicas in cluster.replicas for replica in replicas if blocks(replica)]:
            frozen.enter_context(victim.frozen())
        wait_until(lambda: cluster.execute("SELECT count(*) FROM nanu.replication WHERE NOT reachable") == [(2,)], "the router knows")

        def read():
            with pytest.raises(psycopg.errors.QueryCanceled):
                conn.execute("SELECT count(*) FROM t")

        def cancel():
            with cluster.connect() as other:
                it_waits(other, conn)
            conn.cancel()
        in_background(read, cancel)
        conn.execute("ROLLBACK")
        assert conn.execute("SELECT count(*) FROM t").fetchone() == (10,)


def blocks(server):
    """A transaction of the application's is under way there."""
    with server.connect() as conn:
        return conn.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND state = 'idle in transaction'", [USER]).fetchone() != (0,)


# ---- one user does not ----

@contextlib.contextmanager
def refusing(replica):
    """Its pg_hba.conf refuses the application's user."""
    path = replica.data / "pg_hba.conf"
    before = path.read_text()
    try:
        path.write_text(f"host all {USER} all reject\n" + before)
        reload(replica)
        yield
    finally:
        path.write_text(before)
        reload(replica)


def reload(server):
    with server.connect() as conn:
        at = conn.execute("SELECT pg_conf_load_time()").fetchone()
        conn.execute("SELECT pg_reload_conf()")
    def done():
        with server.connect() as conn:
            return conn.execute("SELECT pg_conf_load_time()").fetchone() != at
    wait_until(done, f"{server.name} has read its files again")


def aside_ms_of_user(cluster):
    return cluster.execute("SELECT max(aside_ms) FROM nanu.pools WHERE node = 'n1r1' AND user_name = %s", [USER])[0][0]


def test_who_refuses_one_user_serves_others(start_own, farm):
    replica = farm.replicas_for(farm.servers_for(1)[0], 2)[0]
    with refusing(replica):
        cluster = make(start_own(shards=1, replicas=2, workers=1, consistency="eventual"))

        def act():
            check_pauses(cluster, 3)
            assert aside_ms_of_user(cluster) and broken(cluster)[:2] == (0, None)
            with cluster.connect(user="postgres", password="postgres") as other:
                before = lent(cluster, "n1r1", "postgres")
                for _ in range(20):
                    other.execute("SELECT count(*) FROM t", prepare=False)
                assert lent(cluster, "n1r1", "postgres") > before

        Readers(cluster).during(act)
    with cluster.connect() as conn:
        def read():
            conn.execute("SELECT count(*) FROM t")
            return lent(cluster, "n1r1", USER) > 0
        wait_until(read, "it lets the user in again, and serves")
        wait_until(lambda: aside_ms_of_user(cluster) is None, "it is not put aside any more")
