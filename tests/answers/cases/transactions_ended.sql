-- what follows an error, or ends a transaction in the middle of a text, may name another shard (keys 1, 2 and 4 each have their own): nothing
-- of it escapes the transaction
@tables w_big
= DELETE FROM w_big WHERE id = 1
= DELETE FROM w_big WHERE id = 2
= DELETE FROM w_big WHERE id = 4
= BEGIN
= INSERT INTO w_big (id, n) VALUES (1, 1)
= SELECT 1/0
= INSERT INTO w_big (id, n) VALUES (2, 1)
= INSERT INTO w_big (id, n) VALUES (4, 1)
= SELECT count(*) FROM w_big
= SELECT n FROM w_big WHERE id = 2
= CREATE TABLE never (a int)
= PREPARE never AS SELECT n FROM w_big WHERE id = 2
= SELECT n FROM w_big WHERE id = 4; SELECT 1
= COMMIT
= BEGIN
= SELECT count(*) FROM w_big
= SAVEPOINT a
= SELECT 1/0
= INSERT INTO w_big (id, n) VALUES (1, 1)
= INSERT INTO w_big (id, n) VALUES (2, 1)
= INSERT INTO w_big (id, n) VALUES (4, 1)
= SELECT count(*) FROM w_big
= ROLLBACK TO a
= SELECT count(*) FROM w_big
= INSERT INTO w_big (id, n) VALUES (2, 1)
= ROLLBACK
= BEGIN
= INSERT INTO w_big (id, n) VALUES (1, 1)
! INSERT INTO w_big (id, n) VALUES (2, 1)
= INSERT INTO w_big (id, n) VALUES (2, 1)
= COMMIT
= BEGIN
= SAVEPOINT a
= INSERT INTO w_big (id, n) VALUES (2, 1)
= INSERT INTO w_big (id, n) VALUES (2, 1)
= ROLLBACK
@simple
-- the end of a transaction goes where the transaction is, whatever else its text names
= BEGIN
= INSERT INTO w_big (id, n) VALUES (1, 1)
! COMMIT; INSERT INTO w_big (id, n) VALUES (2, 2)
= ROLLBACK
= BEGIN
= INSERT INTO w_big (id, n) VALUES (1, 1)
= COMMIT; INSERT INTO w_big (id, n) VALUES (1, 2)
= BEGIN
= DELETE FROM w_big WHERE id = 1
= COMMIT; INSERT INTO w_big (id, n) VALUES (1, 1)
= BEGIN
= UPDATE w_big SET n = 2 WHERE id = 1
= SELECT 1/0
! ROLLBACK; INSERT INTO w_big (id, n) VALUES (2, 1)
= ROLLBACK; SELECT n FROM w_big WHERE id = 1
-- a text of several statements writes on the transaction's shard or on none
= BEGIN
= UPDATE w_big SET n = 2 WHERE id = 1
! SELECT 1; INSERT INTO w_big (id, n) VALUES (2, 1)
= ROLLBACK
= BEGIN
= UPDATE w_big SET n = 2 WHERE id = 1
! SAVEPOINT a; SELECT n FROM w_big WHERE id = 2
= ROLLBACK
= BEGIN
= SELECT count(*) FROM w_big
! COMMIT; SELECT 1
= ROLLBACK
= SELECT count(*) FROM w_big
