import type pg from "pg";
import type { ChunkBudget, ChunkRange, ChunkRead, ReadView, SourceReader, WholeRead } from "../engine/ports.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { SideName } from "../model/side.ts";
import type { Table, TableLeaf } from "../model/table.ts";
import type { Row } from "../model/value.ts";
import { asPghaulError } from "../postgres/wrap-error.ts";
import { readLeaves } from "./catalog.ts";
import { waitForOlderWriters } from "./chunk/barrier.ts";
import { copyKeys, copyRange, type ReadContext } from "./chunk/copy-chunk.ts";
import { copyWhole } from "./chunk/copy-whole.ts";
import { type KeyOrder, readKeyOrder } from "./chunk/key-order.ts";
import { snapshotView } from "./chunk/open-snapshot.ts";
import { type OpenSession, ReadSessions } from "./chunk/read-sessions.ts";
import { RowLimit } from "./chunk/row-limit.ts";
import { emitHeartbeat, relaxCommits, selectSnapshot } from "./queries/read-queries.ts";

export interface SourceReaderOptions {
  /** The side that is read; errors bear its name. */
  readonly side: SideName;
  /** Opens a session at the primary of the side: chunk snapshots mean nothing on a standby. */
  readonly connect: OpenSession;
  readonly tables: readonly Table[];
  /** Reads at once; each has a session of its own. Up to three more sessions stand beside them. */
  readonly workers: number;
  /** Ends connecting; every method takes a signal of its own for what it does. */
  readonly signal: AbortSignal;
}

/**
 * Reads rows from a PostgreSQL primary (13 to 18) as the engine asks for them. Sessions are opened as they are needed.
 *
 * Errors are PghaulErrors of the side, with the table: *_LOST when a session is lost (calling again opens another), *_QUERY
 * with its SQLSTATE for what the server refused, SCHEMA_DRIFT when the key is gone. Nothing is retried here but the table lock.
 */
export function openSourceReader(options: SourceReaderOptions): PostgresSourceReader {
  return new PostgresSourceReader(options);
}

class PostgresSourceReader implements SourceReader {
  readonly #side: SideName;
  readonly #sessions: ReadSessions;
  readonly #orders = new Map<string, Promise<KeyOrder>>();
  readonly #limits: Map<string, RowLimit>;
  #reads = 0;

  constructor({ side, connect, tables, workers, signal }: SourceReaderOptions) {
    this.#side = side;
    this.#sessions = new ReadSessions({ side, connect, workers, signal });
    this.#limits = new Map(tables.map((table) => [table.id, rowLimit(table)]));
  }

  async barrier(waiting: (who: string) => void, signal: AbortSignal): Promise<void> {
    await this.#told({ step: "barrier" }, signal, () =>
      this.#sessions.named("barrier", (client) => waitForOlderWriters(client, waiting, signal)),
    );
  }

  async heartbeat(): Promise<ReadView> {
    const beat = async (client: pg.Client): Promise<ReadView> => {
      await emitHeartbeat(client);
      return snapshotView(await selectSnapshot(client));
    };
    return this.#told({ step: "heartbeat" }, undefined, () => this.#sessions.named("heartbeat", beat, relaxCommits));
  }

  async leaves(table: Table, signal: AbortSignal): Promise<readonly TableLeaf[]> {
    if (!table.partitioned) return table.leaves;
    return this.#told({ table: table.id }, signal, () => this.#sessions.named("leaves", (client) => readLeaves(client, table)));
  }

  async readChunk(table: Table, range: ChunkRange, budget: ChunkBudget, signal: AbortSignal): Promise<ChunkRead> {
    const limit = this.#limits.get(table.id) ?? rowLimit(table);
    this.#limits.set(table.id, limit);
    return this.#read(table, signal, (context) => copyRange(context, table, { range, budget, limit }));
  }

  async readKeys(table: Table, keys: readonly Row[], signal: AbortSignal): Promise<ChunkRead> {
    return this.#read(table, signal, (context) => copyKeys(context, table, keys));
  }

  async readWhole<T>(table: Table, consume: (read: WholeRead) => Promise<T>, signal: AbortSignal): Promise<T> {
    const label = this.#label(table, "whole");
    let failure: { readonly error: unknown } | undefined;
    const watched = async (read: WholeRead) => {
      try {
        return await consume(read);
      } catch (error) {
        failure = { error };
        throw error;
      }
    };
    return this.#told({ table: table.id }, signal, () =>
      this.#sessions.use((client) => copyWhole({ client, side: this.#side, label, signal }, table, watched)),
    ).catch((error) => {
      // What the consumer met is its own: it must not come out dressed as an error of the source.
      throw failure === undefined ? error : failure.error;
    });
  }

  restoreView(text: string): ReadView {
    return snapshotView(text);
  }

  /** Ends the sessions; reads under way end first. */
  async close(): Promise<void> {
    await this.#sessions.close();
  }

  async #read(table: Table, signal: AbortSignal, read: (context: ReadContext) => Promise<ChunkRead>): Promise<ChunkRead> {
    if (table.key === null)
      throw new PghaulError("BUG", `${table.id} has no key and cannot be read by it`, { context: { table: table.id } });
    this.#reads += 1;
    const label = this.#label(table, `c${this.#reads}`);
    return this.#told({ table: table.id }, signal, () =>
      this.#sessions.use(async (client) => {
        const order = await this.#order(table, () => readKeyOrder(client, table));
        return read({ client, side: this.#side, order, label, signal, cancel: (pid) => this.#sessions.cancel(pid) });
      }),
    );
  }

  #order(table: Table, look: () => Promise<KeyOrder>): Promise<KeyOrder> {
    let order = this.#orders.get(table.id);
    if (order === undefined) {
      order = look();
      this.#orders.set(table.id, order);
      order.catch(() => this.#orders.delete(table.id));
    }
    return order;
  }

  /** The server keeps 63 bytes of it, in ASCII. */
  #label(table: Table, what: string): string {
    const name = table.id.replace(/[^\x20-\x7e]/gu, "?").slice(0, 40);
    return `pghaul [snapshot ${name} ${what}]`;
  }

  async #told<T>(context: Record<string, string>, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      throw asPghaulError(error, this.#side, context);
    }
  }
}

function rowLimit({ leaves }: Table): RowLimit {
  return new RowLimit(
    leaves.reduce((sum, { bytes }) => sum + bytes, 0),
    leaves.reduce((sum, { rows }) => sum + rows, 0),
  );
}
