"""The network between a primary and its standby: it can be slow, and it can stand still."""
import contextlib
import socket
import threading
import time

from harness.postgres import PASSWORD, SUPERUSER

CHUNK = 1 << 16


class Relay:
    """Connections to `port` go on to `target`, which may become another: what connects from then on comes to that. delay_s: on the way of everything that
    the target says. holding(): nothing that it says arrives."""

    def __init__(self, target):
        self.target, self.delay_s = target, 0
        self.open = threading.Event()
        self.open.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = {self.listener}
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):  # it is closed
            while True:
                standby = self.listener.accept()[0]
                threading.Thread(target=self.serve, args=[standby], daemon=True).start()

    def serve(self, standby):
        with standby, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as primary:
            both = {standby, primary}
            for sock in both:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets |= both
            back = threading.Thread(target=self.pass_on, args=[standby, primary, False], daemon=True)
            back.start()
            self.pass_on(primary, standby, True)
            back.join()
            self.sockets -= both

    def pass_on(self, source, sink, stream):
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if stream:
                    time.sleep(self.delay_s)
                    self.open.wait()
                sink.sendall(data)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def holding(self):
        self.open.clear()
        try:
            yield
        finally:
            self.open.set()

    @contextlib.contextmanager
    def slow(self, seconds):
        self.delay_s = seconds
        try:
            yield
        finally:
            self.delay_s = 0

    def close(self):
        self.open.set()
        for sock in list(self.sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def stream_through(relay, server):
    """The server streams through it when it is a standby. The relay."""
    with server.connect() as conn:
        conn.execute(f"ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={relay.port} user={SUPERUSER} password={PASSWORD}'")
        conn.execute("SELECT pg_reload_conf()")
    server.through = relay
    return relay


def streams(server):
    """Whether it does."""
    with server.connect() as conn:
        return conn.execute("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming' AND sender_port = %s",
                            [server.through.port]).fetchone() == (1,)
