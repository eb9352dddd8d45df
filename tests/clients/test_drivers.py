"""Every driver's own program, with what people do with it, through the router over two shards: TLS with the certificate checked,
SCRAM-SHA-256, transaction pooling. programs/README.md says what the programs are and what each check is."""
import shutil

import pytest

from conftest import cluster_factory
from harness.certificates import Authority
from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import make_folder
from harness.wait import wait_until

from .drivers import DRIVERS, PROGRAMS

LEFT = "nothing is left behind"        # beside the program's own checks


@pytest.fixture(scope="module")
def pki():
    folder = make_folder()
    ours, others = Authority(folder, "ours"), Authority(folder, "others")
    yield {"router": ours.issue("router", "router", "IP:127.0.0.1,DNS:localhost"), "root": ours.certificate, "other_root": others.certificate}
    shutil.rmtree(folder)


class Run:
    """A driver's program, run before a cluster of its own: what it said of each check."""

    def __init__(self, name, cluster, pki):
        self.name, self.cluster = name, cluster
        self.make_tables()
        self.results, self.said = DRIVERS[name].run({
            "PGHOST": "127.0.0.1", "PGPORT": str(cluster.router.port), "PGDATABASE": DATABASE, "PGUSER": USER, "PGPASSWORD": USER_PASSWORD,
            "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(pki["root"]), "NANU_OTHER_ROOT": str(pki["other_root"])})

    def make_tables(self):
        with self.cluster.connect() as conn:
            for statement in (PROGRAMS / "schema.sql").read_text().splitlines():
                if not statement.startswith("--"):
                    conn.execute(statement)
            for key in range(1, 21):
                conn.execute("INSERT INTO items (id, name) VALUES (%s, %s)", [key, f"item {key}"])
        for shard in (0, 1):
            with self.cluster.connect_node(shard) as node:
                assert node.execute("SELECT count(*) FROM items WHERE id <= 8").fetchone()[0] > 1, "the keys are on one shard"

    def check_nothing_is_left(self):
        wait_until(lambda: self.cluster.execute("SELECT count(*) FROM nanu.sessions") == [(1,)], "the program's sessions are gone")
        wait_until(lambda: self.cluster.execute("SELECT count(*) FROM nanu.backends WHERE state <> 'idle'") == [(0,)], "no backend is lent")
        for shard in (0, 1):
            with self.cluster.connect_node(shard) as node:
                wait_until(lambda: node.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
                                                " AND backend_type = 'client backend' AND pid <> pg_backend_pid()").fetchone() == (0,),
                           "no server process is at work or in a transaction")
                assert node.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)


@pytest.fixture(scope="module")
def run_of(farm, io, pki):
    """run_of(driver): its Run. The cluster of one ends when another driver's begins: the tests come driver by driver."""
    now = []

    def end():
        for _, cluster in now:
            next(cluster, None)
        now.clear()

    def run(name):
        if not now or now[0][0].name != name:
            end()
            clusters = cluster_factory(farm, io)
            # Few server processes, so that sessions meet in them.
            cluster = next(clusters)(shards=2, pool_mode="transaction", pool_size=3, client_tls_cert_file=str(pki["router"].certificate),
                                     client_tls_key_file=str(pki["router"].key), hba=[{"type": "hostssl", "method": "scram-sha-256"}])
            now.append((Run(name, cluster, pki), clusters))
        return now[0][0]

    yield run
    end()


@pytest.mark.parametrize("driver, check", [(name, check) for name, driver in DRIVERS.items() for check in [*driver.checks, LEFT]])
def test_driver(run_of, driver, check):
    run = run_of(driver)
    if check == LEFT:
        run.check_nothing_is_left()
    else:
        assert run.results.get(check, "the program did not come to it") == "ok", run.said
