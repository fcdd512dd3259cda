import { PghaulCommand } from "../../cli/base-command.ts";
import { withMigration } from "../../workflow/open-migration.ts";
import { type RunResult, runMigration } from "../../workflow/run/run-migration.ts";

export default class SnapshotRun extends PghaulCommand<RunResult> {
  static override summary = "Load every table, then exit.";
  static override description =
    `The loading part of "run": schema, slot, chunks, indexes, constraints. It also tails the slot and applies changes while it loads, because that makes
the load exact. Continue with "cdc start"; until then the source keeps WAL for the slot. Safe to kill and start again.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --json"];
  static override exitKinds = ["source", "target", "locked", "try-later"] as const;

  override async run(): Promise<RunResult> {
    const { flags } = await this.parse(SnapshotRun);
    this.showProgress(flags);
    const { finish, now } = this.stopSignal();
    return withMigration({ file: flags.config, stateDirectory: flags["state-dir"] }, async (migration) => {
      const result = await runMigration({
        migration,
        command: "snapshot run",
        runId: this.runId,
        load: true,
        bus: this.progress,
        until: "loaded",
        finish,
        now,
      });
      this.print(result.reached);
      return result;
    });
  }
}
