"""nanu.set_replication(): whom a primary waits for, and what happens when replicas are missing."""
import os
import signal
import threading
import time

import psycopg
import pytest

from harness.postgres import PASSWORD, SUPERUSER
from harness.wait import PATIENCE, wait_until

from .replica import Replica
from .writers import CLIENTS, writing


@pytest.fixture(scope="module")
def server(farm):
    """A primary of its own: others must not wait for these replicas."""
    made = farm.extra_server("modes")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def cluster(server, start_cluster):
    made = start_cluster(servers=[server])
    made.execute("CREATE TABLE written (id bigserial, filler text)")
    return made


@pytest.fixture(scope="module")
def replicas(cluster, above):
    made = [Replica(cluster, above / name) for name in ("n1a", "n1b")]
    for replica in made:
        done = replica.add()
        assert done.returncode == 0, done.stderr
    yield made
    cluster.execute("SELECT nanu.set_replication('s1', 'async')")
    for replica in made:
        replica.clear()


@pytest.fixture(autouse=True)
def whole(cluster, replicas):
    """Each test begins and ends with two replicas that stream, and async."""
    yield
    for replica in replicas:
        if not replica.runs():
            replica.start()
    wait_until(lambda: streaming(cluster) == ["n1a", "n1b"], "both stream again")
    cluster.execute("SELECT nanu.set_replication('s1', 'async')")


def streaming(cluster):
    with cluster.servers[0].connect() as conn:
        return [row[0] for row in conn.execute("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming' ORDER BY 1")]


def choose(cluster, mode, **more):
    arguments = "".join(f", {name} => '{value}'" for name, value in more.items())
    return cluster.execute(f"SELECT nanu.set_replication('s1', '{mode}'{arguments})")


def names(cluster):
    with cluster.servers[0].connect() as conn:
        return conn.execute("SHOW synchronous_standby_names").fetchone()[0]


def shown(cluster):
    return cluster.execute("SELECT replication, sync_count, when_missing, replication_state FROM nanu.shards WHERE name = 's1'")[0]


def state(cluster):
    return shown(cluster)[3]


def insert(cluster):
    cluster.execute("INSERT INTO written (filler) VALUES ('x')")


def test_each_mode_reaches_the_primary_and_is_shown(cluster):
    assert shown(cluster) == ("async", None, None, None) and names(cluster) == ""
    assert choose(cluster, "semi-sync") == [("s1 is semi-sync",)]
    assert names(cluster) == 'ANY 1 ("n1a", "n1b")' and shown(cluster) == ("semi-sync", 1, "block", "ok")
    choose(cluster, "semi-sync", k=2, when_missing="degrade")
    assert names(cluster) == 'ANY 2 ("n1a", "n1b")' and shown(cluster) == ("semi-sync", 2, "degrade", "ok")
    choose(cluster, "sync")
    assert names(cluster) == 'FIRST 2 ("n1a", "n1b")' and shown(cluster) == ("sync", None, "block", "ok")
    with cluster.servers[0].connect() as conn:
        assert conn.execute("SELECT bool_and(sync_state = 'sync') FROM pg_stat_replication").fetchone() == (True,)
    choose(cluster, "async")
    assert names(cluster) == "" and shown(cluster) == ("async", None, None, None)


def sync_states(cluster):
    with cluster.servers[0].connect() as conn:
        return [row[0] for row in conn.execute("SELECT sync_state FROM pg_stat_replication ORDER BY application_name")]


def waiting_commits(cluster):
    with cluster.servers[0].connect() as conn:
        return conn.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = %s", [cluster.node_database]).fetchone()[0]


def test_modes_change_under_writing_without_an_error(cluster, replicas):
    in_force = {"async": ["async"] * 2, "semi-sync": ["quorum"] * 2, "sync": ["sync"] * 2}
    with writing(cluster) as writers:
        for mode in "semi-sync", "sync", "async", "sync", "semi-sync", "async":
            choose(cluster, mode)
            wait_until(lambda: sync_states(cluster) == in_force[mode], f"{mode} is in force")
            writers.go_on(f"in mode {mode}")
    writers.check(replicas)


def test_with_block_all_clients_wait_and_go_on_when_the_replica_is_back(cluster, replicas):
    choose(cluster, "sync", when_missing="block")
    with writing(cluster) as writers:
        try:
            replicas[1].kill()
            wait_until(lambda: waiting_commits(cluster) == CLIENTS, "every commit waits")
            acknowledged = writers.count()
            wait_until(lambda: state(cluster) == "blocked", "it is shown")
            assert waiting_commits(cluster) == CLIENTS and writers.count() == acknowledged
        finally:
            replicas[1].start()
        writers.go_on("when it is back")
        wait_until(lambda: state(cluster) == "ok" and sync_states(cluster) == ["sync"] * 2, "it is shown")
    writers.check(replicas)


def test_commits_that_wait_already_are_let_go_when_it_degrades(cluster, replicas):
    """All of them wait, so nothing is written that the other replica could confirm."""
    choose(cluster, "semi-sync", k=2)
    with writing(cluster) as writers:
        choose(cluster, "sync", when_missing="degrade")
        replicas[1].kill()
        wait_until(lambda: state(cluster) == "degraded", "it is found")
        began = time.monotonic()
        writers.go_on("without it")
        assert time.monotonic() - began < 5  # wal_receiver_status_interval is 10 s
        replicas[1].start()
    writers.check(replicas)


def test_with_degrade_clients_go_on_without_the_replica_and_it_is_shown(cluster, replicas):
    choose(cluster, "sync", when_missing="degrade")
    with writing(cluster) as writers:
        replicas[1].kill()
        wait_until(lambda: state(cluster) == "degraded" and sync_states(cluster) == ["sync"], "the other is waited for")
        writers.go_on("without it")
        replicas[1].start()
        wait_until(lambda: state(cluster) == "ok" and sync_states(cluster) == ["sync"] * 2, "both are waited for again")
        writers.go_on("when it is back")
    writers.check(replicas)


def test_a_mode_outlives_restart_and_reload(cluster):
    choose(cluster, "semi-sync", k=2, when_missing="degrade")
    cluster.router.stop()
    cluster.router.start()
    wait_until(lambda: shown(cluster) == ("semi-sync", 2, "degrade", "ok"), "it is as it was")
    cluster.execute("SELECT nanu.reload()")
    assert shown(cluster) == ("semi-sync", 2, "degrade", "ok") and names(cluster) == 'ANY 2 ("n1a", "n1b")'


def test_what_others_change_on_the_primary_is_put_right(cluster, server):
    choose(cluster, "sync")
    with server.connect() as conn:
        conn.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
        conn.execute("SELECT pg_reload_conf()")
    wait_until(lambda: names(cluster) == "", "it was changed")
    wait_until(lambda: names(cluster) == 'FIRST 2 ("n1a", "n1b")', "it is put right")


def test_with_block_commits_wait_until_the_replica_is_back(cluster, replicas):
    choose(cluster, "sync", when_missing="block")
    replicas[1].kill()
    wait_until(lambda: state(cluster) == "blocked", "it is shown")
    thread = threading.Thread(target=insert, args=[cluster])
    thread.start()
    with cluster.servers[0].connect() as conn:
        wait_until(lambda: conn.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'").fetchone(), "the commit waits")
        replicas[1].start()
        thread.join(60 * PATIENCE)
        assert not thread.is_alive()
    wait_until(lambda: state(cluster) == "ok", "it is shown")


def test_with_block_semi_sync_goes_on_with_the_other(cluster, replicas):
    choose(cluster, "semi-sync")
    replicas[1].kill()
    wait_until(lambda: streaming(cluster) == ["n1a"], "it is gone")
    insert(cluster)
    assert state(cluster) == "ok" and names(cluster) == 'ANY 1 ("n1a", "n1b")'


@pytest.mark.parametrize("mode, more, with_one, with_none", [
    ("sync", {}, 'FIRST 1 ("n1a")', ""), ("semi-sync", {"k": 2}, 'ANY 1 ("n1a", "n1b")', ""),
])
def test_with_degrade_commits_go_on_and_it_is_shown_until_replicas_are_back(cluster, replicas, mode, more, with_one, with_none):
    choose(cluster, mode, when_missing="degrade", **more)
    whole_names = names(cluster)
    replicas[1].kill()
    insert(cluster)  # waits until the primary waits for fewer
    wait_until(lambda: state(cluster) == "degraded" and names(cluster) == with_one, "one is missing")
    replicas[0].kill()
    insert(cluster)
    wait_until(lambda: names(cluster) == with_none, "both are missing")
    assert "state=degraded" in cluster.router.program.log_text()
    for replica in replicas:
        replica.start()
    wait_until(lambda: state(cluster) == "ok" and names(cluster) == whole_names, "both are back")


def test_a_replica_that_is_added_or_removed_counts_at_once(cluster, replicas, above):
    choose(cluster, "sync")
    third = Replica(cluster, above / "n1c")
    try:
        done = third.add()
        assert done.returncode == 0, done.stderr
        wait_until(lambda: names(cluster) == 'FIRST 3 ("n1a", "n1b", "n1c")', "it is waited for")
        assert third.remove("n1c", "--stop").returncode == 0
        assert names(cluster) == 'FIRST 2 ("n1a", "n1b")'
        insert(cluster)
    finally:
        third.clear()


def test_a_replica_that_would_stop_all_commits_is_not_added(cluster, replicas, above):
    """It streams, but not under its node's name."""
    third = Replica(cluster, above / "n1c")
    try:
        assert third.add().returncode == 0
        cluster.execute("SELECT nanu.remove_node('n1c')")
        with third.connect("postgres") as conn:
            conn.execute("ALTER SYSTEM SET primary_slot_name = ''")
            conn.execute("SELECT pg_reload_conf()")
        choose(cluster, "sync")
        add = f"SELECT nanu.add_node(name => 'other', shard => 's1', host => '127.0.0.1', port => {third.port})"
        with pytest.raises(psycopg.Error, match="would wait from now on") as error:
            cluster.execute(add)
        assert error.value.sqlstate == "55000" and "application_name" in error.value.diag.message_hint
        assert state(cluster) == "ok"
        insert(cluster)
        choose(cluster, "sync", when_missing="degrade")
        assert cluster.execute(add) == [("other is a replica of s1",)]
        wait_until(lambda: state(cluster) == "degraded", "it is shown")
        insert(cluster)
        cluster.execute("SELECT nanu.remove_node('other')")
    finally:
        third.clear()


def test_a_replica_that_commits_need_is_not_removed(cluster, replicas, above):
    third = Replica(cluster, above / "n1c")
    try:
        assert third.add().returncode == 0
        wait_until(lambda: streaming(cluster) == ["n1a", "n1b", "n1c"], "all stream")
        choose(cluster, "semi-sync", k=2)
        replicas[1].kill()
        wait_until(lambda: streaming(cluster) == ["n1a", "n1c"], "it is gone")
        insert(cluster)
        with pytest.raises(psycopg.Error, match="would wait from now on"):
            cluster.execute("SELECT nanu.remove_node('n1c')")
        insert(cluster)
    finally:
        replicas[1].start()     # its slot would be taken for one that is left over
        wait_until(lambda: "n1b" in streaming(cluster), "it streams again")
        choose(cluster, "async")
        third.clear()


@pytest.mark.parametrize("arguments, sqlstate, match", [
    ("'s9', 'sync'", "42704", 'shard "s9" does not exist'),
    ("'s1', 'often'", "22023", "async, semi-sync or sync"),
    ("'s1'", "22023", "async, semi-sync or sync"),
    ("'s1', 'semi-sync', k => 0", "22023", "k must be a whole number"),
    ("'s1', 'semi-sync', k => 'x'", "22023", "k must be a whole number"),
    ("'s1', 'semi-sync', k => 3", "55000", "waits for 3 replicas, and has 2"),
    ("'s1', 'sync', k => 1", "22023", "k is of mode semi-sync only"),
    ("'s1', 'sync', when_missing => 'panic'", "22023", "when_missing is 'block' or 'degrade'"),
])
def test_a_wrong_call_is_refused(cluster, arguments, sqlstate, match):
    with pytest.raises(psycopg.Error, match=match) as error:
        cluster.execute(f"SELECT nanu.set_replication({arguments})")
    assert error.value.sqlstate == sqlstate
    assert names(cluster) == "" and shown(cluster)[0] == "async"


def test_blocking_from_the_beginning_is_refused(cluster, replicas):
    replicas[1].kill()
    wait_until(lambda: streaming(cluster) == ["n1a"], "it is gone")
    with pytest.raises(psycopg.Error, match="too few replicas of shard") as error:
        choose(cluster, "sync")
    assert error.value.sqlstate == "55000" and "application_name" in error.value.diag.message_hint
    assert names(cluster) == "" and shown(cluster)[0] == "async"
    choose(cluster, "sync", when_missing="degrade")
    assert names(cluster) == 'FIRST 1 ("n1a")' and state(cluster) == "degraded"


def test_a_replica_that_is_needed_is_not_removed(cluster, replicas):
    choose(cluster, "semi-sync", k=2)
    done = replicas[0].remove("n1a")
    assert done.returncode == 1 and "waits for 2 replicas, and has 1" in done.stderr
    assert streaming(cluster) == ["n1a", "n1b"]


def test_only_administrators_and_outside_transactions(cluster, start_own):
    with cluster.connect(user=SUPERUSER, password=PASSWORD) as conn, conn.transaction():
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            conn.execute("SELECT nanu.set_replication('s1', 'sync')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        start_own(shards=1, admin_users="postgres").execute("SELECT nanu.set_replication('s1', 'async')")


def test_commits_wait_when_that_is_said(cluster):
    """Backends go by what the checkpointer has read, and it reads nothing while it hurries: here it stands still."""
    with cluster.servers[0].connect() as conn:
        checkpointer, = conn.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'").fetchone()
    os.kill(checkpointer, signal.SIGSTOP)
    try:
        said = []
        chooser = threading.Thread(target=lambda: said.append(choose(cluster, "semi-sync")))
        chooser.start()
        wait_until(lambda: names(cluster) != "", "the primary is told")
        time.sleep(1.5)                 # the router's own looks, too
        assert not said and state(cluster) is None
    finally:
        os.kill(checkpointer, signal.SIGCONT)
    chooser.join()
    assert said and state(cluster) == "ok"


def test_a_checkpointer_that_hears_nothing_is_told_of(cluster):
    with cluster.servers[0].connect() as conn:
        checkpointer, = conn.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'").fetchone()
    os.kill(checkpointer, signal.SIGSTOP)
    try:
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="to be semi-sync from now on") as raised:
            choose(cluster, "semi-sync")
        assert "its commits are not seen to wait yet" in raised.value.diag.message_detail
    finally:
        os.kill(checkpointer, signal.SIGCONT)
    wait_until(lambda: state(cluster) == "ok", "it does so later")
