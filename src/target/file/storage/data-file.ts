/** A data file: compressed or not, with the length and SHA-256 of what is on the disk. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { basename } from "node:path";
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip, createZstdCompress, createZstdDecompress } from "node:zlib";
import { damaged, fileError, isAbsent, onFiles } from "../file-error.ts";

export type Compression = "none" | "gzip" | "zstd";

/** What stands in a sidecar about its data file. */
export interface StoredFile {
  readonly bytes: number;
  readonly sha256: string;
}

const SUFFIXES: Readonly<Record<Compression, string>> = { none: "", gzip: ".gz", zstd: ".zst" };

export function suffixOf(compression: Compression): string {
  return SUFFIXES[compression];
}

/** Streams into a new file, and returns when it is on the disk. */
export async function writeData(
  path: string,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  compression: Compression,
): Promise<StoredFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  const measured = async function* (pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      hash.update(piece);
      bytes += piece.length;
      yield piece;
    }
  };
  const file = createWriteStream(path, { flush: true });
  const source = Readable.from(content, { objectMode: false });
  const compressor = compressorOf(compression);
  await onFiles(path, () => (compressor === null ? pipeline(source, measured, file) : pipeline(source, compressor, measured, file)));
  return { bytes, sha256: hash.digest("hex") };
}

/** Length and SHA-256 of a file as it is. Throws TARGET_DAMAGED when it is not there. */
export async function measureData(path: string): Promise<StoredFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const piece of createReadStream(path, { highWaterMark: READ_BYTES })) {
      hash.update(piece as Buffer);
      bytes += (piece as Buffer).length;
    }
  } catch (error) {
    throw isAbsent(error) ? damaged(path, "it is missing", error) : fileError(error, path);
  }
  return { bytes, sha256: hash.digest("hex") };
}

const READ_BYTES = 1024 * 1024;

/** Throws TARGET_DAMAGED where the file is not what was written. To be asked before its content is used, of which not all may ever be read. */
export async function checkData(path: string, expected: StoredFile): Promise<void> {
  const found = await measureData(path);
  if (found.bytes !== expected.bytes) throw damaged(path, `it has ${found.bytes} bytes, but was written with ${expected.bytes}`);
  if (found.sha256 !== expected.sha256) throw damaged(path, "its SHA-256 has changed since it was written");
}

/** The content, decompressed, piece by piece. */
export async function* readData(path: string, compression: Compression): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: READ_BYTES });
  const decompressor = decompressorOf(compression);
  const failed =
    decompressor === null
      ? Promise.resolve(null)
      : pipeline(file, decompressor).then(
          () => null,
          (error: unknown) => error,
        );
  try {
    yield* (decompressor ?? file) as AsyncIterable<Buffer>;
  } catch (error) {
    if (isAbsent(error)) throw damaged(path, "it is missing", error);
    if (error instanceof Error && "code" in error && /^(?:Z_|ZSTD_)/.test(String(error.code)))
      throw damaged(basename(path), "it cannot be decompressed", error);
    throw fileError(error, path);
  } finally {
    file.destroy();
    decompressor?.destroy();
    await failed;
  }
}

function compressorOf(compression: Compression): Transform | null {
  if (compression === "none") return null;
  return compression === "gzip" ? createGzip() : createZstdCompress();
}

function decompressorOf(compression: Compression): Transform | null {
  if (compression === "none") return null;
  return compression === "gzip" ? createGunzip() : createZstdDecompress();
}
