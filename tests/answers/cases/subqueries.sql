-- subqueries, CTEs and set operations: on one shard all of PostgreSQL; over several, refused
= SELECT id FROM big WHERE id = 3 AND EXISTS (SELECT 1 FROM det WHERE det.id = big.id)
= SELECT id FROM big WHERE id = 3 AND NOT EXISTS (SELECT 1 FROM det WHERE det.id = big.id AND grp = 9)
= SELECT id FROM big WHERE id = 3 AND id IN (SELECT id FROM det WHERE det.id = 3)
= SELECT id FROM big WHERE id = 3 AND id NOT IN (SELECT id FROM det WHERE det.id = 3)
= SELECT id, (SELECT count(*) FROM det d WHERE d.id = b.id) FROM big b WHERE b.id = 3
= SELECT id, (SELECT max(rid) FROM det d WHERE d.id = 3) FROM big b WHERE b.id = 3
= SELECT * FROM (SELECT id, n FROM big WHERE id = 3) s
= SELECT * FROM (SELECT id, n FROM big WHERE id = 3) s WHERE s.n IS NOT NULL
= WITH s AS (SELECT id, n FROM big WHERE id = 3) SELECT * FROM s
= WITH s AS (SELECT id, n FROM big WHERE id = 3), d AS (SELECT rid FROM det WHERE id = 3) SELECT s.id, d.rid FROM s, d
= WITH big AS (SELECT 1 AS id, 2 AS n) SELECT * FROM big
= WITH big AS (SELECT 1 AS id, 2 AS n) SELECT * FROM big WHERE id = 1
= WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 5) SELECT * FROM r ORDER BY i
= WITH RECURSIVE r(i) AS (SELECT id FROM big WHERE id = 3 UNION ALL SELECT i + 1 FROM r WHERE i < 5) SELECT * FROM r
= SELECT id FROM big WHERE id = 3 UNION SELECT id FROM det WHERE id = 3
= SELECT id FROM big WHERE id = 3 UNION ALL SELECT rid FROM det WHERE id = 3
= SELECT id FROM big WHERE id = 3 INTERSECT SELECT id FROM det WHERE id = 3
= SELECT rid FROM big WHERE id = 3 EXCEPT SELECT rid FROM det WHERE id = 3
= SELECT id FROM big WHERE id = 3 AND n = (SELECT 1)
= SELECT id FROM big WHERE id = 3 AND EXISTS (SELECT 1)
! SELECT id, x FROM big, generate_series(1, 3) x WHERE id = 3
= SELECT id, x FROM big, generate_series(1, 3) x WHERE big.id = 3
= SELECT b.id, x FROM big b, unnest(ARRAY[1, 2]) x WHERE b.id = 3
= SELECT id, v.a FROM big, (VALUES (1), (2)) v(a) WHERE big.id = 3
= SELECT (SELECT count(*) FROM big WHERE id = 3)
= SELECT CASE WHEN EXISTS (SELECT 1 FROM big WHERE id = 3) THEN 1 ELSE 0 END
! SELECT (SELECT count(*) FROM big)
! SELECT id FROM big WHERE EXISTS (SELECT 1 FROM det WHERE det.id = big.id)
! SELECT id FROM big WHERE NOT EXISTS (SELECT 1 FROM det WHERE det.id = big.id)
! SELECT id FROM big WHERE id IN (SELECT id FROM det)
! SELECT id FROM big WHERE id NOT IN (SELECT id FROM det)
! SELECT id FROM big WHERE id = 3 AND EXISTS (SELECT 1 FROM det)
! SELECT id FROM big WHERE id = 3 AND EXISTS (SELECT 1 FROM det WHERE det.id = 4)
! SELECT id FROM big WHERE id = 3 AND n > (SELECT avg(n) FROM big)
! SELECT id FROM big WHERE id = 3 OR EXISTS (SELECT 1 FROM det WHERE det.id = big.id)
! SELECT id FROM big WHERE EXISTS (SELECT 1 FROM det WHERE det.id = big.id AND big.id = 3)
! SELECT id, (SELECT count(*) FROM det d WHERE d.id = b.id) FROM big b
! SELECT id, (SELECT count(*) FROM det d) FROM big b WHERE b.id = 3
! SELECT * FROM (SELECT id, n FROM big) s
! SELECT * FROM (SELECT id, n FROM big) s WHERE s.id = 3
! SELECT * FROM (SELECT id AS n, n AS id FROM big) s WHERE s.id = 3
! WITH s AS (SELECT id, n FROM big) SELECT * FROM s
! WITH s AS (SELECT id, n FROM big) SELECT * FROM s WHERE id = 3
! WITH s AS (SELECT 1) SELECT * FROM big
! SELECT id FROM big UNION SELECT id FROM det
! SELECT id FROM big UNION ALL SELECT id FROM det
! SELECT id FROM big WHERE id = 3 UNION SELECT id FROM det
! SELECT id FROM big WHERE id = 3 UNION SELECT id FROM det WHERE id = 4
! SELECT id FROM home UNION SELECT id FROM big
! SELECT id FROM home WHERE id IN (SELECT id FROM big)
! SELECT id FROM home WHERE id IN (SELECT id FROM big WHERE id = 3)
! SELECT * FROM big b, LATERAL (SELECT * FROM det d WHERE d.id = b.id) x
! SELECT id, x FROM big, generate_series(1, 3) x
! WITH RECURSIVE r(i) AS (SELECT id FROM big UNION ALL SELECT i + 1 FROM r WHERE i < 5) SELECT * FROM r
