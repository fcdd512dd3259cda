import type { Config } from "../../config/config.ts";
import type { ConfigLocation } from "../../config/load-config.ts";
import { loadConfig } from "../../config/load-config.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { decodeHead, HEAD_KEY, type RemoteHolder } from "../../s3/head.ts";
import { type OpenBucket, openBucket } from "../../s3/open-bucket.ts";
import { hasState, readDirectoryId } from "../../state/mirror/state-place.ts";

export interface BucketState {
  readonly url: string;
  /** 0 before the first holder. */
  readonly epoch: number;
  /** Null while nobody runs. */
  readonly holder: (RemoteHolder & { readonly silentSeconds: number }) | null;
  /** When the newest copy of the state was made, ISO 8601. */
  readonly copiedAt: string | null;
  readonly logs: readonly { readonly stream: string; readonly lsn: string }[];
  /** What the state directory of this machine is to the bucket; `behind`: another one has gone on. */
  readonly here: "empty" | "current" | "behind" | "not-uploaded";
}

/** Asks the bucket; changes nothing. Throws CONFIG_INVALID without a bucket, BUCKET_*. */
export async function showState(location: ConfigLocation): Promise<BucketState> {
  return await withBucket(loadConfig(location), async (bucket, { state: { dir } }) => {
    const found = await bucket.get(HEAD_KEY);
    const isBegun = await hasState(dir);
    if (found === null) {
      return { url: bucket.url, epoch: 0, holder: null, copiedAt: null, logs: [], here: isBegun ? "not-uploaded" : "empty" };
    }
    const { epoch, holder, state, logs, directory } = decodeHead(found.body, bucket.url);
    return {
      url: bucket.url,
      epoch,
      holder: holder === null ? null : { ...holder, silentSeconds: Math.round(found.ageMillis / 1000) },
      copiedAt: state?.at ?? null,
      logs: Object.entries(logs).map(([stream, { lsn }]) => ({ stream, lsn })),
      here: !isBegun ? "empty" : directory === readDirectoryId(dir) ? "current" : "behind",
    };
  });
}

/** Opens the configured bucket for `work` and closes it. Throws CONFIG_INVALID where none is configured. */
export async function withBucket<T>(config: Config, work: (bucket: OpenBucket, config: Config) => Promise<T>): Promise<T> {
  if (config.state.bucket === null) {
    throw new PghaulError("CONFIG_INVALID", "no bucket is configured: the state is on this machine alone", {
      suggestion: 'state: { s3: "s3://BUCKET/PREFIX" }',
    });
  }
  const bucket = await openBucket(config.state.bucket, config.migration);
  try {
    return await work(bucket, config);
  } finally {
    bucket.close();
  }
}
