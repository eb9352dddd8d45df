-- ORDER BY over all shards
= SELECT id FROM big ORDER BY id
= SELECT id FROM big ORDER BY id DESC
= SELECT * FROM big ORDER BY id
= SELECT id, n FROM big ORDER BY n, id
= SELECT id, n FROM big ORDER BY n DESC, id DESC
= SELECT id, n FROM big ORDER BY n NULLS FIRST, id
= SELECT id, n FROM big ORDER BY n DESC NULLS LAST, id
= SELECT id, n, s FROM big ORDER BY n, s DESC NULLS FIRST, id
=[2] SELECT id, n FROM big ORDER BY n
=[2] SELECT id, n FROM big ORDER BY 2 DESC
= SELECT id, n FROM big ORDER BY 2, 1
= SELECT id, n AS m FROM big ORDER BY m, id
= SELECT id AS n, n AS id FROM big ORDER BY n
= SELECT id AS n, n AS id FROM big ORDER BY id, n
= SELECT n FROM big ORDER BY n, id
= SELECT n FROM big ORDER BY id
= SELECT n FROM big ORDER BY big.id
= SELECT t FROM big ORDER BY rid DESC
= SELECT id, s FROM big ORDER BY s, id
= SELECT id, num FROM big ORDER BY num, id
= SELECT id, num FROM big ORDER BY num DESC, id
= SELECT id, num2 FROM big ORDER BY num2, id
= SELECT id, f FROM big ORDER BY f, id
= SELECT id, f FROM big ORDER BY f DESC, id DESC
= SELECT id, r FROM big ORDER BY r, id
= SELECT id, t FROM big ORDER BY t, id
= SELECT id, t FROM big ORDER BY t DESC, id
= SELECT id, tc FROM big ORDER BY tc, id
= SELECT id, t FROM big ORDER BY t COLLATE "C", id
= SELECT id, t FROM big ORDER BY t COLLATE "POSIX" DESC, id
= SELECT id, b FROM big ORDER BY b, id
= SELECT id, u FROM big ORDER BY u, id
= SELECT id, d FROM big ORDER BY d, id
= SELECT id, ti FROM big ORDER BY ti, id
= SELECT id, ts FROM big ORDER BY ts, id
= SELECT id, tsz FROM big ORDER BY tsz, id
= SELECT id, by FROM big ORDER BY by, id
= SELECT id, v FROM big ORDER BY v, id
= SELECT id, c FROM big ORDER BY c, id
= SELECT id, tz FROM big ORDER BY tz, id
= SELECT id, iv FROM big ORDER BY iv, id
= SELECT id FROM big ORDER BY n + s, id
= SELECT id, n + id FROM big ORDER BY n + id, id
= SELECT id FROM big ORDER BY -id
= SELECT id FROM big ORDER BY abs(id % 7), id
= SELECT id FROM big ORDER BY n IS NULL, n, id
= SELECT id FROM big ORDER BY coalesce(n, 0), id
= SELECT id FROM big ORDER BY CASE WHEN n > 1 THEN 0 ELSE 1 END, id
= SELECT id FROM big ORDER BY lower(t), id
= SELECT id FROM big ORDER BY t || 'x', id
= SELECT id FROM big ORDER BY length(t), id
= SELECT id FROM big ORDER BY t = 'a', id
= SELECT id FROM big ORDER BY id::text
= SELECT id FROM big ORDER BY n::numeric, id
= SELECT id FROM big ORDER BY num::float8, id
= SELECT id FROM big ORDER BY date_trunc('month', ts), id
= SELECT id FROM big ORDER BY extract(year FROM d), id
= SELECT id FROM big ORDER BY ts::date, id
= SELECT id FROM big ORDER BY 'x', id
= SELECT id FROM big ORDER BY NULL, id
= SELECT id FROM big ORDER BY 3
= SELECT id FROM big ORDER BY 0
= SELECT id FROM big ORDER BY nope
= SELECT nope FROM big ORDER BY id
= SELECT id, rid AS id FROM big ORDER BY id
! SELECT id FROM big ORDER BY id USING >
! SELECT id FROM big ORDER BY id USING <
= SELECT id, id FROM big ORDER BY id
= SELECT id, id + 1 AS x, 'k' || id AS y, n IS NULL AS z FROM big WHERE n = 1 ORDER BY id
= SELECT k FROM txt ORDER BY k
= SELECT k FROM vch ORDER BY k DESC
= SELECT k FROM chr ORDER BY k
= SELECT k FROM uid ORDER BY k
= SELECT k FROM dat ORDER BY k DESC
= SELECT k FROM byt ORDER BY k
= SELECT k FROM i2 ORDER BY k
= SELECT b.id AS x, d.rid FROM big b JOIN det d ON b.id = d.id ORDER BY x, d.rid
= SELECT b.* FROM big b ORDER BY b.id
= SELECT b.id, b.* FROM big b ORDER BY 1
= SELECT id x, n y FROM big WHERE id < 20 ORDER BY y, x
= SELECT big.* FROM big WHERE rid IN (1, 3, 5) ORDER BY rid
= SELECT b FROM big b ORDER BY id
! SELECT id FROM big ORDER BY random()
= SET TimeZone = 'Asia/Seoul'
= SELECT id, tsz, ts FROM big ORDER BY tsz, id
= SELECT date_trunc('day', tsz), count(*) FROM big GROUP BY 1 ORDER BY 1
= SELECT id FROM big WHERE tsz > '2024-01-01' ORDER BY id
= RESET TimeZone
= SET extra_float_digits = 0
= SELECT id, f, r FROM big ORDER BY id
= RESET extra_float_digits
= SET bytea_output = 'escape'
= SELECT id, by FROM big ORDER BY id
= RESET bytea_output
= SET IntervalStyle = 'iso_8601'
= SELECT id, iv FROM big ORDER BY id
= RESET IntervalStyle
