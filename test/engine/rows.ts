import type { ChunkRows, ReadView } from "../../src/engine/ports.ts";
import type { Change, TransactionHeader, TransactionPiece } from "../../src/model/change.ts";
import { type KeyText, rowKey, type Table } from "../../src/model/table.ts";
import type { Row } from "../../src/model/value.ts";

/** `public.t (id primary key, u unique, big)`. */
export const T: Table = {
  id: "public.t",
  schema: "public",
  name: "t",
  oid: 1,
  columns: ["id", "u", "big"].map((name) => ({ name, type: "text", identityAlways: false, notNull: false })),
  key: [0],
  partitioned: false,
  leaves: [{ id: "0", schema: "public", name: "t", bytes: 0, rows: 0 }],
};

export const NO_KEY: Table = { ...T, id: "public.n", name: "n", oid: 2, key: null };

export const TABLES: ReadonlyMap<string, Table> = new Map([T, NO_KEY].map((table) => [table.id, table]));

export function headerAt(commitLsn: bigint, xid = commitLsn): TransactionHeader {
  return { xid, commitLsn, endLsn: commitLsn + 5n, commitMicros: 0n, origin: null };
}

/** A whole transaction at an LSN; its xid is the same number. */
export function transactionAt(commitLsn: bigint, ...changes: Change[]): TransactionPiece {
  return { header: headerAt(commitLsn), firstOrdinal: 0, last: true, changes };
}

/** A view that contains exactly these xids. */
export function viewOf(...xids: bigint[]): ReadView {
  return { text: xids.join(), contains: ({ xid }) => xids.includes(xid) };
}

export class PlainRows implements ChunkRows {
  readonly rows: readonly Row[];

  constructor(...rows: Row[]) {
    this.rows = rows;
  }

  get count(): number {
    return this.rows.length;
  }

  get bytes(): number {
    return this.rows.length;
  }

  take(key: readonly number[], keys: ReadonlySet<KeyText>): { taken: Row[]; rest: PlainRows } {
    const taken = this.rows.filter((row) => keys.has(rowKey(key, row)));
    return { taken, rest: new PlainRows(...this.rows.filter((row) => !taken.includes(row))) };
  }

  *copyText(): Iterable<Uint8Array> {}
}
