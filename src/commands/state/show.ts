import { PghaulCommand } from "../../cli/base-command.ts";
import { bucketStateText } from "../../cli/state-text.ts";
import { type BucketState, showState } from "../../workflow/bucket/show-state.ts";

export default class StateShow extends PghaulCommand<BucketState> {
  static override summary = "Who holds the migration in the bucket, and what the bucket has of it.";
  static override description =
    `Asks the bucket of state.s3 and changes nothing. Shows the holder of the lease and when it was last heard of, the newest copy of the state,
how far each stream's log was uploaded, and whether the state directory of this machine is the one that counts.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --json"];
  static override exitKinds = ["try-later"] as const;

  override async run(): Promise<BucketState> {
    const { flags } = await this.parse(StateShow);
    const state = await showState({ file: flags.config, stateDirectory: flags["state-dir"] });
    this.print(bucketStateText(state));
    return state;
  }
}
