"""What code of the database's own sets for its session, unseen in the statement: its session has it, and nobody after it."""
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PASSWORD, SUPERUSER
from harness.wait import wait_until
from harness.wire import Bind, CopyData, CopyDone, Describe, Execute, FunctionCall, Parse, Query, Sync, Wire, fields, row, run

SCHEMA = """
CREATE FUNCTION tenant(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN set_config('app.tenant', $1, false); END $$;
CREATE FUNCTION memory() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SET work_mem = '9MB'; RETURN 1; END $$;
CREATE FUNCTION nested() RETURNS int LANGUAGE sql AS $$ SELECT memory() $$;
CREATE FUNCTION by_text() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SET work_mem = ''9MB'''; RETURN 1; END $$;
CREATE FUNCTION believed() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM set_config('work_mem', '9MB', false); RETURN 1; END $$;
CREATE FUNCTION for_a_transaction() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('work_mem', '9MB', true); RETURN 1; END $$;
CREATE FUNCTION becomes() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SET ROLE other; RETURN 1; END $$;
CREATE FUNCTION prepares() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'PREPARE theirs AS SELECT 1'; RETURN 1; END $$;
CREATE FUNCTION harmless(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN UPDATE plain SET a = a + 1 WHERE a = $1; RETURN $1; END $$;
CREATE FUNCTION on_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('work_mem', '9MB', false); RETURN NEW; END $$;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.a := NEW.a + 1; RETURN NEW; END $$;
CREATE PROCEDURE calls() LANGUAGE plpgsql AS $$ BEGIN SET work_mem = '9MB'; END $$;
CREATE TABLE plain (a int);
CREATE TABLE touched (a int);
CREATE TRIGGER t BEFORE INSERT ON touched FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TABLE triggered (a int);
CREATE TRIGGER t BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION on_row();
CREATE TABLE deferred (a int);
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON deferred INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION on_row();
CREATE TABLE filled (a int DEFAULT memory(), b int);
CREATE VIEW seen AS SELECT memory();
CREATE VIEW settings AS SELECT * FROM pg_settings;
CREATE VIEW direct AS SELECT set_config('work_mem', '9MB', false);
"""


@pytest.fixture(scope="module")
def cluster(start_cluster):
    cluster = start_cluster(shards=1, workers=1, pool_size=1)
    with connect(cluster) as wire:
        wire.rows(SCHEMA)
    with cluster.servers[0].connect(cluster.node_database) as conn:
        if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = 'other'").fetchone():
            conn.execute("CREATE ROLE other")
        conn.execute(f"GRANT other TO {USER}")
        conn.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO other")
    return cluster


def connect(cluster, user=USER, password=USER_PASSWORD):
    return Wire(cluster.router.port, user, password, DATABASE)


def say(*messages):
    """Each is a simple query, or a list of messages."""
    return [Query(message) if isinstance(message, str) else b"".join(message) for message in messages]


WAYS = {
    "a function": say("SELECT memory()"),
    "a function of another": say("SELECT nested()"),
    "a function that makes SQL of text": say("SELECT by_text()"),
    "a function that says it is IMMUTABLE": say("SELECT believed()"),
    "a procedure": say("CALL calls()"),
    "a DO block": say("DO $$ BEGIN PERFORM memory(); END $$"),
    "a DO block that sets": say("DO $$ BEGIN SET work_mem = '9MB'; END $$"),
    "a trigger": say("INSERT INTO triggered VALUES (1)"),
    "a trigger of COPY": say("COPY triggered FROM STDIN", [CopyData("1\n"), CopyDone]),
    "a deferred trigger": say("BEGIN", "INSERT INTO deferred VALUES (1)", "COMMIT"),
    "a default": say("INSERT INTO filled (b) VALUES (1)"),
    "a view": say("SELECT * FROM seen"),
    "a view without functions of the user's own": say("SELECT * FROM direct"),
    "EXECUTE": say("PREPARE p AS SELECT memory()", "EXECUTE p"),
    "the extended protocol": say([Parse("SELECT memory()", "s"), Sync], [Bind(statement="s"), Describe("P"), Execute(), Sync]),
    "a pipeline": say([run("SELECT 1"), run("SELECT memory()"), run("SELECT 1"), Sync]),
    "a cursor": say("BEGIN", "DECLARE c CURSOR FOR SELECT memory()", "FETCH c", "COMMIT"),
    "a transaction": say("BEGIN", "SELECT memory()", "SELECT 1", "COMMIT"),
    "a savepoint": say("BEGIN", "SAVEPOINT a", "SELECT memory()", "RELEASE a", "COMMIT"),
    "EXPLAIN ANALYZE": say("EXPLAIN ANALYZE SELECT memory()"),
    "CREATE TABLE AS": say("CREATE TABLE made AS SELECT memory()", "DROP TABLE made"),
    "a portal of which not all rows are fetched": say([run("SELECT memory() FROM generate_series(1, 3)", row_max=1), Sync]),
    "UPDATE of pg_settings": say("UPDATE pg_settings SET setting = '9MB' WHERE name = 'work_mem'"),
    "UPDATE of a view of pg_settings": say("UPDATE settings SET setting = '9MB' WHERE name = 'work_mem'"),
    "UPDATE of pg_settings in a DO block": say("DO $$ BEGIN UPDATE pg_catalog.pg_settings SET setting = '9MB' WHERE name = 'work_mem'; END $$"),
    "what its transaction made": say("BEGIN", "CREATE OR REPLACE FUNCTION fresh() RETURNS int LANGUAGE sql AS 'SELECT memory()'", "SELECT fresh()", "COMMIT"),
}

UNDONE = {
    "a transaction that was rolled back": say("BEGIN", "SELECT memory()", "ROLLBACK"),
    "a statement that failed": say("SELECT memory(), 1/(SELECT 0)"),
    "a savepoint that was rolled back": say("BEGIN", "SAVEPOINT a", "SELECT memory()", "ROLLBACK TO a", "COMMIT"),
    "a setting for a transaction": say("BEGIN", "SELECT for_a_transaction()", "COMMIT"),
    "a setting for a statement": say("SELECT for_a_transaction()"),
    "a pipeline that failed": say([run("SELECT memory()"), run("SELECT 1/0"), Sync]),
}


def send(wire, messages):
    for message in messages:
        wire.send(message)
        answer = wire.until("ZG")
    return answer


@pytest.mark.parametrize("name", {**WAYS, **UNDONE})
def test_what_code_sets_is_its_sessions_own(cluster, name):
    """The only backend goes to and fro."""
    expected = "9MB" if name in WAYS else "4MB"
    with connect(cluster) as first, connect(cluster) as second:
        for _ in range(2):
            send(first, {**WAYS, **UNDONE}[name])
            assert second.one("SHOW work_mem") == "4MB"
            assert first.one("SHOW work_mem") == expected
    with connect(cluster) as third:
        assert third.one("SHOW work_mem") == "4MB"


@pytest.mark.parametrize("end", ["", "COMMIT", "ROLLBACK"])
def test_a_custom_setting_of_a_function_is_seen_by_nobody_else(cluster, end):
    """What row security goes by: PostgreSQL does not list it. Within its transaction it is there."""
    with connect(cluster) as first, connect(cluster) as second:
        if end:
            first.rows("BEGIN")
        assert first.one("SELECT tenant('7')") == "7"
        if end:
            assert first.one("SELECT current_setting('app.tenant')") == "7"
            first.rows(end)
        assert second.one("SELECT coalesce(current_setting('app.tenant', true), '')") == ""


def test_a_custom_setting_for_a_transaction_keeps_no_backend(cluster):
    """As applications name their tenant, by a parameter, for row security."""
    sql = "SELECT set_config('app.tenant', $1, true)"
    with connect(cluster) as first, connect(cluster) as second:
        for wire in first, second:
            for tenant in "7", "8":
                wire.rows("BEGIN")
                wire.ask(Parse(sql, "", [25]), Bind([tenant]), Execute(), Sync)
                assert wire.one("SELECT current_setting('app.tenant')") == tenant
                wire.rows("COMMIT")
                wire.ask(Parse(sql, "", [25]), Bind([tenant]), Execute(), Sync)
    with connect(cluster) as third:
        assert third.one("SELECT coalesce(current_setting('app.tenant', true), '')") == ""


def test_a_role_that_a_function_takes_goes_along_with_its_session(cluster):
    with connect(cluster) as first, connect(cluster) as second:
        first.rows("SELECT becomes()")
        assert second.one("SELECT current_user") == USER
        assert first.one("SELECT current_user") == "other"
        first.rows("RESET ROLE")
        assert first.one("SELECT current_user") == USER


@pytest.mark.parametrize("sql, state, left, clean", [
    ("SELECT pg_advisory_lock(n) FROM generate_series(1, 3) n", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()", "1", "0"),
    ("SELECT set_config('work_mem', '9MB', false) FROM generate_series(1, 3)", "SHOW work_mem", "9MB", "4MB"),
])
def test_what_a_portal_did_of_which_not_all_rows_are_fetched_is_its_sessions_own(cluster, sql, state, left, clean):
    with connect(cluster) as first:
        first.ask(run(sql, row_max=1), Sync)
        assert first.one(state) == left
    with connect(cluster) as second:
        assert second.one(state) == clean


@pytest.mark.parametrize("message", [Parse("SELECT 1", "theirs"), Query("SET work_mem = '9MB'")], ids=["Parse", "Query"])
@pytest.mark.parametrize("copy", [Query("COPY plain FROM STDIN"), Parse("COPY plain FROM STDIN") + Bind() + Execute()], ids=["simple", "extended"])
def test_what_comes_within_a_copy_that_has_failed_on_the_server_is_not_run(cluster, copy, message):
    """Before the client can know of it: PostgreSQL would have run it, or refused it as a violation of the protocol."""
    with connect(cluster) as first:
        first.send(copy, CopyData("not a number\n"), message, Sync)
        heard = first.until("Z", 3)
        assert heard[0][0] in "1G" and heard[-1][0] == "closed"
    with connect(cluster) as second:
        assert second.one("SELECT count(*) FROM pg_prepared_statements WHERE name = 'theirs'") == "0"
        assert second.one("SHOW work_mem") == "4MB"


def test_a_session_authorization_that_code_takes_goes_along_with_its_session(cluster):
    with connect(cluster, SUPERUSER, PASSWORD) as first, connect(cluster, SUPERUSER, PASSWORD) as second:
        first.rows(f"DO $$ BEGIN SET SESSION AUTHORIZATION {USER}; END $$")
        assert second.one("SELECT session_user") == SUPERUSER
        assert first.one("SELECT session_user") == USER


def test_a_statement_that_a_function_prepares_is_seen_by_nobody_else(cluster):
    with connect(cluster) as first, connect(cluster) as second:
        first.rows("SELECT prepares()")
        assert second.one("SELECT count(*) FROM pg_prepared_statements WHERE name = 'theirs'") == "0"


def test_a_function_that_is_called_by_its_number_leaves_nothing(cluster):
    with connect(cluster) as first, connect(cluster) as second:
        oid = int(first.one("SELECT 'memory'::regproc::oid"))
        send(first, [FunctionCall(oid, [])])
        assert second.one("SHOW work_mem") == "4MB"
        assert first.one("SHOW work_mem") == "9MB"


def test_prepared_copies_outlive_the_reset(cluster):
    """The backend is reset, and the statement is not read again by the server."""
    with connect(cluster) as first, connect(cluster) as second:
        first.ask(Parse("SELECT $1::int + 40", "s"), Sync)
        first.ask(Bind([2], "s"), Execute(), Sync)
        copies = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT $1::int + 40%'"
        assert first.one(copies) == "1"
        first.rows("SELECT memory()")
        assert second.one(copies) == "1"
        assert [kind for kind, _ in first.ask(Bind([2], "s"), Execute(), Sync)] == ["2", "D", "C", "Z"]


def test_a_copy_that_was_read_under_a_setting_of_a_function_is_nobody_elses(cluster):
    """The server reads the constant once."""
    text = "SELECT extract(epoch FROM timestamptz '2024-01-01 00:00')::int"
    with connect(cluster) as first, connect(cluster) as second:
        for sql in "BEGIN", "DO $$ BEGIN SET TimeZone = 'Asia/Seoul'; END $$":
            first.rows(sql)
        assert row(first.ask(Parse(text, "s"), Bind(statement="s"), Execute(), Sync)[2][1]) == [b"1704034800"]
        first.rows("COMMIT")
        assert row(second.ask(Parse(text, "s"), Bind(statement="s"), Execute(), Sync)[2][1]) == [b"1704067200"]


@pytest.mark.parametrize("sql", ["SELECT harmless(1)", "INSERT INTO touched VALUES (1)", "SELECT upper('a'), now(), count(*) FROM plain",
                                 "DO $$ BEGIN UPDATE plain SET a = 1; END $$"])
def test_code_that_sets_nothing_costs_nothing(cluster, sql):
    """The last that the server was asked is the statement itself."""
    with connect(cluster) as wire, cluster.connect_node(user=SUPERUSER, password=PASSWORD) as node:
        pid = wire.one("SELECT pg_backend_pid()")
        last = "SELECT query FROM pg_stat_activity WHERE state = 'idle' AND pid = %s"
        wire.rows("SELECT memory()")
        wait_until(lambda: (node.execute(last, [pid]).fetchone() or [""])[0].startswith("CLOSE ALL"), "the backend was reset")
        wire.rows(sql)
        wire.rows(sql)
        wait_until(lambda: node.execute(last, [pid]).fetchone(), "the backend is idle")
        assert node.execute(last, [pid]).fetchone()[0] == sql


def test_what_an_event_trigger_sets_is_its_sessions_own(start_cluster):
    cluster = start_cluster(shards=1, workers=1, pool_size=1)
    with connect(cluster, SUPERUSER, PASSWORD) as wire:
        wire.rows("CREATE FUNCTION sets() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN SET work_mem = '9MB'; END $$")
        wire.rows("CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION sets()")
    with connect(cluster) as first, connect(cluster) as second:
        first.rows("CREATE TABLE t (a int)")
        assert second.one("SHOW work_mem") == "4MB"
        assert first.one("SHOW work_mem") == "9MB"


def test_what_code_sets_in_session_mode_ends_with_the_session(start_cluster):
    cluster = start_cluster(shards=1, workers=1, pool_size=1, pool_mode="session")
    with connect(cluster) as wire:
        wire.rows(SCHEMA)
        wire.rows("SELECT memory(), tenant('7')")
        assert wire.one("SELECT current_setting('work_mem') || current_setting('app.tenant')") == "9MB7"
    with connect(cluster) as wire:
        assert wire.one("SELECT current_setting('work_mem') || coalesce(current_setting('app.tenant', true), '')") == "4MB"
        wire.rows("SELECT memory(), tenant('7')")
        wire.rows("DISCARD ALL")
        assert wire.one("SELECT current_setting('work_mem') || coalesce(current_setting('app.tenant', true), '')") == "4MB"


def test_over_shards_such_code_is_refused_where_it_could_not_be_followed(start_cluster):
    cluster = start_cluster(shards=2, workers=1)
    with connect(cluster) as wire:
        wire.rows("CREATE TABLE orders (id int PRIMARY KEY)")
        wire.rows("SELECT nanu.shard_table('orders', key => 'id')")
        wire.rows("CREATE FUNCTION memory() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SET work_mem = '9MB'; RETURN 1; END $$")
        assert fields(wire.query("SELECT memory(), id FROM orders")[0][1])["C"] == "0A000"
        assert fields(wire.query("SELECT pg_notify('a', id::text) FROM orders WHERE id = 1")[0][1])["C"] == "0A000"
        wire.rows("BEGIN")
        wire.rows("SELECT memory()")
        refused = [fields(answer[0][1]) for answer in (wire.query(f"SELECT * FROM orders WHERE id = {id}") for id in range(4)) if answer[0][0] == "E"]
        assert refused[0]["C"] == "0A000", refused
        wire.rows("ROLLBACK")
        assert wire.one("SHOW work_mem") == "4MB"
