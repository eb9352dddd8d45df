"""`nanu agent`: what it refuses."""
import json
import pathlib
import subprocess

import pytest

from harness.certificates import Authority
from harness.router import NANU

ONE_LOOP = "uring"
NODES = [{"name": name, "host": "127.0.0.1", "port": "5432" if name == "n1a" else "5433", "agent": f"127.0.0.1:{port}"} for name, port in (("n1a", 6001), ("n1b", 6002))]


@pytest.fixture
def refused(tmp_path):
    def refused(*words, nodes=NODES, shards=None, **more):
        (tmp_path / "users.txt").write_text('"app" "secret"\n')
        settings = {"nodes": nodes, "shards": shards or [{"name": "s1", "nodes": ["n1a", "n1b"]}], "databases": [{"name": "app"}], "users_file": "users.txt", **more}
        (tmp_path / "nanu.yaml").write_text(json.dumps(settings))
        done = subprocess.run([NANU, "agent", "--config", tmp_path / "nanu.yaml", *words], capture_output=True, text=True, timeout=60)
        assert done.returncode != 0 and not pathlib.Path(f"{tmp_path}.agent").exists()
        return done.stderr
    return refused


def test_it_needs_a_node_and_its_data(refused, tmp_path):
    assert "it needs --config FILE, --node NAME and --data DIR" in refused("--node", "n1a")
    assert "cannot find the data folder" in refused("--node", "n1a", "--data", tmp_path / "nowhere")
    assert "no node \"n1z\"" in refused("--node", "n1z", "--data", tmp_path)
    assert "--profile is fast or wan" in refused("--node", "n1a", "--data", tmp_path, "--profile", "slow")
    assert "unexpected argument 'now'" in refused("--node", "n1a", "--data", tmp_path, "now")


@pytest.mark.parametrize("agent, why", [(None, "has no agent"), ("6002", "agent must be HOST:PORT"), ("::1:6002", "agent must be HOST:PORT"),
                                        ("192.0.2.7:6002", "agents need agent_tls_cert_file, agent_tls_key_file and agent_tls_ca_file")])
def test_all_nodes_of_its_shard_have_one_that_may_be_believed(refused, tmp_path, agent, why):
    nodes = [NODES[0], {**{name: value for name, value in NODES[1].items() if name != "agent"}, **({"agent": agent} if agent else {})}]
    assert why in refused("--node", "n1a", "--data", tmp_path, nodes=nodes)


@pytest.mark.parametrize("given", ["cert", "key", "ca"])
def test_certificates_are_whole_or_not_there(refused, tmp_path, given):
    assert "nanu.yaml:1: agent_tls_cert_file, agent_tls_key_file and agent_tls_ca_file need each other" in \
        refused("--node", "n1a", "--data", tmp_path, **{f"agent_tls_{given}_file": "agent.pem"})


@pytest.mark.parametrize("which, file, why", [
    ("cert", "nowhere.crt", 'cannot load certificate file "{}/nowhere.crt"'), ("key", "nowhere.key", 'cannot read private key file "{}/nowhere.key"'),
    ("ca", "nowhere.crt", 'cannot load root certificate file "{}/nowhere.crt"'), ("key", "ours.key", "key values mismatch"),
])
def test_certificates_that_are_of_no_use_are_refused(refused, tmp_path, which, file, why):
    Authority(tmp_path, "ours").issue("agent", "agent")
    (tmp_path / "ours.key").chmod(0o600)
    files = {"cert": "agent.crt", "key": "agent.key", "ca": "ours.crt", which: file}
    assert why.format(tmp_path) in refused("--node", "n1a", "--data", tmp_path, **{f"agent_tls_{name}_file": path for name, path in files.items()})
