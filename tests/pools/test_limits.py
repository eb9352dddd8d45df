"""A limit on connections is one limit, over all workers and all sessions."""
import concurrent.futures
import contextlib

import psycopg
import pytest

from harness.cluster import USER


def backends(cluster):
    with cluster.servers[0].connect() as conn:
        return conn.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND usename = %s",
                            [cluster.node_database, USER]).fetchone()[0]


@pytest.mark.parametrize("pool_size", [1, 3])
def test_pool_size_holds_over_workers_and_everybody_gets_a_turn(start_own, pool_size):
    cluster = start_own(shards=1, workers=4, pool_size=pool_size)
    seen = set()

    def client(number):
        with contextlib.closing(cluster.connect()) as conn:
            for _ in range(50):
                seen.add(conn.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = %s",
                                      [USER]).fetchone()[0])
        return number

    with concurrent.futures.ThreadPoolExecutor(12) as clients:
        assert sorted(clients.map(client, range(12))) == list(range(12))
    assert max(seen) <= pool_size


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("cursor", [psycopg.Cursor, psycopg.ClientCursor])
def test_statements_over_all_shards_do_not_wait_for_each_other_for_ever(start_own, workers, cursor):
    """Each needs a backend of every shard, and there is one of each; others need one only."""
    cluster = start_own(shards=3, workers=workers, pool_size=1)
    with contextlib.closing(cluster.connect()) as conn:
        conn.execute("CREATE TABLE t (k int PRIMARY KEY, v int)")
        conn.execute("SELECT nanu.shard_table('t', key => 'k')")
        for key in range(30):
            conn.execute("INSERT INTO t VALUES (%s, 0)", [key])

    def client(number):
        with contextlib.closing(cluster.connect(cursor_factory=cursor)) as conn:
            for step in range(20):
                assert conn.execute("SELECT count(*) FROM t").fetchone() == (30,)
                assert conn.execute("SELECT k FROM t WHERE k = %s", [(number + step) % 30]).fetchone() == ((number + step) % 30,)
                conn.execute("UPDATE t SET v = v + 1 WHERE k = %s", [(number * step) % 30])
                with conn.transaction():
                    conn.execute("UPDATE t SET v = v + 1 WHERE k = %s", [(number + 7 * step) % 30])
        return number

    with concurrent.futures.ThreadPoolExecutor(10) as clients:
        assert sorted(clients.map(client, range(10))) == list(range(10))
    assert cluster.execute("SELECT sum(v) FROM t") == [(400,)]


def test_a_worker_with_idle_backends_gives_them_up_for_another(start_own):
    cluster = start_own(shards=1, workers=2, pool_size=2)
    with contextlib.ExitStack() as stack:
        conns = [stack.enter_context(contextlib.closing(cluster.connect())) for _ in range(16)]
        for round_ in range(3):
            for conn in conns:  # by the hash of their ports they are spread over both workers
                assert conn.execute("SELECT 1").fetchone() == (1,)
                assert backends(cluster) <= 2


def test_a_session_that_waits_too_long_is_told_why(start_own):
    cluster = start_own(shards=1, pool_size=1, pool_wait_ms_max=300)
    with cluster.connect() as holder, cluster.connect() as other:
        holder.execute("BEGIN")
        holder.execute("SELECT 1")
        with pytest.raises(psycopg.Error) as late:
            other.execute("SELECT 1")
        assert late.value.sqlstate == "57014" and "pool_wait_ms_max" in str(late.value)
        holder.execute("COMMIT")
        assert other.execute("SELECT 1").fetchone() == (1,)


def test_a_full_queue_refuses_at_once(start_own):
    cluster = start_own(shards=1, workers=1, pool_size=1, pool_queue_max=1, pool_wait_ms_max=20000)
    with cluster.connect() as holder, cluster.connect() as one, cluster.connect() as other:
        holder.execute("BEGIN")
        holder.execute("SELECT 1")
        with concurrent.futures.ThreadPoolExecutor(2) as background:
            answers = [background.submit(lambda conn=conn: conn.execute("SELECT 2").fetchone()) for conn in (one, other)]
            refused = next(concurrent.futures.as_completed(answers, timeout=10))
            error = refused.exception()
            assert error and error.sqlstate == "53300" and "pool_queue_max" in str(error)
            holder.execute("COMMIT")
            answers.remove(refused)
            assert answers[0].result() == (2,)
