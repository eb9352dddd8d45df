"""A proxy before a server that cuts or garbles what the server says, at one byte of a connection."""
import random
import threading

from harness.relay import Relay

GARBLED_S = 0.3         # so long a connection lives on that was garbled: who waits for the rest of a message that is none hears of it then


SAMPLER = b"nanu sampler"  # the router's own connection, which comes when it likes, and would be counted


class Proxy(Relay):
    """fault: None, or (number of the server's byte over a connection, "cut" or "garble"); it strikes once. Connections made before go on."""

    def __init__(self, port):
        self.fault, self.struck = None, 0
        self.most = 0                           # of the server's bytes on one connection, since this was last set
        self.random = random.Random(1)
        self.one = threading.Lock()             # byte at a time
        super().__init__(port)

    def of_client(self, connection, data):
        return b"" if SAMPLER in data else data

    def of_server(self, connection, data):
        with self.one:
            end = connection.said + len(data)
            self.most = max(self.most, end)
            if not self.fault or not connection.said <= self.fault[0] < end:
                return data
            (at, how), self.fault = self.fault, None
            at, self.struck = at - connection.said, self.struck + 1
        if how == "garble":
            threading.Timer(GARBLED_S, connection.end).start()
            return data[:at] + self.random.randbytes(min(8, len(data) - at)) + data[at + 8:]
        connection.client.sendall(data[:at])
        return b""
