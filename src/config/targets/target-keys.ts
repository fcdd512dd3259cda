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
  /** How `init` asks for it and writes it. */
  readonly init: InitKeys;
}

export interface InitKeys {
  /** Whether a text that is given as the target's URL means this kind. */
  readonly means: (url: string) => boolean;
  /** The URL is a connection string, which may hold a password. */
  readonly connects: boolean;
  /** What is asked beside the URL, and stands in the file whatever was answered. */
  readonly choices: readonly InitChoice[];
  /** Comments for keys that were not given, by key. */
  readonly hints: Readonly<Record<string, string>>;
}

/** One key of the target, with the values that it may have. */
export interface InitChoice {
  readonly key: string;
  readonly question: string;
  readonly values: readonly { readonly value: string; readonly name: string }[];
  readonly preset: string;
}
