import { PghaulCommand } from "../../cli/base-command.ts";
import { bucketStateText } from "../../cli/state-text.ts";
import { pushState } from "../../workflow/bucket/move-state.ts";
import type { BucketState } from "../../workflow/bucket/show-state.ts";

export default class StatePush extends PghaulCommand<BucketState> {
  static override summary = "Copy the state and upload the log of a migration that nobody runs.";
  static override description =
    `\`run\` does this all the time. For the last moment before a machine is given up, and for a migration that was begun without a bucket.
Refused while another process works on the state directory, or another machine holds the lease.`;
  static override examples = ["<%= config.bin %> <%= command.id %>"];
  static override exitKinds = ["locked", "try-later"] as const;

  override async run(): Promise<BucketState> {
    const { flags } = await this.parse(StatePush);
    const location = { file: flags.config, stateDirectory: flags["state-dir"] };
    const { now } = this.stopSignal();
    const state = await pushState({ location, command: "state push", bus: this.progress, signal: now });
    this.print(bucketStateText(state));
    return state;
  }
}
