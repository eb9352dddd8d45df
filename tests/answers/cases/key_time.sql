-- a date equals a timestamp, and is hashed otherwise
! SELECT dat.k, tst.rid FROM dat JOIN tst ON tst.k = dat.k
! SELECT dat.k, tst.rid FROM dat LEFT JOIN tst ON tst.k = dat.k
! SELECT tsz.k, tst.rid FROM tsz JOIN tst ON tst.k = tsz.k
! SELECT dat.k, i.rid FROM dat JOIN tst i ON i.k = dat.k WHERE dat.k = '2024-01-06'
! SELECT a.k FROM tst a JOIN tsz b ON a.k = b.k WHERE a.k = '2024-01-06 00:00'
= SELECT a.k, b.rid FROM tst a JOIN tst b ON a.k = b.k ORDER BY a.k
= SELECT k, rid FROM tst WHERE k = '2024-01-06 00:00'
= SELECT k, rid FROM tst WHERE k = '2024-01-06'
= SELECT k, rid FROM tst WHERE k = '2024-01-06T00:00:00'
= SELECT k, rid FROM tst WHERE k = '2024-01-06 00:00:00.0000004'
= SELECT k, rid FROM tst WHERE k = '2024-01-05 24:00'
= SELECT k, rid FROM tst WHERE k = '2024-01-06 00:00+05'
= SELECT k, rid FROM tst WHERE k = timestamp '2024-01-06 00:00'
= SELECT k, rid FROM tst WHERE k = date '2024-01-06'
= SELECT k, rid FROM tst WHERE k = '2024-01-06'::date
= SELECT k, rid FROM tst WHERE k = '2024-01-06 00:00+00'::timestamptz
= SELECT k, rid FROM tst WHERE k = 'infinity'
= SELECT k, rid FROM tst WHERE k = 'now'
= SELECT k, rid FROM tst WHERE k IN ('2024-01-06', '2024-01-11 00:00')
= SELECT k, rid FROM tsz WHERE k = '2024-01-06 00:00+00'
= SELECT k, rid FROM tsz WHERE k = '2024-01-06 00:00'
= SELECT k, rid FROM tsz WHERE k = '2024-01-06 09:00+09'
= SELECT k, rid FROM tsz WHERE k = '2024-01-06 00:00 UTC'
= SELECT k, rid FROM tsz WHERE k = '2024-01-06 00:00 Europe/Paris'
= SELECT k, rid FROM tsz WHERE k = timestamptz '2024-01-06 00:00Z'
= SET TimeZone = 'Asia/Seoul'
= SELECT k, rid FROM tsz WHERE k = '2024-01-06 00:00'
= SELECT k, rid FROM tsz WHERE k = '2024-01-06 09:00'
= SELECT k, rid FROM tsz WHERE k = '2024-01-06 00:00+00'
= SELECT k, rid FROM tst WHERE k = '2024-01-06 00:00'
= RESET TimeZone
= SELECT k, rid FROM tsz ORDER BY k LIMIT 4
= SELECT k, count(*) FROM tst GROUP BY k ORDER BY k
