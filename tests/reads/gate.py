"""A relay before a server that, while it is shut, ends every connection but the router's own, which asks the server where it is in the WAL."""
from harness.relay import Relay

SAMPLER = b"nanu sampler"
ENCRYPTION_REQUEST_SIZE = 8     # which libpq sends before it says who it is


class Gate(Relay):
    def __init__(self, port):
        self.shut, self.refused, self.through = False, 0, set()
        super().__init__(port)

    def of_client(self, connection, data):
        if connection.heard <= ENCRYPTION_REQUEST_SIZE < len(data):
            if SAMPLER in data:
                self.through.add(connection)
            elif self.shut:
                self.refused += 1
                return b""
        return data

    def close_all(self):
        """From now on everybody is sent away, those who are there too."""
        self.shut, self.refused = True, 0
        for connection in self.connections - self.through:
            connection.end()
