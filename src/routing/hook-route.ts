/**
 * A route that an executable of the operator changes: `COMMAND pause|resume|status` and `COMMAND switch source|target`.
 *
 * Contract (docs/routing.md): exit 0 = done; exit 64 = "I don't know this verb", fine for all but switch; anything else = not done.
 * `status` prints `source` or `target`. No shell reads the command. The hook inherits the environment, with PGHAUL_MIGRATION and
 * PGHAUL_ROUTE_VERB added, and reads the same as one JSON object on its standard input; in a switch also the attempt's number, and the turn:
 * it grows with each process that takes the switch up, so a hook can refuse one that comes late.
 *
 * A hook must not outlive the process that called it, or it leads the route away after that has been settled. Its process group is ended when
 * we die, by a guard inside it that reads a pipe of ours; and whoever takes over looks that it is gone.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Writable } from "node:stream";
import type { Route } from "../cutover/ports.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { SideName } from "../model/side.ts";
import { endGroup, groupOf, isKnownAgain, type ProcessGroup } from "./process-group.ts";

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
  /** Where it is noted which call is under way, for whoever takes over. */
  readonly record: string;
  /** Number of the attempt that is under way. */
  readonly attempt: () => number | null;
}

interface Noted {
  readonly turn: number;
  /** What the last call has started; it may have ended. */
  readonly group: ProcessGroup | null;
}

interface Request {
  readonly verb: string;
  readonly to?: SideName;
}

interface Ended {
  /** The exit code, or in words what else became of it; null when it was killed at the limit. */
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Ends its process group when the pipe at descriptor 3 closes without a word, as it does when we die; then the hook takes its place in the
 * process. So the hook is still called without a shell, as far as it and its arguments are concerned.
 */
const GUARDED = '{ read -r done <&3 || kill -KILL 0; } </dev/null >/dev/null 2>&1 & exec "$@" 3<&-';

export class HookRoute implements Route {
  readonly kind = "hook";
  readonly #options: HookOptions;
  /** Not null once this process drives the switch. */
  #turn: number | null = null;
  #group: ProcessGroup | null = null;

  constructor(options: HookOptions) {
    if (options.command.length === 0) throw new PghaulError("CONFIG_INVALID", "cutover.routing: a hook needs a command");
    this.#options = options;
  }

  async takeOver(limitMillis: number): Promise<void> {
    if (this.#turn === null) {
      const noted = readNoted(this.#options.record);
      this.#group = noted.group !== null && isKnownAgain(noted.group) ? noted.group : null;
      await this.#endEarlier(limitMillis);
      this.#turn = noted.turn + 1;
      this.#note();
    } else await this.#endEarlier(limitMillis);
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
  async #call(request: Request, limitMillis: number): Promise<string | null> {
    const limit = Math.min(this.#options.timeoutMillis, limitMillis);
    const until = performance.now() + limit;
    const left = (): number => Math.max(1, until - performance.now());
    const missing = whyNotExecutable(this.#options.command[0] ?? "");
    if (missing !== null) throw this.#failed(request, `could not be started (${missing})`);
    await this.#endEarlier(left());
    const { code, stdout, stderr } = await this.#run(request, left());
    if (code === 0) return stdout;
    if (code === UNKNOWN_VERB && request.verb !== "switch") return null;
    // The limit that was given, not the part of it that was left to this process.
    if (code === null) throw this.#failed(request, `did not end within ${Math.round(limit)} ms`);
    const lastLine = stderr.trim().split("\n").at(-1) ?? "";
    throw this.#failed(
      request,
      `${typeof code === "number" ? `ended with exit code ${code}` : code}${lastLine === "" ? "" : `: ${lastLine}`}`,
    );
  }

  async #run(request: Request, limitMillis: number): Promise<Ended> {
    const { migration, command } = this.#options;
    const driven = this.#turn === null ? {} : { attempt: this.#options.attempt(), turn: this.#turn };
    const child = spawn("/bin/sh", ["-c", GUARDED, "sh", ...command, request.verb, ...(request.to === undefined ? [] : [request.to])], {
      env: { ...process.env, PGHAUL_MIGRATION: migration, PGHAUL_ROUTE_VERB: request.verb, ...environmentOf(driven) },
      stdio: ["pipe", "pipe", "pipe", "pipe"],
      // A process group of its own: it can be killed with all its children, and Ctrl-C at our terminal does not end it half way.
      detached: true,
    });
    this.#group = child.pid === undefined ? null : groupOf(child.pid);
    this.#note();
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        output[name] += text.slice(0, MOST_OUTPUT - output[name].length);
      });
    }
    child.stdin.on("error", () => undefined);
    child.stdin.end(`${JSON.stringify({ migration, ...request, ...driven })}\n`);
    const code = await endOf(child, limitMillis);
    // What a hook leaves behind when it has ended by itself is meant to stay.
    if (code !== null) {
      this.#group = null;
      this.#note();
    }
    return { code, ...output };
  }

  async #endEarlier(limitMillis: number): Promise<void> {
    if (this.#group === null) return;
    const { pid } = this.#group;
    if (!(await endGroup(this.#group, limitMillis))) {
      throw new PghaulError(
        "ROUTE_FAILED",
        `an earlier call of the route hook is still running and cannot be killed (process group ${pid})`,
        {
          context: { hook: this.#options.command[0] ?? "", pid },
          suggestion: `kill -KILL -- -${pid}   # as its owner, then run the command again`,
        },
      );
    }
    this.#group = null;
    this.#note();
  }

  /** Only who drives the switch: others ask for the status, and their hooks are nobody's business. */
  #note(): void {
    if (this.#turn === null) return;
    const { record } = this.#options;
    const noted: Noted = { turn: this.#turn, group: this.#group };
    writeFileSync(`${record}.new`, `${JSON.stringify(noted)}\n`, { mode: 0o600 });
    renameSync(`${record}.new`, record);
  }

  #failed({ verb, to }: Request, how: string): PghaulError {
    return new PghaulError("ROUTE_FAILED", `the route hook ${how} on "${[verb, to].filter(Boolean).join(" ")}"`, {
      context: { step: verb, hook: this.#options.command[0] ?? "" },
    });
  }
}

function environmentOf(driven: { readonly attempt?: number | null; readonly turn?: number }): Record<string, string> {
  const { attempt, turn } = driven;
  return { ...(attempt == null ? {} : { PGHAUL_ATTEMPT: String(attempt) }), ...(turn === undefined ? {} : { PGHAUL_TURN: String(turn) }) };
}

function readNoted(record: string): Noted {
  try {
    return JSON.parse(readFileSync(record, "utf8")) as Noted;
  } catch {
    return { turn: 0, group: null };
  }
}

/** The system's word for it; null where it is there. A name without a folder is for the PATH. */
function whyNotExecutable(file: string): string | null {
  const places = file.includes("/") ? [file] : (process.env.PATH ?? "").split(":").map((folder) => `${folder}/${file}`);
  let why = "ENOENT";
  for (const place of places) {
    try {
      accessSync(place, constants.X_OK);
      return null;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== undefined && code !== "ENOENT") why = code;
    }
  }
  return why;
}

/** Kills it, with its children, at the limit. */
async function endOf(child: ChildProcess, limitMillis: number): Promise<Ended["code"]> {
  const { promise, resolve } = Promise.withResolvers<Ended["code"]>();
  const guard = child.stdio[3] as Writable;
  guard.on("error", () => undefined);
  const timer = setTimeout(() => {
    kill(child);
    resolve(null);
  }, limitMillis);
  child.on("error", (error: NodeJS.ErrnoException) => resolve(`could not be started (${error.code ?? error.message})`));
  child.on("close", (code, signal) => resolve(code ?? `was killed by ${signal}`));
  child.on("exit", () => guard.end("done\n"));
  child.on("exit", (code, signal) => setTimeout(() => resolve(code ?? `was killed by ${signal}`), LAST_WORDS_MILLIS).unref());
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
