"""start_cluster and start_own for tests that have nothing to do with the event loop: they run once, and not for each of --io."""
import pytest

from conftest import cluster_factory


def chosen(request):
    io = request.config.getoption("io")
    return "auto" if io == "both" else io


@pytest.fixture(scope="module")
def start_cluster(farm, request):
    yield from cluster_factory(farm, chosen(request))


@pytest.fixture
def start_own(farm, request):
    yield from cluster_factory(farm, chosen(request))
