/**
 * The steps of a whole migration, in order, as they are reviewed: what `pghaul run` does, what a cutover does, and until when each of them
 * can be taken back. What a switch does it says itself (`cutover/switch-outline.ts`).
 */

import type { StepOutline } from "../cutover/switch-outline.ts";
import type { Capabilities } from "../target/kind.ts";

export interface PlanStep {
  readonly id: string;
  readonly title: string;
  /** How it is taken back. */
  readonly undo: string;
  readonly pointOfNoReturn: boolean;
}

/** What the steps depend on. */
export interface StepOptions {
  readonly target: Pick<Capabilities, "takes" | "schema">;
  /** What a switch of traffic does; null where the target cannot become the primary. */
  readonly switch: readonly StepOutline[] | null;
}

/** A switch's steps have its own words, and its ids with `cutover-` before them. */
export function migrationSteps(options: StepOptions): readonly PlanStep[] {
  return [...loadSteps(options.target), ...(options.switch === null ? [] : cutoverSteps(options.switch))];
}

const TEARDOWN = "pghaul cdc teardown";
const NOTHING = "nothing to undo";
const FORWARD_ONLY = "forward only";

const SCHEMA: Readonly<Record<Capabilities["schema"], PlanStep>> = {
  moved: step(
    "schema",
    "create types, functions, tables and their keys at the target; tables that exist there must be empty",
    "drop them at the target",
  ),
  existing: step("schema", "compare the tables at the target with those of the source; they must match and be empty", NOTHING),
  described: step(
    "schema",
    "make sure that the target is empty or belongs to this migration; each table is described when its load begins",
    NOTHING,
  ),
};

const LOAD: Readonly<Record<Capabilities["takes"], PlanStep>> = {
  rows: step(
    "load",
    "read the tables in short chunks, bring each chunk up to date from the change log, merge it into the target",
    "empty the tables at the target",
  ),
  versions: step(
    "load",
    "read the tables in short chunks and write each to the target with its place in the change log; append the changes beside them",
    "empty the target",
  ),
};

const FINISH: Readonly<Record<Capabilities["schema"], readonly PlanStep[]>> = {
  moved: [
    step("indexes", "build each table's other indexes once its rows are loaded", "drop them at the target"),
    step("constraints", "foreign keys, triggers, sequences, statistics", "drop them at the target"),
  ],
  existing: [step("constraints", "sequences and statistics; foreign keys and triggers exist already", NOTHING)],
  described: [step("publish", "record for each table the position from which it is complete", NOTHING)],
};

function loadSteps({ schema, takes }: StepOptions["target"]): readonly PlanStep[] {
  return [
    SCHEMA[schema],
    step("slot", "create publication and replication slot at the source, and test that the slot can be decoded", TEARDOWN),
    step("barrier", "wait until every transaction that wrote before the slot was created has ended", NOTHING),
    LOAD[takes],
    ...FINISH[schema],
    step("catch-up", "apply what was written at the source meanwhile, and keep streaming", "pghaul cdc stop"),
    step("verify", "compare every table, rows and contents, while writes go on", NOTHING),
  ];
}

const UNDO: Readonly<Record<StepOutline["undo"], string>> = {
  undone: "undone automatically if the switch is cancelled",
  stays: "stays if the switch is cancelled",
  nothing: NOTHING,
  "forward-only": FORWARD_ONLY,
};

/** The point of no return is the first step behind which there is only forward. */
function cutoverSteps(outline: readonly StepOutline[]): readonly PlanStep[] {
  const point = outline.find(({ undo }) => undo === "forward-only");
  return [
    step("cutover-gates", "check every gate: lag, errors, open transactions, verification, slots, way back", NOTHING),
    ...outline.map(({ id, title, undo }) => step(`cutover-${id}`, title, UNDO[undo], id === point?.id)),
    step(
      "rollback-window",
      "stream the target's writes back to the source until the operator ends that; until then, pghaul cutover rollback loses nothing",
      "pghaul cdc teardown ends it for good",
    ),
  ];
}

function step(id: string, title: string, undo: string, pointOfNoReturn = false): PlanStep {
  return { id, title, undo, pointOfNoReturn };
}
