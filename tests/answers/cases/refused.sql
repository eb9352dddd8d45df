-- what one shard cannot answer for all
! SELECT * FROM v_big
! SELECT * FROM v_big WHERE id = 3
! SELECT b.id FROM big b JOIN v_home v ON v.id = b.id
! SELECT count_big()
! SELECT count_big() FROM home
! SELECT id, count_big() FROM big
! SELECT id, count_big() FROM big WHERE id = 3
! SELECT id FROM big WHERE n = count_big()
! CALL touch_big()
! DO $$ BEGIN UPDATE big SET n = n; END $$
! SELECT id, random() FROM big
! SELECT id, clock_timestamp() FROM big
! SELECT id, gen_random_uuid() FROM big
! SELECT id, now() FROM big
! SELECT id, CURRENT_TIMESTAMP FROM big
! SELECT id, CURRENT_DATE FROM big
! SELECT id, pg_backend_pid() FROM big
! SELECT nextval('free_seq'), id FROM big
! SELECT id, ctid FROM big
! SELECT id, tableoid FROM big
! SELECT id, 'big'::regclass FROM big
! SELECT id, generate_series(1, 2) FROM big
! SELECT id FROM big FOR UPDATE
! SELECT id FROM big ORDER BY id FOR SHARE
! SELECT id FROM big TABLESAMPLE SYSTEM (50)
! SELECT id FROM big TABLESAMPLE BERNOULLI (50) REPEATABLE (1)
! SELECT id INTO copied FROM big
! CREATE TABLE copied AS SELECT id FROM big
! CREATE TABLE copied AS SELECT id FROM big WHERE id = 3
! CREATE TABLE copied AS SELECT 1
! CREATE MATERIALIZED VIEW m AS SELECT id FROM big
! COPY big TO STDOUT
! COPY (SELECT * FROM big) TO STDOUT
! COPY big FROM STDIN
! EXPLAIN SELECT * FROM big
! DECLARE c CURSOR FOR SELECT * FROM big
! UPDATE big SET n = 1
! UPDATE big SET n = 1 WHERE n = 2
! UPDATE big SET id = 5 WHERE id = 3
! UPDATE big SET (id, n) = (5, 6) WHERE id = 3
! UPDATE big SET n = 1 WHERE id IN (1, 2, 3, 4, 5)
! UPDATE big SET n = 1 FROM home WHERE home.id = big.id AND big.id = 3
! UPDATE home SET n = 1 FROM big WHERE home.id = big.id
! UPDATE home SET n = (SELECT count(*) FROM big)
! DELETE FROM big
! DELETE FROM big WHERE n = 2
! DELETE FROM big WHERE id IN (1, 2, 3, 4, 5)
! DELETE FROM home WHERE id IN (SELECT id FROM big)
! DELETE FROM big USING home WHERE home.id = big.id AND big.id = 3
! INSERT INTO w_big SELECT id, n, t FROM big
! INSERT INTO w_big (id) SELECT id FROM big WHERE id = 3
! INSERT INTO home (id) SELECT id FROM big
! INSERT INTO w_big (id) VALUES (1000), (1001), (1002), (1003), (1004)
= INSERT INTO w_big (n) VALUES (1)
= INSERT INTO w_big (id) VALUES (NULL)
= INSERT INTO w_big (id) VALUES (DEFAULT)
= INSERT INTO w_big DEFAULT VALUES
! INSERT INTO w_big (id) VALUES ((SELECT 1))
! INSERT INTO w_big (id) VALUES (1 + 1)
! INSERT INTO w_big (id) VALUES (2.5)
! INSERT INTO w_big (id, n) VALUES (1000, (SELECT max(n) FROM big))
! INSERT INTO w_big (id, n) VALUES (1000, (SELECT max(n) FROM home))
! INSERT INTO w_big (id, n) VALUES (1000, count_big())
! INSERT INTO w_big (id) VALUES (1000) RETURNING count_big()
! INSERT INTO w_big (id) VALUES (1000) ON CONFLICT (id) DO UPDATE SET id = 3
! INSERT INTO w_big (id) VALUES (1000) ON CONFLICT (id) DO UPDATE SET n = count_big()
! INSERT INTO w_txt (k) VALUES (5)
! WITH x AS (INSERT INTO w_big (id) VALUES (1000) RETURNING id) SELECT * FROM x, big
! WITH x AS (DELETE FROM big RETURNING id) SELECT * FROM x
! WITH x AS (INSERT INTO w_big (id) VALUES (1000), (1001), (1002), (1003) RETURNING id) SELECT * FROM x
! MERGE INTO w_big USING big ON w_big.id = big.id WHEN MATCHED THEN DELETE
! MERGE INTO w_big USING (VALUES (1)) v(a) ON w_big.id = v.a WHEN NOT MATCHED THEN INSERT (id) VALUES (v.a)
! ALTER TABLE big DROP COLUMN id
! ALTER TABLE big ALTER COLUMN id TYPE int
! ALTER TABLE big ADD UNIQUE (rid)
! ALTER TABLE big ADD CONSTRAINT one UNIQUE (n, t)
! ALTER TABLE big ADD PRIMARY KEY (rid)
! CREATE UNIQUE INDEX ON big (rid)
! CREATE UNIQUE INDEX ON big ((id + 1))
! ALTER TABLE big ADD FOREIGN KEY (n) REFERENCES home2 (id)
! ALTER TABLE home ADD FOREIGN KEY (id) REFERENCES big (id)
! CREATE TABLE child (id bigint REFERENCES big (id))
! CREATE TABLE child (id bigint, FOREIGN KEY (id) REFERENCES big)
! CREATE TABLE child () INHERITS (big)
! CREATE TABLE child (x int REFERENCES home2 (id), y bigint REFERENCES big)
! ALTER TABLE big ADD COLUMN extra bigserial
! ALTER TABLE big ADD COLUMN extra serial
! ALTER TABLE big ADD COLUMN extra bigint GENERATED ALWAYS AS IDENTITY
! ALTER TABLE big ADD COLUMN extra bigint DEFAULT nextval('free_seq')
! ALTER TABLE big ALTER COLUMN n SET DEFAULT nextval('free_seq')
! ALTER TABLE big ALTER COLUMN n ADD GENERATED ALWAYS AS IDENTITY
! SELECT query_to_xml('SELECT count(*) FROM big', true, false, '')
! SELECT table_to_xml('big', true, false, '')
! CREATE DATABASE elsewhere
! CREATE ROLE somebody
! SELECT * FROM nanu.nodes, big
! SELECT id FROM big WHERE id IN (SELECT 1 FROM nanu.nodes)
! PREPARE pn AS SELECT name FROM nanu.nodes
! PREPARE pn AS SELECT nanu.explain('SELECT 1')
! COPY nanu.nodes TO STDOUT
! CREATE VIEW vn AS SELECT * FROM nanu.nodes
! CREATE SCHEMA nanu
! CREATE TABLE nanu.x (a int)
! DROP TABLE nanu.nodes
! SELECT xmin FROM big
! SELECT id FROM big WHERE ctid = '(0,1)'
! SELECT id FROM big GROUP BY id, n ORDER BY string_agg(t, ',')
! SELECT big FROM big
! SELECT (big).id FROM big
! SELECT big.*::text FROM big
! SELECT row_to_json(big) FROM big
! VALUES ((SELECT count(*) FROM big))
! SELECT 1 WHERE EXISTS (SELECT 1 FROM big)
! SELECT (SELECT 1 FROM big LIMIT 1), (SELECT 2 FROM det LIMIT 1)
-- what runs unseen with other statements
! INSERT INTO w_big (id, n) VALUES (1000, nextval('free_seq'))
! UPDATE w_big SET n = nextval('free_seq') WHERE id = 1
! SELECT id, nextval('free_seq') FROM big WHERE id = 3
! ALTER TABLE big ADD COLUMN extra bigint DEFAULT count_big()
! ALTER TABLE big ALTER COLUMN n SET DEFAULT count_big()
! ALTER TABLE big ADD CHECK (count_big() > n)
! CREATE RULE r AS ON INSERT TO big DO ALSO DELETE FROM home
! CREATE RULE r AS ON INSERT TO home DO ALSO DELETE FROM big
! CREATE POLICY p ON big USING (id = 3)
! SELECT ts_rewrite('a'::tsquery, 'SELECT t::tsquery, t::tsquery FROM big')
