"""The written statements of cases/*.sql.

    -- a comment
    = SELECT …                  the same answer as PostgreSQL's, be it an error
    ! SELECT …                  refused
    =[1,2] SELECT … ORDER BY    the order decides columns 1 and 2 only; =[] none
    = SELECT … $1 <- int8:5     parameters, separated by ' ; '; their type ? where the client declares none; the value NULL is NULL
    @tables a b                 from here on, these tables are compared whole, over all nodes, after each statement
    @simple                     the rest is for the simple protocol alone

A line that is indented belongs to the one before. The statements of a file share one session.
"""
import pathlib
import re

from .wire import Param

FOLDER = pathlib.Path(__file__).parent / "cases"
NAMES = sorted(path.stem for path in FOLDER.glob("*.sql"))


class Case:
    def __init__(self, line, text, tables, simple):
        found = re.match(r"([=!])(\[([\d,]*)\])? (.*)$", text, re.S)
        assert found, f"line {line} is no case: {text}"
        self.line, self.refused, self.tables, self.simple_only = line, found.group(1) == "!", tables, simple
        self.order = None if found.group(2) is None else [int(number) for number in found.group(3).split(",") if number]
        self.sql, _, params = found.group(4).partition(" <- ")
        self.params = [self.param(text) for text in params.split(" ; ")] if params else []

    @staticmethod
    def param(text):
        type, _, value = text.partition(":")
        return Param(None if type.strip() == "?" else type.strip(), None if value == "NULL" else value)


def read(name):
    cases, tables, simple, pending, begin = [], (), False, None, 0
    lines = (FOLDER / f"{name}.sql").read_text().splitlines() + [""]
    for number, line in enumerate(lines, 1):
        if pending is not None and line.startswith(" "):
            pending += "\n" + line.strip()
            continue
        if pending is not None:
            cases.append(Case(begin, pending, tables, simple))
            pending = None
        if line.startswith("@tables"):
            tables = tuple(line.split()[1:])
        elif line.startswith("@simple"):
            simple = True
        elif line and not line.startswith("--"):
            pending, begin = line, number
    return cases
