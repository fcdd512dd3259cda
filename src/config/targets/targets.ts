import { z } from "zod";
import { postgresKeys } from "./postgres.ts";
import type { Resolver, TargetKeys } from "./target-keys.ts";
import { UNAVAILABLE } from "./unavailable.ts";

/** The kinds that this version can do: one line each. */
const TARGETS = { postgres: postgresKeys };

export const targetSchema = z.discriminatedUnion("kind", [TARGETS.postgres.schema, ...UNAVAILABLE]).describe("Where the data goes.");

type Kind = keyof typeof TARGETS;

/** As the file says it, of a kind that is available. */
export type ParsedTarget = { [K in Kind]: z.output<(typeof TARGETS)[K]["schema"]> }[Kind];

/** References followed. Holds secrets. */
export type TargetConfig = { [K in Kind]: ReturnType<(typeof TARGETS)[K]["resolve"]> }[Kind];

export function isAvailableKind(kind: string): kind is Kind {
  return kind in TARGETS;
}

export function resolveTarget(parsed: ParsedTarget, resolver: Resolver): TargetConfig {
  return keysOf(parsed.kind).resolve(parsed, resolver);
}

/** For the plan's digest. */
export function reviewedTarget(target: TargetConfig): object {
  return keysOf(target.kind).reviewed(target);
}

/** A kind's keys fit that kind's configuration alone, which the name that both bear ensures. */
function keysOf(kind: Kind): TargetKeys<ParsedTarget, TargetConfig> & { resolve(parsed: ParsedTarget, resolver: Resolver): TargetConfig } {
  return TARGETS[kind];
}
