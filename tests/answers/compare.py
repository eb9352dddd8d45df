"""When two outcomes are the same answer.

Rows come in the same order where the statement says which; else as multisets. Of values that are equal and not alike (numeric 1.0 and 1.00,
-0 and 0) a group, DISTINCT, min() and max() show any, in PostgreSQL too: there they are compared by value.
"""
import re
import struct
from collections import Counter
from decimal import Decimal

from psycopg.types.numeric import NumericBinaryLoader

REFUSALS = {"0A000"}
NUMERIC, FLOAT4, FLOAT8, INTERVAL = 1700, 700, 701, 1186
REPRESENTATIVE = re.compile(r"\b(GROUP BY|DISTINCT|min\(|max\(|UNION|INTERSECT|EXCEPT)", re.I)
numeric_binary = NumericBinaryLoader(NUMERIC, None)


def is_refusal(outcome):
    return outcome.sqlstate in REFUSALS


def interval_hours(value, binary):
    """The value by which PostgreSQL compares intervals: months of 30 days, days of 24 hours."""
    if binary:
        microseconds, days, months = struct.unpack("!qii", value)
        return (months * 30 + days) * 86_400_000_000 + microseconds
    total, text = 0, value.decode()
    for number, unit in re.findall(r"([-+]?\d+) (year|mon|day)", text):
        total += int(number) * {"year": 360, "mon": 30, "day": 1}[unit] * 86_400_000_000
    clock = re.search(r"([-+]?)(\d+):(\d+):(\d+)(?:\.(\d+))?", text)
    if clock:
        sign, hours, minutes, seconds, fraction = clock.groups()
        part = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1_000_000 + int((fraction or "0").ljust(6, "0"))
        total += -part if sign == "-" else part
    return total


def by_value(value, type, binary):
    if value is None:
        return None
    if type == NUMERIC:
        number = numeric_binary.load(value) if binary else Decimal(value.decode())
        return "NaN" if number.is_nan() else number
    if type == INTERVAL:
        return interval_hours(value, binary)
    if type in (FLOAT4, FLOAT8):
        if binary:
            return repr(struct.unpack("!f" if type == FLOAT4 else "!d", value)[0] + 0.0)
        return b"0" if value == b"-0" else value
    return value


def rows_of(outcome, sql):
    if not REPRESENTATIVE.search(sql):
        return outcome.rows
    columns = [(type, format == 1) for _, type, _, format in outcome.columns]
    return [tuple(by_value(value, type, binary) for value, (type, binary) in zip(row, columns)) for row in outcome.rows]


def is_ordered(sql):
    """Whether ORDER BY stands outside of parentheses and quotes."""
    plain = re.sub(r"'[^']*'", "", sql)
    while "(" in plain:
        less = re.sub(r"\([^()]*\)", "", plain)
        if less == plain:
            break
        plain = less
    return re.search(r"\bORDER\s+BY\b", plain, re.I) is not None


def difference(sql, expected, got, order=None):
    """Why they differ, or None. order: the columns (from 1) that the order decides where it does not decide all; None: as the text says."""
    if expected.failed or got.failed:
        return None if expected.sqlstate == got.sqlstate else "one failed, or otherwise"
    if expected.columns != got.columns:
        return f"columns {expected.columns} and {got.columns}"
    if expected.tag != got.tag:
        return f"tags {expected.tag} and {got.tag}"
    want, have = rows_of(expected, sql), rows_of(got, sql)
    if order is None and is_ordered(sql):
        return None if want == have else "rows, in their order"
    if Counter(want) != Counter(have):
        return "rows"
    if order and [[row[i - 1] for i in order] for row in want] != [[row[i - 1] for i in order] for row in have]:
        return f"the order of columns {order}"
    return None


def reason(outcome):
    """A refusal's reason without the statement's own names."""
    return re.sub(r"\b\w+\(\)", "f()", re.sub(r'"[^"]*"', '"…"', outcome.message))
