-- joins on the key: inner, left, right, full, and what only looks like one
= SELECT b.id, d.rid FROM big b JOIN det d ON b.id = d.id
= SELECT b.id, d.rid FROM big b JOIN det d ON b.id = d.id ORDER BY b.id, d.rid
= SELECT b.id, d.rid FROM big b JOIN det d USING (id) ORDER BY id, d.rid
= SELECT id, d.rid FROM big b JOIN det d USING (id) WHERE id = 3
= SELECT b.id, d.rid FROM big b, det d WHERE b.id = d.id AND b.n = 1
= SELECT b.id, d.rid FROM big b CROSS JOIN det d WHERE b.id = d.id
= SELECT b.id, d.rid FROM big b LEFT JOIN det d ON b.id = d.id
= SELECT b.id, d.rid FROM big b LEFT JOIN det d ON b.id = d.id AND d.grp = 1 ORDER BY b.id, d.rid
= SELECT b.id, d.id, d.rid FROM big b RIGHT JOIN det d ON b.id = d.id
= SELECT b.id, d.id, d.rid FROM big b FULL JOIN det d ON b.id = d.id
= SELECT count(*), count(b.id), count(d.id) FROM big b FULL JOIN det d ON b.id = d.id
= SELECT b.id, d.rid FROM big b LEFT JOIN det d ON b.id = d.id WHERE d.id IS NULL
= SELECT b.id, d.rid FROM big b LEFT JOIN det d ON b.id = d.id WHERE b.id = 3
= SELECT b.id, d.rid FROM big b LEFT JOIN det d ON b.id = d.id WHERE d.id = 3
= SELECT b.id, d.rid FROM big b LEFT JOIN det d ON b.id = d.id AND b.id = 3
= SELECT b.id, d.rid FROM big b LEFT JOIN det d ON b.id = d.id AND d.id = 3
= SELECT b.id, d.rid FROM big b RIGHT JOIN det d ON b.id = d.id AND b.id = 3
= SELECT b.id, d.rid FROM big b FULL JOIN det d ON b.id = d.id WHERE b.id = 3
= SELECT b.id, d.rid FROM big b FULL JOIN det d ON b.id = d.id WHERE d.id = 500
= SELECT b.id, d.rid FROM big b FULL JOIN det d ON b.id = d.id AND b.id = 3
= SELECT b.id, d.rid FROM big b FULL JOIN det d ON b.id = d.id WHERE b.id = 3 OR d.id = 500
= SELECT b.id, d.rid, o.rid FROM big b JOIN det d ON b.id = d.id JOIN oth o ON o.id = d.id
= SELECT b.id, d.rid, o.rid FROM big b LEFT JOIN det d ON b.id = d.id LEFT JOIN oth o ON o.id = b.id
= SELECT b.id, d.rid, o.rid FROM big b LEFT JOIN det d ON b.id = d.id LEFT JOIN oth o ON o.id = d.id
= SELECT b.id, d.rid, o.rid FROM big b LEFT JOIN (det d JOIN oth o ON o.id = d.id) ON d.id = b.id
= SELECT b.id, d.rid, o.rid FROM big b LEFT JOIN (det d LEFT JOIN oth o ON o.id = d.id) ON d.id = b.id WHERE b.id = 3
= SELECT b.id, d.rid, o.rid FROM big b LEFT JOIN det d ON b.id = d.id LEFT JOIN oth o ON o.id = d.id WHERE b.id = 3
= SELECT b.id, d.rid, o.rid FROM big b LEFT JOIN det d ON b.id = d.id LEFT JOIN oth o ON o.id = d.id WHERE o.id = 3
= SELECT b.id, d.rid, o.rid FROM big b FULL JOIN det d ON b.id = d.id FULL JOIN oth o ON o.id = b.id WHERE b.id = 3
= SELECT count(*) FROM big b JOIN big c ON b.id = c.id
= SELECT b.id, i.rid FROM big b LEFT JOIN i4 i ON i.k = b.id
= SELECT b.id, d.rid FROM big b JOIN det d ON (b.id, b.n) = (d.id, d.grp)
= SELECT b.id, d.rid FROM big b JOIN det d ON b.id = d.id AND b.id = 3
= SELECT b.id, d.rid FROM big b JOIN det d ON b.id = d.id WHERE d.id IN (3, 4, 5)
= SELECT b.id, d.rid FROM big b JOIN det d ON b.id = 3 AND d.id = 3
= SELECT count(*) FROM big b, det d WHERE b.id = 3 AND d.id = 3
= SELECT count(*), sum(d.rid), min(b.t), max(d.t) FROM big b JOIN det d ON b.id = d.id
= SELECT d.grp, count(*) FROM big b JOIN det d ON b.id = d.id GROUP BY d.grp ORDER BY d.grp
= SELECT DISTINCT d.grp, b.grp FROM big b JOIN det d ON b.id = d.id ORDER BY 1, 2
= SELECT b.id, d.rid FROM big b JOIN det d ON b.id = d.id ORDER BY d.rid DESC LIMIT 7 OFFSET 2
= SELECT (b.id), x.rid FROM big b JOIN LATERAL (SELECT d.rid FROM det d WHERE d.id = b.id ORDER BY d.rid LIMIT 1) x ON true WHERE b.id = 3
-- An outer join's condition holds only where it matched: it links no tables beside it.
! SELECT count(*) FROM big b JOIN det d ON b.grp = d.grp LEFT JOIN oth o ON o.id = b.id AND o.id = d.id
! SELECT b.id, d.rid, o.rid FROM big b JOIN det d ON b.grp = d.grp LEFT JOIN oth o ON o.id = b.id AND o.id = d.id WHERE b.id = 3
! SELECT count(*) FROM big b LEFT JOIN det d ON b.grp = d.grp LEFT JOIN oth o ON o.id = b.id AND o.id = d.id
! SELECT count(*) FROM big b CROSS JOIN det d LEFT JOIN oth o ON b.id = d.id AND o.id = d.id
! SELECT count(*) FROM (big b JOIN det d ON b.grp = d.grp) LEFT JOIN oth o ON b.id = d.id AND o.id = b.id
! SELECT count(*) FROM (big b JOIN det d ON b.grp = d.grp) LEFT JOIN oth o ON b.id = d.id AND o.id = b.id WHERE b.id = 3
! SELECT count(*) FROM big b LEFT JOIN det d ON b.id = 3 AND d.id = 3
! SELECT count(*) FROM oth o RIGHT JOIN (big b JOIN det d ON b.grp = d.grp) ON o.id = b.id AND o.id = d.id
! SELECT count(*) FROM oth o FULL JOIN (big b JOIN det d ON b.grp = d.grp) ON o.id = b.id AND o.id = d.id
= SELECT count(*) FROM oth o LEFT JOIN (big b JOIN det d ON b.grp = d.grp) ON o.id = b.id AND o.id = d.id WHERE o.id = 3
= SELECT count(*) FROM big b JOIN det d ON b.grp = d.grp LEFT JOIN oth o ON o.id = b.id AND o.id = d.id WHERE b.id = 3 AND d.id = 3
! SELECT b.id, d.rid FROM big b JOIN det d ON b.n = d.grp
! SELECT b.id, d.rid FROM big b JOIN det d ON b.id = d.rid
! SELECT b.id, d.rid FROM big b, det d
! SELECT b.id, d.rid FROM big b JOIN det d ON b.id = d.id OR b.n = d.grp
! SELECT b.id, d.rid FROM big b JOIN det d ON b.id = d.id + 0
! SELECT b.id, d.rid FROM big b JOIN det d ON b.id = 3 AND d.id = 4
! SELECT b.id, d.rid FROM big b LEFT JOIN det d ON b.grp = d.grp WHERE b.id = 3
! SELECT b.id, d.rid FROM big b JOIN det d ON b.grp = d.grp WHERE b.id = 3
! SELECT b.id, h.n FROM big b JOIN home h ON h.id = b.id
! SELECT b.id, h.n FROM big b JOIN home h ON h.id = b.id WHERE b.id = 3
! SELECT b.id, h.n FROM home h LEFT JOIN big b ON h.id = b.id
! SELECT b.id, t.k FROM big b JOIN txt t ON t.n = b.n
! SELECT count(*) FROM big b FULL JOIN det d ON b.id = d.id FULL JOIN oth o ON o.x = b.n
! SELECT * FROM big b NATURAL JOIN det d
= SELECT h.id, i.n FROM home h LEFT JOIN home2 i ON h.id = i.id
= SELECT h.id FROM home h WHERE h.id = 3
= SELECT n, count(*) FROM home GROUP BY n HAVING count(*) > 1 ORDER BY n
= SELECT id, rank() OVER (ORDER BY n) FROM home
