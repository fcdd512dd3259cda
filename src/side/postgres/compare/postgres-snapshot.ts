import type pg from "pg";
import type { ChunkRange } from "../../../engine/ports.ts";
import type { SideName } from "../../../model/side.ts";
import { type KeyText, keyText, rowKey, type Table } from "../../../model/table.ts";
import { displayText, type Row, toByteText } from "../../../model/value.ts";
import { LOCK_NOT_AVAILABLE, lockRefused } from "../../../postgres/lock-refused.ts";
import { asPghaulError, sqlState } from "../../../postgres/wrap-error.ts";
import type { Digest, HashedRow, TableSnapshot } from "../../../verify/ports.ts";
import { askOf } from "../catalog/ask.ts";
import type { TableReach } from "../catalog/partition-tree.ts";
import { readReach } from "../catalog/table-reach.ts";
import { bucketsSql, type DigestScope, digestOfRowsSql, digestSql, keysInRangeSql, rowHashesSql, rowsSql } from "./digest-queries.ts";

/** Where a table is compared, and how what runs there is ended. */
export interface SnapshotSide {
  readonly side: SideName;
  /** Ends what the server process runs now. */
  readonly cancel: (pid: string) => Promise<void>;
  readonly sleep: (millis: number, signal: AbortSignal) => Promise<void>;
}

export interface OpenedSnapshot {
  /** How the table's rows are reached here. */
  readonly reach: TableReach;
  readonly pid: string;
  readonly encoding: string;
}

const LOCK_ATTEMPTS = 30;
const LOCK_PAUSE_MILLIS = 500;
const ROWS_AT_ONCE = 1_000;

/**
 * Begins a read transaction: the table's lock first, then the snapshot, with the columns of `select` read in it. A snapshot older than a
 * TRUNCATE sees an empty table (manual: "MVCC Caveats"), so none may come between the snapshot and the reading. The lock is asked for
 * briefly and again: behind one that waits, everybody else queues. Later an index may be waited for as long as a REINDEX takes. Throws
 * SOURCE_QUERY or TARGET_QUERY when the lock is never had.
 */
export async function openLocked<Columns>(
  client: pg.Client,
  { table, side, sleep, select }: SnapshotSide & { readonly table: Table; readonly select: string },
  signal: AbortSignal,
): Promise<Columns & OpenedSnapshot> {
  const text = (lock: string): string => `begin isolation level repeatable read read only;
set local lock_timeout = '2s';
set local jit = off;
lock table ${lock} in access share mode;
set local lock_timeout = 0;
select ${select}, pg_backend_pid()::text as pid, current_setting('server_encoding') as encoding`;
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      const reach = await readReach(askOf(client), side, table);
      // `pg` returns a result for each of the statements, though its types tell of one.
      const results = (await client.query(text(reach.lock))) as unknown as pg.QueryResult<Columns & Omit<OpenedSnapshot, "reach">>[];
      return { ...(results.at(-1)?.rows[0] as Columns & Omit<OpenedSnapshot, "reach">), reach };
    } catch (error) {
      if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw asPghaulError(error, side, { table: table.id });
      await client.query("rollback");
      if (attempt === LOCK_ATTEMPTS) throw await lockRefused(client, side, table.id);
    }
    await sleep(LOCK_PAUSE_MILLIS, signal);
  }
}

/** A table under the open REPEATABLE READ transaction of a client that this object owns. */
export class PostgresSnapshot implements TableSnapshot {
  readonly #client: pg.Client;
  readonly #table: Table;
  /** With what is computed; the log does not have that, and of a table without a key all of a row comes from the log. */
  readonly #hashed: Table;
  readonly #side: SnapshotSide;
  readonly #pid: string;
  readonly #signal: AbortSignal;
  readonly #converted: boolean;
  readonly #from: string;

  constructor(client: pg.Client, { table, side, opened, signal }: SnapshotParts) {
    this.#client = client;
    this.#table = table;
    this.#hashed = table.key === null ? table : withComputed(table);
    this.#side = side;
    this.#pid = opened.pid;
    this.#from = opened.reach.from;
    this.#signal = signal;
    // SQL_ASCII has no encoding to convert from: its bytes are taken for UTF8, as the load takes them.
    this.#converted = opened.encoding !== "UTF8" && opened.encoding !== "SQL_ASCII";
  }

  digest(range: ChunkRange | null): Promise<Digest> {
    return this.#digest(digestSql(this.#hashed, this.#scope(range, "all")), []);
  }

  digestOfKeys(range: ChunkRange | null, keys: readonly Row[]): Promise<Digest> {
    return this.#digest(digestSql(this.#hashed, this.#scope(range, "listed")), keyArrays(this.#table, keys));
  }

  async digestOfRows(rows: readonly Row[]): Promise<Digest> {
    let digest: Digest = { rows: 0n, sum: 0n };
    for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) {
      const some = rows.slice(start, start + ROWS_AT_ONCE);
      const columns = this.#table.columns.map((_, index) => some.map((row) => displayed(row[index] ?? null)));
      const part = await this.#digest(digestOfRowsSql(this.#table, this.#scope(null, "all")), columns);
      digest = { rows: digest.rows + part.rows, sum: digest.sum + part.sum };
    }
    return digest;
  }

  async buckets(range: ChunkRange | null): Promise<ReadonlyMap<number, Digest>> {
    const rows = await this.#ask<DigestRow & { bucket: string }>({ text: bucketsSql(this.#hashed, this.#scope(range, "all")) });
    return new Map(rows.map((row) => [Number(row.bucket), toDigest(row)]));
  }

  async rowHashes(range: ChunkRange | null, buckets: readonly number[]): Promise<readonly HashedRow[]> {
    const text = rowHashesSql(this.#hashed, this.#scope(range, "all"), buckets);
    const rows = await this.#ask<string[]>({ text, rowMode: "array" });
    return rows.map(([hash, ...key]) => ({ hash: hash ?? "", key: key.map(toByteText) }));
  }

  async rows(keys: readonly Row[]): Promise<ReadonlyMap<KeyText, Row>> {
    if (keys.length === 0) return new Map();
    const rows = await this.#ask<(string | null)[]>({
      text: rowsSql(this.#table, this.#from),
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

  async keysInRange(range: ChunkRange, keys: readonly Row[]): Promise<ReadonlySet<KeyText>> {
    const rows = await this.#ask<{ place: string }>({ text: keysInRangeSql(this.#table, range), values: keyArrays(this.#table, keys) });
    return new Set(rows.map(({ place }) => keyText(keys[Number(place) - 1] as Row)));
  }

  async close(): Promise<void> {
    await this.#client.query("rollback").finally(() => this.#client.end());
  }

  #scope(range: ChunkRange | null, keys: DigestScope["keys"]): DigestScope {
    return { range, keys, from: this.#from, converted: this.#converted };
  }

  async #digest(text: string, values: unknown[]): Promise<Digest> {
    const [row] = await this.#ask<DigestRow>({ text, values });
    return row === undefined ? { rows: 0n, sum: 0n } : toDigest(row);
  }

  /** A digest may run for minutes: when the signal comes, the server is told to end it. */
  async #ask<R>(query: { readonly text: string; readonly values?: unknown[]; readonly rowMode?: "array" }): Promise<readonly R[]> {
    this.#signal.throwIfAborted();
    const cancel = (): void => void this.#side.cancel(this.#pid).catch(() => undefined);
    this.#signal.addEventListener("abort", cancel, { once: true });
    try {
      return (await this.#client.query(query as pg.QueryConfig)).rows as R[];
    } catch (error) {
      this.#signal.throwIfAborted();
      throw asPghaulError(error, this.#side.side, { table: this.#table.id });
    } finally {
      this.#signal.removeEventListener("abort", cancel);
    }
  }
}

/** Behind all others, so that the key's places stay. */
function withComputed(table: Table): Table {
  const computed = (table.computed ?? []).map((column) => ({ ...column, identityAlways: false, notNull: false }));
  return { ...table, columns: [...table.columns, ...computed] };
}

export interface SnapshotParts {
  readonly table: Table;
  readonly side: SnapshotSide;
  readonly opened: OpenedSnapshot;
  readonly signal: AbortSignal;
}

interface DigestRow {
  readonly rows: string;
  readonly sum: string;
}

function displayed(value: string | null): string | null {
  return value === null ? null : displayText(value);
}

function toDigest({ rows, sum }: DigestRow): Digest {
  return { rows: BigInt(rows), sum: BigInt(sum) };
}

/** One array a key column, as `unnest` takes them. */
function keyArrays(table: Table, keys: readonly Row[]): string[][] {
  return (table.key ?? []).map((_, position) => keys.map((key) => displayText(key[position] ?? "")));
}
