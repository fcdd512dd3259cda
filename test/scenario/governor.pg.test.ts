/** The load spares the source: it holds its reads back for a late standby, a full slot and business hours; the tail never waits. */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createProgressBus, type ProgressEvent } from "../../src/observe/events.ts";
import { readPressure } from "../../src/throttle/pressure.ts";
import type { Migration } from "../../src/workflow/open-migration.ts";
import { governLoad } from "../../src/workflow/run/govern-load.ts";
import { temporaryState } from "../state/temporary-state.ts";
import { assertEqualDatabases } from "../support/compare.ts";
import { query, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import type { PgServer } from "../support/pg-server.ts";
import { startStandby } from "../support/server/standby.ts";
import { type Move, newMove, type Pair, startPair } from "./move-bench.ts";

/** A dozen chunks of half a megabyte. */
const ITEMS = `create table items (id int primary key, name text);
  insert into items select i, repeat(md5(i::text), 8) from generate_series(1, 20000) i; analyze items;`;
const UNTIL = ["run", "--until", "caught-up"];
const LIMITS = "workers: 2, chunkSeconds: 1, chunkBytes: 512KB";
/** Longer than a hold lasts after its last reason: three measurements. */
const PATIENCE = { deadlineMs: 60_000 };

describe("the governor of the load", { timeout: deadline(300_000) }, () => {
  let pair: Pair;
  let standby: PgServer;
  before(async () => {
    pair = await startPair({ version: 15 }, { version: 15 });
    standby = await startStandby(pair.source, "db2");
  });
  after(async () => {
    await standby?.[Symbol.asyncDispose]();
    await pair?.[Symbol.asyncDispose]();
  });

  it("a standby that falls behind stops the reads and not the tail; when it has caught up they go on", async () => {
    const move = await newMove(pair, { sql: ITEMS, throttle: `{ ${LIMITS}, maxReplicaLagSeconds: 1 }` });
    await fallBehind(pair.source, standby, 2);
    const running = move.start(UNTIL);
    await running.waitFor(/reads are held back: the standby db2 is \d+ s behind \(limit 1 s\)/, 60_000);
    const { result } = (await move.run(["status", "--json"])).json();
    assert.equal(result.throttle.held, true);
    assert.match(result.throttle.why, /^the standby db2 is \d+ s behind \(limit 1 s\)$/);
    assert.equal(result.waiting, `reads are held back: ${result.throttle.why}`);
    assert.deepEqual(result.tables[0].chunks.done, 0);

    await query(move.sourceDb, "insert into items values (0, 'while the load is held')");
    const [row] = await query<{ lsn: string }>(move.sourceDb, "select pg_current_wal_lsn()::text as lsn");
    await waitFor(async () => acknowledged(move, row?.lsn ?? ""), { ...PATIENCE, what: "the tail, which waits for nothing" });
    assert.equal(await loaded(move), 0);

    await query(standby.url(), "select pg_wal_replay_resume()");
    const done = await running.done;
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stderr, /reads resume/);
    await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
    assert.deepEqual((await move.run(["status", "--json"])).json().result.throttle, { held: false, why: null });
  });

  it("business hours and a full slot hold, say so, and a stop ends the hold at once", async () => {
    const move = await newMove(pair, { sql: ITEMS, throttle: `{ ${LIMITS}, businessHours: "Mon-Sun 00:00-24:00 Europe/Berlin" }` });
    const inHours = move.start(["run"]);
    await inHours.waitFor(/reads are held back: these are business hours \(00:00-24:00 Europe\/Berlin\)/, 60_000);
    await tellsToStop(async () => assert.equal((await inHours.kill("SIGINT")).code, 130));
    assert.equal(await loaded(move), 0);

    throttled(move, "maxSlotBytes: 1");
    const full = move.start(["run"]);
    await full.waitFor(/reads are held back: pghaul's slot holds .* of WAL at the source \(limit 1 B\)/, 60_000);
    await tellsToStop(async () => {
      assert.equal((await move.run(["cdc", "stop"])).code, 0);
      assert.equal((await full.done).code, 0, full.stderr());
    });
    assert.equal(await loaded(move), 0);

    throttled(move, "maxSlotBytes: 50GB");
    const done = await move.run(UNTIL);
    assert.equal(done.code, 0, done.stderr);
    assert.doesNotMatch(done.stderr, /reads/);
    await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
  });

  it("a role without pg_monitor sees that there is a standby and not how far behind: told once, and nothing is held for it", async (t) => {
    await query(pair.source.url(), "create role mover login");
    const throttle = { maxReplicaLagSeconds: 0, maxSlotBytes: 0 };
    const connect = () => pair.source.connect("postgres", "mover");
    const migration = { config: { throttle }, state: await temporaryState(t), connect } as unknown as Migration;
    const events: ProgressEvent[] = [];
    const bus = createProgressBus();
    bus.subscribe((event) => events.push(event));
    const openGate = governLoad(migration, "none", bus);
    for (let life = 0; life < 2; life++) {
      const gate = openGate();
      await gate.mayRead(new AbortController().signal);
      await gate.close();
    }
    assert.deepEqual(
      events.map((event) => event.kind === "warning" && event.code),
      ["REPLICA_LAG_HIDDEN"],
    );

    const client = await pair.source.connect("postgres", "mover");
    try {
      assert.deepEqual(await readPressure(client, "none"), { standbys: [], hidden: true, slotBytes: null });
      await query(pair.source.url(), "grant pg_monitor to mover");
      const { standbys, hidden } = await readPressure(client, "none");
      assert.deepEqual([standbys.map(({ name }) => name), hidden], [["db2"], false]);
    } finally {
      await client.end();
    }
  });

  it("a table's own chunkBytes makes its chunks, planned and read; a name that no table has is refused everywhere", async () => {
    const move = await newMove(pair, {
      sql: `${ITEMS} create table others as select * from items; alter table others add primary key (id); analyze others;`,
      throttle: "{ workers: 2 }",
      config: "tables: { include: [public.*], overrides: { public.items: { chunkBytes: 512KB } } }\n",
    });
    const { result: planned } = (await move.run(["snapshot", "plan", "--json"])).json();
    const ranges = new Map<string, number>(
      planned.tables.map((one: { table: string; ranges: unknown[] }) => [one.table, one.ranges.length]),
    );
    assert.equal(ranges.get("public.others"), 1);
    assert.ok((ranges.get("public.items") ?? 0) > 5, JSON.stringify(planned));
    const { result } = (await move.run([...UNTIL, "--json"])).json();
    const done = new Map<string, number>(
      result.tables.map((one: { table: string; chunks: { done: number } }) => [one.table, one.chunks.done]),
    );
    assert.equal(done.get("public.others"), 1);
    assert.ok((done.get("public.items") ?? 0) > 5, JSON.stringify(result.tables));

    move.configure({ config: "tables: { include: [public.*], overrides: { public.itens: { chunkBytes: 512KB } } }\n" });
    for (const command of ["plan", "run"]) {
      const refused = await move.run([command, "--json"]);
      assert.equal(refused.code, 3, refused.stdout);
      assert.match(refused.json().error?.message ?? "", /public\.itens does not name a table that is moved; did you mean public\.items\?/);
    }
  });
});

/** Stops the replay, and waits until the source sees that it is late. */
async function fallBehind(source: PgServer, standby: PgServer, seconds: number): Promise<void> {
  await query(standby.url(), "select pg_wal_replay_pause()");
  await waitFor(
    async () => {
      await query(source.url(), "select pg_logical_emit_message(true, 'test', 'something to replay')");
      const late = await query(source.url(), `select from pg_stat_replication where replay_lag > interval '${seconds} s'`);
      return late.length > 0;
    },
    { ...PATIENCE, what: "the standby to fall behind", everyMs: 200 },
  );
}

async function acknowledged(move: Move, lsn: string): Promise<boolean> {
  const rows = await query(
    move.sourceDb,
    `select from pg_replication_slots where database = current_database() and confirmed_flush_lsn >= '${lsn}'`,
  );
  return rows.length > 0;
}

/** Tables come with the schema; rows only by the load. */
async function loaded(move: Move): Promise<number> {
  const [row] = await query<{ rows: number }>(move.targetDb, "select count(*)::int as rows from items");
  return row?.rows ?? 0;
}

function throttled(move: Move, setting: string): void {
  const file = join(move.dir, "pghaul.yaml");
  writeFileSync(file, readFileSync(file, "utf8").replace(/^throttle: .*$/m, `throttle: { ${LIMITS}, ${setting} }`));
}

/** Well within what a chunk, a measurement or a release would take on a slow machine. */
async function tellsToStop(stop: () => Promise<void>): Promise<void> {
  const before = Date.now();
  await stop();
  assert.ok(Date.now() - before < deadline(15_000), `${Date.now() - before} ms`);
}
