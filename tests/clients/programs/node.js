// node-pg through the router; README.md says what each check is.
const { Client, Pool } = require('pg');
const assert = require('assert');
const { createHash } = require('crypto');
const fs = require('fs');
const path = require('path');
const tls = require('tls');

const SLEEP = 'SELECT pg_sleep(60) FROM plain WHERE id = 1';
const SLEEPERS = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
const WAIT_MS = 30000;

const table = (name) => fs.readFileSync(path.join(__dirname, name), 'utf8').split('\n').slice(1, -1).map((line) => line.split('\t'));
const md5 = (data) => createHash('md5').update(data).digest('hex');
const range = (from, to) => [...Array(to - from + 1).keys()].map((i) => from + i);

// Host, port, names and password stand in libpq's environment variables. The address is passed on to the certificate's check because
// node-pg does so for names only.
const ssl = (root) => ({ ca: fs.readFileSync(root), checkServerIdentity: (_, shown) => tls.checkServerIdentity(process.env.PGHOST, shown) });
const config = (more) => ({ ssl: ssl(process.env.PGSSLROOTCERT), ...more });

async function connected(more) {
  const client = new Client(config(more));
  await client.connect();
  return client;
}

// Rows as lists, and the first of them.
const rows = async (client, text, values) => (await client.query({ text, values, rowMode: 'array' })).rows;
const first = async (client, text, values) => (await rows(client, text, values))[0];

async function until(condition) {
  for (const end = Date.now() + WAIT_MS; !(await condition());)
    if (Date.now() > end) throw new Error('it did not come to be');
}

const checks = {
  async connect() {
    const client = await connected();
    assert.deepStrictEqual(await first(client, 'SELECT current_user'), ['app']);
    assert(client.connection.stream.authorized, 'the certificate was not checked');
    await client.end();
    await assert.rejects(connected({ password: 'wrong' }), { code: '28P01' });
    await assert.rejects(connected({ ssl: ssl(process.env.NANU_OTHER_ROOT) }), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
    await assert.rejects(connected({ ssl: false }), { code: '28000' });
  },

  async prepared() {
    const client = await connected(), other = await connected();
    for (const key of [...range(1, 20), ...range(1, 20)]) {
      const named = { name: 'by key', values: [key], rowMode: 'array' };
      const found = await client.query({ ...named, text: 'SELECT name FROM items WHERE id = $1' });
      assert.deepStrictEqual(found.rows, [[`item ${key}`]]);
      const others = await other.query({ ...named, text: 'SELECT id::int FROM items WHERE id = $1' });
      assert.deepStrictEqual(others.rows, [[key]]);
    }
    for (const most of [3, 5]) {
      const found = await client.query({ name: 'all', text: 'SELECT id::int AS id FROM items WHERE id <= $1 ORDER BY id DESC', values: [most] });
      assert.deepStrictEqual(found.rows.map((row) => row.id), range(1, most).reverse());
    }
    await client.end();
    await other.end();
  },

  async types() {
    const row = ['naïve 나누 ☃', '12345.6789', new Date('2024-02-29T12:34:56.789+02:00'), Buffer.from(range(0, 255)), ['a', 'b "c", d', null],
      [1, -2, 3], { a: [1, null, '☃'] }];
    const client = await connected();
    for (const key of range(101, 104)) {
      for (const values of [row, ['all else is NULL', null, null, null, null, null, null]]) {
        await client.query({ name: 'insert', text: 'INSERT INTO items VALUES ($1, $2, $3, $4, $5, $6, $7, $8)', values: [key, ...values] });
        assert.deepStrictEqual(await first(client, 'SELECT name, price, made, data, tags, sizes, doc FROM items WHERE id = $1', [key]), values);
        await client.query('DELETE FROM items WHERE id = $1', [key]);
      }
    }
    await client.end();
  },

  // node-pg queues: a query may be given before the one before it is answered. A pool does so over several connections.
  async pipeline() {
    const client = await connected();
    const inserts = range(201, 220).map((key) => client.query('INSERT INTO items (id, name) VALUES ($1, $2)', [key, `item ${key}`]));
    const wrong = assert.rejects(client.query('SELECT 1 / 0'), { code: '22012' });
    const selects = range(201, 220).map((key) => first(client, 'SELECT name FROM items WHERE id = $1', [key]));
    await Promise.all([...inserts, wrong]);
    assert.deepStrictEqual(await Promise.all(selects), range(201, 220).map((key) => [`item ${key}`]));
    await client.end();
    const pool = new Pool(config({ max: 5 }));
    const sums = await Promise.all(range(1, 40).map((i) => pool.query('SELECT $1::int + 1 AS sum', [i])));
    assert.deepStrictEqual(sums.map((answer) => answer.rows[0].sum), range(2, 41));
    await pool.end();
  },

  async transaction() {
    const client = await connected(), other = await connected();
    const name = async () => (await first(other, 'SELECT name FROM items WHERE id = 301') || [null])[0];
    await client.query('BEGIN');
    await client.query("INSERT INTO items (id, name) VALUES (301, 'kept')");
    assert.strictEqual(await name(), null);
    await client.query('COMMIT');
    assert.strictEqual(await name(), 'kept');
    await client.query('BEGIN');
    assert.strictEqual((await client.query('DELETE FROM items WHERE id = 301')).rowCount, 1);
    await client.query('ROLLBACK');
    assert.strictEqual(await name(), 'kept');
    await client.query('BEGIN');
    await client.query("UPDATE items SET name = 'savepoint' WHERE id = 301");
    await client.query('SAVEPOINT here');
    await assert.rejects(client.query("INSERT INTO items (id, name) VALUES (301, 'again')"), { code: '23505' });
    await assert.rejects(client.query('SELECT 1'), { code: '25P02' });
    await client.query('ROLLBACK TO here');
    await client.query('COMMIT');
    assert.strictEqual(await name(), 'savepoint');
    await client.query('BEGIN');
    await assert.rejects(client.query('SELECT 1 / 0'), { code: '22012' });
    assert.strictEqual((await client.query('COMMIT')).command, 'ROLLBACK');
    assert.deepStrictEqual(await first(client, 'SELECT 1'), [1]);
    await client.end();
    await other.end();
  },

  // Without the package pg-copy-streams, which Debian lacks, node-pg answers a COPY FROM with CopyFail and drops what a COPY TO brings.
  async copy() {
    const client = await connected();
    await assert.rejects(client.query('COPY copied FROM STDIN'), { code: '57014' });
    await client.query('INSERT INTO copied SELECT g, $1 FROM generate_series(1, 5000) g', ['row']);
    assert.strictEqual((await client.query('COPY copied TO STDOUT')).rowCount, 5000);
    for (const key of range(1, 8))
      assert.strictEqual((await client.query(`COPY (SELECT name FROM items WHERE id = ${key}) TO STDOUT`)).rowCount, 1);
    assert.deepStrictEqual(await first(client, 'SELECT count(*)::int FROM copied'), [5000]);
    await client.end();
  },

  async cancel() {
    const client = await connected(), watcher = await connected();
    const sleeping = assert.rejects(client.query(SLEEP), { code: '57014' });
    await until(async () => (await first(watcher, SLEEPERS))[0] === 1);
    new Client(config()).cancel(client, client.activeQuery);
    await sleeping;
    assert.deepStrictEqual(await first(client, 'SELECT 1'), [1]);
    await client.end();
    await watcher.end();
  },

  async error() {
    const client = await connected();
    for (const [statement, ...wanted] of table('errors.tsv')) {
      for (const query of [statement, { text: statement, values: [] }, { name: statement, text: statement }]) {
        const error = await client.query(query).then(() => assert.fail(statement), (failure) => failure);
        assert.deepStrictEqual([error.code, error.message, error.detail || '', error.constraint || '', error.position || ''], wanted);
      }
    }
    assert.deepStrictEqual(await first(client, 'SELECT 1'), [1]);
    await client.end();
  },

  async large() {
    const words = '0123456789abcdefghijklmnopqrstuvwxyz nanu\n'.repeat(500000).slice(0, 20000000);
    const noise = Buffer.from(words).reverse();
    const client = await connected();
    await client.query('INSERT INTO big VALUES (1, $1, $2)', [words, noise]);
    assert.deepStrictEqual(await first(client, 'SELECT md5(words), md5(bytes) FROM big WHERE id = 1'), [md5(words), md5(noise)]);
    const found = await first(client, 'SELECT words, bytes FROM big WHERE id = 1');
    assert.deepStrictEqual(found.map(md5), [md5(words), md5(noise)]);
    await client.end();
  },

  async leak() {
    const watcher = await connected();
    const gone = async () => (await first(watcher, "SELECT count(*) FROM nanu.sessions WHERE application_name = 'leak'"))[0] === '0';
    for (let round = 0; round < 4; round++) {  // more often than there are server processes to be soiled
      const soiler = await connected({ application_name: 'leak' });
      for (const [soil] of table('leaks.tsv'))
        await soiler.query(soil);
      await soiler.query({ name: 'same', text: 'SELECT 1' });
      await soiler.end();
      await until(gone);
      const client = await connected();
      for (const [, question, clean] of table('leaks.tsv'))
        assert.strictEqual(String(await first(client, question)), clean, question);
      assert.deepStrictEqual((await client.query({ name: 'same', text: 'SELECT 2 AS two' })).rows, [{ two: 2 }]);
      await client.end();
    }
    for (const number of range(1, 30)) {
      const client = await connected({ application_name: 'leak' });
      assert.deepStrictEqual(await first(client, 'SELECT $1::int', [number]), [number]);
      await client.end();
    }
    await until(gone);
    assert.deepStrictEqual(await first(watcher, 'SELECT coalesce(sum(lent), 0) FROM nanu.pools'), ['0']);
    await watcher.end();
  },

  async listen() {
    const client = await connected(), other = await connected();
    await client.query('LISTEN news');
    const told = new Promise((resolve) => client.on('notification', resolve));
    await other.query("NOTIFY news, 'hello'");
    assert.strictEqual((await told).payload, 'hello');
    await other.end();
    await client.end();
  },
};

async function main() {
  for (const [name, check] of Object.entries(checks)) {
    if (process.argv.length > 2 && !process.argv.includes(name)) continue;
    try {
      await check();
      console.log(`ok ${name}`);
    } catch (error) {
      console.error(error);
      console.log(`not ok ${name}: ${String(error.message).split(/\s+/).join(' ')}`);
    }
  }
  process.exit(0);  // connections of a failed check are still open
}

main();
