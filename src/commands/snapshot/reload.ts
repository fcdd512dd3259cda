import { Flags } from "@oclif/core";
import { PghaulCommand } from "../../cli/base-command.ts";
import { withMigration } from "../../workflow/open-migration.ts";
import { askReload, type ReloadResult } from "../../workflow/run/ask-reload.ts";

export default class SnapshotReload extends PghaulCommand<ReloadResult> {
  static override summary = "Load a held table anew, while the others stream on.";
  static override description =
    `For a table that "pghaul status" shows as HELD: the target refused a row of it. Remove the cause first (a constraint, a trigger, a type).
The "pghaul run" that is streaming then empties the table at the target, reads it again in chunks and lets it join the stream; if none is
streaming, the next one does. No other table is touched: nothing is truncated in cascade. Waits until the table has joined, unless --no-wait is given.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> --table public.payments",
    "<%= config.bin %> <%= command.id %> --table 'shop.*' --no-wait",
  ];
  static override exitKinds = ["target", "gate", "try-later"] as const;
  static override flags = {
    table: Flags.string({
      multiple: true,
      required: true,
      helpValue: "SCHEMA.TABLE",
      summary: "The table, or those of a pattern ('shop.*') that are held; may be repeated.",
    }),
    wait: Flags.boolean({ default: true, allowNo: true, summary: "Return when the tables have joined the stream again." }),
  };

  override async run(): Promise<ReloadResult> {
    const { flags } = await this.parse(SnapshotReload);
    this.showProgress(flags);
    const { finish } = this.stopSignal();
    return withMigration({ file: flags.config, stateDirectory: flags["state-dir"] }, async (migration) => {
      const result = await askReload({ migration, names: flags.table, wait: flags.wait, bus: this.progress, signal: finish });
      for (const { table, phase } of result.tables) this.print(`${table}: ${phase}`);
      return result;
    });
  }
}
