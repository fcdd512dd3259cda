import { setTimeout as sleep } from "node:timers/promises";
import { Flags } from "@oclif/core";
import { PghaulCommand } from "../cli/base-command.ts";
import { statusText } from "../cli/status-text.ts";
import { parseDuration } from "../config/keys/quantities.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import { readStatus, type Status } from "../workflow/read-status.ts";

const CLEAR_SCREEN = "\u001b[H\u001b[2J";

export default class StatusCommand extends PghaulCommand<Status> {
  static override summary = "What runs, what waits and why, how far each table is.";
  static override description = `Reads the state directory only: never the source, and no secret needs to be set.
Safe at any time, also while \`run\` works. Ends with 0 whatever the state is; scripts read \`phase\`, \`lag\` and \`throttle\` from --json.
With --watch it shows the same again and again until Ctrl-C.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --watch --interval 5s",
    "<%= config.bin %> <%= command.id %> --json",
  ];
  static override flags = {
    watch: Flags.boolean({ summary: "Show it again and again until Ctrl-C." }),
    interval: Flags.string({ summary: "How long --watch waits in between.", default: "2s", helpValue: "DURATION" }),
  };

  override async run(): Promise<Status> {
    const { flags } = await this.parse(StatusCommand);
    const interval = parseDuration(flags.interval);
    if (interval === null || interval < 100)
      throw new PghaulError("USAGE", '--interval must be a duration of at least 100ms, such as "2s"');
    if (flags.watch && this.jsonEnabled())
      throw new PghaulError("USAGE", "--watch has no JSON form", { suggestion: "pghaul status --json" });
    const location = { file: flags.config, stateDirectory: flags["state-dir"] };
    if (!flags.watch) {
      const status = await readStatus(location);
      this.print(statusText(status));
      return status;
    }
    return await this.#watch(() => readStatus(location), interval);
  }

  async #watch(read: () => Promise<Status>, interval: number): Promise<Status> {
    const stop = this.stopSignal();
    for (;;) {
      const status = await read();
      this.print(`${process.stdout.isTTY === true ? CLEAR_SCREEN : ""}${statusText(status)}`);
      await sleep(interval, undefined, { signal: stop.finish }).catch(() => undefined);
      if (stop.finish.aborted) return status;
    }
  }
}
