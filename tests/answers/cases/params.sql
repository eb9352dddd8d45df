-- parameters: declared and not, text and binary
= SELECT id, rid FROM big WHERE id = $1 <- int8:5
= SELECT id, rid FROM big WHERE id = $1 <- int4:5
= SELECT id, rid FROM big WHERE id = $1 <- int2:-5
= SELECT id, rid FROM big WHERE id = $1 <- int8:-9223372036854775808
= SELECT id, rid FROM big WHERE id = $1 <- ?:5
= SELECT id, rid FROM big WHERE id = $1 <- ?: 5 
= SELECT id, rid FROM big WHERE id = $1 <- ?:x
= SELECT id, rid FROM big WHERE id = $1 <- ?:5.0
= SELECT id, rid FROM big WHERE id = $1 <- numeric:5
= SELECT id, rid FROM big WHERE id = $1 <- numeric:5.00
= SELECT id, rid FROM big WHERE id = $1 <- numeric:5.5
= SELECT id, rid FROM big WHERE id = $1 <- numeric:9223372036854775808
= SELECT id, rid FROM big WHERE id = $1 <- float8:5
= SELECT id, rid FROM big WHERE id = $1 <- float8:9007199254740993
= SELECT id, rid FROM big WHERE id = $1 <- text:5
= SELECT id, rid FROM big WHERE id = $1 <- int8:NULL
= SELECT id, rid FROM big WHERE id = $1 <- ?:NULL
= SELECT count(*) FROM big WHERE id = $1 <- ?:NULL
= SELECT id, rid FROM big WHERE id = $1::int <- ?:5
= SELECT id, rid FROM big WHERE id = $1::int <- int8:5
= SELECT id, rid FROM big WHERE id = $1::int <- text:5
= SELECT id, rid FROM big WHERE id = $1::int <- numeric:5.4
= SELECT id, rid FROM big WHERE id = $1::numeric <- ?:5.0
= SELECT id, rid FROM big WHERE id = $1::text::bigint <- ?:5
= SELECT id, rid FROM big WHERE id = -$1 <- int8:5
= SELECT id, rid FROM big WHERE id = $1 + 1 <- int8:5
= SELECT id, rid FROM big WHERE id IN ($1, $2) <- int8:5 ; int8:6
= SELECT id, rid FROM big WHERE id IN ($1, $2, NULL) <- ?:5 ; int2:6
= SELECT id, rid FROM big WHERE id IN ($1, 7, '8') <- int8:5
= SELECT id, rid FROM big WHERE id IN ($1, $2) <- int8:5 ; int8:NULL
= SELECT id, rid FROM big WHERE id IN ($1, $2) <- int8:5 ; numeric:6.0
= SELECT id, rid FROM big WHERE id IN ($1, $2) <- ?:5 ; numeric:6.0
= SELECT id, rid FROM big WHERE id = ANY ($1) <- ?:{1,2,3}
= SELECT id, rid FROM big WHERE id = ANY ($1) <- int8[]:{1,2,3}
= SELECT id, rid FROM big WHERE id = ANY ($1) <- ?:{}
= SELECT id, rid FROM big WHERE id = ANY ($1) <- ?:NULL
= SELECT id, rid FROM big WHERE id = ANY ($1) <- ?:{1,NULL}
= SELECT id, rid FROM big WHERE id = ANY ($1::int[]) <- ?:{1,2}
= SELECT id, rid FROM big WHERE id = ANY ($1::numeric[]) <- ?:{1,2.0}
= SELECT id, rid FROM big WHERE id = ANY (ARRAY[$1, $2]) <- int8:5 ; int8:6
= SELECT id, rid FROM big WHERE id = ANY (ARRAY[$1, $2]::int8[]) <- ?:5 ; ?:6
= SELECT id, rid FROM big WHERE id = $1 AND n = $2 <- int8:5 ; int4:1
= SELECT id, rid FROM big WHERE id = $1 OR id = $1 <- int8:5
= SELECT id, rid FROM big WHERE id = $1 AND id = $1 <- ?:5
= SELECT id, rid FROM big WHERE r = $1 AND id = $1 <- ?:16777217
= SELECT id, rid FROM big WHERE r <> $1 AND id = $1 <- ?:16777217
= SELECT id, rid FROM big WHERE f IS DISTINCT FROM $1 AND id = $1 <- ?:9007199254740993
= SELECT id, rid FROM big WHERE num <> $1 AND id = $1 <- ?:5.0
= SELECT id, rid FROM big WHERE id = $1 AND num <> $1 <- ?:5
= SELECT b.id, d.rid FROM big b JOIN det d ON d.id = b.id WHERE b.id = $1 AND d.id = $1 <- ?:5
= SELECT b.id, d.rid FROM big b JOIN det d ON d.id = b.id WHERE b.id = $1 AND d.rid < $2 <- int8:5 ; int4:1000
= SELECT k, rid FROM txt WHERE k = $1 <- ?:a
= SELECT k, rid FROM txt WHERE k = $1 <- text:a
= SELECT k, rid FROM txt WHERE k = $1 <- varchar:a
= SELECT k, rid FROM txt WHERE k = $1 <- text:a 
= SELECT k, rid FROM txt WHERE k = $1 <- bpchar:a 
= SELECT k, rid FROM txt WHERE k = $1 <- int4:5
= SELECT k, rid FROM txt WHERE k = $1 <- text:
= SELECT k, rid FROM txt WHERE k = $1 <- text:NULL
= SELECT k, rid FROM txt WHERE c <> $1 AND k = $1 <- ?:a 
= SELECT k, rid FROM txt WHERE k = $1 AND c = $1 <- ?:a 
= SELECT k, rid FROM txt WHERE k = ANY ($1) <- text[]:{a,b}
= SELECT k, rid FROM txt WHERE k = ANY ($1) <- ?:{a,"b"}
= SELECT k, rid FROM vch WHERE k = $1 <- text:abcdef
= SELECT k, rid FROM vch WHERE k = $1 <- varchar:abcde
= SELECT k, rid FROM vch WHERE k = $1::varchar(5) <- text:abcdef
= SELECT k, rid FROM chr WHERE k = $1 <- ?:a
= SELECT k, rid FROM chr WHERE k = $1 <- text:a 
= SELECT k, rid FROM chr WHERE k = $1 <- bpchar:a 
= SELECT k, rid FROM chr WHERE k = $1 <- varchar:a
= SELECT k, rid FROM i4 WHERE k = $1 <- int8:2147483648
= SELECT k, rid FROM i4 WHERE k = $1 <- int8:3
= SELECT k, rid FROM i4 WHERE k = $1 <- ?:2147483648
= SELECT k, rid FROM i2 WHERE k = $1 <- int4:40000
= SELECT k, rid FROM i2 WHERE k = $1 <- int8:3
= SELECT k, rid FROM uid WHERE k = $1 <- uuid:{fb8d0c5b-1aa2-51e2-9a92-2cf4f40d0b83}
= SELECT k, rid FROM uid WHERE k = $1 <- ?:{FB8D0C5B1AA251E29A922CF4F40D0B83}
= SELECT k, rid FROM uid WHERE k = $1 <- text:fb8d0c5b-1aa2-51e2-9a92-2cf4f40d0b83
= SELECT k, rid FROM dat WHERE k = $1 <- date:2024-01-06
= SELECT k, rid FROM dat WHERE k = $1 <- ?:2024-01-06
= SELECT k, rid FROM dat WHERE k = $1 <- timestamptz:2024-01-06 00:00+00
= SELECT k, rid FROM byt WHERE k = $1 <- bytea:\x61
-- fan-out with parameters
= SELECT id, rid FROM big WHERE n = $1 <- int4:1
= SELECT id, rid FROM big WHERE n = $1 ORDER BY id <- ?:1
= SELECT id, $1 FROM big WHERE n = 1 ORDER BY id <- text:x
= SELECT id, $1::int FROM big WHERE n = 1 ORDER BY id <- ?:4
= SELECT id FROM big ORDER BY id LIMIT $1 <- int8:5
= SELECT id FROM big ORDER BY id LIMIT $1 <- ?:5
= SELECT id FROM big ORDER BY id LIMIT $1 <- int2:5
= SELECT id FROM big ORDER BY id LIMIT $1 <- ?:0
= SELECT id FROM big ORDER BY id LIMIT $1 <- ?:NULL
= SELECT id FROM big ORDER BY id LIMIT $1 <- ?:-1
= SELECT id FROM big ORDER BY id LIMIT $1 <- ?:x
= SELECT id FROM big ORDER BY id LIMIT $1 OFFSET $2 <- int8:5 ; int8:3
= SELECT id FROM big ORDER BY id LIMIT $1 OFFSET $2 <- ?:NULL ; ?:80
= SELECT id FROM big ORDER BY id LIMIT $1 OFFSET $2 <- ?:5 ; ?:NULL
= SELECT id FROM big ORDER BY id OFFSET $1 <- ?:80
= SELECT id FROM big ORDER BY id OFFSET $1 <- ?:-1
= SELECT id FROM big ORDER BY id LIMIT $1 OFFSET $2 <- ?:9223372036854775807 ; ?:85
= SELECT n, count(*) FROM big WHERE id > $1 GROUP BY n ORDER BY n <- int8:3
= SELECT count(*) FROM big WHERE t = $1 OR t IS NULL <- ?:a
