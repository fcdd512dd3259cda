import { Flags } from "@oclif/core";
import { PghaulCommand } from "../../cli/base-command.ts";
import { comparedTables } from "../../cli/compared-tables.ts";
import { renderTable } from "../../cli/table.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { withMigration } from "../../workflow/open-migration.ts";
import { runVerify } from "../../workflow/verify/run-verify.ts";
import { differenceCells, type VerifyResult } from "../../workflow/verify/verify-result.ts";

const AFTERWARDS = "find out who else writes at the target, correct the rows there, then run: pghaul verify run";

export default class VerifyDiff extends PghaulCommand<VerifyResult> {
  static override summary = "Name the rows and columns in which source and target differ.";
  static override description =
    `Compares like "verify run", then narrows each difference down to rows and columns. Shows keys, never values. Only reads; safe to repeat.
Exits 12 when something differs.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --table public.payments --limit 500",
    "<%= config.bin %> <%= command.id %> --json",
  ];
  static override exitKinds = ["differences", "source", "target", "try-later", "gate"] as const;
  static override flags = {
    ...comparedTables,
    limit: Flags.integer({ default: 100, min: 1, max: 100_000, summary: "How many rows to name per table." }),
  };

  override async run(): Promise<VerifyResult> {
    const { flags } = await this.parse(VerifyDiff);
    this.showProgress(flags);
    const { finish } = this.stopSignal();
    return withMigration({ file: flags.config, stateDirectory: flags["state-dir"] }, async (migration) => {
      const result = await runVerify({
        migration,
        runId: this.runId,
        only: flags.table ?? null,
        differences: flags.limit,
        bus: this.progress,
        signal: finish,
      });
      const rows = result.tables.flatMap(({ table, differences }) => differences.map((difference) => differenceCells(table, difference)));
      if (rows.length > 0) this.print(renderTable([{ title: "table" }, { title: "key" }, { title: "difference" }], rows));
      this.print(`${result.verdict} at ${result.lsn}`);
      if (result.verdict === "different") {
        const cut = result.tables.filter(({ differences }) => differences.length === flags.limit).map(({ table }) => table);
        const more = cut.length === 0 ? "" : `; there may be more in ${cut.join(", ")}: --limit ${flags.limit} was reached`;
        this.failWith(new PghaulError("DIFFERENCES_FOUND", `${rows.length} differing rows named${more}`, { suggestion: AFTERWARDS }));
      }
      return result;
    });
  }
}
