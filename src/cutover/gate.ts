/**
 * What a gate may ask, and what becomes of its answer. Everything beside the two databases comes through `GateFacts`, so that this folder
 * knows neither the state directory nor the stream.
 */
import type { BetweenFacts } from "../conditions/between-facts.ts";
import type { Condition } from "../conditions/condition.ts";
import type { SideFacts } from "../conditions/side-facts.ts";
import type { AccessScope } from "../model/access-scope.ts";
import type { SideName } from "../model/side.ts";
import type { Table } from "../model/table.ts";
import type { Route } from "./ports.ts";

export interface GateResult {
  readonly id: string;
  readonly open: boolean;
  /** Names and figures, 64-bit numbers as text; never row values. */
  readonly evidence: Readonly<Record<string, unknown>>;
  /** What to do, if something has to be done: a statement, a setting or a command. */
  readonly fix?: string;
  /** ISO 8601. */
  readonly measuredAt: string;
  /** The answer is good for this long. */
  readonly ttlMillis: number;
}

/** A condition that must hold before a switch, in one direction or both. */
export type Gate = Condition<GateContext>;

export interface LagSample {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly widthMillis: number;
  readonly lagBytesMax: number | null;
  readonly lagSecondsMax: number | null;
}

export interface GateFacts {
  /** Null when the stream out of a side runs; else why not. */
  notRunning(side: SideName): Promise<string | null>;
  /** Tables of which a side refused a row, in either direction, in words and with what to do. */
  held(): readonly { readonly table: string; readonly why: string; readonly fix: string }[];
  /** Tables that are not part of the stream yet. */
  notJoined(): readonly string[];
  /** Of the forward stream, oldest first. */
  lagSamples(): readonly LagSample[];
  lastError(): { readonly code: string; readonly at: string } | null;
  /** The last verdict on each table. */
  verdicts(): readonly { readonly table: string; readonly equal: boolean; readonly at: string }[];
  /** What happened at the source and does not stream, of tables that no comparison has found equal since. */
  sourceChanges(): Promise<readonly { readonly code: string; readonly table: string; readonly message: string }[]>;
  /** Differences between the tables as they stream and as the source's catalog has them now. */
  drift(): Promise<readonly string[]>;
}

export interface GateLimits {
  readonly maxLagBytes: number;
  readonly maxLagSeconds: number;
  readonly lagHeldFor: number;
  readonly noErrorsFor: number;
  readonly maxTransactionAge: number;
  readonly verifiedWithin: number;
  /** Objects that the new primary may lack, as `KIND NAME`, where * stands for any text. */
  readonly notNeeded: readonly string[];
}

export interface GateContext {
  readonly migration: string;
  readonly from: SideFacts;
  readonly to: SideFacts;
  /** How `to` falls short of `from`. */
  readonly between: BetweenFacts;
  /** Without our own. */
  readonly tables: readonly Table[];
  /** Names of the slots that carry changes out of each side. */
  readonly slots: Readonly<Record<SideName, string>>;
  readonly limits: GateLimits;
  /** What of owners and grants was to be kept. */
  readonly access: AccessScope;
  readonly facts: GateFacts;
  readonly route: Route;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}
