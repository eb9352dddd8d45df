"""/replica finds a shard's replicas by what they show, and the metrics tell where each node is."""
import signal

import pytest

from harness.wait import wait_until

from .asking import get, metrics, wait_for_status, with_http
from harness.once import start_cluster, start_own  # noqa: F401


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = with_http(start_cluster, shards=2, replicas=1, max_lag=0)
    wait_for_status(made, "/replica?max_lag=5s", 200)
    return made


def write(cluster):
    with cluster.servers[0].connect() as conn:
        conn.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 100000))")


def test_a_replica_that_has_replayed_all_is_found_on_every_shard(cluster):
    answer = get(cluster, "/replica?max_lag=5s")
    assert answer.status == 200
    assert [(shard["shard"], [replica["node"] for replica in shard["replicas"]]) for shard in answer.json["shards"]] == \
        [("s1", ["n1r1"]), ("s2", ["n2r1"])]
    replica = answer.json["shards"][0]["replicas"][0]
    assert replica["fit"] and replica["reachable"] and not replica["drained"] and 0 <= replica["lag_ms"] < 5000


def test_one_that_is_behind_is_found_by_who_does_not_mind(cluster):
    replica = cluster.replicas[0][0]
    replica.pause()
    try:
        write(cluster)
        wait_until(lambda: get(cluster, "/replica?max_lag=300ms&shard=s1").status == 503, "it is behind")
        assert get(cluster, "/replica?max_lag=300ms&shard=s2").status == 200
        assert get(cluster, "/replica?max_lag=1d&shard=s1").status == 200
        told = metrics(cluster)
        assert told.one("nanu_node_lag_seconds", node="n1r1") > 0.3
        assert told.one("nanu_node_lag_bytes", node="n1r1") >= 100_000
    finally:
        replica.resume()
    wait_for_status(cluster, "/replica?max_lag=300ms", 200)


def test_metrics_tell_of_shards_whose_replicas_are_missing(cluster):
    """These do not stream under their nodes' names."""
    def told(what):
        return [metrics(cluster).one(f"nanu_shard_replication_{what}", shard=shard) for shard in ("s1", "s2")]
    assert told("degraded") == [0, 0]
    cluster.execute("SELECT nanu.set_replication('s1', 'sync', when_missing => 'degrade')")
    assert told("degraded") == [1, 0] and told("blocked") == [0, 0]
    cluster.execute("SELECT nanu.set_replication('s1', 'async')")
    assert told("degraded") == [0, 0]


def test_a_drained_one_and_one_that_is_gone_are_not_found(cluster):
    with cluster.connect() as operator:
        operator.execute("SELECT nanu.drain('n2r1')")
        answer = get(cluster, "/replica")
        assert answer.status == 503 and answer.json["reasons"] == ["shard s2: no replica is fit"]
        operator.execute("SELECT nanu.resume(node => 'n2r1')")
    assert get(cluster, "/replica").status == 200
    replica = cluster.replicas[1][0]
    replica.stop(signal.SIGQUIT)
    try:
        wait_for_status(cluster, "/replica?shard=s2", 503)
        assert get(cluster, "/ready").status == 200
        assert metrics(cluster).one("nanu_node_up", node="n2r1") == 0
    finally:
        replica.start()
    wait_for_status(cluster, "/replica", 200)


def test_metrics_tell_roles_and_positions(cluster):
    write(cluster)
    with cluster.servers[0].connect() as conn:
        position, = conn.execute("SELECT pg_current_wal_flush_lsn() - '0/0'").fetchone()
    wait_until(lambda: metrics(cluster).one("nanu_node_replayed_lsn_bytes", node="n1r1") >= position, "the replica's position is told")
    told = metrics(cluster)
    assert told.one("nanu_node_flushed_lsn_bytes", node="n1") >= position
    assert {dict(labels)["node"]: (dict(labels)["shard"], dict(labels)["role"]) for labels in told.all("nanu_node_info")} == \
        {"n1": ("s1", "primary"), "n2": ("s2", "primary"), "n1r1": ("s1", "replica"), "n2r1": ("s2", "replica")}
    assert {dict(labels)["node"]: value for labels, value in told.all("nanu_node_in_recovery").items()} == {"n1": 0, "n2": 0, "n1r1": 1, "n2r1": 1}
    assert told.sum("nanu_node_up") == 4 and told.sum("nanu_node_fit") == 2
    assert not told.all("nanu_node_lag_seconds", node="n1")


def test_one_that_max_lag_excludes_is_not_found_however_long_one_would_wait(start_own):
    cluster = with_http(start_own, shards=1, replicas=1, max_lag=200)
    wait_for_status(cluster, "/replica", 200)
    replica = cluster.replicas[0][0]
    replica.pause()
    try:
        write(cluster)
        wait_for_status(cluster, "/replica?max_lag=1d", 503)
        assert metrics(cluster).one("nanu_node_excluded", node="n1r1") == 1 and metrics(cluster).one("nanu_node_fit", node="n1r1") == 0
    finally:
        replica.resume()
    wait_for_status(cluster, "/replica?max_lag=1d", 200)


def test_reads_from_replicas_are_counted(cluster):
    before = metrics(cluster).one("nanu_replica_reads_total")
    with cluster.connect() as conn:
        conn.execute("SET nanu.consistency = eventual")
        for _ in range(5):
            conn.execute("SELECT 1")
    wait_until(lambda: metrics(cluster).one("nanu_replica_reads_total") >= before + 1, "they are counted")


def test_without_replicas_there_is_none(start_own):
    alone = with_http(start_own, shards=1)
    wait_for_status(alone, "/ready", 200)
    answer = get(alone, "/replica")
    assert answer.status == 503 and answer.json["reasons"] == ["shard s1: no replica answers"]
