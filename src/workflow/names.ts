/** The names under which a migration is known inside the databases. All derive from the migration's name, so a restart finds them again. */
import { createHash } from "node:crypto";
import type { StreamName } from "../model/side.ts";

/** Slot names take only lower-case letters, digits and underscores, 63 bytes (manual: "Replication Slots"). */
export function slotName(migration: string, stream: StreamName): string {
  return `pghaul_${identifier(migration)}_${stream}`;
}

export function publicationName(migration: string): string {
  return `pghaul_${identifier(migration)}`;
}

/** The migration's own table of markers, in the schema pghaul at both sides: a name of at most 55 bytes. */
export function markersName(migration: string): string {
  return `marker_${identifier(migration)}`;
}

/** Replication origins of our appliers begin with it, and no other migration's do; a stream leaves out transactions that bear one. */
export function originPrefix(migration: string): string {
  return `pghaul_${identifier(migration)}/`;
}

/** Words joined by single hyphens: for these, and these alone, putting `_` for `-` loses nothing. */
const PLAIN = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const HASH_DIGITS = 10;

/** Two migrations never share it: the names that are not plain bear a hash, behind two underscores, which no plain one has. At most 48 bytes. */
function identifier(migration: string): string {
  if (PLAIN.test(migration)) return migration.replaceAll("-", "_");
  const hash = createHash("sha256").update(migration).digest("hex").slice(0, HASH_DIGITS);
  return `${migration.replaceAll(/[^a-z0-9]+/g, "_").slice(0, 36)}__${hash}`;
}
