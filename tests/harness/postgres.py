"""Stock PostgreSQL servers, each with a data folder of its own."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import psycopg

from .program import Program, as_server_user, free_port, server_user
from .wait import wait_until

PROGRAMS = pathlib.Path(os.environ.get("PG_PROGRAMS", "/usr/lib/postgresql/15/bin"))
SUPERUSER = "postgres"
PASSWORD = "postgres"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "max_prepared_transactions": "64",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "wal_level": "logical",
    "log_line_prefix": "%m [%p] %u@%d ",
}


def make_folder():
    """A temporary folder that the servers' user can reach."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="nanu-test-"))
    user = server_user()
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
        folder.chmod(0o755)
    return folder


def make_template(folder):
    """A fresh data folder, to be copied; initdb takes a second."""
    data, password = folder / "template", folder / "password"
    password.write_text(PASSWORD)
    user = server_user()
    if user:
        os.chown(password, user.pw_uid, user.pw_gid)
    subprocess.run([PROGRAMS / "initdb", "--pgdata", data, "--username", SUPERUSER, "--pwfile", password, "--auth", "scram-sha-256",
                    "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-instructions", "--no-sync"], cwd="/", check=True,
                   stdout=subprocess.DEVNULL, **as_server_user())
    return data


class Postgres:
    """One server. stop() and start() keep data and port."""

    def __init__(self, folder, template, name, settings=None):
        self.name = name
        self.port = free_port()
        self.data = folder / name
        self.log = folder / f"{name}.log"
        self.settings = dict(SETTINGS, **(settings or {}))
        self.program = None
        self.sender = None  # stream_through()
        self.make_data(template)

    def make_data(self, template):
        subprocess.run(["cp", "-a", "--reflink=auto", template, self.data], check=True, cwd="/", **as_server_user())

    def start(self):
        argv = [PROGRAMS / "postgres", "-D", self.data, "-p", str(self.port)]
        for name, value in self.settings.items():
            argv += ["-c", f"{name}={value}"]
        self.program = Program(argv, self.log, last_signal=signal.SIGQUIT, **as_server_user())
        wait_until(self.ready, f"server {self.name} accepts connections")
        return self

    def ready(self):
        if self.program.ended():
            raise RuntimeError(f"server {self.name} ended:\n{self.program.log_text()}")
        return psycopg.pq.PGconn.ping(self.conninfo().encode()) == psycopg.pq.Ping.OK

    def stop(self, how=signal.SIGINT):
        if self.program and self.program.stop(how) is None:
            raise RuntimeError(f"server {self.name} did not stop")

    def kill(self):
        """As when its machine fails: none of its processes outlives the others by more than an instant."""
        os.kill(self.program.pid, signal.SIGSTOP)
        for child in pathlib.Path(f"/proc/{self.program.pid}/task/{self.program.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        self.program.stop(signal.SIGKILL)

    @contextlib.contextmanager
    def frozen(self):
        """It does nothing, and says nothing, and its connections stay."""
        processes = [self.program.pid]
        os.kill(self.program.pid, signal.SIGSTOP)
        processes += [int(child) for child in pathlib.Path(f"/proc/{self.program.pid}/task/{self.program.pid}/children").read_text().split()]
        try:
            for child in processes[1:]:
                os.kill(child, signal.SIGSTOP)
            yield
        finally:
            for process in reversed(processes):
                os.kill(process, signal.SIGCONT)

    def conninfo(self, dbname="postgres", user=SUPERUSER, password=PASSWORD):
        return f"host=127.0.0.1 port={self.port} dbname={dbname} user={user} password={password} connect_timeout=10"

    def connect(self, dbname="postgres", autocommit=True, **more):
        return psycopg.connect(self.conninfo(dbname, **more), autocommit=autocommit)

    def in_recovery(self):
        with self.connect() as conn:
            return conn.execute("SELECT pg_is_in_recovery()").fetchone()[0]

    def pause(self):
        """It replays nothing more; returns when it has stopped."""
        with self.connect() as conn:
            conn.execute("SELECT pg_wal_replay_pause()")
            wait_until(lambda: conn.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() == ("paused",), f"{self.name} has paused")

    def resume(self):
        with self.connect() as conn:
            conn.execute("SELECT pg_wal_replay_resume()")

    def promote(self):
        """As an operator does it; returns when it takes writes."""
        subprocess.run([PROGRAMS / "pg_ctl", "promote", "--wait", "--pgdata", self.data], check=True, cwd="/", stdout=subprocess.DEVNULL, **as_server_user())

    def follow(self, primary):
        """It streams from that one, without a slot: at once where it is a standby already, else from its next start."""
        if self.program and not self.program.ended() and self.in_recovery():
            with self.connect() as conn:
                conn.execute(f"ALTER SYSTEM SET primary_conninfo = '{primary.conninfo()}'")
                conn.execute("ALTER SYSTEM SET primary_slot_name = ''")
                conn.execute("SELECT pg_reload_conf()")
            return
        self.set_up_standby(primary)

    def stream_through(self, relay, name="walreceiver"):
        """It streams by way of this relay, and calls itself so, when it is a standby."""
        self.sender = f"host=127.0.0.1 port={relay.port} user={SUPERUSER} password={PASSWORD} application_name={name}"
        self.through = relay
        with self.connect() as conn:
            conn.execute(f"ALTER SYSTEM SET primary_conninfo = '{self.sender}'")
            conn.execute("SELECT pg_reload_conf()")

    def streams(self):
        """Whether it does."""
        with self.connect() as conn:
            return conn.execute("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming' AND sender_port = %s",
                                [self.through.port]).fetchone() == (1,)

    def set_up_standby(self, primary):
        with open(self.data / "postgresql.auto.conf", "a") as file:
            file.write(f"primary_conninfo = '{self.sender or primary.conninfo()}'\nprimary_slot_name = ''\n")
        (self.data / "standby.signal").touch()

    def copy(self, primary):
        """Its data is thrown away: it is a fresh streaming replica of that one."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.data)
        subprocess.run([PROGRAMS / "pg_basebackup", "--dbname", primary.conninfo(), "--pgdata", self.data, "--checkpoint", "fast", "--no-sync"],
                       check=True, cwd="/", **as_server_user())
        self.set_up_standby(primary)
        self.start()


class Replica(Postgres):
    """A streaming replica of a running server, with a slot of its own."""

    def __init__(self, folder, primary, name, settings=None, slot=None, sender=None):
        self.primary = primary
        self.slot = slot or name
        self.source = sender or primary.conninfo()      # as it calls it
        super().__init__(folder, None, name, settings)

    def make_data(self, template):
        subprocess.run([PROGRAMS / "pg_basebackup", "--dbname", self.source, "--pgdata", self.data, "--write-recovery-conf",
                        "--create-slot", "--slot", self.slot, "--checkpoint", "fast", "--no-sync"], check=True, cwd="/", **as_server_user())

    def caught_up(self):
        """Whether it has replayed what its primary has flushed by now."""
        with self.primary.connect() as conn:
            flushed, = conn.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        with self.connect() as conn:
            replayed, = conn.execute("SELECT pg_last_wal_replay_lsn() >= %s", [flushed]).fetchone()
        return replayed

    def catch_up(self):
        wait_until(self.caught_up, f"replica {self.name} has caught up")


class Farm:
    """The servers of a test session, started when they are first wanted."""

    def __init__(self):
        self.folder = make_folder()
        self.template = None
        self.servers = []
        self.replicas = {}  # server -> its replicas
        self.database_count = 0

    def servers_for(self, count):
        if self.template is None:
            self.template = make_template(self.folder)
        while len(self.servers) < count:
            server = Postgres(self.folder, self.template, f"n{len(self.servers) + 1}")
            self.servers.append(server.start())
        return self.servers[:count]

    def extra_server(self, name, settings=None):
        """One that no other test shares: for tests that stop, kill or configure servers. The test stops it."""
        self.servers_for(0)
        return Postgres(self.folder, self.template, name, settings).start()

    def replicas_for(self, server, count):
        replicas = self.replicas.setdefault(server, [])
        while len(replicas) < count:
            replicas.append(Replica(self.folder, server, f"{server.name}_r{len(replicas) + 1}", server.settings).start())
        return replicas[:count]

    def new_database_name(self):
        self.database_count += 1
        return f"test_{self.database_count}"

    def close(self):
        for server in [replica for replicas in self.replicas.values() for replica in replicas] + self.servers:
            server.stop()
        shutil.rmtree(self.folder)
