/**
 * One process at a time: who drives something at a server holds an advisory lock there in each of its sessions, and who comes next ends them.
 *
 * A statement outlives its client. PostgreSQL lets go of a session's locks after its transaction has ended (source: ShutdownPostgres), so once
 * the lock is had, nothing of the earlier process is under way any more.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import type { SideName } from "../../../model/side.ts";
import { quoteLiteral } from "../../../postgres/quote.ts";

/** What is driven, at which side. */
export interface Place {
  readonly side: SideName;
  /** Different for each migration: `pghaul orders cutover`. */
  readonly name: string;
}

/** Runs a statement, and stops waiting for its answer at the limit. */
export type LimitedAsk = <Row extends object>(sql: string, limitMillis: number) => Promise<readonly Row[]>;

export interface PlaceLimits {
  readonly limitMillis: number;
  readonly now: () => number;
}

const PING_MILLIS = 1_000;
const POLL_MILLIS = 20;

/**
 * Ends all other sessions that hold the place, and returns when they are gone and this one has taken it. Throws CUTOVER_DEADLINE with their
 * pids, and what `ask` throws.
 */
export async function takePlace(ask: LimitedAsk, place: Place, { limitMillis, now }: PlaceLimits): Promise<void> {
  const until = now() + limitMillis;
  for (;;) {
    const left = until - now();
    if (left <= 0) throw await stillThere(ask, place);
    const wait = Math.max(left, PING_MILLIS);
    const [tried] = await ask<{ mine: string }>(`select pg_catalog.pg_try_advisory_lock(${keyOf(place)})::text as mine`, wait);
    if (tried?.mine === "true") return;
    await ask(`select pg_catalog.pg_terminate_backend(pid) from (${holdersSql(place)}) h`, wait);
    await sleep(POLL_MILLIS);
  }
}

/** For a place of many sessions: takes it, so that all earlier ones are gone, and leaves it. `client` ends its questions by itself. */
export async function clearPlace(client: Pick<pg.Client, "query">, place: Place, limits: PlaceLimits): Promise<void> {
  await takePlace(async <Row extends object>(sql: string) => (await client.query<Row>(sql)).rows, place, limits);
  await client.query(`select pg_catalog.pg_advisory_unlock(${keyOf(place)})`);
}

/** Stands beside the place's other sessions: whoever clears it next ends this one as well. */
export async function sharePlace(client: Pick<pg.Client, "query">, place: Place): Promise<void> {
  await client.query(`select pg_catalog.pg_advisory_lock_shared(${keyOf(place)})`);
}

async function stillThere(ask: LimitedAsk, place: Place): Promise<PghaulError> {
  const { side } = place;
  const pids = (await ask<{ pid: string }>(holdersSql(place), PING_MILLIS)).map(({ pid }) => pid).join(", ");
  return new PghaulError("CUTOVER_DEADLINE", `a session of an earlier process at the ${side} does not end (pid ${pids})`, {
    context: { side, pids },
    suggestion: `select pg_terminate_backend(pid) from unnest(array[${pids}]) pid;   -- at the ${side}`,
  });
}

function keyOf({ name }: Place): string {
  return `pg_catalog.hashtextextended(${quoteLiteral(name)}, 0)`;
}

/** pg_locks splits a bigint key in two (manual: "pg_locks"). */
function holdersSql(place: Place): string {
  return `select pid from pg_catalog.pg_locks
    where locktype = 'advisory' and objsubid = 1 and granted and pid <> pg_catalog.pg_backend_pid()
      and database = (select oid from pg_catalog.pg_database where datname = current_database())
      and classid::bigint << 32 | objid::bigint = ${keyOf(place)}`;
}
