"""What stands between two peers: a relay before a server. Who derives from it looks into, changes or cuts what passes."""
import contextlib
import socket
import threading
import time

CHUNK = 1 << 16


class Connection:
    """heard, said: how many bytes the client and the server have said before. port: the one by which the server knows it."""

    def __init__(self, client, server):
        self.client, self.server, self.heard, self.said = client, server, 0, 0
        self.port = server.getsockname()[1]
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def end(self):
        for sock in (self.client, self.server):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        for sock in (self.client, self.server):
            sock.close()


class Relay:
    """Connections to `port` go on to `target`. What the methods of_client() and of_server() make of what was said is passed on; nothing: it ends."""

    def __init__(self, target):
        self.target, self.connections = target, set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def of_client(self, connection, data):
        return data

    def of_server(self, connection, data):
        return data

    def accept(self):
        with contextlib.suppress(OSError):  # it is closed
            while True:
                client = self.listener.accept()[0]
                try:
                    connection = Connection(client, socket.create_connection(("127.0.0.1", self.target)))
                except OSError:
                    client.close()
                    continue
                self.connections.add(connection)
                threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        answers = threading.Thread(target=self.pass_answers, args=[connection], daemon=True)
        answers.start()
        with contextlib.suppress(OSError):
            while (data := connection.client.recv(CHUNK)) and (passed := self.of_client(connection, data)):
                connection.heard += len(data)
                connection.server.sendall(passed)
        connection.end()
        answers.join()
        self.connections.discard(connection)
        connection.close()

    def pass_answers(self, connection):
        with contextlib.suppress(OSError):
            while (data := connection.server.recv(CHUNK)) and (passed := self.of_server(connection, data)):
                connection.said += len(data)
                connection.client.sendall(passed)
        connection.end()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join()
        self.listener.close()
        for connection in list(self.connections):
            connection.end()


class Network(Relay):
    """Between a primary and its standby: it can be slow, and it can stand still."""

    def __init__(self, target):
        self.delay_s, self.open = 0, threading.Event()
        self.open.set()
        super().__init__(target)

    def of_server(self, connection, data):
        time.sleep(self.delay_s)
        self.open.wait()
        return data

    @contextlib.contextmanager
    def holding(self):
        """Nothing that the primary says arrives."""
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

    def stop(self):
        self.open.set()
        super().stop()
