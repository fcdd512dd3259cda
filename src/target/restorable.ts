/** What was written to a target of versions, seen as something that a database can be restored from. */
import type { CrashPoints, Target } from "../engine/ports.ts";
import type { Lsn } from "../model/lsn.ts";
import type { Table } from "../model/table.ts";
import type { Digest } from "../verify/ports.ts";

export interface Restorable {
  readonly migration: string;
  /** The application's tables, with the columns that they have at the newest position. */
  readonly tables: readonly Table[];
  /** Tables of the migration of which nothing was written yet. */
  readonly notBegun: readonly Pick<Table, "id" | "schema" | "name">[];
  /**
   * The position that is asked for, or the newest. Throws USAGE where these tables cannot be told at it, with the positions at which they can,
   * and STREAM_NOT_RUNNING for a table whose load never ended.
   */
  position(tables: ReadonlySet<string>, asked: Lsn | null): Lsn;
  /** These tables with the columns that they had at a position that `position` returned. */
  tablesAt(tables: ReadonlySet<string>, position: Lsn): readonly Table[];
  /** Restores the tables one after another, or goes on. Throws CONFIG_CHANGED where a restore to another position was begun, TARGET_*. */
  restore(request: RestoreRequest): Promise<readonly RestoredTable[]>;
}

export interface RestoreRequest {
  readonly tables: ReadonlySet<string>;
  /** One that `position` returned. */
  readonly position: Lsn;
  /** The database that is restored into; its tables are there, and are empty where no restore was begun. */
  readonly target: Target;
  /** For temporary files: about twice the text of the largest table. */
  readonly scratch: string;
  /** What the table holds at the target, all of it. */
  readonly digest: (table: Table) => Promise<Digest>;
  readonly begun: (table: string) => void;
  readonly restored: (table: RestoredTable) => void;
  readonly crashPoint: CrashPoints;
  readonly signal: AbortSignal;
}

export interface RestoredTable {
  readonly table: string;
  readonly rows: bigint;
  /** Of the files and of the target: they are equal. */
  readonly digest: Digest;
}
