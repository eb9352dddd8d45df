"""A relay before a server that, while it is shut, ends every connection but the router's own, which asks the server where it is in the WAL."""
import selectors
import socket
import threading

SAMPLER = b"nanu sampler"
ENCRYPTION_REQUEST_SIZE = 8     # which libpq sends before it says who it is


class Gate(threading.Thread):
    def __init__(self, port):
        super().__init__(daemon=True)
        self.target, self.shut, self.refused = port, False, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.wake, self.woken = socket.socketpair()
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.peers, self.fresh, self.through = {}, set(), set()
        self.start()

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.woken:
                    if self.woken.recv(1) == b"x":
                        return
                    for sock in [sock for sock in self.peers if sock not in self.through]:
                        self.end(sock)
                elif key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj in self.peers:
                    self.pass_on(key.fileobj)

    def accept(self):
        client = self.listener.accept()[0]
        server = socket.create_connection(("127.0.0.1", self.target))
        self.peers[client], self.peers[server] = server, client
        self.fresh.add(client)
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(sock, selectors.EVENT_READ)

    def pass_on(self, sock):
        try:
            data = sock.recv(65536)
            if sock in self.fresh and len(data) > ENCRYPTION_REQUEST_SIZE:
                self.fresh.discard(sock)
                if SAMPLER in data:
                    self.through |= {sock, self.peers[sock]}
                elif self.shut:
                    self.refused += 1
                    data = b""
            if data:
                self.peers[sock].sendall(data)
                return
        except OSError:
            pass
        self.end(sock)

    def end(self, sock):
        for one in (sock, self.peers.get(sock)):
            if one in self.peers:
                self.selector.unregister(one)
                del self.peers[one]
                one.close()

    def close_all(self):
        """From now on everybody is sent away, those who are there too."""
        self.shut, self.refused = True, 0
        self.wake.send(b"c")

    def stop(self):
        self.wake.send(b"x")
        self.join()
        for sock in [self.listener, self.wake, self.woken, *self.peers]:
            sock.close()
