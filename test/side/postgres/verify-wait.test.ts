import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import { PostgresReplica } from "../../../src/side/postgres/compare/postgres-sides.ts";
import { waitForPosition } from "../../../src/verify/wait-for-position.ts";
import { deadline } from "../../support/deadline.ts";

/** A side whose stream stays where it is, and a clock that goes on with every sleep. */
function stuck(maxWaitMillis: number) {
  let now = 0;
  let ended = 0;
  const client = {
    query: async () => ({ rows: [{ position: "0/100" }] }),
    end: async () => {
      ended += 1;
    },
  } as unknown as pg.Client;
  const sleep = async (millis: number): Promise<void> => {
    now += millis;
  };
  const startWait = waitForPosition({ sleep, nudge: async () => {}, waiting: () => {}, maxWaitMillis, now: () => now });
  const replica = new PostgresReplica({
    side: "target",
    connect: async () => client,
    sleep,
    stream: { migration: "m", stream: "forward" },
    startWait,
  });
  return { replica, startWait, now: () => now, ended: () => ended };
}

const table = { id: "s.t", schema: "s", name: "t", oid: 1, columns: [], key: [0], partitioned: false, leaves: [] };

test("a stream that does not come is waited for as long as is told, and no longer", { timeout: deadline(10_000) }, async () => {
  const { replica, now, ended } = stuck(5_000);
  const { signal } = new AbortController();
  const refused = {
    code: "STREAM_NOT_RUNNING",
    message: /did not reach 0\/200 at the target within 5 s \(verify\.maxWait\): it is at 0\/100, 256 bytes behind/,
  };
  await assert.rejects(replica.reach(0x200n, signal), refused);
  assert.equal(now(), 5_000);
  await assert.rejects(replica.openAt(table, 0x200n, signal), refused);
  assert.equal(ended(), 2, "no session is left");
});
