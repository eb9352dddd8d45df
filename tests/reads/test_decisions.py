"""What leaves the primary is decided as PostgreSQL itself would: statements of all kinds, each explained, run through nanu with replicas in use and
directly, and, where nanu would send it to a replica, on that replica."""
import re

import psycopg
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PASSWORD, SUPERUSER
from harness.wait import wait_until
from harness.wire import Wire
from transparency.both import WAYS, Both
from transparency.cases_sql import SCRIPTS, SETUP

ONE_LOOP = "uring"

MAKES = re.compile(r"create|into|alter|prepare transaction|insert|update|delete|setval|nextval|truncate|copy|merge|drop|import", re.I)
ALONE = {name: statements[0] for name, statements in SCRIPTS.items() if len(statements) == 1}
READING = {name: sql for name, sql in ALONE.items() if not MAKES.search(sql)}
REPLICA = "Node: a replica, where nanu.consistency allows it"

# What a replica would take, and nanu keeps on the primary: code that may do anything, what is a server's own, what it cannot look into.
KEPT = re.compile(r"\b(tell|warn|fail|many)\(|pg_\w+|information_schema|current_setting|set_config|txid|version\(|explain|show|lo_|dblink|has_\w+_privilege"
                  r"|inet_|setseed|currval|lastval|query_to_xml|table_to_xml|ts_stat|to_reg|no_such|nope|tablesample|FROM b|format_type|col_description|obj_description", re.I)


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=1, replicas=1, workers=1, consistency="eventual")
    with made.servers[0].connect(made.node_database) as conn:
        if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = 'other'").fetchone():
            conn.execute(f"CREATE ROLE other; GRANT other TO {USER}")
        conn.execute(f"ALTER DATABASE {made.node_database} SET search_path = work, public")
    with made.servers[0].connect(made.node_database) as conn:
        conn.execute(SETUP)
    made.catch_up()
    made.router.stop()  # the schema is known from its start
    made.router.start()
    wait_until(lambda: made.execute("SELECT bool_and(serves) FROM nanu.replication WHERE role = 'replica'") == [(True,)], "the replica serves")
    return made


@pytest.fixture(scope="module")
def both(cluster, farm):
    server, direct = cluster.servers[0], farm.new_database_name()
    with Wire(server.port, SUPERUSER, PASSWORD, "postgres") as admin:
        admin.rows(f"CREATE DATABASE {direct} OWNER {USER}")
        admin.rows(f"ALTER DATABASE {direct} SET search_path = work, public")
    with Wire(server.port, SUPERUSER, PASSWORD, direct) as admin:
        admin.rows(SETUP)
    return Both({"port": server.port, "database": direct, "user": USER, "password": USER_PASSWORD},
                {"port": cluster.router.port, "database": DATABASE, "user": USER, "password": USER_PASSWORD}, lambda side: None)


@pytest.mark.parametrize("name", READING)
def test_replicas_answer_as_the_primary_does(both, name):
    both.compare(name, [step for make in WAYS.values() for step in make([READING[name]])], makes_objects=False)


def test_many_left_the_primary(cluster):
    """The test above says nothing if all of it stayed there."""
    (reads,), = cluster.execute("SELECT value FROM nanu.stats WHERE name = 'replica_reads'")
    assert reads > 500


def leaves(conn, sql):
    """Whether nanu would let a replica serve it; None: it cannot be parsed."""
    try:
        return REPLICA in [line for line, in conn.execute("SELECT nanu.explain(%s)", [sql])]
    except psycopg.errors.SyntaxError:
        return None


def test_each_decision_is_postgresqls(cluster):
    left, wrong = 0, []
    with cluster.connect() as conn, on_replica(cluster) as replica:
        for name, sql in ALONE.items():
            left += bool(leaves(conn, sql))
            refused = refusal(replica, sql)
            if leaves(conn, sql) and refused:
                wrong.append(f"{name}: a replica refuses it: {refused}")
            elif leaves(conn, sql) is False and not refused and not KEPT.search(sql) and re.match(r"\s*(select|with|values|table)\b", sql, re.I):
                wrong.append(f"{name}: a replica takes it, and nothing keeps it on the primary: {sql[:200]}")
    assert not wrong, "\n".join(wrong)
    assert left >= 100


# VOLATILE, but a replica answers as well as the primary; STABLE, but of the server that is asked.
READS_TEXT = re.compile(r"(table|schema|database)_to_xml")  # its arguments say which tables: it could not be told what of
HARMLESS = {"clock_timestamp", "gen_random_uuid", "pg_sleep", "pg_sleep_for", "pg_sleep_until", "random", "timeofday"}
OF_SERVER = re.compile(r"current_setting|inet_server_|pg_backend_pid|pg_conf_load_time|pg_current_snapshot|pg_current_xact_id"
                       r"|pg_postmaster_start_time|pg_sequence_last_value|txid_current|version$|pg_stat_|pg_show_")


def test_functions_leave_by_their_volatility(cluster):
    """Every function of PostgreSQL's own, called with NULLs."""
    with on_replica(cluster) as replica, cluster.connect() as conn:
        functions = replica.execute(
            "SELECT proname, provolatile = 'v', (SELECT coalesce(string_agg('NULL::' || format_type(a, NULL), ', '), '') FROM unnest(proargtypes) a),"
            " EXISTS (SELECT FROM pg_proc o WHERE o.proname = p.proname AND o.provolatile = 'v') FROM pg_proc p"
            " WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT EXISTS (SELECT FROM pg_type t"
            "  WHERE t.oid = ANY (proargtypes || prorettype) AND t.typtype = 'p' AND t.typname <> 'void')").fetchall()
        wrong, asked = [], 0
        for name, volatile, arguments, some_volatile in functions:
            sql = f'SELECT pg_catalog."{name}"({arguments})'
            expected = (not some_volatile or name in HARMLESS) and not OF_SERVER.match(name) and not READS_TEXT.match(name)
            decided = leaves(conn, sql)
            if decided and volatile and name not in HARMLESS:
                wrong.append(f"{sql}: it is VOLATILE, and leaves the primary")
            if decided != expected:
                wrong.append(f"{sql}: leaves: {decided}, by its volatility: {expected}")
            if decided and name not in HARMLESS:
                asked += 1
                if refusal(replica, sql):
                    wrong.append(f"{sql}: a replica refuses it: {refusal(replica, sql)}")
        assert not wrong, "\n".join(wrong[:50])
        assert asked >= 1000


def on_replica(cluster):
    return cluster.replicas[0][0].connect(cluster.node_database, user=USER, password=USER_PASSWORD)


def refusal(replica, sql):
    """Why a replica does not take it: what it says of itself, and not of the statement."""
    try:
        replica.execute(sql)
    except psycopg.Error as error:
        text = str(error)
        if error.sqlstate in ("25006",) or "recovery" in text:
            return text
    return None
