"""Whoever connects to the HTTP port, and whatever they say: the next one is answered, and sessions do not notice."""
import concurrent.futures
import contextlib
import random
import re
import socket
import time

import pytest

from harness.wait import PATIENCE, wait_until

from .asking import get, wait_for_status, with_http
from harness.once import start_cluster, start_own  # noqa: F401

CONNECTIONS_MAX = 100  # base/limits.h: HTTP_CONNECTIONS_MAX


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = with_http(start_cluster, shards=1)
    wait_for_status(made, "/ready", 200)
    return made


def dial(cluster):
    sock = socket.create_connection(("127.0.0.1", int(cluster.router.settings["http_port"])), timeout=20 * PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def hear_all(sock):
    """To the end of the connection, or until the other side waits for more."""
    parts = []
    with contextlib.suppress(ConnectionError, TimeoutError):
        while part := sock.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def is_fine(cluster):
    begin = time.monotonic()
    assert get(cluster, "/health").status == 200
    assert time.monotonic() - begin < 2 * PATIENCE
    assert cluster.execute("SELECT 1") == [(1,)]


GARBAGE = {
    "nothing": b"",
    "zeros": b"\0" * 5000,
    "a PostgreSQL client": b"\0\0\0\x08\x04\xd2\x16\x2f",
    "a TLS client": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\x55" * 500,
    "no version": b"GET /health\r\n\r\n",
    "another protocol": b"GET /health SPDY/9\r\n\r\n",
    "no end": b"GET /" + b"a" * 100_000,
    "a long head": b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "many heads": b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(5000)) + b"\r\n",
    "a length that is none": b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    "a length below nothing": b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "chunks that are none": b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a path of odd bytes": b"GET /%00%ff\xff\xfe?%00=%00&\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "a smuggled request": b"POST /ready HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("said", GARBAGE)
def test_garbage_gets_an_error_or_the_end(cluster, said):
    with dial(cluster) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(GARBAGE[said])
        sock.settimeout(0.3)
        answer = hear_all(sock)
    assert not answer.startswith(b"HTTP/1.1 200")
    is_fine(cluster)


def test_random_bytes_harm_nobody(cluster):
    chance = random.Random(20261121)
    for _ in range(200):
        with dial(cluster) as sock, contextlib.suppress(ConnectionError):
            sock.sendall(chance.choice([b"", b"GET ", b"GET /ready?", b"GET /metrics HTTP/1.1\r\n"]) + chance.randbytes(chance.randrange(2000)))
    is_fine(cluster)


def test_pipelined_requests_are_answered_in_order(cluster):
    with dial(cluster) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
                     b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert re.findall(rb"HTTP/1.1 (\d+) ", hear_all(sock)) == [b"200", b"404", b"200"]


def test_a_body_that_nobody_wants_is_not_kept(cluster):
    with dial(cluster) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5000000\r\n\r\n")
        for _ in range(50):
            sock.sendall(b"x" * 100_000)
        assert hear_all(sock).startswith(b"HTTP/1.1 200")
    is_fine(cluster)


def test_more_connections_than_there_may_be_keep_nobody_out(cluster):
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(dial(cluster)) for _ in range(CONNECTIONS_MAX * 3)]
        for sock in socks:
            with contextlib.suppress(ConnectionError):
                sock.sendall(b"GET /health HTTP/1.1\r\n")     # and no more
        for _ in range(20):
            is_fine(cluster)
        with cluster.connect() as conn:
            open_now = conn.execute("SELECT 1").fetchone() and len(connected(cluster))
        assert open_now <= CONNECTIONS_MAX + 20


def connected(cluster):
    """Connections of the HTTP port that the router has open: established, or ended by the client alone."""
    port = f"{int(cluster.router.settings['http_port']):04X}"
    rows = [line.split() for line in open("/proc/net/tcp").readlines()[1:]]
    return [row for row in rows if row[1].endswith(":" + port) and row[3] in ("01", "08")]


def test_slow_askers_do_not_delay_others(cluster):
    request = b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    over = False

    def drip():
        with dial(cluster) as sock:
            for byte in request[:-1]:
                sock.sendall(bytes([byte]))
                time.sleep(0.02)
            sock.sendall(request[-1:])
            return hear_all(sock)

    def keep_checking():
        count = 0
        while not over:
            is_fine(cluster)
            count += 1
        return count

    with concurrent.futures.ThreadPoolExecutor(21) as pool:
        checking = pool.submit(keep_checking)
        slow = [pool.submit(drip) for _ in range(20)]
        answers = [task.result() for task in slow]
        over = True
        assert checking.result() > 3
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)


def test_who_reads_nothing_costs_one_connection(cluster):
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            sock = stack.enter_context(dial(cluster))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with contextlib.suppress(BlockingIOError):
                sock.setblocking(False)
                sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        for _ in range(5):
            is_fine(cluster)
    wait_until(lambda: len(connected(cluster)) <= 1, "their connections are over")
