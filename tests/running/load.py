"""pgbench as the clients of a router that is being steered: 64 of them, none of which may see an error."""
import contextlib
import os
import re
import subprocess

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PROGRAMS
from harness.wait import wait_until

CLIENTS = 64
SCRIPT = r"""\set id random(1, 1000)
BEGIN;
UPDATE counters SET value = value + 1 WHERE id = :id;
SELECT value FROM counters WHERE id = :id;
END;
SELECT count(*) FROM counters WHERE id = :id;
"""


class Load:
    """connect_each: every transaction has a connection of its own. pgbench waits for one connection at a time, while its other clients may keep
    transactions open: it takes fewer clients than the pool has backends."""

    def __init__(self, cluster, folder, connect_each=False, clients=CLIENTS):
        self.script = folder / "load.sql"
        self.script.write_text(SCRIPT)
        self.log = folder / f"pgbench-{'connecting' if connect_each else 'staying'}.log"
        options = ["-C"] if connect_each else []
        with open(self.log, "wb") as out:
            self.popen = subprocess.Popen(
                [PROGRAMS / "pgbench", "-n", "-M", "extended", "-c", str(clients), "-j", "2", "-T", "600", "-P", "1", "-f", self.script,
                 "-h", "127.0.0.1", "-p", str(cluster.router.port), "-U", USER, DATABASE, *options],
                env=dict(os.environ, PGPASSWORD=USER_PASSWORD), stdout=out, stderr=out, cwd="/")

    def text(self):
        return self.log.read_text()

    def check(self):
        """Nobody saw an error so far; the number of reports, which grows while transactions are done."""
        assert self.popen.poll() is None, f"pgbench ended:\n{self.text()}"
        return len(re.findall(r"^progress: [\d.]+ s, [\d.]*[1-9]", self.text(), re.M))

    def goes_on(self, what):
        before = self.check()
        wait_until(lambda: self.check() > before + 1, what)

    def finish(self):
        self.check()
        assert not re.search(r"error|fatal|abort", self.text(), re.I), self.text()

    def end(self):
        self.popen.kill()
        self.popen.wait()


@contextlib.contextmanager
def load(cluster, folder, **how):
    with cluster.connect() as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS counters (id bigint PRIMARY KEY, value bigint NOT NULL)")
        conn.execute("INSERT INTO counters SELECT i, 0 FROM generate_series(1, 1000) AS i ON CONFLICT DO NOTHING")
    running = Load(cluster, folder, **how)
    try:
        running.goes_on("the load runs")
        yield running
        running.finish()
    finally:
        running.end()
