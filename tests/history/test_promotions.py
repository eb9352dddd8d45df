"""Histories over promotions: again and again a primary is stopped, or killed, one of its replicas is promoted behind the routers' back, and the others, the old
primary among them, follow it. What each level promises holds across that: nothing that was acknowledged is lost, as the primary was stopped cleanly, or had
waited for all its replicas.

What is under way on the primary that stops fails, and nobody knows of a write whether it has happened; so does what is asked until another primary is found.
"""
import contextlib
import random
import re
import subprocess

import pytest

from harness.postgres import PROGRAMS
from harness.program import as_server_user
from harness.relay import Network
from harness.router import NANU
from harness.wait import wait_until

from .disturb import OPERATIONS as OPERATIONS_BETWEEN, SECONDS, delayed, paused
from .scene import LEVELS, WHOLE, check, once, run, serves, two_routers

ROUNDS = 5 if WHOLE else 1
OPERATIONS = 50_000 if WHOLE else 5_000  # of each level, in each round
OPERATIONS_KILLED = 20_000 if WHOLE else 2_000  # which wait while one of those that writes wait for is made anew
PROMOTIONS = 4  # of each shard, at least
PROMOTIONS_KILLED = 4 if WHOLE else 2
SETTINGS = {"wal_retrieve_retry_interval": "100ms", "wal_keep_size": "1GB", "max_wal_size": "1GB"}

# Servers that stop or start, connections that are gone, a transaction to be run again, a write of which nobody knows.
AWAY = {"57P01", "57P03", "08001", "08006", "08007", "40001", "lost"}

# name: (levels, operations, settings, whether primaries are killed)
RUNS = {
    "promoted": (LEVELS, OPERATIONS, {}, False),
    "promoted, strong from replicas": (["strong"], OPERATIONS, {"strong_reads": "replicas"}, False),
    "killed": (LEVELS, OPERATIONS_KILLED, {}, True),
}


@pytest.fixture(scope="module")
def shards(farm):
    """Two primaries with two replicas each. Any of these streams, when it is a standby, through a relay that leads to whoever is the primary; no slot
    keeps WAL for it, since those of one primary are not the next one's."""
    made = [farm.extra_server(f"promoted{number}", SETTINGS) for number in (1, 2)]
    relays = []
    for shard, primary in enumerate(made, 1):
        replicas = farm.replicas_for(primary, 2)
        for server, node in zip([primary, *replicas], [f"n{shard}", f"n{shard}r1", f"n{shard}r2"]):
            relays.append(Network(primary.port))
            server.stream_through(relays[-1], node)
            with server.connect() as conn:
                conn.execute("ALTER SYSTEM SET primary_slot_name = ''")
                conn.execute("SELECT pg_reload_conf()")
        for replica in replicas:
            wait_until(replica.streams, "it streams through the relay")
        with primary.connect() as conn:
            wait_until(lambda: conn.execute("SELECT count(*) FROM pg_replication_slots WHERE active").fetchone() == (0,), "no slot is used")
            conn.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
    yield made
    for primary in made:
        for server in [*farm.replicas.pop(primary), primary]:
            server.stop()
    for relay in relays:
        relay.stop()


@pytest.fixture
def start_routers(farm, shards):
    yield from two_routers(farm, servers=list(shards), replicas=2)


def end_of_wal(server):
    """Of one that was stopped cleanly: where its last record begins."""
    told = subprocess.run([PROGRAMS / "pg_controldata", server.data], check=True, cwd="/", capture_output=True, text=True, **as_server_user()).stdout
    return re.search(r"Latest checkpoint location: +(\S+)", told)[1]


def has_received(server, lsn):
    with server.connect() as conn:
        return conn.execute("SELECT pg_last_wal_receive_lsn() > %s", [lsn]).fetchone()[0]


def take_over(cluster, shard, new):
    old, replicas = cluster.servers[shard], cluster.replicas[shard]
    new.promote()
    replicas[replicas.index(new)], cluster.servers[shard] = old, new
    for server in [new, *replicas]:
        server.through.target = new.port


def stop_and_promote(cluster, shard, new):
    """The primary has stopped: what it acknowledged, `new` has."""
    old = cluster.servers[shard]
    old.stop()
    end = end_of_wal(old)
    wait_until(lambda: has_received(new, end), f"{new.name} has all of {old.name}")
    take_over(cluster, shard, new)
    (old.data / "standby.signal").touch()
    old.start()


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
    old.stream_through(old.through, old.node)


def primary_ports(router):
    return {port for port, in router.execute("SELECT port FROM nanu.nodes WHERE role = 'primary'")}


def settled(routers):
    """The routers know who is the primary, and read from all others."""
    cluster = routers[0]
    return all(primary_ports(router) == {server.port for server in cluster.servers} and serves(router) for router in routers)


def disturb(load, routers, seed, killing):
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

    def kill(shard):
        kill_and_promote(cluster, shard)
        wait_until(lambda: settled(routers), "all follow the new primary")
        load.go_on(OPERATIONS_BETWEEN, SECONDS)

    if killing:
        for shard in range(count):
            cluster.execute(f"SELECT nanu.set_replication('s{shard + 1}', 'sync')")
    while not load.enough or turn < (PROMOTIONS_KILLED if killing else PROMOTIONS) * count:
        if killing:
            kill(turn % count)
        else:
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
            levels, operations, settings, killing = RUNS[name]
            routers = start_routers(NANU, settings)
            return run(routers, levels, operations, seed, lambda load: disturb(load, routers, seed, killing),
                       durable=killing)
        return once(verdicts, name, turn, make)

    return of


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("turn", range(ROUNDS))
def test_the_level_holds_over_promotions(verdict, turn, level):
    check(verdict("promoted", turn)["levels"][level], OPERATIONS)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("turn", range(ROUNDS))
def test_the_level_holds_when_primaries_are_killed_that_wait_for_their_replicas(verdict, turn, level):
    check(verdict("killed", turn)["levels"][level], OPERATIONS_KILLED)


@pytest.mark.parametrize("turn", range(ROUNDS))
@pytest.mark.parametrize("name", RUNS)
def test_clients_hear_that_the_primary_was_away_and_nothing_else(verdict, name, turn):
    assert {failure["state"] for failure in verdict(name, turn)["failures"]} <= AWAY


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_strong_reads_from_replicas_are_strong_over_promotions(verdict, turn):
    found = verdict("promoted, strong from replicas", turn)
    check(found["levels"]["strong"], OPERATIONS)
