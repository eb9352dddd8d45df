CREATE TABLE big (id bigint PRIMARY KEY, rid int, n int, s smallint, num numeric, num2 numeric(10,2), f float8, r real, t text,
    tc text COLLATE "C", b bool, u uuid, d date, ti time, tz timetz, ts timestamp, tsz timestamptz, iv interval, by bytea, v varchar(8),
    c char(6), grp int);
CREATE TABLE det (id bigint, rid int, grp int, num numeric, t text, PRIMARY KEY (id, rid));
CREATE TABLE oth (id bigint, rid int, x int, t text);
CREATE TABLE i4 (k int PRIMARY KEY, rid int, n int, num numeric);
CREATE TABLE i2 (k smallint PRIMARY KEY, rid int, n int);
CREATE TABLE txt (k text PRIMARY KEY, rid int, n int, t text, c char(6));
CREATE TABLE vch (k varchar(5) PRIMARY KEY, rid int, n int);
CREATE TABLE chr (k char(6) PRIMARY KEY, rid int, n int);
CREATE TABLE uid (k uuid PRIMARY KEY, rid int, n int);
CREATE TABLE dat (k date PRIMARY KEY, rid int, n int);
CREATE TABLE tst (k timestamp PRIMARY KEY, rid int, n int);
CREATE TABLE tsz (k timestamptz PRIMARY KEY, rid int, n int);
CREATE TABLE byt (k bytea PRIMARY KEY, rid int, n int);
CREATE TABLE home (id bigint, rid int, n int, t text);
CREATE TABLE home2 (id bigint PRIMARY KEY, n int);
CREATE TABLE w_big (id bigint PRIMARY KEY, n int DEFAULT 7, t text, num numeric(8,2), CHECK (n <> 13));
CREATE TABLE w_det (id bigint, line int, t text, PRIMARY KEY (id, line));
CREATE TABLE w_txt (k text PRIMARY KEY, n int);
CREATE TABLE w_vch (k varchar(5) PRIMARY KEY, n int);
CREATE TABLE w_chr (k char(6) PRIMARY KEY, n int);
CREATE TABLE w_uid (k uuid PRIMARY KEY, n int);
CREATE TABLE w_i2 (k smallint PRIMARY KEY, n int);
CREATE VIEW v_big AS SELECT id, n, t FROM big;
CREATE VIEW v_home AS SELECT id, n FROM home;
CREATE FUNCTION count_big() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM big';
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
CREATE PROCEDURE touch_big() LANGUAGE sql AS 'UPDATE big SET n = n';
CREATE SEQUENCE free_seq
