import type { AvailableRouting } from "./config.ts";
import type { ParsedConfig } from "./schema.ts";
import { isAvailableKind, type ParsedTarget } from "./targets/targets.ts";
import type { Fault } from "./yaml-document.ts";

export type AvailableConfig = Omit<ParsedConfig, "target" | "cutover"> & {
  readonly target: ParsedTarget;
  readonly cutover: Omit<ParsedConfig["cutover"], "routing"> & { readonly routing: AvailableRouting[] };
};

/**
 * What the file asks for and this version cannot do. The keys are part of the contract, so they parse; but a setting that is
 * accepted and ignored (a column that should be a token, a bucket that should hold a copy) would be a promise broken in silence.
 */
export function unavailableFaults(config: ParsedConfig): readonly Fault[] {
  const faults: Fault[] = [];
  const refuse = (path: Fault["path"], what: string) => faults.push({ path, message: `${what} is not yet available in this version` });
  if (config.source.replicaUrl !== undefined) refuse(["source", "replicaUrl"], "reading from a standby");
  if (!isAvailableKind(config.target.kind)) refuse(["target", "kind"], `the target kind ${config.target.kind}`);
  for (const [table, { strategy }] of Object.entries(config.tables.overrides))
    if (strategy === "whole") refuse(["tables", "overrides", table, "strategy"], "reading a table that has a key in one snapshot");
  for (const column of Object.keys(config.columns)) refuse(["columns", column], "changing columns on the way");
  for (const key of ["reads", "soak"] as const) if (config.cutover[key] !== undefined) refuse(["cutover", key], "moving reads in stages");
  for (const [index, { kind }] of config.cutover.routing.entries()) {
    if (kind !== "hook" && kind !== "document") refuse(["cutover", "routing", index, "kind"], `routing by ${kind}`);
  }
  return faults;
}

/** True when nothing in it is unavailable; the types then say so too. */
export function isAvailable(config: ParsedConfig): config is AvailableConfig {
  return unavailableFaults(config).length === 0;
}
