"""PostgreSQL's protocol, raw: a client that sends whatever messages it is told and keeps every message that comes back.

Source: PostgreSQL 15 documentation, chapter 55. A message is (type, body) with type a one-letter str.
"""
import base64
import functools
import hashlib
import hmac
import os
import socket
import ssl
import struct

from .wait import PATIENCE

PROTOCOL = 196608
CANCEL_CODE = 80877102
SSL_CODE = 80877103
TEXT, BINARY = 0, 1


# ---- messages that a client sends ----

def message(kind, body=b""):
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def cstr(text):
    return (text if isinstance(text, bytes) else text.encode()) + b"\0"


def Query(sql):
    return message("Q", cstr(sql))


def Parse(sql, name="", types=()):
    return message("P", cstr(name) + cstr(sql) + struct.pack(f"!h{len(types)}I", len(types), *types))


def value(content):
    if content is None:
        return struct.pack("!i", -1)
    content = content if isinstance(content, bytes) else str(content).encode()
    return struct.pack("!i", len(content)) + content


def Bind(values=(), statement="", portal="", formats=(), results=()):
    return message("B", cstr(portal) + cstr(statement) + struct.pack(f"!h{len(formats)}h", len(formats), *formats)
                   + struct.pack("!h", len(values)) + b"".join(map(value, values)) + struct.pack(f"!h{len(results)}h", len(results), *results))


def Describe(what, name=""):
    return message("D", what.encode() + cstr(name))


def Execute(portal="", row_max=0):
    return message("E", cstr(portal) + struct.pack("!i", row_max))


def Close(what, name=""):
    return message("C", what.encode() + cstr(name))


def FunctionCall(oid, values, formats=(), result=TEXT):
    return message("F", struct.pack("!I", oid) + struct.pack(f"!h{len(formats)}h", len(formats), *formats) + struct.pack("!h", len(values))
                   + b"".join(map(value, values)) + struct.pack("!h", result))


def CopyData(data):
    return message("d", data if isinstance(data, bytes) else data.encode())


def CopyFail(why):
    return message("f", cstr(why))


Sync, Flush, CopyDone, Terminate = message("S"), message("H"), message("c"), message("X")


def run(sql, values=(), results=(), types=(), row_max=0):
    """Parse to Execute, all unnamed, without Sync."""
    return Parse(sql, types=types) + Bind(values, results=results) + Describe("P") + Execute(row_max=row_max)


# ---- what comes back ----

class Closed(Exception):
    """The other side ended the connection."""


def heard(sock, size_max=1 << 20):
    """What the other side says next; that it has nothing more to say is an error."""
    data = sock.recv(size_max)
    if not data:
        raise Closed
    return data


def fields(body):
    """An ErrorResponse or NoticeResponse: {'S': 'ERROR', 'C': '42601', …}."""
    return {part[:1].decode(): part[1:].decode(errors="replace") for part in body.split(b"\0") if part}


def columns(body):
    """A RowDescription: [(name, table, attribute, type, size, modifier, format)]."""
    found, at = [], 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        end = body.index(b"\0", at)
        found.append((body[at:end].decode(), *struct.unpack_from("!IhIhih", body, end + 1)))
        at = end + 19
    return found


def row(body):
    """A DataRow: [bytes or None]."""
    found, at = [], 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        size, = struct.unpack_from("!i", body, at)
        at += 4
        found.append(None if size < 0 else body[at:at + size])
        at += max(size, 0)
    return found


def show(kind, body, size_max=300):
    """One line for people."""
    if kind in "EN" and body[:1] == b"S":
        return f"{kind} {fields(body)}"
    if kind == "T":
        return f"T {columns(body)}"
    if kind == "D" and len(body) < size_max:
        return f"D {row(body)}"
    return f"{kind} {body[:size_max]!r}" + (f" … {len(body)} bytes" if len(body) > size_max else "")


def rows_of(answer, sql="the query"):
    """The rows of an answer, as lists of str; raises what the server said."""
    for kind, body in answer:
        if kind in ("E", "closed", "silence"):
            raise AssertionError(f"{sql}: {show(kind, body)}")
    return [[None if item is None else item.decode() for item in row(body)] for kind, body in answer if kind == "D"]


class Wire:
    """A connection. `login` keeps all messages up to the first ReadyForQuery; `key` is the cancel key. tls: whoever the other side is."""

    def __init__(self, port, user, password, database, login=True, timeout_s=20, tls=False, **startup):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s * PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket.sendall(struct.pack("!ii", 8, SSL_CODE))
            assert self.socket.recv(1) == b"S", "the other side does not speak TLS"
            self.socket = trusting_context().wrap_socket(self.socket)
        self.port = port
        self.received = b""
        self.key = None
        self.login = []
        if not login:
            return
        parameters = dict(startup, user=user, database=database)
        body = struct.pack("!i", PROTOCOL) + b"".join(cstr(name) + cstr(text) for name, text in parameters.items()) + b"\0"
        self.send(struct.pack("!i", len(body) + 4) + body)
        self.authenticate(password)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, *messages):
        self.socket.sendall(b"".join(messages))

    def fill(self):
        self.received += heard(self.socket)

    def read(self):
        """The next message."""
        while len(self.received) < 5:
            self.fill()
        size = struct.unpack_from("!i", self.received, 1)[0] + 1
        if len(self.received) < size:
            parts, have = [self.received], len(self.received)
            while have < size:
                parts.append(heard(self.socket))
                have += len(parts[-1])
            self.received = b"".join(parts)
        kind, body = chr(self.received[0]), self.received[5:size]
        self.received = self.received[size:]
        return kind, body

    def until(self, kinds="Z", count=1):
        """Every message up to the count-th of one of these kinds; to the end of the connection if that comes first."""
        found = []
        try:
            while count:
                found.append(self.read())
                count -= found[-1][0] in kinds
        except Closed:
            found.append(("closed", b""))
        except TimeoutError:
            found.append(("silence", b""))
        return found

    def ask(self, *messages):
        """Sends, and returns every message up to as many ReadyForQuery as the messages ask for."""
        self.send(*messages)
        return self.until(count=ready_count(b"".join(messages)))

    def query(self, sql):
        return self.ask(Query(sql))

    def rows(self, sql):
        """The rows of one simple query, as tuples of str; raises what the server said."""
        return [tuple(row) for row in rows_of(self.query(sql), sql)]

    def one(self, sql):
        return self.rows(sql)[0][0]

    def error(self, sql):
        """The SQLSTATE of a simple query's error, None without one."""
        return next((fields(body)["C"] for kind, body in self.query(sql) if kind == "E"), None)

    def status(self):
        """The transaction's: I, T or E."""
        return self.ask(Sync)[-1][1].decode()

    # ---- start-up ----

    def authenticate(self, password):
        scram = None
        while True:
            kind, body = self.read()
            if kind == "R":
                code, = struct.unpack_from("!i", body)
                if code == 3:
                    self.send(message("p", cstr(password)))
                elif code == 10:
                    scram = Scram(password)
                    first = scram.first()
                    self.send(message("p", cstr("SCRAM-SHA-256") + struct.pack("!i", len(first)) + first))
                elif code == 11:
                    self.send(message("p", scram.final(body[4:])))
                elif code == 12:
                    scram.verify(body[4:])
                elif code != 0:
                    raise AssertionError(f"authentication method {code}")
                continue
            self.login.append((kind, body))
            if kind == "K":
                self.key = struct.unpack("!II", body)
            elif kind == "E":
                raise Refused(fields(body))
            elif kind == "Z":
                return

    def cancel(self):
        """A cancel request for this connection, over one of its own; returns when the other side has ended that."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20 * PATIENCE) as request:
            request.sendall(struct.pack("!iiII", 16, CANCEL_CODE, *self.key))
            while request.recv(64):
                pass


@functools.lru_cache(None)
def trusting_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Refused(Exception):
    """The start-up ended with an error; `fields` are its own."""

    def __init__(self, found):
        super().__init__(found)
        self.fields = found


@functools.lru_cache(None)
def salted_password(password, salt, iterations):
    return hashlib.pbkdf2_hmac("sha256", password, salt, iterations)


class Scram:
    """The client's side of SCRAM-SHA-256 (RFC 7677)."""

    def __init__(self, password):
        self.password = password.encode()
        self.nonce = base64.b64encode(os.urandom(18)).decode()

    def first(self):
        self.first_bare = f"n=,r={self.nonce}"
        return f"n,,{self.first_bare}".encode()

    def final(self, server_first):
        given = dict(part.split("=", 1) for part in server_first.decode().split(","))
        salted = salted_password(self.password, base64.b64decode(given["s"]), int(given["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c=biws,r={given['r']}"
        signed = f"{self.first_bare},{server_first.decode()},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
        self.expected = base64.b64encode(hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")).decode()
        return f"{without_proof},p={proof}".encode()

    def verify(self, server_final):
        assert server_final.decode() == f"v={self.expected}", "the server does not know the password"


def ready_count(messages):
    """How many ReadyForQuery these bytes ask for."""
    count, at = 0, 0
    while at < len(messages):
        count += messages[at:at + 1] in b"QSF"
        at += 1 + struct.unpack_from("!i", messages, at + 1)[0]
    return count
