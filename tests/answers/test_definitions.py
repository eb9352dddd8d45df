"""Definitions through the router: on every shard or on none, followed by the topology; what shard_table() refuses."""
import psycopg
import pytest

from .world import BOUNDS, SHARDS
from harness.background import in_background

ONE_LOOP = "uring"

COLUMNS = """SELECT attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""


@pytest.fixture(scope="module")
def cluster(start_cluster):
    return start_cluster(shards=SHARDS)


@pytest.fixture
def router(cluster):
    with cluster.connect() as conn:
        yield conn


@pytest.fixture
def nodes(cluster):
    made = [cluster.connect_node(shard) for shard in range(SHARDS)]
    yield made
    for node in made:
        node.close()


def on_each(nodes, sql, params=None):
    """The rows of each node, as lists of first columns."""
    return [[row[0] for row in node.execute(sql, params).fetchall()] for node in nodes]


def alike(nodes, sql, params=None):
    """The rows that all nodes have."""
    first, *rest = on_each(nodes, sql, params)
    assert all(other == first for other in rest)
    return first


def exists(nodes, name):
    found = {node.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone()[0] for node in nodes}
    assert len(found) == 1, f"{name} is on some nodes only"
    return found.pop()


def sharded(router, name, columns="id bigint PRIMARY KEY, n int", key="id"):
    router.execute(f"DROP TABLE IF EXISTS {name}")
    router.execute(f"CREATE TABLE {name} ({columns})")
    router.execute(f"SELECT nanu.shard_table('{name}', key => '{key}')")
    return name


def fill(router, name, count=60):
    for number in range(count):
        router.execute(f"INSERT INTO {name} VALUES (%s, %s)", [number, number % 7])


def misplaced(nodes, name, key="id"):
    return [node.execute(f"SELECT count(*) FROM {name} WHERE hashint8extended({key}, 0) NOT BETWEEN %s AND %s",
                         [BOUNDS[shard], BOUNDS[shard + 1] - 1]).fetchone()[0] for shard, node in enumerate(nodes)]


def refused(conn, sql, sqlstate="0A000"):
    with pytest.raises(psycopg.Error) as caught:
        conn.execute(sql)
    assert caught.value.sqlstate == sqlstate, caught.value
    return caught.value


# ---- on every shard ----

def test_tables_and_indexes_are_made_changed_and_dropped_on_every_shard(router, nodes):
    router.execute("CREATE TABLE made (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 3)")
    assert alike(nodes, COLUMNS, ["made"]) == ["id bigint true", "n integer true"]
    router.execute("ALTER TABLE made ADD COLUMN t text, ALTER COLUMN n TYPE bigint")
    assert alike(nodes, COLUMNS, ["made"]) == ["id bigint true", "n bigint true", "t text false"]
    router.execute("CREATE INDEX made_n ON made (n)")
    assert exists(nodes, "made_n")
    router.execute("ALTER INDEX made_n RENAME TO made_by_n")
    assert exists(nodes, "made_by_n") and not exists(nodes, "made_n")
    router.execute("DROP INDEX made_by_n")
    assert not exists(nodes, "made_by_n")
    router.execute("CREATE INDEX CONCURRENTLY made_t ON made (t)")
    assert alike(nodes, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'made_t'::regclass") == [True]
    router.execute("DROP INDEX CONCURRENTLY made_t")
    assert not exists(nodes, "made_t")
    router.execute("DROP TABLE made")
    assert not exists(nodes, "made")


def test_other_definitions_are_made_on_every_shard(router, nodes):
    router.execute("CREATE SCHEMA apart; CREATE TYPE apart.mood AS ENUM ('ok', 'bad'); CREATE SEQUENCE apart.numbers")
    router.execute("CREATE FUNCTION apart.twice(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 2 * $1'")
    router.execute("CREATE VIEW apart.seen AS SELECT apart.twice(4) AS eight")
    assert alike(nodes, "SELECT eight FROM apart.seen") == [8]
    router.execute("COMMENT ON VIEW apart.seen IS 'here'")
    assert alike(nodes, "SELECT obj_description('apart.seen'::regclass)") == ["here"]
    router.execute("DROP SCHEMA apart CASCADE")
    assert alike(nodes, "SELECT count(*) FROM pg_namespace WHERE nspname = 'apart'") == [0]


@pytest.mark.parametrize("statement, sqlstate", [
    ("CREATE TABLE half (id bigint)", "42P07"),
    ("CREATE INDEX half_index ON half (nope)", "42703"),
    ("ALTER TABLE half ADD COLUMN extra int, ADD COLUMN id int", "42701"),
    ("DROP TABLE half, missing", "42P01"),
    ("ALTER TABLE half ADD COLUMN extra int; ALTER TABLE half ADD COLUMN extra int", "42701"),
])
def test_a_failed_definition_leaves_no_shard_changed(router, nodes, statement, sqlstate):
    router.execute("DROP TABLE IF EXISTS half")
    router.execute("CREATE TABLE half (id bigint)")
    refused(router, statement, sqlstate)
    assert alike(nodes, COLUMNS, ["half"]) == ["id bigint false"]


def test_a_definition_that_fails_on_one_shard_only_is_undone_on_the_others(router, nodes):
    sharded(router, "dup", "id bigint, n int")
    for _ in range(2):
        router.execute("INSERT INTO dup VALUES (1, 1)")
    refused(router, "ALTER TABLE dup ADD PRIMARY KEY (id)", "23505")
    assert alike(nodes, "SELECT count(*) FROM pg_constraint WHERE conrelid = 'dup'::regclass") == [0]
    refused(router, "ALTER TABLE dup ADD COLUMN extra int, ADD UNIQUE (id, n)", "23505")
    assert alike(nodes, COLUMNS, ["dup"]) == ["id bigint false", "n integer false"]


def test_definitions_in_a_transaction_are_rolled_back_on_every_shard(router, nodes):
    router.execute("BEGIN")
    router.execute("CREATE TABLE undone (id bigint)")
    router.execute("CREATE INDEX undone_id ON undone (id)")
    router.execute("ROLLBACK")
    assert not exists(nodes, "undone") and not exists(nodes, "undone_id")
    refused(router, "SELECT * FROM undone", "42P01")


def test_definitions_in_a_transaction_are_committed_on_every_shard(router, nodes):
    router.execute("BEGIN")
    router.execute("CREATE TABLE done (id bigint)")
    router.execute("ALTER TABLE done ADD COLUMN n int")
    router.execute("COMMIT")
    assert alike(nodes, COLUMNS, ["done"]) == ["id bigint false", "n integer false"]
    router.execute("DROP TABLE done")


def test_a_failed_transaction_with_definitions_changes_no_shard(router, nodes):
    router.execute("BEGIN")
    router.execute("CREATE TABLE spoiled (id bigint)")
    refused(router, "SELECT 1/0", "22012")
    router.execute("COMMIT")
    assert not exists(nodes, "spoiled")


def test_truncate_empties_every_shard(router, nodes):
    fill(router, sharded(router, "emptied"))
    assert sum(count for count, in on_each(nodes, "SELECT count(*) FROM emptied")) == 60
    router.execute("TRUNCATE emptied")
    assert alike(nodes, "SELECT count(*) FROM emptied") == [0]


# ---- the topology follows ----

def test_a_renamed_table_is_still_sharded(router, nodes):
    fill(router, sharded(router, "old_name"))
    router.execute("DROP TABLE IF EXISTS new_name")
    router.execute("ALTER TABLE old_name RENAME TO new_name")
    assert router.execute("SELECT count(*) FROM new_name").fetchone() == (60,)
    assert router.execute("SELECT n FROM new_name WHERE id = 8").fetchone() == (1,)
    router.execute("INSERT INTO new_name VALUES (1000, 5)")
    assert misplaced(nodes, "new_name") == [0] * SHARDS
    refused(router, "SELECT * FROM old_name", "42P01")
    router.execute("CREATE TABLE old_name (id bigint, n int)")
    router.execute("INSERT INTO old_name VALUES (1, 1), (2, 2), (3, 3), (4, 4)")
    assert on_each(nodes, "SELECT count(*) FROM old_name") == [[4], [0], [0]]
    router.execute("DROP TABLE old_name, new_name")


def test_a_table_in_another_schema_is_still_sharded(router, nodes):
    fill(router, sharded(router, "moved"))
    router.execute("CREATE SCHEMA away")
    router.execute("ALTER TABLE moved SET SCHEMA away")
    assert router.execute("SELECT count(*) FROM away.moved").fetchone() == (60,)
    router.execute("INSERT INTO away.moved VALUES (1000, 5)")
    assert misplaced(nodes, "away.moved") == [0] * SHARDS
    router.execute("DROP SCHEMA away CASCADE")


def test_renamed_columns_and_keys_are_followed(router, nodes):
    fill(router, sharded(router, "columns"))
    router.execute("ALTER TABLE columns RENAME COLUMN n TO m")
    router.execute("ALTER TABLE columns RENAME id TO number")
    assert router.execute("SELECT m FROM columns WHERE number = 8").fetchone() == (1,)
    assert router.execute("SELECT sum(m) FROM columns").fetchone() == (sum(i % 7 for i in range(60)),)
    router.execute("INSERT INTO columns (m, number) VALUES (1, 1000)")
    assert misplaced(nodes, "columns", "number") == [0] * SHARDS
    refused(router, "UPDATE columns SET number = 5 WHERE number = 8")
    refused(router, "INSERT INTO columns (m) VALUES (1)", "23502")


@pytest.mark.parametrize("first, second", [("one", "two"), ("two", "one")])
def test_tables_that_swap_their_names_are_followed(router, nodes, first, second):
    router.execute("DROP TABLE IF EXISTS one, two")
    fill(router, sharded(router, "one"))
    router.execute("CREATE TABLE two (id bigint, n int, number bigint)")
    router.execute("SELECT nanu.shard_table('two', key => 'number')")
    router.execute("INSERT INTO two VALUES (1, 2, 3)")
    router.execute("BEGIN")
    router.execute(f"ALTER TABLE {first} RENAME TO three")
    router.execute(f"ALTER TABLE {second} RENAME TO {first}")
    router.execute(f"ALTER TABLE three RENAME TO {second}")
    router.execute("COMMIT")
    assert router.execute("SELECT n FROM two WHERE id = 8").fetchone() == (1,)
    assert router.execute("SELECT n FROM one WHERE number = 3").fetchone() == (2,)
    router.execute("INSERT INTO two VALUES (1000, 1)")
    router.execute("INSERT INTO one VALUES (1000, 1, 1001)")
    assert misplaced(nodes, "two") == misplaced(nodes, "one", "number") == [0] * SHARDS


@pytest.mark.parametrize("old, new", [("was", "fresh"), ("fresh", "was")])
def test_a_table_that_takes_the_name_of_a_dropped_one_is_followed(router, nodes, old, new):
    router.execute("DROP TABLE IF EXISTS was, fresh")
    for name in sorted((old, new)):
        fill(router, sharded(router, name))
    router.execute("BEGIN")
    router.execute(f"DROP TABLE {old}")
    router.execute(f"ALTER TABLE {new} RENAME TO {old}")
    router.execute("COMMIT")
    router.execute(f"INSERT INTO {old} VALUES (1000, 1)")
    assert router.execute(f"SELECT count(*) FROM {old}").fetchone() == (61,)
    assert misplaced(nodes, old) == [0] * SHARDS


@pytest.mark.parametrize("definitions, name", [
    (["ALTER TABLE within RENAME TO within_new"], "within_new"),
    (["ALTER TABLE within RENAME TO within_new", "ALTER TABLE within_plain RENAME TO within"], "within"),
    (["DROP TABLE within CASCADE", "CREATE TABLE within (id bigint, n int)"], "within"),
    (["ALTER TABLE within RENAME id TO m", "ALTER TABLE within RENAME n TO id"], "within"),
    (["CREATE VIEW within_view AS SELECT * FROM within"], "within_view"),
    (["ALTER VIEW within_old_view RENAME TO within_view"], "within_view"),
])
def test_names_that_the_transaction_itself_changed_are_refused_until_it_commits(router, nodes, definitions, name):
    """Until then the router would take them for what they were, and ask one shard."""
    for other in "within_new", "within_plain":
        router.execute(f"DROP TABLE IF EXISTS {other} CASCADE")
    router.execute("DROP TABLE IF EXISTS within CASCADE")
    fill(router, sharded(router, "within", "id bigint, n int"))
    router.execute("CREATE TABLE within_plain (id bigint, n int)")
    router.execute("CREATE VIEW within_old_view AS SELECT * FROM within")
    for statement in f"SELECT count(*) FROM {name}", f"INSERT INTO {name} (id, n) VALUES (7, 7)", f"COPY {name} TO STDOUT":
        router.execute("BEGIN")
        for definition in definitions:
            router.execute(definition)
        router.execute("CREATE TABLE within_other (id bigint)")
        router.execute("INSERT INTO within_other VALUES (1)")  # what is new, and nothing else, can be used
        assert refused(router, statement).diag.message_hint
        router.execute("ROLLBACK")


def test_a_rename_that_is_rolled_back_is_not_followed(router, nodes):
    fill(router, sharded(router, "stays"))
    router.execute("BEGIN")
    router.execute("ALTER TABLE stays RENAME TO leaves")
    router.execute("ROLLBACK")
    assert router.execute("SELECT count(*) FROM stays").fetchone() == (60,)
    router.execute("INSERT INTO stays VALUES (1000, 1)")
    assert misplaced(nodes, "stays") == [0] * SHARDS


def test_a_dropped_table_is_forgotten(router, nodes):
    fill(router, sharded(router, "again"))
    router.execute("DROP TABLE again")
    router.execute("CREATE TABLE again (id bigint, n int)")
    router.execute("INSERT INTO again VALUES (1, 1), (2, 2), (3, 3), (4, 4)")
    assert on_each(nodes, "SELECT count(*) FROM again") == [[4], [0], [0]]
    assert router.execute("SELECT id FROM again ORDER BY id").fetchall() == [(1,), (2,), (3,), (4,)]
    router.execute("UPDATE again SET id = id + 1")
    router.execute("DROP TABLE again")


def test_a_drop_that_is_rolled_back_is_not_followed(router, nodes):
    fill(router, sharded(router, "kept"))
    router.execute("BEGIN")
    router.execute("DROP TABLE kept")
    router.execute("ROLLBACK")
    assert router.execute("SELECT count(*) FROM kept").fetchone() == (60,)
    router.execute("INSERT INTO kept VALUES (1000, 1)")
    assert misplaced(nodes, "kept") == [0] * SHARDS


def test_tables_dropped_with_their_schema_are_forgotten(router, nodes):
    router.execute("CREATE SCHEMA gone")
    fill(router, sharded(router, "gone.t"))
    router.execute("DROP SCHEMA gone CASCADE")
    router.execute("CREATE SCHEMA gone")
    router.execute("CREATE TABLE gone.t (id bigint, n int)")
    router.execute("INSERT INTO gone.t VALUES (1, 1), (2, 2), (3, 3), (4, 4)")
    assert router.execute("SELECT count(*) FROM gone.t").fetchone() == (4,)
    router.execute("DROP SCHEMA gone CASCADE")


def test_the_topology_outlives_the_router(start_own):
    cluster = start_own(shards=SHARDS)
    with cluster.connect() as router:
        fill(router, sharded(router, "lasting"))
        router.execute("ALTER TABLE lasting RENAME id TO number")
        router.execute("ALTER TABLE lasting RENAME TO still_there")
        sharded(router, "dropped")
        router.execute("DROP TABLE dropped")
    cluster.router.stop()
    cluster.router.start()
    with cluster.connect() as router:
        assert router.execute("SELECT count(*) FROM still_there").fetchone() == (60,)
        assert router.execute("SELECT n FROM still_there WHERE number = 8").fetchone() == (1,)
        router.execute("INSERT INTO still_there VALUES (1000, 1)")
        router.execute("CREATE TABLE dropped (id bigint)")
        router.execute("INSERT INTO dropped VALUES (1), (2), (3)")
    nodes = [cluster.connect_node(shard) for shard in range(SHARDS)]
    assert misplaced(nodes, "still_there", "number") == [0] * SHARDS
    assert on_each(nodes, "SELECT count(*) FROM dropped") == [[3], [0], [0]]
    for node in nodes:
        node.close()


# ---- shard_table() ----

@pytest.mark.parametrize("columns, call, sqlstate", [
    ("id bigint, n int, UNIQUE (n)", "'bad', key => 'id'", "0A000"),
    ("id bigint PRIMARY KEY, n int", "'bad', key => 'n'", "0A000"),
    ("id bigint, n serial", "'bad', key => 'id'", "0A000"),
    ("id bigint, n bigint DEFAULT nextval('lone')", "'bad', key => 'id'", "0A000"),
    ("id bigint REFERENCES other (id)", "'bad', key => 'id'", "0A000"),
    ("id bigint, n int", "'bad', key => 'nope'", "42703"),
    ("id bigint, n int", "'nope', key => 'id'", "42P01"),
    ("id numeric", "'bad', key => 'id'", "0A000"),
    ("id float8", "'bad', key => 'id'", "0A000"),
    ("id mood", "'bad', key => 'id'", "0A000"),
    ("id jsonb", "'bad', key => 'id'", "0A000"),
    ("id bigint, EXCLUDE USING btree (n WITH =), n int", "'bad', key => 'id'", "0A000"),
    ("id bigint", "'bad', key => 'id', placement => 'nope'", "0A000"),
    ("id text COLLATE loose", "'bad', key => 'id'", "0A000"),
    ("id bigint", "'bad_view', key => 'id'", "0A000"),
])
def test_what_cannot_be_sharded_is_refused_and_stays_as_it_was(router, nodes, columns, call, sqlstate):
    router.execute("DROP VIEW IF EXISTS bad_view; DROP TABLE IF EXISTS bad, other CASCADE; DROP TYPE IF EXISTS mood; DROP SEQUENCE IF EXISTS lone;"
                   "DROP COLLATION IF EXISTS loose")
    router.execute("CREATE TABLE other (id bigint PRIMARY KEY); CREATE TYPE mood AS ENUM ('a'); CREATE SEQUENCE lone;"
                   "CREATE COLLATION loose (provider = icu, locale = 'und', deterministic = false)")
    router.execute(f"CREATE TABLE bad ({columns})")
    router.execute("CREATE VIEW bad_view AS SELECT 1 AS id")
    error = refused(router, f"SELECT nanu.shard_table({call})", sqlstate)
    assert sqlstate != "0A000" or error.diag.message_hint
    router.execute("INSERT INTO bad SELECT * FROM bad")  # no sharded table takes this


@pytest.mark.parametrize("hook", [
    "CREATE RULE r AS ON DELETE TO hooked DO INSTEAD NOTHING",
    "CREATE POLICY p ON hooked USING (id > 0)",
])
def test_a_table_with_code_that_runs_unseen_is_refused(router, hook):
    router.execute("DROP TABLE IF EXISTS hooked")
    router.execute("CREATE TABLE hooked (id bigint)")
    router.execute(hook)
    assert refused(router, "SELECT nanu.shard_table('hooked', key => 'id')").diag.message_hint


@pytest.mark.parametrize("text", ['"K 19"', 'public."K 19"', ' Public . "K 19" ', "k_19", "K_19", "PUBLIC.k_19", '"Other S"."K 19"'])
def test_the_table_is_named_as_regclass_reads_names(router, nodes, text):
    router.execute('DROP SCHEMA IF EXISTS "Other S" CASCADE')
    router.execute('CREATE SCHEMA "Other S"')
    for name in '"K 19"', "k_19", '"Other S"."K 19"':
        router.execute(f"DROP TABLE IF EXISTS {name}")
        router.execute(f"CREATE TABLE {name} (id bigint)")
    router.execute("SELECT nanu.shard_table($$%s$$, key => 'id')" % text)
    for id in range(20):
        router.execute(f"INSERT INTO {text} VALUES ({id})")
    assert sum(count for count, in on_each(nodes, f"SELECT count(*) FROM {text}")) == 20
    assert misplaced(nodes, text) == [0] * SHARDS
    refused(router, "SELECT nanu.shard_table($$%s$$, key => 'id')" % text, "55000")


def test_the_table_is_looked_for_in_the_sessions_search_path(router):
    router.execute("CREATE SCHEMA IF NOT EXISTS elsewhere")
    router.execute("CREATE TABLE elsewhere.hidden (id bigint)")
    assert refused(router, "SELECT nanu.shard_table('hidden', key => 'id')", "42P01").diag.message_hint
    router.execute("SET search_path = elsewhere")
    assert router.execute("SELECT nanu.shard_table('hidden', key => 'id')").fetchone()[0].startswith("elsewhere.hidden by hash(id)")
    router.execute("RESET search_path")


@pytest.mark.parametrize("text, sqlstate", [("K 19", "42602"), ('"K', "42602"), ("", "42602"), ("a.b.c.d", "42601"), ("nope.public.t", "0A000"),
                                            ('"K_19x"', "42P01")])
def test_what_is_no_tables_name_is_refused(router, text, sqlstate):
    assert refused(router, "SELECT nanu.shard_table($$%s$$, key => 'id')" % text, sqlstate).diag.message_hint


@pytest.mark.parametrize("column, words", [("id float8", "double precision"), ("id mood2", "mood2"), ("id int[]", "integer[]")])
def test_a_type_that_is_no_keys_is_called_by_its_name(router, column, words):
    router.execute("DROP TABLE IF EXISTS odd")
    router.execute("DROP TYPE IF EXISTS mood2")
    router.execute("CREATE TYPE mood2 AS ENUM ('a')")
    router.execute(f"CREATE TABLE odd ({column})")
    assert f" of type {words} " in refused(router, "SELECT nanu.shard_table('odd', key => 'id')").diag.message_primary


@pytest.mark.parametrize("statement, words", [
    ("UPDATE worded SET n = 1", "UPDATE without the shard key"),
    ("EXPLAIN SELECT * FROM worded", "EXPLAIN of a statement over several shards"),
    ("INSERT INTO worded VALUES (1, (SELECT n FROM worded WHERE id = 1))", "a subquery or CTE that reads a table"),
    ("INSERT INTO worded SELECT 1, 2", "INSERT … SELECT"),
    ("SELECT p FROM worded ORDER BY p", "values of the type jsonb"),
])
def test_refusals_speak_sql(router, statement, words):
    router.execute("CREATE TABLE IF NOT EXISTS worded (id bigint, n int, p jsonb)")
    try:
        router.execute("SELECT nanu.shard_table('worded', key => 'id')")
    except psycopg.Error as error:
        assert error.sqlstate == "55000", error
    error = refused(router, statement)
    assert words in error.diag.message_primary and error.diag.message_hint


def test_what_runs_on_each_shard_for_itself_is_refused_in_a_block_by_its_name(router):
    sharded(router, "blocked")
    for statement, words in ("VACUUM blocked", "VACUUM, "), ("CREATE INDEX CONCURRENTLY ON blocked (n)", "CREATE INDEX … CONCURRENTLY cannot"):
        router.execute("BEGIN")
        error = refused(router, statement, "25001")
        assert error.diag.message_primary.startswith(words) and error.diag.message_hint
        router.execute("ROLLBACK")


def test_a_table_with_rows_is_refused(router, nodes):
    router.execute("CREATE TABLE filled (id bigint)")
    router.execute("INSERT INTO filled VALUES (1)")
    assert refused(router, "SELECT nanu.shard_table('filled', key => 'id')", "55000").diag.message_hint
    assert router.execute("SELECT count(*) FROM filled").fetchone() == (1,)
    router.execute("INSERT INTO filled VALUES (2), (3), (4)")
    assert on_each(nodes, "SELECT count(*) FROM filled") == [[4], [0], [0]]


def test_a_table_is_sharded_once(router):
    sharded(router, "once")
    refused(router, "SELECT nanu.shard_table('once', key => 'id')", "55000")


def test_ids_of_a_sharded_table_are_unique_over_all_shards(router, nodes):
    sharded(router, "numbered", "id bigserial, owner bigint, other bigint GENERATED ALWAYS AS IDENTITY", "owner")
    for owner in range(50):
        router.execute("INSERT INTO numbered (owner) VALUES (%s)", [owner])
    rows = router.execute("SELECT id, other FROM numbered").fetchall()
    assert len({id for id, _ in rows}) == len({other for _, other in rows}) == 50
    router.execute("TRUNCATE numbered RESTART IDENTITY")
    for owner in range(50):
        router.execute("INSERT INTO numbered (owner) VALUES (%s)", [owner])
    assert len(router.execute("SELECT DISTINCT id FROM numbered").fetchall()) == 50


def test_rows_inserted_while_a_table_is_being_sharded_are_where_their_hash_says(cluster, nodes):
    with cluster.connect() as router:
        for round in range(5):
            name = f"race{round}"
            router.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY)")
            inserted = []

            def insert(first):
                with cluster.connect() as conn:
                    for id in range(first, first + 40):
                        try:
                            conn.execute(f"INSERT INTO {name} VALUES (%s)", [id])
                            inserted.append(id)
                            if id == first:  # leaves the table empty, so that it can be sharded in between
                                conn.execute(f"DELETE FROM {name} WHERE id = %s", [id])
                                inserted.remove(id)
                        except psycopg.Error as error:
                            assert error.sqlstate in ("55000", "0A000", "40001"), error

            def shard():
                with cluster.connect() as conn:
                    try:
                        conn.execute(f"SELECT nanu.shard_table('{name}', key => 'id')")
                        return True
                    except psycopg.Error as error:
                        assert error.sqlstate == "55000", error  # rows were there first
                        return False

            *_, done = in_background(lambda: insert(0), lambda: insert(1000), shard)
            found = sorted(id for rows in on_each(nodes, f"SELECT id FROM {name}") for id in rows)
            assert found == sorted(inserted)
            assert router.execute(f"SELECT count(*) FROM {name}").fetchone() == (len(found),)
            if done:
                assert misplaced(nodes, name) == [0] * SHARDS
            else:
                assert on_each(nodes[1:], f"SELECT count(*) FROM {name}") == [[0], [0]]


def test_a_transaction_that_began_before_its_table_was_sharded_puts_no_row_on_the_wrong_shard(cluster, nodes):
    with cluster.connect() as router, cluster.connect() as early:
        router.execute("CREATE TABLE early (id bigint PRIMARY KEY)")
        early.execute("BEGIN")
        assert early.execute("SELECT 1 FROM pg_class LIMIT 1").fetchone() == (1,)
        router.execute("SELECT nanu.shard_table('early', key => 'id')")
        for id in range(20):
            try:
                early.execute("INSERT INTO early VALUES (%s)", [id])
            except psycopg.Error as error:
                assert error.sqlstate in ("0A000", "40001", "25P02", "55000"), error
        early.execute("COMMIT")
        assert misplaced(nodes, "early") == [0] * SHARDS


def test_a_transaction_that_outlasts_a_change_of_the_topology_can_be_committed(cluster):
    with cluster.connect() as router, cluster.connect() as early:
        router.execute("CREATE TABLE apart_from_it (id bigint)")
        router.execute("CREATE TABLE changed (id bigint PRIMARY KEY)")
        early.execute("BEGIN")
        early.execute("INSERT INTO apart_from_it VALUES (1)")
        router.execute("SELECT nanu.shard_table('changed', key => 'id')")
        early.execute("COMMIT")
        assert router.execute("SELECT count(*) FROM apart_from_it").fetchone() == (1,)
        assert early.execute("SELECT 1").fetchone() == (1,)


def test_statements_prepared_by_sql_follow_a_table_that_is_sharded(cluster, nodes):
    with cluster.connect() as router, cluster.connect() as other:
        router.execute("CREATE TABLE late_sql (id bigint PRIMARY KEY, n int)")
        other.execute("PREPARE put AS INSERT INTO late_sql VALUES ($1, $2)")
        router.execute("SELECT nanu.shard_table('late_sql', key => 'id')")
        for id in range(30):
            other.execute(f"EXECUTE put({id}, {id})")
        assert misplaced(nodes, "late_sql") == [0] * SHARDS
        assert other.execute("SELECT count(*) FROM late_sql").fetchone() == (30,)


def test_prepared_statements_follow_a_table_that_is_sharded(cluster, nodes):
    with cluster.connect() as router, cluster.connect() as other:
        router.execute("CREATE TABLE late (id bigint PRIMARY KEY, n int)")
        other.execute("SELECT n FROM late WHERE id = %s", [1], prepare=True)
        router.execute("SELECT nanu.shard_table('late', key => 'id')")
        for id in range(30):
            other.execute("INSERT INTO late VALUES (%s, %s)", [id, id], prepare=True)
        assert [other.execute("SELECT n FROM late WHERE id = %s", [id], prepare=True).fetchone() for id in range(30)] == [(i,) for i in range(30)]
        assert misplaced(nodes, "late") == [0] * SHARDS
