import threading
import time

import psycopg
import pytest

from harness.agents import Shard
from harness.etcd import Etcd
from harness.wait import wait_until


@pytest.fixture(scope="session")
def etcd():
    started = Etcd().start()
    yield started
    started.close()


@pytest.fixture(scope="module")
def module_shard(etcd):
    shard = Shard(etcd)
    try:
        yield shard.start()
        shard.check_logs()
    finally:
        shard.close()


@pytest.fixture
def shard(module_shard):
    """Three nodes, one of which leads and is followed by the others; the test may leave them in any state that agents get out of by themselves."""
    for node in module_shard.nodes:
        if node.agent.ended():
            node.start_agent()
    try:
        wait_until(module_shard.all_follow, "all follow", timeout_s=30)
    except TimeoutError:
        print(module_shard.describe())
        raise
    primary = module_shard.primary()
    with primary.connect() as conn:
        conn.execute("DROP TABLE IF EXISTS written")
        conn.execute("CREATE TABLE written (number bigint PRIMARY KEY)")
    yield module_shard
    print(module_shard.describe())  # shown when the test has failed


class Writers:
    """Clients that look for the primary by themselves and write numbers to it; what was acknowledged is kept, with the node that did so and when."""

    def __init__(self, shard, count=2):
        self.shard, self.stopping = shard, False
        self.acknowledged = []
        self.threads = [threading.Thread(target=self.run, args=[i, count]) for i in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *why):
        self.stopping = True
        for thread in self.threads:
            thread.join()

    def run(self, first, step):
        number = first
        while not self.stopping:
            for node in self.shard.nodes:
                try:
                    with psycopg.connect(node.conninfo() + " target_session_attrs=read-write options='-c statement_timeout=3s'", autocommit=True) as conn:
                        while not self.stopping:
                            number += step
                            conn.execute("INSERT INTO written VALUES (%s)", [number])
                            self.acknowledged.append((time.monotonic(), node, number))
                            time.sleep(0.005)
                except psycopg.Error:
                    pass
            time.sleep(0.01)

    def goes_on(self):
        """Returns when something was acknowledged that was sent after this call; and how long nothing had been."""
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) > before + len(self.threads), "writes are acknowledged again")

    def longest_pause(self):
        times = [when for when, _, _ in self.acknowledged]
        return max(later - earlier for earlier, later in zip(times, times[1:]))

    def lost(self, primary):
        acknowledged = list(self.acknowledged)
        have = {number for number, in primary.ask("SELECT number FROM written")}
        return [number for _, _, number in acknowledged if number not in have]


@pytest.fixture
def writers(shard):
    with Writers(shard) as running:
        running.goes_on()
        yield running
