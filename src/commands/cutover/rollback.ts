import CutoverRun from "./run.ts";

/** The same walk with the sides exchanged. */
export default class CutoverRollback extends CutoverRun {
  static override summary = "Switch the writes back to the source: nothing written at the target is lost.";
  static override description =
    `The same steps with the sides exchanged: the target is fenced, drained into the source through the way back, and the source opened. Both streams
go on, so another switch is possible afterwards. Any failure before the point of no return leaves the target the primary. Exits as "cutover run".`;
  protected override readonly direction = {
    to: "source",
    command: "cutover rollback",
    title: "Switch the writes back to the source.",
    check: "pghaul cutover check --rollback",
  } as const;
}
