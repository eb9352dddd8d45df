import itertools

import pytest

numbers = itertools.count(1)


@pytest.fixture
def own_servers(farm):
    primary = farm.extra_server(f"own{next(numbers)}")
    farm.replicas_for(primary, 2)
    yield primary
    for server in [*farm.replicas.pop(primary), primary]:
        server.stop()
