import type { ErrorKind } from "./codes.ts";

/** What each exit code tells a script, one line a kind; shown by `--help` and in `docs/exit-codes.md`. */
export const EXIT_MEANINGS: Readonly<Record<ErrorKind, string>> = {
  bug: "a fault of pghaul",
  usage: "the command line could not be understood",
  config: "configuration or state directory is not usable",
  check: "a precheck failed",
  gate: "a cutover gate is closed, or the cutover is in another state",
  differences: "source and target differ",
  source: "the source failed or refused",
  target: "the target failed or refused",
  locked: "another process works on this state directory",
  confirm: "not confirmed, or the plan is not the one that was reviewed",
  "try-later": "nothing is wrong here; the same command may succeed later",
  interrupted: "interrupted, state saved; the same command goes on",
};
