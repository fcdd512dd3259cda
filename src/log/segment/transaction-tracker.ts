/**
 * Follows frames of the stream and tells transactions apart, without decoding a row. The same walk indexes what the tail appends and
 * what a scan after a crash finds in a segment.
 */
import { PghaulError } from "../../errors/pghaul-error.ts";
import { formatLsn, type Lsn } from "../../model/lsn.ts";
import { decodeMessage } from "../../pgoutput/decode.ts";
import type { BeginMessage, CommitMessage } from "../../pgoutput/messages.ts";
import { carriesRow, skimRelation } from "../../pgoutput/skim.ts";
import { widenXid } from "../../pgoutput/widen-xid.ts";
import type { IndexedTransaction, Place, SeenRelation } from "./transaction-index.ts";

/** A transaction whose commit has not been seen. */
export interface OpenTransaction {
  readonly xid: bigint;
  readonly commitLsn: Lsn;
  readonly commitMicros: bigint;
  origin: string | null;
  place: Place;
  bytes: number;
  /** Rows changed, and truncates. */
  changes: number;
  /** Something in it is worth keeping: a change, a relation message, a logical message. */
  hasContent: boolean;
  readonly relations: Set<number>;
  readonly relationMessages: SeenRelation[];
}

/** A transaction that has just ended. */
export interface CommittedTransaction extends IndexedTransaction {
  readonly changes: number;
  readonly hasContent: boolean;
}

export class TransactionTracker {
  /** A recent 64-bit xid; every transaction raises it. */
  xidReference: bigint;
  #open: OpenTransaction | null = null;
  #lsn: Lsn = 0n;

  constructor(xidReference: bigint) {
    this.xidReference = xidReference;
  }

  get open(): OpenTransaction | null {
    return this.#open;
  }

  /** The stream starts anew: an unfinished transaction comes again from its beginning. */
  forgetOpen(): void {
    this.#open = null;
  }

  /**
   * Takes the message `bytes[start, end)`, whose frame is at `place` (copied) should it begin a transaction. Returns the transaction
   * that it commits, else null. Throws DECODE_FAILED on a message that is damaged or out of order.
   */
  take(bytes: Buffer, start: number, end: number, place: Place): CommittedTransaction | null {
    const open = this.#open;
    if (open !== null) open.bytes += end - start;
    if (carriesRow(bytes[start] ?? 0)) {
      if (open === null) throw this.#fault("a change outside of a transaction");
      open.relations.add(skimRelation(bytes, start, end, this.#lsn));
      open.changes += 1;
      open.hasContent = true;
      return null;
    }
    return this.#takeOther(open, bytes.subarray(start, end), place);
  }

  #takeOther(open: OpenTransaction | null, bytes: Buffer, place: Place): CommittedTransaction | null {
    const message = decodeMessage(bytes, 0, bytes.length, this.#lsn);
    if (message.kind === "begin") return this.#begin(message, bytes.length, place);
    if (open === null) {
      // Outside of transactions there are only logical messages that do not wait for a commit: none of ours.
      if (message.kind === "message") return null;
      throw this.#fault(`a ${message.kind} message outside of a transaction`);
    }
    switch (message.kind) {
      case "commit":
        return this.#commit(open, message);
      case "origin":
        open.origin = message.name;
        return null;
      case "relation":
        open.relationMessages.push({ oid: message.oid, message: Buffer.from(bytes) });
        break;
      case "truncate":
        open.changes += 1;
        for (const oid of message.relations) open.relations.add(oid);
        break;
      default:
        break;
    }
    open.hasContent = true;
    return null;
  }

  #begin(message: BeginMessage, bytes: number, place: Place): null {
    if (this.#open !== null) throw this.#fault("a transaction begins inside another");
    const xid = widenXid(this.xidReference, message.xid32);
    if (xid > this.xidReference) this.xidReference = xid;
    const { commitLsn, commitMicros } = message;
    this.#lsn = commitLsn;
    const nothing = { origin: null, changes: 0, hasContent: false, relations: new Set<number>(), relationMessages: [] };
    this.#open = { xid, commitLsn, commitMicros, place: { ...place }, bytes, ...nothing };
    return null;
  }

  #commit(open: OpenTransaction, message: CommitMessage): CommittedTransaction {
    if (message.commitLsn !== open.commitLsn) throw this.#fault("a commit does not belong to the open transaction");
    this.#open = null;
    return { ...open, endLsn: message.endLsn, relations: [...open.relations] };
  }

  #fault(what: string): PghaulError {
    return new PghaulError("DECODE_FAILED", what, { context: { lsn: formatLsn(this.#lsn) } });
  }
}
