import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { exit, killRandomly } from "../kill-loop.ts";

function shell(script: string): () => ChildProcess {
  return () => spawn("/bin/sh", ["-c", script], { stdio: "ignore" });
}

test("kills as often as told and leaves the last one running", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kill-loop-"));
  try {
    const file = join(folder, "starts");
    const lives: ChildProcess[] = [];
    const begin = shell(`echo x >> ${file}; exec sleep 60`);
    const start = () => {
      const child = begin();
      lives.push(child);
      return child;
    };
    const { child, kills } = await killRandomly(start, { times: 4, minMs: 30, maxMs: 80, seed: 7 });
    assert.equal(kills, 4);
    assert.deepEqual(
      lives.slice(0, 4).map((life) => life.signalCode),
      ["SIGKILL", "SIGKILL", "SIGKILL", "SIGKILL"],
    );
    assert.equal(lives.length, 5);
    assert.equal(lives.at(-1), child);
    assert.equal(child.exitCode, null);
    child.kill("SIGKILL");
    assert.equal((await exit(child)).signal, "SIGKILL");
    assert.match(readFileSync(file, "utf8"), /^x/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a process that finishes its work is not started again", async () => {
  const { child, kills } = await killRandomly(shell("exit 0"), { times: 3, minMs: 5000, maxMs: 5000, seed: 1 });
  assert.equal(kills, 0);
  assert.deepEqual(await exit(child), { code: 0, signal: null });
});

test("a process that cannot bear its past fails the loop", async () => {
  await assert.rejects(killRandomly(shell("exit 3"), { times: 3, minMs: 5000, maxMs: 5000, seed: 1 }), /exit code 3 \(seed 1\)/);
});
