"""Fixtures and options that all suites share.

    io              the event loop that the routers of this test use: the test runs once for each of --io. A module whose tests are of what no event
                    loop has a part in says ONE_LOOP = "uring", or the other, and runs on both for --io both only
    farm            PostgreSQL servers, started when wanted, shared by all
    start_cluster   start_cluster(shards=2, pool_mode="session", …) -> Cluster: a router with a database of its own, for this module
    start_own       the same, for one test: when it kills, stops or fills its router

A router that ended badly, or logged what a healthy one never logs, fails the last test that used it. A failing test shows the logs. One that
takes too long is ended, shows what everybody was doing, and is the suite's last.
"""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

LOG_LINES_SHOWN = 60
live_clusters = []


def pytest_addoption(parser):
    parser.addoption("--io", choices=["uring", "epoll", "both", "auto"], default="auto",
                     help="event loops to test the router on; auto: both, or one where a module says that it is enough")


def pytest_generate_tests(metafunc):
    if "io" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("io")
        one = chosen == "auto" and getattr(metafunc.module, "ONE_LOOP", None)
        loops = [one] if one else ["uring", "epoll"] if chosen in ("auto", "both") else [chosen]
        metafunc.parametrize("io", loops, scope="session", indirect=True)


# A fixture, and not a plain parameter: only so does pytest 7 keep the tests of one event loop together, whatever else they are run for.
@pytest.fixture(scope="session")
def io(request):
    return request.param


@pytest.fixture(scope="session")
def farm():
    from harness.postgres import Farm
    servers = Farm()
    yield servers
    servers.close()


def cluster_factory(farm, io):
    from harness.cluster import Cluster
    started = []

    def start(**options):
        options.setdefault("io", io)
        cluster = Cluster(farm, **options)
        started.append(cluster)
        live_clusters.append(cluster)
        return cluster.start()

    yield start
    problems = []
    for cluster in reversed(started):
        try:
            cluster.stop()
        except Exception as problem:  # one that ends badly must not keep the others running
            problems.append(problem)
        live_clusters.remove(cluster)
    if problems:
        raise problems[0]


@pytest.fixture(scope="module")
def start_cluster(farm, io):
    yield from cluster_factory(farm, io)


@pytest.fixture
def start_own(farm, io):
    yield from cluster_factory(farm, io)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    from harness.watchdog import watched
    with watched(item, live_clusters):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for cluster in live_clusters:
            for title, text in cluster.logs():
                report.sections.append((f"log of {title}", "\n".join(text.splitlines()[-LOG_LINES_SHOWN:])))
