import type { BetweenFacts } from "../../conditions/between-facts.ts";
import type { Answer, Condition } from "../../conditions/condition.ts";
import type { SideFacts } from "../../conditions/side-facts.ts";
import type { AccessScope } from "../../model/access-scope.ts";
import type { SideName } from "../../model/side.ts";
import type { TableOverrides } from "../catalog/table-overrides.ts";
import type { Catalog } from "../catalog.ts";

/** What checks look at. Neither role needs to be a superuser. */
export interface CheckContext {
  readonly source: Side;
  readonly target: Side;
  /** How the target falls short of the source. */
  readonly between: BetweenFacts;
  readonly catalog: Catalog;
  readonly overrides: TableOverrides;
  readonly migration: string;
  /** What of owners and grants is to be kept. */
  readonly access: AccessScope;
  /** Whether pghaul makes the tables at the target. */
  readonly schema: "move" | "existing";
  /** Of the stream that reads that side: forward at the source, reverse at the target. */
  readonly slots: Readonly<Record<SideName, string>>;
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

export interface Side extends SideFacts {
  readonly way: Way;
}

/** How a server is reached. */
export interface Way {
  /** A socket or a loopback address. */
  readonly withinMachine: boolean;
  /** The weakest `sslmode` of those hosts that are on other machines. */
  readonly sslMode: "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full";
}

/** A condition that must hold before the first row moves. It reads, and changes nothing. */
export type Check = Condition<CheckContext>;

/** `title`: what holds when it passes. */
export function check(id: string, side: Check["side"], title: string, ask: (context: CheckContext) => Answer | Promise<Answer>): Check {
  return { id, title, when: ["start"], side, ask: async (context) => ask(context) };
}

/** What it comes to when a server cannot do its part in a reverse stream. */
export const NO_WAY_BACK = "there would be no way back after a cutover";
