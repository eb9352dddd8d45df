-- a text is hashed as the server has it
@tables w_txt
= DELETE FROM w_txt WHERE k = 'é'
= SET client_encoding = 'LATIN1'
= SELECT count(*) FROM txt WHERE k = 'a'
! SELECT count(*) FROM txt WHERE k = 'é'
! INSERT INTO w_txt VALUES ('é', 1)
= INSERT INTO w_txt VALUES ('e', 1)
= DELETE FROM w_txt WHERE k = 'e'
! SELECT k FROM txt ORDER BY k
= RESET client_encoding
= SELECT count(*) FROM txt WHERE k = 'é'
= SET standard_conforming_strings = off
= SELECT count(*) FROM txt WHERE k = 'a\\b'
= SELECT count(*) FROM txt WHERE k = '\x61'
! SELECT k FROM txt ORDER BY k
= RESET standard_conforming_strings
= SELECT count(*) FROM txt WHERE k = 'a\b'
