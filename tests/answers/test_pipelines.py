"""Pipelines over several shards: what one Sync ends is done whole or not at all."""
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.wire import Bind, Describe, Execute, Flush, Parse, Query, Sync, Wire, fields, run

ONE_LOOP = "uring"


@pytest.fixture(scope="module")
def cluster(start_cluster):
    return start_cluster(shards=3)


@pytest.fixture
def wire(cluster):
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as made:
        for name in ("t", "plain", "fresh"):
            made.rows(f"DROP TABLE IF EXISTS {name}")
        made.rows("CREATE TABLE t (k int PRIMARY KEY, v int)")
        made.rows("SELECT nanu.shard_table('t', key => 'k')")
        made.rows("CREATE TABLE plain (k int)")
        yield made


def keys_of_each_shard(cluster, wire):
    ports = {}
    for key in range(100):
        wire.rows(f"INSERT INTO t VALUES ({key}, 0)")
        ports.setdefault(wire.one(f"SELECT inet_server_port() FROM t WHERE k = {key}"), key)
    for key in range(100):
        wire.rows(f"DELETE FROM t WHERE k = {key}")
    return [ports[str(server.port)] for server in cluster.servers]


REFUSED = ["INSERT INTO t VALUES ({other}, 2)", "SELECT count(*) FROM t", "SELECT * FROM nanu.nothing", "SELECT 1/0", "CREATE TABLE fresh (a int)",
           "TRUNCATE t", "SELECT * FROM t JOIN plain ON true"]


@pytest.mark.parametrize("shard", [0, 1, 2])
@pytest.mark.parametrize("sql", REFUSED)
def test_an_error_takes_back_what_was_done_before_it(cluster, wire, shard, sql):
    keys = keys_of_each_shard(cluster, wire)
    sql = sql.format(other=keys[shard - 1])
    messages = wire.ask(run(f"INSERT INTO t VALUES ({keys[shard]}, 1)"), run(sql), run("SELECT 1"), Sync)
    assert [fields(body)["C"] for kind, body in messages if kind == "E"][0] in ("0A000", "42P01", "22012"), messages
    assert wire.rows("SELECT * FROM t") == []
    assert wire.one("SELECT to_regclass('fresh') IS NULL") == "t"


@pytest.mark.parametrize("sql", ["SELECT count(*) FROM t", "SELECT count(*) FROM nanu.tables", "SELECT 2"])
def test_a_portal_outlives_a_flush(wire, sql):
    """Of a fan-out, of what the router answers itself, and of a server."""
    wire.send(Parse(sql), Bind(), Describe("P"), Flush)
    wire.until("T")
    wire.send(Execute(), Sync)
    assert [kind for kind, _ in wire.until("Z")] == ["D", "C", "Z"]


@pytest.mark.parametrize("definition", ["CREATE TABLE fresh (a int)", "TRUNCATE t", "CREATE INDEX ON t (v)"])
def test_an_error_takes_back_a_definition_before_it(wire, definition):
    wire.rows("INSERT INTO t VALUES (1, 1)")
    indexes = wire.one("SELECT count(*) FROM pg_indexes WHERE tablename = 't'")
    messages = wire.ask(run(definition), run("SELECT 1/0"), Sync)
    assert any(kind == "E" for kind, _ in messages)
    assert wire.one("SELECT to_regclass('fresh') IS NULL") == "t" and wire.one("SELECT count(*) FROM t") == "1"
    assert wire.one("SELECT count(*) FROM pg_indexes WHERE tablename = 't'") == indexes


def test_a_definition_alone_in_its_pipeline_or_in_a_transaction_is_done(wire):
    assert not [body for kind, body in wire.ask(run("CREATE TABLE fresh (a int)"), Sync) if kind == "E"]
    wire.rows("DROP TABLE fresh")
    messages = wire.ask(run("BEGIN"), run("CREATE TABLE fresh (a int)"), run("COMMIT"), Sync)
    assert not [fields(body) for kind, body in messages if kind == "E"]
    assert wire.one("SELECT to_regclass('fresh') IS NOT NULL") == "t"


@pytest.mark.parametrize("before", ["SELECT v FROM t WHERE k = {own}", "SELECT v FROM t WHERE k = {other}", "INSERT INTO t VALUES ({own}, 1)", "SELECT k FROM plain"])
@pytest.mark.parametrize("begin", ["BEGIN", "START TRANSACTION READ WRITE"])
def test_begin_within_a_pipeline_makes_a_block_of_it(cluster, wire, before, begin):
    """Of what was before it, too, as on a server, while no Sync was."""
    own, other, _ = keys_of_each_shard(cluster, wire)
    answers = wire.ask(run(before.format(own=own, other=other)), run(begin), run(f"INSERT INTO t VALUES ({own}, 5) ON CONFLICT (k) DO UPDATE SET v = 5"),
                       run(f"SELECT v FROM t WHERE k = {other}"), Sync)
    assert not [fields(body) for kind, body in answers if kind == "E"]
    assert answers[-1] == ("Z", b"T")
    wire.rows("ROLLBACK")
    assert wire.rows("SELECT * FROM t") == []


def test_a_block_of_a_pipeline_is_what_its_begin_says(cluster, wire):
    own, other, _ = keys_of_each_shard(cluster, wire)
    answers = wire.ask(run(f"SELECT v FROM t WHERE k = {own}"), run("BEGIN READ ONLY"), run(f"INSERT INTO t VALUES ({own}, 1)"), Sync)
    assert [fields(body)["C"] for kind, body in answers if kind == "E"] == ["25006"]
    wire.rows("ROLLBACK")
    answers = wire.ask(run(f"INSERT INTO t VALUES ({other}, 1)"), run("BEGIN"), run(f"INSERT INTO t VALUES ({own}, 1)"), Sync)
    assert [fields(body)["C"] for kind, body in answers if kind == "E"] == ["0A000"]
    wire.rows("ROLLBACK")
    answers = wire.ask(run("BEGIN"), run(f"SELECT v FROM t WHERE k = {own}"), run("COMMIT"), run("BEGIN"), run(f"INSERT INTO t VALUES ({own}, 1)"), Sync)
    assert answers[-1] == ("Z", b"T")
    wire.rows("ROLLBACK")
    assert wire.rows("SELECT * FROM t") == []


def sent(wire, how, statements):
    """All at once; or each statement's answer is waited for. Neither has a Sync before the end."""
    if how == "at once":
        return wire.ask(*map(run, statements), Sync)
    answers = []
    for sql in statements:
        wire.send(run(sql), Flush)
        answers += wire.until("CE")
        if answers[-1][0] == "E":
            break
    return answers + wire.ask(Sync)


ON_TWO = {"wrote first": ["UPDATE pair SET v = 1 WHERE k = {own}", "SELECT v FROM pair WHERE k = {other}"],
          "wrote last": ["SELECT v FROM pair WHERE k = {other}", "UPDATE pair SET v = 1 WHERE k = {own}"],
          "set first": ["SELECT v FROM pair WHERE k = {own}", "SET work_mem = '5MB'", "SELECT v FROM pair WHERE k = {other}", "UPDATE pair SET v = 1 WHERE k = {own}"],
          "set last": ["UPDATE pair SET v = 1 WHERE k = {own}", "SELECT v FROM pair WHERE k = {other}", "SET work_mem = '5MB'"]}
ENDS = {"commits": ([], True), "fails": (["SELECT 1 / v FROM pair WHERE k = {other}"], False), "fails where it wrote": (["SELECT 1 / (v - 1) FROM pair WHERE k = {own}"], False),
        "is refused": (["SELECT * FROM pair JOIN pair b ON true"], False), "rolls back": (["ROLLBACK"], False),
        "rolls back a block": (["BEGIN", "SELECT v FROM pair WHERE k = {other}", "ROLLBACK"], False), "commits and fails": (["COMMIT", "SELECT 1 / v FROM pair WHERE k = {other}"], True),
        "commits a block": (["BEGIN", "SELECT v FROM pair WHERE k = {other}", "COMMIT"], True)}


@pytest.fixture(scope="module")
def keys(cluster):
    """Of two shards; each has its row in the table pair."""
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
        wire.rows("CREATE TABLE pair (k int PRIMARY KEY, v int)")
        wire.rows("SELECT nanu.shard_table('pair', key => 'k')")
        ports = {}
        for key in range(20):
            wire.rows(f"INSERT INTO pair VALUES ({key}, 0)")
            ports.setdefault(wire.one(f"SELECT inet_server_port() FROM pair WHERE k = {key}"), key)
    return list(ports.values())[:2]


@pytest.mark.parametrize("how", ["at once", "one by one"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("parts", ON_TWO)
def test_what_ran_on_two_shards_ends_together(cluster, keys, parts, end, how):
    own, other = keys
    ends, done = ENDS[end]
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
        wire.rows(f"UPDATE pair SET v = 0 WHERE k = {own}")
        before = wire.one("SHOW work_mem")
        answers = sent(wire, how, [sql.format(own=own, other=other) for sql in ON_TWO[parts] + ends])
        assert ("E" in [kind for kind, _ in answers]) == ("fails" in end or "refused" in end), answers
        assert wire.one(f"SELECT v FROM pair WHERE k = {own}") == ("1" if done else "0")
        after = "5MB" if done and parts.startswith("set") else before
        assert wire.one("SHOW work_mem") == after
        for key in (own, other):
            assert wire.one(f"SELECT current_setting('work_mem') FROM pair WHERE k = {key}") == after
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as another:
        for key in (own, other):
            assert another.one(f"SELECT current_setting('work_mem') FROM pair WHERE k = {key}") == before


def test_a_commit_that_fails_on_a_shard_that_was_left_is_heard(cluster, wire):
    own, other, _ = keys_of_each_shard(cluster, wire)
    wire.rows("DROP TABLE IF EXISTS d")
    wire.rows("CREATE TABLE d (k int, v int, UNIQUE (k, v) DEFERRABLE INITIALLY DEFERRED)")
    wire.rows("SELECT nanu.shard_table('d', key => 'k')")
    answers = wire.ask(run(f"INSERT INTO d VALUES ({own}, 1), ({own}, 1)"), run(f"SELECT v FROM d WHERE k = {other}"), run("SET work_mem = '5MB'"), Sync)
    assert [fields(body)["C"] for kind, body in answers if kind == "E"] == ["23505"]
    assert wire.rows("SELECT * FROM d") == [] and wire.one("SHOW work_mem") != "5MB"


@pytest.mark.parametrize("mode", ["SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET default_transaction_isolation = 'repeatable read'"])
def test_by_default_too_one_snapshot_is_of_one_shard(cluster, keys, mode):
    own, other = keys
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
        wire.rows(mode)
        for first in (own, other):
            wire.rows("BEGIN")
            assert wire.one("SHOW transaction_isolation") != "read committed"       # which looks at nothing
            wire.rows(f"SELECT v FROM pair WHERE k = {first}")
            answers = wire.ask(run(f"SELECT v FROM pair WHERE k = {own if first == other else other}"), Sync)
            assert [fields(body)["C"] for kind, body in answers if kind == "E"] == ["0A000"]
            wire.rows("ROLLBACK")


@pytest.mark.parametrize("begin", [["BEGIN"], []])
def test_what_is_refused_before_a_flush_is_heard(cluster, keys, begin):
    for key in keys:        # on one of which the home shard is another one's
        with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
            statements = [*begin, f"UPDATE pair SET v = 7 WHERE k = {key} RETURNING v", f"SELECT set_config('extra_float_digits', '{2 + key % 2}', true)"]
            answers = wire.ask(*map(run, statements), Flush, Sync)
            assert [fields(body)["C"] for kind, body in answers if kind == "E"] in ([], ["0A000"])
            wire.rows("ROLLBACK")


def test_a_simple_begin_makes_a_block_of_what_came_before_it(cluster, keys):
    for key in keys:
        with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
            wire.rows(f"UPDATE pair SET v = 0 WHERE k = {key}")
            wire.send(run(f"UPDATE pair SET v = 5 WHERE k = {key}"), Query("BEGIN"))
            assert wire.until(count=1)[-1] == ("Z", b"T")
            wire.rows("ROLLBACK")
            assert wire.one(f"SELECT v FROM pair WHERE k = {key}") == "0"


@pytest.mark.parametrize("how", ["at once", "one by one"])
@pytest.mark.parametrize("first", ["SET LOCAL work_mem = '7MB'", "SELECT set_config('work_mem', '7MB', true)"])
def test_what_is_set_for_a_pipeline_holds_on_every_shard_or_is_refused(cluster, keys, first, how):
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
        before = wire.one("SHOW work_mem")
        answers = sent(wire, how, [first, *(f"SELECT current_setting('work_mem') FROM pair WHERE k = {key}" for key in keys), "SHOW work_mem"])
        errors = [fields(body)["C"] for kind, body in answers if kind == "E"]
        values = [body[6:].decode() for kind, body in answers if kind == "D"]
        assert errors == ["0A000"] and "4MB" not in values
        wire.send(run("BEGIN"))
        answers = sent(wire, how, [first, *(f"SELECT current_setting('work_mem') FROM pair WHERE k = {key}" for key in keys), "SHOW work_mem", "COMMIT"])
        assert [body[6:].decode() for kind, body in answers if kind == "D"][-3:] == ["7MB"] * 3
        for key in keys:
            assert wire.one(f"SELECT current_setting('work_mem') FROM pair WHERE k = {key}") == before


@pytest.mark.parametrize("simple", [True, False])
def test_modes_that_come_too_late_on_one_shard_are_refused(cluster, keys, simple):
    for key in keys:
        with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
            for sql in ["BEGIN", "RESET default_transaction_isolation", f"SELECT v FROM pair WHERE k = {key}"]:
                wire.rows(sql)
            late = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
            answers = wire.query(late) if simple else wire.ask(run(late), Sync)
            assert [fields(body)["C"] for kind, body in answers if kind == "E"] == ["25001"]
            assert not [kind for kind, _ in answers if kind == "C"] and answers[-1] == ("Z", b"E")
