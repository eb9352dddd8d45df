"""Code that tables carry (defaults, checks, triggers, policies, rules, foreign keys with actions): it runs where it cannot touch a sharded table, and
a statement that would set other code going is refused."""
import psycopg
import pytest

from harness.cluster import DATABASE, USER, USER_PASSWORD
from harness.wire import FunctionCall, Wire, fields

ONE_LOOP = "uring"

SHARDS = 2

FUNCTIONS = """
    CREATE FUNCTION stored() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM orders';
    CREATE FUNCTION stored_plain() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN stored(); END';
    CREATE FUNCTION stored_text() RETURNS bigint LANGUAGE plpgsql AS
        'DECLARE n bigint; BEGIN EXECUTE ''SELECT count(*) FROM '' || ''orders'' INTO n; RETURN n; END';
    CREATE FUNCTION stored_atomic() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM orders; END;
    CREATE FUNCTION stored_view() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM orders_view';
    CREATE FUNCTION few(n bigint) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT $1 <= 10 + (SELECT count(*) FROM "orders")';
    CREATE FUNCTION next_number() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT nextval(''numbers'') + 100';
    CREATE FUNCTION notes_count() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM notes';
    CREATE FUNCTION twice(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';

    CREATE FUNCTION tr_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW IS DISTINCT FROM OLD THEN NEW.touched := date_trunc('day', now()) || '!'; END IF;
            RETURN NEW;
        END $$;
    CREATE FUNCTION tr_audit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO audit VALUES (coalesce(NEW.id, OLD.id), TG_OP) ON CONFLICT DO NOTHING;
            RETURN coalesce(NEW, OLD);
        END $$;
    CREATE FUNCTION tr_count() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.n := (SELECT count(*) FROM orders);
            RETURN NEW;
        END $$;
    CREATE FUNCTION tr_write() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO public.Orders VALUES (7, 7);
            RETURN NULL;
        END $$;
    CREATE FUNCTION tr_text() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            EXECUTE format('DELETE FROM %I', TG_ARGV[0]);
            RETURN NULL;
        END $$;
"""


@pytest.fixture(scope="module")
def cluster(start_cluster):
    cluster = start_cluster(shards=SHARDS)
    with cluster.connect() as router:
        router.execute("CREATE TABLE orders (id bigint PRIMARY KEY, n bigint)")
        router.execute("CREATE TABLE notes (id bigint PRIMARY KEY, n bigint)")
        router.execute("CREATE TABLE audit (id bigint, what text)")
        router.execute("CREATE VIEW orders_view AS SELECT * FROM orders")
        router.execute("CREATE VIEW notes_view AS SELECT * FROM notes")
        router.execute("CREATE SEQUENCE numbers")
        router.execute(FUNCTIONS)
        router.execute("SELECT nanu.shard_table('orders', key => 'id')")
        for id in range(20):
            router.execute("INSERT INTO orders VALUES (%s, 1)", [id])
    return cluster


@pytest.fixture
def router(cluster):
    with cluster.connect() as conn:
        conn.execute("DROP TABLE IF EXISTS item, child, grandchild, parted CASCADE; TRUNCATE audit, notes")
        yield conn


def refused(conn, statement, sqlstate="0A000"):
    with pytest.raises(psycopg.Error) as caught:
        conn.execute(statement)
    assert caught.value.sqlstate == sqlstate, caught.value
    assert caught.value.diag.message_hint, caught.value
    return caught.value


def make(conn, *definitions):
    for definition in definitions:
        conn.execute(definition)


ITEM = "CREATE TABLE item (id bigint PRIMARY KEY, n bigint, touched text)"


# ---- what must go on working ----

def test_ordinary_defaults_and_checks_run(router):
    make(router, "CREATE TABLE item (id bigserial, at timestamptz DEFAULT now(), u uuid DEFAULT gen_random_uuid(), n bigint DEFAULT next_number(),"
         " m bigint DEFAULT notes_count(), g bigint GENERATED ALWAYS AS (twice(n2)) STORED, n2 bigint DEFAULT 4 CHECK (twice(n2) < 100))",
         "CREATE INDEX ON item (twice(n2)) WHERE twice(n2) > 3")
    router.execute("INSERT INTO notes VALUES (1, 1)")
    router.execute("INSERT INTO item DEFAULT VALUES")
    assert router.execute("SELECT id, m, g, n > 100, at IS NOT NULL, u IS NOT NULL FROM item").fetchone() == (1, 1, 8, True, True, True)
    router.execute("UPDATE item SET n2 = 5")
    assert router.execute("SELECT g FROM item").fetchone() == (10,)
    router.execute("DELETE FROM item")
    router.execute("TRUNCATE item")


def test_a_trigger_that_touches_only_its_row_runs(router):
    make(router, ITEM, "CREATE TRIGGER stamp BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION tr_stamp()")
    router.execute("INSERT INTO item VALUES (1, 1)")
    router.execute("UPDATE item SET n = 2")
    assert router.execute("SELECT right(touched, 1) FROM item").fetchone() == ("!",)


def test_a_trigger_that_writes_a_table_of_the_same_shard_runs(router):
    make(router, ITEM, "CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON item FOR EACH ROW EXECUTE FUNCTION tr_audit()")
    router.execute("INSERT INTO item VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = 2")
    router.execute("UPDATE item SET n = 3")
    router.execute("DELETE FROM item")
    assert [what for what, in router.execute("SELECT what FROM audit")] == ["INSERT", "UPDATE", "DELETE"]


def test_policies_rules_and_foreign_keys_among_tables_of_one_shard_run(router, cluster):
    make(router, ITEM, "CREATE TABLE child (id bigint REFERENCES item ON DELETE CASCADE ON UPDATE SET NULL)",
         "CREATE POLICY own ON item USING (EXISTS (SELECT 1 FROM notes_view v WHERE v.id = item.id))", "ALTER TABLE item ENABLE ROW LEVEL SECURITY",
         "CREATE RULE seen AS ON INSERT TO item DO ALSO INSERT INTO audit VALUES (NEW.id, 'rule')")
    router.execute("INSERT INTO notes VALUES (1, 1)")
    router.execute("INSERT INTO item VALUES (1, 1)")
    router.execute("INSERT INTO child VALUES (1)")
    assert router.execute("SELECT what FROM audit").fetchall() == [("rule",)]
    router.execute("DELETE FROM item")
    assert router.execute("SELECT count(*) FROM child").fetchone() == (0,)


# ---- what is refused ----

@pytest.mark.parametrize("function", ["stored", "stored_plain", "stored_text", "stored_atomic", "stored_view"])
def test_a_default_that_reads_a_sharded_table_is_refused_where_it_runs(router, function):
    make(router, f"CREATE TABLE item (id bigint, n bigint DEFAULT {function}())")
    refused(router, "INSERT INTO item (id) VALUES (1)")
    refused(router, "INSERT INTO item VALUES (1)")
    refused(router, "INSERT INTO item VALUES (1, 1), (2, DEFAULT)")
    refused(router, "INSERT INTO item DEFAULT VALUES")
    refused(router, "INSERT INTO item SELECT 1")
    refused(router, "COPY item (id) FROM STDIN")
    refused(router, "UPDATE item SET n = DEFAULT")
    refused(router, "WITH x AS (INSERT INTO item (id) VALUES (1) RETURNING id) SELECT * FROM x")
    refused(router, "EXPLAIN ANALYZE INSERT INTO item (id) VALUES (1)")
    router.execute("INSERT INTO item VALUES (1, 1), (2, 2)")
    router.execute("INSERT INTO item (n, id) SELECT 1, 4")
    router.execute("UPDATE item SET id = 3 WHERE id = 2")
    assert router.execute("SELECT * FROM item ORDER BY id, n").fetchall() == [(1, 1), (3, 2), (4, 1)]
    router.execute("DELETE FROM item")


def test_a_check_that_reads_a_sharded_table_is_refused(router):
    make(router, "CREATE TABLE item (id bigint, n bigint CHECK (few(n)))")
    refused(router, "INSERT INTO item VALUES (1, 15)")
    refused(router, "UPDATE item SET n = 15")
    refused(router, "MERGE INTO item i USING (SELECT 1) s(x) ON true WHEN NOT MATCHED THEN INSERT VALUES (1, 15)")
    refused(router, "COPY item FROM STDIN")
    assert router.execute("DELETE FROM item").rowcount == 0
    assert router.execute("SELECT count(*) FROM item").fetchone() == (0,)


def test_a_check_of_a_domain_that_reads_a_sharded_table_is_refused(router):
    router.execute("DROP DOMAIN IF EXISTS few_d CASCADE; DROP TYPE IF EXISTS few_t CASCADE")
    make(router, "CREATE DOMAIN few_d AS bigint CHECK (few(VALUE))", "CREATE TYPE few_t AS (x few_d)", "CREATE TABLE item (id bigint, n few_t[])")
    refused(router, "INSERT INTO item VALUES (1, NULL)")
    router.execute("DROP TABLE item")
    router.execute("DROP DOMAIN few_d CASCADE")


@pytest.mark.parametrize("function", ["tr_count", "tr_write", "tr_text"])
@pytest.mark.parametrize("event, bad, good", [
    ("BEFORE INSERT", ["INSERT INTO item VALUES (2, 2)", "INSERT INTO item SELECT 2, 2", "COPY item FROM STDIN"],
     ["UPDATE item SET n = 3", "DELETE FROM item", "SELECT count(*) FROM item", "TRUNCATE item"]),
    ("AFTER UPDATE", ["UPDATE item SET n = 3", "INSERT INTO item VALUES (2, 2) ON CONFLICT (id) DO UPDATE SET n = 4"],
     ["INSERT INTO item VALUES (2, 2) ON CONFLICT DO NOTHING", "DELETE FROM item"]),
    ("AFTER DELETE", ["DELETE FROM item", "WITH x AS (DELETE FROM item RETURNING id) SELECT * FROM x"],
     ["INSERT INTO item VALUES (2, 2)", "UPDATE item SET n = 3", "TRUNCATE item"]),
])
def test_a_trigger_that_may_touch_a_sharded_table_is_refused_where_it_fires(router, function, event, bad, good):
    make(router, ITEM, f"CREATE TRIGGER tr {event} ON item FOR EACH ROW EXECUTE FUNCTION {function}('orders')")
    for statement in bad:
        refused(router, statement)
    for statement in good:
        router.execute(statement)
    router.execute("ALTER TABLE item DISABLE TRIGGER tr")
    for statement in bad[:1]:
        router.execute(statement)
    assert router.execute("SELECT count(*) FROM orders").fetchone() == (20,)


def test_a_trigger_for_truncate_and_for_whole_statements_is_refused(router):
    make(router, ITEM, "CREATE TRIGGER tr AFTER TRUNCATE ON item FOR EACH STATEMENT EXECUTE FUNCTION tr_write()")
    refused(router, "TRUNCATE item")
    router.execute("INSERT INTO item VALUES (1, 1)")
    make(router, "CREATE TABLE child (id bigint REFERENCES item)",
         "CREATE TRIGGER tr AFTER UPDATE ON child FOR EACH STATEMENT EXECUTE FUNCTION tr_write()")
    refused(router, "UPDATE child SET id = NULL")


def test_a_condition_of_a_trigger_is_looked_at(router):
    make(router, ITEM, "CREATE TRIGGER tr BEFORE INSERT ON item FOR EACH ROW WHEN (few(NEW.n)) EXECUTE FUNCTION tr_audit()")
    refused(router, "INSERT INTO item VALUES (1, 1)")


def test_a_policy_that_reads_a_sharded_table_is_refused(router):
    make(router, ITEM, "CREATE POLICY own ON item USING (few(n))")
    router.execute("SELECT * FROM item")  # row level security is off
    router.execute("ALTER TABLE item ENABLE ROW LEVEL SECURITY")
    for statement in "SELECT * FROM item", "INSERT INTO item VALUES (1)", "UPDATE item SET n = 1", "DELETE FROM item", "COPY item TO STDOUT":
        refused(router, statement)
    router.execute("DROP POLICY own ON item")
    router.execute("SELECT * FROM item")


def test_code_from_before_a_table_was_sharded_is_looked_at(router):
    make(router, "DROP TABLE IF EXISTS later", "CREATE TABLE later (id bigint)")
    make(router, ITEM, "CREATE POLICY own ON item USING (EXISTS (SELECT 1 FROM later WHERE later.id = item.id))",
         "CREATE TABLE child (id bigint)", "CREATE RULE also AS ON INSERT TO child DO ALSO INSERT INTO later VALUES (NEW.id)",
         "ALTER TABLE item ENABLE ROW LEVEL SECURITY")
    router.execute("SELECT * FROM item")
    router.execute("INSERT INTO child VALUES (1)")
    router.execute("TRUNCATE later")
    router.execute("SELECT nanu.shard_table('later', key => 'id')")
    refused(router, "SELECT * FROM item")
    refused(router, "INSERT INTO child VALUES (2)")
    router.execute("DROP TABLE later CASCADE")


def test_what_a_foreign_key_or_a_partition_passes_a_statement_on_to_is_looked_at(router):
    make(router, ITEM, "CREATE TABLE child (id bigint PRIMARY KEY REFERENCES item ON DELETE CASCADE)",
         "CREATE TABLE grandchild (id bigint REFERENCES child ON DELETE SET NULL)",
         "CREATE TABLE parted (id bigint) PARTITION BY RANGE (id)", "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)")
    router.execute("DELETE FROM item")
    router.execute("INSERT INTO parted VALUES (1)")
    make(router, "CREATE TRIGGER tr BEFORE UPDATE ON grandchild FOR EACH ROW EXECUTE FUNCTION tr_count()",
         "CREATE TRIGGER tr AFTER INSERT ON parted_1 FOR EACH ROW EXECUTE FUNCTION tr_write()")
    refused(router, "DELETE FROM item")
    refused(router, "INSERT INTO parted VALUES (2)")
    router.execute("UPDATE item SET n = 1")
    router.execute("DELETE FROM grandchild")


def test_a_trigger_that_sets_off_another_one_is_looked_through(router):
    make(router, ITEM, "CREATE TRIGGER audit AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION tr_audit()")
    router.execute("INSERT INTO item VALUES (1)")
    router.execute("CREATE TRIGGER more AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION tr_write()")
    refused(router, "INSERT INTO item VALUES (2)")
    router.execute("DROP TRIGGER more ON audit")
    router.execute("INSERT INTO item VALUES (2)")


def test_a_function_that_is_replaced_is_judged_anew(router):
    make(router, "CREATE OR REPLACE FUNCTION changing() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1::bigint'",
         "CREATE TABLE item (id bigint DEFAULT changing())")
    router.execute("INSERT INTO item DEFAULT VALUES")
    router.execute("CREATE OR REPLACE FUNCTION changing() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM orders'")
    refused(router, "INSERT INTO item DEFAULT VALUES")


def test_definitions_that_would_run_such_code_at_once_are_refused(router):
    router.execute(ITEM)
    refused(router, "ALTER TABLE item ADD CHECK (few(n))")
    refused(router, "ALTER TABLE item ADD m bigint DEFAULT stored()")
    refused(router, "CREATE TEMP TABLE of_session (id bigint DEFAULT stored())")
    make(router, "ALTER TABLE item ADD CHECK (twice(n) < 10)", "ALTER TABLE item ADD m bigint DEFAULT next_number()",
         "ALTER TABLE item ALTER n SET DEFAULT notes_count()")
    router.execute("INSERT INTO item (id) VALUES (1)")


def test_functions_that_read_what_is_named_to_them_are_seen(router):
    make(router, "CREATE TABLE item (id bigint, x xml DEFAULT query_to_xml('SELECT * FROM orders', true, false, ''))")
    refused(router, "INSERT INTO item (id) VALUES (1)")
    router.execute("INSERT INTO item VALUES (1, NULL)")


def test_code_that_the_transaction_itself_defined_is_not_trusted_before_it_is_known(router):
    make(router, "CREATE OR REPLACE FUNCTION changing() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 1::bigint'", ITEM,
         "CREATE TABLE child (id bigint DEFAULT changing())")
    make(router, "INSERT INTO child DEFAULT VALUES", "DROP TABLE IF EXISTS has_code", "CREATE TABLE has_code (id bigint DEFAULT stored())")
    for definition, statement in [
        ("CREATE OR REPLACE FUNCTION changing() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM orders'", "INSERT INTO child DEFAULT VALUES"),
        ("CREATE OR REPLACE FUNCTION changing() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM orders'", "SELECT changing()"),
        ("ALTER FUNCTION changing() STABLE", "INSERT INTO child DEFAULT VALUES"),
        ("CREATE TRIGGER tr BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION tr_count()", "INSERT INTO item VALUES (2)"),
        ("CREATE TABLE grandchild (id bigint DEFAULT stored())", "INSERT INTO grandchild DEFAULT VALUES"),
        ("CREATE TABLE grandchild (LIKE has_code INCLUDING ALL)", "INSERT INTO grandchild DEFAULT VALUES"),
    ]:
        with pytest.raises(psycopg.Error) as caught, router.transaction():
            router.execute(definition)
            router.execute("INSERT INTO notes VALUES (99)")  # a migration notes its number
            router.execute(statement)
        assert caught.value.sqlstate == "0A000" and caught.value.diag.message_hint, caught.value
    with router.transaction():
        make(router, "CREATE TABLE grandchild (id bigserial, at timestamptz DEFAULT now(), n bigint DEFAULT changing())",
             "CREATE TRIGGER tr BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION tr_stamp()", "INSERT INTO grandchild DEFAULT VALUES",
             "INSERT INTO item VALUES (1, 1)", "UPDATE item SET n = 2", "CREATE TABLE parted (id bigint PRIMARY KEY)",
             "CREATE TABLE brand_new (id bigint REFERENCES parted)", "ALTER TABLE brand_new RENAME TO brand_newer",
             "INSERT INTO parted VALUES (1)", "INSERT INTO brand_newer VALUES (1)", "DROP TABLE brand_newer")
    assert router.execute("SELECT n FROM grandchild").fetchone() == (1,)


def test_prepared_statements_are_judged_by_what_a_table_has_now(router, cluster):
    router.execute("CREATE TABLE item (id bigint, n bigint)")
    router.execute("PREPARE put AS INSERT INTO item VALUES ($1, 1)")
    router.execute("INSERT INTO item VALUES (%s, 1)", [1], prepare=True)
    router.execute("EXECUTE put(2)")
    with cluster.connect() as other:
        other.execute("CREATE TRIGGER tr BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION tr_count()")
    refused(router, "EXECUTE put(3)")
    with pytest.raises(psycopg.Error):
        router.execute("INSERT INTO item VALUES (%s, 1)", [1], prepare=True)
    assert router.execute("SELECT count(*) FROM item").fetchone() == (2,)


def test_functions_that_are_called_by_their_number_are_refused(router, cluster):
    stored, length = (router.execute("SELECT %s::regprocedure::oid", [name]).fetchone()[0] for name in ("stored()", "length(text)"))
    with Wire(cluster.router.port, USER, USER_PASSWORD, DATABASE) as wire:
        answers = wire.ask(FunctionCall(stored, []))
        assert [fields(body)["C"] for kind, body in answers if kind == "E"] == ["0A000"]
        assert [body[4:] for kind, body in wire.ask(FunctionCall(length, ["four"])) if kind == "V"] == [b"4"]


# ---- sharded tables ----

@pytest.mark.parametrize("columns", ["id bigint, n bigint DEFAULT stored()", "id bigint, n bigint DEFAULT next_number()",
                                     "id bigint CHECK (few(id))", "id bigint DEFAULT notes_count(), n bigint"])
def test_a_table_with_such_code_cannot_be_sharded(router, columns):
    router.execute(f"CREATE TABLE item ({columns})")
    refused(router, "SELECT nanu.shard_table('item', key => 'id')")
    router.execute("DROP TABLE item")
    router.execute("CREATE TABLE item (id bigint CHECK (twice(id) < 100), at timestamptz DEFAULT now(), u uuid DEFAULT gen_random_uuid())")
    router.execute("SELECT nanu.shard_table('item', key => 'id')")
    router.execute("INSERT INTO item (id) VALUES (1)")


def test_a_function_of_a_sharded_table_that_is_no_longer_immutable_is_refused(router):
    router.execute("DROP FUNCTION IF EXISTS fixed CASCADE; CREATE FUNCTION fixed() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 1::bigint'")
    make(router, "CREATE TABLE item (id bigint, n bigint DEFAULT fixed())", "SELECT nanu.shard_table('item', key => 'id')")
    router.execute("INSERT INTO item (id) VALUES (1)")
    router.execute("CREATE OR REPLACE FUNCTION fixed() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM orders'")
    refused(router, "INSERT INTO item (id) VALUES (1)")
    router.execute("INSERT INTO item VALUES (1, 1)")


def test_a_generated_column_is_no_shard_key(router):
    router.execute("CREATE TABLE item (id bigint, g bigint GENERATED ALWAYS AS (id * 2) STORED)")
    refused(router, "SELECT nanu.shard_table('item', key => 'g')")
