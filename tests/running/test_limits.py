"""Every limit and time-out, with the SQLSTATE that PostgreSQL has for it, for all, for a database and for a user."""
import contextlib
import socket
import struct
import time

import psycopg
import pytest

from harness.background import cancelled, in_background
from harness.cluster import DATABASE, USER
from harness.postgres import PASSWORD, SUPERUSER
from harness.wait import wait_until


def raw_session(cluster):
    """A socket behind a login without a password (auth: trust), at its first ReadyForQuery."""
    sock = socket.create_connection(("127.0.0.1", cluster.router.port), timeout=30)
    body = struct.pack("!I", 196608) + f"user\0{USER}\0database\0{DATABASE}\0\0".encode()
    sock.sendall(struct.pack("!I", len(body) + 4) + body)
    read_until_ready(sock)
    return sock


def read_messages(sock):
    """(type, body) until the connection ends."""
    data = b""
    while True:
        while len(data) < 5 or len(data) < 1 + struct.unpack("!I", data[1:5])[0]:
            more = sock.recv(65536)
            if not more:
                return
            data += more
        size = 1 + struct.unpack("!I", data[1:5])[0]
        yield data[:1], data[5:size]
        data = data[size:]


def read_until_ready(sock):
    for kind, body in read_messages(sock):
        if kind == b"Z":
            return
        assert kind != b"E", body
    raise AssertionError("the connection ended")


def query(sock, sql):
    sock.sendall(b"Q" + struct.pack("!I", len(sql) + 5) + sql.encode() + b"\0")


def last_error(sock):
    """The fields of the FATAL error with which the connection ends."""
    bodies = [body for kind, body in read_messages(sock) if kind == b"E"]
    assert bodies, "it ended without a word"
    return {part[:1].decode(): part[1:].decode() for part in bodies[-1].split(b"\0") if part}


@pytest.fixture
def start_trusting(start_own):
    def start(**settings):
        return start_own(shards=1, auth="trust", **settings)
    return start


def test_an_idle_session_is_ended(start_trusting):
    cluster = start_trusting(idle_session_timeout=200)
    with raw_session(cluster) as sock:
        error = last_error(sock)
    assert error["C"] == "57P05" and error["S"] == "FATAL" and "idle_session_timeout (200 ms)" in error["D"] and error["H"]


def test_a_session_that_works_is_not_idle(start_trusting):
    cluster = start_trusting(idle_session_timeout=400)
    with raw_session(cluster) as sock:
        end = time.monotonic() + 1.2
        while time.monotonic() < end:
            query(sock, "SELECT pg_sleep(0.05)")
            read_until_ready(sock)
        query(sock, "SELECT pg_sleep(0.8)")
        read_until_ready(sock)
        assert last_error(sock)["C"] == "57P05"


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN; SELECT 1", "BEGIN; SELECT 1 / 0"])
def test_a_session_idle_in_a_transaction_is_ended(start_trusting, begin):
    cluster = start_trusting(idle_in_transaction_session_timeout=200)
    with raw_session(cluster) as sock, raw_session(cluster) as other:
        query(sock, begin)
        error = last_error(sock)
        assert error["C"] == "25P03" and "idle_in_transaction_session_timeout (200 ms)" in error["D"]
        query(other, "SELECT 1")
        read_until_ready(other)


def test_a_transaction_that_takes_too_long_is_ended(start_trusting):
    cluster = start_trusting(transaction_timeout=400)
    with raw_session(cluster) as sock:
        query(sock, "BEGIN")
        read_until_ready(sock)
        with pytest.raises(AssertionError, match="25P04"):
            for _ in range(100):
                query(sock, "SELECT pg_sleep(0.05)")
                read_until_ready(sock)
    with raw_session(cluster) as sock:
        query(sock, "SELECT pg_sleep(60)")
        assert last_error(sock)["C"] == "25P04"
    with raw_session(cluster) as sock:
        for _ in range(20):  # each is a transaction of its own, however it begins
            query(sock, "BEGIN; SELECT pg_sleep(0.05); COMMIT AND CHAIN; COMMIT")
            read_until_ready(sock)


def test_a_statement_that_takes_too_long_is_canceled_and_the_session_goes_on(start_own):
    cluster = start_own(shards=2, query_timeout=300)
    with cluster.connect() as conn, cluster.connect_node(1, autocommit=False) as blocker:
        conn.execute("CREATE TABLE t (k bigint PRIMARY KEY)")
        conn.execute("SELECT nanu.shard_table('t', key => 'k')")
        conn.execute("INSERT INTO t VALUES (1)")
        blocker.execute("LOCK TABLE t")
        for statement in ("SELECT pg_sleep(60)", "SELECT count(*) FROM t", "DROP TABLE t"):
            with pytest.raises(psycopg.errors.QueryCanceled) as error:
                conn.execute(statement)
            assert error.value.diag.message_primary == "canceling statement due to query timeout"
            assert "query_timeout (300 ms)" in error.value.diag.message_detail
            assert conn.execute("SELECT 1").fetchone() == (1,)


def test_what_the_user_cancels_is_not_called_a_timeout(start_own):
    cluster = start_own(shards=1, query_timeout=20000)
    with cluster.connect() as conn:
        error = cancelled(conn)
        assert isinstance(error, psycopg.errors.QueryCanceled) and "user request" in str(error)


def test_waiting_for_a_backend_does_not_count(start_own):
    cluster = start_own(shards=1, pool_size=1, query_timeout=500, workers=1)
    with cluster.connect() as holder, cluster.connect() as waiting:
        holder.execute("BEGIN")
        holder.execute("SELECT 1")

        def hold():
            for _ in range(10):
                holder.execute("SELECT pg_sleep(0.15)")
            holder.execute("COMMIT")
        assert in_background(hold, lambda: waiting.execute("SELECT 7").fetchone())[1] == (7,)


def test_a_users_timeout_goes_before_a_databases(start_own):
    cluster = start_own(shards=1, users=[{"name": USER, "query_timeout": 200}])
    databases = [dict(cluster.router.settings["databases"][0], query_timeout=60000)]
    cluster.router.settings["databases"] = databases
    cluster.router.configure()
    cluster.execute("SELECT nanu.reload()")
    with cluster.connect() as conn, pytest.raises(psycopg.errors.QueryCanceled, match="query timeout"):
        conn.execute("SELECT pg_sleep(60)")
    with cluster.connect(user=SUPERUSER, password=PASSWORD) as conn:
        conn.execute("SELECT pg_sleep(0.5)")


def test_a_new_timeout_holds_for_sessions_that_are_there(start_trusting):
    cluster = start_trusting()
    with raw_session(cluster) as sock:
        cluster.router.settings["idle_session_timeout"] = 200
        cluster.router.configure()
        cluster.execute("SELECT nanu.reload()")
        assert last_error(sock)["C"] == "57P05"


def backends(cluster, user=None):
    with cluster.servers[0].connect() as conn:
        return conn.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND usename = coalesce(%s, usename)"
                            " AND application_name <> 'nanu'", [cluster.node_database, user]).fetchone()[0]


def test_max_db_connections_holds_over_users_and_workers_and_all_get_a_turn(start_own):
    cluster = start_own(shards=1, workers=3, pool_size=10, max_db_connections=2, pool_wait_ms_max=10000)
    seen = []

    def client(**who):
        with contextlib.closing(cluster.connect(**who)) as conn:
            for _ in range(60):
                conn.execute("SELECT pg_sleep(0.002)")
                seen.append(1)

    def watch():
        return max(backends(cluster) for _ in range(100))
    jobs = [lambda: client(), lambda: client(user=SUPERUSER, password=PASSWORD)] * 5
    assert in_background(watch, *jobs)[0] <= 2
    assert len(seen) == 600
    pools = cluster.execute("SELECT opened_total, lent_total FROM nanu.pools")
    assert sum(opened for opened, _ in pools) < sum(lent for _, lent in pools) / 2, "a connection is opened for each statement, in turns"


def test_max_user_connections_holds_over_databases(start_own):
    cluster = start_own(shards=1, workers=2, pool_size=10, users=[{"name": USER, "max_user_connections": 1}], pool_wait_ms_max=500)
    databases = cluster.router.settings["databases"]
    cluster.router.settings["databases"] = databases + [{"name": "other", "node_database": "postgres"}]
    cluster.router.configure()
    cluster.execute("SELECT nanu.reload()")
    with cluster.connect() as one, cluster.connect(dbname="other") as other:
        one.execute("BEGIN")
        one.execute("SELECT 1")
        with pytest.raises(psycopg.Error) as error:
            other.execute("SELECT 1")
        assert error.value.sqlstate == "57014" and "max_user_connections" in error.value.diag.message_hint
        one.execute("COMMIT")
        assert other.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("settings, words", [
    ({"databases": {"max_db_client_connections": 2}}, f'too many connections for database "{DATABASE}"'),
    ({"users": {"max_user_client_connections": 2}}, f'too many connections for role "{USER}"'),
    ({"max_connections_per_address": 2}, "too many connections from address 127.0.0.1"),
])
def test_clients_are_counted_over_workers(start_own, settings, words):
    cluster = start_own(shards=1, workers=3)
    for name, value in settings.items():
        if name == "databases":
            value = [dict(cluster.router.settings["databases"][0], **value)]
        elif name == "users":
            value = [dict(value, name=USER)]
        cluster.router.settings[name] = value
    cluster.router.configure()
    cluster.execute("SELECT nanu.reload()")
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(contextlib.closing(cluster.connect())) for _ in range(2)]
        with pytest.raises(psycopg.OperationalError, match=words):
            cluster.connect()
        # A cancel request comes from the same address, and is no session.
        assert isinstance(cancelled(held[0]), psycopg.errors.QueryCanceled)
    wait_until(lambda: lets_in(cluster), "there is room again")


def lets_in(cluster):
    try:
        return cluster.execute("SELECT 1") == [(1,)]
    except psycopg.OperationalError:
        return False


def test_those_who_have_not_logged_in_are_limited(start_own):
    cluster = start_own(shards=1, workers=2, max_unauthenticated_connections=3)
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(("127.0.0.1", cluster.router.port)))

        def refused():
            try:
                cluster.connect().close()
            except psycopg.OperationalError as error:
                return "not logged in" in str(error)
        wait_until(refused, "a fourth is refused")
    wait_until(lambda: not refused(), "there is room again")
    with contextlib.ExitStack() as stack:  # who has logged in does not count
        for _ in range(6):
            stack.enter_context(contextlib.closing(cluster.connect()))


@pytest.mark.parametrize("sent", [b"", b"\0", struct.pack("!I", 5000) + b"\0\3"])
def test_a_slow_connection_is_ended_in_time(start_own, sent):
    cluster = start_own(shards=1, login_ms_max=300)
    with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=30) as sock:
        sock.sendall(sent)
        error = last_error(sock)
    assert error["C"] == "57014" and "login_ms_max (300 ms)" in error["D"]


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 4096, b"\0" * 4096, bytes(range(256)) * 16])
def test_garbage_is_ended_at_once(start_own, garbage):
    cluster = start_own(shards=1)
    with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=30) as sock:
        sock.sendall(garbage)
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(4096):
                pass
    assert cluster.execute("SELECT 1") == [(1,)]


def test_bytes_before_authentication_are_limited(start_own):
    """A client that goes on talking while a node is asked who it is."""
    cluster = start_own(shards=1, auth_query="SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1 UNION ALL "
                                              "SELECT '', '' FROM pg_sleep(2) AS slept WHERE slept IS NULL")
    body = struct.pack("!I", 196608) + f"user\0stranger\0database\0{DATABASE}\0\0".encode()
    with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=30) as sock:
        sock.sendall(struct.pack("!I", len(body) + 4) + body)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while True:
                sock.sendall(bytes(65536))
    assert "before authentication" in cluster.router.program.log_text()


def test_old_backends_are_replaced(start_own):
    cluster = start_own(shards=1, workers=1, server_lifetime=200)
    with cluster.connect() as conn:
        pid = conn.execute("SELECT pg_backend_pid()").fetchone()
        wait_until(lambda: conn.execute("SELECT pg_backend_pid()").fetchone() != pid, "another backend serves")
