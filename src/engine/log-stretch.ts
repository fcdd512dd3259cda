import type { TransactionPiece } from "../model/change.ts";
import type { Lsn } from "../model/lsn.ts";
import { DEFAULT_LIMITS } from "./apply-batch.ts";
import { changeBytes } from "./fold.ts";
import type { EnginePorts, LogRange } from "./ports.ts";

/** A stretch of some seconds is some thousand changes; what is held may be several batches of the stream. Of large rows it is fewer. */
const HELD_BATCHES = { changes: 5, bytes: 2 };

/**
 * One table's changes of a stretch of the log, to be walked over several times. They are held in memory; where a transaction of any size lies
 * in it they are not, and each walk reads the log again.
 */
export class LogStretch {
  readonly #range: LogRange;
  readonly #read: (range: LogRange) => AsyncIterable<TransactionPiece>;
  /** Null: too many. */
  readonly #held: readonly TransactionPiece[] | null;

  private constructor(
    range: LogRange,
    read: (range: LogRange) => AsyncIterable<TransactionPiece>,
    held: readonly TransactionPiece[] | null,
  ) {
    this.#range = range;
    this.#read = read;
    this.#held = held;
  }

  /** The log must have passed the range. */
  static async of(
    { log, limits }: Pick<EnginePorts, "log" | "limits">,
    table: string,
    range: LogRange,
    signal: AbortSignal,
  ): Promise<LogStretch> {
    const read = (part: LogRange): AsyncIterable<TransactionPiece> => log.read(part, new Set([table]), signal);
    const most = limits ?? DEFAULT_LIMITS;
    const held: TransactionPiece[] = [];
    let [changes, bytes] = [0, 0];
    for await (const piece of read(range)) {
      changes += piece.changes.length;
      for (const change of piece.changes) bytes += changeBytes(change);
      if (changes > most.changes * HELD_BATCHES.changes || bytes > most.bytes * HELD_BATCHES.bytes)
        return new LogStretch(range, read, null);
      held.push(piece);
    }
    return new LogStretch(range, read, held);
  }

  get isHeld(): boolean {
    return this.#held !== null;
  }

  /** Its transactions with commitLsn >= from, in order. */
  async *pieces(from: Lsn): AsyncGenerator<TransactionPiece> {
    if (this.#held === null) yield* this.#read({ from, to: this.#range.to });
    else for (const piece of this.#held) if (piece.header.commitLsn >= from) yield piece;
  }
}
