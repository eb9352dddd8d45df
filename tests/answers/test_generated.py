"""Generated statements: equal to one PostgreSQL's, or refused; each event loop has seeds of its own.

NANU_ANSWERS_SEED=n runs that seed alone; NANU_ANSWERS_COUNT=n so many statements of it.
"""
import os

import pytest

from .compare import difference, is_refusal, reason
from .grammar import Grammar
from .wire import run
from .world import KEYS, Pair

COUNT = int(os.environ.get("NANU_ANSWERS_COUNT", "5200"))
SEEDS = {"uring": 20240, "epoll": 86300}
ANSWERED_SHARE_MIN = 0.70
FAILURES_SHOWN = 25


def check(pair, statement, protocol, tally):
    """What is wrong with the statement, or None."""
    sql, params, tables = statement
    got = run(pair.router, protocol, sql, params)
    tally.statements += 1
    if is_refusal(got):
        tally.refused[reason(got)] += 1
        problem = None if got.hint else "the refusal has no hint"
    else:
        tally.answered += 1
        expected = run(pair.oracle, protocol, sql, params)
        problem = difference(sql, expected, got)
        if problem:
            problem = f"{problem}\n    PostgreSQL: {expected}"
    problem = problem or pair.tables_differ(tables)
    return problem and f"{problem}\n    nanu:       {got}"


def test_generated_statements(world, tally, io):
    seed = int(os.environ.get("NANU_ANSWERS_SEED", SEEDS[io]))
    grammar, problems = Grammar(seed), []
    tally.title += f", seed {seed}"
    print(f"seed {seed}")
    with Pair(world) as pair:
        for number in range(COUNT):
            statement = grammar.statement()
            writes = bool(statement[2])
            others = ("extended", "binary")[number % 2],
            for protocol in others if writes and number % 3 else ("simple",) if writes else ("simple", *others):
                problem = check(pair, statement, protocol, tally)
                if problem:
                    params = ", ".join(map(str, statement[1]))
                    problems.append(f"seed {seed}, statement {number}, {protocol}: {statement[0]} [{params}]\n  {problem}")
            if len(problems) >= FAILURES_SHOWN:
                break
        for table in KEYS:
            misplaced = world.misplaced(table, pair.nodes)
            if misplaced:
                problems.append(f"table {table} has rows on the wrong shard: {misplaced}")
    assert not problems, f"{len(problems)} wrong\n" + "\n".join(problems)
    share = tally.answered / tally.statements
    assert share >= ANSWERED_SHARE_MIN, f"only {share:.0%} of the statements were answered"
