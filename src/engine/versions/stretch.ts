import type { Change, TransactionPiece } from "../../model/change.ts";
import { formatLsn, type Lsn } from "../../model/lsn.ts";
import type { Table } from "../../model/table.ts";
import { isComplete } from "../../model/value.ts";
import { changeBytes, keyValues } from "../fold.ts";
import type { AppendedStretch, PendingMove } from "../ports/version-target.ts";

export interface StretchOptions {
  readonly tables: ReadonlyMap<string, Table>;
  /** It ends at the first transaction end behind so many bytes. */
  readonly bytes: number;
  /** Where it ends when the log's pieces do. */
  readonly to: Lsn;
  /** Whether a move that the stream does not tell whole has to be settled by a point re-read. */
  readonly isPending: (table: string, lsn: Lsn) => boolean;
}

/** What one append carries: pieces of the log, counted as they pass, and looked through for moves that they do not tell whole. */
export class Stretch {
  readonly #options: StretchOptions;
  readonly #pending: PendingMove[] = [];
  #changes = 0;
  #bytes = 0;
  #transactions = 0;
  #to: Lsn;
  #commitMicros = 0n;
  #isEmpty = true;

  constructor(options: StretchOptions) {
    this.#options = options;
    this.#to = options.to;
  }

  /** Commit time of its last transaction. */
  get commitMicros(): bigint {
    return this.#commitMicros;
  }

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** Hands over `first` and what follows, up to the end of the stretch. */
  async *pieces(first: TransactionPiece, rest: AsyncIterator<TransactionPiece>): AsyncGenerator<TransactionPiece> {
    let piece: TransactionPiece | null = first;
    while (piece !== null) {
      this.#look(piece);
      yield piece;
      if (piece.last && this.#bytes >= this.#options.bytes) {
        this.#to = piece.header.endLsn;
        return;
      }
      const next: IteratorResult<TransactionPiece> = await rest.next();
      if (next.done === true && !piece.last)
        throw new Error(`append: the log ended inside the transaction committed at ${formatLsn(piece.header.commitLsn)}`);
      piece = next.done === true ? null : next.value;
    }
  }

  close(): AppendedStretch {
    return { to: this.#to, transactions: this.#transactions, changes: this.#changes, pending: this.#pending };
  }

  #look({ header, changes, last }: TransactionPiece): void {
    this.#isEmpty = false;
    this.#commitMicros = header.commitMicros;
    if (last) this.#transactions += 1;
    for (const change of changes) {
      this.#changes += 1;
      this.#bytes += changeBytes(change);
      const move = this.#moveOf(change, header.commitLsn);
      if (move !== null) this.#pending.push(move);
    }
  }

  #moveOf(change: Change, lsn: Lsn): PendingMove | null {
    if (change.kind !== "update" || change.oldKey === null || isComplete(change.row)) return null;
    const key = this.#options.tables.get(change.table)?.key ?? null;
    if (key === null || !this.#options.isPending(change.table, lsn)) return null;
    return { table: change.table, key: keyValues(key, change.row), lsn };
  }
}
