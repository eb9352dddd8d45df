-- temporary relations stand on the home shard alone, also for what defines, changes and drops them
@tables w_big home2
= CREATE TEMP TABLE tt (a int, b text)
= INSERT INTO tt VALUES (1, 'x'), (2, 'y')
= CREATE INDEX tt_b ON tt (b)
= ALTER TABLE tt ADD COLUMN c int DEFAULT 5
= ALTER TABLE tt RENAME COLUMN c TO d
= ANALYZE tt
= SELECT * FROM tt ORDER BY a
= SELECT n FROM w_big WHERE id = 2
= TRUNCATE tt
= SELECT count(*) FROM tt
= BEGIN
= INSERT INTO tt VALUES (3, 'z', 1)
= DROP TABLE tt
= ROLLBACK
= SELECT count(*) FROM tt
= DROP TABLE tt
= SELECT count(*) FROM tt
= DROP TABLE IF EXISTS tt
= CREATE TEMP SEQUENCE ts
= SELECT nextval('ts')
= DROP SEQUENCE ts
= CREATE TEMP VIEW tv AS SELECT 1 AS a
= DROP VIEW tv
= CREATE TEMP TABLE ta AS SELECT 1 AS a
= SELECT a FROM ta
= DROP TABLE ta
-- one that hides a table of the database would hide it on its own shard only, and DROP would then mean different tables
! CREATE TEMP TABLE w_big (id bigint PRIMARY KEY, n int DEFAULT 7, t text, num numeric(8,2))
! CREATE TEMP TABLE home2 (id bigint PRIMARY KEY, n int)
! CREATE TEMP TABLE home2 AS SELECT 1 AS id
! SELECT 1 AS id INTO TEMP home2
! CREATE TEMP VIEW home2 AS SELECT 1 AS id
= CREATE TEMP TABLE tt (a int)
= DROP TABLE IF EXISTS w_none
= CREATE TABLE w_later (a int)
= DROP TABLE w_later
= DISCARD TEMP
= SELECT * FROM tt
