import { formatLsn, type Lsn, parseLsn } from "../model/lsn.ts";
import type { StreamName } from "../model/side.ts";
import type { StateDatabase } from "./state-database.ts";

/** How far one of a stream's destinations is. */
export interface DestinationPosition {
  readonly destination: string;
  /** Everything committed below it is there. */
  readonly appliedLsn: Lsn;
  /** When that was last said, ISO 8601. */
  readonly updatedAt: string;
}

interface PositionRow {
  readonly destination: string;
  readonly applied_lsn: string;
  readonly updated_at: string;
}

/** Positions of the destinations, as the process that streams last heard them. Their own record counts; this is for whoever has no session there. */
export class PositionStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  /** By name of the destination. */
  all(stream: StreamName): readonly DestinationPosition[] {
    const sql = "select destination, applied_lsn, updated_at from position where stream = ? order by destination";
    const rows = this.#database.read(() => this.#database.sqlite.prepare<[string], PositionRow>(sql).all(stream));
    return rows.map((row) => ({ destination: row.destination, appliedLsn: parseLsn(row.applied_lsn), updatedAt: row.updated_at }));
  }

  /** It may go back: a target that crashed says less than before. A destination without a position keeps its row. */
  note(stream: StreamName, positions: ReadonlyMap<string, Lsn | null>): void {
    this.#database.note(() => {
      const statement = this.#database.sqlite.prepare("insert or replace into position values (?, ?, ?, ?)");
      const now = new Date().toISOString();
      for (const [destination, lsn] of positions) if (lsn !== null) statement.run(stream, destination, formatLsn(lsn), now);
    });
  }
}
