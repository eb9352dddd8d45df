"""Links between agents, and from routers, under mutual TLS."""
import json
import socket
import ssl
import urllib.error
import urllib.request

import pytest

from harness.agents import Shard
from harness.certificates import Authority
from harness.postgres import PASSWORD, SUPERUSER
from harness.router import Router
from harness.wait import wait_until

from .test_clients import Clients, fail, port_through
from .test_failover import another_leads

ONE_LOOP = "uring"


def own_address():
    """Of this machine, and not of its loopback if it has another one: what is sent there does not leave it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]


HOST = own_address()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"), "agents")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("other-pki"), "strangers")


def context(roots, identity=None):
    made = ssl.create_default_context(cafile=roots.certificate)
    if identity:
        made.load_cert_chain(identity.certificate, identity.key)
    return made


def files(identity, roots):
    return {"agent_tls_cert_file": str(identity.certificate), "agent_tls_key_file": str(identity.key), "agent_tls_ca_file": str(roots.certificate)}


@pytest.fixture(scope="module")
def module_shard(etcd, authority):
    identity = authority.issue("agent", "agent", made_out_for=f"IP:{HOST}")
    shard = Shard(etcd, host=HOST, tls=context(authority, identity), **files(identity, authority))
    try:
        yield shard.start()
        shard.check_logs()
    finally:
        shard.close()


def post(shard, made, scheme="https"):
    request = urllib.request.Request(f"{scheme}://{HOST}:{shard.nodes[0].agent_port}/member", json.dumps({"from": "n1b"}).encode())
    with urllib.request.urlopen(request, timeout=5, context=made) as answer:
        return json.load(answer)


def is_refused(shard, made):
    try:
        post(shard, made)
    except urllib.error.HTTPError as error:
        return error.code == 403
    except (urllib.error.URLError, ssl.SSLError, ConnectionError):
        return True
    return False


def test_agents_and_routers_with_certificates_survive_the_primary(shard):
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


def test_who_shows_no_certificate_of_ours_hears_nothing(shard, authority, stranger):
    theirs, late = stranger.issue("agent", "agent", made_out_for=f"IP:{HOST}"), authority.issue("late", "agent", made_out_for=f"IP:{HOST}", days=0)
    assert post(shard, shard.tls)["member"] == "n1a"
    wait_until(lambda: is_refused(shard, context(authority, late)), "the certificate has expired", timeout_s=5)
    assert is_refused(shard, context(authority)) and is_refused(shard, context(authority, theirs))
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        post(shard, None, scheme="http")


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_an_agent_with_a_wrong_certificate_takes_no_part(shard, authority, stranger, tmp_path, wrong):
    identity = stranger.issue("wrong", "agent", made_out_for=f"IP:{HOST}") if wrong == "authority" else authority.issue("wrong", "agent", made_out_for="IP:192.0.2.99")
    roots = stranger if wrong == "authority" else authority
    node = next(node for node in shard.nodes if node is not shard.leader())
    (tmp_path / "users.txt").write_text((shard.folder / "users.txt").read_text())
    other = tmp_path / "nanu.yaml"
    other.write_text(json.dumps(dict(shard.settings, **files(identity, roots))))
    node.kill_agent()
    node.config = other
    try:
        node.start_agent()
        wait_until(lambda: "for its certificate or ours" in shard.leader().log.read_text(), "the leader says that it does not believe it")
        wait_until(lambda: node.name not in shard.record()["electable"], "it is electable no more")
        if wrong == "authority":        # with the wrong name it still may ask
            wait_until(lambda: "for its certificate or ours" in node.log.read_text(), "nor does it believe the others")
        assert shard.leader().log.read_text().count("for its certificate or ours") <= 4
    finally:
        node.kill_agent()
        node.config = shard.config
        node.start_agent()
    wait_until(lambda: sorted(shard.record()["electable"]) == [node.name for node in shard.nodes], "it is electable again")
