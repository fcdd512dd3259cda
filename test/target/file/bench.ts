import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AppendedStretch, PendingMove, VersionedRead } from "../../../src/engine/ports/version-target.ts";
import type { ChunkRows, CrashPoints } from "../../../src/engine/ports.ts";
import type { Change, TransactionPiece } from "../../../src/model/change.ts";
import type { Table } from "../../../src/model/table.ts";
import type { Row } from "../../../src/model/value.ts";
import { encodeCopyLine } from "../../../src/postgres/copy-text.ts";
import { FileVersionTarget } from "../../../src/target/file/file-version-target.ts";
import type { DirectoryOwner } from "../../../src/target/file/open-directory.ts";
import { headerAt } from "../../engine/rows.ts";

export const OWNER: DirectoryOwner = {
  migration: "orders-move",
  source: { systemIdentifier: "7301", database: "shop", serverVersion: "18.4", encoding: "UTF8" },
  format: "copy",
  compression: "none",
};

/** A directory of its own under the system's temporary one, removed at the end of its block. */
export class TemporaryDirectory implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "pghaul-files-"));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function openTarget(
  directory: string,
  { owner = OWNER, crashPoint = () => undefined }: { readonly owner?: DirectoryOwner; readonly crashPoint?: CrashPoints } = {},
): Promise<FileVersionTarget> {
  return FileVersionTarget.open({ directory, owner, side: "target", crashPoint });
}

export function tableOf(name: string, columns: readonly string[], key: readonly number[] | null = [0]): Table {
  const described = columns.map((column) => {
    const [columnName, type] = column.split(" ");
    return { name: columnName ?? "", type: type ?? "text", identityAlways: false, notNull: false };
  });
  return { id: `public.${name}`, schema: "public", name, oid: 1, columns: described, key, partitioned: false, leaves: [] };
}

/** Rows as the source sends them. */
export class CopyRows implements ChunkRows {
  readonly count: number;
  readonly bytes: number;
  readonly #blocks: readonly Buffer[];

  constructor(blocks: readonly Buffer[], count: number) {
    this.#blocks = blocks;
    this.count = count;
    this.bytes = blocks.reduce((sum, block) => sum + block.length, 0);
  }

  static of(...rows: Row[]): CopyRows {
    const blocks = rows.map((row) => Buffer.from(row.length === 0 ? "\n" : encodeCopyLine(row), "latin1"));
    return new CopyRows(blocks, rows.length);
  }

  take(): never {
    throw new Error("nothing is taken out of rows on their way to a file");
  }

  copyText(): Iterable<Uint8Array> {
    return this.#blocks;
  }
}

export function read(floor: bigint, hi: bigint, view: string | null = null): VersionedRead {
  return { floor, hi, view };
}

/** A transaction whose changes begin at ordinal 0. */
export function transaction(commitLsn: bigint, ...changes: Change[]): TransactionPiece {
  return { header: headerAt(commitLsn), firstOrdinal: 0, last: true, changes };
}

export async function append(target: FileVersionTarget, { tables, from, to, pieces, pending = [] }: AppendCase): Promise<void> {
  const close = (): AppendedStretch => ({
    to,
    transactions: pieces.length,
    changes: pieces.reduce((sum, { changes }) => sum + changes.length, 0),
    pending,
  });
  await target.append(new Map(tables.map((table) => [table.id, table])), from, iterate(pieces), close);
}

interface AppendCase {
  readonly tables: readonly Table[];
  readonly from: bigint;
  readonly to: bigint;
  readonly pieces: readonly TransactionPiece[];
  readonly pending?: readonly PendingMove[];
}

async function* iterate<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}
