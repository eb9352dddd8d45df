"""A read that a replica serves costs the router hardly more than one that the primary serves: in instructions, in one run.

On epoll alone: under callgrind no other thread runs while io_uring waits, and nobody would ask the nodes where they are.
"""
import pytest

from harness.wait import wait_until

from .meter import BY_KEY, Meter, alone, extended, make_tables, prepared, simple

AT_MOST = 1.05
WAYS = {"simple": simple, "extended": extended, "prepared": prepared}
LEVELS = ["eventual", "bounded", "monotonic", "session"]
FEW, MANY = 50, 150


@pytest.fixture(scope="module")
def meter(start_cluster, io):
    if io != "epoll":
        pytest.skip("under callgrind on io_uring nobody samples the nodes")
    cluster = start_cluster(shards=2, replicas=1, workers=1, max_lag=0)
    make_tables(cluster)
    cluster.catch_up()
    counting = Meter(cluster)
    yield counting
    counting.close()


@pytest.fixture(scope="module")
def of_primary(meter):
    return {way: meter.each(alone(make), FEW, MANY) for way, make in WAYS.items()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("level", LEVELS)
def test_a_replica_s_read_costs_hardly_more(meter, of_primary, level, way):
    def replica_reads():
        (value,), = meter.cluster.execute("SELECT value FROM nanu.stats WHERE name = 'replica_reads'")
        return value

    client, first = meter.clients[0], BY_KEY + "1000"
    client.query(f"SET nanu.consistency = '{level}'")
    try:
        before = replica_reads()
        wait_until(lambda: client.query(first) and replica_reads() > before, "a replica serves the session")
        before = replica_reads()
        count = meter.each(alone(WAYS[way]), FEW, MANY)
        assert replica_reads() - before == FEW + 2 * MANY, "others were the primary's"
    finally:
        client.query("RESET nanu.consistency")
    assert count <= of_primary[way] * AT_MOST, f"{count:,.0f} instructions, {count / of_primary[way]:.3f} times the {of_primary[way]:,.0f} of the primary's"
