/** What a condition may ask of the rights of our own role at a side. */
import type { Table } from "../model/table.ts";

export interface RoleFacts {
  ownRole(): Promise<OwnRole>;
  /** The GRANTs that reading the tables still needs: their schemas, themselves, their partitions and their sequences. */
  missingReadGrants(tables: readonly Table[]): Promise<readonly string[]>;
  /** The GRANTs that writing to the tables still needs, of those that are there. Rows go through the root of a partitioned table. */
  missingWriteGrants(tables: readonly Table[]): Promise<readonly string[]>;
  /** Tables and partitions whose policies hide rows from our role. */
  hiddenByPolicies(tables: readonly Table[]): Promise<readonly string[]>;
  /** Tables and partitions that our role does not own, with their owners. */
  notOwned(tables: readonly Table[]): Promise<readonly NotOwned[]>;
  /** Null: the role may work as a replica, where triggers and foreign keys do not act; else the statement that lets it. */
  grantToBeReplica(): Promise<string | null>;
  /** Functions about replication origins that our role may not call. */
  forbiddenOriginFunctions(): Promise<readonly ForbiddenFunction[]>;
  /** Whether our fence may make an autovacuum give way within milliseconds instead of a second. */
  isImpatient(): Promise<boolean>;
}

export interface OwnRole {
  readonly name: string;
  readonly database: string;
  readonly mayReplicate: boolean;
  readonly bypassesRowSecurity: boolean;
  readonly superuser: boolean;
  /** CREATE on the database: schemas and publications. */
  readonly mayCreate: boolean;
  /** The statements that give what is lacking. */
  readonly grants: { readonly replicate: string; readonly bypassRowSecurity: string; readonly create: string };
}

export interface NotOwned {
  readonly table: string;
  /** Of a table that was asked for. */
  readonly partition: boolean;
  readonly owner: string;
  /** The statement that makes our role one of its owner's. */
  readonly grant: string;
}

export interface ForbiddenFunction {
  readonly name: string;
  readonly grant: string;
}
