import { PghaulCommand } from "../../cli/base-command.ts";
import { cutoverLogText } from "../../cli/cutover-log-text.ts";
import { evidenceText } from "../../cli/cutover-text.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { type CutoverLog, readCutoverLog } from "../../workflow/cutover/read-cutover-status.ts";

export default class CutoverLogCommand extends PghaulCommand<CutoverLog> {
  static override summary = "Show the journal: who did what, when, on what evidence. Verifies its hash chain.";
  static override description =
    `The journal is append-only. Each entry's hash covers the entry before it, so a changed or missing entry is detected, and the command then exits 3.
Keep the hash of the last entry elsewhere: the chain alone cannot show that entries were cut off its end.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --json > journal.json"];

  override async run(): Promise<CutoverLog> {
    const { flags } = await this.parse(CutoverLogCommand);
    const log = await readCutoverLog({ file: flags.config, stateDirectory: flags["state-dir"] });
    this.print(cutoverLogText(log.entries, evidenceText));
    const { entries, head, broken } = log.check;
    if (broken === null) this.print(`${entries} entries, chain intact; last hash ${head}`);
    else this.failWith(new PghaulError("STATE_CORRUPT", `the journal is broken at entry ${broken.seq}: ${broken.why}`));
    return log;
  }
}
