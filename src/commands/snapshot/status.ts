import { PghaulCommand } from "../../cli/base-command.ts";
import { renderTable } from "../../cli/table.ts";
import { readStatus, type TableStatus } from "../../workflow/read-status.ts";

interface SnapshotStatus {
  readonly chunks: { readonly done: number; readonly total: number };
  readonly tables: readonly TableStatus[];
}

export default class SnapshotStatusCommand extends PghaulCommand<SnapshotStatus> {
  static override summary = "Show how far the load is, table by table.";
  static override description =
    `Reads only the state directory, never a database. The number of a table's chunks grows while it loads: when a read has used up its budget, it ends,
and the rest of the range becomes a new chunk.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --json"];

  override async run(): Promise<SnapshotStatus> {
    const { flags } = await this.parse(SnapshotStatusCommand);
    const { tables } = await readStatus({ file: flags.config, stateDirectory: flags["state-dir"] });
    const chunks = tables.reduce((sum, table) => ({ done: sum.done + table.chunks.done, total: sum.total + table.chunks.total }), {
      done: 0,
      total: 0,
    });
    this.print(
      renderTable(
        [
          { title: "table" },
          { title: "phase" },
          { title: "chunks", align: "right" },
          { title: "rows", align: "right" },
          { title: "of about", align: "right" },
        ],
        tables.map(({ table, phase, chunks: own, rows, expectedRows }) => [
          table,
          phase,
          `${own.done}/${own.total}`,
          String(rows),
          String(expectedRows),
        ]),
      ),
    );
    return { chunks, tables };
  }
}
