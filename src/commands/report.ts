import { Flags } from "@oclif/core";
import { PghaulCommand } from "../cli/base-command.ts";
import { type WrittenReport, writeReport } from "../workflow/report/write-report.ts";

export default class Report extends PghaulCommand<WrittenReport> {
  static override summary = "Write the migration's report: one HTML file with plots, and the same in Markdown.";
  static override description =
    `Shows tables and timings, lag and throughput over time, verdicts, each switch step by step, and the journal, whose hash chain it verifies.
Reads only the state directory, never a database, and needs no secrets. Safe at any time, also while \`run\` works.
The HTML file is self-contained: no scripts, nothing to fetch. It holds no row values.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --out /var/www/orders.html"];
  static override exitKinds = ["try-later"] as const;
  static override flags = {
    out: Flags.string({
      summary: "The HTML file; the Markdown file goes beside it. By default MIGRATION-report.html in the current directory.",
      helpValue: "FILE",
    }),
  };

  override async run(): Promise<WrittenReport> {
    const { flags } = await this.parse(Report);
    const written = await writeReport({ location: { file: flags.config, stateDirectory: flags["state-dir"] }, file: flags.out ?? null });
    this.print(`${written.headline.join("\n")}\n\nWrote ${written.file}\n  and ${written.markdown}`);
    return written;
  }
}
