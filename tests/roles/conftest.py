"""Fixtures:

    group       a router before three servers, of which one is the primary and two follow it, whatever the test before did

What is tested here is the control plane's, and the same on every event loop: it runs once.
"""
import pytest

from conftest import cluster_factory

from .group import Group


@pytest.fixture(scope="module")
def start_here(farm):
    yield from cluster_factory(farm, "auto")


@pytest.fixture(scope="module")
def made(farm, start_here):
    group = Group(farm, start_here)
    yield group
    group.close()


@pytest.fixture
def group(made):
    made.heal()
    return made
