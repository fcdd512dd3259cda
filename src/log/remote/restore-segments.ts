/** A stream's log in an empty directory, from the bucket: the same files, byte for byte, up to the place that the head names. */
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { formatLsn, parseLsn } from "../../model/lsn.ts";
import type { StreamName } from "../../model/side.ts";
import type { Bucket } from "../../s3/bucket.ts";
import type { LogHead } from "../../s3/head.ts";
import type { DurablePoint } from "../durable-point.ts";
import { readSealed, SegmentScan } from "../segment/segment-scan.ts";
import { isBefore, ownerOf, type Piece, parsePieceName, pieceName } from "./piece-name.ts";

export interface RestoreRequest {
  readonly bucket: Bucket;
  readonly stream: StreamName;
  readonly head: LogHead;
  /** Emptied first: a restore that was interrupted leaves half of it. */
  readonly dir: string;
}

/** Returns where the log ends. Throws BUCKET_DAMAGED where a piece is missing, cut or does not fit the head; BUCKET_*. */
export async function restoreSegments({ bucket, stream, head, dir }: RestoreRequest): Promise<DurablePoint> {
  const pieces = await chain(bucket, stream, head);
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  for (const segment of new Set(pieces.map((piece) => piece.segment))) {
    const file = await open(join(dir, `${segment}.segment`), "w", 0o600);
    try {
      for (const piece of pieces.filter((one) => one.segment === segment)) {
        const body = await fetch(bucket, stream, piece);
        await file.write(body, 0, body.length, piece.offset);
      }
      await file.sync();
    } finally {
      await file.close();
    }
  }
  const end = await endOf(join(dir, `${head.segment}.segment`));
  if (end.lsn === parseLsn(head.lsn)) return end;
  throw new PghaulError("BUCKET_DAMAGED", `${bucket.url}: the log ends at ${formatLsn(end.lsn)}, the head says ${head.lsn}`);
}

/** The pieces that count, without a gap between them. */
async function chain(bucket: Bucket, stream: StreamName, head: LogHead): Promise<readonly Piece[]> {
  const pieces: Piece[] = [];
  const front = { segment: head.start, offset: 0 };
  for await (const { key, bytes } of bucket.list(`log/${stream}/`)) {
    const piece = parsePieceName(key);
    if (piece === null || isBefore(piece, front) || !isBefore(piece, head) || ownerOf(head, piece) !== piece.epoch) continue;
    // Sent before a crash, and named by nobody: the same epoch never goes on in the middle of a piece of its own.
    const next = pieces.at(-1);
    const isNext = next?.segment === piece.segment ? next.offset + next.length === piece.offset : piece.offset === 0;
    if (!isNext) throw missing(bucket, stream, piece);
    if (bytes !== piece.length)
      throw new PghaulError("BUCKET_DAMAGED", `${bucket.url}/${key} has ${bytes} bytes instead of ${piece.length}`);
    pieces.push(piece);
  }
  const last = pieces.at(-1);
  if (last !== undefined && last.segment === head.segment && last.offset + last.length === head.offset) return pieces;
  throw new PghaulError("BUCKET_DAMAGED", `${bucket.url}: the ${stream} log has no piece that ends at ${head.segment}/${head.offset}`);
}

async function fetch(bucket: Bucket, stream: StreamName, piece: Piece): Promise<Buffer> {
  const found = await bucket.get(pieceName(stream, piece));
  if (found === null || found.body.length !== piece.length) throw missing(bucket, stream, piece);
  return found.body;
}

async function endOf(path: string): Promise<DurablePoint> {
  const { index, xidReference } = (await readSealed(path)) ?? (await (await SegmentScan.start(path)).advance());
  return { lsn: index.end, xidReference };
}

function missing({ url }: Bucket, stream: string, { segment, offset }: Piece): PghaulError {
  return new PghaulError(
    "BUCKET_DAMAGED",
    `${url}: a piece of the ${stream} log is missing at or before byte ${offset} of segment ${segment}`,
  );
}
