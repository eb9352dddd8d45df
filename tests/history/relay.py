"""The network between a primary and its standby: it can be slow, and it can stand still."""
import contextlib
import socket
import threading
import time

CHUNK = 1 << 16


class Relay:
    """Connections to `port` go on to `target`. delay_s: on the way of everything that the target says. hold(): nothing that it says arrives."""

    def __init__(self, target):
        self.target, self.delay_s = target, 0
        self.open = threading.Event()
        self.open.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = [self.listener]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):  # it is closed
            while True:
                standby = self.listener.accept()[0]
                try:
                    primary = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    standby.close()
                    continue
                self.sockets += [standby, primary]
                for sock in (standby, primary):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pass_on, args=[primary, standby, True], daemon=True).start()
                threading.Thread(target=self.pass_on, args=[standby, primary, False], daemon=True).start()

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
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
