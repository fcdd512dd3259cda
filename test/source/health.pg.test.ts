import assert from "node:assert/strict";
import { test } from "node:test";
import { readTables } from "../../src/source/catalog.ts";
import { readHealth } from "../../src/source/health.ts";
import { sampleRead, sampleWalRate } from "../../src/source/sample.ts";
import { openSourceReader } from "../../src/source/source-reader.ts";
import { startServer } from "../support/pg-server.ts";
import { sessionsAt } from "./source-session.ts";

const NEVER = new AbortController().signal;

for (const version of [13, 18] as const) {
  test(`on PostgreSQL ${version} health tells of slot, horizon, long and prepared transactions`, async () => {
    await using server = await startServer({ version, settings: { max_prepared_transactions: "5", max_slot_wal_keep_size: "1GB" } });
    const client = await sessionsAt(server.url())("health");
    await client.query("create table t (id int primary key, v text)");
    const idle = await readHealth(client, "mine");
    assert.deepEqual(idle, { slot: null, oldestXmin: null, longTransactions: [], preparedTransactions: [] });

    await client.query("select pg_create_logical_replication_slot('mine', 'pgoutput')");
    await client.query("insert into t select i, repeat('x', 100) from generate_series(1, 20000) i");
    const holder = await server.connect();
    await holder.query("set application_name = 'report'; begin isolation level repeatable read; select * from t limit 1");
    await client.query("begin; insert into t values (-1)");
    await client.query("prepare transaction 'forgotten'");
    const busy = await readHealth(client, "mine", 0);
    assert.match(busy.longTransactions[0]?.who ?? "", /^pid \d+ \(postgres in report, idle in transaction\)$/);
    assert.ok(busy.slot !== null && !busy.slot.active && busy.slot.walStatus === "reserved");
    assert.ok(
      (busy.slot.lagBytes ?? 0n) > 2_000_000n &&
        (busy.slot.retainedBytes ?? 0n) >= (busy.slot.lagBytes ?? 0n) &&
        (busy.slot.safeWalSize ?? 0n) > 0n,
    );
    assert.match(busy.oldestXmin?.who ?? "", /replication slot mine|report/);
    assert.ok((busy.oldestXmin?.age ?? 0) >= 1);
    assert.match(busy.preparedTransactions[0]?.who ?? "", /'forgotten' of postgres in database postgres/);
    await client.query("rollback prepared 'forgotten'");
    await holder.end();
    await client.end();
  });
}

test("samples measure a reader and the WAL", async () => {
  await using server = await startServer({ version: 18 });
  const client = await sessionsAt(server.url())("sample");
  await client.query(
    "create table t (id int primary key, v text); insert into t select i, repeat('x', 100) from generate_series(1, 50000) i; create table empty (id int primary key)",
  );
  await client.query("analyze t");
  const tables = await readTables(client, { include: ["public.*"], exclude: [] });
  const reader = openSourceReader({ side: "source", connect: sessionsAt(server.url()), tables, workers: 1, signal: NEVER });
  const [empty, t] = tables;
  assert.ok(empty && t);
  assert.equal(await sampleRead(reader, empty, NEVER), null);
  const read = await sampleRead(reader, t, NEVER);
  assert.ok(read !== null && read.rows === 50_000 && read.bytes > 5_000_000 && read.millis > 0);
  const writer = await server.connect();
  const sampling = sampleWalRate(client, NEVER);
  await writer.query("insert into empty select generate_series(1, 20000)");
  const rate = await sampling;
  assert.ok(rate > 100_000 && rate < 1e9, `${rate} bytes a second`);
  await writer.end();
  await reader.close();
  await client.end();
});
