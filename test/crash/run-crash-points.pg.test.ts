import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { openBench } from "../scenario/migration-bench.ts";
import { assertEqualDatabases } from "../support/compare.ts";
import { startWriters } from "../support/writers.ts";

const ROWS = 3_000;

/** Where `run` dies, and whether every run passes there. A point that only some runs pass is tried, not demanded. */
const POINTS: Readonly<Record<string, "always" | "sometimes">> = {
  "before-segment-sync": "always",
  "after-segment-sync": "always",
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

describe("kill -9 at every named point of run", () => {
  it("names every point that the code announces", () => {
    assert.deepEqual(announcedPoints(), Object.keys(POINTS).toSorted());
  });

  for (const [point, passed] of Object.entries(POINTS)) {
    it(`${point}: nothing lost, nothing twice`, { timeout: 120_000 }, async () => {
      await using bench = await openBench({ from: 14, to: 15, rows: ROWS, config: "log: { segmentBytes: 16KB }" });
      const writers = startWriters(bench.sourceDb.url, { writers: 4, seed: point, rows: ROWS, asyncCommits: false });
      try {
        const killed = await bench.run(["run", "--until", "caught-up"], { PGHAUL_CRASH_AT: point });
        if (passed === "always") assert.equal(killed.signal, "SIGKILL", killed.stderr);
        const again = await bench.run(["run", "--until", "caught-up"], { PGHAUL_CRASH_AT: `${point}:3` });
        assert.ok(again.signal === "SIGKILL" || again.code === 0, again.stderr);
      } finally {
        await writers.stop();
      }
      const last = await bench.run(["run", "--until", "caught-up"]);
      assert.equal(last.code, 0, last.stderr);
      await assertEqualDatabases(bench.sourceDb.url, bench.targetDb.url);
      assert.deepEqual(await writers.ledgerProblems(bench.targetDb.url), []);
    });
  }
});

/** Points of the engine, the log, the tail and the run (the cutover has tests of its own), read from the source: a new one must come with its test. */
function announcedPoints(): string[] {
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
