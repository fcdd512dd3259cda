import type pg from "pg";
import type { AccessScope } from "../../model/access-scope.ts";
import type { CheckResult } from "../../model/check-result.ts";
import type { SideName } from "../../model/side.ts";
import type { ConnectionSpec } from "../../postgres/resolve-connection.ts";
import type { TableOverrides } from "../catalog/table-overrides.ts";
import type { Catalog } from "../catalog.ts";

export type Verdict = Omit<CheckResult, "id">;

/** What checks look at. Neither role needs to be a superuser. */
export interface CheckContext {
  readonly source: Side;
  readonly target: Side;
  readonly catalog: Catalog;
  readonly overrides: TableOverrides;
  readonly migration: string;
  /** What of owners and grants is to be kept. */
  readonly access: AccessScope;
  /** Whether pghaul makes the tables at the target. */
  readonly schema: "move" | "existing";
  readonly publication: string;
  /** Of the stream that reads that side: forward at the source, reverse at the target. */
  readonly slots: Readonly<Record<Side["name"], string>>;
  /** What the names of our replication origins begin with. */
  readonly originPrefix: string;
  /** Readers of the load; each has a session at the target. */
  readonly workers: number;
  /** Kinds of the routes that `cutover.routing` names. */
  readonly routes: readonly string[];
  readonly stateDirectory: string;
  /** Space that the state directory should have, bytes: the change log and the schema live there. */
  readonly wantedStateBytes: number;
  /** The device that a path of this machine lies on; null where it cannot be seen. */
  readonly deviceOf: (path: string) => Promise<number | null>;
  /** Transactions open for longer are worth a word before anything waits for them. */
  readonly longTransactionSeconds: number;
  /** Says which pg_dump will read the source; rejects when none can. */
  readonly findClientTools: (sourceMajor: number) => Promise<string>;
}

export interface Side {
  readonly name: SideName;
  readonly client: pg.Client;
  readonly spec: ConnectionSpec;
  /** server_version_num, 180004 for 18.4. */
  readonly version: number;
  /** The selected tables and their leaf partitions, those that exist on this side. */
  readonly oids: readonly number[];
}

/** One question. It reads, and changes nothing. */
export interface Check {
  readonly id: string;
  readonly run: (context: CheckContext) => Promise<Verdict>;
}

export function pass(evidence: string): Verdict {
  return { status: "pass", evidence, fix: null };
}

export function warn(evidence: string, fix: string | null = null): Verdict {
  return { status: "warn", evidence, fix };
}

export function fail(evidence: string, fix: string | null = null): Verdict {
  return { status: "fail", evidence, fix };
}

/** What it comes to when a server cannot do its part in a reverse stream. */
export const NO_WAY_BACK = "there would be no way back after a cutover";

const NAMED = 5;

/** The first few names, and how many more there are. */
export function named(names: readonly string[]): string {
  const more = names.length - NAMED;
  return names.slice(0, NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** Statements to paste, one a line, each with the remark behind it; null for none. */
export function statements(lines: readonly string[], remark?: string): string | null {
  const end = remark === undefined ? ";" : `;   -- ${remark}`;
  return lines.length === 0 ? null : lines.map((line) => `${line}${end}`).join("\n");
}
