"""Exchanges of raw protocol messages, to be broken off anywhere. The client trusts the router to trust it (auth: trust)."""
import socket
import struct


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def text(value):
    return value.encode() + b"\0"


def startup(user, database):
    body = struct.pack("!I", 196608) + text("user") + text(user) + text("database") + text(database) + text("application_name") \
        + text("chaos") + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def query(sql):
    return message(b"Q", text(sql))


def extended(sql, name="", portal="", rows=0):
    return (message(b"P", text(name) + text(sql) + struct.pack("!H", 0))
            + message(b"B", text(portal) + text(name) + struct.pack("!HHH", 0, 0, 0))
            + message(b"D", b"P" + text(portal)) + message(b"E", text(portal) + struct.pack("!I", rows)))


SYNC, FLUSH = message(b"S"), message(b"H")

# name -> list of pieces; after each piece the client reads what the router says, up to `wait` (the type of a message), before it goes on.
EXCHANGES = {
    "simple": [(query("SELECT 1"), b"Z"), (query("SELECT generate_series(1, 1000)"), b"Z")],
    "settings": [(query("SET application_name = 'leak'"), b"Z"), (query("SET TimeZone = 'Asia/Seoul'; SET work_mem = '77MB'"), b"Z")],
    "transaction": [(query("BEGIN"), b"Z"), (query("INSERT INTO marks VALUES (1)"), b"Z"), (query("SAVEPOINT a"), b"Z"),
                    (query("SELECT broken"), b"Z"), (query("ROLLBACK TO a"), b"Z"), (query("SELECT pg_sleep(0.01)"), b"Z")],
    "extended": [(extended("SELECT 1") + SYNC, b"Z"), (extended("SELECT 2", "named", "p", 1) + FLUSH, None), (SYNC, b"Z"),
                 (extended("SELECT 3") * 10 + SYNC, b"Z")],
    "copy in": [(query("COPY marks FROM STDIN"), b"G"), (message(b"d", b"2\n3\n") * 50, None), (message(b"c"), b"Z")],
    "copy out": [(query("COPY (SELECT generate_series(1, 20000)) TO STDOUT"), b"Z")],
    "large": [(query("SELECT repeat('x', 3000000)"), b"Z")],
    "pinned": [(query("CREATE TEMP TABLE chaos_temp (x int)"), b"Z"), (query("SELECT pg_advisory_lock(4711)"), b"Z"),
               (query("LISTEN chaos"), b"Z"), (query("DECLARE c CURSOR WITH HOLD FOR SELECT 1"), b"Z")],
    "fan-out": [(query("SELECT k, v FROM spread ORDER BY v, k"), b"Z"), (query("SELECT count(*), avg(v) FROM spread"), b"Z")],
    "definition": [(query("CREATE TABLE chaos_made (x int)"), b"Z"), (query("DROP TABLE chaos_made"), b"Z")],
    "router's own": [(query("SELECT nanu.shard_table('nowhere', key => 'x')"), b"Z")],
}


class Client:
    def __init__(self, port, user, database):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.hello = startup(user, database)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def read_until(self, kind):
        """Reads messages up to one of this type; its body. None at the end of the stream."""
        while True:
            while len(self.buffer) >= 5:
                size = struct.unpack("!I", self.buffer[1:5])[0] + 1
                if len(self.buffer) < size:
                    break
                found, body, self.buffer = self.buffer[:1], self.buffer[5:size], self.buffer[size:]
                if found == kind:
                    return body
            data = self.socket.recv(65536)
            if not data:
                return None
            self.buffer += data

    def vanish(self, politely):
        """Closes with FIN, or with RST as a crashed peer's kernel does."""
        if not politely:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def cuts(pieces, step):
    """(pieces sent whole, bytes of the next) for every place at which the exchange may break off."""
    for whole, (data, _) in enumerate(pieces):
        for size in sorted(set(range(0, len(data), step)) | {1, 4, 5, len(data) - 1, len(data)}):
            if size <= len(data):
                yield whole, size
