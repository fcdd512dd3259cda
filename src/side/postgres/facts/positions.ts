import { formatLsn, type Lsn } from "../../../model/lsn.ts";
import type { StreamId } from "../bookkeeping/progress-queries.ts";
import type { Ask } from "../catalog/ask.ts";

export async function readBehind(
  ask: Ask,
  { migration, stream }: StreamId,
  upTo: Lsn,
): Promise<{ readonly bytes: number; readonly seconds: number } | null> {
  const [found] = await ask<{ bytes: string; seconds: string }>(
    `select greatest(0, pg_wal_lsn_diff($3::pg_lsn, position))::text as bytes, extract(epoch from clock_timestamp() - changed_at)::numeric(12,1)::text as seconds
       from pghaul.progress where migration = $1 and stream = $2`,
    [migration, stream, formatLsn(upTo)],
  );
  return found === undefined ? null : { bytes: Number(found.bytes), seconds: Number(found.seconds) };
}
