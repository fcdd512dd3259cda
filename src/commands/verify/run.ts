import { PghaulCommand } from "../../cli/base-command.ts";
import { comparedTables } from "../../cli/compared-tables.ts";
import { renderTable } from "../../cli/table.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { shellWord } from "../../model/shell-word.ts";
import { withMigration } from "../../workflow/open-migration.ts";
import { runVerify } from "../../workflow/verify/run-verify.ts";
import type { VerifyResult } from "../../workflow/verify/verify-result.ts";

export default class VerifyRun extends PghaulCommand<VerifyResult> {
  static override summary = "Compare source and target, rows and contents, while writes go on.";
  static override description =
    `Takes a digest of every table on both sides. The change log supplies what was written between the two reads, so the verdict is exact and
names the LSN at which it holds. Writes need not stop. Needs "pghaul run" to be streaming. Only reads; safe to repeat. Exits 12 when something differs.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --table public.payments --table public.refunds",
    "<%= config.bin %> <%= command.id %> --json",
  ];
  static override exitKinds = ["differences", "source", "target", "try-later", "gate"] as const;
  static override flags = comparedTables;

  override async run(): Promise<VerifyResult> {
    const { flags } = await this.parse(VerifyRun);
    this.showProgress(flags);
    const { finish } = this.stopSignal();
    return withMigration({ file: flags.config, stateDirectory: flags["state-dir"] }, async (migration) => {
      const result = await runVerify({
        migration,
        runId: this.runId,
        only: flags.table ?? null,
        differences: 0,
        bus: this.progress,
        signal: finish,
      });
      this.print(
        renderTable(
          [
            { title: "table" },
            { title: "verdict" },
            { title: "rows", align: "right" },
            { title: "at target", align: "right" },
            { title: "at LSN" },
            { title: "ms", align: "right" },
          ],
          result.tables.map((table) => [
            table.table,
            table.equal ? "equal" : "DIFFERENT",
            table.rows,
            table.targetRows,
            table.lsn,
            String(table.millis),
          ]),
        ),
      );
      this.print(`${result.verdict} at ${result.lsn}`);
      for (const { table, generatedUnread } of result.tables.filter((one) => one.generatedUnread !== "0"))
        this.print(`not compared: the generated columns of ${generatedUnread} rows of ${table} (no key, or written meanwhile)`);
      const differing = result.tables.filter(({ equal }) => !equal);
      if (differing.length > 0) {
        const names = differing.map(({ table }) => table).join(", ");
        this.failWith(
          new PghaulError("DIFFERENCES_FOUND", `${differing.length} tables differ: ${names}`, {
            suggestion: `pghaul verify diff --table ${shellWord(differing[0]?.table ?? "")}`,
          }),
        );
      }
      return result;
    });
  }
}
