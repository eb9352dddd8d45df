"""Histories of many clients, of every consistency level, on two routers, while replicas fall behind and die: each read is what its session's level
promises. verdict.h says what that is. With a router whose levels all are `eventual`, the same checker finds that it is not: so it can."""
import os
import random

import pytest

from harness.etcd import Etcd
from harness.postgres import PASSWORD, SUPERUSER
from harness.router import NANU
from harness.wait import PATIENCE, wait_until

from conftest import cluster_factory

from .disturb import disturb
from .load import BUILT, Load
from .relay import Relay

LEVELS = ["eventual", "bounded", "monotonic", "read_your_writes", "causal", "strong"]
WHOLE = "NANU_SOAK" in os.environ  # make history
CLIENTS, COUNTERS = 72, 8  # of all levels; of each table
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


@pytest.fixture(scope="module")
def relays(farm):
    """Replica -> the relay that it streams through."""
    made = {}
    for server in farm.servers_for(2):
        for replica in farm.replicas_for(server, 2):
            made[replica] = relay = Relay(server.port)
            with replica.connect() as conn:
                conn.execute(f"ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={relay.port} user={SUPERUSER} password={PASSWORD}'")
                conn.execute("SELECT pg_reload_conf()")
                wait_until(lambda: conn.execute("SELECT count(*) FROM pg_stat_wal_receiver WHERE sender_port = %s", [relay.port]).fetchone() == (1,),
                           "it streams through the relay")
    yield made
    for replica in made:
        replica.stop()
    for relay in made.values():
        relay.close()


@pytest.fixture
def start_routers(farm, relays):
    factory = cluster_factory(farm, "auto")
    start = next(factory)
    etcd = None

    def both(nanu, settings):
        nonlocal etcd
        etcd = Etcd().start()
        options = {"nanu": nanu, "replicas": 2, "etcd_hosts": etcd.hosts, "router_timeout": int(3000 * PATIENCE), "auth": "trust", "pool_size": 8,
                   "sample_interval": 10, **settings}
        first = start(router_name="r1", **options)
        return [first, start(shares=first, router_name="r2", **options)]

    yield both
    try:
        next(factory, None)
    finally:
        if etcd:
            etcd.close()


def make_tables(cluster, rows):
    with cluster.connect() as conn:
        # IMMUTABLE, so that it may be asked of several shards at once: on each node it is.
        conn.execute("CREATE FUNCTION served_by() RETURNS int IMMUTABLE LANGUAGE sql AS $$SELECT current_setting('port')::int$$")
        for table in ("whole", "sharded"):
            conn.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, n int NOT NULL) WITH (fillfactor = 50)")
        conn.execute("SELECT nanu.shard_table('sharded', key => 'id', placement => 'hash')")
        for table in ("whole", "sharded"):
            for i in range(rows):
                conn.execute(f"INSERT INTO {table} VALUES (%s, 0)", [i])
    cluster.catch_up()


def serves(cluster):
    return all(serves for serves, in cluster.execute("SELECT serves FROM nanu.replication WHERE role = 'replica'"))


def run(routers, relays, levels, operations, seed, all_at_once):
    """The verdict."""
    first = routers[0]
    make_tables(first, CLIENTS + COUNTERS)
    for cluster in routers:
        wait_until(lambda: serves(cluster), "all replicas serve")
    load = Load(routers=[cluster.conninfo() + " sslmode=disable gssencmode=disable" for cluster in routers], primaries=[server.port for server in first.servers],
                levels=levels, clients=CLIENTS // len(levels), counters=COUNTERS, max_staleness_ms=100, operations=operations, seed=seed, settle_s=int(20 * PATIENCE))
    try:
        disturb(load, first, relays, seed, all_at_once)
        verdict = load.finish()
    finally:
        load.kill()
    print(f"NANU_SEED={seed}: {verdict['seconds']:.0f} s, {verdict['sessions']} sessions, {verdict['events']} events; failures: {verdict['failures']}")
    for level, found in verdict["levels"].items():
        print(f"{level}:", ", ".join(f"{name} {value}" for name, value in found.items() if name != "shown"), *found["shown"], sep="\n    ")
    return verdict


@pytest.fixture(scope="module")
def verdicts():
    """Of what was run: one run is judged level by level."""
    return {}


@pytest.fixture
def verdict(verdicts, start_routers, relays):
    def of(name, turn=0):
        if (name, turn) not in verdicts:
            verdicts[name, turn] = None
            nanu, levels, operations, settings = RUNS[name]
            seed = int(os.environ.get("NANU_SEED", random.randrange(1 << 32)))
            print(f"{name}, round {turn}:")
            # Strong reads wait for replicas that there are, and fail without any.
            verdicts[name, turn] = run(start_routers(nanu, settings), relays, levels, operations, seed, all_at_once="strong_reads" not in settings)
        assert verdicts[name, turn], "the run has failed"
        return verdicts[name, turn]

    return of


def check(found, operations):
    assert found["reads"] + found["writes"] >= operations
    assert found["violations"] == 0, "\n".join(found["shown"])
    assert found["unsettled"] == 0, "after all is quiet, somebody does not see what was written last"


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
    """They fail when no replica can serve in time, and then only."""
    found = verdict("strong from replicas", turn)
    check(found["levels"]["strong"], OPERATIONS)
    assert found["levels"]["strong"]["replica_reads"] > found["levels"]["strong"]["reads"] / 2
    assert {failure["state"] for failure in found["failures"] if not failure["in_block"]} <= {"57P03"}


@pytest.mark.parametrize("level", LEVELS[1:])
def test_without_the_level_violations_are_found(verdict, level):
    assert verdict("switched off")["levels"][level]["violations"] > 0


def test_without_levels_all_is_eventual(verdict):
    check(verdict("switched off")["levels"]["eventual"], OPERATIONS_FOUND)
