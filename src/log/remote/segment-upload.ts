/**
 * The segments of one stream in the bucket. What is fsynced here goes there as pieces, immutable objects, and counts from the moment the head
 * names the place behind them (`s3/head.ts`): that write fails for a holder that was fenced, so it can acknowledge nothing any more.
 *
 * While the bucket is away the log goes on growing here and the slot stays where it is; nothing is released that the bucket does not hold.
 */
import { open } from "node:fs/promises";
import { basename } from "node:path";
import type { Clock, CrashPoints } from "../../engine/ports.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { formatLsn, type Lsn, maxLsn, parseLsn } from "../../model/lsn.ts";
import type { StreamName } from "../../model/side.ts";
import type { Bucket } from "../../s3/bucket.ts";
import type { LogHead } from "../../s3/head.ts";
import type { RemoteLease } from "../../s3/remote-lease.ts";
import { isBefore, pieceName } from "./piece-name.ts";
import type { DurableFile, SegmentStore } from "./segment-store.ts";

/** Between two uploads of a stream that moves. The slot follows that far behind, which costs the source WAL; a request costs money. */
const UPLOAD_MILLIS = 1_000;
/** Bounds the memory of an upload, and what is sent again where one fails. */
const PIECE_BYTES = 8 * 1024 * 1024;

/** What it needs of the log on this machine. */
export interface UploadedLog extends SegmentStore {
  durableFiles(): readonly DurableFile[];
}

export interface SegmentUploadOptions {
  readonly bucket: Bucket;
  readonly lease: RemoteLease;
  readonly stream: StreamName;
  readonly clock: Clock;
  readonly crashPoint: CrashPoints;
  readonly pieceBytes?: number;
}

export class SegmentUpload implements SegmentStore {
  readonly #options: SegmentUploadOptions;
  readonly #pieceBytes: number;
  /**
   * Lengths of the pieces that were sent and are not named yet. After an upload whose outcome is not known the same bytes go there again under the
   * same name: two pieces of one epoch never overlap.
   */
  readonly #sent = new Map<string, number>();
  /** Null before the first piece of the stream. */
  #head: LogHead | null;

  constructor(options: SegmentUploadOptions) {
    this.#options = options;
    this.#pieceBytes = options.pieceBytes ?? PIECE_BYTES;
    this.#head = options.lease.head.logs[options.stream] ?? null;
  }

  durable(): { readonly lsn: Lsn } {
    return { lsn: this.#head === null ? 0n : parseLsn(this.#head.lsn) };
  }

  /** Uploads what is durable, again and again, until it is stopped. Throws what `step` throws. */
  async run(log: UploadedLog, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.step(log);
      await clock.sleep(UPLOAD_MILLIS, signal).catch(() => undefined);
    }
  }

  /** Uploads everything that is durable now. Throws BUCKET_*, STATE_LOCKED where another holds the lease, LOG_CORRUPT. */
  async step(log: UploadedLog): Promise<void> {
    const { lsn } = log.durable();
    const files = log.durableFiles();
    const [first] = files;
    if (first === undefined || (this.#head !== null && lsn <= this.durable().lsn && nameOf(first) === this.#head.start)) return;
    refuseHole(files, this.durable().lsn, this.#head);
    let place = this.#head === null ? { segment: nameOf(first), offset: 0 } : { segment: this.#head.segment, offset: this.#head.offset };
    for (const [index, file] of files.entries()) {
      const segment = nameOf(file);
      if (segment < place.segment) continue;
      if (segment > place.segment) place = { segment, offset: 0 };
      // The last file ends at what the log says is durable; one before it where the next begins.
      const end = files[index + 1]?.firstLsn ?? lsn;
      place = await this.#uploadFile(file, place, { end, start: nameOf(first) });
    }
  }

  async #uploadFile(file: DurableFile, from: Place, { end, start }: { end: Lsn; start: string }): Promise<Place> {
    const handle = await open(file.path);
    let { offset } = from;
    try {
      const length = file.length ?? (await handle.stat()).size;
      while (offset < length) {
        const body = Buffer.alloc(this.#lengthAt({ segment: from.segment, offset }, length));
        const { bytesRead } = await handle.read(body, 0, body.length, offset);
        if (bytesRead < body.length) throw shorter(file, offset + bytesRead);
        await this.#uploadPiece({ ...from, offset }, body);
        offset += body.length;
      }
    } finally {
      await handle.close();
    }
    await this.#name({ segment: from.segment, offset }, { from, end, start });
    return { segment: from.segment, offset };
  }

  #lengthAt({ segment, offset }: Place, end: number): number {
    const place = `${segment}/${offset}`;
    const length = this.#sent.get(place) ?? Math.min(this.#pieceBytes, end - offset);
    this.#sent.set(place, length);
    return length;
  }

  async #uploadPiece({ segment, offset }: Place, body: Buffer): Promise<void> {
    const { bucket, lease, stream, crashPoint } = this.#options;
    crashPoint("before-upload");
    const key = pieceName(stream, { segment, offset, length: body.length, epoch: lease.epoch });
    if (await bucket.create(key, body)) return crashPoint("after-upload");
    // Only we write under our epoch, and always the same bytes.
    throw new PghaulError("BUCKET_DAMAGED", `${bucket.url}/${key} holds other bytes than were written there`);
  }

  /** From here on the bytes before `to` count. */
  async #name(to: Place, { from, end, start }: { from: Place; end: Lsn; start: string }): Promise<void> {
    const { lease, stream, crashPoint } = this.#options;
    const owners = ownersWith(this.#head, { epoch: lease.epoch, ...from }, start);
    const log: LogHead = { start, ...to, lsn: formatLsn(maxLsn(this.durable().lsn, end)), owners };
    await lease.commit((head) => ({ ...head, logs: { ...head.logs, [stream]: log } }));
    this.#head = log;
    this.#sent.clear();
    crashPoint("after-upload-named");
  }
}

interface Place {
  readonly segment: string;
  readonly offset: number;
}

/** Those who own nothing from `start` on are forgotten. */
function ownersWith(head: LogHead | null, next: LogHead["owners"][number], start: string): LogHead["owners"] {
  const owners = head?.owners ?? [];
  const all = owners.at(-1)?.epoch === next.epoch ? owners : [...owners, next];
  const front = { segment: start, offset: 1 };
  return all.filter((_, index) => {
    const after = all[index + 1];
    return after === undefined || !isBefore(after, front);
  });
}

/** A log that was begun anew, or lost segments that the bucket does not hold, must not be patched together there. */
function refuseHole(files: readonly DurableFile[], uploaded: Lsn, head: LogHead | null): void {
  const [first] = files;
  if (head === null || first === undefined || first.firstLsn <= uploaded) return;
  throw new PghaulError(
    "LOG_CORRUPT",
    `the change log here begins at ${formatLsn(first.firstLsn)}, but the bucket holds it only up to ${formatLsn(uploaded)}`,
  );
}

function nameOf({ path }: DurableFile): string {
  return basename(path, ".segment");
}

function shorter({ path }: DurableFile, at: number): PghaulError {
  return new PghaulError("LOG_CORRUPT", `change log segment ${basename(path)} ends at byte ${at}, before what was fsynced`);
}
