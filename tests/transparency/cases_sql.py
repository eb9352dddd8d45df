"""Scripts of SQL statements by theme: literals and types, errors, queries, definitions, transactions, COPY.

A name -> the statements of one connection, in order. Each script is sent in every one of the WAYS of both.py, so a statement here stands
for six. What it makes, it makes in the schema `work`, which is first in the search path and empty at the beginning of each script.
"""

SETUP = """
CREATE SCHEMA IF NOT EXISTS work;
CREATE TABLE public.people (id bigint PRIMARY KEY, name text NOT NULL, born date, money numeric(12,2), tags text[], extra jsonb);
INSERT INTO people SELECT i, 'person ' || i, date '1970-01-01' + i * 100, i * 1.25, ARRAY['t' || i % 3, NULL], jsonb_build_object('n', i)
  FROM generate_series(1, 50) i;
CREATE TABLE public.pets (id int PRIMARY KEY, owner bigint REFERENCES people, name varchar(10) CHECK (name <> ''), weight real DEFAULT 1.5);
INSERT INTO pets SELECT i, i % 50 + 1, 'pet ' || i, i / 7.0 FROM generate_series(1, 100) i;
ANALYZE public.pets;
CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE public.pair AS (a int, b text);
CREATE DOMAIN public.positive AS int CHECK (value > 0);
CREATE FUNCTION public.tell(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END $$;
CREATE FUNCTION public.warn() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
  RAISE WARNING 'careful' USING HINT = 'a hint', DETAIL = 'a detail', ERRCODE = '01234'; END $$;
CREATE FUNCTION public.fail(text, text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', $1 USING ERRCODE = $2; END $$;
CREATE FUNCTION public.many(n int) RETURNS SETOF int LANGUAGE sql IMMUTABLE AS 'SELECT generate_series(1, n)';
CREATE PROCEDURE public.twice(INOUT n int) LANGUAGE plpgsql AS $$ BEGIN n := n * 2; END $$;
ANALYZE people, pets;
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
GRANT SELECT ON people TO other;
"""


def each(prefix, statements):
    """One script for each statement."""
    return {f"{prefix}: {sql[:60]}": [sql] for sql in statements}


LITERALS = each("literal", [
    "SELECT 1", "SELECT -1, +1, 1.5, -0.0, 1e10, .5, 5.", "SELECT 2147483647, 2147483648, 9223372036854775807, 9223372036854775808",
    "SELECT 'text', 'it''s', E'tab\\tand\\\\slash', $$dollar$$, $tag$with $$ inside$tag$, U&'\\0441\\0442', 'a' 'b'".replace("'a' 'b'", "'a'\n'b'"),
    "SELECT true, false, NULL, 't'::bool", "SELECT B'1011', X'1FF', b'1'::bit(3), '101'::varbit", "SELECT '\\xdeadbeef'::bytea, E'\\\\001'::bytea",
    "SELECT 1::int2, 1::int4, 1::int8, 1::numeric, 1::float4, 1::float8, 1::oid, '1'::\"char\"",
    "SELECT 'NaN'::float8, 'Infinity'::float8, '-Infinity'::float4, 'NaN'::numeric, 'Infinity'::numeric",
    "SELECT 0.1::float4, 0.1::float8, 1/3.0, 1/3::float8, 1e-300::float8, 123456789012345678901234567890.123456789",
    "SELECT 'abc'::char(5), 'abc'::varchar(2), 'abc'::name, 'abc'::text, 'x'::bpchar", "SELECT date '2024-02-29', date 'infinity', date '0044-03-15 BC'",
    "SELECT time '12:34:56.789', timetz '12:34:56+02', timestamp '2024-02-29 12:34:56', timestamptz '2024-02-29 12:34:56+00'",
    "SELECT interval '1 year 2 mons 3 days 04:05:06.7', interval '-1 day', interval '1' hour", "SELECT '{1,2,NULL}'::int[], ARRAY[[1,2],[3,4]], '{}'::text[], '[2:3]={a,b}'::text[]",
    "SELECT '{\"a\": [1, 2, {\"b\": null}]}'::json, '{\"a\": [1, 2, {\"b\": null}]}'::jsonb, '[]'::jsonb, 'null'::jsonb",
    "SELECT '550e8400-e29b-41d4-a716-446655440000'::uuid", "SELECT inet '192.168.0.1/24', cidr '10.0.0.0/8', macaddr '08:00:2b:01:02:03', inet '::1'",
    "SELECT point '(1,2)', line '{1,2,3}', lseg '[(0,0),(1,1)]', box '(1,1),(0,0)', path '((0,0),(1,1))', polygon '((0,0),(1,1),(1,0))', circle '<(0,0),1>'",
    "SELECT int4range(1, 5), numrange(NULL, 1.5, '(]'), tsrange('2020-01-01', '2021-01-01'), 'empty'::int8range, '{[1,2],[5,6]}'::int4multirange",
    "SELECT money '12.34', money '-5'", "SELECT xmlparse(content '<a>b</a>'), xmlelement(name x, 'y')", "SELECT to_tsvector('simple', 'a fat cat'), to_tsquery('simple', 'fat & cat')",
    "SELECT 'pg_class'::regclass, 'int4'::regtype, 'now'::regproc, 'pg_catalog'::regnamespace", "SELECT ROW(1, 'a', NULL), (1, 2) = (1, 2), ROW()",
    "SELECT 'happy'::mood, 5::positive, ARRAY['sad', 'ok']::mood[]::text, '(1,x)'::pair::text", "SELECT 'a' || 'b', 1 + 2 * 3, 7 % 3, 2 ^ 10, |/ 16, @ -5, 5 & 3, 1 << 4, NOT true",
    "SELECT 1 AS \"Column Name\", 2 AS \"ü\", 3 AS \"a\"\"b\", 4 AS \"select\"", "SELECT 'żółć 漢字 🐘', length('漢字'), upper('straße'), E'\\u00e9'", "SELECT '' AS empty, ' ' AS blank",
    "SELECT 1 -- comment", "SELECT /* a /* nested */ comment */ 1", "  \n\t SELECT\n1\n;", "select 1;", "VALUES (1, 'a'), (2, NULL)", "TABLE pg_am", "SELECT", "SELECT FROM people LIMIT 3",
    "SELECT pg_lsn '16/B374D848', '123:456:123'::pg_snapshot, txid_current() > 0", "SELECT '1 2 3'::int2vector, '4 5'::oidvector, '(0,1)'::tid, '5'::xid, '6'::cid",
    "SELECT 1::bit, 5::bit(8), '1'::bit(4) || B'0'", "SELECT 12345678.9::money::numeric, 1.10::numeric(5,3), 1.005::numeric(5,2)",
    "SELECT CAST('5' AS int), int '5', '5'::int, pg_catalog.int4 '5'", "SELECT current_setting('server_version_num'), version() LIKE 'PostgreSQL 15%'",
    "SELECT current_user, session_user, current_schema, current_schemas(true)", "SELECT now() = transaction_timestamp(), clock_timestamp() > now()", "SELECT jsonpath '$.a[*] ? (@ > 1)'",
])

ERRORS = each("error", [
    "SELEC 1", "SELECT 1 FROM", "SELECT 'unterminated", "SELECT \"unterminated", "SELECT /* unterminated", "SELECT $$unterminated", "SELECT 1 1 1", ")", "SELECT * FROM (SELECT 1",
    "SELECT 1/0", "SELECT 1/(id - id) FROM people", "SELECT * FROM no_such_table", "SELECT no_such_column FROM people", "SELECT people.nope FROM people", "SELECT no_such_function(1)",
    "SELECT 'abc'::int", "SELECT '2024-02-30'::date", "SELECT '{1,2'::int[]", "SELECT 'not json'::json", "SELECT 'nope'::mood", "SELECT 0::positive", "SELECT 99999999999999999999::int8",
    "SELECT 40000::int2", "SELECT 1e400::float8", "SELECT 'x'::uuid", "SELECT 'abc' + 1", "SELECT 1 + 'abc'", "SELECT id, count(*) FROM people", "SELECT (SELECT id FROM people)",
    "SELECT * FROM people ORDER BY 99", "SELECT * FROM people LIMIT -1", "SELECT people.id FROM people, people", "SELECT 1 UNION SELECT 'a'", "SELECT 1, 2 UNION SELECT 1",
    "INSERT INTO people VALUES (1, 'twin')", "INSERT INTO people VALUES (1000)", "INSERT INTO people (id, nope) VALUES (1, 2)", "INSERT INTO pets VALUES (1000, 1000000, 'x')",
    "INSERT INTO pets VALUES (1000, 1, '')", "INSERT INTO pets VALUES (1000, 1, 'much too long a name')", "INSERT INTO people VALUES (1001, NULL)", "INSERT INTO people SELECT 'a', 'b'",
    "UPDATE people SET id = 2 WHERE id = 1", "UPDATE people SET nope = 1", "DELETE FROM people WHERE id = 1", "DELETE FROM nope", "TRUNCATE people", "DROP TABLE people", "DROP TABLE nope",
    "CREATE TABLE people (id int)".replace("people", "public.people"), "CREATE TABLE work.t (a int, a int)", "CREATE TABLE t (a nosuchtype)", "ALTER TABLE people ADD COLUMN x int", "CREATE INDEX ON nope (a)",
    "SELECT fail('mine', 'ABCDE')", "SELECT fail('deadlock', '40P01')", "SELECT fail('serialization', '40001')", "DO $$ BEGIN RAISE EXCEPTION 'from do' USING DETAIL = 'd', HINT = 'h', COLUMN = 'c', TABLE = 't', CONSTRAINT = 'x', DATATYPE = 'y', SCHEMA = 's'; END $$",
    "DO $$ BEGIN syntax error; END $$", "DO LANGUAGE nope $$ $$", "EXECUTE nope", "DEALLOCATE nope", "FETCH nope", "CLOSE nope", "MOVE nope", "RELEASE SAVEPOINT nope", "ROLLBACK TO nope", "SAVEPOINT s",
    "SET nope TO 1", "SET work_mem TO 'many'", "SET DateStyle TO 'nonsense'", "SET TimeZone TO 'Nowhere/Never'", "SHOW nope", "RESET nope", "SET statement_timeout = -5", "SET shared_buffers = 1", "SET ROLE nope", "SET SESSION AUTHORIZATION nope",
    "SET TRANSACTION ISOLATION LEVEL nope", "BEGIN ISOLATION LEVEL nope", "COMMIT PREPARED 'nope'", "ROLLBACK PREPARED 'nope'", "LOCK TABLE people", "DECLARE c CURSOR FOR SELECT 1", "COPY people FROM '/nonexistent'", "COPY nope TO STDOUT", "COPY people TO '/nonexistent'",
    "CREATE ROLE evil SUPERUSER", "CREATE DATABASE evil", "ALTER SYSTEM SET work_mem = 1", "VACUUM nope", "CREATE EXTENSION nope", "SELECT pg_read_file('/etc/passwd')", "SELECT set_config('work_mem', 'many', false)", "GRANT SELECT ON people TO nobody",
    "SELECT lo_open(1, 2)", "SELECT pg_advisory_unlock(77)", "NOTIFY \"\"", "SELECT $1", "SELECT $1 + $2", "PREPARE p AS SELECT $1 + 'a'", "EXPLAIN SELECT * FROM nope", "EXPLAIN (nope) SELECT 1", "REFRESH MATERIALIZED VIEW nope", "CLUSTER nope", "REINDEX TABLE nope",
    "CALL nope()", "CALL twice('x')", "SELECT 'a'::regclass", "SELECT nextval('nope')", "SELECT currval('nope')", "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c", "SELECT xmlparse(document 'no')", "SELECT * FROM people FOR UPDATE OF nope", "WITH a AS (SELECT 1) SELECT * FROM b",
])

QUERIES = each("query", [
    "SELECT * FROM people ORDER BY id", "SELECT * FROM people WHERE id = 7", "SELECT * FROM people WHERE false", "SELECT count(*), sum(money), avg(money), min(born), max(born) FROM people",
    "SELECT p.name, q.name FROM people p JOIN pets q ON q.owner = p.id ORDER BY q.id LIMIT 5", "SELECT p.id, q.id FROM people p LEFT JOIN pets q ON q.owner = p.id AND q.id > 90 ORDER BY 1, 2",
    "SELECT id % 3 AS k, count(*) FROM people GROUP BY 1 HAVING count(*) > 1 ORDER BY 1", "SELECT DISTINCT id % 5 FROM people ORDER BY 1", "SELECT DISTINCT ON (id % 3) id FROM people ORDER BY id % 3, id",
    "SELECT id, row_number() OVER (PARTITION BY id % 2 ORDER BY id DESC) FROM people ORDER BY id", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT * FROM n",
    "SELECT * FROM generate_series(1, 1000)", "SELECT many(5)", "SELECT * FROM many(3) WITH ORDINALITY", "SELECT 1 UNION SELECT 2 UNION ALL SELECT 2 ORDER BY 1", "SELECT id FROM people EXCEPT SELECT id FROM people WHERE id > 3 ORDER BY 1",
    "SELECT name FROM people WHERE name LIKE '%1%' ORDER BY name COLLATE \"C\"", "SELECT * FROM people ORDER BY money DESC NULLS LAST OFFSET 3 LIMIT 4", "SELECT id FROM people ORDER BY id FETCH FIRST 3 ROWS WITH TIES",
    "SELECT tags[1], extra->>'n', extra->'n' FROM people ORDER BY id LIMIT 3", "SELECT (SELECT max(id) FROM pets WHERE owner = people.id) FROM people ORDER BY id LIMIT 3", "SELECT * FROM people, LATERAL (SELECT count(*) FROM pets WHERE owner = people.id) c ORDER BY 1 LIMIT 3",
    "SELECT string_agg(name, ',' ORDER BY id), array_agg(id ORDER BY id), jsonb_agg(id ORDER BY id) FROM people WHERE id < 5", "SELECT CASE WHEN id > 2 THEN 'big' ELSE 'small' END FROM people ORDER BY id LIMIT 4", "SELECT people FROM people ORDER BY id LIMIT 2",
    "SELECT p.*, q.* FROM people p, pets q WHERE p.id = q.id ORDER BY p.id LIMIT 2", "SELECT xmin > '0', ctid, tableoid::regclass FROM people ORDER BY id LIMIT 2", "SELECT tell('x'), tell('y')", "SELECT warn()", "SELECT tell(name) FROM people WHERE id < 4 ORDER BY id",
    "SELECT * FROM people WHERE id = ANY (ARRAY[1, 2, 3]) ORDER BY id", "SELECT GROUPING(id % 2), count(*) FROM people GROUP BY ROLLUP (id % 2) ORDER BY 1, 2", "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY id) FROM people", "SELECT * FROM people TABLESAMPLE SYSTEM (100) ORDER BY id LIMIT 1",
    "EXPLAIN (COSTS OFF) SELECT * FROM people WHERE id = 1", "EXPLAIN (COSTS OFF, FORMAT JSON) SELECT 1", "EXPLAIN (COSTS OFF) INSERT INTO pets VALUES (1)", "EXPLAIN (COSTS OFF, VERBOSE) SELECT name FROM people", "SELECT name FROM people WHERE id = 3 FOR UPDATE",
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1", "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'people'::regclass AND attnum > 0 ORDER BY attnum", "SELECT pg_typeof(1), pg_typeof('a'), pg_typeof(NULL)",
    "SELECT relname FROM pg_class WHERE relname = 'people'", "SELECT repeat('x', 10000)", "SELECT repeat('x', 3000000)", "SELECT i, repeat(i::text, 2000) FROM generate_series(1, 300) i", "SELECT string_agg(i::text, ',') FROM generate_series(1, 100000) i", "SELECT ARRAY(SELECT generate_series(1, 20000))",
    "SELECT " + ", ".join(f"{i} AS c{i}" for i in range(1, 1601)), "SELECT " + ", ".join("NULL" for _ in range(500)), "SELECT NULL::int, NULL::text, NULL::int[], NULL::people", "SELECT '" + "ü漢🐘" * 5000 + "'", "SELECT '" + "y" * 3_000_000 + "'", "SELECT 1 WHERE 1 IN (" + ", ".join(map(str, range(5000))) + ")",
    "SELECT pg_sleep(0)", "SELECT 1; ", ";", "", "   ", "-- only a comment", ";;;", "SELECT format('%s %I %L', 'a', 'b c', 'd''e')", "SELECT regexp_matches('foobar', '(o+)(b)', 'g')", "SELECT generate_series(1, 3), generate_series(1, 2)",
])

CHANGES = {
    "insert": ["CREATE TABLE t (a int, b text)", "INSERT INTO t VALUES (1, 'x'), (2, NULL)", "INSERT INTO t (a) SELECT generate_series(3, 5)", "INSERT INTO t DEFAULT VALUES", "SELECT * FROM t ORDER BY a", "INSERT INTO t VALUES (9, 'r') RETURNING *, a * 2 AS double"],
    "update": ["CREATE TABLE t AS SELECT i AS a, i * i AS b FROM generate_series(1, 5) i", "UPDATE t SET b = b + 1", "UPDATE t SET b = 0 WHERE a > 3 RETURNING a, b", "UPDATE t SET b = 1 WHERE false", "SELECT * FROM t ORDER BY a", "UPDATE t SET (a, b) = (SELECT 1, 2) WHERE a = 1"],
    "delete": ["CREATE TABLE t AS SELECT i AS a FROM generate_series(1, 5) i", "DELETE FROM t WHERE a = 1", "DELETE FROM t USING people WHERE t.a = people.id AND people.id = 2 RETURNING t.a", "DELETE FROM t", "SELECT count(*) FROM t"],
    "upsert": ["CREATE TABLE t (a int PRIMARY KEY, b int)", "INSERT INTO t VALUES (1, 1) ON CONFLICT DO NOTHING", "INSERT INTO t VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET b = excluded.b + t.b RETURNING *", "INSERT INTO t VALUES (1, 2) ON CONFLICT DO NOTHING", "INSERT INTO t VALUES (1, 1)"],
    "merge": ["CREATE TABLE t (a int PRIMARY KEY, b int)", "MERGE INTO t USING (VALUES (1, 2), (3, 4)) s(a, b) ON s.a = t.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.a, s.b)", "SELECT * FROM t ORDER BY a"],
    "writing cte": ["CREATE TABLE t (a int)", "WITH x AS (INSERT INTO t VALUES (1), (2) RETURNING a) SELECT sum(a) FROM x", "WITH d AS (DELETE FROM t RETURNING a) INSERT INTO t SELECT a + 10 FROM d", "SELECT * FROM t ORDER BY a"],
    "serial and identity": ["CREATE TABLE t (a serial, b int GENERATED ALWAYS AS IDENTITY, c int GENERATED ALWAYS AS (1 + 1) STORED)", "INSERT INTO t DEFAULT VALUES RETURNING *", "INSERT INTO t (b) VALUES (1)", "INSERT INTO t (b) OVERRIDING SYSTEM VALUE VALUES (9)", "SELECT * FROM t ORDER BY b"],
    "sequence": ["CREATE SEQUENCE s START 5", "SELECT nextval('s'), nextval('s')", "SELECT setval('s', 100)", "SELECT nextval('s')", "ALTER SEQUENCE s RESTART", "SELECT last_value, is_called FROM s", "DROP SEQUENCE s"],
    "currval": ["CREATE SEQUENCE s START 5", "SELECT currval('s')", "SELECT nextval('s')", "SELECT currval('s'), lastval()", "SELECT currval('s')", "DISCARD SEQUENCES", "SELECT lastval()"],
    "lastval after a serial": ["CREATE TABLE t (a serial)", "BEGIN", "INSERT INTO t DEFAULT VALUES", "SELECT lastval(), currval('t_a_seq')", "COMMIT"],
    "truncate": ["CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)", "TRUNCATE t", "TRUNCATE t RESTART IDENTITY CASCADE", "SELECT count(*) FROM t"],
    "rule": ["CREATE TABLE t (a int)", "CREATE RULE r AS ON INSERT TO t DO ALSO SELECT 'also' AS said", "INSERT INTO t VALUES (1)", "CREATE RULE r2 AS ON DELETE TO t DO INSTEAD NOTHING", "DELETE FROM t", "SELECT * FROM t"],
    "trigger": ["CREATE TABLE t (a int)", "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '% %', TG_OP, NEW.a; NEW.a := NEW.a + 1; RETURN NEW; END $$", "CREATE TRIGGER g BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()", "INSERT INTO t VALUES (1) RETURNING a", "UPDATE t SET a = 10", "SELECT * FROM t"],
    "deferred constraint": ["CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)", "BEGIN", "INSERT INTO t VALUES (1), (1)", "SELECT count(*) FROM t", "COMMIT", "SELECT count(*) FROM t", "BEGIN", "SET CONSTRAINTS ALL IMMEDIATE", "INSERT INTO t VALUES (2), (2)", "ROLLBACK"],
}

DEFINITIONS = {
    "table": ["CREATE TABLE t (a int PRIMARY KEY, b text DEFAULT 'x' NOT NULL, CHECK (a > 0))", "CREATE TABLE IF NOT EXISTS t (a int)", "ALTER TABLE t ADD COLUMN c int", "ALTER TABLE t RENAME COLUMN c TO d", "ALTER TABLE t ALTER d TYPE bigint", "ALTER TABLE t DROP COLUMN d", "ALTER TABLE t RENAME TO u", "COMMENT ON TABLE u IS 'it'", "DROP TABLE u", "DROP TABLE IF EXISTS u"],
    "index": ["CREATE TABLE t (a int, b int)", "CREATE INDEX i ON t (a)", "CREATE UNIQUE INDEX IF NOT EXISTS i ON t (a)", "CREATE INDEX ON t (b) WHERE a > 0", "REINDEX INDEX i", "ALTER INDEX i RENAME TO j", "DROP INDEX j"],
    "index concurrently": ["CREATE TABLE t (a int)", "CREATE INDEX CONCURRENTLY i ON t (a)", "REINDEX TABLE CONCURRENTLY t", "DROP INDEX CONCURRENTLY i"],
    "view": ["CREATE VIEW v AS SELECT id, name FROM people", "SELECT * FROM v ORDER BY id LIMIT 2", "CREATE OR REPLACE VIEW v AS SELECT id, name, born FROM people", "CREATE OR REPLACE VIEW v AS SELECT 1", "INSERT INTO v VALUES (1, 'x')", "DROP VIEW v", "SELECT * FROM v"],
    "materialized view": ["CREATE MATERIALIZED VIEW v AS SELECT id FROM people WHERE id < 3", "SELECT * FROM v", "REFRESH MATERIALIZED VIEW v", "DROP MATERIALIZED VIEW v"],
    "function": ["CREATE FUNCTION f(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql AS 'SELECT a + b'", "SELECT f(1), f(1, 5), f(b => 1, a => 2)", "CREATE OR REPLACE FUNCTION f(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql AS 'SELECT a * b'", "SELECT f(3)", "ALTER FUNCTION f(int, int) IMMUTABLE", "DROP FUNCTION f", "SELECT f(1)"],
    "function that fails": ["CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT nope'", "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1 / 0; END $$", "SELECT f()", "CREATE FUNCTION g() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN f(); END $$", "SELECT g() FROM people"],
    "procedure": ["CREATE TABLE t (a int)", "CREATE PROCEDURE p(n int) LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..n LOOP INSERT INTO t VALUES (i); IF i % 2 = 0 THEN COMMIT; ELSE ROLLBACK; END IF; END LOOP; END $$", "CALL p(5)", "SELECT * FROM t ORDER BY a", "BEGIN", "CALL p(1)", "ROLLBACK"],
    "call": ["CALL twice(21)", "CALL twice(NULL)", "CALL twice(2147483647)"],
    "do": ["DO $$ BEGIN NULL; END $$", "DO $$ BEGIN RAISE NOTICE 'n'; RAISE INFO 'i'; RAISE LOG 'l'; RAISE DEBUG 'd'; RAISE WARNING 'w'; END $$", "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM people LIMIT 2 LOOP RAISE NOTICE '%', r; END LOOP; END $$"],
    "types": ["CREATE TYPE e AS ENUM ('a', 'b')", "SELECT 'a'::e, 'b'::e > 'a'::e", "ALTER TYPE e ADD VALUE 'c'", "SELECT 'c'::e", "CREATE TYPE c AS (x int, y e)", "SELECT (ROW(1, 'a')::c).x, (ROW(1, 'b')::c).y", "CREATE DOMAIN d AS text CHECK (value ~ '^x')", "SELECT 'xy'::d", "SELECT 'y'::d", "DROP TYPE c", "DROP TYPE e"],
    "schema": ["CREATE TABLE t (a int)", "ALTER TABLE t SET SCHEMA public", "DROP TABLE public.t", "DROP SCHEMA nope", "CREATE SCHEMA IF NOT EXISTS work"],
    "grants": ["CREATE TABLE t (a int)", "GRANT SELECT, INSERT ON t TO other", "GRANT SELECT ON t TO PUBLIC", "REVOKE ALL ON t FROM other", "SELECT relacl IS NOT NULL FROM pg_class WHERE oid = 't'::regclass", "GRANT NOPE ON t TO other", "REVOKE SELECT ON people FROM other", "ALTER TABLE t OWNER TO other", "ALTER DEFAULT PRIVILEGES IN SCHEMA work GRANT SELECT ON TABLES TO other"],
    "row security": ["CREATE TABLE t (a int)", "ALTER TABLE t ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON t USING (a > 0)", "SELECT * FROM t", "DROP POLICY p ON t", "DROP POLICY p ON t"],
    "partitions": ["CREATE TABLE t (a int, b text) PARTITION BY RANGE (a)", "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)", "INSERT INTO t VALUES (5, 'x')", "INSERT INTO t VALUES (50, 'x')", "SELECT tableoid::regclass::text, * FROM t", "ALTER TABLE t DETACH PARTITION t1", "DROP TABLE t"],
    "inheritance": ["CREATE TABLE t (a int)", "CREATE TABLE u (b int) INHERITS (t)", "INSERT INTO u VALUES (1, 2)", "SELECT * FROM t", "SELECT * FROM ONLY t", "DROP TABLE t", "DROP TABLE t CASCADE"],
    "maintenance": ["CREATE TABLE t (a int)", "VACUUM t", "VACUUM (ANALYZE) t", "ANALYZE t", "VACUUM FULL t", "CREATE INDEX i ON t (a)", "CLUSTER t USING i", "REINDEX TABLE t", "BEGIN", "VACUUM t", "ROLLBACK", "CHECKPOINT"],
    "changed under a prepared statement": ["CREATE TABLE t (a int)", "PREPARE p AS SELECT * FROM t", "EXECUTE p", "ALTER TABLE t ADD COLUMN b int", "EXECUTE p", "DEALLOCATE p", "DROP TABLE t"],
    "statistics, collation, text search": ["CREATE TABLE t (a int, b int)", "CREATE STATISTICS s ON a, b FROM t", "DROP STATISTICS s", "CREATE COLLATION k (locale = 'C')", "SELECT 'a' < 'B' COLLATE k", "DROP COLLATION k"],
    "security label, comments": ["CREATE TABLE t (a int)", "COMMENT ON COLUMN t.a IS 'é'", "COMMENT ON COLUMN t.b IS 'x'", "SELECT col_description('t'::regclass, 1)", "SECURITY LABEL ON TABLE t IS 'x'"],
    "large objects": ["BEGIN", "SELECT lo_from_bytea(424242, '\\xabcd')", "SELECT lo_get(424242)", "SELECT lo_open(424242, 262144)", "SELECT loread(0, 10)", "ROLLBACK", "SELECT lo_get(424242)"],
    "create table as, select into": ["CREATE TABLE t AS SELECT 1 AS a", "SELECT id INTO u FROM people WHERE id < 4", "CREATE TABLE w AS TABLE u WITH NO DATA", "SELECT * FROM u ORDER BY id", "CREATE TABLE IF NOT EXISTS t AS SELECT 2"],
    "create table as execute": ["PREPARE p(int) AS SELECT $1 AS a", "CREATE TABLE t AS EXECUTE p(5)", "SELECT * FROM t"],
    "event of many notices": ["DO $$ BEGIN FOR i IN 1..500 LOOP RAISE NOTICE 'notice % %', i, repeat('x', 200); END LOOP; END $$"],
}

SCRIPTS = {**LITERALS, **ERRORS, **QUERIES, **{f"change: {name}": script for name, script in CHANGES.items()},
           **{f"definition: {name}": script for name, script in DEFINITIONS.items()}}
