"""nanu.replication beside what the servers say: which walsender and slot are a replica's, how they are, and where its timeline comes from."""
import contextlib
import itertools
import signal

import pytest

from harness.relay import Relay
from harness.wait import wait_until

WALSENDERS = ("SELECT l.slot_name, s.state, s.sync_state, s.sent_lsn::text, s.write_lsn::text, l.wal_status"
              " FROM pg_stat_replication s LEFT JOIN pg_replication_slots l ON l.active_pid = s.pid WHERE state = 'streaming'")


numbers = itertools.count(1)


@pytest.fixture
def cluster(farm, start_own):
    server = farm.extra_server(f"feeds{next(numbers)}", {"wal_retrieve_retry_interval": "100ms"})
    made = start_own(servers=[server], replicas=2)
    made.execute("CREATE TABLE t (value text)")
    made.catch_up()
    yield made
    made.owned = []
    for each in [*farm.replicas.pop(server), server]:
        each.stop()


@pytest.fixture
def slots(cluster):
    return {f"n1r{i}": replica.name for i, replica in enumerate(cluster.replicas[0], 1)}


def shown(cluster, node, columns):
    return cluster.execute(f"SELECT {columns} FROM nanu.replication WHERE node = %s", [node])[0]


def feed(cluster, node):
    return shown(cluster, node, "state, sender, slot")


def becomes(cluster, node, *expected):
    wait_until(lambda: feed(cluster, node) == expected, f"{node} is shown as {expected}")


def number(lsn):
    high, low = lsn.split("/")
    return int(high, 16) << 32 | int(low, 16)


def written(cluster):
    """Something is, and where the WAL ends after it."""
    with cluster.servers[0].connect() as conn:
        conn.execute("SELECT pg_logical_emit_message(true, 'feeds', 'one')")
        return number(conn.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()[0])


def reaches(cluster, node, end, columns):
    wait_until(lambda: all(lsn and number(lsn) >= end for lsn in shown(cluster, node, columns)), f"{columns} of {node} are {end:X}")


def configure(server, **settings):
    with server.connect() as conn:
        for name, value in settings.items():
            conn.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        conn.execute("SELECT pg_reload_conf()")


def by_name(server, name):
    """Without a slot, under this application_name."""
    configure(server, primary_slot_name="", primary_conninfo=f"{server.primary.conninfo()} application_name={name}")


def as_it_is(cluster, sender, slots):
    """nanu.replication says of each of these replicas what their sender does."""
    columns = "slot, state, sync_state, sent_lsn, written_lsn, slot_wal"
    with sender.connect() as conn:
        told = {row[0]: row for row in conn.execute(WALSENDERS)}
    return [shown(cluster, node, columns) for node in slots] == [told.get(slot) for slot in slots.values()]


def test_it_is_what_the_primary_says_of_each(cluster, slots):
    end = written(cluster)
    for node, slot in slots.items():
        reaches(cluster, node, end, "sent_lsn, written_lsn")
        assert feed(cluster, node) == ("streaming", "n1", slot)
    wait_until(lambda: as_it_is(cluster, cluster.servers[0], slots), "it is as it is")
    assert shown(cluster, "n1", "state, sync_state, sender, slot, slot_wal, sent_lsn, written_lsn, history") == (None,) * 7 + ("1",)
    configure(cluster.servers[0], synchronous_standby_names="FIRST 1 (walreceiver)")
    wait_until(lambda: {shown(cluster, node, "sync_state")[0] for node in slots} == {"sync", "potential"}, "one is synchronous")
    wait_until(lambda: as_it_is(cluster, cluster.servers[0], slots), "it is as it is")
    configure(cluster.servers[0], synchronous_standby_names="ANY 1 (walreceiver)")
    wait_until(lambda: {shown(cluster, node, "sync_state")[0] for node in slots} == {"quorum"}, "both are of a quorum")


def test_one_that_replays_nothing_is_sent_to(cluster):
    replica = cluster.replicas[0][0]
    replica.pause()
    end = written(cluster)
    reaches(cluster, "n1r1", end, "sent_lsn, written_lsn, flushed_lsn")
    replayed_lsn, *rest = shown(cluster, "n1r1", "replayed_lsn, state, lag_bytes > 0")
    assert number(replayed_lsn) < end and rest == ["streaming", True]
    replica.resume()


def test_of_one_that_is_killed_the_slot_is_left_until_its_wal_goes(cluster, slots):
    replica = cluster.replicas[0][0]
    replica.stop(signal.SIGQUIT)
    becomes(cluster, "n1r1", "gone", "n1", slots["n1r1"])
    assert shown(cluster, "n1r1", "reachable, slot_wal, sync_state, sent_lsn, written_lsn") == (False, "reserved", None, None, None)
    assert feed(cluster, "n1r2") == ("streaming", "n1", slots["n1r2"])
    cluster.router.stop()       # another has never heard it
    cluster.router.start()
    wait_until(lambda: feed(cluster, "n1r2")[0] == "streaming", "the other is known")
    assert feed(cluster, "n1r1") == ("gone", None, None)
    replica.start()
    becomes(cluster, "n1r1", "streaming", "n1", slots["n1r1"])
    replica.stop(signal.SIGQUIT)
    configure(cluster.servers[0], max_slot_wal_keep_size="1MB")
    with cluster.servers[0].connect() as conn:
        for _ in range(4):
            conn.execute("SELECT pg_logical_emit_message(false, 'feeds', 'one'), pg_switch_wal()")
        wait_until(lambda: conn.execute("SELECT restart_lsn >= pg_current_wal_lsn() FROM pg_replication_slots WHERE slot_name = %s",
                                        [slots["n1r2"]]).fetchone()[0], "the other has it all")
        conn.execute("CHECKPOINT")
    wait_until(lambda: shown(cluster, "n1r1", "state, slot, slot_wal") == ("gone", slots["n1r1"], "lost"), "it has lost its WAL")
    assert shown(cluster, "n1r2", "state, slot_wal") == ("streaming", "reserved")


def test_without_the_primary_nobody_sends(cluster, slots):
    cluster.servers[0].stop(signal.SIGQUIT)
    try:
        for node, slot in slots.items():
            becomes(cluster, node, "gone", None, slot)
            assert shown(cluster, node, "sync_state, sent_lsn, written_lsn, slot_wal") == (None,) * 4
    finally:
        cluster.servers[0].start()
    becomes(cluster, "n1r1", "streaming", "n1", slots["n1r1"])
    assert shown(cluster, "n1r1", "slot_wal") == ("reserved",)


def test_one_without_a_slot_is_known_by_its_name(cluster, slots):
    first, second = cluster.replicas[0]
    first.follow(cluster.servers[0])
    becomes(cluster, "n1r1", "streaming", "n1", None)           # as "walreceiver", which the one with the slot is, too
    becomes(cluster, "n1r2", "streaming", "n1", slots["n1r2"])
    assert shown(cluster, "n1r1", "sync_state, slot_wal, sent_lsn IS NULL") == ("async", None, False)
    second.follow(cluster.servers[0])
    for node in "n1r1", "n1r2":
        becomes(cluster, node, None, None, None)                # either may be either
    by_name(second, "second")
    becomes(cluster, "n1r1", "streaming", "n1", None)
    becomes(cluster, "n1r2", "streaming", "n1", None)
    reaches(cluster, "n1r2", written(cluster), "sent_lsn, written_lsn")
    first.stop(signal.SIGQUIT)
    becomes(cluster, "n1r1", "gone", None, None)
    assert feed(cluster, "n1r2") == ("streaming", "n1", None)


def test_in_a_chain_it_is_what_the_replica_says(cluster, slots):
    first, second = cluster.replicas[0]
    second.follow(first)
    becomes(cluster, "n1r2", "streaming", "n1r1", None)         # also as "walreceiver", and the topology does not know it
    becomes(cluster, "n1r1", "streaming", "n1", slots["n1r1"])
    with first.connect() as conn:
        conn.execute("SELECT pg_create_physical_replication_slot(%s)", [slots["n1r1"]])   # as that one's own on the primary
    configure(second, primary_slot_name=slots["n1r1"])
    becomes(cluster, "n1r2", "streaming", "n1r1", slots["n1r1"])
    becomes(cluster, "n1r1", "streaming", "n1", slots["n1r1"])
    end = written(cluster)
    reaches(cluster, "n1r2", end, "sent_lsn, written_lsn")
    wait_until(lambda: as_it_is(cluster, first, {"n1r2": slots["n1r1"]}), "it is as it is")
    first.stop(signal.SIGQUIT)
    becomes(cluster, "n1r1", "gone", "n1", slots["n1r1"])
    becomes(cluster, "n1r2", "gone", None, slots["n1r1"])
    first.start()
    becomes(cluster, "n1r2", "streaming", "n1r1", slots["n1r1"])


def test_who_streams_by_another_address_than_nanus_is_found(cluster, slots):
    first, second = cluster.replicas[0]
    relay = Relay(cluster.servers[0].port)
    with contextlib.ExitStack() as last:
        last.callback(relay.stop)
        for replica in first, second:
            replica.stream_through(relay)
            wait_until(replica.streams, "it streams by way of the relay")
        becomes(cluster, "n1r1", "streaming", "n1", slots["n1r1"])
        configure(first, primary_slot_name="")
        becomes(cluster, "n1r1", "streaming", "n1", None)
        becomes(cluster, "n1r2", "streaming", "n1", slots["n1r2"])


def history(server, timeline):
    """As the file has it."""
    with server.connect() as conn:
        text, = conn.execute("SELECT pg_read_file(%s)", [f"pg_wal/{timeline:08X}.history"]).fetchone()
    return ",".join(["@".join(line.split("\t")[:2]) for line in text.splitlines() if line] + [str(timeline)])


def replayed(server):
    with server.connect() as conn:
        return conn.execute("SELECT pg_last_wal_replay_lsn()").fetchone()


def test_the_history_is_that_of_the_servers(cluster):
    first, second = cluster.replicas[0]
    assert [shown(cluster, node, "history")[0] for node in ("n1", "n1r1", "n1r2")] == ["1", "1", "1"]
    wait_until(lambda: replayed(first) == replayed(second), "they have the same")
    cluster.servers[0].stop(signal.SIGQUIT)
    second.follow(first)
    first.promote()
    wait_until(lambda: shown(cluster, "n1r1", "role, timeline") == ("primary", 2), "it is the primary")
    assert shown(cluster, "n1r1", "history, state, sender, slot, sent_lsn") == (history(first, 2), None, None, None, None)
    wait_until(lambda: shown(cluster, "n1r2", "timeline, state, sender") == (2, "streaming", "n1r1"), "the other follows it")
    assert shown(cluster, "n1r2", "history") == (history(first, 2),)
    first.stop(signal.SIGQUIT)
    second.promote()
    wait_until(lambda: shown(cluster, "n1r2", "role, timeline") == ("primary", 3), "now that one is")
    found, = shown(cluster, "n1r2", "history")
    assert found == history(second, 3) and found.startswith("1@0/") and found.count("@") == 2
    assert shown(cluster, "n1", "history") == ("1",)            # it has not answered since


def test_a_replica_that_nobody_has_read_from_is_known_to_answer_or_not(cluster):
    def reachable():
        return dict(cluster.execute("SELECT name, reachable FROM nanu.nodes WHERE role = 'replica'"))
    wait_until(lambda: reachable() == {"n1r1": True, "n1r2": True}, "both answer")
    cluster.replicas[0][0].stop(signal.SIGQUIT)
    wait_until(lambda: reachable() == {"n1r1": False, "n1r2": True}, "one does not")
