"""Fixtures:

    start_etcd      start_etcd(members=1, …) -> Etcd, for one test
    start_routers   start_routers(etcd, count=2, …) -> several clusters: a router each, on the same servers, databases and etcd

What is tested here is the control plane's, and the same on every event loop: it runs once.
"""
import pytest
from harness.wait import PATIENCE

from conftest import cluster_factory


@pytest.fixture
def start_etcd():
    from harness.etcd import Etcd
    started = []

    def start(*args, **options):
        etcd = Etcd(*args, **options)
        started.append(etcd)
        return etcd.start()

    yield start
    for etcd in started:
        etcd.close()


@pytest.fixture
def start_on_etcd(farm):
    yield from cluster_factory(farm, "auto")


@pytest.fixture
def start_routers(start_on_etcd):
    def start(etcd, count=2, **settings):
        settings = {"etcd_hosts": etcd.hosts, "router_timeout": int(3000 * PATIENCE), **settings}
        first = start_on_etcd(router_name="r1", **settings)
        return [first, *(start_on_etcd(shares=first, router_name=f"r{i + 2}", **settings) for i in range(count - 1))]

    return start
