/** What a condition may ask of a side's own record of migrations. */
import type { Lsn } from "../model/lsn.ts";
import type { StreamName } from "../model/side.ts";

export interface ProgressFacts {
  /** How far what the stream has brought here is behind a place in its upstream's WAL, and when that was last put on record; null before it began. */
  behind(migration: string, stream: StreamName, upTo: Lsn): Promise<{ readonly bytes: number; readonly seconds: number } | null>;
  /** Which of these tables, by id, another migration has taken for itself here; none where pghaul never was, or where we may not look. */
  otherClaims(own: string, tables: readonly string[]): Promise<readonly Claim[]>;
  /** Ids of the tables that this migration has begun to load here. */
  ownTables(migration: string): Promise<ReadonlySet<string>>;
  /** Whether this migration has begun to make the schema here. */
  hasBegunSchema(migration: string): Promise<boolean>;
}

export interface Claim {
  readonly table: string;
  readonly migration: string;
}
