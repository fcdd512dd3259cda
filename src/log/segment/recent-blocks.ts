/**
 * The blocks that were written last, as they were before compression: who follows the log needs only those, and must not fetch from the file
 * what this process has just put there.
 */
export interface MessageBlock {
  readonly offset: number;
  /** Whole frames. */
  readonly raw: Buffer;
  /** Offset of the block behind it. */
  readonly next: number;
}

/** Several group commits of a busy stream; a reader that is further behind finds the rest in the file. */
const KEPT_BYTES = 2 * 1024 * 1024;

export class RecentBlocks {
  /** Oldest first. */
  readonly #blocks = new Map<number, MessageBlock>();
  #bytes = 0;

  get(offset: number): MessageBlock | undefined {
    return this.#blocks.get(offset);
  }

  /** `raw` is copied. */
  add(offset: number, raw: Buffer, next: number): void {
    this.#blocks.set(offset, { offset, raw: Buffer.from(raw), next });
    this.#bytes += raw.length;
    for (const oldest of this.#blocks.values()) {
      if (this.#bytes <= KEPT_BYTES) return;
      this.#remove(oldest);
    }
  }

  /** Other blocks will stand at `offset` and behind it. */
  cutAt(offset: number): void {
    for (const block of [...this.#blocks.values()]) if (block.offset >= offset) this.#remove(block);
  }

  #remove({ offset, raw }: MessageBlock): void {
    this.#blocks.delete(offset);
    this.#bytes -= raw.length;
  }
}
