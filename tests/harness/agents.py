"""A shard whose nodes have agents: real servers, a real etcd, `nanu agent` for each node."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import urllib.request

import psycopg

from .postgres import PASSWORD, PROGRAMS, SETTINGS, SUPERUSER, make_folder, make_template
from .program import Program, as_server_user, free_port
from .router import ALARMS, NANU
from .wait import wait_until

# What a failover is about must be as it is in real life.
SERVER = dict(SETTINGS, fsync="on", wal_log_hints="on", wal_retrieve_retry_interval="200ms", max_wal_senders="10", shared_buffers="16MB")


def pids_in(data):
    """Of every process that stands in this folder."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.path.samefile(process / "cwd", data):
                found.append(int(process.name))
        except OSError:  # ended just now
            pass
    return found


def guard_of(node):
    """The process that has its file locked, and is not its agent."""
    status = (node.shard.folder / f"{node.name}.agent" / "guard").stat()
    locks = [line.split() for line in open("/proc/locks")]
    holders = {int(fields[4]) for fields in locks if fields[5].split(":")[2] == str(status.st_ino)}
    return next(pid for pid in holders if pid != node.agent.pid)


class Node:
    """One server's data, and its agent."""

    def __init__(self, shard, name):
        self.shard, self.name = shard, name
        self.port, self.agent_port = free_port(), free_port()
        self.config = shard.config
        self.data, self.log = shard.folder / name, shard.folder / f"{name}.agent.log"
        self.agent = None

    def begin(self, primary=None):
        """Its data, and the server as an operator starts it the first time."""
        if primary is None:
            subprocess.run(["cp", "-a", "--reflink=auto", self.shard.template, self.data], check=True, cwd="/", **as_server_user())
            with open(self.data / "postgresql.conf", "a") as conf:
                conf.writelines(f"{name} = '{value}'\n" for name, value in SERVER.items())
        else:
            subprocess.run([PROGRAMS / "pg_basebackup", "--dbname", f"{primary.conninfo()} application_name={self.name}", "--pgdata", self.data, "--write-recovery-conf",
                            "--create-slot", "--slot", self.name, "--checkpoint", "fast", "--no-sync"], check=True, cwd="/", **as_server_user())
        self.start_server()

    def start_server(self):
        subprocess.run([PROGRAMS / "pg_ctl", "start", "--wait", "--pgdata", self.data, "--options", f"-p {self.port}", "--log", f"{self.data}.log"],
                       check=True, cwd="/", stdout=subprocess.DEVNULL, **as_server_user())

    def start_agent(self, *options, config=None):
        self.agent = Program([NANU, "agent", "--config", config or self.config, "--node", self.name, "--data", self.data, "--programs", PROGRAMS, *options], self.log)

    def conninfo(self):
        return f"host=127.0.0.1 port={self.port} dbname=postgres user={SUPERUSER} password={PASSWORD} connect_timeout=2"

    def connect(self):
        return psycopg.connect(self.conninfo(), autocommit=True)

    def ask(self, sql):
        """The rows; None when it does not answer."""
        try:
            with self.connect() as conn:
                return conn.execute(sql).fetchall()
        except psycopg.OperationalError:
            return None

    def state(self):
        """What its agent says; None when it does not answer."""
        scheme = "https" if self.shard.tls else "http"
        request = urllib.request.Request(f"{scheme}://{self.shard.host}:{self.agent_port}/member", json.dumps({"from": self.shard.other(self).name}).encode())
        try:
            with urllib.request.urlopen(request, timeout=2, context=self.shard.tls) as answer:
                return json.load(answer)
        except OSError:
            return None

    def postmaster(self):
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def kill_server(self):
        """Every process of it."""
        os.kill(self.postmaster(), signal.SIGSTOP)
        for pid in pids_in(self.data):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not pids_in(self.data), f"{self.name} has ended", interval_s=0.01)

    def kill_agent(self):
        self.agent.stop(signal.SIGKILL)

    def follows(self, leader):
        return leader.ask(f"SELECT 1 FROM pg_stat_replication WHERE application_name = '{self.name}' AND state = 'streaming'") == [(1,)]


class Shard:
    """Called s1, of nodes n1a, n1b, …, the first of which is its primary at first. host: where the agents answer. tls: what the tests show them, an SSLContext."""

    def __init__(self, etcd, nodes=3, host="127.0.0.1", tls=None, **settings):
        self.host, self.tls = host, tls
        self.folder = make_folder()
        self.etcd = etcd
        self.template = make_template(self.folder)
        self.config = self.folder / "nanu.yaml"
        self.nodes = [Node(self, f"n1{'abcdefgh'[i]}") for i in range(nodes)]
        self.settings = {
            "listen_port": free_port(), "etcd_hosts": etcd.hosts, "etcd_prefix": f"/{self.folder.name}/", "node_user": SUPERUSER, "node_password": PASSWORD,
            "nodes": [{"name": node.name, "host": "127.0.0.1", "port": str(node.port), "agent": f"{host}:{node.agent_port}"} for node in self.nodes],
            "shards": [{"name": "s1", "nodes": [node.name for node in self.nodes]}],
            "databases": [{"name": "app", "node_database": "postgres"}],
            "users_file": "users.txt", **settings,
        }
        (self.folder / "users.txt").write_text(f'"{SUPERUSER}" "{PASSWORD}"\n')
        self.write_config(self.config)

    def write_config(self, path, **settings):
        path.write_text(json.dumps({**self.settings, **settings}, indent=2))
        return path

    def start(self):
        for i, node in enumerate(self.nodes):
            node.begin(self.nodes[0] if i else None)
        for node in self.nodes:
            node.start_agent()
        wait_until(lambda: self.leader() is self.nodes[0], "the first record is there")
        return self

    def other(self, node):
        return next(other for other in self.nodes if other is not node)

    def record(self):
        """As the store has it; None: there is none."""
        text = self.etcd.ctl("get", "--print-value-only", f"{self.settings['etcd_prefix']}~leaders/s1", check=False).stdout
        return json.loads(text) if text else None

    def leader(self):
        record = self.record()
        return next((node for node in self.nodes if record and record["leader"] == node.name), None)

    def primary(self):
        """The leader, when its node takes writes."""
        leader = self.leader()
        return leader if leader and leader.ask("SELECT pg_is_in_recovery()") == [(False,)] else None

    def primaries(self):
        return [node for node in self.nodes if node.ask("SELECT pg_is_in_recovery()") == [(False,)]]

    def all_follow(self):
        primary = self.primary()
        return primary and all(node.follows(primary) for node in self.nodes if node is not primary)

    def describe(self):
        parts = [f"record: {self.record()}"]
        for node in self.nodes:
            server = pathlib.Path(f"{node.data}.agent/postgres.log")
            parts += [f"-- {node.name}: {node.state()}", node.log.read_text()[-12000:], server.read_text()[-3000:] if server.exists() else ""]
        return "\n".join(parts)

    def check_logs(self):
        for node in self.nodes:
            alarm = ALARMS.search(node.log.read_text()) if node.log.exists() else None
            assert not alarm, f"{node.name}: {alarm.group()}"

    def close(self):
        for node in self.nodes:
            if node.agent:
                node.agent.stop(signal.SIGTERM)
        for node in self.nodes:
            if pids_in(node.data):
                node.kill_server()
        shutil.rmtree(self.folder, ignore_errors=True)
