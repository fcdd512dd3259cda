/**
 * A version of a row, or of its absence, as one line whose order as text is the order of versions:
 *
 *     LSN, 16 hex digits | ordinal + 1, 12 digits | kind | of a read: its hi, 16 hex digits | rest, COPY text
 *
 * A read has its floor for an LSN and the ordinal -1, so that it comes before the changes of the floor's transaction.
 */
import type { Lsn } from "../../../model/lsn.ts";
import { type PartialRow, type Row, UNCHANGED } from "../../../model/value.ts";
import { encodeCopyLine, parseCopyLine } from "../../../postgres/copy-text.ts";

/**
 * `absent`: a re-read did not find the key. `delete`: the key is gone. `move`: a key becomes another, and the new row is not known whole.
 * `patch`: a row of which some columns are known. `put`: a whole row, of a change. `read`: a whole row, of a read.
 */
export type VersionKind = "absent" | "delete" | "move" | "patch" | "put" | "read";

const KINDS: Readonly<Record<VersionKind, string>> = { absent: "a", delete: "d", move: "m", patch: "u", put: "w", read: "r" };
const BY_LETTER = new Map(Object.entries(KINDS).map(([kind, letter]) => [letter, kind as VersionKind]));
const HEX_LENGTH = 16;
const PLACE_LENGTH = 28;

export interface VersionLine {
  readonly kind: VersionKind;
  readonly lsn: Lsn;
  /** From where on what it says is exact: of a read `hi`, of a change its own place. */
  readonly exactFrom: Lsn;
  /** COPY text; what is in it depends on the kind. */
  readonly rest: string;
}

/** The place in the order; less than every line of that place. */
export function versionPlace(lsn: Lsn, ordinal: number): string {
  return hex(lsn) + String(ordinal + 1).padStart(12, "0");
}

export function changeVersion(place: string, kind: Exclude<VersionKind, "absent" | "read">, rest: string): string {
  return place + KINDS[kind] + rest;
}

/** What a line of a read has before its row or key. */
export function readPrefix({ floor, hi }: { readonly floor: Lsn; readonly hi: Lsn }, kind: "absent" | "read"): string {
  return versionPlace(floor, -1) + KINDS[kind] + hex(hi);
}

export function parseVersion(line: string): VersionLine {
  const kind = BY_LETTER.get(line[PLACE_LENGTH] ?? "");
  if (kind === undefined) throw new Error("image: a line is no version");
  const lsn = parseHex(line.slice(0, HEX_LENGTH));
  const rest = PLACE_LENGTH + 1;
  if (kind !== "absent" && kind !== "read") return { kind, lsn, exactFrom: lsn, rest: line.slice(rest) };
  return { kind, lsn, exactFrom: parseHex(line.slice(rest, rest + HEX_LENGTH)), rest: line.slice(rest + HEX_LENGTH) };
}

/** A row of which some columns may be unknown: which they are, then the row. */
export function partialText(row: PartialRow): string {
  const known = row.map((value) => (value === UNCHANGED ? "0" : "1")).join("");
  return copyText([known, ...row.map((value) => (value === UNCHANGED ? null : (value as string | null)))]);
}

export function parsePartial(text: string): PartialRow {
  const [known, ...values] = parseCopyLine(text);
  return values.map((value, index) => (known?.[index] === "0" ? UNCHANGED : value));
}

/** The old key's values, then the row. */
export function moveText(oldKey: Row, row: PartialRow): string {
  return `${copyText(oldKey)}\t${partialText(row)}`;
}

export function parseMove(text: string, keyColumns: number): { readonly oldKey: Row; readonly row: PartialRow } {
  const values = parseCopyLine(text);
  const known = values[keyColumns] ?? "";
  const row = values.slice(keyColumns + 1).map((value, index) => (known[index] === "0" ? UNCHANGED : value));
  return { oldKey: values.slice(0, keyColumns), row };
}

/** A row as COPY text, without the newline. */
export function copyText(row: Row): string {
  return encodeCopyLine(row).slice(0, -1);
}

/** The way back; a table may have no columns. */
export function parseRow(text: string, columns: number): Row {
  return columns === 0 ? [] : parseCopyLine(text);
}

function hex(lsn: Lsn): string {
  return lsn.toString(16).padStart(HEX_LENGTH, "0");
}

function parseHex(text: string): Lsn {
  return BigInt(`0x${text}`);
}
