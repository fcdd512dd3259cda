import { fileURLToPath } from "node:url";
import { type CliHandle, type CliResult, type RunCliOptions, startCli } from "../support/run-cli.ts";

const bin = fileURLToPath(new URL("fixtures/pghaul.ts", import.meta.url));

/** The real frame over the commands of fixtures/commands. */
export function runFixture(args: readonly string[], options: RunCliOptions = {}): Promise<CliResult> {
  return startFixture(args, options).done;
}

export function startFixture(args: readonly string[], options: RunCliOptions = {}): CliHandle {
  return startCli(args, { bin, ...options });
}
