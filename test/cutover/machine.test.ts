import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { type CutoverEvent, type CutoverState, eventsIn, nextState, primaryOf, stateOf } from "../../src/cutover/machine.ts";
import type { Attempt } from "../../src/cutover/ports.ts";
import type { PghaulError } from "../../src/errors/pghaul-error.ts";

const EDGE = /^ {2}([a-z-]+) --> ([a-z-]+): ([a-z-]+)$/gm;

function attempt(to: string, outcome: string): Attempt {
  return { id: 1, to, outcome, planDigest: "", marker: "", startedAt: "", steps: {}, fence: null, stallMillis: null } as unknown as Attempt;
}

describe("cutover states", () => {
  const diagram = readFileSync(new URL("../../docs/state-machines.md", import.meta.url), "utf8");
  const edges = [...diagram.matchAll(EDGE)].map(
    ([, from, to, event]) => ({ from, to, event }) as { from: CutoverState; to: CutoverState; event: CutoverEvent },
  );

  it("are those of the diagram, edge by edge, and no others", () => {
    for (const { from, to, event } of edges) assert.equal(nextState(from, event), to, `${from} --${event}-->`);
    const states = new Set(edges.flatMap(({ from, to }) => [from, to]));
    const known = [...states].flatMap((state) => eventsIn(state).map((event) => `${state} ${event}`));
    assert.deepEqual(known.sort(), edges.map(({ from, event }) => `${from} ${event}`).sort());
  });

  it("refuse what they do not allow, and say what they do", () => {
    assert.throws(
      () => nextState("writes-on-target", "switch"),
      (error: PghaulError) => error.code === "CUTOVER_STATE" && error.context.possible === "rollback, finish",
    );
    assert.throws(() => nextState("complete", "rollback"));
  });

  it("follow from the last attempt", () => {
    assert.equal(stateOf(null), "source-primary");
    const table = [
      ["target", "running", "switching-to-target", "source"],
      ["target", "cancelled", "source-primary", "source"],
      ["target", "switched", "writes-on-target", "target"],
      ["source", "running", "switching-to-source", "target"],
      ["source", "cancelled", "writes-on-target", "target"],
      ["source", "switched", "source-primary", "source"],
    ] as const;
    for (const [to, outcome, state, primary] of table) {
      assert.equal(stateOf(attempt(to, outcome)), state);
      assert.equal(primaryOf(attempt(to, outcome)), primary);
    }
    assert.equal(primaryOf(null), "source");
  });

  it("name the primary by the attempt's own opening, while it is still under way", () => {
    for (const [to, from] of [
      ["target", "source"],
      ["source", "target"],
    ] as const) {
      const running = attempt(to, "running");
      const at = "2026-11-27T06:00:00Z";
      assert.equal(primaryOf({ ...running, steps: { open: { state: "started", at } } }), from, "begun is not done");
      assert.equal(primaryOf({ ...running, steps: { open: { state: "done", at } } }), to);
      assert.equal(primaryOf({ ...running, steps: { open: { state: "done", at }, resume: { state: "failed", at } } }), to);
      assert.equal(primaryOf({ ...running, outcome: "cancelled" }), from);
    }
  });

  it("are not guessed when a newer version wrote them", () => {
    for (const odd of [attempt("target", "paused"), attempt("replica", "switched")]) {
      assert.throws(
        () => stateOf(odd),
        (error: PghaulError) => error.code === "STATE_NEWER",
      );
    }
  });
});
