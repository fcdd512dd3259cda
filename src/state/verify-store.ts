import { formatLsn, parseLsn } from "../model/lsn.ts";
import type { RowDifference, TableVerdict } from "../verify/ports.ts";
import type { StateDatabase } from "./state-database.ts";

/** A verdict as it was reached. */
export interface RecordedVerdict extends TableVerdict {
  readonly runId: string;
  /** ISO 8601. */
  readonly at: string;
}

interface VerdictRow {
  readonly run_id: string;
  readonly table_id: string;
  readonly equal: number;
  readonly source_rows: string;
  readonly target_rows: string;
  readonly lsn_from: string;
  readonly lsn: string;
  readonly chunks: number;
  readonly millis: number;
  readonly differences: string;
  readonly at: string;
}

/** What every verification found; never overwritten, because gates and the report cite it. */
export class VerifyStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  record(runId: string, verdict: TableVerdict): void {
    this.#database.write(() => {
      this.#database.sqlite
        .prepare(`
          insert into verdict (run_id, table_id, equal, source_rows, target_rows, lsn_from, lsn, chunks, millis, differences, at)
          values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
        .run(
          runId,
          verdict.table,
          verdict.equal ? 1 : 0,
          verdict.rows.toString(),
          verdict.targetRows.toString(),
          formatLsn(verdict.lsnFrom),
          formatLsn(verdict.lsn),
          verdict.chunks,
          Math.round(verdict.millis),
          JSON.stringify(verdict.differences),
          new Date().toISOString(),
        );
    });
  }

  /** The last verdict on each table, in the order of the tables' names; none on one that was loaded anew, or changed its columns, since. */
  latest(): readonly RecordedVerdict[] {
    return this.#select(
      `where id in (select max(id) from verdict group by table_id)
        and not exists (select 1 from migration_table t where t.id = verdict.table_id and t.changed_at >= verdict.at) order by table_id`,
      [],
    );
  }

  /** The verdicts of one run, in the order in which they were reached. */
  ofRun(runId: string): readonly RecordedVerdict[] {
    return this.#select("where run_id = ? order by id", [runId]);
  }

  #select(where: string, parameters: readonly string[]): readonly RecordedVerdict[] {
    return this.#database.read(() =>
      this.#database.sqlite
        .prepare<unknown[], VerdictRow>(`select * from verdict ${where}`)
        .all(...parameters)
        .map(toVerdict),
    );
  }
}

function toVerdict(row: VerdictRow): RecordedVerdict {
  return {
    runId: row.run_id,
    table: row.table_id,
    equal: row.equal === 1,
    rows: BigInt(row.source_rows),
    targetRows: BigInt(row.target_rows),
    lsnFrom: parseLsn(row.lsn_from),
    lsn: parseLsn(row.lsn),
    chunks: row.chunks,
    millis: row.millis,
    differences: JSON.parse(row.differences) as readonly RowDifference[],
    at: row.at,
  };
}
