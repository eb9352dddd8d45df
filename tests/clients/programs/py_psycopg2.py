"""psycopg2 through the router; README.md says what each check is."""
import concurrent.futures
import io
from decimal import Decimal

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras

from common import (ERRORS, LARGE, LEAKS, MOMENT, OTHER_ROOT, SLEEP, SLEEPERS, expect, failing, fails, md5, run,
                    until)

BYTES = bytes(range(256))


def connect(autocommit=True, **more):
    conn = psycopg2.connect("", **more)         # the rest stands in libpq's environment variables
    conn.autocommit = autocommit
    return conn


def ask(conn, statement, values=None):
    """All rows."""
    with conn.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else cursor.rowcount


def check_connect():
    conn = connect()
    expect(ask(conn, "SELECT current_user"), [("app",)])
    expect(conn.info.ssl_in_use, True)
    conn.close()
    for part, more in {"password authentication failed": {"password": "wrong"}, "certificate verify failed": {"sslrootcert": OTHER_ROOT},
                       "no encryption": {"sslmode": "disable"}}.items():
        expect(part in str(fails(psycopg2.OperationalError, connect, **more)), True, part)


def check_prepared():
    """psycopg2 prepares nothing by itself: PREPARE and EXECUTE, as its users write them, and the values that it puts into the text."""
    conn, other = connect(), connect()
    ask(conn, "PREPARE by_key (bigint) AS SELECT name FROM items WHERE id = $1")
    ask(other, "PREPARE by_key (bigint) AS SELECT id FROM items WHERE id = $1")
    for key in range(1, 21):
        expect(ask(conn, "EXECUTE by_key (%s)", [key]), [(f"item {key}",)])
        expect(ask(other, "EXECUTE by_key (%s)", [key]), [(key,)])
        expect(ask(conn, "SELECT name FROM items WHERE id = %s", [key]), [(f"item {key}",)])
    ask(conn, "DEALLOCATE by_key")
    fails(psycopg2.errors.InvalidSqlStatementName, ask, conn, "EXECUTE by_key (1)")
    expect(ask(conn, "SELECT id FROM items WHERE id IN %s", [(7,)]), [(7,)])
    expect(ask(conn, "SELECT id FROM items WHERE id <= %s ORDER BY id DESC", [3]), [(3,), (2,), (1,)])
    conn.close()
    other.close()


def check_types():
    row = ("naïve 나누 ☃", Decimal("12345.6789"), MOMENT, BYTES, ["a", 'b "c", d', None], [1, -2, 3], {"a": [1, None, "☃"]})
    conn = connect()
    for key in range(101, 105):
        for values in (row, ("all else is NULL", *[None] * 6)):
            sent = [*values[:6], values[6] and psycopg2.extras.Json(values[6])]
            ask(conn, "INSERT INTO items VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", [key, *sent])
            (*found,), = ask(conn, "SELECT name, price, made, data, tags, sizes, doc FROM items WHERE id = %s", [key])
            found[3] = found[3] and bytes(found[3])
            expect(tuple(found), values)
            ask(conn, "DELETE FROM items WHERE id = %s", [key])
    conn.close()


def check_transaction():
    conn, other = connect(autocommit=False), connect()

    def name():
        return ask(other, "SELECT name FROM items WHERE id = 301")
    with conn:
        ask(conn, "INSERT INTO items (id, name) VALUES (301, 'kept')")
        expect(name(), [])
    expect(name(), [("kept",)])
    with failing(ZeroDivisionError), conn:
        expect(ask(conn, "DELETE FROM items WHERE id = 301"), 1)
        raise ZeroDivisionError
    expect(name(), [("kept",)])
    with conn:
        ask(conn, "UPDATE items SET name = 'savepoint' WHERE id = 301")
        ask(conn, "SAVEPOINT here")
        fails(psycopg2.errors.UniqueViolation, ask, conn, "INSERT INTO items (id, name) VALUES (301, 'again')")
        fails(psycopg2.errors.InFailedSqlTransaction, ask, conn, "SELECT 1")
        ask(conn, "ROLLBACK TO here")
        expect(ask(conn, "SELECT name FROM items WHERE id = 301"), [("savepoint",)])
    expect(name(), [("savepoint",)])
    fails(psycopg2.errors.DivisionByZero, ask, conn, "SELECT 1 / 0")
    expect(conn.info.transaction_status, psycopg2.extensions.TRANSACTION_STATUS_INERROR)
    conn.rollback()
    with conn:
        ask(conn, "INSERT INTO items (id, name) VALUES (302, 'of psycopg2')")
        expect(ask(conn, "DELETE FROM items WHERE id = 302 RETURNING name"), [("of psycopg2",)])
    with conn, conn.cursor("portions") as cursor:
        cursor.itersize = 7
        cursor.execute("SELECT generate_series(1, 50)")
        expect([number for number, in cursor], list(range(1, 51)))
    conn.isolation_level = "SERIALIZABLE"
    with conn:
        expect(ask(conn, "SHOW transaction_isolation"), [("serializable",)])
    conn.close()
    other.close()


def check_copy():
    rows = "".join(f"{number}\trow {number}\n" for number in range(5000))
    conn = connect()
    with conn.cursor() as cursor:
        cursor.copy_from(io.StringIO(rows), "copied", columns=("id", "name"))
        expect(cursor.rowcount, 5000)
        out = io.StringIO()
        cursor.copy_to(out, "copied")
        expect(out.getvalue(), rows)
        for key in range(1, 9):
            out = io.StringIO()
            cursor.copy_expert(f"COPY (SELECT name FROM items WHERE id = {key}) TO STDOUT CSV", out)
            expect(out.getvalue(), f"item {key}\n")
        fails(psycopg2.errors.InvalidTextRepresentation, cursor.copy_expert, "COPY copied FROM STDIN", io.StringIO("no number\tx\n"))
    expect(ask(conn, "SELECT count(*) FROM copied"), [(5000,)])
    conn.close()


def check_cancel():
    conn, watcher = connect(), connect()
    with concurrent.futures.ThreadPoolExecutor(1) as background:
        sleeping = background.submit(ask, conn, SLEEP)
        until(lambda: ask(watcher, SLEEPERS) == [(1,)])
        conn.cancel()
        expect(sleeping.exception(20).pgcode, "57014")
    expect(ask(conn, "SELECT 1"), [(1,)])
    conn.close()
    watcher.close()


def check_error():
    conn = connect()
    for statement, *wanted in ERRORS:
        error = fails(psycopg2.Error, ask, conn, statement).diag
        expect([error.sqlstate, error.message_primary, *(text or "" for text in (error.message_detail, error.constraint_name,
                                                                                error.statement_position))], wanted)
    expect(ask(conn, "SELECT 1"), [(1,)])
    conn.close()


def check_large():
    words, noise = LARGE.decode(), LARGE[::-1]
    conn = connect()
    ask(conn, "INSERT INTO big VALUES (1, %s, %s)", [words, noise])
    expect(ask(conn, "SELECT md5(words), md5(bytes) FROM big WHERE id = 1"), [(md5(LARGE), md5(noise))])
    (found_words, found_noise), = ask(conn, "SELECT words, bytes FROM big WHERE id = 1")
    expect((found_words == words, bytes(found_noise) == noise), (True, True))
    conn.close()


def check_leak():
    watcher = connect()

    def gone():
        return ask(watcher, "SELECT count(*) FROM nanu.sessions WHERE application_name = 'leak'") == [(0,)]
    for _ in range(4):      # more often than there are server processes to be soiled
        soiler = connect(application_name="leak")
        for soil, *_ in LEAKS:
            ask(soiler, soil)
        soiler.close()
        until(gone)
        conn = connect()
        for _, question, clean in LEAKS:
            expect(str(ask(conn, question)[0][0]), clean, question)
        ask(conn, "PREPARE soiled AS SELECT 2")
        expect(ask(conn, "EXECUTE soiled"), [(2,)])
        conn.close()
    for number in range(30):
        conn = connect(application_name="leak")
        expect(ask(conn, "SELECT %s", [number]), [(number,)])
        conn.close()
    until(gone)
    expect(ask(watcher, "SELECT coalesce(sum(lent), 0) FROM nanu.pools"), [(0,)])
    watcher.close()


run(globals())
