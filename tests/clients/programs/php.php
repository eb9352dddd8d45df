<?php
// PHP's pgsql, and PDO's driver, through the router; README.md says what each check is.
declare(strict_types=1);
error_reporting(E_ALL & ~E_WARNING);        // pgsql tells of errors as warnings, too

const SLEEP = 'SELECT pg_sleep(60) FROM plain WHERE id = 1';
const SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
const WAIT_S = 30;
const FIELDS = [PGSQL_DIAG_SQLSTATE, PGSQL_DIAG_MESSAGE_PRIMARY, PGSQL_DIAG_MESSAGE_DETAIL, PGSQL_DIAG_CONSTRAINT_NAME,
    PGSQL_DIAG_STATEMENT_POSITION];

function table(string $name): array
{
    return array_map(fn ($line) => explode("\t", $line), array_slice(file(__DIR__ . "/$name", FILE_IGNORE_NEW_LINES), 1));
}

// The rest stands in libpq's environment variables.
function connected(string $more = ''): PgSql\Connection
{
    return pg_connect("application_name='' $more", PGSQL_CONNECT_FORCE_NEW) ?: throw new Exception(error_get_last()['message']);
}

function pdo(): PDO
{
    return new PDO('pgsql:application_name=pdo', null, getenv('PGPASSWORD'), [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_EMULATE_PREPARES => false]);
}

function expect(mixed $found, mixed $wanted, string $about = ''): void
{
    if ($found !== $wanted)
        throw new Exception("$about: found " . substr(json_encode($found), 0, 400) . ', wanted ' . substr(json_encode($wanted), 0, 400));
}

function until(callable $condition): void
{
    for ($end = microtime(true) + WAIT_S; !$condition(); usleep(10000)) {
        if (microtime(true) > $end)
            throw new Exception('it did not come to be');
    }
}

// The result of the statement that was sent, also when it is an error.
function answer(PgSql\Connection $db): PgSql\Result
{
    $result = pg_get_result($db);
    while (pg_get_result($db));
    return $result;
}

function rows(PgSql\Connection $db, string $statement, array $values = []): array
{
    $result = pg_query_params($db, $statement, $values) ?: throw new Exception(pg_last_error($db));
    return pg_fetch_all($result, PGSQL_NUM);
}

function one(PgSql\Connection $db, string $statement, array $values = []): ?string
{
    return rows($db, $statement, $values)[0][0] ?? null;
}

function state_of(PgSql\Connection $db, string $statement): string
{
    pg_send_query($db, $statement);
    return (string)pg_result_error_field(answer($db), PGSQL_DIAG_SQLSTATE);
}

$checks = [
    'connect' => function () {
        $db = connected();
        expect(one($db, 'SELECT current_user'), 'app');
        pg_close($db);
        $refused = ['password=wrong' => 'password authentication failed', 'sslrootcert=' . getenv('NANU_OTHER_ROOT') => 'certificate verify failed',
            'sslmode=disable' => 'no encryption'];
        foreach ($refused as $more => $why) {
            expect(@pg_connect($more, PGSQL_CONNECT_FORCE_NEW), false);
            expect(str_contains(error_get_last()['message'], $why), true, $why);
        }
    },

    'prepared' => function () {
        [$db, $other] = [connected(), connected()];
        pg_prepare($db, 'by key', 'SELECT name FROM items WHERE id = $1');
        pg_prepare($other, 'by key', 'SELECT id FROM items WHERE id = $1');
        foreach (range(1, 20) as $key) {
            expect(pg_fetch_all(pg_execute($db, 'by key', [$key]), PGSQL_NUM), [["item $key"]]);
            expect(pg_fetch_all(pg_execute($other, 'by key', [$key]), PGSQL_NUM), [["$key"]]);
        }
        pg_prepare($db, 'all', 'SELECT id FROM items WHERE id <= $1 ORDER BY id DESC');
        foreach ([3, 5] as $most)
            expect(pg_fetch_all_columns(pg_execute($db, 'all', [$most])), array_map(strval(...), range($most, 1)));
        pg_close($db);
        pg_close($other);
    },

    'types' => function () {
        $row = ['naïve 나누 ☃', '12345.6789', '2024-02-29 10:34:56.789012+00', implode(array_map(chr(...), range(0, 255))), '{a,"b \"c\", d",NULL}',
            '{1,-2,3}', '{"a": [1, null, "☃"]}'];
        $db = connected();
        pg_query($db, "SET TimeZone = 'UTC'");
        foreach (range(101, 104) as $key) {
            foreach ([$row, ['all else is NULL', null, null, null, null, null, null]] as $values) {
                $sent = $values;
                $sent[3] = $values[3] === null ? null : pg_escape_bytea($db, $values[3]);
                rows($db, 'INSERT INTO items VALUES ($1, $2, $3, $4, $5, $6, $7, $8)', [$key, ...$sent]);
                [$found] = rows($db, 'SELECT name, price, made, data, tags, sizes, doc FROM items WHERE id = $1', [$key]);
                $found[3] = $found[3] === null ? null : pg_unescape_bytea($found[3]);
                expect($found, $values);
                rows($db, 'DELETE FROM items WHERE id = $1', [$key]);
            }
        }
        pg_close($db);
    },

    // PHP 8.2 has no pipeline. It sends a statement without waiting, on as many connections as there are.
    'pipeline' => function () {
        $dbs = array_map(fn () => connected(), range(0, 5));
        foreach (range(0, 2) as $round) {
            foreach ($dbs as $n => $db)
                pg_send_query_params($db, 'INSERT INTO items (id, name) VALUES ($1, $2) RETURNING id', [201 + 6 * $round + $n, "of $n"]);
            foreach ($dbs as $n => $db)
                expect(pg_fetch_all(answer($db), PGSQL_NUM), [[(string)(201 + 6 * $round + $n)]]);
            foreach ($dbs as $n => $db) {
                pg_send_prepare($db, "prepared $round", 'SELECT name FROM items WHERE id = $1');
                expect(pg_result_status(answer($db)), PGSQL_COMMAND_OK);
                pg_send_execute($db, "prepared $round", [201 + 6 * $round + 5 - $n]);
            }
            foreach ($dbs as $n => $db)
                expect(pg_fetch_all(answer($db), PGSQL_NUM), [['of ' . (5 - $n)]]);
        }
        array_map(pg_close(...), $dbs);
    },

    'transaction' => function () {
        [$db, $other] = [connected(), connected()];
        $name = fn () => one($other, 'SELECT name FROM items WHERE id = 301');
        pg_query($db, 'BEGIN');
        pg_query($db, "INSERT INTO items (id, name) VALUES (301, 'kept')");
        expect($name(), null);
        pg_query($db, 'COMMIT');
        expect($name(), 'kept');
        pg_query($db, 'BEGIN');
        expect(pg_affected_rows(pg_query($db, 'DELETE FROM items WHERE id = 301')), 1);
        pg_query($db, 'ROLLBACK');
        expect($name(), 'kept');
        pg_query($db, 'BEGIN');
        pg_query($db, "UPDATE items SET name = 'savepoint' WHERE id = 301");
        pg_query($db, 'SAVEPOINT here');
        expect(state_of($db, "INSERT INTO items (id, name) VALUES (301, 'again')"), '23505');
        expect(state_of($db, 'SELECT 1'), '25P02');
        expect(pg_transaction_status($db), PGSQL_TRANSACTION_INERROR);
        pg_query($db, 'ROLLBACK TO here');
        pg_query($db, 'COMMIT');
        expect($name(), 'savepoint');
        pg_query($db, 'BEGIN');
        expect(state_of($db, 'SELECT 1 / 0'), '22012');
        pg_query($db, 'ROLLBACK');
        expect(one($db, 'SELECT 1'), '1');
        pg_close($db);
        pg_close($other);
    },

    'copy' => function () {
        $db = connected();
        $rows = array_map(fn ($number) => "$number\trow $number\n", range(1, 5000));
        expect(pg_copy_from($db, 'copied', $rows), true);
        expect(pg_copy_to($db, 'copied'), $rows);
        foreach (range(1, 8) as $key)
            expect(pg_copy_to($db, "(SELECT name FROM items WHERE id = $key)"), ["item $key\n"]);
        expect(pg_copy_from($db, 'copied', ["no number\tx\n"]), false);
        expect(str_contains(pg_last_error($db), 'invalid input syntax for type integer'), true, pg_last_error($db));
        expect(one($db, 'SELECT count(*) FROM copied'), '5000');
        pg_close($db);
    },

    'cancel' => function () {
        [$db, $watcher] = [connected(), connected()];
        pg_send_query($db, SLEEP);
        until(fn () => one($watcher, SLEEPERS) === '1');
        expect(pg_cancel_query($db), true);         // reads the answer away
        expect(one($watcher, SLEEPERS), '0');
        expect(one($db, 'SELECT 1'), '1');
        pg_close($db);
        pg_close($watcher);
    },

    'error' => function () {
        $db = connected();
        foreach (table('errors.tsv') as $line) {
            $statement = array_shift($line);
            foreach ([fn () => pg_send_query($db, $statement), fn () => pg_send_query_params($db, $statement, [])] as $send) {
                $send();
                $answer = answer($db);
                expect(array_map(fn ($field) => (string)pg_result_error_field($answer, $field), FIELDS), $line, $statement);
            }
        }
        expect(one($db, 'SELECT 1'), '1');
        pg_close($db);
    },

    'large' => function () {
        $words = substr(str_repeat("0123456789abcdefghijklmnopqrstuvwxyz nanu\n", 500000), 0, 20000000);
        $noise = strrev($words);
        $db = connected();
        rows($db, 'INSERT INTO big VALUES (1, $1, $2)', [$words, pg_escape_bytea($db, $noise)]);
        expect(rows($db, 'SELECT md5(words), md5(bytes) FROM big WHERE id = 1'), [[md5($words), md5($noise)]]);
        [[$found_words, $found_noise]] = rows($db, 'SELECT words, bytes FROM big WHERE id = 1');
        expect([md5($found_words), md5(pg_unescape_bytea($found_noise))], [md5($words), md5($noise)]);
        pg_close($db);
    },

    'leak' => function () {
        $watcher = connected();
        $gone = fn () => one($watcher, "SELECT count(*) FROM nanu.sessions WHERE application_name = 'leak'") === '0';
        for ($round = 0; $round < 4; $round++) {    // more often than there are server processes to be soiled
            $soiler = connected('application_name=leak');
            foreach (table('leaks.tsv') as [$soil])
                pg_query($soiler, $soil) ?: throw new Exception(pg_last_error($soiler));
            pg_prepare($soiler, 'same', 'SELECT 1');
            pg_close($soiler);
            until($gone);
            $db = connected();
            foreach (table('leaks.tsv') as [, $question, $clean])
                expect(one($db, $question), $clean, $question);
            pg_prepare($db, 'same', 'SELECT 2');
            expect(pg_fetch_all(pg_execute($db, 'same', []), PGSQL_NUM), [['2']]);
            pg_close($db);
        }
        foreach (range(1, 30) as $number) {
            $db = connected('application_name=leak');
            expect(one($db, 'SELECT $1::int', [$number]), "$number");
            pg_close($db);
        }
        until($gone);
        expect(one($watcher, 'SELECT coalesce(sum(lent), 0) FROM nanu.pools'), '0');
        pg_close($watcher);
    },

    'pdo' => function () {
        $db = pdo();
        $select = $db->prepare('SELECT name FROM items WHERE id = :key');
        foreach (range(1, 20) as $key) {
            $select->execute(['key' => $key]);
            expect($select->fetchAll(PDO::FETCH_COLUMN), ["item $key"]);
        }
        $db->beginTransaction();
        $db->exec("INSERT INTO items (id, name) VALUES (401, 'PDO')");
        $db->rollBack();
        $select->execute(['key' => 401]);
        expect($select->fetch(), false);
        try {
            $db->exec('INSERT INTO plain VALUES (1, NULL)');
            throw new Exception('a duplicate was taken');
        } catch (PDOException $error) {
            expect($error->getCode(), '23505');
        }
        $data = $db->prepare('SELECT :data::bytea');
        $data->bindValue('data', "\0\1\xff", PDO::PARAM_LOB);
        $data->execute();
        expect(stream_get_contents($data->fetchColumn()), "\0\1\xff");
        $rows = array_map(fn ($number) => "$number\tof PDO\n", range(9001, 9100));
        expect($db->pgsqlCopyFromArray('copied', $rows), true);
        expect($db->pgsqlCopyToArray('(SELECT * FROM copied WHERE id > 9000 ORDER BY id)'), $rows);
    },
];

foreach ($checks as $name => $check) {
    if ($argc > 1 && !in_array($name, $argv))
        continue;
    try {
        $check();
        echo "ok $name\n";
    } catch (Throwable $error) {
        fwrite(STDERR, "$error\n");
        echo "not ok $name: " . preg_replace('/\s+/', ' ', $error->getMessage()) . "\n";
    }
}
