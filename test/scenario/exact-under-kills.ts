import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { assertEqualDatabases } from "../support/compare.ts";
import { killRandomly } from "../support/kill-loop.ts";
import { startWriters } from "../support/writers.ts";
import type { Bench } from "./migration-bench.ts";

/**
 * Six writers do whatever an application may do while `run` is killed with SIGKILL again and again; then the writers stop, one run catches up,
 * and SQL that shares nothing with the product compares every table.
 */
export async function exactUnderKills(
  bench: Bench,
  { kills, seed, rows = 20_000 }: { readonly kills: number; readonly seed: number; readonly rows?: number },
): Promise<void> {
  const writers = startWriters(bench.sourceDb.url, { writers: 6, seed, rows, asyncCommits: false, prepared: true });
  try {
    const life = await runUnderKills(bench, { kills, minMs: 700, maxMs: 4_000, seed });
    life.kill("SIGKILL");
  } finally {
    await writers.stop();
  }
  assert.deepEqual(writers.errors, []);
  const last = await bench.run(["run", "--until", "caught-up"]);
  assert.equal(last.code, 0, last.stderr);
  await assertEqualDatabases(bench.sourceDb.url, bench.targetDb.url);
  assert.deepEqual(await writers.ledgerProblems(bench.targetDb.url), []);
}

/** Kills `run` again and again at random moments, and leaves the last life running. Throws what a life that ended by itself has said. */
export async function runUnderKills(
  bench: Pick<Bench, "start">,
  { kills, minMs, maxMs, seed }: { readonly kills: number; readonly minMs: number; readonly maxMs: number; readonly seed: number },
): Promise<ChildProcess> {
  let ended = "";
  const life = await killRandomly(
    () => {
      const handle = bench.start(["run"]);
      void handle.done.then(({ stderr }) => {
        ended = stderr;
      });
      return handle.child;
    },
    { times: kills, minMs, maxMs, seed },
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${ended}`);
  });
  assert.equal(life.kills, kills);
  return life.child;
}
