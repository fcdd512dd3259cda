import type { ConnectionSettings } from "../postgres/resolve-connection.ts";
import type { ParsedConfig } from "./schema.ts";
import type { TargetConfig } from "./targets/targets.ts";

type Routing = ParsedConfig["cutover"]["routing"][number];

/**
 * The configuration as the rest of pghaul sees it: defaults filled in, durations in milliseconds, sizes in bytes, paths absolute,
 * references resolved, and nothing in it that this version cannot do.
 *
 * It holds secrets (in `connection.url`), in memory only: never print, log or store it whole.
 */
export interface Config {
  /** The file it came from, absolute. */
  readonly file: string;
  readonly migration: string;
  readonly source: { readonly connection: ConnectionSettings };
  readonly target: TargetConfig;
  readonly tables: ParsedConfig["tables"];
  readonly state: { readonly dir: string; readonly bucket: BucketConfig | null };
  readonly throttle: ParsedConfig["throttle"];
  readonly log: ParsedConfig["log"];
  readonly verify: ParsedConfig["verify"];
  readonly cutover: Omit<ParsedConfig["cutover"], "routing" | "reads" | "soak"> & { readonly routing: readonly AvailableRouting[] };
}

/** Where state and log are copied to. Credentials are none of it: they come from the environment or the AWS profile. */
export interface BucketConfig {
  readonly bucket: string;
  /** Without slashes at its ends. */
  readonly prefix: string;
  readonly endpoint: string | null;
  readonly region: string | null;
  readonly pathStyle: boolean;
  readonly kmsKey: string | null;
}

export type AvailableRouting = Extract<Routing, { kind: "hook" | "document" }>;
