"""nanu.pause, resume, drain, disable, enable, terminate_session, cancel_session: for administrators, and not felt by clients."""
import concurrent.futures
import contextlib

import psycopg
import pytest

from harness.cluster import DATABASE
from harness.wait import wait_until

from .load import load


def backends(cluster, shard=0):
    with cluster.servers[shard].connect() as conn:
        return conn.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [cluster.node_database]).fetchone()[0]


def sleepers(cluster):
    with cluster.servers[0].connect() as conn:
        return conn.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event = 'PgSleep'",
                            [cluster.node_database]).fetchone()[0]


def waiting(operator):
    return operator.execute("SELECT coalesce(sum(waiting), 0) FROM nanu.pools").fetchone()[0]


def test_a_pause_waits_for_transactions_and_holds_what_is_new(start_own):
    cluster = start_own(shards=1, workers=2, pool_wait_ms_max=400)
    with cluster.connect() as busy, cluster.connect() as other, cluster.connect() as operator, cluster.connect() as watcher, \
            concurrent.futures.ThreadPoolExecutor(2) as background:
        busy.execute("BEGIN")
        busy.execute("SELECT 1")
        pausing = background.submit(operator.execute, "SELECT nanu.pause(%s)", [DATABASE])
        wait_until(lambda: watcher.execute("SELECT paused FROM nanu.databases").fetchone()[0], "the pause begins")
        held = background.submit(lambda: other.execute("SELECT 2").fetchone())
        wait_until(lambda: waiting(watcher) == 1, "what is new waits")
        assert busy.execute("SELECT 3").fetchone() == (3,)
        assert not pausing.done()
        busy.execute("COMMIT")
        assert pausing.result(30).fetchone()[0].startswith("paused")
        assert backends(cluster) == 0
        with pytest.raises(concurrent.futures.TimeoutError):
            held.result(0.6)  # longer than pool_wait_ms_max, which does not count while it is paused
        with cluster.connect() as newcomer:  # logging in does not wait
            newcomer.execute("SELECT nanu.resume(%s)", [DATABASE])
            assert held.result(30) == (2,)
            assert newcomer.execute("SELECT 4").fetchone() == (4,)
        assert watcher.execute("SELECT paused FROM nanu.databases").fetchone() == (False,)


def test_a_pause_can_be_given_up(start_own):
    cluster = start_own(shards=1)
    with cluster.connect() as busy, cluster.connect() as operator, cluster.connect() as other, \
            concurrent.futures.ThreadPoolExecutor(1) as background:
        busy.execute("BEGIN")
        busy.execute("SELECT 1")
        pausing = background.submit(operator.execute, "SELECT nanu.pause(%s)", [DATABASE])
        wait_until(lambda: other.execute("SELECT paused FROM nanu.databases").fetchone()[0], "the pause begins")
        other.execute("SELECT nanu.resume(%s)", [DATABASE])
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="resumed"):
            pausing.result(30)


def test_a_transaction_on_several_shards_ends_before_the_pause(start_own):
    cluster = start_own(shards=2)
    with cluster.connect() as conn:
        conn.execute("CREATE TABLE t (k bigint PRIMARY KEY)")
        conn.execute("SELECT nanu.shard_table('t', key => 'k')")
        for key in range(10):
            conn.execute("INSERT INTO t VALUES (%s)", [key])
    with cluster.connect() as busy, cluster.connect() as operator, cluster.connect() as watcher, \
            concurrent.futures.ThreadPoolExecutor(1) as background:
        busy.execute("BEGIN")
        busy.execute("SELECT k FROM t WHERE k = 1")
        pausing = background.submit(operator.execute, "SELECT nanu.pause(%s)", [DATABASE])
        wait_until(lambda: watcher.execute("SELECT paused FROM nanu.databases").fetchone()[0], "the pause begins")
        assert busy.execute("SELECT count(*) FROM t").fetchone() == (10,)  # on a shard where it has no backend yet, too
        busy.execute("COMMIT")
        pausing.result(30)
        watcher.execute("SELECT nanu.resume(%s)", [DATABASE])


def test_who_is_in_a_transaction_cannot_pause(start_own):
    cluster = start_own(shards=1)
    with cluster.connect() as conn:
        conn.execute("BEGIN")
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            conn.execute("SELECT nanu.pause(%s)", [DATABASE])


def test_pause_and_resume_under_load_are_not_noticed(start_own, tmp_path):
    cluster = start_own(shards=1, workers=2, pool_size=10)
    with load(cluster, tmp_path) as running, load(cluster, tmp_path, connect_each=True, clients=4) as connecting, \
            cluster.connect() as operator:
        for _ in range(3):
            operator.execute("SELECT nanu.pause(%s)", [DATABASE])
            assert backends(cluster) == 0
            wait_until(lambda: waiting(operator) >= 64, "everybody waits")
            operator.execute("SELECT nanu.resume(%s)", [DATABASE])
            running.goes_on("the load goes on")
            connecting.goes_on("new connections go on")


def test_a_server_restarts_behind_a_drain_without_an_error(start_own, farm, tmp_path):
    cluster = start_own(shards=2)
    server = farm.extra_server("restarted")
    cluster.servers[1] = server
    cluster.create_database(server)
    cluster.router.settings["nodes"][1]["port"] = str(server.port)
    cluster.router.configure()
    cluster.execute("SELECT nanu.reload()")
    try:
        with cluster.connect() as conn, cluster.connect() as operator, concurrent.futures.ThreadPoolExecutor(1) as background:
            conn.execute("CREATE TABLE t (k bigint PRIMARY KEY)")
            conn.execute("SELECT nanu.shard_table('t', key => 'k')")
            for key in range(10):
                conn.execute("INSERT INTO t VALUES (%s)", [key])
            operator.execute("SELECT nanu.drain('n2')")
            assert operator.execute("SELECT name FROM nanu.nodes WHERE drained").fetchall() == [("n2",)]
            assert conn.execute("SELECT 1").fetchone() == (1,)  # the other node's
            counted = background.submit(lambda: conn.execute("SELECT count(*) FROM t").fetchone())
            server.stop()
            server.start()
            assert not counted.done()
            operator.execute("SELECT nanu.resume(node => 'n2')")
            assert counted.result(30) == (10,)
    finally:
        cluster.router.stop()
        cluster.servers.pop()
        server.stop()


def test_a_disabled_database_takes_no_new_connections(start_own):
    cluster = start_own(shards=1)
    with cluster.connect() as there:
        there.execute("SELECT nanu.disable(%s)", [DATABASE])
        assert there.execute("SELECT 1").fetchone() == (1,)
        assert there.execute("SELECT disabled FROM nanu.databases").fetchone() == (True,)
        with pytest.raises(psycopg.OperationalError, match="is disabled"):
            cluster.connect()
        there.execute("SELECT nanu.enable(%s)", [DATABASE])
        cluster.connect().close()


def test_a_session_is_terminated_by_its_pid(start_own):
    cluster = start_own(shards=1, workers=2)
    with contextlib.closing(cluster.connect()) as idle, contextlib.closing(cluster.connect()) as working, cluster.connect() as operator, \
            concurrent.futures.ThreadPoolExecutor(1) as background:
        running = background.submit(working.execute, "SELECT pg_sleep(60)")
        wait_until(lambda: operator.execute("SELECT pid FROM nanu.sessions WHERE legs = 1").fetchall() == [(working.info.backend_pid,)],
                   "it runs")
        assert operator.execute("SELECT nanu.terminate_session(%s)", [working.info.backend_pid]).fetchone() == (True,)
        assert "terminating connection due to administrator command" in str(running.exception(30))
        assert operator.execute("SELECT nanu.terminate_session(%s)", [idle.info.backend_pid]).fetchone() == (True,)
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")
        assert operator.execute("SELECT nanu.terminate_session(%s)", [idle.info.backend_pid]).fetchone() == (False,)


def test_a_statement_is_canceled_by_its_sessions_pid(start_own):
    cluster = start_own(shards=1, workers=2)
    with cluster.connect() as working, cluster.connect() as operator, concurrent.futures.ThreadPoolExecutor(1) as background:
        running = background.submit(working.execute, "SELECT pg_sleep(60)")
        wait_until(lambda: sleepers(cluster), "the server runs it: what comes before is forgotten there")
        assert operator.execute("SELECT nanu.cancel_session(%s)", [working.info.backend_pid]).fetchone() == (True,)
        assert isinstance(running.exception(30), psycopg.errors.QueryCanceled)
        assert working.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("call", ["pause('app')", "resume('app')", "drain('n1')", "disable('app')", "enable('app')", "terminate_session(1)",
                                  "cancel_session(1)"])
def test_only_administrators_steer(start_cluster, call):
    cluster = start_cluster(shards=1, admin_users="postgres")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="admin_users|permission denied"):
        cluster.execute(f"SELECT nanu.{call}")


@pytest.mark.parametrize("call, state", [
    ("pause('nowhere')", "3D000"), ("pause()", "22023"), ("drain('n9')", "42704"), ("resume(node => 'n9')", "42704"),
    ("terminate_session('x')", "22023"), ("pause('app', 'n1')", "42883"),
])
def test_what_is_not_there_is_named(start_cluster, call, state):
    cluster = start_cluster(shards=1)
    with pytest.raises(psycopg.Error) as error:
        cluster.execute(f"SELECT nanu.{call}")
    assert error.value.sqlstate == state


def test_sessions_show_which_server_process_serves_whom(start_own):
    cluster = start_own(shards=1)
    with cluster.connect() as conn, cluster.connect() as other:
        conn.execute("BEGIN")
        pid = conn.execute("SELECT pg_backend_pid()").fetchone()[0]
        assert other.execute("SELECT pid, server_pids FROM nanu.sessions WHERE legs = 1").fetchall() == [
            (conn.info.backend_pid, str(pid))]
