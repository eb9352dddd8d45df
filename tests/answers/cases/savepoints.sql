-- A savepoint holds on every shard, also on those that the transaction comes to later.
= INSERT INTO w_big (id, n) VALUES (1, 1)
= INSERT INTO w_big (id, n) VALUES (2, 2)
= INSERT INTO w_big (id, n) VALUES (3, 3)
= INSERT INTO w_big (id, n) VALUES (4, 4)
= INSERT INTO home2 VALUES (1, 1)
-- the first statement of a transaction, as psql's ON_ERROR_ROLLBACK and nested blocks of frameworks have it: for every key
= BEGIN
= SAVEPOINT a
= UPDATE w_big SET n = 10 WHERE id = 1 RETURNING n
= ROLLBACK TO a
= SELECT n FROM w_big WHERE id = 1
= UPDATE w_big SET n = 11 WHERE id = 1
= RELEASE a
= COMMIT
= BEGIN
= SAVEPOINT a
= UPDATE w_big SET n = 20 WHERE id = 2 RETURNING n
= ROLLBACK TO a
= SELECT n FROM w_big WHERE id = 2
= UPDATE w_big SET n = 22 WHERE id = 2
= RELEASE a
= COMMIT
= BEGIN
= SAVEPOINT a
= UPDATE w_big SET n = 30 WHERE id = 3 RETURNING n
= ROLLBACK TO a
= SELECT n FROM w_big WHERE id = 3
= UPDATE w_big SET n = 33 WHERE id = 3
= RELEASE a
= COMMIT
= SELECT id, n FROM w_big ORDER BY id
-- several savepoints, and one made between two shards
= BEGIN
= SELECT n FROM home2 WHERE id = 1
= SAVEPOINT a
= SAVEPOINT "B b"
= SELECT n FROM w_big WHERE id = 3
= SELECT n FROM w_big WHERE id = 4
= UPDATE w_big SET n = 40 WHERE id = 4
= SAVEPOINT c
= UPDATE w_big SET n = 41 WHERE id = 4
= SELECT sum(n) FROM w_big
= ROLLBACK TO c
= SELECT n FROM w_big WHERE id = 4
= ROLLBACK TO "B b"
= SELECT n FROM w_big WHERE id = 4
= RELEASE SAVEPOINT c
= ROLLBACK TO a
= UPDATE w_big SET n = 44 WHERE id = 4
= COMMIT
= SELECT sum(n) FROM w_big
-- two of one name
= BEGIN
= SAVEPOINT s
= SELECT n FROM w_big WHERE id = 1
= UPDATE w_big SET n = 100 WHERE id = 2
= SAVEPOINT s
= UPDATE w_big SET n = 200 WHERE id = 2
= SELECT n FROM w_big WHERE id = 4
= RELEASE s
= ROLLBACK TO s
= SELECT n FROM w_big WHERE id = 2
= COMMIT
= SELECT sum(n) FROM w_big
-- an error on a shard that came later
= BEGIN
= SELECT n FROM home2 WHERE id = 1
= SAVEPOINT a
= INSERT INTO w_big (id) VALUES (1)
= SELECT 1
= ROLLBACK TO a
= SELECT sum(n) FROM w_big
= COMMIT
= SELECT sum(n) FROM w_big
-- an error on one shard undoes what was done on another
= BEGIN
= SAVEPOINT a
= UPDATE w_big SET n = 100 WHERE id = 1
= SELECT 1 / 0 FROM w_big WHERE id = 2
= ROLLBACK TO a
= COMMIT
= BEGIN
= SAVEPOINT a
= UPDATE w_big SET n = 200 WHERE id = 2
= SELECT 1 / 0 FROM w_big WHERE id = 3
= SET LOCAL work_mem = '9MB'
= ROLLBACK TO a
= COMMIT
= BEGIN
= SAVEPOINT a
= UPDATE w_big SET n = 300 WHERE id = 3
= SELECT 1 / 0 FROM w_big WHERE id = 1
= ROLLBACK TO nowhere
= ROLLBACK TO a
= RELEASE a
= COMMIT
= SELECT id, n FROM w_big ORDER BY id
-- what was set before and after a savepoint, for the transaction or for longer
= BEGIN
= SET work_mem = '5MB'
= SET LOCAL statement_timeout = '51s'
= SAVEPOINT a
= SET work_mem = '6MB'
= SET LOCAL statement_timeout = '61s'
= SELECT current_setting('work_mem'), current_setting('statement_timeout') FROM w_big WHERE id = 1
= SELECT current_setting('work_mem'), current_setting('statement_timeout') FROM w_big WHERE id = 2
= SELECT current_setting('work_mem'), current_setting('statement_timeout') FROM w_big WHERE id = 3
= ROLLBACK TO a
= SELECT current_setting('work_mem'), current_setting('statement_timeout') FROM w_big WHERE id = 1
= SELECT current_setting('work_mem'), current_setting('statement_timeout') FROM w_big WHERE id = 2
= SELECT current_setting('work_mem'), current_setting('statement_timeout') FROM w_big WHERE id = 3
= COMMIT
= SELECT current_setting('work_mem'), current_setting('statement_timeout') FROM w_big WHERE id = 1
= SELECT current_setting('work_mem'), current_setting('statement_timeout') FROM w_big WHERE id = 3
= RESET work_mem
-- what was undone before a shard came is not done there
= BEGIN
= SAVEPOINT a
= SET LOCAL statement_timeout = '61s'
= ROLLBACK TO a
= RELEASE a
= SELECT current_setting('statement_timeout') FROM w_big WHERE id = 1
= SELECT current_setting('statement_timeout') FROM w_big WHERE id = 2
= SELECT current_setting('statement_timeout') FROM w_big WHERE id = 3
= COMMIT
-- definitions
= BEGIN
= SAVEPOINT a
= ALTER TABLE w_big ADD COLUMN more int
= SELECT 1 / 0
= ROLLBACK TO a
= SELECT * FROM w_big ORDER BY id
= COMMIT
= SELECT more FROM w_big WHERE id = 1
= SELECT more FROM w_big WHERE id = 2
= SELECT more FROM w_big WHERE id = 3
= DELETE FROM w_big WHERE id = 1
= DELETE FROM w_big WHERE id = 2
= DELETE FROM w_big WHERE id = 3
= DELETE FROM w_big WHERE id = 4
= DELETE FROM home2 WHERE id = 1
