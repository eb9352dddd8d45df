"""Two routers on one etcd: roles are followed by both, and nodes and replication are changed through either."""
import concurrent.futures
import time

import psycopg
import pytest

from harness.postgres import Replica
from harness.wait import PATIENCE, wait_until

from .group import Group


@pytest.fixture(scope="module")
def made(farm, start_cluster, etcd):
    group = Group(farm, start_cluster, "several", etcd_hosts=etcd.hosts, router_name="r1", router_timeout=int(5000 * PATIENCE))
    group.second = start_cluster(shares=group.cluster, etcd_hosts=etcd.hosts, router_name="r2", router_timeout=int(5000 * PATIENCE), max_lag=0)
    yield group
    group.close()


def topology(cluster):
    return cluster.execute("SELECT epoch, json FROM nanu.topology")[0]


def agree(group):
    wait_until(lambda: topology(group.cluster) == topology(group.second), "both routers have the same topology")


def nodes(cluster):
    return [name for name, in cluster.execute("SELECT name FROM nanu.nodes ORDER BY name")]


@pytest.fixture(scope="module")
def standbys(farm, made):
    """Two more, which no router knows."""
    found = [Replica(farm.folder, made.current, f"several_x{number}", made.current.settings).start() for number in (1, 2)]
    yield dict(zip(("x1", "x2"), found))
    for server in found:
        server.stop()


def add(cluster, name, server):
    return cluster.execute("SELECT nanu.add_node(name => %s, shard => 's1', host => '127.0.0.1', port => %s)", [name, server.port])


def at_once(*runs):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return [future.result() for future in [pool.submit(*run) for run in runs]]


def test_nodes_are_added_and_removed_through_either_router(group, standbys):
    for number in range(3):
        at_once((add, group.cluster, "x1", standbys["x1"]), (add, group.second, "x2", standbys["x2"]))
        assert nodes(group.cluster) == nodes(group.second) == ["n1", "n1r1", "n1r2", "x1", "x2"]
        agree(group)
        remove = "SELECT nanu.remove_node(%s)"
        at_once((group.second.execute, remove, ["x1"]), (group.cluster.execute, remove, ["x2"]))
        assert nodes(group.cluster) == nodes(group.second) == ["n1", "n1r1", "n1r2"]
        for server in standbys.values():        # its slot went with it
            server.follow(group.current)


def test_the_same_node_through_both_at_once_is_added_once(group, standbys):
    said = at_once(*((add, cluster, "x1", standbys["x1"]) for cluster in (group.cluster, group.second)))
    assert sorted(row[0][0] for row in said) == ["x1 is a replica of s1", "x1 is a replica of s1 already"]
    assert nodes(group.cluster) == nodes(group.second) == ["n1", "n1r1", "n1r2", "x1"]
    group.second.execute("SELECT nanu.remove_node('x1')")
    with pytest.raises(psycopg.errors.UndefinedObject):
        group.cluster.execute("SELECT nanu.remove_node('x1')")


def names(group):
    with group.current.connect() as conn:
        return conn.execute("SHOW synchronous_standby_names").fetchone()[0]


def shown(cluster):
    return cluster.execute("SELECT replication, sync_count, replication_state FROM nanu.shards WHERE name = 's1'")[0]


def test_replication_is_set_through_either_router(group):
    for cluster, other, mode, state in ((group.cluster, group.second, "'semi-sync'", ("semi-sync", 1, "degraded")),
                                        (group.second, group.cluster, "'sync'", ("sync", None, "degraded")),
                                        (group.cluster, group.second, "'async'", ("async", None, None))):
        more = "" if mode == "'async'" else ", when_missing => 'degrade'"   # they stream under other names than their nodes'
        cluster.execute(f"SELECT nanu.set_replication('s1', {mode}{more})")
        for router in cluster, other:
            wait_until(lambda router=router: shown(router) == state, f"it is {state} through both")
    assert names(group) == ""
    agree(group)


def test_changes_of_nodes_and_of_replication_through_both_at_once_are_all_made(group, standbys):
    mode = "SELECT nanu.set_replication('s1', 'sync', when_missing => 'degrade')"
    at_once((add, group.cluster, "x1", standbys["x1"]), (group.second.execute, mode), (add, group.second, "x2", standbys["x2"]))
    for router in group.cluster, group.second:
        assert nodes(router) == ["n1", "n1r1", "n1r2", "x1", "x2"] and shown(router)[0] == "sync"
    at_once((group.cluster.execute, "SELECT nanu.set_replication('s1', 'async')"), (group.second.execute, "SELECT nanu.remove_node('x1')"),
            (group.cluster.execute, "SELECT nanu.remove_node('x2')"))
    for router in group.cluster, group.second:
        assert nodes(router) == ["n1", "n1r1", "n1r2"] and shown(router)[0] == "async"
    agree(group)


def test_of_two_modes_that_are_set_at_once_the_later_one_holds(group, standbys):
    """Each router told the primary its own again and again, until both gave up."""
    add(group.cluster, "x1", standbys["x1"])
    with standbys["x1"].connect() as conn:
        conn.execute(f"ALTER SYSTEM SET primary_conninfo = '{group.current.conninfo()} application_name=x1'")
        conn.execute("SELECT pg_reload_conf()")
    with group.current.connect() as conn:
        wait_until(lambda: conn.execute("SELECT 1 FROM pg_stat_replication WHERE application_name = 'x1' AND state = 'streaming'").fetchall(), "it streams as x1")
    for _ in range(5):
        begin = time.monotonic()
        at_once((group.cluster.execute, "SELECT nanu.set_replication('s1', 'sync', when_missing => 'degrade')"),
                (group.second.execute, "SELECT nanu.set_replication('s1', 'semi-sync', when_missing => 'degrade')"))
        assert time.monotonic() - begin < 4 * PATIENCE
        wait_until(lambda: shown(group.cluster) == shown(group.second), "both routers know the same")
        wait_until(lambda: names(group).split()[0] == ("ANY" if shown(group.cluster)[0] == "semi-sync" else "FIRST"), "and so does the primary")
    group.cluster.execute("SELECT nanu.set_replication('s1', 'async')")
    group.cluster.execute("SELECT nanu.remove_node('x1')")


def test_both_routers_follow_a_promotion_while_the_old_primary_lives(group):
    old, new, third = group.primary(), *group.others()
    group.nodes[new].promote()
    for router in group.cluster, group.second:
        wait_until(lambda router=router: router.execute("SELECT name FROM nanu.nodes WHERE role = 'primary'") == [(new,)], "both have followed")
        router.execute("INSERT INTO t (value) VALUES ('through both')")
    agree(group)
    with group.nodes[new].connect(group.cluster.node_database) as conn:
        assert conn.execute("SELECT count(*) FROM t WHERE value = 'through both'").fetchone() == (2,)
    # Back again, once the first is a replica of it.
    group.heal()
    group.nodes[old].promote()
    for router in group.second, group.cluster:
        wait_until(lambda router=router: router.execute("SELECT name FROM nanu.nodes WHERE role = 'primary'") == [(old,)], "both have followed back")
        router.execute("INSERT INTO t (value) VALUES ('through both')")
    with group.nodes[old].connect(group.cluster.node_database) as conn:
        assert conn.execute("SELECT count(*) FROM t WHERE value = 'through both'").fetchone() == (4,)
    agree(group)
