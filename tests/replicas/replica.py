"""A replica of shard s1, as `nanu add-replica` makes it."""
import os
import pathlib
import shutil
import signal
import subprocess

import psycopg

from harness.postgres import PASSWORD, PROGRAMS, SUPERUSER
from harness.program import Program, as_server_user, free_port
from harness.router import NANU
from harness.wait import PATIENCE, wait_until


def is_alive(pid):
    try:
        return "State:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def is_of(entry, folder):
    try:
        return os.readlink(entry / "cwd") == str(folder)
    except OSError:
        return False


def nanu(*words):
    return subprocess.run([NANU, *map(str, words)], capture_output=True, text=True, timeout=120 * PATIENCE, cwd="/")


class Replica:
    """One of shard s1, as the command makes it."""

    def __init__(self, cluster, data):
        self.cluster = cluster
        self.data = data
        self.port = free_port()

    def words(self, *more):
        return ["add-replica", "s1", "--config", self.cluster.router.config, "--data", self.data, "--port", self.port, *more]

    def add(self, *more):
        return nanu(*self.words(*more))

    def begin(self, *more):
        return subprocess.Popen(list(map(str, [NANU, *self.words(*more)])), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/")

    def start(self):
        """As whoever looks after the server would, after kill() too: one that was killed, and that nobody reaps, still bears the pid in the file."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        program = Program([PROGRAMS / "postgres", "-D", self.data], f"{self.data}.log", last_signal=signal.SIGQUIT, **as_server_user())
        wait_until(lambda: program.ended() or self.answers(), "its server accepts connections")
        assert not program.ended(), program.log_text()[-2000:]

    def answers(self):
        return psycopg.pq.PGconn.ping(f"host=127.0.0.1 port={self.port} connect_timeout=5".encode()) == psycopg.pq.Ping.OK

    def kill(self):
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), "its server is gone")
        wait_until(lambda: not any(is_of(entry, self.data) for entry in pathlib.Path("/proc").glob("[0-9]*")), "and its children")

    def remove(self, name="n1a", *more):
        return nanu("remove-replica", name, "--config", self.cluster.router.config, *more)

    def connect(self, dbname=None):
        return psycopg.connect(host="127.0.0.1", port=self.port, user=SUPERUSER, password=PASSWORD, dbname=dbname or self.cluster.node_database,
                               autocommit=True)

    def pid(self):
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except OSError:
            return 0

    def runs(self):
        return bool(self.pid()) and is_alive(self.pid())

    def slots(self):
        with self.cluster.servers[0].connect() as conn:
            return conn.execute("SELECT slot_name, active, temporary FROM pg_replication_slots").fetchall()

    def in_router(self):
        with self.cluster.connect() as conn:
            return conn.execute("SELECT name, host, port, role, shard, added FROM nanu.nodes WHERE port = %s", [self.port]).fetchall()

    def clear(self):
        """Whatever a test left of it."""
        for (name, *_) in self.in_router():
            self.remove(name)
        if self.runs():
            pid = self.pid()
            os.kill(pid, signal.SIGQUIT)
            wait_until(lambda: not is_alive(pid), "its server has ended")
        with self.cluster.servers[0].connect() as conn:
            conn.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT temporary AND NOT active")
        for path in self.data.parent.glob(f"{self.data.name}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
