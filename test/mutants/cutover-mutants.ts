import type { Mutant } from "./mutant.ts";

const SWITCH = "test/cutover/run-switch.test.ts";
/** What it refuses at the last moment. */
const REFUSALS = "test/cutover/switch-refusals.test.ts";
const SIMULATION = "test/sim/switch/switch-simulation.test.ts";

export const CUTOVER_MUTANTS: readonly Mutant[] = [
  { what: "the new primary is not guarded", find: "await to.guard();", replace: "", killedBy: [SWITCH] },
  {
    what: "a row that was refused after the gates does not stop the switch",
    find: 'if (held.length === 0) return;\n  throw new PghaulError("TABLE_HELD"',
    replace: 'return;\n  throw new PghaulError("TABLE_HELD"',
    killedBy: [SWITCH],
  },
  {
    what: "the new primary is opened though the stall is used up",
    find: "budget.refuseIfSpent(POINT_OF_NO_RETURN);",
    replace: "",
    killedBy: [REFUSALS],
  },
  {
    what: "sequences are set without a margin",
    find: "to.takeSequences(values, settings.sequenceMargin)",
    replace: "to.takeSequences(values, 0)",
    killedBy: [SWITCH],
  },
  {
    what: "a route that still leads to the old primary counts as changed",
    find: "if (now !== null && now !== to.name) {",
    replace: "if (now === undefined) {",
    killedBy: [REFUSALS],
  },
  {
    what: "writes that passed the fence are no breach",
    find: "if (open.length === 0 && count === 0) return",
    replace: "if (open.length === 0) return",
    killedBy: [SWITCH],
  },
  {
    what: "a table that takes writes behind the fence is no breach",
    find: "if (open.length === 0 && count === 0) return",
    replace: "if (count === 0) return",
    killedBy: [REFUSALS],
  },
  {
    what: "a cancel leaves the pause standing",
    find: "undo: () => router.resume(settings.routeMillis),",
    replace: 'undo: "nothing",',
    killedBy: [SWITCH],
  },
  {
    what: "a cancel leaves the old primary closed",
    find: "undo: () => from.open(`${attemptOf(parts).marker}-cancelled`, settings.sideMillis),",
    replace: 'undo: "nothing",',
    killedBy: [SWITCH],
  },
  {
    what: "whether the new primary was opened is asked while an opening is under way",
    find: "await point.takeOver?.();",
    replace: "",
    killedBy: [REFUSALS],
  },
  {
    what: "an earlier driver's sessions and hooks go on beside the next attempt",
    find: "for (const step of steps) await step.takeOver?.();",
    replace: "",
    killedBy: [SIMULATION],
  },
  {
    what: "an undo does not end what it undoes first",
    find: "await step.takeOver?.();\n    await act();",
    replace: "await act();",
    killedBy: [SIMULATION],
  },
  {
    what: "a switch that is under way can be turned round",
    find: 'if (left?.outcome === "running" && left.to !== request.to) {',
    replace: "if (left === undefined) {",
    killedBy: [SWITCH],
  },
  {
    what: "a step is begun before it is on record",
    find: 'note(context, step, { record: { state: "started", at }, kind: "step-started", evidence: {} });',
    replace: "",
    killedBy: [SWITCH],
  },
  {
    what: "a step past the point of no return is undone",
    find: 'if (step.undo === "forward-only" && (await step.check())) {',
    replace: "if (step === undefined) {",
    killedBy: [REFUSALS],
  },
  {
    what: "the watchdog gives up after its first try",
    find: "this.#dueAt = now() + Math.min(FIRST_PAUSE_MILLIS * 2 ** this.#tries, LONGEST_PAUSE_MILLIS);",
    replace: "this.#dueAt = Number.POSITIVE_INFINITY;",
    killedBy: ["test/cutover/watch-switch.test.ts"],
  },
  {
    what: "the watchdog settles a switch that is driven",
    find: "if (await isDriven()) {",
    replace: "if ((await isDriven()) && left === undefined) {",
    killedBy: [REFUSALS],
  },
  {
    what: "clients wait for a side that has frozen",
    find: "const stop = this.#timer(limit, () => late.reject(this.#missed(step, limit)));",
    replace: "const stop = () => undefined;",
    killedBy: [SWITCH],
  },
  {
    what: "a step may take longer than what is left of the stall",
    find: "return Math.max(1, Math.min(left, ownLeft));",
    replace: "return Math.max(1, own === undefined ? maxStallMillis : ownLeft);",
    killedBy: ["test/cutover/stall-budget.test.ts"],
  },
  {
    what: "a lag that was low for a moment opens the gate",
    find: "const open = held !== null && heldMillis >= lagHeldFor;",
    replace: "const open = held !== null;",
    killedBy: ["test/cutover/gates.test.ts"],
  },
  {
    what: "a table that is held does not close the gate",
    find: 'verdict: first === undefined ? "pass" : "fail",\n      evidence: {\n        tablesHeld',
    replace: 'verdict: "pass",\n      evidence: {\n        tablesHeld',
    killedBy: ["test/cutover/gates.test.ts"],
  },
  {
    what: "an attempt that a newer version wrote is guessed at",
    find: 'throw new PghaulError("STATE_NEWER", `unknown cutover state',
    replace: 'return "source-primary";\n  throw new PghaulError("STATE_NEWER", `unknown cutover state',
    killedBy: ["test/cutover/machine.test.ts"],
  },
];
