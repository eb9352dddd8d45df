"""A proxy before a server that cuts or garbles what the server says, at one byte of a connection."""
import random
import selectors
import socket
import threading
import time

GARBLED_S = 0.3         # so long a connection lives on that was garbled: who waits for the rest of a message that is none hears of it then


SAMPLER = b"nanu sampler"  # the router's own connection, which comes when it likes, and would be counted


class Proxy(threading.Thread):
    """fault: None, or (number of the server's byte over a connection, "cut" or "garble"); it strikes once. Connections made before go on."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.target, self.fault, self.struck = port, None, 0
        self.most = 0                           # of the server's bytes on one connection, since this was last set
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.random = random.Random(1)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.wake, self.woken = socket.socketpair()
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.peers, self.said, self.doomed = {}, {}, {}
        self.start()

    def run(self):
        while True:
            for key, _ in self.selector.select(0.05):
                if key.fileobj is self.woken:
                    return
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj in self.peers:
                    self.pass_on(key.fileobj)
            for server in [server for server, end in self.doomed.items() if end < time.monotonic()]:
                del self.doomed[server]
                if server in self.peers:
                    self.end(server)

    def accept(self):
        client = self.listener.accept()[0]
        server = socket.create_connection(("127.0.0.1", self.target))
        self.peers[client], self.peers[server], self.said[server] = server, client, 0
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(sock, selectors.EVENT_READ)

    def pass_on(self, sock):
        try:
            data = sock.recv(65536)
            if data and sock in self.said:
                data = self.strike(sock, data)
            elif SAMPLER in data:
                data = b""
            if data:
                self.peers[sock].sendall(data)
                return
        except OSError:
            pass
        self.end(sock)

    def strike(self, server, data):
        begin = self.said[server]
        self.said[server] += len(data)
        self.most = max(self.most, self.said[server])
        if not self.fault or not begin <= self.fault[0] < begin + len(data):
            return data
        at, self.struck = self.fault[0] - begin, self.struck + 1
        how, self.fault = self.fault[1], None
        if how == "garble":
            self.doomed[server] = time.monotonic() + GARBLED_S
            return data[:at] + self.random.randbytes(min(8, len(data) - at)) + data[at + 8:]
        self.peers[server].sendall(data[:at])
        return b""

    def end(self, sock):
        for one in (sock, self.peers[sock]):
            self.selector.unregister(one)
            del self.peers[one]
            self.said.pop(one, None)
            one.close()

    def stop(self):
        self.wake.send(b"x")
        self.join()
        for sock in [self.listener, self.wake, self.woken, *self.peers]:
            sock.close()
