"""A shard outlives its primary without anybody's help: real servers, real agents, a real etcd, real kills."""
import json
import os
import signal
import subprocess
import time

import psycopg
import pytest

from harness.agents import guard_of, pids_in
from harness.postgres import PROGRAMS, SUPERUSER
from harness.program import as_server_user, free_port
from harness.wait import PATIENCE, wait_until

ONE_LOOP = "uring"
REFUSED = "host replication all 127.0.0.1/32 reject\n"


def epoch(shard):
    return shard.record()["epoch"]


def another_leads(shard, old, timeout_s=30):
    def other():
        primary = shard.primary()
        return primary if primary is not old else None
    return wait_until(other, "another node leads", timeout_s=timeout_s)


def all_are_electable(shard):
    wait_until(lambda: sorted(shard.record()["electable"]) == [node.name for node in shard.nodes], "all are electable")


def cut_off(node):
    """It receives nothing more, whatever its agent, which stands still, would say."""
    with node.connect() as conn:
        conn.execute("ALTER SYSTEM SET primary_conninfo = ''")
        conn.execute("SELECT pg_reload_conf()")


def test_the_agents_find_the_primary_and_follow_it(shard):
    record = shard.record()
    assert record["writable"] and record["members"] == [node.name for node in shard.nodes]
    all_are_electable(shard)
    leader = shard.leader()
    assert leader.state()["state"]["node"] == "primary" and shard.primaries() == [leader]
    slots = leader.ask("SELECT slot_name FROM pg_replication_slots WHERE active ORDER BY 1")
    assert slots == [(node.name,) for node in shard.nodes if node is not leader]


def test_the_machine_of_the_primary_fails_and_comes_back(shard, writers):
    old = shard.leader()
    old.kill_agent()
    old.kill_server()
    new = another_leads(shard, old)
    writers.goes_on()
    assert epoch(shard) > 1 and shard.primaries() == [new]
    old.start_agent()
    wait_until(lambda: old.follows(new), "the old primary follows the new one")
    assert writers.longest_pause() < 15 * PATIENCE and new is shard.primary()


def test_a_killed_agent_leaves_the_node_alone_and_the_next_one_leads_on(shard, writers):
    leader, before = shard.leader(), epoch(shard)
    postmaster = leader.postmaster()
    for _ in range(3):
        leader.kill_agent()
        leader.start_agent()
        writers.goes_on()
        time.sleep(1)
    assert (leader.postmaster(), epoch(shard), shard.leader()) == (postmaster, before, leader)
    assert writers.longest_pause() < 5 * PATIENCE and writers.lost(leader) == []


def test_without_its_agent_a_primary_is_stopped_before_another_one_leads(shard, writers):
    old = shard.leader()
    old.kill_agent()
    new = another_leads(shard, old)
    writers.goes_on()
    last = max(when for when, node, _ in writers.acknowledged if node is old)
    first = min(when for when, node, _ in writers.acknowledged if node is new and when > last - 1)
    assert last < first and not old.ask("SELECT 1")


def test_an_agent_that_stands_still_has_its_guard_stop_the_node(shard, writers):
    old = shard.leader()
    os.kill(old.agent.pid, signal.SIGSTOP)
    try:
        new = another_leads(shard, old)
        writers.goes_on()
        assert shard.primaries() == [new]
    finally:
        os.kill(old.agent.pid, signal.SIGCONT)
    wait_until(lambda: old.follows(new), "the old primary follows the new one")


def test_a_primary_that_stands_still_with_all_of_its_processes_does_not_wake_up_as_one(shard):
    old = shard.leader()
    with old.connect() as session:
        session.execute("SELECT 1")
        stopped = pids_in(old.data)
        for pid in [old.agent.pid, *stopped]:
            os.kill(pid, signal.SIGSTOP)
        new = another_leads(shard, old)
        for pid in [*stopped, old.agent.pid]:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
        with pytest.raises(psycopg.OperationalError):
            session.execute("INSERT INTO written VALUES (1)")
    wait_until(lambda: old.follows(new), "the old primary follows the new one")


def test_a_postmaster_that_was_killed_is_started_again_where_it_was(shard, writers):
    leader, before = shard.leader(), epoch(shard)
    leader.kill_server()
    wait_until(lambda: shard.primary() is leader, "it is a primary again")
    writers.goes_on()
    assert epoch(shard) == before and writers.lost(leader) == []


def test_what_only_the_old_primary_had_is_gone_after_its_rewind(shard):
    old = shard.leader()
    others = [node for node in shard.nodes if node is not old]
    with old.connect() as conn:
        conn.execute("INSERT INTO written VALUES (1)")
    wait_until(lambda: all(node.ask("SELECT count(*) FROM written") == [(1,)] for node in others), "they have it")
    for node in others:         # for less than would have the leader do without them
        node.agent.popen.send_signal(signal.SIGSTOP)
        cut_off(node)
    wait_until(lambda: old.ask("SELECT count(*) FROM pg_stat_replication") == [(0,)], "nobody receives")
    with old.connect() as conn:
        conn.execute("INSERT INTO written VALUES (2)")
    old.kill_agent()
    old.kill_server()
    for node in others:
        node.agent.popen.send_signal(signal.SIGCONT)
    new = another_leads(shard, old)
    old.start_agent()
    wait_until(lambda: old.follows(new), "the old primary follows the new one")
    wait_until(lambda: old.ask("SELECT number FROM written") == [(1,)], "it has what the new one has")
    assert new.ask("SELECT number FROM written") == [(1,)] and "it is rewound" in old.log.read_text()


def test_while_the_store_is_away_the_primary_stays_and_nobody_is_elected(shard, etcd, writers):
    leader, before = shard.leader(), epoch(shard)
    etcd.members[0].freeze()
    try:
        time.sleep(10)          # several leases
        writers.goes_on()
        assert shard.primaries() == [leader] and writers.longest_pause() < 5 * PATIENCE
    finally:
        etcd.members[0].thaw()
    wait_until(lambda: shard.record() and shard.record()["beat"] > 0, "the store is back")
    time.sleep(4)
    assert (epoch(shard), shard.leader()) == (before, leader)


def test_a_primary_that_dies_while_the_store_is_away_is_replaced_when_it_is_back(shard, etcd):
    old = shard.leader()
    etcd.members[0].freeze()
    try:
        time.sleep(3)
        old.kill_agent()
        old.kill_server()
        time.sleep(6)
        assert shard.primaries() == []
    finally:
        etcd.members[0].thaw()
    another_leads(shard, old)


def test_an_agent_of_another_system_touches_nothing(shard, tmp_path):
    """Its data folder is a wrong one: a primary that runs there, or is stopped, stays as it is."""
    node = shard.other(shard.leader())
    node.kill_agent()
    node.kill_server()
    own, foreign = node.data, shard.folder / f"{node.name}-foreign"
    subprocess.run([PROGRAMS / "initdb", "--pgdata", foreign, "--username", SUPERUSER, "--no-sync"], check=True, cwd="/", stdout=subprocess.DEVNULL, **as_server_user())
    node.data = foreign
    try:
        for runs in (False, True):
            if runs:
                node.start_server()
            node.start_agent("--folder", str(tmp_path / "agent"))
            wait_until(lambda: "of another database system" in node.log.read_text(), "it is said")
            time.sleep(2)
            assert not (foreign / "standby.signal").exists() and bool(pids_in(foreign)) == runs
            node.kill_agent()
    finally:
        node.kill_server()
        node.data = own
        node.start_agent()


def test_the_order_of_nodes_in_the_configuration_means_nothing(shard, writers):
    leader, before = shard.leader(), epoch(shard)
    other = json.loads(shard.config.read_text())
    other["shards"][0]["nodes"].reverse()
    reversed_config = shard.folder / "reversed.yaml"
    reversed_config.write_text(json.dumps(other))
    for node in shard.nodes:
        node.kill_agent()
        node.config = reversed_config
        node.start_agent()
        writers.goes_on()
        node.config = shard.config
    time.sleep(3)
    assert (epoch(shard), shard.leader(), shard.primaries()) == (before, leader, [leader])
    for node in shard.nodes:
        node.kill_agent()
        node.start_agent()
    writers.goes_on()


def refuse_followers(nodes, refused):
    for node in nodes:
        rules = node.data / "pg_hba.conf"
        text = rules.read_text().removeprefix(REFUSED)
        rules.write_text(REFUSED + text if refused else text)
        node.ask("SELECT pg_reload_conf()")


def timeline(node):
    return node.ask("SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int")[0][0]


def test_who_never_followed_the_last_leader_takes_no_timeline_that_this_one_had(shard):
    first = shard.primary()
    others = [node for node in shard.nodes if node is not first]
    all_are_electable(shard)
    refuse_followers(others, True)
    try:
        before = timeline(first)
        first.kill_agent()
        first.kill_server()
        second = another_leads(shard, first)
        third = next(node for node in others if node is not second)
        assert timeline(second) == before + 1 and not third.follows(second)
        with second.connect() as conn:
            conn.execute("INSERT INTO written VALUES (2)")
        second.kill_agent()
        second.kill_server()
        assert another_leads(shard, second) is third and timeline(third) == before + 2
        wait_until(lambda: shard.record()["writable"], "its timeline is in the record")
        eras = shard.record()["eras"]
        assert eras[-1]["timeline"] == before + 2 and third.ask("SELECT * FROM written") == []
    finally:
        refuse_followers(shard.nodes, False)
    first.start_agent()
    second.start_agent()
    wait_until(shard.all_follow, "the others are rewound", timeout_s=60)
    assert second.ask("SELECT * FROM written") == []


def test_an_agent_that_starts_while_the_store_is_away_vouches_for_the_leader(shard, writers, etcd):
    leader, before = shard.leader(), epoch(shard)
    follower = shard.other(leader)
    etcd.members[0].freeze()
    try:
        time.sleep(3)
        follower.kill_agent()
        follower.start_agent()
        time.sleep(8)           # it would count as silent, or have the leader stop
        writers.goes_on()
        assert shard.primaries() == [leader] and follower.follows(leader) and "the store is away" in follower.log.read_text()
    finally:
        etcd.members[0].thaw()
    wait_until(lambda: follower.log.read_text().count("the store answers") > 0, "it has the store")
    assert (epoch(shard), shard.leader()) == (before, leader)


def test_a_store_that_was_restored_from_an_old_copy_is_put_right(shard, writers, etcd):
    all_are_electable(shard)
    leader, copy = shard.leader(), etcd.snapshot()
    seen = shard.record()["beat"]
    wait_until(lambda: shard.record()["beat"] > seen + 8, "the record goes on")
    etcd.restore(copy)
    wait_until(lambda: shard.record() and shard.record()["beat"] > seen + 8, "the leader has put it right")
    writers.goes_on()
    assert shard.primaries() == [leader] and "went back to an older copy" in leader.log.read_text()
    leader.kill_agent()
    leader.kill_server()
    another_leads(shard, leader)
    writers.goes_on()


def test_a_postmaster_that_hangs_is_started_again_where_it_was(shard, writers):
    """The sessions that there are go on meanwhile: only new ones show it."""
    leader, before = shard.primary(), epoch(shard)
    all_are_electable(shard)
    postmaster = leader.postmaster()
    os.kill(postmaster, signal.SIGSTOP)
    wait_until(lambda: shard.primary() is leader and leader.postmaster() != postmaster, "it is a primary again")
    writers.goes_on()
    assert epoch(shard) == before and writers.lost(leader) == []


def test_after_a_reboot_an_old_primary_does_not_run_that_something_else_starts(shard):
    old = shard.leader()
    os.kill(guard_of(old), signal.SIGKILL)
    old.kill_agent()
    old.kill_server()
    another_leads(shard, old)
    file = shard.folder / f"{old.name}.agent" / "guard"
    known = file.read_bytes()
    file.write_bytes(known[:8] + b"another" + known[15:])        # when it leads until, and during which start of the machine
    alone = json.loads(shard.config.read_text())
    alone["etcd_hosts"] = f"http://127.0.0.1:{free_port()}"
    for node in alone["nodes"]:
        node["agent"] = node["agent"] if node["name"] == old.name else f"127.0.0.1:{free_port()}"
    old.config = shard.folder / "alone.yaml"
    old.config.write_text(json.dumps(alone))
    old.start_server()
    old.start_agent()
    try:
        wait_until(lambda: not pids_in(old.data), "it is stopped, whatever its agent cannot reach", timeout_s=5)
    finally:
        old.kill_agent()
        old.config = shard.config
        old.start_agent()
