import { userInfo } from "node:os";
import { type ConfigLocation, loadStateLocation } from "../../config/load-config.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { ControlStore } from "../../state/control-store.ts";
import { type LeaseHolder, leaseHolder } from "../../state/lease.ts";
import { openExistingState } from "../../state/open-state.ts";
import { systemClock } from "../system-clock.ts";

export interface StopResult {
  /** Who was running and has ended; null when nobody was. */
  readonly stopped: LeaseHolder | null;
}

const POLL_MILLIS = 100;

/** Asks the streaming process to end and waits for it. Throws STATE_LOCKED when it has not ended in time; the wish stays. */
export async function stopStreaming(location: ConfigLocation, timeoutMillis: number, signal: AbortSignal): Promise<StopResult> {
  const { directory } = loadStateLocation(location);
  const state = await openExistingState(directory);
  if (state === null) return { stopped: null };
  try {
    const running = await leaseHolder(directory, "stream");
    if (running === null) return { stopped: null };
    new ControlStore(state).requestStop({ at: new Date().toISOString(), by: userInfo().username });
    const deadline = systemClock.now() + timeoutMillis;
    while ((await leaseHolder(directory, "stream")) !== null) {
      if (systemClock.now() > deadline) {
        throw new PghaulError(
          "STATE_LOCKED",
          `${running.command} (pid ${running.pid} on ${running.host}) was asked to stop and has not ended yet`,
        );
      }
      await systemClock.sleep(POLL_MILLIS, signal);
    }
    return { stopped: running };
  } finally {
    state.close();
  }
}
