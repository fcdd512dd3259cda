/**
 * What is called what in the directory of a file target:
 *
 *     pghaul.json                                      whose it is
 *     tables/TABLE/GENERATION/table.json               columns and key; GENERATION counts the loads of the table; the highest counts
 *     tables/TABLE/GENERATION/chunk-ID.EXT + .json     rows of a chunk
 *     tables/TABLE/GENERATION/keys-N.EXT + .json       rows of a point re-read
 *     tables/TABLE/GENERATION/published.json           from where on the table can be read
 *     tables/TABLE/GENERATION/held.json                up to where it can be read: from there on its changes are not in this generation
 *     changes/FROM-TO.jsonl + .json                    every change of the transactions in [FROM, TO)
 *     position.json                                    how far the changes reach
 *     tables.json                                      the tables that are to be here, loaded or not
 *
 * A data file exists when its `.json` does, which comes last. `.NAME.partial` is being written, or was when somebody was killed.
 */
import { createHash } from "node:crypto";
import type { Lsn } from "../../../model/lsn.ts";

export const MANIFEST = "pghaul.json";
export const POSITION = "position.json";
export const TABLES = "tables";
export const CHANGES = "changes";
export const TABLE = "table.json";
export const PUBLISHED = "published.json";
export const HELD = "held.json";
export const SELECTED = "tables.json";

/** A file name has at most 255 bytes; some of them belong to `.` and `.partial`. */
const NAME_BYTES = 200;

/**
 * A table's id as the name of a directory: everything but small letters, digits, `_`, `-` and inner dots as %XX of its bytes, for there are file
 * systems that take `Orders` and `orders` for one. What would be too long ends in a hash; `table.json` has the id itself.
 */
export function tablePart(id: string): string {
  const encoded = [...Buffer.from(id)].map(encodeByte).join("").replace(/^\./, "%2E");
  if (encoded.length <= NAME_BYTES) return encoded;
  return `${encoded.slice(0, NAME_BYTES - 17)}~${createHash("sha256").update(id).digest("hex").slice(0, 16)}`;
}

function encodeByte(byte: number): string {
  const character = String.fromCharCode(byte);
  return /[a-z0-9_.-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** What is read of the source at once: a chunk (or a whole table) by its id, a point re-read by its number in the generation. */
export interface ReadName {
  readonly kind: "chunk" | "keys";
  readonly number: number;
}

export function readName({ kind, number }: ReadName): string {
  return `${kind}-${number}`;
}

/** The read that a sidecar's name tells of; null for any other name. */
export function parseReadName(sidecar: string): ReadName | null {
  const match = /^(chunk|keys)-(\d+)\.json$/.exec(sidecar);
  return match === null ? null : { kind: match[1] as ReadName["kind"], number: Number(match[2]) };
}

/** The order of names is the order of positions. */
export function changesName(from: Lsn, to: Lsn): string {
  return `${hex(from)}-${hex(to)}`;
}

/** The stretch that a sidecar's name tells of; null for any other name. */
export function parseChangesName(sidecar: string): { readonly from: Lsn; readonly to: Lsn } | null {
  const match = /^([0-9A-F]{16})-([0-9A-F]{16})\.json$/.exec(sidecar);
  return match === null ? null : { from: BigInt(`0x${match[1]}`), to: BigInt(`0x${match[2]}`) };
}

/** Whether a file has a name that data has, rows or changes. */
export function isData(name: string): boolean {
  return /^(?:(?:chunk|keys)-\d+|[0-9A-F]{16}-[0-9A-F]{16})\./.test(name);
}

export function partialName(name: string): string {
  return `.${name}.partial`;
}

export function isPartial(name: string): boolean {
  return name.startsWith(".") && name.endsWith(".partial");
}

function hex(lsn: Lsn): string {
  return lsn.toString(16).toUpperCase().padStart(16, "0");
}
