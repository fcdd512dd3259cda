import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type pg from "pg";
import { copyIn } from "../../../src/target/postgres/rows/copy-in.ts";
import { type PgServer, startServer } from "../../support/pg-server.ts";

let server: PgServer;
let client: pg.Client;

before(async () => {
  server = await startServer({ version: 16 });
  client = await server.connect();
  await client.query("create table numbers (n integer primary key, filler text)");
});

after(async () => {
  await client.end();
  await server[Symbol.asyncDispose]();
});

const COPY = "copy numbers from stdin";

function line(n: number, filler = "x".repeat(900)): Buffer {
  return Buffer.from(`${n}\t${filler}\n`);
}

test("rows arrive whole, whatever their pieces", async () => {
  await client.query("truncate numbers");
  const halves = Array.from({ length: 2_000 }, (_, n) => line(n)).flatMap((row) => [
    row.subarray(0, 400),
    row.subarray(400),
    Buffer.alloc(0),
  ]);
  assert.equal(await copyIn(client, COPY, halves), 2_000);
  const { rows } = await client.query("select count(*)::int as count, min(length(filler)) as shortest from numbers");
  assert.deepEqual(rows, [{ count: 2_000, shortest: 900 }]);
});

test("a refused row is the server's error, wherever it stands, and the connection goes on", async () => {
  const rows = 20_000;
  for (const refused of [0, 1, 50, 9_999, rows - 1]) {
    await client.query("truncate numbers");
    await client.query("insert into numbers values ($1, 'there already')", [refused]);
    const pieces = Array.from({ length: rows }, (_, n) => line(n));
    await assert.rejects(copyIn(client, COPY, pieces), { code: "23505" });
    assert.deepEqual((await client.query("select 1 as alive")).rows, [{ alive: 1 }]);
  }
});

test("a server that refuses a row after the socket has filled up does not end the process", async () => {
  await client.query(`
    create table slow (n integer, filler text);
    create function refuse() returns trigger language plpgsql as $$
      begin perform pg_sleep(0.3); raise unique_violation using message = 'refused'; end $$;
    create trigger refuse before insert on slow for each row execute function refuse()`);
  // Small pieces between large ones: some wait in the stream's own buffer when the refusal comes.
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let n = 0; n < 400; n += 1) yield line(n, "x".repeat(n % 2 === 0 ? 900 : 60_000));
  }
  await assert.rejects(copyIn(client, "copy slow from stdin", pieces()), { code: "23505", message: "refused" });
  assert.deepEqual((await client.query("select 1 as alive")).rows, [{ alive: 1 }]);
});

test("a source of rows that fails ends the copy; nothing of it stays", async () => {
  await client.query("truncate numbers");
  function* pieces(): Generator<Buffer> {
    for (let n = 0; n < 3_000; n += 1) yield line(n);
    throw new Error("the reader broke");
  }
  await assert.rejects(copyIn(client, COPY, pieces()), { message: "the reader broke" });
  assert.deepEqual((await client.query("select count(*)::int as count from numbers")).rows, [{ count: 0 }]);
});
