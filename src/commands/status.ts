import { setTimeout as sleep } from "node:timers/promises";
import { Flags } from "@oclif/core";
import { PghaulCommand } from "../cli/base-command.ts";
import { statusText } from "../cli/status-text.ts";
import { WatchScreen } from "../cli/watch-screen.ts";
import { parseDuration } from "../config/keys/quantities.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import { readStatus, type Status } from "../workflow/read-status.ts";

export default class StatusCommand extends PghaulCommand<Status> {
  static override summary = "Show what runs, what waits and why, and how far each table is.";
  static override description = `Reads only the state directory, never a database, and needs no secrets.
Safe at any time, also while \`run\` works. Exits 0 whatever the state is; scripts read \`phase\`, \`lag\` and \`throttle\` from --json.
With --watch it refreshes until Ctrl-C, and shows as much as fits into the terminal window.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --watch --interval 5s",
    "<%= config.bin %> <%= command.id %> --json",
  ];
  static override flags = {
    watch: Flags.boolean({ summary: "Refresh until Ctrl-C." }),
    interval: Flags.string({ summary: "How often --watch refreshes.", default: "2s", helpValue: "DURATION" }),
  };

  override async run(): Promise<Status> {
    const { flags } = await this.parse(StatusCommand);
    const interval = parseDuration(flags.interval);
    if (interval === null || interval < 100)
      throw new PghaulError("USAGE", '--interval must be a duration of at least 100ms, such as "2s"');
    if (flags.watch && this.jsonEnabled())
      throw new PghaulError("USAGE", "--watch cannot be combined with --json", { suggestion: "pghaul status --json" });
    const location = { file: flags.config, stateDirectory: flags["state-dir"] };
    if (!flags.watch) {
      const status = await readStatus(location);
      this.print(statusText(status));
      return status;
    }
    return await this.#watch(() => readStatus(location), interval);
  }

  /** On a terminal the last status stays when the watching ends; in a pipe each one is a page of its own. */
  async #watch(read: () => Promise<Status>, interval: number): Promise<Status> {
    const stop = this.stopSignal();
    const screen = process.stdout.isTTY === true ? new WatchScreen(process.stdout) : null;
    try {
      for (;;) {
        const status = await read();
        if (screen === null) this.print(statusText(status));
        else screen.draw(statusText(status, true, screen.lines));
        await sleep(interval, undefined, { signal: stop.finish }).catch(() => undefined);
        if (!stop.finish.aborted) continue;
        screen?.leave();
        if (screen !== null) this.print(statusText(status));
        return status;
      }
    } finally {
      screen?.leave();
    }
  }
}
