/**
 * What a cutover needs from the two databases, the route and the running stream. The machine and its steps know these contracts and no
 * driver, so the same list of steps switches forward and back, over any adapter.
 */

import type { Lsn } from "../model/lsn.ts";
import type { SideName } from "../model/side.ts";

/** A sequence as the fence transaction read it. Values are decimal text: bigint sequences exceed a JS number. */
export interface SequenceValue {
  readonly schema: string;
  readonly name: string;
  readonly lastValue: string;
}

export interface FenceFact {
  /** WAL insert position once the locks were held: any other writer of these tables committed below it, and none may commit above it. */
  readonly lsn: Lsn;
  readonly sequences: readonly SequenceValue[];
  /** Milliseconds from asking for the locks to the commit. */
  readonly millis: number;
}

/** `whole`: every table and partition refuses writes. `none`: no table does. `partial`: a guard is under way, or a partition was created since. */
export type FenceState = "none" | "partial" | "whole";

/** One of the two databases, as the switch sees it. */
export interface CutoverSide {
  readonly name: SideName;
  /**
   * Ends whatever an earlier process of ours still has under way here, and returns once it is gone: from then on, only we can change what this side
   * shows. Needed at the start of a driver's work and after a statement that did not answer. Cheap if there is nothing to do.
   */
  takeOver(limitMillis: number): Promise<void>;
  /**
   * Stops every writer except our appliers, in one transaction: locks the moved tables in SHARE ROW EXCLUSIVE (so each earlier writer has
   * ended), creates a statement trigger ENABLE ALWAYS on every table and partition, writes the marker and reads the sequences.
   * Throws CUTOVER_DEADLINE, and says who held what, if the locks are not granted within `lockMillis`; nothing is changed then. Also throws it if
   * the server does not answer: then only `takeOver` can tell what happened.
   */
  fence(marker: string, lockMillis: number): Promise<FenceFact>;
  /** The same fence table by table, each in a transaction of its own: no barrier, for a side where nobody writes but our appliers. */
  guard(): Promise<void>;
  /** Lets writers in again and writes the marker, in one transaction that waits for no lock on a table. */
  open(marker: string, limitMillis: number): Promise<void>;
  /** Removes open triggers from the tables where the lock is granted at once. Returns the number of tables that still have one. */
  tidy(): Promise<number>;
  fenceState(): Promise<FenceState>;
  writeMarker(id: string): Promise<void>;
  sawMarker(id: string): Promise<boolean>;
  /** Sets the sequences up to `margin` increments past the values, never back, and ends with a synchronous commit that makes all applied changes durable. */
  takeSequences(values: readonly SequenceValue[], margin: number): Promise<void>;
  /** Tries one write per table, rolled back; returns the tables that accepted it. Empty: the fence holds. */
  probeWrites(): Promise<readonly string[]>;
}

/** The way applications find their database. Every method may be repeated, and ends, done or failed, within `limitMillis`. */
export interface Route {
  readonly kind: string;
  /** Ends what an earlier call, of whatever process, still does; returns once it is gone. Throws ROUTE_FAILED where it does not end. */
  takeOver(limitMillis: number): Promise<void>;
  /** Holds new transactions, where the route can; no-op elsewhere. */
  pause(limitMillis: number): Promise<void>;
  resume(limitMillis: number): Promise<void>;
  switchTo(side: SideName, limitMillis: number): Promise<void>;
  /** Asks the route itself where possible; null when the route cannot tell. */
  current(limitMillis: number): Promise<SideName | null>;
}

/** The process that streams (`pghaul run`), seen from the cutover's process. */
export interface StreamControl {
  /** Returns once changes travel out of `side`: makes publication, slot and stream of the way back where they are not there. Repeatable; never undone. */
  prepare(side: SideName): Promise<void>;
  /** Null when the stream that carries changes out of `side` runs; else why not. */
  notRunning(side: SideName): Promise<string | null>;
  /** Transactions in the log of `side` from `from` on that wrote to moved tables and are not ours: the fence's proof. */
  foreignWrites(side: SideName, from: Lsn): Promise<ForeignWrites>;
  /** Ids of the tables that are held at `side`, as `side` itself says: their contents are behind, although markers arrive. */
  heldAt(side: SideName): Promise<readonly string[]>;
}

export interface ForeignWrites {
  readonly count: number;
  /** The log was read up to here: beyond what `side` had written when it was asked. */
  readonly readTo: Lsn;
}

/** The cutover's memory: persisted before it acts. */
export interface AttemptStore {
  load(): Attempt | null;
  save(attempt: Attempt): void;
}

export interface StepRecord {
  /** `left`: its undo, or behind the point of no return its act, failed where the rest is right without it, and is tried again. */
  readonly state: "started" | "done" | "failed" | "undone" | "left";
  /** When the step was started, ISO 8601. */
  readonly at: string;
  /** When it was first done, ISO 8601: a process that finishes the switch of another repeats steps, hours later perhaps. */
  readonly doneAt?: string;
  readonly millis?: number;
  readonly evidence?: Readonly<Record<string, unknown>>;
}

/** One try at switching. A new try starts a new attempt. */
export interface Attempt {
  readonly id: number;
  readonly to: SideName;
  readonly planDigest: string;
  readonly marker: string;
  readonly startedAt: string;
  readonly outcome: "running" | "switched" | "cancelled";
  readonly steps: Readonly<Record<string, StepRecord>>;
  /** What the fence read. */
  readonly fence: {
    readonly lsn: string;
    readonly sequences: readonly SequenceValue[];
  } | null;
  /** From the pause to the end of the resume: how long clients may have waited. */
  readonly stallMillis: number | null;
}

export interface Journal {
  append(kind: string, evidence: Readonly<Record<string, unknown>>): void;
}
