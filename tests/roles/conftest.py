"""Fixtures:

    etcd        one, for this module
    group       a router before three servers, of which one is the primary and two follow it, whatever the test before did

What is tested here is the control plane's, and the same on every event loop: it runs once.
"""
import pytest

from harness.once import start_cluster, start_own  # noqa: F401

from .group import Group


@pytest.fixture(scope="module")
def etcd():
    from harness.etcd import Etcd
    made = Etcd()
    yield made.start()
    made.close()


@pytest.fixture(scope="module")
def made(farm, start_cluster):
    group = Group(farm, start_cluster, "roles")
    yield group
    group.close()


@pytest.fixture
def group(made):
    made.heal()
    return made
