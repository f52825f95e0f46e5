// Append through the npm package @event-driven-io/emmett-postgresql, in its own folder; run by compare.py beside this
// file. Each event with the version that it expects. Arguments: DSN, writers, batch, seconds, bytes of an event.
// Prints the number of events, and the seconds they took.
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(process.cwd() + '/');
const { getPostgreSQLEventStore } = await import(
  pathToFileURL(require.resolve('@event-driven-io/emmett-postgresql')).href
);
const pg = require('pg');

const [dsn, ...numbers] = process.argv.slice(2);
const [writers, batch, seconds, size] = numbers.map(Number);
const pool = new pg.Pool({ connectionString: dsn, max: writers });
const store = getPostgreSQLEventStore(dsn, { connectionOptions: { pool } });
await store.schema.migrate();
const text = 'x'.repeat(Math.max(0, size - '{"text":""}'.length));

async function write(until) {
  const stream = `peer-${randomUUID()}`;
  let version = 0n;
  let count = 0;
  while (performance.now() < until) {
    const events = Array.from({ length: batch }, () => ({ type: 'message-posted', data: { text } }));
    const done = await store.appendToStream(stream, events, {
      expectedStreamVersion: version === 0n ? 'STREAM_DOES_NOT_EXIST' : version,
    });
    version = done.nextExpectedStreamVersion;
    count += batch;
  }
  return count;
}

async function race(forSeconds) {
  const began = performance.now();
  const counts = await Promise.all(Array.from({ length: writers }, () => write(began + forSeconds * 1000)));
  return [counts.reduce((sum, count) => sum + count, 0), (performance.now() - began) / 1000];
}

const [warm] = await race(Math.min(0.5, seconds));
const [events, took] = await race(seconds);
const { rows } = await pool.query('SELECT count(*)::int AS stored FROM emt_messages');
if (rows[0].stored !== warm + events) throw new Error(`${rows[0].stored} stored, ${warm + events} acknowledged`);
console.log(JSON.stringify({ events, seconds: took }));
await store.close();
await pool.end();
process.exit(0);
