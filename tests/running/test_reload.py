"""A configuration that was changed is taken without a session's noticing; one that is wrong changes nothing."""
import signal

import psycopg
import pytest

from harness.background import cancelled
from harness.cluster import USER, USER_PASSWORD
from harness.wait import wait_until

from .load import load


def reload(cluster, conn=None, **changes):
    cluster.router.settings.update(changes)
    cluster.router.configure()
    return conn.execute("SELECT nanu.reload()").fetchall() if conn else cluster.execute("SELECT nanu.reload()")


def setting(cluster, name, column="value"):
    return cluster.execute(f"SELECT {column} FROM nanu.settings WHERE name = %s", [name])[0][0]


def test_a_changed_setting_takes_effect_by_sql(start_own):
    cluster = start_own(shards=1, client_max=100)
    with cluster.connect() as held:
        assert reload(cluster, client_max=1) == [("the configuration was read anew",)]
        assert held.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            cluster.connect()


def test_a_changed_setting_takes_effect_by_sighup(start_own):
    cluster = start_own(shards=1, client_max=100)
    cluster.router.settings["client_max"] = 77
    cluster.router.configure()
    cluster.router.program.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: setting(cluster, "client_max") == "77", "the new value is there")


@pytest.mark.parametrize("change, reason", [
    ({"client_max": "many"}, r"nanu.yaml:\d+: client_max must be a whole number"),
    ({"nodes": []}, r"nanu.yaml:\d+"),
    ({"users_file": "nowhere"}, "nowhere"),
])
def test_a_wrong_configuration_changes_nothing_and_says_why(start_own, change, reason):
    cluster = start_own(shards=1, client_max=55)
    with cluster.connect() as conn:
        good = dict(cluster.router.settings)
        cluster.router.settings.update(change, pool_size=7)
        cluster.router.configure()
        with pytest.raises(psycopg.Error, match=reason) as error:
            conn.execute("SELECT nanu.reload()")
        assert error.value.sqlstate == "F0000"
        cluster.router.program.popen.send_signal(signal.SIGHUP)
        wait_until(lambda: "the configuration stays as it was" in cluster.router.program.log_text(), "the log says it")
        assert setting(cluster, "pool_size") == "20" and setting(cluster, "client_max") == "55"
        cluster.router.settings.clear()
        cluster.router.settings.update(good)
        assert reload(cluster)


@pytest.mark.parametrize("more", [{}, {f"agent_tls_{name}_file": "agent.pem" for name in ("cert", "key", "ca")}], ids=["plain", "certificates-that-need-a-restart"])
def test_an_agent_on_another_machine_is_not_asked_plainly(start_own, more):
    cluster = start_own(shards=1)
    nodes = [dict(cluster.router.settings["nodes"][0], agent="192.0.2.1:6532")]
    with pytest.raises(psycopg.Error, match="is at 192.0.2.1:6532, which is no address of this machine's own") as error:
        reload(cluster, nodes=nodes, **more)
    assert error.value.sqlstate == "F0000"
    assert cluster.execute("SELECT 1") == [(1,)]


def test_what_needs_a_restart_is_named_and_stays(start_own):
    cluster = start_own(shards=1, workers=2)
    reload(cluster, workers=3, pool_size=9)
    assert setting(cluster, "workers") == "2" and setting(cluster, "workers", "pending_restart") is True
    assert setting(cluster, "pool_size") == "9" and setting(cluster, "pool_size", "pending_restart") is False
    assert "setting=workers" in cluster.router.program.log_text()
    reload(cluster, workers=2)
    assert setting(cluster, "workers", "pending_restart") is False


def test_only_administrators_reload(start_own):
    cluster = start_own(shards=1, admin_users="postgres")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="nanu.reload"):
        cluster.execute("SELECT nanu.reload()")


def test_a_pool_is_made_smaller_and_larger(start_own):
    cluster = start_own(shards=1, workers=2, pool_size=8)

    operator = cluster.connect()  # who comes when the pool is used up would have to wait

    def backends():
        return operator.execute("SELECT sum(idle + lent + opening + cleaning) FROM nanu.pools WHERE user_name = %s", [USER]).fetchone()[0]

    conns = [cluster.connect() for _ in range(8)]
    for conn in conns:
        conn.execute("BEGIN")
        conn.execute("SELECT 1")
    assert backends() == 8
    reload(cluster, operator, pool_size=2)
    for conn in conns:
        conn.execute("COMMIT")
    wait_until(lambda: backends() <= 2, "those above the limit are closed")
    reload(cluster, operator, pool_size=5)
    for conn in conns[:5]:
        conn.execute("BEGIN")
        conn.execute("SELECT 1")
    assert backends() == 5
    for conn in [operator, *conns]:
        conn.close()


def test_users_come_and_go(start_own):
    cluster = start_own(shards=1, auth_from_nodes=False)
    with cluster.servers[0].connect() as conn:
        conn.execute("DROP ROLE IF EXISTS newcomer")
        conn.execute("CREATE ROLE newcomer LOGIN PASSWORD 'new'")
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        cluster.connect(user="newcomer", password="new")
    cluster.router.users["newcomer"] = "new"
    reload(cluster)
    with cluster.connect(user="newcomer", password="new") as conn:
        assert conn.execute("SELECT current_user").fetchone() == ("newcomer",)
        del cluster.router.users["newcomer"]
        reload(cluster)
        assert conn.execute("SELECT current_user").fetchone() == ("newcomer",)
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        cluster.connect(user="newcomer", password="new")


def test_a_database_comes_and_is_drained_when_it_goes(start_own):
    cluster = start_own(shards=1)
    one = cluster.router.settings["databases"]
    two = one + [{"name": "second", "node_database": cluster.node_database, "pool_mode": "session"}]
    reload(cluster, databases=two)
    idle, working = cluster.connect(dbname="second"), cluster.connect(dbname="second")
    working.execute("BEGIN")
    working.execute("SELECT 1")
    reload(cluster, databases=one)
    assert working.execute("SELECT 2").fetchone() == (2,)
    with pytest.raises(psycopg.OperationalError, match="taken out of the topology"):
        idle.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        cluster.connect(dbname="second")
    working.execute("COMMIT")
    with pytest.raises(psycopg.OperationalError):  # libpq may have read, and forgotten, the reason behind the answer to COMMIT
        working.execute("SELECT 1")
    assert cluster.execute("SELECT 1") == [(1,)]


def test_a_node_that_moves_is_followed_and_its_old_place_drained(start_own, farm):
    cluster = start_own(shards=1)
    other = farm.servers_for(2)[1]
    cluster.create_database(other)
    try:
        with cluster.connect() as working, cluster.connect() as idle:
            where = "SELECT inet_server_port()"
            working.execute("BEGIN")
            assert working.execute(where).fetchone() == (cluster.servers[0].port,)
            idle.execute("SELECT 1")
            nodes = [dict(cluster.router.settings["nodes"][0], port=str(other.port))]
            reload(cluster, nodes=nodes)
            assert idle.execute(where).fetchone() == (other.port,)
            assert working.execute(where).fetchone() == (cluster.servers[0].port,)
            working.execute("SAVEPOINT here")
            assert isinstance(cancelled(working), psycopg.errors.QueryCanceled)
            working.execute("ROLLBACK TO here")
            working.execute("COMMIT")
            assert working.execute(where).fetchone() == (other.port,)

            def left():
                with cluster.servers[0].connect() as conn:
                    return conn.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [cluster.node_database]).fetchone()[0]
            wait_until(lambda: left() == 0, "nothing is left at the old place")
    finally:
        cluster.router.stop()
        with other.connect() as conn:
            conn.execute(f"DROP DATABASE {cluster.node_database} WITH (FORCE)")


def test_reloads_under_load_are_not_noticed(start_own, tmp_path):
    cluster = start_own(shards=1, workers=2, pool_size=20)
    with load(cluster, tmp_path) as running:
        for pool_size in (5, 30, 10):
            reload(cluster, pool_size=pool_size, client_max=500 + pool_size)
            cluster.router.program.popen.send_signal(signal.SIGHUP)
            running.goes_on(f"the load runs with pool_size {pool_size}")
        assert setting(cluster, "pool_size") == "10"
    assert USER_PASSWORD not in cluster.router.program.log_text()
