import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { deadline } from "./deadline.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const BIN = `${ROOT}bin/pghaul.js`;

export interface RunCliOptions {
  readonly cwd?: string;
  /** Over the test's own environment, from which every PGHAUL_* and PG* variable is taken out first. `undefined` removes. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Written to stdin, which is then closed; without it stdin is empty. */
  readonly input?: string;
  /** The process is killed (SIGKILL) after that long on a quiet machine (`deadline`). Default 60 s. */
  readonly timeoutMs?: number;
  /** Another binary or package root than this checkout's. */
  readonly bin?: string;
}

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The envelope on stdout; throws, with both outputs in the message, when stdout is not one JSON object. */
  json(): CliEnvelope;
}

export interface CliEnvelope {
  readonly schemaVersion: number;
  readonly ok: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever keys the command promises, and asserts on them.
  readonly result?: any;
  readonly error?: { code: string; kind: string; message: string; context: object; suggestion: string; exit: number; causes: string[] };
  readonly warnings: readonly { code: string; message: string }[];
  readonly runId: string;
}

/** A running `pghaul`. Await `done` or call `kill` before the test ends. */
export interface CliHandle {
  readonly child: ChildProcess;
  readonly done: Promise<CliResult>;
  stdout(): string;
  stderr(): string;
  /** Resolves when stderr or stdout matches; rejects when the process ends first, or after the time given (default 30 s; longer on a busy machine). */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<void>;
  /** Sends the signal (default SIGKILL) and waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<CliResult>;
}

/** Runs `pghaul ARGS` as a process of its own on this test's Node and waits for its end. Never throws for a non-zero exit. */
export function runCli(args: readonly string[], options: RunCliOptions = {}): Promise<CliResult> {
  return startCli(args, options).done;
}

export function startCli(args: readonly string[], options: RunCliOptions = {}): CliHandle {
  const child = spawn(process.execPath, [options.bin ?? BIN, ...args], {
    cwd: options.cwd ?? ROOT,
    env: cliEnvironment(options.env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  child.stdin.on("error", () => {}); // A command that never reads its stdin may be gone before the input is written.
  child.stdin.end(options.input ?? "");
  const timer = setTimeout(() => child.kill("SIGKILL"), deadline(options.timeoutMs ?? 60_000));
  const done = once(child, "close").then(([code, signal]): CliResult => {
    clearTimeout(timer);
    return { code, signal, ...output, json: () => parseEnvelope(output) };
  });
  return {
    child,
    done,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    waitFor: (pattern, timeoutMs = 30_000) => waitForOutput({ child, output, pattern, timeoutMs: deadline(timeoutMs) }),
    async kill(signal = "SIGKILL") {
      child.kill(signal);
      return await done;
    },
  };
}

function cliEnvironment(overrides: RunCliOptions["env"] = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(PGHAUL_|PG[A-Z]|DEBUG$|FORCE_COLOR$|NODE_TEST_CONTEXT$)/.test(name));
  return { ...Object.fromEntries(inherited), ...overrides };
}

interface OutputWait {
  readonly child: ChildProcess;
  readonly output: { readonly stdout: string; readonly stderr: string };
  readonly pattern: RegExp;
  readonly timeoutMs: number;
}

function waitForOutput({ child, output, pattern, timeoutMs }: OutputWait): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (failure?: string): void => {
      clearTimeout(timer);
      child.stdout?.off("data", look);
      child.stderr?.off("data", look);
      child.off("close", onClose);
      if (failure === undefined) resolve();
      else reject(new Error(`${failure} before ${pattern}\nstdout: ${output.stdout}\nstderr: ${output.stderr}`));
    };
    const look = (): void => {
      if (pattern.test(output.stdout) || pattern.test(output.stderr)) settle();
    };
    const onClose = (): void => settle("pghaul ended");
    const timer = setTimeout(() => settle(`${timeoutMs} ms passed`), timeoutMs);
    child.stdout?.on("data", look);
    child.stderr?.on("data", look);
    child.on("close", onClose);
    look();
    if (child.exitCode !== null || child.signalCode !== null) settle("pghaul ended");
  });
}

function parseEnvelope(output: { readonly stdout: string; readonly stderr: string }): CliEnvelope {
  try {
    return JSON.parse(output.stdout) as CliEnvelope;
  } catch (cause) {
    throw new Error(`stdout is not JSON\nstdout: ${output.stdout}\nstderr: ${output.stderr}`, { cause });
  }
}
