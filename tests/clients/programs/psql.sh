#!/bin/bash
# psql through the router; README.md says what each check is. psql 15 has no parameters and no pipelines; in one query it sends several
# statements when "\;" stands between them.
set -uo pipefail
cd "$(dirname "$0")"
PSQL=${NANU_PSQL:-psql}
WAIT_S=30
SLEEP='SELECT pg_sleep(60) FROM plain WHERE id = 1'
SLEEPERS="SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "not ok $check: $(tr -s ' \n\t' ' ' <<<"$*" | head -c 600)"
	exit 1
}

expect() { # found, wanted
	[[ $1 == "$2" ]] || fail "found ${1:0:300}, wanted ${2:0:300}"
}

contains() {
	[[ $1 == *"$2"* ]] || fail "not in ${1:0:300}: $2"
}

# The answers to a script on stdin, or to the statements that are given as -c; the rest stands in libpq's environment variables.
answers() {
	"$PSQL" -XAtq -v ON_ERROR_STOP=1 -F '|' "$@" 2>&1
}

ask() {
	answers -c "$1"
}

# One session's statements, errors too, from stdin.
session() {
	"$PSQL" -XAtq -v VERBOSITY=verbose "$@" 2>&1
}

until_equal() { # wanted, statement
	local end=$((SECONDS + WAIT_S))
	until [[ $(ask "$2") == "$1" ]]; do
		((SECONDS < end)) || fail "it did not come to be: $2"
	done
}

check_connect() {
	expect "$(ask 'SELECT current_user')" app
	contains "$(ask '\conninfo')" 'SSL connection (protocol: TLSv1.3'
	contains "$(PGPASSWORD=wrong ask 'SELECT 1')" 'password authentication failed'
	contains "$(PGSSLROOTCERT=$NANU_OTHER_ROOT ask 'SELECT 1')" 'certificate verify failed'
	contains "$(PGSSLMODE=disable ask 'SELECT 1')" 'no encryption'
}

check_prepared() {
	local key script='PREPARE by_key (bigint) AS SELECT name FROM items WHERE id = $1;' wanted=
	for key in {1..20}; do
		script+=$'\n'"EXECUTE by_key ($key);"
		wanted+="item $key"$'\n'
	done
	expect "$(answers <<<"$script")" "${wanted%$'\n'}"
	expect "$(answers <<<'PREPARE by_key (bigint) AS SELECT id FROM items WHERE id = $1; EXECUTE by_key (3);')" 3
	expect "$(answers <<<$'SELECT id AS key FROM items WHERE id = 7 \\gset\nSELECT name FROM items WHERE id = :key;')" 'item 7'
}

check_types() {
	local key
	for key in 101 102 103 104; do
		expect "$(answers -v key=$key -v name='naïve 나누 ☃' -v tag='b "c", d' <<'SQL'
SET TimeZone = 'UTC';
INSERT INTO items VALUES (:key, :'name', 12345.6789, '2024-02-29 12:34:56.789012+02', '\x00017f80ff', ARRAY['a', :'tag', NULL], '{1,-2,3}',
	'{"a": [1, null, "☃"]}');
SELECT name, price, made, data, tags, sizes, doc FROM items WHERE id = :key;
UPDATE items SET price = NULL, made = NULL, data = NULL, tags = NULL, sizes = NULL, doc = NULL WHERE id = :key;
\pset null NULL
SELECT price, made, data, tags, sizes, doc FROM items WHERE id = :key;
SQL
)" $'naïve 나누 ☃|12345.6789|2024-02-29 10:34:56.789012+00|\\x00017f80ff|{a,"b \\"c\\", d",NULL}|{1,-2,3}|{"a": [1, null, "☃"]}\nNULL|NULL|NULL|NULL|NULL|NULL'
	done
}

check_pipeline() {
	expect "$(answers <<<"SELECT 1\\; SELECT name FROM items WHERE id = 3\\; SELECT id FROM items WHERE id = 3;")" $'1\nitem 3\n3'
	expect "$(answers <<<"UPDATE items SET price = 1 WHERE id = 1\\; UPDATE items SET price = price + 1 WHERE id = 1;
		SELECT price FROM items WHERE id = 1;")" 2.0000
	contains "$(session <<<"UPDATE items SET price = 7 WHERE id = 1\\; SELECT 1 / 0;")" 22012
	expect "$(ask 'SELECT price FROM items WHERE id = 1')" 2.0000
}

check_transaction() {
	local name='SELECT name FROM items WHERE id = 301'
	answers <<<"BEGIN; INSERT INTO items (id, name) VALUES (301, 'kept'); COMMIT;"
	expect "$(ask "$name")" kept
	expect "$(answers <<<"BEGIN; DELETE FROM items WHERE id = 301 RETURNING name; ROLLBACK;")" kept
	expect "$(ask "$name")" kept
	expect "$(session <<<"BEGIN;
		UPDATE items SET name = 'savepoint' WHERE id = 301;
		SAVEPOINT here;
		INSERT INTO items (id, name) VALUES (301, 'again');
		SELECT 1;
		ROLLBACK TO here;
		COMMIT;" | grep -oE '(23505|25P02): ' | tr -d '\n')" '23505: 25P02: '
	expect "$(ask "$name")" savepoint
	expect "$(session -v ON_ERROR_ROLLBACK=on <<<"BEGIN; INSERT INTO items (id, name) VALUES (301, 'again');
		UPDATE items SET name = 'went on' WHERE id = 301; COMMIT;" | grep -o '23505: ')" '23505: '
	expect "$(ask "$name")" 'went on'
	contains "$(session <<<"BEGIN; SELECT 1 / 0; COMMIT; SELECT 'after';")" after
	expect "$("$PSQL" -XAtq --single-transaction -c "DELETE FROM items WHERE id = 301 RETURNING id" -c "SELECT 1")" $'301\n1'
}

check_copy() {
	local key
	seq 5000 | sed 's/.*/&\trow &/' >"$work/rows"
	answers -c "\\copy copied FROM '$work/rows'" -c "\\copy copied TO '$work/back'"
	cmp -s "$work/rows" "$work/back" || fail 'other rows came back'
	answers -c '\copy copied FROM STDIN CSV' <<<'6000,"a ""quoted"" row"'
	expect "$(answers -c 'COPY (SELECT * FROM copied WHERE id = 6000) TO STDOUT CSV HEADER')" $'id,name\n6000,"a ""quoted"" row"'
	for key in {1..8}; do
		expect "$(answers -c "\\copy (SELECT name FROM items WHERE id = $key) TO STDOUT")" "item $key"
	done
	contains "$(answers -c '\copy copied FROM STDIN' <<<$'no number\tx')" 'invalid input syntax for type integer'
	expect "$(ask 'SELECT count(*) FROM copied')" 5001
}

# The interrupt of the terminal. After it a script goes on with -c, but psql prints nothing any more.
check_cancel() {
	"$PSQL" -XAtq -v VERBOSITY=verbose -c "$SLEEP" -c "UPDATE plain SET name = 'went on' WHERE id = 2" >"$work/slept" 2>&1 &
	until_equal 1 "$SLEEPERS"
	kill -INT $!
	wait $!
	contains "$(<"$work/slept")" '57014: canceling statement due to user request'
	expect "$(ask 'SELECT name FROM plain WHERE id = 2')" 'went on'
	answers -c "UPDATE plain SET name = 'two' WHERE id = 2"
}

check_error() {
	local statement state message detail constraint position said
	tail -n +2 errors.tsv >"$work/errors"
	# Tabs would be taken together where a field is empty.
	while IFS=$'\x1f' read -r statement state message detail constraint position; do
		said=$(session -c "$statement" -c '\echo :LAST_ERROR_SQLSTATE')
		contains "$said" "$state: $message"
		[[ -z $detail ]] || contains "$said" "DETAIL:  $detail"
		[[ -z $constraint ]] || contains "$said" "CONSTRAINT NAME:  $constraint"
		[[ -z $position ]] || contains "$said" "LINE 1: $statement"
		[[ -z $position ]] || expect "$(grep -B 1 -m 1 '^ *^$' <<<"$said" | tail -1)" "$(printf '%*s' $((8 + position)) '^')"
		expect "$(tail -1 <<<"$said")" "$state"
	done < <(tr '\t' '\037' <"$work/errors")
}

check_large() {
	yes '0123456789abcdefghijklmnopqrstuvwxyz nanu' | head -c 20000000 >"$work/words"
	tr 0-9 '\1-\12' <"$work/words" | perl -0777 -ne 'print unpack "H*", $_' >"$work/noise"
	answers <<<"\\set words \`cat $work/words\`
		\\set noise \`cat $work/noise\`
		INSERT INTO big VALUES (1, :'words', decode(:'noise', 'hex'));"
	expect "$(ask 'SELECT md5(words) FROM big WHERE id = 1')" "$(md5sum <"$work/words" | cut -d ' ' -f 1)"
	ask 'SELECT words FROM big WHERE id = 1' | head -c -1 | cmp - "$work/words" || fail 'other words came back'
	ask 'SELECT bytes FROM big WHERE id = 1' | tail -c +3 | head -c -1 | cmp - "$work/noise" || fail 'other bytes came back'
}

check_leak() {
	local gone="SELECT count(*) FROM nanu.sessions WHERE application_name = 'leak'" round
	tail -n +2 leaks.tsv | cut -f 1 | sed 's/$/;/' >"$work/soil"
	tail -n +2 leaks.tsv | cut -f 2 | sed 's/$/;/' >"$work/questions"
	for round in {1..4}; do # more often than there are server processes to be soiled
		PGAPPNAME=leak answers <"$work/soil" >"$work/soiled" || fail "$(<"$work/soiled")"
		until_equal 0 "$gone"
		expect "$(answers <"$work/questions")" "$(tail -n +2 leaks.tsv | cut -f 3)"
		expect "$(answers <<<'PREPARE soiled AS SELECT 2; EXECUTE soiled;')" 2
	done
	for round in {1..10}; do
		expect "$(PGAPPNAME=leak ask "SELECT $round")" "$round"
	done
	until_equal 0 "$gone"
	expect "$(ask 'SELECT coalesce(sum(lent), 0) FROM nanu.pools')" 0
}

# What psql asks for its own commands.
check_catalog() {
	contains "$(ask '\d items')" 'id|bigint||not null|'
	contains "$(ask '\dt')" 'public|items|table|app'
	local command
	for command in '\l' '\du' '\df' '\dn' '\di+' '\dv' '\dp items' '\d+ items' '\sf pg_catalog.lower(text)'; do
		said=$(answers -c "$command") || fail "$command: $said"
	done
}

for check in connect prepared types pipeline transaction copy cancel error large leak catalog; do
	if (($# == 0)) || [[ " $* " == *" $check "* ]]; then
		(check_$check) && echo "ok $check"
	fi
done
