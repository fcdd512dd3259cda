/** What a migration costs its source: no snapshot outlives a chunk, and WAL is held back for nobody but our own log. */

import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type pg from "pg";
import { assertEqualDatabases } from "../support/compare.ts";
import { query, type TestDatabase, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { startProxy } from "../support/proxy.ts";
import { createWorkloadSchema, startWriters } from "../support/writers.ts";
import { MANY_ORIGINS, type Move, newMove, type Pair, startPair } from "./move-bench.ts";

const ROWS = 1_000;
const CHUNK_SECONDS = 0.5;
/** What a read may take beyond its time: bytes that are on their way when it is cut, a busy machine. */
const MARGIN_SECONDS = 1.5;
/** A slow line, so that a table that is quickly made takes many chunks' time to read. */
const BYTES_PER_SECOND = 1_500_000;
const ITEMS = `create table items (id int primary key, name text);
  insert into items select i, (select string_agg(md5(i::text || j), '') from generate_series(1, 30) j) from generate_series(1, 15000) i;
  analyze items`;

const MB = 1024 * 1024;
/** What is written at the source while the target is away, by rounds. */
const ROUNDS = 7;
const BURST = "update big set name = (select string_agg(md5(big.id || random()::text || i), '') from generate_series(1, 60) i)";

describe("what the source bears", { timeout: deadline(300_000) }, () => {
  let pair: Pair;
  before(async () => {
    const settings = { max_prepared_transactions: "50", min_wal_size: "32MB", max_wal_size: "32MB", full_page_writes: "off" };
    pair = await startPair({ version: 14, settings }, { version: 15, settings: MANY_ORIGINS });
  });
  after(() => pair[Symbol.asyncDispose]());

  it("no snapshot of ours lives longer than a chunk is meant to take, however long the load lasts", async (test) => {
    await using line = await startProxy({ to: pair.source.port });
    line.slow(BYTES_PER_SECOND);
    const move = await newMove(pair, {
      sql: ITEMS,
      prepare: (client) => createWorkloadSchema(client, { rows: ROWS }),
      throttle: `{ workers: 3, chunkSeconds: ${CHUNK_SECONDS}, chunkBytes: 32MB }`,
    });
    // One read in one snapshot is what a table without a key costs, and `plan` says so.
    move.configure({ urls: { source: line.through(move.sourceDb.url) }, config: `tables: { exclude: ["public.audit_log"] }` });
    const writers = startWriters(move.sourceDb.url, { writers: 3, rate: 60, seed: 7, rows: ROWS, prepared: true });
    test.after(() => writers.stop());
    const watch = await watchSnapshots(move.sourceDb);
    const load = await move.run(["run", "--until", "loaded", "--json"]);
    const oldest = await watch.stop();
    await writers.stop();
    assert.equal(load.code, 0, load.stdout);
    assert.ok(load.json().result.chunks.total > 20, load.stdout);
    const shown = JSON.stringify(oldest);
    assert.ok(oldest.loadSeconds > 3 * (CHUNK_SECONDS + MARGIN_SECONDS), `too short a load to tell anything: ${shown}`);
    assert.ok(oldest.samples > 20 && oldest.holders > 10, `hardly anything was seen: ${shown}`);
    assert.ok(oldest.seconds < CHUNK_SECONDS + MARGIN_SECONDS, shown);
    assert.equal(oldest.slotXmins, 0, "a logical slot holds back catalogs only");
    line.slow(null);
    const last = await move.run(["run", "--until", "caught-up"]);
    assert.equal(last.code, 0, last.stderr);
    await assertEqualDatabases(move.sourceDb.url, move.targetDb.url, { exclude: /audit_log/ });
    // Nobody reads it any more, and it would hold back what the next test looks at.
    await query(move.sourceDb, "select pg_drop_replication_slot(slot_name) from pg_replication_slots");
  });

  it("a target that is away costs disk here: the slot goes on, and the source throws its WAL away", async (test) => {
    const move = await newMove(pair, {
      sql: "create table big (id int primary key, name text); insert into big select i, '' from generate_series(1, 4000) i",
      prepare: (client) => createWorkloadSchema(client, { rows: ROWS }),
      timeoutMs: 180_000,
    });
    const running = move.start(["run"]);
    await running.waitFor(/phase=streaming/, 90_000);
    const writers = startWriters(move.sourceDb.url, { writers: 2, rate: 40, seed: 8, rows: ROWS, prepared: true });
    test.after(() => writers.stop());
    await pair.target.stop();
    await running.waitFor(/trying again/);
    const before = await walOf(move);
    let checkpoint = before.end;
    for (let round = 1; round <= ROUNDS; round += 1) {
      await query(move.sourceDb, BURST);
      const { end } = await walOf(move);
      await query(move.sourceDb, "checkpoint");
      // Nothing but our log can let the slot go on: nobody applies.
      await waitFor(async () => (await walOf(move)).confirmed >= end, { deadlineMs: 30_000, what: `the slot to pass round ${round}` });
      await waitFor(async () => (await walOf(move)).restart >= checkpoint, { deadlineMs: 30_000, what: `WAL before round ${round} to go` });
      checkpoint = end;
    }
    await query(move.sourceDb, "checkpoint; checkpoint");
    const after = await walOf(move);
    const written = after.end - before.end;
    const shown = JSON.stringify({ before, after, log: logBytes(move), written });
    assert.ok(written > 48 * MB, shown);
    assert.ok(after.end - after.restart < written / 3, `the slot holds back what it has passed: ${shown}`);
    assert.ok(after.oldest > before.end, `the source keeps WAL from before the target went away: ${shown}`);
    assert.ok(logBytes(move) > written / 4, `where are the changes? ${shown}`);
    assert.equal(running.child.exitCode, null, "it waits for the target");

    await pair.target.start();
    await writers.stop();
    await applied(move, (await walOf(move)).end);
    assert.equal((await move.run(["cdc", "stop"])).code, 0);
    const stopped = await running.done;
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.deepEqual(writers.errors, []);
    await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
  });
});

interface SourceWal {
  /** LSNs as bytes from the beginning. */
  readonly end: number;
  readonly confirmed: number;
  readonly restart: number;
  /** Where the oldest file begins that the server keeps. */
  readonly oldest: number;
}

async function walOf(move: Move): Promise<SourceWal> {
  const [wal] = await query<SourceWal & pg.QueryResultRow>(
    move.sourceDb,
    `select (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8 as end, (confirmed_flush_lsn - '0/0'::pg_lsn)::float8 as confirmed,
            (restart_lsn - '0/0'::pg_lsn)::float8 as restart,
            (select (format('%s/%s000000', substr(min(name), 9, 8), substr(min(name), 23, 2))::pg_lsn - '0/0'::pg_lsn)::float8
               from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$') as oldest
       from pg_replication_slots where database = current_database()`,
  );
  if (wal === undefined) throw new Error("no slot");
  return wal;
}

function logBytes({ dir }: Move): number {
  const log = join(dir, ".pghaul/log/forward");
  return readdirSync(log).reduce((bytes, name) => bytes + statSync(join(log, name)).size, 0);
}

/** The target says that its stream has reached this place. */
function applied(move: Move, end: number): Promise<unknown> {
  const sql = "select from pghaul.progress where stream = 'forward' and (position - '0/0'::pg_lsn)::float8 >= $1";
  return waitFor(async () => (await query(move.targetDb, sql, [end])).length > 0, {
    deadlineMs: 120_000,
    what: "the target to have everything",
  });
}

interface OldestSnapshot {
  /** The longest that a transaction of ours was seen to hold a snapshot, and whose it was. */
  seconds: number;
  who: string;
  samples: number;
  /** Different transactions of ours that were seen with a snapshot. */
  holders: number;
  /** From the first read of `items` to the last. */
  loadSeconds: number;
  /** Samples in which a slot held back rows and not only catalogs. */
  slotXmins: number;
}

/** Looks every 50 ms, from a session of its own, at everybody but the application. */
async function watchSnapshots(database: TestDatabase): Promise<{ stop(): Promise<OldestSnapshot> }> {
  const client = await database.connect();
  const seen: OldestSnapshot = { seconds: 0, who: "", samples: 0, holders: 0, loadSeconds: 0, slotXmins: 0 };
  const transactions = new Set<string>();
  let first: number | null = null;
  let stopped = false;
  const watching = (async () => {
    while (!stopped) {
      const { holders, slotXmins } = await snapshotHolders(client);
      seen.samples += 1;
      seen.slotXmins += slotXmins;
      for (const { pid, who, began, seconds } of holders) {
        transactions.add(`${pid} ${began}`);
        if (seconds > seen.seconds) Object.assign(seen, { seconds, who });
        if (!who.includes("[snapshot public.items")) continue;
        first ??= performance.now();
        seen.loadSeconds = (performance.now() - first) / 1000;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return {
    async stop() {
      stopped = true;
      await watching;
      await client.end();
      return { ...seen, holders: transactions.size };
    },
  };
}

interface Holder {
  readonly pid: number;
  readonly who: string;
  readonly began: string;
  readonly seconds: number;
}

async function snapshotHolders(client: pg.Client): Promise<{ readonly holders: readonly Holder[]; readonly slotXmins: number }> {
  const holders = await query<Holder & pg.QueryResultRow>(
    client,
    `select pid, application_name as who, xact_start::text as began, extract(epoch from clock_timestamp() - xact_start)::float8 as seconds
       from pg_stat_activity
      where backend_xmin is not null and backend_type = 'client backend' and pid <> pg_backend_pid() and application_name not like 'writer %'`,
  );
  const [slots] = await query<{ held: number }>(client, "select count(xmin)::int as held from pg_replication_slots");
  return { holders, slotXmins: slots?.held ?? 0 };
}
