/**
 * A route that an executable of the operator changes: `COMMAND pause|resume|status` and `COMMAND switch source|target`.
 *
 * Contract (docs/routing.md): exit 0 = done; exit 64 = "I don't know this verb", fine for pause and resume; anything else = not done, and
 * for `switch` the old route still holds. `status` prints `source` or `target`. No shell in between; the hook inherits
 * the environment, and PGHAUL_MIGRATION and PGHAUL_ROUTE_VERB are added to it.
 */
import { execFile } from "node:child_process";
import type { Route, SideName } from "../cutover/ports.ts";
import { PghaulError } from "../errors/pghaul-error.ts";

/** EX_USAGE of sysexits.h. */
const UNKNOWN_VERB = 64;

export interface HookOptions {
  readonly command: readonly string[];
  readonly timeoutMillis: number;
  readonly migration: string;
}

export class HookRoute implements Route {
  readonly kind = "hook";
  readonly #options: HookOptions;

  constructor(options: HookOptions) {
    if (options.command.length === 0) throw new PghaulError("CONFIG_INVALID", "cutover.routing: a hook needs a command");
    this.#options = options;
  }

  async pause(): Promise<void> {
    await this.#call(["pause"], true);
  }

  async resume(): Promise<void> {
    await this.#call(["resume"], true);
  }

  async switchTo(side: SideName): Promise<void> {
    await this.#call(["switch", side], false);
  }

  async current(): Promise<SideName | null> {
    const answer = (await this.#call(["status"], true))?.trim();
    return answer === "source" || answer === "target" ? answer : null;
  }

  /** Standard output; null when the hook does not know the verb and need not. */
  #call(verb: readonly string[], optional: boolean): Promise<string | null> {
    const [file, ...given] = this.#options.command as [string, ...string[]];
    const env = { ...process.env, PGHAUL_MIGRATION: this.#options.migration, PGHAUL_ROUTE_VERB: verb[0] };
    return new Promise((resolve, reject) => {
      execFile(file, [...given, ...verb], { env, timeout: this.#options.timeoutMillis, killSignal: "SIGKILL" }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else if (optional && error.code === UNKNOWN_VERB) resolve(null);
        else reject(this.#failed(verb, error, stderr));
      });
    });
  }

  #failed(verb: readonly string[], error: Error & { code?: unknown; killed?: boolean }, stderr: string): PghaulError {
    const how = error.killed === true ? `did not end within ${this.#options.timeoutMillis} ms` : `ended with ${String(error.code)}`;
    const lastLine = stderr.trim().split("\n").at(-1) ?? "";
    return new PghaulError("ROUTE_FAILED", `the route hook ${how} on "${verb.join(" ")}"${lastLine === "" ? "" : `: ${lastLine}`}`, {
      context: { step: verb[0] ?? "", hook: this.#options.command[0] ?? "" },
    });
  }
}
