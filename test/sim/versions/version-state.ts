/** What a simulated version target has on its disk: versions as they came, and nothing merged. */
import type { PendingMove, VersionedRead, VersionProgress } from "../../../src/engine/ports/version-target.ts";
import type { Change, TransactionHeader } from "../../../src/model/change.ts";
import type { Lsn } from "../../../src/model/lsn.ts";
import { type KeyText, keyText } from "../../../src/model/table.ts";
import type { Row } from "../../../src/model/value.ts";
import type { SimTable } from "../postgres/tables.ts";

/** A chunk, a whole table, or a point re-read, which speaks for `keys`. */
export interface LoadedRead {
  readonly version: VersionedRead;
  readonly rows: readonly Row[];
  readonly keys: readonly Row[];
}

export interface VersionedChange {
  readonly header: TransactionHeader;
  readonly ordinal: number;
  readonly change: Change;
}

interface Batch {
  readonly from: Lsn;
  readonly to: Lsn;
  readonly changes: readonly VersionedChange[];
  readonly pending: readonly PendingMove[];
  durable: boolean;
}

/** One table as it is loaded now. */
export interface LoadedTable {
  readonly chunks: Map<number, LoadedRead>;
  readonly rereads: LoadedRead[];
  published: Lsn | null;
}

export class VersionState {
  readonly sims: ReadonlyMap<string, SimTable>;
  readonly carriesMoves: boolean;
  readonly loaded = new Map<string, LoadedTable>();
  /** False: an append is taken from wherever it says to begin. */
  checksStart = true;
  /** A chunk that is delivered again is one more. */
  addsChunks = false;
  #batches: Batch[] = [];

  constructor(sims: readonly SimTable[], carriesMoves: boolean) {
    this.sims = new Map(sims.map((sim) => [sim.table.id, sim]));
    this.carriesMoves = carriesMoves;
  }

  get accepted(): Lsn | null {
    return this.#batches.at(-1)?.to ?? null;
  }

  get durable(): Lsn | null {
    return this.#batches.findLast(({ durable }) => durable)?.to ?? null;
  }

  /** In the order in which they were appended. */
  changes(): readonly VersionedChange[] {
    return this.#batches.flatMap(({ changes }) => changes);
  }

  append(batch: Omit<Batch, "durable">): void {
    this.#batches.push({ ...batch, durable: false });
  }

  settle(): void {
    for (const batch of this.#batches) batch.durable = true;
  }

  /** A crash: what was not settled is gone. Returns how many appends. */
  forgetUnsettled(): number {
    const before = this.#batches.length;
    this.#batches = this.#batches.filter(({ durable }) => durable);
    return before - this.#batches.length;
  }

  tableOf(id: string): LoadedTable {
    const known = this.loaded.get(id) ?? { chunks: new Map(), rereads: [], published: null };
    this.loaded.set(id, known);
    return known;
  }

  progress(): VersionProgress {
    const tables = [...this.loaded].map(([id, { chunks, rereads, published }]) => {
      const hi = [...chunks.values(), ...rereads].reduce((highest, { version }) => (version.hi > highest ? version.hi : highest), 0n);
      return [id, { hi, published }] as const;
    });
    return {
      accepted: this.accepted,
      durable: this.durable,
      tables: new Map(tables),
      loadedChunks: new Set([...this.loaded.values()].flatMap(({ chunks }) => [...chunks.keys()])),
      pending: this.#batches.flatMap(({ pending }) => pending).filter((move) => this.#isPending(move)),
    };
  }

  /** A chunk, in place of what came under its id before. */
  put(table: string, chunk: number, read: LoadedRead): void {
    const { chunks } = this.tableOf(table);
    const again = this.addsChunks ? [...chunks.keys()].filter((id) => Math.floor(id) === chunk).length : 0;
    chunks.set(again === 0 ? chunk : chunk + again / 100, read);
  }

  /**
   * Keys of which nothing is promised at a position, of a target that carries no moves: those that a row was moved to and no read up to there has
   * settled, and those of a read that comes later.
   */
  openKeys(id: string, position: Lsn): ReadonlySet<KeyText> {
    if (this.carriesMoves) return new Set();
    const { rereads = [] } = this.loaded.get(id) ?? {};
    const settles = (text: KeyText, lsn: Lsn) =>
      rereads.some(({ version, keys }) => version.hi <= position && lsn < version.floor && keys.some((key) => keyText(key) === text));
    const moved = this.#batches
      .flatMap(({ pending }) => pending)
      .filter(({ table, key, lsn }) => table === id && lsn < position && !settles(keyText(key), lsn));
    const later = rereads.filter(({ version }) => version.hi > position).flatMap(({ keys }) => keys);
    return new Set([...moved.map(({ key }) => keyText(key)), ...later.map(keyText)]);
  }

  #isPending({ table, key, lsn }: PendingMove): boolean {
    const { rereads = [], published = null } = this.loaded.get(table) ?? {};
    if (this.carriesMoves && published !== null) return false;
    const text = keyText(key);
    return !rereads.some(({ version, keys }) => lsn < version.floor && keys.some((asked) => keyText(asked) === text));
  }
}
