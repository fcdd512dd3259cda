import { PghaulCommand } from "../../cli/base-command.ts";
import { withMigration } from "../../workflow/open-migration.ts";
import { type RunResult, runMigration } from "../../workflow/run/run-migration.ts";

export default class CdcStart extends PghaulCommand<RunResult> {
  static override summary = "Stream changes from the slot to the log and from the log to the target, without loading tables.";
  static override description =
    `The streaming part of "run", for runbooks that load separately ("snapshot run"). Creates publication and slot if they do not exist, keeps filling
the change log, and applies changes to the tables that have been loaded. Safe to kill and start again. Ends on Ctrl-C (exit 130) or on "cdc stop"
(exit 0).`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --config orders.yaml --log-format json",
  ];
  static override exitKinds = ["source", "target", "locked", "try-later"] as const;

  override async run(): Promise<RunResult> {
    const { flags } = await this.parse(CdcStart);
    this.showProgress(flags);
    const { finish, now } = this.stopSignal();
    return withMigration({ file: flags.config, stateDirectory: flags["state-dir"] }, async (migration) => {
      const result = await runMigration({
        migration,
        command: "cdc start",
        runId: this.runId,
        load: false,
        bus: this.progress,
        until: null,
        finish,
        now,
      });
      this.print(result.reached);
      return result;
    });
  }
}
