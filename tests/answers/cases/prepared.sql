-- SQL's PREPARE: its parameters have the types that it declares
@tables w_big
@simple
= PREPARE by_id (bigint) AS SELECT id, rid FROM big WHERE id = $1
= EXECUTE by_id (3)
= EXECUTE by_id ('4')
= EXECUTE by_id (NULL)
! EXECUTE by_id (5.0)
! EXECUTE by_id (5.4)
! EXECUTE by_id ('x')
! EXECUTE by_id (1 + 1)
= DEALLOCATE by_id
= PREPARE by_any AS SELECT id, rid FROM big WHERE id = $1
= EXECUTE by_any (3)
= EXECUTE by_any ('4')
= DEALLOCATE by_any
= PREPARE by_num (numeric) AS SELECT id, rid FROM big WHERE id = $1
! EXECUTE by_num (3.0)
= DEALLOCATE by_num
= PREPARE by_real (real) AS SELECT id, rid FROM big WHERE id = $1
! EXECUTE by_real (16777217)
= DEALLOCATE by_real
= PREPARE by_small (smallint) AS SELECT id, rid FROM big WHERE id = $1
= EXECUTE by_small (3)
= EXECUTE by_small (40000)
= DEALLOCATE by_small
= PREPARE by_char (char(3)) AS SELECT k, rid FROM txt WHERE k = $1
! EXECUTE by_char ('a ')
! EXECUTE by_char ('abcdef')
= DEALLOCATE by_char
= PREPARE by_varchar (varchar(1)) AS SELECT k, rid FROM txt WHERE k = $1
= EXECUTE by_varchar ('ab')
= DEALLOCATE by_varchar
= PREPARE adds (bigint, int) AS INSERT INTO w_big (id, n) VALUES ($1, $2)
= EXECUTE adds (600, 1)
= EXECUTE adds (600, 1)
= EXECUTE adds ('601', 1)
= DEALLOCATE ALL
= PREPARE p AS SELECT * FROM v_big
! EXECUTE p
= DEALLOCATE p
= PREPARE by_day (date) AS SELECT k, rid FROM dat WHERE k = $1
= EXECUTE by_day ('2024-01-06')
! EXECUTE by_day ('Jan 6, 2024')
= DEALLOCATE by_day
= PREPARE two (bigint, numeric) AS SELECT b.id, d.rid FROM big b JOIN det d ON b.id = d.id WHERE b.id = $1 AND d.num <> $2
= EXECUTE two (3, 1.5)
= DEALLOCATE two
= PREPARE late AS SELECT id, rid FROM big WHERE r <> $1 AND id = $1
! EXECUTE late (16777217)
= DEALLOCATE late
= DELETE FROM w_big WHERE id = 600
= DELETE FROM w_big WHERE id = 601
