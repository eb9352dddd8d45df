"""What a router answers over HTTP, and Prometheus' text format read strictly.

Source of the format: Prometheus documentation, "Exposition formats", version 0.0.4.
"""
import contextlib
import http.client
import json
import re

from harness.program import free_port
from harness.wait import PATIENCE, wait_until

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
TYPES = {"counter", "gauge", "histogram"}


def with_http(start, **settings):
    """A cluster whose router answers HTTP."""
    return start(http_port=free_port(), **settings)


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.text = response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)


@contextlib.contextmanager
def connection(cluster, timeout_s=20):
    conn = http.client.HTTPConnection("127.0.0.1", int(cluster.router.settings["http_port"]), timeout=timeout_s * PATIENCE)
    try:
        yield conn
    finally:
        conn.close()


def ask(conn, path, method="GET", **more):
    conn.request(method, path, **more)
    return Answer(conn.getresponse())


def get(cluster, path, method="GET", **more):
    with connection(cluster) as conn:
        return ask(conn, path, method, **more)


def wait_for_status(cluster, path, status):
    """The first answer with this status."""
    def found():
        answer = get(cluster, path)
        return answer if answer.status == status else None
    return wait_until(found, f"{path} answers {status}")


# ---- metrics ----

def unescape(text):
    return re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), text)


def read_labels(text):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"labels {text!r}"
        assert match[1] not in labels
        labels[match[1]] = unescape(match[2])
        at = match.end()
    return labels


class Metrics:
    """samples: {(name, frozenset of labels): value}; types: {family: type}. Whatever breaks a rule of the format is an assertion's failure."""

    def __init__(self, text):
        self.samples, self.types = {}, {}
        family = None
        assert text.endswith("\n")
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                family = line.split(" ")[2]
                assert re.fullmatch(NAME, family) and family not in self.types, f"{family} comes twice"
                assert len(line.split(" ", 3)[3]) > 5
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name == family and kind in TYPES
                self.types[name] = kind
            else:
                self.add(family, line)

    def add(self, family, line):
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels = match[1], frozenset(read_labels(match[2] or "").items())
        suffixes = ("_bucket", "_sum", "_count") if self.types[family] == "histogram" else ("",)
        assert name in [family + suffix for suffix in suffixes], f"{name} stands among {family}"
        assert (name, labels) not in self.samples, f"{line} comes twice"
        assert self.types[family] != "counter" or name.endswith("_total")
        self.samples[name, labels] = float(match[3])

    def all(self, name, **labels):
        """{labels: value} of the samples that have these labels."""
        return {found: value for (sample, found), value in self.samples.items() if sample == name and labels.items() <= dict(found).items()}

    def sum(self, name, **labels):
        return sum(self.all(name, **labels).values())

    def one(self, name, **labels):
        found = self.all(name, **labels)
        assert len(found) == 1, f"{name} {labels}: {found}"
        return next(iter(found.values()))

    def names(self):
        return {name for name, _ in self.samples} | set(self.types)


def scrape(cluster):
    answer = get(cluster, "/metrics")
    assert answer.status == 200, answer.text
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Metrics(answer.text)


def metrics(cluster):
    """As they are now: a page that was made before may be told once more, for METRICS_MS_MIN of base/limits.h."""
    last = scrape(cluster).one("nanu_uptime_seconds")

    def newer():
        told = scrape(cluster)
        return told if told.one("nanu_uptime_seconds") != last else None
    return wait_until(newer, "the metrics are told anew")
