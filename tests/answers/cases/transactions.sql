@tables w_big home2
= BEGIN
= INSERT INTO w_big (id, n) VALUES (1, 1)
= UPDATE w_big SET n = 2 WHERE id = 1
= SELECT * FROM w_big WHERE id = 1
= ROLLBACK
= SELECT * FROM w_big WHERE id = 1
= BEGIN
= INSERT INTO w_big (id, n) VALUES (1, 1)
= SAVEPOINT a
= UPDATE w_big SET n = 2 WHERE id = 1
= ROLLBACK TO a
= SELECT n FROM w_big WHERE id = 1
= RELEASE a
= COMMIT
= SELECT n FROM w_big WHERE id = 1
= BEGIN ISOLATION LEVEL REPEATABLE READ
= SELECT n FROM w_big WHERE id = 1
= UPDATE w_big SET n = n + 1 WHERE id = 1 RETURNING n
= COMMIT
= BEGIN READ ONLY
= UPDATE w_big SET n = n + 1 WHERE id = 1
= SELECT 1
= ROLLBACK
= BEGIN
= SELECT 1/0
= SELECT 1
= INSERT INTO w_big (id) VALUES (77)
= COMMIT
= BEGIN
= INSERT INTO w_big (id) VALUES (1)
= ROLLBACK
= START TRANSACTION
= DELETE FROM w_big WHERE id = 1
= ABORT
= SELECT count(*) FROM w_big WHERE id = 1
= BEGIN
= DELETE FROM w_big WHERE id = 1
= END
= SELECT count(*) FROM w_big WHERE id = 1
= BEGIN
= INSERT INTO home2 VALUES (50, 1)
= SELECT count(*) FROM home2
= ROLLBACK
= BEGIN
= SELECT count(*) FROM big
= SELECT id FROM big WHERE id = 3
= COMMIT
-- a second shard is refused, and the transaction with it
= BEGIN
= INSERT INTO w_big (id, n) VALUES (1, 1)
! INSERT INTO home2 VALUES (1, 1), (2, (SELECT count(*) FROM w_big))
= ROLLBACK
= SELECT count(*) FROM w_big WHERE id = 1
= COMMIT
= ROLLBACK
= BEGIN
= DECLARE c CURSOR FOR SELECT id, n FROM det WHERE id = 3 ORDER BY rid
= FETCH 2 FROM c
= FETCH ALL FROM c
= CLOSE c
= COMMIT
-- a cursor is looked for where it was declared, also when the transaction has been elsewhere
= BEGIN
= SELECT n FROM w_big WHERE id = 1
= DECLARE c CURSOR FOR SELECT id, n FROM det WHERE id = 2 ORDER BY rid
= DECLARE d CURSOR FOR SELECT id, n FROM det WHERE id = 4 ORDER BY rid
= SELECT n FROM w_big WHERE id = 3
= FETCH 1 FROM c
= MOVE 1 IN d
= FETCH 1 FROM d
= CLOSE c
= FETCH 1 FROM d
= FETCH 1 FROM c
= ROLLBACK
= DELETE FROM w_big WHERE id = 600
= DELETE FROM w_big WHERE id = 601
