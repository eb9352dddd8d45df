-- text, varchar(n) and char(n)
= SELECT k, rid FROM txt WHERE k = 'a'
= SELECT k, rid FROM txt WHERE k = 'a '
= SELECT k, rid FROM txt WHERE k = ' a'
= SELECT k, rid FROM txt WHERE k = ''
= SELECT k, rid FROM txt WHERE k = 'A'
= SELECT k, rid FROM txt WHERE k = 'é'
= SELECT k, rid FROM txt WHERE k = E'\u00e9'
= SELECT k, rid FROM txt WHERE k = U&'\00e9'
= SELECT k, rid FROM txt WHERE k = E'e\u0301'
= SELECT k, rid FROM txt WHERE k = '日本'
= SELECT k, rid FROM txt WHERE k = 'x''y'
= SELECT k, rid FROM txt WHERE k = E'x\'y'
= SELECT k, rid FROM txt WHERE k = $$x'y$$
= SELECT k, rid FROM txt WHERE k = 'a\b'
= SELECT k, rid FROM txt WHERE k = E'a\\b'
= SELECT k, rid FROM txt WHERE k = E'a\b'
= SELECT k, rid FROM txt WHERE k = E'\t'
= SELECT k, rid FROM txt WHERE k = 'a'::text
= SELECT k, rid FROM txt WHERE k = 'a'::varchar
= SELECT k, rid FROM txt WHERE k = 'ab'::varchar(1)
= SELECT k, rid FROM txt WHERE k = 'a '::char(3)
= SELECT k, rid FROM txt WHERE k = 'a '::char
= SELECT k, rid FROM txt WHERE k = 'a '::bpchar
= SELECT k, rid FROM txt WHERE k = char 'a'
= SELECT k, rid FROM txt WHERE k = 'a'::name
= SELECT k, rid FROM txt WHERE k = 'ab'::"char"
= SELECT k, rid FROM txt WHERE k = 5
= SELECT k, rid FROM txt WHERE k = 5::text
= SELECT k, rid FROM txt WHERE k = '5'::int::text
= SELECT k, rid FROM txt WHERE k = text 'a'
= SELECT k, rid FROM txt WHERE k = 'A' COLLATE "C"
= SELECT k, rid FROM txt WHERE k COLLATE "C" = 'A'
= SELECT k, rid FROM txt WHERE k = 'a' || ''
= SELECT k, rid FROM txt WHERE k = lower('A')
= SELECT k, rid FROM txt WHERE k LIKE 'a'
= SELECT k, rid FROM txt WHERE k LIKE 'a%'
= SELECT k, rid FROM txt WHERE k ILIKE 'A'
= SELECT k, rid FROM txt WHERE k ~ '^a$'
= SELECT k, rid FROM txt WHERE k IN ('a', 'b', '')
= SELECT k, rid FROM txt WHERE k IN ('a ', 'a'::char(3))
= SELECT k, rid FROM txt WHERE k IN ('a', NULL)
= SELECT k, rid FROM txt WHERE k = ANY ('{a,b}')
= SELECT k, rid FROM txt WHERE k = ANY ('{ a , b }')
= SELECT k, rid FROM txt WHERE k = ANY (E'{\ta,\nb}')
= SELECT k, rid FROM txt WHERE k = ANY (E'{a\t,b\n}')
= SELECT k, rid FROM txt WHERE k = ANY (E'{\v a\f,b\r}')
= SELECT k, rid FROM txt WHERE k = ANY (E'\t{a}')
= SELECT k, rid FROM txt WHERE k = ANY ('{a b}')
= SELECT k, rid FROM txt WHERE k = ANY ('{" a"}')
= SELECT k, rid FROM txt WHERE k = ANY ('{"a "}')
= SELECT k, rid FROM txt WHERE k = ANY ('{"a" , "b"}')
= SELECT k, rid FROM txt WHERE k = ANY ('{NULL}')
= SELECT k, rid FROM txt WHERE k = ANY ('{"NULL"}')
= SELECT k, rid FROM txt WHERE k = ANY ('{"a,b"}')
= SELECT k, rid FROM txt WHERE k = ANY ('{"{a}"}')
= SELECT k, rid FROM txt WHERE k = ANY ('{"\"q\""}')
= SELECT k, rid FROM txt WHERE k = ANY ('{"a\\b"}')
= SELECT k, rid FROM txt WHERE k = ANY ('{a\\b}')
= SELECT k, rid FROM txt WHERE k = ANY ('{""}')
= SELECT k, rid FROM txt WHERE k = ANY ('{a"b"}')
= SELECT k, rid FROM txt WHERE k = ANY ('{"a"b}')
= SELECT k, rid FROM txt WHERE k = ANY ('{a}x')
= SELECT k, rid FROM txt WHERE k = ANY ('{a,}')
= SELECT k, rid FROM txt WHERE k = ANY ('a')
= SELECT k, rid FROM txt WHERE k = ANY (ARRAY['a', 'b '])
= SELECT k, rid FROM txt WHERE k = ANY (ARRAY['a ', 'b']::bpchar[])
= SELECT k, rid FROM txt WHERE k = ANY ('{"a "}'::bpchar[])
= SELECT k, rid FROM txt WHERE k = ANY ('{abc,b}'::varchar(1)[])
= SELECT k, rid FROM txt WHERE k = c
= SELECT k, rid FROM txt WHERE k = t
= SELECT k, rid FROM txt WHERE k = NULL
= SELECT k, rid FROM txt WHERE k >= 'a' AND k < 'b'
= SELECT k, rid FROM txt WHERE k BETWEEN 'a' AND 'a'
= SELECT k, rid FROM vch WHERE k = 'a'
= SELECT k, rid FROM vch WHERE k = 'a '
= SELECT k, rid FROM vch WHERE k = 'abcde'
= SELECT k, rid FROM vch WHERE k = 'abcdef'
= SELECT k, rid FROM vch WHERE k = 'abcde '
= SELECT k, rid FROM vch WHERE k = 'abcdef'::varchar(5)
= SELECT k, rid FROM vch WHERE k = 'ab'
= SELECT k, rid FROM vch WHERE k = 'ab   '
= SELECT k, rid FROM vch WHERE k = 'ab   '::text
= SELECT k, rid FROM vch WHERE k = 'ab   '::char(5)
= SELECT k, rid FROM vch WHERE k = '日本'
= SELECT k, rid FROM vch WHERE k IN ('a', 'abcdefgh')
= SELECT k, rid FROM vch WHERE k = ANY ('{a,abcdefgh,abcde}')
= SELECT k, rid FROM vch WHERE k = 'a' AND k = 'b'
= SELECT k, rid, length(k) FROM chr WHERE k = 'a'
= SELECT k, rid FROM chr WHERE k = 'a     '
= SELECT k, rid FROM chr WHERE k = 'a          '
= SELECT k, rid FROM chr WHERE k = 'a '::text
= SELECT k, rid FROM chr WHERE k = 'a'::text
= SELECT k, rid FROM chr WHERE k = 'a '::varchar
= SELECT k, rid FROM chr WHERE k = 'a'::varchar
= SELECT k, rid FROM chr WHERE k = 'a'::char(10)
= SELECT k, rid FROM chr WHERE k = 'a '::bpchar
= SELECT k, rid FROM chr WHERE k = 'abc'::char
= SELECT k, rid FROM chr WHERE k = ''
= SELECT k, rid FROM chr WHERE k = ' '
= SELECT k, rid FROM chr WHERE k = ' a'
= SELECT k, rid FROM chr WHERE k = 'abcdef'
= SELECT k, rid FROM chr WHERE k = 'abcdefg'
= SELECT k, rid FROM chr WHERE k = 'abcdef  '
= SELECT k, rid FROM chr WHERE k = E'\t'
= SELECT k, rid FROM chr WHERE k = 'é'
= SELECT k, rid FROM chr WHERE k IN ('a', 'b  ')
= SELECT k, rid FROM chr WHERE k = ANY ('{a,"b  "}')
= SELECT k, rid FROM chr WHERE k = ANY ('{a,"b  "}'::text[])
= SELECT k, rid FROM chr WHERE k = ANY (ARRAY['a', 'b'])
= SELECT k, rid FROM chr WHERE k LIKE 'a%'
= SELECT k, rid FROM chr WHERE k || '' = 'a'
= SELECT txt.k, vch.rid FROM txt JOIN vch ON txt.k = vch.k WHERE txt.k = 'a'
= SELECT txt.k, vch.rid FROM txt JOIN vch ON txt.k = vch.k WHERE txt.k = 'k1'
= SELECT txt.k, vch.rid FROM txt JOIN vch ON txt.k = vch.k
= SELECT txt.k, vch.rid FROM txt LEFT JOIN vch ON txt.k = vch.k
= SELECT count(*) FROM txt JOIN vch USING (k)
! SELECT vch.k, chr.rid FROM vch JOIN chr ON vch.k = chr.k
! SELECT vch.k, chr.rid FROM vch LEFT JOIN chr ON vch.k = chr.k WHERE vch.k = 'k1'
! SELECT count(*) FROM vch FULL JOIN chr USING (k)
= SELECT txt.k, chr.rid FROM txt JOIN chr ON txt.k = chr.k
= SELECT txt.k, chr.rid FROM txt LEFT JOIN chr ON txt.k = chr.k
= SELECT txt.k, chr.rid FROM txt JOIN chr ON txt.k = chr.k WHERE chr.k = 'a  '
= SELECT txt.k, chr.rid FROM txt JOIN chr ON txt.k = chr.k WHERE chr.k = 'b '
= SELECT txt.k, chr.rid FROM txt JOIN chr ON txt.k = chr.k WHERE chr.k = 'k1   '
= SELECT txt.k, chr.rid FROM txt JOIN chr ON txt.k = chr.k WHERE txt.k = 'k1 '
= SELECT txt.k, chr.rid FROM txt JOIN chr ON txt.k = chr.k WHERE txt.k = 'a '
= SELECT txt.k, chr.rid FROM txt JOIN chr ON txt.k = chr.k WHERE chr.k = 'a'
