"""Random scripts of transaction blocks, in all ways of the protocol, of sessions that may read from replicas: beside the same on a PostgreSQL.

A script that differs is printed with its seed. NANU_RANDOM=N plays N scripts for each way, others each time.
"""
import os
import random

import pytest

import transparency.both
from harness.wire import Bind, Close, Describe, Execute, Parse, Sync, Wire, fields
from transparency.both import WAYS, difference, play

from .scene import beside, serving, stat

ONE_LOOP = "uring"
SCRIPTS = int(os.environ.get("NANU_RANDOM", "25"))
SETUP = """CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0), (2, 0);
    CREATE FUNCTION read() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN n FROM t WHERE id = 1; END';
    CREATE FUNCTION bump() RETURNS int LANGUAGE sql AS 'UPDATE t SET n = n + 1 WHERE id = 2 RETURNING n'"""
KINDS = {
    20: ["BEGIN", "BEGIN READ ONLY", "START TRANSACTION", "BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
         "BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN READ WRITE", "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE"],
    16: ["SET TRANSACTION READ ONLY", "SET TRANSACTION READ WRITE", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
         "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", "SET TRANSACTION NOT DEFERRABLE", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
         "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE, DEFERRABLE",
         "SET default_transaction_read_only = on", "SET default_transaction_read_only = off", "SET LOCAL work_mem = '5MB'", "SET work_mem = '6MB'",
         "SET default_transaction_isolation = 'repeatable read'", "SET default_transaction_isolation = 'serializable'", "RESET default_transaction_isolation"],
    12: ["SHOW transaction_read_only", "SHOW transaction_isolation", "SHOW transaction_deferrable", "SHOW work_mem"],
    18: ["SELECT n FROM t WHERE id = 1", "SELECT read()", "SELECT count(*) FROM pg_class WHERE relname = 't'", "SELECT 1/0", "SELECT * FROM missing",
         "SELECT n FROM t WHERE id = 2 FOR UPDATE", "SELECT current_setting('transaction_isolation')"],
    14: ["UPDATE t SET n = n + 1 WHERE id = 1", "UPDATE t SET n = n + 1 WHERE id = 1 RETURNING n", "SELECT bump()",
         "WITH u AS (UPDATE t SET n = n + 1 WHERE id = 2 RETURNING n) SELECT * FROM u"],
    8: ["SAVEPOINT a", "ROLLBACK TO a", "RELEASE a", "DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id", "FETCH 1 FROM c", "CLOSE c"],
    13: ["COMMIT", "ROLLBACK", "END", "ABORT"],
}
SHOWN = "SELECT id, n FROM t ORDER BY id"
# What docs/differences.md has of blocks that replicas serve, and of modes that come behind other statements.
DIFFERS = ["during recovery", "in a hot standby", "what only that could tell", "change its modes here", "must be called before any query"]


def named(statements):
    return [step for i, sql in enumerate(statements) for step in
            ([Parse(sql, f"s{i}"), Sync], [Bind(statement=f"s{i}", portal=f"p{i}"), Execute(f"p{i}"), Sync], [Close("S", f"s{i}"), Sync])]


def mixed(statements):
    return [sql if i % 2 else [Parse(sql), Bind(), Describe("P"), Execute(), Sync] for i, sql in enumerate(statements)]


PLAYED = {**{name: way for name, way in WAYS.items() if name != "named_in_portions"}, "named": named, "mixed": mixed}


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=1, replicas=2, workers=1, consistency="session", read_wait=10000, max_lag=0)
    made.execute(SETUP)
    made.catch_up()
    serving(made)
    return made


@pytest.fixture(scope="module")
def both(cluster, farm):
    return beside(cluster, farm, SETUP)


def script(chance):
    kinds = chance.choices(list(KINDS.values()), list(KINDS), k=chance.randint(3, 12))
    return ["UPDATE t SET n = 0", *(chance.choice(kind) for kind in kinds), "ROLLBACK", SHOWN]


def unlike_only_in_words(kind, body, oids, plain=transparency.both.plain):
    """Errors of the router's own have no line of PostgreSQL's source."""
    if kind in ("E", "N"):
        return kind, repr({name: text for name, text in fields(body).items() if name not in "FLRPq"}).encode()
    return plain(kind, body, oids)


def start_even(both, reset):
    """What was refused on one side only may have left it with other rows."""
    for side in (both.direct, both.routed):
        with Wire(**side) as wire:
            for sql in reset:
                wire.rows(sql)


def compare(both, way, script, scripts, differs, reset):
    seed = random.randrange(1 << 32) if "NANU_RANDOM" in os.environ else way
    chance = random.Random(seed)
    for number in range(scripts):
        statements = script(chance)
        answers = []
        for side in (both.direct, both.routed):
            with Wire(**side) as wire:
                answers.append(play(wire, PLAYED[way](statements)))
        found = difference(*answers)
        if found and not any(words in found.split("through nanu:")[1] for words in differs) and "\nS b'default_transaction" not in found:
            pytest.fail(f"seed {seed}, script {number}: {statements}\n{found}")
        if found:
            start_even(both, reset)


@pytest.mark.parametrize("way", PLAYED)
def test_blocks_are_as_postgresqls(cluster, both, way, monkeypatch):
    monkeypatch.setattr(transparency.both, "plain", unlike_only_in_words)
    compare(both, way, script, SCRIPTS, DIFFERS, ["UPDATE t SET n = 0"])


def test_many_left_the_primary(cluster):
    """The test above says little if all of it stayed there."""
    assert stat(cluster, "replica_reads") >= 4 * SCRIPTS
