import type pg from "pg";
import type { ChunkRange } from "../engine/ports.ts";
import { type KeyText, rowKey, type Table } from "../model/table.ts";
import { displayText, type Row, toByteText } from "../model/value.ts";
import { bucketsSql, digestSql, rowHashesSql, rowsSql } from "./digest-queries.ts";
import type { Digest, HashedRow, TableSnapshot } from "./ports.ts";

/** Begins the snapshot that the next statement will fix. */
export async function beginSnapshot(client: pg.Client): Promise<void> {
  await client.query("begin isolation level repeatable read read only");
}

/** A table under the open REPEATABLE READ transaction of a client that this object owns. */
export class PostgresSnapshot implements TableSnapshot {
  readonly #client: pg.Client;
  readonly #table: Table;

  constructor(client: pg.Client, table: Table) {
    this.#client = client;
    this.#table = table;
  }

  digest(range: ChunkRange | null): Promise<Digest> {
    return this.#digest(digestSql(this.#table, { range, keys: "all" }), []);
  }

  digestOfKeys(range: ChunkRange | null, keys: readonly Row[]): Promise<Digest> {
    return this.#digest(digestSql(this.#table, { range, keys: "listed" }), keyArrays(this.#table, keys));
  }

  async buckets(range: ChunkRange | null): Promise<ReadonlyMap<number, Digest>> {
    const { rows } = await this.#client.query<DigestRow & { bucket: string }>(bucketsSql(this.#table, { range, keys: "all" }));
    return new Map(rows.map((row) => [Number(row.bucket), toDigest(row)]));
  }

  async rowHashes(range: ChunkRange | null, buckets: readonly number[]): Promise<readonly HashedRow[]> {
    const text = rowHashesSql(this.#table, { range, keys: "all" }, buckets);
    const { rows } = await this.#client.query<string[]>({ text, rowMode: "array" });
    return rows.map(([hash, ...key]) => ({ hash: hash ?? "", key: key.map(toByteText) }));
  }

  async rows(keys: readonly Row[]): Promise<ReadonlyMap<KeyText, Row>> {
    if (keys.length === 0) return new Map();
    const { rows } = await this.#client.query<(string | null)[]>({
      text: rowsSql(this.#table),
      values: keyArrays(this.#table, keys),
      rowMode: "array",
    });
    const key = this.#table.key as readonly number[];
    return new Map(
      rows.map((values) => {
        const row = values.map((value) => (value === null ? null : toByteText(value)));
        return [rowKey(key, row), row];
      }),
    );
  }

  async close(): Promise<void> {
    await this.#client.query("rollback").finally(() => this.#client.end());
  }

  async #digest(text: string, values: unknown[]): Promise<Digest> {
    const { rows } = await this.#client.query<DigestRow>(text, values);
    return rows[0] === undefined ? { rows: 0n, sum: 0n } : toDigest(rows[0]);
  }
}

interface DigestRow {
  readonly rows: string;
  readonly sum: string;
}

function toDigest({ rows, sum }: DigestRow): Digest {
  return { rows: BigInt(rows), sum: BigInt(sum) };
}

/** One array a key column, as `unnest` takes them. */
function keyArrays(table: Table, keys: readonly Row[]): string[][] {
  return (table.key ?? []).map((_, position) => keys.map((key) => displayText(key[position] ?? "")));
}
