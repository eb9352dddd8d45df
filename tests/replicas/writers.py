"""Clients that write all the time, through the router, while something happens to replicas."""
import contextlib
import threading

from harness.wait import wait_until

CLIENTS, FILLER = 4, 500


class Writers:
    """Each inserts ids that no other inserts: client + CLIENTS x n. .acknowledged: those whose INSERT was answered, by client."""

    def __init__(self, cluster, table):
        self.cluster, self.table = cluster, table
        self.acknowledged = [[] for _ in range(CLIENTS)]
        self.problems = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.write, args=[client]) for client in range(CLIENTS)]

    def write(self, client):
        try:
            with self.cluster.connect() as conn:
                own = self.acknowledged[client]
                while not self.stopping.is_set():
                    number = client + CLIENTS * len(own)
                    conn.execute(f"INSERT INTO {self.table} VALUES (%s, repeat('x', {FILLER}))", [number])
                    own.append(number)
        except Exception as problem:
            self.problems.append(problem)

    def count(self):
        return sum(map(len, self.acknowledged))

    def go_on(self, what, count=20):
        """Returns when each has written so many more."""
        least = [len(own) + count for own in self.acknowledged]
        wait_until(lambda: self.problems or all(len(own) >= enough for own, enough in zip(self.acknowledged, least)), f"clients write {what}", timeout_s=60)
        assert not self.problems

    def finish(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def written(self, connect):
        with connect() as conn:
            return [number for number, in conn.execute(f"SELECT id FROM {self.table} ORDER BY id")]

    def check(self, replicas):
        """All that was acknowledged, and nothing else, is on the primary and comes to be on every replica."""
        assert not self.problems
        told = sorted(number for own in self.acknowledged for number in own)
        assert self.written(self.cluster.connect_node) == told
        for replica in replicas:
            wait_until(lambda: self.written(replica.connect) == told, "the replica has every row", interval_s=0.1)


@contextlib.contextmanager
def writing(cluster, table="written_by_many"):
    cluster.execute(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (id bigint PRIMARY KEY, filler text)")
    writers = Writers(cluster, table)
    for thread in writers.threads:
        thread.start()
    try:
        writers.go_on("at first")
        yield writers
    finally:
        writers.finish()
