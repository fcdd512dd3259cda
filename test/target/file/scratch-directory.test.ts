import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeScratch, removeScratch, scratchError } from "../../../src/target/file/image/scratch-directory.ts";
import { appendLines } from "../../../src/target/file/image/scratch-file.ts";
import { TemporaryDirectory } from "./bench.ts";

const NEEDED = { bytes: 1, what: "public.t" };

test("what a killed process left is removed when the next image begins, and what a living one uses is not", async () => {
  using directory = new TemporaryDirectory();
  const host = hostname().replace(/[^A-Za-z0-9.]/g, "_");
  const { pid: dead } = spawnSync(process.execPath, ["--version"]);
  const [abandoned, living, foreign] = [`${host}-${dead}-x`, `${host}-${process.ppid}-x`, `elsewhere-${dead}-x`].map((name) =>
    join(directory.path, `pghaul-image-${name}`),
  ) as [string, string, string];
  for (const path of [abandoned, living, foreign]) mkdirSync(join(path, "rows"), { recursive: true });
  const mine = await makeScratch(directory.path, NEEDED);
  const second = await makeScratch(directory.path, NEEDED);
  assert.deepEqual([abandoned, living, foreign, mine, second].map(existsSync), [false, true, true, true, true]);
  await removeScratch(mine);
  assert.equal(existsSync(mine), false);
});

test("a place that is too small is refused before anything is written, with the sizes", async () => {
  using directory = new TemporaryDirectory();
  await assert.rejects(makeScratch(directory.path, { bytes: 2 ** 60, what: "public.t" }), (error: Error & { code?: string }) => {
    assert.equal(error.code, "TARGET_DISK_FULL");
    assert.match(error.message, /public\.t together takes at least 1073741824\.0 GB in .*; [0-9.]+ GB are free/);
    return true;
  });
});

test("a disk that fills up is told by its code, and with what to do", () => {
  const told = scratchError(Object.assign(new Error("no space"), { code: "ENOSPC" }), "/scratch/1") as Error & { suggestion?: string };
  assert.equal((told as { code?: string }).code, "TARGET_DISK_FULL");
  assert.match(told.suggestion ?? "", /--scratch/);
  // A device that is always full.
  assert.throws(() => appendLines("/dev/full", ["x"]), { code: "TARGET_DISK_FULL" });
});
