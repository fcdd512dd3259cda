import { PghaulCommand } from "../../cli/base-command.ts";
import { confirmDangerous, confirmFlags, processTerminal } from "../../cli/confirm.ts";
import { loadConfig } from "../../config/load-config.ts";
import { planUnlock, unlockState } from "../../workflow/bucket/unlock-state.ts";

interface UnlockResult {
  readonly planDigest: string;
  readonly unlocked: boolean;
}

export default class StateUnlock extends PghaulCommand<UnlockResult> {
  static override summary = "Take the lease in the bucket from a machine that is gone.";
  static override description =
    `Rarely needed: a holder that was not heard of for 30 seconds is passed over by itself. A holder that lives ends at its next write to the
bucket (STATE_LOCKED) and can be started again. Asks first.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --confirm orders-move --plan-digest 3f1c…",
  ];
  static override exitKinds = ["confirm", "locked", "try-later"] as const;
  static override flags = { ...confirmFlags };

  override async run(): Promise<UnlockResult> {
    const { flags } = await this.parse(StateUnlock);
    const config = loadConfig({ file: flags.config, stateDirectory: flags["state-dir"] });
    const plan = await planUnlock(config);
    if (plan.holder === null) {
      this.print("nobody holds the lease");
      return { planDigest: plan.digest, unlocked: false };
    }
    const act = {
      title: "Take the lease from its holder.",
      migration: config.migration,
      planDigest: plan.digest,
      preview: plan.lines.join("\n"),
      command: "pghaul state unlock",
    };
    await confirmDangerous(act, flags, processTerminal(!flags["no-input"] && !this.jsonEnabled()));
    await unlockState(config, plan);
    this.print("the lease is free");
    return { planDigest: plan.digest, unlocked: true };
  }
}
