"""What the tests of histories share: two routers, the tables that clients read and write, one run of the clients and its verdict."""
import os
import random

from harness.etcd import Etcd
from harness.wait import PATIENCE, wait_until

from conftest import cluster_factory

from .load import Load

LEVELS = ["eventual", "bounded", "monotonic", "read_your_writes", "causal", "strong"]
WHOLE = "NANU_SOAK" in os.environ  # make history
CLIENTS, COUNTERS = 72, 8  # of all levels; of each table


def draw_seed():
    return int(os.environ.get("NANU_SEED", random.randrange(1 << 32)))


def two_routers(farm, **settings):
    """For a fixture: two routers on one etcd, of one program and with these and other settings."""
    factory = cluster_factory(farm, "auto")
    start = next(factory)
    etcd = None

    def both(nanu, more):
        nonlocal etcd
        etcd = Etcd().start()
        options = {"nanu": nanu, "etcd_hosts": etcd.hosts, "router_timeout": int(3000 * PATIENCE), "auth": "trust", "pool_size": 8,
                   "sample_interval": 10, **settings, **more}
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


def run(routers, levels, operations, seed, meanwhile, durable=False):
    """The verdict. meanwhile(load) returns when the load has done enough. durable: all commit with synchronous_commit on, and not only some."""
    first = routers[0]
    make_tables(first, CLIENTS + COUNTERS)
    for cluster in routers:
        wait_until(lambda: serves(cluster), "all replicas serve")
    load = Load(routers=[cluster.conninfo() + " sslmode=disable gssencmode=disable" for cluster in routers], primaries=[server.port for server in first.servers],
                levels=levels, clients=CLIENTS // len(levels), counters=COUNTERS, max_staleness_ms=100, durable=durable,
                operations=operations, seed=seed, settle_s=int(20 * PATIENCE))
    try:
        meanwhile(load)
        verdict = load.finish()
    finally:
        load.kill()
    print(f"NANU_SEED={seed}: {verdict['seconds']:.0f} s, {verdict['sessions']} sessions, {verdict['events']} events; failures: {verdict['failures']}")
    for level, found in verdict["levels"].items():
        print(f"{level}:", ", ".join(f"{name} {value}" for name, value in found.items() if name != "shown"), *found["shown"], sep="\n    ")
    return verdict


def once(verdicts, name, turn, make):
    """The verdict of make(seed): one run is judged level by level."""
    if (name, turn) not in verdicts:
        verdicts[name, turn] = None
        seed = draw_seed()
        print(f"{name}, round {turn}:")
        verdicts[name, turn] = make(seed)
    assert verdicts[name, turn], "the run has failed"
    return verdicts[name, turn]


def check(found, operations):
    assert found["reads"] + found["writes"] >= operations
    assert found["violations"] == 0, "\n".join(found["shown"])
    assert found["unsettled"] == 0, "after all is quiet, somebody does not see what was written last"
