/**
 * The tail: slot -> log, for as long as it is not stopped. A group commit is append and fsync; then the appliers see it. Record and
 * acknowledgement follow at intervals, in this order: the slot hears only of what both the log and the state hold. Losing the connection loses
 * nothing: the slot sends again from the last acknowledgement, and the log leaves out what it holds.
 */
import type { Clock, CrashPoints } from "../../engine/ports.ts";
import type { DurableStep, LocalLog } from "../../log/local-log.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { ReplicationStream } from "../../source/replication-stream.ts";
import { keepRunning } from "../keep-running.ts";
import { DurableRecord } from "./durable-record.ts";

/** How far the tail is, for people and for the governor. */
export interface TailLag {
  /** Where the server says it is; null until it has said so. */
  readonly walEnd: Lsn | null;
  readonly durable: Lsn;
  /** Commit time at the source of the newest durable transaction of this run. */
  readonly lastCommitMicros: bigint | null;
}

export type TailStream = Pick<ReplicationStream, "next" | "bufferedBytes" | "silentMillis" | "acknowledge" | "close">;

export interface TailOptions {
  /** Opens a session and a stream that goes on from `from`; called again after a connection was lost. */
  readonly openStream: (from: Lsn) => Promise<TailStream>;
  readonly log: LocalLog;
  /** Makes the point durable in the state; called before the slot hears of it, and once at the start. Counts are since the last time. */
  readonly recordDurable: (step: DurableStep) => void;
  /** What the other stores of the log hold: the slot is acknowledged no further. */
  readonly storedTo?: () => Lsn;
  readonly clock: Clock;
  /** Stops the tail: what is in hand is made durable and acknowledged. */
  readonly signal: AbortSignal;
  readonly waiting?: (why: string) => void;
  readonly onLag?: (lag: TailLag) => void;
  readonly crashPoint?: CrashPoints;
}

/** On a quiet server the log is asked this often whether its position is worth writing down. */
const IDLE_MILLIS = 1_000;
/** Between the beginnings of two group commits: each costs an fsync, and the source waits for the same disk where it is one. */
const PACE_MILLIS = 4;
/** So much is worth a group commit at once. */
const LARGE_BYTES = 256 * 1024;
/** Several times what a healthy server needs to answer; the stream itself waits for minutes before it gives up. */
const TELL_SILENCE_MILLIS = 30_000;

/** Resolves when it was stopped. Throws what is not retried, after those who wait for the log have heard of it. */
export async function runTail(options: TailOptions): Promise<void> {
  const { log, clock, signal, waiting = () => undefined } = options;
  try {
    await keepRunning(() => tailOnce(options), { clock, signal, waiting });
  } catch (error) {
    log.fail(error);
    if (!signal.aborted) throw error;
  }
}

async function tailOnce(options: TailOptions): Promise<never> {
  const { log, recordDurable, clock, signal, onLag, crashPoint = () => undefined } = options;
  const stores = options.storedTo === undefined ? {} : { storedTo: options.storedTo };
  signal.throwIfAborted();
  const stream = await options.openStream(log.durable().lsn);
  const record = new DurableRecord({ recordDurable, acknowledge: (lsn) => stream.acknowledge(lsn), clock, crashPoint, ...stores });
  try {
    // Not before it is open: what is read of the source meanwhile must be known to be older than the stream.
    await log.startStream();
    let lastCommitMicros: bigint | null = null;
    let walEnd: Lsn | null = null;
    let told = false;
    record.add({ ...log.durable(), transactions: 0, changes: 0, bytes: 0, lastCommitMicros });
    record.settle();
    for (;;) {
      const batch = await stream.next(Math.min(IDLE_MILLIS, record.dueMillis));
      const isSilent = stream.silentMillis > TELL_SILENCE_MILLIS;
      if (isSilent && !told)
        options.waiting?.(`the server has not answered for ${TELL_SILENCE_MILLIS / 1000} s: it hangs, or the network does`);
      told = isSilent;
      log.append(batch.frames);
      if (batch.walEnd !== null) log.keepalive(batch.walEnd);
      walEnd = batch.walEnd ?? walEnd;
      const begun = clock.now();
      const step = await log.flush();
      if (step !== null) {
        record.add(step);
        lastCommitMicros = step.lastCommitMicros ?? lastCommitMicros;
      }
      if (record.dueMillis === 0) record.settle();
      else if (options.storedTo !== undefined) record.acknowledge();
      onLag?.({ walEnd, durable: log.durable().lsn, lastCommitMicros });
      const early = PACE_MILLIS - (clock.now() - begun);
      if (step !== null && early > 0 && stream.bufferedBytes < LARGE_BYTES) await clock.sleep(early, signal);
    }
  } finally {
    try {
      record.settle();
    } finally {
      await stream.close();
    }
  }
}
