import { PghaulCommand } from "../../cli/base-command.ts";
import { renderTable } from "../../cli/table.ts";
import { readStatus, type TableStatus } from "../../workflow/read-status.ts";

interface SnapshotStatus {
  readonly chunks: { readonly done: number; readonly total: number };
  readonly tables: readonly TableStatus[];
}

export default class SnapshotStatusCommand extends PghaulCommand<SnapshotStatus> {
  static override summary = "How far the load is, table by table, chunk by chunk.";
  static override description =
    `Reads the state directory only, never the source. A table's chunks grow in number while it loads: a read that uses up its budget is cut, and
the rest becomes a chunk of its own.`;
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
