/** The engine's source port over the simulated server: each step of a read is a turn of its own, so that commits fall between them. */

import type { ChunkBudget, ChunkRange, ChunkRead, ReadView, SourceReader, WholeRead } from "../../../src/engine/ports.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import { isVisible, parseSnapshot } from "../../../src/model/snapshot.ts";
import { keyText, type Table, type TableLeaf } from "../../../src/model/table.ts";
import type { Row } from "../../../src/model/value.ts";
import type { Life } from "../crash.ts";
import type { Faults } from "../faults.ts";
import type { Random } from "../random.ts";
import type { Heap } from "./heap.ts";
import { encodeRow, SimRows } from "./rows.ts";
import type { Server, ServerSnapshot } from "./server.ts";
import { inRange, keyOf, leavesSeenBy } from "./tables.ts";

const LOCK_RETRY_MILLIS = 40;

export class SimSource implements SourceReader {
  readonly #server: Server;
  readonly #life: Life;
  readonly #random: Random;
  readonly #faults: Faults;

  constructor(server: Server, life: Life, random: Random, faults: Faults) {
    this.#server = server;
    this.#life = life;
    this.#random = random;
    this.#faults = faults;
  }

  async barrier(waiting: (who: string) => void, signal: AbortSignal): Promise<void> {
    const still = this.#session();
    await this.#turn("source.barrier", signal);
    const xid = this.#server.passingXid();
    while (this.#server.snapshot().xmin < xid) {
      waiting("a transaction");
      await this.#life.sleep(100, signal);
      await this.#turn("source.barrier", signal);
      still();
    }
  }

  async heartbeat(): Promise<ReadView> {
    const still = this.#session();
    await this.#turn("source.heartbeat");
    this.#server.writeRecord();
    this.#server.flush();
    await this.#turn("source.heartbeat");
    still();
    const { text } = this.#server.snapshot();
    await this.#turn("source.heartbeat");
    still();
    return this.restoreView(text);
  }

  async leaves(table: Table, signal: AbortSignal): Promise<readonly TableLeaf[]> {
    await this.#turn("source.leaves", signal);
    const { sim } = this.#heapOf(table);
    const { sees } = this.#server.snapshot();
    const still = this.#session();
    await this.#turn("source.leaves", signal);
    still();
    return leavesSeenBy(sim.leaves, table.name, sees);
  }

  async readChunk(table: Table, range: ChunkRange, _budget: ChunkBudget, signal: AbortSignal): Promise<ChunkRead> {
    const heap = this.#heapOf(table);
    const limit = this.#random.chance(0.5) ? Number.POSITIVE_INFINITY : this.#random.between(1, 6);
    return await this.#reading(heap, signal, async (snapshot, hi, still) => {
      const leafId = (place: number) => heap.sim.leaves.idSeenBy(place, snapshot.sees);
      const rows = heap.rowsSeenBy(snapshot.sees).filter((row) => inRange(heap.sim, range, keyOf(heap.sim, row), leafId));
      rows.sort((a, b) => heap.sim.compare(keyOf(heap.sim, a), keyOf(heap.sim, b)));
      const read = rows.slice(0, limit);
      const last = read.at(-1);
      const cutAfter = read.length < rows.length && last !== undefined ? keyOf(heap.sim, last) : null;
      await this.#turn("source.copy", signal);
      still();
      return { view: this.restoreView(snapshot.text), hi, rows: new SimRows(read), cutAfter };
    });
  }

  async readKeys(table: Table, keys: readonly Row[], signal: AbortSignal): Promise<ChunkRead> {
    const heap = this.#heapOf(table);
    const asked = new Set(keys.map(keyText));
    return await this.#reading(heap, signal, async (snapshot, hi, still) => {
      const rows = heap.rowsSeenBy(snapshot.sees).filter((row) => asked.has(keyText(keyOf(heap.sim, row))));
      await this.#turn("source.copy", signal);
      still();
      return { view: this.restoreView(snapshot.text), hi, rows: new SimRows(rows), cutAfter: null };
    });
  }

  async readWhole<T>(table: Table, consume: (read: WholeRead) => Promise<T>, signal: AbortSignal): Promise<T> {
    const heap = this.#heapOf(table);
    return await this.#reading(heap, signal, (snapshot, hi, still) => {
      const rows = heap.rowsSeenBy(snapshot.sees);
      return consume({
        view: this.restoreView(snapshot.text),
        hi,
        copyText: this.#stream(rows, still, signal),
        stillThere: async () => {
          await this.#turn("source.still there", signal);
          still();
        },
      });
    });
  }

  restoreView(text: string): ReadView {
    const snapshot = parseSnapshot(text);
    return { text, contains: ({ xid }) => isVisible(snapshot, xid) };
  }

  /** LOCK TABLE first, then the snapshot, then the insert position, then the rows. */
  async #reading<T>(
    heap: Heap,
    signal: AbortSignal,
    read: (snapshot: ServerSnapshot, hi: bigint, still: () => void) => Promise<T>,
  ): Promise<T> {
    await this.#turn("source.lock", signal);
    while (heap.isLocked()) {
      await this.#life.sleep(LOCK_RETRY_MILLIS, signal);
      await this.#turn("source.lock", signal);
    }
    this.#life.demand();
    const still = this.#session();
    heap.readers += 1;
    const unlock = this.#life.hold(() => {
      heap.readers -= 1;
    });
    try {
      await this.#turn("source.snapshot", signal);
      const snapshot = this.#server.snapshot();
      await this.#turn("source.position", signal);
      still();
      return await read(snapshot, this.#server.insertLsn, still);
    } finally {
      unlock();
    }
  }

  /** A session of the server as it is now; what it returns throws once that has crashed. */
  #session(): () => void {
    const { crashes } = this.#server;
    return () => {
      if (this.#server.crashes !== crashes) throw new PghaulError("SOURCE_LOST", "simulated");
    };
  }

  async *#stream(rows: readonly Row[], still: () => void, signal: AbortSignal): AsyncIterable<Uint8Array> {
    for (const row of rows) {
      if (this.#random.chance(0.3)) await this.#turn("source.copy", signal);
      still();
      yield encodeRow(row);
    }
  }

  async #turn(label: string, signal?: AbortSignal): Promise<void> {
    await this.#life.turn(label);
    signal?.throwIfAborted();
    if (this.#faults.strike()) throw new PghaulError("SOURCE_LOST", "simulated");
  }

  #heapOf(table: Table): Heap {
    const heap = this.#server.heaps.get(table.id);
    if (heap === undefined) throw new Error(`simulation: no table ${table.id}`);
    return heap;
  }
}
