import { breachText } from "../../model/fence-breach.ts";
import type { ReportSwitch } from "../../report/report.ts";
import type { JournalEntry } from "../../state/audit/journal.ts";

interface Draft {
  readonly started: JournalEntry;
  readonly steps: Map<string, { state: string; millis: number | null }>;
  endedAt: string | null;
  outcome: ReportSwitch["outcome"];
  why: string | null;
  stallMillis: number | null;
}

/** Every attempt at a switch, in order, as the journal tells it: the state itself remembers only the last one. */
export function pastSwitches(entries: readonly JournalEntry[]): readonly ReportSwitch[] {
  const drafts: Draft[] = [];
  for (const entry of entries) {
    if (entry.kind === "attempt-started") {
      drafts.push({ started: entry, steps: new Map(), endedAt: null, outcome: "running", why: null, stallMillis: null });
      continue;
    }
    const draft = drafts.at(-1);
    if (draft !== undefined) tell(draft, entry);
  }
  return drafts.map(toSwitch);
}

/** What passed a fence, as the switch found it or the stream afterwards. A breach that grows is told once, at its largest. */
export function pastBreaches(entries: readonly JournalEntry[]): readonly string[] {
  const found = new Map<string, string>();
  for (const { kind, evidence } of entries) {
    if (kind === "stopped-past-return" && evidence.code === "FENCE_BREACH") found.set(String(evidence.error), String(evidence.error));
    if (kind !== "fence-breach") continue;
    const { side, firstLsn } = evidence;
    found.set(`${side} ${firstLsn}`, breachText(evidence as unknown as Parameters<typeof breachText>[0]));
  }
  return [...found.values()];
}

function tell(draft: Draft, { kind, at, evidence }: JournalEntry): void {
  const step = /^step-(started|done|failed|undone)$/.exec(kind)?.[1];
  if (step !== undefined) {
    const id = String(evidence.step);
    draft.steps.set(id, { state: step, millis: totalOf(evidence.millis) ?? draft.steps.get(id)?.millis ?? null });
  } else if (kind === "switched") {
    draft.outcome = "switched";
    draft.endedAt = at;
    draft.stallMillis = numberOf(evidence.stallMillis);
  } else if (kind === "cancelling" || kind === "cancelled") {
    if (kind === "cancelled") {
      draft.outcome = "cancelled";
      draft.endedAt = at;
    }
    draft.why = textOf(evidence.why) ?? draft.why;
  }
}

function toSwitch({ started, steps, endedAt, outcome, why, stallMillis }: Draft): ReportSwitch {
  return {
    attempt: numberOf(started.evidence.attempt) ?? 0,
    to: textOf(started.evidence.to) ?? "?",
    startedAt: started.at,
    endedAt,
    outcome,
    why,
    stallMillis,
    planDigest: started.planDigest ?? textOf(started.evidence.planDigest),
    steps: [...steps].map(([id, step]) => ({ id, ...step })),
  };
}

/** A step that does a thing several times tells each time. */
function totalOf(value: unknown): number | null {
  return Array.isArray(value) ? value.reduce((sum: number, one) => sum + (numberOf(one) ?? 0), 0) : numberOf(value);
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
