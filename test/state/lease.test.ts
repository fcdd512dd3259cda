import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { acquireLease, leaseHolder } from "../../src/state/lease.ts";
import { deadline } from "../support/deadline.ts";
import { temporaryDirectory } from "./temporary-state.ts";

/** Starts the process and waits for its first line. */
async function startHolder(
  t: TestContext,
  directory: string,
  name = "stream",
  command = "run",
): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, ["--expose-gc", path.join(import.meta.dirname, "lease-process.ts"), directory, name, command], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const [chunk] = (await once(child.stdout as NodeJS.EventEmitter, "data", { signal: AbortSignal.timeout(deadline(20_000)) })) as [Buffer];
  return { child, line: chunk.toString().trim() };
}

async function killHard(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

test("a second process is refused and told who holds the lease", async (t) => {
  const directory = temporaryDirectory(t);
  const { child, line } = await startHolder(t, directory);
  assert.equal(line, "held");
  await assert.rejects(acquireLease(directory, "stream", "verify run"), (error) => {
    assert.ok(error instanceof PghaulError);
    assert.equal(error.code, "STATE_LOCKED");
    const expected = `the stream lease of the state directory ${directory} is held by pid ${child.pid} (pghaul run) on ${hostname()} since `;
    assert.equal(error.message.slice(0, expected.length), expected);
    assert.match(error.message.slice(expected.length), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    return true;
  });
});

test("kill -9 frees the lease at once, for another process and for this one", async (t) => {
  const directory = temporaryDirectory(t);
  const first = await startHolder(t, directory);
  await killHard(first.child);
  assert.equal(await leaseHolder(directory, "stream"), null);
  const second = await startHolder(t, directory, "stream", "cdc start");
  assert.equal(second.line, "held");
  assert.deepEqual(
    [(await leaseHolder(directory, "stream"))?.pid, (await leaseHolder(directory, "stream"))?.command],
    [second.child.pid, "cdc start"],
  );
  await killHard(second.child);
  const lease = await acquireLease(directory, "stream", "run");
  lease.release();
});

test("of several processes that start at once exactly one wins", async (t) => {
  const directory = temporaryDirectory(t);
  const started = await Promise.all([1, 2, 3, 4].map(() => startHolder(t, directory)));
  const winners = started.filter(({ line }) => line === "held");
  assert.equal(winners.length, 1, started.map(({ line }) => line).join("\n"));
  for (const { line } of started) if (line !== "held") assert.match(line, new RegExp(`held by pid ${winners[0]?.child.pid} `));
});

test("leases of different names do not meet; the same one is refused in the same process too", async (t) => {
  const directory = temporaryDirectory(t);
  const stream = await acquireLease(directory, "stream", "run");
  const cutover = await acquireLease(directory, "cutover", "cutover run");
  await assert.rejects(acquireLease(directory, "stream", "run"), /STATE_LOCKED|held by pid/);
  stream.release();
  stream.release();
  assert.equal(await leaseHolder(directory, "stream"), null);
  assert.equal((await leaseHolder(directory, "cutover"))?.command, "cutover run");
  cutover.release();
});

test("a look at the holder does not take the lease away", async (t) => {
  const directory = temporaryDirectory(t);
  const { child } = await startHolder(t, directory);
  for (let look = 0; look < 3; look++) assert.equal((await leaseHolder(directory, "stream"))?.pid, child.pid);
  const refused = await startHolder(t, directory);
  assert.match(refused.line, /is held by pid/);
});

test("the record of a dead holder is not blamed", async (t) => {
  const directory = temporaryDirectory(t);
  const dead = await startHolder(t, directory);
  await killHard(dead.child);
  const { child } = await startHolder(t, directory);
  // As in the moment between taking the lock and writing the record.
  writeFileSync(
    path.join(directory, "stream.holder.json"),
    JSON.stringify({ pid: dead.child.pid, host: hostname(), command: "run", since: "2026-01-01T00:00:00.000Z" }),
  );
  await assert.rejects(acquireLease(directory, "stream", "run"), /is held by a process that has not identified itself$/);
  await killHard(child);
});

test("a released lease leaves nothing but the empty lock file", async (t) => {
  const directory = temporaryDirectory(t);
  (await acquireLease(directory, "cutover", "cutover run")).release();
  assert.deepEqual(readdirSync(directory), ["cutover.lock"]);
  assert.equal(await leaseHolder(directory, "stream"), null);
  assert.deepEqual(readdirSync(directory), ["cutover.lock"]);
});
