"""Allocations that fail, one after the other, in everything that a client can do: the router lives, nobody else notices, and no answer is wrong."""
import contextlib
import itertools
import os
import random
import resource

import psycopg
import pytest

from harness.cluster import DATABASE, USER
from harness.starve import LIBRARY, Starve
from harness.wait import wait_until

WHOLE = bool(os.environ.get("NANU_SOAK"))       # every allocation, rather than some
SEED = int(os.environ.get("NANU_SEED", random.randrange(1 << 30)))
SAMPLES = 2     # of the allocations of each step
EACH_MAX = 1000 # the same of the whole: only what reads the catalogs makes more
ROW = 150       # more in a row than one part of the reserve serves: sessions end, so that others can go on
BIG = "x" * 700000

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="a sanitizer has its own malloc")


@pytest.fixture(scope="module")
def starve():
    return Starve()


@pytest.fixture(scope="module")
def cluster(start_cluster, starve):
    cluster = start_cluster(shards=2, pool_size=6, workers=1, environment=starve.environment())
    with cluster.connect() as conn:
        conn.execute("CREATE TABLE notes (n int, text text)")
        conn.execute("CREATE TABLE spread (k bigint PRIMARY KEY, v int)")
        conn.execute("SELECT nanu.shard_table('spread', key => 'k')")
        for key in range(100):
            conn.execute("INSERT INTO spread VALUES (%s, %s)", [key, key % 7])
    return cluster


def ask(conn, sql, *parameters, **more):
    return conn.execute(sql, parameters or None, **more).fetchall()


# What a client does. No text of `number` is one that was planned before; each checks its answer.

def simple(conn, number):
    assert ask(conn, f"SELECT {number} AS a{number}") == [(number,)]


def extended(conn, number):
    assert ask(conn, f"SELECT v AS b{number} FROM spread WHERE k = %s", 9) == [(2,)]


def prepared(conn, number):
    for key in (10, 11):
        assert ask(conn, f"SELECT v AS c{number} FROM spread WHERE k = %s", key, prepare=True) == [(key % 7,)]


def fan_out(conn, number):
    assert ask(conn, f"SELECT v, count(*) AS d{number} FROM spread GROUP BY v ORDER BY v LIMIT 2") == [(0, 15), (1, 15)]
    assert ask(conn, f"SELECT k AS e{number} FROM spread ORDER BY k LIMIT 3") == [(0,), (1,), (2,)]


def copy(conn, number):
    with conn.cursor() as cursor:
        with cursor.copy(f"COPY notes /* {number} */ FROM STDIN") as into:
            into.write(f"{number}\tone\n{number}\ttwo\n")
        with cursor.copy(f"COPY (SELECT text FROM notes WHERE n = {number} ORDER BY 1) TO STDOUT") as out:
            assert [bytes(row) for row in out] == [b"one\n", b"two\n"]


def big_value(conn, number):
    assert ask(conn, f"SELECT %s::text || '!' AS f{number}", BIG) == [(BIG + "!",)]


def transaction(conn, number):
    with conn.transaction():
        conn.execute(f"SET LOCAL work_mem = '{64 + number % 1000}kB'")
        conn.execute(f"INSERT INTO notes VALUES ({number}, 'three')")
        with contextlib.suppress(psycopg.errors.DivisionByZero), conn.transaction():
            ask(conn, f"SELECT {number} / 0")
        assert ask(conn, f"SELECT count(*) AS g{number} FROM notes WHERE n = {number} AND text = 'three'") == [(1,)]


def own(conn, number):
    assert ask(conn, f"SELECT name AS h{number} FROM nanu.shards ORDER BY 1") == [("s1",), ("s2",)]


def settings(conn, number):
    conn.execute(f"SET application_name = 'a{number}'")
    assert ask(conn, "SHOW application_name") == [(f"a{number}",)]


def reload(conn, number):
    ask(conn, "SELECT nanu.reload()")


def definition(conn, number):
    conn.execute(f"CREATE TABLE made_{number} (k int)")
    conn.execute(f"DROP TABLE made_{number}")


STEPS = [simple, extended, prepared, fan_out, copy, big_value, transaction, own, settings, reload, definition]
numbers = itertools.count(1)


def run(cluster, step, before, after):
    """A session that does the step; the error that ended it, or None."""
    number = next(numbers)
    try:
        before()
        with contextlib.closing(cluster.connect(sslmode="disable")) as conn:     # libpq would not tell a reason that comes before TLS
            step(conn, number)
            after()
            simple(conn, next(numbers))
            fan_out(conn, next(numbers))
    except psycopg.Error as error:
        if error.sqlstate != "53200":           # or the connection ended, with or without a word
            assert error.sqlstate is None and ("closed" in str(error) or "out of memory" in str(error)), f"in {step.__name__}: {error!r}"
        return error
    return None


class Bystander:
    """A session with a transaction of its own, which must not suffer."""

    def __init__(self, cluster):
        self.conn = cluster.connect()
        self.rows, self.mark = 0, -next(numbers)
        self.begin()

    def begin(self):
        self.conn.execute("BEGIN")
        self.conn.execute("INSERT INTO notes VALUES (%s, 'mine')", [self.mark])
        self.rows += 1

    def check(self):
        assert self.conn.execute("SELECT count(*) FROM notes WHERE n = %s", [self.mark]).fetchone() == (self.rows,)
        if self.rows % 2:
            self.conn.execute("COMMIT")
            self.begin()
        assert self.conn.execute("SELECT v FROM spread WHERE k = 8").fetchone() == (1,)


def resident_kb(router):
    with open(f"/proc/{router.program.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def remove_tables(cluster):
    """What scripts that were stopped within a definition left behind."""
    with cluster.connect() as conn:
        for (name,) in conn.execute("SELECT relname FROM pg_class WHERE relname LIKE 'made_%'").fetchall():
            conn.execute(f"DROP TABLE {name}")


def count_allocations(cluster, starve, step):
    """How many the step makes, its session's login with it, on a router that has made already what it makes once."""
    for _ in range(2):
        assert run(cluster, step, starve.arm, starve.disarm) is None
    return starve.disarm()[0]


def fail_each(cluster, starve, step, row, chosen):
    """How often the failure was reached, and where it ended the session."""
    reached, ended, bystander = 0, [], Bystander(cluster)
    for first in chosen:
        error = run(cluster, step, lambda: starve.arm(first, row), starve.disarm)
        reached += starve.disarm()[1] > 0
        ended += [first] if error else []
        assert cluster.router.running(), f"allocation {first}"
        bystander.check()
    bystander.conn.close()
    return reached, ended


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_an_allocation_that_fails_hurts_nobody_else(cluster, starve, step):
    count, choose, before_kb = count_allocations(cluster, starve, step), random.Random(SEED), resident_kb(cluster.router)
    size = min(count, EACH_MAX if WHOLE else SAMPLES)
    for row in (1, ROW):
        reached, ended = fail_each(cluster, starve, step, row, sorted(choose.sample(range(1, count + 1), size)))
        print(f"NANU_SEED={SEED} {step.__name__}: {size} of {count} allocations, {row} in a row; reached {reached}; sessions ended {len(ended)}")
        assert reached >= size // 2             # the threads of the router do not always do the same
        assert row > 1 or not ended             # for one failure the reserve is enough
    remove_tables(cluster)
    assert resident_kb(cluster.router) - before_kb < 20000
    wait_until(lambda: nothing_left(cluster), "all backends are idle, and no more than the pool may have")


def nothing_left(cluster):
    for server in cluster.servers:
        with server.connect() as conn:
            states = [state for state, in conn.execute("SELECT state FROM pg_stat_activity WHERE datname = %s AND usename = %s",
                                                       [cluster.node_database, USER])]
            if len(states) > 6 or any(state != "idle" for state in states):
                return False
    return cluster.execute(f"SELECT count(*) FROM nanu.sessions WHERE database = '{DATABASE}'") == [(1,)]


def limit_memory(router, more):
    """The router may have `more` bytes beside what it has now; None: what it likes."""
    with open(f"/proc/{router.program.pid}/statm") as statm:
        now = int(statm.read().split()[0]) * resource.getpagesize()
    most = resource.RLIM_INFINITY
    resource.prlimit(router.program.pid, resource.RLIMIT_AS, (most if more is None else now + more, most))


def test_what_is_too_large_for_the_memory_that_is_left_is_refused(start_own):
    cluster = start_own(shards=2, pool_size=6, workers=1)
    with contextlib.closing(cluster.connect()) as other:
        other.execute("CREATE TABLE spread (k bigint PRIMARY KEY, v text)")
        other.execute("SELECT nanu.shard_table('spread', key => 'k')")
        for key in range(20):
            other.execute("INSERT INTO spread VALUES (%s, %s)", [key, str(key)])
        other.execute("BEGIN")
        other.execute("INSERT INTO spread VALUES (100, 'mine')")
        limit_memory(cluster.router, 12 << 20)
        for sql, parameters in [("SELECT v FROM spread WHERE v = %s AND k = %s", ["x" * (16 << 20), 7]), ("SELECT '" + "y" * (14 << 20) + "'", None),
                                ("SELECT 1 WHERE 1 IN (" + ", ".join("1 + 1" for _ in range(60000)) + ")", None),
                                ("SELECT max(repeat(v, 24000000)) FROM spread WHERE k < 10", None)]:
            with contextlib.closing(cluster.connect()) as conn, pytest.raises(psycopg.Error) as error:
                conn.execute(sql, parameters)
            assert "out of memory" in str(error.value), error.value
            assert other.execute("SELECT v FROM spread WHERE k = 100").fetchone() == ("mine",)
            assert cluster.execute("SELECT v FROM spread WHERE k = 7") == [("7",)]
        limit_memory(cluster.router, None)
        other.execute("COMMIT")
        assert cluster.execute("SELECT v FROM spread WHERE v <> %s AND k = %s", ["x" * (16 << 20), 7]) == [("7",)]
        assert cluster.execute("SELECT count(*) FROM spread") == [(21,)]
