import type { Clock } from "../../engine/ports.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { leaseHolder } from "../../state/lease.ts";

/** How long nobody may stream before waiting for the stream is given up: a supervisor starts a killed `run` again within it. */
const GIVE_UP_MILLIS = 10_000;
const LOOK_EVERY_MILLIS = 1_000;

export function notStreaming(): PghaulError {
  return new PghaulError("STREAM_NOT_RUNNING", "no process is streaming, so the two sides cannot be compared at one position", {
    suggestion: "pghaul run",
  });
}

/**
 * The clock of whoever waits for the stream by sleeping again and again. Its `sleep` rejects with STREAM_NOT_RUNNING once no process has
 * streamed for ten seconds: what is waited for would never come.
 */
export function whileStreaming(stateDirectory: string, clock: Clock): Clock {
  let seen = clock.now();
  let looked = seen;
  const look = async (): Promise<void> => {
    const now = clock.now();
    // Nobody looked for a while: how long nobody streamed is not known.
    if (now - looked > 2 * LOOK_EVERY_MILLIS) seen = now;
    looked = now;
    if ((await leaseHolder(stateDirectory, "stream")) !== null) seen = clock.now();
    else if (now - seen > GIVE_UP_MILLIS) throw notStreaming();
  };
  return {
    now: () => clock.now(),
    async sleep(millis, signal) {
      if (clock.now() - looked > LOOK_EVERY_MILLIS) await look();
      await clock.sleep(millis, signal);
    },
  };
}
