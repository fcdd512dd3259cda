import type { ChunkRange } from "../engine/ports.ts";
import { type Lsn, maxLsn, minLsn } from "../model/lsn.ts";
import type { Table } from "../model/table.ts";
import { type CompareParts, compareScope, type ScopeVerdict } from "./compare-scope.ts";
import type { TableVerdict } from "./ports.ts";

export interface VerifyRequest {
  readonly tables: readonly Table[];
  /** Ranges to compare one by one, so that no snapshot grows old on a large table; one null for a table in one piece. */
  readonly ranges: (table: Table) => Promise<readonly (ChunkRange | null)[]>;
  readonly workers: number;
  /** How many differing rows to name a table; 0 asks for the verdict alone. */
  readonly differences: number;
  readonly verdict: (verdict: TableVerdict) => void;
  /** Called as the comparison of a piece begins, pieces counted from 1 on. */
  readonly begun: (table: string, piece: number, pieces: number) => void;
  readonly now: () => number;
}

/** Compares the tables, a few at once; each verdict is also told as it is reached. */
export async function verifyTables(parts: CompareParts, request: VerifyRequest, signal: AbortSignal): Promise<readonly TableVerdict[]> {
  const queue = [...request.tables];
  const verdicts: TableVerdict[] = [];
  // The first that fails ends the others: their digests would load both servers for an answer that nobody waits for.
  const broken = new AbortController();
  const either = AbortSignal.any([signal, broken.signal]);
  const worker = async (): Promise<void> => {
    for (let table = queue.shift(); table !== undefined && !either.aborted; table = queue.shift()) {
      const verdict = await verifyTable(parts, request, table, either);
      verdicts.push(verdict);
      request.verdict(verdict);
    }
  };
  const failures: unknown[] = [];
  const note = (error: unknown): void => {
    failures.push(error);
    broken.abort(error);
  };
  await Promise.all(Array.from({ length: Math.min(request.workers, queue.length) }, () => worker().catch(note)));
  signal.throwIfAborted();
  if (failures.length > 0) throw failures[0];
  const order = new Map(request.tables.map(({ id }, index) => [id, index]));
  return verdicts.toSorted((a, b) => (order.get(a.table) ?? 0) - (order.get(b.table) ?? 0));
}

async function verifyTable(parts: CompareParts, request: VerifyRequest, table: Table, signal: AbortSignal): Promise<TableVerdict> {
  const began = request.now();
  const scopes: ScopeVerdict[] = [];
  const ranges = await request.ranges(table);
  for (const [place, range] of ranges.entries()) {
    request.begun(table.id, place + 1, ranges.length);
    const named = scopes.reduce((count, { differences }) => count + differences.length, 0);
    scopes.push(await compareScope(parts, { table, range, limit: Math.max(0, request.differences - named) }, signal));
  }
  const positions = scopes.map(({ position }) => position);
  return {
    table: table.id,
    equal: scopes.every(({ equal }) => equal),
    rows: scopes.reduce((rows, scope) => rows + scope.rows, 0n),
    targetRows: scopes.reduce((rows, scope) => rows + scope.targetRows, 0n),
    generatedUnread: scopes.reduce((rows, scope) => rows + scope.generatedUnread, 0n),
    lsnFrom: positions.reduce((low: Lsn, position) => minLsn(low, position), positions[0] ?? 0n),
    lsn: positions.reduce((high: Lsn, position) => maxLsn(high, position), 0n),
    chunks: scopes.length,
    millis: Math.round(request.now() - began),
    differences: scopes.flatMap(({ differences }) => differences),
  };
}
