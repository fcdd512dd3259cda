import { Flags } from "@oclif/core";
import { PghaulCommand } from "../../cli/base-command.ts";
import { parseDuration } from "../../config/keys/quantities.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { type StopResult, stopStreaming } from "../../workflow/stream/stop-streaming.ts";

export default class CdcStop extends PghaulCommand<StopResult> {
  static override summary = "Ask the streaming process to finish its current work and exit.";
  static override description =
    `Leaves a request in the state directory, which the running process ("run", "cdc start", "snapshot run") checks a few times a second, and
waits until the process has ended. Slot and publication stay, so the source keeps WAL from then on; "cdc teardown" removes them.
Talks to no database. It is no error if nothing is running.`;
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> --timeout 5min --json"];
  static override exitKinds = ["try-later"] as const;
  static override flags = {
    timeout: Flags.string({ default: "60s", helpValue: "DURATION", summary: "How long to wait for the process to end." }),
  };

  override async run(): Promise<StopResult> {
    const { flags } = await this.parse(CdcStop);
    const timeout = parseDuration(flags.timeout);
    if (timeout === null) throw new PghaulError("USAGE", '--timeout must be a duration, such as "60s"');
    const { now } = this.stopSignal();
    const result = await stopStreaming({ file: flags.config, stateDirectory: flags["state-dir"] }, timeout, now);
    this.print(result.stopped === null ? "nothing was running" : `stopped: ${result.stopped.command}, pid ${result.stopped.pid}`);
    return result;
  }
}
