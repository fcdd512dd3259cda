/** The load's memory on this machine: survives every crash, each call durable by itself. */
import type { ChunkRange, ChunkRecord, LoadStore } from "../../src/engine/ports.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import type { Row } from "../../src/model/value.ts";
import type { Life } from "./crash.ts";

export class DurableStore {
  readonly chunks: ChunkRecord[] = [];
  /** Tables that the operator wants loaded anew. */
  readonly reloads = new Set<string>();
  /** The workflow's own note that the barrier has passed. */
  barrierPassed = false;
  /** Every commit below is visible to all snapshots to come. */
  visibleFloor: Lsn = 0n;
}

export class SimStore implements LoadStore {
  readonly #durable: DurableStore;
  readonly #life: Life;

  constructor(durable: DurableStore, life: Life) {
    this.#durable = durable;
    this.#life = life;
  }

  chunks(table: string): readonly ChunkRecord[] {
    return this.#durable.chunks.filter((chunk) => chunk.table === table);
  }

  planChunks(table: string, ranges: readonly ChunkRange[]): readonly ChunkRecord[] {
    this.#life.demand();
    const covered = new Set(this.chunks(table).map(({ range }) => range.leaf));
    for (const range of ranges) if (!covered.has(range.leaf)) this.#add(table, range);
    return this.chunks(table);
  }

  cutChunk(id: number, after: Row): ChunkRecord {
    this.#life.demand();
    const chunk = this.#find(id);
    if (chunk.merged) throw new Error(`sim: chunk ${id} is merged and cannot be cut`);
    this.#durable.chunks[id] = { ...chunk, range: { ...chunk.range, to: { values: after, inclusive: true } } };
    return this.#add(chunk.table, { ...chunk.range, from: { values: after, inclusive: false } });
  }

  chunkMerged(id: number): void {
    this.#life.demand();
    this.#durable.chunks[id] = { ...this.#find(id), merged: true };
  }

  chunkLost(id: number): void {
    this.#life.demand();
    this.#durable.chunks[id] = { ...this.#find(id), merged: false };
  }

  forgetTable(table: string): void {
    this.#life.demand();
    // Ids never come again: what is forgotten stays where it is and is nobody's.
    for (const chunk of this.chunks(table)) this.#durable.chunks[chunk.id] = { ...chunk, table: "" };
    this.#durable.reloads.delete(table);
  }

  kept(): Promise<void> {
    return Promise.resolve();
  }

  #add(table: string, range: ChunkRange): ChunkRecord {
    const chunk = { id: this.#durable.chunks.length, table, range, merged: false };
    this.#durable.chunks.push(chunk);
    return chunk;
  }

  #find(id: number): ChunkRecord {
    const chunk = this.#durable.chunks[id];
    if (chunk === undefined) throw new Error(`simulation: no chunk ${id}`);
    return chunk;
  }
}
