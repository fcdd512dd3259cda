import type { ChunkRows, KeyLookup } from "../../engine/ports.ts";
import { type KeyText, keyText } from "../../model/table.ts";
import type { Row } from "../../model/value.ts";
import { copyFields, parseCopyLine } from "../../postgres/copy-text.ts";

const NEWLINE = 0x0a;

/** Rows as the COPY text that the source sent: a few large buffers, each of whole lines; no object for a row. */
export class CopyChunkRows implements ChunkRows {
  readonly count: number;
  readonly bytes: number;
  readonly #blocks: readonly Buffer[];

  constructor(blocks: readonly Buffer[], count: number) {
    this.#blocks = blocks;
    this.count = count;
    this.bytes = blocks.reduce((sum, block) => sum + block.length, 0);
  }

  take(key: readonly number[], keys: KeyLookup): { readonly taken: readonly Row[]; readonly rest: CopyChunkRows } {
    if (keys.size === 0) return { taken: [], rest: this };
    const taken: Row[] = [];
    const rest: Buffer[] = [];
    for (const block of this.#blocks) {
      let kept = 0;
      for (const [start, end] of lines(block)) {
        // Keys are unique in a chunk: once all were found the rest needs no look.
        if (taken.length === keys.size) break;
        if (!keys.has(keyText(copyFields(block, start, end, key)))) continue;
        taken.push(parseCopyLine(block.toString("latin1", start, end)));
        if (start > kept) rest.push(block.subarray(kept, start));
        kept = end + 1;
      }
      if (kept < block.length) rest.push(block.subarray(kept));
    }
    return { taken, rest: taken.length === 0 ? this : new CopyChunkRows(rest, this.count - taken.length) };
  }

  /** Only the rows whose key is in `keys`, each once, however often it came. */
  only(key: readonly number[], keys: ReadonlySet<KeyText>): CopyChunkRows {
    const kept: Buffer[] = [];
    const missing = new Set(keys);
    for (const block of this.#blocks) {
      for (const [start, end] of lines(block))
        if (missing.delete(keyText(copyFields(block, start, end, key)))) kept.push(block.subarray(start, end + 1));
    }
    return new CopyChunkRows(kept, kept.length);
  }

  /** The key values of the last row; null when there is none. */
  lastKey(key: readonly number[]): Row | null {
    const block = this.#blocks.at(-1);
    if (block === undefined) return null;
    const end = block.length - 1;
    return copyFields(block, end === 0 ? 0 : block.lastIndexOf(NEWLINE, end - 1) + 1, end, key);
  }

  copyText(): Iterable<Uint8Array> {
    return this.#blocks;
  }
}

/** Gathers a stream's pieces, cut anywhere, into blocks of whole lines. */
export class LineCollector {
  readonly #blocks: Buffer[] = [];
  /** The beginning of a line whose end has not come yet. */
  #open: Buffer[] = [];
  #bytes = 0;

  /** Bytes received, the unfinished line included. */
  get bytes(): number {
    return this.#bytes;
  }

  get hasRows(): boolean {
    return this.#blocks.length > 0;
  }

  push(piece: Buffer): void {
    this.#bytes += piece.length;
    const end = piece.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      const head = piece.subarray(0, end);
      this.#blocks.push(this.#open.length === 0 ? head : Buffer.concat([...this.#open, head]));
      this.#open = [];
    }
    if (end < piece.length) this.#open.push(end === 0 ? piece : piece.subarray(end));
  }

  /** The complete rows. A line without its end is dropped: it was cut by a cancel. */
  rows(): CopyChunkRows {
    return new CopyChunkRows(
      this.#blocks,
      this.#blocks.reduce((sum, block) => sum + countLines(block), 0),
    );
  }
}

/** Start and end (the newline's index) of each line. A raw newline only ever ends a row in COPY's text format. */
function* lines(block: Buffer): Generator<readonly [number, number]> {
  for (let start = 0; start < block.length; ) {
    const end = block.indexOf(NEWLINE, start);
    yield [start, end];
    start = end + 1;
  }
}

function countLines(block: Buffer): number {
  let count = 0;
  for (let at = block.indexOf(NEWLINE); at !== -1; at = block.indexOf(NEWLINE, at + 1)) count++;
  return count;
}
