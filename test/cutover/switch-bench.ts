/** A migration that streams, applications that follow a route, and the hook that leads them: the stage for switching for real. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createProgressBus } from "../../src/observe/events.ts";
import { type OpenCutover, openCutover } from "../../src/workflow/cutover/open-cutover.ts";
import { planCutover } from "../../src/workflow/cutover/plan-cutover.ts";
import { type CutoverStatus, readCutoverStatus } from "../../src/workflow/cutover/read-cutover-status.ts";
import { openMigration } from "../../src/workflow/open-migration.ts";
import { type Bench, openBench } from "../scenario/migration-bench.ts";
import { compareDatabases } from "../support/compare.ts";
import { query, waitFor } from "../support/database.ts";
import type { PgVersion } from "../support/pg-server.ts";
import { type CliHandle, type CliResult, startCli } from "../support/run-cli.ts";
import { startWriters, type Writers } from "../support/writers.ts";

export type Primary = "source" | "target";

/**
 * The route: a file with one word, and what went wrong on purpose in files beside it. `exec` so that a kill of the hook is a kill of all.
 * Its own log tells which verbs were asked for.
 */
const HOOK = `#!/bin/sh
cd "$(dirname "$0")"
echo "$1 $2" >> hook.log
[ -f "break-$1" ] && . "./break-$1"
case "$1" in
  pause) touch paused ;;
  resume) rm -f paused ;;
  switch) printf '%s\\n' "$2" > route.new && mv route.new route ;;
  status) cat route ;;
  *) exit 64 ;;
esac
`;

const CONFIG = `
cutover:
  maxStall: 8s
  deadlines: { pause: 4s, fence: 3s, drain: 4s }
  routing: [ { kind: hook, command: [ "HOOK" ], timeout: 3s } ]
  gates: { lagHeldFor: 1s, maxLagSeconds: 20, noErrorsFor: 0s, maxTransactionAge: 30s }
`;

export interface SwitchBench extends AsyncDisposable {
  readonly bench: Bench;
  readonly writers: Writers;
  url(side: Primary): string;
  /** `pghaul cutover run` or `rollback`, confirmed. */
  switchTo(side: Primary, env?: Readonly<Record<string, string>>): Promise<CliResult>;
  /**
   * The same, again after each honest refusal (a deadline missed, a gate closed by lag on a busy machine), until it is done, or killed where
   * `env` says so.
   */
  switchAtLast(side: Primary, env?: Readonly<Record<string, string>>): Promise<CliResult>;
  /** Tries until a switch ends with this error (as JSON); a busy machine may refuse it for another reason first. */
  switchFails(side: Primary, error: RegExp): Promise<CliResult>;
  /** Shell that the hook runs before it does what it is asked for; null mends it. */
  breakHook(verb: string, script: string | null): void;
  route(): Primary;
  isPaused(): boolean;
  /** A transaction of the application is acknowledged from now on, within the time given. Returns how long it took. */
  writesAgain(withinMs: number): Promise<number>;
  /** Both sides are equal, and the primary holds each acknowledged commit once. Stops the writers. */
  assertNothingLost(): Promise<void>;
  /** Everything opened, as a command would have it. */
  open(): Promise<OpenCutover & AsyncDisposable>;
  /** State and attempt as `cutover status` tells them. */
  status(): Promise<CutoverStatus>;
  /** `pghaul run`; it streams already. */
  stream: CliHandle;
  restartStream(): Promise<void>;
}

export interface SwitchBenchOptions {
  readonly from?: PgVersion;
  readonly to?: PgVersion;
  readonly rows?: number;
  readonly seed: string | number;
  /** Transactions a second. */
  readonly rate?: number;
}

export async function openSwitchBench({ from = 14, to = 15, rows = 1_000, seed, rate = 60 }: SwitchBenchOptions): Promise<SwitchBench> {
  const bench = await openBench({ from, to, rows, config: "" });
  const config = join(bench.dir, "pghaul.yaml");
  const hook = join(bench.dir, "route.sh");
  writeFileSync(hook, HOOK);
  chmodSync(hook, 0o755);
  writeFileSync(join(bench.dir, "route"), "source\n");
  writeFileSync(config, readFileSync(config, "utf8") + CONFIG.replace("HOOK", hook));
  const urls = { source: bench.sourceDb.url, target: bench.targetDb.url };
  const route = (): Primary => readFileSync(join(bench.dir, "route"), "utf8").trim() as Primary;
  const writers = startWriters(urls.source, { seed, rows, rate, writers: 4 });
  // Writers that nobody stops would keep a failed test's process alive for ever.
  const stream = await streaming(bench).catch(async (error: unknown) => {
    await writers.stop();
    await bench[Symbol.asyncDispose]();
    throw error;
  });
  // The application's own way to follow: looks at the route every few milliseconds.
  const following = setInterval(() => writers.redirect(urls[route()]), 5);
  const digests: Partial<Record<Primary, string>> = {};
  const self: SwitchBench = {
    bench,
    writers,
    stream,
    url: (side) => urls[side],
    switchTo: async (side, env = {}) => {
      const command = side === "target" ? "run" : "rollback";
      // Once a direction: whatever has been switched since, the plan must be the same.
      digests[side] ??= await digestOf(config, side);
      return bench.run(["cutover", command, "--confirm", "bench", "--plan-digest", digests[side], "--json"], env);
    },
    switchAtLast: async (side, env = {}) => {
      for (let attempt = 1; ; attempt += 1) {
        const result = await self.switchTo(side, env);
        if (
          result.code === 0 ||
          result.signal !== null ||
          (await self.status()).state !== (side === "target" ? "source-primary" : "writes-on-target")
        )
          return result;
        const { error } = result.json();
        console.log(`refused: ${error?.code} ${error?.message} ${JSON.stringify(error?.context)}`);
        assert.ok(attempt < 8 && (result.code === 75 || result.code === 11), `refused ${attempt} times: ${result.stdout}`);
        assert.equal(await takesWrites(urls[side === "target" ? "source" : "target"]), true, "what was refused has changed nothing");
      }
    },
    switchFails: async (side, error) => {
      for (let attempt = 1; ; attempt += 1) {
        const result = await self.switchTo(side);
        const found = result.json().error;
        if (error.test(JSON.stringify(found))) return result;
        assert.ok(attempt < 8 && /^(CUTOVER_DEADLINE|GATE_CLOSED)$/.test(found?.code ?? ""), `expected ${error}: ${result.stdout}`);
      }
    },
    breakHook: (verb, script) => {
      const file = join(bench.dir, `break-${verb}`);
      // A file that is there and empty breaks nothing.
      writeFileSync(file, script ?? "");
    },
    route,
    isPaused: () => existsSync(join(bench.dir, "paused")),
    writesAgain: async (withinMs) => {
      const before = writers.stats.committed;
      const began = performance.now();
      await waitFor(() => writers.stats.committed > before + 3, { deadlineMs: withinMs, what: "the writers to commit again", everyMs: 5 });
      return performance.now() - began;
    },
    assertNothingLost: async () => {
      clearInterval(following);
      writers.redirect(urls[route()]);
      await writers.stop();
      assert.deepEqual(writers.errors.map(String), [], "no error that an application would not expect");
      assert.deepEqual(await writers.ledgerProblems(urls[route()]), [], "no commit lost, none resurrected");
      await assertEqualSoon(urls.source, urls.target);
    },
    open: async () => {
      const migration = await openMigration({ file: config });
      const cutover = openCutover(migration, createProgressBus());
      const close = async (): Promise<void> => {
        await cutover.close();
        migration.close();
      };
      return { ...cutover, [Symbol.asyncDispose]: close };
    },
    status: () => readCutoverStatus({ file: config }),
    restartStream: async () => {
      self.stream = await streaming(bench);
    },
    async [Symbol.asyncDispose]() {
      clearInterval(following);
      await Promise.all([writers.stop(), self.stream.kill()]);
      await bench[Symbol.asyncDispose]();
    },
  };
  return self;
}

async function digestOf(file: string, to: Primary): Promise<string> {
  const migration = await openMigration({ file });
  try {
    return (await planCutover(migration, to, createProgressBus())).digest;
  } finally {
    migration.close();
  }
}

/** Starts `pghaul run` and waits until everything is loaded and streams. */
async function streaming(bench: Bench): Promise<CliHandle> {
  // It lives as long as the test, and no longer, however that ends.
  const handle = startCli(["run", "--log-format", "json"], { cwd: bench.dir, timeoutMs: 60 * 60_000 });
  process.once("exit", () => handle.child.kill("SIGKILL"));
  await handle.waitFor(/"phase":"streaming"/, 240_000).catch(async (error: unknown) => {
    await handle.kill();
    throw error;
  });
  return handle;
}

/** Nobody writes any more; what is under way arrives within seconds. */
async function assertEqualSoon(source: string, target: string): Promise<void> {
  let last = "";
  await waitFor(
    async () => {
      const different = (await compareDatabases(source, target)).filter(({ equal }) => !equal);
      last = different
        .map(({ table, problem, onlyInSource, onlyInTarget }) => `${table}: ${problem} ${onlyInSource} / ${onlyInTarget}`)
        .join("\n");
      return different.length === 0;
    },
    { deadlineMs: 20_000, what: "both sides to be equal", everyMs: 300 },
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${last}`);
  });
}

/** Whether a side takes a write of the application, rolled back. */
export async function takesWrites(url: string): Promise<boolean> {
  try {
    await query(url, "begin; delete from ledger where false; rollback");
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "25006") return false;
    throw error;
  }
}
