"""TLS between clients and the router."""
import concurrent.futures
import contextlib
import signal
import socket
import ssl
import struct
import subprocess

import psycopg
import pytest

from harness.cluster import USER, USER_PASSWORD
from harness.wait import wait_until
from harness.wire import CANCEL_CODE, SSL_CODE, fields, heard


def connect(cluster, **more):
    return cluster.connect(**dict({"sslcert": "", "sslkey": "", "sslrootcert": "/nonexistent"}, **more))


def refused(cluster, **more):
    with pytest.raises(psycopg.OperationalError) as error:
        connect(cluster, **more).close()
    return str(error.value)


@pytest.fixture(scope="module")
def cluster(start_cluster, pki):
    return start_cluster(shards=1, **pki.serve())


@pytest.mark.parametrize("mode, encrypted", [("disable", False), ("allow", False), ("prefer", True), ("require", True), ("verify-ca", True),
                                             ("verify-full", True)])
def test_every_sslmode_of_libpq(cluster, pki, mode, encrypted):
    root = {"sslrootcert": pki.root} if mode.startswith("verify") else {}
    with connect(cluster, sslmode=mode, **root) as conn:
        assert conn.pgconn.ssl_in_use == encrypted
        assert conn.execute("SELECT current_user").fetchone() == (USER,)


@pytest.mark.parametrize("identity, mode, reason", [
    ("others", "verify-ca", "certificate verify failed"),
    ("elsewhere", "verify-full", "does not match host name"),
    ("expired", "verify-ca", "certificate verify failed"),
])
def test_a_client_that_looks_refuses_a_wrong_certificate(start_own, pki, identity, mode, reason):
    root = pki.root if identity != "others" else str(pki.others.certificate)
    shown = pki.router if identity == "others" else getattr(pki, identity)
    cluster = start_own(shards=1, **pki.serve(shown))
    assert reason in refused(cluster, sslmode=mode, sslrootcert=root)
    with connect(cluster, sslmode="require") as conn:      # this one does not look
        assert conn.pgconn.ssl_in_use


def test_require_takes_nobody_without_tls(start_own, pki):
    cluster = start_own(shards=1, **pki.serve(client_tls="require"))
    message = refused(cluster, sslmode="disable")
    assert "over TLS only" in message and "sslmode=require" in message
    connect(cluster, sslmode="require").close()


def test_disable_answers_no(start_own, pki):
    cluster = start_own(shards=1, **pki.serve(client_tls="disable"))
    assert "server does not support SSL" in refused(cluster, sslmode="require")
    with connect(cluster, sslmode="prefer") as conn:
        assert not conn.pgconn.ssl_in_use


def test_tls_version_min(start_own, pki):
    cluster = start_own(shards=1, tls_version_min="TLSv1.3", **pki.serve())
    assert "protocol version" in refused(cluster, sslmode="require", ssl_max_protocol_version="TLSv1.2")
    with connect(cluster, sslmode="require") as conn:
        assert conn.pgconn.ssl_in_use


def test_versions_before_1_2_are_refused(cluster):
    assert refused(cluster, sslmode="require", ssl_min_protocol_version="TLSv1", ssl_max_protocol_version="TLSv1.1")
    connect(cluster, sslmode="require", ssl_max_protocol_version="TLSv1.2").close()


def test_psql_says_that_it_is_encrypted(cluster, pki):
    done = subprocess.run(["psql", "-X", f"{cluster.conninfo()} sslmode=verify-full sslrootcert={pki.root}", "-c", "\\conninfo"],
                          capture_output=True, text=True, timeout=60)
    assert "SSL connection (protocol: TLSv1.3" in done.stdout, done


# ---- what is not TLS ----

def ssl_request(more=b""):
    return struct.pack("!II", 8, SSL_CODE) + more


def read_all(sock):
    said = b""
    with contextlib.suppress(ConnectionError):
        while data := sock.recv(4096):
            said += data
    return said


@pytest.mark.parametrize("code", [SSL_CODE, 80877104])
def test_plain_bytes_behind_a_request_for_encryption_are_refused(cluster, code):
    body = struct.pack("!i", 196608) + f"user\0{USER}\0database\0app\0\0".encode()
    with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=10) as sock:
        sock.sendall(struct.pack("!II", 8, code) + struct.pack("!i", len(body) + 4) + body)
        said = read_all(sock)
    assert said[:1] == b"E"
    error = fields(said[5:])
    assert error["C"] == "08P01" and "received unencrypted data after" in error["M"]


def test_bytes_that_are_no_tls_end_the_connection(cluster):
    with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=10) as sock:
        sock.sendall(ssl_request())
        assert sock.recv(1) == b"S"
        sock.sendall(struct.pack("!i", 196608) * 100)
        read_all(sock)                      # ends
    cluster.execute("SELECT 1")


def test_gss_encryption_is_answered_with_no_and_tls_may_follow(cluster):
    with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=10) as sock:
        sock.sendall(struct.pack("!II", 8, 80877104))
        assert sock.recv(1) == b"N"
        sock.sendall(ssl_request())
        assert sock.recv(1) == b"S"


def test_encryption_is_asked_for_once(cluster):
    with encrypted(cluster) as sock:
        sock.sendall(ssl_request())
        assert b"unsupported frontend protocol 1234.5679" in sock.recv(4096)


def encrypted(cluster):
    """A socket whose TLS handshake with the router is over."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    sock = socket.create_connection(("127.0.0.1", cluster.router.port), timeout=10)
    sock.sendall(ssl_request())
    assert sock.recv(1) == b"S"
    return context.wrap_socket(sock)


def test_a_client_that_never_shakes_hands_is_let_go(start_own, pki):
    cluster = start_own(shards=1, login_ms_max=300, **pki.serve())
    with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=10) as sock:
        sock.sendall(ssl_request())
        assert read_all(sock)[:1] == b"S"


def test_a_handshake_in_single_bytes(cluster):
    """TLS records need not arrive whole."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    tls = context.wrap_bio(incoming, outgoing)
    with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(ssl_request())
        assert sock.recv(1) == b"S"

        def flush():
            data = outgoing.read()
            for at in range(len(data)):
                sock.sendall(data[at:at + 1])

        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                flush()
                incoming.write(heard(sock))
        body = struct.pack("!i", 196608) + f"user\0{USER}\0database\0app\0\0".encode()
        tls.write(struct.pack("!i", len(body) + 4) + body)
        flush()
        while True:
            try:
                assert tls.read(1) == b"R"
                break
            except ssl.SSLWantReadError:
                incoming.write(heard(sock))


# ---- work over TLS ----

def test_large_rows_and_many_small_ones(cluster):
    with connect(cluster, sslmode="require") as conn:
        assert conn.execute("SELECT length(%s::text)", ["x" * 20_000_000]).fetchone() == (20_000_000,)
        big = conn.execute("SELECT repeat('0123456789', 3000000)").fetchone()[0]
        assert big == "0123456789" * 3_000_000
        rows = conn.execute("SELECT i, md5(i::text) FROM generate_series(1, 100000) i ORDER BY i").fetchall()
        assert len(rows) == 100000 and rows[0][0] == 1 and rows[-1][0] == 100000


def test_copy_in_and_out(cluster):
    lines = "".join(f"{i}\t{'x' * (i % 3000)}\n" for i in range(20000))
    with connect(cluster, sslmode="require") as conn:
        conn.execute("CREATE TEMPORARY TABLE t (id int, text text)")
        with conn.cursor().copy("COPY t FROM STDIN") as copy:
            copy.write(lines)
        with conn.cursor().copy("COPY (SELECT * FROM t ORDER BY id) TO STDOUT") as copy:
            assert b"".join(copy).decode() == lines


def test_a_slow_reader_gets_everything(cluster):
    with encrypted(cluster) as sock:
        log_in(sock)
        sql = b"SELECT repeat('x', 1000) FROM generate_series(1, 30000)\0"
        sock.sendall(b"Q" + struct.pack("!i", len(sql) + 4) + sql)
        got = 0
        while got < 30000 * 1000:
            got += len(heard(sock))


def log_in(sock):
    """By the password in clear or trust; returns the cancel key."""
    body = struct.pack("!i", 196608) + f"user\0{USER}\0database\0app\0\0".encode()
    sock.sendall(struct.pack("!i", len(body) + 4) + body)
    from harness.wire import Scram, cstr, message
    received, scram, key = b"", None, None
    while True:
        while len(received) < 5 or len(received) < struct.unpack_from("!i", received, 1)[0] + 1:
            received += heard(sock)
        size = struct.unpack_from("!i", received, 1)[0] + 1
        kind, content, received = chr(received[0]), received[5:size], received[size:]
        code = struct.unpack_from("!i", content)[0] if kind == "R" else None
        if code == 10:
            scram = Scram(USER_PASSWORD)
            # It says 'n': a client without channel binding.
            first = scram.first()
            sock.sendall(message("p", cstr("SCRAM-SHA-256") + struct.pack("!i", len(first)) + first))
        elif code == 11:
            sock.sendall(message("p", scram.final(content[4:])))
        elif kind == "K":
            key = struct.unpack("!II", content)
        elif kind == "E":
            raise AssertionError(fields(content))
        elif kind == "Z":
            return key


@pytest.mark.parametrize("how", ["plain", "tls"])
def test_cancel_requests_with_and_without_tls(cluster, how):
    with encrypted(cluster) as sock:
        key = log_in(sock)
        sql = b"SELECT pg_sleep(60)\0"
        sock.sendall(b"Q" + struct.pack("!i", len(sql) + 4) + sql)
        sock.settimeout(0.1)
        said = b""

        def over():
            nonlocal said
            with (encrypted(cluster) if how == "tls" else socket.create_connection(("127.0.0.1", cluster.router.port), timeout=10)) as request:
                request.sendall(struct.pack("!iiII", 16, CANCEL_CODE, *key))
                request.recv(1)
            with contextlib.suppress(TimeoutError):
                said += sock.recv(4096)
            return said

        wait_until(over, "the statement was cancelled")
        assert b"57014" in said


def test_many_clients_at_once(cluster):
    def work(number):
        with connect(cluster, sslmode="require") as conn:
            return [conn.execute("SELECT %s::int + i FROM generate_series(1, 10) i", [number]).fetchall()[-1][0] for _ in range(20)]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for number, answers in enumerate(pool.map(work, range(64))):
            assert answers == [number + 10] * 20


# ---- reload ----

def reload(cluster):
    log = cluster.router.program.log_text

    def count():
        return log().count("the configuration was read anew") + log().count("the configuration stays as it was")

    before = count()
    cluster.router.program.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: count() > before, "the certificates were read again")


def test_certificates_are_read_again_under_live_sessions(start_own, pki, tmp_path):
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"

    def put(identity):
        certificate.write_bytes(identity.certificate.read_bytes())
        key.touch(0o600)
        key.write_bytes(identity.key.read_bytes())

    put(pki.expired)
    cluster = start_own(shards=1, node_tls="disable", client_tls_cert_file=str(certificate), client_tls_key_file=str(key))
    with connect(cluster, sslmode="require") as live, connect(cluster, sslmode="disable") as plain:
        live.execute("BEGIN")
        live.execute("CREATE TEMPORARY TABLE here (id int)")
        assert "certificate verify failed" in refused(cluster, sslmode="verify-full", sslrootcert=pki.root)
        put(pki.router)
        reload(cluster)
        connect(cluster, sslmode="verify-full", sslrootcert=pki.root).close()
        certificate.write_text("nonsense")
        reload(cluster)
        assert "the configuration stays as it was: cannot load certificate file" in cluster.router.program.log_text()
        connect(cluster, sslmode="verify-full", sslrootcert=pki.root).close()
        live.execute("INSERT INTO here VALUES (1)")
        assert live.execute("SELECT id FROM here").fetchone() == (1,)
        live.execute("COMMIT")
        assert plain.execute("SELECT 1").fetchone() == (1,)
        assert live.pgconn.ssl_in_use


# ---- files that are wrong ----

def test_wrong_files_are_named_at_start(pki, tmp_path, start_own):
    from harness.router import NANU
    cluster = start_own(shards=1, **pki.serve())

    def check(**files):
        cluster.router.settings.update({name: str(path) for name, path in files.items()})
        cluster.router.configure()
        return subprocess.run([NANU, "serve", "--check", "--config", cluster.router.config], capture_output=True, text=True, timeout=60)

    open_key = tmp_path / "open.key"
    open_key.write_bytes(pki.router.key.read_bytes())
    open_key.chmod(0o644)
    assert check().returncode == 0
    done = check(client_tls_key_file=open_key)
    assert done.returncode == 1 and "may be read by others" in done.stderr
    assert "key values mismatch" in check(client_tls_key_file=pki.client.key).stderr
    assert "No such file" in check(client_tls_key_file="/nonexistent").stderr
    done = check(client_tls_cert_file="/nonexistent")
    assert done.returncode == 1 and '"/nonexistent"' in done.stderr
    assert "root certificate" in check(client_tls_cert_file=pki.client.certificate, client_tls_key_file=pki.client.key,
                                       client_tls_ca_file=pki.client.key).stderr
