"""What a read costs the router, in instructions, when a replica serves it, beside the same read of the primary's."""
import pytest

from reads.scene import serving, stat

from .meter import Meter, alone, make_tables, simple

ONE_LOOP = "epoll"
FEW, MANY = 200, 600
LIMITS = {"eventual": 1.10, "session": 1.15}


@pytest.fixture(scope="module")
def counted(start_cluster):
    cluster = start_cluster(shards=2, replicas=1, workers=1, max_lag=0)
    make_tables(cluster)
    cluster.catch_up()
    serving(cluster)
    meter = Meter(cluster)
    try:
        counts = {}
        for level in ["strong", *LIMITS]:
            meter.clients[0].query(f"SET nanu.consistency = '{level}'")
            before = stat(cluster, "replica_reads")
            counts[level] = meter.each(alone(simple), FEW, MANY)
            left = stat(cluster, "replica_reads") - before
            assert left == 0 if level == "strong" else left > 0.9 * (FEW + 2 * MANY)
    finally:
        meter.close()
    return counts


@pytest.mark.parametrize("level", LIMITS)
def test_a_read_of_a_replica_costs_little_more(counted, level):
    ratio = counted[level] / counted["strong"]
    assert 1 < ratio <= LIMITS[level], f"{counted[level]:,.0f} instructions, {ratio:.3f} times the {counted['strong']:,.0f} of one from the primary"
