import { Flags } from "@oclif/core";
import { PghaulCommand } from "../../cli/base-command.ts";
import { gatesText } from "../../cli/cutover-text.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { type CheckedGates, checkCutover } from "../../workflow/cutover/plan-cutover.ts";
import { openMigration } from "../../workflow/open-migration.ts";

export default class CutoverCheck extends PghaulCommand<CheckedGates> {
  static override summary = "Check every gate of the switch; show evidence, and what opens a closed gate.";
  static override description =
    `Changes nothing in the databases; records the answers in the journal. Exits 11 when a gate is closed. "cutover run" checks the gates again.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --rollback",
    "<%= config.bin %> <%= command.id %> --json",
  ];
  static override exitKinds = ["gate", "source", "target", "try-later"] as const;
  static override flags = { rollback: Flags.boolean({ summary: "Check the gates of the way back instead." }) };

  override async run(): Promise<CheckedGates> {
    const { flags } = await this.parse(CutoverCheck);
    const migration = await openMigration({ file: flags.config, stateDirectory: flags["state-dir"] });
    try {
      const checked = await checkCutover(migration, flags.rollback ? "source" : "target", this.progress);
      this.print(gatesText(checked.gates));
      const closed = checked.gates.filter(({ open }) => !open);
      if (closed.length > 0) {
        const names = closed.map(({ id }) => id).join(", ");
        this.failWith(new PghaulError("GATE_CLOSED", `${closed.length} of ${checked.gates.length} gates are closed: ${names}`));
      }
      return checked;
    } finally {
      migration.close();
    }
  }
}
