"""Django where replicas serve reads: with DATABASE_ROUTERS before two ports, and without before one, gives the answers that one server gives."""
import json
import os
import shutil
import subprocess
import sys

import pytest

from harness.cluster import DATABASE
from harness.program import free_port
from harness.relay import Network
from harness.wait import wait_until
from harness.router import ROOT
from reads.scene import serving, stat

ONE_LOOP = "uring"
SITE = ROOT / "tests/clients/django_shop"
SURE = "-c nanu.read_wait=10s -c nanu.read_fallback=error "     # else the primary may serve what a busy machine's replica has too late
DELAY_S = 0.01


@pytest.fixture(scope="module")
def primary(farm):
    """With two replicas that are behind: who reads at once what he wrote, without nanu's help, does not find it."""
    server = farm.extra_server("django")
    network, replicas = Network(server.port), farm.replicas_for(server, 2)
    for replica in replicas:
        replica.stream_through(network)
        wait_until(replica.streams, "it streams through the relay")
    with network.slow(DELAY_S):
        yield server
    for each in [*farm.replicas.pop(server), server]:
        each.stop()
    network.stop()


def run(*argv, **more):
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", PYTHONPATH=str(ROOT / "examples"), **{name: str(value) for name, value in more.items()})
    return subprocess.run([sys.executable, *argv], capture_output=True, text=True, timeout=300, env=env, cwd=SITE)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The shop's migrations are made where nobody else's are."""
    made = tmp_path_factory.mktemp("django") / "site"
    shutil.copytree(SITE, made)
    return made


def shops_day(site, **where):
    done = run(site / "day.py", **where)
    return json.loads(done.stdout) if done.returncode == 0 else {"answers": done.stderr}


@pytest.fixture(scope="module")
def expected(start_cluster, primary, site):
    """What the primary says, asked directly."""
    cluster = start_cluster(servers=[primary], shards=1, replicas=2)
    where = {"NANU_PORT": primary.port, "NANU_DATABASE": cluster.node_database}
    done = run("-m", "django", "makemigrations", "shop", "--settings", "settings_replicas", "--pythonpath", site, **where)
    assert done.returncode == 0, done.stderr
    day = shops_day(site, **where)
    assert day["reads"] > 50, day
    return day["answers"]


def cluster_of(start_own, primary, **settings):
    cluster = start_own(servers=[primary], shards=1, replicas=2, **settings)
    serving(cluster)
    return cluster


def all_from_replicas(cluster, site, **where):
    before = stat(cluster, "replica_reads")
    day = shops_day(site, NANU_PORT=cluster.router.port, NANU_DATABASE=DATABASE, **where)
    assert "reads" in day, day["answers"]
    assert stat(cluster, "replica_reads") - before == day["reads"]
    return day["answers"]


def test_two_ports_and_database_routers(start_own, primary, site, expected):
    cluster = cluster_of(start_own, primary, replica_port=free_port())
    assert all_from_replicas(cluster, site, NANU_REPLICA_PORT=cluster.router.settings["replica_port"],
                             NANU_OPTIONS=SURE + "-c nanu.user=shop -c nanu.consistency=session") == expected


@pytest.mark.parametrize("settings, options", [({}, "-c nanu.consistency=session"), ({"consistency": "session"}, "")], ids=["by OPTIONS", "by nanu.yaml"])
def test_one_port_and_no_database_routers(start_own, primary, site, expected, settings, options):
    assert all_from_replicas(cluster_of(start_own, primary, **settings), site, NANU_OPTIONS=SURE + options) == expected


@pytest.mark.parametrize("ports", ["one port", "two ports"])
def test_without_own_writes_it_would_be_noticed(start_own, primary, site, expected, ports):
    """The tests above say nothing if the replicas were not behind."""
    cluster = cluster_of(start_own, primary, replica_port=free_port())
    more = {"NANU_REPLICA_PORT": cluster.router.settings["replica_port"]} if ports == "two ports" else {}
    day = shops_day(site, NANU_PORT=cluster.router.port, NANU_DATABASE=DATABASE, NANU_OPTIONS="-c nanu.consistency=eventual", **more)
    assert day["answers"] != expected and stat(cluster, "replica_reads") > 0
