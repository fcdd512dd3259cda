import type { z } from "zod";
import type { ConnectionSettings } from "../../postgres/resolve-connection.ts";
import type { ConnectionKeys } from "../keys/connection-keys.ts";

/** Follows the references of a file that stands in a folder. */
export interface Resolver {
  /** Reads the connection string and registers its secrets. Throws CONFIG_INVALID, CONNECTION_STRING_INVALID. */
  connection(keys: ConnectionKeys): ConnectionSettings;
}

/** What the file says of one kind of target. */
export interface TargetKeys<Parsed, Resolved extends { readonly kind: string }> {
  /** Its `kind` is the kind's name. */
  readonly schema: z.ZodType<Parsed>;
  resolve(parsed: Parsed, resolver: Resolver): Resolved;
  /** What a plan's digest covers: without secrets, and without where files lie on this machine. */
  reviewed(resolved: Resolved): object;
}
