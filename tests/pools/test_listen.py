"""LISTEN without a backend of one's own: as PostgreSQL tells it, to everybody who listens and nobody else."""
import contextlib
import time

import psycopg
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PASSWORD, SUPERUSER
from harness.wait import wait_until
from harness.wire import Execute, Flush, Parse, Query, Sync, Terminate, Wire, fields, run

LISTENERS = 50
PAYLOAD_SIZE_MAX = 7999


@pytest.fixture(scope="module")
def cluster(start_cluster):
    cluster = start_cluster(shards=1, workers=1, pool_size=1)
    with connect(cluster) as wire:
        wire.rows("CREATE TABLE plain (a int)")
        wire.rows("CREATE FUNCTION tells() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('ch', NEW.a::text); RETURN NEW; END $$")
        wire.rows("CREATE TRIGGER t AFTER INSERT ON plain FOR EACH ROW EXECUTE FUNCTION tells()")
    return cluster


def connect(cluster, **startup):
    return Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE, **startup)


def told(answer):
    """(channel, payload) of every notification."""
    return [tuple(part.decode() for part in body[4:-1].split(b"\0")) for kind, body in answer if kind == "A"]


def kinds(answer):
    return "".join(kind for kind, _ in answer)


def next_told(wire):
    return told(wire.until("A"))[-1]


def nothing_more(wire):
    """Whatever was notified before is heard before the answer is over."""
    return told(wire.query("SELECT 1")) == []


def state_of(answer):
    return [fields(body)["C"] for kind, body in answer if kind == "E"]


def test_many_listen_and_one_backend_serves_them(cluster):
    """pool_size is 1: everybody works, too, while all listen."""
    with contextlib.ExitStack() as stack, cluster.connect_node(user=SUPERUSER, password=PASSWORD) as node:
        wires = [stack.enter_context(connect(cluster)) for _ in range(LISTENERS)]
        for number, wire in enumerate(wires):
            wire.rows("LISTEN everybody")
            wire.rows(f"LISTEN only_{number}")
        assert all(wire.one("SELECT 1") == "1" for wire in wires)
        assert node.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND datname = %s", [USER, cluster.node_database]).fetchone() == (2,)
        node.execute("NOTIFY everybody, 'all'")
        node.execute("NOTIFY only_7, 'one'")
        node.execute("NOTIFY nobody")
        assert all(next_told(wire) == ("everybody", "all") for wire in wires)
        assert next_told(wires[7]) == ("only_7", "one")
        assert all(nothing_more(wire) for wire in wires)
    wait_until(lambda: cluster.execute("SELECT count(*) FROM nanu.backends WHERE state = 'listening'") == [(0,)], "nobody listens, and no backend")


@pytest.mark.parametrize("sql,channel", [("LISTEN Some_Name", "some_name"), ('LISTEN "Some Name"', "Some Name"), ('LISTEN "a""b"', 'a"b'),
                                         ("LISTEN " + "x" * 70, "x" * 63), ('LISTEN "' + "ü" * 40 + '"', "ü" * 31)])
def test_a_channel_has_the_name_that_postgresql_gives_it(cluster, sql, channel):
    with connect(cluster) as wire, cluster.connect_node() as node:
        wire.rows(sql)
        node.execute("SELECT pg_notify(%s, 'hello')", [channel])
        assert next_told(wire) == (channel, "hello")
        wire.rows(sql.replace("LISTEN", "UNLISTEN"))
        node.execute("SELECT pg_notify(%s, 'hello')", [channel])
        assert nothing_more(wire)


def test_notifications_come_at_the_time_at_which_postgresql_tells_them(cluster):
    with connect(cluster) as wire, cluster.connect_node() as node:
        wire.rows("LISTEN ch")
        assert kinds(wire.query("NOTIFY ch, 'own'")) == "CAZ"
        node.execute("NOTIFY ch, 'before'")
        assert kinds(wire.query("SELECT 1")) in ("TDCAZ", "ATDCZ")  # or while it was idle
        wire.rows("BEGIN")
        node.execute("NOTIFY ch, 'in a block'")
        assert kinds(wire.query("SELECT 1")) == "TDCZ"
        assert kinds(wire.query("SELECT 1/0")) == "EZ"
        assert kinds(wire.query("ROLLBACK")) == "CAZ"
        wire.send(run("SELECT 1") + Flush)
        wire.until("C")
        node.execute("NOTIFY ch, 'in an implicit transaction'")
        assert kinds(wire.ask(run("SELECT 2"), Sync)) == "12TDCAZ"
        assert nothing_more(wire)


def test_listen_takes_effect_with_its_transaction(cluster):
    with connect(cluster) as wire, cluster.connect_node() as node:
        for sql in "BEGIN", "LISTEN gone", "ROLLBACK", "BEGIN", "LISTEN kept", "SAVEPOINT a", "LISTEN undone", "ROLLBACK TO a", "LISTEN too", "COMMIT":
            wire.rows(sql)
        for channel in "gone", "undone", "kept", "too":
            node.execute(f"NOTIFY {channel}")
        assert [next_told(wire)[0], next_told(wire)[0]] == ["kept", "too"]
        for sql in "BEGIN", "UNLISTEN *", "ROLLBACK", "BEGIN", "UNLISTEN kept", "SAVEPOINT a", "UNLISTEN too", "ROLLBACK TO a", "COMMIT":
            wire.rows(sql)
        node.execute("NOTIFY kept")
        node.execute("NOTIFY too")
        assert next_told(wire)[0] == "too"
        assert nothing_more(wire)


@pytest.mark.parametrize("sql", ["UNLISTEN *", "DISCARD ALL", "UNLISTEN ch", "BEGIN; UNLISTEN ch; COMMIT"])
def test_who_no_longer_listens_hears_nothing(cluster, sql):
    with connect(cluster) as wire, connect(cluster) as other, cluster.connect_node() as node:
        wire.rows("LISTEN ch")
        other.rows("LISTEN ch")
        wire.rows(sql)
        node.execute("NOTIFY ch")
        assert next_told(other) == ("ch", "")
        assert nothing_more(wire)


@pytest.mark.parametrize("before", [["NOTIFY ch, 'before'"], ["LISTEN ch", "NOTIFY ch, 'before'", "UNLISTEN ch"]])
def test_what_was_notified_before_it_listened_is_not_heard(cluster, before):
    """Nor when the channel is listened to already, for another."""
    with connect(cluster) as other, connect(cluster) as wire:
        if len(before) == 1:
            other.rows("LISTEN ch")
        for _ in range(200):
            wire.send(b"".join(run(sql) for sql in before) + Sync + run("LISTEN ch") + Sync + run("UNLISTEN ch") + Sync)
            assert told(wire.until("Z", 3)) == []


def test_a_failed_pipeline_listens_to_nothing(cluster):
    with connect(cluster) as wire, cluster.connect_node() as node:
        assert state_of(wire.ask(run("LISTEN ch"), run("SELECT 1/0"), Sync)) == ["22012"]
        assert state_of(wire.ask(run("SELECT 1/0"), run("LISTEN ch"), Sync)) == ["22012"]
        assert state_of(wire.query("LISTEN ch; SELECT 1/0")) == ["22012"]
        node.execute("NOTIFY ch")
        assert nothing_more(wire)


@pytest.mark.parametrize("ways", [[Query("LISTEN ch; NOTIFY ch, 'x'")], [run("LISTEN ch"), run("NOTIFY ch, 'x'"), Sync],
                                  [Query("BEGIN; LISTEN ch"), Query("NOTIFY ch, 'x'"), Query("COMMIT")],
                                  [Query("BEGIN"), Query("LISTEN ch"), Query("INSERT INTO plain VALUES (1)"), Query("NOTIFY ch, 'x'"), Query("COMMIT")]])
def test_what_the_listening_transaction_itself_notifies_comes_back(cluster, ways):
    with connect(cluster) as wire, cluster.connect_node() as node:
        heard = []
        for message in ways:
            wire.send(message)
            if message[:1] in b"QS":
                heard += told(wire.until("Z"))
        assert heard[-1] == ("ch", "x")
        node.execute("NOTIFY ch, 'y'")
        assert next_told(wire) == ("ch", "y")
        assert nothing_more(wire)


def test_a_trigger_notifies(cluster):
    with connect(cluster) as wire, connect(cluster) as other:
        wire.rows("LISTEN ch")
        other.rows("INSERT INTO plain VALUES (1), (2)")
        assert [next_told(wire), next_told(wire)] == [("ch", "1"), ("ch", "2")]


def test_long_payloads_and_many_of_them_come_in_order(cluster):
    with connect(cluster) as wire, cluster.connect_node() as node:
        wire.rows("LISTEN ch")
        expected = [f"{number:04}" + "x" * (PAYLOAD_SIZE_MAX - 4) for number in range(100)]
        for payload in expected:
            node.execute("SELECT pg_notify('ch', %s)", [payload])
        heard = told(wire.query("SELECT pg_sleep(0.05)"))
        while len(heard) < len(expected):
            heard.append(next_told(wire))
        assert [payload for _, payload in heard] == expected


def test_the_number_is_never_the_clients_own(cluster):
    """Libraries leave out what they take for their own: it is the server process's that notified."""
    with connect(cluster) as wire, cluster.connect_node() as node:
        wire.rows("LISTEN ch")
        node.execute("NOTIFY ch")
        number = int.from_bytes(wire.until("A")[-1][1][:4], "big")
        assert number == node.info.backend_pid != wire.key[0]


def test_its_channels_are_told(cluster):
    with connect(cluster) as wire, connect(cluster) as other:
        wire.rows("LISTEN b")
        wire.rows('LISTEN "A b"')
        assert sorted(wire.rows("SELECT pg_listening_channels()")) == [("A b",), ("b",)]
        assert other.rows("SELECT * FROM pg_listening_channels()") == []
        wire.rows("BEGIN")
        wire.rows("SELECT 1")
        assert state_of(wire.query("SELECT pg_listening_channels()")) == ["0A000"]
        wire.rows("ROLLBACK")


def test_psycopg_hears_its_notifications(cluster):
    with cluster.connect() as conn, cluster.connect() as other:
        conn.execute("LISTEN ch")
        heard = conn.notifies()
        other.execute("SELECT pg_notify('ch', 'hello')")
        assert next(heard).payload == "hello"
        heard.close()
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_when_the_listening_backend_is_lost_nobody_goes_on_with_a_gap(cluster):
    with connect(cluster) as idle, connect(cluster) as busy, connect(cluster) as other, cluster.connect_node(user=SUPERUSER, password=PASSWORD) as node:
        idle.rows("LISTEN ch")
        busy.rows("LISTEN ch")
        pid, = cluster.execute("SELECT pid FROM nanu.backends WHERE state = 'listening'")[0]
        busy.rows("BEGIN")
        node.execute("SELECT pg_terminate_backend(%s)", [pid])
        for wire in idle, busy:
            error = fields(wire.until("E")[-1][1])
            assert (error["S"], error["C"]) == ("FATAL", "08006") and "LISTEN again" in error["H"]
        assert other.one("SELECT 1") == "1"
    with connect(cluster) as again, cluster.connect_node() as node:
        again.rows("LISTEN ch")
        node.execute("NOTIFY ch")
        assert next_told(again) == ("ch", "")


def test_a_listener_that_cannot_be_had_is_an_error_of_the_statement(start_cluster):
    cluster = start_cluster(shards=1, workers=1, pool_size=1, max_db_connections=1, pool_wait_ms_max=300)
    with connect(cluster) as wire, connect(cluster) as occupant:
        occupant.rows("BEGIN")
        error = fields(wire.query("LISTEN ch")[0][1])
        assert (error["S"], error["C"]) == ("ERROR", "53300") and "max_db_connections" in error["H"]
        occupant.rows("ROLLBACK")
        wire.rows("LISTEN ch")  # the idle one goes for it
        assert cluster.execute("SELECT sum(channels)::int FROM nanu.sessions") == [(1,)]


def test_a_client_that_does_not_read_is_ended_and_costs_little(start_cluster):
    cluster = start_cluster(shards=1, workers=1, pool_size=2)
    with connect(cluster) as deaf, connect(cluster) as open_block, connect(cluster) as other:
        for wire in deaf, open_block, other:
            wire.rows("LISTEN ch")
        open_block.rows("BEGIN")
        for _ in range(6):  # kernel's buffers too
            assert len(told(other.query(f"SELECT pg_notify('ch', repeat('x', {PAYLOAD_SIZE_MAX - 4}) || n) FROM generate_series(1, 500) n"))) == 500
        wait_until(lambda: cluster.execute("SELECT sum(channels)::int FROM nanu.sessions") == [(1,)], "both are ended")
        assert fields(open_block.until("E")[-1][1])["C"] == "54000"


@pytest.mark.parametrize("hold", ["nanu.pause('app')", "nanu.drain('n1')"])
def test_a_pause_ends_who_listens(start_cluster, hold):
    cluster = start_cluster(shards=1, workers=1)
    with connect(cluster) as wire, cluster.connect(user=SUPERUSER, password=PASSWORD) as admin:
        wire.rows("LISTEN ch")
        admin.execute(f"SELECT {hold}")
        assert fields(wire.until("E")[-1][1])["C"] == "08006"
        with connect(cluster) as again:
            again.send(Query("LISTEN ch"))
            admin.execute("SELECT nanu.resume('app')" if "pause" in hold else "SELECT nanu.resume(node => 'n1')")
            assert kinds(again.until("Z")) == "CZ"


def test_sessions_listen_through_reload_and_take_over(start_cluster):
    cluster = start_cluster(shards=1, workers=1)
    with connect(cluster) as wire, cluster.connect_node() as node:
        wire.rows("LISTEN ch")
        cluster.execute("SELECT nanu.reload()")
        before = cluster.router.take_over()
        node.execute("NOTIFY ch, 'still'")
        assert next_told(wire) == ("ch", "still")
        wire.rows("LISTEN too")
        with connect(cluster) as other:
            other.rows("LISTEN ch")
            node.execute("NOTIFY ch, 'both'")
            assert next_told(wire) == next_told(other) == ("ch", "both")
        wire.send(Terminate)
        wait_until(before.ended, "the old process has ended")


def test_over_shards_the_home_shard_tells(start_cluster):
    cluster = start_cluster(shards=2, workers=1)
    with connect(cluster) as wire, connect(cluster) as other:
        other.rows("CREATE TABLE orders (id int PRIMARY KEY)")
        other.rows("SELECT nanu.shard_table('orders', key => 'id')")
        wire.rows("LISTEN ch")
        for number in range(4):
            other.rows("BEGIN")
            other.rows(f"SELECT * FROM orders WHERE id = {number}")
            other.rows(f"NOTIFY ch, '{number}'")
            other.rows("COMMIT")
            assert next_told(wire) == ("ch", str(number))
