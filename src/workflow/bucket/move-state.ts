import { PghaulError } from "../../errors/pghaul-error.ts";
import { openClosedLog } from "../../log/remote/closed-log.ts";
import { hasState } from "../../state/mirror/state-place.ts";
import { openSides } from "../open-migration.ts";
import { logDirectory } from "../stream/run-stream.ts";
import { type BucketState, showState, withBucket } from "./show-state.ts";
import { type StreamingRequest, withStreaming } from "./with-streaming.ts";

/** Fills the empty state directory from the bucket; from then on it is the migration's. Throws CONFIG_INVALID where it is not empty. */
export async function pullState(request: StreamingRequest): Promise<BucketState> {
  const { config } = openSides(request.location);
  if (await hasState(config.state.dir)) {
    throw new PghaulError("CONFIG_INVALID", `the state directory ${config.state.dir} holds a state already`, {
      suggestion: "pghaul state show",
    });
  }
  const { copiedAt, url } = await showState(request.location);
  if (copiedAt === null) throw new PghaulError("CONFIG_INVALID", `${url} holds no state yet`, { suggestion: "pghaul run" });
  await withStreaming(request, () => Promise.resolve());
  return await showState(request.location);
}

/** Copies the state and uploads the logs of a migration that nobody runs. */
export async function pushState(request: StreamingRequest): Promise<BucketState> {
  await withBucket(openSides(request.location).config, () => Promise.resolve());
  await withStreaming(request, async ({ bucket, config }) => {
    for (const stream of ["forward", "reverse"] as const) {
      const log = await openClosedLog(logDirectory(config.state.dir, stream));
      if (log !== null) await bucket?.uploadNow(stream, log);
    }
  });
  return await showState(request.location);
}
