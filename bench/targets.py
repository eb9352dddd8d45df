"""What is measured: nanu in its configurations, its peers, and the server itself. Each has one worker, thread or process model of its own, and lends
POOL backends."""
import functools
import os
import pathlib
import re
import shutil
import signal
import subprocess

import psycopg

from harness.postgres import PASSWORD, SUPERUSER
from harness.program import Program, as_server_user, free_port
from harness.router import NANU, Router
from harness.wait import wait_until

PGBOUNCER = os.environ.get("PGBOUNCER", shutil.which("pgbouncer") or "/usr/sbin/pgbouncer")
HAPROXY = os.environ.get("HAPROXY", shutil.which("haproxy") or "/usr/sbin/haproxy")
PGPOOL = os.environ.get("PGPOOL", shutil.which("pgpool") or "/usr/sbin/pgpool")
POOL = 20
CLIENTS_MAX = 12000
TRUSTED = "bench_trusted"  # whom the servers believe without a password


def version(argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True)
    except OSError:
        return f"{pathlib.Path(argv[0]).name}: not here"
    return (done.stdout + done.stderr).splitlines()[0]


@functools.lru_cache(None)
def pgbouncer_shares_prepared():
    """From 1.21 on, in transaction mode."""
    found = re.search(r"(\d+)\.(\d+)", version([PGBOUNCER, "--version"]))
    return found is not None and tuple(map(int, found.groups())) >= (1, 21)


class Target:
    """Something that clients connect to. `stop` ends its proxy; without a `pid` it is a server."""

    def __init__(self, name, port, database="bench", pid=None, stop=None, user=SUPERUSER):
        self.name, self.port, self.database, self.pid, self.stop, self.user = name, port, database, pid, stop, user
        self.failures = 0

    def connect(self):
        return psycopg.connect(f"host=127.0.0.1 port={self.port} dbname={self.database} user={self.user} password={PASSWORD} connect_timeout=5",
                               autocommit=True)

    def wait(self):
        def accepts():
            try:
                self.connect().close()
                return True
            except psycopg.OperationalError:
                return False
        try:
            wait_until(accepts, f"{self.name} accepts connections")
        except TimeoutError:
            self.stop()
            raise
        return self

    def pids(self):
        """The proxy's processes."""
        found = [self.pid] if self.pid else []
        for pid in found:
            for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, children.read_text().split())
        return found

    def cpu_ns(self):
        """Time that all threads of the proxy have been on a processor."""
        return sum(int((task / "schedstat").read_text().split()[0]) for pid in self.pids() for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def of_program(name, port, program, **more):
    return Target(name, port, pid=program.pid, stop=lambda: program.stop(signal.SIGTERM), **more).wait()


def pgbouncer(folder, server, mode="transaction", auth="scram-sha-256", secret=PASSWORD, more=""):
    port = free_port()
    users = folder / f"pgbouncer-{port}.users"
    users.write_text(f'"{SUPERUSER}" "{secret}"\n')
    config = folder / f"pgbouncer-{port}.ini"
    config.write_text(f"""[databases]
bench = host=127.0.0.1 port={server.port} dbname=bench
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = {auth}
auth_file = {users}
pool_mode = {mode}
default_pool_size = {POOL if mode == "transaction" else 100}
max_client_conn = {CLIENTS_MAX}
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
{"max_prepared_statements = 200" if pgbouncer_shares_prepared() else ""}
{more}
""")
    return of_program("PgBouncer", port, Program([PGBOUNCER, config], folder / f"pgbouncer-{port}.log", **as_server_user()))


def haproxy(folder, server):
    port = free_port()
    config = folder / "haproxy.cfg"
    config.write_text(f"""global
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen bench
  bind 127.0.0.1:{port}
  server s 127.0.0.1:{server.port}
""")
    return of_program("HAProxy", port, Program([HAPROXY, "-f", config, "-db"], folder / "haproxy.log"))


def pgpool(folder, server):
    """A process for each client. It has the server let its user in without a password: what it needs for SCRAM is beside the point here."""
    port = free_port()
    config = folder / "pgpool.conf"
    config.write_text(f"""backend_clustering_mode = 'raw'
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
pcp_listen_addresses = ''
pcp_port = {free_port()}
pcp_socket_dir = '{folder}'
backend_hostname0 = '127.0.0.1'
backend_port0 = {server.port}
enable_pool_hba = off
pool_passwd = ''
num_init_children = 70
max_pool = 1
child_life_time = 0
connection_cache = on
load_balance_mode = off
sr_check_period = 0
health_check_period = 0
pid_file_name = '{folder}/pgpool.pid'
logdir = '{folder}'
""")
    for name in ("pcp.conf", "pool_hba.conf"):
        (folder / name).write_text("")
    program = Program([PGPOOL, "-n", "-f", config, "-F", folder / "pcp.conf", "-a", folder / "pool_hba.conf"], folder / "pgpool.log",
                      last_signal=signal.SIGINT, **as_server_user())
    return of_program("Pgpool-II", port, program, user=TRUSTED)


def nanu(name, servers, node_database="bench", secret=PASSWORD, **settings):
    router = Router(dict({
        "workers": 1, "io": "uring", "node_user": SUPERUSER, "node_password": PASSWORD, "pool_size": POOL, "client_max": CLIENTS_MAX,
        "nodes": [{"name": f"n{i}", "host": "127.0.0.1", "port": str(server.port)} for i, server in enumerate(servers)],
        "shards": [{"name": f"s{i}", "nodes": [f"n{i}"]} for i in range(len(servers))],
        "databases": [{"name": "bench", "node_database": node_database}],
    }, **settings), {SUPERUSER: secret})
    router.start()
    return Target(name, router.port, pid=router.program.pid, stop=router.remove).wait()


def direct(server, user=SUPERUSER):
    return Target("direct", server.port, user=user)


def versions():
    """Of everything that is measured, by name."""
    return {"nanu": version([NANU, "--version"]), "PgBouncer": version([PGBOUNCER, "--version"]), "HAProxy": version([HAPROXY, "-v"]),
            "Pgpool-II": version([PGPOOL, "--version"])}
