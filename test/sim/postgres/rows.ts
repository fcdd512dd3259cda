import type { ChunkRows } from "../../../src/engine/ports.ts";
import { type KeyText, rowKey } from "../../../src/model/table.ts";
import type { Row } from "../../../src/model/value.ts";

/** Rows of a simulated read; the simulated target looks inside, as an adapter would pass the raw text on. */
export class SimRows implements ChunkRows {
  readonly rows: readonly Row[];

  constructor(rows: readonly Row[]) {
    this.rows = rows;
  }

  get count(): number {
    return this.rows.length;
  }

  get bytes(): number {
    return this.rows.length * 100;
  }

  take(key: readonly number[], keys: ReadonlySet<KeyText>): { taken: Row[]; rest: SimRows } {
    const taken: Row[] = [];
    const rest: Row[] = [];
    for (const row of this.rows) (keys.has(rowKey(key, row)) ? taken : rest).push(row);
    return { taken, rest: new SimRows(rest) };
  }

  *copyText(): Iterable<Uint8Array> {
    for (const row of this.rows) yield encodeRow(row);
  }
}

export function encodeRow(row: Row): Uint8Array {
  return Buffer.from(`${JSON.stringify(row)}\n`);
}

export function decodeRow(line: Uint8Array): Row {
  return JSON.parse(Buffer.from(line).toString()) as Row;
}
