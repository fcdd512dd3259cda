/** What `cutover status` and `cutover log` show, from the state on this machine alone. */

import { type ConfigLocation, loadStateLocation } from "../../config/load-config.ts";
import { type CutoverState, eventsIn, primaryOf, stateOf } from "../../cutover/machine.ts";
import type { SideName } from "../../model/side.ts";
import { type JournalCheck, type JournalEntry, JournalStore } from "../../state/audit/journal.ts";
import { CutoverStore } from "../../state/cutover-store.ts";
import { type LeaseHolder, leaseHolder } from "../../state/lease.ts";
import { openExistingState } from "../../state/open-state.ts";
import { canSwitch } from "../target-kinds.ts";
import { readUnsettled, type Unsettled } from "./read-unsettled.ts";
import { resultOf, type StepResult } from "./run-cutover.ts";

export interface CutoverStatus {
  readonly migration: string;
  readonly state: CutoverState;
  readonly primary: SideName;
  /** It stopped in the middle and no command drives it. */
  readonly unsettled: Unsettled | null;
  /** Commands that the state allows now; none for a target that cannot become the primary. */
  readonly possible: readonly string[];
  /** The process that drives a switch now. */
  readonly driver: LeaseHolder | null;
  readonly attempt: {
    readonly id: number;
    readonly to: SideName;
    readonly outcome: string;
    readonly startedAt: string;
    readonly planDigest: string;
  } | null;
  readonly steps: readonly StepResult[];
  readonly stallMs: number | null;
}

const COMMANDS: Readonly<Record<string, string>> = {
  switch: "pghaul cutover run",
  rollback: "pghaul cutover rollback",
};

export async function readCutoverStatus(location: ConfigLocation): Promise<CutoverStatus> {
  const { migration, directory, kind } = loadStateLocation(location);
  const state = await openExistingState(directory);
  const attempt = state === null ? null : new CutoverStore(state).load();
  try {
    const now = stateOf(attempt);
    const unfinished = attempt?.outcome === "running" ? [attempt.to === "target" ? "pghaul cutover run" : "pghaul cutover rollback"] : [];
    return {
      migration,
      state: now,
      primary: primaryOf(attempt),
      unsettled: state === null ? null : await readUnsettled(state, directory),
      possible: canSwitch(kind) ? [...unfinished, ...eventsIn(now).flatMap((event) => COMMANDS[event] ?? [])] : [],
      driver: state === null ? null : await leaseHolder(directory, "cutover"),
      attempt:
        attempt === null
          ? null
          : { id: attempt.id, to: attempt.to, outcome: attempt.outcome, startedAt: attempt.startedAt, planDigest: attempt.planDigest },
      steps: attempt === null ? [] : resultOf(attempt, []).steps,
      stallMs: attempt?.stallMillis ?? null,
    };
  } finally {
    state?.close();
  }
}

export interface CutoverLog {
  readonly entries: readonly JournalEntry[];
  readonly check: JournalCheck;
}

export async function readCutoverLog(location: ConfigLocation): Promise<CutoverLog> {
  const { migration, directory } = loadStateLocation(location);
  const state = await openExistingState(directory);
  if (state === null) return { entries: [], check: { entries: 0, head: "", broken: null } };
  try {
    const journal = new JournalStore(state, migration);
    return { entries: journal.entries(), check: journal.verify() };
  } finally {
    state.close();
  }
}
