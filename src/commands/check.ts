import { Flags } from "@oclif/core";
import { PghaulCommand } from "../cli/base-command.ts";
import { checkSummary, checkText, pluginAnswer, pluginUnknown } from "../cli/check-text.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import { type CheckReport, runCheck } from "../workflow/check/run-check.ts";
import { openSides } from "../workflow/open-migration.ts";

export default class Check extends PghaulCommand<CheckReport> {
  static override summary = "Check both sides before anything moves; show evidence, and the statement that fixes each fault.";
  static override description =
    `Checks connectivity and TLS, versions, settings, privileges, replica identities, sequences, extensions, collations, triggers, disk, long transactions
and more. Only reads, changes nothing and needs no superuser; safe at any time. A side that cannot be reached is a failed check, and the other side is
still checked. The ids are stable. Exits 10 when a check fails; a warning is not a failure.

With --nagios it works as a plugin for a monitoring system: it prints one line and uses the plugin exit codes: 0 all passed, 1 warnings, 2 a check
failed, 3 the checks could not run (the configuration is broken).`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --json",
    "<%= config.bin %> <%= command.id %> --nagios",
  ];
  static override exitKinds = ["check"] as const;
  static override flags = {
    nagios: Flags.boolean({ summary: "Print one line for a monitor; exit 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN." }),
  };

  override async run(): Promise<CheckReport> {
    const { flags } = await this.parse(Check);
    const location = { file: flags.config, stateDirectory: flags["state-dir"] };
    const { now } = this.stopSignal();
    if (!flags.nagios) return this.#report(await runCheck(openSides(location), (result) => this.print(checkText(result)), now));
    if (this.jsonEnabled())
      throw new PghaulError("USAGE", "--nagios cannot be combined with --json", { suggestion: "pghaul check --json" });
    return this.#plugin(async () => runCheck(openSides(location), () => undefined, now));
  }

  #report(report: CheckReport): CheckReport {
    this.print(checkSummary(report.checks));
    if (report.failed > 0) {
      const ids = report.checks.filter(({ status }) => status === "fail").map(({ id }) => id);
      this.failWith(new PghaulError("CHECK_FAILED", `${report.failed} checks failed: ${ids.join(", ")}`));
    }
    return report;
  }

  /** Whatever happens is one line on standard output: a monitor shows nothing else. */
  async #plugin(ask: () => Promise<CheckReport>): Promise<CheckReport> {
    let report: CheckReport = { checks: [], failed: 0, warned: 0 };
    let answer: ReturnType<typeof pluginAnswer>;
    try {
      report = await ask();
      answer = pluginAnswer(report.checks);
    } catch (error) {
      answer = pluginUnknown(error);
    }
    this.print(answer.line);
    process.exitCode = answer.exit;
    return report;
  }
}
