/**
 * What an earlier life of the same stream still has under way. A process that was killed leaves its sessions to the server, which may be
 * in the middle of the COMMIT that the process had sent: read before that lands, progress tells of a chunk as not merged, and it would
 * be merged twice. The stream's lane is safe by its origin, which serves one session at a time; the load's lanes are not, for a lane of
 * another number may take over the table.
 *
 * So every transaction holds a shared lock until it ends, and progress is read only once none is held. PostgreSQL lets go of a
 * transaction's locks after it has become visible (source: CommitTransaction), so what the reader then sees is all there will ever be.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { downstreamOf, sideCode } from "../../../model/side.ts";
import { quoteLiteral } from "../../../postgres/quote.ts";
import type { StreamId } from "../../../side/postgres/bookkeeping/progress-queries.ts";

const PAUSE_MILLIS = 100;
/** Longer than any merge of a chunk; a session that outlives it hangs, and is for a person to look at. */
const PATIENCE_MILLIS = 300_000;

/** The statement by which a transaction of the stream says that it is under way. */
export function sayUnderWay(id: StreamId): string {
  return `select pg_catalog.pg_advisory_xact_lock_shared(${lockOf(id)})`;
}

/** Returns once no transaction of the stream is under way in any session. `client` must not be in one. Errors: *_QUERY with who it is. */
export async function outliveEarlier(client: pg.Client, id: StreamId, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + PATIENCE_MILLIS;
  while (!(await isFree(client, id))) {
    if (performance.now() > deadline) throw await stillThere(client, id);
    await sleep(PAUSE_MILLIS, undefined, { signal });
  }
}

function lockOf({ migration, stream }: StreamId): string {
  return `pg_catalog.hashtextextended(${quoteLiteral(`pghaul ${migration} ${stream}`)}, 0)`;
}

async function isFree(client: pg.Client, id: StreamId): Promise<boolean> {
  // A transaction of its own: the lock goes with the statement.
  const { rows } = await client.query<{ free: string }>(`select pg_catalog.pg_try_advisory_xact_lock(${lockOf(id)})::text as free`);
  return rows[0]?.free === "true";
}

async function stillThere(client: pg.Client, id: StreamId): Promise<PghaulError> {
  const { rows } = await client.query<{ pids: string }>(
    `select coalesce(string_agg(pid::text, ', '), '') as pids from pg_catalog.pg_locks
    where locktype = 'advisory' and objsubid = 1 and database = (select oid from pg_catalog.pg_database where datname = current_database())
      and classid::bigint << 32 | objid::bigint = ${lockOf(id)}`,
  );
  const pids = rows[0]?.pids ?? "";
  return new PghaulError(
    sideCode(downstreamOf(id.stream), "QUERY"),
    `an earlier process of this migration still has a transaction open at the ${downstreamOf(id.stream)} (backend ${pids})`,
    {
      suggestion: `select pg_terminate_backend(pid) from unnest(array[${pids}]) pid;`,
      context: { step: "progress" },
    },
  );
}
