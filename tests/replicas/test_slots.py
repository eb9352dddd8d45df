"""Standbys that somebody else made, with slots that bear the same name on several servers: none loses that of another."""
import contextlib
import itertools

import psycopg
import pytest

from harness.postgres import Replica
from harness.wait import wait_until

ONE_LOOP = "epoll"
numbers = itertools.count(1)
SLOT = "standby"


@pytest.fixture(scope="module")
def cluster(farm, start_cluster):
    server = farm.extra_server("slots", {"unix_socket_directories": str(farm.folder)})
    made = start_cluster(servers=[server], max_lag=0)
    yield made
    made.owned = []
    server.stop()


@contextlib.contextmanager
def standby(farm, primary, sender=None, slot=SLOT):
    made = Replica(farm.folder, primary, f"standby{next(numbers)}", primary.settings, slot, sender).start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def chain(farm, cluster):
    """The primary -> one -> other, both by slots of one name."""
    with standby(farm, cluster.servers[0]) as one, standby(farm, one) as other:
        yield one, other


def slots(server):
    with server.connect() as conn:
        return conn.execute("SELECT slot_name, active FROM pg_replication_slots").fetchall()


def add(cluster, name, server, **more):
    words = {"name": name, "shard": "s1", "host": "127.0.0.1", "port": server.port, **more}
    return cluster.execute(f"SELECT nanu.add_node({', '.join(f'{name} => %s' for name in words)})", list(words.values()))


def remove(cluster, name):
    return cluster.execute("SELECT nanu.remove_node(%s)", [name])[0][0]


@contextlib.contextmanager
def added(cluster, name, server, **more):
    add(cluster, name, server, **more)
    try:
        yield
    finally:
        if cluster.execute("SELECT name FROM nanu.nodes WHERE name = %s", [name]):
            remove(cluster, name)


def made_again(server, slot=SLOT):
    """By its slot, which removal has dropped."""
    with server.connect() as conn:
        conn.execute("SELECT pg_create_physical_replication_slot(%s)", [slot])
    wait_until(lambda: slots(server) == [(slot, True)], "it streams")


def upstream(cluster, name):
    return cluster.execute("SELECT upstream FROM nanu.nodes WHERE name = %s", [name])[0][0]


@pytest.mark.parametrize("more", [{}, {"upstream": "na"}], ids=["unsaid", "said"])
def test_the_slot_of_a_cascading_one_is_dropped_where_it_is(cluster, chain, more):
    one, other = chain
    with added(cluster, "na", one), added(cluster, "nb", other, **more):
        assert upstream(cluster, "nb") == "na" and upstream(cluster, "na") is None
        assert remove(cluster, "nb") == "nb is no node any more"
        assert slots(one) == [] and slots(cluster.servers[0]) == [(SLOT, True)]
        made_again(one)
    made_again(cluster.servers[0])


def test_nor_where_its_sender_was_no_node(cluster, chain):
    one, other = chain
    with added(cluster, "nb", other):
        assert remove(cluster, "nb") == ("nb is no node any more; its replication slot \"standby\" is left, as it is not known on which node it is:"
                                         " there, SELECT pg_drop_replication_slot('standby')")
        assert slots(one) == slots(cluster.servers[0]) == [(SLOT, True)]


@pytest.mark.parametrize("claimed, streams", [("na", "n1"), ("n1", "na")])
def test_a_wrong_upstream_is_refused(cluster, farm, chain, claimed, streams):
    one, other = chain
    with added(cluster, "na", one), contextlib.ExitStack() as stack:
        server = other if streams == "na" else stack.enter_context(standby(farm, cluster.servers[0], slot="third"))
        try:
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=f'streams from node "{streams}", not from node "{claimed}"'):
                add(cluster, "nc", server, upstream=claimed)
        finally:
            if server is not other:
                server.stop()
                with cluster.servers[0].connect() as conn:
                    conn.execute("SELECT pg_drop_replication_slot('third')")
    made_again(cluster.servers[0])


@pytest.mark.parametrize("way", ["localhost", "a socket"])
def test_a_sender_is_known_by_other_names(cluster, farm, way):
    primary = cluster.servers[0]
    sender = primary.conninfo().replace("127.0.0.1", "localhost" if way == "localhost" else str(farm.folder))
    with standby(farm, primary, sender, "other") as server:
        add(cluster, "nd", server)
        assert cluster.execute("SELECT slot FROM nanu.replication WHERE node = 'nd'") == [("other",)]
        assert remove(cluster, "nd") == "nd is no node any more"
        assert ("other", True) not in slots(primary)


def test_of_a_dead_one_only_what_nobody_else_has_is_dropped(cluster, farm, chain):
    primary = cluster.servers[0]
    one, other = chain
    with standby(farm, primary, slot="dead") as server:
        with added(cluster, "na", one), added(cluster, "ne", server):
            server.stop()
            assert remove(cluster, "ne") == "ne is no node any more"
            assert slots(primary) == [(SLOT, True)]
        made_again(primary)
    assert slots(one) == [(SLOT, True)] and other.connect().closed is False
