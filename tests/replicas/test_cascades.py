"""`nanu add-replica --from` and `--delay`: replicas that stream from a replica, and those that are behind on purpose."""

import psycopg
import pytest

from harness.wait import wait_until

from .replica import Replica


@pytest.fixture(scope="module")
def cluster(farm, start_cluster):
    server = farm.extra_server("cascades")
    made = start_cluster(servers=[server], max_lag=0)
    made.execute("CREATE TABLE t (id bigserial PRIMARY KEY, value text)")
    yield made
    made.owned = []
    server.stop()


@pytest.fixture(scope="module")
def chain(cluster, above):
    """n1 -> n1a -> n1b; and n1c, an hour behind."""
    made = {name: Replica(cluster, above / name) for name in ("n1a", "n1b", "n1c")}
    for name, more in ("n1a", []), ("n1b", ["--from", "n1a"]), ("n1c", ["--delay", "1h"]):
        done = made[name].add(*more)
        assert done.returncode == 0, done.stderr
    yield made
    for name in "n1c", "n1b", "n1a":
        made[name].clear()


def slots(replica):
    with replica.connect("postgres") as conn:
        return conn.execute("SELECT slot_name, active FROM pg_replication_slots").fetchall()


def shown(cluster, column):
    return dict(cluster.execute(f"SELECT name, {column} FROM nanu.nodes"))


def has(replica, value):
    with replica.connect() as conn:
        return conn.execute("SELECT count(*) FROM t WHERE value = %s", [value]).fetchone()[0]


def test_it_streams_from_the_replica_and_says_so(cluster, chain):
    assert shown(cluster, "upstream") == {"n1": None, "n1a": None, "n1b": "n1a", "n1c": None}
    assert slots(chain["n1a"]) == [("n1b", True)] and sorted(name for name, *_ in chain["n1a"].slots()) == ["n1a", "n1c"]
    cluster.execute("INSERT INTO t (value) VALUES ('through two')")
    wait_until(lambda: has(chain["n1b"], "through two"), "it has come through")
    wait_until(lambda: cluster.execute("SELECT serves, trouble FROM nanu.replication WHERE node = 'n1b'") == [(True, None)], "reads may go to it")


def test_only_replicas_of_the_primary_are_waited_for(cluster, chain):
    cluster.execute("SELECT nanu.set_replication('s1', 'sync')")
    with cluster.servers[0].connect() as conn:
        assert conn.execute("SHOW synchronous_standby_names").fetchone() == ('FIRST 2 ("n1a", "n1c")',)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="waits for 3 replicas, and has 2"):
        cluster.execute("SELECT nanu.set_replication('s1', 'semi-sync', k => 3)")
    cluster.execute("SELECT nanu.set_replication('s1', 'async')")


def test_one_that_is_delayed_serves_only_who_bears_it(cluster, chain):
    assert cluster.execute("SELECT delay_ms FROM nanu.replication WHERE node = 'n1c'") == [(3600000,)]
    cluster.execute("INSERT INTO t (value) VALUES ('later')")
    wait_until(lambda: has(chain["n1a"], "later") and has(chain["n1b"], "later"), "the others have it")
    assert has(chain["n1c"], "later") == 0
    for level in "eventual", "session":
        with cluster.connect() as conn:
            conn.execute(f"SET nanu.consistency = '{level}'")
            for _ in range(12):
                assert conn.execute("SELECT count(*) FROM t WHERE value = 'later'").fetchone() == (1,)
    with cluster.connect() as conn:
        conn.execute("SET nanu.consistency = 'bounded'")
        conn.execute("SET nanu.max_staleness = '1d'")
        found = {conn.execute("SELECT count(*) FROM t WHERE value = 'later'").fetchone()[0] for _ in range(12)}
        assert found == {0, 1}  # from it, too


def test_one_that_others_stream_from_is_not_removed(cluster, chain):
    done = chain["n1a"].remove()
    assert done.returncode == 1 and 'node "n1b" streams from node "n1a"' in done.stderr
    assert set(shown(cluster, "role")) == {"n1", "n1a", "n1b", "n1c"}


def test_it_outlives_restart_and_reload(cluster, chain):
    cluster.router.stop()
    cluster.router.start()
    cluster.execute("SELECT nanu.reload()")
    assert shown(cluster, "upstream")["n1b"] == "n1a"


@pytest.mark.parametrize("more, match", [
    (["--from", "n9"], 'shard "s1" has no node "n9"'), (["--delay", "soon"], "--delay must be a length of time"),
])
def test_a_wrong_call_is_refused(cluster, chain, above, more, match):
    done = Replica(cluster, above / "wrong").add(*more)
    assert done.returncode != 0 and match in done.stderr
    assert not (above / "wrong").exists()


def test_with_the_last_of_the_chain_its_slot_goes(cluster, chain):
    done = chain["n1b"].remove("n1b", "--stop")
    assert done.returncode == 0, done.stderr
    assert slots(chain["n1a"]) == []
    assert chain["n1a"].remove("n1a", "--stop").returncode == 0
    assert set(shown(cluster, "role")) == {"n1", "n1c"}
