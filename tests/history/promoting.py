"""Shards whose primaries are others again and again, behind the routers' back, and the others, the old primary among them, follow."""
import re
import subprocess

from harness.postgres import PROGRAMS
from harness.program import as_server_user
from harness.relay import Network
from harness.wait import wait_until

from .scene import serves

SETTINGS = {"wal_retrieve_retry_interval": "100ms", "wal_keep_size": "1GB", "max_wal_size": "1GB"}

# Servers that stop or start, connections that are gone, a transaction to be run again, a write of which nobody knows.
AWAY = {"57P01", "57P03", "08001", "08006", "08007", "40001", "lost"}


def make_shards(farm, name):
    """Two primaries with two replicas each. Any of these streams, when it is a standby, through a relay that leads to whoever is the primary; no slot
    keeps WAL for it, since those of one primary are not the next one's."""
    made = [farm.extra_server(f"{name}{number}", SETTINGS) for number in (1, 2)]
    servers, relays = [], []
    for shard, primary in enumerate(made, 1):
        replicas = farm.replicas_for(primary, 2)
        for server, node in zip([primary, *replicas], [f"n{shard}", f"n{shard}r1", f"n{shard}r2"]):
            servers.append(server)
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
        del farm.replicas[primary]
    for server in servers:
        server.stop()
    for relay in relays:
        relay.stop()


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


def primary_ports(router):
    return {port for port, in router.execute("SELECT port FROM nanu.nodes WHERE role = 'primary'")}


def settled(routers):
    """The routers know who is the primary, and read from all others."""
    cluster = routers[0]
    return all(primary_ports(router) == {server.port for server in cluster.servers} and serves(router) for router in routers)
