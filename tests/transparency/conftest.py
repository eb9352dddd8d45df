"""A database through nanu, and the same on its server."""
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.postgres import PASSWORD, SUPERUSER
from harness.wire import Wire

from .both import Both
from .cases_sql import SETUP

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
