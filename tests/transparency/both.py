"""The same messages to a PostgreSQL and, through nanu, to another database of the same PostgreSQL: every message of the answers is compared.

What must differ is made alike before the comparison; this table is all of it:

    what                                            why
    BackendKeyData                                  process and secret are each server's own; nanu's own key stands for a session
    process number in NotificationResponse          it names the server process that notified
    OIDs from 16384 on in RowDescription and        they come from a counter of the whole server; each becomes the order of its first
    ParameterDescription                            appearance, so that equal objects still have to look equal
    File, Line and Routine of an error that nanu    a statement name that the client gave is known to nanu only, which so must refuse a
    itself says: of a name that is given already,   second one, and names no line of PostgreSQL's source
    or that begins as nanu's own do
    that has gone (a second Execute of DEALLOCATE)  (a DEALLOCATE does not reach a server)
    File, Line and Routine of a protocol violation  a message that breaks the protocol is refused before it reaches a server
"""
import struct

from harness.wire import (BINARY, TEXT, Bind, Close, Describe, Execute, Flush, Parse, Query, Sync, Wire, columns, fields, ready_count, show)

FIRST_USER_OID = 16384


def plain(kind, body, oids):
    """The message with what must differ made alike."""
    def alike(oid):
        return oid if oid < FIRST_USER_OID else 1 << 24 | oids.setdefault(oid, len(oids))

    if kind == "K":
        return kind, b""
    if kind == "A":
        return kind, body[4:]
    if kind == "T":
        return kind, repr([(name, alike(table), attribute, alike(oid), *rest) for name, table, attribute, oid, *rest in columns(body)]).encode()
    if kind == "t":
        count, = struct.unpack_from("!h", body)
        return kind, repr([alike(oid) for oid in struct.unpack_from(f"!{count}I", body, 2)]).encode()
    if kind == "E" and (fields(body)["C"] in ("42P05", "08P01") or fields(body)["M"].endswith("cannot be run") or fields(body)["C"] == "26000" and '"nanu_' in fields(body)["M"]):
        return kind, repr({name: text for name, text in fields(body).items() if name not in "FLR"}).encode()
    return kind, body


class Answers:
    """All that came back on one connection, as it came and made alike."""

    def __init__(self):
        self.oids = {}
        self.shown, self.alike = [], []

    def add(self, messages):
        for kind, body in messages:
            self.shown.append(show(kind, body))
            self.alike.append(plain(kind, body, self.oids))

    def mark(self, what):
        self.shown.append(f"── {what}")
        self.alike.append(("──", what.encode()))


def play(wire, steps):
    """A step: a str (a simple query), a bytes or list of bytes (sent at once, answered up to the last ReadyForQuery that they ask for), or
    (messages, kinds[, count]): answered up to the count-th message of one of these kinds, and after an error there with a Sync first."""
    answers = Answers()
    answers.add(wire.login)
    skipping = False
    for step in steps:
        kinds, count = "Z", None
        if isinstance(step, tuple):
            step, kinds, count = step[0], step[1], step[2] if len(step) > 2 else 1
        sent = Query(step) if isinstance(step, str) else step if isinstance(step, bytes) else b"".join(step)
        answers.mark(repr(sent[:200]))
        if skipping and kinds != "Z":
            answers.add(wire.ask(Sync))
        wire.send(sent)
        heard = wire.until(kinds, ready_count(sent) if count is None else count)
        skipping = kinds != "Z" and heard[-1][0] == "E"
        answers.add(heard)
        if answers.alike[-1][0] in ("closed", "silence"):
            break
    return answers


def difference(direct, routed):
    """None, or both transcripts around the first message that is not alike, for people."""
    for at in range(max(len(direct.alike), len(routed.alike))):
        one, other = direct.alike[at:at + 1], routed.alike[at:at + 1]
        if one != other:
            since = max((i for i in range(min(at, len(direct.shown))) if direct.shown[i].startswith("──")), default=0)
            return "\n".join(["", f"directly, {direct.shown[since]}", *direct.shown[max(since + 1, at - 4):at + 4], "",
                              "through nanu:", *routed.shown[max(since + 1, at - 4):at + 4]])
    return None


# ---- the ways in which a script of SQL statements is sent ----

def simple(statements):
    return list(statements)


def extended(statements, form):
    return [[Parse(sql), Describe("S"), Bind(results=[form]), Describe("P"), Execute(), Sync] for sql in statements]


def extended_text(statements):
    return extended(statements, TEXT)


def extended_binary(statements):
    return extended(statements, BINARY)


def named_in_portions(statements):
    """Named statements and portals, two rows and then the others, closed in the end."""
    steps = []
    for number, sql in enumerate(statements):
        name = f"st {number}"
        steps.append([Parse(sql, name), Sync])
        steps.append([Bind(statement=name, portal=name), Execute(name, 2), Describe("P", name), Execute(name), Close("P", name), Sync])
        steps.append([Describe("S", name), Close("S", name), Sync])
    return steps


def pipelined(statements):
    """All in one implicit transaction, then each in one of its own, without waiting."""
    each = [Parse(sql) + Bind(results=[BINARY]) + Describe("P") + Execute() for sql in statements]
    return [[*each, Sync], [message + Sync for message in each]]


def flushed(statements):
    """One implicit transaction; each statement's answer is waited for."""
    steps = [([Parse(sql), Bind(), Describe("P"), Execute(), Flush], "CEIG") for sql in statements]
    return [*steps, [Sync]]


WAYS = {way.__name__: way for way in (simple, extended_text, extended_binary, named_in_portions, pipelined, flushed)}


class Both:
    """connect: which ("direct" or "routed") and start-up parameters -> Wire; renew: empties the work schema of that database."""

    def __init__(self, direct, routed, renew):
        self.direct, self.routed, self.renew = direct, routed, renew
        self.remembered = {}

    def run(self, side, steps, startup):
        with Wire(**dict(getattr(self, side), **startup)) as wire:
            return play(wire, steps)

    def play_renewed(self, side, steps, startup, makes_objects):
        if not makes_objects:
            return self.run(side, steps, startup or {})
        self.renew(side)
        try:
            return self.run(side, steps, startup or {})
        finally:
            self.renew(side)

    def compare(self, key, steps, startup=None, makes_objects=True):
        """Plays on both sides; the direct answer of a key is asked for once."""
        if key not in self.remembered:
            self.remembered[key] = self.play_renewed("direct", steps, startup, makes_objects)
        found = difference(self.remembered[key], self.play_renewed("routed", steps, startup, makes_objects))
        assert found is None, found
