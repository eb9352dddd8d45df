"""The written statements: each has the answer of one PostgreSQL, or is refused where its line says so."""
import pytest

from . import casefile
from .compare import difference, is_refusal, reason
from .wire import PROTOCOLS, run
from .world import Pair

ONE_LOOP = "uring"

FAILURES_SHOWN = 40


def check(pair, case, protocol, tally):
    """What is wrong with the case, or None."""
    got = run(pair.router, protocol, case.sql, case.params)
    tally.statements += 1
    if is_refusal(got):
        tally.refused[reason(got)] += 1
        pair.follow()
        problem = None if case.refused else "it was answered before, and is refused now"
        if not got.hint:
            problem = "the refusal has no hint"
    else:
        expected = run(pair.oracle, protocol, case.sql, case.params)
        tally.answered += 1
        problem = difference(case.sql, expected, got, case.order)
        if problem:
            problem = f"{problem}\n    PostgreSQL: {expected}"
        elif case.refused:
            problem = "it is answered now; the case says that it is refused"
    problem = problem or pair.tables_differ(case.tables)
    return problem and f"{problem}\n    nanu:       {got}"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", casefile.NAMES)
def test_written_statements(world, tally, name, protocol):
    problems = []
    with Pair(world) as pair:
        for case in casefile.read(name):
            if case.simple_only and protocol != "simple":
                continue
            problem = check(pair, case, protocol, tally)
            if problem:
                params = ", ".join(map(str, case.params))
                problems.append(f"{name}.sql:{case.line}: {case.sql} [{params}]\n  {problem}")
    assert not problems, f"{len(problems)} wrong\n" + "\n".join(problems[:FAILURES_SHOWN])
