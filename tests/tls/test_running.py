"""What changes while the router runs, and what limits those who have not logged in, where there is TLS."""
import contextlib
import re
import socket
import ssl

import psycopg
import pytest

from harness.background import cancelled
from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PASSWORD, SUPERUSER
from harness.wait import wait_until
from harness.wire import Scram, fields, message

from .test_authentication import forget_user, read, rule, sasl_first, start_up, take_password_away
from .test_clients import connect, encrypted, read_all, refused, ssl_request
from .test_nodes import ANY, IS_ENCRYPTED


def reload(cluster, **changes):
    cluster.router.settings.update(changes)
    cluster.router.configure()
    cluster.execute("SELECT nanu.reload()")


class Files:
    """The certificate and key that a router shows, which a test replaces."""

    def __init__(self, folder):
        self.certificate, self.key = folder / "server.crt", folder / "server.key"

    def put(self, identity):
        self.certificate.write_bytes(identity.certificate.read_bytes())
        self.key.touch(0o600)
        self.key.write_bytes(identity.key.read_bytes())
        return self


def shown(cluster):
    """The certificate that a new client is shown (DER)."""
    with encrypted(cluster) as sock:
        return sock.getpeercert(binary_form=True)


def der(identity):
    return ssl.PEM_cert_to_DER_cert(identity.certificate.read_text())


# ---- reload ----

def test_nanu_reload_shows_new_clients_the_new_certificate(start_own, pki, tmp_path):
    files = Files(tmp_path).put(pki.router)
    cluster = start_own(shards=1, workers=2, **pki.serve(files))
    with connect(cluster, sslmode="require") as live:
        live.execute("CREATE TEMPORARY TABLE here (id int)")
        assert shown(cluster) == der(pki.router)
        files.put(pki.elsewhere)
        reload(cluster)
        for _ in range(8):      # every worker
            assert shown(cluster) == der(pki.elsewhere)
        assert live.execute("SELECT count(*) FROM here").fetchone() == (0,) and live.pgconn.ssl_in_use


@pytest.mark.parametrize("spoil, reason", [
    (lambda files, pki: files.certificate.write_text("nonsense"), "cannot load certificate file"),
    (lambda files, pki: files.certificate.unlink(), "cannot load certificate file"),
    (lambda files, pki: files.key.chmod(0o644), "may be read by others"),
    (lambda files, pki: files.key.write_bytes(pki.client.key.read_bytes()), "key values mismatch"),
])
def test_a_reload_with_a_wrong_file_says_so_and_changes_nothing(start_own, pki, tmp_path, spoil, reason):
    files = Files(tmp_path).put(pki.router)
    cluster = start_own(shards=1, client_max=55, **pki.serve(files))
    spoil(files, pki)
    with pytest.raises(psycopg.Error, match=reason) as error:
        reload(cluster, client_max=77)
    assert error.value.sqlstate == "F0000" and "server." in str(error.value)
    assert cluster.execute("SELECT value FROM nanu.settings WHERE name = 'client_max'") == [("55",)]
    connect(cluster, sslmode="verify-full", sslrootcert=pki.root).close()
    files.key.chmod(0o600)
    files.put(pki.elsewhere)
    reload(cluster)
    assert shown(cluster) == der(pki.elsewhere)
    assert cluster.execute("SELECT value FROM nanu.settings WHERE name = 'client_max'") == [("77",)]


def test_tls_with_clients_is_switched_on_demanded_and_switched_off(start_own, pki):
    cluster = start_own(shards=1)
    with connect(cluster, sslmode="prefer") as plain:
        assert not plain.pgconn.ssl_in_use
        reload(cluster, **pki.serve(client_tls="allow"))
        with connect(cluster, sslmode="require") as secret:
            connect(cluster, sslmode="disable").close()
            reload(cluster, client_tls="require", tls_version_min="TLSv1.3")
            assert "over TLS only" in refused(cluster, sslmode="disable")
            assert "protocol version" in refused(cluster, sslmode="require", ssl_max_protocol_version="TLSv1.2")
            reload(cluster, client_tls="disable")
            assert "server does not support SSL" in refused(cluster, sslmode="require")
            for conn in (plain, secret):
                assert conn.execute("SELECT 1").fetchone() == (1,)
            assert secret.pgconn.ssl_in_use
    pending = cluster.execute("SELECT name FROM nanu.settings WHERE pending_restart")
    assert pending == []


def test_rules_are_for_those_who_come_after_the_reload(start_own, pki):
    cluster = start_own(shards=1, hba=[rule()], **pki.serve())
    with connect(cluster, sslmode="disable") as old, socket.create_connection(("127.0.0.1", cluster.router.port), timeout=30) as midway:
        start_up(midway)
        assert read(midway)[0] == "R"
        reload(cluster, hba=[rule(type="hostssl"), rule(users=[SUPERUSER], method="trust")])
        assert old.execute("SELECT current_user").fetchone() == (USER,)
        message = refused(cluster, sslmode="disable")
        assert f'no rule of hba for host "127.0.0.1", user "{USER}", database "{DATABASE}", no encryption' in message
        connect(cluster, sslmode="require").close()
        connect(cluster, sslmode="disable", user=SUPERUSER, password="wrong").close()
        finish_login(midway)            # by the rule that it began with
        good = cluster.router.settings["hba"]
        with pytest.raises(psycopg.Error, match="rule 1 of hba"):
            reload(cluster, hba=[rule(method="guess")])
        assert "no encryption" in refused(cluster, sslmode="disable")
        reload(cluster, hba=good)


def finish_login(sock):
    """From the offer of SCRAM to the first ReadyForQuery."""
    scram = Scram(USER_PASSWORD)
    kind, body = sasl_first(sock, "SCRAM-SHA-256", scram.first())
    assert kind == "R", body
    sock.sendall(message("p", scram.final(body[4:])))
    while kind != "Z":
        kind, body = read(sock)
        assert kind != "E", fields(body)


# ---- reload, and what is known of users ----

def use_two_backends(first, second):
    """Whether a second backend can be opened: the first is kept."""
    first.execute("BEGIN")
    mine = first.execute("SELECT pg_backend_pid()").fetchone()
    other = second.execute("SELECT pg_backend_pid()").fetchone()
    first.execute("COMMIT")
    return mine != other


@pytest.mark.parametrize("known_by", ["file", "node"])
def test_sessions_whose_keys_open_backends_go_on_after_a_reload(start_own, known_by):
    cluster = start_own(shards=1, workers=1)
    if known_by == "file":
        take_password_away(cluster)
    else:
        forget_user(cluster)
    cluster.start()
    with connect(cluster) as first, connect(cluster) as second:
        first.execute("SELECT nanu.reload()")
        assert use_two_backends(first, second)
        connect(cluster).close()


def test_what_nodes_said_is_asked_anew_after_a_reload(start_own):
    cluster = start_own(shards=1, workers=1)
    forget_user(cluster)
    cluster.router.users[SUPERUSER] = PASSWORD
    cluster.router.configure()
    cluster.start()
    with connect(cluster) as first, connect(cluster) as second:
        # A wrong auth_query: what the first one found counts no more.
        reload_as_superuser(cluster, auth_query="SELECT 'nobody', 'nothing' WHERE $1::text IS NOT NULL")
        assert "password authentication failed" in refused(cluster)
        reload_as_superuser(cluster, auth_query="SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1")
        wait_until(lambda: comes(cluster), "the user is found again")       # that there is none is believed for a moment
        reload_as_superuser(cluster, auth_from_nodes=False)
        assert "password authentication failed" in refused(cluster)
        assert use_two_backends(first, second)


def salt(cluster, user):
    """What tells a user from others, should it change where theirs do not."""
    with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=30) as sock:
        start_up(sock, user)
        assert read(sock)[0] == "R"
        kind, body = sasl_first(sock, "SCRAM-SHA-256", b"n,,n=,r=abcdefghijkl")
        assert kind == "R", body
        return re.search(rb"s=([^,]+)", body)[1]


@pytest.mark.parametrize("user", [USER, "nobody"])
def test_salts_outlive_a_reload(start_own, user):
    cluster = start_own(shards=1, auth_from_nodes=False)
    before = salt(cluster, user)
    reload(cluster)
    assert salt(cluster, user) == before


def reload_as_superuser(cluster, **changes):
    cluster.router.settings.update(changes, admin_users=SUPERUSER)
    cluster.router.configure()
    with connect(cluster, user=SUPERUSER, password=PASSWORD) as conn:
        conn.execute("SELECT nanu.reload()")


def comes(cluster):
    try:
        connect(cluster).close()
        return True
    except psycopg.OperationalError:
        return False


# ---- reload, and the nodes ----

def test_backends_are_replaced_when_tls_with_nodes_changes(start_before, pki):
    cluster = start_before(rules=[ANY], node_tls="disable", workers=1)
    with cluster.connect() as working, cluster.connect() as idle:
        working.execute("BEGIN")
        assert working.execute(IS_ENCRYPTED).fetchone() == (False,)
        idle.execute("SELECT 1")
        reload(cluster, node_tls="verify-full", node_tls_ca_file=pki.root)
        assert idle.execute(IS_ENCRYPTED).fetchone() == (True,)
        assert working.execute(IS_ENCRYPTED).fetchone() == (False,)
        working.execute("COMMIT")
        assert working.execute(IS_ENCRYPTED).fetchone() == (True,)
        kept = idle.execute("SELECT pg_backend_pid()").fetchone()
        reload(cluster, pool_size=19)           # TLS is as it was: so are the backends
        assert idle.execute("SELECT pg_backend_pid()").fetchone() == kept
        reload(cluster, node_tls="disable")
        assert idle.execute(IS_ENCRYPTED).fetchone() == (False,)


def test_an_encrypted_statement_is_cancelled_after_tls_was_switched_off(start_before):
    cluster = start_before(rules=[ANY], node_tls="require")
    with cluster.connect() as conn:
        conn.execute("BEGIN")
        assert conn.execute(IS_ENCRYPTED).fetchone() == (True,)
        reload(cluster, node_tls="disable")
        assert isinstance(cancelled(conn), psycopg.errors.QueryCanceled)


def test_an_encrypted_statement_is_cancelled_whose_database_was_taken_out(start_before, tls_server):
    cluster = start_before(rules=[ANY], node_tls="require", workers=1)
    one = cluster.router.settings["databases"]
    reload(cluster, databases=one + [{"name": "second", "node_database": "postgres"}])
    conn = cluster.connect(dbname="second", autocommit=False)
    backend, = conn.execute("SELECT pg_backend_pid()").fetchone()
    reload(cluster, databases=one)
    conn.pgconn.send_query(b"SELECT pg_sleep(60)")

    def is_there(state="%"):
        with tls_server.connect("template1") as node:
            return node.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s AND state LIKE %s", [backend, state]).fetchone()

    wait_until(lambda: is_there("active"), "it runs")
    conn.pgconn.finish()        # its backend goes, and the last of the pool with it, while the request is on its way
    wait_until(lambda: not is_there(), "the node has heard of it")


# ---- limits before a login ----

def stuck(cluster, stack, sent=b""):
    """A client that has asked for TLS, been promised it, and got no further than that."""
    sock = stack.enter_context(socket.create_connection(("127.0.0.1", cluster.router.port), timeout=30))
    sock.sendall(ssl_request())
    assert sock.recv(1) == b"S"
    sock.sendall(sent)
    return sock


def hello():
    """The first flight of a TLS client."""
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


def too_many(cluster, words):
    try:
        connect(cluster, sslmode="require").close()
    except psycopg.OperationalError as error:
        return words in str(error)
    return False


@pytest.mark.parametrize("sent", [0, 100, 1000])
def test_who_is_stuck_in_a_handshake_counts_as_not_logged_in(start_own, pki, sent):
    cluster = start_own(shards=1, workers=2, max_unauthenticated_connections=3, **pki.serve())
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stuck(cluster, stack, hello()[:sent])
        assert too_many(cluster, "not logged in")
    wait_until(lambda: not too_many(cluster, "not logged in"), "there is room again")
    with contextlib.ExitStack() as stack:       # who has logged in does not count
        for _ in range(6):
            stack.enter_context(contextlib.closing(connect(cluster, sslmode="require")))


def test_who_is_stuck_in_a_handshake_counts_for_his_address(start_own, pki):
    cluster = start_own(shards=1, workers=2, max_connections_per_address=2, **pki.serve())
    words = "too many connections from address 127.0.0.1"
    with contextlib.ExitStack() as stack:
        for _ in range(2 + 16):                 # those that may be cancel requests have their room
            stuck(cluster, stack)
        with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=30) as sock:
            assert words in fields(read_all(sock)[5:])["M"]
    wait_until(lambda: not too_many(cluster, words), "there is room again")


@pytest.mark.parametrize("sent", [0, 100, 1000])
def test_a_handshake_is_ended_in_time_and_gives_its_place_back(start_own, pki, sent):
    cluster = start_own(shards=1, login_ms_max=500, max_unauthenticated_connections=1, **pki.serve())
    with contextlib.ExitStack() as stack:
        sock = stuck(cluster, stack, hello()[:sent])
        read_all(sock)
        connect(cluster, sslmode="require").close()
    assert "canceling authentication due to timeout" in cluster.router.program.log_text()


def test_the_bytes_of_a_handshake_are_limited(start_own, pki):
    """In records of one byte even a ClientHello that OpenSSL would take is too long."""
    cluster = start_own(shards=1, **pki.serve())
    body = b"\x01" + (130_000).to_bytes(3, "big") + b"\x03\x03" + bytes(130_000)
    with contextlib.ExitStack() as stack:
        sock = stuck(cluster, stack)
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(body), 1000):
                sock.sendall(b"".join(b"\x16\x03\x01\x00\x01" + body[i:i + 1] for i in range(at, min(at + 1000, len(body)))))
        read_all(sock)
    assert "closed: TLS: the handshake is too long" in cluster.router.program.log_text()
    connect(cluster, sslmode="require").close()


# ---- another process takes over ----

def serves(program, conn):
    """Whether this session is one of that process."""
    return conn.execute("SELECT pid FROM nanu.router").fetchone()[0] == program.pid


def test_tls_sessions_stay_with_the_old_process_and_new_ones_come_to_the_new(start_own, pki, tmp_path):
    files = Files(tmp_path).put(pki.router)
    cluster = start_own(shards=1, workers=2, **pki.serve(files))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with connect(cluster, sslmode="require") as before, contextlib.ExitStack() as stack:
        before.execute("CREATE TEMPORARY TABLE mine (id int)")
        before.execute("BEGIN")
        before.execute("INSERT INTO mine VALUES (1)")
        midway = stuck(cluster, stack)
        files.put(pki.elsewhere)
        old = cluster.router.take_over()
        before.execute("COMMIT")
        assert before.execute("SELECT * FROM mine").fetchall() == [(1,)]
        assert before.execute("SELECT repeat('0123456789', 1000000)").fetchone()[0] == "0123456789" * 1_000_000
        assert before.pgconn.ssl_in_use and serves(old, before)
        for _ in range(10):
            assert shown(cluster) == der(pki.elsewhere)
            with connect(cluster, sslmode="require") as after:
                assert after.pgconn.ssl_in_use and serves(cluster.router.program, after)
        with context.wrap_socket(midway) as late:       # who had asked for TLS before goes on there too
            assert late.getpeercert(binary_form=True) == der(pki.router)
            start_up(late)
            assert read(late)[0] == "R"
        assert not old.ended()
    wait_until(old.ended, "the old process ends")
    assert old.popen.returncode == 0, old.log_text()
