import { PghaulCommand } from "../../cli/base-command.ts";
import { stepsText } from "../../cli/cutover-text.ts";
import { unsettledText } from "../../cli/unsettled-text.ts";
import { type CutoverStatus, readCutoverStatus } from "../../workflow/cutover/read-cutover-status.ts";

export default class CutoverStatusCommand extends PghaulCommand<CutoverStatus> {
  static override summary = "Show which side takes the writes, how far a switch is, and what is possible now.";
  static override description = "Reads only the state directory, never a database, and needs no secrets.";
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --json"];

  override async run(): Promise<CutoverStatus> {
    const { flags } = await this.parse(CutoverStatusCommand);
    const status = await readCutoverStatus({ file: flags.config, stateDirectory: flags["state-dir"] });
    const { migration, state, primary, driver, attempt, possible, steps, stallMs } = status;
    if (status.unsettled !== null) this.print(unsettledText(status.unsettled));
    this.print(`${migration}: ${state}; the ${primary} is the primary`);
    if (driver !== null) this.print(`driven by pid ${driver.pid} (pghaul ${driver.command}) on ${driver.host} since ${driver.since}`);
    if (attempt !== null) {
      this.print(
        `attempt ${attempt.id} to the ${attempt.to}: ${attempt.outcome}, begun ${attempt.startedAt}${stallMs === null ? "" : `, stall ${stallMs} ms`}`,
      );
      this.print(stepsText(steps));
    }
    this.print(`possible now: ${possible.length === 0 ? "nothing" : possible.join(", ")}`);
    return status;
  }
}
