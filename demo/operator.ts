import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../bin/pghaul.js", import.meta.url));

export interface OperatorOptions {
  /** The directory with pghaul.yaml. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Types commands as an operator would: the real binary, in the directory of the migration, its output where ours goes. */
export class Operator {
  readonly #options: OperatorOptions;
  readonly #running = new Set<ChildProcess>();

  constructor(options: OperatorOptions) {
    this.#options = options;
  }

  /** Runs a command in the foreground; resolves with its exit code. */
  async run(args: readonly string[]): Promise<number> {
    show(args);
    const child = this.#spawn(args, ["ignore", "inherit", "inherit"]);
    const [code] = (await once(child, "close")) as [number | null];
    return code ?? 1;
  }

  /** Runs a command in the foreground; throws unless it ends with 0. */
  async must(args: readonly string[]): Promise<void> {
    const code = await this.run(args);
    if (code !== 0) throw new Error(`"pghaul ${args.join(" ")}" ended with ${code}`);
  }

  /** Repeats a command, quietly, until it ends with `code` or the time is over, then runs it once more for all to see. Returns how that ends. */
  async until(args: readonly string[], code: number, limitMillis: number): Promise<number> {
    const deadline = performance.now() + limitMillis;
    for (;;) {
      const child = this.#spawn(args, ["ignore", "ignore", "ignore"]);
      const [last] = (await once(child, "close")) as [number | null];
      if (last === code || performance.now() > deadline) break;
      await sleep(500);
    }
    return await this.run(args);
  }

  /** The result object of `pghaul ARGS --json`, as a script would read it. */
  async ask<Result>(args: readonly string[]): Promise<Result> {
    const child = this.#spawn([...args, "--json"], ["ignore", "pipe", "inherit"]);
    const chunks: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
    const [code] = (await once(child, "close")) as [number | null];
    const text = Buffer.concat(chunks).toString();
    if (code !== 0) throw new Error(`"pghaul ${args.join(" ")} --json" ended with ${code}: ${text}`);
    return (JSON.parse(text) as { result: Result }).result;
  }

  /** Starts a command in what would be another terminal; its output goes to `logFile`. Returns how to end it with Ctrl-C. */
  background(args: readonly string[], logFile: string): { readonly ended: Promise<number>; interrupt(): Promise<void> } {
    show(args, `   # in another terminal; here its output goes to ${logFile}`);
    const log = openSync(logFile, "a");
    const child = this.#spawn(args, ["ignore", log, log]);
    closeSync(log);
    const ended = once(child, "close").then(([code]) => (code as number | null) ?? 1);
    return {
      ended,
      async interrupt() {
        child.kill("SIGINT");
        await ended;
      },
    };
  }

  /** Ends whatever still runs. */
  async leave(): Promise<void> {
    const closing = [...this.#running].map((child) => once(child, "close"));
    for (const child of this.#running) child.kill("SIGKILL");
    await Promise.all(closing);
  }

  #spawn(args: readonly string[], stdio: ("ignore" | "inherit" | "pipe" | number)[]): ChildProcess {
    const child = spawn(process.execPath, [BIN, ...args], { cwd: this.#options.directory, env: this.#options.env, stdio });
    this.#running.add(child);
    child.once("close", () => this.#running.delete(child));
    return child;
  }
}

function show(args: readonly string[], note = ""): void {
  console.log(`\n$ pghaul ${args.join(" ")}${note}`);
}
