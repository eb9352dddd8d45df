"""Histories over kills: again and again a primary that waits for both its replicas is killed, with all its processes; the replica that has received more is
promoted, and the old primary is made anew. What each level promises holds across that: nothing that was acknowledged, or shown to anybody, is lost.
"""
import itertools

import pytest

from harness.router import NANU
from harness.wait import wait_until

from .disturb import OPERATIONS as OPERATIONS_BETWEEN, SECONDS
from .promoting import AWAY, make_shards, settled, take_over
from .scene import LEVELS, WHOLE, check, once, run, two_routers

ROUNDS = 5 if WHOLE else 1
OPERATIONS = 20_000 if WHOLE else 2_000  # of each level, in each round: those that write wait while a replica is made anew
KILLS = 4 if WHOLE else 2  # of each shard, at least
numbers = itertools.count(1)


@pytest.fixture
def start_routers(farm):
    shards = make_shards(farm, f"killed{next(numbers)}_")
    yield from two_routers(farm, servers=list(next(shards)), replicas=2)
    next(shards, None)


def received(server):
    """How far, in bytes, by a primary that has gone; None while it is still there."""
    with server.connect() as conn:
        return conn.execute("SELECT pg_last_wal_receive_lsn() - '0/0' WHERE NOT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')").fetchone()


def wait_for_both(primary):
    """What is acknowledged from now on, and all that was so far, both replicas have received."""
    with primary.connect() as conn:
        wait_until(lambda: conn.execute("SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')").fetchone() == (2,),
                   f"{primary.name} waits for both")
        conn.execute("SET synchronous_commit = on")
        conn.execute("SELECT pg_logical_emit_message(true, 'history', 'both')")


def kill_and_promote(cluster, shard):
    """The primary is killed while it waits for both replicas: who has received more has all that it acknowledged, and all that anybody was shown."""
    old, replicas = cluster.servers[shard], cluster.replicas[shard]
    wait_for_both(old)
    old.kill()
    wait_until(lambda: all(received(replica) for replica in replicas), f"nothing of {old.name} is left")
    new = max(replicas, key=received)
    take_over(cluster, shard, new)
    old.copy(new)


def disturb(load, routers):
    """In turn each shard's primary is killed. One thread: servers end with whoever started them."""
    cluster, turn = routers[0], 0
    count = len(cluster.servers)
    for shard in range(count):
        cluster.execute(f"SELECT nanu.set_replication('s{shard + 1}', 'sync')")
    while not load.enough or turn < KILLS * count:
        kill_and_promote(cluster, turn % count)
        wait_until(lambda: settled(routers), "all follow the new primary")
        load.go_on(OPERATIONS_BETWEEN, SECONDS)
        turn += 1


@pytest.fixture(scope="module")
def verdicts():
    return {}


@pytest.fixture
def verdict(verdicts, request):
    def of(turn):
        def make(seed):
            routers = request.getfixturevalue("start_routers")(NANU, {})
            for cluster in routers:
                cluster.owned = []  # primaries are others in the end
            return run(routers, LEVELS, OPERATIONS, seed, lambda load: disturb(load, routers), durable=True)
        return once(verdicts, "killed", turn, make)

    return of


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("turn", range(ROUNDS))
def test_the_level_holds_when_primaries_are_killed(verdict, turn, level):
    check(verdict(turn)["levels"][level], OPERATIONS)


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_clients_hear_that_the_primary_was_away_and_nothing_else(verdict, turn):
    # 55000: a token has what the primary had written by then, acknowledged or not.
    assert {failure["state"] for failure in verdict(turn)["failures"]} <= AWAY | {"55000"}
