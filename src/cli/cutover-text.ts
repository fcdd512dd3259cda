/** Plans, gates and results of a cutover for people. The shapes are those of the workflow's results. */
import { renderTable } from "./table.ts";

export interface PlanView {
  readonly migration: string;
  readonly to: string;
  readonly digest: string;
  readonly state: string;
  readonly steps: readonly { readonly id: string; readonly title: string; readonly undo: string; readonly pointOfNoReturn: boolean }[];
  readonly gates: readonly { readonly id: string; readonly title: string }[];
  readonly route: string;
  readonly tables: number;
  /** `why` names the table. */
  readonly held: readonly { readonly why: string; readonly fix: string }[];
  readonly maxStallMillis: number;
  readonly deadlines: Readonly<Record<string, number>>;
}

export interface GateView {
  readonly id: string;
  readonly open: boolean;
  readonly evidence: Readonly<Record<string, unknown>>;
  readonly fix?: string;
}

export interface StepView {
  readonly id: string;
  readonly state: string;
  readonly millis: number | null;
}

const UNDO: Readonly<Record<string, string>> = { undone: "undone on a cancel", stays: "nothing to undo", "forward-only": "forward only" };

export function planText(plan: PlanView): string {
  const { migration, to, digest, state, steps, gates, route, tables, held, maxStallMillis, deadlines } = plan;
  return [
    `Switch of ${migration} to the ${to}: ${tables} tables, route ${route}. State now: ${state}.`,
    `Clients wait at most ${maxStallMillis} ms${deadlineList(deadlines)}; if that is missed before the point of no return, the switch is cancelled and the old primary takes writes again.`,
    ...held.map(({ why, fix }) => `HELD, which closes a gate: ${why}; ${fix}`),
    "",
    `Gates: ${gates.map(({ id }) => id).join(", ")}`,
    "",
    ...steps.map(({ title, undo }, index) => `${String(index + 1).padStart(2)}. ${title}  [${UNDO[undo] ?? undo}]`),
    "",
    `Plan digest: ${digest}`,
  ].join("\n");
}

/** For a review: a pull request, a ticket. */
export function planMarkdown(plan: PlanView): string {
  const { migration, to, digest, state, steps, gates, route, tables, held, maxStallMillis, deadlines } = plan;
  return [
    `# Switch of \`${migration}\` to the ${to}`,
    "",
    `- plan digest: \`${digest}\``,
    `- state now: ${state}`,
    `- tables: ${tables}; route: ${route}`,
    `- clients wait at most ${maxStallMillis} ms${deadlineList(deadlines)}`,
    "- if that is missed before the point of no return, the switch is cancelled and the old primary takes writes again",
    ...held.map(({ why, fix }) => `- **held**, which closes a gate: ${why}; ${fix}`),
    "",
    "## Gates",
    "",
    ...gates.map(({ id, title }) => `- **${id}**: ${title}`),
    "",
    "## Steps",
    "",
    "| | step | on a cancel |",
    "| --- | --- | --- |",
    ...steps.map(
      ({ title, undo, pointOfNoReturn }, index) => `| ${index + 1} | ${pointOfNoReturn ? `**${title}**` : title} | ${UNDO[undo] ?? undo} |`,
    ),
  ].join("\n");
}

export function gatesText(gates: readonly GateView[]): string {
  const table = renderTable(
    [{ title: "GATE" }, { title: "STATE" }, { title: "EVIDENCE" }],
    gates.map(({ id, open, evidence }) => [id, open ? "open" : "CLOSED", evidenceText(evidence)]),
  );
  const fixes = gates.flatMap(({ id, open, fix }) => (open || fix === undefined ? [] : [`${id}: ${fix}`]));
  return fixes.length === 0 ? table : `${table}\n${fixes.join("\n")}\n`;
}

export function stepsText(steps: readonly StepView[]): string {
  return renderTable(
    [{ title: "STEP" }, { title: "STATE" }, { title: "MS", align: "right" }],
    steps.map(({ id, state, millis }) => [id, state, millis === null ? "-" : String(millis)]),
  );
}

/** `name=value` pairs; nested objects and lists as JSON. */
export function evidenceText(evidence: Readonly<Record<string, unknown>>): string {
  return Object.entries(evidence)
    .filter(([, value]) => !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(" ");
}

function deadlineList(deadlines: Readonly<Record<string, number>>): string {
  const entries = Object.entries(deadlines);
  return entries.length === 0 ? "" : ` (${entries.map(([step, millis]) => `${step} ${millis} ms`).join(", ")})`;
}

export interface ResultView {
  readonly state: string;
  readonly gates: readonly GateView[];
  readonly steps: readonly StepView[];
  readonly stallMs: number | null;
  readonly attempt: number | null;
}

/** What a switch came to; without an attempt nothing was done, and the plan is what there is to show. */
export function resultText({ state, gates, steps, stallMs, attempt }: ResultView, plan: PlanView): string {
  if (attempt === null) return gates.length === 0 ? planText(plan) : `${planText(plan)}\n\n${gatesText(gates)}`;
  return `${stepsText(steps)}\n${state}${stallMs === null ? "" : `; clients waited at most ${stallMs} ms`}`;
}
