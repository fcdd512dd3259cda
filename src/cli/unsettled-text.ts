/** What the text is made of; `readUnsettled` in the workflow returns it. */
export interface UnsettledView {
  readonly attempt: number;
  readonly to: "source" | "target";
  readonly routeOnly: boolean;
  readonly step: string | null;
  readonly since: string;
  readonly isTried: boolean;
  readonly tries: number;
  readonly why: string | null;
}

/** Two lines that nobody may overlook: what is not settled, and who sees to it. */
export function unsettledText({ attempt, to, routeOnly, step, since, isTried, tries, why }: UnsettledView): string {
  const what = routeOnly
    ? `attempt ${attempt} to the ${to} was cancelled, and the route does not lead back to the ${to === "target" ? "source" : "target"} yet`
    : `attempt ${attempt} to the ${to}, begun ${since}, stopped at "${step ?? "the start"}". Both sides may refuse writes`;
  const failures = why === null ? "" : `; ${tries} ${tries === 1 ? "try" : "tries"} failed, the last one because: ${why}`;
  const who = isTried
    ? `pghaul run tries to settle it every few seconds${failures}`
    : `Nobody settles it: start pghaul run, or pghaul cutover ${to === "target" ? "run" : "rollback"}${failures}`;
  return `CUTOVER NOT SETTLED: ${what}.\n${who}`;
}
