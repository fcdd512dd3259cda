import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VERSION_POINTS } from "../../crash/crash-lives.ts";
import { assertEqualDatabases } from "../../support/compare.ts";
import { createDatabase, query } from "../../support/database.ts";
import { deadline } from "../../support/deadline.ts";
import { startWriters } from "../../support/writers.ts";
import { runUnderKills } from "../exact-under-kills.ts";
import { emptyWorkloadSchema } from "../migration-bench.ts";
import { openFileBench } from "./file-bench.ts";

const SEED = Number(process.env.PGHAUL_TEST_SEED ?? 20261127);

/**
 * In the order of a load: what lies behind is not passed again. Of the files' own points, those of one that is neither the first nor the
 * last; few of them, so that the tables read whole, which come last because they are small, are still to come.
 */
const POINTS = [
  "after-copy-before-merge",
  "after-merge-before-record",
  "file-before-rename:3",
  "file-before-directory-sync:3",
  "file-after-rename:3",
  "before-whole-commit",
  ...VERSION_POINTS,
];

describe("a target of files", () => {
  it("killed again and again under six writers: verified while they write, restored and equal by SQL, every acknowledged commit there once", {
    timeout: deadline(240_000),
  }, async () => {
    await using bench = await openFileBench({ version: 16, rows: 4_000, format: "csv", compression: "zstd" });
    const writers = startWriters(bench.sourceDb.url, { writers: 6, seed: SEED, rows: 4_000, asyncCommits: false, prepared: true });
    try {
      for (const point of POINTS) {
        const killed = await bench.run(["run", "--until", "caught-up"], { PGHAUL_CRASH_AT: point });
        assert.equal(killed.signal, "SIGKILL", `${point}: ${killed.stderr}`);
      }
      const life = await runUnderKills(bench, { kills: 3, minMs: 1_500, maxMs: 5_000, seed: SEED });
      await bench.whenLoaded();
      const verdict = await bench.run(["verify", "run", "--json"]);
      assert.equal(verdict.code, 0, verdict.stdout + verdict.stderr);
      life.kill("SIGKILL");
    } finally {
      await writers.stop();
    }
    assert.deepEqual(writers.errors, []);
    const last = await bench.run(["run", "--until", "verified"]);
    assert.equal(last.code, 0, last.stdout + last.stderr);

    const restored = await createDatabase(bench.server, "restored");
    await emptyWorkloadSchema(restored);
    const restore = ["restore", "--from", bench.files, "--to", restored.url, "--json"];
    const killed = await bench.run(restore, { PGHAUL_CRASH_AT: "restore-loaded:3" });
    assert.equal(killed.signal, "SIGKILL", killed.stderr);
    const done = await bench.run(restore);
    assert.equal(done.code, 0, done.stdout + done.stderr);
    await assertEqualDatabases(bench.sourceDb.url, restored.url);
    assert.deepEqual(await writers.ledgerProblems(restored.url), []);

    // A second restore of what is there changes nothing; one into tables that somebody filled is refused before anything is written.
    const second = await bench.run(restore);
    assert.equal(second.code, 0, second.stdout + second.stderr);
    const filled = await createDatabase(bench.server, "filled");
    await emptyWorkloadSchema(filled);
    await query(filled, "insert into scratch (id) values (-1)");
    const refused = await bench.run(["restore", "--from", bench.files, "--to", filled.url, "--json"]);
    assert.match(refused.stdout, /TARGET_NOT_EMPTY/);
  });
});
