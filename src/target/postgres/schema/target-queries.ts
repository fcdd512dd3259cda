import type { Queryable } from "../../../postgres/queryable.ts";

export async function selectMissingTablespaces(target: Queryable, names: readonly string[]): Promise<readonly string[]> {
  const { rows } = await target.query<{ name: string }>(
    `
    select wanted.name from unnest($1::text[]) as wanted(name)
     where not exists (select from pg_catalog.pg_tablespace where spcname = wanted.name) order by 1`,
    [names],
  );
  return rows.map(({ name }) => name);
}

export async function selectSettingNames(target: Queryable): Promise<ReadonlySet<string>> {
  const { rows } = await target.query<{ name: string }>("select name from pg_catalog.pg_settings");
  return new Set(rows.map(({ name }) => name));
}

/** What an earlier run has created; recorded in the transaction that created it. */
export async function selectRestored(target: Queryable, migration: string): Promise<ReadonlySet<string>> {
  const { rows } = await target.query<{ entry: string }>("select entry from pghaul.restored where migration = $1", [migration]);
  return new Set(rows.map(({ entry }) => entry));
}

export async function isRestored(target: Queryable, migration: string, entry: string): Promise<boolean> {
  const { rowCount } = await target.query("select from pghaul.restored where migration = $1 and entry = $2", [migration, entry]);
  return rowCount !== 0;
}

export async function insertRestored(target: Queryable, migration: string, entries: readonly string[]): Promise<void> {
  await target.query("insert into pghaul.restored (migration, entry) select $1, unnest($2::text[])", [migration, entries]);
}

/**
 * What the target remembers of the move as a whole, beside its objects. A standby holds a beginning of the WAL, so one that has this has everything
 * that was committed before it.
 */
export type Mark = "prepared" | "finished";

export function isMarked(target: Queryable, migration: string, mark: Mark): Promise<boolean> {
  return isRestored(target, migration, entryOf(mark));
}

export async function markRestored(target: Queryable, migration: string, mark: Mark): Promise<void> {
  if (!(await isMarked(target, migration, mark))) await insertRestored(target, migration, [entryOf(mark)]);
}

/** No key of an object is like it. */
function entryOf(mark: Mark): string {
  return `pghaul: ${mark}`;
}

/** One process creates an object at a time; the backend of a killed run holds the lock until it has ended its transaction. */
export async function lockEntry(target: Queryable, migration: string, entry: string): Promise<void> {
  await target.query("select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))", [`pghaul ${migration} ${entry}`]);
}
