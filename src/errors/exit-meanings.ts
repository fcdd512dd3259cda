import type { ErrorKind } from "./codes.ts";

/** What each exit code tells a script, one line a kind; shown by `--help` and in `docs/exit-codes.md`. */
export const EXIT_MEANINGS: Readonly<Record<ErrorKind, string>> = {
  bug: "a bug in pghaul",
  usage: "the command line could not be understood",
  config: "the configuration or the state directory cannot be used",
  check: "a precheck failed",
  gate: "a cutover gate is closed, or the state of the cutover does not allow the command",
  differences: "source and target differ",
  source: "the source failed or refused something",
  target: "the target failed or refused something",
  locked: "another process is using this state directory",
  confirm: "not confirmed, or the plan is not the one that was reviewed",
  "try-later": "nothing is wrong here; the same command may succeed later",
  interrupted: "interrupted, state saved; the same command continues",
};
