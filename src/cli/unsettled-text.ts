/** What the text is made of; `readUnsettled` in the workflow returns it. */
export interface UnsettledView {
  readonly attempt: number;
  readonly to: "source" | "target";
  readonly stage: "undecided" | "opened" | "cancelled" | "switched";
  readonly left: string | null;
  readonly step: string | null;
  readonly since: string;
  readonly isTried: boolean;
  readonly tries: number;
  readonly why: string | null;
}

/** Two lines that nobody may overlook: what is not settled, and who sees to it. */
export function unsettledText(view: UnsettledView): string {
  const { to, isTried, tries, why } = view;
  const failures = why === null ? "" : `; ${tries} ${tries === 1 ? "try" : "tries"} failed, the last one because: ${why}`;
  const who = isTried
    ? `pghaul run tries to settle it every few seconds${failures}`
    : `No process is settling it: start pghaul run, or pghaul cutover ${to === "target" ? "run" : "rollback"}${failures}`;
  return `CUTOVER NOT SETTLED: attempt ${view.attempt} to the ${to}${stageText(view)}.\n${who}`;
}

function stageText({ to, stage, left, step, since }: UnsettledView): string {
  const stopped = `, begun ${since}, stopped at "${step ?? "the start"}"`;
  switch (stage) {
    case "undecided":
      return `${stopped}. Both sides may refuse writes`;
    case "opened":
      return `${stopped}, after its point of no return: the ${to} takes writes, but the route may still hold clients`;
    case "cancelled":
      return ` was cancelled, but the route does not point back to the ${to === "target" ? "source" : "target"} yet`;
    case "switched":
      return ` is done and the ${to} takes writes, but ${left ?? "some of its work is not finished"}`;
  }
}
