/** Where `run` dies by `PGHAUL_CRASH_AT`, and what comes after a death. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Bench, openBench } from "../scenario/migration-bench.ts";
import { assertEqualDatabases } from "../support/compare.ts";
import { startWriters } from "../support/writers.ts";

const ROWS = 3_000;

/** The points, and whether every run passes there. One that only some runs pass is tried, not demanded. */
export const POINTS: Readonly<Record<string, "always" | "sometimes">> = {
  "before-segment-sync": "always",
  "after-segment-sync": "always",
  "before-record": "always",
  "before-acknowledge": "always",
  "before-seal": "always",
  "after-copy-before-merge": "always",
  "after-merge-before-record": "always",
  "before-cursor-recorded": "always",
  "before-whole-commit": "always",
  "after-reread-before-replace": "sometimes",
  "before-join": "always",
  "before-stream-commit": "always",
  "after-stream-commit": "always",
};

/** Only a table that is held, and one that is loaded anew, meets these: test/scenario/held-tables.pg.test.ts dies at each. */
export const HELD_POINTS = {
  hold: ["before-table-held", "after-table-held"],
  reload: ["before-table-emptied", "after-table-emptied"],
} as const;

/** Only a migration with a bucket meets these: test/scenario/bucket dies at each. */
export const BUCKET_POINTS = ["before-upload", "after-upload", "after-upload-named"] as const;

/** Only a target that takes versions meets these: test/scenario/files dies at each. */
export const VERSION_POINTS = ["before-append", "after-append", "before-publish", "after-publish"] as const;

/** Only such a target whose table's columns change meets these: test/scenario/files/columns.pg.test.ts dies at each. */
export const VERSION_HOLD_POINTS = ["before-hold", "after-hold"] as const;

/** A migration under writers that lives through `deaths`, each a process of its own, and then has to be whole. */
export async function survive(deaths: (bench: Bench) => Promise<void>, seed: string): Promise<void> {
  await using bench = await openBench({ from: 14, to: 15, rows: ROWS, config: "log: { segmentBytes: 4KB }" });
  const writers = startWriters(bench.sourceDb.url, { writers: 4, seed, rows: ROWS, asyncCommits: false });
  try {
    await deaths(bench);
  } finally {
    await writers.stop();
  }
  const last = await bench.run(["run", "--until", "caught-up"]);
  assert.equal(last.code, 0, last.stderr);
  await assertEqualDatabases(bench.sourceDb.url, bench.targetDb.url);
  assert.deepEqual(await writers.ledgerProblems(bench.targetDb.url), []);
}

/** A stream begins by saying again what is on record; only later there is something fsynced, and perhaps applied, that is not. */
const IN_THE_MIDDLE: ReadonlySet<string> = new Set(["before-record", "before-acknowledge"]);

/** Dies where it should, if it comes there. */
export async function dieAt(bench: Bench, point: string): Promise<void> {
  const killed = await bench.run(["run", "--until", "caught-up"], { PGHAUL_CRASH_AT: IN_THE_MIDDLE.has(point) ? `${point}:2` : point });
  if (POINTS[point] === "always") assert.equal(killed.signal, "SIGKILL", `${point}: ${killed.stderr}`);
  else assert.ok(killed.signal === "SIGKILL" || killed.code === 0, `${point}: ${killed.stderr}`);
}

/** Points of the engine, the log, the tail and the run (the cutover has tests of its own), read from the source: a new one must come with its test. */
export function announcedPoints(): string[] {
  const root = fileURLToPath(new URL("../../src/", import.meta.url));
  const files = ["engine", "log", "workflow/run", "workflow/stream"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true }),
  );
  const names = new Set<string>();
  for (const file of files) {
    if (!file.isFile() || !file.name.endsWith(".ts")) continue;
    for (const match of readFileSync(join(file.parentPath, file.name), "utf8").matchAll(/crashPoint(?:\?\.)?\("([a-z-]+)"/g))
      names.add(match[1] as string);
  }
  return [...names].toSorted();
}
