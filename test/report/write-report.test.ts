import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import type { Table } from "../../src/model/table.ts";
import { JournalStore } from "../../src/state/audit/journal.ts";
import { RunStore } from "../../src/state/audit/run-store.ts";
import { ChunkStore } from "../../src/state/chunk-store.ts";
import { openState } from "../../src/state/open-state.ts";
import { ProgressStore } from "../../src/state/progress-store.ts";
import type { StateDatabase } from "../../src/state/state-database.ts";
import { SampleStore } from "../../src/state/storage/sample-store.ts";
import { TableStore } from "../../src/state/table-store.ts";
import { VerifyStore } from "../../src/state/verify-store.ts";
import { temporaryDirectory } from "../state/temporary-state.ts";
import { runCli } from "../support/run-cli.ts";

const CANARY = "s3cret-c4nary-9d1f";
const ROW_CANARY = "4111111111111111";

function table(name: string): Table {
  return {
    id: `public.${name}`,
    schema: "public",
    name,
    oid: 1,
    columns: [{ name: "id", type: "bigint", identityAlways: false, notNull: true }],
    key: [0],
    partitioned: false,
    leaves: [{ id: "0", schema: "public", name, bytes: 1_000, rows: 10 }],
  };
}

/** A directory with pghaul.yaml, no secret set, and what a migration would have left in its state. */
async function pastMigration(t: TestContext): Promise<string> {
  const directory = temporaryDirectory(t);
  const config =
    'version: 1\nmigration: orders\nsource: { url: "${NOT_SET_1}" }\ntarget: { kind: postgres, url: "${NOT_SET_2}" }\nstate: { dir: state }\n';
  writeFileSync(path.join(directory, "pghaul.yaml"), config);
  const state = await openState(path.join(directory, "state"));
  fill(state);
  state.close();
  return directory;
}

function fill(state: StateDatabase): void {
  new TableStore(state).plan([table("small"), table("big")], ["target"]);
  for (const [name, rows, bytes] of [
    ["small", 5, 50],
    ["big", 500, 9_000],
  ] as const) {
    const id = `public.${name}`;
    new TableStore(state).reached(id, "loading", "target");
    const chunks = new ChunkStore(state, "target");
    const [chunk] = chunks.planChunks(id, [{ leaf: "0", from: null, to: null }]);
    assert.ok(chunk !== undefined);
    chunks.chunkMerged(chunk.id, rows, bytes);
    new TableStore(state).reached(id, "loaded", "target");
  }
  new SampleStore(state).add({ at: Date.now(), lag: { bytes: 10, seconds: 1.5 }, bytesPerSecond: 100, changesPerSecond: 42 });
  const verdict = { table: "public.big", rows: 500n, targetRows: 499n, lsnFrom: 1n, lsn: 2n, chunks: 1, millis: 30 };
  new VerifyStore(state).record("run-1", { ...verdict, equal: false, differences: [{ kind: "missing", key: [ROW_CANARY], columns: [] }] });
  new VerifyStore(state).record("run-2", { ...verdict, targetRows: 500n, equal: true, differences: [] });
  plantSecrets(state);
}

/** Where a driver's message, a hook's output or a mistake of ours could put them. */
function plantSecrets(state: StateDatabase): void {
  const url = `postgres://app:${CANARY}@db.example/orders`;
  // Straight into SQLite: the stores redact too, and it is the report that is on trial here.
  new ProgressStore(state).update({ phase: "streaming", waiting: `waits for ${url}` });
  state.sqlite
    .prepare("update progress set last_error = ?, throttle = ?")
    .run(
      JSON.stringify({ code: "SOURCE_LOST", message: `lost host=db password=${CANARY}`, at: "2026-01-01T00:00:00.000Z" }),
      JSON.stringify({ password: CANARY }),
    );
  new JournalStore(state, "orders").append("attempt-started", { attempt: 1, to: "target", detail: { url }, note: `PGPASSWORD=${CANARY}` });
  new JournalStore(state, "orders").append("cancelled", { why: `hook said {"password": "${CANARY}"}` });
  new RunStore(state).start("r1", `run --source ${url}`);
}

test("both pages are written from the state alone, and no secret and no key of a row is in them", async (t) => {
  const cwd = await pastMigration(t);
  const outcome = await runCli(["report", "--json"], { cwd });
  assert.equal(outcome.code, 0, outcome.stderr);
  const { result } = outcome.json();
  assert.deepEqual([result.file, result.markdown], [path.join(cwd, "orders-report.html"), path.join(cwd, "orders-report.md")]);
  assert.deepEqual(
    [result.rows, result.bytes, result.verdict, result.maxLagSeconds, result.maxChangesPerSecond],
    [505, 9_050, null, 1.5, 42],
    "big is equal, and small was never compared",
  );
  assert.deepEqual(result.journal, { entries: 2, whole: true });
  for (const file of [result.file, result.markdown] as string[]) {
    const text = readFileSync(file, "utf8");
    assert.ok(text.includes("redacted"), "the planted secrets were never reached: this test proves nothing");
    assert.ok(!text.includes(CANARY), `${file} holds a secret`);
    assert.ok(!text.includes(ROW_CANARY), `${file} holds a row's key`);
    assert.ok(text.includes("1 missing, 0 extra, 0 changed"));
    assert.ok(text.indexOf("public.big") < text.indexOf("public.small"), "the largest table comes first");
  }
  assert.ok(!outcome.stdout.includes(CANARY));
});

test("the verdict is that of every table", async (t) => {
  const cwd = await pastMigration(t);
  const state = await openState(path.join(cwd, "state"));
  const verdict = { rows: 5n, targetRows: 5n, lsnFrom: 1n, lsn: 2n, chunks: 1, millis: 30, equal: true, differences: [] };
  new VerifyStore(state).record("run-3", { ...verdict, table: "public.small" });
  state.close();
  assert.equal((await runCli(["report", "--json"], { cwd })).json().result.verdict, "equal");
});

test("--out names the HTML file; Markdown goes beside it; a person reads the numbers and where the files are", async (t) => {
  const cwd = await pastMigration(t);
  const outcome = await runCli(["report", "--out", "final.html"], { cwd });
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.match(outcome.stdout, /^Loaded: 505 rows \(9\.1 kB/m);
  assert.match(outcome.stdout, /Wrote .*\/final\.html\n {2}and .*\/final\.md/);
  assert.match(readFileSync(path.join(cwd, "final.md"), "utf8"), /# orders: migration report/);
});

test("a folder that is not there is said so", async (t) => {
  const cwd = await pastMigration(t);
  const outcome = await runCli(["report", "--out", "no/such/folder/x.html"], { cwd });
  assert.equal(outcome.code, 3);
  assert.match(outcome.stderr, /cannot be written to .*no\/such\/folder\/x\.html \(ENOENT\)/);
});

test("before anything was run there is nothing to report", async (t) => {
  const cwd = await pastMigration(t);
  const outcome = await runCli(["report", "--state-dir", "elsewhere"], { cwd });
  assert.equal(outcome.code, 75);
  assert.match(outcome.stderr, /STREAM_NOT_RUNNING/);
});
