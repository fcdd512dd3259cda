import { z } from "zod";
import { fileKeys } from "./file.ts";
import { postgresKeys } from "./postgres.ts";
import type { InitKeys, Resolver, TargetKeys } from "./target-keys.ts";
import { UNAVAILABLE } from "./unavailable.ts";

/** The kinds that this version can do: one line each. The first is meant by whatever text no other knows. */
const TARGETS = { postgres: postgresKeys, file: fileKeys };

export type Kind = keyof typeof TARGETS;
type Schema = (typeof TARGETS)[Kind]["schema"];

/** As the file says it, of a kind that is available. */
export type ParsedTarget = z.output<Schema>;

/** References followed. Holds secrets. */
export type TargetConfig = ReturnType<(typeof TARGETS)[Kind]["resolve"]>;

const schemas = Object.values(TARGETS).map(({ schema }) => schema) as [Schema, ...Schema[]];

export const targetSchema = z.discriminatedUnion("kind", [...schemas, ...UNAVAILABLE]).describe("Where the data goes.");

export function isAvailableKind(kind: string): kind is Kind {
  return kind in TARGETS;
}

export function resolveTarget(parsed: ParsedTarget, resolver: Resolver): TargetConfig {
  return keysOf(parsed.kind).resolve(parsed, resolver);
}

/** What `init` is given as the target. */
export interface TargetAnswer {
  /** As it shall be written: a reference, or a text without a password. */
  readonly url: string;
  readonly kind: Kind;
  /** Keys beside it, as given. */
  readonly settings: Readonly<Record<string, string>>;
}

/** The kind that a URL means. */
export function kindOfUrl(url: string): Kind {
  const [first, ...others] = Object.keys(TARGETS) as [Kind, ...Kind[]];
  return others.find((kind) => keysOf(kind).init.means(url)) ?? first;
}

/** How `init` asks for a target of the kind. */
export function initKeysOf(kind: Kind): InitKeys {
  return keysOf(kind).init;
}

/** For the plan's digest. */
export function reviewedTarget(target: TargetConfig): object {
  return keysOf(target.kind).reviewed(target);
}

/** The compiler cannot know that the kind by which these keys were found is that of the configuration they are given. */
function keysOf(kind: Kind): TargetKeys<ParsedTarget, TargetConfig> {
  return TARGETS[kind] as unknown as TargetKeys<ParsedTarget, TargetConfig>;
}
