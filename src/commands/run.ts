import { Flags } from "@oclif/core";
import { PghaulCommand } from "../cli/base-command.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import { heldSentence, reloadAdvice } from "../workflow/held-tables.ts";
import { withMigration } from "../workflow/open-migration.ts";
import { type RunResult, runMigration, type Until } from "../workflow/run/run-migration.ts";

export default class Run extends PghaulCommand<RunResult> {
  static override summary = "Move the database: load every table and follow every change, until you stop it.";
  static override description =
    `The main job, in one foreground process. It moves the schema, creates publication and slot, reads the tables in short chunks, and applies
what changes meanwhile. Once caught up, it keeps streaming. At the source it only reads, except for its own schema "pghaul"; it fills the target.
Safe to kill and start again at any moment: it continues from what the target holds. Ctrl-C finishes the current chunk and exits 130.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --until caught-up",
    "<%= config.bin %> <%= command.id %> --config orders.yaml --log-format json",
  ];
  static override exitKinds = ["differences", "source", "target", "locked", "try-later"] as const;
  static override flags = {
    until: Flags.string({
      options: ["loaded", "caught-up", "verified"],
      summary: "Exit when this is reached. Without it, stream until stopped.",
    }),
  };

  override async run(): Promise<RunResult> {
    const { flags } = await this.parse(Run);
    this.showProgress(flags);
    const { finish, now } = this.stopSignal();
    return withMigration({ file: flags.config, stateDirectory: flags["state-dir"] }, async (migration) => {
      const until = (flags.until ?? null) as Until | null;
      const result = await runMigration({
        migration,
        command: "run",
        runId: this.runId,
        load: true,
        bus: this.progress,
        until,
        finish,
        now,
      });
      this.print(result.verify === null ? result.reached : `${result.reached}: ${result.verify.verdict} at ${result.verify.lsn}`);
      const [held] = result.held;
      if (held !== undefined) this.failWith(new PghaulError("TABLE_HELD", heldSentence(held), { suggestion: reloadAdvice(held) }));
      if (result.verify?.verdict === "different") {
        this.failWith(
          new PghaulError("DIFFERENCES_FOUND", "the tables were loaded, but they differ", { suggestion: "pghaul verify diff" }),
        );
      }
      return result;
    });
  }
}
