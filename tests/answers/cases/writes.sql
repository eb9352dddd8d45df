@tables w_big w_det w_txt w_vch w_chr w_uid w_i2 home2
= DELETE FROM w_big WHERE id = 1
= DELETE FROM w_big WHERE id = 2
= DELETE FROM w_big WHERE id = -3
= DELETE FROM w_big WHERE id = 1000000000000
= DELETE FROM w_det WHERE id = 1
= DELETE FROM w_txt WHERE k = 'a'
= DELETE FROM w_txt WHERE k = ' a '
= DELETE FROM w_vch WHERE k = 'abc'
= DELETE FROM w_vch WHERE k = 'abcde'
= DELETE FROM w_vch WHERE k = '日本'
= DELETE FROM w_chr WHERE k = 'ab'
= DELETE FROM w_uid WHERE k = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'
= DELETE FROM w_i2 WHERE k = -7
= DELETE FROM home2
= INSERT INTO w_big VALUES (1, 2, 'x', 3.456)
= INSERT INTO w_big (id) VALUES (2)
= INSERT INTO w_big (n, id) VALUES (5, '-3') RETURNING *
= INSERT INTO w_big (id, t) VALUES (1000000000000, 'far') RETURNING id, n AS m, t || '!' AS u
= INSERT INTO w_big (id) VALUES (1)
! INSERT INTO w_big (id) VALUES (9223372036854775808)
= INSERT INTO w_big (id) VALUES ('x')
= INSERT INTO w_big (id, n) VALUES (4, 13)
= INSERT INTO w_big (id, nope) VALUES (4, 13)
= INSERT INTO w_big (id, n) VALUES (1, 9) ON CONFLICT DO NOTHING
= INSERT INTO w_big (id, n) VALUES (1, 9) ON CONFLICT (id) DO UPDATE SET n = excluded.n + w_big.n RETURNING id, n
= INSERT INTO w_big (id, n) VALUES (1, 9) ON CONFLICT (id) DO UPDATE SET n = 3 WHERE w_big.n = 99 RETURNING id, n
= INSERT INTO w_big (id, n) VALUES (1, 1), (1, 2) ON CONFLICT DO NOTHING
= INSERT INTO w_det VALUES (1, 1, 'a'), (1, 2, 'b'), (1, 3, NULL) RETURNING line
= INSERT INTO w_det VALUES (1, 3, 'dup'), (1, 4, 'd')
= INSERT INTO w_det VALUES ($1, $2, $3) <- int8:1 ; int4:5 ; text:p
= INSERT INTO w_det VALUES ($1, $2, $3), ($1, 7, $3) <- ?:1 ; ?:6 ; ?:q
= INSERT INTO w_det VALUES ($1, 8, $1) <- int8:1
= UPDATE w_big SET n = 100 WHERE id = 1
= UPDATE w_big SET n = n + 1, t = 'up' WHERE id = 1 RETURNING *
= UPDATE w_big SET n = 13 WHERE id = 1
= UPDATE w_big SET n = 1 WHERE id = 55555
= UPDATE w_big SET n = 1 WHERE id = NULL
= UPDATE w_big SET n = 1 WHERE id = 1 AND id = 2
= UPDATE w_big SET n = 4 WHERE id IN (1)
= UPDATE w_big SET n = $2 WHERE id = $1 <- int8:1 ; int4:8
= UPDATE w_big b SET n = d.line FROM w_det d WHERE d.id = b.id AND b.id = 1 AND d.line = 2 RETURNING b.id, b.n
= UPDATE w_big SET n = (SELECT max(line) FROM w_det WHERE w_det.id = 1) WHERE id = 1
= UPDATE w_det SET t = upper(t) WHERE id = 1 AND line > 1
= DELETE FROM w_det WHERE id = 1 AND line = 2 RETURNING *
= DELETE FROM w_det USING w_big WHERE w_big.id = w_det.id AND w_det.id = 1 AND line = 4
= WITH gone AS (DELETE FROM w_det WHERE id = 1 AND line = 3 RETURNING *) SELECT count(*) FROM gone
= INSERT INTO w_txt VALUES ('a', 1)
= INSERT INTO w_txt VALUES (' a ', 1)
= INSERT INTO w_txt VALUES (E'a', 2)
= INSERT INTO w_txt VALUES ('a', 2) ON CONFLICT (k) DO UPDATE SET n = 5
= INSERT INTO w_vch VALUES ('abc', 1)
= INSERT INTO w_vch VALUES ('abcdef', 1)
= INSERT INTO w_vch VALUES ('abcde  ', 1)
= INSERT INTO w_vch VALUES ('abcde', 1)
= INSERT INTO w_vch VALUES ('日本語日本', 1)
= INSERT INTO w_vch VALUES ('日本語日本  ', 1)
= UPDATE w_vch SET n = 2 WHERE k = '日本語日本'
= UPDATE w_vch SET n = 2 WHERE k = '日本語日本 '
= DELETE FROM w_vch WHERE k = '日本語日本'
= INSERT INTO w_chr VALUES ('ab', 1)
= INSERT INTO w_chr VALUES ('ab    ', 2)
= UPDATE w_chr SET n = 9 WHERE k = 'ab  '
= INSERT INTO w_uid VALUES ('{a0eebc999c0b4ef8bb6d6bb9bd380a11}', 1)
= INSERT INTO w_uid VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 2)
= INSERT INTO w_uid VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1', 2)
= UPDATE w_uid SET n = 4 WHERE k = 'a0eebc999c0b4ef8bb6d6bb9bd380a11'
= INSERT INTO w_i2 VALUES (-7, 1)
= INSERT INTO w_i2 VALUES (40000, 1)
= INSERT INTO w_i2 VALUES ('-7', 1)
= DELETE FROM w_i2 WHERE k = 40000
= INSERT INTO home2 VALUES (1, 1), (2, 2)
= UPDATE home2 SET n = n + 1
= INSERT INTO home2 SELECT id + 10, n FROM home2
= DELETE FROM home2 WHERE id = 1
= INSERT INTO w_big (id, n) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET n = excluded.n <- ?:2 ; ?:77
= INSERT INTO w_big (id, num) VALUES (3, 1e10)
= DELETE FROM w_big WHERE id = 2 AND n = 77 RETURNING n
= TRUNCATE w_det
= TRUNCATE w_big, w_txt
