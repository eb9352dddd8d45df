"""psycopg 3 through the router; see README.md in this folder."""
import concurrent.futures
from decimal import Decimal

import psycopg
from psycopg.types.json import Jsonb

from common import (ERRORS, LARGE, LEAKS, MOMENT, OTHER_ROOT, SLEEP, SLEEPERS, expect, failing, fails, md5, run,
                    until)

BYTES = bytes(range(256))


def connect(**more):
    return psycopg.connect(autocommit=True, **more)         # the rest stands in libpq's environment variables


def refused(**more):
    return str(fails(psycopg.OperationalError, connect, **more))


def check_connect():
    with connect() as conn:
        expect(conn.execute("SELECT current_user").fetchone(), ("app",))
        expect(conn.pgconn.ssl_in_use, True)
    expect("password authentication failed" in refused(password="wrong"), True)
    expect("certificate verify failed" in refused(sslrootcert=OTHER_ROOT), True)
    expect("no encryption" in refused(sslmode="disable"), True)


def check_prepared():
    with connect() as conn, connect() as other:
        for binary in (False, True):
            for key in range(1, 21):
                expect(conn.execute("SELECT name FROM items WHERE id = %s", [key], prepare=True, binary=binary).fetchone(), (f"item {key}",))
                expect(other.execute("SELECT id FROM items WHERE id = %s", [key], prepare=True, binary=binary).fetchone(), (key,))
        with conn.transaction():
            expect(conn.execute("SELECT name FROM items WHERE id = %s", [7], prepare=True).fetchone(), ("item 7",))
        for most in (3, 5):
            expect(conn.execute("SELECT id FROM items WHERE id <= %s ORDER BY id DESC", [most], prepare=True).fetchall(),
                   [(key,) for key in range(most, 0, -1)])


def check_types():
    row = ("naïve 나누 ☃", Decimal("12345.6789"), MOMENT, BYTES, ["a", 'b "c", d', None], [1, -2, 3], {"a": [1, None, "☃"]})
    with connect() as conn:
        for key in range(101, 105):
            for values in (row, ("all else is NULL", *[None] * 6)):
                for binary in (False, True):
                    sent = [*values[:6], values[6] and Jsonb(values[6])]
                    conn.execute("INSERT INTO items VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", [key, *sent], prepare=True, binary=binary)
                    expect(conn.execute("SELECT name, price, made, data, tags, sizes, doc FROM items WHERE id = %s", [key], prepare=True,
                                        binary=binary).fetchone(), values)
                    conn.execute("DELETE FROM items WHERE id = %s", [key])


def check_pipeline():
    with connect() as conn:
        with conn.pipeline() as pipeline:
            for key in range(201, 221):
                conn.execute("INSERT INTO items (id, name) VALUES (%s, %s)", [key, f"item {key}"])
                pipeline.sync()         # what stands between two of these is a transaction, which writes on one shard
            cursors = [conn.execute("SELECT name FROM items WHERE id = %s", [key]) for key in range(201, 221)]
        expect([cursor.fetchone()[0] for cursor in cursors], [f"item {key}" for key in range(201, 221)])
        with failing(psycopg.errors.DivisionByZero), conn.pipeline():
            before = conn.execute("SELECT 1")
            conn.execute("SELECT 1 / 0")
            behind = conn.execute("SELECT 2")
        expect(before.fetchone(), (1,))
        expect(behind.pgresult, None)
        expect(conn.execute("SELECT 3").fetchone(), (3,))


def check_transaction():
    with connect() as conn, connect() as other:
        def name():
            row = other.execute("SELECT name FROM items WHERE id = 301").fetchone()
            return row and row[0]
        with conn.transaction():
            conn.execute("INSERT INTO items (id, name) VALUES (301, 'kept')")
            expect(name(), None)
        expect(name(), "kept")
        with conn.transaction(force_rollback=True):
            expect(conn.execute("DELETE FROM items WHERE id = 301").rowcount, 1)
        expect(name(), "kept")
        with conn.transaction():
            conn.execute("UPDATE items SET name = 'savepoint' WHERE id = 301")
            with conn.transaction(force_rollback=True):
                conn.execute("UPDATE items SET name = 'undone' WHERE id = 301")
            with failing(psycopg.errors.UniqueViolation), conn.transaction():
                conn.execute("INSERT INTO items (id, name) VALUES (301, 'again')")
        expect(name(), "savepoint")
        for key in range(302, 306):     # the savepoint comes before anything tells the shard
            with conn.transaction(), conn.transaction():
                conn.execute("INSERT INTO items (id, name) VALUES (%s, 'nested')", [key])
        expect(other.execute("SELECT count(*) FROM items WHERE name = 'nested'").fetchone(), (4,))
        conn.execute("BEGIN")
        fails(psycopg.errors.DivisionByZero, conn.execute, "SELECT 1 / 0")
        fails(psycopg.errors.InFailedSqlTransaction, conn.execute, "SELECT 1")
        conn.rollback()
        expect(conn.execute("SELECT 1").fetchone(), (1,))
        # Portions of a server-side cursor, two at a time, each on its key's shard.
        conn.autocommit = False
        for key in range(1, 9):
            with conn.cursor(name=f"cursor {key}") as cursor, conn.cursor(name="other") as second:
                cursor.execute("SELECT name FROM items WHERE id = %s", [key])
                second.execute("SELECT name FROM items WHERE id = %s", [key])
                expect(cursor.fetchall(), second.fetchall())
            conn.rollback()


def check_copy():
    rows = [(number, f"row\t{number}") for number in range(5000)]
    with connect() as conn, conn.cursor() as cursor:
        with cursor.copy("COPY copied FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        with cursor.copy("COPY copied TO STDOUT") as copy:
            copy.set_types(["int4", "text"])
            expect(list(copy.rows()), rows)
        with cursor.copy("COPY copied TO STDOUT (FORMAT binary)") as copy:
            copy.set_types(["int4", "text"])
            expect(list(copy.rows()), rows)
        for key in range(1, 9):
            with cursor.copy(f"COPY (SELECT name FROM items WHERE id = {key}) TO STDOUT") as copy:
                expect(b"".join(copy), f"item {key}\n".encode())
        with failing(psycopg.errors.InvalidTextRepresentation), cursor.copy("COPY copied FROM STDIN") as copy:
            copy.write("no number\tx\n")
        with failing(psycopg.errors.QueryCanceled), cursor.copy("COPY copied FROM STDIN") as copy:
            copy.write("1\tx\n")
            raise psycopg.errors.QueryCanceled("the program changed its mind")
        expect(cursor.execute("SELECT count(*) FROM copied").fetchone(), (5000,))


def check_cancel():
    with connect() as conn, connect() as watcher, concurrent.futures.ThreadPoolExecutor(1) as background:
        sleeping = background.submit(conn.execute, SLEEP)
        until(lambda: watcher.execute(SLEEPERS).fetchone() == (1,))
        conn.cancel()
        expect(sleeping.exception(20).sqlstate, "57014")
        expect(conn.execute("SELECT 1").fetchone(), (1,))


def check_error():
    with connect() as conn:
        for statement, *wanted in ERRORS:
            for prepare in (False, True):
                error = fails(psycopg.Error, conn.execute, statement, prepare=prepare).diag
                expect([error.sqlstate, error.message_primary, *(text or "" for text in (error.message_detail, error.constraint_name,
                                                                                        error.statement_position))], wanted)
        expect(conn.execute("SELECT 1").fetchone(), (1,))


def check_large():
    words, noise = LARGE.decode(), LARGE[::-1]
    with connect() as conn:
        conn.execute("INSERT INTO big VALUES (1, %s, %b)", [words, noise])
        expect(conn.execute("SELECT md5(words), md5(bytes) FROM big WHERE id = 1").fetchone(), (md5(LARGE), md5(noise)))
        for binary in (False, True):
            expect(conn.execute("SELECT words, bytes FROM big WHERE id = 1", binary=binary).fetchone() == (words, noise), True)


def check_leak():
    with connect() as watcher:
        def gone():
            return watcher.execute("SELECT count(*) FROM nanu.sessions WHERE application_name = 'leak'").fetchone() == (0,)
        for _ in range(4):      # more often than there are server processes to be soiled
            with connect(application_name="leak") as soiler:
                for soil, *_ in LEAKS:
                    soiler.execute(soil)
                soiler.pgconn.finish()          # not even a ROLLBACK
            until(gone)
            with connect() as conn:
                for _, question, clean in LEAKS:
                    expect(str(conn.execute(question).fetchone()[0]), clean, question)
                conn.execute("PREPARE soiled AS SELECT 2")
                expect(conn.execute("EXECUTE soiled").fetchone(), (2,))
        for number in range(30):
            with connect(application_name="leak") as conn:
                expect(conn.execute("SELECT %s::int", [number]).fetchone(), (number,))
        until(gone)
        expect(watcher.execute("SELECT coalesce(sum(lent), 0) FROM nanu.pools").fetchone(), (0,))


run(globals())
