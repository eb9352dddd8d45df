"""A router before some servers, with a database that nobody else uses."""
import psycopg

from .postgres import PASSWORD, SUPERUSER
from .router import NANU, Router

DATABASE = "app"  # as clients of the router call it; on the nodes each cluster's has a name of its own
USER = "app"
USER_PASSWORD = "app-secret"


class Cluster:
    """shards: how many; replicas: how many each has. servers: these, instead of the farm's. settings: any of nanu.yaml, beside these defaults.
    locale: of the database. environment: of the router. nanu: its program. shares: another cluster, whose servers and databases this one's router serves, too."""

    def __init__(self, farm, shards=2, replicas=0, locale=None, servers=None, environment=None, nanu=NANU, shares=None, **settings):
        self.servers = servers or (shares.servers if shares else farm.servers_for(shards))
        self.replicas = shares.replicas if shares else [farm.replicas_for(server, replicas) for server in self.servers]
        self.node_database = shares.node_database if shares else farm.new_database_name()
        self.locale = locale
        self.owned = self.servers if not shares else []
        for server in self.owned:
            self.create_database(server)
        self.catch_up()
        self.router = Router(dict(self.describe_nodes(), **dict({"workers": 2, "node_user": SUPERUSER, "node_password": PASSWORD,
                                                                 "admin_users": f"{SUPERUSER}, {USER}"}, **settings)),
                             {SUPERUSER: PASSWORD, USER: USER_PASSWORD}, environment, nanu)

    def create_database(self, server):
        collation = f" TEMPLATE template0 LOCALE '{self.locale}'" if self.locale else ""
        with server.connect() as conn:
            if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [USER]).fetchone():
                conn.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{USER_PASSWORD}'")
            conn.execute(f"CREATE DATABASE {self.node_database} OWNER {USER}{collation}")

    def describe_nodes(self):
        shards = {f"s{i}": {f"n{i}": primary, **{f"n{i}r{j}": replica for j, replica in enumerate(replicas, 1)}}
                  for i, (primary, replicas) in enumerate(zip(self.servers, self.replicas), 1)}
        return {
            "nodes": [{"name": name, "host": "127.0.0.1", "port": str(server.port)} for nodes in shards.values() for name, server in nodes.items()],
            "shards": [{"name": name, "nodes": list(nodes)} for name, nodes in shards.items()],
            "databases": [{"name": DATABASE, "node_database": self.node_database}],
        }

    def catch_up(self):
        """Every replica has what its primary has by now."""
        for replicas in self.replicas:
            for replica in replicas:
                replica.catch_up()

    def start(self):
        self.router.start()
        return self

    def conninfo(self, user=USER, password=USER_PASSWORD, dbname=DATABASE):
        return f"host=127.0.0.1 port={self.router.port} dbname={dbname} user={user} password={password} connect_timeout=10"

    def connect(self, autocommit=True, user=USER, password=USER_PASSWORD, dbname=DATABASE, **more):
        """A psycopg 3 connection through the router."""
        return psycopg.connect(self.conninfo(user, password, dbname), autocommit=autocommit, **more)

    def connect_node(self, shard=0, autocommit=True, user=USER, password=USER_PASSWORD, **more):
        """The same user and database on one shard's server, past the router."""
        return psycopg.connect(self.servers[shard].conninfo(self.node_database, user, password), autocommit=autocommit, **more)

    def execute(self, statement, parameters=None):
        """One statement on a connection of its own; its rows, if it has any."""
        with self.connect() as conn:
            cursor = conn.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else None

    def stop(self):
        """Ends the router, checks that it ended well, and drops the databases."""
        try:
            if self.router.program:
                self.router.stop()
        finally:
            self.router.remove()
            for server in self.owned:
                with server.connect() as conn:
                    conn.execute(f"DROP DATABASE {self.node_database} WITH (FORCE)")

    def logs(self):
        """(title, text) of everyone's log."""
        if self.router.log.exists():
            yield f"router, port {self.router.port}", self.router.log.read_text(errors="replace")
        for server in self.servers + [replica for replicas in self.replicas for replica in replicas]:
            yield f"server {server.name}", server.log.read_text(errors="replace")
