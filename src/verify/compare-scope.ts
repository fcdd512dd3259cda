/**
 * One comparison, exact while writes go on: the origin's snapshot S and the target's snapshot at stream position P differ only by the
 * transactions that S does not contain and that committed before P. The log names their keys. All other rows must have equal digests; the
 * rows of those keys are rolled forward, as a chunk is before its merge, and compared one by one.
 */

import { keyValues } from "../engine/fold.ts";
import type { ChangeLog, ChunkRange, ChunkRows, ReadView } from "../engine/ports.ts";
import { rollForward } from "../engine/rows/roll-forward.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { TransactionPiece } from "../model/change.ts";
import { type Lsn, maxLsn } from "../model/lsn.ts";
import { shellWord } from "../model/shell-word.ts";
import { type KeyText, keyText, rowKey, type Table } from "../model/table.ts";
import type { Row } from "../model/value.ts";
import { diffRow } from "./diff-row.ts";
import { diffRows } from "./diff-rows.ts";
import { afterTruncate, emptied } from "./emptied-snapshot.ts";
import { piecesBetween } from "./pieces-between.ts";
import type { Digest, RowDifference, TableSnapshot, VerifyOrigin, VerifyReplica } from "./ports.ts";

export interface CompareParts {
  readonly origin: VerifyOrigin;
  readonly replica: VerifyReplica;
  readonly log: Pick<ChangeLog, "waitPassed" | "read">;
  /**
   * Returns when the stream is about where the primary is: what is opened at the primary holds a lock and a snapshot there until the
   * stream has come to it, and that must not take as long as the stream is behind.
   */
  readonly closeBy: (signal: AbortSignal) => Promise<void>;
  /** Below it every commit is contained in every snapshot taken from now on. */
  readonly floor: (signal: AbortSignal) => Promise<Lsn>;
  readonly sleep: (millis: number, signal: AbortSignal) => Promise<void>;
  /** Of what is between the two snapshots; by default 256 MB. */
  readonly memory?: { readonly mostBytes: number };
}

export interface ScopeVerdict {
  readonly equal: boolean;
  readonly rows: bigint;
  readonly targetRows: bigint;
  readonly generatedUnread: bigint;
  readonly position: Lsn;
  /** Filled when rows were asked for. */
  readonly differences: readonly RowDifference[];
}

/** Rounds for what the log cannot settle: a key change with unknown columns, the names of differing rows without a key. */
const ROUNDS = 10;
const PAUSE_MILLIS = 250;

export interface CompareRequest {
  readonly table: Table;
  /** Null: the whole table. */
  readonly range: ChunkRange | null;
  /** How many differing rows to name; 0 asks only for the verdict. */
  readonly limit: number;
}

export async function compareScope(parts: CompareParts, request: CompareRequest, signal: AbortSignal): Promise<ScopeVerdict> {
  for (let round = 1; ; round += 1) {
    const verdict = await compareOnce(parts, { ...request, names: request.limit > 0 && round < ROUNDS }, signal);
    if (typeof verdict !== "string") return verdict;
    if (round === ROUNDS) throw verdict === "unsettled" ? unsettled(request.table) : tooMuch(request.table);
    await parts.sleep(PAUSE_MILLIS, signal);
  }
}

function tooMuch({ id }: Table): PghaulError {
  return new PghaulError(
    "STREAM_NOT_RUNNING",
    `during each of ${ROUNDS} reads, so much was written to ${id} that its changes in the log do not fit into memory`,
    {
      context: { table: id },
      suggestion: `pghaul verify run --table ${shellWord(id)}   # at a quieter time`,
    },
  );
}

function unsettled({ id }: Table): PghaulError {
  return new PghaulError(
    "STREAM_NOT_RUNNING",
    `during each of ${ROUNDS} reads, ${id} was written to in a way that the log cannot resolve (changed keys)`,
    {
      context: { table: id },
      suggestion: `pghaul verify run --table ${shellWord(id)}   # at a quieter time`,
    },
  );
}

/** `names`: worth another round to name the rows of a table without a key, which can be done only at rest. */
type Round = CompareRequest & { readonly names: boolean };

async function compareOnce(parts: CompareParts, request: Round, signal: AbortSignal): Promise<ScopeVerdict | "unsettled" | "too-much"> {
  const { origin, replica, log, floor, memory } = parts;
  const { table, range, limit } = request;
  await parts.closeBy(signal);
  const from = await floor(signal);
  const source = await origin.open(table, signal);
  try {
    const target = await replica.openAt(table, source.hi, signal);
    try {
      await log.waitPassed(target.position, signal);
      const between = { from, to: maxLsn(from, target.position) };
      const pieces = await piecesBetween({ log, table: table.id, range: between, view: source.view, ...memory }, signal);
      if (pieces === null) return "too-much";
      const { rest, truncated } = afterTruncate(pieces);
      const sides = { table, range, source: truncated ? emptied(source.snapshot) : source.snapshot, target: target.snapshot };
      if (table.key === null && pieces.length > 0)
        return await compareSums(sides, { pieces: rest, position: target.position, names: request.names });
      if (table.key === null) return await compareUntouched(sides, target.position, limit);
      return await compareTouched(sides, { pieces: rest, view: source.view, position: target.position, limit });
    } finally {
      await target.snapshot.close();
    }
  } finally {
    await source.snapshot.close();
  }
}

interface Sides {
  readonly table: Table;
  readonly range: ChunkRange | null;
  readonly source: TableSnapshot;
  readonly target: TableSnapshot;
}

async function compareUntouched({ table, range, source, target }: Sides, position: Lsn, limit: number): Promise<ScopeVerdict> {
  const [left, right] = await Promise.all([source.digest(range), target.digest(range)]);
  const equal = sameDigest(left, right);
  const differences = equal || limit === 0 ? [] : await diffRows({ table, range, source, target }, new Set(), limit);
  return { equal, rows: left.rows, targetRows: right.rows, generatedUnread: unread(table, right.rows), position, differences };
}

/**
 * Without a key the log has each changed row whole (REPLICA IDENTITY FULL), and a digest is a sum: what came is added to the origin's, what
 * went is taken away.
 */
async function compareSums(
  { table, range, source, target }: Sides,
  { pieces, position, names }: { readonly pieces: readonly TransactionPiece[]; readonly position: Lsn; readonly names: boolean },
): Promise<ScopeVerdict | "unsettled"> {
  const changes = pieces.flatMap((piece) => piece.changes);
  if (table.columns.length === 0) return "unsettled";
  const came = changes.flatMap((change) => (change.kind === "insert" || change.kind === "update-row" ? [change.row] : []));
  const went = changes.flatMap((change) => (change.kind === "update-row" || change.kind === "delete-row" ? [change.old] : []));
  const [left, right] = await Promise.all([source.digest(range), target.digest(range)]);
  const [added, removed] = [await source.digestOfRows(came), await source.digestOfRows(went)];
  const expected = { rows: left.rows + added.rows - removed.rows, sum: left.sum + added.sum - removed.sum };
  const equal = sameDigest(expected, right);
  if (!equal && names) return "unsettled";
  return { equal, rows: expected.rows, targetRows: right.rows, generatedUnread: unread(table, right.rows), position, differences: [] };
}

function unread({ computed }: Table, rows: bigint): bigint {
  return (computed ?? []).length === 0 ? 0n : rows;
}

interface Touched {
  readonly pieces: readonly TransactionPiece[];
  readonly view: ReadView;
  readonly position: Lsn;
  readonly limit: number;
}

async function compareTouched(sides: Sides, { pieces, view, position, limit }: Touched): Promise<ScopeVerdict | "unsettled"> {
  const { table, range, source, target } = sides;
  const touched = touchedKeys(table, pieces);
  const keys = [...touched.values()];
  const [left, right] = await Promise.all([untouchedDigest(source, range, keys), untouchedDigest(target, range, keys)]);
  const equalRest = sameDigest(left.rest, right.rest);
  const touchedRows = keys.length === 0 ? NO_KEYS : await compareKeys(sides, { pieces, view, keys });
  if (touchedRows === "unsettled") return "unsettled";
  const differences = [...touchedRows.differences];
  if (!equalRest && limit > differences.length)
    differences.push(...(await diffRows(sides, new Set(touched.keys()), limit - differences.length)));
  return {
    equal: equalRest && touchedRows.differences.length === 0,
    // The origin's snapshot is older than the position; what came and went in between is counted as at the position.
    rows: left.all.rows + touchedRows.growth,
    targetRows: right.all.rows,
    generatedUnread: unread(table, touchedRows.present),
    position,
    differences: differences.slice(0, limit),
  };
}

async function untouchedDigest(
  snapshot: TableSnapshot,
  range: ChunkRange | null,
  keys: readonly Row[],
): Promise<{ readonly all: Digest; readonly rest: Digest }> {
  const all = await snapshot.digest(range);
  if (keys.length === 0) return { all, rest: all };
  const touched = await snapshot.digestOfKeys(range, keys);
  return { all, rest: { rows: all.rows - touched.rows, sum: all.sum - touched.sum } };
}

interface ComparedKeys {
  readonly differences: readonly RowDifference[];
  /** Rows that the transactions between snapshot and position added, less those they removed. */
  readonly growth: bigint;
  /** Rows of these keys that the target holds. */
  readonly present: bigint;
}

const NO_KEYS: ComparedKeys = { differences: [], growth: 0n, present: 0n };

/** The touched keys' rows, rolled forward from the origin's snapshot to the target's position, against the target's. */
async function compareKeys(
  { table, range, source, target }: Sides,
  { pieces, view, keys }: { readonly pieces: readonly TransactionPiece[]; readonly view: ReadView; readonly keys: readonly Row[] },
): Promise<ComparedKeys | "unsettled"> {
  const [before, after] = await Promise.all([source.rows(keys), target.rows(keys)]);
  const rolled = rollForward(table, { view, rows: new PlainRows([...before.values()]) }, pieces, keys);
  if (rolled.keys.length < keys.length) return "unsettled";
  const key = table.key as readonly number[];
  const expected = new Map(rolled.rows.map((row) => [rowKey(key, row), row]));
  // A server also finds an equal key of another text (1.0 and 1.00, citext): what it has under one of those is compared too.
  const compared = new Map(
    [...rolled.keys, ...[...after.values()].map((row) => keyValues(key, row))].map((keyOf) => [keyText(keyOf), keyOf]),
  );
  // A row may be moved in from elsewhere, so all are rolled forward; other ranges' keys are compared and counted with their own.
  const inside = range === null ? null : await source.keysInRange(range, [...compared.values()]);
  const counts = (text: KeyText): boolean => inside?.has(text) ?? true;
  const differences = [...compared].flatMap(([text, keyOf]) => {
    const difference = counts(text) ? diffRow(table, keyOf, expected.get(text), after.get(text)) : null;
    return difference === null ? [] : [difference];
  });
  const count = (rows: ReadonlyMap<KeyText, Row>): number => [...rows.keys()].filter(counts).length;
  return { differences, growth: BigInt(count(expected) - count(before)), present: BigInt(count(after)) };
}

function touchedKeys(table: Table, pieces: readonly TransactionPiece[]): Map<KeyText, Row> {
  const keys = new Map<KeyText, Row>();
  const indexes = table.key as readonly number[];
  for (const { changes } of pieces) {
    for (const change of changes) {
      if (change.kind === "insert" || change.kind === "update") {
        const key = indexes.map((index) => change.row[index] as string);
        keys.set(keyText(key), key);
      }
      if ((change.kind === "update" || change.kind === "delete") && change.oldKey !== null) keys.set(keyText(change.oldKey), change.oldKey);
    }
  }
  return keys;
}

function sameDigest(left: Digest, right: Digest): boolean {
  return left.rows === right.rows && left.sum === right.sum;
}

/** Rows already decoded, in the shape that roll-forward takes. */
class PlainRows implements ChunkRows {
  readonly #rows: readonly Row[];

  constructor(rows: readonly Row[]) {
    this.#rows = rows;
  }

  get count(): number {
    return this.#rows.length;
  }

  get bytes(): number {
    return 0;
  }

  take(key: readonly number[], keys: ReadonlySet<KeyText>): { taken: readonly Row[]; rest: ChunkRows } {
    const taken = this.#rows.filter((row) => keys.has(rowKey(key, row)));
    return { taken, rest: new PlainRows(this.#rows.filter((row) => !keys.has(rowKey(key, row)))) };
  }

  copyText(): Iterable<Uint8Array> {
    throw new Error("verify: rows that are compared are never written");
  }
}
