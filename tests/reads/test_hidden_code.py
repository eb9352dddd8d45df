"""Code that runs without a call, of domains, operators and casts: who may run it stays with the primary, all else leaves."""
import pytest

ONE_LOOP = "uring"
OBJECTS = """
CREATE FUNCTION notes(text) RETURNS bool LANGUAGE plpgsql AS $$BEGIN RETURN length($1) < 10; END$$;
CREATE FUNCTION beside(int, int) RETURNS bool LANGUAGE plpgsql AS $$BEGIN RETURN abs($1 - $2) = 1; END$$;
CREATE DOMAIN short AS text CHECK (notes(VALUE)); CREATE DOMAIN shorter AS short; CREATE TYPE pair AS (a int, s short);
CREATE OPERATOR <=>  (LEFTARG = int, RIGHTARG = int, FUNCTION = beside);
CREATE TYPE wrapped AS (a int);
CREATE FUNCTION wrap(int) RETURNS wrapped LANGUAGE plpgsql AS $$BEGIN RETURN ROW($1)::wrapped; END$$;
CREATE CAST (int AS wrapped) WITH FUNCTION wrap(int);
CREATE TABLE plain (a int, b text); CREATE TABLE holds (s short, p pair); CREATE VIEW seen AS SELECT a FROM plain WHERE a <=> 1;
INSERT INTO plain SELECT i, i::text FROM generate_series(1, 20) i; INSERT INTO holds VALUES ('x', ROW(1, 'y'));
"""

LEAVES = {
    "SELECT a, b FROM plain WHERE a = 1": True, "SELECT count(*) FROM plain WHERE b < 'x' GROUP BY a": True, "SELECT a::text FROM plain": True, "SELECT 1": True,
    "SELECT a FROM plain WHERE a <=> 2": False, "SELECT a FROM plain WHERE a OPERATOR(public.<=>) 2": False, "SELECT a FROM plain ORDER BY a <=> 3": False,
    "SELECT 'x'::short": False, "SELECT b::short FROM plain": False, "SELECT CAST(b AS public.short) FROM plain": False, "SELECT b::shorter FROM plain": False,
    "SELECT ROW(1, 'x')::pair": False, "SELECT a::wrapped FROM plain": False, "SELECT notes(b) FROM plain": False, "SELECT beside(a, 1) FROM plain": False,
    "SELECT ARRAY['x']::short[]": False, "SELECT a FROM seen": False,
}


@pytest.fixture(scope="module")
def cluster(start_cluster):
    made = start_cluster(shards=1, replicas=1, workers=1)
    made.execute(OBJECTS)
    made.catch_up()
    return made


@pytest.mark.parametrize("sql", LEAVES)
def test_what_may_run_it_stays(cluster, sql):
    with cluster.connect() as conn:
        conn.execute("SET nanu.consistency = 'eventual'")
        assert ("Node: a replica" in "\n".join(line for line, in conn.execute("SELECT nanu.explain(%s)", [sql]))) == LEAVES[sql]
