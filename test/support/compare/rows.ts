import type pg from "pg";
import { type ComparedTable, rowsOf } from "./catalog.ts";

/** 60 bits of md5 as a number: sums of it neither overflow nor depend on order. */
const HASH = (text: string) => `('x' || substr(md5(${text}), 1, 15))::bit(60)::bigint::numeric`;

/** The number of rows and a sum of their hashes: independent of order, and a duplicate counts twice. */
export interface Fingerprint {
  readonly rows: bigint;
  readonly sum: string;
}

export async function fingerprint(client: pg.Client, table: ComparedTable): Promise<Fingerprint> {
  const { rows } = await client.query<{ rows: string; sum: string }>(
    `select count(*)::text as rows, coalesce(sum(${HASH("t::text")}), 0)::text as sum
       from ${rowsOf(client, table)} t`,
  );
  const row = rows[0] as { rows: string; sum: string };
  return { rows: BigInt(row.rows), sum: row.sum };
}

export interface Sides {
  readonly source: pg.Client;
  readonly target: pg.Client;
  readonly inSource: ComparedTable;
  readonly inTarget: ComparedTable;
}

/**
 * Names of the columns whose values, each column by itself, differ between the sides. Empty when the same values are only combined
 * to other rows.
 */
export async function differingColumns(sides: Sides): Promise<string[]> {
  const [atSource, atTarget] = await Promise.all([columnSums(sides.source, sides.inSource), columnSums(sides.target, sides.inTarget)]);
  return sides.inSource.columns.map(({ name }) => name).filter((_, index) => atSource[index] !== atTarget[index]);
}

async function columnSums(client: pg.Client, table: ComparedTable): Promise<(string | null)[]> {
  const sums = table.columns.map(({ name }) => `sum(${HASH(`coalesce('v' || ${client.escapeIdentifier(name)}::text, 'null')`)})::text`);
  const { rows } = await client.query(`select array[${sums.join(", ")}]::text[] as sums from ${rowsOf(client, table)} t`);
  return (rows[0] as { sums: (string | null)[] }).sums;
}

export interface Difference {
  readonly onlyInSource: readonly string[];
  readonly onlyInTarget: readonly string[];
}

/** The first rows, in the order of their text, that one side has more often than the other. */
export async function differingRows(sides: Sides, samples: number): Promise<Difference> {
  const [atSource, atTarget] = await Promise.all([hashes(sides.source, sides.inSource), hashes(sides.target, sides.inTarget)]);
  return {
    onlyInSource: await rowTexts(sides.source, sides.inSource, surplus(atSource, atTarget), samples),
    onlyInTarget: await rowTexts(sides.target, sides.inTarget, surplus(atTarget, atSource), samples),
  };
}

/** Hash of each row that is here more often than there, to a note for the reader when it is there too, or here several times. */
function surplus(here: ReadonlyMap<string, number>, there: ReadonlyMap<string, number>): Map<string, string> {
  const notes = new Map<string, string>();
  for (const [hash, times] of here) {
    const others = there.get(hash) ?? 0;
    if (times > others) notes.set(hash, times === 1 ? "" : ` (${times} times, not ${others})`);
  }
  return notes;
}

async function hashes(client: pg.Client, table: ComparedTable): Promise<Map<string, number>> {
  const { rows } = await client.query<{ hash: string; times: number }>(
    `select md5(t::text) as hash, count(*)::int as times from ${rowsOf(client, table)} t group by 1`,
  );
  return new Map(rows.map(({ hash, times }) => [hash, times]));
}

/** Each wanted row once. Long rows are cut for reading, after a limit that keeps a first look at most differences. */
async function rowTexts(client: pg.Client, table: ComparedTable, wanted: ReadonlyMap<string, string>, limit: number): Promise<string[]> {
  if (wanted.size === 0) return [];
  const { rows } = await client.query<{ hash: string; text: string }>(
    `select hash, case when length(text) > 2000 then left(text, 2000) || ' ... ' || length(text) || ' characters, md5 ' || hash
                       else text end as text
       from (select distinct md5(t::text) as hash, t::text as text from ${rowsOf(client, table)} t where md5(t::text) = any ($1)) r
      order by r.text collate "C" limit $2`,
    [[...wanted.keys()], limit],
  );
  return rows.map(({ hash, text }) => text + wanted.get(hash));
}
