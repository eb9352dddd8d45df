"""READ ONLY transaction blocks that replicas serve: what the primary serves all the same, what is refused, and what they leave behind."""
import contextlib
import subprocess

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from harness.postgres import PROGRAMS
from harness.wait import wait_until

from .scene import connect, paused, reads_of, stat

ONE_LOOP = "uring"


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=1, replicas=2, workers=1, pool_size=2)
    made.execute("CREATE TABLE counter (n int)")
    made.execute("INSERT INTO counter VALUES (0)")
    made.execute("CREATE FUNCTION locks() RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM pg_advisory_lock(5); END$$")
    made.execute("CREATE SEQUENCE numbers; SELECT nextval('numbers'); CREATE UNLOGGED TABLE light AS SELECT 1 AS n; CREATE VIEW lights AS TABLE light;"
                 "CREATE FUNCTION told() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT last_value FROM numbers'")
    made.catch_up()
    return made


def locks_held(cluster):
    """On replicas."""
    held = []
    for replica in cluster.replicas[0]:
        with replica.connect() as conn:
            held += conn.execute("SELECT objid FROM pg_locks WHERE locktype = 'advisory'").fetchall()
    return held


OWN = ["SELECT last_value FROM numbers", "SELECT last_value FROM pg_sequences WHERE sequencename = 'numbers'", "SELECT n FROM light", "TABLE lights", "SELECT told()",
       "SELECT count(*) > 0 FROM pg_stat_activity", "SELECT pg_sequence_last_value('numbers'::regclass)"]
UNSEEN = ["SELECT set_config('work_' || 'mem', '5MB', false)"]
LOCKS = ["SELECT pg_advisory_xact_lock(7)", "SELECT pg_try_advisory_xact_lock_shared(7)", "SELECT pg_advisory_lock(7)", "SELECT locks()"]


@pytest.mark.parametrize("begin", ["BEGIN READ ONLY", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"])
@pytest.mark.parametrize("statement", [*LOCKS, "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "DECLARE c CURSOR FOR SELECT pg_advisory_xact_lock(7)", *OWN, *UNSEEN,
                                       "EXPLAIN ANALYZE SELECT last_value FROM numbers", "DECLARE c CURSOR FOR TABLE light"])
@pytest.mark.parametrize("prepare", [False, True])
def test_a_block_that_begins_with_what_must_be_found_is_the_primarys(cluster, begin, statement, prepare):
    with connect(cluster, "eventual") as conn, reads_of(cluster, 0):
        conn.execute(begin)
        conn.execute(statement, prepare=prepare)
        conn.execute("SELECT n FROM counter")
        conn.execute("COMMIT")


@pytest.mark.parametrize("statement", ["SELECT pg_advisory_xact_lock(7)", "SELECT n, pg_try_advisory_lock(7) FROM counter", "EXPLAIN ANALYZE SELECT pg_advisory_lock(7)",
                                       "DECLARE c CURSOR WITH HOLD FOR SELECT 1", *OWN, *UNSEEN, "DECLARE c CURSOR FOR TABLE light"])
@pytest.mark.parametrize("prepare", [False, True])
def test_later_it_is_refused(cluster, statement, prepare):
    with connect(cluster, "eventual") as conn:
        conn.execute("BEGIN READ ONLY")
        conn.execute("SELECT n FROM counter")
        with pytest.raises(psycopg.Error) as caught:
            conn.execute(statement, prepare=prepare)
        assert caught.value.sqlstate == "25000" and "first statement" in caught.value.diag.message_hint
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            conn.execute("SELECT n FROM counter")
        conn.execute("ROLLBACK")
        assert conn.execute("SELECT n FROM counter").fetchone()
    assert not locks_held(cluster)


def test_a_lock_of_a_prepared_statement_is_the_primarys(cluster):
    with connect(cluster, "eventual") as conn:
        conn.execute("PREPARE lock AS SELECT pg_advisory_lock(7)")
        conn.execute("BEGIN READ ONLY")
        conn.execute("SELECT n FROM counter")
        conn.execute("EXECUTE lock")
        conn.execute("COMMIT")
        assert conn.execute("SELECT pg_advisory_unlock(7)").fetchone() == (True,)
    assert not locks_held(cluster)


def test_what_each_server_has_of_its_own_is_the_primarys(cluster):
    """A sequence is ahead of itself on a replica, an unlogged table is not there."""
    with connect(cluster, "eventual") as conn:
        for statement, expected in zip(OWN[:5], [1, 1, 1, 1, 1]):
            conn.execute("BEGIN READ ONLY")
            assert conn.execute(statement).fetchone() == (expected,)
            conn.execute("COMMIT")
            assert conn.execute(statement).fetchone() == (expected,)
        conn.execute("PREPARE last AS SELECT last_value FROM numbers")
        conn.execute("BEGIN READ ONLY")
        conn.execute("SELECT n FROM counter")
        with pytest.raises(psycopg.Error, match="of its own"):
            conn.execute("EXECUTE last")
        conn.execute("ROLLBACK")


WAYS = {"simple": psycopg.ClientCursor, "extended": psycopg.Cursor}


@pytest.fixture(params=WAYS)
def say(request, cluster):
    """Runs a statement by this protocol, in a session that reads from replicas."""
    with connect(cluster, "eventual", cursor_factory=WAYS[request.param]) as conn:
        extended = request.param == "extended"
        yield lambda sql: conn.execute(sql, prepare=extended or None)


@pytest.mark.parametrize("modes", ["READ ONLY", "ISOLATION LEVEL REPEATABLE READ, READ ONLY", "READ ONLY DEFERRABLE"])
def test_set_transaction_declares_it_too(cluster, say, modes):
    with reads_of(cluster, 1):
        say("BEGIN")
        say(f"SET TRANSACTION {modes}")
        assert say("SELECT n FROM counter").fetchone()
        assert say("SHOW transaction_read_only").fetchone() == ("on",)
        assert say("SHOW transaction_isolation").fetchone() == ("repeatable read" if "REPEATABLE" in modes else "read committed",)
        assert say("SHOW transaction_deferrable").fetchone() == ("on" if "DEFERRABLE" in modes else "off",)
        say("COMMIT")
    with reads_of(cluster, 0):
        say("BEGIN")
        assert say("SHOW transaction_read_only").fetchone() == ("off",)
        say("COMMIT")


@pytest.mark.parametrize("before, modes", [("BEGIN READ ONLY", "READ WRITE"), ("BEGIN", "ISOLATION LEVEL REPEATABLE READ"), ("BEGIN READ ONLY", "ISOLATION LEVEL SERIALIZABLE"),
                                           ("BEGIN ISOLATION LEVEL SERIALIZABLE", "READ ONLY"), ("BEGIN; SAVEPOINT s", "READ ONLY")])
def test_and_takes_it_back(cluster, say, before, modes):
    with reads_of(cluster, 0):
        for statement in before.split("; "):
            say(statement)
        say(f"SET TRANSACTION {modes}")
        assert say("SELECT n FROM counter").fetchone()
        if "WRITE" in modes or "REPEATABLE" in modes:
            say("UPDATE counter SET n = n")
        for level in ["serializable", "repeatable read"]:
            if level in (before + modes).lower():
                assert say("SHOW transaction_isolation").fetchone() == (level,)
        say("COMMIT")


def test_later_it_is_the_servers_to_refuse(cluster, say):
    say("BEGIN READ ONLY")
    say("SELECT n FROM counter")
    with pytest.raises(psycopg.Error, match="must be set before any query|during recovery"):
        say("SET TRANSACTION READ WRITE")
    say("ROLLBACK")
    say("BEGIN")
    say("SELECT n FROM counter")
    with pytest.raises(psycopg.Error, match="must be called before any query"):
        say("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
    say("ROLLBACK")


@pytest.mark.parametrize("statement", ["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SELECT set_config('default_transaction_' || 'read_only', 'on', false)"])
def test_what_a_block_sets_for_the_session_stays(cluster, say, statement):
    say("BEGIN READ ONLY")
    say(statement)
    say("COMMIT")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        say("UPDATE counter SET n = n")


def test_a_chain_keeps_a_replica_from_writing(cluster, say):
    say("BEGIN READ ONLY")
    say("SELECT n FROM counter")
    say("COMMIT AND CHAIN")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        say("SELECT n FROM counter FOR UPDATE")
    say("ROLLBACK")


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("first", ["SELECT count(*) FROM pg_class", "UPDATE counter SET n = n + 1", "SELECT n FROM counter"])
def test_a_block_that_ends_at_once_within_a_pipeline_has_ended(cluster, first, end):
    """The server was still beginning it, and stayed in it: what came before was not committed."""
    with connect(cluster, "eventual") as conn, connect(cluster, "strong") as other:
        before, = other.execute("SELECT n FROM counter").fetchone()
        with conn.pipeline():
            for statement in [first, "BEGIN READ ONLY", end]:
                conn.execute(statement)
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        after, = other.execute("SELECT n FROM counter").fetchone()
        assert after - before == (1 if "UPDATE" in first and end == "COMMIT" else 0)


def test_a_session_that_only_reads_declares_it_for_all(cluster, say):
    say("SET default_transaction_read_only = on")
    with reads_of(cluster, 1):
        say("BEGIN")
        assert say("SELECT n FROM counter").fetchone()
        say("COMMIT")
    with reads_of(cluster, 0):
        for begin in [["BEGIN READ WRITE"], ["BEGIN", "SET TRANSACTION READ WRITE"]]:
            for statement in begin:
                say(statement)
            say("UPDATE counter SET n = n")
            say("COMMIT")
    say("RESET default_transaction_read_only")
    with reads_of(cluster, 0):
        say("BEGIN")
        say("SELECT n FROM counter")
        say("UPDATE counter SET n = n")
        say("COMMIT AND CHAIN")
        say("UPDATE counter SET n = n")
        say("COMMIT")


def test_a_chain_goes_on_as_it_began(cluster, say):
    say("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    say("COMMIT AND CHAIN")
    assert say("SHOW transaction_isolation").fetchone() == ("repeatable read",)
    assert say("SHOW transaction_read_only").fetchone() == ("on",)
    say("ROLLBACK")


def test_a_block_of_nothing_can_be_prepared(cluster, say):
    say("BEGIN")
    say("PREPARE TRANSACTION 'nothing'")
    say("ROLLBACK PREPARED 'nothing'")


def test_a_dump_is_the_primarys(cluster):
    """It declares that it only reads, and asks for sequences."""
    info = conninfo_to_dict(cluster.conninfo())
    dump = subprocess.run([PROGRAMS / "pg_dump", "-h", "127.0.0.1", "-p", info["port"], "-U", info["user"], info["dbname"]], capture_output=True, text=True,
                          env={"PGPASSWORD": info["password"], "PGOPTIONS": "-c nanu.consistency=eventual"}, timeout=60)
    assert dump.returncode == 0, dump.stderr
    assert "pg_catalog.setval('public.numbers', 1, true)" in dump.stdout


def test_catalogs_and_code_that_only_reads_are_read_in_a_block(cluster):
    """Who says READ ONLY has said that it does not write: but which server begins it is to be known."""
    with connect(cluster, "eventual") as conn, reads_of(cluster, 0):
        conn.execute("BEGIN READ ONLY")
        assert conn.execute("SELECT count(*) FROM pg_class WHERE relname = 'counter'").fetchone() == (1,)
        conn.execute("COMMIT")
    cluster.execute("CREATE FUNCTION reads() RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN n FROM counter; END$$")
    cluster.catch_up()
    with connect(cluster, "eventual") as conn:
        with reads_of(cluster, 1):      # of the block
            conn.execute("BEGIN READ ONLY")
            conn.execute("SELECT n FROM counter")
            assert conn.execute("SELECT count(*) FROM pg_class WHERE relname = 'counter'").fetchone() == (1,)
            assert conn.execute("SELECT reads()").fetchone() is not None
            assert conn.execute("SHOW in_hot_standby").fetchone() == ("on",)
            conn.execute("COMMIT")


def test_a_lock_of_a_block_keeps_others_out(cluster):
    with connect(cluster, "eventual") as one, connect(cluster, "strong") as other:
        one.execute("BEGIN READ ONLY")
        assert one.execute("SELECT pg_try_advisory_xact_lock(42)").fetchone() == (True,)
        assert other.execute("SELECT pg_try_advisory_lock(42)").fetchone() == (False,)
        one.execute("COMMIT")


def test_a_cursor_with_hold_stays_with_who_made_it(cluster):
    with connect(cluster, "eventual") as one:
        one.execute("BEGIN READ ONLY")
        one.execute("DECLARE mine CURSOR WITH HOLD FOR SELECT n FROM counter")
        one.execute("COMMIT")
        one.execute("SELECT n FROM counter")
        assert one.execute("FETCH 1 FROM mine").fetchone()
    with connect(cluster, "eventual") as other:
        for _ in range(4):
            other.execute("BEGIN READ ONLY")
            other.execute("SELECT n FROM counter")
            with pytest.raises(psycopg.errors.InvalidCursorName):
                other.execute("FETCH 1 FROM mine")
            other.execute("ROLLBACK")


@pytest.mark.parametrize("after", ["UPDATE counter SET n = n", "SELECT n FROM counter", None])
def test_what_code_leaves_on_a_replica_goes_when_the_session_does(cluster, after):
    with connect(cluster, "eventual") as conn:
        conn.execute("BEGIN READ ONLY")
        conn.execute("SELECT n FROM counter")
        conn.execute("SELECT locks()")
        conn.execute("COMMIT")
        assert locks_held(cluster) == [(5,)]
        if after:
            conn.execute(after)
    wait_until(lambda: not locks_held(cluster), "its backend has been reset")


@pytest.mark.parametrize("begin", ["BEGIN READ ONLY", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"])
@pytest.mark.parametrize("prepare", [False, True])
@pytest.mark.parametrize("before", [None, "SAVEPOINT s", "SHOW work_mem"])
def test_what_a_replica_refuses_at_first_is_the_primarys(cluster, begin, prepare, before):
    """A function that is said to be IMMUTABLE, and is not; of the second statement the client hears."""
    cluster.execute("CREATE OR REPLACE FUNCTION not_there() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN"
                    " IF pg_is_in_recovery() THEN RAISE insufficient_privilege; END IF; RETURN 1; END$$")
    cluster.catch_up()
    with connect(cluster, "eventual") as conn:
        for _ in range(2):
            retries = stat(cluster, "replica_retries")
            conn.execute(begin)
            if before:
                conn.execute(before)
            assert conn.execute("SELECT not_there()", prepare=prepare).fetchone() == (1,)
            assert stat(cluster, "replica_retries") == retries + 1
            with reads_of(cluster, 0):
                assert conn.execute("SELECT not_there()", prepare=prepare).fetchone() == (1,)
                assert conn.execute("SHOW transaction_read_only").fetchone() == ("on",)
            conn.execute("COMMIT")
            with reads_of(cluster, 1):
                conn.execute("SELECT n FROM counter", prepare=False)
        conn.execute(begin)
        conn.execute("SELECT n FROM counter")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT not_there()", prepare=prepare)
        conn.execute("ROLLBACK")


def test_of_a_pipeline_in_one_all_statements_are_answered(cluster):
    with connect(cluster, "eventual") as conn:
        for _ in range(4):
            conn.execute("BEGIN READ ONLY")
            with conn.pipeline():
                answers = [conn.execute("SELECT not_there(), %s::int", [number]) for number in range(3)]
                assert [answer.fetchone() for answer in answers] == [(1, number) for number in range(3)]
            conn.execute("COMMIT")


def test_what_a_block_has_set_of_itself_is_not_lost(cluster):
    with connect(cluster, "eventual") as conn:
        conn.execute("BEGIN READ ONLY")
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert conn.execute("SELECT not_there()").fetchone() == (1,)
        assert conn.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)
        conn.execute("ROLLBACK")
        conn.execute("BEGIN READ ONLY")
        conn.execute("SET LOCAL work_mem = '5MB'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT not_there()")
        conn.execute("ROLLBACK")


def test_a_table_that_is_not_there_yet_is_the_primarys(cluster):
    with connect(cluster, "eventual") as conn, paused(*cluster.replicas[0]):
        conn.execute("CREATE TABLE IF NOT EXISTS late (n int)")
        conn.execute("BEGIN READ ONLY")
        assert conn.execute("SELECT count(*) FROM late").fetchone() == (0,)
        conn.execute("COMMIT")


def test_a_replica_that_is_lost_at_first_is_not_noticed(cluster):
    with connect(cluster, "eventual") as conn:
        for _ in range(4):
            for replica in cluster.replicas[0]:
                with replica.connect() as admin:
                    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = 'app'", [cluster.node_database])
            conn.execute("BEGIN READ ONLY")
            assert conn.execute("SELECT n FROM counter").fetchone()
            conn.execute("COMMIT")


CHOICES = {"consistency": "strong", "read_from": "primary"}


@pytest.mark.parametrize("setting", CHOICES)
def test_a_block_may_choose_the_primary_before_its_first_read(cluster, setting):
    with connect(cluster, "eventual") as conn, paused(*cluster.replicas[0]), reads_of(cluster, 0):
        cluster.execute("UPDATE counter SET n = n + 1")
        newest = cluster.execute("SELECT n FROM counter")
        conn.execute("BEGIN READ ONLY")
        conn.execute(f"SET LOCAL nanu.{setting} = '{CHOICES[setting]}'")
        assert conn.execute("SELECT n FROM counter").fetchall() == newest
        conn.execute("COMMIT")


@pytest.mark.parametrize("setting", CHOICES)
def test_not_later(cluster, setting):
    with connect(cluster, "eventual") as conn:
        conn.execute("BEGIN READ ONLY")
        conn.execute("SELECT n FROM counter")
        conn.execute(f"SET LOCAL nanu.{setting} = '{CHOICES[setting]}'")
        with pytest.raises(psycopg.Error) as caught:
            conn.execute("SELECT n FROM counter")
        assert caught.value.sqlstate == "25000" and "before the first statement" in caught.value.diag.message_hint
        conn.execute("ROLLBACK")


def test_what_is_to_hold_for_later_blocks_may_be_set_in_one(cluster):
    with connect(cluster, "eventual") as conn, reads_of(cluster, 1):
        conn.execute("BEGIN READ ONLY")
        conn.execute("SELECT n FROM counter")
        conn.execute("SET default_transaction_isolation = 'serializable'")
        conn.execute("SELECT n FROM counter")
        conn.execute("COMMIT")


# What follows a block in its pipeline, and the error that it hears, if it does; it is shown what replicas do not show.
FOLLOWS = {
    "a change": (["UPDATE counter SET n = n RETURNING n"], None),
    "a block": (["BEGIN", "SELECT n FROM counter", "COMMIT"], None),
    "a serializable block": (["BEGIN ISOLATION LEVEL SERIALIZABLE", "SELECT n FROM counter", "COMMIT"], None),
    "another level": (["SET nanu.consistency = 'strong'", "SELECT n FROM counter"], None),
    "a hint": (["/* nanu: consistency=strong */ SELECT n FROM counter"], None),
    "a lock": (["SELECT n FROM counter, pg_advisory_xact_lock(7)"], None),
    "a change in a block like it": (["BEGIN READ ONLY", "UPDATE counter SET n = n RETURNING n"], "25006"),
}


@pytest.mark.parametrize("follows", FOLLOWS)
@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_what_follows_in_its_pipeline_is_no_part_of_it(cluster, follows, end):
    statements, sqlstate = FOLLOWS[follows]
    newest, = cluster.execute("SELECT n + 1 FROM counter")[0]
    with connect(cluster, "eventual") as conn:
        with paused(*cluster.replicas[0]), contextlib.ExitStack() as stack:
            cluster.execute("UPDATE counter SET n = n + 1")
            caught = stack.enter_context(pytest.raises(psycopg.Error)) if sqlstate else None
            with conn.pipeline():
                conn.execute("BEGIN READ ONLY")
                first = conn.execute("SELECT n FROM counter")
                conn.execute(end)
                last = [conn.execute(statement) for statement in statements][-1 - ("COMMIT" in statements)]
            assert first.fetchone() == (newest - 1,) and last.fetchone() == (newest,)
        assert not sqlstate or caught.value.sqlstate == sqlstate
        conn.execute("ROLLBACK")
