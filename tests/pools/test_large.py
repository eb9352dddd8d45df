"""Values too large to be kept go to their server as they come, in bounded memory."""
import contextlib
import hashlib
import os
import pathlib

import psycopg
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.starve import LIBRARY
from harness.wire import Bind, Execute, Parse, Query, Sync, Wire, fields, run

MIB = 1 << 20
MEMORY_MIB_MAX = 16  # for a value of any size
VALUE_MIB = int(os.environ.get("NANU_VALUE_MIB", 80))


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=2, workers=1, pool_size=1)
    with connect(made) as wire:
        for table in ("large", "plain"):
            wire.rows(f"CREATE TABLE {table} (k int PRIMARY KEY, v bytea)")
            wire.rows(f"ALTER TABLE {table} ALTER v SET STORAGE EXTERNAL")
        wire.rows("SELECT nanu.shard_table('large', key => 'k')")
    return made


@pytest.fixture(autouse=True)
def empty(cluster):
    cluster.execute("TRUNCATE large")
    cluster.execute("TRUNCATE plain")


def connect(cluster):
    return Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE)


def peak(cluster, reset=False):
    process = pathlib.Path(f"/proc/{cluster.router.program.popen.pid}")
    if reset:
        (process / "clear_refs").write_text("5")
    return int(next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


@pytest.mark.parametrize("table, prepare", [("large", False), ("plain", True)])
def test_a_value_larger_than_any_statement_passes_in_bounded_memory(cluster, table, prepare):
    value = bytes(range(256)) * (4 * MIB // 1024) * VALUE_MIB
    with contextlib.closing(cluster.connect()) as conn:
        for key in range(6):
            conn.execute(f"INSERT INTO {table} VALUES (%s, %b)", [key, b"small"], prepare=prepare)
        before = peak(cluster, reset=True)
        conn.execute(f"INSERT INTO {table} VALUES (%s, %b)", [7, value], prepare=prepare)
        assert conn.execute(f"SELECT md5(v) FROM {table} WHERE k = 7").fetchone() == (hashlib.md5(value).hexdigest(),)
        assert conn.execute(f"SELECT v FROM {table} WHERE k = %s", [7], binary=True).fetchone() == (value,)
        assert peak(cluster) - before < MEMORY_MIB_MAX
        assert conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (7,)


def test_a_key_behind_a_large_value_is_waited_for(cluster):
    with contextlib.closing(cluster.connect()) as conn:
        conn.execute("UPDATE large SET v = %b WHERE k = %s", [b"x" * (20 * MIB), 1])
        conn.execute("INSERT INTO large VALUES (1, 'a')")
        assert conn.execute("UPDATE large SET v = %b WHERE k = %s", [b"x" * (20 * MIB), 1]).rowcount == 1
        assert conn.execute("SELECT length(v) FROM large WHERE k = 1").fetchone() == (20 * MIB,)
        with pytest.raises(psycopg.Error, match="larger than statement_size_max"):
            conn.execute("UPDATE large SET v = %b WHERE k = %s", [b"x" * (80 * MIB), 1])
        assert conn.execute("SELECT length(v) FROM large WHERE k = 1").fetchone() == (20 * MIB,)


def test_what_is_too_large_is_refused_and_the_session_goes_on(cluster):
    with connect(cluster) as wire:
        for message in (Query("SELECT '" + "x" * (70 * MIB) + "'"), Parse("SELECT '" + "x" * (70 * MIB) + "'") + Bind() + Execute() + Sync,
                        run("SELECT 1") + Parse("SELECT '" + "x" * (70 * MIB) + "'") + Sync):
            answer = wire.ask(message)
            assert [fields(body)["C"] for kind, body in answer if kind == "E"] == ["54000"] and answer[-1][0] == "Z"
            assert wire.one("SELECT 1") == "1"
        wire.rows("BEGIN")
        wire.ask(Query("SELECT '" + "x" * (70 * MIB) + "'"))
        assert wire.status() == "E"
        wire.rows("ROLLBACK")


def test_a_statement_for_all_shards_has_large_values_too(cluster):
    with contextlib.closing(cluster.connect()) as conn:
        for key in range(8):
            conn.execute("INSERT INTO large VALUES (%s, %b)", [key, bytes([key]) * 5 * MIB])
        assert conn.execute("SELECT k FROM large WHERE v = %b", [bytes([3]) * 5 * MIB]).fetchall() == [(3,)]
        assert conn.execute("SELECT sum(length(v)) FROM large").fetchone() == (8 * 5 * MIB,)


def insert(key, value):
    return Parse("INSERT INTO large VALUES ($1, $2)", types=(23, 17)) + Bind([key, value], formats=(0, 1)) + Execute()


@pytest.mark.parametrize("size, step", [(MIB - 100, 65536), (MIB + 100, 1000), (MIB + 100, 10 * MIB), (3 * MIB + 1, 65536)])
def test_a_pipeline_with_large_values_however_it_is_cut(cluster, size, step):
    with connect(cluster) as wire:
        sent = run("BEGIN") + insert(1, b"a" * size) + insert(1, b"again" * size) + insert(1, b"b" * size) + Sync
        for at in range(0, len(sent), step):
            wire.send(sent[at:at + step])
        answer = wire.until("Z")
        assert [fields(body)["C"] for kind, body in answer if kind == "E"] == ["23505"]
        assert wire.status() == "E"
        wire.rows("ROLLBACK")
        assert wire.one("SELECT count(*) FROM large") == "0"
        assert [kind for kind, _ in wire.ask(insert(1, b"a" * size), run("SELECT length(v) FROM large WHERE k = 1"), Sync)] == list("12C12TDCZ")


def test_large_values_of_what_is_refused_are_dropped(cluster):
    with connect(cluster) as wire:
        for refused in ("SELECT nothing, $1::int, $2::bytea", "SELECT pg_read_file($1), $2::bytea", "SYNTAX $1 $2"):
            answer = wire.ask(Parse(refused), Bind([1, b"x" * (3 * MIB)], formats=(0, 1)), Execute(), Sync)
            assert [kind for kind, _ in answer][-2:] == ["E", "Z"]
            assert wire.one("SELECT 1") == "1"
        answer = wire.ask(Bind([1, b"x" * (3 * MIB)], statement="nobody's", formats=(0, 1)), Sync)
        assert [fields(body)["C"] for kind, body in answer if kind == "E"] == ["26000"]
        assert wire.one("SELECT 1") == "1"


def test_who_leaves_in_the_middle_of_a_large_value_disturbs_nobody(cluster):
    for size in (2000, MIB, 5 * MIB):
        with connect(cluster) as wire:
            wire.send(Parse("INSERT INTO large VALUES ($1, $2)", types=(23, 17)) + Bind([1, b"x" * (10 * MIB)], formats=(0, 1))[:size])
        with connect(cluster) as wire:  # there is one backend for each shard
            assert wire.one("SELECT count(*) FROM large") == "0"
            assert "E" not in [kind for kind, _ in wire.ask(insert(1, b"x"), Sync)]
            assert wire.rows("TRUNCATE large") == []


STATEMENT_MIB_MAX = 250 if LIBRARY.exists() else 800        # a sanitizer needs more

# Each has one kind of part very often. What is made for a part must not be as long as the statement.
LONG_STATEMENTS = {
    "words of a setting": "SET search_path = a" + ", a" * 20000,
    "statements": "SELECT 1" + "; SELECT 1" * 30000,
    "parameters that nobody brings": "SELECT $65535" + "; SELECT $65535" * 3000,
    "rows that are not alike": "INSERT INTO large VALUES (1" + ", 1" * 10000 + ")" + ", (1)" * 10000,
    "rows": "INSERT INTO large VALUES (1, '')" + ", (2, '')" * 200000,
    "parts of a type's name": "SELECT 1 FROM large WHERE k = 1::a" + ".a" * 30000,
}


@pytest.mark.parametrize("parts", LONG_STATEMENTS)
def test_what_a_long_statement_takes_grows_with_its_length_alone(cluster, parts):
    with connect(cluster) as wire:
        before = peak(cluster, reset=True)
        wire.send(Query(LONG_STATEMENTS[parts]))
        with connect(cluster) as other:         # on the same worker: its login waits for as long as that one is planned
            assert other.one("SELECT name FROM nanu.databases") == DATABASE
        assert wire.until()[-1] == ("Z", b"I")
        assert peak(cluster) - before < STATEMENT_MIB_MAX


def test_a_long_error_of_a_shard_is_heard(cluster):
    with connect(cluster) as wire:
        name = "n" + ".n" * 300000
        answer = wire.query(f"SELECT k FROM large WHERE v = '' AND '' = NULL::{name} ORDER BY k")
        assert [kind for kind, _ in answer] == ["E", "Z"] and name in fields(answer[0][1])["M"]
