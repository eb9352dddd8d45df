"""TLS between the router and the nodes."""
import contextlib
import selectors
import socket
import struct
import threading

import psycopg
import pytest

from harness.background import cancelled
from harness.cluster import USER
from harness.wire import CANCEL_CODE, SSL_CODE

ANY = "host all all all scram-sha-256"
TLS_ONLY = "hostssl all all all scram-sha-256"
PLAIN_ONLY = "hostnossl all all all scram-sha-256"
IS_ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


def refused(cluster):
    """What a client hears whose statement needs a node."""
    with pytest.raises(psycopg.Error) as error:
        cluster.execute("SELECT 1")
    return str(error.value)


def roots(pki, mode):
    return {"node_tls_ca_file": pki.root} if mode.startswith("verify") else {}


@pytest.mark.parametrize("mode, rule, encrypted", [
    ("disable", ANY, False), ("allow", ANY, False), ("prefer", ANY, True), ("require", ANY, True), ("verify-ca", ANY, True),
    ("verify-full", ANY, True),
    ("allow", TLS_ONLY, True), ("prefer", TLS_ONLY, True),
    ("disable", PLAIN_ONLY, False), ("allow", PLAIN_ONLY, False), ("prefer", PLAIN_ONLY, False),
])
def test_every_mode_before_a_node_with_tls(start_before, pki, mode, rule, encrypted):
    cluster = start_before([rule], node_tls=mode, **roots(pki, mode))
    assert cluster.execute(IS_ENCRYPTED) == [(encrypted,)]
    cluster.execute("CREATE TABLE t (id bigint PRIMARY KEY)")
    cluster.execute("SELECT nanu.shard_table('t', key => 'id')")        # the control plane gets in, too
    assert cluster.execute("SELECT count(*) FROM t") == [(0,)]


@pytest.mark.parametrize("mode, rule", [("disable", TLS_ONLY), ("require", PLAIN_ONLY), ("verify-full", PLAIN_ONLY)])
def test_a_node_whose_rules_want_the_other_is_quoted(start_before, pki, mode, rule):
    assert "no pg_hba.conf entry" in refused(start_before([rule], node_tls=mode, **roots(pki, mode)))


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
def test_a_node_without_tls_is_taken_plain(start_own, mode):
    assert start_own(shards=1, node_tls=mode).execute(IS_ENCRYPTED) == [(False,)]


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_node_without_tls_is_refused_by_those_who_need_it(start_own, pki, mode):
    message = refused(start_own(shards=1, node_tls=mode, **roots(pki, mode)))
    assert 'node "n1" has no TLS' in message


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_node_of_another_authority_is_refused(start_before, pki, mode):
    cluster = start_before(node_tls=mode, node_tls_ca_file=str(pki.others.certificate))
    assert 'TLS with node "n1" failed: ' in (message := refused(cluster)) and "certificate" in message


def test_prefer_goes_on_plain_when_the_certificate_is_wrong(start_before, pki):
    """As libpq does; whoever needs more says verify-ca."""
    cluster = start_before(node_tls="prefer", node_tls_ca_file=str(pki.others.certificate))
    assert cluster.execute(IS_ENCRYPTED) == [(False,)]


@pytest.mark.parametrize("mode, works", [("require", True), ("verify-ca", True), ("verify-full", False)])
def test_the_name_in_the_certificate_counts_for_verify_full_only(farm, io, pki, mode, works):
    from harness.cluster import Cluster
    server = farm.extra_server(f"elsewhere-{mode}-{io}", {"ssl": "on", "ssl_cert_file": pki.node_elsewhere.certificate,
                                                          "ssl_key_file": pki.node_elsewhere.key})
    cluster = Cluster(farm, servers=[server], io=io, node_tls=mode, node_tls_ca_file=pki.root)
    try:
        cluster.start()
        if works:
            assert cluster.execute(IS_ENCRYPTED) == [(True,)]
        else:
            assert "IP address mismatch" in refused(cluster)
    finally:
        cluster.stop()
        server.stop()


def test_a_node_that_asks_for_a_certificate_gets_it(start_before, pki):
    rules = ["hostssl all all all scram-sha-256 clientcert=verify-ca"]
    assert "client certificate" in refused(start_before(rules, node_tls="require"))
    shown = {"node_tls_cert_file": str(pki.somebody.certificate), "node_tls_key_file": str(pki.somebody.key)}
    assert start_before(rules, node_tls="require", **shown).execute(IS_ENCRYPTED) == [(True,)]
    stranger = {"node_tls_cert_file": str(pki.stranger.certificate), "node_tls_key_file": str(pki.stranger.key)}
    assert 'TLS with node "n1" failed' in refused(start_before(rules, node_tls="require", **stranger))


def test_a_node_knows_the_router_by_its_certificate(start_before, pki):
    shown = {"node_tls_cert_file": str(pki.client.certificate), "node_tls_key_file": str(pki.client.key)}
    cluster = start_before([f"hostssl all {USER} all cert", ANY], node_tls="verify-full", node_tls_ca_file=pki.root, **shown)
    assert cluster.execute("SELECT current_user") == [(USER,)]


@pytest.mark.parametrize("rule, works", [(TLS_ONLY, True), ("hostssl all all all password", False), ("hostssl all all all trust", False)])
def test_channel_binding_can_be_required_of_nodes(start_before, rule, works):
    cluster = start_before([rule], node_tls="require", node_channel_binding="require")
    if works:
        assert cluster.execute(IS_ENCRYPTED) == [(True,)]
    else:
        assert "without channel binding" in refused(cluster)


def test_channel_binding_can_be_left_out(start_before):
    assert start_before([TLS_ONLY], node_tls="require", node_channel_binding="disable").execute(IS_ENCRYPTED) == [(True,)]


@pytest.mark.parametrize("encryption", ["md5", "scram-sha-256"])
def test_md5_and_password_at_the_node(start_before, tls_server, encryption):
    cluster = start_before(["hostssl all app all md5", ANY], node_tls="require")
    try:
        tls_server.hba("hostssl all app all md5", ANY)
        with tls_server.connect("template1") as conn:
            conn.execute(f"SET password_encryption = '{encryption}'")
            conn.execute(f"ALTER ROLE {USER} PASSWORD 'app-secret'")
        assert cluster.execute("SELECT current_user") == [(USER,)]
    finally:
        with tls_server.connect("template1") as conn:
            conn.execute(f"ALTER ROLE {USER} PASSWORD 'app-secret'")


def test_large_rows_and_copy(start_before):
    lines = "".join(f"{i}\t{'x' * (i % 3000)}\n" for i in range(20000))
    cluster = start_before(node_tls="require")
    with cluster.connect() as conn:
        conn.execute("CREATE TABLE t (id int, text text)")
        with conn.cursor().copy("COPY t FROM STDIN") as copy:
            copy.write(lines)
        with conn.cursor().copy("COPY (SELECT * FROM t ORDER BY id) TO STDOUT") as copy:
            assert b"".join(copy).decode() == lines
        assert conn.execute("SELECT length(%s::text)", ["x" * 20_000_000]).fetchone() == (20_000_000,)
        assert conn.execute("SELECT repeat('0123456789', 3000000)").fetchone()[0] == "0123456789" * 3_000_000


# ---- what goes over the wire ----

class Tap:
    """Stands before a node and keeps the first bytes that the router sends on each connection."""

    def __init__(self, port):
        self.node_port = port
        self.firsts = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.relay, args=[self.listener.accept()[0]], daemon=True).start()

    def relay(self, client):
        with client, socket.create_connection(("127.0.0.1", self.node_port)) as node, selectors.DefaultSelector() as ready, \
                contextlib.suppress(OSError):
            ready.register(client, selectors.EVENT_READ, node)
            ready.register(node, selectors.EVENT_READ, client)
            first = True
            while True:
                for key, _ in ready.select():
                    data = key.fileobj.recv(1 << 16)
                    if not data:
                        return
                    if key.fileobj is client and first:
                        self.firsts.append(data)
                        first = False
                    key.data.sendall(data)

    def close(self):
        self.listener.close()


def test_cancel_requests_are_encrypted_where_their_connection_is(start_before, tls_server):
    tap = Tap(tls_server.port)
    cluster = start_before(node_tls="require")
    cluster.router.stop()
    cluster.router.settings["nodes"][0]["port"] = str(tap.port)
    cluster.router.configure()
    cluster.start()
    with cluster.connect() as conn:
        before = len(tap.firsts)
        assert isinstance(cancelled(conn), psycopg.errors.QueryCanceled)
        assert len(tap.firsts) > before
    assert set(tap.firsts) == {struct.pack("!II", 8, SSL_CODE)}
    assert not any(struct.pack("!I", CANCEL_CODE) in first for first in tap.firsts)
    tap.close()


@pytest.mark.parametrize("answer, reason", [
    (b"SR\0\0\0\10\0\0\0\0", "received unencrypted data after SSL response"),
    (b"NR\0\0\0\10\0\0\0\0", "received unencrypted data after SSL response"),
    (b"X", "answered the SSL request with neither yes nor no"),
    (b"S", "closed the connection"),
])
def test_a_node_that_answers_the_request_with_more_than_a_letter_is_refused(start_own, answer, reason):
    """CVE-2021-23222: somebody between them puts words before the encrypted ones."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                with listener.accept()[0] as sock:
                    sock.settimeout(5)
                    if sock.recv(8) == struct.pack("!II", 8, SSL_CODE):
                        sock.sendall(answer)
                        sock.shutdown(socket.SHUT_WR)
                        while sock.recv(4096):
                            pass

    threading.Thread(target=serve, daemon=True).start()
    cluster = start_own(shards=1, node_tls="require")
    cluster.router.stop()
    cluster.router.settings["nodes"][0]["port"] = str(listener.getsockname()[1])
    cluster.router.configure()
    cluster.start()
    assert reason in refused(cluster)
    listener.close()
