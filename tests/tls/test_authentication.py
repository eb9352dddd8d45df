"""Who is let in, by rules, certificates, md5, SCRAM with channel binding, and what nodes know of users."""
import hashlib
import socket
import struct
import subprocess

import psycopg
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PASSWORD, SUPERUSER
from harness.wait import wait_until
from harness.wire import PROTOCOL, cstr, fields, heard, message

from .test_clients import connect, encrypted, refused

ONE_LOOP = "epoll"


# ---- rules ----

def rule(**parts):
    return dict({"method": "scram-sha-256"}, **parts)


def test_the_first_rule_that_matches_counts(start_own, pki):
    cluster = start_own(shards=1, hba=[
        rule(users=["nobody"], method="trust"),
        rule(type="hostssl", users=[USER], method="reject"),
        rule(databases=["other"], method="trust"),
        rule(addresses=["10.0.0.0/8", "::1/128"], method="trust"),
        rule(addresses=["127.0.0.0/8"], users=[USER]),
        rule(method="trust"),
    ], **pki.serve())
    message = refused(cluster, sslmode="require")
    assert f'a rule of hba rejects connections from host "127.0.0.1", user "{USER}", database "{DATABASE}", SSL encryption' in message
    connect(cluster, sslmode="disable").close()
    assert "password authentication failed" in refused(cluster, sslmode="disable", password="wrong")
    connect(cluster, sslmode="disable", user=SUPERUSER, password="wrong").close()       # the last rule: trust


def test_who_matches_no_rule_is_told_so_with_the_way_out(start_own, pki):
    cluster = start_own(shards=1, hba=[rule(type="hostssl")], **pki.serve())
    with pytest.raises(psycopg.OperationalError) as error:
        connect(cluster, sslmode="disable").close()
    message = str(error.value)
    assert f'no rule of hba for host "127.0.0.1", user "{USER}", database "{DATABASE}", no encryption' in message
    assert "sslmode=require" in message
    connect(cluster, sslmode="require").close()


def test_hostnossl_and_sameuser(start_own, pki):
    cluster = start_own(shards=1, hba=[rule(type="hostnossl", databases=["sameuser"])], **pki.serve())
    connect(cluster, sslmode="disable").close()                 # user app, database app
    assert "no rule" in refused(cluster, sslmode="require")
    assert "no rule" in refused(cluster, sslmode="disable", user=SUPERUSER, password=PASSWORD)


# ---- certificates of clients ----

@pytest.fixture(scope="module")
def by_certificate(start_cluster, pki):
    return start_cluster(shards=1, **pki.with_clients(hba=[
        {"type": "hostssl", "users": [USER], "method": "cert"},
        rule(type="hostssl", users=[SUPERUSER], clientcert="verify-ca"),
    ]))


def test_cert_takes_the_user_whose_name_the_certificate_bears(by_certificate, pki):
    with connect(by_certificate, sslmode="require", password="unneeded", **pki.show(pki.client)) as conn:
        assert conn.execute("SELECT current_user").fetchone() == (USER,)


def test_cert_refuses_other_names_other_authorities_and_none(by_certificate, pki):
    assert f'certificate authentication failed for user "{USER}"' in refused(by_certificate, sslmode="require", **pki.show(pki.somebody))
    assert "unknown ca" in refused(by_certificate, sslmode="require", **pki.show(pki.stranger))
    assert "connection requires a valid client certificate" in refused(by_certificate, sslmode="require")
    assert "expired" in refused(by_certificate, sslmode="require", **pki.show(pki.expired))


def test_clientcert_verify_ca_wants_a_certificate_and_the_password(by_certificate, pki):
    how = dict(sslmode="require", user=SUPERUSER, **pki.show(pki.somebody))
    connect(by_certificate, password=PASSWORD, **how).close()
    assert "password authentication failed" in refused(by_certificate, password="wrong", **how)
    assert "connection requires a valid client certificate" in refused(by_certificate, sslmode="require", user=SUPERUSER, password=PASSWORD)


def test_clientcert_verify_full_wants_the_users_own(start_own, pki):
    cluster = start_own(shards=1, **pki.with_clients(hba=[rule(type="hostssl", clientcert="verify-full")]))
    connect(cluster, sslmode="require", **pki.show(pki.client)).close()
    assert "password authentication failed" in refused(cluster, sslmode="require", password="wrong", **pki.show(pki.client))
    assert "certificate authentication failed" in refused(cluster, sslmode="require", **pki.show(pki.somebody))


def test_certificates_may_be_shown_where_no_rule_wants_them(start_own, pki):
    cluster = start_own(shards=1, **pki.with_clients())
    connect(cluster, sslmode="require").close()
    connect(cluster, sslmode="require", **pki.show(pki.client)).close()
    assert "unknown ca" in refused(cluster, sslmode="require", **pki.show(pki.stranger))


# ---- channel binding ----

@pytest.fixture(scope="module")
def cluster(start_cluster, pki):
    return start_cluster(shards=1, **pki.serve())


@pytest.mark.parametrize("binding", ["require", "prefer", "disable"])
def test_channel_binding_as_the_client_wants_it(cluster, binding):
    connect(cluster, sslmode="require", channel_binding=binding).close()
    assert "password authentication failed" in refused(cluster, sslmode="require", channel_binding=binding, password="wrong")


def test_channel_binding_needs_tls(cluster):
    assert "channel binding" in refused(cluster, sslmode="disable", channel_binding="require")
    connect(cluster, sslmode="disable", channel_binding="prefer").close()


def test_psql_with_channel_binding(cluster):
    done = subprocess.run(["psql", "-X", "-At", f"{cluster.conninfo()} sslmode=require channel_binding=require", "-c", "SELECT current_user"],
                          capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == USER, done.stderr


def test_a_rule_without_scram_is_refused_by_a_client_that_requires_binding(start_own, pki):
    cluster = start_own(shards=1, auth="password", **pki.serve())
    assert "channel binding" in refused(cluster, sslmode="require", channel_binding="require")


def start_up(sock, user=USER):
    body = struct.pack("!i", PROTOCOL) + b"".join(map(cstr, ["user", user, "database", DATABASE])) + b"\0"
    sock.sendall(struct.pack("!i", len(body) + 4) + body)


def read(sock):
    head = b""
    while len(head) < 5:
        head += heard(sock, 5 - len(head))
    body = b""
    size = struct.unpack("!i", head[1:])[0] - 4
    while len(body) < size:
        body += heard(sock, size - len(body))
    return chr(head[0]), body


def sasl_first(sock, mechanism, first):
    sock.sendall(message("p", cstr(mechanism) + struct.pack("!i", len(first)) + first))
    return read(sock)


@pytest.mark.parametrize("mechanism, first, state, text", [
    # Somebody between them took the offer away, and the client says that it could have done it.
    ("SCRAM-SHA-256", b"y,,n=,r=abcdefghijkl", "28000", "SCRAM channel binding negotiation error"),
    ("SCRAM-SHA-256", b"p=tls-server-end-point,,n=,r=abcdefghijkl", "08P01", "SCRAM-SHA-256 has no channel binding"),
    ("SCRAM-SHA-256-PLUS", b"n,,n=,r=abcdefghijkl", "08P01", "lacks the channel binding"),
    ("SCRAM-SHA-256-PLUS", b"p=tls-unique,,n=,r=abcdefghijkl", "08P01", "unsupported SCRAM channel-binding type"),
])
def test_a_downgrade_is_refused(cluster, mechanism, first, state, text):
    with encrypted(cluster) as sock:
        start_up(sock)
        kind, body = read(sock)
        assert (kind, body) == ("R", struct.pack("!i", 10) + b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
        kind, body = sasl_first(sock, mechanism, first)
        assert kind == "E"
        assert fields(body)["C"] == state and text in fields(body)["M"]


def test_plus_is_not_offered_without_tls(cluster):
    with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=10) as sock:
        start_up(sock)
        assert read(sock) == ("R", struct.pack("!i", 10) + b"SCRAM-SHA-256\0\0")
        kind, body = sasl_first(sock, "SCRAM-SHA-256-PLUS", b"p=tls-server-end-point,,n=,r=abcdefghijkl")
        assert kind == "E" and fields(body)["C"] == "08P01"


# ---- md5 ----

def md5_of(password, user):
    return "md5" + hashlib.md5((password + user).encode()).hexdigest()


@pytest.mark.parametrize("stored", [USER_PASSWORD, md5_of(USER_PASSWORD, USER)])
@pytest.mark.parametrize("method", ["md5", "password"])
def test_md5_and_password_with_either_kind_of_secret(start_own, method, stored):
    cluster = start_own(shards=1, auth=method, auth_from_nodes=False)
    cluster.router.stop()
    cluster.router.users[USER] = stored
    cluster.router.configure()
    cluster.start()
    assert "password authentication failed" in refused(cluster, password="wrong")
    assert "password authentication failed" in refused(cluster, user="nobody", password="wrong")
    if stored == USER_PASSWORD:
        assert cluster.execute("SELECT current_user") == [(USER,)]
    else:       # known to the router; the node asks for SCRAM, for which a hash is not enough
        assert "users file" in refused(cluster)


def test_md5_asks_those_with_a_verifier_by_scram(start_own):
    cluster = start_own(shards=1, auth="md5")
    take_password_away(cluster)
    cluster.start()
    assert cluster.execute("SELECT current_user") == [(USER,)]


def test_scram_does_not_take_an_md5_hash(start_own):
    cluster = start_own(shards=1, auth="scram")
    cluster.router.stop()
    cluster.router.users[USER] = md5_of(USER_PASSWORD, USER)
    cluster.router.configure()
    cluster.start()
    assert "password authentication failed" in refused(cluster)


def test_an_md5_hash_is_enough_for_a_node_that_asks_for_one(start_before, tls_server):
    cluster = start_before(["host all app all md5", "host all all all scram-sha-256"], auth="md5", node_tls="disable")
    cluster.router.stop()
    cluster.router.users[USER] = md5_of(USER_PASSWORD, USER)
    cluster.router.configure()
    try:
        with tls_server.connect("template1") as conn:
            conn.execute("SET password_encryption = 'md5'")
            conn.execute(f"ALTER ROLE {USER} PASSWORD '{USER_PASSWORD}'")
        cluster.start()
        assert cluster.execute("SELECT current_user") == [(USER,)]
    finally:
        with tls_server.connect("template1") as conn:
            conn.execute(f"ALTER ROLE {USER} PASSWORD '{USER_PASSWORD}'")


# ---- keys instead of passwords ----

def take_password_away(cluster):
    """From here on the router's files have the verifier of the first node and no password of the user."""
    with cluster.servers[0].connect() as conn:
        verifier = conn.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [USER]).fetchone()[0]
    cluster.router.stop()
    cluster.router.users[USER] = verifier
    cluster.router.configure()
    return verifier


@pytest.fixture
def same_verifier(start_own):
    """A cluster of two shards whose user has one verifier on both, and no password at the router."""
    cluster = start_own(shards=2)
    verifier = take_password_away(cluster)
    with cluster.servers[1].connect() as conn:
        other = conn.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [USER]).fetchone()[0]
        conn.execute(f"ALTER ROLE {USER} PASSWORD '{verifier}'")
    yield cluster
    with cluster.servers[1].connect() as conn:
        conn.execute(f"ALTER ROLE {USER} PASSWORD '{other}'")


def test_no_password_is_needed_anywhere(same_verifier):
    cluster = same_verifier
    cluster.start()
    with cluster.connect() as conn:
        conn.execute("CREATE TABLE t (id bigint PRIMARY KEY)")
        conn.execute("SELECT nanu.shard_table('t', key => 'id')")
        for number in range(20):
            conn.execute("INSERT INTO t VALUES (%s)", [number])
        assert conn.execute("SELECT count(*) FROM t").fetchone() == (20,)
    files = "".join(path.read_text(errors="replace") for path in cluster.router.folder.iterdir() if path.is_file())
    assert USER_PASSWORD not in files


def test_a_password_in_clear_yields_the_keys_as_well(same_verifier):
    cluster = same_verifier
    cluster.router.settings["auth"] = "password"
    cluster.router.configure()
    cluster.start()
    assert cluster.execute("SELECT current_user") == [(USER,)]


def test_trust_yields_no_keys(same_verifier):
    cluster = same_verifier
    cluster.router.settings["auth"] = "trust"
    cluster.router.configure()
    cluster.start()
    assert "scram-sha-256" in refused(cluster)


def test_nodes_with_other_verifiers_are_named(start_own):
    cluster = start_own(shards=2)
    take_password_away(cluster)
    cluster.start()
    with cluster.connect() as conn, pytest.raises(psycopg.Error) as error:
        conn.execute("CREATE TABLE t (id bigint PRIMARY KEY)")
        conn.execute("SELECT nanu.shard_table('t', key => 'id')")
        conn.execute("SELECT count(*) FROM t")
    assert 'node "n2" has another SCRAM verifier for user "app"' in str(error.value) and "ALTER ROLE" in str(error.value)


# ---- what nodes know of users ----

def forget_user(cluster, **settings):
    cluster.router.stop()
    cluster.router.users.pop(USER, None)
    cluster.router.settings.update(settings)
    cluster.router.configure()


def test_auth_query_runs_as_auth_user_who_is_no_superuser(start_own):
    cluster = start_own(shards=1)
    with cluster.servers[0].connect(cluster.node_database) as conn:
        conn.execute("DROP ROLE IF EXISTS looker")
        conn.execute("CREATE ROLE looker LOGIN PASSWORD 'looking'")
        conn.execute("CREATE FUNCTION look(text) RETURNS TABLE (name text, secret text) SECURITY DEFINER LANGUAGE sql AS "
                     "'SELECT rolname::text, rolpassword FROM pg_authid WHERE rolname = $1'")
        conn.execute("REVOKE ALL ON FUNCTION look FROM public")
        conn.execute("GRANT EXECUTE ON FUNCTION look TO looker")
    forget_user(cluster, auth_user="looker", auth_query="SELECT name, secret FROM look($1)")
    cluster.router.users["looker"] = "looking"
    cluster.router.configure()
    cluster.start()
    assert cluster.execute("SELECT current_user") == [(USER,)]
    assert "password authentication failed" in refused(cluster, password="wrong")
    assert "password authentication failed" in refused(cluster, user=r"'\'; DROP ROLE app; --'", password="wrong")
    with cluster.servers[0].connect() as conn:
        conn.execute(f"DROP OWNED BY looker")
    cluster.router.stop()
    with cluster.servers[0].connect(cluster.node_database) as conn:
        conn.execute("DROP FUNCTION look")
        conn.execute("DROP ROLE looker")
    cluster.start()


@pytest.mark.parametrize("query, reason", [
    ("SELECT rolpassword FROM pg_authid WHERE rolname = $1", "must have two columns"),
    ("SELECT rolname, rolpassword FROM pg_authid WHERE $1 <> ''", "found"),
    ("SELECT rolname, rolpassword FROM nowhere WHERE rolname = $1", "nowhere"),
    ("SELECT 'another', rolpassword FROM pg_authid WHERE rolname = $1", ""),
])
def test_an_auth_query_that_is_wrong_lets_nobody_in(start_own, query, reason):
    cluster = start_own(shards=1)
    forget_user(cluster, auth_query=query)
    cluster.start()
    assert "password authentication failed" in refused(cluster)
    assert reason in cluster.router.program.log_text()


def test_a_password_that_was_changed_on_the_node_counts_soon(start_own):
    cluster = start_own(shards=1)
    forget_user(cluster)
    cluster.start()
    assert cluster.execute("SELECT 1") == [(1,)]
    try:
        with cluster.servers[0].connect() as conn:
            conn.execute(f"ALTER ROLE {USER} PASSWORD 'changed'")

        def works():
            try:
                connect(cluster, password="changed").close()
                return True
            except psycopg.OperationalError:
                return False

        wait_until(works, "the new password counts")
        assert "password authentication failed" in refused(cluster)
    finally:
        with cluster.servers[0].connect() as conn:
            conn.execute(f"ALTER ROLE {USER} PASSWORD '{USER_PASSWORD}'")


def test_answers_are_believed_for_auth_cache_ms_max(start_own):
    cluster = start_own(shards=1)
    with cluster.servers[0].connect(cluster.node_database) as conn:
        conn.execute("CREATE TABLE asked (at timestamptz)")
        conn.execute("CREATE FUNCTION look(text) RETURNS TABLE (name text, secret text) LANGUAGE sql AS "
                     "'INSERT INTO asked VALUES (now()); SELECT rolname::text, rolpassword FROM pg_authid WHERE rolname = $1'")

        def asked():
            return conn.execute("SELECT count(*) FROM asked").fetchone()[0]

        forget_user(cluster, auth_query="SELECT name, secret FROM look($1)")
        cluster.start()
        for _ in range(5):
            connect(cluster).close()
        assert asked() == 1
        for _ in range(5):
            refused(cluster, user="nobody", password="x")
        assert asked() == 2
        cluster.router.stop()
        cluster.router.settings["auth_cache_ms_max"] = 0
        cluster.router.configure()
        cluster.start()
        for _ in range(5):
            connect(cluster).close()
        assert asked() == 7


# ---- nothing tells who exists ----

@pytest.mark.parametrize("from_nodes", [True, False])
def test_an_unknown_user_looks_like_a_known_one(start_own, from_nodes):
    cluster = start_own(shards=1, auth_from_nodes=from_nodes)

    def server_first(user):
        with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=10) as sock:
            start_up(sock, user)
            kind, body = read(sock)
            kind, body = sasl_first(sock, "SCRAM-SHA-256", b"n,,n=,r=abcdefghijkl")
            return dict(part.split("=", 1) for part in body[4:].decode().split(","))

    known, unknown, again, other = (server_first(user) for user in (USER, "nobody", "nobody", "nobody2"))
    assert unknown["s"] == again["s"] != other["s"]
    assert (len(known["s"]), known["i"]) == (len(unknown["s"]), unknown["i"])
    assert known["s"] == server_first(USER)["s"]
    cluster.router.stop()
    cluster.start()
    assert (known["s"], unknown["s"]) == (server_first(USER)["s"], server_first("nobody")["s"])
