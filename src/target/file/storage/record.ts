/**
 * The small JSON files beside the data: what is in each, and reading them so that damage is told and never guessed over.
 */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { canonicalJson } from "../../../model/canonical-json.ts";
import { formatLsn, type Lsn, parseLsn } from "../../../model/lsn.ts";
import type { Table } from "../../../model/table.ts";
import type { Row } from "../../../model/value.ts";
import { fromJsonValue, toJsonValue } from "../changes/json-value.ts";
import { damaged, fileError, isAbsent } from "../file-error.ts";

/** Counts up whenever a reader of the version before would read something wrong. */
export const FORMAT_VERSION = 1;

const lsn = z.string().transform((text, context): Lsn => {
  try {
    return parseLsn(text);
  } catch {
    context.addIssue("not an LSN");
    return z.NEVER;
  }
});
const row = z.array(z.unknown().transform(toValue)).readonly();
const count = z.number().int().nonnegative();
const stored = { bytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) };

const manifestSchema = z.object({
  formatVersion: z.number().int(),
  migration: z.string(),
  source: z.object({ systemIdentifier: z.string(), database: z.string(), serverVersion: z.string(), encoding: z.string() }),
  format: z.enum(["copy", "csv", "parquet"]),
  compression: z.enum(["none", "gzip", "zstd"]),
});
const positionSchema = z.object({ begin: lsn, from: lsn, position: lsn });
const tableSchema = z.object({
  table: z.string(),
  schema: z.string(),
  name: z.string(),
  columns: z.array(z.object({ name: z.string(), type: z.string(), notNull: z.boolean(), identityAlways: z.boolean() })),
  key: z.array(z.string()).nullable(),
  since: lsn.nullable(),
});
const readSchema = z.object({
  ...stored,
  rows: count,
  copyBytes: count,
  floor: lsn,
  hi: lsn,
  view: z.string().nullable(),
  keys: z.array(row).nullable(),
});
const publishedSchema = z.object({ position: lsn, reads: z.array(z.string()).readonly() });
const heldSchema = z.object({ lsn, reason: z.string() });
const selectedSchema = z.array(z.object({ id: z.string(), schema: z.string(), name: z.string() })).readonly();
const changesSchema = z.object({
  ...stored,
  from: lsn,
  to: lsn,
  transactions: count,
  changes: count,
  previous: z.string().nullable(),
  tables: z.record(z.string(), z.object({ changes: count, moves: count, jsonBytes: count })),
  pending: z.array(z.object({ table: z.string(), key: row, lsn })),
});

/** `pghaul.json`. */
export type Manifest = z.infer<typeof manifestSchema>;
/**
 * `position.json`: changes were appended from `begin` to `position`, and nothing happened from `from`, the end of the last file of them, on. A crash
 * may leave it one file behind.
 */
export type Position = z.infer<typeof positionSchema>;
/** The sidecar of a chunk or a point re-read. `copyBytes`: how much COPY text the rows are. `keys` are what a re-read speaks for, there or not, and null for a chunk. */
export type ReadRecord = z.infer<typeof readSchema>;
/**
 * The sidecar of a file of changes. `previous` is the SHA-256 of the file before, null in the first. `moves` counts the updates of a key with
 * columns that the stream does not carry: who reads them needs the old key's row.
 */
export type ChangesRecord = z.infer<typeof changesSchema>;

/** `table.json`. `since`: of a table that was loaded anew, how far the changes reached then. */
export interface TableRecord {
  readonly table: Table;
  readonly since: Lsn | null;
}

export function readManifest(path: string): Promise<Manifest | null> {
  return readRecord(path, manifestSchema);
}

export function readPosition(path: string): Promise<Position | null> {
  return readRecord(path, positionSchema);
}

/** From where on the table can be read, and the names of the reads it is made of. */
export function readPublished(path: string): Promise<{ readonly position: Lsn; readonly reads: readonly string[] } | null> {
  return readRecord(path, publishedSchema);
}

/** From where on no change of the table is in this generation, and why. Null: it goes on. */
export function readHeld(path: string): Promise<HeldRecord | null> {
  return readRecord(path, heldSchema);
}

/** `held.json`. */
export type HeldRecord = z.infer<typeof heldSchema>;

/** The tables that are meant to be in the directory, loaded or not; null where the load has not begun. */
export function readSelected(path: string): Promise<readonly SelectedTable[] | null> {
  return readRecord(path, selectedSchema);
}

export interface SelectedTable {
  readonly id: string;
  readonly schema: string;
  readonly name: string;
}

/** A sidecar whose name was found. Throws TARGET_DAMAGED. */
export async function readSidecar(path: string): Promise<ReadRecord> {
  return present(await readRecord(path, readSchema), path);
}

/** The same of a file of changes. */
export async function readChangesRecord(path: string): Promise<ChangesRecord> {
  return present(await readRecord(path, changesSchema), path);
}

/** The table as far as it can be told without its source: no leaves, no oid. */
export async function readTable(path: string): Promise<TableRecord> {
  const { table: id, schema, name, columns, key, since } = present(await readRecord(path, tableSchema), path);
  const places = key?.map((column) => columns.findIndex((candidate) => candidate.name === column)) ?? null;
  if (places?.includes(-1) === true) throw damaged(path, "the key names a column that the table does not have");
  return { table: { id, schema, name, oid: 0, columns, key: places, partitioned: false, leaves: [] }, since };
}

export function tableJson({ table, since }: TableRecord): unknown {
  const { id, schema, name, columns, key } = table;
  return {
    table: id,
    schema,
    name,
    columns: columns.map(({ name: column, type, notNull, identityAlways }) => ({ name: column, type, notNull, identityAlways })),
    key: key?.map((index) => columns[index]?.name) ?? null,
    since: since === null ? null : formatLsn(since),
  };
}

/** The same columns and the same key. */
export function sameShape(a: Table, b: Table): boolean {
  return canonicalJson(tableJson({ table: a, since: null })) === canonicalJson(tableJson({ table: b, since: null }));
}

export function positionJson({ begin, from, position }: Position): unknown {
  return { begin: formatLsn(begin), from: formatLsn(from), position: formatLsn(position) };
}

export function readJson({ floor, hi, keys, ...rest }: ReadRecord): unknown {
  return { ...rest, floor: formatLsn(floor), hi: formatLsn(hi), keys: keys?.map(valuesJson) ?? null };
}

export function changesJson({ from, to, pending, ...rest }: ChangesRecord): unknown {
  const moves = pending.map(({ table, key, lsn: at }) => ({ table, key: valuesJson(key), lsn: formatLsn(at) }));
  return { from: formatLsn(from), to: formatLsn(to), ...rest, pending: moves };
}

function valuesJson(values: Row): unknown[] {
  return values.map(toJsonValue);
}

function toValue(value: unknown, context: z.RefinementCtx): string | null {
  try {
    return fromJsonValue(value);
  } catch {
    context.addIssue("not a value");
    return z.NEVER;
  }
}

/** Null when the file is not there. Throws TARGET_DAMAGED when it is not what is written under this name. */
async function readRecord<T>(path: string, schema: z.ZodType<T>): Promise<T | null> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isAbsent(error)) return null;
    throw fileError(error, path);
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    const issue = error instanceof z.ZodError ? error.issues[0] : undefined;
    const place = issue === undefined ? "it is not JSON" : `${issue.path.join(".")}: ${issue.message}`;
    throw damaged(path, `it cannot be read (${place})`, error);
  }
}

function present<T>(record: T | null, path: string): T {
  if (record === null) throw damaged(path, "it is missing");
  return record;
}
