"""One measurement of one target each: pgbench, system calls, memory, a large result."""
import concurrent.futures
import multiprocessing
import os
import pathlib
import re
import signal
import subprocess
import time

from harness.postgres import PASSWORD, PROGRAMS
from harness.wire import Query, Refused, Wire

from tables import SCALE

LOGGED = 0.1  # of the transactions: enough for percentiles
PERF_EVENT = "raw_syscalls:sys_enter"


class Failed(Exception):
    """A target did not do what was asked; the others go on."""


def pgbench(target, arguments, clients, limit_s):
    """Its output; raises Failed, also when not every transaction was done."""
    argv = [PROGRAMS / "pgbench", "-n", "-c", str(clients), "-s", str(SCALE), "-h", "127.0.0.1", "-p", str(target.port), "-U", target.user,
            *map(str, arguments), target.database]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, env=dict(os.environ, PGPASSWORD=PASSWORD), timeout=limit_s + 60)
    except subprocess.TimeoutExpired as expired:
        raise Failed("pgbench did not end") from expired
    count = re.search(r"transactions actually processed: (\d+)", done.stdout)
    if done.returncode != 0 or not count or not re.search(r"number of failed transactions: 0 ", done.stdout):
        raise Failed((done.stderr.strip() or done.stdout.strip())[-300:])
    if count[1] == "0":
        raise Failed("no transaction was done in time")
    return done.stdout, int(count[1])


def throughput(target, script, mode, clients, seconds, folder):
    """Transactions a second, own CPU in µs a transaction (None of a server), latencies in µs (of some)."""
    before = target.cpu_ns()
    out, count = pgbench(target, [script, "-M", mode, "-j", 1, "-T", seconds, "-l", "--sampling-rate", LOGGED, "--log-prefix", folder / "latency"],
                         clients, seconds)
    cpu = target.cpu_ns() - before
    latencies = []
    for log in folder.glob("latency.*"):
        latencies += [int(line.split()[2]) for line in log.read_text().splitlines()]
        log.unlink()
    return {"tps": float(re.search(r"tps = ([\d.]+)", out)[1]), "cpu_us": cpu / count / 1000 if target.pid else None, "latencies": latencies}


def connections(target, clients, seconds):
    """New connections a second, each with one query, of so many clients at a time, and own CPU in µs for each. The clients remember what the password
    makes of a salt, which else would be most of the time that a login by SCRAM takes."""
    before = target.cpu_ns()
    with concurrent.futures.ProcessPoolExecutor(clients, multiprocessing.get_context("fork")) as pool:
        done = list(pool.map(connect_for, [seconds] * clients, [target.port] * clients, [target.user] * clients, [target.database] * clients))
    cpu = target.cpu_ns() - before
    return {"per_second": sum(count / took for count, took in done), "cpu_us": cpu / sum(count for count, _ in done) / 1000 if target.pid else None}


def connect_for(seconds, port, user, database):
    """How many connections, and in which time."""
    begin, count = time.monotonic(), 0
    while time.monotonic() < begin + seconds:
        with Wire(port, user, PASSWORD, database) as client:
            client.one("SELECT 1")
        count += 1
    return count, time.monotonic() - begin


def system_calls(target, script, mode, clients, transactions):
    """System calls of the proxy a transaction, what connecting costs taken off; in a pass of its own, for being watched takes time."""
    def watched(each):
        perf = subprocess.Popen(["perf", "stat", "-x,", "-e", PERF_EVENT, "-p", ",".join(map(str, target.pids()))], stderr=subprocess.PIPE, text=True)
        try:
            time.sleep(0.2)  # perf does not say when it watches
            _, count = pgbench(target, [script, "-M", mode, "-j", 1, "-t", each], clients, 60)
        finally:
            perf.send_signal(signal.SIGINT)
            said = perf.communicate()[1]
        found = re.search(rf"^(\d+),.*{PERF_EVENT}", said, re.M)
        if not found:
            raise Failed(f"perf: {said.strip()[-200:]}")
        return int(found[1]), count
    few, few_count = watched(10)
    many, many_count = watched(10 + transactions // clients)
    return (many - few) / (many_count - few_count)


def kilobytes(text, name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M)[1])


def memory(pid):
    """Bytes of a process: its proportional set size."""
    return kilobytes(pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss") * 1024


def idle_clients(target, few, many, tls=False):
    """Memory a client, in bytes: logged in only, and after one query each; and of the whole process with `many` clients."""
    clients = []
    try:
        def grow(count):
            while len(clients) < count:
                clients.append(Wire(target.port, target.user, PASSWORD, target.database, tls=tls))
            return memory(target.pid)
        first = grow(few)
        idle = grow(many)
        for client in clients:
            if client.query("SELECT 1")[-1][0] != "Z":
                raise Failed("a query failed")
        used = memory(target.pid)
    except (OSError, AssertionError, Refused) as error:
        raise Failed(f"client {len(clients)}: {error}") from error
    finally:
        for client in clients:
            client.close()
    return {"clients": many, "bytes_a_client": (idle - first) / (many - few), "whole_bytes": idle, "whole_bytes_after_a_query": used}


def large_result(target, sql, rows):
    """Seconds from the statement to its last byte, and by how many bytes the proxy grew at most. The client only counts bytes."""
    with Wire(target.port, target.user, PASSWORD, target.database, timeout_s=120) as client:
        before = 0
        if target.pid:
            pathlib.Path(f"/proc/{target.pid}/clear_refs").write_text("5")  # its highest size so far is forgotten
            before = resident(target.pid, "VmRSS")
        begin = time.monotonic()
        client.send(Query(sql))
        tail = b""
        while not tail.endswith(b"Z\0\0\0\5I"):
            data = client.socket.recv(1 << 20)
            if not data:
                raise Failed("the connection ended")
            tail = (tail + data)[-100:]
        seconds = time.monotonic() - begin
        if f"SELECT {rows}\0".encode() not in tail:
            raise Failed(f"not {rows} rows: {tail!r}")
        return {"seconds": seconds, "grown_bytes": resident(target.pid, "VmHWM") - before if target.pid else None}


def resident(pid, name):
    return kilobytes(pathlib.Path(f"/proc/{pid}/status").read_text(), name) * 1024
