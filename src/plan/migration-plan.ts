/**
 * The plan of a whole migration, as data. Pure: what was read and measured comes in, what people review goes out. The digest covers what the
 * plan depends on, not what changes by the minute, so that it names the same plan until somebody changes it.
 */
import { createHash } from "node:crypto";
import { canonicalJson } from "../model/canonical-json.ts";
import type { Forecast } from "./forecast.ts";
import type { PlanStep } from "./migration-steps.ts";

export interface PlannedTable {
  readonly table: string;
  /** `key`: chunks in the key's order. `whole`: no key, one read in one snapshot. */
  readonly strategy: "key" | "whole";
  readonly key: readonly string[];
  /** Estimates of the catalog. */
  readonly rows: number;
  readonly bytes: number;
  /** Ranges to begin with; a read that uses up its budget is cut and goes on as another chunk. */
  readonly chunks: number;
}

/** Not moved: selected, and it cannot be; or not selected at all. */
export interface LeftOutTable {
  readonly table: string;
  /** A sentence that names the table. */
  readonly why: string;
  /** Statements to paste, a line each. */
  readonly fix: string | null;
  /** `pghaul run` refuses to begin until it is fixed or excluded. */
  readonly stopsRun: boolean;
}

/** An object that is no table, and not moved. */
export interface NotMoved {
  /** As `publication feed`. */
  readonly object: string;
  /** What makes its like at the target. */
  readonly fix: string;
}

/** A table of a migration that is under way, of which the target refused a row: it has fallen behind, and keeps the switch from being done. */
export interface HeldBack {
  readonly table: string;
  /** A sentence that names the table. */
  readonly why: string;
  readonly fix: string;
}

export interface MigrationPlan {
  readonly migration: string;
  readonly digest: string;
  readonly source: string;
  readonly target: string;
  readonly tables: readonly PlannedTable[];
  readonly leftOut: readonly LeftOutTable[];
  readonly notMoved: readonly NotMoved[];
  /** Not in the digest. */
  readonly held: readonly HeldBack[];
  readonly forecast: Forecast;
  readonly steps: readonly PlanStep[];
}

/** What a reviewed plan must not lose without a new review. */
export interface PlanSubject {
  readonly migration: string;
  readonly source: string;
  readonly target: string;
  /** Of their columns, keys and leaves, not of what lies in them. */
  readonly tablesFingerprint: string;
  readonly leftOut: readonly string[];
  readonly configDigest: string;
}

/** Digits that an operator compares and pastes; as many as a cutover's plan has. */
const DIGITS = 16;

/** The first digits of SHA-256, in hex, over subject and steps as canonical JSON. */
export function planDigest(subject: PlanSubject, steps: readonly PlanStep[]): string {
  return createHash("sha256")
    .update(canonicalJson({ ...subject, steps }))
    .digest("hex")
    .slice(0, DIGITS);
}
