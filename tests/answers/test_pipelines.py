"""Pipelines over several shards: what one Sync ends is done whole or not at all."""
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.wire import Bind, Describe, Execute, Flush, Parse, Sync, Wire, fields, run

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
