/**
 * The plan of a whole migration, as data and as text. Pure: what was read and measured comes in, what people review goes out. The digest covers
 * what the plan depends on, not what changes by the minute, so that it names the same plan until somebody changes it.
 */
import { createHash } from "node:crypto";
import { canonicalJson } from "../model/canonical-json.ts";
import type { Forecast } from "./forecast.ts";

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

export interface PlanStep {
  readonly id: string;
  readonly title: string;
  readonly pointOfNoReturn: boolean;
}

export interface LeftOutTable {
  readonly table: string;
  readonly why: string;
  readonly fix: string | null;
}

export interface MigrationPlan {
  readonly migration: string;
  readonly digest: string;
  readonly source: string;
  readonly target: string;
  readonly tables: readonly PlannedTable[];
  readonly leftOut: readonly LeftOutTable[];
  readonly forecast: Forecast;
  readonly steps: readonly PlanStep[];
}

/** What a reviewed plan must not lose without a new review. */
export interface PlanSubject {
  readonly migration: string;
  readonly source: string;
  readonly target: string;
  readonly tablesFingerprint: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

export function planDigest(subject: PlanSubject, steps: readonly PlanStep[]): string {
  return createHash("sha256")
    .update(canonicalJson({ ...subject, steps: steps.map(({ id, title }) => [id, title]) }))
    .digest("hex")
    .slice(0, 16);
}

const MOVE_SCHEMA: readonly PlanStep[] = [
  step("schema", "move types, functions, tables and keys to the target with pg_dump; the target's tables must be empty"),
];
const FIND_SCHEMA: readonly PlanStep[] = [step("schema", "compare the tables that are at the target already; they must be empty and fit")];

/** The steps of `pghaul run` and of what follows it, in order. */
export function migrationSteps(schema: "move" | "existing"): readonly PlanStep[] {
  return [
    ...(schema === "move" ? MOVE_SCHEMA : FIND_SCHEMA),
    step("slot", "create publication and replication slot at the source"),
    step("barrier", "wait until every transaction that may have written before the slot has ended; decode the slot once into nothing"),
    step("load", "read the tables in short chunks, roll each forward by the change log, merge it; follow changes meanwhile"),
    ...(schema === "move" ? [step("indexes", "build each table's indexes and constraints when its rows are there")] : []),
    step("finish", "foreign keys, triggers, sequences, statistics"),
    step("catch-up", "apply what the source wrote meanwhile, then keep streaming"),
    step("verify", "compare every table, rows and contents, while writes go on"),
    step("cutover", "gates, fence, drain, sequences, route (pghaul cutover plan shows each step)"),
    step("open", "POINT OF NO RETURN of the switch: the target takes writes; from here back only by rollback", true),
    step("rollback-window", "stream the target's writes back to the source until the way back is given up"),
  ];
}

function step(id: string, title: string, pointOfNoReturn = false): PlanStep {
  return { id, title, pointOfNoReturn };
}
