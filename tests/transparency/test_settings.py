"""What SET leaves: the same on every backend as on one server, whoever had that backend before, and never the end of a session."""
import contextlib

import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.wire import Bind, Execute, Parse, Sync, Wire, fields, row, run

SCHEMAS = ['"Foo"', "foo", '"a, b"', "a", "b", f'"{USER}x"', "other", '"it\'s"', '"back\\slash"', '"quo""te"', '"do.t"']


@pytest.fixture(scope="module")
def cluster(start_cluster):
    """Two shards; in each schema a sharded table `t` whose rows tell the schema's name, and one that pg_catalog would hide."""
    made = start_cluster(shards=2, workers=1, pool_size=2)
    with made.servers[0].connect(made.node_database) as conn:
        if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = 'other'").fetchone():
            conn.execute(f"CREATE ROLE other; GRANT other TO {USER}")
    with made.servers[1].connect(made.node_database) as conn:
        if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = 'other'").fetchone():
            conn.execute(f"CREATE ROLE other; GRANT other TO {USER}")
    with connect(made) as wire:
        for schema in [*SCHEMAS, "public"]:
            if schema != "public":
                wire.rows(f"CREATE SCHEMA {schema}")
            wire.rows(f"CREATE TABLE {schema}.t (k int PRIMARY KEY, s text)")
            wire.rows(f"GRANT USAGE ON SCHEMA {schema} TO other")
            wire.rows(f"GRANT SELECT ON {schema}.t TO other")
            if schema in ("foo", "a", "public"):  # in the others it stands on the home shard
                wire.rows(f"SELECT nanu.shard_table('{schema}.t', key => 'k')")
            for key in range(4):
                wire.rows(f"INSERT INTO {schema}.t VALUES ({key}, $s${schema}$s$)")
        wire.rows("CREATE TABLE foo.pg_class (relname text)")
        wire.rows("INSERT INTO foo.pg_class VALUES ('mine')")
    return made


@pytest.fixture(scope="module")
def single(start_cluster):
    made = start_cluster(shards=1, workers=1, pool_size=2)
    with made.servers[0].connect(made.node_database) as conn:
        if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = 'other'").fetchone():
            conn.execute(f"CREATE ROLE other; GRANT other TO {USER}")
    return made


def connect(cluster, **startup):
    return Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE, **startup)


def direct(cluster, **startup):
    return Wire(cluster.servers[0].port, USER, USER_PASSWORD, cluster.node_database, **startup)


def heard(answer):
    """Rows, tags, errors and warnings, and what was reported last of each parameter."""
    said, reported = [], {}
    for kind, body in answer:
        if kind == "S":
            name, value = body.split(b"\0")[:2]
            reported[name] = value
        elif kind in "EN":
            said.append((kind, fields(body)["C"], fields(body)["M"]))
        elif kind == "D":
            said.append(row(body))
        elif kind in "CZ":
            said.append(body)
    return said, reported


@contextlib.contextmanager
def elsewhere(cluster, wire):
    """Within, the next statement of `wire` has another backend than the last had; there are two."""
    before = wire.one("SELECT pg_backend_pid()")
    with connect(cluster) as first, connect(cluster) as second:
        first.rows("BEGIN")
        second.rows("BEGIN")
        pid = first.one("SELECT pg_backend_pid()")
        assert before in (pid, second.one("SELECT pg_backend_pid()"))
        (second if pid == before else first).rows("ROLLBACK")
        yield
        (first if pid == before else second).rows("ROLLBACK")


def leave(cluster, statements):
    """On both backends somebody has run these."""
    with connect(cluster) as one, connect(cluster) as other:
        for wire in one, other:
            wire.rows("BEGIN")
            wire.rows("SELECT 1")
            for sql in statements:
                wire.rows(sql)
        one.rows("COMMIT")
        other.rows("COMMIT")


# ---- DateStyle ----

DATE_STYLES = [
    ["SET datestyle = 'postgres'"],
    ["SET datestyle = 'sql'", "SET datestyle = 'dmy'"],
    ["SET datestyle = dmy", "SET datestyle = iso, mdy", "SET datestyle TO german"],
    ["SET datestyle = 'german, mdy'", "SELECT set_config('datestyle', 'euro', false)"],
    ["SET datestyle = sql, ymd", "SET datestyle = default"],
    ["SET datestyle = sql, ymd", "SET datestyle = 'default'"],
    ["SET datestyle = sql, ymd", "SET datestyle = 'dmy, default'"],
    ["SET datestyle = sql", "BEGIN", "SET datestyle = dmy", "ROLLBACK", "SET datestyle = ymd"],
    ["SET datestyle = sql", "BEGIN", "SET datestyle = dmy", "SAVEPOINT s", "SET datestyle = german", "ROLLBACK TO s", "COMMIT"],
    ["SET datestyle = sql", "BEGIN", "SET LOCAL datestyle = dmy", "COMMIT", "SET datestyle = ymd"],
    ["BEGIN", "SET LOCAL datestyle = sql", "SET datestyle = dmy", "COMMIT"],
    ["SET datestyle = sql", "RESET datestyle", "SET datestyle = dmy"],
    ["SET datestyle = sql; SET datestyle = dmy; SELECT 1"],
    ["SET datestyle = postgres", "DO $$ BEGIN SET datestyle = dmy; END $$", "SET datestyle = sql"],
]


@pytest.mark.parametrize("statements", DATE_STYLES, ids=lambda statements: "; ".join(statements))
@pytest.mark.parametrize("startup", [{}, {"DateStyle": "ISO"}, {"options": "-c datestyle=sql,dmy"}], ids=str)
def test_a_datestyle_is_what_one_server_makes_of_it(single, statements, startup):
    """On the backend where it was set, on another one, and whatever the one before left there."""
    leave(single, ["SET datestyle = 'sql, dmy'"])
    with connect(single, **startup) as wire, direct(single, **startup) as alone:
        for sql in statements:
            assert heard(wire.query(sql)) == heard(alone.query(sql)), sql
        for _ in range(2):
            for sql in "SHOW datestyle", "SELECT date '01/02/0003'":
                assert wire.one(sql) == alone.one(sql)
                with elsewhere(single, wire):
                    assert wire.one(sql) == alone.one(sql)


def test_a_result_over_shards_has_one_datestyle(cluster):
    leave(cluster, ["SET datestyle = 'sql, dmy'", "SELECT count(*) FROM t"])
    with connect(cluster) as wire:
        wire.rows("SET datestyle = 'postgres'")
        wire.rows("SELECT s FROM t WHERE k = 0")
        assert set(wire.rows("SELECT date '2024-02-01'::text AS d FROM t")) == {("02-01-2024",)}


def test_a_local_datestyle_reaches_a_late_leg(cluster):
    with connect(cluster) as wire:
        wire.rows("SET datestyle = 'sql, dmy'")
        wire.rows("BEGIN")
        wire.rows("SET LOCAL datestyle = 'ymd'")
        assert {wire.one(f"SELECT current_setting('datestyle') FROM t WHERE k = {key}") for key in range(4)} == {"SQL, YMD"}
        wire.rows("SET LOCAL datestyle TO DEFAULT")
        wire.rows("COMMIT")
        wire.rows("BEGIN")
        wire.rows("SET LOCAL datestyle TO DEFAULT")
        assert {wire.one(f"SELECT current_setting('datestyle') FROM t WHERE k = {key}") for key in range(4)} == {"ISO, MDY"}
        wire.rows("COMMIT")


# ---- other settings, on another backend ----

@pytest.mark.parametrize("statements, shown", [
    (["SET TIME ZONE -5", "SET TIME ZONE LOCAL"], "SHOW timezone"),
    (["SET TIME ZONE -5"], "SHOW timezone"),
    (["SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE"], "SHOW timezone"),
    (["SET NAMES 'latin1'"], "SHOW client_encoding"),
    (["SET NAMES 'latin1'", "SET NAMES DEFAULT"], "SHOW client_encoding"),
    (["SET work_mem = '9MB'", "BEGIN", "SET LOCAL work_mem = '10MB'", "SET work_mem = '11MB'", "COMMIT"], "SHOW work_mem"),
    (["CREATE SCHEMA IF NOT EXISTS tsearch", "CREATE TEXT SEARCH CONFIGURATION tsearch.mine (COPY = simple)", "SET search_path = tsearch",
      "SET default_text_search_config = mine", "SET search_path = public"], "SHOW default_text_search_config"),
    (["SELECT set_config('search_path', 'public, \"B c\"', false)"], "SHOW search_path"),
    (["SELECT set_config('search_path', '', false)"], "SHOW search_path"),
    (["SET search_path = 'a, b', \"Foo\", 5"], "SHOW search_path"),
    (["DO $$ BEGIN SET datestyle = 'sql, dmy'; SET timezone = 'Asia/Seoul'; END $$", "RESET datestyle", "RESET timezone"],
     "SELECT current_setting('datestyle') || current_setting('timezone')"),
], ids=str)
def test_a_setting_is_the_same_on_another_backend(single, statements, shown):
    with connect(single) as wire:
        for sql in statements:
            wire.rows(sql)
        expected = wire.one(shown)
        with direct(single) as alone:
            for sql in statements:
                if not sql.startswith("CREATE"):
                    alone.rows(sql)
            assert expected == alone.one(shown)
        for _ in range(2):
            with elsewhere(single, wire):
                assert wire.one(shown) == expected


# ---- search_path ----

PATHS = [
    'SET search_path = "Foo", public',
    "SET search_path = 'Foo', public",
    "SET search_path = Foo, public",
    "SET search_path = 'a, b'",
    "SET search_path = a, b",
    "SELECT set_config('search_path', 'a, b', false)",
    "SELECT set_config('search_path', '\"a, b\"', false)",
    "SELECT set_config('search_path', '\"Foo\"', false)",
    "SELECT set_config('search_path', 'Foo', false)",
    "SELECT set_config('search_path', 'nowhere,B', false)",
    "SELECT set_config('search_path', '', false)",
    "SET search_path = ''",
    "SET search_path = nowhere, 'it''s'",
    "SET search_path = E'back\\\\slash'",
    "SET search_path = 'quo\"te'",
    "SET search_path = \"quo\"\"te\"",
    "SELECT set_config('search_path', '\"quo\"\"te\"', false)",
    "SET search_path = \"do.t\"",
    "SELECT set_config('search_path', 'do.t', false)",
    "SET SCHEMA 'Foo'",
    "SET search_path = \"$user\", a",
    "SET search_path TO " + ", ".join(f"no{number}" for number in range(30)) + ", foo",
    "SET ROLE other",
    "SET search_path = '$user', public; SET ROLE other",
    "SET ROLE other; SET ROLE none",
    "SET ROLE other; RESET ROLE",
    "BEGIN; SET LOCAL search_path = foo; COMMIT",
    "BEGIN; SET LOCAL search_path = foo; SET search_path = a",
    "BEGIN; SAVEPOINT s; SET LOCAL search_path = foo; ROLLBACK TO s; RELEASE s",
    "SET search_path = foo; BEGIN; SET LOCAL search_path TO DEFAULT",
    "DO $$ BEGIN SET search_path = \"Foo\"; END $$",
    "CREATE TEMP TABLE mine (x int); SET search_path = a, pg_temp",
]


def path_ids(text):
    return text[:80]


def tables_of(wire):
    """The schema of which each row of `t` is. None: there is no such table, which where a sharded one has the name is refused."""
    found = []
    for key in range(4):
        said = heard(wire.query(f"SELECT s FROM t WHERE k = {key}"))[0][0]
        assert isinstance(said, list) or said[1] in ("42P01", "0A000", "25P02"), said
        found.append(said[0] if isinstance(said, list) else None)
    return found


@pytest.fixture(scope="module")
def model(cluster):
    """The same schemas, all rows, on the first server past the router."""
    with cluster.servers[0].connect() as conn:
        conn.execute(f"CREATE DATABASE {cluster.node_database}_model OWNER {USER}")
    with Wire(cluster.servers[0].port, USER, USER_PASSWORD, cluster.node_database + "_model") as wire:
        for schema in [*SCHEMAS, "public"]:
            if schema != "public":
                wire.rows(f"CREATE SCHEMA {schema}")
            wire.rows(f"CREATE TABLE {schema}.t AS SELECT k, $s${schema}$s$::text AS s FROM generate_series(0, 3) k")
            wire.rows(f"GRANT USAGE ON SCHEMA {schema} TO other")
            wire.rows(f"GRANT SELECT ON {schema}.t TO other")
        wire.rows("CREATE TABLE foo.pg_class AS SELECT 'mine'::text AS relname")
    yield lambda **startup: Wire(cluster.servers[0].port, USER, USER_PASSWORD, cluster.node_database + "_model", **startup)
    with cluster.servers[0].connect() as conn:
        conn.execute(f"DROP DATABASE {cluster.node_database}_model WITH (FORCE)")


@pytest.mark.parametrize("path", PATHS, ids=path_ids)
def test_names_mean_the_tables_that_one_server_finds(cluster, model, path):
    with connect(cluster) as wire, model() as alone:
        for sql in path.split("; ") if not path.startswith("DO") else [path]:
            if path.startswith("DO"):
                wire.query("SET search_path = \"Foo\"")  # a DO block is refused over several shards
                alone.query(sql)
            else:
                assert wire.error(sql) is None and alone.error(sql) is None
        assert tables_of(wire) == tables_of(alone)


@pytest.mark.parametrize("startup", [{"search_path": '"Foo"'}, {"search_path": "Foo"}, {"search_path": "'Foo', a"}, {"options": "-c search_path=nowhere,foo"},
                                     {"search_path": ""}], ids=str)
def test_a_start_up_path_means_what_it_means_to_one_server(cluster, model, startup):
    with connect(cluster, **startup) as wire, model(**startup) as alone:
        assert tables_of(wire) == tables_of(alone)
        for each in wire, alone:
            each.rows("SET search_path = a")
            each.rows("RESET search_path")
        assert tables_of(wire) == tables_of(alone)


def test_pg_catalog_has_the_place_that_the_path_gives_it(cluster, model):
    with connect(cluster) as wire, model() as alone:
        for path in "foo", "foo, pg_catalog", "pg_catalog, foo":
            for each in wire, alone:
                each.rows(f"SET search_path = {path}")
            assert wire.rows("SELECT count(*) > 1 FROM pg_class") == alone.rows("SELECT count(*) > 1 FROM pg_class"), path


@pytest.mark.parametrize("of", [f"ROLE {USER}", "DATABASE {}"])
@pytest.mark.parametrize("path", ['"Foo", a', "Foo", "'Foo', a", "'a, b'"])
def test_a_path_of_the_roles_or_the_databases_own(cluster, model, of, path):
    databases = [cluster.node_database, cluster.node_database + "_model"]
    with contextlib.ExitStack() as stack:
        for server in cluster.servers:
            conn = stack.enter_context(server.connect())
            for database in databases[:1] if server is not cluster.servers[0] else databases:
                which = of.format(database) if "DATABASE" in of else f"{of} IN DATABASE {database}"
                conn.execute(f"ALTER {which} SET search_path = {path}")
                stack.callback(conn.execute, f"ALTER {which} RESET search_path")
        cluster.execute("CREATE VIEW public.refresh AS SELECT 1")  # the router reads the catalog anew
        stack.callback(cluster.execute, "DROP VIEW public.refresh")
        kill_backends(cluster)
        with connect(cluster) as wire, model() as alone:
            assert tables_of(wire) == tables_of(alone)
    kill_backends(cluster)


def kill_backends(cluster):
    """So that the next ones begin with what the role and the database have now."""
    for server in cluster.servers:
        with server.connect() as conn:
            conn.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", [cluster.node_database])


def test_what_a_path_makes_temporary_is_its_sessions_own(single):
    with connect(single) as wire, connect(single) as other:
        wire.rows("SET search_path = pg_temp, public")
        wire.rows("CREATE TABLE hidden (a int)")
        for _ in range(3):
            other.rows("BEGIN")
            assert other.error("SELECT * FROM hidden") == "42P01"
            other.rows("ROLLBACK")
            assert wire.rows("SELECT * FROM hidden") == []


def test_what_a_path_would_make_temporary_is_refused_over_shards(cluster):
    with connect(cluster) as wire:
        wire.rows("SET search_path = pg_temp, public")
        assert wire.error("CREATE TABLE hidden (a int)") == "0A000"
        wire.rows("CREATE TABLE public.hidden (a int)")
        wire.rows("CREATE TEMP TABLE hidden_too (a int)")
        wire.rows("DROP TABLE public.hidden")


# ---- settings of a transaction ----

TRANSACTION_SETTINGS = [
    ["SET transaction_isolation = 'serializable'", "SHOW transaction_isolation", "BEGIN", "SHOW transaction_isolation", "SELECT 1", "COMMIT", "SELECT 2"],
    ["SET transaction_read_only = on", "SET work_mem = '5MB'", "BEGIN", "SHOW transaction_read_only", "COMMIT", "SHOW work_mem"],
    ["SET transaction_deferrable = on", "SET ROLE other", "BEGIN", "SELECT 1", "ROLLBACK"],
    ["SELECT set_config('transaction_isolation', 'serializable', false)", "BEGIN", "SHOW transaction_isolation", "ROLLBACK"],
    ["SELECT set_config('transaction_read_only', 'on', false)", "SHOW transaction_read_only"],
    ["BEGIN", "SET transaction_isolation = 'serializable'", "SHOW transaction_isolation", "SELECT 1", "COMMIT", "SHOW transaction_isolation", "SELECT 2"],
    ["BEGIN", "SET LOCAL transaction_isolation = 'repeatable read'", "SELECT 1", "SHOW transaction_isolation", "COMMIT", "BEGIN",
     "SHOW transaction_isolation", "COMMIT"],
    ["DO $$ BEGIN SET transaction_read_only = on; END $$", "SELECT 1", "BEGIN", "SELECT 2", "SHOW transaction_read_only", "COMMIT"],
]


@pytest.mark.parametrize("statements", TRANSACTION_SETTINGS, ids=lambda statements: statements[0])
def test_a_setting_of_a_transaction_ends_with_it(single, statements):
    """On one backend and on another; and the session goes on."""
    leave(single, ["SET work_mem = '8MB'"])
    with connect(single, application_name="a") as wire, direct(single, application_name="a") as alone:
        open_tx = False
        for sql in statements + ["RESET ALL", "SELECT 3"]:
            if open_tx or sql in ("COMMIT", "ROLLBACK"):
                assert heard(wire.query(sql)) == heard(alone.query(sql)), sql
            else:
                with elsewhere(single, wire):
                    assert heard(wire.query(sql)) == heard(alone.query(sql)), sql
            open_tx = sql == "BEGIN" or open_tx and sql not in ("COMMIT", "ROLLBACK")


def test_a_seed_is_no_setting_that_is_given_again(single):
    with connect(single) as wire:
        wire.rows("SET seed = 0.5")
        first = wire.one("SELECT random()")
        assert wire.one("SELECT random()") != first


# ---- what a server does not take any more ----

@pytest.fixture
def refused(single):
    """A session that has a role which is taken from it."""
    with single.servers[0].connect() as conn, connect(single, application_name="start") as wire:
        conn.execute(f"DROP ROLE IF EXISTS lost; CREATE ROLE lost; GRANT lost TO {USER}")
        wire.rows("SET datestyle = 'sql, dmy'")
        wire.rows("SET work_mem = '9MB'")
        wire.rows("SET ROLE lost")
        conn.execute(f"REVOKE lost FROM {USER}")
        leave(single, ["SET work_mem = '8MB'"])
        yield wire
        conn.execute("DROP ROLE lost")


STATE = "SELECT current_user, current_setting('datestyle'), current_setting('work_mem'), current_setting('application_name')"


@pytest.mark.parametrize("fails_before", [False, True])
@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("sql, after", [
    ("RESET ROLE", (USER, "SQL, DMY", "9MB", "start")),
    ("SET ROLE none", (USER, "SQL, DMY", "9MB", "start")),
    ("SET ROLE other", ("other", "SQL, DMY", "9MB", "start")),
    ("SELECT set_config('role', 'other', false)", ("other", "SQL, DMY", "9MB", "start")),
    ("SET SESSION AUTHORIZATION DEFAULT", (USER, "SQL, DMY", "9MB", "start")),
    ("DISCARD ALL", (USER, "ISO, MDY", "4MB", "start")),
])
def test_what_the_server_refuses_can_be_changed(single, refused, sql, after, extended, fails_before):
    if fails_before:
        assert refused.error("SELECT 1") == "42501"
    answer = refused.ask(run(sql), Sync) if extended else refused.query(sql)
    assert not [fields(body) for kind, body in answer if kind == "E"]
    for _ in range(2):
        assert refused.rows(STATE) == [after]
        with elsewhere(single, refused):
            assert refused.rows(STATE) == [after]


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("sql", ["ROLLBACK", "COMMIT", "SET ROLE nobody_at_all"])
def test_what_changes_nothing_leaves_a_refused_session_as_it_was(single, refused, sql, extended):
    with direct(single) as alone:
        ask = (lambda wire: wire.ask(run(sql), Sync)) if extended else (lambda wire: wire.query(sql))
        assert [said for said in heard(ask(refused))[0]] == [said for said in heard(ask(alone))[0]]
    assert refused.error("SELECT 1") == "42501"
    refused.rows("RESET ROLE")
    assert refused.rows(STATE) == [(USER, "SQL, DMY", "9MB", "start")]


def test_a_statement_that_is_only_prepared_changes_nothing(single, refused):
    refused.ask(Parse("RESET ROLE", "r"), Sync)
    assert refused.error("SELECT 1") == "42501"
    refused.ask(Bind(statement="r"), Execute(), Sync)
    assert refused.rows(STATE) == [(USER, "SQL, DMY", "9MB", "start")]


def test_reset_all_keeps_the_role_that_the_server_refuses(single, refused):
    assert refused.error("RESET ALL") == "42501"
    refused.rows("RESET ROLE")
    assert refused.rows(STATE) == [(USER, "SQL, DMY", "9MB", "start")]


def test_a_transaction_over_shards_that_cannot_begin_can_be_left(cluster):
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(server.connect()) for server in cluster.servers]
        for node in nodes:
            node.execute(f"DROP ROLE IF EXISTS lost; CREATE ROLE lost; GRANT lost TO {USER}")
            stack.callback(node.execute, "DROP ROLE lost")
        wire = stack.enter_context(connect(cluster))
        wire.rows("SET ROLE lost")
        for node in nodes:
            node.execute(f"REVOKE lost FROM {USER}")
        leave(cluster, ["SET work_mem = '8MB'"])
        wire.rows("BEGIN")
        assert wire.error("SELECT 1") == "42501"
        assert wire.error("SELECT 1") == "25P02"
        wire.rows("ROLLBACK")
        assert not [kind for kind, _ in wire.ask(run("ROLLBACK"), Sync) if kind == "E"]
        assert wire.error("SELECT s FROM t WHERE k = 1") == "42501"
        wire.rows("RESET ROLE")
        assert wire.one("SELECT s FROM t WHERE k = 1") == "public"


def test_a_session_that_keeps_its_backend_is_not_lost_either(start_cluster):
    cluster = start_cluster(shards=1, workers=1, pool_size=2, pool_mode="session")
    with cluster.servers[0].connect() as conn, connect(cluster) as wire:
        conn.execute(f"DROP ROLE IF EXISTS lost; CREATE ROLE lost; GRANT lost TO {USER}")
        wire.rows("SET datestyle = 'sql, dmy'")
        wire.rows("SET ROLE lost")
        conn.execute(f"REVOKE lost FROM {USER}")
        conn.execute("DROP ROLE lost")
        kill_backends(cluster)
        assert wire.error("SELECT 1") is not None
        assert wire.error("SELECT 1") == "22023"
        assert wire.error("ROLLBACK") is None
        assert wire.error("SELECT 1") == "22023"
        wire.rows("RESET ROLE")
        assert wire.rows("SELECT current_user, current_setting('datestyle')") == [(USER, "SQL, DMY")]
