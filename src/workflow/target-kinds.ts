/** The kinds of targets: one line each. Nothing else of the workflow knows one by name. */
import type { TargetConfig } from "../config/targets/targets.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { ConnectionSettings } from "../postgres/resolve-connection.ts";
import { fileKind } from "../target/file/file-kind.ts";
import type { TargetContext, TargetKind, TargetSide } from "../target/kind.ts";
import { postgresKind } from "../target/postgres/postgres-kind.ts";
import type { Restorable } from "../target/restorable.ts";

type Kinds = { readonly [Kind in TargetConfig["kind"]]: TargetKind<Extract<TargetConfig, { readonly kind: Kind }>> };

const KINDS: Kinds = {
  postgres: postgresKind,
  file: fileKind,
};

/** What a target wrote at a place, of whatever kind. Throws TARGET_FOREIGN where none did. */
export async function openRestorable(location: string): Promise<Restorable> {
  let foreign: unknown;
  for (const { restorable } of Object.values<TargetKind<never>>(KINDS)) {
    if (restorable === null) continue;
    try {
      return await restorable(location);
    } catch (error) {
      if (!(error instanceof PghaulError) || error.code !== "TARGET_FOREIGN") throw error;
      foreign ??= error;
    }
  }
  throw foreign;
}

/** A database that a restore writes to: its tables are there already. Talks to nobody yet. */
export function openRestored(connection: ConnectionSettings, context: TargetContext): TargetSide {
  return postgresKind.open(context, { connection, schema: "existing", owners: "drop", privileges: "drop" });
}

/** Whether a target of this kind can become the primary; of one that this version does not have, false. */
export function canSwitch(kind: string): boolean {
  return Object.hasOwn(KINDS, kind) && KINDS[kind as keyof Kinds].switches;
}

/** The configured target; talks to nobody yet. */
export function openTargetSide(keys: TargetConfig, context: TargetContext): TargetSide {
  // The compiler cannot know that the kind by which this one was found is that of the keys.
  return (KINDS[keys.kind] as TargetKind<TargetConfig>).open(context, keys);
}
