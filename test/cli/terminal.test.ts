import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { deadline } from "../support/deadline.ts";

const bin = fileURLToPath(new URL("fixtures/pghaul.ts", import.meta.url));
const skip = process.platform === "linux" && existsSync("/usr/bin/script") ? false : "needs script(1) of util-linux for a pseudo-terminal";

interface TerminalRun {
  readonly child: ChildProcess;
  readonly done: Promise<number | null>;
  output(): string;
  /** Types when the pattern has been shown. */
  answer(pattern: RegExp, text: string): Promise<void>;
}

/** Runs the fixture commands on a pseudo-terminal. */
function onTerminal(args: readonly string[], env: Record<string, string> = {}): TerminalRun {
  const command = [process.execPath, bin, ...args].map((word) => `'${word}'`).join(" ");
  const inherited = { PATH: process.env.PATH, HOME: process.env.HOME, TERM: "xterm-256color" };
  const child = spawn("/usr/bin/script", ["-qefc", `stty cols 120 rows 40; ${command}`, "/dev/null"], {
    env: { ...inherited, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), deadline(30_000));
  const done = once(child, "close").then(([code]) => {
    clearTimeout(timer);
    return code as number | null;
  });
  return {
    child,
    done,
    output: () => output,
    async answer(pattern, text) {
      while (!pattern.test(output)) {
        const ended = await Promise.race([once(child.stdout, "data").then(() => false), done.then(() => true)]);
        if (ended && !pattern.test(output)) throw new Error(`ended before ${pattern}: ${output}`);
      }
      child.stdin.write(text);
    },
  };
}

test("on a terminal the plan is shown and the migration's name must be typed", { skip }, async () => {
  const run = onTerminal(["switch"]);
  await run.answer(/Type the migration's name \(orders-move\)/, "orders-move\r");
  assert.equal(await run.done, 0, run.output());
  assert.ok(run.output().indexOf("1. fence the source") < run.output().indexOf("Type the migration's name"));
  assert.match(run.output(), /switched, confirmed by typed/);
});

for (const [what, typed] of [
  ["a bare yes", "yes\r"],
  ["nothing", "\r"],
  ["another name", "orders\r"],
  ["Ctrl-C", "\u0003"],
] as const) {
  test(`${what} confirms nothing: 30`, { skip }, async () => {
    const run = onTerminal(["switch"]);
    await run.answer(/Type the migration's name/, typed);
    assert.equal(await run.done, 30, run.output());
    assert.match(run.output(), /Code: NOT_CONFIRMED/);
    assert.doesNotMatch(run.output(), /switched/);
  });
}

test("--no-input and --json never ask, not even on a terminal", { skip }, async () => {
  for (const args of [
    ["switch", "--no-input"],
    ["switch", "--json"],
  ]) {
    const run = onTerminal(args);
    assert.equal(await run.done, 30, run.output());
    assert.doesNotMatch(run.output(), /Type the migration's name/);
  }
});

test("on a terminal progress is a live list; log lines and warnings are not lost in it", { skip }, async () => {
  const run = onTerminal(["cdc", "start", "--log-level", "debug"]);
  assert.equal(await run.done, 0, run.output());
  assert.match(run.output(), /Loading/);
  assert.match(run.output(), /99 %/);
  assert.match(run.output(), /Warning: slot holds 5 GB, password=\[redacted\]/);
  assert.match(run.output(), /chunk_done/);
  // The result comes last: printed any earlier it would tear the list.
  assert.match(run.output(), /chunk_done[^]*applied up to 0\/16B3748\r\n(?!.*Loading)/);
});

test("a dumb terminal gets lines", { skip }, async () => {
  const run = onTerminal(["cdc", "start"], { TERM: "dumb" });
  assert.equal(await run.done, 0);
  assert.match(run.output(), /info progress run=\S+ phase=loading percent=99/);
});

test("colours stay away with NO_COLOR, PGHAUL_NO_COLOR and --no-color", { skip }, async () => {
  const colour = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`);
  const usual = onTerminal(["cdc", "start"]);
  await usual.done;
  assert.match(usual.output(), colour, "without the wish there are colours, or this test could not fail");
  for (const [args, env] of [
    [[], { NO_COLOR: "1" }],
    [[], { PGHAUL_NO_COLOR: "1" }],
    [["--no-color"], {}],
  ] as const) {
    const run = onTerminal(["cdc", "start", ...args], env);
    assert.equal(await run.done, 0);
    assert.doesNotMatch(run.output(), colour, JSON.stringify([args, env]));
  }
});
