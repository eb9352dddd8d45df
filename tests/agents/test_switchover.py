"""nanu switchover: another node leads, and clients notice a pause at most."""
import os
import subprocess

import psycopg
import pytest

from harness.router import NANU
from harness.wait import PATIENCE, wait_until

from .test_clients import Clients, connect, module_router, router  # noqa: F401 (fixtures)

ONE_LOOP = "uring"


def switchover(shard, *options):
    return subprocess.run([NANU, "switchover", "s1", "--config", shard.config, *options], capture_output=True, text=True, timeout=100)


def longest_pause(clients):
    times = sorted(when for when, _, _ in clients.acknowledged)
    return max(later - earlier for earlier, later in zip(times, times[1:]))


def test_nobody_hears_an_error(shard, router):
    old = shard.primary()
    heir = next(node for node in shard.nodes if node is not old)
    with Clients(router, count=8) as clients:
        done = switchover(shard, "--to", heir.name)
        assert done.returncode == 0 and done.stdout == f"shard s1: {heir.name} leads now, {old.name} follows\n", done
        assert shard.primary() is heir
        clients.goes_on()
    assert clients.errors == [] and clients.turned_over(old, heir) and clients.lost(heir) == []
    assert longest_pause(clients) < 3 * PATIENCE
    if os.environ.get("PAUSES"):
        print("PAUSE", round(longest_pause(clients), 3))
    wait_until(lambda: old.follows(heir), "the old primary follows")
    assert "it is rewound" not in old.log.read_text().split("it is asked to hand over")[-1]


class Transactions(Clients):
    """The same in transaction blocks, the commits of which are counted."""

    def write(self, conn, number):
        with conn.transaction():
            port, = conn.execute("INSERT INTO written VALUES (%s) RETURNING inet_server_port()", [number]).fetchone()
            conn.execute("SELECT pg_sleep(0.01)")
        return port


def test_transactions_end_before_and_begin_behind_it(shard, router):
    old = shard.primary()
    with Transactions(router) as clients:
        for _ in range(3):
            before = shard.primary()
            assert switchover(shard).returncode == 0
            clients.goes_on()
            wait_until(shard.all_follow, "all follow")
            assert shard.primary() is not before
    assert clients.errors == [] and clients.lost(shard.primary()) == []
    assert {port for _, port, _ in clients.acknowledged} > {old.port}


def test_a_transaction_that_lasts_keeps_the_primary(shard, router):
    old = shard.primary()
    with Clients(router) as clients, connect(router) as conn:
        conn.execute("BEGIN")
        conn.execute("SELECT 1")
        done = switchover(shard, "--drain", "500ms")
        assert done.returncode == 1 and f"{old.name} goes on leading: 1 backends were still lent" in done.stderr, done
        conn.execute("INSERT INTO written VALUES (-1)")
        conn.execute("COMMIT")
        clients.goes_on()
        conn.execute("CREATE TEMP TABLE kept (a int)")
        assert switchover(shard, "--drain", "500ms").returncode == 1
        assert conn.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        clients.goes_on()
    assert clients.errors == [] and shard.primary() is old and longest_pause(clients) < 5 * PATIENCE
    wait_until(lambda: switchover(shard, "--drain", "500ms").returncode == 0, "when they have gone, it hands over")


def test_who_listens_is_told_that_he_may_miss_something(shard, router):
    with connect(router) as conn:
        conn.execute("LISTEN news")
        assert switchover(shard).returncode == 0
        with pytest.raises(psycopg.OperationalError):
            next(conn.notifies())


def test_what_cannot_be_done_is_said(shard, router):
    leader = shard.primary()
    other = next(node for node in shard.nodes if node is not leader)
    for options, why in ((["--to", leader.name], "leads already"), (["--to", "n9z"], 'has no node "n9z"'), (["--drain", "soon"], "--drain is a time")):
        done = switchover(shard, *options)
        assert done.returncode != 0 and why in done.stderr, done
    other.kill_agent()
    wait_until(lambda: "does not follow closely enough" in switchover(shard, "--to", other.name).stderr, "its agent is missed")
    assert shard.primary() is leader
