"""Scripts of SQL statements about what a session carries: transactions, cursors, settings, prepared statements, what pins it.

As in cases_sql.py. Every script ends with its connection, so what it leaves open must not be seen by the next.
"""

TRANSACTIONS = {
    "commit": ["BEGIN", "SELECT 1", "COMMIT", "SELECT 2"],
    "rollback": ["BEGIN", "CREATE TABLE t (a int)", "ROLLBACK", "SELECT * FROM t"],
    "all spellings": ["BEGIN WORK", "END", "START TRANSACTION", "COMMIT WORK", "BEGIN TRANSACTION", "ABORT", "BEGIN", "ROLLBACK TRANSACTION", "BEGIN", "END WORK"],
    "options": ["BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE", "SHOW transaction_isolation", "SHOW transaction_read_only", "CREATE TABLE t (a int)", "ROLLBACK", "START TRANSACTION READ WRITE, ISOLATION LEVEL REPEATABLE READ", "SHOW transaction_isolation", "COMMIT"],
    "set transaction": ["BEGIN", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SHOW transaction_isolation", "SELECT 1 FROM people LIMIT 1", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "ROLLBACK", "SET TRANSACTION READ ONLY", "SHOW transaction_read_only"],
    "session characteristics": ["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "CREATE TABLE t (a int)", "SHOW default_transaction_read_only", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "SHOW transaction_read_only"],
    "failed": ["BEGIN", "SELECT 1/0", "SELECT 1", "SELEC", "SET work_mem = '1MB'", "COMMIT", "SELECT 1"],
    "failed, rolled back": ["BEGIN", "SELECT nope", "SAVEPOINT s", "ROLLBACK", "SHOW work_mem"],
    "failed at its first words": ["BEGIN", "nonsense", "FETCH x", "COMMIT", "BEGIN", "COMMIT"],
    "warnings": ["COMMIT", "ROLLBACK", "BEGIN", "BEGIN", "COMMIT", "COMMIT"],
    "savepoints": ["BEGIN", "CREATE TABLE t (a int)", "SAVEPOINT one", "INSERT INTO t VALUES (1)", "SAVEPOINT two", "INSERT INTO t VALUES (2)", "ROLLBACK TO one", "SELECT count(*) FROM t", "RELEASE one", "ROLLBACK TO two", "ROLLBACK"],
    "savepoint after an error": ["BEGIN", "SAVEPOINT s", "SELECT 1/0", "ROLLBACK TO SAVEPOINT s", "SELECT 2", "SELECT nope", "ROLLBACK TO s", "COMMIT"],
    "savepoints of one name": ["BEGIN", "SAVEPOINT s", "SAVEPOINT s", "RELEASE s", "ROLLBACK TO s", "RELEASE SAVEPOINT s", "RELEASE s", "COMMIT"],
    "savepoint names": ["BEGIN", "SAVEPOINT \"Mixed Case\"", "ROLLBACK TO \"Mixed Case\"", "SAVEPOINT UPPER", "RELEASE upper", "COMMIT"],
    "chain": ["BEGIN ISOLATION LEVEL SERIALIZABLE", "COMMIT AND CHAIN", "SHOW transaction_isolation", "ROLLBACK AND CHAIN", "SELECT 1/0", "ROLLBACK AND CHAIN", "SHOW transaction_isolation", "COMMIT AND NO CHAIN", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN"],
    "commit of failed and chain": ["BEGIN", "SELECT 1/0", "COMMIT AND CHAIN", "SELECT 1", "COMMIT"],
    "prepare transaction": ["BEGIN", "CREATE TABLE t (a int)", "PREPARE TRANSACTION 'g'", "SELECT * FROM t", "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()", "COMMIT PREPARED 'g'", "SELECT * FROM t", "PREPARE TRANSACTION 'h'"],
    "prepare transaction, rolled back": ["BEGIN", "CREATE TABLE t (a int)", "PREPARE TRANSACTION 'g'", "BEGIN", "COMMIT PREPARED 'g'", "ROLLBACK", "ROLLBACK PREPARED 'g'", "BEGIN", "SELECT 1/0", "PREPARE TRANSACTION 'g'"],
    "several statements": ["SELECT 1; SELECT 2", "SELECT 1; SELECT 1/0; SELECT 3", "BEGIN; SELECT 1; COMMIT", "SELECT 1; COMMIT; SELECT 2", "BEGIN; SELECT 1/0; COMMIT", "SELECT 1", "ROLLBACK", "SELECT 'a;b'; SELECT $$;$$"],
    "several statements, implicitly one transaction": ["CREATE TABLE t (a int)", "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); SELECT 1/0", "SELECT count(*) FROM t", "INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2); SELECT 1/0", "SELECT count(*) FROM t", "SELECT 1; ROLLBACK; SELECT 2", "SELECT 1; SAVEPOINT s"],
    "several statements, begun and left open": ["SELECT 1; BEGIN; SELECT 2", "SELECT 3", "SELECT 4; COMMIT; SELECT 5", "BEGIN; SELECT 1; SELECT nope; SELECT 2", "SELECT 6; ROLLBACK; SELECT 7", "ROLLBACK; SELECT 8"],
    "several statements, a syntax error at the end": ["CREATE TABLE t (a int); SELEC", "SELECT * FROM t", "SELECT 1; SELECT 'x", "BEGIN; nonsense; COMMIT", "SELECT 1"],
    "several statements, empty ones": ["; SELECT 1;; ; SELECT 2;", "SELECT 1;", ";", "/* */ ; SELECT 1 -- end"],
    "several statements with settings": ["SET work_mem = '2MB'; SHOW work_mem; SELECT 1/0", "SHOW work_mem", "SET work_mem = '3MB'; SHOW work_mem", "SHOW work_mem", "BEGIN; SET work_mem = '5MB'; COMMIT; SELECT 1/0", "SHOW work_mem", "SET LOCAL work_mem = '7MB'; SHOW work_mem", "SHOW work_mem"],
    "snapshot": ["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT pg_export_snapshot() IS NOT NULL", "SET TRANSACTION SNAPSHOT 'nope'", "ROLLBACK"],
    "locks": ["BEGIN", "LOCK TABLE pets IN ACCESS SHARE MODE", "LOCK TABLE pets IN ROW EXCLUSIVE MODE NOWAIT", "LOCK nope", "ROLLBACK"],
    "timeout": ["SET statement_timeout = '250ms'", "SELECT pg_sleep(10)", "SHOW statement_timeout", "BEGIN", "SELECT pg_sleep(10)", "ROLLBACK", "SET statement_timeout = 0"],
    "read only": ["SET default_transaction_read_only = on", "CREATE TABLE t (a int)", "BEGIN READ WRITE", "CREATE TABLE t (a int)", "COMMIT", "RESET default_transaction_read_only", "INSERT INTO t VALUES (1)"],
}

CURSORS = {
    "declare, fetch, move, close": ["BEGIN", "DECLARE c CURSOR FOR SELECT id, name FROM people ORDER BY id", "FETCH c", "FETCH 3 FROM c", "FETCH FORWARD 2 FROM c", "MOVE 5 FROM c", "FETCH NEXT FROM c", "FETCH 0 FROM c", "FETCH ALL FROM c", "FETCH c", "CLOSE c", "FETCH c", "ROLLBACK"],
    "scroll": ["BEGIN", "DECLARE c SCROLL CURSOR FOR SELECT id FROM people ORDER BY id", "FETCH LAST FROM c", "FETCH PRIOR FROM c", "FETCH FIRST FROM c", "FETCH ABSOLUTE 10 FROM c", "FETCH RELATIVE -3 FROM c", "FETCH BACKWARD 2 FROM c", "MOVE BACKWARD ALL IN c", "FETCH c", "COMMIT"],
    "no scroll": ["BEGIN", "DECLARE c NO SCROLL CURSOR FOR SELECT id FROM people ORDER BY id", "FETCH 2 FROM c", "FETCH PRIOR FROM c", "ROLLBACK"],
    "binary": ["BEGIN", "DECLARE c BINARY CURSOR FOR SELECT id, money, born FROM people ORDER BY id", "FETCH 2 FROM c", "COMMIT"],
    "with hold": ["DECLARE c CURSOR WITH HOLD FOR SELECT id FROM people ORDER BY id", "FETCH 2 FROM c", "SELECT 1", "FETCH 2 FROM c", "BEGIN", "FETCH 1 FROM c", "ROLLBACK", "FETCH 1 FROM c", "SELECT name, is_holdable FROM pg_cursors WHERE name = 'c'", "CLOSE c", "FETCH c"],
    "with hold in a transaction": ["BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT id FROM people ORDER BY id", "COMMIT", "FETCH 2 FROM c", "CLOSE ALL", "FETCH 1 FROM c"],
    "with hold, rolled back": ["BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT id FROM people ORDER BY id", "ROLLBACK", "FETCH 2 FROM c"],
    "gone with the transaction": ["BEGIN", "DECLARE c CURSOR FOR SELECT 1", "COMMIT", "FETCH c"],
    "where current of": ["CREATE TABLE t AS SELECT i AS a FROM generate_series(1, 3) i", "BEGIN", "DECLARE c CURSOR FOR SELECT a FROM t FOR UPDATE", "FETCH 2 FROM c", "UPDATE t SET a = 20 WHERE CURRENT OF c", "DELETE FROM t WHERE CURRENT OF nope", "ROLLBACK"],
    "names": ["BEGIN", "DECLARE \"C u\" CURSOR FOR SELECT 1", "FETCH \"C u\"", "DECLARE \"C u\" CURSOR FOR SELECT 1", "ROLLBACK"],
    "two at once": ["BEGIN", "DECLARE a CURSOR FOR SELECT generate_series(1, 5)", "DECLARE b CURSOR FOR SELECT generate_series(10, 15)", "FETCH a", "FETCH b", "FETCH 2 FROM a", "CLOSE a", "FETCH b", "COMMIT"],
    "error in the middle": ["BEGIN", "DECLARE c CURSOR FOR SELECT 10 / (3 - i) FROM generate_series(1, 5) i", "FETCH 2 FROM c", "FETCH 1 FROM c", "FETCH 1 FROM c", "ROLLBACK"],
    "refcursor": ["CREATE FUNCTION f() RETURNS refcursor LANGUAGE plpgsql AS $$ DECLARE r refcursor := 'rc'; BEGIN OPEN r FOR SELECT id FROM people ORDER BY id; RETURN r; END $$", "BEGIN", "SELECT f()", "FETCH 2 FROM rc", "COMMIT"],
}

SETTINGS = {
    "set, show, reset": ["SET work_mem = '8MB'", "SHOW work_mem", "SET work_mem TO 1234", "SHOW work_mem", "SET work_mem TO DEFAULT", "SHOW work_mem", "SET work_mem = '9MB'", "RESET work_mem", "SHOW work_mem", "SET SESSION work_mem = '1GB'", "RESET ALL", "SHOW work_mem"],
    "set local": ["BEGIN", "SET LOCAL work_mem = '8MB'", "SHOW work_mem", "COMMIT", "SHOW work_mem", "SET LOCAL work_mem = '8MB'", "SHOW work_mem"],
    "rolled back": ["SET work_mem = '8MB'", "BEGIN", "SET work_mem = '9MB'", "SHOW work_mem", "ROLLBACK", "SHOW work_mem", "BEGIN", "SET work_mem = '10MB'", "COMMIT", "SHOW work_mem", "BEGIN", "RESET work_mem", "ROLLBACK", "SHOW work_mem"],
    "rolled back to a savepoint": ["BEGIN", "SET work_mem = '8MB'", "SAVEPOINT s", "SET work_mem = '9MB'", "ROLLBACK TO s", "SHOW work_mem", "COMMIT", "SHOW work_mem"],
    "set, then an error": ["BEGIN", "SET work_mem = '8MB'", "SELECT 1/0", "ROLLBACK", "SHOW work_mem", "SET work_mem = '9MB'", "SELECT 1/0", "SHOW work_mem"],
    "set_config": ["SELECT set_config('work_mem', '8MB', false)", "SHOW work_mem", "SELECT set_config('work_mem', '9MB', true)", "SHOW work_mem", "BEGIN", "SELECT set_config('work_mem', '10MB', true)", "SHOW work_mem", "COMMIT", "SELECT current_setting('work_mem'), current_setting('nope', true)"],
    "set_config among others": ["SELECT set_config('work_mem', '8MB', false), set_config('application_name', 'x' || 'y', false)", "SHOW work_mem", "SHOW application_name", "SELECT set_config('work_mem', (i || 'MB')::text, false) FROM generate_series(5, 6) i", "SHOW work_mem"],
    "set_config of quotes and slashes": ["SELECT set_config('application_name', 'it''s', false)", "SHOW application_name", "SELECT set_config('my.path', E'a\\\\b\\n''c', false)", "SHOW my.path", "SELECT current_setting('my.path')"],
    "set_config in a function": ["CREATE FUNCTION f(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN set_config('work_mem', $1, false); END $$", "SELECT f('8MB')", "SHOW work_mem", "SELECT 1", "SHOW work_mem"],
    "set in do": ["DO $$ BEGIN SET work_mem = '8MB'; END $$", "SHOW work_mem", "DO $$ BEGIN PERFORM set_config('application_name', 'it''s', false); END $$", "SHOW application_name", "RESET ALL", "SHOW work_mem"],
    "custom": ["SET my.thing = 'a b'", "SHOW my.thing", "SET \"My\".\"Other\" = 1.5", "SHOW my.other", "SELECT current_setting('my.thing')", "RESET my.thing", "SHOW my.thing", "SHOW my.nope", "SET my.bad-name = 1", "SET nodot = 1"],
    "reported": ["SET application_name = 'me'", "SET DateStyle = 'German'", "SET IntervalStyle = 'iso_8601'", "SET TimeZone = 'Asia/Seoul'", "SET client_encoding = 'LATIN1'", "SET standard_conforming_strings = off", "RESET ALL"],
    "reported and rolled back": ["BEGIN", "SET TimeZone = 'Asia/Seoul'", "SHOW TimeZone", "ROLLBACK", "SHOW TimeZone", "BEGIN", "SET LOCAL DateStyle = 'SQL, DMY'", "SELECT date '2024-03-01'", "COMMIT", "SELECT date '2024-03-01'"],
    "date styles": ["SET DateStyle TO ISO, DMY", "SELECT date '01/02/2024', timestamp '2024-03-04 05:06:07'", "SET DateStyle TO 'Postgres, MDY'", "SELECT date '01/02/2024', timestamp '2024-03-04 05:06:07'", "SET datestyle TO default", "SELECT date '01/02/2024'"],
    "time zones": ["SET TIME ZONE 'America/New_York'", "SELECT timestamptz '2024-07-01 12:00+00'", "SET TIME ZONE -7", "SELECT timestamptz '2024-07-01 12:00+00'", "SET TIME ZONE INTERVAL '+05:30' HOUR TO MINUTE", "SELECT timestamptz '2024-07-01 12:00+00'", "SET TIME ZONE LOCAL", "SHOW TIME ZONE", "SET TIME ZONE DEFAULT"],
    "interval styles": ["SET IntervalStyle = sql_standard", "SELECT interval '1 year 2 days 3 hours'", "SET intervalstyle = postgres_verbose", "SELECT interval '-1 year 2 days'", "SELECT interval '1-2'"],
    "encoding": ["SET NAMES 'LATIN1'", "SELECT 'caf\\u00e9'", "SHOW client_encoding", "SELECT E'\\u00e9'", "SELECT E'\\u6f22'", "SET client_encoding TO 'nope'", "SET NAMES DEFAULT", "SELECT E'\\u6f22'"],
    "strings": ["SET standard_conforming_strings = off", "SELECT 'a\\nb', E'a\\nb'", "SELECT 'it\\'s'", "SET escape_string_warning = off", "SELECT 'a\\\\b'", "SET backslash_quote = off", "SELECT 'it\\'s'", "SET standard_conforming_strings = on", "SELECT 'a\\nb'"],
    "bytea and floats": ["SET bytea_output = escape", "SELECT '\\x0041ff'::bytea", "SET extra_float_digits = 0", "SELECT 0.1::float4, 1/3::float8", "SET extra_float_digits = -3", "SELECT 1/3::float8", "SET xmloption = document", "SELECT 'x'::xml"],
    "search_path": ["CREATE TABLE work.t AS SELECT 'work' AS w", "SET search_path = pg_catalog", "SELECT * FROM t", "SELECT * FROM people", "SET search_path TO work, public", "SELECT * FROM t", "SET search_path TO \"Odd Name\", 'x'", "SHOW search_path", "SET search_path = ''", "SHOW search_path", "SELECT * FROM t", "RESET search_path", "SELECT * FROM t"],
    "schema": ["SET SCHEMA 'public'", "SHOW search_path", "SELECT current_schema()"],
    "roles": ["SET ROLE other", "SELECT current_user, session_user", "SELECT count(*) FROM people", "SELECT count(*) FROM pets", "RESET ROLE", "SELECT current_user", "SET ROLE other", "SET ROLE NONE", "SELECT current_user", "BEGIN", "SET LOCAL ROLE other", "SELECT current_user", "COMMIT", "SELECT current_user"],
    "roles and reset all": ["SET ROLE other", "RESET ALL", "SELECT current_user", "SHOW role", "DISCARD ALL", "SELECT current_user"],
    "session authorization": ["SET SESSION AUTHORIZATION app", "SELECT session_user", "SET SESSION AUTHORIZATION other", "RESET SESSION AUTHORIZATION", "SET SESSION AUTHORIZATION DEFAULT"],
    "discard": ["SET work_mem = '8MB'", "DISCARD ALL", "SHOW work_mem", "DISCARD PLANS", "DISCARD TEMP", "DISCARD SEQUENCES", "BEGIN", "DISCARD ALL", "ROLLBACK", "DISCARD nope"],
    "show all": ["SELECT count(*) > 300 FROM pg_settings", "SELECT name, setting, source FROM pg_settings WHERE name = 'work_mem'", "SHOW server_version", "SHOW is_superuser", "SHOW session_authorization"],
    "planner settings": ["SET enable_seqscan = off", "EXPLAIN (COSTS OFF) SELECT * FROM pets WHERE id = 1", "SET enable_indexscan = off", "SET enable_bitmapscan = off", "EXPLAIN (COSTS OFF) SELECT * FROM pets WHERE id = 1"],
    "set from current, odd values": ["SET application_name = ''", "SHOW application_name", "SET application_name = 'quote '' and \"'", "SHOW application_name", "SET search_path = a, \"B\", 'c d'", "SHOW search_path", "SET statement_timeout = '1min'", "SHOW statement_timeout", "SET seq_page_cost = 1.5", "SHOW seq_page_cost", "SET log_statement = 'all'"],
    "messages": ["SET client_min_messages = error", "SELECT tell('silence')", "SET client_min_messages = debug1", "SELECT tell('noise')", "RESET client_min_messages"],
}

PREPARED = {
    "prepare, execute": ["PREPARE p AS SELECT 1", "EXECUTE p", "EXECUTE p", "DEALLOCATE p", "EXECUTE p"],
    "parameters": ["PREPARE p(int, text) AS SELECT $1 + 1, $2 || 'x'", "EXECUTE p(1, 'a')", "EXECUTE p(1)", "EXECUTE p('x', 'a')", "EXECUTE p(1, 'a', 2)", "EXECUTE p(NULL, NULL)", "EXECUTE p((SELECT 1), lower('A'))", "EXECUTE p(1 + 1, 'a' || 'b')", "EXECUTE p(nope, 'a')", "EXECUTE p(1/0, 'a')"],
    "inferred parameters": ["PREPARE p AS SELECT name FROM people WHERE id = $1", "EXECUTE p(3)", "PREPARE q AS SELECT $1", "EXECUTE q(3)", "PREPARE r AS SELECT $1 + $2 FROM nope", "PREPARE s(nosuchtype) AS SELECT $1"],
    "errors": ["PREPARE p AS SELECT 1", "PREPARE p AS SELECT 2", "PREPARE q AS SELEC", "PREPARE q AS CREATE TABLE t (a int)", "PREPARE q AS SELECT * FROM nope", "EXECUTE q", "DEALLOCATE q", "PREPARE AS SELECT 1", "EXECUTE", "DEALLOCATE", "EXECUTE p"],
    "long names and positions": ["PREPARE a_rather_long_name_of_a_statement AS SELECT 1 + $1", "EXECUTE a_rather_long_name_of_a_statement(nope)", "EXECUTE a_rather_long_name_of_a_statement('x')", "PREPARE é AS SELECT nope", "PREPARE \"q u\"\"o\" AS SELECT 1", "EXECUTE \"q u\"\"o\"", "EXECUTE \"q u\"\"o\"(1)", "DEALLOCATE PREPARE \"q u\"\"o\"", "DEALLOCATE PREPARE ALL"],
    "deallocate all": ["PREPARE p AS SELECT 1", "PREPARE q AS SELECT 2", "DEALLOCATE ALL", "EXECUTE p", "EXECUTE q", "PREPARE p AS SELECT 3", "EXECUTE p"],
    "discard": ["PREPARE p AS SELECT 1", "DISCARD PLANS", "EXECUTE p", "DISCARD ALL", "EXECUTE p"],
    "in a transaction": ["BEGIN", "PREPARE p AS SELECT 1", "ROLLBACK", "EXECUTE p", "BEGIN", "DEALLOCATE p", "ROLLBACK", "EXECUTE p"],
    "in a failed transaction": ["PREPARE p AS SELECT 1", "BEGIN", "SELECT 1/0", "EXECUTE p", "PREPARE q AS SELECT 1", "DEALLOCATE p", "ROLLBACK", "EXECUTE p", "EXECUTE q"],
    "an error of the name fails the transaction": ["BEGIN", "EXECUTE nope", "SELECT 1", "ROLLBACK", "BEGIN", "PREPARE p AS SELECT 1", "PREPARE p AS SELECT 1", "SELECT 1", "COMMIT", "EXECUTE p", "BEGIN", "DEALLOCATE nope", "SELECT 1", "ROLLBACK"],
    "of changes": ["CREATE TABLE t (a int, b text)", "PREPARE i(int, text) AS INSERT INTO t VALUES ($1, $2) RETURNING *", "EXECUTE i(1, 'x')", "EXECUTE i(2, NULL)", "PREPARE u AS UPDATE t SET b = $2 WHERE a = $1", "EXECUTE u(1, 'y')", "PREPARE d AS DELETE FROM t WHERE a = $1", "EXECUTE d(1)", "SELECT * FROM t"],
    "explain execute": ["PREPARE p(int) AS SELECT * FROM people WHERE id = $1", "EXPLAIN (COSTS OFF) EXECUTE p(1)", "EXPLAIN (COSTS OFF) EXECUTE nope", "EXPLAIN (COSTS OFF) EXECUTE p"],
    "under other settings": ["SET DateStyle = 'ISO, DMY'", "PREPARE p AS SELECT date '01/02/2024'", "EXECUTE p", "SET DateStyle = 'ISO, MDY'", "EXECUTE p", "PREPARE q AS SELECT '01/02/2024'::date", "EXECUTE q"],
    "under another path": ["CREATE TABLE work.pets (x int)", "PREPARE p AS SELECT count(*) FROM pets", "EXECUTE p", "SET search_path = public", "EXECUTE p"],
    "of queries with literals": ["PREPARE p AS SELECT 'it''s', $$x$$, 1.5, -1", "EXECUTE p", "PREPARE q(text) AS SELECT $1 || 'a'", "EXECUTE q('it''s')", "EXECUTE q($$x$$)", "EXECUTE q(E'\\n')"],
    "many": [*[f"PREPARE p{i} AS SELECT {i}" for i in range(20)], *[f"EXECUTE p{i}" for i in range(20)]],
    "pg_prepared_statements": ["SELECT count(*) FROM pg_prepared_statements WHERE from_sql AND name = 'never'"],
}

PINNED = {
    "temporary table": ["CREATE TEMP TABLE t (a int)", "INSERT INTO t VALUES (1)", "SELECT * FROM t", "SELECT relpersistence FROM pg_class WHERE relname = 't'", "DROP TABLE t", "SELECT * FROM t"],
    "temporary table, all spellings": ["CREATE TEMPORARY TABLE a (x int)", "CREATE LOCAL TEMP TABLE b (x int)", "CREATE TABLE pg_temp.c (x int)", "SELECT 1 AS x INTO TEMP d", "CREATE TEMP TABLE e AS SELECT 1 AS x", "CREATE TEMP VIEW f AS SELECT 1 AS x", "CREATE TEMP SEQUENCE g", "SELECT * FROM a, b, c, d, e, f", "SELECT nextval('g')"],
    "temporary table on commit": ["CREATE TEMP TABLE a (x int) ON COMMIT DELETE ROWS", "INSERT INTO a VALUES (1)", "SELECT count(*) FROM a", "BEGIN", "CREATE TEMP TABLE b (x int) ON COMMIT DROP", "SELECT count(*) FROM b", "COMMIT", "SELECT count(*) FROM b", "SELECT count(*) FROM a"],
    "temporary table in a transaction": ["BEGIN", "CREATE TEMP TABLE t (a int)", "ROLLBACK", "SELECT * FROM t", "BEGIN", "CREATE TEMP TABLE t (a int)", "COMMIT", "SELECT * FROM t", "DISCARD TEMP", "SELECT * FROM t"],
    "temporary table hides another": ["CREATE TEMP TABLE people (x int)", "SELECT * FROM people", "DROP TABLE people", "SELECT count(*) FROM people", "CREATE TEMP TABLE people (x int)", "DISCARD ALL", "SELECT count(*) FROM people"],
    "temporary function": ["CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 5'", "SELECT pg_temp.f()", "SELECT 1", "SELECT pg_temp.f()"],
    "temporary table made in do": ["DO $$ BEGIN CREATE TEMP TABLE t (a int); INSERT INTO t VALUES (4); END $$", "SELECT * FROM t", "SELECT * FROM t"],
    "temporary table made in a function": ["CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE t AS SELECT 3 AS a; END $$", "SELECT f()", "SELECT * FROM t", "DROP TABLE t"],
    "advisory locks": ["SELECT pg_advisory_lock(11)", "SELECT pg_try_advisory_lock(11)", "SELECT objid, mode, granted FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()", "SELECT pg_advisory_unlock(11)", "SELECT pg_advisory_unlock(11)", "SELECT pg_advisory_unlock(11)"],
    "advisory locks, shared and in transactions": ["SELECT pg_advisory_lock_shared(12)", "SELECT pg_advisory_unlock_shared(12)", "SELECT pg_advisory_xact_lock(13)", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()", "BEGIN", "SELECT pg_try_advisory_xact_lock(14)", "COMMIT", "SELECT pg_advisory_lock(1, 2)", "SELECT pg_advisory_unlock_all()", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"],
    "advisory lock, then an error": ["SELECT pg_advisory_lock(15), 1/0", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()", "SELECT pg_advisory_lock(16), 1/(id - id) FROM people", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()", "SELECT pg_advisory_unlock_all()"],
    "advisory lock in do": ["DO $$ BEGIN PERFORM pg_advisory_lock(17); END $$", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()", "SELECT pg_advisory_unlock(17)"],
    "listen, notify": ["LISTEN ch", "NOTIFY ch", "NOTIFY ch, 'payload'", "SELECT pg_notify('ch', 'p2')", "SELECT pg_listening_channels()", "UNLISTEN ch", "NOTIFY ch", "SELECT 1"],
    "listen, rolled back": ["BEGIN", "LISTEN ch", "ROLLBACK", "NOTIFY ch", "SELECT count(*) FROM pg_listening_channels()", "LISTEN \"Ch 2\"", "NOTIFY \"Ch 2\", 'x'", "UNLISTEN *", "NOTIFY \"Ch 2\", 'x'"],
    "random": ["SELECT setseed(0.5)", "SELECT random(), random()", "SELECT random()"],
    "load": ["LOAD 'nope'", "SELECT 1"],
}

SCRIPTS = {f"{theme}: {name}": script for theme, scripts in
           (("transaction", TRANSACTIONS), ("cursor", CURSORS), ("setting", SETTINGS), ("prepared", PREPARED), ("pinned", PINNED))
           for name, script in scripts.items()}

# Played twice on one connection, which pipelined does, these would wait for their own locks.
NOT_REPEATED = {"transaction: prepare transaction", "transaction: prepare transaction, rolled back"}
