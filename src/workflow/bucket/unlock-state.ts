import { createHash } from "node:crypto";
import type { Config } from "../../config/config.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { decodeHead, encodeHead, HEAD_KEY, type RemoteHolder } from "../../s3/head.ts";
import { withBucket } from "./show-state.ts";

export interface UnlockPlan {
  /** Null where nobody holds the lease: there is nothing to do. */
  readonly holder: RemoteHolder | null;
  readonly lines: readonly string[];
  readonly digest: string;
}

/** Throws CONFIG_INVALID without a bucket, BUCKET_*. */
export function planUnlock(config: Config): Promise<UnlockPlan> {
  return withBucket(config, async (bucket) => {
    const found = await bucket.get(HEAD_KEY);
    const head = found === null ? null : decodeHead(found.body, bucket.url);
    const holder = head?.holder ?? null;
    const lines =
      holder === null
        ? ["nobody holds the lease"]
        : [
            `take the lease of ${bucket.url} from pid ${holder.pid} (pghaul ${holder.command}) on ${holder.host} since ${holder.since}`,
            "if that process lives it ends at its next write; nothing that it has acknowledged is lost",
          ];
    // Of this holder alone: one who comes meanwhile is another's matter.
    const digest = createHash("sha256")
      .update(JSON.stringify([lines, head?.epoch ?? 0]))
      .digest("hex")
      .slice(0, 16);
    return { holder, lines, digest };
  });
}

/** Ends the holder's lease: its writes fail from now on, and anybody may take it. Throws STATE_LOCKED where somebody else has come. */
export function unlockState(config: Config, { holder }: UnlockPlan): Promise<void> {
  return withBucket(config, async (bucket) => {
    for (;;) {
      const found = await bucket.get(HEAD_KEY);
      const head = found === null ? null : decodeHead(found.body, bucket.url);
      if (found === null || head === null || head.holder === null) return;
      if (head.holder.since !== holder?.since || head.holder.pid !== holder.pid) {
        throw new PghaulError("STATE_LOCKED", "another process has taken the lease meanwhile", { suggestion: "pghaul state show" });
      }
      // A holder that lives writes as well: then it is tried again.
      const { body } = encodeHead({ ...head, epoch: head.epoch + 1, holder: null });
      if ((await bucket.replace(HEAD_KEY, body, found.etag)) !== null) return;
    }
  });
}
