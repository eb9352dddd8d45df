"""A program that a test started: its log, its end."""
import ctypes
import os
import pathlib
import pwd
import random
import signal
import socket
import subprocess

from .wait import PATIENCE

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


claims = []


def claim(port):
    """Whether no other suite has chosen it: a name that one process at a time can have, until its end."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(f"\0nanu-test-port-{port}")
    except OSError:
        sock.close()
        return False
    claims.append(sock)
    return True


def free_port():
    """A port of 127.0.0.1 where nobody listens or will, outside the range that outgoing connections use."""
    for _ in range(1000):
        port = random.randint(10000, 19999)
        if claim(port) and port_is_free(port):
            return port
    raise OSError("no free port")


def server_user():
    """Whom PostgreSQL runs as: it refuses root. None: as ourselves."""
    return pwd.getpwnam("postgres") if os.getuid() == 0 else None


def as_server_user():
    """Arguments for subprocess that run a program as that user."""
    user = server_user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}


class Program:
    """Ends with this process at the latest, also when that is killed."""

    def __init__(self, argv, log, last_signal=signal.SIGKILL, **more):
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", start_new_session=True,
                                          preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, last_signal), **more)

    @property
    def pid(self):
        return self.popen.pid

    def ended(self):
        return self.popen.poll() is not None

    def stop(self, how, timeout_s=30):
        """Sends the signal and waits for the end; returns the exit status, negative for a signal, None when it had to be killed."""
        if not self.ended():
            self.popen.send_signal(how)
        try:
            return self.popen.wait(timeout_s * PATIENCE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            return None

    def log_text(self):
        return self.log.read_text(errors="replace")
