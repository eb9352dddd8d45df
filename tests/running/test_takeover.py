"""A new process takes over from the running one: nothing is refused, nothing fails, and both serve until the old one's sessions have left."""
import json
import signal
import subprocess

import psycopg
import pytest

from harness.background import cancelled
from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.program import Program, free_port, port_is_free
from harness.router import ALARMS, NANU
from harness.wait import wait_until
from harness.wire import Wire

from .load import load


def ended_well(program):
    wait_until(program.ended, "the old process ends")
    assert program.popen.returncode == 0, program.log_text()
    assert not ALARMS.search(program.log_text()), program.log_text()


def backends(cluster):
    with cluster.servers[0].connect() as conn:
        return conn.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [cluster.node_database]).fetchone()[0]


def serves(program, conn):
    """Whether this session is one of that process: by the pid that the router gives for itself."""
    return conn.execute("SELECT pid FROM nanu.router").fetchone()[0] == program.pid


def test_sessions_stay_with_the_old_process_and_new_ones_come_to_the_new(start_own):
    cluster = start_own(shards=1, workers=2)
    with cluster.connect() as before:
        before.execute("CREATE TEMPORARY TABLE mine (id int)")
        before.execute("BEGIN")
        before.execute("INSERT INTO mine VALUES (1)")
        old = cluster.router.take_over()
        before.execute("COMMIT")
        assert before.execute("SELECT * FROM mine").fetchall() == [(1,)]
        assert serves(old, before)
        for _ in range(10):
            with cluster.connect() as after:
                assert serves(cluster.router.program, after)
        assert not old.ended()
    ended_well(old)
    assert cluster.execute("SELECT 1") == [(1,)]


def test_a_process_without_sessions_ends_at_once(start_own):
    cluster = start_own(shards=1)
    for _ in range(3):
        ended_well(cluster.router.take_over())
        assert cluster.execute("SELECT 1") == [(1,)]


def test_take_overs_under_load_are_not_noticed(start_own, tmp_path):
    cluster = start_own(shards=1, workers=2, pool_size=10)
    old = []
    with load(cluster, tmp_path) as running:
        with load(cluster, tmp_path, connect_each=True, clients=4) as connecting:
            for _ in range(3):
                old.append(cluster.router.take_over())
                running.goes_on("sessions go on")
                connecting.goes_on("new connections are taken")
            assert not any(program.ended() for program in old)      # the first has sessions, and is known to the last through those between
    for program in old:
        ended_well(program)


def frozen_before_it_left(cluster):
    """The old process, when both wait for clients."""
    while True:
        old = cluster.router.take_over(freeze=True)
        if "taken over" not in old.log_text():
            return old
        old.popen.send_signal(signal.SIGCONT)
        ended_well(old)


@pytest.mark.parametrize("dies", [False, True])
def test_a_client_for_whom_the_old_process_was_woken_is_heard(start_own, dies):
    """It has stopped, or is dying: it does not accept him, and nobody else is woken."""
    cluster = start_own(shards=1, workers=1)
    old = frozen_before_it_left(cluster)
    try:
        if dies:
            old.popen.kill()
        with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE, timeout_s=10) as wire:
            assert wire.one("SELECT 1") == "1"
    finally:
        if not dies:
            old.popen.send_signal(signal.SIGCONT)
    wait_until(old.ended, "the old process ends")


@pytest.mark.parametrize("workers", [1, 4])
def test_the_number_of_workers_may_change(start_own, tmp_path, workers):
    cluster = start_own(shards=1, workers=2)
    with load(cluster, tmp_path, connect_each=True, clients=4) as connecting:
        cluster.router.settings["workers"] = workers
        cluster.router.configure()
        old = cluster.router.take_over()
        connecting.goes_on("new connections are taken")
        ended_well(old)
    assert cluster.execute("SELECT workers FROM nanu.router") == [(workers,)]


def test_cancel_requests_find_the_process_of_the_session(start_own):
    cluster = start_own(shards=1, workers=3)
    with cluster.connect() as first:
        one = cluster.router.take_over()
        with cluster.connect() as second:
            two = cluster.router.take_over()
            with cluster.connect() as third:
                for conn in (first, second, third):
                    assert isinstance(cancelled(conn), psycopg.errors.QueryCanceled)
                    assert conn.execute("SELECT 1").fetchone() == (1,)
    ended_well(one)
    ended_well(two)


def test_idle_backends_are_given_back(start_own):
    cluster = start_own(shards=1, workers=2, pool_size=10)
    conns = [cluster.connect() for _ in range(10)]
    for conn in conns:
        conn.execute("BEGIN")
        conn.execute("SELECT 1")
    for conn in conns:
        conn.execute("COMMIT")
    assert backends(cluster) >= 10
    old = cluster.router.take_over()
    wait_until(lambda: backends(cluster) == 0, "the old process gives them back")
    assert all(conn.execute("SELECT 2").fetchone() == (2,) for conn in conns)
    for conn in conns:
        conn.close()
    ended_well(old)


def test_drain_timeout_ends_those_who_stay(start_own):
    cluster = start_own(shards=1, drain_timeout=700)
    with cluster.connect() as conn:
        old = cluster.router.take_over()
        assert conn.execute("SELECT 1").fetchone() == (1,)
        ended_well(old)
        with pytest.raises(psycopg.OperationalError, match="shutting down"):
            conn.execute("SELECT 1")


def test_tables_are_sharded_when_one_process_is_left(start_own):
    cluster = start_own(shards=2)
    with cluster.connect() as before:
        before.execute("CREATE TABLE t (k bigint PRIMARY KEY)")
        old = cluster.router.take_over()
        with cluster.connect() as after:
            for conn in (before, after):
                with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="another process"):
                    conn.execute("SELECT nanu.shard_table('t', key => 'k')")
    ended_well(old)
    wait_until(lambda: shard(cluster), "there is one process again")
    old = cluster.router.take_over()
    ended_well(old)
    assert cluster.execute("SELECT name FROM nanu.tables") == [("t",)]


def shard(cluster, table="t"):
    try:
        return cluster.execute(f"SELECT nanu.shard_table('{table}', key => 'k')")
    except psycopg.errors.ObjectNotInPrerequisiteState:
        return None


def test_three_processes_know_of_each_other(start_own):
    cluster = start_own(shards=2)
    with cluster.connect() as first:
        for table in ("t", "u", "v"):
            first.execute(f"CREATE TABLE {table} (k bigint PRIMARY KEY)")
        for table in ("t", "u"):
            first.execute(f"SELECT nanu.shard_table('{table}', key => 'k')")
        old = [cluster.router.take_over(), cluster.router.take_over()]
        with cluster.connect() as third:
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="another process"):
                third.execute("SELECT nanu.shard_table('v', key => 'k')")
            assert isinstance(cancelled(first), psycopg.errors.QueryCanceled)   # the request comes to the third
            first.execute("DROP TABLE t")
            wait_until(lambda: tables(third) == [("u",)], "what the first drops the third forgets")
            third.execute("DROP TABLE u")
            wait_until(lambda: tables(first) == [], "what the third drops the first forgets")
        assert not old[1].ended()
    for program in old:
        ended_well(program)
    wait_until(lambda: shard(cluster, "v"), "there is one process again")


def tables(conn):
    return conn.execute("SELECT name FROM nanu.tables").fetchall()


@pytest.mark.parametrize("dies", ["the one in between", "the newest"])
def test_a_process_that_nobody_knows_of_any_more_keeps_tables_from_being_sharded(start_own, dies):
    cluster = start_own(shards=2)
    with cluster.connect() as first:
        first.execute("CREATE TABLE t (k bigint PRIMARY KEY)")
        oldest = cluster.router.take_over()
        if dies == "the newest":
            cluster.router.kill()
            wait_until(lambda: port_is_free(cluster.router.port), "nobody listens any more")
            cluster.router.start()
        else:
            between = cluster.router.take_over()
            between.stop(signal.SIGKILL)
        first.execute("SELECT 1")
        with cluster.connect() as newest, pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="another process"):
            newest.execute("SELECT nanu.shard_table('t', key => 'k')")
    ended_well(oldest)
    wait_until(lambda: shard(cluster), "there is one process again")


def test_what_the_old_process_drops_the_new_one_forgets(start_own):
    cluster = start_own(shards=2)
    with cluster.connect() as before:
        before.execute("CREATE TABLE t (k bigint PRIMARY KEY)")
        before.execute("SELECT nanu.shard_table('t', key => 'k')")
        old = cluster.router.take_over()
        before.execute("DROP TABLE t")
        wait_until(lambda: cluster.execute("SELECT count(*) FROM nanu.tables") == [(0,)], "the new process knows")
    ended_well(old)


def test_a_new_process_that_fails_changes_nothing(start_own):
    cluster = start_own(shards=1, listen_host="127.0.0.1")
    with cluster.connect() as conn:
        good = dict(cluster.router.settings)
        for wrong, words in (({"workers": "many"}, "workers"), ({"listen_port": 1}, "listen_port"), ({"listen_host": "*"}, "listen_host")):
            cluster.router.settings.update(good)
            cluster.router.settings.update(wrong)
            cluster.router.configure()
            done = subprocess.run([NANU, "serve", "--config", cluster.router.config, "--takeover"], capture_output=True, text=True, timeout=60)
            assert done.returncode == 1 and words in done.stderr
            assert conn.execute("SELECT 1").fetchone() == (1,)
            assert cluster.execute("SELECT 1") == [(1,)]
        cluster.router.settings.update(good)
        cluster.router.configure()
        old = cluster.router.take_over()
    ended_well(old)


@pytest.mark.parametrize("more", [[], ["--takeover"]])
def test_a_start_that_fails_leaves_the_store_alone(start_own, more):
    cluster = start_own(shards=2)
    with cluster.connect() as conn:
        conn.execute("CREATE TABLE t (k bigint PRIMARY KEY)")
        good = dict(cluster.router.settings)
        nodes = [dict(node, zone="elsewhere") for node in good["nodes"]]
        # The port is another one, too, when it would take over, so that both fail as late as they can.
        cluster.router.settings.update(nodes=nodes, **({"listen_port": 1} if more else {}))
        cluster.router.configure()
        assert subprocess.run([NANU, "serve", "--config", cluster.router.config, *more], capture_output=True, timeout=60).returncode == 1
        cluster.router.settings.update(good)
        cluster.router.configure()
        assert shard(cluster)
        assert conn.execute("SELECT zone FROM nanu.nodes").fetchall() == [("",), ("",)]
    ended_well(cluster.router.take_over())
    with cluster.connect() as conn:
        assert tables(conn) == [("t",)]


def test_a_new_process_that_is_killed_leaves_the_port_to_the_next(start_own):
    cluster = start_own(shards=1, workers=2)
    with cluster.connect() as conn:
        old = cluster.router.take_over()
        cluster.router.kill()
        wait_until(lambda: port_is_free(cluster.router.port), "nobody listens any more")
        cluster.router.start()
        for _ in range(10):
            assert cluster.execute("SELECT 1") == [(1,)]
        assert conn.execute("SELECT 2").fetchone() == (2,)
    ended_well(old)


def test_without_a_running_router_it_says_so(start_own):
    cluster = start_own(shards=1)
    cluster.router.stop()
    done = subprocess.run([NANU, "serve", "--config", cluster.router.config, "--takeover"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "no running router to take over from" in done.stderr and "without --takeover" in done.stderr
    cluster.start()


def test_a_second_router_on_another_port_is_refused(start_own):
    cluster = start_own(shards=1)
    port = cluster.router.settings["listen_port"]
    cluster.router.settings["listen_port"] = free_port()
    cluster.router.configure()
    done = subprocess.run([NANU, "serve", "--config", cluster.router.config], capture_output=True, text=True, timeout=60)
    cluster.router.settings["listen_port"] = port
    cluster.router.configure()
    assert done.returncode == 1 and "another router of this configuration is running" in done.stderr, done.stderr
    assert cluster.execute("SELECT 1") == [(1,)]
    ended_well(cluster.router.take_over())


def test_a_second_router_on_the_same_store_is_refused(start_own):
    """With a socket of its own, so that neither could take over from the other."""
    cluster = start_own(shards=1)
    router = cluster.router
    other = router.folder / "other.yaml"
    other.write_text(json.dumps(dict(router.settings, listen_port=free_port(), takeover_socket="other.sock")))
    done = subprocess.run([NANU, "serve", "--config", other], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "another router is running on the store" in done.stderr and "etcd_hosts" in done.stderr, done.stderr
    old = router.take_over()
    ended_well(old)
    done = subprocess.run([NANU, "serve", "--config", other], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "another router is running on the store" in done.stderr, done.stderr
    router.kill()
    program = Program([NANU, "serve", "--config", other], router.folder / "other.log")
    wait_until(lambda: "ready" in program.log_text(), "it starts when the first is gone")
    program.stop(signal.SIGINT)
    router.start()


def test_an_old_process_can_be_ended_by_hand(start_own):
    cluster = start_own(shards=1)
    with cluster.connect():
        old = cluster.router.take_over()
        old.popen.send_signal(signal.SIGTERM)
        ended_well(old)
    assert cluster.execute(f"SELECT '{DATABASE}'") == [(DATABASE,)]
