import { Flags } from "@oclif/core";
import { PghaulCommand } from "../cli/base-command.ts";
import { type WrittenReport, writeReport } from "../workflow/report/write-report.ts";

export default class Report extends PghaulCommand<WrittenReport> {
  static override summary = "Write the migration's report: one HTML file with plots, and the same as Markdown.";
  static override description =
    `Tables and timings, lag and throughput over time, verdicts, switches step by step, and the journal with its chain of hashes checked.
Reads the state directory only: never a database, and no secret needs to be set. Safe at any time, also while \`run\` works.
The file needs nothing else to be read: no script, nothing fetched. It holds no values of rows.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --out /var/www/orders.html"];
  static override exitKinds = ["try-later"] as const;
  static override flags = {
    out: Flags.string({ summary: "The HTML file; Markdown goes beside it. Otherwise MIGRATION-report.html here.", helpValue: "FILE" }),
  };

  override async run(): Promise<WrittenReport> {
    const { flags } = await this.parse(Report);
    const written = await writeReport({ location: { file: flags.config, stateDirectory: flags["state-dir"] }, file: flags.out ?? null });
    this.print(`${written.headline.join("\n")}\n\nWrote ${written.file}\n  and ${written.markdown}`);
    return written;
  }
}
