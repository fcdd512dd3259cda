/** Both sides of a comparison and the log between them, in memory. */
import type { Change, TransactionPiece } from "../../src/model/change.ts";
import { rowKey, type Table } from "../../src/model/table.ts";
import type { Row } from "../../src/model/value.ts";
import type { CompareParts } from "../../src/verify/compare-scope.ts";
import type { Digest, TableSnapshot } from "../../src/verify/ports.ts";

const COLUMNS = ["id", "v"].map((name) => ({ name, type: "text", identityAlways: false, notNull: true }));
export const KEYED: Table = { id: "s.t", schema: "s", name: "t", oid: 1, columns: COLUMNS, key: [0], partitioned: false, leaves: [] };
export const BAG: Table = { ...KEYED, key: null };

/** Another transaction: the source's snapshot holds it already. */
const SEEN_XID = 4n;

interface FakeSides {
  readonly source: readonly Row[];
  readonly target: readonly Row[];
  /** Committed behind the source's snapshot and before the target's position. */
  readonly changes?: readonly Change[];
  /** Committed in the same stretch, and in the snapshot. */
  readonly seen?: readonly Change[];
}

/** The log shows nothing to who has not waited for the target's position. */
export function partsOf({ source, target, changes = [], seen = [] }: FakeSides): CompareParts {
  const header = { xid: 5n, commitLsn: 50n, endLsn: 51n, commitMicros: 0n, origin: null };
  const pieces: readonly TransactionPiece[] = [
    { header: { ...header, xid: SEEN_XID, commitLsn: 45n, endLsn: 46n }, firstOrdinal: 0, last: true, changes: seen },
    { header, firstOrdinal: 0, last: true, changes },
  ].filter((piece) => piece.changes.length > 0);
  let passed = 0n;
  return {
    origin: {
      open: () =>
        Promise.resolve({ snapshot: snapshotOf(source), view: { text: "5:5:", contains: ({ xid }) => xid === SEEN_XID }, hi: 40n }),
    },
    replica: { reach: () => Promise.resolve(), openAt: () => Promise.resolve({ snapshot: snapshotOf(target), position: 60n }) },
    log: {
      waitPassed: async (lsn) => {
        passed = lsn;
      },
      async *read() {
        if (passed >= 60n) yield* pieces;
      },
    },
    closeBy: () => Promise.resolve(),
    floor: () => Promise.resolve(0n),
    sleep: () => Promise.reject(new Error("there was nothing to wait for")),
  };
}

function snapshotOf(rows: readonly Row[]): TableSnapshot {
  const among = (keys: readonly Row[]): readonly Row[] => rows.filter((row) => keys.some(([key]) => key === row[0]));
  return {
    // A range of these tables is a leaf that bears the first letter of its keys.
    digest: (range) => Promise.resolve(digest(rows.filter(([id]) => range === null || id?.startsWith(range.leaf) === true))),
    digestOfRows: (given) => Promise.resolve(digest(given)),
    digestOfKeys: (_, keys) => Promise.resolve(digest(among(keys))),
    buckets: () => Promise.resolve(rows.length === 0 ? new Map() : new Map([[0, digest(rows)]])),
    rowHashes: () => Promise.resolve(rows.map((row) => ({ key: [row[0] ?? ""], hash: row.join() }))),
    rows: (keys) => Promise.resolve(new Map(among(keys).map((row) => [rowKey([0], row), row]))),
    keysInRange: () => Promise.reject(new Error("no range was asked for")),
    close: () => Promise.resolve(),
  };
}

/** Any sum will do that tells these rows apart. */
function digest(rows: readonly Row[]): Digest {
  return {
    rows: BigInt(rows.length),
    sum: rows.reduce((sum, [id = "", v = ""]) => sum + BigInt(`0x${Buffer.from(`${id}${v}`).toString("hex")}`), 0n),
  };
}
