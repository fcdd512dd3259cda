import { Flags } from "@oclif/core";
import { PghaulCommand } from "../../cli/base-command.ts";
import { withMigration } from "../../workflow/open-migration.ts";
import { askReload, type ReloadResult, withdrawReload } from "../../workflow/reload/ask-reload.ts";

export default class SnapshotReload extends PghaulCommand<ReloadResult> {
  static override summary = "Load a held table anew, while the others stream on.";
  static override description =
    `For a table that "pghaul status" shows as HELD: the target refused a row of it. Remove the cause first (a constraint, a trigger, a type).
The "pghaul run" that is streaming then empties the table at the target, reads it again in chunks and lets it join the stream; if none is
streaming, the next one does. The table's columns are read anew; where the target has not followed them, or somebody uses the table there all the
time, it stays held and you are told why. With a target of files any table may be named, held or not: a table whose columns changed is read again
with its new ones, and a restore can still go back to before. No other table is touched: nothing is truncated in cascade. Waits until the table has joined, unless
--no-wait is given.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %> --table public.payments",
    "<%= config.bin %> <%= command.id %> --table 'shop.*' --no-wait",
    "<%= config.bin %> <%= command.id %> --table public.payments --withdraw",
  ];
  static override exitKinds = ["target", "gate", "try-later"] as const;
  static override flags = {
    table: Flags.string({
      multiple: true,
      required: true,
      helpValue: "SCHEMA.TABLE",
      summary: "The table, or those of a pattern ('shop.*') that are held; may be repeated.",
    }),
    withdraw: Flags.boolean({ summary: "Take the wish back: what has not been emptied yet stays held as it is." }),
    wait: Flags.boolean({ default: true, allowNo: true, summary: "Return when the tables have joined the stream again." }),
  };

  override async run(): Promise<ReloadResult> {
    const { flags } = await this.parse(SnapshotReload);
    this.showProgress(flags);
    const { finish } = this.stopSignal();
    return withMigration({ file: flags.config, stateDirectory: flags["state-dir"] }, async (migration) => {
      const { table: names, wait, withdraw } = flags;
      const ask = { migration, names, wait, bus: this.progress, signal: finish };
      const result = withdraw ? withdrawReload(migration, names) : await askReload(ask);
      for (const { table, phase } of result.tables) this.print(`${table}: ${withdraw ? "stays held" : phase}`);
      return result;
    });
  }
}
