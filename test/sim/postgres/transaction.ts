import type { Change, TransactionHeader } from "../../../src/model/change.ts";
import type { Lsn } from "../../../src/model/lsn.ts";
import type { KeyText } from "../../../src/model/table.ts";
import type { Row } from "../../../src/model/value.ts";

/** What a transaction did, as whole rows: the truth that the reference model replays, apart from the events that pgoutput would send. */
export type Effect =
  | { readonly kind: "row"; readonly table: string; readonly key: KeyText; readonly row: Row | null }
  | { readonly kind: "bag"; readonly table: string; readonly remove: Row | null; readonly add: Row | null }
  | { readonly kind: "clear"; readonly table: string };

/** A committed transaction, in commit order. */
export interface Commit {
  readonly header: TransactionHeader;
  readonly changes: readonly Change[];
  readonly effects: readonly Effect[];
}

export interface Savepoint {
  readonly undo: number;
  readonly changes: number;
  readonly effects: number;
}

/** A transaction at the simulated server. */
export class Transaction {
  /** Top-level xid; taken at the first write. */
  xid: bigint | null = null;
  status: "running" | "prepared" | "committed" | "aborted" = "running";
  /** Its commit record is written without waiting for a flush, and it is visible at once. */
  readonly asynchronous: boolean;
  /** When it left the ProcArray, on the server's own count of such events: from then on snapshots see it. */
  left: number | null = null;
  /** Set by a savepoint: the next write takes an xid of its own, which no snapshot lists. */
  needsSubxid = false;
  /** Of its commit record; null before. */
  commitLsn: Lsn | null = null;
  lastXid: bigint | null = null;
  readonly undo: (() => void)[] = [];
  readonly changes: Change[] = [];
  readonly effects: Effect[] = [];
  readonly savepoints: Savepoint[] = [];

  constructor(asynchronous: boolean) {
    this.asynchronous = asynchronous;
  }

  get open(): boolean {
    return this.status === "running";
  }

  save(): void {
    this.savepoints.push({ undo: this.undo.length, changes: this.changes.length, effects: this.effects.length });
    this.needsSubxid = true;
  }

  rollbackTo({ undo, changes, effects }: Savepoint): void {
    for (const step of this.undo.splice(undo).toReversed()) step();
    this.changes.length = changes;
    this.effects.length = effects;
  }
}

/** True when `other`'s locks no longer keep `transaction` out: it is the same, or it has left the ProcArray (not merely committed). */
export function letsPass(other: Transaction | undefined, transaction: Transaction): boolean {
  return other === undefined || other === transaction || other.left !== null;
}
