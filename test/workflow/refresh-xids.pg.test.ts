import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../src/engine/ports.ts";
import { refreshXids } from "../../src/workflow/stream/refresh-xids.ts";
import { createDatabase, query } from "../support/database.ts";
import { startServer } from "../support/pg-server.ts";

test("a live xid and an LSN that is not before it; a server that is away is asked again", async () => {
  await using server = await startServer({ version: 14 });
  const database = await createDatabase(server);
  const stop = new AbortController();
  const heard: { xid: bigint; at: bigint }[] = [];
  let asked = 0;
  let slept = 0;
  const clock: Clock = {
    now: () => 0,
    sleep: async () => {
      slept += 1;
      if (slept === 3) stop.abort();
    },
  };
  const [before] = await query(database, "select pg_current_xact_id()::text as xid, (pg_current_wal_insert_lsn() - '0/0')::text as lsn");
  await refreshXids({
    log: { refreshXidReference: (xid, at) => heard.push({ xid, at }) },
    connect: async () => {
      asked += 1;
      if (asked === 1) throw new Error("away");
      return database.connect();
    },
    clock,
    signal: stop.signal,
  });
  assert.equal(heard.length, 2);
  for (const { xid, at } of heard) {
    assert.ok(xid > BigInt(before?.xid as string), "the transaction before is behind xmax");
    assert.ok(at >= BigInt(before?.lsn as string));
  }
});
