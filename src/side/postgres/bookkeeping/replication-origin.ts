/**
 * Our commits at the target carry a replication origin, so that a reverse stream (and any other subscriber) can tell them from the
 * application's (manual: "Replication Progress Tracking"). Only the name matters here: the position is kept in `pghaul.progress`.
 *
 * An origin, once used, occupies one of the server's origin states until it is dropped, in use or not; there are
 * max_replication_slots of them (18: max_active_replication_origins). It may be dropped only when no reverse stream will read our
 * commits any more: the stream names an origin by looking its number up when it decodes, and leaves the name out when it is gone.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { type SideName, sideCode } from "../../../model/side.ts";
import { sqlState } from "../../../postgres/wrap-error.ts";

/** An origin serves one session at a time, and a killed backend holds it until it has noticed its own death. */
const BUSY_DEADLINE_MILLIS = 15_000;
const BUSY_PAUSE_MILLIS = 200;

/** object_in_use: another session has it. unique_violation, duplicate_object: another session is creating it this moment. */
const BUSY: ReadonlySet<string | undefined> = new Set(["55006", "23505", "42710"]);

/** Origins are the server's and not the database's: this one's number, between prefix and lane, keeps those of two databases apart. */
const OF_THIS_DATABASE = "(select oid::text || '/' from pg_catalog.pg_database where datname = current_database())";

export interface OriginName {
  readonly side: SideName;
  /** As `originPrefix`: no other migration's origin begins with it. */
  readonly prefix: string;
  readonly lane: string;
}

/** Creates the lane's origin when it is missing and marks every further commit of the session with it. Errors: *_PRIVILEGE, *_QUERY. */
export async function setUpOrigin(client: pg.Client, { side, prefix, lane }: OriginName, signal: AbortSignal): Promise<void> {
  await whileBusy(
    async () => {
      const name = await originName(client, prefix, lane);
      await createOrigin(client, name);
      await useOrigin(client, name);
    },
    { side, signal },
  );
}

/** Removes the origins of this database whose names start with `prefix`; waits a while for sessions that still hold one. */
export async function dropOrigins(
  client: pg.Client,
  prefix: string,
  at: { readonly side: SideName; readonly signal: AbortSignal },
): Promise<void> {
  await whileBusy(() => dropOriginsNow(client, prefix), at);
}

async function whileBusy(
  work: () => Promise<void>,
  { side, signal }: { readonly side: SideName; readonly signal: AbortSignal },
): Promise<void> {
  const deadline = performance.now() + BUSY_DEADLINE_MILLIS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const state = sqlState(error);
      if (state === "42501") throw originPrivilege(side);
      if (state === "53400") throw originStates(side);
      if (!BUSY.has(state) || performance.now() > deadline) throw error;
    }
    await sleep(BUSY_PAUSE_MILLIS, undefined, { signal });
  }
}

async function originName(client: pg.Client, prefix: string, lane: string): Promise<string> {
  const { rows } = await client.query<{ name: string }>(`select $1::text || ${OF_THIS_DATABASE} || $2::text as name`, [prefix, lane]);
  return rows[0]?.name ?? "";
}

async function createOrigin(client: pg.Client, name: string): Promise<void> {
  await client.query(
    `select pg_catalog.pg_replication_origin_create($1::text)
    where not exists (select from pg_catalog.pg_replication_origin where roname = $1::text)`,
    [name],
  );
}

async function useOrigin(client: pg.Client, name: string): Promise<void> {
  await client.query("select pg_catalog.pg_replication_origin_session_setup($1)", [name]);
}

async function dropOriginsNow(client: pg.Client, prefix: string): Promise<void> {
  await client.query(
    `select pg_catalog.pg_replication_origin_drop(roname)
    from pg_catalog.pg_replication_origin where pg_catalog.starts_with(roname, $1::text || ${OF_THIS_DATABASE})`,
    [prefix],
  );
}

function originPrivilege(side: SideName): PghaulError {
  return new PghaulError(
    sideCode(side, "PRIVILEGE"),
    `the role may not use replication origins at the ${side}, by which the other stream tells our writes`,
    {
      context: { step: "replication origin" },
      suggestion:
        "grant execute on function pg_replication_origin_create(text), pg_replication_origin_session_setup(text), pg_replication_origin_drop(text) to ROLE; (PostgreSQL 13: superuser only)",
    },
  );
}

function originStates(side: SideName): PghaulError {
  return new PghaulError(
    sideCode(side, "QUERY"),
    `every replication origin state of the ${side} is taken; pghaul needs one for the stream and one for each load connection`,
    {
      context: { step: "replication origin", sqlstate: "53400" },
      suggestion:
        "select * from pg_replication_origin_status; then drop what nobody needs, lower throttle.workers, or raise max_replication_slots (PostgreSQL 18: max_active_replication_origins)",
    },
  );
}
