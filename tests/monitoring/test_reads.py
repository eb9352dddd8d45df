"""nanu.reads and nanu_reads_total: each read of a session that may read from replicas is counted once, by its level, by what served it and why."""
import contextlib
import threading

import psycopg
import pytest

from harness.background import in_background
from harness.cluster import DATABASE
from harness.wait import wait_until
from reads.gate import Gate
from reads.scene import connect, paused, serving

from .asking import metrics, with_http
from harness.once import start_cluster, start_own  # noqa: F401

READ = "SELECT n FROM counter"
REPLICA, PRIMARY, NONE = "replica", "primary", "none"


def make(cluster):
    cluster.execute("CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL); INSERT INTO counter VALUES (1, 0)")
    cluster.execute("CREATE SEQUENCE drawn")
    cluster.execute("CREATE FUNCTION draws() RETURNS bigint IMMUTABLE LANGUAGE sql AS $$SELECT nextval('drawn')$$")   # it says so
    cluster.catch_up()
    serving(cluster)
    return cluster


@pytest.fixture(scope="module")
def cluster(start_cluster):
    return make(with_http(start_cluster, shards=1, replicas=2, workers=2, max_lag=0))


def counts(cluster):
    return {(level, role, reason): reads for level, role, reason, reads in cluster.execute("SELECT level, role, reason, reads FROM nanu.reads")}


class Grown(dict):
    """Of which counters grew by how much; several reasons may be taken as one."""

    def of(self, *reasons):
        return sum(count for (_, _, reason), count in self.items() if reason in reasons)


@contextlib.contextmanager
def grown(cluster):
    """Filled at its end."""
    before, found = counts(cluster), Grown()
    yield found
    after = counts(cluster)
    found.update({key: after[key] - before[key] for key in after if after[key] != before[key]})


@contextlib.contextmanager
def grows(cluster, *keys, **more):
    """These grow by as much as is said, and no others."""
    expected = dict.fromkeys(keys, 1)
    with grown(cluster) as found:
        yield
    count = more.get("by", 1)
    assert found == {key: number * count for key, number in expected.items()}


def read(conn, count=1, statement=READ):
    for _ in range(count):
        conn.execute(statement, prepare=False).fetchall()


def wait_for_wait(other, conn):
    asking = f"SELECT state FROM nanu.sessions WHERE pid = {conn.info.backend_pid}"      # who asks is at work, too
    wait_until(lambda: other.execute(asking).fetchall() == [("working",)], "it waits")


# ---- levels ----

@pytest.mark.parametrize("level", ["eventual", "bounded", "monotonic", "read_your_writes", "session", "causal"])
def test_each_level_is_counted_as_itself(cluster, level):
    with connect(cluster, level) as conn:
        conn.execute("SET nanu.read_wait = '10s'")
        with grown(cluster) as found:
            read(conn, 7)
    told_as = "read_your_writes" if level == "session" else level
    assert {key[:2] for key in found} == {(told_as, REPLICA)} and found.of("fit", "waited") == 7
    assert level not in ("eventual", "bounded") or found.of("fit") == 7


def test_strong_is_counted_of_who_has_chosen_something(cluster):
    with connect(cluster, "strong") as conn, grows(cluster, ("strong", PRIMARY, "setting"), by=3):
        read(conn, 3)


def test_who_has_chosen_nothing_is_not_counted(cluster):
    with cluster.connect() as conn, grows(cluster):
        read(conn, 3)


def test_a_hint_has_its_statement_counted_at_its_level(cluster):
    with connect(cluster, "eventual") as conn:
        with grows(cluster, ("bounded", REPLICA, "fit")):
            read(conn, statement=f"/* nanu: consistency=bounded */ {READ}")
        with grows(cluster, ("eventual", REPLICA, "fit")):
            read(conn)
        with grows(cluster, ("eventual", PRIMARY, "setting")):
            read(conn, statement=f"/* nanu: read_from=primary */ {READ}")


def test_strong_reads_of_replicas_are_waited_for(start_own):
    own = make(start_own(shards=1, replicas=1, strong_reads="replicas", max_lag=0))
    with own.connect() as conn, grown(own) as found:
        read(conn, 5)
    assert {key[:2] for key in found} == {("strong", REPLICA)} and found.of("fit", "waited") == 5 and found.of("waited") > 0


# ---- what a read is ----

def test_what_reads_is_counted_and_nothing_else(cluster):
    with connect(cluster, "eventual") as conn:
        with grows(cluster):
            conn.execute("UPDATE counter SET n = n + 1")
            conn.execute("WITH w AS (UPDATE counter SET n = n + 1 RETURNING n) SELECT n FROM w")
            conn.execute("SHOW nanu.token")
            conn.execute("SELECT name FROM nanu.nodes").fetchall()
            conn.execute("PREPARE r AS SELECT n FROM counter")
            conn.execute("PREPARE w AS UPDATE counter SET n = n + 1")
            conn.execute("EXECUTE w")
            with pytest.raises(psycopg.errors.DivisionByZero):
                conn.execute("SELECT 1/0 FROM counter")
        cluster.catch_up()
        with grows(cluster, ("eventual", REPLICA, "fit"), by=5):
            read(conn, statement="EXECUTE r")
            read(conn, statement="TABLE counter")
            with conn.cursor().copy("COPY counter TO STDOUT") as copy:
                assert list(copy)
            conn.execute("SELECT n FROM counter WHERE id = %s", [1], prepare=True).fetchall()
            read(conn, statement="SELECT 1")


def test_two_in_one_text_are_two(cluster):
    with connect(cluster, "eventual") as conn, grows(cluster, ("eventual", REPLICA, "fit"), by=2):
        conn.execute(f"{READ}; {READ}")


def test_one_over_several_shards_counts_on_each(start_own):
    own = start_own(shards=3, replicas=1, consistency="eventual", max_lag=0)
    own.execute("CREATE TABLE orders (user_id bigint, id bigint)")
    own.execute("SELECT nanu.shard_table('orders', key => 'user_id')")
    own.catch_up()
    serving(own)
    with own.connect() as conn:
        with grows(own, ("eventual", REPLICA, "fit"), by=3):
            read(conn, statement="SELECT count(*) FROM orders")
        with grows(own, ("eventual", REPLICA, "fit")):
            read(conn, statement="SELECT count(*) FROM orders WHERE user_id = 5")


# ---- what served, and why ----

def test_one_that_waits_is_counted_when_it_is_served(cluster):
    with connect(cluster, "session") as conn, cluster.connect() as other:
        conn.execute("SET nanu.read_wait = '1min'")
        with grows(cluster, ("read_your_writes", REPLICA, "waited")):
            with paused(*cluster.replicas[0]):
                conn.execute("UPDATE counter SET n = n + 1")
                reader = threading.Thread(target=read, args=(conn,))
                with grows(cluster):
                    reader.start()
                    wait_for_wait(other, conn)
            reader.join()


def test_one_that_is_cancelled_while_it_waits_is_not_counted(cluster):
    with connect(cluster, "session") as conn, cluster.connect() as other, paused(*cluster.replicas[0]):
        conn.execute("SET nanu.read_wait = '1min'")
        conn.execute("UPDATE counter SET n = n + 1")

        def wait():
            with pytest.raises(psycopg.errors.QueryCanceled):
                read(conn)

        def cancel():
            wait_for_wait(other, conn)
            conn.cancel()
        with grows(cluster):
            in_background(wait, cancel)


def test_where_no_replica_is_fit_the_primary_serves_or_nobody(cluster):
    with connect(cluster, "session") as conn, paused(*cluster.replicas[0]):
        conn.execute("UPDATE counter SET n = n + 1")
        with grows(cluster, ("read_your_writes", PRIMARY, "none_fit"), by=4):
            read(conn, 2)
            conn.execute("SET nanu.read_wait = '50ms'")
            read(conn, 2)
        conn.execute("SET nanu.read_fallback = error")
        with grows(cluster, ("read_your_writes", NONE, "refused"), by=3):
            for wait in ["50ms", "0", "0"]:
                conn.execute(f"SET nanu.read_wait = '{wait}'")
                with pytest.raises(psycopg.errors.CannotConnectNow):
                    read(conn)


def test_those_of_transaction_blocks(cluster):
    with connect(cluster, "eventual") as conn:
        with grows(cluster, ("eventual", PRIMARY, "in_transaction"), by=3), conn.transaction():
            read(conn, 3)
        with grows(cluster, ("eventual", REPLICA, "fit"), by=3):
            conn.execute("BEGIN READ ONLY")
            read(conn, 3)
            conn.execute("COMMIT")


def test_those_of_a_read_only_block_where_no_replica_is_fit(cluster):
    with connect(cluster, "session") as conn, paused(*cluster.replicas[0]):
        conn.execute("UPDATE counter SET n = n + 1")
        with grows(cluster, ("read_your_writes", PRIMARY, "none_fit"), by=2):
            conn.execute("BEGIN READ ONLY")
            read(conn, 2)
            conn.execute("COMMIT")


def test_those_that_only_the_primary_can_serve(cluster):
    with connect(cluster, "eventual") as conn, grows(cluster, ("eventual", PRIMARY, "needs_primary"), by=5):
        conn.execute("PREPARE r(bigint) AS SELECT n FROM counter WHERE id = $1")
        read(conn, statement="EXECUTE r(nextval('drawn'))")
        read(conn, statement=f"{READ} FOR UPDATE")
        read(conn, statement="SELECT nextval('drawn')")
        read(conn, statement="SELECT relname FROM pg_class LIMIT 1")
        with conn.transaction():
            read(conn, statement=f"{READ} FOR SHARE")


def test_those_that_settings_send_there(cluster):
    with connect(cluster, "eventual") as conn:
        with grows(cluster, ("eventual", PRIMARY, "setting"), by=2):
            conn.execute("SET nanu.read_from = 'primary'")
            read(conn)
            conn.execute("RESET nanu.read_from")
            conn.execute("SET default_transaction_isolation = 'serializable'")
            read(conn)
        conn.execute("RESET default_transaction_isolation")
        with grows(cluster, ("eventual", REPLICA, "fit")):
            read(conn)
    with cluster.connect(dbname=DATABASE + "@primary") as conn, grows(cluster, ("strong", PRIMARY, "setting")):
        read(conn)
    with cluster.connect(dbname=DATABASE + "@replica") as conn, grows(cluster, ("eventual", REPLICA, "fit")):
        read(conn)


def test_those_of_a_session_that_keeps_its_backend(cluster):
    with connect(cluster, "eventual") as conn:
        conn.execute("CREATE TEMP TABLE mine (id int)")
        with grows(cluster, ("eventual", PRIMARY, "pinned"), by=2):
            read(conn, 2)
        conn.execute("DROP TABLE mine")
        wait_until(lambda: cluster.execute("SELECT count(*) FROM nanu.sessions WHERE pins <> ''") == [(0,)], "it has given it back")
        with grows(cluster, ("eventual", REPLICA, "fit")):
            read(conn)


def test_those_in_a_pipeline_with_others(cluster):
    with connect(cluster, "eventual") as conn:
        with grows(cluster, ("eventual", PRIMARY, "pipelined"), by=2), conn.pipeline():
            conn.execute("UPDATE counter SET n = n + 1", prepare=False)
            conn.execute(READ, prepare=False)
            conn.execute(READ, prepare=False)
        with grows(cluster, ("eventual", PRIMARY, "pipelined")):
            conn.execute(f"UPDATE counter SET n = n + 1; {READ}")


def test_what_a_replica_refuses_is_counted_where_it_ran(cluster):
    with connect(cluster, "eventual") as conn, grows(cluster, ("eventual", PRIMARY, "retried"), by=3):
        read(conn, 3, "SELECT draws()")


def test_what_a_replica_that_is_lost_had_is_another_s(start_own, farm):
    servers = farm.servers_for(1)
    replicas = farm.replicas_for(servers[0], 2)
    gate = Gate(replicas[0].port)
    try:
        nodes = [{"name": name, "host": "127.0.0.1", "port": str(port)}
                 for name, port in [("n1", servers[0].port), ("n1r1", gate.port), ("n1r2", replicas[1].port)]]
        own = make(start_own(shards=1, replicas=2, workers=1, consistency="eventual", read_fallback="error", nodes=nodes))
        with own.connect() as conn:
            with grows(own, ("eventual", REPLICA, "fit"), by=4):
                read(conn, 4)
            gate.close_all()
            with grown(own) as found:
                read(conn, 6)
        assert {key[:2] for key in found} == {("eventual", REPLICA)} and found.of("retried") > 0 and found.of("retried", "fit") == 6
    finally:
        gate.stop()


def test_a_shard_without_replicas(start_own):
    own = make(start_own(shards=1, consistency="eventual"))
    with own.connect() as conn, grows(own, ("eventual", PRIMARY, "no_replica"), by=3):
        read(conn, 3)


def test_the_turns_of_the_primary(start_own):
    own = make(start_own(shards=1, replicas=1, workers=1, consistency="eventual", read_primary="on"))
    with own.connect() as conn, grown(own) as found:
        read(conn, 10)
    assert found == {("eventual", REPLICA, "fit"): 5, ("eventual", PRIMARY, "turn"): 5}


def test_hedged_ones_are_counted_once(cluster):
    with connect(cluster, "eventual") as conn, grows(cluster, ("eventual", REPLICA, "fit"), by=200):
        conn.execute("SET nanu.read_from = 'hedged'")
        read(conn, 200)


# ---- where it is told ----

def test_metrics_and_table_agree_and_explain(cluster):
    with connect(cluster, "eventual") as conn:
        read(conn, 3)
        with conn.transaction():
            read(conn)

    def agree():
        told = {tuple(dict(labels)[name] for name in ("level", "role", "reason")): value for labels, value in metrics(cluster).all("nanu_reads_total").items()}
        return told == counts(cluster) and sum(told.values()) >= 4
    wait_until(agree, "they tell the same")
    rows = cluster.execute("SELECT level, role, reason, description FROM nanu.reads")
    assert len({row[:3] for row in rows}) == len(rows) and all(len(row[3]) > 10 for row in rows)
    assert {level for level, *_ in rows} == {"eventual", "bounded", "monotonic", "read_your_writes", "causal", "strong"}
