/** Tables whose columns change while they are moved into files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VERSION_HOLD_POINTS } from "../../crash/crash-lives.ts";
import { createDatabase, query, type TestDatabase, waitFor } from "../../support/database.ts";
import { deadline } from "../../support/deadline.ts";
import { startWriters } from "../../support/writers.ts";
import { type FileBench, openFileBench } from "./file-bench.ts";

const SEED = Number(process.env.PGHAUL_TEST_SEED ?? 20261127);

interface Status {
  readonly tables: readonly { readonly table: string; readonly held: { readonly reason: string } | null }[];
}

async function statusOf(bench: FileBench): Promise<Status> {
  const { stdout } = await bench.run(["status", "--json"]);
  return (JSON.parse(stdout) as { result: Status }).result;
}

async function rowsOf(db: TestDatabase, table = "changed"): Promise<string> {
  return JSON.stringify(await query(db, `select t::text from ${table} t order by t::text`));
}

/** An empty database with the table's columns as they are at the source now. */
async function restoredAt(bench: FileBench, definition: string, at: string | null): Promise<string> {
  const db = await createDatabase(bench.server, `restored_${Date.now()}`);
  await query(db, definition);
  const done = await bench.run([
    ...["restore", "--from", bench.files, "--to", db.url, "--table", "public.changed", "--json"],
    ...(at === null ? [] : ["--at", at]),
  ]);
  assert.equal(done.code, 0, done.stdout + done.stderr);
  return rowsOf(db);
}

async function lsnOf({ sourceDb }: FileBench): Promise<string> {
  const [row] = await query(sourceDb, "select pg_current_wal_insert_lsn()::text as lsn");
  return (row as { lsn: string }).lsn;
}

async function untilHeld(bench: FileBench, isHeld: boolean): Promise<void> {
  const found = async () =>
    (await statusOf(bench)).tables.some(({ table, held }) => table === "public.changed" && (held !== null) === isHeld);
  await waitFor(found, { what: `the changed table to be ${isHeld ? "held" : "taken up again"}`, deadlineMs: 60_000 });
}

test("a column that comes with values, and other changes of columns: the others stream on, the table is read anew, and its past can be restored", {
  timeout: deadline(240_000),
}, async () => {
  await using bench = await openFileBench({ version: 16, rows: 500, format: "csv", compression: "zstd" });
  const { sourceDb } = bench;
  await query(sourceDb, "create table changed (id int primary key, a int, b text)");
  await query(sourceDb, "insert into changed select n, n, repeat('b', n % 50) from generate_series(1, 2000) n");
  const writers = startWriters(sourceDb.url, { writers: 3, seed: SEED, rows: 500, asyncCommits: false, prepared: false });
  let life = bench.start(["run"]);
  try {
    await bench.whenLoaded();
    await query(sourceDb, "update changed set b = 'before' where id % 7 = 0");
    const [before, beforeRows] = [await lsnOf(bench), await rowsOf(sourceDb)];
    await query(sourceDb, "delete from changed where id = 1");

    // Killed where the change of columns is met, and behind it.
    await query(sourceDb, "alter table changed add column c int default (random() * 1000)::int");
    await life.kill("SIGKILL");
    await life.done;
    await query(sourceDb, "insert into changed select n, n, 'new' from generate_series(3000, 3100) n");
    for (const point of VERSION_HOLD_POINTS) {
      const killed = await bench.run(["run"], { PGHAUL_CRASH_AT: point });
      assert.equal(killed.signal, "SIGKILL", `${point}: ${killed.stderr}`);
    }
    life = bench.start(["run"]);
    await untilHeld(bench, true);
    await query(sourceDb, "update changed set c = -1 where id between 100 and 200");

    // Nobody else waits for it.
    const others = await bench.run(["verify", "run", "--table", "public.accounts", "--json"]);
    assert.equal(others.code, 0, others.stdout + others.stderr);
    const refused = await bench.run(["verify", "run", "--table", "public.changed", "--json"]);
    assert.match(refused.stdout, /TABLE_HELD/);

    // Killed within the reload, then done.
    await life.kill("SIGKILL");
    await life.done;
    for (const point of ["before-table-emptied", "after-table-emptied"]) {
      await bench.run(["snapshot", "reload", "--table", "public.changed", "--no-wait"]);
      const killed = await bench.run(["run"], { PGHAUL_CRASH_AT: point });
      assert.equal(killed.signal, "SIGKILL", `${point}: ${killed.stderr}`);
    }
    life = bench.start(["run"]);
    await untilHeld(bench, false);
    await bench.whenLoaded();
    const verified = await bench.run(["verify", "run", "--json"]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);

    // A table that nobody has written to since: it is not held, and is loaded anew all the same.
    await query(sourceDb, "alter table changed drop column b");
    await query(sourceDb, "alter table changed rename column a to a2");
    await query(sourceDb, "alter table changed alter column a2 type bigint");
    const reload = await bench.run(["snapshot", "reload", "--table", "public.changed", "--json"]);
    assert.equal(reload.code, 0, reload.stdout + reload.stderr);
    await query(sourceDb, "insert into changed (id, a2) values (9000, 5000000000)");
    const again = await bench.run(["verify", "run", "--json"]);
    assert.equal(again.code, 0, again.stdout + again.stderr);

    await writers.stop();
    await life.kill("SIGKILL");
    await life.done;
    const last = await bench.run(["run", "--until", "verified"]);
    assert.equal(last.code, 0, last.stdout + last.stderr);
    assert.equal(
      await restoredAt(bench, "create table changed (id int primary key, a2 bigint, c int)", null),
      JSON.stringify(await query(sourceDb, "select t::text from changed t order by t::text")),
    );
    assert.equal(await restoredAt(bench, "create table changed (id int primary key, a int, b text)", before), beforeRows);
  } finally {
    await life.kill("SIGKILL");
    await writers.stop();
  }
});
