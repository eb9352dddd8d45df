"""/metrics is Prometheus' text format, tells what the nanu schema tells, and counts what clients did."""
import pytest

from harness.cluster import DATABASE, USER
from harness.wait import wait_until
from harness.wire import Wire

from .asking import get, metrics, wait_for_status, with_http
from harness.once import start_cluster, start_own  # noqa: F401

# Metric, and the row of nanu.stats that it is.
SAME = {"nanu_sessions_total": "sessions_total", "nanu_statements_total": "statements", "nanu_transactions_total": "transactions",
        "nanu_errors_total": "errors", "nanu_refused_total": "refused", "nanu_fanouts_total": "fanouts", "nanu_replica_reads_total": "replica_reads", "nanu_replica_retries_total": "replica_retries",
        "nanu_hedged_reads_total": "hedged_reads", "nanu_hedges_won_total": "hedges_won",
        "nanu_merged_rows_total": "rows_merged",
        "nanu_plan_cache_hits_total": "plan_hits", "nanu_plan_cache_misses_total": "plan_misses", "nanu_plans": "plans",
        "nanu_received_bytes_total": "received_bytes", "nanu_sent_bytes_total": "sent_bytes", "nanu_sessions": "sessions"}


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = with_http(start_cluster, shards=2, client_max=500)
    made.execute("CREATE TABLE orders (user_id bigint, id bigint)")
    made.execute("SELECT nanu.shard_table('orders', key => 'user_id')")
    wait_for_status(made, "/ready", 200)
    return made


def test_metrics_are_those_of_the_nanu_schema(cluster):
    with cluster.connect() as conn:
        for number in range(20):
            conn.execute("INSERT INTO orders VALUES (%s, %s)", [number, number])
        assert conn.execute("SELECT user_id FROM orders ORDER BY user_id LIMIT 5").fetchall() == [(i,) for i in range(5)]
        with pytest.raises(Exception):
            conn.execute("SELECT 1/0")

        # The session that asks is the only one that does anything; its own statement on the nanu schema counts no more than its bytes and time.
        def agree():
            stats = dict(conn.execute("SELECT name, value FROM nanu.stats").fetchall())
            told = metrics(cluster)
            ours = {name: told.sum(name) for name in SAME}
            theirs = {name: stats[row] for name, row in SAME.items()}
            return ours, theirs
        loose = {"nanu_received_bytes_total", "nanu_sent_bytes_total", "nanu_transactions_total", "nanu_plan_cache_hits_total",
                 "nanu_plan_cache_misses_total", "nanu_plans"}     # the asking itself moves these

        def close():
            ours, theirs = agree()
            return all(ours[name] == theirs[name] for name in SAME if name not in loose) and \
                all(0 <= ours[name] - theirs[name] <= 10_000 for name in loose)
        wait_until(close, "they tell the same")


def test_what_clients_do_is_counted_by_kind_and_shard(cluster):
    with cluster.connect() as conn:
        conn.prepare_threshold = None   # psycopg would prepare what comes again, with a query of its own
        conn.execute("SELECT count(*) FROM orders")     # its plan, and a backend on each shard
        conn.execute("INSERT INTO orders VALUES (1, 1)")
        before = metrics(cluster)
        for _ in range(7):
            conn.execute("INSERT INTO orders VALUES (1, 1)")
        for _ in range(3):
            conn.execute("SELECT count(*) FROM orders")

        def grown(name, **labels):
            return metrics(cluster).sum(name, **labels) - before.sum(name, **labels)
        wait_until(lambda: grown("nanu_statements_total", kind="insert") == 7, "the inserts are counted")
        assert grown("nanu_statements_total", kind="select") == 3
        assert grown("nanu_statements_total") == 10
        assert grown("nanu_fanouts_total") == 3 and grown("nanu_merged_rows_total") == 3
        by_shard = [grown("nanu_pool_statements_total", shard=shard, user=USER) for shard in ("s1", "s2")]
        assert sorted(by_shard) == [3, 10]
        home, other = ("s1", "s2") if by_shard == [10, 3] else ("s2", "s1")
        kinds = {shard: {kind: grown("nanu_shard_statements_total", shard=shard, node=shard.replace("s", "n"), kind=kind) for kind in ("insert", "select")}
                 for shard in ("s1", "s2")}
        assert kinds == {home: {"insert": 7, "select": 3}, other: {"insert": 0, "select": 3}}
        assert sum(grown("nanu_shard_statements_total", shard=shard) for shard in ("s1", "s2")) == 13
        assert grown("nanu_query_duration_seconds_count") == 10
        assert grown("nanu_query_duration_seconds_bucket", le="+Inf") == 10
        assert grown("nanu_query_duration_seconds_sum") > 0


def test_a_slow_query_stands_in_its_bucket(cluster):
    with cluster.connect() as conn:
        before = metrics(cluster)
        conn.execute("SELECT pg_sleep(0.3)")
        wait_until(lambda: metrics(cluster).one("nanu_query_duration_seconds_count") > before.one("nanu_query_duration_seconds_count"), "it is counted")
        after = metrics(cluster)
    name = "nanu_query_duration_seconds_bucket"
    bounds = sorted((dict(labels)["le"] for labels in after.all(name)), key=float)
    counts = [after.one(name, le=bound) - before.one(name, le=bound) for bound in bounds]
    assert counts == sorted(counts)     # cumulative
    assert bounds[0] == "0.000064" and bounds[-1] == "+Inf"
    for bound, count in zip(bounds, counts):
        if float(bound) < 0.3:
            assert count == counts[0] == 0, bound
    assert counts[-1] == 1


def test_sessions_stand_in_the_state_that_they_are_in(cluster):
    with cluster.connect() as idle, cluster.connect() as open_one, cluster.connect() as third:
        open_one.execute("BEGIN")
        open_one.execute("SELECT 1")
        third.pgconn.send_query(b"SELECT pg_sleep(60)")

        def so():
            told = metrics(cluster)
            return {state: told.one("nanu_sessions", state=state) for state in ("login", "idle", "idle_in_transaction", "working")} == \
                {"login": 0, "idle": 1, "idle_in_transaction": 1, "working": 1}
        wait_until(so, "each is counted where it is")
        told = metrics(cluster)
        assert told.one("nanu_client_connections") == 3 and told.one("nanu_client_connections_max") == 500
        assert told.sum("nanu_pool_connections", state="lent", user=USER) == 2
        third.close()


def test_pools_are_those_of_the_nanu_schema(cluster):
    with cluster.connect() as conn:
        rows = conn.execute("SELECT node, database, user_name, sum(idle + lent + opening + cleaning), sum(opened_total), max(pool_size) FROM nanu.pools"
                            " GROUP BY 1, 2, 3").fetchall()
        told = metrics(cluster)
        assert len(told.all("nanu_pool_opened_total")) == len(rows) > 0
        for node, database, user, _, opened, size in rows:
            labels = {"node": node, "database": database, "user": user, "shard": node.replace("n", "s")}
            assert told.one("nanu_pool_opened_total", **labels) == opened
            assert told.one("nanu_pool_connections_max", **labels) == size
            assert {dict(found)["state"] for found in told.all("nanu_pool_connections", **labels)} == {"idle", "lent", "opening", "cleaning"}


def test_who_waits_is_counted(start_own):
    cluster = with_http(start_own, shards=1, workers=1, pool_size=1)
    with cluster.connect() as holder, cluster.connect() as waiter:
        holder.execute("BEGIN")
        holder.execute("SELECT 1")
        waiter.pgconn.send_query(b"SELECT 2")
        wait_until(lambda: metrics(cluster).sum("nanu_pool_waiting_sessions", user=USER) == 1, "somebody waits")
        holder.execute("COMMIT")
        assert [waiter.pgconn.get_result().get_value(0, 0), waiter.pgconn.get_result()] == [b"2", None]
        wait_until(lambda: metrics(cluster).sum("nanu_pool_wait_seconds_total", user=USER) > 0, "his waiting is counted")
        assert metrics(cluster).sum("nanu_pool_waits_total", user=USER) >= 1


def test_bytes_of_sessions_that_are_still_there_are_counted_and_stay(cluster):
    before = metrics(cluster).one("nanu_sent_bytes_total")
    with cluster.connect() as conn:
        conn.execute("SELECT repeat('x', 1000000)")
        wait_until(lambda: metrics(cluster).one("nanu_sent_bytes_total") > before + 1_000_000, "they are counted while the session is there")
        during = metrics(cluster).one("nanu_sent_bytes_total")
    wait_until(lambda: metrics(cluster).sum("nanu_sessions") == 0, "the session has gone")
    assert metrics(cluster).one("nanu_sent_bytes_total") >= during


def test_counters_never_go_back_while_sessions_come_and_go(cluster):
    before = metrics(cluster)
    for _ in range(20):
        with cluster.connect() as conn:
            conn.execute("SELECT repeat('x', 100000)")
            now = metrics(cluster)
            for (name, labels), value in before.samples.items():
                if name.endswith("_total"):
                    assert now.samples[name, labels] >= value, name
            before = now


@pytest.mark.parametrize("user", ['a "quoted" one', "back\\slash", "two\nlines", "ünï", "{}=,#"])
def test_odd_names_are_escaped(cluster, user):
    with cluster.servers[0].connect() as conn:
        quoted = conn.execute("SELECT quote_ident(%s)", [user]).fetchone()[0]
        conn.execute(f"CREATE ROLE {quoted} LOGIN PASSWORD 'secret'")
    try:
        with Wire(cluster.router.port, user, "secret", DATABASE) as wire:
            assert wire.login[-1][0] == "Z"
            wait_until(lambda: metrics(cluster).all("nanu_pool_opened_total", user=user), "his pool is told by his name")
    finally:
        cluster.execute("SELECT 1")
        with cluster.servers[0].connect() as conn:
            conn.execute(f"DROP ROLE {quoted}")


def test_the_process_is_told_as_every_client_library_tells_it(cluster):
    told = metrics(cluster)
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{cluster.router.program.pid}/status") if ":\t" in line)
    resident = int(status["VmRSS"].split()[0]) * 1024
    assert told.one("process_resident_memory_bytes") == pytest.approx(resident, rel=0.5)
    assert told.one("process_cpu_seconds_total") > 0
    assert 10 < told.one("process_open_fds") < told.one("process_max_fds")
    started, = cluster.execute("SELECT started FROM nanu.router")[0]
    assert told.one("process_start_time_seconds") == pytest.approx(started.timestamp(), abs=5)
    assert told.one("nanu_build_info", version=get(cluster, "/health").json["version"]) == 1


def test_what_is_held_is_told(cluster):
    with cluster.connect() as operator:
        operator.execute("SELECT nanu.drain('n1')")
        operator.execute("SELECT nanu.disable(%s)", [DATABASE])
        wait_until(lambda: metrics(cluster).one("nanu_node_drained", node="n1") == 1, "the drain is told")
        assert metrics(cluster).one("nanu_node_drained", node="n2") == 0
        assert metrics(cluster).one("nanu_database_disabled", database=DATABASE) == 1
        assert metrics(cluster).one("nanu_database_paused", database=DATABASE) == 0
        assert metrics(cluster).one("nanu_database_schema_known", database=DATABASE) == 1
        operator.execute("SELECT nanu.enable(%s)", [DATABASE])
        operator.execute("SELECT nanu.resume(node => 'n1')")
