"""Histories of many clients, of every consistency level, on two routers, while replicas fall behind and die: each read is what its session's level
promises. verdict.h says what that is. With a router whose levels all are `eventual`, the same checker finds that it is not: so it can."""
import pytest

from harness.relay import Network
from harness.router import NANU
from harness.wait import wait_until

from .disturb import disturb
from .load import BUILT
from .scene import LEVELS, WHOLE, check, once, run, two_routers

ROUNDS = 10 if WHOLE else 1
OPERATIONS = 100_000 if WHOLE else 5_000  # of each level, in each round
OPERATIONS_FOUND = 4_000  # are enough to find violations in
SWITCHED_OFF = BUILT / "nanu_eventual"

# name: (program, levels, operations, settings)
RUNS = {
    "as built": (NANU, LEVELS, OPERATIONS, {}),
    "strong from replicas": (NANU, ["strong"], OPERATIONS, {"strong_reads": "replicas"}),
    "switched off": (SWITCHED_OFF, LEVELS, OPERATIONS_FOUND, {}),
}


def brief_recovery(server):
    """One that is killed does not replay minutes of writes before it serves again."""
    with server.connect() as conn:
        conn.execute("ALTER SYSTEM SET checkpoint_timeout = '30s'")
        conn.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="module")
def relays(farm):
    """Replica -> the relay that it streams through."""
    made = {}
    for server in farm.servers_for(2):
        brief_recovery(server)
        for replica in farm.replicas_for(server, 2):
            brief_recovery(replica)
            made[replica] = Network(server.port)
            replica.stream_through(made[replica])
            wait_until(replica.streams, "it streams through the relay")
    yield made
    for replica in made:
        replica.stop()
    for relay in made.values():
        relay.stop()


@pytest.fixture
def start_routers(farm, relays):
    yield from two_routers(farm, replicas=2)


@pytest.fixture(scope="module")
def verdicts():
    return {}


@pytest.fixture
def verdict(verdicts, start_routers, relays):
    def of(name, turn=0):
        def make(seed):
            nanu, levels, operations, settings = RUNS[name]
            routers = start_routers(nanu, settings)
            # Strong reads wait for replicas that there are, and fail without any.
            return run(routers, levels, operations, seed, lambda load: disturb(load, routers[0], relays, seed, all_at_once="strong_reads" not in settings))
        return once(verdicts, name, turn, make)

    return of


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("turn", range(ROUNDS))
def test_the_level_holds(verdict, turn, level):
    found = verdict("as built", turn)["levels"][level]
    check(found, OPERATIONS)
    assert (found["replica_reads"] > 0) == (level != "strong")


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_no_client_hears_of_it(verdict, turn):
    """A transaction block may have been shown something already when its replica dies: it fails, and nothing else."""
    assert not [failure for failure in verdict("as built", turn)["failures"] if not failure["in_block"]]


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_strong_reads_from_replicas_are_strong(verdict, turn):
    """They fail when no replica can serve in time, or when the one is killed that has answered with some of the rows, and then only."""
    found = verdict("strong from replicas", turn)
    check(found["levels"]["strong"], OPERATIONS)
    assert found["levels"]["strong"]["replica_reads"] > found["levels"]["strong"]["reads"] / 2
    assert {failure["state"] for failure in found["failures"] if not failure["in_block"]} <= {"57P03", "57P01", "08006"}
    assert sum(failure["count"] for failure in found["failures"] if not failure["in_block"] and failure["state"] != "57P03") < 10


@pytest.mark.parametrize("level", LEVELS[1:])
def test_without_the_level_violations_are_found(verdict, level):
    assert verdict("switched off")["levels"][level]["violations"] > 0


def test_without_levels_all_is_eventual(verdict):
    check(verdict("switched off")["levels"]["eventual"], OPERATIONS_FOUND)
