import { join } from "node:path";
import type { PendingMove } from "../../../engine/ports/version-target.ts";
import { formatLsn, type Lsn, maxLsn, minLsn } from "../../../model/lsn.ts";
import { damaged } from "../file-error.ts";
import { listChanges, type TableFiles } from "../storage/directory.ts";
import { CHANGES, changesName, POSITION } from "../storage/layout.ts";
import { type ChangesRecord, type Position, readChangesRecord, readPosition } from "../storage/record.ts";

/** How far the changes reach. */
export interface Accepted {
  /** Null: nothing was appended yet. */
  readonly position: Lsn | null;
  /** Where the first stretch began. */
  readonly begin: Lsn | null;
  /** Where the last file of changes ends, or the first will begin. */
  readonly fileEnd: Lsn | null;
  /** SHA-256 of the last file of changes. */
  readonly fileHash: string | null;
  /** All that were appended, settled or not; of tables that are published some may be left out. */
  readonly pending: readonly PendingMove[];
}

/** What is to stand in `position.json`; null: nothing yet. */
export function positionOf({ begin, fileEnd, position }: Accepted): Position | null {
  return begin === null || fileEnd === null || position === null ? null : { begin, from: fileEnd, position };
}

/** What the files say. Throws TARGET_DAMAGED when one of the changes is missing. */
export async function readAccepted(root: string, tables: readonly TableFiles[]): Promise<Accepted> {
  const stretches = await listChanges(root);
  const position = await readPosition(join(root, POSITION));
  checkChain(root, stretches, position);
  // What was pending below the position at which a table was published was settled by then.
  const settledBelow = tables.reduce<Lsn | null>((low, { published }) => minLsn(low ?? published ?? 0n, published ?? 0n), null) ?? 0n;
  const pending: PendingMove[] = [];
  let last: ChangesRecord | null = null;
  for (const stretch of stretches) {
    if (stretch.to <= settledBelow && stretch !== stretches.at(-1)) continue;
    last = await readChangesRecord(join(root, CHANGES, `${changesName(stretch.from, stretch.to)}.json`));
    pending.push(...last.pending);
  }
  return {
    position: last === null && position === null ? null : maxLsn(last?.to ?? 0n, position?.position ?? 0n),
    begin: position?.begin ?? stretches[0]?.from ?? null,
    fileEnd: last?.to ?? position?.begin ?? null,
    fileHash: last?.sha256 ?? null,
    pending,
  };
}

/** Throws TARGET_DAMAGED where a file of changes is missing: each begins where the one before ends. */
export function checkChain(root: string, stretches: readonly { readonly from: Lsn; readonly to: Lsn }[], position: Position | null): void {
  let end = position?.begin ?? stretches[0]?.from ?? 0n;
  for (const { from, to } of stretches) {
    if (from !== end) throw missing(root, end, from);
    end = to;
  }
  if (position !== null && position.from > end) throw missing(root, end, position.from);
}

function missing(root: string, from: Lsn, to: Lsn): Error {
  const file = join(CHANGES, changesName(from, to));
  return damaged(join(root, file), `changes from ${formatLsn(from)} to ${formatLsn(to)} are missing, one file or several`);
}
