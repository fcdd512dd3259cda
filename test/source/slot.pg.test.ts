import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import {
  type CreateSlotOptions,
  checkSlot,
  createSlot,
  dropSlot,
  logRunningTransactions,
  readSlot,
  type SlotInfo,
} from "../../src/source/slot.ts";
import { createDatabase, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { type PgServer, startServer, TRIED_VERSIONS } from "../support/pg-server.ts";
import { sessionsAt } from "./source-session.ts";

const OPTIONS: CreateSlotOptions = {
  side: "source",
  name: "s",
  failover: false,
  timeoutMillis: deadline(10_000),
  waiting: () => undefined,
};

for (const version of TRIED_VERSIONS) {
  describe(`slots of PostgreSQL ${version}`, () => {
    let server: PgServer;
    let client: pg.Client;
    let watch: pg.Client;

    before(async () => {
      // A segment of 16 MB and no more: a slot is lost as soon as that much has been written.
      server = await startServer({
        version,
        settings: { max_prepared_transactions: "5", max_slot_wal_keep_size: "16MB", max_wal_size: "32MB", min_wal_size: "32MB" },
      });
      client = await sessionsAt(server.url())("slots");
      watch = await sessionsAt(server.url())("watch");
    });
    after(async () => {
      await Promise.all([client.end(), watch.end()]);
      await server[Symbol.asyncDispose]();
    });

    test("a slot is made, told of, and dropped, once or twice", async () => {
      assert.equal(await readSlot(client, "s"), null);
      const lsn = await createSlot(client, watch, OPTIONS);
      const slot = await readSlot(client, "s");
      assert.deepEqual(
        { ...slot, restartLsn: null, safeWalSize: null, retainedBytes: null },
        {
          name: "s",
          plugin: "pgoutput",
          database: "postgres",
          activePid: null,
          restartLsn: null,
          confirmedFlushLsn: lsn,
          walStatus: "reserved",
          safeWalSize: null,
          retainedBytes: null,
          invalidationReason: null,
        },
      );
      assert.ok((slot?.restartLsn ?? lsn) < lsn && (slot?.safeWalSize ?? 0n) > 0n && (slot?.retainedBytes ?? -1n) >= 0n);
      await assert.rejects(createSlot(client, watch, OPTIONS), hasCode("SLOT_FOREIGN"));
      await dropSlot(client, { side: "source", name: "s" });
      await dropSlot(client, { side: "source", name: "s" });
      assert.equal(await readSlot(client, "s"), null);
    });

    test("while it waits for older writers it says for whom, and gives up in time", async () => {
      await client.query("create table if not exists t (id int)");
      const writer = await sessionsAt(server.url())("an old writer");
      await writer.query("begin; insert into t values (1)");
      const heard: string[] = [];
      const impatient = { ...OPTIONS, timeoutMillis: 2_500, waiting: (who: string) => heard.push(who) };
      await assert.rejects(createSlot(client, watch, impatient), (error) => {
        return (
          error instanceof PghaulError &&
          error.code === "BARRIER_TIMEOUT" &&
          /an old writer/.test(error.message) &&
          !/insert/.test(error.message)
        );
      });
      assert.match(heard[0] ?? "", /an old writer/);
      assert.equal(await readSlot(client, "s"), null, "nothing is left behind");
      await writer.query("prepare transaction 'half done'");
      await assert.rejects(createSlot(client, watch, { ...OPTIONS, timeoutMillis: 300 }), /half done/);
      const made = createSlot(client, watch, OPTIONS);
      await writer.query("commit prepared 'half done'");
      await made;
      await dropSlot(client, { side: "source", name: "s" });
      await writer.end();
    });

    test("the server writes down what runs, also while a transaction will not end, and no slot stays", async () => {
      await client.query("create table if not exists t (id int)");
      const writer = await sessionsAt(server.url())("a writer that stays");
      await writer.query("begin; insert into t values (1)");
      const end = "select pg_current_wal_insert_lsn()::text as lsn";
      const before = (await client.query<{ lsn: string }>(end)).rows[0]?.lsn;
      await logRunningTransactions(
        await sessionsAt(server.url())("probe"),
        { side: "source", name: "s_probe" },
        new AbortController().signal,
      );
      assert.notEqual((await client.query<{ lsn: string }>(end)).rows[0]?.lsn, before);
      await waitFor(async () => (await readSlot(client, "s_probe")) === null, { deadlineMs: 10_000, what: "the probe to go" });
      await writer.query("rollback");
      await writer.end();
    });

    test("a slot may be made to survive a failover, where the server can", async () => {
      await createSlot(client, watch, { ...OPTIONS, failover: true });
      if (version >= 17) {
        const { rows } = await client.query("select failover::text from pg_replication_slots where slot_name = 's'");
        assert.deepEqual(rows, [{ failover: "true" }]);
      }
      await dropSlot(client, { side: "source", name: "s" });
    });

    test("a role that may not replicate is told so", async () => {
      await client.query("create role nobody_special login");
      const nobody = await sessionsAt(server.url("postgres", "nobody_special"))("no rights");
      await assert.rejects(createSlot(nobody, watch, OPTIONS), hasCode("SOURCE_PRIVILEGE"));
      await nobody.end();
    });

    test("a slot whose WAL was removed is lost, and says so", async () => {
      const durable = await createSlot(client, watch, OPTIONS);
      await client.query("create table if not exists filler (id int, text text)");
      const lost = await waitFor(
        async () => {
          await client.query("insert into filler select i, repeat(md5(i::text), 10) from generate_series(1, 60000) i");
          await client.query("select pg_switch_wal()");
          await client.query("checkpoint");
          const slot = await readSlot(client, "s");
          return slot?.walStatus === "lost" ? slot : null;
        },
        { deadlineMs: 60_000, what: "the slot to be lost" },
      );
      assert.throws(() => checkSlot(lost, { side: "source", name: "s" }, { database: "postgres", durable }), hasCode("SLOT_LOST"));
      if (version >= 17) assert.equal(lost.invalidationReason, "wal_removed");
      await dropSlot(client, { side: "source", name: "s" });
    });

    test("a slot of another database is told apart", async () => {
      const other = await createDatabase(server);
      const elsewhere = await sessionsAt(other.url)("elsewhere");
      const durable = await createSlot(elsewhere, watch, OPTIONS);
      const slot = await readSlot(client, "s");
      assert.throws(() => checkSlot(slot, { side: "source", name: "s" }, { database: "postgres", durable }), hasCode("SLOT_FOREIGN"));
      checkSlot(slot, { side: "source", name: "s" }, { database: other.name, durable });
      await elsewhere.end();
      await dropSlot(client, { side: "source", name: "s" });
    });

    if (version === TRIED_VERSIONS.at(-1)) {
      test("a server that does not write logical WAL, or has no slot left, is told so", async () => {
        await using poor = await startServer({ version, settings: { max_replication_slots: "1" } });
        const session = await sessionsAt(poor.url())("poor");
        await createSlot(session, session, OPTIONS);
        await assert.rejects(createSlot(session, session, { ...OPTIONS, name: "s2" }), (error) => {
          return (
            error instanceof PghaulError && error.code === "SOURCE_QUERY" && (error.suggestion ?? "").includes("max_replication_slots")
          );
        });
        await dropSlot(session, { side: "source", name: "s" });
        await session.end();
        poor.configure({ wal_level: "replica" });
        await poor.restart();
        const again = await sessionsAt(poor.url())("poor");
        await assert.rejects(createSlot(again, again, OPTIONS), hasCode("SOURCE_WAL_LEVEL"));
        await again.end();
      });
    }
  });
}

test("what fits the log and what does not", () => {
  const slot: SlotInfo = {
    name: "s",
    plugin: "pgoutput",
    database: "d",
    activePid: null,
    restartLsn: 5n,
    confirmedFlushLsn: 10n,
    walStatus: "reserved",
    safeWalSize: null,
    retainedBytes: 5n,
    invalidationReason: null,
  };
  const check =
    (change: Partial<SlotInfo>, durable = 10n) =>
    () =>
      checkSlot({ ...slot, ...change }, { side: "source", name: "s" }, { database: "d", durable });
  check({})();
  check({}, 11n)();
  assert.throws(check({}, 9n), hasCode("SLOT_FOREIGN"), "acknowledged beyond what the log holds");
  assert.throws(check({ plugin: "wal2json" }), hasCode("SLOT_FOREIGN"));
  assert.throws(check({ plugin: null, database: null }), hasCode("SLOT_FOREIGN"));
  assert.throws(check({ walStatus: "lost" }), hasCode("SLOT_LOST"));
  assert.throws(check({ invalidationReason: "idle_timeout" }), hasCode("SLOT_LOST"));
  assert.throws(check({ activePid: 42 }), hasCode("SLOT_ACTIVE"));
  assert.throws(() => checkSlot(null, { side: "source", name: "s" }, { database: "d", durable: 0n }), hasCode("SLOT_LOST"));
});

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof PghaulError && error.code === code;
}
