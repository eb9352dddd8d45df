-- What every driver's program finds. A line is a statement; key 1 to 20 of `items` and 1 to 3 of `plain` are there, the rest each check makes.
CREATE TABLE items (id bigint PRIMARY KEY, name text NOT NULL, price numeric(12,4), made timestamptz, data bytea, tags text[], sizes int[], doc jsonb)
SELECT nanu.shard_table('items', key => 'id')
CREATE TABLE big (id int PRIMARY KEY, words text, bytes bytea)
ALTER TABLE big ALTER words SET STORAGE EXTERNAL, ALTER bytes SET STORAGE EXTERNAL
SELECT nanu.shard_table('big', key => 'id')
CREATE TABLE plain (id int PRIMARY KEY, name text UNIQUE)
CREATE TABLE copied (id int, name text)
INSERT INTO plain VALUES (1, 'one'), (2, 'two'), (3, 'three')
