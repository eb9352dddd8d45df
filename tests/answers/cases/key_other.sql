-- int, smallint, uuid, date, bytea
= SELECT * FROM i4 WHERE k = 3
= SELECT * FROM i4 WHERE k = '3'
= SELECT * FROM i4 WHERE k = 3.0
= SELECT * FROM i4 WHERE k = 2147483648
= SELECT * FROM i4 WHERE k = '2147483648'
= SELECT * FROM i4 WHERE k = -2147483648
= SELECT * FROM i4 WHERE k = 9223372036854775807
= SELECT * FROM i4 WHERE k = 3::int8
= SELECT * FROM i4 WHERE k = '3'::int8
= SELECT * FROM i4 WHERE k IN (3, 2147483648, 9223372036854775808)
= SELECT * FROM i4 WHERE k IN (3, 2147483648)
= SELECT * FROM i4 WHERE k = ANY ('{3,6}')
= SELECT * FROM i4 WHERE k = ANY ('{3,2147483648}')
= SELECT * FROM i4 WHERE k = ANY ('{3,2147483648}'::bigint[])
= SELECT * FROM i4 WHERE k = ANY (ARRAY[3, 2147483648])
= SELECT * FROM i2 WHERE k = 3
= SELECT * FROM i2 WHERE k = 40000
= SELECT * FROM i2 WHERE k = '40000'
= SELECT * FROM i2 WHERE k = -5
= SELECT * FROM i2 WHERE k = '3'
= SELECT * FROM i2 WHERE k = 3::int8
= SELECT * FROM i2 WHERE k IN (3, 40000)
= SELECT * FROM i2 WHERE k IN (3, '40000')
= SELECT * FROM i2 WHERE k IN ('40000', 3, 5, 7)
= SELECT * FROM i2 WHERE k IN ('5.0', 3.5)
= SELECT * FROM i2 WHERE k IN ('7.0', 5::real, 3)
= SELECT * FROM i2 WHERE k = ANY (ARRAY['40000', 3, 5, 7])
= SELECT * FROM i2 WHERE k = ANY (ARRAY['5.0', 3.5])
= SELECT * FROM i2 WHERE k = ANY ('{3,40000}')
= SELECT * FROM i2 WHERE k = ANY ('{3,40000}'::int[])
= SELECT i4.k, i2.rid FROM i4 JOIN i2 ON i4.k = i2.k WHERE i4.k = 3
= SELECT i4.k, big.rid FROM i4 JOIN big ON i4.k = big.id WHERE big.id = 3
= SELECT i4.k, big.rid FROM i4 JOIN big ON i4.k = big.id WHERE i4.k = 2147483648
= SELECT i4.k, big.rid FROM i4 JOIN big ON i4.k = big.id
= SELECT count(*) FROM i4, i2, big WHERE i4.k = i2.k AND big.id = i2.k
= SELECT * FROM uid WHERE k = '0a9be0a5-a2c5-5ee9-b3a5-4e2a3e4b9b1f'
! SELECT * FROM uid WHERE k = (SELECT NULL::uuid)
= SELECT * FROM uid WHERE k = 'not a uuid'
= SELECT * FROM uid WHERE k = ''
= SELECT count(*) FROM uid WHERE k = '{0a9be0a5a2c55ee9b3a54e2a3e4b9b1f}'
= SELECT count(*) FROM uid WHERE k = ' 0a9be0a5-a2c5-5ee9-b3a5-4e2a3e4b9b1f'
= SELECT count(*) FROM uid WHERE k = 'x'::text
= SELECT count(*) FROM uid WHERE k > '80000000-0000-0000-0000-000000000000'
= SELECT * FROM dat WHERE k = '2024-01-01'
= SELECT * FROM dat WHERE k = '2024-1-6'
= SELECT * FROM dat WHERE k = '20240106'
= SELECT * FROM dat WHERE k = 'Jan 6, 2024'
= SELECT * FROM dat WHERE k = '06/01/2024'
= SELECT * FROM dat WHERE k = '2024-01-06 12:00'
= SELECT * FROM dat WHERE k = '2024-01-06'::date
= SELECT * FROM dat WHERE k = date '2024-01-06'
= SELECT * FROM dat WHERE k = '2024-01-06'::timestamp
= SELECT * FROM dat WHERE k = '2024-01-06 00:00+00'::timestamptz
= SELECT * FROM dat WHERE k = timestamp '2024-01-06 00:00'
= SELECT * FROM dat WHERE k = 'today'
= SELECT * FROM dat WHERE k = 'epoch'
= SELECT * FROM dat WHERE k = 'infinity'
= SELECT * FROM dat WHERE k = '2024-02-30'
= SELECT * FROM dat WHERE k IN ('2024-01-01', '2024-01-06', '1/11/2024')
= SELECT * FROM dat WHERE k = ANY ('{2024-01-01,2024-01-06}')
= SELECT * FROM dat WHERE k BETWEEN '2024-01-01' AND '2024-02-01'
= SET DateStyle = 'ISO, DMY'
= SELECT * FROM dat WHERE k = '06/01/2024'
= SELECT * FROM dat WHERE k = '2024-01-06'
= SELECT k, rid FROM dat ORDER BY k LIMIT 3
= SET DateStyle = 'German'
= SELECT k, rid FROM dat ORDER BY k LIMIT 3
= RESET DateStyle
= SELECT * FROM byt WHERE k = 'a'
= SELECT * FROM byt WHERE k = '\x61'
= SELECT * FROM byt WHERE k = '\x6 1'
= SELECT * FROM byt WHERE k = '\x 61 62'
= SELECT * FROM byt WHERE k = '\X61'
= SELECT * FROM byt WHERE k = '\141'
= SELECT * FROM byt WHERE k = E'\\x61'
= SELECT * FROM byt WHERE k = ''
= SELECT * FROM byt WHERE k = '\\'
= SELECT * FROM byt WHERE k = '\x6'
= SELECT * FROM byt WHERE k = 'a'::bytea
= SELECT * FROM byt WHERE k IN ('a', '\x62')
= SELECT * FROM byt WHERE k = ANY ('{a,"\\x62"}')
