"""What the tests of reads share."""
import contextlib

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PASSWORD, SUPERUSER
from harness.wait import wait_until
from harness.wire import Wire
from transparency.both import Both


def beside(cluster, farm, setup, by=(USER, USER_PASSWORD), search_path="public"):
    """The cluster, and a database of PostgreSQL alone, on the server of its first shard, with the same in it."""
    server, direct = cluster.servers[0], farm.new_database_name()
    with Wire(server.port, SUPERUSER, PASSWORD, "postgres") as admin:
        admin.rows(f"CREATE DATABASE {direct} OWNER {USER}")
        admin.rows(f"ALTER DATABASE {direct} SET search_path = {search_path}")
    with Wire(server.port, *by, direct) as conn:
        conn.rows(setup)
    who = {"user": USER, "password": USER_PASSWORD}
    return Both({"port": server.port, "database": direct, **who}, {"port": cluster.router.port, "database": DATABASE, **who}, lambda side: None)


def serving(cluster, nodes=None):
    """Waits until reads may go to these nodes, and to no others; None: to every replica."""
    def ready():
        rows = cluster.execute("SELECT node, serves FROM nanu.replication WHERE role = 'replica'")
        return all(serves == (nodes is None or node in nodes) for node, serves in rows)
    wait_until(ready, f"{nodes or 'all replicas'} serve")


def connect(cluster, level, **more):
    conn = cluster.connect(**more)
    conn.execute(f"SET nanu.consistency = '{level}'")
    return conn


def stat(cluster, name):
    (number,), = cluster.execute("SELECT value FROM nanu.stats WHERE name = %s", [name])
    return number


@contextlib.contextmanager
def reads_of(cluster, count):
    """So many leave for a replica within."""
    before = stat(cluster, "replica_reads")
    yield
    assert stat(cluster, "replica_reads") - before == count


@contextlib.contextmanager
def paused(*replicas):
    for replica in replicas:
        replica.pause()
    try:
        yield
    finally:
        for replica in replicas:
            replica.resume()


def count_up(cluster):
    return cluster.execute("UPDATE counter SET n = n + 1 RETURNING n")[0][0]


def counted(conn):
    return conn.execute("SELECT n FROM counter", prepare=False).fetchone()[0]


def it_waits(other, conn):
    """Told by another session: this one is at work."""
    pid = conn.info.backend_pid
    wait_until(lambda: other.execute("SELECT state FROM nanu.sessions WHERE pid = %s", [pid]).fetchone() == ("working",), "it waits")
