/** What a condition may ask of the moved tables at a side, and of what belongs to them. Partitions are asked for with their tables. */
import type { Table } from "../model/table.ts";

export interface TableFacts {
  /** Quoted, qualified names of those that are there, whether or not our role may look inside. */
  existing(tables: readonly Table[]): Promise<ReadonlySet<string>>;
  /** What of each table holds rows, as TRUNCATE takes it; for tables that are there. */
  holdingRows(tables: readonly Table[]): Promise<readonly Filled[]>;
  /** How these (of `holdingRows`) are emptied; `moved` are quoted, qualified names. */
  emptying(holders: readonly string[], moved: readonly string[]): Promise<Emptying>;
  /** Tables and partitions, by quoted name, of which an UPDATE or DELETE is refused for a publication's sake. */
  refusedUpdates(tables: readonly Table[]): Promise<ReadonlyMap<string, RefusedUpdate>>;
  /** Usable indexes by table id; a table that is not there has none. */
  indexes(tables: readonly Table[]): Promise<ReadonlyMap<string, number>>;
  /** Every sequence but temporary ones and our own. */
  sequences(): Promise<readonly SequenceFact[]>;
  /** Every partition of those tables that are there, parents first. */
  partitions(tables: readonly Table[]): Promise<readonly PartitionFact[]>;
  /** Deferrable unique constraints. */
  deferrableKeys(tables: readonly Table[]): Promise<readonly string[]>;
  /** Keys whose index mixes ascending and descending columns. */
  mixedOrderKeys(tables: readonly Table[]): Promise<readonly string[]>;
  /** UNIQUE NULLS NOT DISTINCT. */
  nullsNotDistinct(tables: readonly Table[]): Promise<readonly string[]>;
  generatedColumns(tables: readonly Table[]): Promise<readonly GeneratedColumn[]>;
  /** Tables that inherit, not as partitions, from one of these and are not among them. */
  unselectedChildren(tables: readonly Table[]): Promise<readonly string[]>;
  /** Partitions whose DETACH CONCURRENTLY never ended. */
  pendingDetaches(tables: readonly Table[]): Promise<readonly NamedStatement[]>;
  /** Triggers and rules that act even on what our applier writes; `trigger t on x`, with the statement that changes that. */
  insistent(tables: readonly Table[]): Promise<readonly NamedStatement[]>;
  /** In the whole database. */
  largeObjects(): Promise<number>;
  /** Collations in use whose library has changed since they were made. */
  staleCollations(tables: readonly Table[]): Promise<readonly string[]>;
  /** For a database of SQL_ASCII: partitions with a text that is not valid in `encoding`, as far as they were read in that time. */
  misencoded(tables: readonly Table[], encoding: string, millis: number): Promise<readonly string[]>;
}

export interface NamedStatement {
  readonly name: string;
  readonly statement: string;
}

export interface Filled {
  /** Quoted, qualified. */
  readonly table: string;
  readonly holders: readonly string[];
}

export interface Emptying {
  /** Empties the tables, and with them those that point to them. Null when one of those is not ours to empty. */
  readonly statement: string | null;
  /** Tables that point to these and are not moved, or lead to rows of another server. */
  readonly others: readonly string[];
}

export interface RefusedUpdate {
  /** The server's own words. */
  readonly reason: string;
  /** The statement that lists the publications of the table. */
  readonly publications: string;
}

export interface SequenceFact {
  /** Qualified, quoted. */
  readonly name: string;
  readonly schema: string;
  /** The table it belongs to; of a partition the root. */
  readonly owner: Pick<Table, "schema" | "name"> | null;
  /** Tables whose defaults draw from it. */
  readonly users: number;
  readonly readable: boolean;
  readonly settable: boolean;
}

export interface PartitionFact {
  /** Quoted, qualified. */
  readonly root: string;
  readonly schema: string;
  readonly name: string;
  readonly parent_schema: string;
  readonly parent: string;
  /** `RANGE (day)` of the parent. */
  readonly parent_key: string;
  /** `FOR VALUES ...` or `DEFAULT`. */
  readonly bound: string;
  /** `r`, `f` of another server, or `p` of one that has partitions itself. */
  readonly kind: string;
  /** `u`: unlogged. */
  readonly persistence: string;
  /** `RANGE (day)` of a partition that has partitions itself. */
  readonly key: string | null;
}

export interface GeneratedColumn {
  readonly name: string;
  readonly virtual: boolean;
}
