"""Who gets in, who does not, and what they are told."""
import concurrent.futures
import contextlib
import os
import pathlib
import socket
import struct
import time

import psycopg
import pytest

from harness.background import cancelled
from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PASSWORD, SUPERUSER
from harness.wait import wait_until


def refused(cluster, **how):
    with pytest.raises(psycopg.OperationalError) as error:
        cluster.connect(**how).close()
    return str(error.value)


@pytest.mark.parametrize("method", ["scram", "password"])
def test_the_right_password_and_no_other(start_own, method):
    cluster = start_own(shards=1, auth=method)
    assert cluster.execute("SELECT current_user") == [(USER,)]
    assert f'password authentication failed for user "{USER}"' in refused(cluster, password="wrong")
    assert 'password authentication failed for user "nobody"' in refused(cluster, user="nobody", password="wrong")
    assert "password" in refused(cluster, password="")


@pytest.fixture(scope="module")
def one_cluster(start_cluster):
    return start_cluster(shards=1, workers=1)


def test_a_router_that_slept_lets_clients_in(start_own):
    cluster = start_own(shards=1, workers=1, login_ms_max=1000, backend_idle_ms_max=0)
    cluster.execute("SELECT 1")
    time.sleep(1.5)             # what is protected against is the time itself: nothing happened for longer than a login may take
    assert cluster.execute("SELECT 1") == [(1,)]


def test_trust_asks_for_nothing(start_own):
    cluster = start_own(shards=1, auth="trust")
    with cluster.connect(password="whatever") as conn:
        assert conn.execute("SELECT current_user").fetchone() == (USER,)


def test_a_verifier_is_enough_to_log_in_on_the_nodes_as_the_client_does(start_own):
    cluster = start_own(shards=1)
    with cluster.servers[0].connect() as conn:
        verifier = conn.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [USER]).fetchone()[0]
    cluster.router.stop()
    cluster.router.users[USER] = verifier
    cluster.router.configure()
    cluster.start()
    assert "password authentication failed" in refused(cluster, password="wrong")
    assert cluster.execute("SELECT current_user") == [(USER,)]


def test_verifiers_are_fetched_from_the_nodes(start_own):
    cluster = start_own(shards=1, auth_from_nodes=True)
    cluster.router.stop()
    del cluster.router.users[USER]
    cluster.router.configure()
    cluster.start()
    assert f'password authentication failed for user "{USER}"' in refused(cluster, password="wrong")
    assert cluster.execute("SELECT current_user") == [(USER,)]
    with cluster.connect(user=SUPERUSER, password=PASSWORD) as conn:
        assert conn.execute("SELECT current_user").fetchone() == (SUPERUSER,)


def test_an_unknown_database_is_named(start_own):
    assert 'database "nowhere" does not exist' in refused(start_own(shards=1), dbname="nowhere")


def test_a_user_whom_the_node_does_not_know_hears_it_from_the_node(start_own):
    cluster = start_own(shards=1, auth="trust")
    assert "stranger" in refused(cluster, user="stranger", password="")


def test_client_max_is_one_limit_over_all_workers(start_own):
    cluster = start_own(shards=1, workers=2, client_max=5)
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(contextlib.closing(cluster.connect()))
        assert "too many clients" in refused(cluster)
    wait_until(lambda: cluster.execute("SELECT 1") == [(1,)], "there is room again")


def test_a_client_that_says_nothing_is_let_go(start_own):
    cluster = start_own(shards=1, login_ms_max=300)
    with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=10) as silent:
        said = b""
        while data := silent.recv(4096):
            said += data
    assert b"timeout" in said


def test_a_client_that_vanished_is_noticed(one_cluster):
    """By TCP's keep-alive: a timer runs for an idle connection (tr 2 in /proc/net/tcp, see proc(5) and tcp_diag)."""
    with one_cluster.connect() as conn, socket.socket(fileno=os.dup(conn.fileno())) as client:
        local = client.getsockname()[1]
        own = f"0100007F:{one_cluster.router.port:04X} 0100007F:{local:04X}"
        wait_until(lambda: any(f" {own} 01 00000000:00000000 02:" in line for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()),
                   "the keep-alive timer runs")


def has_ipv6_loopback():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def test_every_address_is_those_of_both_families(start_own):
    """An IPv4 client is one for rules and for whoever looks, whatever socket he came to."""
    cluster = start_own(shards=1, workers=1, listen_host="*", hba=[{"addresses": ["127.0.0.1/32", "::1/128"], "method": "scram-sha-256"}])
    for host, shown in [("127.0.0.1", "127.0.0.1:")] + [("::1", "[::1]:")] * has_ipv6_loopback():
        with psycopg.connect(cluster.conninfo().replace("host=127.0.0.1", f"host={host}")) as conn:
            assert conn.execute(f"SELECT peer FROM nanu.sessions WHERE pid = {conn.info.backend_pid}").fetchone()[0].startswith(shown)


def test_start_up_parameters_and_options_reach_the_server(start_own):
    cluster = start_own(shards=2)
    with psycopg.connect(cluster.conninfo() + " application_name='my app' options='-c TimeZone=Asia/Seoul -c work_mem=5MB'",
                         autocommit=True) as conn:
        assert conn.execute("SELECT current_setting('application_name'), current_setting('TimeZone'), current_setting('work_mem')"
                            ).fetchone() == ("my app", "Asia/Seoul", "5MB")
        assert conn.info.parameter_status("TimeZone") == "Asia/Seoul"
        conn.execute("SET TimeZone = 'UTC'")
        assert conn.info.parameter_status("TimeZone") == "UTC"
        conn.execute("RESET TimeZone")
        conn.execute("DISCARD ALL")
        assert conn.execute("SELECT current_setting('TimeZone'), current_setting('work_mem')").fetchone() == ("Asia/Seoul", "5MB")
    assert cluster.execute("SELECT current_setting('TimeZone') <> 'Asia/Seoul', current_setting('work_mem') <> '5MB'") == [(True, True)]


@pytest.mark.parametrize("options, setting", [
    ("-c search_path=" + ",".join(f"schema_{i}" for i in range(500)), "search_path"),
    ("-c\twork_mem=3MB\n--maintenance-work-mem=5MB", "maintenance_work_mem"),
    (r"-cmy.words=two\ words\\ -c work_mem=4MB", "my.words"),
    ("-c work_mem", "work_mem"),
    ("--work-mem", "work_mem"),
    ("-c work_mem=3MB -c", "work_mem"),
    ("work_mem=3MB", "work_mem"),
])
def test_options_are_read_as_postgresql_reads_them(one_cluster, options, setting):
    def ask(conninfo):
        try:
            with psycopg.connect(conninfo, options=options, autocommit=True) as conn:
                return conn.execute("SELECT current_setting(%s)", [setting]).fetchone()[0]
        except psycopg.OperationalError as error:
            return str(error).split("FATAL:")[1].splitlines()[0].strip()
    assert ask(one_cluster.conninfo()) == ask(one_cluster.servers[0].conninfo(one_cluster.node_database, USER, USER_PASSWORD))


def test_options_that_are_no_settings_are_refused(one_cluster):
    with pytest.raises(psycopg.OperationalError, match="invalid command-line argument.*-S(.|\n)*-c name=value"):
        psycopg.connect(one_cluster.conninfo(), options="-S 2048")


def test_ssl_and_gss_requests_are_answered_with_no(start_own):
    cluster = start_own(shards=1)
    for code in (80877103, 80877104):
        with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=10) as sock:
            sock.sendall(struct.pack("!II", 8, code))
            assert sock.recv(1) == b"N"
    with pytest.raises(psycopg.OperationalError, match="SSL"):
        psycopg.connect(cluster.conninfo() + " sslmode=require")


def test_cancel_reaches_the_statement_on_whatever_worker(start_own):
    cluster = start_own(shards=2, workers=3)
    with cluster.connect() as conn:
        conn.execute("CREATE TABLE c (k bigint PRIMARY KEY)")
        conn.execute("SELECT nanu.shard_table('c', key => 'k')")
        assert isinstance(cancelled(conn, "SELECT pg_sleep(60)"), psycopg.errors.QueryCanceled)
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_cancel_ends_the_wait_for_a_pool(start_own):
    cluster = start_own(shards=1, pool_size=1)
    with cluster.connect() as holder, cluster.connect() as waiting:
        holder.execute("BEGIN")
        holder.execute("SELECT 1")
        error = cancelled(waiting, "SELECT 2")
        assert error.sqlstate == "57014" and "user request" in str(error)
        holder.execute("ROLLBACK")
        assert waiting.execute("SELECT 2").fetchone() == (2,)


def test_a_wrong_cancel_key_cancels_nothing(start_own):
    cluster = start_own(shards=1)
    with cluster.connect() as conn, concurrent.futures.ThreadPoolExecutor(1) as background:
        running = background.submit(lambda: conn.execute("SELECT pg_sleep(1)").fetchall())
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=10) as sock:
                sock.sendall(struct.pack("!IIII", 16, 80877102, conn.info.backend_pid, 12345))
                assert sock.recv(1) == b""
        assert len(running.result()) == 1


def test_a_router_whose_nodes_are_all_away_still_lets_people_in(start_own, farm, io):
    cluster = start_own(shards=1)
    cluster.router.stop()
    cluster.router.settings["nodes"][0]["port"] = "1"
    cluster.router.configure()
    cluster.start()
    with cluster.connect() as conn:
        with pytest.raises(psycopg.Error) as error:
            conn.execute("SELECT 1")
        assert error.value.sqlstate == "08001" and "n1" in str(error.value)
        with pytest.raises(psycopg.Error):
            conn.execute("SELECT 1")
