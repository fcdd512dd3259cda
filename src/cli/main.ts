import { Errors, run, settings } from "@oclif/core";
import type { PJSON } from "@oclif/core/interfaces";
import { PghaulError } from "../errors/pghaul-error.ts";
import { exitCodeOf } from "../errors/policy.ts";
import { jsonText } from "../observe/json-text.ts";
import { envelope, newRunId } from "./frame/envelope.ts";
import { renderError, renderStack, viewError } from "./frame/error-view.ts";

/** Where this copy of pghaul lies. The `oclif` part of `packageJson` names the files to load, below `root`. */
export interface Installation {
  readonly root: string;
  readonly packageJson: PJSON;
  /** A checkout runs its sources; the manifest beside them, left by a build, describes other files. */
  readonly fromSource: boolean;
}

/**
 * Runs one command line, shows its error if there is one, and ends the process with the right exit code.
 *
 * oclif's own `execute` is not used: it wraps messages at the terminal's width (a command to paste must stay on one line) and
 * its exit codes know nothing of ours.
 */
export async function main(argv: readonly string[], installation: Installation): Promise<never> {
  prepareProcess(argv);
  let code: number;
  try {
    const { root, packageJson, fromSource } = installation;
    await run(withoutHelpWord(argv), { root, pjson: packageJson, ignoreManifest: fromSource });
    code = Number(process.exitCode ?? 0);
  } catch (error) {
    code = showFailure(error, argv);
  }
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  // Not left to the event loop: a socket that somebody forgot must not keep a finished command, and the script behind it, waiting.
  process.exit(code);
}

function prepareProcess(argv: readonly string[]): void {
  // oclif would otherwise look for ts-node or tsx when NODE_ENV says development or test; Node strips types by itself.
  settings.enableAutoTranspile = false;
  if (argv.includes("--no-color") || (process.env.PGHAUL_NO_COLOR ?? "") !== "") process.env.NO_COLOR = "1";
  // `pghaul status | head` closes stderr or stdout early; that ends the output, not the work.
  process.stderr.on("error", ignoreClosedPipe);
  process.on("uncaughtException", (error) => process.exit(showFailure(error, argv)));
}

/**
 * Shows what no command could show itself and returns its exit code: an error in text mode, an unknown command, a fault outside
 * of every await. With --json a script gets its envelope here too.
 */
function showFailure(error: unknown, argv: readonly string[]): number {
  if (error instanceof Errors.ExitError) return error.oclif.exit ?? 0;
  const known = error instanceof Errors.CLIError ? new PghaulError("USAGE", error.message, { cause: error.cause }) : error;
  const view = viewError(known);
  if (argv.includes("--json")) process.stdout.write(`${jsonText(envelope({ error: view, warnings: [], runId: newRunId() }), 2)}\n`);
  else process.stderr.write(renderError(view));
  if (process.env.DEBUG?.split(",").includes("pghaul")) process.stderr.write(renderStack(known));
  return exitCodeOf(known);
}

/** `pghaul help cdc start` is `pghaul cdc start --help`. */
function withoutHelpWord(argv: readonly string[]): string[] {
  const [first, ...rest] = argv;
  return first === "help" ? [...rest, "--help"] : [...argv];
}

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

/** Resolves when everything written so far has left the process, or the reader is gone. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || !stream.writable) resolve();
    else stream.write("", () => resolve());
  });
}
