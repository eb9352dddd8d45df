"""What clients of a router notice when a shard with agents loses its primary."""
import os
import pathlib
import signal
import threading
import time

import psycopg
import pytest

from harness.agents import guard_of, pids_in
from harness.postgres import PASSWORD, SUPERUSER
from harness.router import Router
from harness.wait import wait_until

from .test_failover import another_leads

ONE_LOOP = "uring"


@pytest.fixture(scope="module")
def module_router(module_shard):
    """It has user `hasty` too, who waits for nothing."""
    settings = {**module_shard.settings, "users": [{"name": "hasty", "failover_wait": "200"}]}
    settings.pop("listen_port")
    router = Router(settings, {SUPERUSER: PASSWORD, "hasty": PASSWORD})
    try:
        yield router.start()
        router.stop()
    finally:
        router.remove()


@pytest.fixture
def router(module_router, shard):
    wait_until(lambda: port_through(module_router) == shard.primary().port, "the router follows the primary")
    yield module_router
    print(module_router.program.log_text()[-6000:])  # shown when the test has failed


def connect(router, user=SUPERUSER, **options):
    return psycopg.connect(host="127.0.0.1", port=router.port, dbname="app", user=user, password=PASSWORD, autocommit=True, **options)


def port_through(router):
    with connect(router) as conn:
        return conn.execute("SELECT inet_server_port()").fetchone()[0]


class Clients:
    """Each writes numbers over one connection, one statement after the other; the node that acknowledged is kept, and every error."""

    pause_s = 0.002

    def __init__(self, router, count=4):
        self.stopping, self.acknowledged, self.errors = False, [], []
        self.threads = [threading.Thread(target=self.run, args=[router, i, count]) for i in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.goes_on()
        return self

    def __exit__(self, *why):
        self.stopping = True
        for thread in self.threads:
            thread.join()

    def run(self, router, number, step):
        with connect(router) as conn:
            while not self.stopping:
                number += step
                try:
                    port = self.write(conn, number)
                    self.acknowledged.append((time.monotonic(), port, number))
                except psycopg.Error as error:
                    self.errors.append((error.sqlstate, str(error)))
                    if conn.broken:
                        raise
                time.sleep(self.pause_s)

    def write(self, conn, number):
        return conn.execute("INSERT INTO written VALUES (%s) RETURNING inet_server_port()", [number]).fetchone()[0]

    def goes_on(self):
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) > before + 4 * len(self.threads), "writes are acknowledged")

    def lost(self, primary):
        have = {number for number, in primary.ask("SELECT number FROM written")}
        return [number for _, _, number in list(self.acknowledged) if number not in have]

    def unexpected(self):
        """Errors other than of statements that were under way: nobody knows whether they were done, or they had only been prepared."""
        return [error for error in self.errors if error[0] != "08007" and not error[1].startswith("the statement was lost with the primary")]

    def turned_over(self, old, new):
        """Whether everything that the old primary acknowledged came before everything from the new one."""
        last = max(when for when, port, _ in self.acknowledged if port == old.port)
        return last < min(when for when, port, _ in self.acknowledged if port == new.port)


def fail(node):
    """Its machine."""
    node.kill_agent()
    node.kill_server()


def test_statements_wait_for_the_next_primary(shard, router):
    old = shard.primary()
    with Clients(router) as clients:
        fail(old)
        new = another_leads(shard, old)
        clients.goes_on()
    # Only what was under way, and no connection.
    assert not clients.unexpected() and len(clients.errors) <= len(clients.threads), clients.errors
    assert clients.turned_over(old, new)


def test_a_statement_that_was_being_prepared_was_not_done_and_that_is_said(shard, router):
    old = shard.primary()
    with connect(router) as conn:
        conn.execute("SELECT 1")
        for pid, in old.ask("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"):
            os.kill(pid, signal.SIGSTOP)
        conn.pgconn.send_prepare(b"", b"INSERT INTO written VALUES (1)")
        conn.pgconn.flush()
        time.sleep(0.1)
        fail(old)
        result = conn.pgconn.get_result()
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"40001"
        assert b"the statement was lost with the primary" in result.error_message and conn.pgconn.get_result() is None


def test_the_router_tells_who_may_be_used(shard, router):
    with connect(router) as conn:
        permits = dict(conn.execute("SELECT name, permit_ms FROM nanu.nodes").fetchall())
    primary = shard.primary().name
    assert 0 < permits.pop(primary) < 2650 and set(permits.values()) == {0}


def test_an_open_transaction_hears_once_that_it_is_lost_and_runs_again(shard, router):
    old = shard.primary()
    with connect(router) as conn, connect(router) as begun:
        conn.execute("BEGIN")
        conn.execute("INSERT INTO written VALUES (1)")
        begun.execute("BEGIN")         # and nothing yet
        fail(old)
        with pytest.raises(psycopg.errors.SerializationFailure, match='the transaction was lost with the primary of shard "s1"'):
            conn.execute("INSERT INTO written VALUES (2)")
        conn.execute("ROLLBACK")
        with conn.transaction():
            conn.execute("INSERT INTO written VALUES (3)")
        begun.execute("INSERT INTO written VALUES (4)")
        begun.execute("COMMIT")
        assert shard.primary() is not old
        assert conn.execute("SELECT number FROM written ORDER BY 1").fetchall() == [(3,), (4,)]


def test_who_does_not_want_to_wait_for_a_primary_is_told_that_there_is_none(shard, router):
    with shard.primary().connect() as conn:
        conn.execute(f"DROP ROLE IF EXISTS hasty; CREATE ROLE hasty LOGIN PASSWORD '{PASSWORD}'; GRANT ALL ON written TO hasty")
    old = shard.primary()
    with connect(router, user="hasty") as hasty, connect(router) as patient:
        hasty.execute("SELECT 1")
        fail(old)
        began = time.monotonic()
        with pytest.raises(psycopg.OperationalError) as refused:
            while True:
                hasty.execute("INSERT INTO written VALUES (1)")
        assert refused.value.sqlstate in ("57P03", "08001", "08006", "57P01", "57P02") and time.monotonic() < began + 2 and not hasty.broken
        with connect(router, user="hasty") as late:     # is let in
            assert late.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        patient.execute("INSERT INTO written VALUES (2)")
        hasty.execute("INSERT INTO written VALUES (3)")
    another_leads(shard, old)


def test_who_waits_for_a_primary_can_cancel(shard, router):
    old = shard.primary()
    with connect(router) as conn:
        conn.execute("SELECT 1")
        fail(old)
        wait_until(lambda: "no agent says" in router.program.log_text().splitlines()[-1], "the router knows of no primary")
        threading.Timer(0.1, conn.cancel).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            conn.execute("INSERT INTO written VALUES (1)")
        conn.execute("INSERT INTO written VALUES (2)")
        assert conn.execute("SELECT number FROM written").fetchall() == [(2,)]
    another_leads(shard, old)


def test_a_primary_whose_agent_and_guard_stand_still_acknowledges_nothing_when_another_leads(shard, router):
    """It lives, and takes connections: it is the router that must not use it any more."""
    old = shard.primary()
    stopped = [old.agent.pid, guard_of(old)]
    with Clients(router) as clients:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            new = another_leads(shard, old)
            clients.goes_on()
            wait_until(lambda: any(port == new.port for _, port, _ in clients.acknowledged), "the new one acknowledges")
            assert old.ask("SELECT pg_is_in_recovery()") == [(False,)]
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
    assert clients.turned_over(old, new)
    assert not clients.unexpected() and len(clients.errors) <= len(clients.threads), clients.errors


def test_reads_of_replicas_go_on_while_there_is_no_primary(shard, router):
    old = shard.primary()
    with connect(router, options="-c nanu.consistency=eventual") as conn:
        conn.execute("SELECT count(*) FROM written")
        fail(old)
        longest, until = 0, time.monotonic() + 2
        while time.monotonic() < until:
            began = time.monotonic()
            conn.execute("SELECT count(*) FROM written")
            longest = max(longest, time.monotonic() - began)
    another_leads(shard, old)
    assert longest < 1


@pytest.fixture
def semi_sync(shard, router):
    with connect(router) as conn:
        conn.execute("SELECT nanu.set_replication('s1', 'semi-sync')")
    yield
    with connect(router) as conn:
        conn.execute("SELECT nanu.set_replication('s1', 'async')")


def quorums(shard):
    return [quorum["count"] for quorum in shard.record()["quorums"]]


def reloads(node):
    """How often the server was told for whom commits are to wait, whoever started it."""
    logs = [pathlib.Path(f"{node.data}{where}") for where in (".log", ".agent/postgres.log")]
    return sum(log.read_text().count('"synchronous_standby_names" changed to') for log in logs if log.exists())


def test_no_write_is_lost_in_semi_sync(shard, router, semi_sync):
    wait_until(lambda: quorums(shard) == [1], "commits wait")
    with Clients(router) as clients:
        for _ in range(3):
            old = shard.primary()
            fail(old)
            new = another_leads(shard, old)
            clients.goes_on()
            old.start_agent()
            wait_until(shard.all_follow, "all follow", timeout_s=30)
    assert clients.lost(shard.primary()) == [] and len(clients.acknowledged) > 100
    assert not clients.unexpected()


def test_commits_wait_for_the_others_before_the_old_mode_is_forgotten(shard, router):
    """Backends wait only when the checkpointer has read that they are to (ha/commit_wait.h): here it stands still."""
    leader = shard.primary()
    checkpointer, = leader.ask("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")[0]
    os.kill(checkpointer, signal.SIGSTOP)
    try:
        with connect(router) as conn, pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="its primary does not wait so yet"):
            conn.execute("SELECT nanu.set_replication('s1', 'semi-sync')")
        assert leader.ask("SHOW synchronous_standby_names") != [("",)] and quorums(shard) == [0, 1]
    finally:
        os.kill(checkpointer, signal.SIGCONT)
    try:
        wait_until(lambda: quorums(shard) == [1], "commits wait")
        wait_until(lambda: all(node.ask("SHOW synchronous_standby_names") != [("",)] for node in shard.nodes), "whoever leads next knows whom to wait for")
    finally:
        with connect(router) as conn:
            conn.execute("SELECT nanu.set_replication('s1', 'async')")
    wait_until(lambda: all(node.ask("SHOW synchronous_standby_names") == [("",)] for node in shard.nodes), "and that it waits for nobody")


def test_in_semi_sync_an_agent_that_is_started_again_finds_its_node_as_it_was(shard, router, semi_sync):
    wait_until(lambda: quorums(shard) == [1], "commits wait")
    leader, before = shard.leader(), shard.record()["epoch"]
    postmaster, logged = leader.postmaster(), reloads(leader)
    with Clients(router) as clients:
        for _ in range(4):
            leader.kill_agent()
            leader.start_agent()
            clients.goes_on()
            wait_until(lambda: leader.state() and leader.state()["state"]["node"] == "primary", "its agent has looked at it")
            assert quorums(shard) == [1]
    assert (leader.postmaster(), shard.record()["epoch"], shard.leader(), clients.errors) == (postmaster, before, leader, [])
    assert reloads(leader) == logged and logged

