import { type Lsn, parseLsn } from "../../model/lsn.ts";
import type { RowDifference } from "../../verify/ports.ts";
import type { StateDatabase } from "../state-database.ts";

/** One `verify run`, all its tables together. */
export interface PastVerification {
  readonly runId: string;
  /** When its last table was done, ISO 8601. */
  readonly at: string;
  readonly tables: number;
  /** Of the side that was primary. */
  readonly rows: bigint;
  /** From the start of its first table to the end of its last. */
  readonly millis: number;
  /** Where its last verdict holds. */
  readonly lsn: Lsn;
  readonly different: readonly { readonly table: string; readonly differences: readonly RowDifference[] }[];
}

interface RunRow {
  readonly run_id: string;
  readonly at: string;
  readonly tables: number;
  readonly rows: string;
  readonly millis: number;
  readonly lsn: string;
}

const RUNS = `
  with each_run as (
    select run_id, max(id) as last_id, max(at) as at, count(distinct table_id) as tables,
           cast(sum(cast(source_rows as integer)) as text) as rows,
           cast(round((max(julianday(at)) - min(julianday(at) - millis / 86400000.0)) * 86400000) as integer) as millis
    from verdict group by run_id
  )
  select r.run_id, r.at, r.tables, r.rows, r.millis, v.lsn from each_run r join verdict v on v.id = r.last_id order by r.last_id`;

/** Every verification that was ever recorded, the oldest first. */
export function verificationHistory(database: StateDatabase): readonly PastVerification[] {
  return database.read(() => {
    const different = Map.groupBy(
      database.sqlite
        .prepare<[], { run_id: string; table_id: string; differences: string }>(
          "select run_id, table_id, differences from verdict where equal = 0 order by id",
        )
        .all(),
      (row) => row.run_id,
    );
    return database.sqlite
      .prepare<[], RunRow>(RUNS)
      .all()
      .map(({ run_id, at, tables, rows, millis, lsn }) => ({
        runId: run_id,
        at,
        tables,
        rows: BigInt(rows),
        millis,
        lsn: parseLsn(lsn),
        different: (different.get(run_id) ?? []).map((row) => ({
          table: row.table_id,
          differences: JSON.parse(row.differences) as readonly RowDifference[],
        })),
      }));
  });
}
