/** The kinds of targets: one line each. Nothing else of the workflow knows one by name. */
import type { TargetConfig } from "../config/targets/targets.ts";
import { fileKind } from "../target/file/file-kind.ts";
import { restorableFiles } from "../target/file/restore/restorable-files.ts";
import type { TargetContext, TargetKind, TargetSide } from "../target/kind.ts";
import { postgresKind } from "../target/postgres/postgres-kind.ts";
import type { Restorable } from "../target/restorable.ts";

type Kinds = { readonly [Kind in TargetConfig["kind"]]: TargetKind<Extract<TargetConfig, { readonly kind: Kind }>> };

const KINDS: Kinds = {
  postgres: postgresKind,
  file: fileKind,
};

/** What a target of the kind `file` wrote. */
export const openRestorable: (directory: string) => Promise<Restorable> = restorableFiles;

/** The configured target; talks to nobody yet. */
export function openTargetSide(keys: TargetConfig, context: TargetContext): TargetSide {
  // The compiler cannot know that the kind by which this one was found is that of the keys.
  return (KINDS[keys.kind] as TargetKind<TargetConfig>).open(context, keys);
}
