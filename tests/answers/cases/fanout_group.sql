-- aggregates, GROUP BY, DISTINCT
= SELECT count(*) FROM big
= SELECT count(n), count(t), count(num), count(*) FROM big
= SELECT sum(n), sum(s), sum(id % 100), sum(num2) FROM big
= SELECT sum(num) FROM big WHERE num <> 'NaN'
= SELECT sum(num) FROM big
= SELECT avg(n), avg(s), avg(num2) FROM big
= SELECT avg(num) FROM big WHERE num <> 'NaN'
= SELECT avg(num) FROM big
= SELECT avg(id) FROM big WHERE id BETWEEN -5 AND 70
= SELECT sum(id) FROM big
= SELECT min(id), max(id), min(n), max(n), min(s), max(s) FROM big
= SELECT min(num), max(num), min(num2), max(num2) FROM big
= SELECT min(f), max(f), min(r), max(r) FROM big
= SELECT min(t), max(t), min(tc), max(tc), min(v), max(v) FROM big
= SELECT min(c), max(c) FROM big
= SELECT min(d), max(d), min(ts), max(ts), min(tsz), max(tsz), min(ti), max(ti) FROM big
= SELECT min(tz) FROM big
= SELECT min(iv), max(iv) FROM big
= SELECT bool_and(b), bool_or(b), every(b) FROM big
= SELECT bool_and(n > -100), bool_or(n > 1000000) FROM big
! SELECT sum(f) FROM big
! SELECT avg(f) FROM big
! SELECT sum(iv) FROM big
! SELECT stddev(n) FROM big
! SELECT string_agg(t, ',') FROM big
! SELECT array_agg(n) FROM big
! SELECT json_agg(n) FROM big
! SELECT count(DISTINCT n) FROM big
! SELECT sum(DISTINCT n) FROM big
! SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY n) FROM big
! SELECT count(*) + 1 FROM big
! SELECT sum(n) / count(*) FROM big
! SELECT bit_and(n) FROM big
= SELECT count(*) FROM big WHERE false
= SELECT sum(n), min(n), max(n), avg(n), count(n), bool_and(b) FROM big WHERE false
= SELECT coalesce(sum(n), 0) FROM big WHERE false
= SELECT coalesce(sum(n), 0) FROM big
= SELECT coalesce(max(n), -1), coalesce(min(t), 'none') FROM big WHERE id > 1000000 AND n = 555
= SELECT count(*)::int FROM big
= SELECT sum(n)::int FROM big WHERE n < 1000
= SELECT sum(n)::int FROM big
= SELECT count(*) FILTER (WHERE n > 1), sum(n) FILTER (WHERE t = 'a') FROM big
= SELECT count(*) FILTER (WHERE false), sum(n) FILTER (WHERE false) FROM big
= SELECT count(*) AS c, 'x' AS k, 1 FROM big
= SELECT n, count(*) FROM big GROUP BY n
= SELECT n, count(*) FROM big GROUP BY n ORDER BY n
= SELECT n, count(*) FROM big GROUP BY n ORDER BY n DESC
= SELECT n, count(*) FROM big GROUP BY n ORDER BY 2 DESC, 1
= SELECT n, sum(s), min(t), max(d), avg(num2) FROM big GROUP BY n ORDER BY n
= SELECT count(*) FROM big GROUP BY n
= SELECT n FROM big GROUP BY n
= SELECT n, s, count(*) FROM big GROUP BY n, s ORDER BY n, s
= SELECT n, s, count(*) FROM big GROUP BY 1, 2 ORDER BY 2, 1
= SELECT n AS x, count(*) FROM big GROUP BY x ORDER BY x
= SELECT t, count(*) FROM big GROUP BY t ORDER BY t
= SELECT tc, count(*) FROM big GROUP BY tc ORDER BY tc DESC
= SELECT num, count(*) FROM big GROUP BY num ORDER BY num
= SELECT f, count(*) FROM big GROUP BY f ORDER BY f
= SELECT r, count(*) FROM big GROUP BY r ORDER BY r
= SELECT b, count(*) FROM big GROUP BY b ORDER BY b NULLS FIRST
= SELECT u, count(*) FROM big GROUP BY u ORDER BY u
= SELECT d, count(*) FROM big GROUP BY d ORDER BY d
= SELECT ti, count(*) FROM big GROUP BY ti ORDER BY ti
= SELECT ts, count(*) FROM big GROUP BY ts ORDER BY ts
= SELECT tsz, count(*) FROM big GROUP BY tsz ORDER BY tsz
= SELECT by, count(*) FROM big GROUP BY by ORDER BY by
= SELECT v, count(*) FROM big GROUP BY v ORDER BY v
= SELECT c, count(*) FROM big GROUP BY c ORDER BY c
= SELECT iv, count(*) FROM big GROUP BY iv
= SELECT tz, count(*) FROM big GROUP BY tz
= SELECT id % 5, count(*) FROM big GROUP BY id % 5 ORDER BY id % 5
= SELECT id % 5 AS m, count(*) FROM big GROUP BY m ORDER BY m
= SELECT lower(t), count(*) FROM big GROUP BY lower(t) ORDER BY 1
= SELECT n IS NULL, count(*) FROM big GROUP BY n IS NULL ORDER BY 1
= SELECT n, count(*) FROM big WHERE n > 0 GROUP BY n ORDER BY count(*), n
= SELECT n, count(*) FROM big GROUP BY n ORDER BY max(id) DESC
= SELECT n FROM big GROUP BY n ORDER BY count(*) DESC, n
= SELECT n, count(*) FROM big GROUP BY n ORDER BY avg(s) NULLS FIRST, n
= SELECT n, coalesce(sum(s), 0) FROM big GROUP BY n ORDER BY n
= SELECT id, count(*) FROM det GROUP BY id ORDER BY id
= SELECT id, grp, count(*), sum(num) FROM det GROUP BY id, grp ORDER BY id, grp
= SELECT id, t FROM big GROUP BY id ORDER BY id
= SELECT n, t FROM big GROUP BY n ORDER BY n
! SELECT n, count(*) FROM big GROUP BY n HAVING count(*) > 1
! SELECT count(*) FROM big HAVING count(*) > 1
! SELECT n, count(*) FROM big GROUP BY ROLLUP (n)
! SELECT n, count(*) FROM big GROUP BY GROUPING SETS ((n), ())
! SELECT n, count(*) FROM big GROUP BY CUBE (n)
! SELECT DISTINCT n, count(*) FROM big GROUP BY n
! SELECT n, rank() OVER (ORDER BY n) FROM big
! SELECT n, count(*) OVER () FROM big
! SELECT n, sum(n) OVER w FROM big WINDOW w AS (PARTITION BY n)
= SELECT DISTINCT n FROM big
= SELECT DISTINCT n FROM big ORDER BY n
= SELECT DISTINCT n, s FROM big ORDER BY s, n
= SELECT DISTINCT t FROM big ORDER BY t
= SELECT DISTINCT num FROM big ORDER BY num
= SELECT DISTINCT f FROM big ORDER BY f DESC
= SELECT DISTINCT f, r FROM big
= SELECT DISTINCT d, ti FROM big
= SELECT DISTINCT tsz FROM big
= SELECT DISTINCT c, v FROM big
= SELECT DISTINCT by FROM big
= SELECT DISTINCT iv FROM big
= SELECT DISTINCT n, 'x' FROM big ORDER BY n
= SELECT DISTINCT id % 3 FROM big
= SELECT DISTINCT n FROM big ORDER BY id
! SELECT DISTINCT ON (n) n, id FROM big ORDER BY n, id
= SELECT ALL n FROM big
= SELECT DISTINCT count(*) FROM big
= SELECT count(*) FROM big WHERE id IN (1, 2, 3, 4, 5)
= SELECT n, count(*) FROM big WHERE id IN (1, 2, 3, 4, 5) GROUP BY n ORDER BY n
= SELECT min(k), max(k), count(*) FROM txt
= SELECT min(k), max(k), count(*) FROM chr
= SELECT min(k), max(k) FROM dat
= SELECT max(k) FROM i2
= SELECT min(k) FROM uid
= SELECT sum(k) FROM i4
= SELECT avg(k), sum(k) FROM i2
