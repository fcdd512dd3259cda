import { PghaulCommand } from "../cli/base-command.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import { withMigration } from "../workflow/open-migration.ts";
import { type CheckReport, runCheck } from "../workflow/plan/run-check.ts";

const MARKS = { pass: "ok  ", warn: "WARN", fail: "FAIL" } as const;

export default class Check extends PghaulCommand<CheckReport> {
  static override summary = "Look at both sides before anything moves: evidence, and the statement that mends it.";
  static override description =
    `Connectivity and TLS, versions, settings, privileges, replica identities, sequences, extensions, collations, triggers, disk, long transactions and
more. Reads only, changes nothing, needs no superuser; safe at any time. The ids are stable. Exits 10 when a check fails; a warning is no failure.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --json"];
  static override exitKinds = ["check", "source", "target"] as const;

  override async run(): Promise<CheckReport> {
    const { flags } = await this.parse(Check);
    const { now } = this.stopSignal();
    return withMigration({ file: flags.config, stateDirectory: flags["state-dir"] }, async (migration) => {
      const report = await runCheck(
        migration,
        ({ id, status, evidence, fix }) => {
          this.print(`${MARKS[status]}  ${id}: ${evidence}`);
          if (fix !== null) this.print(fix.replaceAll(/^/gm, "      fix: "));
        },
        now,
      );
      this.print(`${report.checks.length} checks, ${report.failed} failed, ${report.warned} warnings`);
      if (report.failed > 0) {
        const ids = report.checks.filter(({ status }) => status === "fail").map(({ id }) => id);
        this.failWith(new PghaulError("CHECK_FAILED", `${report.failed} checks failed: ${ids.join(", ")}`));
      }
      return report;
    });
  }
}
