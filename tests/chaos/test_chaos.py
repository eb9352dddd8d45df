"""Clients, backends and nodes that go away at any moment: nobody else notices, nothing is left behind, nothing leaks into another session."""
import contextlib
import os
import random
import signal
import threading

import psycopg
import pytest

from chaos.exchange import EXCHANGES, Client, cuts
from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.wait import wait_until
from harness.wire import Flush, Sync, Wire, fields, row, run

WHOLE = bool(os.environ.get("NANU_SOAK"))  # every byte, rather than some
CUTS_MAX = 40  # broken exchanges of one kind; which ones is decided by the seed
SEED = 20261120


@pytest.fixture(scope="module")
def cluster(start_cluster):
    cluster = start_cluster(shards=2, auth="trust", pool_size=6, pool_wait_ms_max=30000)
    for server in cluster.servers:
        with server.connect() as conn:
            conn.execute(f"ALTER ROLE {USER} SET log_statement = 'none'")
    with cluster.connect() as conn:
        conn.execute("CREATE TABLE marks (x int)")
        conn.execute("CREATE TABLE spread (k bigint PRIMARY KEY, v int)")
        conn.execute("SELECT nanu.shard_table('spread', key => 'k')")
        for key in range(200):
            conn.execute("INSERT INTO spread VALUES (%s, %s)", [key, key % 7])
    return cluster


class Witness(threading.Thread):
    """A client that works all the while, knows what it must see, and keeps settings of its own."""

    RETRY = {"57P01", "08006", "08001", "08007", "57P03", "57P02"}  # a node or backend went away: said plainly, and tried again

    def __init__(self, cluster, number, tolerant=False):
        super().__init__(daemon=True)
        self.cluster, self.number, self.tolerant = cluster, number, tolerant
        self.stop, self.rounds, self.retries, self.problem = threading.Event(), 0, 0, None

    def run(self):
        try:
            while not self.stop.is_set():
                with contextlib.closing(self.cluster.connect()) as conn:
                    self.work(conn)
        except Exception as problem:
            self.problem = problem

    def work(self, conn):
        zone = f"Etc/GMT+{self.number + 1}"
        prepared = False
        while not self.stop.is_set():
            try:
                if not prepared:
                    conn.execute(f"SET TimeZone = '{zone}'")
                    prepared = True
                key = random.randrange(200)
                row = conn.execute("SELECT v, current_setting('TimeZone'), current_setting('work_mem'), current_setting('application_name')"
                                   " FROM spread WHERE k = %s", [key]).fetchone()
                assert row[0] == key % 7 and row[1] == zone and row[2] != "77MB" and row[3] != "leak", row
                assert conn.execute("SELECT count(*) FROM spread").fetchone() == (200,)
                assert conn.execute("SELECT to_regclass('pg_temp.chaos_temp')").fetchone() == (None,)
                with conn.transaction():
                    conn.execute("UPDATE spread SET v = v WHERE k = %s", [key])
                self.rounds += 1
            except psycopg.Error as error:
                if not self.tolerant or (error.sqlstate or "08006") not in self.RETRY:
                    raise
                self.retries += 1
                if conn.closed:
                    return

    def finish(self):
        self.stop.set()
        self.join(60)
        assert not self.is_alive(), "a witness hangs"
        if self.problem:
            raise self.problem
        assert self.rounds > 0


@contextlib.contextmanager
def witnesses(cluster, count=3, tolerant=False):
    watching = [Witness(cluster, number, tolerant) for number in range(count)]
    for witness in watching:
        witness.start()
    yield watching
    wait_until(lambda: all(witness.rounds or witness.problem for witness in watching), "every witness has been at work")
    for witness in watching:
        witness.finish()


def assert_nothing_left(cluster):
    """Every backend comes back idle, with no locks, no transaction, nobody's settings, and within the pool's size."""
    def clean():
        for server in cluster.servers:
            with server.connect() as conn:
                rows = conn.execute("SELECT state, pid FROM pg_stat_activity WHERE datname = %s AND usename = %s",
                                    [cluster.node_database, USER]).fetchall()
                locks = conn.execute("SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = %s"
                                     " AND l.locktype = 'advisory'", [cluster.node_database]).fetchone()[0]
                if locks or any(state != "idle" for state, _ in rows) or len(rows) > 6:
                    return False
        return True
    wait_until(clean, "all backends are idle and clean")
    # Every backend of the home shard, held at once: none carries anything.
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            conn = stack.enter_context(contextlib.closing(cluster.connect(autocommit=False)))
            row = conn.execute("SELECT current_setting('TimeZone'), current_setting('work_mem'), to_regclass('pg_temp.chaos_temp'),"
                               " (SELECT count(*) FROM pg_cursors), (SELECT count(*) FROM pg_listening_channels()) FROM marks"
                               " RIGHT JOIN (SELECT 1) AS one ON false").fetchone()
            assert row[1] != "77MB" and row[0] != "Asia/Seoul" and row[2:] == (None, 0, 0), row


@pytest.mark.parametrize("name", EXCHANGES)
def test_clients_that_vanish_at_every_step_disturb_nobody(cluster, name):
    pieces = EXCHANGES[name]
    found = list(cuts(pieces, 1 if WHOLE else 7))
    chosen = found if WHOLE or len(found) <= CUTS_MAX else random.Random(SEED).sample(found, CUTS_MAX)
    with witnesses(cluster):
        for number, (whole, size) in enumerate(chosen):
            client = Client(cluster.router.port, USER, DATABASE)
            client.send(client.hello)
            client.read_until(b"Z")
            for data, wait in pieces[:whole]:
                client.send(data)
                if wait:
                    client.read_until(wait)
            client.send(pieces[whole][0][:size])
            client.vanish(politely=number % 2 == 0)
    assert_nothing_left(cluster)


def test_clients_that_vanish_while_they_log_in_disturb_nobody(cluster):
    hello = Client(cluster.router.port, USER, DATABASE)
    size = len(hello.hello)
    hello.vanish(politely=True)
    with witnesses(cluster):
        for cut in range(size + 1):
            client = Client(cluster.router.port, USER, DATABASE)
            client.send(client.hello[:cut])
            client.vanish(politely=cut % 2 == 0)
    assert_nothing_left(cluster)


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\4", b"\xff" * 64, b"\0\0\0\x08\0\0\0\0", b"\0\0\x27\x10" + b"a" * 9996])
def test_garbage_ends_its_own_connection_only(cluster, garbage):
    with witnesses(cluster, 1):
        for after_login in (False, True):
            client = Client(cluster.router.port, USER, DATABASE)
            if after_login:
                client.send(client.hello)
                client.read_until(b"Z")
            client.send(garbage)
            client.socket.shutdown(1)
            assert client.read_until(b"\0") is None
            client.vanish(politely=True)
    assert_nothing_left(cluster)


def test_backends_terminated_under_load_give_plain_errors_and_are_replaced(cluster):
    with witnesses(cluster, 4, tolerant=True) as watching:
        for _ in range(60):
            for server in cluster.servers:
                with server.connect() as conn:
                    conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = %s"
                                 " ORDER BY random() LIMIT 1", [cluster.node_database, USER])
        before = [witness.rounds for witness in watching]
        wait_until(lambda: all(w.problem or w.rounds > b for w, b in zip(watching, before)), "every witness goes on")
    assert sum(witness.retries for witness in watching) > 0
    assert_nothing_left(cluster)


def test_a_session_learns_that_its_transaction_was_lost_and_goes_on(cluster):
    with cluster.connect() as conn:
        conn.execute("BEGIN")
        pid = conn.execute("SELECT pg_backend_pid() FROM marks RIGHT JOIN (SELECT 1) AS one ON false").fetchone()[0]
        with cluster.servers[0].connect() as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", [pid])
            wait_until(lambda: not admin.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone(), "it has gone")
        with pytest.raises(psycopg.Error) as lost:
            conn.execute("SELECT 1")
        assert lost.value.sqlstate in ("57P01", "08006")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            conn.execute("SELECT 1")
        conn.execute("ROLLBACK")
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_who_commits_what_was_lost_is_told_so(cluster):
    with cluster.connect() as conn:
        conn.execute("BEGIN")
        pid = conn.execute("SELECT pg_backend_pid() FROM marks RIGHT JOIN (SELECT 1) AS one ON false").fetchone()[0]
        conn.execute("INSERT INTO marks VALUES (77)")
        with cluster.servers[0].connect() as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", [pid])
            wait_until(lambda: not admin.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone(), "it has gone")
        with pytest.raises(psycopg.Error) as lost:
            conn.execute("COMMIT")
        assert lost.value.sqlstate in ("57P01", "08006", "08007")  # 08007: COMMIT was on its way before the loss was seen
        assert conn.execute("SELECT count(*) FROM marks WHERE x = 77").fetchone() == (0,)


def lose(cluster, pid, server=0):
    with cluster.servers[server].connect() as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_until(lambda: not admin.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone(), "it has gone")


def kinds(messages):
    return "".join(kind for kind, _ in messages)


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_the_end_of_a_lost_transaction_goes_to_no_other_server_process(start_own, end):
    """Extended protocol, one shard: a COMMIT must not run, and seem to succeed, on another server process."""
    cluster = start_own(shards=1, auth="trust", pool_size=2)
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
        wire.query("CREATE TABLE lost (x int)")
        wire.query("BEGIN")
        pid = int(wire.one("SELECT pg_backend_pid()"))
        wire.query("INSERT INTO lost VALUES (1)")
        lose(cluster, pid)
        wait_until(lambda: wire.error("SELECT 1") is not None, "the session knows")
        assert wire.status() == "E"
        messages = wire.ask(run(end), Sync)
        assert kinds(messages) == "12nCZ" and messages[-1][1] == b"I" and messages[-2][1] == b"ROLLBACK\0", messages


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("noticed", [False, True])
def test_a_lost_transaction_does_not_go_on_behind_a_savepoint(start_own, extended, noticed):
    """What psql's ON_ERROR_ROLLBACK sends: the savepoint went with the transaction, and nothing behind it may be committed."""
    cluster = start_own(shards=1, auth="trust", pool_size=2)
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
        def ask(sql):
            return wire.ask(run(sql), Sync) if extended else wire.query(sql)
        ask("CREATE TABLE lost (x int)")
        ask("BEGIN")
        pid = int(wire.one("SELECT pg_backend_pid()"))
        ask("INSERT INTO lost VALUES (1)")
        ask("SAVEPOINT a")
        lose(cluster, pid)
        if noticed:
            wait_until(lambda: wire.error("SELECT 1") is not None, "the session knows")
        told = []
        for sql in ("ROLLBACK TO a", "ROLLBACK TO a", "INSERT INTO lost VALUES (2)"):
            messages = ask(sql)
            assert messages[-1] == ("Z", b"E"), messages
            told += [fields(body)["C"] for kind, body in messages if kind == "E"]
        assert told[0] in (("25P02",) if noticed else ("57P01", "08006")) and told[1:] == ["25P02"] * 2
        messages = ask("COMMIT")
        assert messages[-1] == ("Z", b"I") and messages[-2] == ("C", b"ROLLBACK\0")
        assert int(wire.one("SELECT count(*) FROM lost")) == 0


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("extended", [False, True])
def test_a_transaction_over_two_shards_ends_whole_when_one_of_them_was_lost(cluster, extended, end):
    """The shard that is left has an open transaction still: the session must not be left in it."""
    def ask(sql):
        return wire.ask(run(sql), Sync) if extended else wire.query(sql)
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
        key = next(k for k in range(200) if wire.one(f"SELECT inet_server_port() FROM spread WHERE k = {k}") == str(cluster.servers[1].port))
        ask("BEGIN")
        ask("SELECT count(*) FROM marks")
        pid = int(row(next(body for kind, body in ask(f"UPDATE spread SET v = v WHERE k = {key} RETURNING pg_backend_pid()") if kind == "D"))[0])
        lose(cluster, pid, server=1)
        messages = ask(end)
        assert messages[-1] == ("Z", b"I"), messages
        error = [fields(body)["C"] for kind, body in messages if kind == "E"]
        # The loss may be seen only when the end is on its way: then 08007 for COMMIT, and the loss itself for ROLLBACK.
        assert set(error) <= {"57P01", "08006"} if end == "ROLLBACK" else error and error[0] in ("57P01", "08006", "08007"), messages
        assert wire.one("SELECT count(*) FROM marks") is not None and wire.status() == "I"


def test_what_was_executed_and_not_synced_is_not_lost_silently(start_own):
    cluster = start_own(shards=1, auth="trust", pool_size=2)
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
        wire.query("CREATE TABLE flushed (x int)")
        wire.send(run("SELECT pg_backend_pid()"), run("INSERT INTO flushed VALUES (1)"), Flush)
        messages = wire.until("C", 2)
        pid = int(row(next(body for kind, body in messages if kind == "D"))[0])
        lose(cluster, pid)
        messages = wire.ask(Sync)
        assert kinds(messages) == "EZ" and fields(messages[0][1])["C"] in ("57P01", "08006", "08007"), messages  # 08007: as above
        assert wire.one("SELECT count(*) FROM flushed") in ("0", b"0")


def test_a_node_that_is_killed_and_comes_back_serves_the_same_sessions(farm, start_own, io):
    cluster = start_own(shards=2, auth="trust", pool_size=6)
    victim = farm.extra_server(f"victim-{io}")
    try:
        with victim.connect() as conn:
            conn.execute(f"CREATE ROLE {USER} LOGIN PASSWORD 'app-secret'")
            conn.execute(f"CREATE DATABASE {cluster.node_database} OWNER {USER}")
        cluster.router.stop()
        cluster.router.settings["nodes"][1]["port"] = str(victim.port)
        cluster.router.configure()
        cluster.start()
        with cluster.connect() as conn:
            conn.execute("CREATE TABLE spread (k bigint PRIMARY KEY, v int)")
            conn.execute("SELECT nanu.shard_table('spread', key => 'k')")
            for key in range(200):
                conn.execute("INSERT INTO spread VALUES (%s, %s)", [key, key % 7])
            with witnesses(cluster, 3, tolerant=True) as watching:
                wait_until(lambda: all(w.rounds for w in watching), "the witnesses are at work")
                for _ in range(3):
                    victim.stop(signal.SIGQUIT)
                    wait_until(lambda: any(w.retries for w in watching), "a witness noticed")
                    victim.start()
                    before = [w.rounds for w in watching]
                    wait_until(lambda: all(w.problem or w.rounds > b for w, b in zip(watching, before)), "every witness goes on")
            assert conn.execute("SELECT count(*) FROM spread").fetchone() == (200,)
    finally:
        victim.stop()
