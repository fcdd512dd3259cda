import { PghaulCommand } from "../../cli/base-command.ts";
import { renderTable } from "../../cli/table.ts";
import { type CdcStatus, readCdcStatus } from "../../workflow/stream/read-cdc-status.ts";

export default class CdcStatusCommand extends PghaulCommand<CdcStatus> {
  static override summary = "Show how far each stream is: log, slot, lag.";
  static override description =
    `Reads only the state directory, never a database. The forward stream runs from the source to the target. The reverse stream exists once a
cutover has made the way back.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --json"];

  override async run(): Promise<CdcStatus> {
    const { flags } = await this.parse(CdcStatusCommand);
    const status = await readCdcStatus({ file: flags.config, stateDirectory: flags["state-dir"] });
    this.print(
      renderTable(
        [
          { title: "stream" },
          { title: "slot" },
          { title: "durable LSN" },
          { title: "transactions", align: "right" },
          { title: "changes", align: "right" },
          { title: "at" },
        ],
        status.streams.map(({ stream, slot, durableLsn, transactions, changes, updatedAt }) => [
          stream,
          slot,
          durableLsn,
          String(transactions),
          String(changes),
          updatedAt,
        ]),
      ),
    );
    if (status.lag !== null)
      this.print(`the target is ${status.lag.bytes} bytes and ${status.lag.seconds.toFixed(1)} s behind, at ${status.appliedLsn}`);
    return status;
  }
}
