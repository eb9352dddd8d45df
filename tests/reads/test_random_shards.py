"""The random scripts of test_random_blocks.py on two shards, of which several statements of a script, and some statements by themselves, need both."""
import pytest

import transparency.both

from . import test_random_blocks as blocks
from .scene import beside, serving, stat

ONE_LOOP = "uring"
SCRIPTS = (blocks.SCRIPTS + 1) // 2
IDS = range(1, 9)
TABLES = ["CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)", "CREATE TABLE h (id int PRIMARY KEY, n int NOT NULL)",
          "CREATE FUNCTION read() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN n FROM h WHERE id = 1; END'",
          "CREATE FUNCTION bump() RETURNS int LANGUAGE sql AS 'UPDATE h SET n = n + 1 WHERE id = 2 RETURNING n'"]
ROWS = [f"INSERT INTO {table} VALUES ({i}, 0)" for table in "th" for i in IDS]
KINDS = {
    **{weight: [sql.replace("FROM t", "FROM h") for sql in blocks.KINDS[weight]] for weight in (20, 16, 12, 8, 13)},
    30: [*(f"SELECT n FROM t WHERE id = {i}" for i in range(1, 5)), "SELECT id, n FROM t ORDER BY id", "SELECT count(*), sum(n) FROM t",
         "SELECT n, count(*) FROM t GROUP BY n ORDER BY n", "SELECT id, n FROM t WHERE id IN (1, 2, 3, 4) ORDER BY id", "SELECT id FROM t ORDER BY id LIMIT 3", "SELECT read()",
         "SELECT n FROM h WHERE id = 1", "SELECT 1/0", "SELECT * FROM missing", "SELECT n FROM t WHERE id = 2 FOR UPDATE", "SELECT current_setting('transaction_isolation')"],
    14: [*(f"UPDATE t SET n = n + 1 WHERE id = {i}" for i in range(1, 4)), "UPDATE t SET n = n + 1 WHERE id = 1 RETURNING n", "SELECT bump()", "UPDATE h SET n = n + 1 WHERE id = 1"],
}
BEFORE = [*(f"UPDATE t SET n = 0 WHERE id = {i}" for i in range(1, 5)), "UPDATE h SET n = 0"]
AFTER = ["ROLLBACK", "SELECT id, n FROM t ORDER BY id", "SELECT id, n FROM h ORDER BY id"]
REFUSED = ["writing on a second one is not supported yet", "keeps one snapshot cannot touch a second shard"]


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=2, replicas=2, workers=1, consistency="session", read_wait=10000, max_lag=0)
    for statement in [*TABLES, "SELECT nanu.shard_table('t', key => 'id')", *ROWS]:
        made.execute(statement)
    made.catch_up()
    serving(made)
    return made


@pytest.fixture(scope="module")
def both(cluster, farm):
    return beside(cluster, farm, ";".join([*TABLES, *ROWS]))


def script(chance):
    kinds = chance.choices(list(KINDS.values()), list(KINDS), k=chance.randint(3, 12))
    return [*BEFORE, *(chance.choice(kind) for kind in kinds), *AFTER]


class OneNumber(dict):
    """A table has an OID on each shard."""

    def setdefault(self, oid, number):
        return 0


@pytest.mark.parametrize("way", blocks.PLAYED)
def test_blocks_are_as_postgresqls(cluster, both, way, monkeypatch):
    monkeypatch.setattr(transparency.both, "plain", lambda kind, body, oids: blocks.unlike_only_in_words(kind, body, OneNumber()))
    blocks.compare(both, way, script, SCRIPTS, blocks.DIFFERS + REFUSED, BEFORE)


def test_many_left_the_primary(cluster):
    """The test above says little if all of it stayed there."""
    assert stat(cluster, "replica_reads") >= 10 * SCRIPTS
