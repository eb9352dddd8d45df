"""Two routers behind one address: a cancel request that comes to the wrong one finds its session all the same."""
import socket
import struct

import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.program import free_port
from harness.router import Router
from harness.wait import wait_until
from harness.wire import CANCEL_CODE, Query, Wire, fields


@pytest.fixture
def routers(start_cluster):
    """The cluster's own, and another before the same server."""
    ports = {1: free_port(), 2: free_port()}
    peers = ", ".join(f"{number}=127.0.0.1:{port}" for number, port in ports.items())
    cluster = start_cluster(shards=1, workers=2, listen_port=ports[1], router_id=1, peers=peers)
    other = Router(dict(cluster.router.settings, workers=1, listen_port=ports[2], router_id=2), cluster.router.users)
    other.start()
    yield cluster, other
    try:
        other.stop()
    finally:
        other.remove()


def connect(router):
    return Wire(router.port, USER, USER_PASSWORD, DATABASE)


def ask_to_cancel(router, key):
    with socket.create_connection(("127.0.0.1", router.port)) as conn:
        conn.sendall(struct.pack("!iiII", 16, CANCEL_CODE, *key))
        assert conn.recv(1) == b""


def test_a_cancel_request_is_passed_on(routers):
    cluster, other = routers
    for mine, asked in (cluster.router, other), (other, cluster.router), (other, other):
        for _ in range(4):  # of either worker
            with connect(mine) as wire:
                wire.send(Query("SELECT pg_sleep(30)"))
                wait_until(lambda: cluster.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(30)%' AND state = 'active'")
                           == [(1,)], "it runs")
                ask_to_cancel(asked, wire.key)
                assert fields(wire.until("E")[-1][1])["C"] == "57014"


def test_a_wrong_key_cancels_nothing_and_goes_round_once(routers):
    """The secret must be right, its number apart; a number that nobody has, and one of a router that takes itself for another, end here."""
    cluster, other = routers
    with connect(cluster.router) as wire:
        pid, secret = wire.key
        assert secret >> 26 == 1
        wire.send(Query("SELECT pg_sleep(0.3)"))
        for wrong in secret ^ 1, secret ^ 1 << 27, secret | 63 << 26:
            for router in cluster.router, other:
                ask_to_cancel(router, (pid, wrong))
        assert [kind for kind, _ in wire.until()] == ["T", "D", "C", "Z"]


def test_a_request_that_would_go_to_and_fro_does_not(start_cluster):
    """Somebody who is not who he is said to be sends it back."""
    with socket.create_server(("127.0.0.1", 0)) as mirror:
        cluster = start_cluster(shards=1, workers=1, router_id=1, peers=f"2=127.0.0.1:{mirror.getsockname()[1]}")
        mirror.settimeout(1)
        ask_to_cancel(cluster.router, (5, 2 << 26))
        with mirror.accept()[0] as conn:
            assert conn.recv(16) == struct.pack("!iiII", 16, CANCEL_CODE, 5, 2 << 26)
            ask_to_cancel(cluster.router, (5, 2 << 26))
        with pytest.raises(TimeoutError):
            mirror.accept()
