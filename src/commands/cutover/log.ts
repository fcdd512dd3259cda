import { PghaulCommand } from "../../cli/base-command.ts";
import { evidenceText } from "../../cli/cutover-text.ts";
import { renderTable } from "../../cli/table.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { type CutoverLog, readCutoverLog } from "../../workflow/cutover/read-cutover-status.ts";

export default class CutoverLogCommand extends PghaulCommand<CutoverLog> {
  static override summary = "The journal: who did what, when, on what evidence; its hash chain is verified.";
  static override description =
    `Append-only; each entry is hashed over the one before, so a changed or missing entry shows, and the command then exits 3. Note the hash of the last
entry elsewhere: the chain alone cannot show that entries were cut off its end.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --json > journal.json"];

  override async run(): Promise<CutoverLog> {
    const { flags } = await this.parse(CutoverLogCommand);
    const log = await readCutoverLog({ file: flags.config, stateDirectory: flags["state-dir"] });
    this.print(
      renderTable(
        [{ title: "#", align: "right" }, { title: "AT" }, { title: "WHO" }, { title: "WHAT" }, { title: "EVIDENCE" }],
        log.entries.map(({ seq, at, user, host, kind, evidence }) => [String(seq), at, `${user}@${host}`, kind, evidenceText(evidence)]),
      ),
    );
    const { entries, head, broken } = log.check;
    if (broken === null) this.print(`${entries} entries, chain intact; last hash ${head}`);
    else this.failWith(new PghaulError("STATE_CORRUPT", `the journal is broken at entry ${broken.seq}: ${broken.why}`));
    return log;
  }
}
