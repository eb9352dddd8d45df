"""The files in examples/ do what they say: HAProxy before two routers, Prometheus, the Grafana dashboard, the systemd unit."""
import contextlib
import json
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import psycopg
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.program import Program, free_port, port_is_free
from harness.router import NANU, ROOT, Router
from harness.wait import wait_until

from .asking import get, metrics, wait_for_status, with_http
from harness.once import start_cluster, start_own  # noqa: F401

EXAMPLES = ROOT / "examples"
# What Prometheus' own text calls: functions and words of PromQL, and what it says itself of every target.
NO_METRIC = {"up", "sum", "min", "max", "by", "rate", "deriv", "histogram_quantile", "le"}


class Twin:
    """A second router on the nodes of a cluster."""

    def __init__(self, cluster):
        settings = dict(cluster.router.settings, http_port=free_port(), listen_port=free_port(), router_id=2, peers=f"1=127.0.0.1:{cluster.router.port}")
        self.router = Router(settings, cluster.router.users)

    def connect(self):
        return psycopg.connect(f"host=127.0.0.1 port={self.router.port} dbname={DATABASE} user={USER} password={USER_PASSWORD}", autocommit=True)


@pytest.fixture
def two_routers(start_own):
    cluster = with_http(start_own, shards=2, replicas=1, router_id=1)
    twin = Twin(cluster)
    twin.router.start()
    try:
        for one in (cluster, twin):
            wait_for_status(one, "/ready", 200)
        yield cluster, twin
    finally:
        if twin.router.running():
            twin.router.stop()
        twin.router.remove()


# ---- HAProxy ----

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")


def test_haproxy_takes_the_example_as_it_is():
    done = subprocess.run([HAPROXY, "-c", "-f", EXAMPLES / "haproxy.cfg"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr, done.stderr


class Proxy:
    """HAProxy with the example's configuration, its addresses replaced by those of the test's routers."""

    def __init__(self, folder, routers):
        self.port, self.reading_port = free_port(), free_port()
        text = (EXAMPLES / "haproxy.cfg").read_text()
        replaced = {"bind :5432": f"bind 127.0.0.1:{self.port}", "bind :5433": f"bind 127.0.0.1:{self.reading_port}"}
        for example, one in zip(("10.0.0.2", "10.0.0.3"), routers):
            replaced[f"{example}:6432 check port 9632"] = f"127.0.0.1:{one.router.port} check port {one.router.settings['http_port']}"
        for before, after in replaced.items():
            assert before in text
            text = text.replace(before, after)
        config = folder / "haproxy.cfg"
        config.write_text(text)
        self.program = Program([HAPROXY, "-db", "-f", config], folder / "haproxy.log")

    def connect(self, port=None):
        return psycopg.connect(f"host=127.0.0.1 port={port or self.port} dbname={DATABASE} user={USER} password={USER_PASSWORD} connect_timeout=5",
                               autocommit=True)

    def router_pid(self, port=None):
        """Whom a new connection comes to; None: nobody takes it."""
        with contextlib.suppress(psycopg.OperationalError), self.connect(port) as conn:
            return conn.execute("SELECT pid FROM nanu.router").fetchone()[0]


@pytest.fixture
def proxy(two_routers, tmp_path):
    made = Proxy(tmp_path, two_routers)
    wait_until(made.router_pid, "HAProxy lets clients in")
    yield made
    made.program.stop(signal.SIGTERM)


def pids(proxy, port=None, count=12):
    return {proxy.router_pid(port) for _ in range(count)}


def both(routers):
    return {one.router.program.pid for one in routers}


def test_clients_go_on_at_the_other_router_when_one_is_killed(two_routers, proxy):
    first, second = two_routers
    first.execute("CREATE TABLE t (k bigint PRIMARY KEY)")
    wait_until(lambda: pids(proxy) == both(two_routers), "both routers get clients")
    clients = [proxy.connect() for _ in range(8)]
    homes = [conn.execute("SELECT pid FROM nanu.router").fetchone()[0] for conn in clients]
    assert set(homes) == both(two_routers)
    victim = first.router.program.pid
    first.router.kill()
    written = 0
    for number, (conn, home) in enumerate(zip(clients, homes)):
        if home == victim:
            with pytest.raises(psycopg.OperationalError):
                conn.execute("SELECT 1")
            conn = wait_until(lambda: connected(proxy), "the client is let in again", timeout_s=10)
        conn.execute("INSERT INTO t VALUES (%s)", [number])
        written += conn.execute("SELECT count(*) FROM t WHERE k = %s", [number]).fetchone()[0]
        conn.close()
    assert written == len(clients)
    assert pids(proxy) == {second.router.program.pid}
    first.router.start()
    wait_until(lambda: pids(proxy) == both(two_routers), "the router that came back gets clients")


def connected(proxy):
    with contextlib.suppress(psycopg.OperationalError):
        return proxy.connect()


def test_a_take_over_behind_it_is_not_noticed(two_routers, proxy):
    first, second = two_routers
    with proxy.connect() as conn:
        old = [one.router.take_over() for one in (first,)]
        for _ in range(10):
            assert proxy.router_pid()
        assert conn.execute("SELECT 1").fetchone() == (1,)
    wait_until(lambda: pids(proxy) == both(two_routers), "the new process gets clients")
    wait_until(old[0].ended, "the old process ends")


def test_the_reading_port_wants_replicas(two_routers, proxy):
    first, _ = two_routers
    wait_until(lambda: proxy.router_pid(proxy.reading_port), "its routers have replicas")
    replica = first.replicas[0][0]
    replica.stop(signal.SIGQUIT)
    try:
        wait_until(lambda: not proxy.router_pid(proxy.reading_port), "no router has all its replicas")
        assert proxy.router_pid()
    finally:
        replica.start()
    wait_until(lambda: proxy.router_pid(proxy.reading_port), "they have them again")


# ---- Prometheus and Grafana ----

def dashboard_expressions():
    dashboard = json.loads((EXAMPLES / "grafana-dashboard.json").read_text())
    return [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]


def named_metrics(expression):
    outside = re.sub(r"\{[^}]*\}|\[[^]]*\]|(by|on|group_left) \([^)]*\)", " ", expression)
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", outside)) - NO_METRIC


def test_every_metric_of_the_dashboard_is_exposed(start_cluster):
    cluster = with_http(start_cluster, shards=1)
    wait_for_status(cluster, "/ready", 200)
    names = metrics(cluster).names()
    expressions = dashboard_expressions()
    assert len(expressions) > 20
    for title, expression in expressions:
        assert "nanu" in expression, expression
        assert named_metrics(expression) <= names, f"{title}: {expression}"


def test_the_dashboard_has_what_grafana_wants():
    dashboard = json.loads((EXAMPLES / "grafana-dashboard.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids) and dashboard["uid"] and dashboard["schemaVersion"] >= 37
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells


def promtool(*arguments, text=None):
    return subprocess.run(["promtool", *map(str, arguments)], input=text, capture_output=True, text=True)


def test_promtool_takes_the_example_and_the_metrics(start_cluster):
    done = promtool("check", "config", EXAMPLES / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    cluster = with_http(start_cluster, shards=2)
    wait_for_status(cluster, "/ready", 200)
    done = promtool("check", "metrics", text=get(cluster, "/metrics").text)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr


class Prometheus:
    """With the example's configuration, but for its targets and how often it asks."""

    def __init__(self, folder, routers):
        self.port = free_port()
        text = (EXAMPLES / "prometheus.yml").read_text().replace("scrape_interval: 15s", "scrape_interval: 1s")
        for example, one in zip(("10.0.0.2:9632", "10.0.0.3:9632"), routers):
            assert example in text
            text = text.replace(example, f"127.0.0.1:{one.router.settings['http_port']}")
        (folder / "prometheus.yml").write_text(text)
        self.program = Program(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                                f"--web.listen-address=127.0.0.1:{self.port}"], folder / "prometheus.log")
        wait_until(lambda: self.program.ended() or not port_is_free(self.port), "Prometheus listens")
        assert not self.program.ended(), self.program.log_text()

    def query(self, expression):
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        with contextlib.suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]["result"]
        return []


def test_prometheus_scrapes_both_routers_and_every_panel_has_something_to_show(two_routers, tmp_path):
    first, second = two_routers
    prometheus = Prometheus(tmp_path, two_routers)
    try:
        wait_until(lambda: sum(float(row["value"][1]) for row in prometheus.query('up{job="nanu"}')) == 2, "both are scraped")
        with first.connect() as conn, second.connect() as other:
            def busy():
                for one in (conn, other):
                    one.execute("SELECT 1")
                return prometheus.query("sum(rate(nanu_statements_total[5s])) > 0")
            wait_until(busy, "there are rates")
            conn.execute("SET nanu.consistency = 'eventual'")
            for title, expression in dashboard_expressions():
                if "pool_wait" in expression or "fail" in expression:
                    continue    # nobody waits here
                expression = expression.replace("$__rate_interval", "5s").replace("$instance", ".*")
                wait_until(lambda: busy() and prometheus.query(expression), f"{title}: {expression}")
    finally:
        prometheus.program.stop(signal.SIGTERM)


# ---- systemd ----

@pytest.mark.parametrize("name", ["nanu.service", "nanu@1.service"])
def test_systemd_takes_the_unit(tmp_path, name):
    """For one router, and as a template for several: the file is to be installed under either name."""
    verify = shutil.which("systemd-analyze")
    if not verify:
        pytest.skip("there is no systemd-analyze")
    unit = tmp_path / name.replace("@1", "@")
    text = (EXAMPLES / "nanu.service").read_text()
    assert "/usr/local/bin/nanu" in text and text.count("nanu%i") == 3
    unit.write_text(text.replace("/usr/local/bin/nanu", str(NANU)).replace("User=nanu\nGroup=nanu\n", ""))
    done = subprocess.run([verify, "verify", "--man=no", tmp_path / name], capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if "nanu" in line]
    assert not complaints, done.stderr


def test_systemd_finds_what_it_does_not_take(tmp_path):
    """So that nothing to complain of means something, of a template too."""
    verify = shutil.which("systemd-analyze")
    if not verify:
        pytest.skip("there is no systemd-analyze")
    (tmp_path / "nanu@.service").write_text((EXAMPLES / "nanu.service").read_text().replace("/usr/local/bin/nanu serve", "/nowhere/nanu-%i serve"))
    done = subprocess.run([verify, "verify", "--man=no", tmp_path / "nanu@1.service"], capture_output=True, text=True)
    assert "/nowhere/nanu-1" in done.stderr
