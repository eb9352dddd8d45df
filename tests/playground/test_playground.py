"""`nanu playground`: starts, is taken over, stops, and leaves nothing behind."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

import psycopg
import pytest

from harness.program import free_port, server_user
from harness.router import NANU
from harness.wait import PATIENCE, wait_until

READY_S = 20
ROWS_WANTED = 100_000
SHOP = "user=shop password=shop dbname=shop host=127.0.0.1 connect_timeout=10"


def is_alive(pid):
    """Running; a zombie that its parent has not reaped is not."""
    try:
        return "State:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


class Playground:
    def __init__(self, above, name="play"):
        self.dir = above / name
        self.port = free_port()

    def run(self, *options, timeout_s=120):
        return subprocess.run([NANU, "playground", "--dir", self.dir, *options], capture_output=True, text=True,
                              timeout=timeout_s * PATIENCE, cwd="/")

    def start(self, *options):
        done = self.run("--port", str(self.port), "--detach", *options)
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
    made = Playground(above, "running")
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
    assert len(statements) == 3
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
    assert "2 found running" in output and "router found running" in output
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
    popen = subprocess.Popen([NANU, "playground", "--dir", playground.dir, "--port", str(playground.port)], stdout=subprocess.PIPE, text=True,
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
    popen = subprocess.Popen([NANU, "playground", "--dir", playground.dir, "--port", str(playground.port), "--shards", "1"],
                             stdout=subprocess.PIPE, text=True, cwd="/")
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
    done = run("--port", str(play.port), "--detach")
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        assert play.dir.is_dir() and play.count_rows() >= ROWS_WANTED
    finally:
        run("--clean")
        if not known:
            play.dir.parent.rmdir()
