"""The router as a process: it starts, refuses what is wrong, keeps its topology, and ends well."""
import subprocess

import psycopg
import pytest

from harness.router import NANU


def test_answers_through_each_event_loop(start_cluster):
    assert start_cluster(shards=2).execute("SELECT 1") == [(1,)]


def test_two_routers_do_not_share_a_database(start_cluster):
    one, two = start_cluster(shards=1), start_cluster(shards=1)
    one.execute("CREATE TABLE only_here (id bigint)")
    with pytest.raises(psycopg.errors.UndefinedTable):
        two.execute("SELECT * FROM only_here")


def test_a_sharded_table_is_still_sharded_after_a_restart(start_own):
    cluster = start_own(shards=2)
    cluster.execute("CREATE TABLE kept (id bigint PRIMARY KEY)")
    cluster.execute("SELECT nanu.shard_table('kept', key => 'id', placement => 'hash')")
    for number in range(100):
        cluster.execute("INSERT INTO kept VALUES (%s)", [number])
    cluster.router.stop()
    cluster.router.start()
    assert cluster.execute("SELECT count(*) FROM kept") == [(100,)]
    for shard in range(2):
        with cluster.connect_node(shard) as conn:
            assert 0 < conn.execute("SELECT count(*) FROM kept").fetchone()[0] < 100


def test_a_killed_router_starts_again_on_the_same_port(start_own):
    cluster = start_own(shards=1)
    cluster.router.kill()
    cluster.router.start()
    assert cluster.execute("SELECT 1") == [(1,)]


def test_a_port_in_use_is_an_error_that_names_it(start_own):
    cluster = start_own(shards=1)
    done = subprocess.run([NANU, "serve", "--config", cluster.router.config], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert str(cluster.router.port) in done.stderr


@pytest.mark.parametrize("text, reason", [
    ("workers: many\n", "nanu.yaml:1: "),
    ("", "nanu.yaml is empty"),
    ("nodes: [\n", "not valid YAML"),
])
def test_a_wrong_configuration_is_refused_with_its_line(tmp_path, text, reason):
    path = tmp_path / "nanu.yaml"
    path.write_text(text)
    done = subprocess.run([NANU, "serve", "--config", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert reason in done.stderr


def test_a_configuration_that_is_not_there_is_refused(tmp_path):
    done = subprocess.run([NANU, "serve", "--config", tmp_path / "nanu.yaml"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "No such file" in done.stderr


# ---- --check ----

@pytest.fixture
def configured(tmp_path):
    """A function that writes a configuration and says what --check says of it."""
    def check(users='"app" "secret"\n', store="nanu.db", agent="127.0.0.1:6532", more=""):
        (tmp_path / "users.txt").write_text(users)
        (tmp_path / "nanu.yaml").write_text(f"nodes:\n  - {{name: n1, host: 127.0.0.1, agent: '{agent}'}}\nshards:\n  - {{name: s1, nodes: [n1]}}\n"
                                            f"databases:\n  - name: shop\nusers_file: users.txt\nstore: {store}\n{more}")
        before = sorted(tmp_path.iterdir())
        done = subprocess.run([NANU, "serve", "--check", "--config", tmp_path / "nanu.yaml"], capture_output=True, text=True, timeout=60)
        assert sorted(tmp_path.iterdir()) == before
        return done
    return check


@pytest.mark.parametrize("options", [{}, {"agent": "192.0.2.1:6532", "more": "agent_tls_cert_file: a\nagent_tls_key_file: b\nagent_tls_ca_file: c\n"}],
                         ids=["plain", "agents-elsewhere"])
def test_check_is_content_with_what_would_start(configured, options):
    done = configured(**options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the configuration is valid\n", "")


@pytest.mark.parametrize("wrong, reason", [
    ({"users": '"app" "a"\n"app" "b"\n'}, 'users.txt:2: user "app" stands here a second time'),
    ({"users": "app\n"}, "users.txt:1: expected"),
    ({"store": "/nonexistent/nanu.db"}, "/nonexistent"),
    ({"store": "users.txt"}, "not a database"),
    ({"more": "listen_host: no.such.host.invalid\n"}, 'listen_host "no.such.host.invalid"'),
    ({"more": "listen_host: 192.0.2.1\n"}, 'listen_host "192.0.2.1"'),
    ({"agent": "192.0.2.1:6532"}, "agents need agent_tls_cert_file, agent_tls_key_file and agent_tls_ca_file"),
    ({"more": "agent_tls_key_file: a\n"}, "need each other"),
])
def test_check_finds_what_would_keep_it_from_starting(configured, wrong, reason):
    done = configured(**wrong)
    assert done.returncode == 1 and reason in done.stderr and not done.stdout, done


def test_check_says_everything_at_once(configured):
    done = configured(users="app\n", store="/nonexistent/nanu.db", more="listen_host: 192.0.2.1\n")
    assert len(done.stderr.splitlines()) == 3


def test_check_leaves_a_running_router_and_its_store_alone(start_own):
    cluster = start_own(shards=1)
    done = subprocess.run([NANU, "serve", "--check", "--config", cluster.router.config], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    assert cluster.execute("SELECT 1") == [(1,)]


def test_check_finds_a_configuration_that_does_not_fit_the_store(start_own):
    cluster = start_own(shards=2)
    cluster.execute("CREATE TABLE kept (id bigint PRIMARY KEY)")
    cluster.execute("SELECT nanu.shard_table('kept', key => 'id')")
    cluster.router.stop()
    cluster.router.settings["databases"][0]["shards"] = [cluster.router.settings["shards"][0]["name"]]
    cluster.router.configure()
    done = subprocess.run([NANU, "serve", "--check", "--config", cluster.router.config], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "kept" in done.stderr, done
