import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { appendLines, readLines } from "../../../src/target/file/image/scratch-file.ts";
import { sortedLines } from "../../../src/target/file/image/sort-lines.ts";
import { TemporaryDirectory } from "./bench.ts";
import { randomOf } from "./history.ts";

test("lines of any length come back as they were written", () => {
  using directory = new TemporaryDirectory();
  const path = join(directory.path, "lines");
  const lines = ["", "a", "x".repeat(300_000), "\xff\x01", "y".repeat(262_143), "z".repeat(262_144), "", "b"];
  appendLines(path, lines.slice(0, 4));
  appendLines(path, lines.slice(4));
  assert.deepEqual([...readLines(path)], lines);
  assert.deepEqual([...readLines(join(directory.path, "none"))], []);
});

test("lines are sorted over many runs, and more runs than are merged at once, and nothing is left of them", () => {
  using directory = new TemporaryDirectory();
  const random = randomOf(7);
  for (const bytes of [1, 1_000, 20_000, 10_000_000]) {
    const path = join(directory.path, String(bytes));
    const lines = Array.from({ length: 3_000 }, () => "k".repeat(Math.floor(random() * 40)) + String(Math.floor(random() * 500)));
    appendLines(path, lines);
    assert.deepEqual([...sortedLines(path, bytes)], [...lines].sort(), `${bytes} bytes at once`);
    assert.deepEqual(
      readdirSync(directory.path).filter((name) => name.includes("run")),
      [],
    );
  }
});
