"""`nanu add-replica`, `nanu remove-replica`, nanu.add_node() and nanu.remove_node(), on real servers that stream."""
import itertools
import shutil
import signal

import psycopg
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PASSWORD, SUPERUSER, Postgres, make_folder, make_template
from harness.program import free_port
from harness.wait import PATIENCE, wait_until

from .replica import Replica, nanu
from .writers import writing

numbers = itertools.count(1)
SLOW = ["--max-rate", "1M"]  # the copy of an empty server takes half a minute
RATE = "20M"


@pytest.fixture(scope="module")
def cluster(start_cluster):
    return start_cluster(shards=2)


@pytest.fixture
def replica(cluster, above, request):
    made = Replica(cluster, above / request.node.name.replace("/", "-").replace("[", "-").replace("]", ""))
    yield made
    made.clear()


@pytest.fixture
def filled(cluster):
    """The copy takes a second or two at RATE."""
    with cluster.connect_node() as conn:
        conn.execute("CREATE TABLE ballast AS SELECT i, repeat('b', 1000) filler FROM generate_series(1, 30000) i")
        yield
        conn.execute("DROP TABLE ballast")


def test_a_replica_is_added_under_writing_and_lacks_nothing(cluster, replica, filled):
    """Clients go on while it copies, while it catches up, and after that; none hears of it, and nothing that was acknowledged is missing anywhere."""
    with writing(cluster) as writers:
        running = replica.begin("--max-rate", RATE)
        wait_until(lambda: (replica.data.parent / f"{replica.data.name}.adding" / "base").exists(), "it copies")
        writers.go_on("while it copies")
        assert running.poll() is None and not replica.data.exists(), "it has copied too soon to tell anything"
        said, problems = running.communicate(timeout=120 * PATIENCE)
        assert running.returncode == 0, said + problems
        writers.go_on("when it is added")
    writers.check([replica])
    assert "copied n1 to" in said and "caught up" in said and "n1a is a replica of s1 now" in said
    assert replica.in_router() == [("n1a", "127.0.0.1", replica.port, "replica", "s1", True)]
    assert replica.slots() == [("n1a", True, False)]
    with replica.connect() as conn:
        assert conn.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
    assert not list(replica.data.glob("nanu.*"))


def test_an_added_node_outlives_restarts_and_reloads(cluster, replica):
    assert replica.add("--name", "extra").returncode == 0
    known = replica.in_router()
    assert known[0][0] == "extra"
    cluster.execute("SELECT nanu.reload()")
    assert replica.in_router() == known
    cluster.router.stop()
    cluster.router.start()
    assert replica.in_router() == known
    status = nanu("status", "--config", cluster.router.config)
    assert any("extra" in line and "replica" in line for line in status.stdout.splitlines())


def test_a_node_that_the_file_names_later_belongs_to_the_file(start_own, above):
    replica = Replica(start_own(shards=1), above / "named")
    cluster = replica.cluster
    try:
        assert replica.add().returncode == 0
        before = cluster.router.settings["nodes"], cluster.router.settings["shards"]
        cluster.router.settings["nodes"] = before[0] + [{"name": "n1a", "host": "127.0.0.1", "port": str(replica.port)}]
        cluster.router.settings["shards"] = [{"name": "s1", "nodes": ["n1", "n1a"]}]
        cluster.router.configure()
        cluster.execute("SELECT nanu.reload()")
        assert replica.in_router() == [("n1a", "127.0.0.1", replica.port, "replica", "s1", False)]
        refused = replica.remove()
        assert refused.returncode == 1 and "stands in the configuration" in refused.stderr and "nanu.reload()" in refused.stderr
        assert replica.slots() == [("n1a", True, False)]
        cluster.router.settings["nodes"], cluster.router.settings["shards"] = before
        cluster.router.configure()
        cluster.execute("SELECT nanu.reload()")
        assert replica.in_router() == []
    finally:
        replica.clear()


def test_removing_drops_the_slot_and_leaves_the_server(replica):
    assert replica.add().returncode == 0
    done = replica.remove()
    assert done.returncode == 0, done.stderr
    assert replica.in_router() == [] and replica.slots() == [] and replica.runs()


def test_removing_stops_the_server_when_asked(replica):
    assert replica.add().returncode == 0
    done = replica.remove("n1a", "--stop")
    assert done.returncode == 0, done.stderr
    assert replica.in_router() == [] and replica.slots() == [] and not replica.runs()
    assert (replica.data / "PG_VERSION").exists()


@pytest.fixture
def server(farm):
    """One of its own, stopped after the cluster before it."""
    made = farm.extra_server(f"primary{next(numbers)}")
    yield made
    made.stop()


def test_a_slot_that_stays_is_named(server, start_own, above):
    replica = Replica(start_own(servers=[server]), above / "orphan")
    try:
        assert replica.add().returncode == 0
        server.stop(signal.SIGQUIT)
        with pytest.raises(psycopg.Error, match='its replication slot "n1a" on node "n1" could not be dropped') as error:
            replica.cluster.execute("SELECT nanu.remove_node('n1a')")
        assert "pg_drop_replication_slot('n1a')" in error.value.diag.message_hint
        assert replica.in_router() == []
    finally:
        server.start()
        replica.clear()


# ---- cut short ----

@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_it_copies_it_leaves_nothing(replica, how):
    running = replica.begin(*SLOW)
    wait_until(lambda: any("pg_control" in str(path) for path in replica.data.parent.glob(f"{replica.data.name}.adding/global/*"))
               or (replica.data.parent / f"{replica.data.name}.adding" / "base").exists(), "it copies")
    assert [temporary for _, _, temporary in replica.slots()] == [True]
    running.send_signal(how)
    _, said = running.communicate(timeout=60 * PATIENCE)
    assert running.returncode == 1 and "stopped by signal" in said
    wait_until(lambda: replica.slots() == [], "no slot is left")
    assert not replica.data.exists() and not replica.data.with_name(replica.data.name + ".adding").exists()
    assert replica.in_router() == []


def test_killed_while_it_copies_it_leaves_no_slot(replica):
    running = replica.begin(*SLOW)
    wait_until(lambda: (replica.data.parent / f"{replica.data.name}.adding" / "base").exists(), "it copies")
    running.kill()
    running.communicate()
    wait_until(lambda: replica.slots() == [], "no slot is left")
    assert not replica.data.exists()


def test_killed_while_it_copies_it_begins_anew(replica):
    """At once: what it has left, slot, process and folder, may be there still."""
    running = replica.begin(*SLOW)
    wait_until(lambda: (replica.data.parent / f"{replica.data.name}.adding" / "base").exists(), "it copies")
    running.kill()
    done = replica.add()
    running.communicate()
    assert done.returncode == 0, done.stderr
    assert replica.in_router() and replica.slots() == [("n1a", True, False)]
    assert not replica.data.with_name(replica.data.name + ".adding").exists()


def test_two_at_once_do_not_make_the_same(cluster, replica, filled):
    running = replica.begin("--max-rate", RATE)
    wait_until(lambda: (replica.data.parent / f"{replica.data.name}.adding" / "base").exists(), "it copies")
    for more, reason in [([], "another nanu add-replica makes a replica in"), (["--name", "other"], "another nanu add-replica makes a replica in")]:
        second = replica.add(*more)
        assert second.returncode != 0 and reason in second.stderr, second.stdout + second.stderr
    elsewhere = Replica(cluster, replica.data.with_name("elsewhere"))
    second = elsewhere.add("--name", "n1a")
    assert second.returncode != 0 and "another nanu add-replica makes replica \"n1a\"" in second.stderr, second.stdout + second.stderr
    second = elsewhere.add()
    try:
        assert second.returncode == 0 and "n1b is a replica of s1" in second.stdout, second.stdout + second.stderr
        said, problems = running.communicate(timeout=120 * PATIENCE)
        assert running.returncode == 0, said + problems
        assert sorted(name for name, *_ in replica.slots()) == ["n1a", "n1b"]
    finally:
        elsewhere.remove("n1b", "--stop")
        elsewhere.clear()


def test_killed_before_the_router_knows_it_goes_on(cluster, replica):
    """The router is asked last: while it stands still, the replica is there and follows already."""
    running = replica.begin()
    wait_until(lambda: (replica.data / "nanu.adding").exists(), "it has copied")
    running.kill()
    running.communicate()
    assert replica.in_router() == []
    done = replica.add()
    assert done.returncode == 0, done.stderr
    assert replica.in_router() == [("n1a", "127.0.0.1", replica.port, "replica", "s1", True)]
    assert replica.slots() == [("n1a", True, False)]


def test_what_the_router_knows_already_is_brought_to_its_end(replica):
    assert replica.add().returncode == 0
    (replica.data / "nanu.adding").write_text("n1a")
    pid = replica.pid()
    done = replica.add()
    assert done.returncode == 0, done.stderr
    assert replica.pid() == pid and not (replica.data / "nanu.adding").exists()


def test_one_whose_slot_is_gone_meanwhile_is_made_anew(cluster, replica):
    assert replica.add().returncode == 0
    assert replica.remove("n1a", "--stop").returncode == 0
    (replica.data / "nanu.adding").write_text("n1a")
    done = replica.add()
    assert done.returncode == 0, done.stderr
    assert "copied n1 to" in done.stdout and replica.slots() == [("n1a", True, False)]


# ---- refusals ----

def refused(cluster, replica_port, sqlstate, match, **changes):
    words = dict({"name": "extra", "shard": "s1", "host": "127.0.0.1", "port": replica_port}, **changes)
    arguments = ", ".join(f"{name} => '{value}'" for name, value in words.items() if value is not None)
    with pytest.raises(psycopg.Error, match=match) as error:
        cluster.execute(f"SELECT nanu.add_node({arguments})")
    assert error.value.sqlstate == sqlstate
    return error.value.diag


def test_a_server_of_another_system_is_refused(cluster):
    folder = make_folder()
    other = Postgres(folder, make_template(folder), "other").start()
    try:
        diag = refused(cluster, other.port, "55000", "belongs to another system")
        assert "system identifier" in diag.message_detail and "pg_basebackup" in diag.message_hint
    finally:
        other.stop()
        shutil.rmtree(folder)


def test_a_server_that_is_no_standby_is_refused(cluster):
    diag = refused(cluster, cluster.servers[0].port, "55000", "is not in recovery", host="localhost")
    assert "standby.signal" in diag.message_hint


@pytest.mark.parametrize("changes, sqlstate, match", [
    ({"name": "n1"}, "42710", 'there is a node "n1" already'),
    ({"shard": "s9"}, "42704", 'shard "s9" does not exist'),
    ({"shard": None}, "22023", "needs name, shard, host and port"),
    ({"port": 0}, "22023", "port must be a whole number from 1 to 65535"),
    ({"port": "x"}, "22023", "port must be a whole number from 1 to 65535"),
    ({"colour": "red"}, "42883", 'has no argument "colour"'),
    ({}, "08001", 'node "extra" cannot be reached'),
])
def test_a_wrong_call_is_refused(cluster, changes, sqlstate, match):
    refused(cluster, free_port(), sqlstate, match, **changes)
    assert cluster.execute("SELECT count(*) FROM nanu.nodes WHERE added") == [(0,)]


def test_its_arguments_have_their_places(cluster):
    """name, shard, host, port, region, zone, weight, upstream"""
    with pytest.raises(psycopg.errors.UndefinedObject, match='no other node "n9"'):
        cluster.execute("SELECT nanu.add_node('extra', 's1', '127.0.0.1', 5432, 'eu', 'a', 3, 'n9')")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="weight"):
        cluster.execute("SELECT nanu.add_node('extra', 's1', '127.0.0.1', 5432, 'eu', 'a', 'n1', 'n1')")


def test_an_address_is_one_node(cluster):
    refused(cluster, cluster.servers[1].port, "42710", 'is node "n2" already')


def test_a_server_is_one_node_by_whatever_address(cluster, replica):
    assert replica.add().returncode == 0
    before = replica.slots()
    assert 'is node "n1a" already' in refused(cluster, replica.port, "42710", "is node", host="localhost").message_primary
    assert replica.slots() == before


def test_only_administrators_change_nodes_and_outside_transactions(start_own):
    cluster = start_own(shards=1, admin_users="postgres")
    for call in "nanu.add_node(name => 'a', shard => 's1', host => 'b', port => 1)", "nanu.remove_node('n1')":
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            cluster.execute(f"SELECT {call}")
        with cluster.connect(user=SUPERUSER, password=PASSWORD) as conn, conn.transaction():
            with pytest.raises(psycopg.errors.ActiveSqlTransaction):
                conn.execute(f"SELECT {call}")


@pytest.mark.parametrize("call, sqlstate, match", [
    ("nanu.remove_node('n2')", "55000", "stands in the configuration"),
    ("nanu.remove_node('n9')", "42704", "does not exist"),
    ("nanu.remove_node()", "22023", "which node"),
])
def test_what_was_not_added_is_not_removed(cluster, call, sqlstate, match):
    with pytest.raises(psycopg.Error, match=match) as error:
        cluster.execute(f"SELECT {call}")
    assert error.value.sqlstate == sqlstate


@pytest.mark.parametrize("words, reason", [
    (["s9"], 'shard "s9" does not exist'),
    (["s1", "--name", "n2"], 'there is a node "n2" already'),
])
def test_the_command_refuses_before_it_copies(cluster, replica, words, reason):
    done = nanu("add-replica", *words, "--config", cluster.router.config, "--data", replica.data, "--port", replica.port)
    assert done.returncode == 1 and reason in done.stderr
    assert not replica.data.exists() and replica.slots() == []


def test_a_folder_with_anything_in_it_is_left_alone(cluster, replica):
    replica.data.mkdir()
    (replica.data / "thesis.txt").write_text("mine")
    done = replica.add()
    assert done.returncode == 1 and "is there already" in done.stderr
    assert [path.name for path in replica.data.iterdir()] == ["thesis.txt"]


def test_a_port_in_use_is_refused(cluster, replica):
    replica.port = cluster.servers[1].port
    done = replica.add()
    assert done.returncode == 1 and f"port {replica.port} is in use" in done.stderr
    assert not replica.data.exists() and replica.slots() == []
    replica.port = free_port()


def test_a_slot_of_somebody_else_is_left_alone(cluster, replica):
    with cluster.servers[0].connect() as conn:
        conn.execute("SELECT pg_create_physical_replication_slot('n1a')")
        done = replica.add()
        assert done.returncode == 1 and 'replication slot "n1a" already' in done.stderr
        assert replica.slots() == [("n1a", False, False)] and not replica.data.exists()


@pytest.mark.parametrize("words, reason", [
    ([], "which SHARD"), (["s1", "s2"], "it takes one shard"), (["s1", "--data", "x"], "--data and --port go together"),
    (["s1", "--port", "0"], "--port must be from 1"), (["s1", "--name", "n" * 64], "--name may have 63 bytes at most"),
])
def test_wrong_options_are_refused(words, reason):
    done = nanu("add-replica", *words)
    assert done.returncode == 2 and reason in done.stderr


def test_by_dsn_the_user_of_the_router_is_the_user_of_the_primary(cluster, replica):
    dsn = f"postgresql://{SUPERUSER}:{PASSWORD}@127.0.0.1:{cluster.router.port}/{DATABASE}"
    done = nanu("add-replica", "s1", "--dsn", dsn, "--data", replica.data, "--port", replica.port)
    assert done.returncode == 0, done.stderr
    assert replica.slots() == [("n1a", True, False)]
    assert nanu("remove-replica", "n1a", "--dsn", f"postgresql://{USER}:{USER_PASSWORD}@127.0.0.1:{cluster.router.port}/{DATABASE}").returncode == 0
