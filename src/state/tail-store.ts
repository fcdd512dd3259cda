import { formatLsn, type Lsn, parseLsn } from "../model/lsn.ts";
import type { StreamName } from "../model/side.ts";
import type { StateDatabase } from "./state-database.ts";

/** What a tail must know to go on after a restart. */
export interface TailRecord {
  readonly stream: StreamName;
  readonly slot: string;
  /** The slot's consistent point: the log begins here. */
  readonly startLsn: Lsn;
  /** Every transaction with commitLsn < durableLsn is in the log, fsynced; only this is ever acknowledged. */
  readonly durableLsn: Lsn;
  /** A full 64-bit xid near the stream's: pgoutput sends 32 bits, and this decides the rest. */
  readonly xidReference: bigint;
  /** Commits below are contained in every snapshot taken from now on; null: not known yet, use `startLsn`. */
  readonly visibleFloor: Lsn | null;
  /** Commit time of the last durable transaction, microseconds since the Unix epoch. */
  readonly lastCommitMicros: bigint | null;
  /** Totals since the slot was created. */
  readonly transactions: number;
  readonly changes: number;
  readonly bytes: number;
  readonly updatedAt: string;
}

/** One step of the tail. Counts are added to the totals. */
export interface TailAdvance {
  readonly durableLsn: Lsn;
  readonly xidReference: bigint;
  readonly lastCommitMicros: bigint | null;
  readonly transactions: number;
  readonly changes: number;
  readonly bytes: number;
}

interface TailRow {
  readonly stream: StreamName;
  readonly slot: string;
  readonly start_lsn: string;
  readonly durable_lsn: string;
  readonly xid_reference: string;
  readonly visible_floor: string | null;
  readonly last_commit_micros: string | null;
  readonly transactions: number;
  readonly changes: number;
  readonly bytes: number;
  readonly updated_at: string;
}

/** How far each stream's log reaches. The row is written before the slot hears of it. */
export class TailStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  get(stream: StreamName): TailRecord | null {
    return this.#database.read(() => this.#select(stream));
  }

  /** Records a new slot. Throws when the stream has one already: a fault of ours, the old slot would be forgotten on the source. */
  create(stream: StreamName, slot: { readonly name: string; readonly startLsn: Lsn; readonly xidReference: bigint }): TailRecord {
    return this.#database.write(() => {
      const known = this.#select(stream);
      if (known !== null) throw new Error(`state: the ${stream} stream has the slot ${known.slot} already`);
      const lsn = formatLsn(slot.startLsn);
      this.#database.sqlite
        .prepare("insert into tail (stream, slot, start_lsn, durable_lsn, xid_reference, updated_at) values (?, ?, ?, ?, ?, ?)")
        .run(stream, slot.name, lsn, lsn, slot.xidReference.toString(), new Date().toISOString());
      return this.#known(stream);
    });
  }

  /** Moves the stream on. Throws when the position would go back: what was acknowledged is gone from the source. */
  advance(stream: StreamName, step: TailAdvance): void {
    this.#database.write(() => {
      const known = this.#known(stream);
      if (step.durableLsn < known.durableLsn) {
        throw new Error(`state: the ${stream} stream cannot go back from ${formatLsn(known.durableLsn)} to ${formatLsn(step.durableLsn)}`);
      }
      this.#database.sqlite
        .prepare(`
          update tail set durable_lsn = ?, xid_reference = ?, last_commit_micros = coalesce(?, last_commit_micros),
                 transactions = transactions + ?, changes = changes + ?, bytes = bytes + ?, updated_at = ?
          where stream = ?`)
        .run(
          formatLsn(step.durableLsn),
          step.xidReference.toString(),
          step.lastCommitMicros?.toString() ?? null,
          step.transactions,
          step.changes,
          step.bytes,
          new Date().toISOString(),
          stream,
        );
    });
  }

  /** Raises the visible floor; a lower one is true as well but says less, and is ignored. */
  setVisibleFloor(stream: StreamName, floor: Lsn): void {
    this.#database.write(() => {
      const known = this.#known(stream).visibleFloor;
      if (known !== null && known >= floor) return;
      this.#database.sqlite
        .prepare("update tail set visible_floor = ?, updated_at = ? where stream = ?")
        .run(formatLsn(floor), new Date().toISOString(), stream);
    });
  }

  /** The log was restored up to this place, whatever this record, of another moment, says. */
  restored(stream: StreamName, point: { readonly lsn: Lsn; readonly xidReference: bigint }): void {
    this.#database.write(() =>
      this.#database.sqlite
        .prepare("update tail set durable_lsn = ?, xid_reference = ?, updated_at = ? where stream = ?")
        .run(formatLsn(point.lsn), point.xidReference.toString(), new Date().toISOString(), stream),
    );
  }

  /** Forgets a stream whose slot has been dropped. */
  remove(stream: StreamName): void {
    this.#database.write(() => this.#database.sqlite.prepare("delete from tail where stream = ?").run(stream));
  }

  #select(stream: StreamName): TailRecord | null {
    const row = this.#database.sqlite.prepare<[string], TailRow>("select * from tail where stream = ?").get(stream);
    return row === undefined ? null : toRecord(row);
  }

  #known(stream: StreamName): TailRecord {
    const known = this.#select(stream);
    if (known === null) throw new Error(`state: the ${stream} stream has no slot`);
    return known;
  }
}

function toRecord(row: TailRow): TailRecord {
  return {
    stream: row.stream,
    slot: row.slot,
    startLsn: parseLsn(row.start_lsn),
    durableLsn: parseLsn(row.durable_lsn),
    xidReference: BigInt(row.xid_reference),
    visibleFloor: row.visible_floor === null ? null : parseLsn(row.visible_floor),
    lastCommitMicros: row.last_commit_micros === null ? null : BigInt(row.last_commit_micros),
    transactions: row.transactions,
    changes: row.changes,
    bytes: row.bytes,
    updatedAt: row.updated_at,
  };
}
