/**
 * The tail: slot -> log, for as long as it is not stopped. A group commit is append, fsync, record, acknowledge, in this order: the slot
 * hears only of what both the log and the state hold. Losing the connection loses nothing: the slot sends again from the last
 * acknowledgement, and the log leaves out what it holds.
 */
import type { Clock, CrashPoints } from "../../engine/ports.ts";
import type { DurableStep, LocalLog } from "../../log/local-log.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { ReplicationStream } from "../../source/replication-stream.ts";
import { keepRunning } from "../keep-running.ts";

/** How far the tail is, for people and for the governor. */
export interface TailLag {
  /** Where the server says it is; null until it has said so. */
  readonly walEnd: Lsn | null;
  readonly durable: Lsn;
  /** Commit time at the source of the newest durable transaction of this run. */
  readonly lastCommitMicros: bigint | null;
}

export interface TailOptions {
  /** Opens a session and a stream that goes on from `from`; called again after a connection was lost. */
  readonly openStream: (from: Lsn) => Promise<ReplicationStream>;
  readonly log: LocalLog;
  /** Makes the point durable in the state; called before the slot hears of it, and once at the start. Counts are of this step. */
  readonly recordDurable: (step: DurableStep) => void;
  readonly clock: Clock;
  /** Stops the tail: what is in hand is made durable and acknowledged. */
  readonly signal: AbortSignal;
  readonly waiting?: (why: string) => void;
  readonly onLag?: (lag: TailLag) => void;
  readonly crashPoint?: CrashPoints;
}

/** On a quiet server the log is asked this often whether its position is worth writing down. */
const IDLE_MILLIS = 1_000;
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
  const { log, recordDurable, signal, onLag, crashPoint } = options;
  signal.throwIfAborted();
  const stream = await options.openStream(log.durable().lsn);
  try {
    // Not before it is open: what is read of the source meanwhile must be known to be older than the stream.
    await log.startStream();
    let lastCommitMicros: bigint | null = null;
    let walEnd: Lsn | null = null;
    let told = false;
    recordDurable({ ...log.durable(), transactions: 0, changes: 0, bytes: 0, lastCommitMicros });
    stream.acknowledge(log.durable().lsn);
    for (;;) {
      const batch = await stream.next(IDLE_MILLIS);
      const isSilent = stream.silentMillis > TELL_SILENCE_MILLIS;
      if (isSilent && !told)
        options.waiting?.(`the server has not answered for ${TELL_SILENCE_MILLIS / 1000} s: it hangs, or the network does`);
      told = isSilent;
      log.append(batch.frames);
      if (batch.walEnd !== null) log.keepalive(batch.walEnd);
      walEnd = batch.walEnd ?? walEnd;
      const step = await log.flush();
      if (step !== null) {
        recordDurable(step);
        crashPoint?.("before-acknowledge");
        stream.acknowledge(step.lsn);
        lastCommitMicros = step.lastCommitMicros ?? lastCommitMicros;
      }
      onLag?.({ walEnd, durable: log.durable().lsn, lastCommitMicros });
    }
  } finally {
    await stream.close();
  }
}
