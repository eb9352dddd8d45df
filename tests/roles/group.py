"""One shard: a primary and its replicas, on servers of their own, whose roles the tests change behind the router's back."""
import psycopg

from harness.wait import wait_until
from monitoring.asking import with_http


class Group:
    def __init__(self, farm, start, name, **settings):
        server = farm.extra_server(name, {"wal_retrieve_retry_interval": "100ms", "max_wal_size": "256MB", "wal_keep_size": "128MB"})
        self.nodes = {"n1": server}
        self.cluster = with_http(start, servers=[server], replicas=2, max_lag=0, **settings)
        self.nodes.update({f"n1r{i}": replica for i, replica in enumerate(self.cluster.replicas[0], 1)})
        self.cluster.owned = []  # nobody else has these servers, and who drops the database must be known
        self.cluster.execute("CREATE TABLE t (id bigserial PRIMARY KEY, value text)")

    def close(self):
        for server in self.nodes.values():
            server.stop()

    # ---- what the router shows ----

    def execute(self, statement, parameters=None):
        return self.cluster.execute(statement, parameters)

    def primary(self):
        return self.execute("SELECT name FROM nanu.nodes WHERE role = 'primary'")[0][0]

    def shown(self, node):
        """(role in the topology, as the node says itself, whether it serves, trouble)"""
        return self.execute("SELECT role, seen_role, serves, trouble FROM nanu.replication WHERE node = %s", [node])[0]

    def epoch(self):
        return self.execute("SELECT epoch FROM nanu.topology")[0][0]

    def serving(self, *nodes):
        """Waits until reads may go to these replicas, and to no others."""
        def ready():
            rows = self.execute("SELECT node FROM nanu.replication WHERE serves ORDER BY node")
            return [node for node, in rows] == sorted(nodes)
        wait_until(ready, f"{nodes} serve")

    def follows(self, node):
        wait_until(lambda: self.primary() == node, f"{node} is the primary in the topology")

    def configure(self, **settings):
        self.cluster.router.settings.update(settings)
        self.cluster.router.configure()
        self.execute("SELECT nanu.reload()")

    # ---- servers ----

    @property
    def current(self):
        return self.nodes[self.primary()]

    def others(self):
        primary = self.primary()
        return {name: server for name, server in self.nodes.items() if name != primary}

    def is_well(self, server):
        if server.program.ended():
            return False
        try:
            with server.connect() as conn:
                query = "SELECT pg_is_in_recovery() AND (SELECT received_tli FROM pg_stat_wal_receiver) = %s"
                return bool(conn.execute(query, [self.timeline()]).fetchone()[0])
        except psycopg.OperationalError:
            return False

    def timeline(self):
        with self.current.connect() as conn:
            return int(conn.execute("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)").fetchone()[0], 16)

    def heal(self):
        """All but the primary are replicas of it, and serve."""
        for server in self.others().values():
            if not self.is_well(server):
                server.copy(self.current)
        for server in self.others().values():
            wait_until(lambda server=server: self.is_well(server), f"{server.name} streams")
        self.serving(*self.others())
