import { spawn } from "node:child_process";
import type { ErrorCode } from "../../../../errors/codes.ts";
import { PghaulError } from "../../../../errors/pghaul-error.ts";

export interface ToolRun {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Of the error when the program fails. */
  readonly code: ErrorCode;
  readonly signal: AbortSignal;
}

/** Enough for the last words of a program that fails. */
const MESSAGE_CHARS = 2_000;

/** Runs a program without a shell and returns what it printed. Throws `code` with its last words when it fails. */
export function runTool({ program, args, env, code, signal }: ToolRun): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, signal, stdio: ["ignore", "pipe", "pipe"] });
    const output: Buffer[] = [];
    let message = "";
    child.stdout.on("data", (piece: Buffer) => output.push(piece));
    child.stderr.on("data", (piece: Buffer) => (message = (message + piece.toString("utf8")).slice(-MESSAGE_CHARS)));
    child.on("error", (error) =>
      reject(signal.aborted ? (signal.reason as Error) : new PghaulError("TOOL_MISSING", `${program} could not be run: ${error.message}`)),
    );
    child.on("close", (status, killedBy) => {
      if (status === 0) resolve(Buffer.concat(output));
      else reject(new PghaulError(code, message.trim() || `${program} ended with ${killedBy ?? status}`, { context: { step: program } }));
    });
  });
}
