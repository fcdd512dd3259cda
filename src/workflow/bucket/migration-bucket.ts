import { SegmentUpload, type UploadedLog } from "../../log/remote/segment-upload.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { StreamName } from "../../model/side.ts";
import type { ProgressBus } from "../../observe/events.ts";
import type { Bucket } from "../../s3/bucket.ts";
import { RENEW_MILLIS, type RemoteLease } from "../../s3/remote-lease.ts";
import type { Lease } from "../../state/lease.ts";
import type { ChunkLedger } from "../../state/mirror/chunk-ledger.ts";
import { StateMirror } from "../../state/mirror/state-mirror.ts";
import type { StateDatabase } from "../../state/state-database.ts";
import { crashPoints } from "../crash-point.ts";
import { keepRunning } from "../keep-running.ts";
import { systemClock } from "../system-clock.ts";

/** How often it is looked whether the state has changed. */
const LOOK_MILLIS = 1_000;
/** For the last copy and upload of a process that ends; what is missing then is sent by the next. */
const LAST_MILLIS = 10_000;

export interface BucketParts {
  readonly bucket: Bucket;
  readonly lease: RemoteLease;
  /** The state directory's own, of which the bucket's is an extension. */
  readonly local: Lease;
  readonly state: StateDatabase;
  readonly waiting: (why: string) => void;
  /** Nothing is waited for any more. */
  readonly signal: AbortSignal;
}

/** What a process that streams does with the bucket while it holds it. */
export class MigrationBucket {
  readonly #parts: BucketParts;
  readonly #mirror: StateMirror;
  /** One a stream for as long as we live: it remembers what was sent without an answer. */
  readonly #uploads = new Map<StreamName, SegmentUpload>();
  readonly #lost = new AbortController();

  constructor(parts: BucketParts) {
    this.#parts = parts;
    this.#mirror = new StateMirror(parts.bucket, parts.lease, parts.state, crashPoints(process.env.PGHAUL_CRASH_AT));
  }

  /** Aborted with the error once another holds the lease, or the bucket refuses us: nothing may go on. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Where the load's decisions are kept; waits while the bucket is away. */
  get ledger(): ChunkLedger {
    return { note: (fact) => this.#mirror.note(fact), kept: () => this.#whenThere(() => this.#mirror.kept()) };
  }

  /** Copies the state as it is now; waits while the bucket is away. */
  copyState(): Promise<void> {
    return this.#whenThere(() => this.#mirror.copy());
  }

  /** How far a stream's log is in the bucket. */
  storedTo(stream: StreamName): () => Lsn {
    const upload = this.#uploadOf(stream);
    return () => upload.durable().lsn;
  }

  /** Uploads a stream's log until it is stopped; waits while the bucket is away. Throws where that is of no use. */
  async upload(stream: StreamName, log: UploadedLog, signal: AbortSignal, waiting: (why: string) => void): Promise<void> {
    const upload = this.#uploadOf(stream);
    const work = async (): Promise<void> => {
      // A log in the bucket without the record of its slot could not be gone on with.
      await this.#mirror.copyChanges();
      await upload.run(log, signal);
    };
    try {
      await keepRunning(work, { clock: systemClock, signal, waiting });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    await inTime(() => upload.step(log));
  }

  /** Uploads a log that nobody writes. Throws BUCKET_*, STATE_LOCKED. */
  async uploadNow(stream: StreamName, log: UploadedLog): Promise<void> {
    await this.#uploadOf(stream).step(log);
  }

  /** Says that we live, and copies what has changed, until it is stopped. Never throws: see `lost`. */
  async keep(bus: ProgressBus, signal: AbortSignal): Promise<void> {
    const waiting = (why: string): void => bus.emit({ kind: "waiting", why });
    try {
      await keepRunning(() => this.#keepOn(signal), { clock: systemClock, signal, waiting });
    } catch (error) {
      if (!signal.aborted) this.#lost.abort(error);
    }
  }

  /** The last copy, as far as the bucket takes it in time, and the lease given up. */
  async close(): Promise<void> {
    await inTime(async () => {
      await this.#mirror.copyChanges();
      await this.#parts.lease.release();
    });
    this.#parts.local.release();
  }

  async #keepOn(signal: AbortSignal): Promise<void> {
    for (let renewedAt = systemClock.now(); !signal.aborted; ) {
      await this.#mirror.copyChanges();
      if (systemClock.now() - renewedAt >= RENEW_MILLIS) {
        await this.#parts.lease.commit((head) => head);
        renewedAt = systemClock.now();
      }
      await systemClock.sleep(LOOK_MILLIS, signal).catch(() => undefined);
    }
  }

  #uploadOf(stream: StreamName): SegmentUpload {
    const known = this.#uploads.get(stream);
    if (known !== undefined) return known;
    const { bucket, lease } = this.#parts;
    const crashPoint = crashPoints(process.env.PGHAUL_CRASH_AT);
    const upload = new SegmentUpload({ bucket, lease, stream, clock: systemClock, crashPoint });
    this.#uploads.set(stream, upload);
    return upload;
  }

  #whenThere(work: () => Promise<void>): Promise<void> {
    const { waiting, signal } = this.#parts;
    return keepRunning(work, { clock: systemClock, signal: AbortSignal.any([this.#lost.signal, signal]), waiting });
  }
}

/** What fails or does not end in time is done by whoever comes next: this directory may always go on, another one after the lease's time. */
async function inTime(work: () => Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, LAST_MILLIS);
  await Promise.race([work().catch(() => undefined), promise]);
  clearTimeout(timer);
}
