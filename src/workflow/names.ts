/** The names under which a migration is known inside the databases. All derive from the migration's name, so a restart finds them again. */
import type { StreamName } from "../model/side.ts";

/** Slot names take only lower-case letters, digits and underscores, 63 bytes (manual: "Replication Slots"). */
export function slotName(migration: string, stream: StreamName): string {
  return `pghaul_${identifier(migration)}_${stream}`;
}

export function publicationName(migration: string): string {
  return `pghaul_${identifier(migration)}`;
}

/** Replication origins of our appliers begin with it; a stream leaves out transactions that bear one. */
export function originPrefix(migration: string): string {
  return `pghaul_${identifier(migration)}_`;
}

function identifier(migration: string): string {
  return migration
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "_")
    .slice(0, 40);
}
