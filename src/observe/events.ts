/**
 * What a running migration tells about itself. Work emits, views subscribe; nobody in the work knows a terminal.
 *
 * Events carry counts and names, never row values and never secrets.
 */
export type Phase =
  | "checking"
  | "schema"
  | "slot"
  | "barrier"
  | "loading"
  | "indexing"
  | "catching-up"
  | "caught-up"
  | "verifying"
  | "streaming"
  | "cutover";

export type ProgressEvent = PhaseEvent | LoadEvent | LagEvent | WaitingEvent | NoticeEvent | WarningEvent | StepEvent | VerifyEvent;

/** The job has entered a phase. Phases come in the order of the type above; a resumed job may skip some. */
export interface PhaseEvent {
  readonly kind: "phase";
  readonly phase: Phase;
  readonly detail?: string;
}

/** How far the load is. `bytes` and `rows` are what the target holds; `bytesExpected` is an estimate and may be too small. */
export interface LoadEvent {
  readonly kind: "load";
  readonly tablesDone: number;
  readonly tablesTotal: number;
  readonly rows: number;
  readonly bytes: number;
  readonly bytesExpected: number;
  /** Chunks being read now, as `schema.table#7`. */
  readonly chunksRunning: readonly string[];
}

/** How far the target is behind the source. `slotRetainedBytes` is null while the source cannot be asked. */
export interface LagEvent {
  readonly kind: "lag";
  readonly bytes: number;
  readonly seconds: number;
  readonly changesPerSecond: number;
  readonly slotRetainedBytes: number | null;
}

/** How far a verification is. */
export interface VerifyEvent {
  readonly kind: "verify";
  readonly tablesDone: number;
  readonly tablesTotal: number;
  /** What is being compared now, pieces counted from 1 on; null between two tables and after the last. */
  readonly at: { readonly table: string; readonly piece: number; readonly pieces: number } | null;
}

/** The job holds still on purpose: a brake, the barrier, an approval. `why` is a sentence for the operator. */
export interface WaitingEvent {
  readonly kind: "waiting";
  readonly why: string;
}

/** Something has changed that the operator should know of; nothing waits, and nothing is wrong. `message` is a sentence. */
export interface NoticeEvent {
  readonly kind: "notice";
  readonly message: string;
}

export interface WarningEvent {
  readonly kind: "warning";
  readonly code: string;
  readonly message: string;
}

/** One step of a plan; `ms` is set when it has ended. */
export interface StepEvent {
  readonly kind: "step";
  readonly id: string;
  readonly title: string;
  readonly state: "running" | "done" | "failed" | "undone";
  readonly ms?: number;
}

export type ProgressListener = (event: ProgressEvent) => void;

export interface ProgressBus {
  /** Calls every listener before it returns; a listener must be quick and must not throw. */
  emit(event: ProgressEvent): void;
  /** Returns the function that ends the subscription. */
  subscribe(listener: ProgressListener): () => void;
}

export function createProgressBus(): ProgressBus {
  const listeners = new Set<ProgressListener>();
  return {
    emit(event) {
      for (const listener of listeners) listener(event);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
