"""world: both databases, loaded once for each event loop; tally: what was answered and what refused, printed at the end."""
from collections import Counter

import pytest

from .world import World

tallies = []


class Tally:
    def __init__(self):
        self.title, self.statements, self.answered, self.refused = "", 0, 0, Counter()

    def lines(self):
        yield f"{self.title}: {self.statements} statements, {self.answered} answered, {sum(self.refused.values())} refused"
        for text, count in self.refused.most_common():
            yield f"  {count:6} {text}"


@pytest.fixture(scope="module")
def world(farm, start_cluster):
    # The farm's servers live as long as the session; its databases go with the module.
    made = World(farm, start_cluster)
    yield made
    made.drop()


@pytest.fixture
def tally(request):
    made = Tally()
    made.title = request.node.name
    tallies.append(made)
    return made


def pytest_terminal_summary(terminalreporter):
    if tallies:
        terminalreporter.section("answers")
    total, refused = Counter(), Counter()
    for tally in tallies:
        for line in tally.lines():
            terminalreporter.write_line(line)
        total.update(statements=tally.statements, answered=tally.answered)
        refused.update(tally.refused)
    if tallies:
        terminalreporter.write_line(f"in all: {total['statements']} statements, {total['answered']} answered, {sum(refused.values())} refused")
