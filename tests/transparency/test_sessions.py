"""Many sessions on one or two backends: each sees its own, whatever backend it has, and nobody sees another's."""
import contextlib
import random

import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.wire import Bind, Close, Execute, Flush, Parse, Query, Sync, Wire, fields, rows_of, run

INTERLEAVED_STEPS = 400


@pytest.fixture(scope="module")
def clusters(start_cluster):
    made = {}

    def cluster(pool_size):
        if pool_size not in made:
            made[pool_size] = start_cluster(shards=1, workers=1, pool_size=pool_size)
            with connect(made[pool_size]) as wire:
                wire.rows("CREATE TABLE plain (a int)")
                wire.rows("CREATE SEQUENCE numbers")
                wire.rows("CREATE FUNCTION sets(text) RETURNS text LANGUAGE plpgsql AS "
                          "$$ BEGIN RETURN set_config('work_mem', $1, false); END $$")
            with made[pool_size].servers[0].connect(made[pool_size].node_database) as conn:
                if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = 'other'").fetchone():
                    conn.execute(f"CREATE ROLE other; GRANT other TO {USER}")
        return made[pool_size]

    return cluster


def connect(cluster, **startup):
    return Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE, **startup)


def pid(wire):
    return wire.one("SELECT pg_backend_pid()")


@contextlib.contextmanager
def elsewhere(cluster, wire):
    """Within, the next statement of `wire` has another backend than the last: somebody else holds that one. pool_size is 2."""
    before = pid(wire)
    with connect(cluster) as occupant:
        occupant.rows("BEGIN")
        if pid(occupant) != before:
            with connect(cluster) as second:  # takes the one that is to be held, then the first gives back the other
                second.rows("BEGIN")
                assert pid(second) == before
                occupant.rows("ROLLBACK")
                yield
                second.rows("ROLLBACK")
        else:
            yield
            occupant.rows("ROLLBACK")


# What one session does; what shows it; what another session, on the same backend, must see.
LEAVES = {
    "a setting": (["SET work_mem = '9MB'"], "SHOW work_mem", "4MB"),
    "a setting of set_config": (["SELECT set_config('work_mem', '9MB', false)"], "SHOW work_mem", "4MB"),
    "a setting of a function": (["SELECT sets('9MB')"], "SHOW work_mem", "4MB"),
    "a setting of a DO block": (["DO $$ BEGIN SET work_mem = '9MB'; END $$"], "SHOW work_mem", "4MB"),
    "a setting of several at once": (["SELECT set_config('work_mem', '9' || 'MB', false), 1"], "SHOW work_mem", "4MB"),
    "a setting committed": (["BEGIN", "SET work_mem = '9MB'", "COMMIT"], "SHOW work_mem", "4MB"),
    "a setting of its own": (["SET my.own = 'mine'"], "SELECT coalesce(nullif(current_setting('my.own', true), ''), 'none')", "none"),
    "a reported setting": (["SET TimeZone = 'Asia/Seoul'"], "SHOW TimeZone", "Etc/UTC"),
    "a search_path": (["SET search_path = pg_catalog"], "SHOW search_path", '"$user", public'),
    "a role": (["SET ROLE other"], "SELECT current_user", USER),
    "a role that RESET ALL leaves": (["SET ROLE other", "RESET ALL"], "SELECT current_user", USER),
    "read only": (["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"], "SHOW transaction_read_only", "off"),
    "a number of a sequence": (["SELECT nextval('numbers')"], "SELECT count(*) FROM plain", "0"),
    "a statement": (["PREPARE mine AS SELECT 1"], "SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'", "0"),
    "a temporary table": (["CREATE TEMP TABLE plain (b int)", "INSERT INTO plain VALUES (1)"], "SELECT count(*) FROM plain", "0"),
    "a temporary table of a DO block": (["DO $$ BEGIN CREATE TEMP TABLE plain AS SELECT 1 AS b; END $$"], "SELECT count(*) FROM plain", "0"),
    "an advisory lock": (["SELECT pg_advisory_lock(5)"], "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 5", "0"),
    "an advisory lock of a statement that failed": (["SELECT pg_advisory_lock(6), 1/(SELECT count(*) FROM plain)"],
                                                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 6", "0"),
    "a use of temporary tables": (["CREATE TEMP TABLE t (a int)", "SELECT * FROM t", "DROP TABLE t"],
                                  "SELECT set_config('temp_buffers', '16MB', true)", "16MB"),
    "a seed": (["SELECT setseed(0.5)"], "SELECT random() = (SELECT 0.9851677175347999)", "f"),
    "a channel": (["LISTEN ours"], "SELECT count(*) FROM pg_listening_channels()", "0"),
    "a cursor": (["DECLARE c CURSOR WITH HOLD FOR SELECT 1"], "SELECT count(*) FROM pg_cursors WHERE name = 'c'", "0"),
    "a failed transaction": (["BEGIN", "SELECT 1/0"], "SELECT 1", "1"),
    "an open transaction": (["BEGIN", "INSERT INTO plain VALUES (1)"], "SELECT count(*) FROM plain", "0"),
    "a setting of an open transaction": (["BEGIN", "SET work_mem = '9MB'"], "SHOW work_mem", "4MB"),
    "a setting for a transaction": (["BEGIN", "SET LOCAL work_mem = '9MB'", "COMMIT"], "SHOW work_mem", "4MB"),
}


def test_what_a_function_drew_is_known_while_its_backend_is_reset(clusters):
    with connect(clusters(2)) as wire:
        wire.rows("CREATE FUNCTION draws() RETURNS bigint LANGUAGE plpgsql AS "
                  "$$ BEGIN PERFORM set_config('work_mem', '5MB', false); RETURN nextval('numbers'); END $$")
        try:
            for _ in range(50):
                with connect(clusters(2)) as other:
                    assert other.one("SELECT draws()") == other.one("SELECT currval('numbers')") == other.one("SELECT lastval()")
        finally:
            wire.rows("DROP FUNCTION draws")


@pytest.mark.parametrize("name", LEAVES)
def test_who_comes_after_sees_nothing_of(clusters, name):
    """The only backend goes from one session to the next, when the first has ended."""
    statements, shown, expected = LEAVES[name]
    cluster = clusters(1)
    with connect(cluster) as first:
        for sql in statements:
            first.query(sql)
    with connect(cluster) as second:        # a server process that is not used again may take a moment to end
        assert second.one(shown.replace("objid = ", "pid = pg_backend_pid() AND objid = ")) == expected


def keeps_a_transaction(name):
    return name in ("a failed transaction", "an open transaction", "a setting of an open transaction")


@pytest.mark.parametrize("name", [name for name in LEAVES if not keeps_a_transaction(name)])
def test_who_is_there_too_sees_nothing_of(clusters, name):
    """Two backends, both used by both sessions as they like, while the first session lives."""
    statements, shown, expected = LEAVES[name]
    cluster = clusters(2)
    with connect(cluster) as first, connect(cluster) as second:
        for sql in statements:
            first.query(sql)
            second.one(shown.replace("objid = ", "pid = pg_backend_pid() AND objid = "))
        for _ in range(4):
            assert second.one(shown.replace("objid = ", "pid = pg_backend_pid() AND objid = ")) == expected
            first.query("SELECT 1")


OWN = {
    "a setting": (["SET work_mem = '9MB'"], "SHOW work_mem", "9MB"),
    "a setting of set_config": (["SELECT set_config('work_mem', '9MB', false)"], "SHOW work_mem", "9MB"),
    "a setting of a function": (["SELECT sets('9MB')"], "SHOW work_mem", "9MB"),
    "a setting of its own": (["SET my.own = 'it''s'"], "SHOW my.own", "it's"),
    "a setting with odd characters": (["SELECT set_config('application_name', E'a''b\\\\c\"d', false)"], "SHOW application_name", "a'b\\c\"d"),
    "a list": (["SET search_path = pg_catalog, \"Odd Name\", public"], "SHOW search_path", 'pg_catalog, "Odd Name", public'),
    "a time zone": (["SET TIME ZONE INTERVAL '+05:30' HOUR TO MINUTE"], "SELECT extract(timezone FROM timestamptz '2024-01-01')::int", "19800"),
    "a role": (["SET ROLE other"], "SELECT current_user", "other"),
    "a role after RESET ALL": (["SET ROLE other", "RESET ALL"], "SELECT current_user", "other"),
    "a setting that a rollback brought back": (["SET work_mem = '9MB'", "BEGIN", "SET work_mem = '10MB'", "ROLLBACK"], "SHOW work_mem", "9MB"),
    "a setting that a savepoint brought back": (["BEGIN", "SET work_mem = '9MB'", "SAVEPOINT s", "SET work_mem = '10MB'", "ROLLBACK TO s", "COMMIT"],
                                                "SHOW work_mem", "9MB"),
    "a setting that was reset": (["SET work_mem = '9MB'", "RESET work_mem"], "SHOW work_mem", "4MB"),
    "settings that were discarded": (["SET work_mem = '9MB'", "SET ROLE other", "DISCARD ALL"], "SELECT current_setting('work_mem') || current_user",
                                     "4MB" + USER),
    "a statement": (["PREPARE mine(int) AS SELECT $1 * 2"], "EXECUTE mine(21)", "42"),
    "a statement read under another setting": (["SET DateStyle = 'ISO, DMY'", "PREPARE mine AS SELECT date '01/02/2024'", "SET DateStyle = 'ISO, MDY'"],
                                               "EXECUTE mine", "2024-02-01"),
}


@pytest.mark.parametrize("name", OWN)
def test_on_another_backend_a_session_still_has(clusters, name):
    statements, shown, expected = OWN[name]
    cluster = clusters(2)
    with connect(cluster) as wire:
        for sql in statements:
            wire.rows(sql)
        for _ in range(3):
            with elsewhere(cluster, wire):
                assert wire.one(shown) == expected


def test_start_up_settings_hold_on_every_backend_and_nowhere_else(clusters):
    cluster = clusters(2)
    with connect(cluster, work_mem="9MB", application_name="first") as wire, connect(cluster) as plain:
        for _ in range(3):
            with elsewhere(cluster, wire):
                assert wire.one("SELECT current_setting('work_mem') || current_setting('application_name')") == "9MBfirst"
            assert plain.one("SELECT current_setting('work_mem') || current_setting('application_name')") == "4MB"
        wire.rows("SET work_mem = '10MB'")
        wire.rows("RESET work_mem")
        with elsewhere(cluster, wire):
            assert wire.one("SHOW work_mem") == "9MB"


def test_protocol_statements_go_along_and_names_do_not_meet(clusters):
    cluster = clusters(2)
    with connect(cluster) as one, connect(cluster) as other:
        one.ask(Parse("SELECT 'one', $1::int", "s"), Sync)
        other.ask(Parse("SELECT 'other', $1::int", "s"), Sync)
        for number in range(6):
            for wire, name in (one, "one"), (other, "other"):
                with elsewhere(cluster, wire):
                    assert rows_of(wire.ask(Bind([number], "s"), Execute(), Sync)) == [[name, str(number)]]
        one.ask(Close("S", "s"), Sync)
        assert fields(one.ask(Bind([1], "s"), Sync)[0][1])["C"] == "26000"
        assert rows_of(other.ask(Bind([1], "s"), Execute(), Sync)) == [["other", "1"]]


def test_unnamed_statements_go_along_and_do_not_meet(clusters):
    cluster = clusters(2)
    with connect(cluster) as one, connect(cluster) as other:
        one.ask(Parse("SELECT 'one'"), Sync)
        other.ask(Parse("SELECT 'other'"), Sync)
        for _ in range(4):
            for wire, name in (one, "one"), (other, "other"):
                assert rows_of(wire.ask(Bind(), Execute(), Sync)) == [[name]]


def test_an_unnamed_statement_does_not_outlive_its_session(clusters):
    cluster = clusters(1)
    with connect(cluster) as one:
        one.ask(Parse("SELECT 'one'"), Sync)
    with connect(cluster) as other:
        assert fields(other.ask(Bind(), Sync)[0][1])["C"] == "26000"


def test_an_unnamed_statement_read_under_another_setting_goes_along(clusters):
    cluster = clusters(2)
    with connect(cluster) as wire:
        wire.ask(Parse("SET DateStyle = 'ISO, DMY'", "dmy"), Parse("SET DateStyle = 'ISO, MDY'", "mdy"), Bind(statement="dmy"), Execute(), Sync)
        wire.ask(Parse("SELECT date '01/02/2024'"), Sync)
        wire.ask(Bind(statement="mdy"), Execute(), Sync)
        with connect(cluster) as occupant:
            occupant.rows("BEGIN")
            occupant.rows("SELECT 1")
            assert rows_of(wire.ask(Bind(), Execute(), Sync)) == [["2024-02-01"]]
            assert rows_of(wire.ask(run("SHOW DateStyle"), Sync)) == [["ISO, MDY"]]


PINNING = {
    "a temporary table": ("CREATE TEMP TABLE t (a int)", "SELECT count(*) FROM t", "DROP TABLE t"),
    "a temporary function": ("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 0'", "SELECT pg_temp.f()", "DROP FUNCTION pg_temp.f()"),
    "an advisory lock": ("SELECT pg_advisory_lock(7)",
                         "SELECT count(*) - 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND pid = pg_backend_pid()",
                         "SELECT pg_advisory_unlock(7)"),
    "a cursor": ("DECLARE c CURSOR WITH HOLD FOR SELECT 0 FROM generate_series(1, 100)", "FETCH c", "CLOSE c"),
    "a channel of a function's": ("DO $$ BEGIN LISTEN ours; END $$", "SELECT count(*) - 1 FROM pg_listening_channels()", "UNLISTEN ours"),
    "a sequence's number": ("SELECT nextval('numbers')", "SELECT currval('numbers') - lastval()", "DISCARD SEQUENCES"),
}


@pytest.mark.parametrize("name", PINNING)
def test_a_session_keeps_its_backend_for(clusters, name):
    """And gives it back when it has let go: then the other, who was waiting for the only backend, has it."""
    make, use, drop = PINNING[name]
    cluster = clusters(1)
    with connect(cluster) as owner, connect(cluster) as other:
        owner.rows(make)
        assert owner.one(use) == "0"
        other.send(Query("SELECT 'waited'"))
        for _ in range(3):
            assert owner.one(use) == "0"
        owner.rows(drop)
        assert rows_of(other.until()) == [["waited"]]
        assert owner.one("SELECT 1") == "1"


def test_somebody_who_needs_no_state_is_not_pinned(clusters):
    """One backend, ten sessions, all alive: that works only if each gives it back."""
    cluster = clusters(1)
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(connect(cluster)) for _ in range(10)]
        for number, wire in enumerate(wires):
            wire.rows(f"SET work_mem = '{number + 1}MB'")
            wire.rows(f"PREPARE p AS SELECT {number}")
            wire.ask(Parse("SELECT $1::int", "s"), Sync)
            wire.rows("SELECT sets('9MB')")
            wire.rows("BEGIN; SAVEPOINT s; ROLLBACK TO s; COMMIT")
            wire.query("SELECT 1/0")
        for number, wire in enumerate(wires):
            assert wire.one("SHOW work_mem") == "9MB" and wire.one("EXECUTE p") == str(number)


def test_notifications_reach_who_listens_and_nobody_else(clusters):
    cluster = clusters(2)
    with connect(cluster) as listener, connect(cluster) as other:
        listener.rows("LISTEN ours")
        other.rows("NOTIFY ours, 'hello'")
        assert listener.until("A")[-1][1][4:] == b"ours\0hello\0"
        assert not [kind for kind, _ in other.query("SELECT 1") if kind == "A"]


def test_a_lost_number_of_a_sequence_is_refused_and_never_anothers(clusters):
    cluster = clusters(1)
    with connect(cluster) as one, connect(cluster) as other:
        one.rows("SELECT nextval('numbers')")
        other.rows("SELECT nextval('numbers')")
        assert one.error("SELECT currval('numbers')") == "55000"
        assert one.error("SELECT lastval()") == "55000"


def test_a_session_that_drew_no_number_knows_none(clusters):
    cluster = clusters(1)
    with connect(cluster) as one, connect(cluster) as other:
        one.rows("SELECT nextval('numbers')")
        assert other.error("SELECT lastval()") == "55000"


def test_an_implicit_transaction_is_its_sessions_own(clusters):
    """Between Execute and Sync the backend is nobody else's, also when the client takes its time."""
    cluster = clusters(1)
    with connect(cluster) as one, connect(cluster) as other:
        one.send(run("INSERT INTO plain VALUES (1)"), Flush)
        one.until("C")
        other.send(Query("SELECT count(*) FROM plain"))
        one.send(run("SELECT 1/0"), Sync)
        one.until("Z")
        assert rows_of(other.until()) == [["0"]]


def test_what_many_sessions_do_in_turn_stays_apart(clusters):
    """A random interleaving against a model of each session. The seed is printed when it fails."""
    cluster, seed = clusters(2), random.randrange(1 << 30)
    dice = random.Random(seed)
    names = ["work_mem", "maintenance_work_mem", "temp_buffers"]
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(connect(cluster)) for _ in range(5)]
        sessions = [{"wire": wire, "now": {}, "before": None, "statements": {}} for wire in wires]
        for step in range(INTERLEAVED_STEPS):
            session = dice.choice(sessions)
            holders = [other for other in sessions if other["before"] is not None and other is not session]
            if len(holders) == 2 and session["before"] is None:
                session = holders[0]
            wire, name, value = session["wire"], dice.choice(names), f"{dice.randint(1, 60)}MB"
            action = dice.choice(["set", "set", "config", "reset", "begin", "end", "prepare", "show", "show", "execute", "fail"])
            if action == "set":
                wire.rows(f"SET {name} = '{value}'")
                session["now"][name] = value
            elif action == "config":
                wire.ask(run(f"SELECT set_config('{name}', '{value}', false)"), Sync)
                session["now"][name] = value
            elif action == "reset":
                wire.rows(f"RESET {name}")
                session["now"].pop(name, None)
            elif action == "begin" and session["before"] is None:
                wire.rows("BEGIN")
                session["before"] = dict(session["now"])
            elif action == "end" and session["before"] is not None:
                commit = dice.random() < 0.5
                wire.rows("COMMIT" if commit else "ROLLBACK")
                session["now"] = session["now"] if commit else session["before"]
                session["before"] = None
            elif action == "fail":
                wire.query("SELECT 1/0")
                if session["before"] is not None:
                    wire.rows("ROLLBACK")
                    session["now"], session["before"] = session["before"], None
            elif action == "prepare":
                text = f"SELECT {dice.randint(1, 3)}, {step}"
                wire.ask(Close("S", "s"), Parse(text, "s"), Sync)
                session["statements"]["s"] = str(step)
            elif action == "execute" and session["statements"]:
                assert rows_of(wire.ask(Bind(statement="s"), Execute(), Sync))[0][1] == session["statements"]["s"], f"seed {seed}, step {step}"
            else:
                shown = wire.rows("SELECT " + ", ".join(f"current_setting('{name}')" for name in names))[0]
                expected = tuple(session["now"].get(name, {"work_mem": "4MB", "maintenance_work_mem": "64MB", "temp_buffers": "8MB"}[name])
                                 for name in names)
                assert shown == expected, f"seed {seed}, step {step}"
