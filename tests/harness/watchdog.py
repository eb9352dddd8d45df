"""Ends a test that takes too long, and the suite with it: what everybody was doing then is in the test's report."""
import contextlib
import faulthandler
import os
import pathlib
import signal
import sys
import threading
import time

import psycopg

from .wait import PATIENCE

TEST_S_MAX = None if "NANU_SOAK" in os.environ else 300 * PATIENCE
ENDING_S_MAX = 60                       # for a test whose programs were killed
MARK = "NANU_TEST_SESSION"              # in the environment of whatever the tests start

os.environ[MARK] = f"{os.getpid()}-{time.time_ns()}"


def started():
    """Process ids of what this session's tests started, whoever is its parent now."""
    mark = f"{MARK}={os.environ[MARK]}\0".encode()
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes():
                    yield int(entry.name)


def describe(pid):
    """The command of a process, and what each of its threads is in: the system call and its arguments, as proc(5) has them."""
    process = pathlib.Path(f"/proc/{pid}")
    with contextlib.suppress(OSError):
        print(f"process {pid}:", (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"), file=sys.stderr)
        for task in sorted(process.glob("task/*")):
            print("   ", task.name, (task / "comm").read_text().strip(), (task / "stat").read_text().split()[2], (task / "syscall").read_text().strip(),
                  file=sys.stderr)


def describe_router(cluster):
    """What the router itself says of its sessions and backends."""
    try:
        with cluster.connect(options="-c statement_timeout=10s") as conn:
            for view in ("sessions", "backends"):
                for row in conn.execute(f"SELECT * FROM nanu.{view}").fetchall():
                    print(view, row, file=sys.stderr)
    except psycopg.Error as problem:
        print(problem, file=sys.stderr)


def end(item, clusters, done):
    """Tells what everybody does, and kills what the tests started, the servers too: the test fails by that."""
    item.session.shouldstop = f"{item.nodeid} was not done after {TEST_S_MAX:.0f} s"
    print(item.session.shouldstop, file=sys.stderr)
    faulthandler.dump_traceback(sys.stderr, all_threads=True)
    pids = list(started())
    for pid in pids:
        describe(pid)
    asking = [threading.Thread(target=describe_router, args=[cluster], daemon=True) for cluster in clusters if cluster.router.running()]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(20)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if not done.wait(ENDING_S_MAX):
        faulthandler.dump_traceback(sys.__stderr__, all_threads=True)
        os._exit(1)


@contextlib.contextmanager
def watched(item, clusters):
    """For the time of a test."""
    done = threading.Event()

    def watch():
        if not done.wait(TEST_S_MAX):
            end(item, clusters, done)

    threading.Thread(target=watch, daemon=True).start()
    yield
    done.set()
