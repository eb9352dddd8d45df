"""What must hold of a shard's failover holds in simulated worlds: never two primaries that acknowledge, no acknowledged write lost in semi-sync and sync,
a healthy majority gets a primary again, and a healthy primary keeps its place. Bugs that are planted are found.

A history that fails is printed with its seed: `build/tests/simulate/simulate --seed N --count 1 --loud` tells it whole.
"""
import os
import pathlib
import subprocess

import pytest

from harness.router import NANU

SIMULATE = pathlib.Path(NANU).parent / "tests" / "simulate" / "simulate"
COUNT = 1_000_000 if "NANU_SOAK" in os.environ else 3000
PARTS = 20
# What each is found by.
PLANTS = {
    "no-epoch-check": "beside a later one", "lease-not-awaited": "", "no-history": "", "no-quorum": "is lost",
    "vouches-always": "", "forgets-promises": "",
}


def simulate(*arguments):
    return subprocess.run([SIMULATE, *map(str, arguments)], capture_output=True, text=True)


@pytest.mark.parametrize("part", range(PARTS))
def test_all_holds_in_any_history(part):
    done = simulate("--seed", part * COUNT // PARTS, "--count", COUNT // PARTS)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(": 0 violations\n")


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_bug_is_found(plant):
    done = simulate("--count", 20000, "--plant", plant)
    assert done.returncode == 0, done.stdout
    assert PLANTS[plant] in done.stdout.splitlines()[0]


def test_a_seed_replays():
    runs = [simulate("--seed", 82, "--count", 1, "--loud").stdout for _ in range(2)]
    assert runs[0] == runs[1] and "is elected" in runs[0]
