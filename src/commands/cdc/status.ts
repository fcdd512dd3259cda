import { PghaulCommand } from "../../cli/base-command.ts";
import { renderTable } from "../../cli/table.ts";
import { type CdcStatus, readCdcStatus } from "../../workflow/stream/read-cdc-status.ts";

export default class CdcStatusCommand extends PghaulCommand<{ streams: readonly CdcStatus[] }> {
  static override summary = "How far each stream is: log, slot, lag.";
  static override description =
    `Reads the state directory only, never a database. The forward stream runs from the source to the target; the reverse stream exists once a
cutover has made the way back.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --json"];

  override async run(): Promise<{ streams: readonly CdcStatus[] }> {
    const { flags } = await this.parse(CdcStatusCommand);
    const streams = await readCdcStatus({ file: flags.config, stateDirectory: flags["state-dir"] });
    this.print(
      renderTable(
        [
          { title: "stream" },
          { title: "slot" },
          { title: "durable LSN" },
          { title: "transactions", align: "right" },
          { title: "changes", align: "right" },
          { title: "lag bytes", align: "right" },
          { title: "lag s", align: "right" },
          { title: "at" },
        ],
        streams.map(({ stream, slot, durableLsn, transactions, changes, lag, updatedAt }) => [
          stream,
          slot,
          durableLsn,
          String(transactions),
          String(changes),
          lag === null ? "-" : String(lag.bytes),
          lag === null ? "-" : lag.seconds.toFixed(1),
          updatedAt,
        ]),
      ),
    );
    return { streams };
  }
}
