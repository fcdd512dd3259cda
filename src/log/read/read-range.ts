/**
 * Reads transactions of a commit-LSN range. The index says which of them touch a wanted table; only those are read and decoded, in
 * pieces, so that a transaction of any size passes through a few megabytes.
 */

import { PghaulError } from "../../errors/pghaul-error.ts";
import type { TransactionHeader, TransactionPiece } from "../../model/change.ts";
import { formatLsn, type Lsn } from "../../model/lsn.ts";
import { upstreamOf } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import type { SegmentDirectory } from "../segment/segment-directory.ts";
import type { LogIdentity } from "../segment/segment-format.ts";
import { RelationMap } from "./relation-map.ts";
import { SegmentReader } from "./segment-reader.ts";

export interface ReadOptions {
  readonly identity: Pick<LogIdentity, "stream">;
  /** By id, with the OIDs that they have where the stream comes from. */
  readonly tables: ReadonlyMap<string, Table>;
  /** Transactions whose origin's name begins with it are our own writes and are left out; empty for none. */
  readonly skipOriginPrefix: string;
}

/** True for a transaction that this migration itself wrote at the source. */
function isOwn(origin: string | null, prefix: string): boolean {
  return origin !== null && prefix !== "" && origin.startsWith(prefix);
}

/** Headers of the range, without touching a block. */
export async function* readHeaders(
  directory: SegmentDirectory,
  range: { readonly from: Lsn; readonly to: Lsn },
  options: ReadOptions,
  signal: AbortSignal,
): AsyncGenerator<TransactionHeader> {
  checkHeld(directory, range.from);
  for (const segment of directory.overlapping(range.from, range.to)) {
    const index = await directory.indexOf(segment);
    const end = index.firstAt(range.to);
    for (let row = index.firstAt(range.from); row < end; row++) {
      signal.throwIfAborted();
      if (!isOwn(index.origin(row), options.skipOriginPrefix)) yield index.header(row);
    }
  }
}

/** Transactions of the range with their changes of the wanted tables. See `ChangeLog.read`. */
export async function* readRange(
  directory: SegmentDirectory,
  range: { readonly from: Lsn; readonly to: Lsn },
  options: ReadOptions & { readonly wanted: ReadonlySet<string> },
  signal: AbortSignal,
): AsyncGenerator<TransactionPiece> {
  checkHeld(directory, range.from);
  const relations = new RelationMap(options.tables.values(), upstreamOf(options.identity.stream));
  let isFirst = true;
  for (const segment of directory.overlapping(range.from, range.to)) {
    const index = await directory.indexOf(segment);
    const reader = new SegmentReader({ path: segment.path, index, recent: directory.recentOf(segment) }, relations, options.wanted);
    try {
      const end = index.firstAt(range.to);
      let row = index.firstAt(range.from);
      reader.learnUpTo(row);
      if (isFirst) relations.start();
      isFirst = false;
      for (; row < end; row++) {
        signal.throwIfAborted();
        if (isOwn(index.origin(row), options.skipOriginPrefix) || !reader.touchesWanted(row)) continue;
        reader.learnUpTo(row);
        yield* reader.pieces(row);
      }
    } finally {
      await reader.close();
    }
  }
}

function checkHeld(directory: SegmentDirectory, from: Lsn): void {
  const start = directory.first?.header.firstLsn;
  if (start !== undefined && from >= start) return;
  const held = start === undefined ? "nothing" : `from ${formatLsn(start)} on`;
  throw new PghaulError("LOG_GAP", `the change log holds ${held}, but ${formatLsn(from)} is needed`, { context: { lsn: formatLsn(from) } });
}
