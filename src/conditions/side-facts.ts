/**
 * What a condition may ask of a side. Each question is typed and answered in one place; a condition knows no server's language. Figures are
 * numbers, 64-bit ones text; names are for a person to read. Where many were found the first few are named.
 */
import type { Lsn } from "../model/lsn.ts";
import type { SideName, StreamName } from "../model/side.ts";
import type { Table } from "../model/table.ts";

export interface SideFacts {
  readonly name: SideName;
  /** Database role of the session, for the GRANTs that are shown. */
  readonly role: string;
  /** Who holds what a fence over the tables would wait for. */
  holders(tables: readonly Table[], olderThanMillis: number): Promise<Holders>;
  /** Null: there is no such slot. */
  slot(name: string): Promise<SlotFact | null>;
  sequences(): Promise<readonly SequenceFact[]>;
  writability(): Promise<Writability>;
  /** Whether a stream out of the side through this slot is possible. */
  streamability(slot: string): Promise<Streamability>;
  /** Native subscriptions that write into the tables. */
  subscriptionsInto(tables: readonly Table[]): Promise<readonly SubscriptionFact[]>;
  /** Tables and partitions, by quoted name, of which an UPDATE or DELETE is refused for a publication's sake. */
  refusedUpdates(tables: readonly Table[]): Promise<ReadonlyMap<string, RefusedUpdate>>;
  /** Usable indexes by table id; a table that is not there has none. */
  indexes(tables: readonly Table[]): Promise<ReadonlyMap<string, number>>;
  /** Tables and partitions that our role does not own, with their owners. */
  notOwned(tables: readonly Table[]): Promise<readonly NotOwned[]>;
  /** Whether our fence may make an autovacuum give way within milliseconds instead of a second. */
  isImpatient(): Promise<boolean>;
  /** Where its WAL ends. */
  writtenUpTo(): Promise<Lsn>;
  /** How far what the stream has brought here is behind a place in its upstream's WAL, and when that was last put on record; null before it began. */
  behind(migration: string, stream: StreamName, upTo: Lsn): Promise<{ readonly bytes: number; readonly seconds: number } | null>;
  extensions(): Promise<readonly string[]>;
  /** As an application's session starts with them. */
  settings(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

export interface Holders {
  /** Transactions that have written and are older than was asked. */
  readonly old: readonly Holder[];
  readonly prepared: readonly Holder[];
  /** Autovacuums against wraparound, which give way to nobody. */
  readonly vacuums: readonly Holder[];
  /** Locks on the tables that no ordinary writer keeps. */
  readonly maintenance: readonly Holder[];
}

export interface Holder {
  /** A sentence's worth. */
  readonly who: string;
  /** The statement that ends it. */
  readonly end: string;
}

export interface NotOwned {
  readonly table: string;
  /** Of a table that was asked for. */
  readonly partition: boolean;
  readonly owner: string;
  /** The statement that makes our role one of its owner's. */
  readonly grant: string;
}

export interface SlotFact {
  readonly active: boolean;
  /** `lost` and `unreserved` are the dangerous ones (manual: pg_replication_slots, wal_status). */
  readonly walStatus: string | null;
  readonly retainedBytes: string | null;
  readonly safeWalBytes: string | null;
}

export interface SequenceFact {
  /** Qualified, quoted. */
  readonly name: string;
  /** The table it belongs to. */
  readonly owner: Pick<Table, "schema" | "name"> | null;
  readonly readable: boolean;
  readonly settable: boolean;
}

export interface Writability {
  readonly inRecovery: boolean;
  readonly readOnlyByDefault: readonly ReadOnlyDefault[];
  readonly connectionsLeft: number;
}

/** Whose sessions start with transactions that may not write. */
export interface ReadOnlyDefault {
  /** `the server`, `the database`, `role app`. */
  readonly what: string;
  /** False: one role only. */
  readonly everybody: boolean;
  /** That put an end to it, in a session that may write; none where no statement can. */
  readonly statements: readonly string[];
}

export interface Streamability {
  readonly walLevel: string;
  readonly slots: Room;
  readonly senders: Room;
  readonly slotExists: boolean;
  readonly mayReplicate: boolean;
  /** The statement that lets the role make a publication; null: it may. */
  readonly grantToPublish: string | null;
}

export interface Room {
  readonly used: number;
  readonly limit: number;
}

export interface RefusedUpdate {
  /** The server's own words. */
  readonly reason: string;
  /** The statement that lists the publications of the table. */
  readonly publications: string;
}

export interface SubscriptionFact {
  readonly name: string;
  /** Names, comma-separated. */
  readonly tables: string;
  /** The statement that stops it. */
  readonly fix: string;
}
