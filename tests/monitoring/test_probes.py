"""/health, /ready, /primary and /replica tell a load balancer what is so, in good states and bad ones."""
import concurrent.futures
import pathlib

import pytest

from harness.cluster import DATABASE
from harness.program import free_port
from harness.wait import wait_until

from .asking import ask, connection, get, wait_for_status, with_http
from .freezing import frozen_server, frozen_thread


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = with_http(start_cluster, shards=2)
    wait_for_status(made, "/ready", 200)
    return made


@pytest.fixture
def own(start_own, farm):
    """One with a second server that the test may stop."""
    server = farm.extra_server(f"stopped-{farm.database_count}")
    cluster = with_http(start_own, servers=[farm.servers_for(1)[0], server])
    wait_for_status(cluster, "/ready", 200)
    yield cluster, server
    if server.program.ended():
        server.start()


# ---- the forms of requests ----

@pytest.mark.parametrize("path", ["/health", "/ready", "/primary", "/primary?shard=s2", f"/ready?database={DATABASE}", "/metrics"])
def test_head_says_what_get_says_without_the_body(cluster, path):
    answer, head = get(cluster, path), get(cluster, path, "HEAD")
    assert (answer.status, head.status, head.text) == (200, 200, "")
    assert head.headers["Content-Type"] == answer.headers["Content-Type"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_several_requests_come_over_one_connection(cluster):
    with connection(cluster) as conn:
        for _ in range(3):
            assert ask(conn, "/health").status == 200
            assert ask(conn, "/nowhere").status == 404
            assert ask(conn, "/ready").status == 200


def test_health_tells_version_and_workers(cluster):
    body = get(cluster, "/health").json
    assert body["status"] == "ok" and body["workers"] == 2 and body["uptime_ms"] >= 0
    assert body["version"] == cluster.execute("SELECT version FROM nanu.router")[0][0]


@pytest.mark.parametrize("path, reason", [("/", "no such page"), ("/ready/", "no such page"), ("/primary?shard=s9", "no such shard"),
                                          ("/ready?database=nowhere", "no such database"), ("/replica?shard=", "no such shard")])
def test_what_is_not_there_is_404_and_tells_what_is(cluster, path, reason):
    answer = get(cluster, path)
    assert answer.status == 404
    assert reason in answer.json["reasons"][0] and answer.json["hint"]


@pytest.mark.parametrize("path", ["/replica?max_lag=five", "/replica?max_lag=", "/replica?max_lag=5m", "/replica?max_lag=-1s", "/replica?max_lag=5s%00",
                                  "/replica?maxlag=5s", "/replica?max_lag=5s&max_lag=6s", "/ready?max_lag=5s", "/health?shard=s1", "/metrics?x=1",
                                  "/ready?" + "&".join(f"p{i}=1" for i in range(50))])
def test_parameters_that_mean_nothing_are_400(cluster, path):
    answer = get(cluster, path)
    assert answer.status == 400, answer.text
    assert answer.json["hint"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "NONSENSE"])
def test_other_methods_are_405_and_change_nothing(cluster, method):
    answer = get(cluster, "/ready", method, body=b"x" * 1000 if method in ("POST", "PUT") else None)
    assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD"
    assert get(cluster, "/ready").status == 200


# ---- the router ----

def test_a_worker_that_does_not_turn_fails_every_probe_until_it_does(start_own):
    cluster = with_http(start_own, shards=1, workers=2)
    wait_for_status(cluster, "/ready", 200)
    with frozen_thread(cluster.router.program.pid, "nanu-worker-1"):
        for path in ("/health", "/ready", "/metrics", "/health"):
            answer = get(cluster, path)
            assert answer.status == 503 and "worker 1 has not answered" in answer.json["reasons"][0]
    wait_for_status(cluster, "/health", 200)
    assert get(cluster, "/ready").status == 200


def test_a_disabled_database_is_not_ready_and_others_are(start_own):
    cluster = with_http(start_own, shards=1)
    wait_for_status(cluster, "/ready", 200)
    with cluster.connect() as operator:
        operator.execute("SELECT nanu.disable(%s)", [DATABASE])
        answer = get(cluster, "/ready")
        assert answer.status == 503 and "every database is disabled" in answer.json["reasons"]
        answer = get(cluster, f"/ready?database={DATABASE}")
        assert answer.status == 503 and f'database "{DATABASE}" is disabled' in answer.json["reasons"]
        assert get(cluster, "/health").status == 200
        operator.execute("SELECT nanu.enable(%s)", [DATABASE])
    assert get(cluster, "/ready").status == 200


def test_the_process_that_was_taken_over_says_so_and_the_new_one_is_ready(start_own):
    cluster = with_http(start_own, shards=1)
    wait_for_status(cluster, "/ready", 200)
    with cluster.connect() as staying, connection(cluster) as conn:
        staying.execute("SELECT 1")
        assert ask(conn, "/ready").status == 200
        old = cluster.router.take_over()
        answer = ask(conn, "/ready")
        assert answer.status == 503 and answer.json["reasons"] == ["another process has taken over"]
        assert answer.headers["Connection"] == "close"
        assert wait_for_status(cluster, "/ready", 200).headers["Connection"] != "close"
        assert not old.ended()
    wait_until(old.ended, "the old process ends")
    assert get(cluster, "/health").status == 200


def test_no_request_is_refused_while_processes_take_over(start_own):
    cluster = with_http(start_own, shards=1)
    wait_for_status(cluster, "/ready", 200)
    over = False

    def keep_asking():
        count = 0
        while not over:
            assert get(cluster, "/health").status == 200
            count += 1
        return count

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(keep_asking) for _ in range(4)]
        try:
            old = [cluster.router.take_over() for _ in range(3)]
        finally:
            over = True
        assert all(task.result() > 0 for task in asking)
    for program in old:
        wait_until(program.ended, "the old processes end")


def test_a_new_process_answers_where_its_configuration_says(start_own):
    cluster = with_http(start_own, shards=1)
    wait_for_status(cluster, "/ready", 200)
    before = dict(cluster.router.settings)
    cluster.router.settings["http_port"] = free_port()
    cluster.router.configure()
    old = cluster.router.take_over()
    wait_for_status(cluster, "/ready", 200)
    wait_until(old.ended, "the old process ends")
    cluster.router.settings, moved = before, cluster.router.settings
    with pytest.raises(ConnectionRefusedError):
        get(cluster, "/health")
    cluster.router.settings = moved


# ---- primaries ----

def test_a_stopped_primary_is_named_and_comes_back(own):
    cluster, server = own
    server.stop()
    answer = wait_for_status(cluster, "/ready", 503)
    assert answer.json["reasons"] == ["shard s2: primary n2 does not answer"]
    assert [shard["writable"] for shard in answer.json["shards"]] == [True, False]
    assert get(cluster, "/primary").status == 503
    assert get(cluster, "/primary?shard=s1").status == 200
    assert get(cluster, "/primary?shard=s2").status == 503
    assert get(cluster, "/health").status == 200
    server.start()
    wait_for_status(cluster, "/ready", 200)
    assert get(cluster, "/primary?shard=s2").status == 200


def test_a_primary_that_says_nothing_is_not_there(own):
    cluster, server = own
    with frozen_server(server):
        wait_for_status(cluster, "/primary?shard=s2", 503)
        assert get(cluster, "/ready").status == 503
        assert get(cluster, "/primary?shard=s1").status == 200
    wait_for_status(cluster, "/ready", 200)


def test_who_drains_a_node_or_pauses_a_database_to_restart_it_stays_ready(own):
    cluster, server = own
    with cluster.connect() as operator:
        operator.execute("SELECT nanu.drain('n2')")
        server.stop()
        wait_until(lambda: not get(cluster, "/primary?shard=s2").json["shards"][0]["writable"], "the router knows that the server is gone")
        assert get(cluster, "/ready").status == 200
        operator.execute("SELECT nanu.resume(node => 'n2')")
        assert get(cluster, "/ready").status == 503
        operator.execute("SELECT nanu.pause(%s)", [DATABASE])
        assert get(cluster, "/ready").status == 200
        server.start()
        operator.execute("SELECT nanu.resume(%s)", [DATABASE])
    wait_for_status(cluster, "/ready", 200)


def test_a_schema_that_could_not_be_read_is_not_ready(start_own, farm):
    server = farm.extra_server(f"late-{farm.database_count}")
    cluster = with_http(start_own, servers=[server])
    wait_for_status(cluster, "/ready", 200)
    cluster.router.stop()
    server.stop()
    try:
        cluster.router.start()
        answer = wait_for_status(cluster, "/ready", 503)
        assert f'the schema of database "{DATABASE}" could not be read yet' in answer.json["reasons"]
    finally:
        server.start()
    wait_for_status(cluster, "/ready", 200)


# ---- settings ----

def test_nothing_is_answered_unless_it_is_asked_for(start_own):
    cluster = start_own(shards=1)
    assert cluster.execute("SELECT value, needs_restart FROM nanu.settings WHERE name = 'http_port'") == [("", True)]
    threads = [task.read_text().strip() for task in pathlib.Path(f"/proc/{cluster.router.program.pid}/task").glob("*/comm")]
    assert "nanu-answers" in threads and "nanu-http" not in threads
