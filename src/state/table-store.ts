import type { Table } from "../model/table.ts";
import type { StateDatabase } from "./state-database.ts";

/**
 * Where a table stands. `pending`: nothing read yet. `loading`: chunks are read and merged. `loaded`: every chunk is merged. `joined`:
 * part of the one stream. `live`: indexes, constraints and triggers are in place and the first verification was equal.
 */
export type TablePhase = "pending" | "loading" | "loaded" | "joined" | "live";

/**
 * A table as planned, with the load's figures. Bytes are those of COPY text; `expected*` are the source's estimates. Of several destinations
 * the phase is that of the one that is furthest behind, and a chunk is done when all have it.
 */
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
  readonly rank: number;
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

const PHASES: readonly TablePhase[] = ["pending", "loading", "loaded", "joined", "live"];

/** Moments of the last destination count, but for the first that began; an aggregate with nulls has happened only where all have it. */
const SELECT = `
  with merged as (
    select chunk_id, count(*) as destinations, sum(row_count) as row_count, sum(byte_count) as byte_count from chunk_merge group by chunk_id
  ), state as (
    select table_id, count(*) as destinations, min(case phase ${PHASES.map((phase, rank) => `when '${phase}' then ${rank}`).join(" ")} end) as rank,
           min(loading_at) as loading_at, ${["loaded_at", "joined_at", "live_at"].map((at) => `case when count(${at}) = count(*) then max(${at}) end as ${at}`).join(", ")}
    from table_state group by table_id
  )
  select t.definition, s.rank, t.expected_rows, t.expected_bytes, s.loading_at, s.loaded_at, s.joined_at, s.live_at,
         coalesce(sum(m.row_count), 0) as rows, coalesce(sum(m.byte_count), 0) as bytes,
         count(case when m.destinations >= s.destinations then 1 end) as chunks_done, count(c.id) as chunks_total
  from migration_table t join state s on s.table_id = t.id
       left join chunk c on c.table_id = t.id left join merged m on m.chunk_id = c.id
  group by t.id order by t.ordinal`;

const MARK_PHASE = {
  loading: "update table_state set phase = 'loading', loading_at = coalesce(loading_at, ?) where table_id = ? and destination = ?",
  loaded: "update table_state set phase = 'loaded', loaded_at = ? where table_id = ? and destination = ?",
  joined: "update table_state set phase = 'joined', joined_at = ? where table_id = ? and destination = ?",
  live: "update table_state set phase = 'live', live_at = ? where table_id = ? and destination = ?",
} as const;

/** The tables of the migration, as they were when it was planned. */
export class TableStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  /** Records the tables in the order given; a table that is there already keeps its phases and gets the new definition. */
  plan(tables: readonly Table[], destinations: readonly string[]): void {
    this.#database.write(() => {
      const planned = this.#database.sqlite.prepare(`
        insert into migration_table (id, ordinal, definition, expected_rows, expected_bytes) values (?, ?, ?, ?, ?)
        on conflict (id) do update set ordinal = excluded.ordinal, definition = excluded.definition`);
      const pending = this.#database.sqlite.prepare(`
        insert into table_state (destination, table_id, phase) values (?, ?, 'pending') on conflict (table_id, destination) do nothing`);
      for (const [ordinal, table] of tables.entries()) {
        planned.run(table.id, ordinal, JSON.stringify(table), sum(table, "rows"), sum(table, "bytes"));
        for (const destination of destinations) pending.run(destination, table.id);
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

  /** Phase of each table at one destination, by id. */
  phasesAt(destination: string): ReadonlyMap<string, TablePhase> {
    const sql = "select table_id, phase from table_state where destination = ?";
    const rows = this.#database.read(() =>
      this.#database.sqlite.prepare<[string], { table_id: string; phase: TablePhase }>(sql).all(destination),
    );
    return new Map(rows.map(({ table_id, phase }) => [table_id, phase]));
  }

  /** Notes that a table reached a phase at a destination, and when; that knows too. Throws for a table that was never planned: a fault of ours. */
  reached(table: string, phase: Exclude<TablePhase, "pending">, destination: string): void {
    this.#database.note(() => {
      const { changes } = this.#database.sqlite.prepare(MARK_PHASE[phase]).run(new Date().toISOString(), table, destination);
      if (changes === 0) throw new Error(`state: table ${table} was never planned at ${destination}`);
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
    phase: PHASES[row.rank] ?? "pending",
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
