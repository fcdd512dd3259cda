import { PghaulCommand } from "../../cli/base-command.ts";
import { renderTable } from "../../cli/table.ts";
import { withMigration } from "../../workflow/open-migration.ts";
import { planSnapshot, type SnapshotPlan } from "../../workflow/plan/plan-snapshot.ts";

export default class SnapshotPlanCommand extends PghaulCommand<SnapshotPlan> {
  static override summary = "Show the ranges in which each table would be read.";
  static override description =
    `Reads the source's catalog and statistics, never a table's rows. Ranges are coarse on purpose; they let several readers work at once. When a read
has used up its budget of time or bytes, it ends, and the rest of the range becomes a new chunk.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --json"];
  static override exitKinds = ["source"] as const;

  override async run(): Promise<SnapshotPlan> {
    const { flags } = await this.parse(SnapshotPlanCommand);
    return withMigration({ file: flags.config, stateDirectory: flags["state-dir"] }, async (migration) => {
      const plan = await planSnapshot(migration);
      this.print(
        renderTable(
          [
            { title: "table" },
            { title: "strategy" },
            { title: "key" },
            { title: "rows", align: "right" },
            { title: "bytes", align: "right" },
            { title: "ranges", align: "right" },
          ],
          plan.tables.map(({ table, strategy, key, rows, bytes, ranges }) => [
            table,
            strategy,
            key.join(", "),
            String(rows),
            String(bytes),
            String(ranges.length),
          ]),
        ),
      );
      return plan;
    });
  }
}
