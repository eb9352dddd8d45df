"""Real etcd: one member, or several, with a password or TLS if that is wanted."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from .program import Program, free_port
from .router import is_stopped
from .wait import wait_until


class Member:
    """One process. stop(), kill() and start() keep data and ports."""

    def __init__(self, cluster, number):
        self.cluster, self.name = cluster, f"m{number}"
        self.client_port, self.peer_port = free_port(), free_port()
        self.data, self.log = cluster.folder / self.name, cluster.folder / f"{self.name}.log"
        self.program = None
        self.frozen = False

    @property
    def url(self):
        return f"{self.cluster.scheme}://127.0.0.1:{self.client_port}"

    @property
    def peer_url(self):
        return f"http://127.0.0.1:{self.peer_port}"

    def start(self):
        argv = ["etcd", "--name", self.name, "--data-dir", self.data, "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                "--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url, "--initial-cluster",
                self.cluster.initial(), "--initial-cluster-token", "nanu-test", "--heartbeat-interval", "100", "--election-timeout", "500",
                "--log-level", "warn", "--logger", "zap", *self.cluster.options]
        # etcd takes settings from variables named ETCD_…, too.
        env = {name: value for name, value in os.environ.items() if not name.startswith("ETCD")}
        self.program = Program(argv, self.log, env=env)
        return self

    def stop(self):
        self.thaw()
        self.program.stop(signal.SIGTERM)

    def kill(self):
        self.program.stop(signal.SIGKILL)

    def freeze(self):
        self.frozen = True
        self.program.popen.send_signal(signal.SIGSTOP)
        wait_until(lambda: is_stopped(self.program.pid), "the member has stopped", interval_s=0)

    def thaw(self):
        if self.frozen:
            self.program.popen.send_signal(signal.SIGCONT)
        self.frozen = False


class Etcd:
    """options: more arguments of etcd. client: arguments of etcdctl, and user: "name:password", that it needs then."""

    def __init__(self, members=1, scheme="http", options=(), client=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nanu-etcd-"))
        self.scheme, self.options, self.client = scheme, list(options), list(client)
        self.members = [Member(self, i + 1) for i in range(members)]

    def initial(self):
        return ",".join(f"{member.name}={member.peer_url}" for member in self.members)

    @property
    def hosts(self):
        return ", ".join(member.url for member in self.members)

    def start(self):
        for member in self.members:
            member.start()
        wait_until(self.ready, "etcd has a leader", interval_s=0.1)
        return self

    def ready(self):
        for member in self.members:
            if member.program.ended():
                raise RuntimeError(f"etcd ended:\n{member.log.read_text()}")
        return self.ctl("endpoint", "health", check=False).returncode == 0

    def ctl(self, *arguments, check=True, members=None):
        endpoints = ",".join(member.url for member in members or self.members)
        done = subprocess.run(["etcdctl", "--endpoints", endpoints, "--command-timeout=5s", *self.client, *map(str, arguments)],
                              env=dict(os.environ, ETCDCTL_API="3"), capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stderr
        return done

    def status(self, members=None):
        """Of each member: what `etcdctl endpoint status` says."""
        return [row["Status"] for row in json.loads(self.ctl("endpoint", "status", "-w", "json", members=members).stdout)]

    def leader(self):
        for member in self.members:
            if member.program.ended() or member.frozen:
                continue
            status = self.status([member])[0]
            if status["header"]["member_id"] == status.get("leader"):
                return member
        return None

    def move_leader(self):
        """To another member, which is returned."""
        leader = wait_until(self.leader, "etcd has a leader")
        other = next(member for member in self.members if member is not leader)
        self.ctl("move-leader", f"{self.status([other])[0]['header']['member_id']:x}", members=[leader])
        wait_until(lambda: self.leader() is other, "the leader has moved")
        return other

    def snapshot(self, name="snapshot"):
        path = self.folder / name
        self.ctl("snapshot", "save", path, members=[self.members[0]])
        return path

    def restore(self, path):
        """As one does after an accident: every member is made anew from that copy."""
        for member in self.members:
            member.kill()
            shutil.rmtree(member.data)
            self.ctl("snapshot", "restore", path, "--name", member.name, "--data-dir", member.data, "--initial-cluster", self.initial(),
                     "--initial-cluster-token", "nanu-test", "--initial-advertise-peer-urls", member.peer_url)
        return self.start()

    def close(self):
        for member in self.members:
            member.thaw()
            if member.program:
                member.kill()
        shutil.rmtree(self.folder)
