"""One shard: what a client hears through nanu is, byte for byte, what PostgreSQL says. both.py says what is compared and what is not."""
import re

import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PASSWORD, SUPERUSER
from harness.wire import Wire

from .both import WAYS, Both, simple
from .cases_protocol import CASES as PROTOCOL_CASES
from .cases_sql import SCRIPTS, SETUP
from .cases_sql_session import NOT_REPEATED, SCRIPTS as SESSION_SCRIPTS

MAKES = re.compile(r"create|into|alter|prepare transaction|insert|update|delete|setval|nextval|truncate|copy|merge|drop|import", re.I)
ALL_SCRIPTS = {**SCRIPTS, **SESSION_SCRIPTS}
remembered = {}  # the direct answers, of all event loops

WORK = f"""DROP SCHEMA IF EXISTS work CASCADE; CREATE SCHEMA work AUTHORIZATION {USER}"""


@pytest.fixture(scope="module", params=["off", "on"])
def auto_prepare(request):
    return request.param


@pytest.fixture(scope="module")
def both(start_cluster, farm, auto_prepare):
    cluster = start_cluster(shards=1, workers=1, pool_size=4, auto_prepare=auto_prepare)
    server = farm.servers_for(1)[0]
    direct = farm.new_database_name()
    sides = {"direct": {"port": server.port, "database": direct}, "routed": {"port": cluster.router.port, "database": DATABASE}}
    with Wire(server.port, SUPERUSER, PASSWORD, "postgres") as admin:
        if not admin.rows("SELECT 1 FROM pg_roles WHERE rolname = 'other'"):
            admin.rows(f"CREATE ROLE other; GRANT other TO {USER}")
        admin.rows(f"CREATE DATABASE {direct} OWNER {USER}")
    admins = {"direct": Wire(server.port, SUPERUSER, PASSWORD, direct), "routed": Wire(server.port, SUPERUSER, PASSWORD, cluster.node_database)}
    for name, database in ("direct", direct), ("routed", cluster.node_database):
        admins[name].rows(f"ALTER DATABASE {database} SET search_path = work, public")
        admins[name].rows(SETUP)

    def renew(side):
        for gid, in admins[side].rows("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
            admins[side].rows(f"ROLLBACK PREPARED '{gid}'")
        admins[side].rows(WORK)

    pair = Both(*(dict(sides[side], user=USER, password=USER_PASSWORD) for side in ("direct", "routed")), renew)
    pair.remembered = remembered
    yield pair
    for admin in admins.values():
        admin.close()


@pytest.mark.parametrize("name", ALL_SCRIPTS)
def test_script(both, auto_prepare, name):
    statements = ALL_SCRIPTS[name]
    ways = WAYS if auto_prepare == "off" else {"simple": simple, "simple, again": simple, "simple, prepared by now": simple}
    makes_objects = any(MAKES.search(sql) for sql in statements)
    if len(statements) == 1 and not makes_objects:  # nothing is left behind: one connection does for all ways
        both.compare((name, auto_prepare), [step for make in ways.values() for step in make(statements)], makes_objects=False)
        return
    wrong = {}
    for way, make in ways.items():
        if name in NOT_REPEATED and way == "pipelined":
            continue
        try:
            both.compare((name, way), make(statements), makes_objects=makes_objects)
        except AssertionError as problem:
            wrong[way] = str(problem)
    assert not wrong, "\n".join(f"\n==== {way}{text}" for way, text in wrong.items())


@pytest.mark.parametrize("name", PROTOCOL_CASES)
def test_messages(both, name):
    case = PROTOCOL_CASES[name]
    startup = case.get("startup", {})
    if startup.get("user") == SUPERUSER:
        startup = dict(startup, password=PASSWORD)
    both.compare(name, case["steps"], startup)


def test_there_are_enough():
    assert len(ALL_SCRIPTS) + len(PROTOCOL_CASES) >= 300
