"""Agents that know each other by certificates, at the machine's own address: whoever has none of their authority neither hears them nor is heard."""
import contextlib
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

import psycopg
import pytest

from harness.agents import Shard
from harness.certificates import Authority
from harness.postgres import PASSWORD, SUPERUSER, make_folder
from harness.router import Router
from harness.wait import wait_until

from .test_clients import Clients, fail, port_through
from .test_failover import another_leads

ONE_LOOP = "uring"


def own_address():
    """Of this machine, and not loopback, if it has one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]


def ipv6_loopback():
    """As it stands in `agent`; IPv4's on a machine that has no IPv6."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::1", 0))
        return "[::1]"
    return "127.0.0.1"


HOST = own_address()


class Pki:
    """Two authorities that do not know each other, and what they issued."""

    def __init__(self, folder):
        self.ours, self.others = Authority(folder, "ours"), Authority(folder, "others")
        self.member = self.ours.issue("member", "member", f"IP:{HOST}")
        self.elsewhere = self.ours.issue("elsewhere", "elsewhere", "DNS:elsewhere.example")
        self.expired = self.ours.issue("expired", "expired", f"IP:{HOST}", days=0)
        self.stranger = self.others.issue("stranger", "stranger", f"IP:{HOST}")

    def settings(self, identity=None, authority=None):
        identity = identity or self.member
        return {"agent_tls_cert_file": str(identity.certificate), "agent_tls_key_file": str(identity.key),
                "agent_tls_ca_file": str((authority or self.ours).certificate)}

    def context(self, identity=None, authority=None):
        """A client's that shows this certificate."""
        context = ssl.create_default_context(cafile=(authority or self.ours).certificate)
        if identity:
            context.load_cert_chain(identity.certificate, identity.key)
        return context


@pytest.fixture(scope="module")
def pki():
    folder = make_folder()
    yield Pki(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def module_shard(etcd, pki):
    shard = Shard(etcd, host=HOST, tls=pki.context(pki.member), **pki.settings())
    try:
        yield shard.start()
        shard.check_logs()
    finally:
        shard.close()


@pytest.fixture
def agent_with(shard):
    """agent_with(settings) -> a node that does not lead, whose agent was started again with these."""
    changed = []

    def start(settings):
        wait_until(lambda: len(electable(shard)) == len(shard.nodes), "all hear each other")
        node = next(node for node in shard.nodes if node is not shard.leader())
        changed.append(node)
        node.agent.stop(signal.SIGTERM)
        node.seen = {other: len(other.log.read_text()) for other in shard.nodes}
        node.start_agent(config=shard.write_config(shard.folder / "other.yaml", **settings))
        return node

    yield start
    for node in changed:
        node.agent.stop(signal.SIGTERM)
        node.start_agent()


def curl(node, *options, scheme="https"):
    """What this client of the agent gets: HTTP's status, "000" when it was not spoken to by HTTP; and curl's reason."""
    question, url = json.dumps({"from": node.shard.other(node).name}), f"{scheme}://{node.shard.host}:{node.agent_port}/member"
    done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", "5", "--noproxy", "*", "--output", "/dev/null", "--write-out", "%{http_code}",
                           "--data", question, *map(str, options), url], capture_output=True, text=True)
    return done.stdout, done.stderr


def show(identity):
    return ["--cert", identity.certificate, "--key", identity.key]


def complaints(node, about, since=0):
    """What the agent's log says of not hearing the other one."""
    return re.findall(rf'peer={re.escape(about.shard.host)}:{about.agent_port} msg="it is not heard: (.*)"', node.log.read_text()[since:])


def electable(shard):
    return sorted(shard.record()["electable"])


def test_the_shard_outlives_its_primary(shard, writers):
    old = shard.leader()
    old.kill_agent()
    old.kill_server()
    wait_until(lambda: shard.primary() not in (None, old), "another node leads", timeout_s=30)
    new = shard.primary()
    writers.goes_on()
    assert shard.primaries() == [new]
    old.start_agent()
    wait_until(lambda: old.follows(new), "the old primary follows the new one")


def test_members_speak_tls_only(shard, pki):
    node = shard.nodes[0]
    assert curl(node, "--cacert", pki.ours.certificate, *show(pki.member))[0] == "200"
    assert curl(node, "--insecure", *show(pki.member), "--tls-max", "1.2")[0] == "200"
    assert curl(node, "--insecure", *show(pki.member), "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")[0] == "000"
    assert curl(node, scheme="http")[0] == "000"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("who", [None, "stranger", "expired"])
def test_a_client_that_is_no_member_gets_nothing(shard, pki, who, version):
    node, since = shard.nodes[0], len(shard.nodes[0].log.read_text())
    shown = show(getattr(pki, who)) if who else []
    status, reason = curl(node, "--insecure", *shown, "--tls-max", version, "--tlsv1.2")
    assert status == "000" and reason
    assert curl(node, "--insecure", *show(pki.member))[0] == "200"
    assert node.log.read_text()[since:].count("\n") < 5


def test_who_says_nothing_takes_no_place_of_a_member(shard):
    node = shard.nodes[0]
    silent = []
    try:
        for _ in range(700):         # more than AGENT_CONNECTIONS_MAX
            silent.append(socket.create_connection((HOST, node.agent_port), source_address=("127.0.0.9", 0)))
        for other in shard.nodes:
            assert other.state()
        assert electable(shard) == sorted(node.name for node in shard.nodes)
    finally:
        for sock in silent:
            sock.close()


def test_an_agent_of_another_authority_neither_hears_nor_is_heard(shard, pki, agent_with):
    stranger = agent_with(pki.settings(pki.stranger, pki.others))
    others = [node for node in shard.nodes if node is not stranger]
    wait_until(lambda: stranger.name not in electable(shard), "the others do not hear it")
    assert not stranger.state()
    assert curl(stranger, "--cacert", pki.others.certificate, *show(pki.stranger))[0] == "200"
    for node in others:
        wait_until(lambda: complaints(node, stranger, stranger.seen[node]), "it is told of")
        wait_until(lambda: complaints(stranger, node, stranger.seen[stranger]), "it tells")
    time.sleep(2)               # a dozen questions
    for node in others:
        told = complaints(node, stranger, stranger.seen[node])
        assert len([reason for reason in told if "certificate" in reason]) == 1 and len(told) <= 2         # the other: that it was not there
        assert len(complaints(stranger, node, stranger.seen[stranger])) == 1
    assert electable(shard) == [node.name for node in others]


def test_who_believes_the_others_is_not_believed_for_that(shard, pki, agent_with):
    stranger = agent_with(pki.settings(pki.stranger))
    wait_until(lambda: stranger.name not in electable(shard), "the others do not hear it")
    for node in shard.nodes:
        if node is not stranger:
            wait_until(lambda: complaints(stranger, node, stranger.seen[stranger]), "it tells")


def test_a_certificate_for_another_name_is_not_believed(shard, pki, agent_with):
    node = agent_with(pki.settings(pki.elsewhere))
    wait_until(lambda: node.name not in electable(shard), "the others do not hear it")
    for other in shard.nodes:
        if other is not node:
            wait_until(lambda: any("subject" in reason for reason in complaints(other, node, node.seen[other])), "it is told of")
            assert not complaints(node, other, node.seen[node])         # as one who asks it is a member


def test_the_oldest_version_is_as_configured(shard, pki, agent_with):
    node = agent_with({"tls_version_min": "TLSv1.3"})
    wait_until(node.state, "it answers")
    assert curl(node, "--insecure", *show(pki.member), "--tls-max", "1.2")[0] == "000"
    wait_until(lambda: node.name in electable(shard), "the others hear it")


def test_agents_answer_at_an_address_of_ipv6(etcd, pki):
    host = ipv6_loopback()
    identity = pki.ours.issue("ipv6", "ipv6", f"IP:{host.strip('[]')}")
    shard = Shard(etcd, nodes=2, host=host, tls=pki.context(identity), **pki.settings(identity))
    try:
        shard.start()
        wait_until(lambda: electable(shard) == ["n1a", "n1b"], "they hear each other")
        settings = dict(shard.settings)
        settings.pop("listen_port")
        router = Router(settings, {SUPERUSER: PASSWORD})
        try:
            router.start()
            wait_until(lambda: port_through(router) == shard.nodes[0].port, "the router has a permit")
            router.stop()
        finally:
            router.remove()
        shard.check_logs()
    finally:
        shard.close()


def test_routers_with_certificates_have_permits_and_follow_the_leader(shard):
    settings = dict(shard.settings)
    settings.pop("listen_port")
    router = Router(settings, {SUPERUSER: PASSWORD})
    try:
        router.start()
        old = shard.primary()
        wait_until(lambda: port_through(router) == old.port, "the router has a permit")
        with Clients(router) as clients:
            fail(old)
            new = another_leads(shard, old)
            clients.goes_on()
        assert clients.turned_over(old, new) and not clients.unexpected()
        router.stop()
    finally:
        router.remove()


def test_a_router_without_a_certificate_of_ours_has_no_permit(shard, pki):
    settings = dict(shard.settings, **pki.settings(pki.stranger), users=[{"name": SUPERUSER, "failover_wait": "200"}])
    settings.pop("listen_port")
    router = Router(settings, {SUPERUSER: PASSWORD})
    try:
        router.start()
        with pytest.raises(psycopg.OperationalError, match="has no primary"):
            port_through(router)
        wait_until(lambda: "it is not heard" in router.program.log_text(), "the log says why")
        router.stop()
    finally:
        router.remove()
