"""One shard: what a client hears through nanu is, byte for byte, what PostgreSQL says. both.py says what is compared and what is not.
Here: statements."""
import re

import pytest

from .both import WAYS, simple
from .cases_protocol import CASES as PROTOCOL_CASES
from .cases_sql import SCRIPTS
from .cases_sql_session import NOT_REPEATED, SCRIPTS as SESSION_SCRIPTS

ONE_LOOP = "uring"
MAKES = re.compile(r"create|into|alter|prepare transaction|insert|update|delete|setval|nextval|truncate|copy|merge|drop|import", re.I)
ALL_SCRIPTS = {**SCRIPTS, **SESSION_SCRIPTS}


@pytest.mark.parametrize("name", ALL_SCRIPTS)
def test_script(both, auto_prepare, name):
    statements = ALL_SCRIPTS[name]
    ways = WAYS if auto_prepare == "off" else {"simple": simple, "simple, again": simple, "simple, prepared by now": simple}
    makes_objects = any(MAKES.search(sql) for sql in statements)
    if len(statements) == 1 and not makes_objects:  # nothing is left behind: one connection does for all ways
        both.compare((name, auto_prepare), [step for make in ways.values() for step in make(statements)], makes_objects=False)
        return
    wrong = {}
    for way, make in ways.items():
        if name in NOT_REPEATED and way == "pipelined":
            continue
        try:
            both.compare((name, way), make(statements), makes_objects=makes_objects)
        except AssertionError as problem:
            wrong[way] = str(problem)
    assert not wrong, "\n".join(f"\n==== {way}{text}" for way, text in wrong.items())


def test_there_are_enough():
    assert len(ALL_SCRIPTS) + len(PROTOCOL_CASES) >= 300
