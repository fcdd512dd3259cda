import { Flags } from "@oclif/core";
import { PghaulCommand } from "../../cli/base-command.ts";
import { withMigration } from "../../workflow/open-migration.ts";
import { askReload, type ReloadResult, withdrawReload } from "../../workflow/reload/ask-reload.ts";

export default class SnapshotReload extends PghaulCommand<ReloadResult> {
  static override summary = "Load a held table again, while the others stream on.";
  static override description =
    `For a table that "pghaul status" shows as HELD because the target refused one of its rows. Remove the cause first (a constraint, a trigger, a type).
The running "pghaul run" then empties the table at the target, reads it again in chunks and lets it join the stream; if none is running, the next
one does. It also reads the table's columns again. If the target's columns no longer match, or somebody keeps the table locked there, the table stays held
and "pghaul status" says why. With a file target you can
name any table, held or not: it is read again with its current columns, and a restore can still go back to before. No other
table is touched: there is no TRUNCATE ... CASCADE. The command waits until the table has joined, unless
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
      summary: "The held table, or a pattern ('shop.*') for several.",
    }),
    withdraw: Flags.boolean({ summary: "Withdraw the request: tables that have not been emptied yet stay held as they are." }),
    wait: Flags.boolean({ default: true, allowNo: true, summary: "Wait until the tables have joined the stream again." }),
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
