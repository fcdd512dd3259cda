/** Lines spread over files, so that what belongs together lies together, however much it is in all. Memory: the buffers here. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { onFiles } from "../file-error.ts";
import { appendLines, readLines } from "./scratch-file.ts";
import { LINE_BYTES, sortedLines } from "./sort-lines.ts";

const BUFFER_BYTES = 32 * 1024 * 1024;
/** More would mean more opening than writing. */
const MAX_PARTITIONS = 4096;
/** What a partition should weigh in memory, for each line not only its text, and what is sorted at once: by default. */
export const PARTITION_BYTES = 32 * 1024 * 1024;

/** How many partitions for so much text: a power of two. */
export function partitionsFor({ bytes, lines }: { readonly bytes: number; readonly lines: number }, each: number): number {
  const wanted = (bytes + lines * LINE_BYTES) / each;
  return Math.min(MAX_PARTITIONS, 2 ** Math.max(0, Math.ceil(Math.log2(wanted))));
}

export class PartitionFiles {
  readonly #directory: string;
  readonly #buffers: string[][];
  #buffered = 0;

  private constructor(directory: string, count: number) {
    this.#directory = directory;
    this.#buffers = Array.from({ length: count }, () => []);
  }

  static async make(directory: string, count: number): Promise<PartitionFiles> {
    await onFiles(directory, () => mkdir(directory, { recursive: true, mode: 0o700 }));
    return new PartitionFiles(directory, count);
  }

  get count(): number {
    return this.#buffers.length;
  }

  /** `line` is a byte string without a newline. */
  add(partition: number, line: string): void {
    this.#buffers[partition]?.push(line);
    this.#buffered += line.length + LINE_BYTES;
    if (this.#buffered >= BUFFER_BYTES) this.flush();
  }

  flush(): void {
    for (const [partition, lines] of this.#buffers.entries()) {
      if (lines.length === 0) continue;
      appendLines(this.#path(partition), lines);
      lines.length = 0;
    }
    this.#buffered = 0;
  }

  /** The lines of a partition as they were added. */
  lines(partition: number): Generator<string> {
    this.flush();
    return readLines(this.#path(partition));
  }

  /** The lines of a partition in the order of their text. `bytes`: what is sorted at once. */
  sorted(partition: number, bytes: number): Generator<string> {
    this.flush();
    return sortedLines(this.#path(partition), bytes);
  }

  /** Not needed any more. */
  async remove(partition: number): Promise<void> {
    await rm(this.#path(partition), { force: true });
  }

  #path(partition: number): string {
    return join(this.#directory, String(partition));
  }
}
