// What a Node.js program does with node-pg, through the router; throws at the first surprise.
const { Client, Pool } = require('pg');
const assert = require('assert');

const config = { host: '127.0.0.1', port: +process.argv[2], user: 'app', password: 'app-secret', database: 'app' };

async function main() {
  const client = new Client(config);
  await client.connect();
  await client.query('CREATE TABLE node_users (id text PRIMARY KEY, born date, data jsonb)');
  await client.query("SELECT nanu.shard_table('node_users', key => 'id')");
  for (let i = 0; i < 30; i++)
    await client.query('INSERT INTO node_users VALUES ($1, $2, $3)', [`user ${i}`, '2000-01-02', { i }]);
  let result = await client.query('SELECT count(*) FROM node_users');
  assert.strictEqual(result.rows[0].count, '30');
  for (let i = 0; i < 10; i++) {
    result = await client.query({ name: 'by id', text: 'SELECT data FROM node_users WHERE id = $1', values: [`user ${i}`] });
    assert.deepStrictEqual(result.rows, [{ data: { i } }]);
  }
  result = await client.query('SELECT id FROM node_users ORDER BY id DESC LIMIT $1', [2]);
  assert.deepStrictEqual(result.rows.map((row) => row.id), ['user 9', 'user 8']);
  await client.query('BEGIN');
  await client.query('DELETE FROM node_users WHERE id = $1', ['user 1']);
  await client.query('ROLLBACK');
  await assert.rejects(client.query('DELETE FROM node_users'), { code: '0A000' });
  await assert.rejects(client.query('SELECT broken'), { code: '42703' });
  await client.query('LISTEN news');
  const told = new Promise((resolve) => client.on('notification', resolve));
  const other = new Client(config);
  await other.connect();
  await other.query("NOTIFY news, 'hello'");
  assert.strictEqual((await told).payload, 'hello');
  await other.end();
  await client.end();

  const pool = new Pool({ ...config, max: 5 });
  const sums = await Promise.all([...Array(40).keys()].map((i) => pool.query('SELECT $1::int + 1 AS sum', [i])));
  sums.forEach((answer, i) => assert.strictEqual(answer.rows[0].sum, i + 1));
  await pool.end();
  console.log('ok');
}

main().catch((error) => { console.error(error); process.exit(1); });
