/**
 * A condition is something that must hold before the next step: a check before the first row moves, a gate before traffic is switched. It asks
 * typed facts, reads only, and knows no server's language.
 */
import type { SideName } from "../model/side.ts";

/** What is about to happen: the migration begins, traffic is switched, traffic is switched back. */
export type Moment = "start" | "switch" | "rollback";

/** `fail`: the step would fail or lose something. `warn`: it goes on, and somebody should know. */
export type Verdict = "pass" | "warn" | "fail";

/** A sentence, or names and figures (64-bit numbers as text); never row values. */
export type Evidence = string | Readonly<Record<string, unknown>>;

export interface Answer {
  readonly verdict: Verdict;
  readonly evidence: Evidence;
  /** What to do: statements, a setting or a command that works when pasted; null where nothing is to be done, or nobody knows. */
  readonly advice: string | null;
  /** The answer is good for this long; a minute where it does not say. */
  readonly ttlMillis?: number;
}

/** `Facts`: what it may ask. One that asks for less fits wherever more is known. */
export interface Condition<Facts> {
  /** Stable, kebab-case: scripts read it. */
  readonly id: string;
  /** What holds when it passes: a sentence without a full stop. */
  readonly title: string;
  readonly when: readonly Moment[];
  /** Whom it asks, and so whose fault an answer that does not come is. `old` and `new` primary of a switch. */
  readonly side: SideName | "old" | "new" | "both" | "neither";
  readonly ask: (facts: Facts) => Promise<Answer>;
}

export function pass(evidence: Evidence): Answer {
  return { verdict: "pass", evidence, advice: null };
}

export function warn(evidence: Evidence, advice: string | null = null): Answer {
  return { verdict: "warn", evidence, advice };
}

export function fail(evidence: Evidence, advice: string | null = null): Answer {
  return { verdict: "fail", evidence, advice };
}
