import itertools

import pytest

numbers = itertools.count(1)


@pytest.fixture
def own_servers(farm):
    yield from made(farm)


@pytest.fixture
def other_servers(farm):
    yield from made(farm)


def made(farm):
    primary = farm.extra_server(f"own{next(numbers)}")
    farm.replicas_for(primary, 2)
    yield primary
    for server in [*farm.replicas.pop(primary), primary]:
        server.stop()
