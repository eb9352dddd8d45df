"""What a session keeps on one shard: the others do not have it, and DISCARD ALL ends it wherever it is."""
import psycopg
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.wire import Query, Sync, Wire, fields, run

ONE_LOOP = "uring"
OPAQUE = ["SELECT set_config(lower('WORK_MEM'), '3333kB', false)", "SELECT set_config(name, '3333kB', false) FROM pg_settings WHERE name = 'work_mem' OFFSET 0"]


@pytest.fixture(scope="module")
def cluster(start_cluster):
    return start_cluster(shards=2, workers=1)


@pytest.fixture(scope="module")
def keys(cluster):
    """Of the home shard, and of the other."""
    with cluster.connect() as conn:
        conn.execute("CREATE TABLE pair (k int PRIMARY KEY, v int)")
        conn.execute("SELECT nanu.shard_table('pair', key => 'k')")
        ports = {}
        for key in range(20):
            conn.execute(f"INSERT INTO pair VALUES ({key}, 0)")
            ports.setdefault(conn.execute(f"SELECT inet_server_port() FROM pair WHERE k = {key}").fetchone()[0], key)
    return [ports[server.port] for server in cluster.servers]


def work_mem_of_new_sessions(cluster, keys):
    found = set()
    for _ in range(6):
        with cluster.connect() as conn:
            found |= {conn.execute(f"SELECT current_setting('work_mem') FROM pair WHERE k = {key}").fetchone()[0] for key in keys}
    return found


@pytest.mark.parametrize("opaque", OPAQUE)
def test_what_cannot_be_followed_is_of_one_shard(cluster, keys, opaque):
    with cluster.connect() as conn:
        conn.execute(opaque)
        assert conn.execute(f"SELECT current_setting('work_mem') FROM pair WHERE k = {keys[0]}").fetchone() == ("3333kB",)
        for there in (f"SELECT v FROM pair WHERE k = {keys[1]}", "SELECT count(*) FROM pair"):
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot follow") as error:
                conn.execute(there)
            assert "DISCARD ALL" in error.value.diag.message_hint
        conn.execute("DISCARD ALL")
        assert conn.execute("SELECT count(*) FROM pair").fetchone() == (20,)
        assert work_mem_of_new_sessions(cluster, keys) == {"4MB"}
    assert work_mem_of_new_sessions(cluster, keys) == {"4MB"}


@pytest.mark.parametrize("kept", ["CREATE TEMP TABLE tt AS SELECT 7 AS a", "SELECT pg_advisory_lock(7)"])
@pytest.mark.parametrize("prepare", [False, True])
def test_discard_all_ends_what_another_shard_keeps(cluster, keys, kept, prepare):
    with cluster.connect() as conn:
        conn.execute(kept)
        conn.execute(f"SELECT v FROM pair WHERE k = {keys[1]}")
        conn.execute("DISCARD ALL", prepare=prepare)
        with pytest.raises(psycopg.errors.UndefinedTable):
            conn.execute("SELECT a FROM tt")
        with cluster.connect() as other:
            assert other.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (True,)


@pytest.mark.parametrize("simple", [True, False])
def test_what_a_function_sets_in_a_block_is_of_one_shard(cluster, keys, simple):
    with cluster.connect() as conn, cluster.connect() as admin:
        admin.execute("""CREATE OR REPLACE FUNCTION more() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('work_mem', '5MB', false); RETURN 'ok'; END $$""")
        conn.execute("BEGIN")
        assert conn.execute("SELECT more()").fetchone() == ("ok",)
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="may have changed settings"):
            if simple:
                conn.execute(f"SELECT current_setting('work_mem') FROM pair WHERE k = {keys[1]}", prepare=False)
            else:
                conn.execute("SELECT current_setting('work_mem') FROM pair WHERE k = %b", [keys[1]], binary=True)
        conn.execute("ROLLBACK")
        assert conn.execute(f"SELECT current_setting('work_mem') FROM pair WHERE k = {keys[1]}").fetchone() == ("4MB",)


def test_what_a_function_sets_in_a_block_is_of_one_shard_whose_key_is_in_the_text(cluster, keys):
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
        wire.rows("BEGIN")
        wire.rows("SELECT more()")
        answers = wire.ask(run(f"SELECT current_setting('work_mem') FROM pair WHERE k = {keys[1]}"), Sync)
        assert [fields(body)["C"] for kind, body in answers if kind == "E"] == ["0A000"]
        answers = wire.ask(Query("ROLLBACK"), *map(run, ["BEGIN", "SELECT more()", f"SELECT current_setting('work_mem') FROM pair WHERE k = {keys[1]}"]), Sync)
        assert [fields(body)["C"] for kind, body in answers if kind == "E"] == ["0A000"]


# ---- set_config() with parameters: known when they are bound ----

SETS = [("SELECT set_config('work_mem', %s, false)", ["3333kB"]), ("SELECT set_config(%s::text, %s::varchar, %s::boolean)", ["Work_Mem", "3333kB", False]),
        ("SELECT pg_catalog.set_config('work_mem', %b, %b)", ["3333kB", False]), ("SELECT set_config('work_mem', '3333kB', %t)", [False])]


def work_mem(conn, key):
    return conn.execute(f"SELECT current_setting('work_mem') FROM pair WHERE k = {key}").fetchone()[0]


@pytest.mark.parametrize("prepare", [False, True])
@pytest.mark.parametrize("sql, values", SETS)
def test_a_setting_given_as_a_parameter_holds_on_every_shard(cluster, keys, sql, values, prepare):
    with cluster.connect() as conn:
        for _ in range(3):
            conn.execute("RESET work_mem")
            assert [work_mem(conn, key) for key in keys] == ["4MB", "4MB"]
            assert conn.execute(sql, values, prepare=prepare).fetchone() == ("3333kB",)
            assert [work_mem(conn, key) for key in keys] == ["3333kB", "3333kB"]
            assert conn.execute("SELECT count(*) FROM pair").fetchone() == (20,)
    assert work_mem_of_new_sessions(cluster, keys) == {"4MB"}


def test_a_tenant_of_a_block_is_known_on_every_shard_and_to_nobody_after_it(cluster, keys):
    """What applications with row security send first in each transaction."""
    def tenants(conn):
        return [conn.execute(f"SELECT current_setting('app.tenant', true) FROM pair WHERE k = {key}").fetchone()[0] for key in keys]

    with cluster.connect() as conn:
        for tenant in ["o'neill", "back\\slash", "", "ünï", "long" * 1000]:
            with conn.transaction():
                assert conn.execute("SELECT set_config('app.tenant', %s, true)", [tenant]).fetchone() == (tenant,)
                assert tenants(conn) == [tenant, tenant]
            assert {value or "" for value in tenants(conn)} == {""}
        with conn.transaction(force_rollback=True):
            conn.execute("SELECT set_config('app.tenant', %s, false)", ["lost"])
            assert tenants(conn) == ["lost", "lost"]
        assert {value or "" for value in tenants(conn)} == {""}


def test_a_parameter_that_cannot_be_followed_is_of_one_shard(cluster, keys):
    with cluster.connect() as conn:
        conn.execute("SELECT set_config('work_mem', %s, false)", [None])
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot follow"):
            work_mem(conn, keys[1])
        conn.execute("DISCARD ALL")
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            conn.execute("SELECT set_config('work_mem', %s, false)", ["much"])
        assert [work_mem(conn, key) for key in keys] == ["4MB", "4MB"]
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="nanu's own"):
            conn.execute("SELECT set_config('nanu.consistency', %s, false)", ["eventual"])
        assert [work_mem(conn, key) for key in keys] == ["4MB", "4MB"]
