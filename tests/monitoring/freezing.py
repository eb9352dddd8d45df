"""Programs, and single threads of them, that stop for a while and go on."""
import contextlib
import ctypes
import os
import pathlib
import signal

from harness.wait import wait_until

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 17, 0x4206, 0x4207, 0x40000000


def parent_of(pid):
    try:
        return int((pathlib.Path("/proc") / pid / "stat").read_text().rsplit(") ", 1)[1].split()[1])
    except (OSError, IndexError):
        return 0


def children(pid):
    return [int(entry.name) for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit() and parent_of(entry.name) == pid]


@contextlib.contextmanager
def frozen_server(server):
    """Nothing of it runs: its port takes connections, and nobody says anything."""
    postmaster = server.program.pid
    os.kill(postmaster, signal.SIGSTOP)
    stopped = children(postmaster)
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in [*stopped, postmaster]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def thread_named(pid, name):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int(task.name)
    raise LookupError(name)


@contextlib.contextmanager
def frozen_thread(pid, name):
    """One thread of a program that this one started stands still; the others go on. See ptrace(2)."""
    thread = thread_named(pid, name)
    ptrace(PTRACE_SEIZE, thread)
    ptrace(PTRACE_INTERRUPT, thread)
    wait_until(lambda: os.waitpid(thread, WALL | os.WNOHANG)[0] == thread, f"thread {name} stands still")
    try:
        yield
    finally:
        ptrace(PTRACE_DETACH, thread)
