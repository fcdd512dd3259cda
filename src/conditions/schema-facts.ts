/** What a condition may ask of a side's schema: what it needs of the server it is moved to, and what it will refuse there. */
import type { Table } from "../model/table.ts";
import type { NamedStatement } from "./table-facts.ts";

export interface SchemaFacts {
  /** Without plpgsql, which is everywhere. */
  extensions(): Promise<readonly ExtensionFact[]>;
  /** What the server could make, by name. */
  availableExtensions(): Promise<ReadonlyMap<string, AvailableExtension>>;
  /** Of these extensions, those that only a superuser may create; none for a superuser or a managed service's administrator. */
  superuserExtensions(names: readonly string[]): Promise<readonly string[]>;
  /** Libraries of C functions that are no extension's. */
  libraries(): Promise<readonly string[]>;
  /** Whether the server has such a library, and our version of it. */
  hasLibrary(library: string): Promise<boolean>;
  /** Columns with a compression of their own, and the statements that end it. */
  columnCompressions(): Promise<readonly CompressedColumn[]>;
  /** Methods that a column may choose; none before 14. */
  compressionMethods(): Promise<ReadonlySet<string>>;
  /** Ordinary columns of inheriting tables whose parent's column is generated. */
  ordinaryChildren(): Promise<readonly NamedStatement[]>;
  /** Valid foreign keys of the tables, those aside that a partition has from its root, and those over periods. */
  foreignKeys(tables: readonly Table[]): Promise<readonly ForeignKeyFact[]>;
  /** Functions that are called while the schema is made or rows come. */
  leaningFunctions(tables: readonly Table[]): Promise<readonly LeaningFunction[]>;
}

export interface ExtensionFact {
  readonly name: string;
  readonly version: string;
  readonly schema: string;
  readonly relocatable: boolean;
}

export interface AvailableExtension {
  /** Null when it is only available. */
  readonly installed: string | null;
  readonly defaultVersion: string;
}

export interface CompressedColumn {
  readonly column: string;
  readonly method: string;
  readonly statement: string;
}

export interface ForeignKeyFact {
  readonly name: string;
  readonly parent: string;
  /** Whether the parent is one of the tables too. */
  readonly inside: boolean;
  /** Whether a row refers to any; null when that was not known in time, or may not be asked. */
  isUsed(millis: number): Promise<boolean | null>;
  /** Whether a row has no parent; null as above. */
  hasOrphans(millis: number): Promise<boolean | null>;
  /** Statement that keeps the key and asks nothing of the rows that are there; null where PostgreSQL has no such thing. */
  readonly unvalidated: string | null;
  readonly drop: string;
}

export interface LeaningFunction {
  /** What calls the function: `index i`, `check c on t`. */
  readonly user: string;
  /** Whether that is a CHECK. */
  readonly checks: boolean;
  /** Statement that drops the CHECK; empty for what else it is. */
  readonly drop: string;
  /** With the types of its arguments, qualified. */
  readonly function: string;
  /** Names in its body that are found by the search path only: none when it has one of its own, or was parsed when it was made. */
  readonly names: readonly string[];
  /** The schemas of those names. */
  readonly schemas: readonly string[];
  /** Relations that it reads. */
  readonly reads: readonly string[];
}
