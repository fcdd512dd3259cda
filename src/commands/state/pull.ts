import { PghaulCommand } from "../../cli/base-command.ts";
import { bucketStateText } from "../../cli/state-text.ts";
import { pullState } from "../../workflow/bucket/move-state.ts";
import type { BucketState } from "../../workflow/bucket/show-state.ts";

export default class StatePull extends PghaulCommand<BucketState> {
  static override summary = "Fill the empty state directory of this machine from the bucket.";
  static override description =
    `What \`run\` does on an empty directory, without running: log and state come here, and the migration goes on from this machine. Refused while
another holds the lease, and where the directory holds a state already.`;
  static override examples = ["<%= config.bin %> <%= command.id %>"];
  static override exitKinds = ["locked", "try-later"] as const;

  override async run(): Promise<BucketState> {
    const { flags } = await this.parse(StatePull);
    const location = { file: flags.config, stateDirectory: flags["state-dir"] };
    const { now } = this.stopSignal();
    const state = await pullState({ location, command: "state pull", bus: this.progress, signal: now });
    this.print(bucketStateText(state));
    return state;
  }
}
