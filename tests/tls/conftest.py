import shutil

import pytest

from harness.certificates import Authority
from harness.cluster import Cluster, USER
from harness.postgres import make_folder


class Pki:
    """Two authorities that do not know each other, and what they issued."""

    def __init__(self, folder):
        self.folder = folder
        self.ours, self.others = Authority(folder, "ours"), Authority(folder, "others")
        self.router = self.ours.issue("router", "router")
        self.elsewhere = self.ours.issue("elsewhere", "elsewhere", "DNS:elsewhere.example")
        self.expired = self.ours.issue("expired", "expired", days=0)
        self.client = self.ours.issue("client", USER)
        self.stranger = self.others.issue("stranger", USER)
        self.somebody = self.ours.issue("somebody", "somebody")
        self.node = self.ours.issue("node", "node").give_to_servers()
        self.node_elsewhere = self.ours.issue("node-elsewhere", "node", "DNS:elsewhere.example").give_to_servers()

    def serve(self, identity=None, **more):
        """Settings of a router that shows this certificate to its clients."""
        identity = identity or self.router
        return dict({"client_tls_cert_file": str(identity.certificate), "client_tls_key_file": str(identity.key)}, **more)

    def with_clients(self, identity=None, **more):
        """The same, and it asks clients for theirs."""
        return self.serve(identity, client_tls_ca_file=str(self.ours.certificate), **more)

    def show(self, identity):
        """What a libpq client adds to show this certificate."""
        return {"sslcert": str(identity.certificate), "sslkey": str(identity.key)}

    @property
    def root(self):
        return str(self.ours.certificate)


@pytest.fixture(scope="session")
def pki():
    folder = make_folder()
    yield Pki(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def tls_server(farm, pki):
    """A node with ssl = on, which this suite alone uses; hba() writes its pg_hba.conf."""
    server = farm.extra_server("tls", {"ssl": "on", "ssl_cert_file": pki.node.certificate, "ssl_key_file": pki.node.key,
                                       "ssl_ca_file": pki.root})
    rules = server.data / "pg_hba.conf"
    # The tests' own way in, whatever the rules of a test are.
    own = "local all all trust\nhost template1 postgres 127.0.0.1/32 scram-sha-256\n"

    def tell(statement):
        with server.connect("template1") as conn:
            return conn.execute(statement).fetchall()

    def hba(*lines):
        loaded = tell("SELECT pg_conf_load_time()")
        rules.write_text(own + "".join(f"{line}\n" for line in lines))
        tell("SELECT pg_reload_conf()")
        while tell("SELECT pg_conf_load_time()") == loaded:
            pass

    server.hba = hba
    server.tell = tell
    hba("host all all all scram-sha-256")
    yield server
    hba("host all all all scram-sha-256")
    server.stop()


@pytest.fixture
def start_before(farm, io, tls_server):
    """start_before(node_tls="require", hba=[…]) -> a router before the node with TLS; `rules` come into force once it is set up."""
    started = []

    def start(rules=("host all all all scram-sha-256",), **settings):
        tls_server.hba("host all all all scram-sha-256")
        cluster = Cluster(farm, servers=[tls_server], io=io, **settings)
        started.append(cluster)
        tls_server.hba(*rules)
        return cluster.start()

    yield start
    tls_server.hba("host all all all scram-sha-256")
    for cluster in started:
        cluster.stop()
