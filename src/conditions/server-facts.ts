/** What a condition may ask of the server itself and of its database. */
import type { Lsn } from "../model/lsn.ts";

export interface ServerFacts {
  server(): Promise<Server>;
  /** How this very session is encrypted, `TLSv1.3, CIPHER`; null when it is not. */
  encryption(): Promise<string | null>;
  /** As an application's session starts with them, whatever ours set for itself. A name that this version does not know is missing. */
  settings(names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Settings that were made for the database or for a role in it. */
  databaseSettings(): Promise<readonly OwnSetting[]>;
  locale(): Promise<Locale>;
  /** Null: there is no such slot. */
  slot(name: string): Promise<SlotFact | null>;
  /** Whether a stream out of the side through this slot is possible. */
  streamability(slot: string): Promise<Streamability>;
  /** Replication origins but those whose names begin with `prefix` and are of this database. */
  otherOrigins(prefix: string): Promise<Origins>;
  /** Whose sessions start with transactions that may not write. */
  readOnlyDefaults(): Promise<readonly ReadOnlyDefault[]>;
  /** Of the server's, taken or not. */
  connectionsLeft(): Promise<number>;
  /** Limits of our own role and database; those without a limit are left out. */
  connectionLimits(): Promise<readonly ConnectionLimit[]>;
  /** By the server's clock, milliseconds since the Unix epoch. */
  clock(): Promise<number>;
  /** Where its WAL ends. */
  writtenUpTo(): Promise<Lsn>;
}

export interface Server {
  /** server_version_num, 180004 for 18.4. */
  readonly version: number;
  /** `18.4`, with what the packager adds. */
  readonly release: string;
  readonly inRecovery: boolean;
}

export interface Locale {
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  /** `c` libc, `i` ICU, `b` built in. */
  readonly provider: string;
  readonly locale: string | null;
  /** Version of the library when the database was made (15 and later), and now. */
  readonly recordedVersion: string | null;
  readonly actualVersion: string | null;
}

export interface SlotFact {
  readonly active: boolean;
  /** `lost` and `unreserved` are the dangerous ones (manual: pg_replication_slots, wal_status). */
  readonly walStatus: string | null;
  readonly retainedBytes: string | null;
  readonly safeWalBytes: string | null;
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

export interface Origins {
  readonly count: number;
  /** True: those that occupy a state of the server. False: all that exist, for we may not see which are in use. */
  readonly inUse: boolean;
}

export interface ReadOnlyDefault {
  /** `the server`, `the database`, `role app`. */
  readonly what: string;
  /** False: one role only. */
  readonly everybody: boolean;
  /** That put an end to it, in a session that may write; none where no statement can. */
  readonly statements: readonly string[];
}

export interface ConnectionLimit extends Room {
  /** `role app`, `database shop`. */
  readonly what: string;
  /** The same, quoted for ALTER. */
  readonly quoted: string;
}

export interface OwnSetting {
  readonly setting: string;
  /** As it may be told: of an application's own setting (its name has a dot) the value may be a key or a password. */
  readonly shown: string;
}
