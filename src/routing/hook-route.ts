/**
 * A route that an executable of the operator changes: `COMMAND pause|resume|status` and `COMMAND switch source|target`.
 *
 * Contract (docs/routing.md): exit 0 = done; exit 64 = "I don't know this verb", fine for all but switch; anything else = not done.
 * `status` prints `source` or `target`. No shell in between. The hook inherits the environment, with PGHAUL_MIGRATION and
 * PGHAUL_ROUTE_VERB added, and reads the same as one JSON object on its standard input.
 */

import { type ChildProcess, spawn } from "node:child_process";
import type { Route } from "../cutover/ports.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { SideName } from "../model/side.ts";

/** EX_USAGE of sysexits.h. */
const UNKNOWN_VERB = 64;

/** More output than this is dropped: a hook that babbles must not fill the memory. */
const MOST_OUTPUT = 64 * 1024;

/** After the hook has ended, its output is waited for this long: a process that it left behind may hold the pipe for ever. */
const LAST_WORDS_MILLIS = 50;

export interface HookOptions {
  readonly command: readonly string[];
  /** The hook is killed after this long, or earlier where the switch has less time left. */
  readonly timeoutMillis: number;
  readonly migration: string;
}

interface Ended {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export class HookRoute implements Route {
  readonly kind = "hook";
  readonly #options: HookOptions;

  constructor(options: HookOptions) {
    if (options.command.length === 0) throw new PghaulError("CONFIG_INVALID", "cutover.routing: a hook needs a command");
    this.#options = options;
  }

  async pause(limitMillis: number): Promise<void> {
    await this.#call({ verb: "pause" }, limitMillis);
  }

  async resume(limitMillis: number): Promise<void> {
    await this.#call({ verb: "resume" }, limitMillis);
  }

  async switchTo(side: SideName, limitMillis: number): Promise<void> {
    await this.#call({ verb: "switch", to: side }, limitMillis);
  }

  async current(limitMillis: number): Promise<SideName | null> {
    const answer = (await this.#call({ verb: "status" }, limitMillis))?.trim();
    if (answer === undefined || answer === "source" || answer === "target") return answer ?? null;
    throw this.#failed({ verb: "status" }, "printed neither source nor target");
  }

  /** Standard output; null when the hook does not know the verb and need not. */
  async #call(request: { readonly verb: string; readonly to?: SideName }, limitMillis: number): Promise<string | null> {
    const limit = Math.min(this.#options.timeoutMillis, limitMillis);
    const { code, stdout, stderr } = await this.#run(request, limit);
    if (code === 0) return stdout;
    if (code === UNKNOWN_VERB && request.verb !== "switch") return null;
    const lastLine = stderr.trim().split("\n").at(-1) ?? "";
    throw this.#failed(
      request,
      `${typeof code === "number" ? `ended with exit code ${code}` : code}${lastLine === "" ? "" : `: ${lastLine}`}`,
    );
  }

  async #run(request: { readonly verb: string; readonly to?: SideName }, limitMillis: number): Promise<Ended> {
    const [file, ...given] = this.#options.command as [string, ...string[]];
    const { migration } = this.#options;
    const child = spawn(file, [...given, request.verb, ...(request.to === undefined ? [] : [request.to])], {
      env: { ...process.env, PGHAUL_MIGRATION: migration, PGHAUL_ROUTE_VERB: request.verb },
      stdio: ["pipe", "pipe", "pipe"],
      // A process group of its own: it can be killed with all its children, and Ctrl-C at our terminal does not end it half way.
      detached: true,
    });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        output[name] += text.slice(0, MOST_OUTPUT - output[name].length);
      });
    }
    child.stdin.on("error", () => undefined);
    child.stdin.end(`${JSON.stringify({ migration, ...request })}\n`);
    return { code: await endOf(child, limitMillis), ...output };
  }

  #failed({ verb, to }: { readonly verb: string; readonly to?: SideName }, how: string): PghaulError {
    return new PghaulError("ROUTE_FAILED", `the route hook ${how} on "${[verb, to].filter(Boolean).join(" ")}"`, {
      context: { step: verb, hook: this.#options.command[0] ?? "" },
    });
  }
}

/** The exit code, or in words what else became of it. Kills it, with its children, at the limit. */
async function endOf(child: ChildProcess, limitMillis: number): Promise<number | string> {
  const { promise, resolve } = Promise.withResolvers<number | string>();
  const timer = setTimeout(() => {
    kill(child);
    resolve(`did not end within ${Math.round(limitMillis)} ms`);
  }, limitMillis);
  child.on("error", (error: NodeJS.ErrnoException) => resolve(`could not be started (${error.code ?? error.message})`));
  child.on("close", (code, signal) => resolve(code ?? `was ended by ${signal}`));
  child.on("exit", (code, signal) => setTimeout(() => resolve(code ?? `was ended by ${signal}`), LAST_WORDS_MILLIS).unref());
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe?.destroy();
  }
}

function kill(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended by itself in the same moment.
  }
}
