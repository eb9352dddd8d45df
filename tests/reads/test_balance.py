"""Which of the replicas that may serve a read does: nanu.read_from, weights, regions and zones."""
import contextlib

import psycopg
import pytest

from harness.cluster import DATABASE
from harness.postgres import PASSWORD
from harness.wait import wait_until

ONE_LOOP = "epoll"
REPLICAS = ["n1r1", "n1r2", "n1r3"]


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=1, replicas=3, workers=1, consistency="eventual", router_region="eu", router_zone="eu-a")
    made.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)")
    made.catch_up()
    serving(made)
    return made


def serving(cluster):
    wait_until(lambda: cluster.execute("SELECT bool_and(serves) FROM nanu.replication WHERE role = 'replica'") == [(True,)], "all replicas serve")


def configure(cluster, **of_nodes):
    """Gives nodes these settings: n1r1={"weight": "3"}; and takes what they had."""
    for node in cluster.router.settings["nodes"]:
        for name in ["weight", "region", "zone"]:
            node.pop(name, None)
        node.update(of_nodes.get(node["name"], {}))
    cluster.router.configure()
    cluster.execute("SELECT nanu.reload()")


def served(cluster):
    return {node: lent for node, lent in cluster.execute("SELECT node, sum(lent_total) FROM nanu.pools WHERE node LIKE 'n1r%%' GROUP BY node")}


def reads(cluster, conn, count):
    """How many of so many reads each replica served."""
    before = served(cluster)
    for _ in range(count):
        conn.execute("SELECT count(*) FROM t", prepare=False)
    after = served(cluster)
    return [after.get(node, 0) - before.get(node, 0) for node in REPLICAS]


def connect(cluster, read_from):
    conn = cluster.connect()
    conn.execute(f"SET nanu.read_from = '{read_from}'")
    return conn


# ---- the setting ----

def test_it_is_a_setting(cluster):
    with cluster.connect() as conn:
        assert conn.execute("SHOW nanu.read_from").fetchone() == ("round_robin",)
        for value in ["primary", "round_robin", "least_loaded", "fastest", "nearest"]:
            assert conn.execute(f"SET nanu.read_from = '{value}'").statusmessage == "SET"
            assert conn.execute("SHOW nanu.read_from", prepare=True).fetchone() == (value,)
        with pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
            conn.execute("SET nanu.read_from = best")
        assert "nearest" in caught.value.diag.message_hint
        conn.execute("RESET nanu.read_from")
        with conn.transaction():
            conn.execute("SET LOCAL nanu.read_from = nearest")
            assert conn.execute("SHOW nanu.read_from").fetchone() == ("nearest",)
        assert conn.execute("SHOW nanu.read_from").fetchone() == ("round_robin",)
    with psycopg.connect(cluster.conninfo() + " options='-c nanu.read_from=fastest'") as conn:
        assert conn.execute("SHOW nanu.read_from").fetchone() == ("fastest",)


def test_a_user_may_have_it_otherwise(start_own):
    cluster = start_own(shards=1, replicas=1, read_from="nearest", users=[{"name": "postgres", "read_from": "primary"}])
    with cluster.connect() as conn:
        assert conn.execute("SHOW nanu.read_from").fetchone() == ("nearest",)
    with cluster.connect(user="postgres", password="postgres") as conn:
        assert conn.execute("SHOW nanu.read_from").fetchone() == ("primary",)


# ---- who serves ----

def test_weights_share_the_reads(cluster):
    configure(cluster, n1r1={"weight": "3"}, n1r2={"weight": "1"}, n1r3={"weight": "0"})
    assert cluster.execute("SELECT weight FROM nanu.nodes WHERE name LIKE 'n1r%%' ORDER BY name") == [(3,), (1,), (0,)]
    with cluster.connect() as conn:
        assert reads(cluster, conn, 40) == [30, 10, 0]
    configure(cluster, n1r1={"weight": "0"}, n1r2={"weight": "0"}, n1r3={"weight": "0"})
    with cluster.connect() as conn:
        assert reads(cluster, conn, 5) == [0, 0, 0]
    configure(cluster)
    with cluster.connect() as conn:
        assert reads(cluster, conn, 30) == [10, 10, 10]


def test_who_serves_nothing_leaves_his_turns_to_all_others(cluster):
    with cluster.connect() as conn:
        cluster.execute("SELECT nanu.drain('n1r2')")
        try:
            assert reads(cluster, conn, 30) == [15, 0, 15]
        finally:
            cluster.execute("SELECT nanu.resume(node => 'n1r2')")


def test_the_primary_serves_who_wants_it(cluster):
    with connect(cluster, "primary") as conn:
        assert reads(cluster, conn, 6) == [0, 0, 0]
        conn.execute("BEGIN READ ONLY")
        assert conn.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
        conn.execute("COMMIT")


def test_the_nearest_serve(cluster):
    configure(cluster, n1r1={"region": "us", "zone": "us-a"}, n1r2={"region": "eu", "zone": "eu-a"}, n1r3={"region": "eu", "zone": "eu-b"})
    with connect(cluster, "nearest") as conn:
        assert reads(cluster, conn, 10) == [0, 10, 0]
        cluster.execute("SELECT nanu.drain('n1r2')")
        try:
            assert reads(cluster, conn, 10) == [0, 0, 10]
        finally:
            cluster.execute("SELECT nanu.resume(node => 'n1r2')")
    configure(cluster, n1r1={"region": "eu"}, n1r2={"region": "us"}, n1r3={"region": "eu"})
    with connect(cluster, "nearest") as conn:
        assert reads(cluster, conn, 10) == [5, 0, 5]
    configure(cluster)
    with connect(cluster, "nearest") as conn:
        assert reads(cluster, conn, 9) == [3, 3, 3]


def occupied(cluster):
    return dict(cluster.execute("SELECT node, under_way FROM nanu.replication WHERE role = 'replica'"))


@pytest.fixture
def first_two_busy(cluster):
    """A statement stands on n1r1, and two on n1r2, until the test is over."""
    sleepers = [cluster.connect() for _ in range(3)]
    for conn, node in zip(sleepers, ["n1r1", "n1r2", "n1r2"]):
        configure(cluster, **{other: {"weight": "0"} for other in REPLICAS if other != node})
        before = occupied(cluster)[node]
        conn.pgconn.send_query(b"SELECT count(*), max(pg_sleep(600)::text) FROM t WHERE id = 1")
        wait_until(lambda: occupied(cluster)[node] == before + 1, f"it stands on {node}")
    configure(cluster)
    yield
    for conn in sleepers:
        conn.cancel()
        while conn.pgconn.get_result():
            pass
        conn.close()
    wait_until(lambda: sum(occupied(cluster).values()) == 0, "nothing is under way any more")


def test_the_least_loaded_serves(cluster, first_two_busy):
    with connect(cluster, "least_loaded") as conn:
        assert reads(cluster, conn, 9) == [0, 0, 9]
        cluster.execute("SELECT nanu.drain('n1r3')")
        try:
            assert reads(cluster, conn, 9) == [9, 0, 0]
        finally:
            cluster.execute("SELECT nanu.resume(node => 'n1r3')")
        configure(cluster, n1r1={"weight": "1"}, n1r2={"weight": "100"}, n1r3={"weight": "1"})
        assert reads(cluster, conn, 9) == [0, 9, 0]
    configure(cluster)


def test_the_fastest_serves(start_own):
    """Two of three need 300 ms more: a function finds its server's port in a table, and sleeps."""
    cluster = start_own(shards=1, replicas=3, workers=1, consistency="eventual")
    cluster.execute("CREATE TABLE slow_servers (ports text); CREATE FUNCTION slow() RETURNS int IMMUTABLE LANGUAGE sql AS"
                    " $$SELECT CASE WHEN current_setting('port') = ANY (string_to_array(ports, ',')) THEN length(pg_sleep(0.3)::text) + 1 ELSE 1 END"
                    " FROM slow_servers$$")
    first, second, third = cluster.replicas[0]
    cluster.execute(f"INSERT INTO slow_servers VALUES ('{first.port},{third.port}')")
    cluster.catch_up()
    serving(cluster)

    def load(conn, count):
        before = served(cluster)
        for _ in range(count):
            assert conn.execute("SELECT slow()", prepare=False).fetchone() == (1,)
        after = served(cluster)
        return [after.get(node, 0) - before.get(node, 0) for node in REPLICAS]

    with connect(cluster, "fastest") as conn:
        load(conn, 6)                           # each has been tried
        assert load(conn, 50) == [0, 50, 0]
        times = dict(cluster.execute("SELECT node, read_us FROM nanu.replication WHERE role = 'replica'"))
        assert times["n1r2"] < min(times["n1r1"], times["n1r3"]) > 250_000
        cluster.execute(f"UPDATE slow_servers SET ports = '{second.port}'")
        cluster.catch_up()
        wait_until(lambda: load(conn, 1)[1] == 0, "what became slow is left")


# ---- the primary's turn ----

def test_the_primary_takes_its_turn_if_so_chosen(start_own):
    cluster = start_own(shards=1, replicas=2, workers=1, consistency="eventual", read_primary="on", users=[{"name": "postgres", "read_primary": "off"}],
                        strong_reads="replicas")
    cluster.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)")
    cluster.catch_up()
    serving(cluster)
    with cluster.connect() as conn:
        assert reads(cluster, conn, 12)[:2] == [4, 4]
        configure(cluster, n1={"weight": "2"})
        assert reads(cluster, conn, 12)[:2] == [3, 3]
        configure(cluster, n1={"weight": "0"})
        assert reads(cluster, conn, 12)[:2] == [6, 6]
        configure(cluster)
        for read_from in ["least_loaded", "fastest", "nearest"]:
            conn.execute(f"SET nanu.read_from = '{read_from}'")
            assert sum(reads(cluster, conn, 60)[:2]) < 60
        conn.execute("RESET nanu.read_from")
        conn.execute("SET nanu.consistency = 'strong'")
        assert reads(cluster, conn, 12)[:2] == [6, 6]
    with cluster.connect(dbname=DATABASE + "@replica") as conn:
        assert reads(cluster, conn, 12)[:2] == [6, 6]
    with cluster.connect(user="postgres", password=PASSWORD) as conn:
        assert reads(cluster, conn, 12)[:2] == [6, 6]


def test_nobody_waits_for_a_replica_where_the_primary_shares(start_own):
    cluster = start_own(shards=1, replicas=1, workers=1, consistency="session", read_primary="on", read_wait=60000, read_fallback="error")
    cluster.execute("CREATE TABLE t (id int PRIMARY KEY)")
    cluster.catch_up()
    serving(cluster)
    cluster.replicas[0][0].pause()
    try:
        with cluster.connect() as conn:
            for i in range(10):
                conn.execute("INSERT INTO t VALUES (%s)", [i])
                assert conn.execute("SELECT count(*) FROM t").fetchone() == (i + 1,)
    finally:
        cluster.replicas[0][0].resume()


def test_sessions_stay_where_they_began(start_own):
    """What a session was shown is where it was shown, and on the primary: each begins with whose turn it is."""
    cluster = start_own(shards=1, replicas=2, workers=1, consistency="session", read_primary="on", read_wait=1000)
    cluster.execute("CREATE TABLE t (id int PRIMARY KEY)")
    cluster.catch_up()
    serving(cluster)
    with contextlib.ExitStack() as open_ones:
        conns = [open_ones.enter_context(cluster.connect()) for _ in range(12)]
        before = served(cluster)
        for conn in conns:
            for _ in range(5):
                conn.execute("SELECT count(*) FROM t")
        after = served(cluster)
    counts = [after.get(node, 0) - before.get(node, 0) for node in ["n1r1", "n1r2"]]
    assert all(count >= 10 for count in counts) and sum(counts) <= 50, counts
