-- A literal reaches the key's type by PostgreSQL's rules, or the statement goes everywhere.
= SELECT id, rid FROM big WHERE id = 1
= SELECT id, rid FROM big WHERE id = -1
= SELECT id, rid FROM big WHERE id = - 1
= SELECT id, rid FROM big WHERE id = +1
= SELECT id, rid FROM big WHERE id = -(-1)
= SELECT id, rid FROM big WHERE id = - - 1
= SELECT id, rid FROM big WHERE 1 = id
= SELECT id, rid FROM big WHERE big.id = 2
= SELECT id, rid FROM public.big WHERE public.big.id = 2
= SELECT id, rid FROM big b WHERE b.id = 2
= SELECT id, rid FROM big WHERE "id" = 3
= SELECT id, rid FROM big WHERE ID = 3
= SELECT id, rid FROM big WHERE id = 1.0
= SELECT id, rid FROM big WHERE id = 1.5
= SELECT id, rid FROM big WHERE id = 1e0
= SELECT id, rid FROM big WHERE id = 0.1e1
= SELECT id, rid FROM big WHERE id = '1'
= SELECT id, rid FROM big WHERE id = ' 1 '
= SELECT id, rid FROM big WHERE id = E' \t1\n'
= SELECT id, rid FROM big WHERE id = '+1'
= SELECT id, rid FROM big WHERE id = '-1'
= SELECT id, rid FROM big WHERE id = '01'
= SELECT id, rid FROM big WHERE id = ''
= SELECT id, rid FROM big WHERE id = 'x'
= SELECT id, rid FROM big WHERE id = '1x'
= SELECT id, rid FROM big WHERE id = '1.0'
= SELECT id, rid FROM big WHERE id = '0x1'
= SELECT id, rid FROM big WHERE id = '9223372036854775808'
= SELECT id, rid FROM big WHERE id = 9223372036854775807
= SELECT id, rid FROM big WHERE id = -9223372036854775808
= SELECT id, rid FROM big WHERE id = '-9223372036854775808'
= SELECT id, rid FROM big WHERE id = 9223372036854775808
= SELECT id, rid FROM big WHERE id = -9223372036854775809
= SELECT id, rid FROM big WHERE id = 99999999999999999999999999
= SELECT id, rid FROM big WHERE id = 2147483647
= SELECT id, rid FROM big WHERE id = 2147483648
= SELECT id, rid FROM big WHERE id = -2147483648
= SELECT id, rid FROM big WHERE id = -2147483649
= SELECT id, rid FROM big WHERE id = 1::int2
= SELECT id, rid FROM big WHERE id = 1::int4
= SELECT id, rid FROM big WHERE id = 1::int8
= SELECT id, rid FROM big WHERE id = 70000::int2
= SELECT id, rid FROM big WHERE id = -1::int2
= SELECT id, rid FROM big WHERE id = (-1)::int2
= SELECT id, rid FROM big WHERE id = 1::numeric
= SELECT id, rid FROM big WHERE id = '1'::numeric
= SELECT id, rid FROM big WHERE id = 1.4::int
= SELECT id, rid FROM big WHERE id = 1.5::bigint
= SELECT id, rid FROM big WHERE id = '1'::int
= SELECT id, rid FROM big WHERE id = int '1'
= SELECT id, rid FROM big WHERE id = bigint '1'
= SELECT id, rid FROM big WHERE id = CAST('1' AS smallint)
= SELECT id, rid FROM big WHERE id = '1'::text::bigint
= SELECT id, rid FROM big WHERE id = '1'::text
= SELECT id, rid FROM big WHERE id = 1::float8
= SELECT id, rid FROM big WHERE id = 9007199254740993::float8
= SELECT id, rid FROM big WHERE id = 16777217::real
= SELECT id, rid FROM big WHERE id = 1::real
= SELECT id, rid FROM big WHERE id = 1::oid
= SELECT id, rid FROM big WHERE id = true
= SELECT id, rid FROM big WHERE id = true::int
= SELECT id, rid FROM big WHERE id = B'1'::int
= SELECT id, rid FROM big WHERE id = X'1'::int
= SELECT id, rid FROM big WHERE id = E'1'
= SELECT id, rid FROM big WHERE id = E'\x31'
= SELECT id, rid FROM big WHERE id = E'\061'
= SELECT id, rid FROM big WHERE id = U&'\0031'
= SELECT id, rid FROM big WHERE id = U&'!0031' UESCAPE '!'
= SELECT id, rid FROM big WHERE id = $$1$$
= SELECT id, rid FROM big WHERE id = $q$1$q$
= SELECT id, rid FROM big WHERE id = '1'
  '0'
= SELECT id, rid FROM big WHERE id = N'1'
= SELECT id, rid FROM big WHERE id = 1 + 1
= SELECT id, rid FROM big WHERE id = abs(-2)
= SELECT id, rid FROM big WHERE id = NULL
= SELECT id, rid FROM big WHERE id = NULL::bigint
= SELECT count(*) FROM big WHERE id = NULL
= SELECT id, rid FROM big WHERE id IS NULL
= SELECT id, rid FROM big WHERE id IS NOT DISTINCT FROM 1
= SELECT id, rid FROM big WHERE id IN (1)
= SELECT id, rid FROM big WHERE id IN (1, 2, 3, 40)
= SELECT id, rid FROM big WHERE id IN (1, NULL, 3)
= SELECT id, rid FROM big WHERE id IN (NULL)
= SELECT id, rid FROM big WHERE id IN (1, '2', 3.0)
= SELECT id, rid FROM big WHERE id IN (1, 2.5)
= SELECT id, rid FROM big WHERE id IN ('1', ' 2 ')
= SELECT id, rid FROM big WHERE id IN (1, -1, - 2)
= SELECT id, rid FROM big WHERE id IN (5, 9223372036854775808)
= SELECT id, rid FROM big WHERE id IN (9223372036854775808, 5, 6, 7)
= SELECT id, rid FROM big WHERE id IN (5, 99999999999999999999, NULL)
= SELECT count(*) FROM big WHERE id IN (5, 6, 7, 8, 9, 10, 11, 9223372036854775808)
= SELECT id, rid FROM big WHERE id IN (1::int2, 2::int8)
= SELECT id, rid FROM big WHERE id IN (5, 9007199254740993::float8)
= SELECT id, rid FROM big WHERE id IN (1, 2 + 1)
= SELECT id, rid FROM big WHERE id IN ('1', 'x')
= SELECT id, rid FROM big WHERE id NOT IN (1, 2, 3)
= SELECT id, rid FROM big WHERE id <> 1
= SELECT id, rid FROM big WHERE id = ANY ('{1,2,3}')
= SELECT id, rid FROM big WHERE id = ANY (' { 1 , 2 } ')
= SELECT id, rid FROM big WHERE id = ANY (E'{\t1,\n2}')
= SELECT id, rid FROM big WHERE id = ANY ('{"1",NULL,null}')
= SELECT id, rid FROM big WHERE id = ANY ('{}')
= SELECT id, rid FROM big WHERE id = ANY ('{1,9223372036854775808}')
= SELECT id, rid FROM big WHERE id = ANY ('{1,1.0}')
= SELECT id, rid FROM big WHERE id = ANY ('{{1,2},{3,4}}')
= SELECT id, rid FROM big WHERE id = ANY ('[5:6]={1,2}')
= SELECT id, rid FROM big WHERE id = ANY ('{1,2')
= SELECT id, rid FROM big WHERE id = ANY ('{1,,2}')
= SELECT id, rid FROM big WHERE id = ANY ('{1,2}'::int[])
= SELECT id, rid FROM big WHERE id = ANY ('{1,2}'::bigint[])
= SELECT id, rid FROM big WHERE id = ANY ('{1,2.0}'::numeric[])
= SELECT id, rid FROM big WHERE id = ANY (ARRAY[1, 2])
= SELECT id, rid FROM big WHERE id = ANY (ARRAY['1', '2'])
= SELECT id, rid FROM big WHERE id = ANY (ARRAY['1', '2']::bigint[])
= SELECT id, rid FROM big WHERE id = ANY (ARRAY[1, 2.0])
= SELECT id, rid FROM big WHERE id = ANY (ARRAY[1, NULL])
= SELECT id, rid FROM big WHERE id = ANY (ARRAY[]::bigint[])
= SELECT id, rid FROM big WHERE id = ANY (NULL)
= SELECT id, rid FROM big WHERE id = ALL ('{1}')
= SELECT id, rid FROM big WHERE id = ALL (ARRAY[1, 2])
= SELECT id, rid FROM big WHERE id = SOME (ARRAY[1, 2])
= SELECT id, rid FROM big WHERE id = 1 AND id = 2
= SELECT count(*), sum(n) FROM big WHERE id = 1 AND id = 2
= SELECT id, rid FROM big WHERE id = 1 AND id IN (1, 2)
= SELECT id, rid FROM big WHERE id = 1 OR id = 2
= SELECT id, rid FROM big WHERE id = 1 OR n = 1
= SELECT id, rid FROM big WHERE id = 1 AND (id = 1 OR n = 1)
= SELECT id, rid FROM big WHERE NOT id = 1
= SELECT id, rid FROM big WHERE NOT (id = 1 AND n = 1)
= SELECT id, rid FROM big WHERE (id = 1) IS TRUE
= SELECT id, rid FROM big WHERE (id = 1) IS NOT TRUE
= SELECT id, rid FROM big WHERE (id = 1) = false
= SELECT id, rid FROM big WHERE CASE WHEN id = 1 THEN true ELSE n = 1 END
= SELECT id, rid FROM big WHERE id = 1 AND true
= SELECT id, rid FROM big WHERE id = 1 AND NULL
= SELECT id, rid FROM big WHERE id BETWEEN 1 AND 1
= SELECT id, rid FROM big WHERE id BETWEEN 1 AND 5
= SELECT id, rid FROM big WHERE id BETWEEN SYMMETRIC 5 AND 1
= SELECT id, rid FROM big WHERE id >= 1 AND id <= 1
= SELECT id, rid FROM big WHERE (id, n) = (1, 1)
= SELECT id, rid FROM big WHERE (id, rid) = (1, 6)
= SELECT id, rid FROM big WHERE (id, rid) IN ((1, 6), (2, 7))
= SELECT id, rid FROM big WHERE ROW(id) = ROW(1)
= SELECT id, rid FROM big WHERE id = 1 AND rid = id + 5
= SELECT id, rid FROM big WHERE id = id
= SELECT id, rid FROM big WHERE id = n
= SELECT id, rid FROM big WHERE id = n AND id = 1
= SELECT id, rid FROM big WHERE id OPERATOR(pg_catalog.=) 1
= SELECT id, rid FROM big WHERE id::text = '1'
= SELECT id, rid FROM big WHERE id::int = 1
= SELECT id, rid FROM big WHERE id + 0 = 1
! SELECT id, rid FROM big WHERE big = (SELECT NULL::big)
= SELECT id, rid FROM ONLY big WHERE id = 1
= SELECT * FROM big WHERE id = 1
= SELECT * FROM big WHERE id = 7
! SELECT b.* FROM big AS b (a, r) WHERE a = 1
= SELECT b.a FROM big AS b (a, id) WHERE id = 1
= SELECT id AS rid, rid AS id FROM big WHERE id = 1
= SELECT sum(id) FROM big WHERE id = 1
= SELECT id, row_number() OVER (ORDER BY rid) FROM big WHERE id = 1
= SELECT grp, count(*) FROM det WHERE id = 1 GROUP BY grp HAVING count(*) > 0
= SELECT DISTINCT ON (grp) grp, rid FROM det WHERE id = 1 ORDER BY grp, rid
= SELECT string_agg(t, ',' ORDER BY rid) FROM det WHERE id = 1
= SELECT array_agg(rid ORDER BY rid) FROM det WHERE id IN (1)
= SELECT id FROM det WHERE id = 1 FOR UPDATE
= SELECT id FROM det WHERE id = 1 FOR SHARE
= SELECT rid FROM det WHERE id = 1 ORDER BY rid LIMIT 1 OFFSET 1
= TABLE home2
= VALUES (1), (2)
= SELECT 1
= SELECT 1 WHERE false
