"""Histories over promotions: again and again a primary is stopped, one of its replicas is promoted behind the routers' back, and the others, the old primary
among them, follow it. What each level promises holds across that: nothing that was acknowledged is lost, as the primary was stopped cleanly.

What is under way on the primary that stops fails, and nobody knows of a write whether it has happened; so does what is asked until another primary is found.
"""
import contextlib
import random

import pytest

from harness.router import NANU
from harness.wait import wait_until

from .disturb import OPERATIONS as OPERATIONS_BETWEEN, SECONDS, delayed, paused
from .promoting import AWAY, make_shards, settled, stop_and_promote
from .scene import LEVELS, WHOLE, check, once, run, two_routers

ROUNDS = 5 if WHOLE else 1
OPERATIONS = 50_000 if WHOLE else 5_000  # of each level, in each round
PROMOTIONS = 4  # of each shard, at least

# name: (levels, operations, settings)
RUNS = {
    "promoted": (LEVELS, OPERATIONS, {}),
    "promoted, strong from replicas": (["strong"], OPERATIONS, {"strong_reads": "replicas"}),
}


@pytest.fixture(scope="module")
def shards(farm):
    yield from make_shards(farm, "promoted")


@pytest.fixture
def start_routers(farm, shards):
    yield from two_routers(farm, servers=list(shards), replicas=2)


def disturb(load, routers, seed):
    """In turn each shard's primary is another one, and at the end the first again; the replica that is not promoted is behind, or delayed, now and then.
    One thread: servers end with whoever started them."""
    cluster, dice, turn = routers[0], random.Random(seed), 0
    first, count = list(cluster.servers), len(cluster.servers)

    def change(shard, new):
        other, = set(cluster.replicas[shard]) - {new}
        with dice.choice([contextlib.nullcontext, lambda: paused(other), lambda: delayed(other)])():
            stop_and_promote(cluster, shard, new)
            load.go_on(OPERATIONS_BETWEEN, SECONDS)
        wait_until(lambda: settled(routers), "all follow the new primary")
        load.go_on(OPERATIONS_BETWEEN, SECONDS)

    while not load.enough or turn < PROMOTIONS * count:
        change(turn % count, dice.choice(cluster.replicas[turn % count]))
        turn += 1
    for shard in range(count):
        if cluster.servers[shard] is not first[shard]:
            change(shard, first[shard])


@pytest.fixture(scope="module")
def verdicts():
    return {}


@pytest.fixture
def verdict(verdicts, start_routers):
    def of(name, turn):
        def make(seed):
            levels, operations, settings = RUNS[name]
            routers = start_routers(NANU, settings)
            return run(routers, levels, operations, seed, lambda load: disturb(load, routers, seed))
        return once(verdicts, name, turn, make)

    return of


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("turn", range(ROUNDS))
def test_the_level_holds_over_promotions(verdict, turn, level):
    check(verdict("promoted", turn)["levels"][level], OPERATIONS)


@pytest.mark.parametrize("turn", range(ROUNDS))
@pytest.mark.parametrize("name", RUNS)
def test_clients_hear_that_the_primary_was_away_and_nothing_else(verdict, name, turn):
    assert {failure["state"] for failure in verdict(name, turn)["failures"]} <= AWAY


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_strong_reads_from_replicas_are_strong_over_promotions(verdict, turn):
    found = verdict("promoted, strong from replicas", turn)
    check(found["levels"]["strong"], OPERATIONS)
