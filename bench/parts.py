"""The parts of a run. Each starts what it needs, measures in turn, and returns what goes into the results."""
import contextlib
import re
import statistics
import subprocess

import measure
import report
import tables
import targets
from harness.certificates import Authority
from harness.postgres import SUPERUSER, Farm
from harness.router import NANU

SERVER_SETTINGS = {"shared_buffers": "512MB", "max_connections": "500"}
PERCENTILES = (50, 95, 99)
CONNECTING = 8  # clients at a time
MERGES = 7
FAILURES_MAX = 5


class Bench:
    """The servers and what stands before them, started when they are first wanted, and ended in reverse order."""

    def __init__(self, options, stops, failures):
        self.options, self.stops, self.failures = options, stops, failures
        self.farm = Farm()
        self.folder = self.farm.folder
        stops.callback(self.farm.close)
        self.servers = []

    def server(self, i):
        while len(self.servers) <= i:
            server = self.farm.extra_server(f"bench{len(self.servers)}", SERVER_SETTINGS)
            self.stops.callback(server.stop)
            self.servers.append(server)
            if len(self.servers) == 1:
                tables.load(server)
                tables.trust_somebody(server)
        return self.servers[i]

    def start(self, make, *arguments, **more):
        """A target, or None when it does not start: then the others are measured without it."""
        with self.excused(" ".join([make.__name__, *(word for word in arguments if isinstance(word, str))])):
            target = make(*arguments, **more)
            if target.stop:
                self.stops.callback(target.stop)
            return target

    @contextlib.contextmanager
    def excused(self, what, target=None):
        """What goes wrong here is noted and said, and stops nothing else. A target that fails again and again is left out."""
        try:
            yield
        except Exception as error:
            if target:
                target.failures += 1
            self.failures.append(f"{target.name + ', ' if target else ''}{what}: {type(error).__name__}: {error}")
            print(f"FAILED {self.failures[-1]}", flush=True)

    def wanted(self, *candidates):
        return [target for target in candidates if target and target.failures < FAILURES_MAX and re.fullmatch(self.options.targets, target.name)]


# ---- the parts: each returns what goes into the results ----

def run_pgbench(bench):
    one, two = bench.server(0), [bench.server(1), bench.server(2)]
    tables.create_sharded(two)
    bouncer = bench.start(targets.pgbouncer, bench.folder, one)
    sessions = bouncer if targets.pgbouncer_shares_prepared() else bench.start(targets.pgbouncer, bench.folder, one, "session")
    others = [bench.start(targets.haproxy, bench.folder, one), bench.start(targets.pgpool, bench.folder, one)]
    nanus = [bench.start(targets.nanu, "nanu", [one]), bench.start(targets.nanu, "nanu, epoll", [one], io="epoll")]
    in_simple = [bench.start(targets.nanu, "nanu, 2 workers", [one], workers=2),
                 bench.start(targets.nanu, "nanu, epoll, 2 workers", [one], io="epoll", workers=2),
                 bench.start(targets.nanu, "nanu, auto_prepare", [one], auto_prepare="on"),
                 bench.start(targets.nanu, "nanu, epoll, auto_prepare", [one], io="epoll", auto_prepare="on")]
    sharded = [bench.start(targets.nanu, "nanu, 2 shards", two, node_database="sharded"),
               bench.start(targets.nanu, "nanu, epoll, 2 shards", two, node_database="sharded", io="epoll")]
    tables.load_sharded(two, [target for target in sharded if target])
    cells = []
    for script, mode, clients in bench.options.cells:
        peer = sessions if mode == "prepared" else bouncer
        wanted = bench.wanted(targets.direct(one), peer, *others, *nanus, *(in_simple if mode == "simple" else []), *sharded)
        cell = {"script": script, "mode": mode, "clients": clients, "targets": measure_cell(bench, wanted, script, mode, clients)}
        if peer is not bouncer:
            cell["note"] = "PgBouncer pooling sessions"
        cells.append(cell)
        print(report.pgbench_cell(cell), flush=True)
    return cells


def measure_cell(bench, wanted, script, mode, clients):
    rounds = {target.name: [] for target in wanted}
    for _ in range(bench.options.rounds):
        for target in wanted:
            with bench.excused(f"{script} {mode}, {clients} clients", target):
                rounds[target.name].append(measure.throughput(target, script, mode, clients, bench.options.seconds, bench.folder))
    found = {}
    for target in wanted:
        runs = rounds[target.name]
        if not runs:
            continue
        latencies = sorted(latency for run in runs for latency in run["latencies"])
        found[target.name] = {
            "tps": statistics.median(run["tps"] for run in runs),
            "tps_spread": [min(run["tps"] for run in runs), max(run["tps"] for run in runs)],
            "cpu_us": statistics.median(run["cpu_us"] for run in runs) if target.pid else None,
            "latency_us": {f"p{p}": latencies[len(latencies) * p // 100] for p in PERCENTILES} if latencies else {},
        }
        if target.pid:
            with bench.excused(f"system calls of {target.name}"):
                found[target.name]["system_calls"] = measure.system_calls(target, script, mode, clients, bench.options.watched)
    return found


def run_connections(bench):
    """With SCRAM both proxies have the server's own verifier, not the password."""
    server = bench.server(0)
    with server.connect() as conn:
        verifier, = conn.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [SUPERUSER]).fetchone()
    found = {}
    for auth, secret in (("scram", verifier), ("trust", "postgres")):
        wanted = bench.wanted(
            targets.direct(server, SUPERUSER if auth == "scram" else targets.TRUSTED),
            bench.start(targets.pgbouncer, bench.folder, server, auth="scram-sha-256" if auth == "scram" else "trust", secret=secret),
            *(bench.start(targets.nanu, name, [server], auth=auth, secret=secret, io=io) for name, io in (("nanu", "uring"), ("nanu, epoll", "epoll"))))
        runs = {target.name: [] for target in wanted}
        for _ in range(bench.options.rounds):
            for target in wanted:
                with bench.excused(f"connections by {auth}", target):
                    runs[target.name].append(measure.connections(target, CONNECTING, bench.options.seconds))
        found[auth] = {name: {key: statistics.median(run[key] for run in several) if several[0][key] is not None else None for key in several[0]}
                       for name, several in runs.items() if several}
    return found


def run_memory(bench):
    server = bench.server(0)
    identity = Authority(bench.folder, "authority").issue("router", "router").give_to_servers()
    tls = {"client_tls_cert_file": str(identity.certificate), "client_tls_key_file": str(identity.key)}
    bouncer_tls = f"client_tls_sslmode = allow\nclient_tls_cert_file = {identity.certificate}\nclient_tls_key_file = {identity.key}\n"
    found = {}
    for name, secured, make, arguments, more in (
            ("PgBouncer", False, targets.pgbouncer, [bench.folder, server], {}),
            ("nanu", False, targets.nanu, ["nanu", [server]], {}),
            ("nanu, epoll", False, targets.nanu, ["nanu, epoll", [server]], {"io": "epoll"}),
            ("PgBouncer, TLS", True, targets.pgbouncer, [bench.folder, server], {"more": bouncer_tls}),
            ("nanu, TLS", True, targets.nanu, ["nanu", [server]], tls),
            ("nanu, epoll, TLS", True, targets.nanu, ["nanu, epoll", [server]], dict(tls, io="epoll"))):
        for target in bench.wanted(bench.start(make, *arguments, **more)):
            with bench.excused(f"memory of {name}"):
                count = bench.options.idle // 3 if secured else bench.options.idle
                found[name] = measure.idle_clients(target, count // 10, count, secured)
    return found


def run_merge(bench):
    servers = [bench.server(i) for i in range(4)]
    for server in servers:
        with server.connect() as conn:
            conn.execute("CREATE DATABASE merging")
    with servers[0].connect("bench") as conn:
        conn.execute(tables.MERGED)
        tables.fill_merged(conn)
    nanus = [target for target in (bench.start(targets.nanu, "nanu, 4 shards", servers, node_database="merging"),
                                   bench.start(targets.nanu, "nanu, epoll, 4 shards", servers, node_database="merging", io="epoll")) if target]
    for target in nanus:
        with target.connect() as conn:
            if target is nanus[0]:
                conn.execute(tables.MERGED)
            conn.execute("SELECT nanu.shard_table('merged', key => 'id')")
    for i, server in enumerate(servers):
        with server.connect("merging") as conn:
            tables.fill_merged(conn, tables.of_shard(i, len(servers)))
    runs = {}
    wanted = bench.wanted(targets.direct(servers[0]), bench.start(targets.pgbouncer, bench.folder, servers[0]), *nanus)
    for _ in range(MERGES):
        for target in wanted:
            with bench.excused("merge", target):
                runs.setdefault(target.name, []).append(measure.large_result(target, "SELECT id, name, value FROM merged ORDER BY id", tables.MERGED_ROWS))
    return {name: {"seconds": statistics.median(run["seconds"] for run in several),
                   "grown_bytes": max((run["grown_bytes"] for run in several if run["grown_bytes"] is not None), default=None)}
            for name, several in runs.items()}


def run_understand(bench):
    out = subprocess.run([NANU.parent / "bench" / "understand"], check=True, capture_output=True, text=True).stdout
    return [{"ns": float(whole), "fingerprint_ns": float(fingerprint), "statement": statement}
            for whole, fingerprint, statement in re.findall(r"([\d.]+) ns, of which fingerprint +([\d.]+) ns: (.*)", out)]


PARTS = {"pgbench": run_pgbench, "connections": run_connections, "memory": run_memory, "merge": run_merge, "understand": run_understand}
