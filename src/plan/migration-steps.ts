/**
 * The steps of a whole migration, in order, as they are reviewed: what `pghaul run` does, what a cutover does, and until when each of them
 * can be taken back. The cutover's own plan says the same with its deadlines; a test holds the two together.
 */

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
  readonly target: Pick<Capabilities, "takes" | "schema" | "switches">;
  /** Kinds of the routes that are configured; none is an error only when it comes to the cutover. */
  readonly routes: readonly string[];
}

/** A cutover's steps bear its own ids, with `cutover-` before them. */
export function migrationSteps(options: StepOptions): readonly PlanStep[] {
  return [...loadSteps(options.target), ...(options.target.switches ? cutoverSteps(options) : [])];
}

const TEARDOWN = "pghaul cdc teardown";
const NOTHING = "nothing to undo";
const CANCEL = "undone by itself when the switch is cancelled";
const FORWARD_ONLY = "forward only";

const SCHEMA: Readonly<Record<Capabilities["schema"], PlanStep>> = {
  moved: step(
    "schema",
    "move types, functions, tables and their keys to the target, whose tables must be empty",
    "drop them at the target",
  ),
  existing: step("schema", "compare the tables at the target with the source's; they must be empty and fit", NOTHING),
  described: step("schema", "find the target empty, or begun by this migration; each table is described as its load begins", NOTHING),
};

const LOAD: Readonly<Record<Capabilities["takes"], PlanStep>> = {
  rows: step(
    "load",
    "read the tables in short chunks, bring each up to date from the change log, merge it into the target",
    "empty the tables at the target",
  ),
  versions: step(
    "load",
    "read the tables in short chunks and give them to the target, each with its place in the change log; append the changes beside them",
    "empty the target",
  ),
};

const FINISH: Readonly<Record<Capabilities["schema"], readonly PlanStep[]>> = {
  moved: [
    step("indexes", "build each table's other indexes when its rows are there", "drop them at the target"),
    step("constraints", "foreign keys, triggers, sequences, statistics", "drop them at the target"),
  ],
  existing: [step("constraints", "sequences and statistics; foreign keys and triggers are there already", NOTHING)],
  described: [step("publish", "tell for each table from which position on it is complete", NOTHING)],
};

function loadSteps({ schema, takes }: StepOptions["target"]): readonly PlanStep[] {
  return [
    SCHEMA[schema],
    step("slot", "create publication and replication slot at the source, and decode once into nothing", TEARDOWN),
    step("barrier", "wait until every transaction that wrote before the slot was made has ended", NOTHING),
    LOAD[takes],
    ...FINISH[schema],
    step("catch-up", "apply what the source wrote meanwhile, and keep streaming", "pghaul cdc stop"),
    step("verify", "compare every table, rows and contents, while writes go on", NOTHING),
  ];
}

function cutoverSteps({ routes }: StepOptions): readonly PlanStep[] {
  const route = routes.length === 0 ? "none is configured yet: cutover.routing" : routes.join(", ");
  return [
    step("cutover-gates", "look at every gate: lag, errors, open transactions, verification, slots, way back", NOTHING),
    step("cutover-way-back", "make the stream from the target to the source, before it is needed", TEARDOWN),
    step(
      "cutover-guard",
      "guard the target: its tables refuse every writer but pghaul",
      "stays when the switch is cancelled; nobody should write there",
    ),
    step("cutover-round-trips", "send markers ahead: each must arrive in time", NOTHING),
    step("cutover-pause", `pause new transactions at the route (${route}); from here on clients wait`, CANCEL),
    step("cutover-fence", "fence the source: its tables refuse every writer but pghaul", CANCEL),
    step("cutover-drain", "wait until everything up to the fence is at the target", NOTHING),
    step("cutover-sequences", "set the target's sequences ahead", NOTHING),
    step("cutover-route", `change the route (${route}) to the target`, CANCEL),
    step("cutover-open", "POINT OF NO RETURN: let the target take writes", FORWARD_ONLY, true),
    step("cutover-resume", "let transactions go on at the route; nobody waits any more", FORWARD_ONLY),
    step("cutover-tidy", "take the open fence off the target's tables", NOTHING),
    step("cutover-prove", "prove that nobody wrote to the source behind the fence", FORWARD_ONLY),
    step(
      "rollback-window",
      "stream the target's writes back to the source until the operator ends it: pghaul cutover rollback loses nothing until then",
      "ended by pghaul cdc teardown, for good",
    ),
  ];
}

function step(id: string, title: string, undo: string, pointOfNoReturn = false): PlanStep {
  return { id, title, undo, pointOfNoReturn };
}
