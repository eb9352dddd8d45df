"""A comment at the beginning of a statement: /* nanu: consistency=strong, shard=s2 */. What it says holds for that statement alone."""
import psycopg
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.wire import Bind, Describe, Execute, Parse, Query, Sync, Wire, fields, rows_of
from reads.scene import connect, count_up, counted, paused, reads_of, serving, stat

ONE_LOOP = "uring"


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=2, replicas=1, workers=1)
    made.execute("CREATE TABLE t (id int PRIMARY KEY, name text)")
    made.execute("SELECT nanu.shard_table('t', key => 'id')")
    for i in range(1, 21):
        made.execute(f"INSERT INTO t VALUES ({i}, 'n{i}')")
    for statement in ["CREATE TABLE home (id int PRIMARY KEY)", "INSERT INTO home VALUES (1)", "CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL)",
                      "INSERT INTO counter VALUES (1, 0)"]:
        made.execute(statement)
    made.catch_up()
    serving(made)
    return made


def every(cluster):
    return [replica for replicas in cluster.replicas for replica in replicas]


def key_on(cluster, shard):
    with cluster.connect_node(shard) as conn:
        return conn.execute("SELECT min(id) FROM t").fetchone()[0]


@pytest.mark.parametrize("prepare", [False, True])
def test_one_read_leaves_the_primary(cluster, prepare):
    with connect(cluster, "strong") as conn:
        with reads_of(cluster, 3 if prepare else 2):    # psycopg prepares apart
            for _ in range(2):
                assert conn.execute("/* nanu: consistency=eventual */ SELECT count(*) FROM home", prepare=prepare).fetchone() == (1,)
        with reads_of(cluster, 0):
            assert conn.execute("SELECT count(*) FROM home", prepare=prepare).fetchone() == (1,)


def test_a_fan_out_follows_it_too(cluster):
    with connect(cluster, "strong") as conn, reads_of(cluster, 2):
        assert conn.execute("/* nanu: consistency=eventual */ SELECT count(*) FROM t", prepare=False).fetchone() == (20,)
        assert conn.execute("SELECT count(*) FROM t", prepare=False).fetchone() == (20,)


@pytest.mark.parametrize("hint", ["consistency=strong", "read_from=primary", "read_from = Primary , consistency=EVENTUAL"])
def test_one_read_stays(cluster, hint):
    with connect(cluster, "eventual") as conn:
        with reads_of(cluster, 2):
            conn.execute("SELECT count(*) FROM home", prepare=False)
            conn.execute(f"/* nanu: {hint} */ SELECT count(*) FROM home", prepare=False)
            conn.execute("SELECT count(*) FROM home", prepare=False)
        assert conn.execute("SHOW nanu.consistency").fetchone() == ("eventual",)


def test_it_shows_what_that_level_shows(cluster):
    with connect(cluster, "strong") as conn, paused(*every(cluster)):
        before = counted(conn)
        count_up(cluster)
        assert conn.execute("/* nanu: consistency=eventual */ SELECT n FROM counter").fetchone() == (before,)
        assert counted(conn) == before + 1
        assert conn.execute("/* nanu: consistency=bounded, max_staleness=0 */ SELECT n FROM counter").fetchone() == (before + 1,)


def test_what_a_hinted_read_showed_counts(cluster):
    """A session that reads its own writes does not go back behind what it was shown at another level."""
    with connect(cluster, "monotonic") as conn:
        cluster.catch_up()
        with paused(*every(cluster)):
            newest = count_up(cluster)
            assert conn.execute("/* nanu: read_from=primary */ SELECT n FROM counter").fetchone() == (newest,)
            assert counted(conn) == newest


def test_named_statements_keep_theirs(cluster):
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
        wire.ask(Query("SET nanu.consistency = strong"))
        wire.ask(Parse("/* nanu: consistency=eventual */ SELECT count(*) FROM home", "weak"), Sync)
        wire.ask(Parse("SELECT count(*) FROM home", "plain"), Sync)
        with reads_of(cluster, 1):
            assert rows_of(wire.ask(Bind(statement="weak"), Describe("P"), Execute(), Sync)) == [["1"]]
        with reads_of(cluster, 0):
            assert rows_of(wire.ask(Bind(statement="plain"), Describe("P"), Execute(), Sync)) == [["1"]]
        with reads_of(cluster, 0):      # together they are the primary's, which all may read from
            both = wire.ask(Bind(statement="weak"), Execute(), Bind(statement="plain"), Execute(), Sync)
            assert rows_of(both) == [["1"], ["1"]]


def test_a_writer_may_have_one_too(cluster):
    with connect(cluster, "strong") as conn:
        assert conn.execute("/* nanu: consistency=eventual */ UPDATE counter SET n = n RETURNING id").fetchone() == (1,)


def test_hints_do_not_make_plans_of_their_own(cluster):
    """A thousand statements that differ in their literals, and in other comments."""
    def misses():
        return stat(cluster, "plan_misses")
    with cluster.connect() as conn:
        conn.execute("/* nanu: consistency=eventual */ SELECT name FROM t WHERE id = 1", prepare=False)
        before = misses()
        for i in range(1, 21):
            conn.execute(f"/* request {i} */ /* nanu: consistency=eventual */ SELECT name FROM t WHERE id = {i}", prepare=False)
        assert misses() - before <= 2


# ---- where ----

def test_any_shard_becomes_the_one_that_is_named(cluster):
    ports = [server.port for server in cluster.servers]
    for prepare in [False, True]:
        with cluster.connect() as conn:
            for _ in range(2):
                for shard, port in enumerate(ports, 1):
                    assert conn.execute(f"/* nanu: shard=s{shard} */ SELECT current_setting('port')::int", prepare=prepare).fetchone() == (port,)


def test_the_shard_of_the_key_may_be_named(cluster):
    for shard in range(2):
        key = key_on(cluster, shard)
        with cluster.connect() as conn:
            assert conn.execute(f"/* nanu: shard=s{shard + 1} */ SELECT name FROM t WHERE id = %s", [key]).fetchone() == (f"n{key}",)
            with pytest.raises(psycopg.errors.InvalidParameterValue, match="not where the shard key leads"):
                conn.execute(f"/* nanu: shard=s{2 - shard} */ SELECT name FROM t WHERE id = %s", [key])


# ---- what is refused ----

@pytest.mark.parametrize("statement, message", [
    ("/* nanu: consistency=quick */ SELECT 1", "invalid value for parameter \"nanu.consistency\": \"quick\""),
    ("/* nanu: read_from=best */ SELECT 1", "invalid value for parameter \"nanu.read_from\": \"best\""),
    ("/* nanu: max_staleness=soon */ SELECT 1", "invalid value for parameter \"nanu.max_staleness\": \"soon\""),
    ("/* nanu: consistenci=strong */ SELECT 1", "unrecognized hint \"consistenci\""),
    ("/* nanu: token=abc */ SELECT 1", "unrecognized hint \"token\""),
    ("/* nanu: strong */ SELECT 1", "the hint \"strong\" cannot be read"),
    ("/* nanu: */ SELECT 1", "the hint \"\" cannot be read"),
    ("/* nanu: consistency=strong, */ SELECT 1", "cannot be read"),
    ("/* nanu: consistency=strong, consistency=eventual */ SELECT 1", "the hint says \"consistency\" twice"),
    ("/* nanu: read_wait=1 */ /* nanu: consistency=strong */ SELECT 1", "a statement can have one hint"),
    ("/* nanu: shard=s1 */ -- x\n/* other *//*nanu:nothing=1*/ SELECT 1", "a statement can have one hint"),
    ("-- nanu: shard=s1\n-- nanu: shard=s1\nSELECT 1", "a statement can have one hint"),
    ("-- nanu: shard=s1\n/* nanu: shard=s1 */SELECT 1", "a statement can have one hint"),
    ("-- NANU: nothing=1\nSELECT 1", "unrecognized hint \"nothing\""),
    ("/* Nanu: shard=s3 */ SELECT 1", "the hint names shard \"s3\""),
    ("/* nanu: shard=s3 */ SELECT 1", "the hint names shard \"s3\", which database \"app\" does not have"),
    ("/* nanu: shard=s2 */ SELECT * FROM home", "where this statement cannot run"),
    ("/* nanu: shard=s2 */ SELECT * FROM t", "where this statement cannot run"),
    ("/* nanu: shard=s1 */ SELECT * FROM nanu.nodes", "where this statement cannot run"),
    ("/* nanu: consistency=eventual */ BEGIN READ ONLY", "BEGIN cannot have a hint"),
    ("/* nanu: consistency=eventual */ SET work_mem = '1MB'", "SET cannot have a hint"),
    ("/* nanu: shard=s1 */ CREATE TABLE never (id int)", "CREATE TABLE cannot have a hint"),
    ("/* nanu: shard=s1 */ SELECT 1; SELECT 2", "where this statement cannot run"),
    ("/* nanu: nothing=1 */ SELECT 1; SELECT 2", "unrecognized hint"),
    ("/* nanu: nothing=1 */ COMMIT", "unrecognized hint"),
])
def test_what_is_not_understood_is_refused(cluster, statement, message):
    for messages in [[Query(statement)], [Parse(statement), Bind(), Execute(), Sync]]:
        with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
            errors = [fields(body) for kind, body in wire.ask(*messages) if kind == "E"]
            assert len(errors) == 1 and errors[0]["C"] == "22023" and message in errors[0]["M"], errors
            assert rows_of(wire.ask(Query("SELECT 1"))) == [["1"]]


@pytest.mark.parametrize("statement", ["-- /* nanu: nothing=1 */\nSELECT 1", "/* /* nanu: nothing=1 */ */ SELECT 1", "SELECT /* nanu: nothing=1 */ 1",
                                       "/* nanu nothing=1 */ SELECT 1", "SELECT 1 /* nanu: nothing=1 */"])
def test_other_comments_are_comments(cluster, statement):
    assert cluster.execute(statement) == [(1,)]


def test_a_block_that_reads_from_a_replica_is_whole(cluster):
    with connect(cluster, "eventual") as conn:
        conn.execute("BEGIN READ ONLY")
        conn.execute("SELECT count(*) FROM home")
        with pytest.raises(psycopg.Error) as caught:
            conn.execute("/* nanu: consistency=strong */ SELECT count(*) FROM home")
        assert caught.value.sqlstate == "25000" and "READ ONLY" in caught.value.diag.message_hint
        conn.execute("ROLLBACK")
        conn.execute("BEGIN")
        assert conn.execute("/* nanu: consistency=eventual */ SELECT count(*) FROM home").fetchone() == (1,)
        conn.execute("COMMIT")
