"""`nanu playground`: starts, is taken over, stops, and leaves nothing behind."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import psycopg
import pytest

from harness.program import free_port, server_user
from harness.router import NANU
from harness.wait import PATIENCE, wait_until

READY_S = 30
ROWS_WANTED = 100_000
SHOP = "user=shop password=shop dbname=shop host=127.0.0.1 connect_timeout=10"


def is_alive(pid):
    """Running; a zombie that its parent has not reaped is not."""
    try:
        return "State:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


class Playground:
    """replicas: of each shard; None: the default."""

    def __init__(self, above, name="play", replicas=0):
        self.dir = above / name
        self.port = free_port()
        self.choice = [] if replicas is None else ["--replicas", str(replicas)]

    def run(self, *options, timeout_s=120):
        return subprocess.run([NANU, "playground", "--dir", self.dir, *options], capture_output=True, text=True,
                              timeout=timeout_s * PATIENCE, cwd="/")

    def start(self, *options):
        done = self.run("--port", str(self.port), "--detach", *self.choice, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def connect(self):
        return psycopg.connect(f"{SHOP} port={self.port}", autocommit=True)

    def count_rows(self):
        with self.connect() as conn:
            return sum(conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("users", "orders", "order_items"))

    def router_pid(self):
        return int((self.dir / "nanu.pid").read_text())

    def server_pids(self):
        return [int(path.read_text().split()[0]) for path in sorted(self.dir.glob("n*/postmaster.pid"))]

    def server_pid(self, name):
        return int((self.dir / name / "postmaster.pid").read_text().split()[0])

    def server_port(self, name):
        made = json.loads((self.dir / "playground.json").read_text())
        ports = {f"n{i}": port for i, port in enumerate(made["node_ports"], 1)}
        return dict(ports, **{replica["name"]: replica["port"] for replica in made["replicas"]})[name]

    def connect_server(self, name, dbname="shop"):
        return psycopg.connect(f"host=127.0.0.1 port={self.server_port(name)} user=postgres password={(self.dir / 'password').read_text()}"
                               f" dbname={dbname}", autocommit=True)

    def kill_server(self, name):
        pid = self.server_pid(name)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), f"{name} is gone")

    def slots(self, primary="n1"):
        with self.connect_server(primary) as conn:
            return conn.execute("SELECT slot_name, active FROM pg_replication_slots ORDER BY 1").fetchall()

    def processes(self):
        """Everything whose command line or folder is in the playground's folder."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and is_alive(entry.name):
                try:
                    words = (entry / "cmdline").read_bytes().decode(errors="replace") + os.readlink(entry / "cwd")
                except OSError:
                    continue
                if str(self.dir) in words:
                    found.append(int(entry.name))
        return found


@pytest.fixture(scope="module")
def above():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="nanu-play-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def playground(above, request):
    made = Playground(above, request.node.name)
    yield made
    made.run("--clean")
    assert not made.processes(), "something still runs"


@pytest.fixture(scope="module")
def running(above):
    """One that stays up, for tests that only look."""
    made = Playground(above, "running", replicas=None)
    begin = time.monotonic()
    made.output = made.start()
    made.ready_s = time.monotonic() - begin
    yield made
    made.run("--clean")
    assert not made.processes(), "something still runs"


def test_is_ready_in_time(running):
    assert running.ready_s < READY_S * PATIENCE


def test_has_a_shop_with_enough_rows(running):
    assert running.count_rows() >= ROWS_WANTED


def test_the_printed_statements_work(running):
    url = re.search(r"postgresql://\S+(?=')", running.output).group()
    statements = re.findall(r"^  (SELECT .*;)$", running.output, re.M)
    assert len(statements) == 4
    with psycopg.connect(url, autocommit=True) as conn:
        for statement in statements:
            assert conn.execute(statement).fetchall(), statement


def test_the_printed_metrics_are_there(running):
    url = re.search(r"http://127.0.0.1:\d+/metrics", running.output).group()
    with urllib.request.urlopen(url, timeout=20) as answer:
        assert b"nanu_build_info" in answer.read()
    with urllib.request.urlopen(url.replace("/metrics", "/ready"), timeout=20) as answer:
        assert answer.status == 200


def test_rows_are_spread_over_the_servers(running):
    ports = json.loads((running.dir / "playground.json").read_text())["node_ports"]
    password = (running.dir / "password").read_text()
    counts = []
    for port in ports:
        with psycopg.connect(f"host=127.0.0.1 port={port} user=postgres password={password} dbname=shop") as conn:
            counts.append(conn.execute("SELECT count(*) FROM users").fetchone()[0])
    assert sum(counts) == 10_000
    assert min(counts) > 4_000


def test_secrets_are_private(running):
    for name in ("password", "nanu.yaml", "users.txt"):
        assert (running.dir / name).stat().st_mode & 0o777 == 0o600


def test_a_second_start_takes_over_what_runs(running):
    before = running.router_pid(), running.server_pids()
    output = running.start()
    assert "2 found running" in output and "4 found running: all follow" in output and "router found running" in output
    assert (running.router_pid(), running.server_pids()) == before


def test_another_number_of_shards_is_refused(running):
    done = running.run("--shards", "3", "--detach")
    assert done.returncode == 1
    assert "has 2 shards, not 3" in done.stderr


def test_a_port_in_use_is_refused_before_anything_starts(running, playground):
    playground.port = running.port
    done = playground.run("--port", str(running.port))
    assert done.returncode == 1
    assert f"port {running.port} of 127.0.0.1 is in use" in done.stderr
    assert not list(playground.dir.glob("n*"))


def test_two_playgrounds_run_side_by_side(running, playground):
    playground.start("--shards", "1")
    assert playground.count_rows() == running.count_rows()


def test_data_is_kept_between_starts(playground):
    playground.start("--shards", "1")
    with playground.connect() as conn:
        conn.execute("UPDATE users SET name = 'Me' WHERE id = 1")
    assert playground.run("--stop").returncode == 0
    assert not playground.processes()
    assert "loaded" not in playground.start()
    with playground.connect() as conn:
        assert conn.execute("SELECT name FROM users WHERE id = 1").fetchone() == ("Me",)


def test_a_killed_router_and_server_are_replaced_and_the_rest_taken_over(playground):
    playground.start()
    router, (killed, kept) = playground.router_pid(), playground.server_pids()
    for pid in (router, killed):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(router) and not is_alive(killed), "they are gone")
    assert "1 server started, 1 found running" in playground.start()
    assert playground.server_pids()[1] == kept
    assert playground.router_pid() != router
    assert playground.count_rows() >= ROWS_WANTED


def start_in_foreground(playground):
    popen = subprocess.Popen([NANU, "playground", "--dir", playground.dir, "--port", str(playground.port), *playground.choice], stdout=subprocess.PIPE, text=True,
                             cwd="/")
    for line in popen.stdout:
        if line.startswith("Configuration, data and logs"):
            return popen
    raise AssertionError("it ended before it was ready")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(playground, how):
    popen = start_in_foreground(playground)
    assert len(playground.processes()) > 2
    popen.send_signal(how)
    assert popen.wait(60 * PATIENCE) == 0
    assert not playground.processes()
    for log in playground.dir.glob("log/n[0-9]*.log"):
        assert "database system is shut down" in log.read_text()


def test_a_killed_playground_leaves_what_the_next_takes_over(playground):
    popen = start_in_foreground(playground)
    before = playground.router_pid(), playground.server_pids()
    popen.kill()
    popen.wait()
    output = playground.start()
    assert "2 found running" in output and "router found running" in output
    assert (playground.router_pid(), playground.server_pids()) == before


@pytest.mark.parametrize("foreground", [True, False])
def test_a_router_that_took_over_belongs_to_the_playground(playground, foreground):
    popen = start_in_foreground(playground) if foreground else playground.start()
    old = playground.router_pid()
    os.kill(old, signal.SIGUSR2)
    wait_until(lambda: playground.router_pid() != old and not is_alive(old), "another one has taken over")
    assert playground.count_rows() >= ROWS_WANTED
    assert playground.run("--stop").returncode == 0
    assert not foreground or popen.wait(60 * PATIENCE) == 0
    assert not playground.processes()


def test_one_in_the_foreground_keeps_others_away_until_stopped(playground):
    popen = start_in_foreground(playground)
    done = playground.run("--detach")
    assert done.returncode == 1
    assert f"another 'nanu playground' (pid {popen.pid})" in done.stderr
    assert playground.run("--stop").returncode == 0
    assert popen.wait(60 * PATIENCE) == 0
    assert not playground.processes()


def test_killed_while_it_loads_it_loads_anew(playground):
    popen = subprocess.Popen([NANU, "playground", "--dir", playground.dir, "--port", str(playground.port), "--shards", "1",
                              "--replicas", "0"], stdout=subprocess.PIPE, text=True, cwd="/")
    for line in popen.stdout:
        if line.startswith("- tables made"):
            break
    popen.kill()
    popen.wait()
    assert "order items loaded" in playground.start()
    assert playground.count_rows() >= ROWS_WANTED


def test_a_pid_of_somebody_else_is_not_believed(playground):
    playground.start("--shards", "1")
    assert playground.run("--stop").returncode == 0
    somebody = subprocess.Popen(["sleep", "1000"])
    try:
        (playground.dir / "nanu.pid").write_text(f"{somebody.pid}\n")
        pid_file = playground.dir / "n1" / "postmaster.pid"
        pid_file.write_text(f"{somebody.pid}\n{playground.dir}/n1\n1700000000\n")
        user = server_user()
        if user:
            os.chown(pid_file, user.pw_uid, user.pw_gid)
        assert "1 server started" in playground.start()
        assert playground.run("--stop").returncode == 0
        assert somebody.poll() is None
    finally:
        somebody.kill()
        somebody.wait()


def test_clean_deletes_what_it_made_and_nothing_else(playground):
    playground.start("--shards", "1")
    (playground.dir / "mine.txt").write_text("mine")
    done = playground.run("--clean")
    assert done.returncode == 0
    assert [path.name for path in playground.dir.iterdir()] == ["mine.txt"]
    assert not playground.processes()


def test_a_folder_that_is_no_playground_is_left_alone(above):
    folder = above / "thesis"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    other = Playground(above, "thesis")
    for options in (["--clean"], ["--stop"], ["--detach"]):
        done = other.run(*options)
        assert done.returncode == 1
        assert "is not a playground" in done.stderr
    assert (folder / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("options, reason", [
    (["--port", "0"], "--port must be from 1 to 65535"),
    (["--port", "many"], "--port must be a whole number"),
    (["--shards", "65"], "--shards must be from 1 to 64"),
    (["--replicas", "9"], "--replicas must be from 0 to 8"),
    (["--frobnicate"], "unrecognized option '--frobnicate'"),
    (["surplus"], "unexpected argument 'surplus'"),
    (["--stop", "--detach"], "only one of"),
])
def test_wrong_options_are_refused(above, options, reason):
    done = Playground(above, "none").run(*options)
    assert done.returncode == 2
    assert reason in done.stderr
    assert not (above / "none").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root runs servers as somebody else")
def test_a_folder_closed_to_the_servers_user_is_refused_with_the_way_out(above):
    closed = above / "closed"
    closed.mkdir(mode=0o700)
    done = Playground(closed).run("--detach")
    assert done.returncode == 1
    assert f"may not enter {closed}" in done.stderr and "--dir" in done.stderr
    assert not list(closed.iterdir())


@pytest.mark.skipif(os.getuid() != 0, reason="only root's playground may stand under /var/lib")
@pytest.mark.parametrize("words", [["status"], ["playground", "--stop"]])
def test_who_only_looks_for_a_playground_makes_nothing(above, words):
    closed = above / "looked"
    closed.mkdir(mode=0o700, exist_ok=True)
    known = pathlib.Path("/var/lib/nanu").exists()
    subprocess.run([NANU, *words], capture_output=True, timeout=60, cwd=closed)
    assert pathlib.Path("/var/lib/nanu").exists() == known and not list(closed.iterdir())


@pytest.mark.skipif(os.getuid() != 0, reason="only root's playground may stand under /var/lib")
def test_a_root_in_a_closed_folder_gets_a_playground_that_the_servers_reach(above):
    closed = above / "home"
    closed.mkdir(mode=0o700)
    known = pathlib.Path("/var/lib/nanu").exists()
    play = Playground(pathlib.Path("/var/lib/nanu"), str(closed).strip("/").replace("/", "-"))
    run = lambda *options: subprocess.run([NANU, "playground", *options], capture_output=True, text=True, timeout=120 * PATIENCE, cwd=closed)
    done = run("--port", str(play.port), "--detach", "--replicas", "0")
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        assert play.dir.is_dir() and play.count_rows() >= ROWS_WANTED
    finally:
        run("--clean")
        if not known:
            play.dir.parent.rmdir()


# ---- replicas ----

@pytest.fixture(scope="module")
def small(above):
    """One shard with one replica; each test leaves it running and whole."""
    made = Playground(above, "small", replicas=1)
    made.start("--shards", "1")
    yield made
    made.run("--clean")
    assert not made.processes(), "something still runs"


def follows(playground, name, primary="n1"):
    """A row that is written now arrives."""
    with playground.connect_server(primary) as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS marks (id bigserial)")
        mark = conn.execute("INSERT INTO marks DEFAULT VALUES RETURNING id").fetchone()
    with playground.connect_server(name) as conn:
        assert conn.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        wait_until(lambda: conn.execute("SELECT to_regclass('marks')").fetchone() != (None,), f"the table arrives at {name}")
        wait_until(lambda: mark in conn.execute("SELECT id FROM marks").fetchall(), f"a row arrives at {name}")


def test_each_shard_has_replicas_that_hold_the_shop(running):
    with running.connect() as conn:
        nodes = conn.execute("SELECT name, role, shard, port FROM nanu.nodes ORDER BY name").fetchall()
    assert [node[:3] for node in nodes] == [("n1", "primary", "s1"), ("n1a", "replica", "s1"), ("n1b", "replica", "s1"),
                                            ("n2", "primary", "s2"), ("n2a", "replica", "s2"), ("n2b", "replica", "s2")]
    assert [node[3] for node in nodes] == [running.server_port(node[0]) for node in nodes]
    assert running.slots("n1") == [("n1a", True), ("n1b", True)] and running.slots("n2") == [("n2a", True), ("n2b", True)]
    for primary in "n1", "n2":
        with running.connect_server(primary) as conn:
            users = conn.execute("SELECT count(*), sum(id) FROM users").fetchone()
        for replica in f"{primary}a", f"{primary}b":
            with running.connect_server(replica) as conn:
                wait_until(lambda: conn.execute("SELECT count(*), sum(id) FROM users").fetchone() == users, f"{replica} has the users of {primary}")


def test_status_shows_roles(running):
    done = subprocess.run([NANU, "status", "--dir", running.dir], capture_output=True, text=True, timeout=60, cwd="/")
    rows = [line.split() for line in done.stdout.splitlines()]
    roles = {row[0]: row[3] for row in rows if len(row) > 3 and row[1] == "127.0.0.1"}
    assert roles == {name: "replica" if len(name) > 2 else "primary" for name in ("n1", "n1a", "n1b", "n2", "n2a", "n2b")}


def test_a_replica_has_the_name_of_its_node_on_the_primary(small):
    with small.connect_server("n1") as conn:
        assert conn.execute("SELECT application_name, state FROM pg_stat_replication").fetchall() == [("n1a", "streaming")]


def test_a_killed_replica_is_started_again(small):
    primary = small.server_pid("n1")
    small.kill_server("n1a")
    output = small.start()
    assert "1 replica started: all follow" in output and "made" not in output
    assert small.server_pid("n1") == primary
    follows(small, "n1a")


def test_a_replica_follows_its_primary_to_another_port(small):
    assert small.run("--stop").returncode == 0
    port = small.server_port("n1")
    taken = socket.create_server(("127.0.0.1", port))
    try:
        output = small.start()
        assert small.server_port("n1") != port
    finally:
        taken.close()
    assert "made" not in output
    follows(small, "n1a")


def lose_wal(playground):
    """The primary throws away what n1a, which does not run, still needs."""
    with playground.connect_server("n1") as conn:
        for _ in range(40):
            conn.execute("SELECT pg_logical_emit_message(false, 'nanu', 'x')")
            conn.execute("SELECT pg_switch_wal()")
            conn.execute("CHECKPOINT")
            if conn.execute("SELECT wal_status FROM pg_replication_slots").fetchone() == ("lost",):
                break
        assert conn.execute("SELECT wal_status FROM pg_replication_slots").fetchone() == ("lost",)


def test_a_replica_whose_wal_is_gone_is_made_anew(small):
    small.kill_server("n1a")
    lose_wal(small)
    output = small.start()
    assert "replica n1a is made anew: its primary no longer has the WAL" in output and "1 replica made" in output
    follows(small, "n1a")


@pytest.mark.parametrize("how, why", [
    ("promoted", "it is no standby any more"), ("slot dropped", "its replication slot is gone"), ("another's data", "its data is not its primary's"),
    ("ahead", "it does not follow its primary"),
])
def test_a_replica_that_cannot_follow_any_more_is_made_anew(small, how, why):
    if how in ("promoted", "ahead"):  # and no router that would follow it
        router = small.router_pid()
        os.kill(router, signal.SIGKILL)
        wait_until(lambda: not is_alive(router), "the router is gone")
    if how == "promoted":
        with small.connect_server("n1a") as conn:
            assert conn.execute("SELECT pg_promote()").fetchone() == (True,)
            conn.execute("CREATE TABLE astray ()")
    elif how == "slot dropped":
        small.kill_server("n1a")
        with small.connect_server("n1") as conn:
            wait_until(lambda: small.slots() == [("n1a", False)], "the slot is free")
            conn.execute("SELECT pg_drop_replication_slot('n1a')")
    elif how == "another's data":
        assert small.run("--stop").returncode == 0
        with open(small.dir / "n1a" / "global" / "pg_control", "r+b") as control:
            control.write(bytes(8))
    else:  # a standby again, but on a timeline that its primary does not know
        with small.connect_server("n1a") as conn:
            assert conn.execute("SELECT pg_promote()").fetchone() == (True,)
            conn.execute("CREATE TABLE astray ()")
            conn.execute("CHECKPOINT")
        small.kill_server("n1a")
        signal_file = small.dir / "n1a" / "standby.signal"
        signal_file.touch()
        user = server_user()
        if user:
            os.chown(signal_file, user.pw_uid, user.pw_gid)
    output = small.start()
    assert f"replica n1a is made anew: {why}" in output and "1 replica made" in output
    follows(small, "n1a")
    with small.connect_server("n1a") as conn:
        assert conn.execute("SELECT to_regclass('astray')").fetchone() == (None,)


@pytest.fixture(scope="module")
def standing(above):
    """One in the foreground, and what it says."""
    made = Playground(above, "standing", replicas=1)
    made.choice += ["--shards", "1"]
    made.popen = start_in_foreground(made)
    yield made
    if made.popen.poll() is None:
        made.popen.send_signal(signal.SIGINT)
        made.popen.wait(60 * PATIENCE)
    made.run("--clean")
    assert not made.processes(), "something still runs"


def says(playground, text):
    """Waits until it says so; the line."""
    return next(line for line in playground.popen.stdout if text in line)


def test_while_it_stands_a_replica_whose_wal_is_gone_is_made_anew_by_itself(standing):
    for _ in range(2):
        standing.kill_server("n1a")
        lose_wal(standing)
        assert "n1a" in says(standing, "is made anew: its primary no longer has the WAL")
        assert "n1a" in says(standing, "follows again")
        follows(standing, "n1a")
        wait_until(lambda: standing.slots() == [("n1a", True)], "it has a slot again")
    with standing.connect() as conn:
        wait_until(lambda: conn.execute("SELECT serves FROM nanu.replication WHERE node = 'n1a'").fetchone() == (True,), "reads may go to it")


def primary(playground):
    with playground.connect() as conn:
        return conn.execute("SELECT name FROM nanu.nodes WHERE role = 'primary'").fetchone()[0]


def test_a_replica_that_was_promoted_and_followed_is_not_thrown_away(standing):
    with standing.connect_server("n1a") as conn:
        assert conn.execute("SELECT pg_promote()").fetchone() == (True,)
    wait_until(lambda: primary(standing) == "n1a", "the router has followed")
    with standing.connect() as conn:
        conn.execute("CREATE TABLE after_promotion AS SELECT 42 AS answer")
    standing.popen.send_signal(signal.SIGINT)
    assert standing.popen.wait(60 * PATIENCE) == 0
    standing.popen = start_in_foreground(standing)
    assert primary(standing) == "n1a"
    with standing.connect() as conn:
        assert conn.execute("SELECT answer FROM after_promotion").fetchone() == (42,)


def test_the_others_are_made_anew_from_one_that_was_promoted(playground):
    playground.choice = ["--shards", "1", "--replicas", "2"]
    playground.start()
    added = subprocess.run([NANU, "add-replica", "s1", "--dir", playground.dir], capture_output=True, text=True, timeout=120 * PATIENCE, cwd="/")
    assert added.returncode == 0, added.stderr
    with playground.connect_server("n1a") as conn:
        assert conn.execute("SELECT pg_promote()").fetchone() == (True,)
    wait_until(lambda: primary(playground) == "n1a", "the router has followed")
    assert playground.run("--stop").returncode == 0
    assert "replica n1b is made anew: its replication slot is gone" in playground.start()
    for name in "n1b", "n1c":
        follows(playground, name, "n1a")
    assert playground.slots("n1a") == [("n1b", True), ("n1c", True)]


def test_replicas_are_added_by_a_later_start_and_not_taken_away(playground):
    playground.start("--shards", "1")
    playground.choice = ["--replicas", "1"]
    assert "1 replica made" in playground.start()
    follows(playground, "n1a")
    with playground.connect() as conn:
        assert conn.execute("SELECT name FROM nanu.nodes WHERE role = 'replica'").fetchall() == [("n1a",)]
    done = playground.run("--replicas", "0", "--detach")
    assert done.returncode == 1 and "has 1 replica of each shard, not 0" in done.stderr


def test_killed_while_it_makes_a_replica_it_begins_anew(playground):
    playground.choice = ["--replicas", "1"]
    popen = subprocess.Popen([NANU, "playground", "--dir", playground.dir, "--port", str(playground.port), "--shards", "1", *playground.choice],
                             stdout=subprocess.DEVNULL, cwd="/")
    wait_until(lambda: (playground.dir / "n1a.adding").exists(), "it makes the replica")
    popen.kill()
    popen.wait()
    assert "1 replica made" in playground.start()
    assert playground.slots() == [("n1a", True)] and not (playground.dir / "n1a.adding").exists()
    follows(playground, "n1a")


def nanu(playground, *words):
    return subprocess.run([NANU, *words, "--dir", playground.dir], capture_output=True, text=True, timeout=120 * PATIENCE, cwd="/")


def test_a_replica_is_added_to_a_running_playground_and_removed(small):
    done = nanu(small, "add-replica", "s1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "n1b is a replica of s1 now" in done.stdout
    follows(small, "n1b")
    assert small.slots() == [("n1a", True), ("n1b", True)]
    assert small.run("--stop").returncode == 0
    assert "2 replicas started: all follow" in small.start()
    with small.connect() as conn:
        assert conn.execute("SELECT name, added FROM nanu.nodes WHERE role = 'replica' ORDER BY 1").fetchall() == [("n1a", False), ("n1b", True)]
    done = nanu(small, "remove-replica", "n1b")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (small.dir / "n1b").exists() and small.slots() == [("n1a", True)]
    with small.connect() as conn:
        assert conn.execute("SELECT name FROM nanu.nodes WHERE role = 'replica'").fetchall() == [("n1a",)]
    assert "1 found running: all follow" in small.start()


def test_two_that_are_added_at_once_do_not_meet(small):
    """One of them is interrupted, and takes back what it made itself."""
    words = [NANU, "add-replica", "s1", "--dir", small.dir, "--max-rate", "10M"]
    first, second = (subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/") for _ in range(2))
    wait_until(lambda: all((small.dir / f"{name}.adding" / "base").exists() for name in ["n1b", "n1c"]), "both copy")
    second.send_signal(signal.SIGINT)
    assert "stopped by signal" in second.communicate(timeout=60 * PATIENCE)[1] and second.returncode == 1
    said, problems = first.communicate(timeout=60 * PATIENCE)
    assert first.returncode == 0, said + problems
    name = said.split(" is a replica of s1 now")[0].split()[-1]
    assert name in ("n1b", "n1c")
    follows(small, name)
    wait_until(lambda: small.slots() == [("n1a", True), (name, True)], "no other slot is left")
    assert nanu(small, "remove-replica", name).returncode == 0


def test_a_playground_in_the_foreground_stops_what_was_added(playground):
    popen = start_in_foreground(playground)
    assert nanu(playground, "add-replica", "s2").returncode == 0
    follows(playground, "n2a", "n2")
    popen.send_signal(signal.SIGINT)
    assert popen.wait(60 * PATIENCE) == 0
    assert not playground.processes()


def test_an_interrupted_addition_leaves_nothing_of_it(small):
    popen = subprocess.Popen([NANU, "add-replica", "s1", "--dir", small.dir, "--max-rate", "1M"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             text=True, cwd="/")
    wait_until(lambda: (small.dir / "n1b.adding" / "base").exists(), "it copies")
    popen.send_signal(signal.SIGINT)
    assert "stopped by signal" in popen.communicate(timeout=60 * PATIENCE)[1] and popen.returncode == 1
    wait_until(lambda: small.slots() == [("n1a", True)], "no slot is left")
    assert not list(small.dir.glob("n1b*"))
    assert [replica["name"] for replica in json.loads((small.dir / "playground.json").read_text())["replicas"]] == ["n1a"]
