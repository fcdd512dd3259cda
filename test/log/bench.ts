/** A log in a directory of its own, and what tests do with it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ErrorCode } from "../../src/errors/codes.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { LocalLog, type LocalLogOptions } from "../../src/log/local-log.ts";
import type { TransactionPiece } from "../../src/model/change.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import type { Table } from "../../src/model/table.ts";
import { pgoutput } from "../pgoutput/encode.ts";

export const IDENTITY = { systemIdentifier: "7000000000000000001", slot: "pghaul_test_forward", stream: "forward" } as const;
export const START = 1_000n;
export const NEVER = new AbortController().signal;

export function tableOf(name: string, columns: readonly string[], key: Table["key"], oid = 9): Table {
  return {
    id: `public.${name}`,
    schema: "public",
    name,
    oid,
    key,
    partitioned: false,
    leaves: [],
    columns: columns.map((column) => ({ name: column, type: "text", identityAlways: false, notNull: false })),
  };
}

/** `a` (oid 1) and `b` (oid 2): `id` is the key. */
export const TABLES: ReadonlyMap<string, Table> = new Map(
  [tableOf("a", ["id", "note"], [0], 1), tableOf("b", ["id", "note"], [0], 2)].map((table) => [table.id, table]),
);
export const RELATION_A = pgoutput.relation({ oid: 1, name: "a", columns: ["*id", "note"] });
export const RELATION_B = pgoutput.relation({ oid: 2, name: "b", columns: ["*id", "note"] });
export const ALL = new Set(["public.a", "public.b"]);

/** A directory that is removed at the end of the block. */
export function tempDir(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), "pghaul-log-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export function openLog(dir: string, options: Partial<LocalLogOptions> = {}): Promise<LocalLog> {
  return LocalLog.open({
    dir,
    identity: IDENTITY,
    start: { lsn: START, xidReference: 700n },
    durable: null,
    tables: TABLES,
    skipOriginPrefix: "pghaul_",
    ...options,
  });
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Everything the log holds of these tables. */
export function readAll(
  log: Pick<LocalLog, "read" | "start" | "passed">,
  tables: ReadonlySet<string> = ALL,
  from?: Lsn,
): Promise<TransactionPiece[]> {
  return collect(log.read({ from: from ?? log.start(), to: log.passed() }, tables, NEVER));
}

/** Transaction number n at LSN 1000 + 100 n, xid 700 + n: inserts one row into `a`. */
export function insertInto(n: number, oid = 1, note = `row ${n}`): Buffer {
  return pgoutput.transaction(lsnOf(n), 700 + n, pgoutput.insert(oid, [String(n), note]));
}

export function lsnOf(n: number): Lsn {
  return START + BigInt(n) * 100n;
}

/** The numbers of the transactions that these pieces or headers belong to. */
export function numbersOf(items: readonly ({ readonly header: { readonly commitLsn: Lsn } } | { readonly commitLsn: Lsn })[]): number[] {
  return items.map((item) => Number((("header" in item ? item.header : item).commitLsn - START) / 100n));
}

/** For assert.rejects: a PghaulError of this code. */
export function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof PghaulError && error.code === code;
}
