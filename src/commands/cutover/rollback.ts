import { Flags } from "@oclif/core";
import { PghaulCommand } from "../../cli/base-command.ts";
import { confirmFlags, processTerminal } from "../../cli/confirm.ts";
import { gatesText, planText, resultText } from "../../cli/cutover-text.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { confirmedCutover, type WishedCutover } from "../../workflow/cutover/confirmed-cutover.ts";
import { openMigration } from "../../workflow/open-migration.ts";

export default class CutoverRollback extends PghaulCommand<WishedCutover> {
  static override summary = "Switch the writes back to the source: nothing written at the target is lost.";
  static override description =
    `The same steps with the sides exchanged: the target is fenced, drained into the source through the way back, and the source opened. Both streams
go on, so another switch is possible afterwards. Any failure before the point of no return leaves the target the primary. Exits as "cutover run".`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --dry-run",
    "<%= config.bin %> <%= command.id %> --confirm orders-move --plan-digest 3f1c9a77d20b4e65 --json",
  ];
  static override exitKinds = ["gate", "confirm", "source", "target", "locked", "try-later"] as const;
  static override flags = { ...confirmFlags, "dry-run": Flags.boolean({ summary: "Show the plan and the gates; change nothing." }) };

  override async run(): Promise<WishedCutover> {
    const { flags } = await this.parse(CutoverRollback);
    const migration = await openMigration({ file: flags.config, stateDirectory: flags["state-dir"] });
    try {
      const result = await confirmedCutover({
        migration,
        to: "source",
        command: "cutover rollback",
        dryRun: flags["dry-run"],
        interactive: processTerminal(!flags["no-input"] && !this.jsonEnabled()).interactive,
        bus: this.progress,
        confirm: async (plan, checked) => {
          const preview = checked === null ? planText(plan) : `${planText(plan)}\n\n${gatesText(checked.gates)}`;
          const act = {
            title: "Switch the writes back to the source.",
            migration: migration.name,
            planDigest: plan.digest,
            preview,
            command: "pghaul cutover rollback",
          };
          const confirmation = await this.confirm(act, flags);
          this.showProgress(flags);
          return confirmation;
        },
      });
      this.print(resultText(result, result.plan));
      const closed = result.gates.filter(({ open }) => !open).map(({ id }) => id);
      if (closed.length > 0 && !flags["dry-run"]) {
        this.failWith(
          new PghaulError("GATE_CLOSED", `closed gates: ${closed.join(", ")}; nothing was done`, {
            suggestion: "pghaul cutover check --rollback",
          }),
        );
      }
      return result;
    } finally {
      migration.close();
    }
  }
}
