/**
 * One logical replication stream of a slot (manual: "Streaming Replication Protocol", START_REPLICATION ... LOGICAL).
 *
 * It gathers messages in memory up to a bound, then stops reading the socket until the consumer has caught up. Status goes to the server on
 * a timer of its own, so a slow consumer is never taken for a dead one; what it says is only what the consumer acknowledged.
 */

import type pg from "pg";
import { PghaulError } from "../errors/pghaul-error.ts";
import { formatLsn, type Lsn, ZERO_LSN } from "../model/lsn.ts";
import { type SideName, sideCode } from "../model/side.ts";
import { FrameBuffer } from "../pgoutput/frames.ts";
import { quoteIdent } from "../postgres/quote.ts";
import { CopyBothQuery } from "./copy-both-query.ts";
import { asStreamError, skippedPublication } from "./stream-errors.ts";

export interface ReplicationStreamOptions {
  /** The side that is read; errors bear its name. */
  readonly side: SideName;
  readonly slot: string;
  readonly publications: readonly string[];
  /** Where to go on; the server goes on later when the slot was acknowledged further. */
  readonly from: Lsn;
  /** Ends `next()` with its reason; `close()` is still to be called. */
  readonly signal: AbortSignal;
  /** Messages held for the consumer before the socket is paused; one message may be larger. */
  readonly maxBufferedBytes?: number;
  /** A server that is asked for a sign of life and gives none for so long is lost. */
  readonly silentMillis?: number;
}

/** What has arrived since the last time. */
export interface StreamBatch {
  /** Whole frames (`pgoutput/frames.ts`); the receiver owns the buffer. Empty when nothing came in time. */
  readonly frames: Buffer;
  /** The newest keepalive's: the server has sent everything before it. Null when none came. */
  readonly walEnd: Lsn | null;
}

const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;
const LONGEST_STATUS_MILLIS = 10_000;
/** Long: servers before 15 say nothing while they decode a large transaction that has nothing for us. */
const SILENT_MILLIS = 5 * 60_000;
/** How long the server may take to end its side; a transaction that it is in the middle of sending is not waited for. */
const CLOSE_MILLIS = 2_000;
/** An acknowledgement is worth a message of its own this often. */
const ACKNOWLEDGE_MILLIS = 100;

const XLOG_DATA = 0x77; // w
const KEEPALIVE = 0x6b; // k
const XLOG_DATA_HEADER = 25;
const POSTGRES_EPOCH_MILLIS = 946_684_800_000n;

/**
 * Starts streaming over a session opened with `replication`; the stream owns and ends it. Throws SLOT_LOST, SLOT_ACTIVE, SLOT_FOREIGN,
 * *_LOST, *_QUERY, or the signal's reason.
 */
export async function openReplicationStream(client: pg.Client, options: ReplicationStreamOptions): Promise<ReplicationStream> {
  const { signal } = options;
  const stream = new ReplicationStream(client, options);
  // Ending a session in the middle of a statement cuts its connection: whatever is waited for then fails.
  const abort = (): void => void client.end().catch(() => undefined);
  signal.addEventListener("abort", abort, { once: true });
  try {
    signal.throwIfAborted();
    await stream.start();
    return stream;
  } catch (error) {
    await client.end().catch(() => undefined);
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

export class ReplicationStream {
  readonly #client: pg.Client;
  readonly #options: ReplicationStreamOptions;
  readonly #query: CopyBothQuery;
  readonly #started = Promise.withResolvers<void>();
  readonly #finished = Promise.withResolvers<void>();
  #frames = new FrameBuffer();
  #walEnd: Lsn | null = null;
  #failure: { readonly reason: unknown } | null = null;
  #isEnded = false;
  #isClosing = false;
  #isPaused = false;
  #wake: (() => void) | null = null;
  #acknowledged: Lsn = ZERO_LSN;
  #statusTimer: NodeJS.Timeout | null = null;
  #statusAt = 0;
  #heardAt = 0;

  /** Use `openReplicationStream`. */
  constructor(client: pg.Client, options: ReplicationStreamOptions) {
    this.#client = client;
    this.#options = options;
    this.#query = new CopyBothQuery(startCommand(options), {
      started: () => this.#started.resolve(),
      data: (message) => this.#take(message),
      ended: (error) => this.#end(error),
    });
  }

  async start(): Promise<void> {
    this.#client.on("error", (error) => this.#end(error));
    this.#client.on("notice", (notice) => {
      const skipped = skippedPublication(notice, this.#options);
      if (skipped !== null) this.#distrust(skipped);
    });
    const statusMillis = await this.#statusMillis();
    this.#finished.promise.then(this.#started.resolve, this.#started.reject);
    this.#client.query(this.#query);
    await this.#started.promise;
    this.#throwFailure();
    this.#heardAt = performance.now();
    this.#statusTimer = setInterval(() => this.#tick(statusMillis), statusMillis);
    this.#sendStatus(false);
  }

  /**
   * What has arrived, at least one message or keepalive; an empty batch when nothing comes for `waitMillis`. Frames that arrived before the
   * connection was lost are handed over first. Throws SOURCE_LOST, SLOT_LOST, SOURCE_QUERY, or the signal's reason.
   */
  async next(waitMillis: number): Promise<StreamBatch> {
    this.#options.signal.throwIfAborted();
    if (!this.#hasNews && this.#failure === null) await this.#waitForNews(waitMillis);
    this.#options.signal.throwIfAborted();
    if (!this.#hasNews) this.#throwFailure();
    const batch = { frames: this.#frames.take(), walEnd: this.#walEnd };
    this.#walEnd = null;
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#query.resume();
    }
    return batch;
  }

  /** Messages that `next` would return at once. */
  get bufferedBytes(): number {
    return this.#frames.length;
  }

  /** For how long the server has not answered, though it is asked every few seconds; 0 while it is we who do not listen. */
  get silentMillis(): number {
    return this.#isPaused ? 0 : performance.now() - this.#heardAt;
  }

  /** Everything with commitLsn < lsn is durable and on record: the server may forget it. */
  acknowledge(lsn: Lsn): void {
    if (lsn <= this.#acknowledged) return;
    this.#acknowledged = lsn;
    if (performance.now() - this.#statusAt >= ACKNOWLEDGE_MILLIS) this.#sendStatus(false);
  }

  /** Asks the server for a keepalive. */
  nudge(): void {
    this.#sendStatus(true);
  }

  /** Tells the server the last acknowledgement, ends the stream and the session. Never throws. */
  async close(): Promise<void> {
    if (this.#isClosing) return this.#finished.promise.catch(() => undefined);
    this.#isClosing = true;
    if (this.#statusTimer !== null) clearInterval(this.#statusTimer);
    this.#sendStatus(false);
    this.#query.finish();
    this.#query.resume();
    const timer = setTimeout(() => this.#finished.resolve(), CLOSE_MILLIS);
    await this.#finished.promise.catch(() => undefined);
    clearTimeout(timer);
    await this.#client.end().catch(() => undefined);
  }

  get #hasNews(): boolean {
    return this.#frames.length > 0 || this.#walEnd !== null;
  }

  async #waitForNews(waitMillis: number): Promise<void> {
    const { signal } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMillis);
    this.#wake = resolve;
    signal.addEventListener("abort", resolve as () => void, { once: true });
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#wake = null;
      signal.removeEventListener("abort", resolve as () => void);
    }
  }

  /** On the timer: status, and where the server is silent the question whether it is still there. A paused socket hears nothing. */
  #tick(statusMillis: number): void {
    if (this.#isPaused) this.#heardAt = performance.now();
    const silent = performance.now() - this.#heardAt;
    if (silent >= (this.#options.silentMillis ?? SILENT_MILLIS)) {
      this.#fail(new PghaulError(sideCode(this.#options.side, "LOST"), `the server has been silent for ${Math.round(silent / 1000)} s`));
    }
    this.#sendStatus(silent >= statusMillis);
  }

  #take(message: Buffer): void {
    this.#heardAt = performance.now();
    if (this.#isClosing || this.#failure !== null) return;
    if (message[0] === XLOG_DATA && message.length >= XLOG_DATA_HEADER) this.#frames.append(message, XLOG_DATA_HEADER, message.length);
    else if (message[0] === KEEPALIVE && message.length === 18) this.#takeKeepalive(message);
    else this.#distrust(new PghaulError("DECODE_FAILED", `the server sent an unknown replication message of ${message.length} bytes`));
    if (this.#frames.length >= (this.#options.maxBufferedBytes ?? MAX_BUFFERED_BYTES) && !this.#isPaused) {
      this.#isPaused = true;
      this.#query.pause();
    }
    this.#wake?.();
  }

  #takeKeepalive(message: Buffer): void {
    this.#walEnd = message.readBigUInt64BE(1);
    if (message[17] === 1) this.#sendStatus(false);
  }

  /** Standby status update: written, flushed and applied are all the one LSN that is safe. */
  #sendStatus(requestReply: boolean): void {
    const status = Buffer.alloc(34);
    status.write("r", 0, "latin1");
    for (const at of [1, 9, 17]) status.writeBigUInt64BE(this.#acknowledged, at);
    status.writeBigInt64BE((BigInt(Date.now()) - POSTGRES_EPOCH_MILLIS) * 1000n, 25);
    status.writeUInt8(requestReply ? 1 : 0, 33);
    this.#query.send(status);
    this.#statusAt = performance.now();
  }

  #end(error: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (this.#statusTimer !== null) clearInterval(this.#statusTimer);
    if (this.#isClosing) {
      this.#finished.resolve();
      return;
    }
    this.#fail(
      error === null
        ? new PghaulError(sideCode(this.#options.side, "LOST"), "the server ended the replication stream")
        : asStreamError(error, this.#options),
    );
    this.#finished.reject(this.#failure?.reason);
    this.#finished.promise.catch(() => undefined);
  }

  /** What has been sent is not to be relied upon: nothing of it is handed over. */
  #distrust(reason: PghaulError): void {
    this.#frames.take();
    this.#walEnd = null;
    this.#fail(reason);
  }

  #fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#wake?.();
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.reason;
  }

  /** A third of the server's patience, but at least every ten seconds. Also makes sure that warnings reach us: see `skippedPublication`. */
  async #statusMillis(): Promise<number> {
    try {
      const { rows } = await this.#client.query<{ setting: string }>(
        `select setting from pg_catalog.pg_settings, pg_catalog.set_config('client_min_messages', 'warning', false)
          where name = 'wal_sender_timeout'`,
      );
      const timeout = Number(rows[0]?.setting ?? 0);
      const patience = Math.min(timeout > 0 ? timeout : Number.POSITIVE_INFINITY, this.#options.silentMillis ?? SILENT_MILLIS);
      return Math.max(50, Math.min(LONGEST_STATUS_MILLIS, patience / 3));
    } catch (error) {
      throw asStreamError(error, this.#options);
    }
  }
}

function startCommand({ slot, publications, from }: ReplicationStreamOptions): string {
  const names = publications.map(quoteIdent).join(",").replaceAll("'", "''");
  return `START_REPLICATION SLOT ${quoteIdent(slot)} LOGICAL ${formatLsn(from)} (proto_version '1', publication_names '${names}')`;
}
