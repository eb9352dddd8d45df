"""Sequences of messages that SQL alone does not make: portals, pipelines, COPY, parameters, what breaks the protocol.

A name -> steps (as play() in both.py takes them) and, if needed, start-up parameters.
"""
import struct

from harness.wire import (BINARY, TEXT, Bind, Close, CopyData, CopyDone, CopyFail, Describe, Execute, Flush, FunctionCall, Parse, Query,
                          Sync, message, run)

INT4, INT8, TEXT_OID, NUMERIC, DATE, BYTEA, FLOAT8, BOOL = 23, 20, 25, 1700, 1082, 17, 701, 16
LONG = "x" * 2_000_000
TABLE = "CREATE TABLE t (a int, b text)"
GONE = [run("SELECT 1") + Sync]  # the connection still works


def many(sql, count=200):
    return [[run(sql) for _ in range(count)] + [Sync]]


STATEMENTS = {
    "unnamed, again and again": [[Parse("SELECT 1"), Sync], [Bind(), Execute(), Sync], [Bind(), Execute(), Sync], [Describe("S"), Sync]],
    "unnamed goes with a simple query": [[Parse("SELECT 1"), Sync], "SELECT 2", [Bind(), Execute(), Sync]],
    "unnamed goes with a Parse that fails": [[Parse("SELECT 1"), Sync], [Parse("SELEC"), Sync], [Bind(), Execute(), Sync]],
    "unnamed is closed": [[Parse("SELECT 1"), Sync], [Close("S"), Sync], [Bind(), Execute(), Sync]],
    "unnamed survives an error of another": [[Parse("SELECT 1"), Sync], [Bind(statement="nope"), Sync], [Bind(), Execute(), Sync]],
    "unnamed in a transaction": ["BEGIN", [Parse("SELECT 1"), Sync], [Bind(), Execute(), Sync], "COMMIT", [Bind(), Execute(), Sync]],
    "unnamed over a transaction's end": [[run("BEGIN") + Sync], [Parse("SELECT $1::int"), Sync], [Bind([1]), Execute(), Sync], [Bind([2]), Execute(), Sync]],
    "unnamed does not exist": [[Bind(), Sync], [Describe("S"), Sync], [Close("S"), Sync], [Execute(), Sync], [Describe("P"), Sync]],
    "named": [[Parse("SELECT $1::int + 1", "s"), Describe("S", "s"), Sync], [Bind([1], "s"), Execute(), Sync], [Bind([2], "s"), Execute(), Sync], [Close("S", "s"), Sync], [Bind([3], "s"), Execute(), Sync]],
    "named twice": [[Parse("SELECT 1", "s"), Sync], [Parse("SELECT 2", "s"), Sync], [Bind(statement="s"), Execute(), Sync]],
    "named twice in one go": [[Parse("SELECT 1", "s"), Parse("SELECT 2", "s"), Bind(statement="s"), Execute(), Sync], [Bind(statement="s"), Execute(), Sync]],
    "named twice in a transaction": ["BEGIN", [Parse("SELECT 1", "s"), Sync], [Parse("SELECT 2", "s"), Sync], "SELECT 1", "ROLLBACK", [Bind(statement="s"), Execute(), Sync]],
    "named, closed and named again in one go": [[Parse("SELECT 1", "s"), Sync], [Close("S", "s"), Parse("SELECT 2", "s"), Bind(statement="s"), Execute(), Sync], [Bind(statement="s"), Execute(), Sync]],
    "named by a Parse that fails": [[Parse("SELEC", "s"), Sync], [Bind(statement="s"), Sync], [Parse("SELECT 3", "s"), Bind(statement="s"), Execute(), Sync]],
    "named by a Parse that is skipped": [[run("SELECT 1/0"), Parse("SELECT 1", "s"), Sync], [Bind(statement="s"), Execute(), Sync], [Parse("SELECT 2", "s"), Bind(statement="s"), Execute(), Sync]],
    "a Close that is skipped": [[Parse("SELECT 1", "s"), Sync], [run("SELECT 1/0"), Close("S", "s"), Sync], [Bind(statement="s"), Execute(), Sync]],
    "a known text whose Parse is skipped": [[Parse("SELECT 7", "a"), Sync], [run("SELECT 1/0"), Parse("SELECT 7", "b"), Sync], [Bind(statement="b"), Execute(), Sync], [Bind(statement="a"), Execute(), Sync]],
    "an unnamed Parse that is skipped": [[Parse("SELECT 1"), Sync], [Bind(statement="nope"), Parse("SELECT 2"), Sync], [Bind(), Execute(), Sync]],
    "named survives a rollback": ["BEGIN", [Parse("SELECT 5", "s"), Sync], "ROLLBACK", [Bind(statement="s"), Execute(), Sync]],
    "named and deallocated": [[Parse("SELECT 1", "s"), Sync], "DEALLOCATE s", [Bind(statement="s"), Execute(), Sync], "DEALLOCATE s"],
    "named and deallocated in the extended protocol": [[Parse("SELECT 1", "s"), Sync], [run("DEALLOCATE s") + Sync], [Bind(statement="s"), Execute(), Sync]],
    "named and discarded": [[Parse("SELECT 1", "s"), Sync], "DISCARD ALL", [Bind(statement="s"), Execute(), Sync], [Parse("SELECT 2", "s"), Bind(statement="s"), Execute(), Sync]],
    "named and executed by SQL": [[Parse("SELECT $1::int * 2", "s"), Sync], "EXECUTE s(21)", "EXECUTE s('x')", "EXPLAIN (COSTS OFF) EXECUTE s(1)", "DEALLOCATE s"],
    "prepared by SQL and bound": ["PREPARE s(int) AS SELECT $1 * 2", [Describe("S", "s"), Sync], [Bind([21], "s"), Execute(), Sync], [Parse("SELECT 1", "s"), Sync], [Close("S", "s"), Sync], "EXECUTE s(1)"],
    "SQL's own statements through the extended protocol": [[run("PREPARE p(int) AS SELECT $1 + 1 AS n") + Sync], [run("EXECUTE p(1)", results=[BINARY]) + Sync], [Parse("EXECUTE p(2)", "e"), Describe("S", "e"), Sync], [Bind(statement="e"), Execute(), Sync], [Bind(statement="e"), Execute(), Sync], [run("DEALLOCATE p") + Sync], [Bind(statement="e"), Execute(), Sync]],
    "SQL's own statements, pipelined": [[run("PREPARE p AS SELECT 1"), run("EXECUTE p"), run("DEALLOCATE p"), run("EXECUTE p"), Sync], [run("SELECT 1"), Sync]],
    "SQL's own statements that fail": [[run("PREPARE p AS SELECT * FROM nope") + Sync], [run("EXECUTE p") + Sync], [run("PREPARE p AS SELECT 1") + Sync], [run("PREPARE p AS SELECT 2") + Sync], [run("EXECUTE p(1)") + Sync], [run("EXECUTE p") + Sync]],
    "an odd name": [[Parse("SELECT 1", "nanu_1"), Bind(statement="nanu_1"), Execute(), Sync], [Bind(statement="nanu_2"), Sync], [Parse("SELECT 2", "ü 'x' \"y\""), Bind(statement="ü 'x' \"y\""), Execute(), Sync], [Parse("SELECT 3", "n" * 300), Bind(statement="n" * 300), Execute(), Sync]],
    "several statements in one Parse": [[Parse("SELECT 1; SELECT 2"), Sync], [Parse(""), Describe("S"), Bind(), Describe("P"), Execute(), Sync], [Parse(";"), Bind(), Execute(), Sync], [Parse("  -- nothing"), Bind(), Execute(), Sync]],
    "types": [[Parse("SELECT $1, $2, $3", types=[INT4, NUMERIC, DATE]), Describe("S"), Sync], [Bind([1, "2.5", "2024-01-01"]), Execute(), Sync], [Parse("SELECT $1", types=[999999]), Sync], [Parse("SELECT $2", types=[INT4]), Describe("S"), Sync], [Parse("SELECT $1::int", types=[0]), Describe("S"), Sync]],
    "describe what returns nothing": [[Parse("BEGIN", "a"), Describe("S", "a"), Parse("DISCARD PLANS", "b"), Describe("S", "b"), Parse("SET work_mem = '1MB'", "c"), Describe("S", "c"), Parse("DEALLOCATE x", "d"), Describe("S", "d"), Parse("LISTEN x", "e"), Describe("S", "e"), Sync]],
    "describe what returns rows": [[Parse("SHOW work_mem", "a"), Describe("S", "a"), Parse("EXPLAIN SELECT 1", "b"), Describe("S", "b"), Parse("INSERT INTO pets VALUES (1) RETURNING id", "c"), Describe("S", "c"), Parse("FETCH x", "d"), Describe("S", "d"), Parse("CALL twice(1)", "e"), Describe("S", "e"), Sync]],
    "many statements": [[b"".join(Parse(f"SELECT {i}", f"s{i}") for i in range(700)), Sync], [b"".join(Bind(statement=f"s{i}") + Execute() for i in range(0, 700, 7)), Sync]],
    "the type of a table that is replaced": [TABLE, [Parse("SELECT * FROM t", "s"), Sync], [Bind(statement="s"), Execute(), Sync], "ALTER TABLE t ADD c int", [Bind(statement="s"), Execute(), Sync], "DROP TABLE t", [Bind(statement="s"), Execute(), Sync]],
    "read under the settings of its Parse": ["SET DateStyle = 'ISO, DMY'", [Parse("SELECT date '01/02/2024'", "s"), Sync], [Bind(statement="s"), Execute(), Sync], "SET DateStyle = 'ISO, MDY'", [Bind(statement="s"), Execute(), Sync]],
    "known in a transaction that fails": ["BEGIN", [Parse("SELECT 1", "s"), Sync], "SELECT 1/0", [Bind(statement="s"), Execute(), Sync], [Parse("SELECT 2", "u"), Sync], [Parse("ROLLBACK", "r"), Bind(statement="r"), Execute(), Sync], [Bind(statement="s"), Execute(), Sync], [Bind(statement="u"), Sync]],
    "close what is not there": [[Close("S", "nope"), Close("P", "nope"), Sync]],
    "describe what is not there": [[Describe("S", "nope"), Sync], [Describe("P", "nope"), Sync], ["".encode(), Describe("P"), Sync]],
}

PARAMETERS = {
    "text": [[run("SELECT $1::int, $2::text, $3::date, $4::bool", ["1", "two", "2024-03-03", "t"]) + Sync]],
    "null": [[run("SELECT $1::int IS NULL, $2::text", [None, None]) + Sync]],
    "empty": [[run("SELECT $1::text, $1 = ''", [""]) + Sync]],
    "binary": [[Parse("SELECT $1::int4, $2::int8, $3::float8, $4::bytea"), Bind([struct.pack("!i", 5), struct.pack("!q", -6), struct.pack("!d", 1.5), b"\x00\xff"], formats=[BINARY], results=[BINARY]), Execute(), Sync]],
    "binary and text": [[Parse("SELECT $1::int4 + $2::int4"), Bind([struct.pack("!i", 5), "6"], formats=[BINARY, TEXT], results=[BINARY]), Execute(), Sync]],
    "malformed binary": [[Parse("SELECT $1::int4"), Bind([b"\x01"], formats=[BINARY]), Execute(), Sync], GONE[0]],
    "malformed text": [[run("SELECT $1::int4", ["five"]) + Sync], [run("SELECT $1::date", ["never"]) + Sync]],
    "too few and too many": [[run("SELECT $1::int", []) + Sync], [run("SELECT $1::int", [1, 2]) + Sync]],
    "wrong number of formats": [[Parse("SELECT $1::int, $2::int"), Bind([1, 2], formats=[0, 0, 0]), Sync], [Parse("SELECT 1, 2"), Bind(results=[0, 0, 0]), Describe("P"), Sync]],
    "an unknown format": [[Parse("SELECT $1::int"), Bind([1], formats=[7]), Sync], [Parse("SELECT 1"), Bind(results=[7]), Execute(), Sync]],
    "results each in its format": [[Parse("SELECT 1, 2.5, 'x', now() IS NULL"), Bind(results=[1, 0, 1, 0]), Describe("P"), Execute(), Sync]],
    "large": [[run("SELECT length($1), md5($1), $1", [LONG]) + Sync]],
    "many": [[run("SELECT " + " + ".join(f"${i}::int" for i in range(1, 1001)), list(range(1000))) + Sync]],
    "invalid encoding": [[run("SELECT $1::text", [b"\xff\xfe"]) + Sync], [Parse(b"SELECT '\xff'"), Sync], Query(b"SELECT '\xff'"), "SELECT 1"],
    "types for every result in binary": [[run("SELECT true, 1::int2, 2::int4, 3::int8, 1.5::float4, 2.5::float8, 12.34::numeric, 'x'::text, 'y'::bytea, date '2024-01-01', time '01:02', timestamptz '2024-01-01 00:00+00', interval '1 day 2 s', uuid '550e8400-e29b-41d4-a716-446655440000', '{1,2}'::int[], '{\"a\":1}'::jsonb, inet '1.2.3.4', point '(1,2)', int4range(1,3), 'ok'::mood", results=[BINARY]) + Sync]],
}

PORTALS = {
    "in portions": [[Parse("SELECT generate_series(1, 5)"), Bind(), Execute(row_max=2), Execute(row_max=2), Execute(row_max=2), Execute(row_max=2), Sync]],
    "in portions that end exactly": [[Parse("SELECT generate_series(1, 4)"), Bind(), Execute(row_max=2), Execute(row_max=2), Execute(row_max=2), Sync]],
    "gone after Sync": [[Parse("SELECT generate_series(1, 5)"), Bind(portal="p"), Execute("p", 2), Sync], [Execute("p", 2), Sync]],
    "kept in a transaction": ["BEGIN", [Parse("SELECT generate_series(1, 5)"), Bind(portal="p"), Execute("p", 2), Sync], [Execute("p", 2), Sync], "SELECT 1", [Execute("p", 2), Describe("P", "p"), Close("P", "p"), Sync], [Execute("p"), Sync], "ROLLBACK"],
    "the unnamed one in a transaction": ["BEGIN", [Parse("SELECT generate_series(1, 5)"), Bind(), Execute("", 2), Sync], [Execute("", 2), Sync], "SELECT 1", [Execute("", 2), Sync], "ROLLBACK"],
    "two at once": [[Parse("SELECT generate_series(1, 3)", "s"), Bind(statement="s", portal="a"), Bind(statement="s", portal="b"), Execute("a", 1), Execute("b", 2), Execute("a", 1), Execute("b"), Sync]],
    "one name twice": [[Parse("SELECT 1"), Bind(portal="p"), Bind(portal="p"), Sync], "BEGIN", [Parse("SELECT 1"), Bind(portal="p"), Bind(portal="p"), Sync], "ROLLBACK"],
    "its statement is closed": ["BEGIN", [Parse("SELECT generate_series(1, 3)", "s"), Bind(statement="s", portal="p"), Close("S", "s"), Execute("p", 1), Sync], [Execute("p"), Sync], "COMMIT"],
    "its statement is replaced": ["BEGIN", [Parse("SELECT generate_series(1, 3)"), Bind(portal="p"), Parse("SELECT 'other'"), Execute("p", 1), Bind(), Execute(), Sync], [Execute("p"), Sync], "COMMIT"],
    "a cursor of SQL": ["BEGIN", "DECLARE c CURSOR FOR SELECT id FROM people ORDER BY id", [Describe("P", "c"), Execute("c", 2), Sync], "FETCH 1 FROM c", [Close("P", "c"), Sync], "FETCH c", "ROLLBACK"],
    "fetched by SQL": ["BEGIN", [Parse("SELECT generate_series(1, 5)"), Bind(portal="p"), Sync], "FETCH 2 FROM p", [Execute("p", 1), Sync], "CLOSE p", [Execute("p"), Sync], "ROLLBACK"],
    "of a change": [TABLE, [Parse("INSERT INTO t SELECT generate_series(1, 5) RETURNING a"), Bind(), Execute(row_max=2), Execute(row_max=0), Sync], "SELECT count(*) FROM t", [Parse("UPDATE t SET a = 0"), Bind(), Execute(row_max=1), Execute(), Sync]],
    "of what has no rows": [[Parse("SET work_mem = '2MB'"), Bind(), Execute(row_max=5), Execute(), Sync], [Parse("SELECT 1 WHERE false"), Bind(), Execute(row_max=1), Execute(row_max=1), Sync]],
    "with hold": ["BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 5)", [Execute("c", 2), Sync], "COMMIT", [Execute("c", 2), Sync], [Describe("P", "c"), Sync], [Close("P", "c"), Sync], [Execute("c"), Sync]],
    "bound in a failed transaction": ["BEGIN", [Parse("SELECT generate_series(1, 5)"), Bind(portal="p"), Execute("p", 1), Sync], "SELECT 1/0", [Execute("p", 1), Sync], [Bind(portal="q"), Sync], "ROLLBACK"],
    "an error between portions": ["BEGIN", [Parse("SELECT 10 / (3 - i) FROM generate_series(1, 5) i"), Bind(portal="p"), Execute("p", 2), Sync], [Execute("p", 2), Sync], "ROLLBACK"],
    "large rows in portions": [[Parse("SELECT repeat('x', 1000000) FROM generate_series(1, 5)"), Bind(), Execute(row_max=2), Execute(row_max=2), Execute(), Sync]],
}

PIPELINES = {
    "many": many("SELECT 1"),
    "many, each with its Sync": [[run("SELECT 1") + Sync for _ in range(300)]],
    "of changes, one transaction": [TABLE, [*[run(f"INSERT INTO t VALUES ({i})") for i in range(10)], Sync], "SELECT count(*) FROM t"],
    "an error undoes what came before": [TABLE, [run("INSERT INTO t VALUES (1)"), run("SELECT 1/0"), run("INSERT INTO t VALUES (2)"), Sync], "SELECT count(*) FROM t"],
    "a refused name undoes what came before": [TABLE, [Parse("SELECT 1", "s"), Sync], [run("INSERT INTO t VALUES (1)"), Parse("SELECT 1", "s"), run("INSERT INTO t VALUES (2)"), Sync], "SELECT count(*) FROM t", [run("INSERT INTO t VALUES (1)"), Bind(statement="nope"), Sync], "SELECT count(*) FROM t", [run("INSERT INTO t VALUES (1)"), Describe("S", "nope"), Sync], "SELECT count(*) FROM t", [run("INSERT INTO t VALUES (1)"), run("EXECUTE nope"), Sync], "SELECT count(*) FROM t", [run("INSERT INTO t VALUES (1)"), run("DEALLOCATE nope"), Sync], "SELECT count(*) FROM t"],
    "an error between Syncs": [[run("SELECT 1") + Sync, run("SELECT 1/0") + run("SELECT 2") + Sync, run("SELECT 3") + Sync]],
    "errors everywhere": [[run("SELEC") + Sync, run("SELECT nope") + Sync, Bind(statement="nope") + Sync, Execute("nope") + Sync, Describe("P", "nope") + Sync, run("SELECT 1") + Sync]],
    "a transaction": [TABLE, [run("BEGIN"), run("INSERT INTO t VALUES (1)"), run("COMMIT"), run("SELECT count(*) FROM t"), Sync]],
    "a transaction and an error after its end": [TABLE, [run("BEGIN"), run("INSERT INTO t VALUES (1)"), run("COMMIT"), run("SELECT 1/0"), Sync], "SELECT count(*) FROM t"],
    "a transaction that fails": [[run("BEGIN"), run("SELECT 1/0"), run("COMMIT"), Sync], [run("SELECT 1"), Sync], [run("ROLLBACK"), Sync]],
    "a transaction over several Syncs": [[run("BEGIN") + Sync, run("SELECT 1") + Sync, run("SELECT 1/0") + Sync, run("SELECT 2") + Sync, run("ROLLBACK") + Sync, run("SELECT 3") + Sync]],
    "a savepoint": [[run("BEGIN") + run("SAVEPOINT s") + Sync, run("SELECT 1/0") + Sync, run("ROLLBACK TO s") + run("SELECT 1") + Sync, run("COMMIT") + Sync]],
    "settings": [[run("SET work_mem = '3MB'"), run("SHOW work_mem"), Sync], "SHOW work_mem", [run("SET work_mem = '5MB'"), run("SELECT 1/0"), Sync], "SHOW work_mem", [run("SET LOCAL work_mem = '7MB'"), run("SHOW work_mem"), Sync], "SHOW work_mem"],
    "settings, reset": [[run("SET work_mem = '3MB'") + Sync, run("RESET work_mem") + run("SHOW work_mem") + Sync, run("SHOW work_mem") + Sync]],
    "queries among them": [[run("SELECT 1"), Query("SELECT 2"), run("SELECT 3"), Sync], [run("SELECT 1/0"), Query("SELECT 2"), Sync, Query("SELECT 3")], [Query("SELECT 1"), Query("SELECT 2"), Query("SELECT 1/0"), Query("SELECT 3")]],
    "Syncs alone": [[Sync, Sync, Sync], [run("SELECT 1"), Sync, Sync]],
    "Flush": [([run("SELECT 1"), Flush], "C"), ([run("SELECT 2"), Flush], "C"), [Sync]],
    "Flush after each message": [([Parse("SELECT 1"), Flush], "1"), ([Describe("S"), Flush], "T"), ([Bind(), Flush], "2"), ([Describe("P"), Flush], "T"), ([Execute(), Flush], "C"), ([Close("S"), Flush], "3"), [Sync]],
    "Flush and an error": [([run("SELECT 1/0"), Flush], "E"), [run("SELECT 2"), Flush, run("SELECT 3"), Sync], [run("SELECT 4"), Sync]],
    "Flush, a change, an error": [TABLE, ([run("INSERT INTO t VALUES (1)"), Flush], "C"), ([run("SELECT count(*) FROM t"), Flush], "C"), [run("SELECT 1/0"), Sync], "SELECT count(*) FROM t"],
    "Flush, a change, a refused name": [TABLE, [Parse("SELECT 1", "s"), Sync], ([run("INSERT INTO t VALUES (1)"), Flush], "C"), [Parse("SELECT 1", "s"), Sync], "SELECT count(*) FROM t"],
    "Flush within a transaction": ["BEGIN", ([run("SELECT 1"), Flush], "C"), [Sync], ([run("COMMIT"), Flush], "C"), [Sync]],
    "begun with Flush": [([run("BEGIN"), Flush], "C"), ([run("SELECT 1"), Flush], "C"), ([run("COMMIT"), Flush], "C"), ([run("SELECT 2"), Flush], "C"), [Sync]],
    "a named statement twice with Flush": [([Parse("SELECT $1::int", "s"), Bind([1], "s"), Execute(), Flush], "C"), ([Bind([2], "s"), Execute(), Flush], "C"), [Sync], ([Bind([3], "s"), Execute(), Flush], "C"), [Sync]],
    "only Parse": [[Parse("SELECT 1", "s")], [Sync], [Bind(statement="s")], [Execute()], [Sync]],
    "large answers": [[run("SELECT repeat('x', 500000)") + Sync for _ in range(8)]],
    "large statements": [[run("SELECT length('" + "z" * 400_000 + "')") + Sync for _ in range(4)]],
    "longer than is read ahead": [[run(f"SELECT {i}, '{'w' * 3000}'") for i in range(300)] + [Sync]],
    "notices": [[run("SELECT tell('a')"), run("SELECT tell('b')"), Sync], [run("DO $$ BEGIN RAISE NOTICE 'n'; END $$"), run("SELECT 1"), Sync]],
    "vacuum": [TABLE, [run("VACUUM t"), Sync], [run("SELECT 1"), run("VACUUM t"), Sync], [run("VACUUM t"), run("SELECT 1"), Sync]],
    "listen": [[run("LISTEN ch"), run("NOTIFY ch, 'p'"), Sync], [run("SELECT 1"), Sync]],
    "listen, and a block": [[run(sql), Sync] for sql in ("LISTEN ch", "BEGIN", "NOTIFY ch, 'later'", "SELECT 1", "COMMIT", "SELECT 2", "UNLISTEN ch", "NOTIFY ch")],
    "temporary tables": [[run("CREATE TEMP TABLE tt (a int)"), run("INSERT INTO tt VALUES (1)"), Sync], [run("SELECT * FROM tt"), Sync], [run("CREATE TEMP TABLE uu (a int)"), run("SELECT 1/0"), Sync], [run("SELECT * FROM uu"), Sync]],
    "deallocate among them": [[Parse("SELECT 1", "s"), run("DEALLOCATE s"), Bind(statement="s"), Sync], [Parse("SELECT 2", "s"), Bind(statement="s"), Execute(), Sync]],
    "deallocate that is undone by nothing": [[Parse("SELECT 1", "s"), Sync], [run("DEALLOCATE s"), run("SELECT 1/0"), Sync], [Bind(statement="s"), Execute(), Sync]],
}

ROWS = b"1\tone\n2\t\\N\n3\tthree\n"
BINARY_ROWS = (b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0) + struct.pack("!hiii", 2, 4, 7, 3) + b"bin" + struct.pack("!h", -1))
COUNT = "SELECT * FROM t ORDER BY a, b"

COPY = {
    "in, text": [TABLE, [Query("COPY t FROM STDIN"), CopyData(ROWS), CopyDone], COUNT],
    "in, waiting for the answer": [TABLE, (Query("COPY t FROM STDIN"), "G"), [CopyData(ROWS), CopyDone, Sync], COUNT],
    "in, csv": [TABLE, [Query("COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER, NULL 'nil')"), CopyData("a,b\n1,\"x,y\"\n2,nil\n"), CopyDone], COUNT],
    "in, binary": [TABLE, [Query("COPY t FROM STDIN (FORMAT binary)"), CopyData(BINARY_ROWS), CopyDone], COUNT],
    "in, byte by byte": [TABLE, [Query("COPY t FROM STDIN"), *[CopyData(ROWS[i:i + 1]) for i in range(len(ROWS))], CopyDone], COUNT],
    "in, nothing": [TABLE, [Query("COPY t FROM STDIN"), CopyDone], [Query("COPY t FROM STDIN"), CopyData(""), CopyDone], COUNT],
    "in, end marker": [TABLE, [Query("COPY t FROM STDIN"), CopyData("1\tx\n\\.\n"), CopyDone], COUNT],
    "in, large": [TABLE, [Query("COPY t FROM STDIN"), *[CopyData(b"".join(b"%d\t%s\n" % (i, b"r" * 1000) for i in range(j, j + 100))) for j in range(0, 4000, 100)], CopyDone], "SELECT count(*), sum(length(b)) FROM t"],
    "in, one large message": [TABLE, [Query("COPY t FROM STDIN"), CopyData(b"1\t" + b"L" * 3_000_000 + b"\n"), CopyDone], "SELECT a, length(b) FROM t"],
    "in, malformed": [TABLE, [Query("COPY t FROM STDIN"), CopyData("x\ty\n"), CopyDone], "SELECT 1", COUNT],
    "in, malformed, much more to come": [TABLE, [Query("COPY t FROM STDIN"), CopyData("x\ty\n"), *[CopyData(b"1\ttwo\n" * 5000) for _ in range(100)], CopyDone], "SELECT 1", COUNT],
    "in, malformed at the head of a large message": [TABLE, [Query("COPY t FROM STDIN"), CopyData(b"x\ty\n" + b"1\ttwo\n" * 500_000), CopyDone], "SELECT 1", COUNT],
    "in, malformed, extended": [TABLE, ([run("COPY t FROM STDIN"), Sync], "G"), [CopyData(b"x\ty\n" + b"1\ttwo\n" * 500_000), CopyDone, Sync], "SELECT 1", COUNT],
    "in, a row too short": [TABLE, [Query("COPY t FROM STDIN"), CopyData("1\n"), CopyDone], [Query("COPY t FROM STDIN"), CopyData("1\tx\ty\n"), CopyDone], COUNT],
    "in, failed by the client": [TABLE, [Query("COPY t FROM STDIN"), CopyData(ROWS), CopyFail("changed my mind")], "SELECT 1", COUNT],
    "in, failed by the client, extended": [TABLE, ([run("COPY t FROM STDIN"), Sync], "G"), [CopyData(ROWS), CopyFail("changed my mind"), Sync], "SELECT 1", COUNT],
    "in, extended": [TABLE, ([run("COPY t FROM STDIN"), Sync], "G"), [CopyData(ROWS), CopyDone, Sync], COUNT],
    "in, extended, with Flush": [TABLE, ([run("COPY t FROM STDIN"), Flush], "G"), ([CopyData(ROWS), CopyDone, Flush], "C"), [Sync], COUNT],
    "in, extended, more after it": [TABLE, ([run("COPY t FROM STDIN"), Flush], "G"), [CopyData(ROWS), CopyDone, run("SELECT 5"), Sync], COUNT],
    "in, extended, all at once": [TABLE, [run("COPY t FROM STDIN"), CopyData(ROWS), CopyDone, Sync], COUNT],
    "in, extended, its table is not there": [([run("COPY nope FROM STDIN"), Sync], "Z"), [run("SELECT 1"), Sync], "SELECT 2"],
    "in, not there, all at once": [[Query("COPY nope FROM STDIN"), CopyData(ROWS), CopyDone], "SELECT 1"],
    "in, a query instead of data": [TABLE, (Query("COPY t FROM STDIN"), "G"), [Query("SELECT 1")], "SELECT 2"],
    "in, in a transaction": [TABLE, "BEGIN", [Query("COPY t FROM STDIN"), CopyData(ROWS), CopyDone], COUNT, "ROLLBACK", COUNT, "BEGIN", [Query("COPY t FROM STDIN"), CopyFail("no")], "SELECT 1", "ROLLBACK"],
    "in, among other statements": [TABLE, [Query("SELECT 1; COPY t FROM STDIN; SELECT 2"), CopyData(ROWS), CopyDone], [Query("COPY t FROM STDIN; COPY t FROM STDIN"), CopyData("8\ta\n"), CopyDone, CopyData("9\tb\n"), CopyDone], COUNT],
    "in, where": [TABLE, [Query("COPY t FROM STDIN WHERE a > 1"), CopyData(ROWS), CopyDone], COUNT],
    "in, with a trigger's notices": [TABLE, "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'row %', NEW.a; RETURN NEW; END $$", "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", [Query("COPY t FROM STDIN"), CopyData(ROWS), CopyDone]],
    "in, with Flush and Sync within": [TABLE, (Query("COPY t FROM STDIN"), "G"), ([CopyData(ROWS), Sync, Flush, CopyData("4\tx\n"), CopyDone], "Z"), COUNT],
    "out": ["COPY people TO STDOUT", "COPY people (id, name) TO STDOUT WITH (FORMAT csv, HEADER)", "COPY (SELECT 1, NULL, E'a\\tb') TO STDOUT", "COPY (SELECT 1/(3 - i) FROM generate_series(1, 5) i) TO STDOUT", "SELECT 1"],
    "out, binary": ["COPY people TO STDOUT (FORMAT binary)"],
    "out, extended": [[run("COPY people TO STDOUT"), run("SELECT 1"), Sync], [run("COPY nope TO STDOUT"), run("SELECT 1"), Sync]],
    "out, large": ["COPY (SELECT i, repeat('x', 100) FROM generate_series(1, 30000) i) TO STDOUT", "COPY (SELECT repeat('x', 5000000)) TO STDOUT"],
    "out, among others": ["SELECT 1; COPY (SELECT 1) TO STDOUT; SELECT 2", "BEGIN; COPY (SELECT 1) TO STDOUT; ROLLBACK"],
    "out, of a change": [TABLE, "COPY (INSERT INTO t VALUES (1, 'x') RETURNING *) TO STDOUT", COUNT],
    "stray messages": [[CopyData("x"), CopyDone, CopyFail("y"), Query("SELECT 1")], [run("SELECT 1"), CopyDone, Sync]],
}

OTHERS = {
    "function call": [[FunctionCall(1598, [])[:0], FunctionCall(177, ["1", "2"])], [FunctionCall(177, [struct.pack("!i", 1), struct.pack("!i", 2)], [BINARY], BINARY)], FunctionCall(177, ["1"]), FunctionCall(1, []), "SELECT 1"],
    "function call after an error": [([Parse("selec"), FunctionCall(177, ["1", "2"]), Sync], "Z", 1), ([Execute("nope"), FunctionCall(177, ["1", "2"]), FunctionCall(177, ["1"]), Sync], "Z", 1), "SELECT 1"],
    "function call after a Parse": [[Parse("SELECT 1", "a"), FunctionCall(177, ["1", "2"]), Bind(statement="a"), Execute(), Sync], [Parse("SELECT 1", "b"), FunctionCall(177, ["1"]), Bind(statement="b"), Execute(), Sync], "SELECT 1"],
    "function call in a transaction": ["BEGIN", FunctionCall(177, ["1", "2"]), FunctionCall(177, ["x", "2"]), FunctionCall(177, ["1", "2"]), "ROLLBACK"],
    "a message of an unknown type": [(message("!"), "Z")],
    "a message of an impossible length": [(b"Q\0\0\0\1", "Z")],
    "a Query without its end": [(message("Q", b"SELECT 1"), "Z"), "SELECT 1"],
    "a Parse without its end": [[message("P", b"x"), Sync], "SELECT 1"],
    "a Bind without its end": [([Parse("SELECT 1"), message("B", b"\0\0"), Sync], "Z"), "SELECT 1"],
    "a Describe of nothing known": [([message("D", b"X\0"), Sync], "Z"), ([message("C", b"X\0"), Sync], "Z"), "SELECT 1"],
    "an Execute without its end": [([run("SELECT 1"), message("E", b"\0"), Sync], "Z"), "SELECT 1"],
    "the end": [(message("X"), "Z")],
    "the end in a transaction": ["BEGIN", "CREATE TABLE t (a int)", (message("X"), "Z")],
    "the end after others": [([Query("SELECT 1"), message("X")], "closed")],
    "the end before Sync": [([run("SELECT 1"), message("X")], "Z")],
    "a long query": ["SELECT '" + "q" * 5_000_000 + "'", "SELECT " + " + ".join(["1"] * 3000)],
    "deep nesting": ["SELECT " + "(" * 500 + "1" + ")" * 500, "SELECT " + "(" * 20000 + "1" + ")" * 20000, "SELECT 1"],
    "an unterminated comment among others": ["SELECT 1; /* SELECT 2", "SELECT 1 /* /* */", "SELECT 1; SELECT '"],
}

STARTUP = {
    "start-up: what a client is told": dict(steps=[], startup={}),
    "start-up: settings": dict(startup={"application_name": "app x", "DateStyle": "German", "timezone": "Asia/Seoul", "extra_float_digits": "2", "search_path": "public"},
                              steps=["SHOW application_name", "SHOW datestyle", "SHOW timezone", "SHOW extra_float_digits", "SHOW search_path", "SELECT date '2024-03-01'"]),
    "start-up: RESET goes back to its settings": dict(startup={"application_name": "first", "work_mem": "3MB", "timezone": "Asia/Seoul"},
                                                    steps=["SET work_mem = '5MB'", "RESET work_mem", "SHOW work_mem", "SET TimeZone = 'UTC'", "RESET TimeZone", "SHOW TimeZone", "SET application_name = 'x'", "RESET ALL", "SHOW application_name", "SHOW work_mem", "DISCARD ALL", "SHOW work_mem", "SET work_mem TO DEFAULT", "SHOW work_mem",
                                                           "BEGIN", "SET work_mem = '7MB'", "RESET work_mem", "SHOW work_mem", "COMMIT", "SHOW work_mem"],),
    "start-up: RESET in a pipeline": dict(startup={"work_mem": "3MB"}, steps=[[run("SET work_mem = '5MB'"), run("RESET work_mem"), run("SHOW work_mem"), Sync], [run("RESET ALL"), run("SHOW work_mem"), Sync]]),
    "start-up: options": dict(startup={"options": "-c work_mem=3MB -c DateStyle=ISO,DMY --enable-seqscan=off -c application_name=a\\ b"}, steps=["SHOW work_mem", "SHOW datestyle", "SHOW enable_seqscan", "SHOW application_name"]),
    "start-up: client_encoding": dict(startup={"client_encoding": "LATIN1"}, steps=["SHOW client_encoding", "SELECT E'\\u00e9'", Query(b"SELECT '\xe9', length('\xe9')")]),
    "start-up: a superuser": dict(startup={"user": "postgres"}, steps=["SELECT current_user", "SET SESSION AUTHORIZATION app", "SELECT session_user, current_user", "SET ROLE other", "SELECT current_user", "SET SESSION AUTHORIZATION other", "SELECT current_user, session_user", "SHOW is_superuser", "RESET SESSION AUTHORIZATION", "SELECT current_user",
                                                                  "BEGIN", "SET SESSION AUTHORIZATION app", "SELECT current_user", "ROLLBACK", "SELECT current_user", "SET LOCAL SESSION AUTHORIZATION app", "SET SESSION AUTHORIZATION app", "DISCARD ALL", "SELECT session_user", "SET log_statement = 'none'", "SHOW log_statement"]),
    "start-up: a protocol extension": dict(startup={"_pq_.nothing": "x"}, steps=["SELECT 1"]),
}

CASES = {f"{theme}: {name}": {"steps": steps} for theme, cases in
         (("statement", STATEMENTS), ("parameter", PARAMETERS), ("portal", PORTALS), ("pipeline", PIPELINES), ("copy", COPY), ("other", OTHERS))
         for name, steps in cases.items()}
CASES.update(STARTUP)
