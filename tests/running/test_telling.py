"""What the router tells others: slow statements to its log, its state to the service manager, clients' names to the servers."""
import contextlib
import os
import pathlib
import re
import signal
import socket
import tempfile
import time

import psycopg
import pytest

from harness.cluster import USER
from harness.wait import wait_until


# ---- log_min_duration_statement ----

def slow_lines(cluster, having):
    lines = [line for line in cluster.router.program.log_text().splitlines() if "part=slow" in line and having in line]
    return lines


def one_line(cluster, having):
    wait_until(lambda: slow_lines(cluster, having), f"a line with {having}")
    lines = slow_lines(cluster, having)
    assert len(lines) == 1
    return lines[0]


def test_a_slow_statement_is_one_line(start_own):
    cluster = start_own(shards=2, log_min_duration_statement=100)
    with cluster.connect() as conn:
        conn.execute("CREATE TABLE t (k bigint PRIMARY KEY)")
        conn.execute("SELECT nanu.shard_table('t', key => 'k')")
        conn.execute("SELECT 'quick'")
        conn.execute("SELECT pg_sleep(0.2), 'first'")
        line = one_line(cluster, "'first'")
        assert re.search(rf'part=slow session=\d+\.\d+ peer=127\.0\.0\.1:\d+ user="{USER}" database="app" shards=s1 duration_ms=(2|3|4)\d\d\.\d\d\d '
                         r'failed=false statements=1 bytes=\d+ statement="SELECT pg_sleep\(0\.2\), \'first\'"$', line), line
        with cluster.connect_node(1, autocommit=False) as blocker:
            blocker.execute("LOCK TABLE t")
            conn.execute("SET statement_timeout = 300")
            with contextlib.suppress(psycopg.Error):
                conn.execute("SELECT count(*) FROM t WHERE k > 0")
        line = one_line(cluster, "WHERE k > 0")
        assert "shards=s1,s2 " in line and "failed=true" in line
    assert not slow_lines(cluster, "quick")


def test_nothing_breaks_out_of_the_line(start_own):
    cluster = start_own(shards=1, log_min_duration_statement=0)
    with cluster.connect() as conn:
        conn.execute('SELECT 1 AS "a b", \'x\\y\'\n-- time=1 level=error part=forged\r\nAS z')
        line = one_line(cluster, "forged")
        assert line.endswith(r'''statement="SELECT 1 AS \"a b\", 'x\\y' -- time=1 level=error part=forged  AS z"''')
        conn.execute("SELECT '" + "ü" * 5000 + "' AS long")
        line = wait_until(lambda: slow_lines(cluster, "üüü"), "the long one")[0]
        assert "bytes=10017 " in line and len(line.encode()) < 2048 and line.endswith('ü"')


def test_prepared_statements_are_named_by_their_text(start_own):
    cluster = start_own(shards=1, log_min_duration_statement=150)
    with cluster.connect() as conn:
        for seconds in (0, 0, 0.3):
            conn.execute("SELECT pg_sleep(%s) /* prepared */", [seconds], prepare=True)
        assert "pg_sleep($1) /* prepared */" in one_line(cluster, "prepared")


def test_a_users_threshold_is_its_own(start_own):
    cluster = start_own(shards=1, users=[{"name": USER, "log_min_duration_statement": 0}])
    cluster.execute("SELECT 'mine'")
    one_line(cluster, "mine")


# ---- sd_notify ----

class Manager:
    """The datagram socket of a service manager."""

    def __init__(self, folder, abstract):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(30)
        self.name = f"@nanu-test-{os.getpid()}-{time.monotonic_ns()}" if abstract else str(folder / "notify")
        self.socket.bind(self.name.replace("@", "\0", 1))

    def hears(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def close(self):
        self.socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request):
    with tempfile.TemporaryDirectory() as folder:
        found = Manager(pathlib.Path(folder), request.param == "abstract")
        yield found
        found.close()


def test_the_service_manager_hears_of_each_step(start_own, manager, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", manager.name)
    cluster = start_own(shards=1)
    assert manager.hears() == {"READY": "1", "MAINPID": str(cluster.router.program.pid)}
    before_us = time.monotonic_ns() // 1000
    cluster.router.program.popen.send_signal(signal.SIGHUP)
    reloading = manager.hears()
    assert reloading["RELOADING"] == "1" and before_us <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert manager.hears() == {"READY": "1"}    # and not that it is the main process, which it may not be any more
    old = cluster.router.take_over()
    assert manager.hears() == {"READY": "1", "MAINPID": str(cluster.router.program.pid)}
    wait_until(old.ended, "the old process ends, and says nothing")
    cluster.router.stop()
    assert manager.hears() == {"STOPPING": "1"}


def test_sigusr2_starts_a_process_that_takes_over(start_own, manager, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", manager.name)
    cluster = start_own(shards=1)
    first = int(manager.hears()["MAINPID"])
    with cluster.connect() as conn:
        os.kill(first, signal.SIGUSR2)
        second = int(manager.hears()["MAINPID"])
        try:
            assert second != first
            assert conn.execute("SELECT pid FROM nanu.router").fetchone() == (first,)
            assert cluster.execute("SELECT pid FROM nanu.router") == [(second,)]
            conn.close()
            wait_until(cluster.router.program.ended, "the old process ends")
            assert cluster.router.program.popen.returncode == 0
            assert cluster.execute("SELECT 1") == [(1,)]
        finally:
            os.kill(second, signal.SIGTERM)
    assert manager.hears() == {"STOPPING": "1"}


def test_without_a_service_manager_nothing_is_said(start_own, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/to/be/found")
    assert start_own(shards=1).execute("SELECT 1") == [(1,)]


# ---- application_name ----

def connect_as(cluster, name):
    return psycopg.connect(cluster.conninfo() + f" application_name='{name}'", autocommit=True)


def test_application_name_is_the_clients_own(start_own):
    cluster = start_own(shards=1)
    with connect_as(cluster, "my app") as conn:
        assert conn.execute("SHOW application_name").fetchone() == ("my app",)
        assert conn.execute("SELECT application_name FROM nanu.sessions").fetchall() == [("my app",)]


def test_the_clients_address_is_added_when_asked_for(start_own):
    cluster = start_own(shards=1, application_name_add_host=True)
    with connect_as(cluster, "my app") as conn, connect_as(cluster, "n" * 63) as long:
        shown = conn.execute("SELECT current_setting('application_name')").fetchone()[0]
        peer = conn.execute("SELECT peer FROM nanu.sessions WHERE pid = %s", [conn.info.backend_pid]).fetchone()[0]
        assert shown == f"my app - {peer}"
        shown = long.execute("SHOW application_name").fetchone()[0]
        assert re.fullmatch(r"n+ - 127\.0\.0\.1:\d+", shown) and len(shown) == 63
        for change in "SET application_name = 'other'", "SELECT set_config('application_name', 'other', false)", "BEGIN; SET application_name = 'other'; COMMIT":
            conn.execute(change)
            assert conn.execute("SHOW application_name").fetchone() == (f"other - {peer}",)
            assert conn.info.parameter_status("application_name") == f"other - {peer}"
            conn.execute("RESET application_name")
            assert conn.execute("SHOW application_name").fetchone() == (f"my app - {peer}",)
        conn.execute(f"SET application_name = '{'x' * 20}{'ü' * 40}'")
        assert conn.execute("SHOW application_name").fetchone()[0].endswith(f" - {peer}")
        conn.execute("RESET application_name")
        with conn.transaction():
            conn.execute("SET application_name = 'other'")
            assert conn.execute("SHOW application_name").fetchone() == (f"other - {peer}",)
            raise psycopg.Rollback
        assert conn.execute("SHOW application_name").fetchone() == (f"my app - {peer}",)


def test_the_unit_file_is_a_notifying_service():
    text = (pathlib.Path(__file__).resolve().parents[2] / "examples" / "nanu.service").read_text()
    assert re.search(r"^Type=notify$", text, re.M) and re.search(r"^NotifyAccess=all$", text, re.M)
    assert re.search(r"^ExecStart=/\S+/nanu serve --config /\S+$", text, re.M)
