import type { ChunkRows } from "../../../engine/ports.ts";

/** Rows of a restored table on their way to the target. */
export class PartitionRows implements ChunkRows {
  readonly count: number;
  readonly #text: Buffer;

  constructor(text: Buffer, count: number) {
    this.#text = text;
    this.count = count;
  }

  get bytes(): number {
    return this.#text.length;
  }

  take(): never {
    throw new Error("restore: rows of one position are never rolled forward");
  }

  copyText(): Iterable<Uint8Array> {
    return this.#text.length === 0 ? [] : [this.#text];
  }
}
