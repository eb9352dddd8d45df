"""What a session wrote and saw, carried to other sessions: nanu.token by hand, nanu.user over all connections."""
import signal

import psycopg
import pytest

from harness.cluster import DATABASE
from harness.wait import wait_until

from .scene import connect, counted, paused, reads_of, serving

ONE_LOOP = "uring"

COUNTER = "CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL); INSERT INTO counter VALUES (1, 0)"


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=1, replicas=2, workers=2, max_lag=0)
    made.execute(COUNTER)
    made.catch_up()
    serving(made)
    return made


@pytest.fixture(scope="module")
def second(cluster, start_cluster):
    """Another router before the same servers; on etcd they would have one secret and know of each other."""
    return start_cluster(shares=cluster, max_lag=0)


def token_of(conn):
    return conn.execute("SHOW nanu.token").fetchone()[0]


@pytest.mark.parametrize("level", ["monotonic", "session", "causal"])
def test_a_token_shows_what_another_session_wrote(cluster, level):
    with connect(cluster, "session") as writer, connect(cluster, level) as reader:
        if level != "causal":
            wait_until(lambda: served_by_replica(cluster, reader), "the reader has been shown something by a replica")
        with paused(*cluster.replicas[0]):
            wrote, = writer.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
            assert level == "causal" or counted(reader) < wrote, "without the token the replica serves what it has"
            token = token_of(writer)
            reader.execute(f"SET nanu.token = '{token}'")
            with reads_of(cluster, 0):
                assert counted(reader) == wrote
        reader.execute("SET nanu.read_wait = '10s'")
        wait_until(lambda: served_by_replica(cluster, reader), "the replicas have it too")
        assert counted(reader) == wrote


def served_by_replica(cluster, conn):
    (before,), = cluster.execute("SELECT value FROM nanu.stats WHERE name = 'replica_reads'")
    counted(conn)
    (after,), = cluster.execute("SELECT value FROM nanu.stats WHERE name = 'replica_reads'")
    return after > before


def test_a_token_counts_in_a_transaction_block_too(cluster):
    """Whose read is the first after it."""
    with connect(cluster, "session") as writer, connect(cluster, "session") as reader:
        wait_until(lambda: served_by_replica(cluster, reader), "the reader has been shown something by a replica")
        with paused(*cluster.replicas[0]):
            wrote, = writer.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
            reader.execute(f"SET nanu.token = '{token_of(writer)}'")
            reader.execute("BEGIN READ ONLY")
            assert counted(reader) == wrote
            reader.execute("COMMIT")


def test_a_token_tells_what_was_shown(cluster):
    """Also what a replica showed, and what nobody of the router's sessions wrote."""
    with cluster.connect_node() as node, paused(cluster.replicas[0][0]):
        wrote, = node.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
        cluster.replicas[0][1].catch_up()
        with connect(cluster, "eventual") as witness, connect(cluster, "monotonic") as reader:
            wait_until(lambda: counted(witness) == wrote, "the replica that goes on shows it")
            reader.execute(f"SET nanu.token = '{token_of(witness)}'")
            assert all(counted(reader) == wrote for _ in range(10))


@pytest.mark.parametrize("side", ["", "@replica", "@primary"])
def test_a_token_comes_with_the_start_up_packet(cluster, side):
    with connect(cluster, "session") as writer, paused(*cluster.replicas[0]):
        wrote, = writer.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
        with cluster.connect(dbname=DATABASE + side, options=f"-c nanu.consistency=monotonic -c nanu.token={token_of(writer)}") as reader:
            assert counted(reader) == wrote


@pytest.mark.parametrize("make", [lambda token: token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1], lambda token: "B" + token[1:],
                                  lambda token: token[:20], lambda token: "nonsense!", lambda token: "A" * 5000])
def test_no_other_text_is_a_token(cluster, make):
    with connect(cluster, "session") as conn:
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            conn.execute(f"SET nanu.token = '{make(token_of(conn))}'")


def test_a_token_of_another_router_s_store_is_refused(cluster, second):
    with connect(cluster, "session") as conn, connect(second, "session") as other:
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="another database or store"):
            other.execute(f"SET nanu.token = '{token_of(conn)}'")


def test_what_a_failover_lost_is_not_hidden(own_servers, start_own):
    """The primary dies with a write that no replica has; a replica is promoted. Who carries a token of that write must hear of it."""
    cluster = start_own(servers=[own_servers], replicas=2, workers=1)
    promoted, other = cluster.replicas[0]
    cluster.execute(COUNTER)
    cluster.catch_up()
    serving(cluster)
    with connect(cluster, "session") as conn:
        conn.execute("UPDATE counter SET n = 1")
        kept = token_of(conn)
        cluster.catch_up()
        promoted.stop()
        other.stop()
        conn.execute("UPDATE counter SET n = 2")
        lost = token_of(conn)
    own_servers.program.stop(signal.SIGKILL)
    promoted.start()
    with promoted.connect() as conn:
        conn.execute("SELECT pg_promote()")
    cluster.router.settings["shards"][0]["nodes"] = ["n1r1", "n1", "n1r2"]
    cluster.router.configure()
    cluster.execute("SELECT nanu.reload()")
    with cluster.connect() as conn:
        wait_until(lambda: conn.execute("SELECT timeline FROM nanu.replication WHERE node = 'n1r1'").fetchone() == (2,), "the router sees the promotion")
        conn.execute("SET nanu.consistency = session")
        conn.execute(f"SET nanu.token = '{kept}'")
        assert counted(conn) == 1
        conn.execute(f"SET nanu.token = '{lost}'")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="does not have"):
            counted(conn)
        conn.execute("RESET nanu.token")
        assert counted(conn) == 1
    own_servers.start()  # the database is dropped there


# ---- nanu.user ----

def test_a_user_reads_his_own_writes_over_all_connections(cluster):
    """On two workers."""
    writers = [connect(cluster, "session") for _ in range(2)]
    readers = [connect(cluster, "session") for _ in range(4)]
    try:
        for conn in writers + readers:
            conn.execute("SET nanu.\"user\" = 'mina'")
        with paused(*cluster.replicas[0]):
            for writer in writers:
                wrote, = writer.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
                assert all(counted(reader) == wrote for reader in readers)
    finally:
        for conn in writers + readers:
            conn.close()


def test_another_user_may_not_see_them_yet(cluster):
    with connect(cluster, "session") as writer, connect(cluster, "session") as reader:
        writer.execute("SET nanu.\"user\" = 'mina'")
        reader.execute("SET nanu.\"user\" = 'jun'")
        wait_until(lambda: served_by_replica(cluster, reader), "it reads from replicas")
        with paused(*cluster.replicas[0]):
            wrote, = writer.execute("UPDATE counter SET n = n + 1 RETURNING n").fetchone()
            assert counted(reader) < wrote


def test_the_reserved_word_is_told_of(cluster):
    with cluster.connect() as conn:
        with pytest.raises(psycopg.errors.SyntaxError) as refusal:
            conn.execute("SET nanu.user = 'mina'")
        assert 'nanu."user"' in refusal.value.diag.message_hint
        conn.execute("SET nanu.\"user\" = 'mina'")
        assert conn.execute("SHOW nanu.\"user\"").fetchone() == ("mina",)
