import CutoverRun from "./run.ts";

/** The same walk with the sides exchanged. */
export default class CutoverRollback extends CutoverRun {
  static override summary = "Switch the writes back to the source: nothing written at the target is lost.";
  static override description =
    `The same steps with the sides exchanged: pghaul fences the target, drains it into the source through the way back, and opens the source. Both
streams go on, so you can switch again afterwards. After any failure before the point of no return, the target is still the primary. Exit codes are
those of "cutover run".`;
  protected override readonly direction = {
    to: "source",
    command: "cutover rollback",
    title: "Switch the writes back to the source.",
    check: "pghaul cutover check --rollback",
  } as const;
}
