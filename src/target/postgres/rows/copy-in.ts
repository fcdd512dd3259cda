import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { encodeCopyLine } from "../../../postgres/copy-text.ts";

/** Large enough that framing costs nothing, small enough to stay in cache. */
const BLOCK_BYTES = 128 * 1024;
/** As large as the source's own blocks: written as it is, for another copy would only make garbage. */
const LARGE_PIECE_BYTES = 32 * 1024;

/**
 * Runs `copy ... from stdin` with these pieces of COPY text and returns the rows taken in. Waits while the socket is full.
 * When `pieces` fails, the COPY is ended by CopyFail and that failure is thrown; otherwise the server's own.
 */
export async function copyIn(client: pg.Client, sql: string, pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<number> {
  const stream = client.query(copyFrom(sql));
  // The server's error arrives at any time, also while nobody waits; a plain `pipeline` would answer it with CopyFail on a
  // connection that is not copying any more, and never settle.
  let failure: { readonly error: unknown } | null = null;
  const settled = new Promise<void>((resolve) => {
    stream.once("finish", resolve);
    stream.on("error", (error: unknown) => {
      failure ??= { error };
      resolve();
    });
  });
  const failed = (): boolean => failure !== null;
  try {
    for await (const block of blocksOf(pieces)) {
      // One at a time: what is still in the stream's buffer when the server refuses a row would be written to a connection that
      // pg-copy-streams has let go of, and that ends the process.
      await Promise.race([settled, written(stream, block)]);
      if (failed()) break;
    }
  } catch (error) {
    if (!failed()) {
      stream.destroy(new Error("the rows ended early"));
      await settled;
    }
    throw error;
  }
  if (!failed()) stream.end();
  await settled;
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
  return stream.rowCount;
}

function written(stream: NodeJS.WritableStream, block: Uint8Array): Promise<void> {
  return new Promise((resolve) => void stream.write(block, () => resolve()));
}

/** The same bytes in blocks: COPY data may be cut anywhere (manual: "COPY Operations"), and each write is two of the socket. */
async function* blocksOf(pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    if (bytes === 0 && piece.length >= LARGE_PIECE_BYTES) {
      yield piece;
      continue;
    }
    waiting.push(piece);
    bytes += piece.length;
    if (bytes < BLOCK_BYTES) continue;
    yield Buffer.concat(waiting, bytes);
    waiting = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(waiting, bytes);
}

/** Rows as COPY text, in blocks. */
export function* copyBlocks(rows: Iterable<readonly (string | null)[]>): Generator<Uint8Array> {
  let text = "";
  for (const row of rows) {
    text += encodeCopyLine(row);
    if (text.length >= BLOCK_BYTES) {
      yield Buffer.from(text, "latin1");
      text = "";
    }
  }
  if (text !== "") yield Buffer.from(text, "latin1");
}
