/**
 * What a cutover asks of the two databases, of the route and of the running stream. The machine and its steps know these contracts,
 * no driver; so the same list of steps switches forward and back, over any adapter.
 */
import type { Lsn } from "../model/lsn.ts";

/** Which database applications write to. */
export type SideName = "source" | "target";

/** A sequence as the fence transaction read it. Values are decimal text: bigint sequences exceed a JS number. */
export interface SequenceValue {
  readonly schema: string;
  readonly name: string;
  readonly lastValue: string;
  readonly increment: string;
}

export interface FenceFact {
  /** WAL position flushed after the fence's commit: whatever any other writer committed lies below it. */
  readonly lsn: Lsn;
  readonly sequences: readonly SequenceValue[];
  /** Milliseconds from asking for the locks to the commit. */
  readonly millis: number;
}

/** `whole`: every table and leaf is fenced. `none`: no one is. `partial` can only come from outside. */
export type FenceState = "none" | "partial" | "whole";

/** One of the two databases, as the switch sees it. */
export interface CutoverSide {
  readonly name: SideName;
  /**
   * Stops every writer but our appliers, in one transaction: locks the moved tables in SHARE ROW EXCLUSIVE (so each earlier writer has
   * ended), creates a statement trigger ENABLE ALWAYS on every table and leaf partition, writes the marker and reads the sequences.
   * Throws CUTOVER_DEADLINE, with who held what, when a lock is not had within `lockMillis`; nothing is changed then.
   */
  fence(marker: string, lockMillis: number): Promise<FenceFact>;
  /** Removes the fence; no-op where there is none. */
  unfence(): Promise<void>;
  fenceState(): Promise<FenceState>;
  writeMarker(id: string): Promise<void>;
  sawMarker(id: string): Promise<boolean>;
  /** Sets the sequences `margin` increments past the values, never back, and ends with a synchronous commit that makes all applied changes durable. */
  takeSequences(values: readonly SequenceValue[], margin: number): Promise<void>;
  /** Tries one write a table, rolled back; returns the tables that took it. Empty: the fence holds. */
  probeWrites(): Promise<readonly string[]>;
}

/** The way applications find their database. Every method may be repeated. */
export interface Route {
  readonly kind: string;
  /** Holds new transactions, where the route can; no-op elsewhere. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  switchTo(side: SideName): Promise<void>;
  /** Asked of reality where possible; null when the route cannot tell. */
  current(): Promise<SideName | null>;
}

/** The process that streams (`pghaul run`), seen from the cutover's process. */
export interface StreamControl {
  /** Makes the way back: publication and slot at the target, applier's tables at the source. Repeatable; never removed by an undo. */
  prepareWayBack(): Promise<void>;
  /** Null when the stream that carries changes out of `side` runs; else why not. */
  notRunning(side: SideName): Promise<string | null>;
  /** Transactions in the log of `side` above `after` that this migration did not write; the fence's proof. */
  foreignWrites(side: SideName, after: Lsn): Promise<{ readonly count: number; readonly readTo: Lsn }>;
}

/** The cutover's memory: persisted before it acts. */
export interface AttemptStore {
  load(): Attempt | null;
  save(attempt: Attempt): void;
}

export interface StepRecord {
  readonly state: "started" | "done" | "failed" | "undone";
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
  /** What the fence read. `otherSide`: whether the new primary was fenced then, so that a cancel leaves it as it was. */
  readonly fence: {
    readonly otherSide: FenceState;
    readonly lsn: string;
    readonly sequences: readonly SequenceValue[];
  } | null;
  readonly stallMillis: number | null;
}

export interface Journal {
  append(kind: string, evidence: Readonly<Record<string, unknown>>): void;
}
