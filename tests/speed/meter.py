"""A router whose instructions are counted, by callgrind, under loads that are the same each time.

Valgrind runs one thread at a time, and Debian 12's lets no other run while io_uring waits. So a router that runs by itself makes the tables; what is
counted afterwards needs the worker's thread only.

Source: Valgrind manual, 6 (Callgrind) and 3.2 (vgdb).
"""
import contextlib
import pathlib
import re
import signal
import subprocess

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PASSWORD, SUPERUSER
from harness.router import NANU
from harness.wait import wait_until
from harness.wire import Bind, Describe, Execute, Parse, Query, Sync, Wire, show

CLIENTS = 16
ROWS = range(1000, 9000)
BUILD = NANU.parent
# Which functions the C library takes for copying and comparing would else depend on the processor, and the order within hash tables on chance.
SAME_EVERYWHERE = ["GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM", f"LD_PRELOAD={BUILD}/tests/speed/same_random.so"]
CALLGRIND = ["env", *SAME_EVERYWHERE, "valgrind", "--tool=callgrind"]
BY_KEY = "SELECT v FROM items WHERE id = "


def make_tables(cluster):
    cluster.execute("CREATE TABLE items (id int PRIMARY KEY, v int)")
    cluster.execute("SELECT nanu.shard_table('items', key => 'id')")
    cluster.execute("CREATE TABLE plain (id int PRIMARY KEY, v int)")
    rows = f"SELECT id, 1000 FROM generate_series({ROWS[0]}, {ROWS[-1]}) id"
    cluster.execute(f"INSERT INTO plain {rows}")
    for shard, half in enumerate(("<", ">=")):
        with cluster.connect_node(shard) as conn:
            conn.execute(f"INSERT INTO items {rows} WHERE hashint8extended(id, 0) {half} 0")


class Meter:
    """cluster: with its tables (make_tables); its router is started anew under callgrind."""

    def __init__(self, cluster):
        self.cluster, self.router = cluster, cluster.router
        self.outputs = self.router.folder / "callgrind"
        self.dumps = 0
        self.router.stop()
        self.thread = None  # the worker's: the control plane asks nodes meanwhile, as often as it has the time
        self.router.under = [*CALLGRIND, "--separate-threads=yes", f"--callgrind-out-file={self.outputs}"]
        self.router.start()
        self.clients = [Wire(self.router.port, USER, USER_PASSWORD, DATABASE) for _ in range(CLIENTS)]
        self.watchers, self.lockers = ([cluster.connect_node(shard, user=SUPERUSER, password=PASSWORD) for shard in range(len(cluster.servers))]
                                       for _ in range(2))
        for client in self.clients:
            client.ask(Parse(BY_KEY + "$1", name="by_key") + Sync)

    def close(self):
        for connection in self.clients + self.watchers + self.lockers:
            connection.close()
        self.router.kill()  # SIGTERM is for a thread that may not run

    def count(self):
        """Instructions since the last count."""
        subprocess.run(["vgdb", f"--pid={self.router.program.pid}", "--max-invoke-ms=5", "dump"], check=True, capture_output=True, timeout=60)
        self.dumps += 1
        totals = {path.name[-2:]: int(re.search(r"^totals: (\d+)", path.read_text(), re.M)[1])
                  for path in self.outputs.parent.glob(f"{self.outputs.name}.{self.dumps}-*")}
        if self.dumps == 2:  # in the first is what everybody did to begin with
            self.thread = max(totals, key=totals.get)
        return totals.get(self.thread, 0)

    def each(self, load, few, many):
        """Instructions for one more: load(meter, n) does n. What happens only once is over before, and what a count itself costs is in both."""
        load(self, many)
        self.count()
        load(self, few)
        first = self.count()
        load(self, many)
        return (self.count() - first) / (many - few)

    @contextlib.contextmanager
    def standing(self):
        """The router does nothing meanwhile."""
        stat = pathlib.Path(f"/proc/{self.router.program.pid}/stat")
        self.router.program.popen.send_signal(signal.SIGSTOP)
        wait_until(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T", "the router stands")
        yield
        self.router.program.popen.send_signal(signal.SIGCONT)

    def together(self, messages, waiting=CLIENTS):
        """A turn of all clients: the router finds all their statements waiting, and then all the answers, however fast the machine is. A lock keeps
        the servers from answering before the last statement is there."""
        with contextlib.ExitStack() as locks:
            for locker in self.lockers:
                locks.enter_context(locker.transaction())
                locker.execute("LOCK TABLE items")
            with self.standing():
                for client, message in zip(self.clients, messages):
                    client.send(message)
            wait_until(lambda: self.backends("wait_event_type = 'Lock'") == waiting, "every statement waits on its server")
            with self.standing():
                locks.close()
                wait_until(lambda: not self.backends("wait_event IS DISTINCT FROM 'ClientRead'"), "every server has answered")
        for client, _ in zip(self.clients, messages):
            check(client.until())

    def backends(self, having):
        """How many of the router's backends are so."""
        return sum(watcher.execute(f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{USER}' AND {having}").fetchone()[0]
                   for watcher in self.watchers)


def check(answer):
    """It has rows and no error."""
    assert any(kind == "D" for kind, _ in answer) and not any(kind in ("E", "closed", "silence") for kind, _ in answer), list(map(show, *zip(*answer)))


# ---- loads: each does n times what it is named for ----

def simple(key):
    return Query(BY_KEY + str(key))


def extended(key):
    return Parse(BY_KEY + "$1") + Bind([key]) + Describe("P") + Execute() + Sync


def prepared(key):
    return Bind([key], statement="by_key") + Describe("P") + Execute() + Sync


def keys(count):
    return (ROWS[i % len(ROWS)] for i in range(count))


def alone(make):
    """One client, one statement after the other."""
    def load(meter, count):
        for key in keys(count):
            check(meter.clients[0].ask(make(key)))
    return load


def at_once(make):
    """All clients, each turn together."""
    def load(meter, count):
        chosen = list(keys(count))
        for i in range(0, count, CLIENTS):
            meter.together([make(key) for key in chosen[i:i + CLIENTS]])
    return load


def of_one_shard(meter, count):
    for key in keys(count):
        check(meter.clients[0].query(f"SELECT v FROM plain WHERE id = {key}"))


def transactions(meter, count):
    client = meter.clients[0]
    for key in keys(count):
        client.query("BEGIN")
        client.query(f"UPDATE items SET v = v + 1 WHERE id = {key}")
        check(client.query(BY_KEY + str(key)))
        client.query("END")


def merged_rows(meter, count):
    meter.together([Query(f"SELECT id, v FROM items WHERE id < {ROWS[0] + count} ORDER BY id")], waiting=2)


def logins(meter, count):
    for _ in range(count):
        Wire(meter.router.port, USER, USER_PASSWORD, DATABASE).close()


LOADS = {  # name: what does it, how often at first, how often then. Those of many clients come last: they leave many backends behind
    "a simple query, by key": (alone(simple), 50, 150),
    "an extended query, by key": (alone(extended), 50, 150),
    "a prepared query, by key": (alone(prepared), 50, 150),
    "a simple query of one shard's table": (of_one_shard, 50, 150),
    "a transaction of two statements, by key": (transactions, 20, 60),
    "a merged row": (merged_rows, 2000, 6000),
    "a login, SCRAM": (logins, 5, 15),
    "a simple query, by key, 16 clients": (at_once(simple), 64, 320),
    "an extended query, by key, 16 clients": (at_once(extended), 64, 320),
    "a prepared query, by key, 16 clients": (at_once(prepared), 64, 320),
}
