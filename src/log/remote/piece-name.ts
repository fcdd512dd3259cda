import type { LogHead } from "../../s3/head.ts";

/** A stretch of a segment's bytes, an object of its own. */
export interface Piece {
  /** 16 hexadecimal digits, as in the segment's file name. */
  readonly segment: string;
  readonly offset: number;
  readonly length: number;
  /** Of who wrote it. */
  readonly epoch: number;
}

/** `log/forward/0000000016B374D8/000000004096-512.3`: the order of names is the order of bytes. */
export function pieceName(stream: string, { segment, offset, length, epoch }: Piece): string {
  return `log/${stream}/${segment}/${String(offset).padStart(12, "0")}-${length}.${epoch}`;
}

/** Null for an object that is no piece. */
export function parsePieceName(key: string): Piece | null {
  const match = /^log\/[a-z]+\/([0-9A-F]{16})\/(\d{12})-(\d+)\.(\d+)$/.exec(key);
  if (match === null) return null;
  const [, segment = "", offset, length, epoch] = match;
  return { segment, offset: Number(offset), length: Number(length), epoch: Number(epoch) };
}

/** The epoch that wrote at a place; what others have put there does not count. */
export function ownerOf({ owners }: LogHead, { segment, offset }: Pick<Piece, "segment" | "offset">): number | null {
  const owner = owners.findLast((one) => isBefore(one, { segment, offset: offset + 1 }));
  return owner?.epoch ?? null;
}

/** In the order of bytes. */
export function isBefore(a: Pick<Piece, "segment" | "offset">, b: Pick<Piece, "segment" | "offset">): boolean {
  return a.segment < b.segment || (a.segment === b.segment && a.offset < b.offset);
}
