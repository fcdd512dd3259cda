import type { ProgressBus } from "../../observe/events.ts";
import type { Logger } from "../../observe/log.ts";
import { LineView } from "./line-view.ts";
import { LiveView } from "./live-view.ts";

/** What stands between the progress bus and stderr while a command runs. */
export interface ProgressView {
  /** Prints a whole log line so that it does not tear the display. */
  write(line: string): void;
  /** Ends the display; `failed` decides how the running entry looks. */
  close(failed: boolean): Promise<void>;
}

export interface ShowProgressOptions {
  readonly logger: Logger;
  readonly stream: NodeJS.WriteStream;
  /** True for a live display, false for log lines. */
  readonly live: boolean;
}

/** A live list on a terminal, log lines anywhere else. */
export function showProgress(bus: ProgressBus, options: ShowProgressOptions): ProgressView {
  return options.live ? showLive(bus, options.stream) : showLines(bus, options);
}

function showLive(bus: ProgressBus, stream: NodeJS.WriteStream): ProgressView {
  const view = new LiveView(stream);
  const unsubscribe = bus.subscribe((event) => view.take(event));
  return {
    write: (line) => view.write(line),
    async close(failed) {
      unsubscribe();
      await view.close(failed);
    },
  };
}

function showLines(bus: ProgressBus, { logger, stream }: ShowProgressOptions): ProgressView {
  const view = new LineView(logger);
  const unsubscribe = bus.subscribe((event) => view.take(event));
  return {
    write: (line) => void stream.write(line),
    async close() {
      unsubscribe();
      view.close();
    },
  };
}
