"""One statement on one connection, in each of the protocol's ways; what comes back, as bytes."""
import re
import uuid

from psycopg import pq

PROTOCOLS = ("simple", "extended", "binary")
OIDS = {"int2": 21, "int4": 23, "int8": 20, "numeric": 1700, "float8": 701, "text": 25, "varchar": 1043, "bpchar": 1042, "uuid": 2950,
        "date": 1082, "timestamptz": 1184, "bool": 16, "int8[]": 1016, "text[]": 1009, "bytea": 17}
BINARY = {
    "int2": lambda text: int(text).to_bytes(2, "big", signed=True),
    "int4": lambda text: int(text).to_bytes(4, "big", signed=True),
    "int8": lambda text: int(text).to_bytes(8, "big", signed=True),
    "text": str.encode, "varchar": str.encode, "bpchar": str.encode,
    "uuid": lambda text: uuid.UUID(text).bytes,
}


class Param:
    """type: a name of OIDS, or None where the client declares none; text None: NULL."""

    def __init__(self, type, text):
        self.type, self.text = type, text

    def literal(self):
        """The same value within a text, for the simple protocol."""
        text = "NULL" if self.text is None else "'" + self.text.replace("'", "''") + "'"
        return f"{text}::{self.type}" if self.type else text

    def value(self, binary):
        """(bytes or None, format)"""
        if self.text is None:
            return None, pq.Format.TEXT
        if binary and self.type in BINARY:
            return BINARY[self.type](self.text), pq.Format.BINARY
        return self.text.encode(), pq.Format.TEXT

    def __str__(self):
        return f"{self.type or '?'}:{'NULL' if self.text is None else self.text}"


class Outcome:
    """Rows, or an error."""

    def __init__(self, result):
        self.sqlstate = self.message = self.hint = None
        self.columns, self.rows, self.tag = [], [], ""
        if result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.NONFATAL_ERROR):
            field = lambda which: (result.error_field(which) or b"").decode()
            self.sqlstate, self.message = field(pq.DiagnosticField.SQLSTATE), field(pq.DiagnosticField.MESSAGE_PRIMARY)
            self.hint = field(pq.DiagnosticField.MESSAGE_HINT)
            return
        self.tag = (result.command_status or b"").decode()
        self.columns = [(result.fname(i).decode(), result.ftype(i), result.fmod(i), result.fformat(i)) for i in range(result.nfields)]
        self.rows = [tuple(result.get_value(row, i) for i in range(result.nfields)) for row in range(result.ntuples)]

    @property
    def failed(self):
        return self.sqlstate is not None

    def __str__(self):
        if self.failed:
            return f"{self.sqlstate}: {self.message} (hint: {self.hint})"
        return f"{self.tag} {[(name, type) for name, type, _, _ in self.columns]} {self.rows[:40]}"


PARAM = re.compile(r"(?<!\$)\$(\d+)\b(?!\$)")


def with_literals(sql, params):
    return PARAM.sub(lambda found: params[int(found.group(1)) - 1].literal(), sql) if params else sql


def run(conn, protocol, sql, params=()):
    """`conn`: psycopg's connection. binary: results, and those parameters whose type has a binary form here."""
    pgconn = conn.pgconn
    if protocol == "simple":
        return Outcome(pgconn.exec_(with_literals(sql, params).encode()))
    binary = protocol == "binary"
    values = [param.value(binary) for param in params]
    return Outcome(pgconn.exec_params(sql.encode(), [value for value, _ in values], [OIDS[param.type] if param.type else 0 for param in params],
                                      [format for _, format in values], pq.Format.BINARY if binary else pq.Format.TEXT))
