import type { Table } from "../model/table.ts";
import type { StateDatabase } from "./state-database.ts";

/**
 * Where a table stands. `pending`: nothing read yet. `loading`: chunks are read and merged. `loaded`: every chunk is merged. `joined`:
 * part of the one stream. `live`: indexes, constraints and triggers are in place and the first verification was equal.
 */
export type TablePhase = "pending" | "loading" | "loaded" | "joined" | "live";

/** A table as planned, with the load's figures. Bytes are those of COPY text; `expected*` are the source's estimates. */
export interface TableRecord {
  readonly table: Table;
  readonly phase: TablePhase;
  readonly rows: number;
  readonly bytes: number;
  readonly expectedRows: number;
  readonly expectedBytes: number;
  readonly chunksDone: number;
  readonly chunksTotal: number;
  /** ISO 8601, null until it happened. */
  readonly loadingAt: string | null;
  readonly loadedAt: string | null;
  readonly joinedAt: string | null;
  readonly liveAt: string | null;
}

interface TableRow {
  readonly definition: string;
  readonly phase: TablePhase;
  readonly rows: number;
  readonly bytes: number;
  readonly expected_rows: number;
  readonly expected_bytes: number;
  readonly chunks_done: number;
  readonly chunks_total: number;
  readonly loading_at: string | null;
  readonly loaded_at: string | null;
  readonly joined_at: string | null;
  readonly live_at: string | null;
}

const SELECT = `
  select t.definition, t.phase, t.expected_rows, t.expected_bytes, t.loading_at, t.loaded_at, t.joined_at, t.live_at,
         coalesce(sum(c.row_count), 0) as rows, coalesce(sum(c.byte_count), 0) as bytes,
         count(c.merged_at) as chunks_done, count(c.id) as chunks_total
  from migration_table t left join chunk c on c.table_id = t.id
  group by t.id order by t.ordinal`;

const MARK_PHASE = {
  loading: "update migration_table set phase = 'loading', loading_at = coalesce(loading_at, ?) where id = ?",
  loaded: "update migration_table set phase = 'loaded', loaded_at = ? where id = ?",
  joined: "update migration_table set phase = 'joined', joined_at = ? where id = ?",
  live: "update migration_table set phase = 'live', live_at = ? where id = ?",
} as const;

/** The tables of the migration, as they were when it was planned. */
export class TableStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  /** Records the tables in the order given; a table that is there already keeps its phase and gets the new definition. */
  plan(tables: readonly Table[]): void {
    this.#database.write(() => {
      const statement = this.#database.sqlite.prepare(`
        insert into migration_table (id, ordinal, definition, phase, expected_rows, expected_bytes) values (?, ?, ?, 'pending', ?, ?)
        on conflict (id) do update set ordinal = excluded.ordinal, definition = excluded.definition`);
      for (const [ordinal, table] of tables.entries()) {
        statement.run(table.id, ordinal, JSON.stringify(table), sum(table, "rows"), sum(table, "bytes"));
      }
    });
  }

  /** Another definition of a table that is there: its columns changed, and no verdict from before counts any more. */
  redefine(table: Table): void {
    this.#database.write(() => {
      const { changes } = this.#database.sqlite
        .prepare("update migration_table set definition = ?, changed_at = ? where id = ?")
        .run(JSON.stringify(table), new Date().toISOString(), table.id);
      if (changes === 0) throw new Error(`state: table ${table.id} was never planned`);
    });
  }

  /** All tables in the planned order. */
  all(): readonly TableRecord[] {
    return this.#database.read(() => this.#database.sqlite.prepare<[], TableRow>(SELECT).all().map(toRecord));
  }

  /** Notes that a table reached a phase, and when; the target knows too. Throws for a table that was never planned: a fault of ours. */
  reached(table: string, phase: Exclude<TablePhase, "pending">): void {
    this.#database.note(() => {
      const { changes } = this.#database.sqlite.prepare(MARK_PHASE[phase]).run(new Date().toISOString(), table);
      if (changes === 0) throw new Error(`state: table ${table} was never planned`);
    });
  }
}

/** Estimates of pg_class: -1 stands for "never analysed" there (manual: pg_class.reltuples). */
function sum(table: Table, field: "rows" | "bytes"): number {
  return table.leaves.reduce((total, leaf) => total + Math.max(0, Math.round(leaf[field])), 0);
}

function toRecord(row: TableRow): TableRecord {
  return {
    table: JSON.parse(row.definition) as Table,
    phase: row.phase,
    rows: row.rows,
    bytes: row.bytes,
    expectedRows: row.expected_rows,
    expectedBytes: row.expected_bytes,
    chunksDone: row.chunks_done,
    chunksTotal: row.chunks_total,
    loadingAt: row.loading_at,
    loadedAt: row.loaded_at,
    joinedAt: row.joined_at,
    liveAt: row.live_at,
  };
}
