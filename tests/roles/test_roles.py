"""The topology follows roles that others change: promotions by hand, switch-overs of managed services; and what clients hear of it."""
import os
import shutil
import signal

import psycopg
import pytest

from harness.background import cancelled
from harness.postgres import make_template
from harness.wait import wait_until
from monitoring.asking import metrics, wait_for_status


def insert(group, value):
    return group.execute("INSERT INTO t (value) VALUES (%s) RETURNING id", [value])[0][0]


def has(server, group, value):
    with server.connect(group.cluster.node_database) as conn:
        return conn.execute("SELECT count(*) FROM t WHERE value = %s", [value]).fetchone()[0]


def metric(group, name, **labels):
    return metrics(group.cluster).one(name, **labels)


def log_of(group):
    return group.cluster.router.program.log_text()


def test_a_replica_promoted_after_the_primary_stopped_is_the_primary(group):
    old, new, third = group.primary(), *group.others()
    epoch = group.epoch()
    insert(group, "before")
    group.current.stop()
    group.nodes[new].promote()
    group.follows(new)
    insert(group, "after")
    assert has(group.nodes[new], group, "before") == has(group.nodes[new], group, "after") == 1
    assert group.epoch() > epoch
    assert group.shown(new)[:2] == ("primary", "primary")
    assert "was promoted: it is to be the primary" in log_of(group)
    # The third still waits for the old primary: it shows nothing of what is written now, and serves nothing until it follows.
    assert group.shown(third)[:3] == ("replica", "replica", False) and "timeline" in group.shown(third)[3]
    group.nodes[third].follow(group.nodes[new])
    group.serving(third)
    assert group.shown(third)[3] is None


def test_a_primary_that_stays_alive_is_left_and_never_read_or_written(group):
    old, new, third = group.primary(), *group.others()
    with group.cluster.connect() as eventual:
        eventual.execute("SET nanu.consistency = 'eventual'")
        group.nodes[new].promote()
        group.follows(new)
        wait_until(lambda: group.shown(old)[1] == "primary", "the old primary says that it is one")
        for number in range(50):
            insert(group, f"new {number}")
            eventual.execute("SELECT count(*) FROM t").fetchone()
        with group.nodes[old].connect(group.cluster.node_database) as conn:
            assert conn.execute("SELECT count(*) FROM t WHERE value LIKE 'new %'").fetchone() == (0,)
            assert conn.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'").fetchone() == (0,)
        assert group.shown(old)[:3] == ("replica", "primary", False)
        assert "a primary of its own" in group.shown(old)[3]
        assert metric(group, "nanu_node_stray", node=old, shard="s1") == 1 and metric(group, "nanu_node_stray", node=new, shard="s1") == 0
        wait_for_status(group.cluster, "/primary", 200)
        assert group.shown(third)[2] is False  # it follows the old one


def test_sessions_under_way_hear_that_they_should_try_again(group):
    old, new, _ = group.primary(), *group.others()
    with group.cluster.connect() as idle, group.cluster.connect(autocommit=False) as within, group.cluster.connect() as begun:
        idle.execute("SELECT 1")
        within.execute("INSERT INTO t (value) VALUES ('within')")
        begun.execute("BEGIN")
        group.nodes[new].promote()
        group.follows(new)
        idle.execute("INSERT INTO t (value) VALUES ('idle')")
        with pytest.raises(psycopg.errors.SerializationFailure, match="the primary of shard"):
            within.execute("INSERT INTO t (value) VALUES ('within too')")
        within.rollback()
        within.execute("INSERT INTO t (value) VALUES ('within again')")
        within.commit()
        with pytest.raises(psycopg.errors.SerializationFailure, match="the primary of shard"):
            begun.execute("INSERT INTO t (value) VALUES ('begun')")
        begun.execute("ROLLBACK")
    server = group.nodes[new]
    assert [has(server, group, value) for value in ("idle", "within", "within too", "within again", "begun")] == [1, 0, 0, 1, 0]
    assert has(group.nodes[old], group, "idle") == 0


def test_a_switch_over_as_managed_services_do_it(group):
    """The old primary stops in order, a replica is promoted, the old one comes back as its replica: nothing that was acknowledged is lost."""
    old, new, third = group.primary(), *group.others()
    insert(group, "switched")
    server = group.current
    server.stop()
    group.nodes[new].promote()
    for other in old, third:
        group.nodes[other].follow(group.nodes[new])
    server.start()
    group.follows(new)
    group.serving(old, third)
    assert has(group.nodes[new], group, "switched") == 1
    with group.cluster.connect() as conn:
        conn.execute("SET nanu.consistency = 'read_your_writes'")
        for number in range(30):
            conn.execute("INSERT INTO t (value) VALUES (%s)", [f"own {number}"])
            assert conn.execute("SELECT count(*) FROM t WHERE value = %s", [f"own {number}"]).fetchone() == (1,)


def test_a_primary_that_was_demoted_is_not_taken_for_one(group):
    """It comes back in recovery before anybody was promoted: what it shows may be out of date, and it takes no writes."""
    server, other = group.current, group.nodes[next(iter(group.others()))]
    server.stop()
    server.follow(other)
    server.start()
    for statement in "INSERT INTO t (value) VALUES ('demoted')", "SELECT count(*) FROM t":
        with pytest.raises(psycopg.OperationalError, match="is in recovery") as error:
            group.execute(statement)
        assert error.value.sqlstate in ("57P03", None)
    other.promote()
    wait_until(lambda: group.nodes[group.primary()] is other, "the other one is the primary")
    insert(group, "promoted")
    assert has(other, group, "promoted") == 1


def test_it_outlives_restart_and_reload_of_the_router(group):
    new = next(iter(group.others()))
    group.current.stop()
    group.nodes[new].promote()
    group.follows(new)
    group.cluster.router.stop()
    group.cluster.router.start()
    assert group.primary() == new
    group.execute("SELECT nanu.reload()")
    assert group.primary() == new
    insert(group, "restarted")
    assert has(group.nodes[new], group, "restarted") == 1


def test_a_promotion_while_the_router_was_down_is_found_when_it_starts(group):
    server, new = group.current, next(iter(group.others()))
    group.cluster.router.stop()
    server.stop()
    group.nodes[new].promote()
    group.cluster.router.start()
    group.follows(new)
    insert(group, "found")
    assert has(group.nodes[new], group, "found") == 1


def test_two_promotions_to_the_same_timeline_are_disputed_and_change_nothing(group):
    old, new, other = group.primary(), *group.others()
    server = group.current
    group.cluster.router.stop()  # as if both came between two polls
    server.stop()
    group.nodes[new].promote()
    group.nodes[other].promote()
    group.cluster.router.start()
    wait_until(lambda: "both say that they are the primary" in (group.shown(old)[3] or ""), "it is shown")
    assert group.primary() == old and "the primary is disputed" in log_of(group)
    assert "the primary is disputed" in wait_for_status(group.cluster, "/primary", 503).text
    assert metric(group, "nanu_shard_primary_disputed", shard="s1") == 1
    with pytest.raises(psycopg.Error):
        insert(group, "disputed")
    group.nodes[other].stop()  # one of them goes: the other is it
    group.follows(new)
    insert(group, "settled")
    wait_for_status(group.cluster, "/primary", 200)
    assert has(group.nodes[new], group, "settled") == 1


def test_a_node_of_another_system_is_never_taken_for_the_primary(group, farm):
    old, new, _ = group.primary(), *group.others()
    server, stranger = group.current, group.nodes[new]
    stranger.stop()
    shutil.rmtree(stranger.data)
    folder = farm.folder / "strange"
    folder.mkdir(exist_ok=True)
    shutil.chown(folder, *["postgres"] * 2) if os.geteuid() == 0 else None
    make_template(folder).rename(stranger.data)
    stranger.start()
    server.stop()
    wait_until(lambda: group.shown(new)[1] == "primary", "the stranger is seen")
    with pytest.raises(psycopg.Error):
        insert(group, "strange")
    assert group.primary() == old and "belongs to another system" in group.shown(new)[3]
    server.start()
    insert(group, "back")


def test_switched_off_nothing_is_followed(group):
    old, new, _ = group.primary(), *group.others()
    server, router = group.current, group.cluster.router
    server.stop()
    group.configure(follow_roles="off")
    group.nodes[new].promote()
    wait_until(lambda: group.shown(new)[1] == "primary", "the promotion is seen")
    assert group.primary() == old
    group.configure(follow_roles="on")
    group.follows(new)
    insert(group, "followed")


# ---- whom a promoted primary waits for ----

def by_name(group, primary):
    """The others stream from it under their nodes' names."""
    for name, server in group.nodes.items():
        if server is primary or server.program.ended():
            continue
        with server.connect() as conn:
            conn.execute(f"ALTER SYSTEM SET primary_conninfo = '{primary.conninfo()} application_name={name}'")
            conn.execute("SELECT pg_reload_conf()")


def waits_for(server):
    with server.connect() as conn:
        return conn.execute("SHOW synchronous_standby_names").fetchone()[0]


def state(group):
    return group.execute("SELECT replication_state FROM nanu.shards WHERE name = 's1'")[0][0]


def test_under_sync_a_promoted_primary_waits_from_its_first_commit_on(group):
    old, new, third = group.primary(), *group.others()
    by_name(group, group.current)
    with group.current.connect() as conn:
        wait_until(lambda: conn.execute("SELECT count(*) FROM pg_stat_replication WHERE application_name = ANY (%s)", [[new, third]]).fetchone() == (2,),
                   "both stream")
    group.execute("SELECT nanu.set_replication('s1', 'sync')")
    try:
        group.nodes[third].stop()
        group.current.stop(signal.SIGKILL)
        group.nodes[new].promote()
        group.follows(new)
        assert waits_for(group.nodes[new]) == f'FIRST 2 ("{old}", "{third}")' and state(group) == "blocked"
        with group.cluster.connect() as conn:
            told = []
            conn.add_notice_handler(lambda notice: told.append(notice.message_primary))
            with group.nodes[new].connect() as server:
                waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                cancelled(conn, "INSERT INTO t (value) VALUES ('nobody has it')", lambda: wait_until(lambda: server.execute(waits).fetchone(), "its commit waits"))
            assert told == ["canceling wait for synchronous replication due to user request"]
    finally:
        group.execute("SELECT nanu.set_replication('s1', 'async')")


def test_under_async_a_promoted_primary_does_not_wait_for_whom_it_once_was_told_of(group):
    old, new, _ = group.primary(), *group.others()
    with group.nodes[new].connect() as conn:  # as a copy of a primary that waited has it
        conn.execute(f"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (\"{old}\")'")
        conn.execute("SELECT pg_reload_conf()")
    group.current.stop()
    group.nodes[new].promote()
    group.follows(new)
    insert(group, "it waits a moment at most")
    assert waits_for(group.nodes[new]) == ""
