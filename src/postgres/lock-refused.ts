import type pg from "pg";
import { PghaulError } from "../errors/pghaul-error.ts";
import { type SideName, sideCode } from "../model/side.ts";
import { formatDuration } from "../observe/units.ts";
import { asPghaulError, isOfConnection, sqlState } from "./wrap-error.ts";

/** SQLSTATE of a lock that was not granted in time. */
export const LOCK_NOT_AVAILABLE = "55P03";

/**
 * What a session's work threw: of a server, a driver or a socket as an error of its side, a lock that was not granted with who holds it (which ends
 * the session's transaction); anything else, a fault of ours among it, as it was.
 */
export async function explained(error: unknown, side: SideName, client: pg.Client): Promise<unknown> {
  if (error instanceof PghaulError || !isOfConnection(error)) return error;
  if (sqlState(error) !== LOCK_NOT_AVAILABLE) return asPghaulError(error, side);
  await client.query("rollback").catch(() => undefined);
  return await lockRefused(client, side);
}

interface LockHolder {
  readonly pid: string;
  /** Qualified where the search path needs it. */
  readonly relation: string;
  /** What it says of itself; null where this role may not see it. */
  readonly application: string | null;
  readonly state: string | null;
  readonly seconds: number | null;
}

/**
 * The error for a table that may not even be read: it names who holds it. Only ACCESS EXCLUSIVE refuses a reader (manual: "Table-Level Locks").
 * `client` must be in no failed transaction; where nobody can be asked any more the error says less.
 */
export async function lockRefused(client: pg.Client, side: SideName, table?: string): Promise<PghaulError> {
  const holders = await selectHolders(client).catch(() => []);
  const context = table === undefined ? {} : { table };
  const [first] = holders;
  if (first === undefined) {
    return new PghaulError(sideCode(side, "QUERY"), `${table ?? "a table"} of the ${side} was locked by another session`, {
      context,
      suggestion: "Run the same command again; the lock has been released.",
    });
  }
  return new PghaulError(sideCode(side, "QUERY"), `locked at the ${side}: ${holders.map(describe).join("; ")}`, {
    context: { table: first.relation, ...context },
    suggestion: `Wait until that session ends, or end it at the ${side}: select pg_terminate_backend(${first.pid});`,
  });
}

/** The error for tables (quoted, with their schemas) that somebody uses in whatever way: it names who. `client` as above. */
export async function inUse(client: Askable, side: SideName, { table, relations }: InUse): Promise<PghaulError> {
  const holders = await selectHolders(client, relations).catch(() => []);
  const [first] = holders;
  const who = first === undefined ? "by a session that has ended since" : `by ${holders.map(describeSession).join("; ")}`;
  return new PghaulError(sideCode(side, "QUERY"), `${table} is in use at the ${side} ${who}`, {
    context: { table, sqlstate: LOCK_NOT_AVAILABLE },
    ...(first === undefined
      ? {}
      : { suggestion: `Wait until that session ends, or end it at the ${side}: select pg_terminate_backend(${first.pid});` }),
  });
}

export interface InUse {
  readonly table: string;
  readonly relations: readonly string[];
}

type Askable = Pick<pg.Client, "query">;

function describe(holder: LockHolder): string {
  return `${holder.relation} is held ACCESS EXCLUSIVE by ${describeSession(holder)}`;
}

function describeSession({ pid, application, state, seconds }: LockHolder): string {
  const who = [`pid ${pid}`, application ?? "", state ?? ""].filter((part) => part !== "").join(", ");
  return `${who}${seconds === null ? "" : `, for ${formatDuration(seconds)}`}`;
}

/** Sessions that hold some lock on one of these; where they are not known, those that keep even readers out of some table. */
async function selectHolders(client: Askable, relations: readonly string[] | null = null): Promise<readonly LockHolder[]> {
  const { rows } = await client.query<Omit<LockHolder, "seconds"> & { seconds: string | null }>(
    `
    select l.pid::text, l.relation::pg_catalog.regclass::text as relation, a.application_name::text as application, a.state::text,
           extract(epoch from pg_catalog.clock_timestamp() - a.xact_start)::text as seconds
      from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid
     where l.locktype = 'relation' and l.granted and l.pid <> pg_catalog.pg_backend_pid()
       and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
       and case when $1::text[] is null
                then l.mode = 'AccessExclusiveLock'
                     and exists (select from pg_catalog.pg_class c where c.oid = l.relation and c.relkind in ('r', 'p', 'm'))
                else l.relation = any ($1::text[]::pg_catalog.regclass[]) end
     order by a.xact_start nulls last, l.relation
     limit 5`,
    [relations],
  );
  return rows.map(({ seconds, ...holder }) => ({ ...holder, seconds: seconds === null ? null : Number(seconds) }));
}
