"""Servers that die or talk nonsense at any byte, thousands of clients that hardly say anything, floods of logins and cancels: nobody else notices."""
import concurrent.futures
import contextlib
import os
import random
import resource
import socket
import statistics
import struct
import threading
import time

import psycopg
import pytest

from chaos.exchange import startup
from chaos.proxy import Proxy
from chaos.test_chaos import Witness
from harness.cluster import DATABASE, USER
from harness.starve import LIBRARY
from harness.wait import PATIENCE, wait_until

WHOLE = bool(os.environ.get("NANU_SOAK"))
SEED = int(os.environ.get("NANU_SEED", random.randrange(1 << 30)))
SLOW_CLIENTS, FLOOD, FAULTS = 5000, 20000 if WHOLE else 1500, 12
CLIENT_S = 5    # in which a client has had its answers, or none come
BAD = "bad"     # the database behind the proxy
LATENCY_FACTOR, LATENCY_MS = 4, 10      # beside bad peers the median statement takes so much longer at most; and so many ms are always allowed


@pytest.fixture(scope="module")
def proxy(farm):
    proxy = Proxy(farm.servers_for(2)[1].port)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="module")
def cluster(start_cluster, farm, proxy):
    """Two shards for everybody, and the database BAD on the second server, reached through the proxy."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(20000, limits[1]), limits[1]))
    cluster = start_cluster(shards=2, auth="trust", pool_size=4, workers=2, connect_ms_max=2000, client_max=20000)
    settings = cluster.router.settings
    settings["nodes"].append({"name": "n3", "host": "127.0.0.1", "port": str(proxy.port)})
    settings["shards"].append({"name": "s3", "nodes": ["n3"]})
    settings["databases"][0]["shards"] = ["s1", "s2"]
    settings["databases"].append({"name": BAD, "node_database": cluster.node_database, "shards": ["s3"]})
    cluster.router.configure()
    cluster.execute("SELECT nanu.reload()")
    with cluster.connect() as conn:
        conn.execute("CREATE TABLE spread (k bigint PRIMARY KEY, v int)")
        conn.execute("SELECT nanu.shard_table('spread', key => 'k')")
        for key in range(200):
            conn.execute("INSERT INTO spread VALUES (%s, %s)", [key, key % 7])
    with cluster.connect(dbname=BAD) as conn:
        conn.execute("CREATE TABLE notes (n int PRIMARY KEY, text text)")
        conn.execute("INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 50) n")
    yield cluster
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class RouterHangs(Exception):
    """It has not said all."""


@contextlib.contextmanager
def not_for_ever(cluster, conn):
    """A client may take nonsense for the beginning of more, when the router has said all that there is: then its session is ended."""
    found, pid = [], conn.info.backend_pid

    def end():
        found.extend(cluster.execute("SELECT state FROM nanu.sessions WHERE pid = %s", [pid]))
        cluster.execute("SELECT nanu.terminate_session(%s)", [pid])
    timer = threading.Timer(CLIENT_S * PATIENCE, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if found not in ([], [("ready",)]):
            raise RouterHangs(found)


def talk(cluster, number):
    """A long exchange; every answer is checked."""
    with contextlib.closing(cluster.connect(dbname=BAD, connect_timeout=int(CLIENT_S * PATIENCE))) as conn, not_for_ever(cluster, conn):
        rows = [(n, f"note {n}") for n in range(1, 51)]
        assert conn.execute("SELECT n, text FROM notes WHERE n <= 50 ORDER BY n").fetchall() == rows
        assert conn.execute("SELECT text FROM notes WHERE n = %s", [7], prepare=True).fetchone() == ("note 7",)
        conn.execute("SET TimeZone = 'Asia/Seoul'")
        with conn.cursor() as cursor, cursor.copy("COPY (SELECT n, text FROM notes WHERE n <= 50 ORDER BY n) TO STDOUT") as copy:
            assert [(int(n), text) for n, text in copy.rows()] == rows
        conn.execute("BEGIN")
        conn.execute(f"INSERT INTO notes VALUES ({number}, 'mine')")
        assert conn.execute(f"SELECT text FROM notes WHERE n = {number}").fetchone() == ("mine",)
        conn.execute("COMMIT")
        assert conn.execute("SELECT repeat('x', 100000)").fetchone() == ("x" * 100000,)


def fresh_backends(cluster, proxy):
    """The next statement on BAD opens a connection through the proxy."""
    with cluster.servers[1].connect() as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port IN (SELECT unnest(%s::int[]))",
                      [[connection.port for connection in list(proxy.connections)]])
    wait_until(lambda: not proxy.connections, "the connections through the proxy are gone")


def resident_kb(cluster):
    with open(f"/proc/{cluster.router.program.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@contextlib.contextmanager
def watched(cluster):
    """A client beside what happens, which sees nothing of it; and the router neither ends nor grows."""
    witness, before_kb = Witness(cluster, 1), resident_kb(cluster)
    witness.start()
    wait_until(lambda: witness.rounds or witness.problem, "the witness is at work")
    yield
    witness.finish()
    assert cluster.router.running()
    if LIBRARY.exists():        # a sanitizer has memory of its own, which grows with what it watches
        assert resident_kb(cluster) - before_kb < 30000


@pytest.mark.parametrize("how", ["cut", "garble"])
def test_a_server_that_dies_or_talks_nonsense_at_any_byte(cluster, proxy, how):
    number = random.Random(how).randrange(1000, 1 << 30)
    fresh_backends(cluster, proxy)
    proxy.most = 0
    talk(cluster, number)
    length, failed = proxy.most, 0
    chosen = range(length) if WHOLE else sorted(random.Random(SEED).sample(range(length - 100000), FAULTS - 3)) + [length - 100000, length - 50, length - 1]
    print(f"NANU_SEED={SEED}: {len(chosen)} of {length} bytes")
    with watched(cluster):
        for at in chosen:
            fresh_backends(cluster, proxy)
            number, proxy.struck, proxy.fault = number + 1, 0, (at, how)
            try:
                talk(cluster, number)
            except psycopg.Error:
                failed += 1
            except RouterHangs:
                raise
            except Exception:
                assert how == "garble", f"a wrong answer after byte {at}"       # a value that was altered cannot be told from another, and drivers stumble
            assert proxy.struck or at > length - 100, f"byte {at} was not reached"
            proxy.fault = None
        fresh_backends(cluster, proxy)
        talk(cluster, number + 1)
    assert failed > len(chosen) // 3


class Meter:
    """How long a statement of a client takes, compared with how long it took when the client came."""

    def __init__(self, cluster):
        self.conn = cluster.connect()
        self.alone_ms = self.median_ms()

    def median_ms(self):
        took = []
        for key in range(200):
            begin = time.monotonic()
            assert self.conn.execute("SELECT v FROM spread WHERE k = %s", [key]).fetchone() == (key % 7,)
            took.append((time.monotonic() - begin) * 1000)
        return statistics.median(took)

    def check(self):
        assert self.median_ms() < self.alone_ms * LATENCY_FACTOR + LATENCY_MS * PATIENCE

    def close(self):
        self.conn.close()


def test_thousands_of_slow_clients_slow_nobody_down(cluster):
    hello = startup(USER, DATABASE)
    # These first: psycopg waits with select(), which knows no descriptor above 1023.
    with contextlib.closing(Meter(cluster)) as meter, watched(cluster), contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", cluster.router.port))) for _ in range(SLOW_CLIENTS)]
        for at in range(3):
            for sock in slow:
                sock.send(hello[at:at + 1])
            meter.check()
        # Some come to their end after all, and are served.
        for sock in slow[::500]:
            sock.send(hello[3:])
            assert sock.recv(1) == b"R"
    wait_until(lambda: cluster.execute("SELECT count(*) FROM nanu.sessions") == [(1,)], "they are gone")


@pytest.mark.parametrize("what", ["logins", "cancels", "half logins"])
def test_a_flood_disturbs_nobody(cluster, what):
    hello = {"logins": startup(USER, DATABASE), "half logins": startup(USER, DATABASE)[:20]}
    draw = random.Random(SEED)

    def flood(count):
        for _ in range(count):
            packet = hello.get(what) or struct.pack("!4I", 16, 80877102, draw.getrandbits(32), draw.getrandbits(32))
            with socket.create_connection(("127.0.0.1", cluster.router.port)) as sock:
                sock.sendall(packet)
    flood(FLOOD // 4)
    wait_until(lambda: cluster.execute("SELECT count(*) FROM nanu.sessions") == [(1,)], "they are gone")
    with contextlib.closing(Meter(cluster)) as meter, watched(cluster), concurrent.futures.ThreadPoolExecutor(1) as beside:
        flooding = beside.submit(flood, FLOOD)
        while not flooding.done():
            meter.check()
        flooding.result()
    wait_until(lambda: cluster.execute("SELECT count(*) FROM nanu.sessions") == [(1,)], "they are gone")
