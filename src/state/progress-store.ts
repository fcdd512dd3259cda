import { redact } from "../observe/redact.ts";
import type { StateDatabase } from "./state-database.ts";

/** What the running process says of itself, for `status`. Facts that are not known are null. */
export interface Progress {
  readonly phase: string;
  /** Why nothing moves on purpose: a brake, the barrier, an approval. */
  readonly waiting: string | null;
  readonly lag: { readonly bytes: number; readonly seconds: number } | null;
  readonly bytesPerSecond: number;
  readonly changesPerSecond: number;
  readonly slot: SlotFacts | null;
  readonly throttle: ThrottleFacts;
  readonly lastError: { readonly code: string; readonly message: string; readonly at: string } | null;
}

/** Whether the load's reads are held back to spare the source; `why` is null while they are not. */
export interface ThrottleFacts {
  readonly held: boolean;
  readonly why: string | null;
}

export interface SlotFacts {
  readonly name: string;
  /** Everything committed below it is at the target; null before the first table has joined the stream. */
  readonly appliedLsn: string | null;
  /** WAL that the slot holds back at the source; null while the source cannot be asked. */
  readonly retainedBytes: number | null;
  /** `pg_replication_slots.wal_status` and `safe_wal_size`; null where the server does not say. */
  readonly walStatus: string | null;
  readonly safeWalBytes: number | null;
}

export interface ProgressRecord extends Progress {
  readonly pid: number;
  /** ISO 8601. */
  readonly updatedAt: string;
}

interface ProgressRow {
  readonly phase: string;
  readonly waiting: string | null;
  readonly lag_bytes: number | null;
  readonly lag_seconds: number | null;
  readonly bytes_per_second: number;
  readonly changes_per_second: number;
  readonly slot: string | null;
  readonly throttle: string | null;
  readonly last_error: string | null;
  readonly pid: number;
  readonly updated_at: string;
}

/** Nothing holds the load back. */
export const UNTHROTTLED: ThrottleFacts = { held: false, why: null };

const NOTHING: Progress = {
  phase: "not-started",
  waiting: null,
  lag: null,
  bytesPerSecond: 0,
  changesPerSecond: 0,
  slot: null,
  throttle: UNTHROTTLED,
  lastError: null,
};

/** The last word of the process that streams. */
export class ProgressStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  /** Null before anything ran. */
  get(): ProgressRecord | null {
    return this.#database.read(() => {
      const row = this.#database.sqlite.prepare<[], ProgressRow>("select * from progress").get();
      return row === undefined ? null : toRecord(row);
    });
  }

  /** Replaces the facts named, keeps the others, and notes this process and the time. */
  update(changes: Partial<Progress>): void {
    this.#database.note(() => {
      const { phase, waiting, lag, bytesPerSecond, changesPerSecond, slot, throttle, lastError } = {
        ...NOTHING,
        ...this.get(),
        ...changes,
      };
      this.#database.sqlite
        .prepare(`
          insert or replace into progress
            (only_row, phase, waiting, lag_bytes, lag_seconds, bytes_per_second, changes_per_second, slot, throttle, last_error, pid, updated_at)
          values (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
        .run(
          phase,
          waiting,
          lag?.bytes ?? null,
          lag?.seconds ?? null,
          bytesPerSecond,
          changesPerSecond,
          toJson(slot),
          toJson(throttle),
          // A driver's message may quote what it was given.
          toJson(lastError === null ? null : { ...lastError, message: redact(lastError.message) }),
          process.pid,
          new Date().toISOString(),
        );
    });
  }
}

function toJson(value: object | null): string | null {
  return value === null ? null : JSON.stringify(value);
}

function fromJson<T>(text: string | null): T | null {
  return text === null ? null : (JSON.parse(text) as T);
}

function toRecord(row: ProgressRow): ProgressRecord {
  return {
    phase: row.phase,
    waiting: row.waiting,
    lag: row.lag_bytes === null || row.lag_seconds === null ? null : { bytes: row.lag_bytes, seconds: row.lag_seconds },
    bytesPerSecond: row.bytes_per_second,
    changesPerSecond: row.changes_per_second,
    slot: fromJson<SlotFacts>(row.slot),
    throttle: fromJson<ThrottleFacts>(row.throttle) ?? UNTHROTTLED,
    lastError: fromJson<NonNullable<Progress["lastError"]>>(row.last_error),
    pid: row.pid,
    updatedAt: row.updated_at,
  };
}
