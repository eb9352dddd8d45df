"""A `nanu serve` with a configuration of its own."""
import json
import os
import pathlib
import re
import shutil
import signal
import tempfile

import psycopg

from .program import Program, free_port, port_is_free
from .wait import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
NANU = pathlib.Path(os.environ.get("NANU_BIN", ROOT / "build" / "nanu")).absolute()

# What a healthy router never says.
ALARMS = re.compile(r"level=fatal|ERROR: AddressSanitizer|ERROR: LeakSanitizer|WARNING: ThreadSanitizer|: runtime error: |Assertion .* failed"
                    r"|SUMMARY: \w+Sanitizer", re.M)


def link(path):
    try:
        return path.readlink().name
    except OSError:  # closed just now
        return ""


def listening_sockets():
    """Those of TCP, by their inodes, as proc(5) tells them."""
    rows = [line.split() for table in ("tcp", "tcp6") for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}


def has_any(pid, sockets):
    return any(link(fd) in sockets for fd in pathlib.Path(f"/proc/{pid}/fd").glob("*"))


def is_stopped(pid):
    return all(") T " in stat.read_text() for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"))


class Router:
    """settings: as in nanu.yaml, with nodes, shards and databases; users: name -> password; environment: variables that it is started with;
    nanu: the program; `under`: the command that runs it, for tools that watch a program."""

    def __init__(self, settings, users, environment=None, nanu=NANU):
        self.nanu = nanu
        self.environment = dict(os.environ, **(environment or {}))
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nanu-router-"))
        self.port = settings.get("listen_port") or free_port()
        self.config = self.folder / "nanu.yaml"
        self.users = dict(users)
        self.settings = dict(settings, listen_port=self.port, users_file="users.txt", store="nanu.db")
        self.log = self.folder / "nanu.log"
        self.program = None
        self.under = []
        self.takeovers = 0
        self.expected_end = 0
        self.configure()

    def configure(self):
        """Writes the files again, for a test that changed settings or users; the next start reads them."""
        self.config.write_text(json.dumps(self.settings, indent=2))  # JSON is YAML
        (self.folder / "users.txt").write_text("".join(f'"{name}" "{password}"\n' for name, password in self.users.items()))

    def start(self):
        self.expected_end = 0
        # One that was killed gives its port back some moments later when it used io_uring.
        wait_until(lambda: port_is_free(self.port), f"port {self.port} is free")
        self.program = Program([*self.under, self.nanu, "serve", "--config", self.config], self.log, env=self.environment)
        wait_until(self.ready, "the router accepts connections")
        return self

    def take_over(self, freeze=False):
        """A new process takes over from the running one, which is returned: it ends when its sessions have left. freeze: it is stopped as soon as
        both wait for clients."""
        before = self.program
        sockets = listening_sockets()
        self.takeovers += 1
        self.program = Program([self.nanu, "serve", "--config", self.config, "--takeover"], self.folder / f"nanu-{self.takeovers}.log")
        if freeze:
            wait_until(lambda: has_any(self.program.pid, sockets), "the new process has the listening sockets", interval_s=0)
            before.popen.send_signal(signal.SIGSTOP)
            wait_until(lambda: is_stopped(before.pid), "the old process has stopped", interval_s=0)
        wait_until(lambda: self.program.ended() or 'msg="ready"' in self.program.log_text(), "the new process is ready")
        assert not self.program.ended(), self.program.log_text()
        if not freeze:
            wait_until(lambda: not has_any(before.pid, sockets), "the old process accepts nobody any more")
        return before

    def ready(self):
        if self.program.ended():
            raise RuntimeError(f"the router ended with {self.program.popen.returncode}:\n{self.program.log_text()}")
        database, user = self.settings["databases"][0]["name"], next(iter(self.users))
        info = f"host=127.0.0.1 port={self.port} dbname={database} user={user} connect_timeout=10"
        return psycopg.pq.PGconn.ping(info.encode()) == psycopg.pq.Ping.OK

    def stop(self):
        """Asks it to end and checks that it lived and ended well."""
        status = self.program.stop(signal.SIGTERM)
        assert status is not None, "the router did not end within its time after SIGTERM"
        assert status == self.expected_end, f"the router ended with {status}:\n{self.program.log_text()[-4000:]}"
        self.check_log()

    def kill(self):
        self.expected_end = -signal.SIGKILL
        self.program.stop(signal.SIGKILL)

    def check_log(self):
        text = self.program.log_text()
        alarm = ALARMS.search(text)
        assert not alarm, f"the router's log:\n{text[max(0, alarm.start() - 2000):alarm.start() + 8000]}"

    def running(self):
        return self.program is not None and not self.program.ended()

    def remove(self):
        if self.running():
            self.kill()
        shutil.rmtree(self.folder)
